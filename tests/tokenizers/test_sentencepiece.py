"""SentencePiece .model files: read as protobuf reads them, written as what transformers makes of them."""

import json
import random
import struct
from pathlib import Path
from typing import Any

import pytest

from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.tokenizer import AutoTokenizer
from fastplm.tokenizers.base.recovered_merges import recover_merges
from fastplm.tokenizers.files.sentencepiece import read_sentencepiece
from fastplm.tokenizers.files.sentencepiece_file import read_model

FILES = [
    "unigram/t5-small/spiece.model",
    "unigram/xlnet-base-cased/spiece.model",
    "unigram/sp-test/test_model.model",
    "unigram/sp-test/test_ja_model.model",
    "spm_bpe/mistral01/tokenizer.model",
]


# --- writing ---


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | float | str | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def piece(text: str, score: float = 0.0, kind: int | None = None) -> bytes:
    return field(1, field(1, text) + field(2, score) + (b"" if kind is None else field(3, kind)))


PIECES = [piece("<unk>", 0.0, 2), piece("<s>", 0.0, 3), piece("</s>", 0.0, 3), piece("USER", 0.0, 4)]
SECTIONS = ("normalizer", "pre_tokenizer", "post_processor", "decoder")
LETTERS = [piece(text, -float(i)) for i, text in enumerate(["▁", "a", "b", "▁a", "ab", "▁ab", "aab"])]


def model(*fields: bytes, pieces: bytes = b"".join(PIECES + LETTERS)) -> bytes:
    return pieces + b"".join(fields)


# --- reading ---


@pytest.fixture
def proto() -> Any:
    pytest.importorskip("google.protobuf")
    return pytest.importorskip("transformers.convert_slow_tokenizer").import_protobuf()


def reference_json(proto: Any, path: Path) -> dict[str, Any]:
    """What transformers builds from the file for no class in particular, as tokenizer.json."""
    from transformers.convert_slow_tokenizer import SpmConverter

    parsed = proto.ModelProto()
    parsed.ParseFromString(path.read_bytes())
    vocab: Any = [(p.piece, p.score) for p in parsed.pieces]
    if parsed.trainer_spec.model_type != 1:
        vocab = {text: i for i, (text, _) in enumerate(vocab)}
    made = SpmConverter.build_tokenizer_from_spm_proto(parsed, vocab)
    return dict(json.loads(made.to_str()))


def near_json(path: Path) -> dict[str, Any]:
    """What other programs read of the file that fastplm writes."""
    written = json.loads(json.dumps(read_sentencepiece(path).to_json()))
    for section in (*SECTIONS, "model"):
        if written[section] is not None:
            del written[section]["sentencepiece"]
    return dict(written)


@pytest.mark.parametrize("file", FILES)
def test_files(data: Path, proto: Any, file: str) -> None:
    """Every section and every piece, score and merge."""
    path = data / "tokenizers" / file
    want, got = reference_json(proto, path), near_json(path)
    assert got["added_tokens"] == []
    for section in (*SECTIONS, "model"):
        assert got[section] == want[section]


@pytest.mark.parametrize("file", FILES)
def test_ids(data: Path, tmp_path: Path, file: str) -> None:
    """Those of the library, also when written and read again."""
    path = data / "tokenizers" / file
    library = pytest.importorskip("sentencepiece").SentencePieceProcessor(model_file=str(path))
    ours = AutoTokenizer.from_pretrained(path)
    (tmp_path / "tokenizer.json").write_text(json.dumps(ours._source.to_json()))
    text = (data / "texts/blingfire_web_multilingual.txt").read_text(encoding="utf-8").split("\n")
    texts = [*text[:300], "", " ", "a  b\t\n", "</s> x<s>", "\u0301\U0001f468\u200d\U0001f469 \0é", "<unk> x"]
    want = [library.encode(one) for one in texts]
    for tokenizer in (ours, AutoTokenizer.from_pretrained(tmp_path / "tokenizer.json")):
        assert tokenizer(texts)["input_ids"] == want
        assert [tokenizer.decode(ids) for ids in want] == [library.decode(ids) for ids in want]


