"""Ids, and the texts decoded from them, that other projects published for these tokenizers."""

import json
from pathlib import Path
from typing import Any

import pytest

from fastplm.tokenizer import AutoTokenizer

# Whose ids: the file's; which folder of expectations: the engine that made them.
CASES = [
    ("wordpiece/bert-base-cased/tokenizer.kitoken.json", "tokenizers", "bert_base_cased"),
    ("bpe_bytelevel/gpt2/tokenizer.json", "tokenizers", "gpt2"),
    ("bpe_bytelevel/modernbert-base/tokenizer.json", "tokenizers", "modernbert"),
    ("derived/cl100k_base/tokenizer.json", "tiktoken", "cl100k_base"),
    ("spm_bpe/mistral01/tokenizer.json", "tokenizers", "mistral01"),
    ("unigram/xlnet-base-cased/tokenizer.json", "tokenizers", "xlnet_base_cased"),
]
TEXTS = [("small", True), ("mixed", True), ("utf8", False)]  # the second: a text is a line


def read(path: Path) -> str:
    return path.read_bytes().decode("utf-8")  # line ends as they are


def texts_of(folder: Path, name: str, by_line: bool) -> list[str]:
    text = read(folder / f"{name}_input.txt")
    texts = text.split("\n") if by_line else [text]
    if name == "small":  # writes line ends and spaces at the end of a text as \\n and \\s
        texts = [line.replace("\\n", "\n").replace("\\s", " ") for line in texts]
    return texts


@pytest.mark.parametrize(("file", "engine", "model"), CASES)
def test_ids(data: Path, file: str, engine: str, model: str) -> None:
    tok = AutoTokenizer.from_pretrained(data / "tokenizers" / file)
    folder = data / "tokenizers/expect/kitoken"
    for name, by_line in TEXTS:
        expected = read(folder / engine / f"{name}_tokens_{model}.txt")
        rows = expected.split("\n") if by_line else [expected]
        texts = texts_of(folder, name, by_line)
        for text, row in zip(texts, rows, strict=True):
            ids = [int(i) for i in row.split(",") if i.strip()]
            assert tok(text, add_special_tokens=False)["input_ids"] == ids, text


@pytest.mark.parametrize(("file", "engine", "model"), [case for case in CASES if case[1] == "tokenizers"])
def test_decoded(data: Path, file: str, engine: str, model: str) -> None:
    tok = AutoTokenizer.from_pretrained(data / "tokenizers" / file)
    folder = data / "tokenizers/expect/kitoken"
    for name, by_line in TEXTS:
        path = folder / engine / f"{name}_output_{model}.txt"
        if not path.exists():  # what is decoded is the text itself
            continue
        rows = read(path).split("\n") if by_line else [read(path)]
        for text, want in zip(texts_of(folder, name, by_line), rows, strict=True):
            ids = tok(text, add_special_tokens=False)["input_ids"]
            if name == "small":
                want = want.replace("\\n", "\n").replace("\\s", " ")
            assert tok.decode(ids) == want, text


def test_golden_texts_of_a_llama(data: Path) -> None:
    """A published generation of the small Llama: decoding gives the text, encoding it the text again."""
    tok: Any = AutoTokenizer.from_pretrained(data / "stories260k/hf/tokenizer.json")
    for golden in json.loads((data / "stories260k/golden_texts.json").read_text(encoding="utf-8")):
        ids = tok(golden["text"])["input_ids"]
        assert tok.decode(ids, skip_special_tokens=True).strip() == golden["text"].strip()
