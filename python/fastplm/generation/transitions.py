"""Which score each generated token was chosen by."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastplm import arrays


def transition_scores(
    sequences: Any, scores: Sequence[Any], beam_indices: Any = None, normalize_logits: bool = False
) -> Any:
    """See `GenerationMixin.compute_transition_scores`."""
    ids = arrays.to_numpy(sequences, "sequences")
    steps = np.stack([arrays.to_numpy(step, "scores") for step in scores])  # [steps, rows, vocabulary]
    if normalize_logits:
        most = steps.max(-1, keepdims=True)
        steps = steps - most - np.log(np.exp(steps - most).sum(-1, keepdims=True))
    if beam_indices is None:
        rows = np.broadcast_to(np.arange(steps.shape[1])[:, None], (steps.shape[1], len(steps)))
    else:
        rows = arrays.to_numpy(beam_indices, "beam_indices")
        rows = rows[:, : max(int((rows >= 0).sum(1).max()), 0)]
    length = rows.shape[1]
    chosen = steps[np.arange(length), np.maximum(rows, 0), ids[:, ids.shape[1] - length :]]
    chosen = np.where(rows < 0, np.float32(0), chosen)
    return arrays.to_torch(chosen) if arrays.is_torch(sequences) else chosen
