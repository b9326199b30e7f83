"""config.json: read, checked, and given to callers as an object with attributes.

The checks here hold for every family, because transformers names the same settings alike; what only one
family knows (its own settings, its defaults, its activations) the engine checks when the model is built.
"""

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastplm import _engine
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.jsonfile import read_json

# Sizes: every name a setting goes by, the smallest and the largest value. The limits lie far above any real
# model and keep products of sizes within 64 bits.
_WIDTH, _LAYERS, _HEADS = (
    ("hidden_size", "d_model"),
    ("num_hidden_layers", "num_layers"),
    ("num_attention_heads", "num_heads"),
)
_SIZES: dict[tuple[str, ...], tuple[int, int]] = {
    ("vocab_size",): (1, 1 << 24),
    _WIDTH: (1, 1 << 17),
    _LAYERS: (0, 1 << 12),
    _HEADS: (1, 1 << 12),
    ("intermediate_size", "d_ff"): (1, 1 << 20),
    ("head_dim", "d_kv"): (1, 1 << 12),
    ("max_position_embeddings",): (1, 1 << 24),
    ("type_vocab_size",): (0, 1 << 16),
}
_REQUIRED = (("vocab_size",), _WIDTH, _LAYERS, _HEADS)
_EPSILONS = ("layer_norm_eps", "layer_norm_epsilon", "norm_eps", "rms_norm_eps")
_ACTIVATIONS = ("hidden_act", "hidden_activation", "feed_forward_proj")

# How transformers may run attention. All compute the same, so fastplm ignores the choice; any other value
# names code to fetch and run.
_ATTENTION = {None, "eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention"}
_ATTENTION_KEYS = ("attn_implementation", "_attn_implementation", "_attn_implementation_internal")

# What transformers gives every config that does not say otherwise.
_DEFAULTS: dict[str, Any] = {
    "output_hidden_states": False,
    "output_attentions": False,
    "return_dict": True,
    "is_encoder_decoder": False,
    "architectures": None,
}


class PretrainedConfig:
    """The settings of a model, by attribute: `config.hidden_size`. Read-only: the model is already built.

    A name that transformers maps to the family's own one works too (`hidden_size` for `d_model`).
    """

    _values: dict[str, Any]
    name_or_path: str

    def __init__(self, values: dict[str, Any], name_or_path: str = "") -> None:
        self.__dict__.update(_values=values, name_or_path=name_or_path)

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str]) -> "PretrainedConfig":
        """Reads and checks `folder`/config.json.

        Raises FileNotFoundError, CheckpointError (damaged, a value out of range), UnsupportedError (a family
        or a mechanism this version cannot run); the message names the file.
        """
        path = Path(folder) / "config.json"
        if not path.exists():
            raise FileNotFoundError(
                f"{path}: missing; a model folder holds config.json and model.safetensors"
            )
        values = read_json(path)
        check(values, str(path))
        return cls(values, os.fspath(folder))

    def to_dict(self) -> dict[str, Any]:
        """A deep copy of the settings in config.json, unchanged."""
        copy: dict[str, Any] = json.loads(json.dumps(self._values))
        return copy

    def get(self, name: str, default: Any = None) -> Any:
        """The setting `name`, or `default` if config.json has none."""
        return getattr(self, name, default)

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__.get("_values", {})  # empty while unpickling
        if name in values:
            return values[name]
        for names in _SIZES:
            if name in names:
                for other in names:
                    if other in values:
                        return values[other]
        if name in _DEFAULTS:
            return _DEFAULTS[name]
        raise AttributeError(f"config.json has no setting {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(
            f"config.{name} cannot be changed: the model is built from it; pass arguments instead"
        )

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PretrainedConfig) and self._values == other._values

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__} {json.dumps(self._values, indent=2)}"


def check(values: Any, file: str) -> None:
    """Raises CheckpointError or UnsupportedError if `values`, read from `file`, describes no model to run."""
    if not isinstance(values, dict):
        raise CheckpointError(f"{file}: holds a {type(values).__name__}; expected an object of settings")
    _check_family(values, file)
    _check_code(values, file)
    for names, (low, high) in _SIZES.items():
        for name in names:
            if name in values:
                _check_size(values[name], name, low, high, file)
    for names in _REQUIRED:
        if not any(name in values for name in names):
            raise CheckpointError(f"{file}: has no {' (or '.join(names)}{')' * (len(names) - 1)}")
    width, heads = values.get("hidden_size"), values.get("num_attention_heads")
    if width and heads and width % heads and "head_dim" not in values:
        raise CheckpointError(
            f"{file}: hidden_size is {width}; expected a multiple of num_attention_heads, {heads}"
        )
    for name in _EPSILONS:
        if name in values:
            _check_epsilon(values[name], name, file)
    for name in _ACTIVATIONS:
        if name in values and not isinstance(values[name], str):
            raise CheckpointError(f"{file}: {name} is {values[name]!r}; expected the name of an activation")


def _check_family(values: dict[str, Any], file: str) -> None:
    family = values.get("model_type")
    if not isinstance(family, str):
        raise CheckpointError(f"{file}: model_type is {_short(family)}; expected one of {_known()}")
    if family not in _engine.architectures():
        raise UnsupportedError(f"{file}: model_type is {_short(family)}; this version runs {_known()}")
    for name in ("is_decoder", "add_cross_attention"):
        if values.get(name):
            raise UnsupportedError(f"{file}: {name} is set; this version runs encoders only")
    if values.get("quantization_config"):
        raise UnsupportedError(f"{file}: quantization_config is set; this version loads float weights only")


def _check_code(values: dict[str, Any], file: str) -> None:
    """A config may ask transformers to fetch and run code. fastplm never does, nor runs something else."""
    if values.get("auto_map"):
        raise UnsupportedError(
            f"{file}: auto_map asks for code from the model's repository; fastplm runs none"
        )
    for name in _ATTENTION_KEYS:
        wanted = values.get(name)
        if not (wanted is None or isinstance(wanted, str)) or wanted not in _ATTENTION:
            raise UnsupportedError(f"{file}: {name} is {_short(wanted)}; fastplm fetches no attention code")


def _check_size(value: Any, name: str, low: int, high: int, file: str) -> None:
    if type(value) is not int or not low <= value <= high:
        raise CheckpointError(f"{file}: {name} is {_short(value)}; expected an integer from {low} to {high}")


def _check_epsilon(value: Any, name: str, file: str) -> None:
    if type(value) not in (int, float) or not (math.isfinite(value) and 0 < value < 1):
        raise CheckpointError(f"{file}: {name} is {_short(value)}; expected a number between 0 and 1")


def _known() -> str:
    return ", ".join(_engine.architectures())


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
