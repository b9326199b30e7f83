"""The arguments of a model call: what the engine takes of them."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from fastplm import arrays
from fastplm.config import PretrainedConfig
from fastplm.errors import UnsupportedError
from fastplm.families import family_of

_HIDDEN = -10_000.0  # what is added to a score that shall not count is this at the most, in every release


def layers_of(value: Any, config: PretrainedConfig, layers: int | None = None) -> bool | frozenset[int]:
    """output_hidden_states: whether all states are wanted, or the numbers of those that are.

    layers: how many there are; default: as config.num_hidden_layers says.

    As in transformers, a number may count from the end, and one that there is not selects nothing.
    """
    value = config.output_hidden_states if value is None else value
    if value is None or isinstance(value, bool):
        return bool(value)
    numbers = [value] if isinstance(value, int) else value
    if not isinstance(numbers, list | tuple) or not all(type(n) is int for n in numbers):
        raise TypeError(f"output_hidden_states: {value!r}; expected True, False or numbers of layers")
    if not value or family_of(config.model_type).manners.states_all_or_none:
        return bool(value)  # 0 and [] are truth values to all
    states = (config.num_hidden_layers if layers is None else layers) + 1
    return frozenset(n % states for n in numbers if -states <= n < states)


def switch(value: Any, name: str, default: Any) -> bool:
    """True or False; None means `default`. Raises TypeError."""
    value = default if value is None else value
    if value is not None and not isinstance(value, bool):
        raise TypeError(f"{name}: {value!r}; expected True or False")
    return bool(value)


def mask(value: Any, batch: int, length: int, window: int | None = None) -> arrays.Array | None:
    """An encoder's attention_mask as uint8 of 0 and 1: [batch, length] or [batch, length, length].

    window: how far tokens see in the layers that see least; None: any distance.
    """
    if value is None:
        return None
    array = arrays.to_numpy(value, "attention_mask")
    if array.ndim == 4:
        return _scores_mask(array, batch, length, window)
    flags = arrays.flags(array, "attention_mask")
    if batch != 1 and flags.shape == (1, length):
        flags = arrays.repeat_row(flags, batch)
    if flags.shape not in ((batch, length), (batch, length, length)):
        raise ValueError(
            f"attention_mask: shape {list(flags.shape)}; expected [{batch}, {length}], [1, {length}], "
            f"[{batch}, {length}, {length}] or [{batch}, 1, {length}, {length}]"
        )
    if flags.ndim == 3:
        check_rows(flags, "attention_mask")
    return flags


def mask_of_lengths(
    mask: arrays.Array | None, lengths: Any, ids: arrays.Array | None, batch: int, length: int, config: Any
) -> arrays.Array | None:
    """The mask given, else of `lengths` [batch], else of as many tokens as are no padding."""
    if mask is None and lengths is None and ids is None:
        return None
    if mask is None:
        padding = config.get("pad_token_id")
        counts = (ids != padding).sum(1) if lengths is None else arrays.integers(lengths, "lengths")
        if counts.shape != (batch,) or (counts.size and not (counts.min() >= 0 and counts.max() <= length)):
            raise ValueError(f"lengths: expected {batch} lengths from 0 to {length}")
        mask = np.ascontiguousarray(np.arange(length) < counts[:, None], np.uint8)
    if config.get("causal") and mask.ndim == 2 and (mask[:, 1:] > mask[:, :-1]).any():
        raise UnsupportedError(
            "attention_mask: hides a token that others follow; a causal model of this family sees it: "
            "expected padding on the right"
        )
    return mask


def _scores_mask(array: arrays.Array, batch: int, length: int, window: int | None) -> arrays.Array:
    pairs = sees(array, batch, length, length, "attention_mask")
    if window is not None:
        check_window(pairs, 0, window, "attention_mask")
    return np.ascontiguousarray(pairs, np.uint8)


def sees(array: arrays.Array, batch: int, length: int, columns: int, name: str) -> arrays.Array:
    """Who sees whom, as booleans [batch, length, columns], by a mask [batch, 1, query, key] that is added to
    scores (floats), or says so (booleans).
    """
    if any(size not in (1, full) for size, full in zip(array.shape[:3], (batch, 1, length), strict=True)) or (
        array.shape[3] != columns
    ):
        raise ValueError(
            f"{name}: shape {list(array.shape)}; expected [{batch} or 1, 1, {length} or 1, {columns}]"
        )
    if array.dtype.kind == "f":
        shows = array == 0
        if not (shows | (array <= _HIDDEN)).all():
            raise ValueError(
                f"{name}: a mask of four dimensions is added to scores; expected 0 (sees) or "
                f"{_HIDDEN:.0f} and less (hidden): the engine adds nothing else"
            )
    elif array.dtype == bool:
        shows = array
    else:
        raise TypeError(f"{name}: dtype {array.dtype} in four dimensions; expected bool or floats")
    pairs = np.broadcast_to(shows[:, 0], (batch, length, columns))
    check_rows(pairs, name)
    return pairs


def check_rows(pairs: arrays.Array, name: str) -> None:
    """Raises ValueError for a token that sees none: each way of attention makes something else of it."""
    blind = np.argwhere(~pairs.any(-1))
    if len(blind):
        row, token = blind[0]
        raise ValueError(f"{name}: token {token} of row {row} may attend to no token; expected at least one")


def check_window(pairs: arrays.Array, past: int, window: int, name: str) -> None:
    """In transformers such a mask takes the place of windows, which the engine always keeps."""
    length, columns = pairs.shape[1:]
    if (pairs & (abs(past + np.arange(length)[:, None] - np.arange(columns)) > window)).any():
        raise UnsupportedError(
            f"{name}: in four dimensions it shows tokens beyond the windows of this family's local "
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
