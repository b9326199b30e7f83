"""How close two results must be, and where they first are not."""

from collections.abc import Sequence

import numpy as np

ABSOLUTE, RELATIVE = 1e-5, 1e-4  # float32 against transformers' eager attention, at every layer


def assert_layers(
    ours: Sequence, theirs: Sequence, keep: np.ndarray | None = None, what: str = "layer"
) -> None:
    """Fails, naming the first of two lists of arrays that differs: |ours - theirs| > 1e-5 + 1e-4 |theirs|.

    keep: a boolean array over the leading axes, to leave padding out.
    """
    assert len(ours) == len(theirs), f"{len(ours)} {what}s; expected {len(theirs)}"
    for layer, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        a, b = np.asarray(a), np.asarray(b)
        assert a.shape == b.shape, f"{what} {layer}: shape {a.shape}; expected {b.shape}"
        a, b = (a, b) if keep is None else (a[keep], b[keep])
        excess = np.abs(a - b) - (ABSOLUTE + RELATIVE * np.abs(b))
        worst = np.unravel_index(np.argmax(excess), excess.shape) if excess.size else ()
        assert not excess.size or excess[worst] <= 0, (
            f"first difference at {what} {layer}, element {worst}: {a[worst]} instead of {b[worst]}, "
            f"{(excess > 0).mean():.2%} of the elements differ"
        )


def excess(a: np.ndarray, b: np.ndarray) -> float:
    """The largest |a - b| as a share of what `assert_layers` allows."""
    return float((np.abs(a - b) / (ABSOLUTE + RELATIVE * np.abs(b))).max())


def worst_cosine(a: np.ndarray, b: np.ndarray) -> float:
    """The smallest cosine between equal rows of a and b."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    return float(np.min(np.sum(a * b, 1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))))
