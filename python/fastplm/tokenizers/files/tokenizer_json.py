"""tokenizer.json, read strictly."""

from __future__ import annotations

import os
import sys
from array import array
from typing import Any

from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.jsonfile import MAX_BYTES, parse_json, read_bytes
from fastplm.tokenizers.base.added_token import AddedToken
from fastplm.tokenizers.base.source import SECTIONS, STRATEGIES, Source
from fastplm.tokenizers.base.token_table import MAX_ID, MergeSides, Strings, TokenIds, TokenScores, TokenTable

_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


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
        not vocabulary or (min(vocabulary.values()) >= 0 and max(vocabulary.values()) <= MAX_ID)
    ):
        return vocabulary
    for token, token_id in vocabulary.items():
        if type(token_id) is not int or not 0 <= token_id <= MAX_ID:
            raise _fail(path, f"model.vocab[{token!r}]", token_id, f"an integer from 0 to {MAX_ID}")
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
        if type(token_id) is not int or not 0 <= token_id <= MAX_ID:
            raise _fail(path, f"{name}.id", token_id, f"an integer from 0 to {MAX_ID}")
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
    strategy = settings.get("strategy")
    if not isinstance(strategy, str) or strategy not in STRATEGIES:
        raise _fail(path, "truncation.strategy", settings.get("strategy"), "one of " + ", ".join(STRATEGIES))
    return {
        "max_length": _count(path, "truncation.max_length", settings.get("max_length")),
        "stride": _count(path, "truncation.stride", settings.get("stride")),
        "strategy": STRATEGIES[strategy],
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
    if isinstance(model.get("vocab"), (list, TokenScores)):
        return "Unigram"
    return "WordPiece" if "continuing_subword_prefix" in model else "WordLevel"


def _read_model(path: str, model: dict[str, Any], vocabulary: Any) -> dict[str, Any]:
    """The parts of a Source that come from the model."""
    kind = model["type"]
    if kind == "Unigram":
        table, scores = _read_scores(path, vocabulary)
        return {"vocabulary": table, "model": model, "written_scores": scores}
    if kind not in ("BPE", "WordPiece", "WordLevel"):
        raise UnsupportedError(
            f'{path}: model type "{kind}" is unknown; known: BPE, Unigram, WordLevel, WordPiece'
        )
    if isinstance(vocabulary, TokenIds):
        table = TokenTable(path, *vocabulary)
    else:
        table = TokenTable.of(path, check_vocabulary(path, vocabulary))
    if kind == "BPE":
        model = {**model, "merges": table.merge_sides(_read_merges(path, model.get("merges")))}
        if exact := model.get("sentencepiece"):
            scores = exact.get("scores")
            if not isinstance(scores, list) or not all(type(score) in (int, float) for score in scores):
                raise _fail(path, "model.sentencepiece.scores", scores, "a list of numbers")
            model["scores"] = array("d", scores)
            model["sentencepiece"] = {key: value for key, value in exact.items() if key != "scores"}
    return {"vocabulary": table, "model": model}


def _read_merges(path: str, merges: Any) -> Strings:
    """Left and right sides in turn. A merge is a pair, or one string with a space between its sides."""
    if isinstance(merges, MergeSides):
        return merges.sides
    if not isinstance(merges, list):
        raise _fail(path, "model.merges", merges, "a list")
    sides: list[str] = []
    for i, merge in enumerate(merges):
        pair = merge.split(" ") if isinstance(merge, str) else merge
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(side, str) for side in pair):
            raise _fail(path, f"model.merges[{i}]", merge, "two tokens")
        sides += pair
    return Strings.of(sides)


def _read_scores(path: str, vocabulary: Any) -> tuple[TokenTable, bytes]:
    """Pieces with their ids, and each id's score (a log probability) as it is written, commas between."""
    if isinstance(vocabulary, TokenScores):
        return TokenTable(path, vocabulary.tokens, vocabulary.ids), vocabulary.scores
    if not isinstance(vocabulary, list):
        raise _fail(path, "model.vocab", vocabulary, "a list of pieces and scores")
    pieces, scores = {}, []
    for i, entry in enumerate(vocabulary):
        if not (
            isinstance(entry, list)
            and len(entry) == 2
            and isinstance(entry[0], str)
            and type(entry[1]) in (int, float)
            and abs(entry[1]) <= sys.float_info.max
        ):
            raise _fail(path, f"model.vocab[{i}]", entry, "a piece and its score, a finite number")
        pieces[entry[0]] = i
        scores.append(repr(entry[1]))
    return TokenTable.of(path, pieces), ",".join(scores).encode()


def read_tokenizer_json(path: str | os.PathLike[str]) -> Source:
    """The tokenizer.json at `path`.

    Raises FileNotFoundError, CheckpointError naming the file and the component that is wrong,
    UnsupportedError for a component that this version does not know.
    """
    from fastplm.tokenizers.files.long_members import NotPlain, read_apart  # imports numpy

    name = os.fspath(path)
    raw = read_bytes(path, MAX_BYTES)
    try:
        return source_of(name, read_apart(raw, name))
    except (NotPlain, CheckpointError, UnsupportedError):
        return source_of(name, parse_json(raw, name, unique_keys=False))  # which may well say what is wrong


def _check_exact(path: str, section: str, settings: dict[str, Any]) -> None:
    exact = settings.get("sentencepiece")
    if not isinstance(exact, dict | None):
        raise _fail(path, f"{section}.sentencepiece", exact, "an object or null")


def source_of(name: str, root: Any) -> Source:
    """What a tokenizer.json holds; `name` is the file to blame. Raises CheckpointError, UnsupportedError."""
    if not isinstance(root, dict):
        raise _fail(name, "the file", root, "an object")
    model = root.get("model")
    if not isinstance(model, dict):
        raise _fail(name, "model", model, "an object")
    model = {"type": _model_type(model), **model}
    vocabulary = model.pop("vocab", None)
    for entry in ("scores", "rules", *(() if model["type"] == "BPE" else ("merges",))):
        model.pop(entry, None)  # a name that means something in a Source, and nothing in this model
    prefix = model.get("continuing_subword_prefix")
    if not isinstance(prefix, str | None):
        raise _fail(name, "model.continuing_subword_prefix", prefix, "a string or null")
    _check_exact(name, "model", model)
    sections = {}
    for section in SECTIONS:
        settings = root.get(section)
        if settings is not None and (
            not isinstance(settings, dict) or not isinstance(settings.get("type"), str)
        ):
            raise _fail(name, section, settings, 'an object with a "type", or null')
        _check_exact(name, section, settings or {})
        sections[section] = settings
    return Source(
        path=name,
        **_read_model(name, model, vocabulary),
        sections=sections,
        added_tokens=_read_added_tokens(name, root.get("added_tokens")),
        listed_ids=tuple(token["id"] for token in root.get("added_tokens") or ()),
        truncation=_read_truncation(name, root.get("truncation")),
        padding=_read_padding(name, root.get("padding")),
    )
