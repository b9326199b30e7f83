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
from fastplm.config_keys import (
    ATTENTION,
    ATTENTION_KEYS,
    NULLABLE,
    ONLY,
    ONLY_OF,
    PER_CALL,
    engine_settings,
    honoured,
    labels_of,
)
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.families import FAMILIES, family_of, runs_decoder_alone
from fastplm.jsonfile import read_json
from fastplm.settings import WITHOUT_EFFECT, warn_of_unknown

# Sizes: every name a setting goes by, the smallest and the largest value. The limits lie far above any real
# model and keep products of sizes within 64 bits.
_WIDTH, _LAYERS, _HEADS = (
    ("hidden_size", "d_model", "n_embd", "dim", "emb_dim"),
    ("num_hidden_layers", "num_layers", "n_layer", "encoder_layers", "n_layers"),
    ("num_attention_heads", "num_heads", "n_head", "encoder_attention_heads", "n_heads"),
)
_SIZES: dict[tuple[str, ...], tuple[int, int]] = {
    ("vocab_size", "n_words"): (1, 1 << 24),
    _WIDTH: (1, 1 << 17),
    _LAYERS: (0, 1 << 12),
    _HEADS: (1, 1 << 12),
    ("intermediate_size", "d_ff", "hidden_dim"): (1, 1 << 20),
    ("embedding_size",): (1, 1 << 17),
    ("word_embed_proj_dim",): (1, 1 << 17),
    ("n_langs",): (0, 1 << 16),
    ("position_buckets",): (-1, 1 << 20),
    ("max_relative_positions",): (-1, 1 << 20),
    ("conv_kernel_size",): (0, 1 << 10),
    ("num_hidden_groups",): (1, 1 << 12),
    ("inner_group_num",): (1, 1 << 12),
    ("n_inner",): (1, 1 << 20),
    ("encoder_ffn_dim",): (1, 1 << 20),
    ("decoder_ffn_dim",): (1, 1 << 20),
    ("decoder_layers",): (0, 1 << 12),
    ("num_decoder_layers",): (0, 1 << 12),
    ("decoder_attention_heads",): (1, 1 << 12),
    ("num_key_value_heads",): (1, 1 << 12),
    ("num_labels",): (0, 1 << 20),
    ("head_dim", "d_kv"): (1, 1 << 12),
    ("max_position_embeddings", "n_positions"): (1, 1 << 24),
    ("type_vocab_size",): (0, 1 << 16),
    ("sliding_window",): (0, 1 << 23),
}
_REQUIRED = (("vocab_size", "n_words"), _WIDTH, _LAYERS, _HEADS)
_EPSILONS = ("layer_norm_eps", "layer_norm_epsilon", "norm_eps", "rms_norm_eps")
_ACTIVATIONS = ("hidden_act", "hidden_activation", "feed_forward_proj", "activation_function", "activation",
                "classifier_activation", "conv_act", "pooler_hidden_act")  # fmt: skip
_SWITCHES = ("output_hidden_states", "output_attentions", "return_dict", "use_cache")
_TOKENS = ("pad_token_id", "decoder_start_token_id")
_OLDER = "config.json of older releases"  # of settings.WITHOUT_EFFECT

# What transformers gives every config that does not say otherwise.
_DEFAULTS: dict[str, Any] = {
    "output_hidden_states": False,
    "output_attentions": False,
    "return_dict": True,
    "architectures": None,
    "problem_type": None,
    "use_cache": True,
    "pad_token_id": None,
    "bos_token_id": None,
    "eos_token_id": None,
    "decoder_start_token_id": None,
}


