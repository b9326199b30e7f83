"""SentencePiece .model files: read as protobuf reads them, made into what transformers makes of them."""

import json
import random
import struct
from pathlib import Path
from typing import Any

import pytest

from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.tokenizer import AutoTokenizer
from fastplm.tokenizers.recovered_merges import recover_merges
from fastplm.tokenizers.sentencepiece import read_sentencepiece

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
    from transformers.tokenization_utils_base import generate_merges

    parsed = proto.ModelProto()
    parsed.ParseFromString(path.read_bytes())
    vocab: Any = [(p.piece, p.score) for p in parsed.pieces]
    merges = None
    if parsed.trainer_spec.model_type != 1:
        vocab = {text: i for i, (text, _) in enumerate(vocab)}
        merges = generate_merges(vocab)
    made = SpmConverter.build_tokenizer_from_spm_proto(parsed, vocab, merges)
    return dict(json.loads(made.to_str()))


@pytest.mark.parametrize("file", FILES)
def test_files(data: Path, proto: Any, file: str) -> None:
    """Every section and every piece, score and merge."""
    path = data / "tokenizers" / file
    want, got = reference_json(proto, path), read_sentencepiece(path).to_json()
    parsed = proto.ModelProto()
    parsed.ParseFromString(path.read_bytes())
    assert [token["content"] for token in got["added_tokens"]] == [
        p.piece for p in parsed.pieces if p.type in (3, 4)
    ]
    for section in ("normalizer", "pre_tokenizer", "post_processor", "decoder"):
        assert got[section] == want[section]
    assert {**got["model"], "ignore_merges": None} == {**want["model"], "ignore_merges": None}


@pytest.mark.parametrize("file", FILES)
def test_ids(data: Path, proto: Any, assert_same: Any, tmp_path: Path, file: str) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    path = data / "tokenizers" / file
    ours = AutoTokenizer.from_pretrained(path)
    settings = reference_json(proto, path)
    settings["added_tokens"] = read_sentencepiece(path).to_json()["added_tokens"]
    (tmp_path / "tokenizer.json").write_text(json.dumps(settings))
    reference = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    text = (data / "texts/blingfire_web_multilingual.txt").read_text(encoding="utf-8").split("\n")
    texts = [*text[:300], "", " ", "a  b\t\n", "</s> x<s>", "\u0301\U0001f468\u200d\U0001f469 \0é", "<unk> x"]
    assert_same(ours, reference, texts)
    for one in texts:
        ids = reference.encode(one).ids
        assert ours.decode(ids) == reference.decode(ids, skip_special_tokens=False)


def test_small_models(proto: Any, tmp_path: Path) -> None:
    """Both kinds, with and without byte fallback, other unknown pieces; fields in any order and in parts."""
    path = tmp_path / "tokenizer.model"
    for kind in (1, 2):
        for trainer in ({}, {35: 1}, {35: 0, 40: 3}, {45: "USER", 40: 3}):
            spec = b"".join(field(number, value) for number, value in ({3: kind} | trainer).items())
            for raw in (
                model(field(2, spec)),
                field(2, spec) + model(),
                model(
                    field(2, field(3, 3 - kind)), field(2, spec), field(3, b""), field(5, b""), field(9, 1.0)
                ),
                model(field(2, spec + field(1, "corpus") + varint(60 << 3 | 1) + bytes(8))),
            ):
                path.write_bytes(raw)
                want, got = reference_json(proto, path), read_sentencepiece(path).to_json()
                assert {k: v for k, v in got.items() if k not in ("added_tokens", "model")} == {
                    k: v for k, v in want.items() if k not in ("added_tokens", "model")
                }
                assert {**got["model"], "ignore_merges": None} == {**want["model"], "ignore_merges": None}


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
        (model(field(2, field(40, 99))), "unk_id is 99"),
        (model(field(2, field(40, -1))), "unk_id is -1"),
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


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_sentencepiece(tmp_path / "tokenizer.model")


def test_mutated_files_never_crash(tmp_path: Path) -> None:
    rng = random.Random(7)
    valid = model(field(2, field(3, 2) + field(35, 1)), field(3, field(1, "nmt") + field(2, b"")))
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
