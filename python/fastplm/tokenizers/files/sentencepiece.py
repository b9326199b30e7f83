"""The tokenizer of a SentencePiece `.model` file that no class has a pipeline of its own for.

The sentencepiece library is the reference. Components of tokenizer.json come near to it, in the way of
transformers: they are what other programs read in a file that is saved. What is beyond them stands beside
them, under "sentencepiece", and is what fastplm runs.
"""

import base64
import dataclasses
import os
import re
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from fastplm.errors import CheckpointError
from fastplm.tokenizers.base.added_token import AddedToken
from fastplm.tokenizers.base.components import (
    SPACE,
    Component,
    bpe,
    metaspace,
    precompiled,
    replace,
    replace_regex,
    sequence,
    unigram,
)
from fastplm.tokenizers.base.source import Source
from fastplm.tokenizers.base.token_table import TokenTable
from fastplm.tokenizers.files.sentencepiece_file import (
    BYTE,
    CONTROL,
    NORMAL,
    UNKNOWN,
    UNUSED,
    USER_DEFINED,
    Model,
    Normalizer,
    read_model,
)


def read_sentencepiece(path: str | os.PathLike[str]) -> Source:
    """The file by itself: its ids and texts are those of the library.

    Control symbols in a text are ordinary text, and leave nothing when ids become text.
    Raises FileNotFoundError, CheckpointError naming the file and what is wrong in it.
    """
    model = read_model(path)
    controls = [piece.text for piece in model.pieces if piece.kind == CONTROL]
    return dataclasses.replace(
        make_source(os.fspath(path), model, invisible=controls), names=_named_tokens(model)
    )


def make_source(
    path: str,
    model: Model,
    *,
    invisible: Sequence[str] = (),
    legacy: bool = True,
    named: Mapping[int, str] = {},
) -> Source:
    """Of a model that was read from `path`, without added tokens.

    invisible: pieces that leave nothing when ids become text. legacy: every part of a text between added
    tokens gets the space that the model puts in front of texts; else only the one that begins the text, if it
    does not begin with one. named: other texts for pieces, by id.
    """
    pieces = [piece._replace(text=named.get(i, piece.text)) for i, piece in enumerate(model.pieces)]
    model = model._replace(pieces=pieces)
    _check(path, model)
    symbols = [piece.text for piece in pieces if piece.kind == USER_DEFINED]
    return Source(
        path=path,
        vocabulary=TokenTable.of(path, {piece.text: i for i, piece in enumerate(pieces)}),
        model=_model(model, bool(symbols)),
        sections={
            "normalizer": _normalizer(model, symbols, legacy),
            "pre_tokenizer": _pre_tokenizer(model, symbols, legacy),
            "post_processor": None,
            "decoder": _decoder(model, invisible),
        },
    )


def control_tokens(model: Model) -> list[AddedToken]:
    return [AddedToken(p.text, normalized=False, special=True) for p in model.pieces if p.kind == CONTROL]


def _named_tokens(model: Model) -> dict[str, str]:
    """Those of the beginning, the end, padding and unknown text, by their usual names."""
    kinds = {piece.text: piece.kind for piece in model.pieces}
    wanted = {"unk_token": UNKNOWN}
    return {
        name: text for name, (_, text) in model.named.items() if kinds.get(text) == wanted.get(name, CONTROL)
    }


def _unknown(model: Model) -> int | None:
    return next((i for i, piece in enumerate(model.pieces) if piece.kind == UNKNOWN), None)


def _check(path: str, model: Model) -> None:
    """What the library checks. Raises CheckpointError."""

    def fail(what: str) -> CheckpointError:
        return CheckpointError(f"{path}: not a SentencePiece model: {what}")

    for i, piece in enumerate(model.pieces):
        if not piece.text:
            raise fail(f"piece {i} is empty")
        if not NORMAL <= piece.kind <= BYTE:
            raise fail(f"piece {i} has the type {piece.kind}; expected 1 to 6")
        if "\0" in piece.text and not _is_null(model, i):
            raise fail(f"piece {i} has a null character")
    unknown = [piece.text for piece in model.pieces if piece.kind == UNKNOWN]
    if len(unknown) > 1 or (not unknown and not model.byte_fallback):
        raise fail(f"{len(unknown)} pieces for unknown text; expected one")
    got = {piece.text for piece in model.pieces if piece.kind == BYTE}
    expected = {f"<0x{byte:02X}>" for byte in range(256)} if model.byte_fallback else set()
    if got != expected:
        raise fail(
            f"{len(got)} pieces for bytes; expected {len(expected)}: byte_fallback is {model.byte_fallback}"
        )


