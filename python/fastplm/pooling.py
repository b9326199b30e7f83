"""Pooling, normalising and quantising on numpy arrays: what the engine's own `embed` does not cover.

Every function treats each row by itself, so that a text's result does not depend on its neighbours (int8 and
uint8 quantisation excepted: they measure the range of all rows).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastplm.arrays import F32, I32, Array

PRECISIONS = ("float32", "int8", "uint8", "binary", "ubinary")


def pool(hidden: F32, cu_seqlens: I32, modes: tuple[str, ...], skip: int = 0) -> F32:
    """Packed token vectors [T, W] to text vectors [n, W * len(modes)]: sentence-transformers' pooling modes.

    Text i is rows cu_seqlens[i] to cu_seqlens[i + 1]; its first `skip` tokens (a prompt) are left out. A text
    without tokens left gives 0 for means and lasttoken, -inf for max and its first token for cls; one without
    any token gives 0.
    """
    rows = np.zeros((len(cu_seqlens) - 1, hidden.shape[1] * len(modes)), np.float32)
    for row, begin, end in zip(rows, cu_seqlens[:-1].tolist(), cu_seqlens[1:].tolist(), strict=True):
        if begin < end:
            np.concatenate([_MODES[mode](hidden[begin:end], skip) for mode in modes], out=row)
    return rows


def _cls(tokens: F32, skip: int) -> Any:
    return tokens[skip if len(tokens) > skip else 0]


def _max(tokens: F32, skip: int) -> Any:
    return np.max(tokens[skip:], axis=0, initial=-np.inf)


def _mean(tokens: F32, skip: int) -> Any:
    return np.sum(tokens[skip:], axis=0) / np.float32(max(len(tokens) - skip, 1e-9))


def _mean_sqrt(tokens: F32, skip: int) -> Any:
    return np.sum(tokens[skip:], axis=0) / np.sqrt(np.float32(max(len(tokens) - skip, 1e-9)))


def _weighted(tokens: F32, skip: int) -> Any:
    weights = np.arange(
        skip + 1, len(tokens) + 1, dtype=np.float32
    )  # a token counts as its place in the text
    return np.sum(tokens[skip:] * weights[:, None], axis=0) / np.float32(max(weights.sum(), 1e-9))


def _last(tokens: F32, skip: int) -> Any:
    return tokens[-1] if len(tokens) > skip else np.zeros_like(tokens[0])


_MODES: dict[str, Callable[[F32, int], Any]] = {
    "cls": _cls, "max": _max, "mean": _mean, "mean_sqrt_len_tokens": _mean_sqrt,
    "weightedmean": _weighted, "lasttoken": _last,
}  # fmt: skip
POOLING_MODES = tuple(_MODES)


def normalize(rows: F32) -> F32:
    """Each row divided by its Euclidean length, or by 1e-12 if that is larger."""
    lengths: F32 = np.sqrt(np.sum(rows * rows, axis=-1, keepdims=True))
    unit: F32 = np.divide(rows, np.maximum(lengths, np.float32(1e-12)), dtype=np.float32)
    return unit


def quantize(rows: F32, precision: str) -> Array:
    """Rows [n, d] in fewer bits, as sentence-transformers' quantize_embeddings.

    int8, uint8: 256 steps between the smallest and the largest value of each column, which needs at least two
    rows. binary, ubinary: one bit per value (1 if positive), eight to a byte, [n, ceil(d / 8)].
    """
    if precision == "float32":
        return rows
    if precision in ("binary", "ubinary"):
        packed = np.packbits(rows > 0, axis=-1)
        return packed if precision == "ubinary" else _signed(packed)
    if len(rows) < 2:
        raise ValueError(
            f'precision="{precision}": got {len(rows)} text; expected at least 2: the range of each '
            "dimension is measured on the texts of the call"
        )
    low = rows.min(axis=0)
    step = (rows.max(axis=0) - low) / 255
    steps = np.clip(np.floor((rows - low) / np.where(step == 0, 1, step)), 0, 255).astype(np.uint8)
    return steps if precision == "uint8" else _signed(steps)


def _signed(values: Array) -> Array:
    """0 to 255 as -128 to 127."""
    return (values ^ np.uint8(0x80)).view(np.int8)
