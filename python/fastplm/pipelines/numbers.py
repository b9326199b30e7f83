"""What pipelines compute of logits."""

from typing import TYPE_CHECKING, Any

import numpy as np

from fastplm.arrays import F32
from fastplm.errors import CheckpointError

if TYPE_CHECKING:
    from fastplm.models import PreTrainedModel


def softmax(logits: F32) -> F32:
    """Over the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    scores: F32 = shifted / shifted.sum(axis=-1, keepdims=True)
    return scores


def sigmoid(logits: F32) -> F32:
    """Of each; a very negative one gives 0."""
    with np.errstate(over="ignore"):
        scores: F32 = np.float32(1) / (np.float32(1) + np.exp(-logits))
    return scores


def largest(values: F32, count: int) -> Any:
    """The places of the `count` largest of `values` [n], the largest first; equals in order."""
    places: Any = np.arange(len(values))
    if count < len(values):
        least = np.partition(values, len(values) - count)[len(values) - count]
        places = np.flatnonzero(values >= least)
    return places[np.argsort(-values[places], kind="stable")][:count]


def class_names(model: "PreTrainedModel", count: int) -> list[str]:
    """The names of a head's classes. Raises CheckpointError if config.json does not name all of them."""
    names = model.config.id2label
    if missing := [i for i in range(count) if i not in names]:
        raise CheckpointError(
            f"{model.config.name_or_path}: id2label has no name for class {missing[0]}; expected one for "
            f"each of the head's {count}"
        )
    return [names[i] for i in range(count)]
