"""A short run of the differential fuzzing; python -m tests.fuzz runs as long as one likes."""

import os
from pathlib import Path

import pytest

pytest.importorskip("tokenizers")

from tests.fuzz.compare import Difference, minimise
from tests.fuzz.families import FAMILIES, tokenizer_files
from tests.fuzz.run import fuzz, real_lines
from tests.fuzz.texts import Texts
from tests.size import sized
from tests.tokenizers.counts import compared

# Where the suite itself runs at another level, that one is compared.
LEVEL = None if "FASTPLM_ISA" in os.environ else "scalar"


@pytest.mark.parametrize("family", FAMILIES)
def test_small_vocabularies(family: str, tmp_path: Path) -> None:
    for counts in fuzz(
        tokenizer_files(family, tmp_path, None, pipelines=sized(4, 12)),
        sized(1000, 1500),
        seed=family,
        level=LEVEL,
        every=4,
    ):
        assert not counts.differences, counts.differences[0]
    compared("fuzzed, small", counts.tokenizers, counts.texts)


@pytest.mark.parametrize("family", [name for name, family in FAMILIES.items() if family.real])
def test_real_vocabularies(family: str, tmp_path: Path, data: Path) -> None:
    paths = tokenizer_files(family, tmp_path, data, pipelines=0)
    for counts in fuzz(paths, sized(800, 3000), seed=family, level=LEVEL, lines=real_lines(data)):
        assert not counts.differences, counts.differences[0]
    compared("fuzzed, real", counts.tokenizers, counts.texts)


@pytest.mark.parametrize("family", ["o200k", "deepseek"])
def test_borrowed_vocabularies(family: str, tmp_path: Path, data: Path) -> None:
    paths = tokenizer_files(family, tmp_path, data, pipelines=1)
    for counts in fuzz(paths, sized(800, 3000), seed=family, level=LEVEL, lines=real_lines(data)):
        assert not counts.differences, counts.differences[0]
    compared("fuzzed, real", counts.tokenizers, counts.texts)


def test_texts_are_the_seeds() -> None:
    first = Texts("seed", ["ab"], ["<s>"])
    assert first.block(3, 500) == Texts("seed", ["ab"], ["<s>"]).block(3, 500)
    assert first.block(3, 500) != first.block(4, 500)
    assert [len(block) for block in first.blocks(25_000)] == [20_000, 5_000]


def test_failing_texts_are_made_small() -> None:
    assert minimise(["other", "more", "long text with a needle in it"], lambda t: "needle" in t[-1]) == [
        "needle"
    ]
    # One that fails only after another text.
    assert minimise(["b", "a!", "c", "xx?x"], lambda t: "a!" in t and "?" in t[-1]) == ["a!", "?"]
    difference = Difference("folder/tokenizer.json", "ids", ["\0\ud7ff"], [1], [2])
    assert "[1]" in str(difference) and "[2]" in str(difference)
