"""How a sentence-transformers folder turns tokens into one vector: modules.json and what it names."""

import logging
from pathlib import Path
from typing import Any, NamedTuple

from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.jsonfile import read_json
from fastplm.similarity import FUNCTIONS

POOLING_MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")

# The older spelling: one flag per mode. Several modes are concatenated in this order.
_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_TRANSFORMER_CONFIGS = ("sentence_bert_config.json", "sentence_roberta_config.json")


class SentenceModules(NamedTuple):
    """folder: the transformer's. pooling: modes whose results are concatenated. include_prompt: whether
    pooling sees a prompt's tokens. normalize: L2 after pooling. prompts: by name; None: no text."""

    folder: Path
    max_seq_length: int | None
    do_lower_case: bool
    pooling: tuple[str, ...]
    include_prompt: bool
    normalize: bool
    prompts: dict[str, str | None]
    default_prompt_name: str | None
    similarity: str


def read_sentence_modules(folder: Path) -> SentenceModules:
    """Reads modules.json, what it names, and config_sentence_transformers.json.

    Without modules.json: mean pooling, with a warning, as sentence-transformers.
    Raises CheckpointError (damaged), UnsupportedError (a module that this version, or nobody, should run).
    """
    path = folder / "modules.json"
    if not path.exists():
        logging.getLogger("fastplm").warning("%s has no modules.json: using mean pooling", folder)
        return _assemble(folder, folder, {}, {}, normalize=False)
    transformer, pooling, normalize = folder, None, False
    for place, (kind, subfolder) in enumerate(_modules(path)):
        if (kind == "Transformer") != (place == 0):
            raise UnsupportedError(
                f"{path}: module {place} is {kind}; expected a Transformer first, and only there"
            )
        if kind == "Transformer":
            transformer = subfolder
        elif kind == "Pooling" and pooling is None:
            pooling = _object(subfolder / "config.json")
        elif kind == "Normalize" and pooling is not None and not normalize:
            _check_target(subfolder)
            normalize = True
        else:
            raise UnsupportedError(
                f"{path}: module {place} is {kind}; this version runs Transformer, Pooling, Normalize"
            )
    if pooling is None:
        raise UnsupportedError(f"{path}: has no Pooling; expected Transformer, Pooling and perhaps Normalize")
    return _assemble(folder, transformer, _transformer_config(transformer), pooling, normalize)


def _modules(path: Path) -> list[tuple[str, Path]]:
    """Class name and folder of each module. A class path is never imported, only compared."""
    modules = read_json(path)
    if not isinstance(modules, list) or not modules or not all(isinstance(m, dict) for m in modules):
        raise CheckpointError(f"{path}: expected a list of modules")
    found = []
    for module in modules:
        kind, place = module.get("type"), module.get("path")
        if not isinstance(kind, str) or not isinstance(place, str):
            raise CheckpointError(
                f"{path}: a module has type {kind!r} and path {place!r}; expected two strings"
            )
        if not kind.startswith("sentence_transformers."):
            raise UnsupportedError(
                f"{path}: module type {kind!r} is code of the model's own; fastplm runs none"
            )
        if place.startswith("/") or ".." in place.split("/") or any(c in place for c in "\\:\0"):
            raise CheckpointError(f"{path}: module path {place!r}; expected a folder inside {path.parent}")
        found.append((kind.rpartition(".")[2], path.parent / place))
    return found


def _transformer_config(folder: Path) -> dict[str, Any]:
    path = next((folder / name for name in _TRANSFORMER_CONFIGS if (folder / name).exists()), None)
    if path is None:
        return {}
    config = _object(path)
    task = config.get("transformer_task", "feature-extraction")
    if task != "feature-extraction":
        raise UnsupportedError(f"{path}: transformer_task is {task!r}; expected feature-extraction")
    for name in ("config_args", "config_kwargs"):
        if set(config.get(name) or {}) - {"trust_remote_code"}:
            raise UnsupportedError(
                f"{path}: {name} changes the model's config; put the settings in config.json"
            )
    length = config.get("max_seq_length")
    if length is not None and (type(length) is not int or length < 1):
        raise CheckpointError(f"{path}: max_seq_length is {length!r}; expected a positive integer or null")
    return config


def _check_target(folder: Path) -> None:
    """Refuses a Normalize that works on something else than the sentence's vector."""
    path = folder / "config.json"
    config = _object(path) if path.exists() else {}
    for name in ("module_input_name", "module_output_name"):
        if config.get(name) not in (None, "sentence_embedding"):
            raise UnsupportedError(f"{path}: {name} is {config[name]!r}; expected sentence_embedding")


def _pooling_modes(config: dict[str, Any], path: Path) -> tuple[str, ...]:
    modes = config.get("pooling_mode")
    if modes is None:
        modes = [mode for flag, mode in _FLAGS.items() if config.get(flag)] or ["mean"]
    elif isinstance(modes, str):
        modes = [modes]
    if not isinstance(modes, list) or not modes or not all(m in POOLING_MODES for m in modes):
        raise CheckpointError(
            f"{path}: pooling_mode is {modes!r}; expected some of {', '.join(POOLING_MODES)}"
        )
    return tuple(modes)


def _assemble(
    folder: Path, transformer: Path, config: dict[str, Any], pooling: dict[str, Any], normalize: bool
) -> SentenceModules:
    path = folder / "config_sentence_transformers.json"
    settings = _object(path) if path.exists() else {}
    prompts = settings.get("prompts") or {}
    if not isinstance(prompts, dict) or not all(isinstance(v, str | None) for v in prompts.values()):
        raise CheckpointError(f"{path}: prompts is {prompts!r}; expected an object of strings")
    default = settings.get("default_prompt_name")
    if default is not None and default not in prompts:
        raise CheckpointError(f"{path}: default_prompt_name is {default!r}; expected one of {list(prompts)}")
    similarity = settings.get("similarity_fn_name") or "cosine"
    if similarity not in FUNCTIONS:
        raise UnsupportedError(
            f"{path}: similarity_fn_name is {similarity!r}; expected one of {', '.join(FUNCTIONS)}"
        )
    return SentenceModules(
        folder=transformer,
        max_seq_length=config.get("max_seq_length"),
        do_lower_case=bool(config.get("do_lower_case", False)),
        pooling=_pooling_modes(pooling, folder / "modules.json"),
        include_prompt=bool(pooling.get("include_prompt", True)),
        normalize=normalize,
        prompts={"query": None, "document": None, **prompts},
        default_prompt_name=default,
        similarity=similarity,
    )


def _object(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise FileNotFoundError(f"{path}: missing; modules.json names its folder")
    value = read_json(path)
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: holds a {type(value).__name__}; expected an object of settings")
    return value
