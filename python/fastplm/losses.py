"""The losses of transformers' heads, as numbers: engine models have no graph."""

import copy
import functools
from typing import Any, NoReturn

import numpy as np

from fastplm import arrays
from fastplm.errors import UnsupportedError
from fastplm.signatures import TRAINING

IGNORED = -100


class Loss(np.float32):
    """A loss as a number."""

    def backward(self, *_: Any, **__: Any) -> NoReturn:
        """Raises UnsupportedError naming the way to train."""
        raise UnsupportedError(f"loss.backward(): {TRAINING}")


@functools.cache
def _torch_loss() -> Any:
    import torch

    class TorchLoss(torch.Tensor):
        """A loss as a tensor without a graph; what is computed from it alone is one too."""

        def backward(self, *args: Any, **kwargs: Any) -> Any:
            """Of a sum with a loss that has a graph, torch's own; else as Loss.backward."""
            if not self.requires_grad:
                raise UnsupportedError(f"loss.backward(): {TRAINING}")
            return super().backward(*args, **kwargs)

        def __reduce_ex__(self, protocol: Any) -> Any:
            plain: Any = self.as_subclass(torch.Tensor)  # this class is local
            return plain.__reduce_ex__(protocol)

        def __deepcopy__(self, memo: Any) -> Any:
            return copy.deepcopy(self.as_subclass(torch.Tensor), memo).as_subclass(type(self))

    return TorchLoss


def given(value: float, as_torch: bool) -> Any:
    """The loss `value` as callers get it: a float32 number, or a tensor of one."""
    return (
        arrays.to_torch(np.asarray(value, np.float32)).as_subclass(_torch_loss()) if as_torch else Loss(value)
    )


def cross_entropy(
    logits: Any, labels: Any, name: str = "labels", ignored: int = IGNORED, count: Any = None
) -> float:
    """The mean over labels [...] that are not `ignored`, of logits [..., classes]; their sum by `count`, if
    that is given. As in torch, NaN if there is none. Raises ValueError.
    """
    classes = logits.shape[-1]
    rows, wanted = logits.reshape(-1, classes), labels.reshape(-1)
    if len(rows) != len(wanted):
        raise ValueError(f"{name}: {len(wanted)} labels; expected {len(rows)}")
    keep = wanted != ignored
    rows, wanted = rows[keep].astype(np.float64), wanted[keep]
    if wanted.size and not (wanted.min() >= 0 and wanted.max() < classes):
        raise ValueError(
            f"{name}: from {wanted.min()} to {wanted.max()}; expected 0 to {classes - 1}, or {ignored}"
        )
    if not wanted.size and count is None:
        return float("nan")
    top = rows.max(-1, keepdims=True, initial=-np.inf)
    logs = np.log(np.exp(rows - top).sum(-1)) + top[:, 0] - rows[np.arange(len(rows)), wanted]
    return float(logs.sum() / (len(rows) if count is None else float(count)))


def next_token(logits: Any, labels: Any, count: Any = None) -> float:
    """Each token's logits [B, S, V] against the next label of labels [B, S]."""
    _check_shape(labels, logits.shape[:-1], "labels")
    return cross_entropy(logits[..., :-1, :], labels[..., 1:], count=count)


def classes(logits: Any, labels: Any, problem: str | None) -> float:
    """Of logits [B, classes]: regression, single_label_classification or multi_label_classification; None:
    by the number of classes and the labels' dtype.
    """
    number = logits.shape[-1]
    if problem is None:
        single = labels.dtype.kind in "iu"
        problem = "single_label_classification" if single else "multi_label_classification"
        problem = "regression" if number == 1 else problem
    if problem == "single_label_classification":
        return cross_entropy(logits, integer(labels, "labels"))
    values, wanted = logits.astype(np.float64), labels.astype(np.float64)
    if problem == "regression":
        if number == 1:
            values, wanted = values.squeeze(), wanted.squeeze()
        _check_shape(wanted, values.shape, "labels")
        return float(((values - wanted) ** 2).mean())
    if problem != "multi_label_classification":
        raise ValueError(f"config.problem_type: {problem!r}; expected regression or a classification")
    _check_shape(wanted, values.shape, "labels")
    return float((np.logaddexp(0, values) - values * wanted).mean())


def classes_by_labels(logits: Any, labels: Any) -> tuple[Any, float]:
    """The loss of logits [B, classes] as the labels choose it, and the logits as they then are: regression of
    one class, classes that are not below 0, or weights of all classes.
    """
    if logits.shape[1] == 1:
        logits = logits.reshape(-1)
        return logits, classes(logits[:, None], labels.reshape(-1, 1), "regression")
    if labels.ndim == 1 or labels.shape[-1] == 1:
        wanted = labels.reshape(-1).astype(np.int64)
        keep = wanted >= 0
        return logits, cross_entropy(logits[keep], wanted[keep]) if keep.any() else 0.0
    _check_shape(labels, logits.shape, "labels")
    values = logits.astype(np.float64)
    logs = values - np.logaddexp.reduce(values, -1, keepdims=True)
    return logits, float(-(logs * labels).sum(-1).mean())


def yes_or_no(logits: Any, labels: Any, shown: Any) -> float:
    """Of logits and labels [B, S]: the mean of the binary cross entropy, over those `shown` (None: all)."""
    _check_shape(labels, logits.shape, "labels")
    if shown is not None:
        _check_shape(shown, logits.shape, "attention_mask")
        logits, labels = logits[shown], labels[shown]
    values = logits.astype(np.float64)
    return float((np.logaddexp(0, values) - values * labels).mean())


def spans(start_logits: Any, end_logits: Any, starts: Any, ends: Any, count: Any = None) -> float:
    """Of logits [B, S] and positions [B] or [B, 1]; a position outside counts for nothing."""
    total = 0.0
    for name, logits, positions in (
        ("start_positions", start_logits, starts),
        ("end_positions", end_logits, ends),
    ):
        length = logits.shape[1]
        wanted = positions.squeeze(-1) if positions.ndim > 1 else positions
        total += cross_entropy(logits, np.clip(wanted, 0, length), name, length, count)
    return total / 2


def integer(value: Any, name: str) -> Any:
    """Labels as int32."""
    return arrays.integers(value, name)


def _check_shape(labels: Any, shape: tuple[int, ...], name: str) -> None:
    if labels.shape != shape:
        raise ValueError(f"{name}: shape {list(labels.shape)}; expected {list(shape)}")
