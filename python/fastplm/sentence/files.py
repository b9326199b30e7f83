"""modules.json, the files it names, config_sentence_transformers.json: how an encoder's folder makes it."""

import logging
from pathlib import Path
from typing import Any, NamedTuple

from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.jsonfile import read_json
from fastplm.pooling import POOLING_MODES
from fastplm.sentence.layers import LAYERS
from fastplm.sentence.transformer_file import PLAIN, TransformerSettings, read_transformer_settings
from fastplm.settings import warn_of_unknown
from fastplm.similarity import FUNCTIONS

# The older spelling: one flag per mode. Several modes are concatenated in this order.
_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_STATIC = "StaticEmbedding"
_FAMILY = "SentenceTransformer"  # the model_type of config_sentence_transformers.json that is one of these


class SentenceFolder(NamedTuple):
    """names: of the modules, in order: a Transformer and a Pooling, or a StaticEmbedding, then layers. place:
    the first one's folder within the model's ("" where it is the same). transformer: None for a
    StaticEmbedding. pooling: modes whose results are concatenated. layers: kind and folder of each.
    include_prompt: whether pooling sees a prompt's tokens. prompts: by name. similarity: a
    function's name, or None. described: False if nothing but the Transformer comes from the folder.
    """

    names: tuple[str, ...]
    place: str
    transformer: TransformerSettings | None
    layers: tuple[tuple[str, Path], ...]
    pooling: tuple[str, ...]
    include_prompt: bool
    prompts: dict[str, str | None]
    default_prompt_name: str | None
    similarity: str | None
    truncate_dim: int | None
    described: bool


class _Module(NamedTuple):
    kind: str
    name: str
    place: str


def read_sentence_folder(folder: Path) -> SentenceFolder:
    """Reads modules.json, what it names, and config_sentence_transformers.json.

    Without modules.json, and for a folder of sentence-transformers' other model types, no file but the
    Transformer's own counts, as in sentence-transformers: mean pooling (the last token for a causal model),
    with a warning. Raises CheckpointError (damaged), UnsupportedError (a module or a setting that this
    version, or nobody, should run).
    """
    path = folder / "modules.json"
    if not path.exists():
        return _undescribed(folder, f"{folder} has no modules.json")
    config_path = folder / "config_sentence_transformers.json"
    config = read_object(config_path) if config_path.exists() else {}
    if (family := config.get("model_type", _FAMILY)) != _FAMILY:
        return _undescribed(folder, f"{config_path}: model_type is {family!r}")
    modules = read_modules(path)
    for number, module in enumerate(modules):
        _check_order(path, number, module.kind, modules[0].kind == _STATIC)
    static = modules[0].kind == _STATIC
    modes: tuple[str, ...] = ()
    include_prompt = True
    if not static:
        if len(modules) == 1:
            raise UnsupportedError(f"{path}: has no Pooling; expected Transformer and Pooling first")
        modes, include_prompt = _read_pooling(folder / modules[1].place / "config.json")
    return SentenceFolder(
        names=tuple(module.name for module in modules),
        place=modules[0].place,
        transformer=None if static else read_transformer_settings(folder / modules[0].place),
        layers=tuple((module.kind, folder / module.place) for module in modules[1 if static else 2 :]),
        pooling=modes,
        include_prompt=include_prompt,
        **_read_config(config_path, config),
        described=True,
    )


def read_places(folder: Path) -> list[str]:
    """The folders of the modules that modules.json names, within `folder`; none without the file."""
    path = folder / "modules.json"
    return [module.place for module in read_modules(path)] if path.exists() else []


def read_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises FileNotFoundError, CheckpointError."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: missing; modules.json names its folder")
    value = read_json(path)
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: holds a {type(value).__name__}; expected an object of settings")
    return value


