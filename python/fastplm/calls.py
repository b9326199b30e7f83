"""The arguments of a model call: their order in each family, and what the engine takes of them."""

import inspect
from collections.abc import Iterable
from typing import Any

import numpy as np

from fastplm import arrays
from fastplm.config import PretrainedConfig
from fastplm.config_keys import engine_settings
from fastplm.errors import UnsupportedError
from fastplm.settings import WITHOUT_EFFECT

_BERT = ("input_ids", "attention_mask", "token_type_ids", "position_ids", "inputs_embeds",
         "encoder_hidden_states", "encoder_attention_mask", "cache", "use_cache")  # fmt: skip

# The arguments in their order, as each family of transformers has them.
_POSITIONAL = {
    "bert": _BERT,
    "roberta": _BERT,
    "mpnet": ("input_ids", "attention_mask", "position_ids", "inputs_embeds", "output_attentions",
              "output_hidden_states", "return_dict"),
    "modernbert": ("input_ids", "attention_mask", "position_ids", "inputs_embeds"),
    "t5": ("input_ids", "attention_mask", "inputs_embeds"),
}  # fmt: skip
_HONOURED = dict.fromkeys(
    ("input_ids", "attention_mask", "token_type_ids", "position_ids", "inputs_embeds", "output_hidden_states",
     "output_attentions", "return_dict", "labels")
).keys()  # fmt: skip

# Refused unless None or False: argument, and why.
_NO_CACHE, _NO_DECODER = "an encoder keeps no cache", "this version runs encoders only"
_PACKED = "batches are packed without it; expected input_ids with attention_mask"
_REFUSED = {
    "cache": _NO_CACHE,
    "cache_position": _NO_CACHE,
    "cu_seq_lens_k": _PACKED,
    "cu_seq_lens_q": _PACKED,
    "encoder_attention_mask": _NO_DECODER,
    "encoder_hidden_states": _NO_DECODER,
    "head_mask": "the engine runs all heads",
    "is_causal": _NO_DECODER,
    "max_length_k": _PACKED,
    "max_length_q": _PACKED,
    "past_key_values": _NO_CACHE,
    "seq_idx": _PACKED,
    "use_cache": _NO_CACHE,
}
_HIDDEN = -10_000.0  # what is added to a score that shall not count is this at the most, in every release


def signature(model_type: str) -> inspect.Signature:
    """The signature of a family's call."""
    order = _POSITIONAL[model_type]
    places = [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None) for n in order]
    names = [
        inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=None)
        for n in _HONOURED
        if n not in order
    ]
    this = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return inspect.Signature(
        [this, *places, *names, inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)]
    )


