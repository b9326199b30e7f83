"""From the scores of tokens to entities: what token-classification makes of a row."""

import warnings
from collections.abc import Callable, Container, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastplm.arrays import F32

STRATEGIES = ("none", "simple", "first", "average", "max")
OF_WORDS = ("first", "average", "max")  # strategies that give all tokens of a word one label

Join = Callable[[Sequence[str]], str]  # tokens, or words, to text


class Token(NamedTuple):
    """A token of the text. place: its number in the row. continues: whether it goes on the word before it."""

    word: str
    scores: F32  # [labels]
    start: int
    end: int
    place: int
    continues: bool


class Labelled(NamedTuple):
    """A token, or the tokens of a word, with its label."""

    label: str
    score: Any  # np.float32
    words: list[str]
    start: int
    end: int


def continues_by_prefix(word: str, text: str) -> bool:
    """Of a vocabulary that marks continuations ("##ing"): whether the token is longer than its text."""
    return len(word) != len(text)


def continues_by_space(sentence: str, start: int) -> bool:
    """Of any other: whether there is no space before the token."""
    return start > 0 and " " not in sentence[start - 1 : start + 1]


def entities_of(
    tokens: list[Token], strategy: str, labels: list[str], ignored: Container[Any], join: Join
) -> list[dict[str, Any]]:
    """The entities of a row whose label is not among `ignored`."""
    if strategy == "none":
        return _each_token(tokens, labels, ignored)
    labelled = _words(tokens, strategy, labels, join) if strategy in OF_WORDS else _tokens(tokens, labels)
    return _groups(labelled, ignored, join)


def without_overlaps(entities: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of entities that overlap, as those of rows of one text do, the longest; of equals, the likeliest."""
    kept: list[dict[str, Any]] = []
    for entity in sorted(entities, key=lambda entity: entity["start"]):
        last = kept[-1] if kept else None
        if last is None or not last["start"] <= entity["start"] < last["end"]:
            kept.append(entity)
        elif (entity["end"] - entity["start"], entity["score"]) > (
            last["end"] - last["start"],
            last["score"],
        ):
            kept[-1] = entity
    return kept


def _each_token(tokens: list[Token], labels: list[str], ignored: Container[Any]) -> list[dict[str, Any]]:
    entities = []
    for token in tokens:
        best = int(token.scores.argmax())
        if labels[best] not in ignored:
            entities.append(
                {
                    "entity": labels[best], "score": token.scores[best], "index": token.place,
                    "word": token.word, "start": token.start, "end": token.end,
                }
            )  # fmt: skip
    return entities


def _tokens(tokens: list[Token], labels: list[str]) -> list[Labelled]:
    if not tokens:
        return []
    scores = np.stack([token.scores for token in tokens])
    best = scores.argmax(axis=-1)
    chosen = scores[np.arange(len(tokens)), best]
    return [
        Labelled(labels[i], score, [token.word], token.start, token.end)
        for token, i, score in zip(tokens, best, chosen, strict=True)
    ]


def _words(tokens: list[Token], strategy: str, labels: list[str], join: Join) -> list[Labelled]:
    words: list[list[Token]] = []
    for token in tokens:
        if words and token.continues:
            words[-1].append(token)
        else:
            words.append([token])
    return [_word(word, strategy, labels, join) for word in words]


def _word(word: list[Token], strategy: str, labels: list[str], join: Join) -> Labelled:
    if strategy == "first":
        scores = word[0].scores
    elif strategy == "max":
        scores = max(word, key=lambda token: token.scores.max()).scores
    else:
        scores = np.nanmean(np.stack([token.scores for token in word]), axis=0)
    best = int(scores.argmax())
    text = join([token.word for token in word])
    return Labelled(labels[best], scores[best], [text], word[0].start, word[-1].end)


def _groups(labelled: list[Labelled], ignored: Container[Any], join: Join) -> list[dict[str, Any]]:
    """Neighbours of one kind together; B- begins a new entity."""
    groups: list[list[Labelled]] = []
    for item in labelled:
        begins, kind = _kind(item.label)
        if groups and not begins and kind == _kind(groups[-1][-1].label)[1]:
            groups[-1].append(item)
        else:
            groups.append([item])
    return [
        {
            "entity_group": name,
            "score": np.mean(np.nanmean([item.score for item in group])),
            "word": join([word for item in group for word in item.words]),
            "start": group[0].start,
            "end": group[-1].end,
        }
        for group in groups
        if (name := group[0].label.split("-", 1)[-1]) not in ignored
    ]


def _kind(label: str) -> tuple[bool, str]:
    """Whether a label begins an entity, and what of; labels without B- and I- go on."""
    return label.startswith("B-"), label[2:] if label.startswith(("B-", "I-")) else label


def warn_of_words(strategy: str) -> None:
    """For a tokenizer that marks no continuations."""
    if strategy in OF_WORDS:
        warnings.warn(
            f"aggregation_strategy={strategy!r}: the tokenizer does not mark where words begin; spaces "
            "stand for it",
            stacklevel=2,
        )
