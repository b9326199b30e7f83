"""Classes of texts and of words, and how many of them are found."""

from typing import Any

import numpy as np

from fastplm.training.recipes.files import Row
from fastplm.training.recipes.language import Feature


def classes(rows: list[Row]) -> list[str]:
    """The labels of texts, in order: numbers by size."""
    labels = {str(row["label"]) for row in rows}
    return sorted(labels, key=lambda text: (0, int(text), "") if text.isdecimal() else (1, 0, text))


def classified(rows: list[Row], tokenizer: Any, length: int, names: list[str]) -> list[Feature]:
    numbers = {name: i for i, name in enumerate(names)}
    features = []
    for row in rows:
        label = str(row["label"])
        if label not in numbers:
            raise ValueError(f"label {label!r} is not in the training examples; expected one of {names}")
        encoded = tokenizer(row["text"], row.get("text_pair"), truncation=True, max_length=length)
        features.append({**encoded, "labels": numbers[label]})
    return features


def tags(rows: list[Row]) -> list[str]:
    """The tags of words, "O" first."""
    return sorted(
        {str(tag) for row in rows for tag in row["tags"]} | {"O"}, key=lambda tag: (tag != "O", tag)
    )


def tagged(rows: list[Row], tokenizer: Any, length: int, names: list[str]) -> list[Feature]:
    """The first token of a word has its tag; the others none."""
    numbers = {name: i for i, name in enumerate(names)}
    features = []
    for i, row in enumerate(rows):
        words, given = row["tokens"], [str(tag) for tag in row["tags"]]
        if len(words) != len(given):
            raise ValueError(f"example {i + 1}: {len(words)} tokens and {len(given)} tags; expected as many")
        if unknown := set(given) - numbers.keys():
            raise ValueError(f"example {i + 1}: tags {sorted(unknown)}; expected some of {names}")
        encoded = tokenizer(words, is_split_into_words=True, truncation=True, max_length=length)
        of_word = encoded.word_ids()
        first = [w is not None and (j == 0 or of_word[j - 1] != w) for j, w in enumerate(of_word)]
        labels = [numbers[given[w]] if f else -100 for w, f in zip(of_word, first, strict=True)]
        features.append({**encoded, "labels": labels})
    return features


def class_figures(prediction: Any) -> dict[str, float]:
    """Accuracy, and precision, recall and F1 as means over the classes."""
    found, right = prediction.predictions.argmax(-1), prediction.label_ids
    every = [_scores(*_counts(found == c, right == c)) for c in np.unique(right)]
    names = ("precision", "recall", "f1")
    means = {name: float(np.mean([scores[name] for scores in every])) for name in names}
    return {"accuracy": float(np.mean(found == right)), **means}


def tag_figures(names: list[str], prediction: Any) -> dict[str, float]:
    """Accuracy of words; precision, recall and F1 of whole entities, as the CoNLL tasks count them."""
    found, right = prediction.predictions.argmax(-1), prediction.label_ids
    known = right != -100
    common = ours = theirs = 0
    for row, wanted, mask in zip(found, right, known, strict=True):
        a, b = (entities([names[t] for t in tagging[mask]]) for tagging in (row, wanted))
        common, ours, theirs = common + len(a & b), ours + len(a), theirs + len(b)
    return {"accuracy": float(np.mean((found == right)[known])), **_scores(common, ours, theirs)}


def entities(sequence: list[str]) -> set[tuple[str, int, int]]:
    """(kind, first word, behind the last) of B- and I- tags; an I- that continues nothing begins one."""
    found, kind, begin = set(), "", 0
    for i, tag in enumerate([*sequence, "O"]):
        prefix, _, name = tag.partition("-")
        if kind and (prefix != "I" or name != kind):
            found.add((kind, begin, i))
            kind = ""
        if prefix in ("B", "I") and not kind:
            kind, begin = name, i
    return found


def _counts(found: Any, right: Any) -> tuple[int, int, int]:
    return int((found & right).sum()), int(found.sum()), int(right.sum())


def _scores(common: int, found: int, right: int) -> dict[str, float]:
    precision, recall = common / max(found, 1), common / max(right, 1)
    return {"precision": precision, "recall": recall, "f1": 2 * common / max(found + right, 1)}
