"""SentencePiece `.model` files: a Unigram or BPE vocabulary with its normalization, in protocol buffers.

Only the fields that a tokenizer is made from are looked at; the rest is checked for its form and skipped.
"""

import base64
import os
import struct
from array import array
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fastplm.errors import CheckpointError
from fastplm.jsonfile import MAX_BYTES, read_bytes
from fastplm.tokenizers.added_token import AddedToken
from fastplm.tokenizers.components import (
    SPACE,
    bpe,
    fallback_decoder,
    precompiled,
    replace,
    sequence,
    unigram,
)
from fastplm.tokenizers.recovered_merges import recover_merges
from fastplm.tokenizers.source import Source
from fastplm.tokenizers.token_table import Strings, TokenTable

# Wire types: how the value of a field is written.
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FLOAT = struct.Struct("<f")
_KEY_TEXT, _KEY_SCORE = 1 << 3 | _BYTES, 2 << 3 | _FIXED32
_Fields = Iterator[tuple[int, int, Any]]  # number, wire type, value: an int, or bytes

# The kinds of pieces that text is cut at before anything else.
_CONTROL, _USER_DEFINED = 3, 4
_UNIGRAM = 1  # of TrainerSpec.ModelType


class _Piece(NamedTuple):
    text: str
    score: float
    kind: int


class _Model(NamedTuple):
    """The part of sentencepiece_model.proto's ModelProto that is used."""

    pieces: list[_Piece]
    kind: int
    byte_fallback: bool
    unk_id: int
    unk_piece: str
    charsmap: bytes


def read_sentencepiece(path: str | os.PathLike[str]) -> Source:
    """The tokenizer that transformers makes of a SentencePiece model for no class in particular.

    Spaces become U+2581 and nothing is put in front of a text. A BPE model's merges are all the ways to cut a
    piece in two pieces, in the order of ids. Control symbols and the user's own symbols are added tokens.
    Raises FileNotFoundError, CheckpointError naming the file and what is wrong in it.
    """
    name = os.fspath(path)
    model = _read_model(name, read_bytes(path, MAX_BYTES))
    vocabulary = {piece.text: i for i, piece in enumerate(model.pieces)}
    if len(vocabulary) < len(model.pieces):
        twice = next(piece.text for i, piece in enumerate(model.pieces) if vocabulary[piece.text] != i)
        raise CheckpointError(f"{name}: the piece {twice!r} appears twice; expected different pieces")
    table = TokenTable.of(name, vocabulary)
    settings: dict[str, Any]
    if model.kind == _UNIGRAM:
        scores = array("d", [piece.score for piece in model.pieces])
        settings = {**unigram(model.unk_id), "byte_fallback": model.byte_fallback, "scores": scores}
    else:
        settings = bpe(
            unk_token=model.unk_piece,
            prefix=None,
            suffix=None,
            fuse_unk=True,
            byte_fallback=model.byte_fallback,
        )
        settings["merges"] = table.merge_sides(Strings.of(recover_merges(name, vocabulary, by_sides=False)))
    normalizers = [replace(" ", SPACE)]
    if model.charsmap:
        normalizers.insert(0, precompiled(base64.b64encode(model.charsmap).decode()))
    decoder = sequence("decoders", [replace(SPACE, " ")])
    return Source(
        path=name,
        vocabulary=table,
        model=settings,
        sections={
            "normalizer": sequence("normalizers", normalizers),
            "pre_tokenizer": None,
            "post_processor": None,
            "decoder": fallback_decoder(strip_first=False) if model.byte_fallback else decoder,
        },
        added_tokens=tuple(
            AddedToken(piece.text, normalized=False, special=piece.kind == _CONTROL)
            for piece in model.pieces
            if piece.kind in (_CONTROL, _USER_DEFINED)
        ),
    )


class _Damaged(Exception):
    """What is wrong in a message; the caller says in which file."""


