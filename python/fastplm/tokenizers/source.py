"""tokenizer.json, read strictly, as what the engine's tokenizer is made from."""

import os
from array import array
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any

from fastplm import _engine
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.jsonfile import read_json
from fastplm.tokenizers.added_token import AddedToken

_SECTIONS = ("normalizer", "pre_tokenizer", "post_processor", "decoder")
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
_STRATEGIES = {"LongestFirst": "longest_first", "OnlyFirst": "only_first", "OnlySecond": "only_second"}
_MAX_ID = 2**31 - 2


@dataclass(frozen=True)
class Source:
    """Everything a tokenizer is made from. Immutable: adding tokens makes another one."""

    path: str  # to name in errors
    vocabulary: dict[str, int] = field(repr=False)
    model: dict[str, Any]  # without the vocabulary
    sections: dict[str, dict[str, Any] | None]  # normalizer, pre_tokenizer, post_processor, decoder
    added_tokens: tuple[AddedToken, ...] = ()  # in the order in which they are added
    shadowed: dict[int, str] = field(default_factory=dict)  # Unigram: pieces that have a later id, too
    listed_ids: tuple[int, ...] = ()  # the ids tokenizer.json lists for the first of them
    truncation: dict[str, Any] | None = None  # what tokenizer.json sets: max_length, strategy, stride, side
    padding: dict[str, Any] | None = None  # length (None: longest), multiple_of, pad_id, pad_type_id, ...

    def with_tokens(self, tokens: list[AddedToken]) -> "Source":
        return replace(self, added_tokens=(*self.added_tokens, *tokens))

    def as_tokenizers_reads(self) -> "Source":
        """With scores as `tokenizers` reads them from a file; transformers' own classes read them exactly."""
        if "scores" not in self.model:
            return self
        scores = list(map(_as_serde_json_reads, self.model["scores"]))
        return replace(self, model={**self.model, "scores": scores})

    def build(self) -> _engine.Tokenizer:
        """The engine's tokenizer. Raises CheckpointError or UnsupportedError naming the file."""
        settings = {
            **self.sections,
            "model": self._model_for_engine(),
            "added_tokens": [token.settings() for token in self.added_tokens],
        }
        try:
            tokens = [token.encode() for token in (*self.shadowed.values(), *self.vocabulary)]
        except UnicodeEncodeError:
            raise CheckpointError(f"{self.path}: a token of the vocabulary holds a lone surrogate") from None
        offsets = array("q", accumulate(map(len, tokens), initial=0))
        ids = array("i", [*self.shadowed, *self.vocabulary.values()])
        try:
            return _engine.Tokenizer(settings, b"".join(tokens), offsets, ids)
        except (CheckpointError, UnsupportedError) as error:
            raise type(error)(f"{self.path}: {error}") from None

    def _model_for_engine(self) -> dict[str, Any]:
        """The model's settings, with merges as the ids of both sides and of what they make."""
        if "merges" not in self.model:
            return self.model
        model = dict(self.model)
        lefts, rights = model["merges"][::2], model.pop("merges")[1::2]
        prefix = len(model.get("continuing_subword_prefix") or "")
        joined = [left + right[prefix:] for left, right in zip(lefts, rights, strict=True)]
        rules = array("i", bytes(12 * len(lefts)))
        try:
            for place, tokens in enumerate((lefts, rights, joined)):
                rules[place::3] = array("i", map(self.vocabulary.__getitem__, tokens))
        except KeyError as error:
            missing = error.args[0]
            at = next(
                i for i, merge in enumerate(zip(lefts, rights, joined, strict=True)) if missing in merge
            )
            raise CheckpointError(
                f"{self.path}: model.merges[{at}]: the vocabulary lacks {missing!r}"
            ) from None
        return {**model, "rules": rules}

    def to_json(self) -> dict[str, Any]:
        """What tokenizer.json holds for this tokenizer."""
        added = [{"id": token_id, **flags} for token_id, flags in sorted(self.build().added_tokens().items())]
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": added,
            **self.sections,
            "model": self._model_to_json(),
        }

    def _model_to_json(self) -> dict[str, Any]:
        model: dict[str, Any] = {**self.model, "vocab": self.vocabulary}
        if "merges" in model:
            sides = model["merges"]
            model["merges"] = [list(pair) for pair in zip(sides[::2], sides[1::2], strict=True)]
        if "scores" in model:
            pieces = {**self.shadowed, **{i: piece for piece, i in self.vocabulary.items()}}
            model["vocab"] = [[pieces[i], score] for i, score in enumerate(model.pop("scores"))]
        return model


