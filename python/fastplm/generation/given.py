"""The caller's own functions, called as transformers calls them: with tensors, if the program uses torch."""

import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastplm import arrays


def give(array: arrays.Array, as_torch: bool) -> Any:
    """The array as the caller works with it."""
    return arrays.to_torch(array) if as_torch else array


def uses_torch() -> bool:
    """Whether the caller's own functions expect tensors."""
    return "torch" in sys.modules


def holds_torch(value: Any) -> bool:
    """Whether `value` is a tensor, or an output or a tuple with one."""
    if isinstance(value, dict):
        value = tuple(value.values())
    return any(map(arrays.is_torch, value)) if isinstance(value, tuple) else arrays.is_torch(value)


def process(
    functions: Sequence[Callable[..., Any]], masks: Sequence[Any], as_torch: bool
) -> Callable[[int, Any, Any], Any] | None:
    """What the engine calls with the number of a processor, ids int64 [rows, length] and scores f32 [rows,
    vocabulary]; or with the number of a mask, ids and None.
    """
    if not functions and not masks:
        return None
    for function in functions:
        if not callable(function):
            raise TypeError(
                f"logits_processor: a {type(function).__name__}; expected functions of ids and scores"
            )
        if len(inspect.signature(function).parameters) > 2 and type(function).__module__.startswith(
            "transformers."
        ):
            raise ValueError(f"logits_processor: {type(function).__name__} needs more than ids and scores")

    def call(number: int, ids: arrays.Array, scores: arrays.Array | None) -> arrays.Array:
        if scores is None:
            words: arrays.Array = masks[number].mask(ids)
            return words
        result = functions[number](give(ids, as_torch), give(scores, as_torch))
        made = arrays.to_numpy(result, "logits_processor")
        if made.shape != scores.shape:
            raise ValueError(
                f"logits_processor: {type(functions[number]).__name__} gave {list(made.shape)}; expected "
                f"{list(scores.shape)}"
            )
        return np.ascontiguousarray(made, np.float32)

    return call


def prefix_processor(
    allowed: Callable[..., Any] | None, rows: int, as_torch: bool
) -> Callable[..., Any] | None:
    """prefix_allowed_tokens_fn as a processor. rows: of each prompt."""
    if allowed is None:
        return None

    def processor(ids: Any, scores: Any) -> arrays.Array:
        scores = arrays.to_numpy(scores, "scores")
        mask = np.full_like(scores, -np.inf)
        for row in range(len(mask)):
            tokens = allowed(row // rows, ids[row])
            if len(tokens) == 0:
                raise ValueError(
                    f"prefix_allowed_tokens_fn: no tokens for row {row} of prompt {row // rows}; expected at "
                    "least one"
                )
            mask[row, arrays.integers(tokens, "prefix_allowed_tokens_fn")] = 0
        made = scores + mask
        # where other settings forbid all that is allowed, what is allowed counts
        blocked = np.isneginf(made.max(1).reshape(-1, rows)).all(1).repeat(rows)
        result: arrays.Array = np.where(blocked[:, None], mask, made)
        return result

    return processor


def stop(
    criteria: Sequence[Callable[..., Any]], as_torch: bool, scores: list[Any] | None
) -> Callable[[Any], Any] | None:
    """What the engine calls with ids int64 [rows, length] for flags [rows]. scores: of the steps so far."""
    if not criteria:
        return None
    for criterion in criteria:
        if not callable(criterion):
            raise TypeError(
                f"stopping_criteria: a {type(criterion).__name__}; expected functions of ids and scores"
            )

    def call(ids: arrays.Array) -> arrays.Array:
        done = np.zeros(len(ids), bool)
        for criterion in criteria:
            result = criterion(give(ids, as_torch), None if scores is None else tuple(scores))
            done |= arrays.to_numpy(result, "stopping_criteria").astype(bool)
        return done.astype(np.uint8)

    return call
