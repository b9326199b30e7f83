"""Vocabularies of BPE, WordPiece and WordLevel: the reference's tokens, ids and merges."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from fastplm.tokenizers.tokenizer import Tokenizer
from fastplm.tokenizers.trainers import BpeTrainer
from tests.tokenizers.training import (
    BERT,
    BYTES,
    CHARACTERS,
    LOWER,
    METASPACE,
    assert_learns_the_same,
    awkward_texts,
    by_id,
    describe,
)

tokenizers = pytest.importorskip("tokenizers")


@pytest.mark.parametrize("characters", CHARACTERS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"vocab_size": 25},
        {"min_frequency": 9},
        {"max_token_length": 3},
        {"max_token_length": 6, "min_frequency": 3},
        {"max_token_length": 0},
        {"special_tokens": ["<s>", "ab", "a", "<s>"], "vocab_size": 60},
        {"initial_alphabet": ["z", "yes", "", "\u00e9"], "vocab_size": 50},
        {"vocab_size": 0},
    ],
    ids=str,
)
def test_bpe(tmp_path: Path, characters: str, options: dict[str, Any]) -> None:
    for seed, pre_tokenizer in enumerate((None, {"type": "WhitespaceSplit"}, BYTES)):
        texts = awkward_texts(seed, characters)
        assert_learns_the_same(tmp_path, describe("BPE", pre_tokenizer), texts, "BPE", **options)


@pytest.mark.parametrize("characters", CHARACTERS)
@pytest.mark.parametrize(
    "options",
    [
        {"continuing_subword_prefix": "##"},
        {"end_of_word_suffix": "</w>"},
        {"continuing_subword_prefix": "\u00b7", "end_of_word_suffix": "\u00b6", "vocab_size": 80},
        {"continuing_subword_prefix": "##", "max_token_length": 5},
        {"continuing_subword_prefix": "", "end_of_word_suffix": ""},
    ],
    ids=str,
)
def test_bpe_with_prefix_and_suffix(tmp_path: Path, characters: str, options: dict[str, Any]) -> None:
    for seed in range(3):
        texts = awkward_texts(seed, characters)
        description = describe("BPE", {"type": "WhitespaceSplit"})
        assert_learns_the_same(tmp_path, description, texts, "BPE", fix_alphabet=True, **options)


@pytest.mark.parametrize("characters", CHARACTERS[:4])
@pytest.mark.parametrize(
    "options",
    [
        {"continuing_subword_prefix": "a"},
        {"end_of_word_suffix": "b"},
        {"continuing_subword_prefix": "a", "end_of_word_suffix": "a", "max_token_length": 4},
        {"continuing_subword_prefix": "ab", "end_of_word_suffix": "b", "min_frequency": 2},
    ],
    ids=str,
)
def test_bpe_with_tokens_made_in_two_ways(tmp_path: Path, characters: str, options: dict[str, Any]) -> None:
    """The same pair is in the queue twice then. If both are equally frequent, the reference takes either
    first, as its heap happens to lie: one of its results is ours.
    """
    texts = awkward_texts(0, characters)
    for attempt in range(12):
        try:
            description = describe("BPE", {"type": "WhitespaceSplit"})
            assert_learns_the_same(tmp_path, description, texts, "BPE", fix_alphabet=True, **options)
            return
        except AssertionError:
            if attempt == 11:
                raise


@pytest.mark.parametrize("kind", ["BPE", "WordPiece"])
def test_the_most_frequent_characters_are_kept(tmp_path: Path, kind: str) -> None:
    texts = awkward_texts(5, "aaaaaaaabbbbbbbccccccdddddeeeefffgghi", 200)
    counts = sorted(Counter("".join(texts).replace(" ", "")).values(), reverse=True)
    assert len(set(counts)) == len(counts)  # ties would be left to the reference's hash map
    for limit in range(len(counts) + 2):
        assert_learns_the_same(
            tmp_path, describe(kind, {"type": "WhitespaceSplit"}), texts, kind, fix_alphabet=True,
            vocab_size=70, limit_alphabet=limit,
        )  # fmt: skip


def test_of_equally_frequent_characters_the_smaller_are_kept() -> None:
    ours = Tokenizer.from_str(describe("BPE", {"type": "WhitespaceSplit"}))
    ours.train_from_iterator(["ab dc ee"], BpeTrainer(limit_alphabet=3, vocab_size=0))
    assert by_id(ours.get_vocab()) == ["a", "b", "e"]


@pytest.mark.parametrize("characters", CHARACTERS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"vocab_size": 40, "special_tokens": ["[PAD]", "[UNK]"]},
        {"min_frequency": 4, "initial_alphabet": ["q"]},
        {"continuing_subword_prefix": "@@", "end_of_word_suffix": "</w>"},
    ],
    ids=str,
)
def test_wordpiece(tmp_path: Path, characters: str, options: dict[str, Any]) -> None:
    for seed in range(2):
        texts = awkward_texts(seed, characters)
        assert_learns_the_same(
            tmp_path, describe("WordPiece", BERT, LOWER), texts, "WordPiece", fix_alphabet=True, **options
        )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"vocab_size": 7, "special_tokens": ["[UNK]", "a", "[UNK]"]},
        {"min_frequency": 3},
        {"vocab_size": 1, "special_tokens": ["[UNK]", "[PAD]"]},
    ],
    ids=str,
)
def test_word_level(tmp_path: Path, options: dict[str, Any]) -> None:
    for characters in CHARACTERS:
        texts = ["", "a [UNK] a", *awkward_texts(1, characters)]
        for pre_tokenizer in (None, BERT, METASPACE):
            assert_learns_the_same(
                tmp_path, describe("WordLevel", pre_tokenizer), texts, "WordLevel", **options
            )


# --- real text ---------------------------------------------------------------------------------------


def test_byte_level_bpe_of_wikitext(wikitext: list[str], tmp_path: Path) -> None:
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    vocabulary, merges = assert_learns_the_same(
        tmp_path,
        describe("BPE", BYTES),
        wikitext,
        "BPE",
        initial_alphabet=alphabet,
        special_tokens=["<|endoftext|>"],
    )
    print(
        f"byte-level BPE of WikiText-2: {len(vocabulary)} tokens and {len(merges)} merges are the reference's"
    )
    assert len(merges) > 20000


def test_bpe_of_wikitext_with_other_options(wikitext: list[str], tmp_path: Path) -> None:
    vocabulary, merges = assert_learns_the_same(
        tmp_path, describe("BPE", METASPACE, {"type": "NFKC"}), wikitext, "BPE", vocab_size=12000,
        min_frequency=3, max_token_length=9, special_tokens=["<unk>", "<s>"],
    )  # fmt: skip
    print(f"BPE of WikiText-2: {len(vocabulary)} tokens and {len(merges)} merges are the reference's")
    assert len(merges) > 7000


def test_wordpiece_of_wikitext(wikitext: list[str], tmp_path: Path) -> None:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary, _ = assert_learns_the_same(
        tmp_path,
        describe("WordPiece", BERT, LOWER),
        wikitext,
        "WordPiece",
        fix_alphabet=True,
        special_tokens=special,
    )
    print(f"WordPiece of WikiText-2: {len(vocabulary)} tokens are the reference's")
    assert len(vocabulary) > 20000
