"""SentencePiece models without a class, trained here: ids and texts are those of the library."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.tokenizer import AutoTokenizer
from tests.tokenizers.charsmap import build_charsmap
from tests.tokenizers.counts import compared
from tests.tokenizers.sentencepiece_models import (
    CONTROL_SYMBOLS,
    SETTINGS,
    USER_SYMBOLS,
    every_combination,
    every_pair,
    make_texts,
    read_lines,
    train,
)

sentencepiece = pytest.importorskip("sentencepiece")
pytest.importorskip("google.protobuf")
from sentencepiece import sentencepiece_model_pb2  # noqa: E402 - needs the two above


@pytest.fixture(scope="module")
def lines(data: Path) -> list[str]:
    return read_lines(data)


@pytest.fixture(scope="module")
def texts(lines: list[str]) -> list[str]:
    return make_texts(lines[1000:])


@pytest.fixture(scope="module")
def models(lines: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """By type, one with all kinds of symbols."""
    folder = tmp_path_factory.mktemp("models")
    settings = {"user_defined_symbols": USER_SYMBOLS, "control_symbols": CONTROL_SYMBOLS}
    return {
        kind: sentencepiece_model_pb2.ModelProto.FromString(
            train(lines[:300], folder, model_type=kind, hard_vocab_limit=False, **settings)
        )
        for kind in SETTINGS["model_type"]
    }


def assert_same(tokenizer: Any, library: Any, texts: list[str], *, seed: int = 0) -> None:
    want = [library.encode(text) for text in texts]
    got = tokenizer(texts, add_special_tokens=False)["input_ids"]
    for text, mine, theirs in zip(texts, got, want, strict=True):
        assert mine == theirs, f"{text!r}: {tokenizer.convert_ids_to_tokens(mine)}"
    aligned = tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True)
    assert aligned["input_ids"] == want
    for text, encoding, offsets in zip(texts, aligned.encodings, aligned["offset_mapping"], strict=True):
        assert encoding.tokens == library.encode(text, out_type=str), repr(text)
        for places in zip(*offsets, strict=True):
            assert list(places) == sorted(places) and 0 <= places[0] <= places[-1] <= len(text), repr(text)
    rng = random.Random(seed)
    rows = [rng.choices(range(library.get_piece_size()), k=rng.randint(1, 12)) for _ in range(100)]
    for ids in [*want, *rows]:
        assert tokenizer.decode(ids) == library.decode(ids), library.id_to_piece(ids)


def load(path: Path, raw: bytes) -> tuple[Any, Any]:
    path.write_bytes(raw)
    return AutoTokenizer.from_pretrained(path), sentencepiece.SentencePieceProcessor(model_proto=raw)


def check(settings: dict[str, Any], lines: list[str], texts: list[str], folder: Path) -> None:
    raw = train(lines[:300], folder, **settings)
    assert_same(*load(folder / "some.model", raw), texts)
    compared("SentencePiece models", 1, len(texts))


PAIRS = every_pair()


def test_every_two_values_meet() -> None:
    met = {
        (one, str(row[one]), other, str(row[other]))
        for row in PAIRS
        for one in SETTINGS
        for other in SETTINGS
    }
    for one, values in SETTINGS.items():
        for other in SETTINGS.keys() - {one}:
            for value in values:
                assert {(one, str(value), other, str(v)) for v in SETTINGS[other]} <= met, (one, other)


@pytest.mark.parametrize("settings", PAIRS, ids=lambda row: f"{row['model_type']}-{row['normalization']}")
def test_settings(settings: dict[str, Any], lines: list[str], texts: list[str], tmp_path: Path) -> None:
    check(settings, lines, texts, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1800)  # 256 models
@pytest.mark.parametrize("normalization", SETTINGS["normalization"])
@pytest.mark.parametrize("kind", SETTINGS["model_type"])
def test_every_setting(
    kind: str, normalization: str, lines: list[str], texts: list[str], tmp_path: Path
) -> None:
    for settings in every_combination():
        if (settings["model_type"], settings["normalization"]) == (kind, normalization):
            check(settings, lines, texts, tmp_path)


@pytest.mark.parametrize(
    "settings",
    [
        {"unk_surface": "??", "unk_id": 3, "bos_id": 0, "eos_id": 1, "pad_id": 2},
        {"bos_id": -1, "eos_id": -1, "unk_piece": "[U]"},
        {"bos_piece": "<b>", "eos_piece": "<e>", "pad_id": 3},
        {"split_by_whitespace": False, "allow_whitespace_only_pieces": True, "max_sentencepiece_length": 8},
        {"unk_id": -1, "bos_id": 0, "eos_id": 1, "byte_fallback": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_other_settings(
    kind: str, settings: dict[str, Any], lines: list[str], texts: list[str], tmp_path: Path
) -> None:
    raw = train(lines[:300], tmp_path, model_type=kind, hard_vocab_limit=False, **settings)
    tokenizer, library = load(tmp_path / "some.model", raw)
    assert_same(tokenizer, library, texts[200:])
    for name in ("unk", "bos", "eos", "pad"):
        token_id = getattr(library, f"{name}_id")()
        assert getattr(tokenizer, f"{name}_token_id") == (None if token_id < 0 else token_id), name


def edit(model: Any, how: str) -> Any:
    """The same pieces in another order, with other scores, of other kinds, or not all of them."""
    rng = random.Random(how)
    edited = sentencepiece_model_pb2.ModelProto()
    edited.CopyFrom(model)
    pieces = list(edited.pieces)
    normal = [piece for piece in pieces if piece.type == piece.NORMAL]
    if how == "order":
        rng.shuffle(pieces)
    for piece in normal:
        if how == "equal scores":
            piece.score = rng.choice([-2.0, -1.0, -0.0, 0.0, 1.5])
        elif how == "large scores":
            piece.score = rng.uniform(-3000, -1000)
        elif how == "unused" and rng.random() < 0.1:
            piece.type = piece.UNUSED
        elif how == "user-defined" and rng.random() < 0.1:
            piece.type = piece.USER_DEFINED
        elif how == "missing" and rng.random() < 0.15:
            pieces = [other for other in pieces if other is not piece]
    del edited.pieces[:]
    edited.pieces.extend(pieces)
    return edited


@pytest.mark.parametrize(
    "how", ["order", "equal scores", "large scores", "unused", "user-defined", "missing"]
)
@pytest.mark.parametrize("kind", SETTINGS["model_type"])
def test_edited_models(kind: str, how: str, models: dict[str, Any], texts: list[str], tmp_path: Path) -> None:
    raw = edit(models[kind], how).SerializeToString()
    if (kind, how) == ("bpe", "unused"):
        with pytest.raises(UnsupportedError, match="UNUSED"):
            load(tmp_path / "some.model", raw)
        return
    assert_same(*load(tmp_path / "some.model", raw), texts)


def test_keys_that_end_within_a_character(models: dict[str, Any], tmp_path: Path) -> None:
    """What is left of the character is no text."""
    edited = edit(models["unigram"], "as it is")
    rules = {"中".encode()[:1]: "W", "é".encode()[:1] + b"\xa8": "e"}
    edited.normalizer_spec.precompiled_charsmap = build_charsmap(rules)
    texts = ["中", "a中国b 中", "é è\u00c3", "\u4e00a\u4fffa"]
    assert_same(*load(tmp_path / "some.model", edited.SerializeToString()), texts)


@pytest.mark.parametrize("kind", ["bpe", "char"])
def test_symbols_that_reach_into_the_next_word(kind: str, models: dict[str, Any], tmp_path: Path) -> None:
    edited = edit(models[kind], "as it is")
    edited.pieces.add(piece="t\u2581a", score=0.0, type=edited.pieces[0].USER_DEFINED)
    raw = edited.SerializeToString()
    assert_same(*load(tmp_path / "some.model", raw), ["cat and a bat at", "at a", "t at  a"])


def test_long_texts(models: dict[str, Any], lines: list[str], tmp_path: Path) -> None:
    """So long that the library lowers its sums; of known and unknown characters."""
    texts = ["\U00012345" * 6000 + "x", "the \U00012345" * 3000, "\n".join(lines[:500])]
    for kind in ("unigram", "bpe"):
        model = edit(models[kind], "large scores" if kind == "unigram" else "order")
        assert_same(*load(tmp_path / "some.model", model.SerializeToString()), texts)


def test_null_character(models: dict[str, Any], lines: list[str], tmp_path: Path) -> None:
    """As converters write it beside <0x00>; the library does not use it."""
    raw = train(lines[:300], tmp_path, model_type="bpe", byte_fallback=True)
    model = sentencepiece_model_pb2.ModelProto.FromString(raw)
    model.pieces.add(piece="\0", score=-5.0)
    assert_same(*load(tmp_path / "some.model", model.SerializeToString()), ["a\0b", "\0", "x"])


@pytest.mark.parametrize("config", [{"tokenizer_class": "PreTrainedTokenizerFast"}, {}], ids=str)
@pytest.mark.parametrize("kind", SETTINGS["model_type"])
def test_folders(
    kind: str, config: dict[str, Any], models: dict[str, Any], texts: list[str], tmp_path: Path
) -> None:
    """A folder gives the same ids, but for texts that hold its special tokens; also when saved and loaded."""
    raw = models[kind].SerializeToString()
    library = sentencepiece.SentencePieceProcessor(model_proto=raw)
    (tmp_path / "tokenizer.model").write_bytes(raw)
    (tmp_path / "config.json").write_text('{"model_type": "mistral"}')
    if config:
        (tmp_path / "tokenizer_config.json").write_text(str(config).replace("'", '"'))
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    special = ["<s>", "</s>", "<unk>", *CONTROL_SYMBOLS]
    assert set(tokenizer.all_special_tokens) == set(special)
    ordinary = [text for text in texts if not any(token in text for token in special)]
    saved = tmp_path / "saved"
    tokenizer.save_pretrained(saved)
    pytest.importorskip("tokenizers").Tokenizer.from_file(str(saved / "tokenizer.json"))  # it reads it
    for one in (tokenizer, AutoTokenizer.from_pretrained(saved)):
        for text, ids in zip(ordinary, one(ordinary)["input_ids"], strict=True):
            assert ids == library.encode(text), repr(text)
            assert one.decode(ids) == library.decode(ids), repr(text)
        want = [*library.encode("a"), one.convert_tokens_to_ids("<ctrl>"), *library.encode(" b ")]
        assert one("a<ctrl> b ")["input_ids"] == want


@pytest.mark.parametrize("config", [{}, {"legacy": False}], ids=str)
@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_tokens_that_are_added(
    kind: str, config: dict[str, Any], models: dict[str, Any], lines: list[str], tmp_path: Path
) -> None:
    """Each part between them is a text by itself, as in transformers."""
    transformers = pytest.importorskip("transformers")
    model = edit(models[kind], "not at all")
    model.normalizer_spec.precompiled_charsmap = b""
    model.normalizer_spec.remove_extra_whitespaces = False
    (tmp_path / "tokenizer.model").write_bytes(model.SerializeToString())
    listed = {"content": "<two>", "normalized": True, "special": False, "lstrip": False, "rstrip": False,
              "single_word": False}  # fmt: skip
    config = {"tokenizer_class": "TokenizersBackend", "added_tokens_decoder": {"1000": listed}, **config}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    both = [auto.from_pretrained(tmp_path) for auto in (AutoTokenizer, transformers.AutoTokenizer)]
    for tokenizer in both:
        tokenizer.add_tokens(["one", "some words"])
        tokenizer.add_tokens(["<three>"], special_tokens=True)
    added = ["one", "some words", "<two>", "<three>", "<ctrl>", "</s>", "a", " b", "  ", "c "]
    rng = random.Random(0)
    texts = ["".join(rng.choices(added, k=rng.randint(1, 7))) for _ in range(300)]
    for text in texts:
        mine, theirs = (tokenizer(text)["input_ids"] for tokenizer in both)
        assert mine == theirs, repr(text)


def test_what_the_library_refuses(models: dict[str, Any], tmp_path: Path) -> None:
    for change, message in (
        (lambda model: model.pieces.add(piece="<0x00>", type=6), "1 pieces for bytes"),
        (lambda model: setattr(model.trainer_spec, "byte_fallback", True), "0 pieces for bytes"),
        (lambda model: setattr(model.pieces[0], "type", 3), "0 pieces for unknown text"),
        (lambda model: model.pieces.add(piece="<u>", type=2), "2 pieces for unknown text"),
        (lambda model: model.pieces.add(piece=""), "is empty"),
        (lambda model: model.pieces.add(piece="a\0"), "null character"),
    ):
        model = edit(models["unigram"], "not at all")
        change(model)
        with pytest.raises(CheckpointError, match=message):
            AutoTokenizer.from_pretrained(write(tmp_path, model))
        with pytest.raises(Exception, match=r".+"):
            sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())


def write(folder: Path, model: Any) -> Path:
    path = folder / "some.model"
    path.write_bytes(model.SerializeToString())
    return path