def _as_serde_json_reads(score: float) -> float:
    """The double that serde_json makes of the number's digits: all of them as one integer, then divided.

    From 2**53 on both steps round, and equally good ways to cut a word can then differ in the last bit.
    """
    whole, _, fraction = repr(score).partition(".")
    if "e" in fraction or len(whole) + len(fraction) < 16:
        return score
    return float(int(whole + fraction)) / 10.0 ** len(fraction)


def shadowed_pieces(pieces: list[str], vocabulary: dict[str, int]) -> dict[int, str]:
    """Of pieces listed by id, those that are in the vocabulary with a later one."""
    if len(pieces) == len(vocabulary):
        return {}
    return {i: piece for i, piece in enumerate(pieces) if vocabulary[piece] != i}


def _fail(path: str, component: str, got: Any, expected: str) -> CheckpointError:
    shown = repr(got)
    return CheckpointError(
        f"{path}: {component} is {shown if len(shown) < 60 else type(got).__name__}; expected {expected}"
    )


def check_vocabulary(path: str, vocabulary: Any) -> dict[str, int]:
    """A dict of str to int ids that fit the engine. Raises CheckpointError."""
    if not isinstance(vocabulary, dict):
        raise _fail(path, "model.vocab", vocabulary, "an object of tokens and ids")
    if set(map(type, vocabulary.values())) <= {int} and (
        not vocabulary or (min(vocabulary.values()) >= 0 and max(vocabulary.values()) <= _MAX_ID)
    ):
        return vocabulary
    for token, token_id in vocabulary.items():
        if type(token_id) is not int or not 0 <= token_id <= _MAX_ID:
            raise _fail(path, f"model.vocab[{token!r}]", token_id, f"an integer from 0 to {_MAX_ID}")
    raise AssertionError


def _read_added_tokens(path: str, tokens: Any) -> tuple[AddedToken, ...]:
    if tokens is None:
        return ()
    if not isinstance(tokens, list):
        raise _fail(path, "added_tokens", tokens, "a list")
    result = []
    for i, token in enumerate(tokens):
        name = f"added_tokens[{i}]"
        if not isinstance(token, dict):
            raise _fail(path, name, token, "an object")
        token_id, content = token.get("id"), token.get("content")
        if type(token_id) is not int or not 0 <= token_id <= _MAX_ID:
            raise _fail(path, f"{name}.id", token_id, f"an integer from 0 to {_MAX_ID}")
        if not isinstance(content, str):
            raise _fail(path, f"{name}.content", content, "a string")
        for flag in _FLAGS:
            if not isinstance(token.get(flag), bool):
                raise _fail(path, f"{name}.{flag}", token.get(flag), "true or false")
        result.append(AddedToken(content, **{flag: token[flag] for flag in _FLAGS}))
    return tuple(result)


def _count(path: str, component: str, value: Any, low: int = 0) -> int:
    if type(value) is not int or not low <= value <= 2**62:
        raise _fail(path, component, value, f"an integer of at least {low}")
    return value


def _side(path: str, component: str, value: Any) -> str:
    if value not in ("Left", "Right"):
        raise _fail(path, component, value, "Left or Right")
    return str(value).lower()


def _read_truncation(path: str, settings: Any) -> dict[str, Any] | None:
    if settings is None:
        return None
    if not isinstance(settings, dict):
        raise _fail(path, "truncation", settings, "an object or null")
    if settings.get("strategy") not in _STRATEGIES:
        raise _fail(path, "truncation.strategy", settings.get("strategy"), "one of " + ", ".join(_STRATEGIES))
    return {
        "max_length": _count(path, "truncation.max_length", settings.get("max_length")),
        "stride": _count(path, "truncation.stride", settings.get("stride")),
        "strategy": _STRATEGIES[settings["strategy"]],
        "side": _side(path, "truncation.direction", settings.get("direction", "Right")),
    }


