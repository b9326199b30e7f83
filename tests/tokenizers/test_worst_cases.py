"""No text is slow: ten times as much takes about ten times as long, whatever it is made of."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tokenizers")

import fastplm
from bench.worst_cases import measure
from fastplm import AutoTokenizer
from fastplm.errors import UnsupportedError
from tests.fuzz.families import FAMILIES, tokenizer_files


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = fastplm.num_threads()
    fastplm.set_num_threads(1)
    yield
    fastplm.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "mixed"])
@pytest.mark.alone
def test_ten_times_the_text(family: str, tmp_path: Path) -> None:
    """What grows with the square of the text takes 100 times as long; a busy machine may show 20 for 10."""
    for path in tokenizer_files(family, tmp_path, None, pipelines=1):
        tokenizer: Any = AutoTokenizer.from_pretrained(path)
        for kinds, only in ((["ids"], ""), (["all", "back"], "digits|^spaces|marks|one word|Latin|brackets")):
            for row in measure("", tokenizer, 200_000, kinds, only):
                assert row.ratio < 40, f"{family}: {row}"


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("^(a+)+$", "a" * 10_000 + "!"),
        ("(a|a)*b", "a" * 10_000),
        ("(.*)*x", "y" * 10_000),
        (r"(\w+\s?)+:", "word " * 2_000),
        ("(a?){30}a{30}", "a" * 10_000),
        (r"\s+$", " " * 10_000 + "x"),
        (r"\s*[\r\n]+|x", (" " * 100 + "y") * 100),
        ("(?=(a+)+$)", "a" * 10_000 + "!"),
    ],
)
def test_patterns_meant_to_backtrack(
    settings: dict[str, Any], tmp_path: Path, pattern: str, text: str
) -> None:
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps({**settings, "pre_tokenizer": split}))
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(path)
    except UnsupportedError as error:
        assert "regex" in str(error)
        return
    start = time.perf_counter()
    try:
        tokenizer.encode_packed([text])
    except ValueError as error:
        assert "regex" in str(error)  # a limit of steps, named
    assert time.perf_counter() - start < 5