def test_small_models(proto: Any, tmp_path: Path) -> None:
    """Both kinds, with and without byte fallback, other unknown pieces; fields in any order and in parts."""
    path = tmp_path / "tokenizer.model"
    bytes_ = b"".join(piece(f"<0x{byte:02X}>", 0.0, 6) for byte in range(256))
    for kind in (1, 2):
        for trainer in ({}, {35: 1}, {35: 0, 40: 0}, {45: "<unk>", 24: 1}):
            spec = b"".join(field(number, value) for number, value in ({3: kind} | trainer).items())
            end = bytes_ if trainer.get(35) else b""
            for raw in (
                model(field(2, spec), end),
                field(2, spec) + model(end),
                model(
                    end, field(2, field(3, 3 - kind)), field(2, spec), field(3, b""), field(5, b""),
                    field(9, 1.0),
                ),
                model(end, field(2, spec + field(1, "corpus") + varint(60 << 3 | 1) + bytes(8))),
                model(end, field(2, spec), field(3, field(3, 0) + field(4, 0) + field(5, 0))),
            ):  # fmt: skip
                path.write_bytes(raw)
                want, got = reference_json(proto, path), near_json(path)
                assert {**got, "added_tokens": []} == want


def test_merges(proto: Any) -> None:
    from transformers.tokenization_utils_base import generate_merges

    rng = random.Random(6)
    for _ in range(50):
        words = {"".join(rng.choices("ab▁", k=rng.randint(1, 6))) for _ in range(rng.randint(1, 80))}
        vocabulary = {word: i for i, word in enumerate(rng.sample(sorted(words), len(words)))}
        sides = list(recover_merges("some.model", vocabulary, by_sides=False))
        assert list(zip(sides[::2], sides[1::2], strict=True)) == generate_merges(vocabulary)


# --- damage ---


@pytest.mark.parametrize(
    "raw, message",
    [
        (b"", "no pieces"),
        (field(2, field(3, 1)), "no pieces"),
        (model() + b"\x0a", "ends within a number"),
        (model() + b"\x0a\x05abc", "field 1 has 5 bytes, but 3 are left"),
        (model() + b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "but 0 are left"),
        (model() + b"\x80" * 11, "more than 10 bytes"),
        (model() + b"\x00\x00", "the number 0"),
        (model() + b"\x0b", "wire type 3"),
        (model() + b"\x1f", "wire type 7"),
        (model() + b"\x08\x01", "field 1 has wire type 0; expected 2"),
        (model() + field(1, field(1, b"\xff")), "expected UTF-8"),
        (model() + field(1, field(1, b"\xed\xa0\x80")), "expected UTF-8"),
        (model() + field(1, field(2, 5)), "field 2 has wire type 0; expected 5"),
        (model() + piece("a"), "'a' appears twice"),
        (model(field(2, field(3, 9))), "model_type is 9"),
        (model(pieces=LETTERS[0]), "0 pieces for unknown text"),
        (model(piece("x", 0.0, 9)), "the type 9"),
        (model() + piece("x", float("nan")), "score"),
        (model() + piece("x", float("-inf")), "score"),
        (model(field(3, field(2, b"\1\2"))), "precompiled_charsmap has 2 bytes"),
        (b'{"model": {}}', "SentencePiece"),
    ],
)
def test_damaged_files(tmp_path: Path, raw: bytes, message: str) -> None:
    path = tmp_path / "tokenizer.model"
    path.write_bytes(raw)
    with pytest.raises(CheckpointError, match=message) as caught:
        AutoTokenizer.from_pretrained(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "section, change, message",
    [
        ("model", {"kind": "words"}, "kind is 'words'"),
        ("model", {"scores": "x"}, "model.sentencepiece.scores"),
        ("model", {"scores": [1.0]}, "1 scores for 11 pieces"),
        ("model", {"unk_id": 11}, "unk_id is 11"),
        ("model", {"unk_id": None}, "no piece stands for unknown text"),
        ("model", {"reserved": [-1]}, "reserved is -1"),
        ("model", {"user_defined": ["a"]}, "user_defined"),
        ("model", {"byte_fallback": True}, "without a piece"),
        ("normalizer", {"user_defined_symbols": [1]}, "user_defined_symbols"),
        ("normalizer", {"precompiled_charsmap": "!"}, "base64"),
        ("pre_tokenizer", {"suffix": 1}, "suffix"),
        ("decoder", {"strip": "all"}, 'strip is "all"'),
        ("decoder", {"denormalizer": {"precompiled_charsmap": ""}}, "user_defined_symbols"),
        ("decoder", None, "decoder.sentencepiece"),
    ],
)
def test_damaged_settings(section: str, change: Any, message: str, tmp_path: Path) -> None:
    """Of a tokenizer.json as fastplm writes it."""
    path = tmp_path / "tokenizer.model"
    path.write_bytes(model(field(2, field(3, 2))))
    written = read_sentencepiece(path).to_json()
    settings = written[section]["sentencepiece"]
    written[section]["sentencepiece"] = 3 if change is None else {**settings, **change}
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(written))
    with pytest.raises(CheckpointError, match=message) as caught:
        AutoTokenizer.from_pretrained(path)
    assert str(path) in str(caught.value)


