"""Bad arguments and texts, on a tokenizer of every kind."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tokenizers")

from fastplm import AutoTokenizer
from tests.fuzz.families import FAMILIES, tokenizer_files

KINDS = [family for family in FAMILIES if family != "mixed"]


@pytest.fixture(params=KINDS)
def tok(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    for path in tokenizer_files(request.param, tmp_path, None, pipelines=1):
        yield AutoTokenizer.from_pretrained(path)


def test_lone_surrogates(tok: Any) -> None:
    for text in ("\ud800", "a\udfff", "\ud83d\ude00"):
        with pytest.raises(ValueError, match="text 0 has a lone surrogate at character"):
            tok(text)
        with pytest.raises(ValueError, match="text 1 has a lone surrogate"):
            tok.encode_packed(["fine", text])
        with pytest.raises(ValueError, match="word 1 has a lone surrogate"):
            tok(["fine", text], is_split_into_words=True)
    assert tok.convert_tokens_to_ids("a") is not None


@pytest.mark.parametrize("max_length", [-1, -(2**63), -(10**30)])
def test_negative_lengths(tok: Any, max_length: int) -> None:
    with pytest.raises(ValueError, match="max_length"):
        tok("the boats", truncation=True, max_length=max_length)
    with pytest.raises(ValueError, match="max_length"):
        tok.encode_packed(["the boats"], truncation=True, max_length=max_length)


@pytest.mark.parametrize("max_length", [2**31 - 1, 2**31, 2**62, 2**63 - 1, 2**63, 10**19, 10**30])
def test_huge_lengths(tok: Any, max_length: int) -> None:
    want = tok("the boats")["input_ids"]
    assert tok("the boats", truncation=True, max_length=max_length)["input_ids"] == want
    assert tok.encode_packed(["the boats"], truncation=True, max_length=max_length)[0].tolist() == want


@pytest.mark.parametrize("stride", [-1, -(2**63), 2**31, 2**62, 2**63 - 1, 2**63, 10**30])
def test_strides_that_cannot_be(tok: Any, stride: int) -> None:
    with pytest.raises((ValueError, OverflowError), match="stride"):
        tok("the boats' cough " * 9, truncation=True, max_length=8, stride=stride)


def test_ids_out_of_range(tok: Any) -> None:
    size = max(tok.get_vocab().values())
    known = tok("the boats", add_special_tokens=False)["input_ids"]
    text = tok.decode(known)
    for strange in (size + 1, 2**31 - 1, 2**31, 2**32 - 1):
        assert tok.decode([strange]) == ""
        assert tok.decode([*known, strange]) == text
        assert "".join(tok.decode_stream([*known, strange])) == "".join(tok.decode_stream(known))
        assert tok.convert_ids_to_tokens(strange) is None
    assert tok.convert_ids_to_tokens(2**63) is None
    for strange in (-1, -(2**31), -(2**63), -(2**63) - 1, 2**32, 2**40, 2**63, 2**64, 10**30):
        for decode in (tok.decode, tok.batch_decode, lambda ids: list(tok.decode_stream(ids))):
            with pytest.raises(ValueError, match=rf"{strange}; expected"):
                decode([*known, strange])
        if strange < 0:
            with pytest.raises(ValueError, match=f"a token id is {strange}; expected 0 or more"):
                tok.convert_ids_to_tokens(strange)


@pytest.mark.parametrize("text", [b"bytes", 7, 1.5, {"a": 1}, object(), {"the"}])
def test_what_is_no_text(tok: Any, text: Any) -> None:
    with pytest.raises(TypeError, match="expected"):
        tok(text)
    with pytest.raises(TypeError, match="expected"):
        tok.encode_packed([text])
    with pytest.raises(TypeError, match="expected"):
        tok(["fine", text])


def test_zero_bytes_and_empty_things(tok: Any) -> None:
    special = len(tok("")["input_ids"])
    assert len(tok.encode_packed([])[0]) == 0 and tok.encode_packed([])[1].tolist() == [0]
    assert tok([])["input_ids"] == []
    assert tok([[]], is_split_into_words=True)["input_ids"][0] == tok("")["input_ids"]
    assert len(tok(["", ""], is_split_into_words=True)["input_ids"]) >= special
    ids = tok("a\0b")["input_ids"]
    assert tok(["a\0b", "c"])["input_ids"][0] == ids  # a zero byte ends nothing
    assert tok.decode([]) == ""


def test_bytes_of_a_file_that_are_not_utf8(tok: Any, tmp_path: Path) -> None:
    """Python's own decoding stands before the tokenizer; what it replaces is a text like any other."""
    path = tmp_path / "text.txt"
    path.write_bytes(b"the \xff\xfe\xc0\x80 boats \xed\xa0\x80")
    with pytest.raises(UnicodeDecodeError):
        path.read_text(encoding="utf-8")
    assert tok(path.read_text(encoding="utf-8", errors="replace"))["input_ids"]
    with pytest.raises(ValueError, match="surrogate"):
        tok(path.read_text(encoding="utf-8", errors="surrogateescape"))


def test_overlapping_added_tokens(tok: Any, tmp_path: Path) -> None:
    """Of tokens that begin alike the reference's choice, whatever their order."""
    tokenizers = pytest.importorskip("tokenizers")
    names = ["<ab", "<abc", "<a", "bc>", "c><", "<abc><abc>", "\u0301<", " <a", "aa", "aaa"]
    tok.add_tokens(names)
    tok.save_pretrained(tmp_path)
    reference = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    texts = [
        "<abc><abc><ab",
        "a<abc>",
        "<<a<ab <a <abc",
        "\u0301<abc",
        "aaaaaaa",
        "aaaa<aaa",
        "<abc",
        "<ab<abc><",
    ]
    for text, want in zip(texts, reference.encode_batch(texts), strict=True):
        got = tok(text, return_offsets_mapping=True)
        assert got["input_ids"] == want.ids
        assert got["offset_mapping"] == want.offsets
