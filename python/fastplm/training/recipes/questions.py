"""Answers marked in a paragraph: long paragraphs in overlapping pieces, and SQuAD's exact match and F1."""

import re
import string
from collections import Counter, defaultdict
from typing import Any

import numpy as np

from fastplm.training.recipes.files import Row
from fastplm.training.recipes.language import Feature

LONGEST_ANSWER = 30  # tokens, as in SQuAD's scripts


def pieces(rows: list[Row], tokenizer: Any, length: int) -> tuple[list[Feature], list[Feature]]:
    """What the model sees, and for each piece its example and where in the paragraph its tokens are.

    A piece without the whole answer has it at its first token.
    """
    features, places = [], []
    for i, row in enumerate(rows):
        texts, begins = row["answers"]["text"], row["answers"]["answer_start"]
        if len(texts) != len(begins):
            raise ValueError(
                f"example {i + 1}: {len(texts)} answers and {len(begins)} places; expected as many"
            )
        encoded = tokenizer(
            row["question"], row["context"], truncation="only_second", max_length=length, stride=length // 4,
            return_overflowing_tokens=True, return_offsets_mapping=True,
        )  # fmt: skip
        for j in range(len(encoded["input_ids"])):
            offsets = [
                offset if of == 1 else None
                for offset, of in zip(encoded["offset_mapping"][j], encoded.sequence_ids(j), strict=True)
            ]
            begin, end = 0, 0
            if texts:
                begin, end = _tokens(offsets, begins[0], begins[0] + len(texts[0]))
            seen = {name: encoded[name][j] for name in tokenizer.model_input_names if name in encoded}
            features.append({**seen, "start_positions": begin, "end_positions": end})
            places.append({"example": i, "offsets": offsets})
    return features, places


def figures(rows: list[Row], places: list[Feature], prediction: Any) -> dict[str, float]:
    """Exact match and F1, each the best over an example's answers."""
    starts, ends = prediction.predictions[:2]
    best: dict[int, tuple[float, str]] = defaultdict(lambda: (-np.inf, ""))
    for place, start, end in zip(places, starts, ends, strict=True):
        i = place["example"]
        best[i] = max(best[i], _answer(rows[i]["context"], place["offsets"], start, end))
    scores = [_compare(best[i][1], row["answers"]["text"] or [""]) for i, row in enumerate(rows)]
    return {name: float(np.mean([s[k] for s in scores])) for k, name in enumerate(("exact_match", "f1"))}


def _tokens(offsets: list[Any], begin: int, end: int) -> tuple[int, int]:
    inside = [i for i, o in enumerate(offsets) if o is not None and o[1] > begin and o[0] < end]
    if not inside or offsets[inside[0]][0] > begin or offsets[inside[-1]][1] < end:
        return 0, 0
    return inside[0], inside[-1]


def _answer(context: str, offsets: list[Any], start: Any, end: Any) -> tuple[float, str]:
    n = len(offsets)
    inside = np.array([o is not None for o in offsets])
    scores = np.where(inside[:, None] & inside, start[:n, None] + end[None, :n], -np.inf)
    scores = np.tril(np.triu(np.exp(scores - scores.max())), LONGEST_ANSWER - 1)
    first, last = np.unravel_index(int(scores.argmax()), scores.shape)
    return float(start[first] + end[last]), context[offsets[first][0] : offsets[last][1]]


def _compare(found: str, answers: list[str]) -> tuple[float, float]:
    ours = _words(found)
    exact = max(float(ours == _words(a)) for a in answers)
    return exact, max(_overlap(ours, _words(a)) for a in answers)


def _overlap(a: list[str], b: list[str]) -> float:
    if not a or not b:
        return float(a == b)
    return 2 * sum((Counter(a) & Counter(b)).values()) / (len(a) + len(b))


def _words(text: str) -> list[str]:
    """As SQuAD compares: without case, punctuation and articles."""
    kept = "".join(c for c in text.lower() if c not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", kept).split()