def test_ids_and_symbols_of_a_written_file(tmp_path: Path) -> None:
    """Ids are places among the pieces; a symbol may be named twice."""
    path = tmp_path / "tokenizer.model"
    path.write_bytes(model(field(2, field(3, 2))))
    original, written = AutoTokenizer.from_pretrained(path), read_sentencepiece(path).to_json()
    written["normalizer"]["sentencepiece"]["user_defined_symbols"] *= 2
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps(written))
    twice = AutoTokenizer.from_pretrained(file)
    for text in ("aab USERab ba", "USE USERUSER", "U"):
        ids = [tok(text, add_special_tokens=False)["input_ids"] for tok in (original, twice)]
        assert ids[0] == ids[1]
    written["model"]["vocab"]["aab"] = 1_000_000
    file.write_text(json.dumps(written))
    with pytest.raises(CheckpointError, match="a piece has id 1000000, but there are 11 pieces"):
        AutoTokenizer.from_pretrained(file)


def test_very_long_pieces_are_refused(tmp_path: Path) -> None:
    """With byte-pair encoding time grows with their square."""
    path = tmp_path / "tokenizer.model"
    for size in (4096, 5000):
        path.write_bytes(model(field(2, field(3, 2))) + piece("a" * size, -20.0))
        if size == 4096:
            AutoTokenizer.from_pretrained(path)
    with pytest.raises(CheckpointError, match="piece 11 has 5000 bytes; expected at most 4096"):
        AutoTokenizer.from_pretrained(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_sentencepiece(tmp_path / "tokenizer.model")


def test_mutated_files_never_crash(tmp_path: Path) -> None:
    rng = random.Random(7)
    valid = model(field(2, field(3, 2) + field(24, 0)), field(3, field(1, "nmt") + field(2, b"")))
    path = tmp_path / "tokenizer.model"
    loaded = 0
    for _ in range(500):
        raw = bytearray(valid)
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(raw))
            raw[at : at + rng.randint(0, 3)] = bytes(rng.randrange(256) for _ in range(rng.randint(0, 3)))
        path.write_bytes(raw)
        try:
            tok = AutoTokenizer.from_pretrained(path)
        except (CheckpointError, UnsupportedError):
            continue
        assert tok("ab a<s>USER", return_offsets_mapping=True)["input_ids"] is not None
        loaded += 1
    assert loaded > 0


def test_fields_of_a_piece_in_another_order(data: Path, tmp_path: Path) -> None:
    """Its kind before its score, which SentencePiece does not write and protobuf allows."""
    piece = b"\x0a\x04zzzz" + b"\x18\x01" + b"\x15" + struct.pack("<f", -3.0)
    whole = (data / "tokenizers/unigram/t5-small/spiece.model").read_bytes()
    (tmp_path / "spiece.model").write_bytes(whole + b"\x0a" + bytes([len(piece)]) + piece)
    assert read_model(tmp_path / "spiece.model").pieces[-1] == ("zzzz", -3.0, 1)
