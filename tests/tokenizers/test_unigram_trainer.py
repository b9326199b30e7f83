"""Vocabularies of Unigram: at least as likely as the reference's."""

import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from fastplm.tokenizers.tokenizer import Tokenizer
from fastplm.tokenizers.trainers import UnigramTrainer
from tests.tokenizers.training import CHARACTERS, METASPACE, awkward_texts, describe, saved

tokenizers = pytest.importorskip("tokenizers")


def likelihood(words: dict[str, int], vocabulary: list[list[Any]]) -> float:
    """The log probability of the words, each cut in the best way."""
    scores = dict(vocabulary)
    longest = max(map(len, scores))
    total = 0.0
    for word, count in words.items():
        best = [0.0] + [-math.inf] * len(word)
        for begin in range(len(word)):
            for end in range(begin + 1, min(begin + longest, len(word)) + 1):
                if (score := scores.get(word[begin:end])) is not None:
                    best[end] = max(best[end], best[begin] + score)
        total += count * best[-1]
    assert math.isfinite(total)
    return total


def pieces(texts: list[str], folder: Path, **options: Any) -> tuple[list[list[Any]], list[list[Any]]]:
    """Ours and the reference's, without special tokens."""
    description = describe("Unigram", METASPACE)
    ours, reference = Tokenizer.from_str(description), tokenizers.Tokenizer.from_str(description)
    ours.train_from_iterator(texts, UnigramTrainer(**options))
    reference.train_from_iterator(texts, tokenizers.trainers.UnigramTrainer(show_progress=False, **options))
    special = len(options.get("special_tokens", ()))
    return saved(ours, folder)["model"]["vocab"][special:], saved(reference, folder)["model"]["vocab"][
        special:
    ]


def words_of(texts: list[str]) -> Counter[str]:
    cut = tokenizers.Tokenizer.from_str(describe("Unigram", METASPACE)).pre_tokenizer.pre_tokenize_str
    return Counter(word for text in texts for word, _ in cut(text))


@pytest.mark.parametrize("size", [600, 8000])
def test_unigram_of_wikitext_is_at_least_as_likely(wikitext: list[str], tmp_path: Path, size: int) -> None:
    texts = [line.rstrip("\n") for line in wikitext[: 500 if size < 1000 else None]]
    ours, reference = pieces(texts, tmp_path, vocab_size=size, special_tokens=["<unk>"], unk_token="<unk>")
    words = words_of(texts)
    got, want = likelihood(words, ours), likelihood(words, reference)
    print(f"Unigram of {size}: log likelihood {got:.4g}, the reference's {want:.4g}")
    assert len(ours) <= len(reference) == size - 1
    assert got >= want
    assert sum(math.exp(score) for _, score in ours) == pytest.approx(1)


@pytest.mark.parametrize("characters", CHARACTERS)
def test_unigram_of_awkward_texts(tmp_path: Path, characters: str) -> None:
    for seed in range(3):
        texts = awkward_texts(seed, characters)
        ours, reference = pieces(
            texts, tmp_path, vocab_size=40, special_tokens=["<unk>", "<s>"], unk_token="<unk>"
        )
        words = words_of(texts)
        assert {c for word in words for c in word} <= {piece for piece, _ in ours}
        assert len(ours) <= 38 and len({piece for piece, _ in ours}) == len(ours)
        if len(reference) <= len(ours):
            assert likelihood(words, ours) >= likelihood(words, reference)


def test_what_occurs_once_is_no_piece(tmp_path: Path) -> None:
    """Of more than one character; what occurs twice is one, in two words or in one that comes twice."""
    ours, _ = pieces(["abcdefgh ijkl mnopq mnopq xrs yrs"], tmp_path, vocab_size=200)
    longer = {piece for piece, _ in ours if len(piece) > 1}
    assert longer and all(piece.strip("\u2581") in "mnopq rs" for piece in longer)


def test_unigram_options(tmp_path: Path) -> None:
    texts = awkward_texts(3, "abcdefgh", 300)

    def train(**options: Any) -> dict[str, Any]:
        ours = Tokenizer.from_str(describe("Unigram", METASPACE))
        ours.train_from_iterator(texts, UnigramTrainer(**options))
        return saved(ours, tmp_path)

    plain = train(vocab_size=60)
    assert plain["model"]["unk_id"] is None and len(plain["model"]["vocab"]) == 60
    unknown = train(vocab_size=60, unk_token="<u>")
    assert unknown["model"]["unk_id"] == 0 and unknown["model"]["vocab"][0] == ["<u>", 0.0]
    assert len(unknown["model"]["vocab"]) == 60 and unknown["added_tokens"] == []
    named = train(
        vocab_size=60, unk_token="<u>", special_tokens=["<p>", "<u>", "ab"], initial_alphabet=["\u00e9", "q"]
    )
    tokens = [token for token, _ in named["model"]["vocab"]]
    assert tokens[:3] == ["<p>", "<u>", "ab"] and named["model"]["unk_id"] == 1
    assert len(tokens) == len(set(tokens)) == 60 and {"\u00e9", "q"} <= set(tokens)
    assert [token["content"] for token in named["added_tokens"]] == ["<p>", "<u>", "ab"]
    short = train(vocab_size=100, max_piece_length=3)
    assert max(len(piece) for piece, _ in short["model"]["vocab"]) == 3
    assert max(len(piece) for piece, _ in train(vocab_size=100)["model"]["vocab"]) > 3
    assert (
        train(vocab_size=30, shrinking_factor=0.3, n_sub_iterations=1)["model"]
        != train(vocab_size=30)["model"]
    )
    with pytest.raises(ValueError, match=r"9 different characters.*leaves room for 5"):
        train(vocab_size=6, unk_token="<u>")


def test_wrong_arguments_of_unigram() -> None:
    for arguments in ({"shrinking_factor": 1}, {"max_piece_length": 0}, {"n_sub_iterations": 0}):
        with pytest.raises(ValueError, match=next(iter(arguments))):
            UnigramTrainer(**arguments)