def _is_null(model: Model, i: int) -> bool:
    """Whether it is the null character beside the byte, as some converters write it; it is not used then."""
    return model.pieces[i].text == "\0" and (model.byte_fallback or model.pieces[i].kind == UNUSED)


def _model(model: Model, symbols: bool) -> dict[str, Any]:
    def ids(*kinds: int) -> list[int]:
        return [i for i, piece in enumerate(model.pieces) if piece.kind in kinds and not _is_null(model, i)]

    nulls = [i for i in range(len(model.pieces)) if _is_null(model, i)]
    exact = {
        "kind": model.kind,
        "unk_id": _unknown(model),
        "byte_fallback": model.byte_fallback,
        "user_defined": ids(USER_DEFINED),
        "unused": ids(UNUSED),
        "reserved": [*ids(CONTROL, UNKNOWN, BYTE), *nulls],
    }
    if model.kind == "unigram":
        near = {**unigram(_unknown(model)), "byte_fallback": model.byte_fallback}
    else:
        near = bpe(
            unk_token=model.named["unk_token"][1],
            prefix=None,
            suffix=None,
            fuse_unk=True,
            byte_fallback=model.byte_fallback,
            ignore_merges=symbols,
        )
    return {**near, "scores": array("d", [piece.score for piece in model.pieces]), "sentencepiece": exact}


def _exact_normalizer(spec: Normalizer, symbols: Sequence[str], suffix: bool) -> Component:
    return {
        "precompiled_charsmap": base64.b64encode(spec.charsmap).decode() if spec.charsmap else None,
        "remove_extra_whitespaces": spec.remove_extra_whitespaces,
        "escape_whitespaces": spec.escape_whitespaces,
        "treat_whitespace_as_suffix": suffix,
        "user_defined_symbols": list(symbols),
    }


def _normalizer(model: Model, symbols: Sequence[str], legacy: bool) -> Component:
    spec = model.normalizer
    exact = _exact_normalizer(spec, symbols, model.space_is_suffix)
    near = [] if exact["precompiled_charsmap"] is None else [precompiled(exact["precompiled_charsmap"])]
    if spec.remove_extra_whitespaces:
        near += [replace_regex(r"\A +| +\z", ""), replace_regex(" {2,}", " ")]
    if spec.escape_whitespaces:
        near.append(replace(" ", SPACE))
    if spec.add_dummy_prefix and legacy:
        near.append(replace_regex(rf"\A{SPACE}", 2 * SPACE))
    return {**sequence("normalizers", near), "sentencepiece": exact}


def _pre_tokenizer(model: Model, symbols: Sequence[str], legacy: bool) -> Component | None:
    exact, near = None, []
    if model.normalizer.add_dummy_prefix:
        near.append(metaspace("always" if legacy else "first", split=False))
        exact = {
            "escape_whitespaces": model.normalizer.escape_whitespaces,
            "suffix": model.space_is_suffix,
            "first_only": not legacy,
        }
    if symbols:
        pattern = "|".join(re.escape(symbol) for symbol in sorted(symbols, key=len, reverse=True))
        near.append({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False})
    return {**sequence("pretokenizers", near), "sentencepiece": exact} if near else None


def _decoder(model: Model, invisible: Sequence[str]) -> Component:
    near: list[Component] = [replace(SPACE, " ")]
    if model.byte_fallback:
        near.append({"type": "ByteFallback"})
    if model.normalizer.add_dummy_prefix:
        near += [{"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]
    elif model.byte_fallback:
        near.append({"type": "Fuse"})
    unknown = _unknown(model)
    denormalizer = None
    if model.denormalizer.charsmap:
        denormalizer = {
            **_exact_normalizer(model.denormalizer, (), False),
            "add_dummy_prefix": model.denormalizer.add_dummy_prefix,
            "suffix": False,
            "first_only": False,
        }
    removes, prefix = model.normalizer.remove_extra_whitespaces, model.normalizer.add_dummy_prefix
    exact = {
        "unk_piece": None if unknown is None else model.pieces[unknown].text,
        "unk_surface": model.unk_surface,
        "invisible": list(invisible),
        "byte_fallback": model.byte_fallback,
        "strip": "each" if removes else "one" if prefix else "none",
        "denormalizer": denormalizer,
    }
    return {**sequence("decoders", near), "sentencepiece": exact}