class PretrainedConfig:
    """The settings of a model, by attribute: `config.hidden_size`.

    Those that each call reads may be set (`config.pad_token_id = 0`, `config.use_cache = False`); the others
    may not: the model is already built from them.

    A name that transformers maps to the family's own one works too (`hidden_size` for `d_model`).
    """

    _values: dict[str, Any]
    name_or_path: str

    def __init__(self, values: dict[str, Any], name_or_path: str = "") -> None:
        self.__dict__.update(_values=values, name_or_path=name_or_path)

    @classmethod
    def from_pretrained(
        cls, folder: str | os.PathLike[str], *, gguf_file: str | None = None, **settings: Any
    ) -> "PretrainedConfig":
        """Reads and checks `folder`/config.json, or its `gguf_file`, or `folder` itself if it is such a file;
        `settings` take the place of its own.

        Raises FileNotFoundError, CheckpointError (damaged, a value out of range), UnsupportedError (a family
        or a mechanism this version cannot run), which name the file; TypeError for an unknown setting.
        """
        path = Path(folder) / (gguf_file or "")
        if path.suffix == ".gguf" and path.is_file():
            from fastplm.gguf.model import read_model

            return cls.of(read_model(path).config, str(path), os.fspath(folder), settings)
        if not path.is_file():
            path /= "config.json"
        if not path.exists():
            raise FileNotFoundError(
                f"{path}: missing; a model folder holds config.json and model.safetensors"
            )
        return cls.of(read_json(path), str(path), os.fspath(folder), settings)

    @classmethod
    def of(
        cls, values: Any, where: str, name_or_path: str = "", settings: dict[str, Any] | None = None
    ) -> "PretrainedConfig":
        """Checked `values`, with `settings` in place of their own; `where` is to blame. Raises as above."""
        if settings and isinstance(values, dict):
            settings = _overrides(settings, values)
            values = {**_without_labels(values, settings), **settings}
        check(values, where)
        return cls(values, name_or_path)

    def to_dict(self) -> dict[str, Any]:
        """A deep copy of the settings in config.json, unchanged."""
        copy: dict[str, Any] = json.loads(json.dumps(self._values))
        return copy

    def get(self, name: str, default: Any = None) -> Any:
        """The setting `name`, or `default` if config.json has none."""
        return getattr(self, name, default)

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__.get("_values", {})  # empty while unpickling
        if name in ("id2label", "label2id") and values:
            return _labels(values)[name]
        family = values.get("model_type", "")
        for names in family_of(family).aliases.items() if family in FAMILIES else ():
            for either in names if name in names else ():  # the other name wins, as in the engine
                if either in values:
                    return values[either]
        if name in values:
            return values[name]
        if name == "num_labels" and values:
            return labels_of(values)
        own = family_of(family) if family in FAMILIES else None
        for defaults in (own.defaults if own else {}, _DEFAULTS):
            if name in defaults:
                return defaults[name]
        if name == "is_encoder_decoder":
            return own is not None and own.stacks == "both"
        known = honoured(family) if family in FAMILIES else ()
        for synonyms in _SIZES:
            if name in synonyms:
                for other in synonyms:
                    if other in values and other in known:
                        return values[other]
        raise AttributeError(f"config.json has no setting {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        family = family_of(self._values["model_type"])
        if name not in PER_CALL or name in family.keys:
            raise AttributeError(
                f"config.{name} cannot be changed: the model is built from it; pass arguments instead"
            )
        values = {**self._values, name: value}
        _check_plain(values, "config")
        self.__dict__["_values"] = values

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
    """Raises CheckpointError or UnsupportedError if `values`, read from `file`, describes no model to run.

    Warns of settings that nobody knows.
    """
    if not isinstance(values, dict):
        raise CheckpointError(f"{file}: holds a {type(values).__name__}; expected an object of settings")
    family = values.get("model_type")
    if not isinstance(family, str):
        raise CheckpointError(f"{file}: model_type is {_short(family)}; expected one of {_families()}")
    if family not in FAMILIES:
        raise UnsupportedError(f"{file}: model_type is {_short(family)}; this version runs {_families()}")
    known = honoured(family)
    _check_only(values, file)
    _check_attention(values, file)
    _check_plain(values, file)
    nullable = {*NULLABLE, *(ONLY.keys() - family_of(family).keys)}  # what asks for nothing may be null
    for names, (low, high) in _SIZES.items():
        for name in names:
            if name in values and name in known and not (name in nullable and values[name] is None):
                _check_size(values[name], name, low, high, file)
    for names in _REQUIRED:
        own = family_of(family).aliases
        names = tuple(dict.fromkeys(own.get(name, name) for name in names)) + names
        names = tuple(dict.fromkeys(name for name in names if name in known))
        if not any(name in values for name in names):
            raise CheckpointError(f"{file}: has no {' (or '.join(names)}{')' * (len(names) - 1)}")
    for name in _EPSILONS:
        if name in values and name in known:
            _check_epsilon(values[name], name, file)
    for name in _ACTIVATIONS:
        if name in values and name in known and not isinstance(values[name], str):
            raise CheckpointError(f"{file}: {name} is {values[name]!r}; expected the name of an activation")
    try:
        _engine.check_config(family, engine_settings(values))
    except (CheckpointError, UnsupportedError) as error:
        raise type(error)(f"{file}: {error}") from None
    warn_of_unknown(file, "config.json", values, known | WITHOUT_EFFECT[_OLDER].keys())


def _overrides(settings: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """`settings` as given by keyword: TypeError for a name that no config has, as in transformers."""
    family = values.get("model_type")
    known = honoured(family) if family in FAMILIES else frozenset()
    for name in settings:
        if name not in values and name not in known and name not in WITHOUT_EFFECT["config.json"]:
            raise TypeError(
                f"unexpected keyword argument {name!r}: neither an argument nor a setting of {family}"
            )
    return settings


def _without_labels(values: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """`values` without the labels that `settings` replace.

    As in transformers, another number of labels makes new names, and new names another number.
    """
    names, count = values.get("id2label"), settings.get("num_labels")
    dropped: tuple[str, ...] = ()
    if "id2label" in settings:
        dropped = ("label2id",) if count is not None else ("label2id", "num_labels")
    elif count is not None and isinstance(names, dict) and len(names) != count:
        dropped = ("label2id", "id2label")
    return {name: value for name, value in values.items() if name not in dropped}


def _check_only(values: dict[str, Any], file: str) -> None:
    family = family_of(values["model_type"])
    stacks = "decoder" if runs_decoder_alone(values["model_type"]) else family.stacks
    for name in ONLY.keys() & values.keys() - set(family.keys):
        allowed, reason = ONLY[name]
        allowed = ONLY_OF.get(stacks, {}).get(name, allowed)
        value = values[name]
        if isinstance(value, list) and all(item == value[0] for item in value):
            value = value[:1]
        # 0 is False to Python, and no setting here counts
        if not any(type(value) is type(v) and value == v for v in allowed):
            what = "is set" if values[name] is True else f"is {_short(values[name])}"
            raise UnsupportedError(f"{file}: {name} {what}; {reason}")


def _check_attention(values: dict[str, Any], file: str) -> None:
    """A config may ask transformers to fetch code for attention. fastplm fetches none, nor runs another."""
    for name in ATTENTION_KEYS:
        if name in values and not is_attention(values[name]):
            raise UnsupportedError(
                f"{file}: {name} is {_short(values[name])}; fastplm fetches no attention code"
            )


def is_attention(value: Any) -> bool:
    """Whether `value` is one of the ways to compute attention that transformers has itself."""
    return (value is None or isinstance(value, str)) and value in ATTENTION


def _check_plain(values: dict[str, Any], file: str) -> None:
    """The settings that Python reads."""
    for name in _SWITCHES:
        if name in values and not isinstance(values[name], bool | None):
            raise CheckpointError(f"{file}: {name} is {_short(values[name])}; expected true or false")
    known = honoured(values["model_type"])
    for name in _TOKENS:
        if name in values and name in known and not (values[name] is None or type(values[name]) is int):
            raise CheckpointError(f"{file}: {name} is {_short(values[name])}; expected an integer")
    names = values.get("id2label")
    if "id2label" in known and not isinstance(names, dict | None):
        raise CheckpointError(f"{file}: id2label is {_short(names)}; expected an object of names by number")
    if "id2label" in known and names:
        _check_labels(names, values.get("num_labels"), file)
    for name in ("dtype", "torch_dtype"):
        if name in values and not isinstance(values[name], str | None):
            raise CheckpointError(f"{file}: {name} is {_short(values[name])}; expected the name of a dtype")
    classes = values.get("architectures")
    if classes is not None and not (isinstance(classes, list) and all(isinstance(c, str) for c in classes)):
        raise CheckpointError(f"{file}: architectures is {_short(classes)}; expected a list of class names")


def _check_labels(names: dict[Any, Any], count: Any, file: str) -> None:
    for number in names:
        if not str(number).isdecimal():
            raise CheckpointError(f"{file}: id2label has a name for {number!r}; expected integers")
    if count is not None and count != len(names):
        raise CheckpointError(
            f"{file}: num_labels is {_short(count)}, but id2label has {len(names)} names; expected as many"
        )


def _labels(values: dict[str, Any]) -> dict[str, dict[Any, Any]]:
    """id2label by integer and label2id, as transformers gives them."""
    stored = values.get("id2label")
    names = stored if isinstance(stored, dict) else {}
    if not names:
        names = {number: f"LABEL_{number}" for number in range(labels_of(values))}
    names = {int(n) if str(n).isdecimal() else n: name for n, name in names.items()}
    return {"id2label": names, "label2id": values.get("label2id") or {v: k for k, v in names.items()}}


def _check_size(value: Any, name: str, low: int, high: int, file: str) -> None:
    if type(value) is not int or not low <= value <= high:
        raise CheckpointError(f"{file}: {name} is {_short(value)}; expected an integer from {low} to {high}")


def _check_epsilon(value: Any, name: str, file: str) -> None:
    if type(value) not in (int, float) or not (math.isfinite(value) and 0 < value < 1):
        raise CheckpointError(f"{file}: {name} is {_short(value)}; expected a number between 0 and 1")


def _families() -> str:
    return ", ".join(FAMILIES)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
