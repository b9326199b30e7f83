"""How alike embeddings are: larger is more alike, for every function here."""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastplm import arrays
from fastplm.arrays import F32
from fastplm.pooling import normalize


def similarity(a: Any, b: Any, function: str) -> Any:
    """Scores [n, m] of every row of a [n, d] or [d] with every row of b [m, d] or [d]; torch if a or b is.

    function: "cosine", "dot", "euclidean" or "manhattan" (the last two: minus the distance).
    """
    return _with_arrays(a, b, _ALL[function])


def similarity_pairwise(a: Any, b: Any, function: str) -> Any:
    """Scores [n] of each row of a [n, d] with the same row of b [n, d]; torch if either is torch."""
    return _with_arrays(a, b, _PAIRS[function])


def _with_arrays(a: Any, b: Any, score: Callable[[F32, F32], F32]) -> Any:
    x, y = _rows(a, "embeddings1"), _rows(b, "embeddings2")
    if x.shape[1] != y.shape[1]:
        raise ValueError(
            f"embeddings1 has {x.shape[1]} dimensions, embeddings2 {y.shape[1]}; expected the same"
        )
    scores = np.ascontiguousarray(score(x, y), np.float32)
    return arrays.to_torch(scores) if arrays.is_torch(a) or arrays.is_torch(b) else scores


def _rows(value: Any, name: str) -> F32:
    if isinstance(value, (list, tuple)) and value and arrays.is_torch(value[0]):
        value = [arrays.to_numpy(row, name) for row in value]
    rows = np.atleast_2d(arrays.to_numpy(value, name).astype(np.float32, copy=False))
    if rows.ndim != 2:
        raise ValueError(f"{name}: shape {list(rows.shape)}; expected [rows, dimensions]")
    return rows


def _euclidean(a: F32, b: F32) -> Any:
    x, y = a.astype(np.float64), b.astype(np.float64)  # the differences of squares cancel in float32
    squares = np.sum(x * x, axis=1)[:, None] + np.sum(y * y, axis=1) - 2 * (x @ y.T)
    return -np.sqrt(np.maximum(squares, 0))


_ALL: dict[str, Callable[[F32, F32], Any]] = {
    "cosine": lambda a, b: normalize(a) @ normalize(b).T,
    "dot": lambda a, b: a @ b.T,
    "euclidean": _euclidean,
    "manhattan": lambda a, b: -np.stack([np.sum(np.abs(row - b), axis=1) for row in a]),
}
_PAIRS: dict[str, Callable[[F32, F32], Any]] = {
    "cosine": lambda a, b: np.sum(normalize(a) * normalize(b), axis=1),
    "dot": lambda a, b: np.sum(a * b, axis=1),
    "euclidean": lambda a, b: -np.sqrt(np.sum((a - b) ** 2, axis=1)),
    "manhattan": lambda a, b: -np.sum(np.abs(a - b), axis=1),
}

FUNCTIONS = tuple(_ALL)