def _read_padding(path: str, settings: Any) -> dict[str, Any] | None:
    if settings is None:
        return None
    if not isinstance(settings, dict):
        raise _fail(path, "padding", settings, "an object or null")
    strategy = settings.get("strategy")
    if isinstance(strategy, dict) and set(strategy) == {"Fixed"}:
        length = _count(path, "padding.strategy.Fixed", strategy["Fixed"])
    elif strategy == "BatchLongest":
        length = None
    else:
        raise _fail(path, "padding.strategy", strategy, 'BatchLongest or {"Fixed": length}')
    multiple = settings.get("pad_to_multiple_of")
    if not isinstance(settings.get("pad_token"), str):
        raise _fail(path, "padding.pad_token", settings.get("pad_token"), "a string")
    return {
        "length": length,
        "multiple_of": None if multiple is None else _count(path, "padding.pad_to_multiple_of", multiple),
        "pad_id": _count(path, "padding.pad_id", settings.get("pad_id")),
        "pad_type_id": _count(path, "padding.pad_type_id", settings.get("pad_type_id")),
        "pad_token": settings["pad_token"],
        "side": _side(path, "padding.direction", settings.get("direction")),
    }


def _model_type(model: dict[str, Any]) -> str:
    """Of a model without "type", as files from before 2020 are."""
    if "merges" in model:
        return "BPE"
    if isinstance(model.get("vocab"), list):
        return "Unigram"
    return "WordPiece" if "continuing_subword_prefix" in model else "WordLevel"


def _read_model(path: str, model: dict[str, Any], vocabulary: Any) -> tuple[dict[str, int], dict[str, Any]]:
    """The vocabulary and the other settings of a model, as `Source` keeps them."""
    kind = model["type"]
    if kind == "Unigram":
        pieces, scores = _read_scores(path, vocabulary)
        return pieces, {**model, "scores": scores}
    if kind == "BPE":
        return check_vocabulary(path, vocabulary), {
            **model,
            "merges": _read_merges(path, model.get("merges")),
        }
    if kind in ("WordPiece", "WordLevel"):
        return check_vocabulary(path, vocabulary), model
    raise UnsupportedError(
        f'{path}: model type "{kind}" is unknown; known: BPE, Unigram, WordLevel, WordPiece'
    )


def _read_merges(path: str, merges: Any) -> list[str]:
    """Left and right sides in turn. A merge is a pair, or one string with a space between its sides."""
    if not isinstance(merges, list):
        raise _fail(path, "model.merges", merges, "a list")
    sides: list[str] = []
    for i, merge in enumerate(merges):
        pair = merge.split(" ") if isinstance(merge, str) else merge
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(side, str) for side in pair):
            raise _fail(path, f"model.merges[{i}]", merge, "two tokens")
        sides += pair
    return sides


def _read_scores(path: str, vocabulary: Any) -> tuple[dict[str, int], list[float]]:
    """Pieces with their ids, and each id's score (a log probability)."""
    if not isinstance(vocabulary, list):
        raise _fail(path, "model.vocab", vocabulary, "a list of pieces and scores")
    pieces, scores = {}, []
    for i, entry in enumerate(vocabulary):
        if not (
            isinstance(entry, list)
            and len(entry) == 2
            and isinstance(entry[0], str)
            and type(entry[1]) in (int, float)
        ):
            raise _fail(path, f"model.vocab[{i}]", entry, "a piece and its score")
        pieces[entry[0]] = i
        scores.append(float(entry[1]))
    return pieces, scores


def read_tokenizer_json(path: str | os.PathLike[str]) -> Source:
    """The tokenizer.json at `path`.

    Raises FileNotFoundError, CheckpointError naming the file and the component that is wrong,
    UnsupportedError for a component that this version does not know.
    """
    name = os.fspath(path)
    root = read_json(path, unique_keys=False)
    if not isinstance(root, dict):
        raise _fail(name, "the file", root, "an object")
    model = root.get("model")
    if not isinstance(model, dict):
        raise _fail(name, "model", model, "an object")
    model = {"type": _model_type(model), **model}
    listed = model.pop("vocab", None)
    sections = {}
    for section in _SECTIONS:
        settings = root.get(section)
        if settings is not None and (
            not isinstance(settings, dict) or not isinstance(settings.get("type"), str)
        ):
            raise _fail(name, section, settings, 'an object with a "type", or null')
        sections[section] = settings
    vocabulary, model = _read_model(name, model, listed)
    added_tokens = _read_added_tokens(name, root.get("added_tokens"))
    return Source(
        path=name,
        vocabulary=vocabulary,
        model=model,
        sections=sections,
        added_tokens=added_tokens,
        shadowed=shadowed_pieces([piece for piece, _ in listed], vocabulary)
        if model["type"] == "Unigram"
        else {},
        listed_ids=tuple(token["id"] for token in root.get("added_tokens") or ()),
        truncation=_read_truncation(name, root.get("truncation")),
        padding=_read_padding(name, root.get("padding")),
    )
