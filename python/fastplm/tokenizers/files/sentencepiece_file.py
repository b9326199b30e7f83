"""What is in SentencePiece's `.model` files, which are protocol buffers.

Only the fields that a tokenizer is made from are looked at; the rest is checked for its form and skipped.
"""

import os
import struct
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fastplm.errors import CheckpointError
from fastplm.jsonfile import MAX_BYTES, read_bytes

# Wire types: how the value of a field is written.
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FLOAT = struct.Struct("<f")
_KEY_TEXT, _KEY_SCORE = 1 << 3 | _BYTES, 2 << 3 | _FIXED32
_Fields = Iterator[tuple[int, int, Any]]  # number, wire type, value: an int, or bytes

_KINDS = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}  # of TrainerSpec.ModelType
_TRAINER_SPEC = {
    3: _VARINT, 24: _VARINT, 35: _VARINT, 40: _VARINT, 41: _VARINT, 42: _VARINT, 43: _VARINT, 44: _BYTES,
    45: _BYTES, 46: _BYTES, 47: _BYTES, 48: _BYTES,
}  # fmt: skip
_NORMALIZER_SPEC = {2: _BYTES, 3: _VARINT, 4: _VARINT, 5: _VARINT}
_NAMED = (("unk", 0, "<unk>"), ("bos", 1, "<s>"), ("eos", 2, "</s>"), ("pad", -1, "<pad>"))

# The kinds of pieces.
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)


class Piece(NamedTuple):
    text: str
    score: float
    kind: int


class Normalizer(NamedTuple):
    """NormalizerSpec."""

    charsmap: bytes
    add_dummy_prefix: bool
    remove_extra_whitespaces: bool
    escape_whitespaces: bool


class Model(NamedTuple):
    """The part of sentencepiece_model.proto's ModelProto that is used.

    kind: "unigram", "bpe", "word" or "char". named: ids, and pieces, by unk_token, bos_token, eos_token and
    pad_token, as TrainerSpec has them: an id of -1 says that there is none.
    """

    pieces: list[Piece]
    kind: str
    byte_fallback: bool
    space_is_suffix: bool
    named: dict[str, tuple[int, str]]
    unk_surface: str
    normalizer: Normalizer
    denormalizer: Normalizer


def read_model(path: str | os.PathLike[str]) -> Model:
    """Raises FileNotFoundError, CheckpointError naming the file and what is wrong in it."""
    name = os.fspath(path)
    try:
        model = _read_model(read_bytes(path, MAX_BYTES))
    except _Damaged as error:
        raise CheckpointError(f"{name}: not a SentencePiece model: {error}") from None
    ids = {piece.text: i for i, piece in enumerate(model.pieces)}
    if len(ids) < len(model.pieces):
        twice = next(piece.text for i, piece in enumerate(model.pieces) if ids[piece.text] != i)
        raise CheckpointError(f"{name}: the piece {twice!r} appears twice; expected different pieces")
    return model


class _Damaged(Exception):
    """What is wrong in a message; the caller says in which file."""


def _read_model(raw: bytes) -> Model:
    pieces: list[Piece] = []
    trainer: dict[int, Any] = {}
    normalizers: dict[int, dict[int, Any]] = {3: {}, 5: {}}
    for number, value in _select(raw, {1: _BYTES, 2: _BYTES, 3: _BYTES, 5: _BYTES}):
        if number == 1:
            pieces.append(_read_piece(value))
        elif number == 2:
            trainer |= _select(value, _TRAINER_SPEC)
        else:
            normalizers[number] |= _select(value, _NORMALIZER_SPEC)
    if not pieces:
        raise _Damaged("it has no pieces")
    kind = trainer.get(3, 1)
    if kind not in _KINDS:
        raise _Damaged(f"model_type is {kind}; expected 1, 2, 3 or 4")
    named = {
        f"{name}_token": (_signed(trainer.get(40 + i, id_)), _text(trainer.get(45 + i, b""), name) or piece)
        for i, (name, id_, piece) in enumerate(_NAMED)
    }
    return Model(
        pieces=pieces,
        kind=_KINDS[kind],
        byte_fallback=bool(trainer.get(35, 0)),
        space_is_suffix=bool(trainer.get(24, 0)),
        named=named,
        unk_surface=_text(trainer.get(44, " \u2047 ".encode()), "unk_surface"),
        normalizer=_normalizer(normalizers[3]),
        denormalizer=_normalizer(normalizers[5]),
    )


def _normalizer(fields: Mapping[int, Any]) -> Normalizer:
    return Normalizer(fields.get(2, b""), *(bool(fields.get(number, 1)) for number in (3, 4, 5)))


def _read_piece(raw: bytes) -> Piece:
    # As SentencePiece itself writes a piece of the usual kind: six times as fast as the general way.
    if len(raw) > 6 and raw[0] == _KEY_TEXT and raw[1] == len(raw) - 7 < 128 and raw[-5] == _KEY_SCORE:
        return Piece(_text(raw[2:-5], "a piece"), _FLOAT.unpack_from(raw, len(raw) - 4)[0], 1)
    fields = dict(_select(raw, {1: _BYTES, 2: _FIXED32, 3: _VARINT}))
    score = _FLOAT.unpack(fields[2])[0] if 2 in fields else 0.0
    return Piece(_text(fields.get(1, b""), "a piece"), score, fields.get(3, 1))


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
