"""Parity with the reference on real text: every tokenizer and every text of the shared data."""

import json
from pathlib import Path
from typing import Any

import pytest

from fastplm.tokenizer import AutoTokenizer
from tests.size import sized

tokenizers = pytest.importorskip("tokenizers")

SAMPLE = sized(6_000, 20_000)  # characters of each text for each tokenizer
REAL = [
    "wordpiece/bert-base-uncased/tokenizer", "wordpiece/bert-base-cased/tokenizer",
    "wordpiece/bert-base-cased/tokenizer.kitoken", "wordpiece/bert-base-chinese/tokenizer",
    "wordpiece/splade/tokenizer", "bpe_bytelevel/gpt2/tokenizer", "bpe_bytelevel/roberta-base/tokenizer",
    "bpe_bytelevel/modernbert-base/tokenizer", "derived/cl100k_base/tokenizer", "derived/qwen2.5/tokenizer",
    "spm_bpe/mistral01/tokenizer", "spm_bpe/phi-3-mini/tokenizer", "unigram/t5-small/tokenizer",
    "unigram/xlnet-base-cased/tokenizer", "derived/xlm-roberta-base/tokenizer",
]  # fmt: skip
SMALL = [
    "wordpiece/fastbert-mini/added-token-order", "wordpiece/fastbert-mini/dont-strip-accents",
    "wordpiece/fastbert-mini/minimal", "wordpiece/fastbert-mini/with-empty-token",
    "wordpiece/fastbert-mini/with-single-word-added-token",
]  # fmt: skip


def strings(value: Any) -> list[str]:
    """All strings in a JSON value."""
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in items for text in strings(item)]


@pytest.fixture(scope="module")
def corpora(data: Path) -> dict[str, list[str]]:
    texts = {}
    for path in sorted(
        [*data.glob("texts/*.txt"), *data.glob("books/*.txt"), *data.glob("wikitext2/test.txt")]
    ):
        texts[path.name] = path.read_text(encoding="utf-8").split("\n")
    for path in sorted(data.glob("xquad/*.json")):
        texts[path.name] = strings(json.loads(path.read_text(encoding="utf-8")))
    return texts


def sample(lines: list[str], characters: int) -> list[str]:
    """Lines spread over the whole text, of about that many characters; a long line is cut to its share."""
    step = max(1, sum(map(len, lines)) // characters)
    return [line[: max(characters // 4, 1)] for line in lines[::step]]


@pytest.fixture(scope="module")
def pair(request: pytest.FixtureRequest, data: Path) -> tuple[Any, Any]:
    path = data / "tokenizers" / f"{request.param}.json"
    return AutoTokenizer.from_pretrained(path), tokenizers.Tokenizer.from_file(str(path))


@pytest.mark.parametrize("pair", REAL + SMALL, indirect=True)
def test_every_field(pair: tuple[Any, Any], corpora: dict[str, list[str]], assert_same: Any) -> None:
    for lines in corpora.values():
        assert_same(*pair, sample(lines, SAMPLE))


@pytest.mark.parametrize("pair", REAL, indirect=True)
def test_pairs_and_truncation(pair: tuple[Any, Any], corpora: dict[str, list[str]], assert_same: Any) -> None:
    ours, reference = pair
    for lines in corpora.values():
        texts = sample(lines, SAMPLE // 10)
        assert_same(ours, reference, texts, texts[::-1])
        reference.enable_truncation(37, stride=5)
        assert_same(ours, reference, texts, truncation=True, max_length=37, stride=5)
        reference.enable_truncation(30)
        assert_same(ours, reference, texts, texts[::-1], truncation=True, max_length=30)
        reference.no_truncation()


@pytest.mark.parametrize("pair", REAL, indirect=True)
def test_whole_texts(pair: tuple[Any, Any], corpora: dict[str, list[str]]) -> None:
    """The beginning of a whole file as one text, with its line ends."""
    ours, reference = pair
    for lines in corpora.values():
        text = "\n".join(lines)[:SAMPLE]
        encoding = reference.encode(text)
        got = ours(text, return_offsets_mapping=True)
        assert got["input_ids"] == encoding.ids
        assert got["offset_mapping"] == encoding.offsets
        assert ours.encode_packed([text])[0].tolist() == encoding.ids
        assert ours.decode(encoding.ids) == reference.decode(encoding.ids, skip_special_tokens=False)


def test_all_lines_of_the_main_texts(data: Path, corpora: dict[str, list[str]]) -> None:
    """Ids of every line of English, Japanese and mixed text, as the encoder gets them."""
    path = data / "tokenizers/wordpiece/bert-base-uncased/tokenizer.json"
    ours, reference = AutoTokenizer.from_pretrained(path), tokenizers.Tokenizer.from_file(str(path))
    for name in (
        "test.txt",
        "blingfire_web_multilingual.txt",
        "utf8_sequence_0x10ffff.txt",
        "bert_sample_text.txt",
    ):
        lines = corpora[name]
        ids, begin = ours.encode_packed(lines)
        for i, encoding in enumerate(reference.encode_batch_fast(lines)):
            assert ids[begin[i] : begin[i + 1]].tolist() == encoding.ids, lines[i]
