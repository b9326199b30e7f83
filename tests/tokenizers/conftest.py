"""A small vocabulary made on the spot, the shared data, and comparison with the reference."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from fastplm.tokenizer import AutoTokenizer
from tests.tokenizers import counts
from tests.tokenizers.fields import fields_of

# Words, continuations, punctuation, accents, Chinese, kana, Hangul letters.
_TEXT = """
[PAD] [UNK] [CLS] [SEP] [MASK] a b c the cat sat on mat ##s ##ting ##b ##c un ##afford ##able hello world
! , . ' - é caf ##é cafe ##e ##\u0308 中 国 ##国 東 か ##か ま ᄀ ##ᅡ ##ᆨ ² 1 ##2 ##3 foo ##bar ß ##ß i ##\u0307
␀
"""
WORDS = _TEXT.split()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for line in counts.lines():
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def vocabulary() -> dict[str, int]:
    return {word: i for i, word in enumerate(WORDS)}


@pytest.fixture(scope="session")
def wikitext(data: Path) -> list[str]:
    """Its lines, line ends included."""
    return [
        line for name in ("test", "valid") for line in (data / f"wikitext2/{name}.txt").open(encoding="utf-8")
    ]


def _settings(vocabulary: dict[str, int]) -> dict[str, Any]:
    def special(token: str, type_id: int) -> dict[str, Any]:
        return {"SpecialToken": {"id": token, "type_id": type_id}}

    single = [special("[CLS]", 0), {"Sequence": {"id": "A", "type_id": 0}}, special("[SEP]", 0)]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    names = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": vocabulary[name], "content": name, **flags} for name in names],
        "normalizer": {
            "type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": single,
            "pair": [*single, {"Sequence": {"id": "B", "type_id": 1}}, special("[SEP]", 1)],
            "special_tokens": {
                name: {"id": name, "ids": [vocabulary[name]], "tokens": [name]} for name in ("[CLS]", "[SEP]")
            },
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary,
        },
    }  # fmt: skip


@pytest.fixture
def settings(vocabulary: dict[str, int]) -> dict[str, Any]:
    """A tokenizer.json over the small vocabulary, to be changed by the test."""
    return _settings(dict(vocabulary))


@pytest.fixture
def load(tmp_path: Path) -> Callable[[dict[str, Any]], tuple[Any, Any]]:
    """Writes a tokenizer.json and loads it with fastplm and with tokenizers."""
    tokenizers = pytest.importorskip("tokenizers")

    def load_both(settings: dict[str, Any]) -> tuple[Any, Any]:
        path = tmp_path / "tokenizer.json"
        path.write_text(json.dumps(settings))
        return AutoTokenizer.from_pretrained(path), tokenizers.Tokenizer.from_file(str(path))

    return load_both


@pytest.fixture(scope="session")
def data() -> Path:
    folder = os.environ.get("FASTPLM_TEST_DATA")
    if not folder:
        pytest.skip("FASTPLM_TEST_DATA is not set")
    return Path(folder)


@pytest.fixture(scope="session")
def assert_same() -> Callable[..., None]:
    """Every field of every row equals the reference's, by both ways through the engine."""

    def check(
        ours: Any, reference: Any, texts: Sequence[Any], pairs: Sequence[Any] | None = None, **options: Any
    ) -> None:
        items = list(texts) if pairs is None else list(zip(texts, pairs, strict=True))
        special = options.get("add_special_tokens", True)
        want = reference.encode_batch(
            items, add_special_tokens=special, is_pretokenized=options.get("is_split_into_words", False)
        )
        got = ours(texts, pairs, return_offsets_mapping=True, return_overflowing_tokens=True, **options)
        flat = [row for encoding in want for row in (encoding, *encoding.overflowing)]
        assert len(got.encodings) == len(flat)
        for i, (mine, theirs) in enumerate(zip(got.encodings, flat, strict=True)):
            assert fields_of(mine) == fields_of(theirs), (
                f"row {i}: {items[got['overflow_to_sample_mapping'][i]]!r}"
            )
        if set(options) <= {"add_special_tokens"}:
            ids, begin = ours.encode_packed(texts, pairs, add_special_tokens=special)
            for i, theirs in enumerate(want):
                assert ids[begin[i] : begin[i + 1]].tolist() == theirs.ids, f"text {i}: {items[i]!r}"

    return check
