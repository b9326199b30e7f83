"""The arguments of transformers' from_pretrained: where a model comes from, and what is refused by name."""

import os
import warnings
from pathlib import Path
from typing import Any, NamedTuple

from fastplm import arrays
from fastplm.config import PretrainedConfig, is_attention
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.hub import resolve
from fastplm.settings import WITHOUT_EFFECT

# Refused unless None, False or empty: argument, and what to do.
_REFUSED = {
    "adapter_kwargs": "an adapter is read from the model's folder",
    "allow_all_kernels": "no kernels are fetched",
    "device_mesh": "fastplm runs in one process",
    "distributed_config": "fastplm runs in one process",
    "fusion_config": "fastplm takes no patches of modules",
    "ignore_mismatched_sizes": "tensors of another shape are errors",
    "kernel_config": "no kernels are fetched",
    "key_mapping": "rename the tensors in the file",
    "max_memory": "the whole model is loaded into memory",
    "output_loading_info": "missing tensors are warned of, or errors; those of another shape are errors",
    "proxies": "set HTTPS_PROXY",
    "state_dict": "save the tensors as model.safetensors beside a config.json",
    "tp_plan": "fastplm runs in one process",
    "tp_size": "fastplm runs in one process",
    "use_kernels": "no kernels are fetched",
}
_ANYWHERE = ("auto", "balanced", "balanced_low_0", "sequential")  # device maps: here, all mean the CPU


class Source(NamedTuple):
    """Where a model's files are: a folder or a hub id, how the hub is asked, and which weights of several."""

    path_or_id: str
    hub: dict[str, Any]
    variant: str | None

    @classmethod
    def of(cls, path_or_id: str | os.PathLike[str], hub: dict[str, Any], variant: str | None) -> "Source":
        """The same place from any working directory."""
        if isinstance(path_or_id, os.PathLike) or Path(path_or_id).expanduser().exists():
            path_or_id = Path(path_or_id).expanduser().absolute()
        return cls(os.fspath(path_or_id), hub, variant)


def take_arguments(given: dict[str, Any]) -> dict[str, Any]:
    """Takes the arguments that ask for nothing out of `given`; the rest are meant as settings of the config.

    Raises UnsupportedError for an argument that asks for what fastplm does not do.
    """
    settings = {}
    for name, value in given.items():
        if name in _REFUSED:
            if value is not None and value is not False and value != {}:
                raise UnsupportedError(f"{name}: {_short(value)}; expected None: {_REFUSED[name]}")
        elif name not in WITHOUT_EFFECT["from_pretrained"]:
            settings[name] = value
    return settings


def check_attention(value: Any) -> None:
    """Raises UnsupportedError for a kind of attention that transformers would have to fetch."""
    for kind in value.values() if isinstance(value, dict) else (value,):
        if not is_attention(kind):
            raise UnsupportedError(f"attn_implementation: {_short(kind)}; fastplm fetches no attention code")


def check_device_map(value: Any) -> None:
    """Raises UnsupportedError unless all parts of the model shall be where the engine runs."""
    for device in value.values() if isinstance(value, dict) else (value,):
        if isinstance(device, str) and device in _ANYWHERE and not isinstance(value, dict):
            continue
        arrays.check_device(f"cuda:{device}" if type(device) is int else device, "device_map")


def check_safetensors(value: bool | None) -> None:
    """Raises UnsupportedError where pickles are asked for."""
    if value is not None and not value:
        raise UnsupportedError("use_safetensors: False; expected True or None: fastplm reads no pickles")


def report_missing(name: str, missing: list[str], weights: Path, strict: bool) -> None:
    """Warns of a head that the checkpoint does not have, in the words of transformers; strict: raises
    CheckpointError.
    """
    if not missing:
        return
    missing = sorted(missing)
    if strict:
        raise CheckpointError(f"{weights}: has no {', '.join(missing)}; {name} needs them (strict=True)")
    warnings.warn(
        f"Some weights of {name} were not initialized from the model checkpoint at {weights} and are "
        f"newly initialized: {missing}\nYou should probably TRAIN this model on a down-stream task to be "
        "able to use it for predictions and inference.",
        stacklevel=4,
    )


def read_config(folder: Path, given: Any, settings: dict[str, Any], hub: dict[str, Any]) -> PretrainedConfig:
    """The config `given` by the caller, or that of `folder`; `settings` take the place of its own.

    given: a config of fastplm or transformers, its settings as a dict, or a file, folder or hub id.
    """
    if given is None:
        return PretrainedConfig.from_pretrained(folder, **settings)
    if isinstance(given, dict):
        return PretrainedConfig.of(given, "config", settings=settings)
    if isinstance(given, str | os.PathLike):
        if Path(given).is_file():
            return PretrainedConfig.from_pretrained(given, **settings)
        return PretrainedConfig.from_pretrained(resolve(given, **hub, weights=False), **settings)
    if not hasattr(given, "to_dict") or not hasattr(given, "model_type"):
        raise TypeError(f"config: {_short(given)}; expected a config, a dict of its settings, or a path")
    if settings:  # as in transformers: an object says it all
        raise TypeError(f"unexpected keyword argument {next(iter(settings))!r} beside config: set it there")
    values = {**given.to_dict(), "model_type": given.model_type}
    return PretrainedConfig.of(values, f"config {type(given).__name__}", str(given.name_or_path))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
