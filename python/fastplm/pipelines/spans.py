"""From the logits of a row to spans of tokens that may be the answer."""

from typing import Any, NamedTuple

import numpy as np

from fastplm.arrays import F32
from fastplm.pipelines.numbers import largest, softmax

_HIDDEN = np.float32(-10_000)  # the logit of a token that cannot be in the answer, as in transformers


class Spans(NamedTuple):
    """Spans from token `starts[i]` to `ends[i]`, the likeliest first; no_answer: how likely there is none."""

    starts: Any
    ends: Any
    scores: F32
    no_answer: float


def best_spans(start: F32, end: F32, allowed: Any, most: int, longest: int) -> Spans:
    """The `most` likeliest spans of at most `longest` tokens.

    start, end: logits [tokens]. allowed: booleans [tokens]; the first token may be among them, which stands
    for no answer and is in no span. Spans that are as good as impossible (a score of 0) are left out.
    """
    first, last = (softmax(np.where(allowed, logits, _HIDDEN)) for logits in (start, end))
    no_answer = float(first[0] * last[0])
    possible = allowed.copy()
    possible[0] = False
    first, last = np.where(possible, first, np.float32(0)), np.where(possible, last, np.float32(0))
    width = min(longest, len(first))
    # scores[s, n] is that of the tokens from s to s + n
    windows = np.lib.stride_tricks.sliding_window_view(
        np.concatenate([last, np.zeros(width - 1, np.float32)]), width
    )
    scores = (first[:, None] * windows).ravel()
    best = largest(scores, most)
    best = best[scores[best] > 0]
    starts, lengths = np.divmod(best, width)
    return Spans(starts, starts + lengths, scores[best], no_answer)