def _read_model(name: str, raw: bytes) -> _Model:
    pieces: list[_Piece] = []
    trainer: dict[int, Any] = {}
    normalizer: dict[int, Any] = {}
    try:
        for number, value in _select(raw, {1: _BYTES, 2: _BYTES, 3: _BYTES}):
            if number == 1:
                pieces.append(_read_piece(value))
            elif number == 2:
                trainer |= _select(value, {3: _VARINT, 35: _VARINT, 40: _VARINT, 45: _BYTES})
            else:
                normalizer |= _select(value, {2: _BYTES})
        if not pieces:
            raise _Damaged("it has no pieces")
        model = _Model(
            pieces=pieces,
            kind=trainer.get(3, _UNIGRAM),
            byte_fallback=bool(trainer.get(35, 0)),
            unk_id=_signed(trainer.get(40, 0)),
            unk_piece=_text(trainer.get(45, b"<unk>"), "unk_piece"),
            charsmap=normalizer.get(2, b""),
        )
        if not 0 <= model.unk_id < len(pieces):
            raise _Damaged(f"unk_id is {model.unk_id}; expected the number of one of {len(pieces)} pieces")
    except _Damaged as error:
        raise CheckpointError(f"{name}: not a SentencePiece model: {error}") from None
    return model


def _read_piece(raw: bytes) -> _Piece:
    # As SentencePiece itself writes a piece of the usual kind: six times as fast as the general way.
    if len(raw) > 6 and raw[0] == _KEY_TEXT and raw[1] == len(raw) - 7 < 128 and raw[-5] == _KEY_SCORE:
        return _Piece(_text(raw[2:-5], "a piece"), _FLOAT.unpack_from(raw, len(raw) - 4)[0], 1)
    fields = dict(_select(raw, {1: _BYTES, 2: _FIXED32, 3: _VARINT}))
    score = _FLOAT.unpack(fields[2])[0] if 2 in fields else 0.0
    return _Piece(_text(fields.get(1, b""), "a piece"), score, fields.get(3, 1))


def _select(raw: bytes, wanted: Mapping[int, int]) -> Iterator[tuple[int, Any]]:
    """The fields with these numbers, which must have these wire types."""
    for number, wire, value in _read_fields(raw):
        if number in wanted:
            if wire != wanted[number]:
                raise _Damaged(f"field {number} has wire type {wire}; expected {wanted[number]}")
            yield number, value


def _read_fields(raw: bytes) -> _Fields:
    at, end = 0, len(raw)
    while at < end:
        key = raw[at]
        if key < 128:
            at += 1
        else:
            key, at = _read_varint(raw, at)
        wire = key & 7
        if not 0 < key >> 3 < 1 << 29:
            raise _Damaged(f"a field has the number {key >> 3}")
        if wire == _VARINT:
            value, at = _read_varint(raw, at)
            yield key >> 3, wire, value
            continue
        if wire == _BYTES:
            size, at = _read_varint(raw, at)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise _Damaged(f"field {key >> 3} has wire type {wire}; expected 0, 1, 2 or 5")
        if size > end - at:
            raise _Damaged(f"field {key >> 3} has {size} bytes, but {end - at} are left")
        yield key >> 3, wire, raw[at : at + size]
        at += size


def _read_varint(raw: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, and where it ends."""
    if at < len(raw) and raw[at] < 128:
        return raw[at], at + 1
    value = 0
    for shift in range(0, 70, 7):
        if at == len(raw):
            raise _Damaged("it ends within a number")
        byte = raw[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (1 << 64) - 1, at
    raise _Damaged("a number has more than 10 bytes")


def _signed(value: int) -> int:
    """An int32, which is written as a 64-bit number."""
    value &= (1 << 32) - 1
    return value - (1 << 32) if value >> 31 else value


def _text(raw: bytes, what: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise _Damaged(f"{what} is {raw!r}; expected UTF-8") from None