def bind(model_type: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call, by name.

    Raises TypeError (more arguments than the family has, one given twice, an unknown name), UnsupportedError
    (one that asks for what an encoder does not do).
    """
    order = _POSITIONAL[model_type]
    if len(args) > len(order):
        raise TypeError(
            f"forward() got {len(args)} arguments; expected at most {len(order)}: {', '.join(order)}"
        )
    given = dict(zip(order, args, strict=False))
    for name, value in kwargs.items():
        if name in given:
            raise TypeError(f"forward() got {name!r} twice: by position and by name")
        given[name] = value
    for name in given.keys() - _HONOURED:
        if name not in _REFUSED:
            if name not in WITHOUT_EFFECT["forward"]:
                raise TypeError(f"forward() got an unexpected keyword argument {name!r}")
        elif given[name] is not None and given[name] is not False:
            got = type(given[name]).__name__
            raise UnsupportedError(f"{name}: {got} given; expected None: {_REFUSED[name]}")
    return given


def layers_of(value: Any, config: PretrainedConfig) -> bool | frozenset[int]:
    """output_hidden_states: whether all states are wanted, or the numbers of those that are.

    As in transformers, a number may count from the end, and one that there is not selects nothing.
    """
    value = config.output_hidden_states if value is None else value
    if value is None or isinstance(value, bool):
        return bool(value)
    numbers = [value] if isinstance(value, int) else value
    if not isinstance(numbers, list | tuple) or not all(type(n) is int for n in numbers):
        raise TypeError(f"output_hidden_states: {value!r}; expected True, False or numbers of layers")
    if config.model_type == "mpnet" or not value:  # a truth value to it, and so 0 and [] to all
        return bool(value)
    states = config.num_hidden_layers + 1
    return frozenset(n % states for n in numbers if -states <= n < states)


def switch(value: Any, name: str, default: Any) -> bool:
    """True or False; None means `default`. Raises TypeError."""
    value = default if value is None else value
    if value is not None and not isinstance(value, bool):
        raise TypeError(f"{name}: {value!r}; expected True or False")
    return bool(value)


def mask(value: Any, batch: int, length: int, config: PretrainedConfig) -> arrays.Array | None:
    """attention_mask as uint8 of 0 and 1: [batch, length] or [batch, length, length]."""
    if value is None:
        return None
    array = arrays.to_numpy(value, "attention_mask")
    if array.ndim == 4:
        return _scores_mask(array, batch, length, config)
    flags = arrays.flags(array, "attention_mask")
    if batch != 1 and flags.shape == (1, length):
        flags = arrays.repeat_row(flags, batch)
    if flags.shape not in ((batch, length), (batch, length, length)):
        raise ValueError(
            f"attention_mask: shape {list(flags.shape)}; expected [{batch}, {length}], [1, {length}], "
            f"[{batch}, {length}, {length}] or [{batch}, 1, {length}, {length}]"
        )
    if flags.ndim == 3:
        _check_rows(flags)
    return flags


def _scores_mask(array: arrays.Array, batch: int, length: int, config: PretrainedConfig) -> arrays.Array:
    """A mask [batch, 1, query, key] that is added to scores (floats), or says who sees whom (booleans)."""
    if any(size not in (1, full) for size, full in zip(array.shape[:3], (batch, 1, length), strict=True)) or (
        array.shape[3] != length
    ):
        raise ValueError(
            f"attention_mask: shape {list(array.shape)}; expected [{batch} or 1, 1, {length} or 1, {length}]"
        )
    if array.dtype.kind == "f":
        sees = array == 0
        if not (sees | (array <= _HIDDEN)).all():
            raise ValueError(
                "attention_mask: a mask of four dimensions is added to scores; expected 0 (sees) or "
                f"{_HIDDEN:.0f} and less (hidden): the engine adds nothing else"
            )
    elif array.dtype == bool:
        sees = array
    else:
        raise TypeError(f"attention_mask: dtype {array.dtype} in four dimensions; expected bool or floats")
    pairs = np.broadcast_to(sees[:, 0], (batch, length, length))
    _check_rows(pairs)
    _check_window(pairs, length, config)
    return np.ascontiguousarray(pairs, np.uint8)


def _check_rows(pairs: arrays.Array) -> None:
    """Raises ValueError for a token that may attend to nothing: eager and SDPA differ on it."""
    blind = np.argwhere(~pairs.any(-1))
    if len(blind):
        row, token = blind[0]
        raise ValueError(
            f"attention_mask: token {token} of row {row} may attend to no token; expected at least one"
        )


def _check_window(pairs: arrays.Array, length: int, config: PretrainedConfig) -> None:
    """In transformers such a mask takes the place of ModernBERT's windows, which the engine always keeps."""
    if config.model_type != "modernbert":
        return
    window = engine_settings(config.to_dict()).get("local_attention", 128) // 2
    place = np.arange(length)
    if (pairs & (abs(place[:, None] - place) > window)).any():
        raise UnsupportedError(
            "attention_mask: in four dimensions it shows tokens beyond the windows of this family's local "
            "layers; expected [batch, length]"
        )


def per_token(value: Any, name: str, batch: int, length: int, shared: bool = False) -> arrays.Array | None:
    """An integer for each token, as int32 [batch, length]; `shared`: one row may serve all."""
    if value is None:
        return None
    array = arrays.integers(value, name)
    if shared and batch != 1 and array.shape == (1, length):
        array = arrays.repeat_row(array, batch)
    if array.shape != (batch, length):
        raise ValueError(f"{name}: shape {list(array.shape)}; expected [{batch}, {length}]")
    return array


def selected(states: Iterable[Any], wanted: frozenset[int]) -> tuple[Any, ...]:
    """The states whose numbers are wanted; None in place of the others."""
    return tuple(state if i in wanted else None for i, state in enumerate(states))