def _undescribed(folder: Path, why: str) -> SentenceFolder:
    config = read_object(folder / "config.json") if (folder / "config.json").exists() else {}
    architectures = config.get("architectures")
    first = architectures[0] if isinstance(architectures, list) and architectures else ""
    causal = str(first).endswith("ForCausalLM") and config.get("is_causal", True)
    mode = "lasttoken" if causal else "mean"
    logging.getLogger("fastplm").warning("%s: using %s pooling", why, mode)
    return SentenceFolder(("0", "1"), "", PLAIN, (), (mode,), True, {}, None, None, None, described=False)


def read_modules(path: Path) -> list[_Module]:
    """Class name, name and folder of each module. A class path is never imported, only compared."""
    modules = read_json(path)
    if not isinstance(modules, list) or not modules or not all(isinstance(m, dict) for m in modules):
        raise CheckpointError(f"{path}: expected a list of modules")
    found: list[_Module] = []
    for number, module in enumerate(modules):
        kind, place, name = module.get("type"), module.get("path"), module.get("name", str(number))
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
        if not isinstance(name, str) or any(name == other.name for other in found):
            raise CheckpointError(f"{path}: module name {name!r}; expected a string that no other module has")
        if module.get("kwargs"):
            raise UnsupportedError(f"{path}: kwargs of module {name!r}; fastplm's modules take none")
        warn_of_unknown(str(path), "modules.json", module, ("type", "path", "name", "kwargs"))
        found.append(_Module(kind.rpartition(".")[2], name, place))
    return found


def _check_order(path: Path, number: int, kind: str, static: bool) -> None:
    if (kind in ("Transformer", _STATIC)) != (number == 0):
        raise UnsupportedError(
            f"{path}: module {number} is {kind}; expected a Transformer first, or a "
            "StaticEmbedding, and only there"
        )
    if number == 0:
        return
    known = ("Pooling",) if number == 1 and not static else LAYERS
    if kind not in known:
        raise UnsupportedError(f"{path}: module {number} is {kind}; expected one of {', '.join(known)}")


def _read_pooling(path: Path) -> tuple[tuple[str, ...], bool]:
    """Modes, and whether a prompt counts."""
    config = read_object(path)
    modes = config.get("pooling_mode")
    if modes is None:
        modes = [mode for flag, mode in _FLAGS.items() if config.get(flag)] or ["mean"]
    elif isinstance(modes, str):
        modes = [modes]
    if not isinstance(modes, list) or not modes or not all(m in POOLING_MODES for m in modes):
        raise CheckpointError(
            f"{path}: pooling_mode is {modes!r}; expected some of {', '.join(POOLING_MODES)}"
        )
    warn_of_unknown(str(path), "Pooling", config, ("pooling_mode", "include_prompt", *_FLAGS))
    return tuple(modes), bool(config.get("include_prompt", True))


def _read_config(path: Path, config: dict[str, Any]) -> dict[str, Any]:
    """The fields of SentenceFolder that config_sentence_transformers.json sets."""
    prompts = config.get("prompts") or {}
    if not isinstance(prompts, dict) or not all(isinstance(v, str | None) for v in prompts.values()):
        raise CheckpointError(f"{path}: prompts is {prompts!r}; expected an object of strings")
    default = config.get("default_prompt_name")
    if default is not None and default not in (*prompts, "query", "document"):
        raise CheckpointError(f"{path}: default_prompt_name is {default!r}; expected one of {list(prompts)}")
    similarity = config.get("similarity_fn_name")
    if similarity is not None and similarity not in FUNCTIONS:
        logging.getLogger("fastplm").warning(
            "%s: similarity_fn_name is %r, which is for other embeddings: using cosine", path, similarity
        )
        similarity = None
    truncate = config.get("truncate_dim")
    if truncate is not None and (type(truncate) is not int or truncate < 1):
        raise CheckpointError(f"{path}: truncate_dim is {truncate!r}; expected a positive integer or null")
    found = {
        "prompts": prompts,
        "default_prompt_name": default,
        "similarity": similarity,
        "truncate_dim": truncate,
    }
    honoured = ("prompts", "default_prompt_name", "similarity_fn_name", "truncate_dim", "model_type")
    warn_of_unknown(str(path), "config_sentence_transformers.json", config, honoured)
    return found
