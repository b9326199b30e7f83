"""Parity on generated strings over all of Unicode: every field, and every way to cut, pair and split them."""

import random
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytest.importorskip("tokenizers")

from tests.fuzz.compare import REFUSED, Comparison, outcome
from tests.fuzz.run import real_lines, texts_for
from tests.size import LARGE, sized
from tests.tokenizers.awkward import SCALARS
from tests.tokenizers.counts import compared
from tests.tokenizers.test_corpora import REAL, SMALL

STORIES = "../stories260k/hf/tokenizer"
EVERY = [*REAL, STORIES, *SMALL]
ONE_OF_A_KIND = [
    "wordpiece/bert-base-uncased/tokenizer", "bpe_bytelevel/gpt2/tokenizer", "derived/qwen2.5/tokenizer",
    "spm_bpe/mistral01/tokenizer", "unigram/xlnet-base-cased/tokenizer",
]  # fmt: skip
TEXTS = sized(1_000, 10_000)  # for each tokenizer
OPTION_TEXTS = sized(6, 16)  # for each tokenizer, under each of the options


@pytest.fixture(scope="module")
def comparison(request: pytest.FixtureRequest, data: Path) -> Iterator[Comparison]:
    comparison = Comparison(data / "tokenizers" / f"{request.param}.json")
    yield comparison
    comparison.close()


@pytest.mark.parametrize("comparison", EVERY, indirect=True)
def test_every_field(comparison: Comparison, data: Path) -> None:
    texts = texts_for(comparison, "generated", real_lines(data))
    comparison.run(texts.blocks(TEXTS), every=1)
    assert comparison.sampled == TEXTS
    compared("generated, every field", 1, TEXTS)


def cut_into_words(text: str, chance: random.Random) -> list[str]:
    """Words in any place, empty ones and such with spaces among them."""
    cuts = sorted(chance.randrange(len(text) + 1) for _ in range(chance.randrange(8)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


class Options(NamedTuple):
    """How texts are encoded."""

    split: bool  # they are lists of words
    paired: bool
    special: bool
    strategy: str | None
    max_length: int
    stride: int
    side: str

    def reference_rows(self, reference: Any, items: list[Any]) -> list[list[Any]]:
        """All fields of the rows of each item."""
        if self.strategy is None:
            reference.no_truncation()
        else:
            reference.enable_truncation(
                self.max_length, stride=self.stride, strategy=self.strategy, direction=self.side
            )
        encodings = reference.encode_batch(items, is_pretokenized=self.split, add_special_tokens=self.special)
        return [[fields(row) for row in (e, *e.overflowing)] for e in encodings]

    def our_rows(self, ours: Any, items: list[Any]) -> list[list[Any]]:
        cut = {"truncation": self.strategy, "max_length": self.max_length, "stride": self.stride}
        ours.truncation_side = self.side
        batch = ours(
            [item[0] for item in items] if self.paired else items,
            [item[1] for item in items] if self.paired else None,
            is_split_into_words=self.split, add_special_tokens=self.special, return_offsets_mapping=True,
            return_overflowing_tokens=True, **(cut if self.strategy else {}),
        )  # fmt: skip
        rows: list[list[Any]] = [[] for _ in items]
        for sample, encoding in zip(batch["overflow_to_sample_mapping"], batch.encodings, strict=True):
            rows[sample].append(fields(encoding))
        return rows


def fields(encoding: Any) -> tuple[Any, ...]:
    return (
        encoding.ids, encoding.type_ids, encoding.attention_mask, encoding.special_tokens_mask,
        list(map(tuple, encoding.offsets)), encoding.word_ids, encoding.sequence_ids,
    )  # fmt: skip


def all_of(rows: Callable[[list[Any]], list[Any]]) -> Callable[[list[Any]], list[Any]]:
    """A call whose last answer is all the answers."""
    return lambda items: [rows(items)]


CUTS = [(None, 0, 0)] + [
    (strategy, max_length, stride)
    for strategy in ("longest_first", "only_first", "only_second")
    for max_length, stride in (
        (0, 0), (1, 0), (3, 0), (4, 1), (9, 4), (16, 12), (16, 15), (40, 0), (40, 41), (2000, 5)
    )
]  # fmt: skip


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("comparison", REAL if LARGE else ONE_OF_A_KIND, indirect=True)
def test_options(comparison: Comparison, data: Path, side: str) -> None:
    """Pairs, words, truncation of each kind with and without stride, all rows of overflowing tokens."""
    chance = random.Random(side)
    made = texts_for(comparison, side, real_lines(data)).block(0, 3 * OPTION_TEXTS)
    # Of pairs the reference makes a row of every two pieces: those are short.
    texts = [
        text[: chance.choice((0, 2, 8) if i < 2 * OPTION_TEXTS else (10, 60))] for i, text in enumerate(made)
    ]
    words = [cut_into_words(text, chance) for text in texts]
    done = 0
    for split, paired, special, cut in product((False, True), (False, True), (True, False), CUTS):
        options = Options(split, paired, special, *cut, side)
        inputs: list[Any] = words if split else texts
        items = inputs[2 * OPTION_TEXTS : 3 * OPTION_TEXTS]
        if paired:
            items = list(zip(inputs[:OPTION_TEXTS], inputs[OPTION_TEXTS : 2 * OPTION_TEXTS], strict=True))
        ours = partial(options.our_rows, comparison.ours.tokenizer)
        reference = partial(options.reference_rows, comparison.reference.tokenizer)
        same = outcome(all_of(ours), items) == outcome(all_of(reference), items) != REFUSED
        nothing: Any = [] if split else ""
        if not special and outcome(reference, [(nothing, nothing) if paired else nothing]) == REFUSED:
            continue  # a stride for which special tokens would leave no room: refused even without them
        for item in () if same else items:  # some may be refused, then all are
            assert outcome(ours, [item]) == outcome(reference, [item]), (options, item)
        done += len(items)
    comparison.reference.tokenizer.no_truncation()
    comparison.ours.tokenizer.truncation_side = "right"
    compared("pairs, words and truncations", 1, done)


def every_character(between: str) -> list[str]:
    """All Unicode scalar values in their order, 64 to a text."""
    characters = list(map(chr, SCALARS))
    return [between.join(characters[i : i + 64]) for i in range(0, len(characters), 64)]


@pytest.mark.parametrize("comparison", [*(REAL if LARGE else ONE_OF_A_KIND), STORIES], indirect=True)
def test_every_character(comparison: Comparison, data: Path) -> None:
    """All Unicode scalar values, and the whole of the file that has them in UTF-8."""
    texts = every_character("")
    if comparison.path in [data / "tokenizers" / f"{name}.json" for name in ONE_OF_A_KIND]:
        texts += every_character(" a")
    lines = (data / "texts/utf8_sequence_0x10ffff.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    texts += lines[:: sized(8, 1)]
    before = comparison.texts
    comparison.run([texts], every=40)
    assert comparison.texts == before + len(texts)
    compared("every character", 1, len(texts))
