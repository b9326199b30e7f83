"""Both libraries' trainers on the same texts."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from fastplm.tokenizers.tokenizer import Tokenizer
from fastplm.tokenizers.trainers import BpeTrainer, UnigramTrainer, WordLevelTrainer, WordPieceTrainer

tokenizers = pytest.importorskip("tokenizers")

tokenizers = pytest.importorskip("tokenizers")

MODELS: dict[str, dict[str, Any]] = {
    "BPE": {
        "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
        "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
        "vocab": {}, "merges": [],
    },
    "WordPiece": {
        "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100, "vocab": {},
    },
    "WordLevel": {"type": "WordLevel", "unk_token": "[UNK]", "vocab": {}},
    "Unigram": {"type": "Unigram", "unk_id": None, "vocab": [], "byte_fallback": False},
}  # fmt: skip
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
BERT = {"type": "BertPreTokenizer"}
METASPACE = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
LOWER = {
    "type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
    "lowercase": True,
}  # fmt: skip


def describe(model: str, pre_tokenizer: Any = None, normalizer: Any = None) -> str:
    """A tokenizer.json of an untrained tokenizer."""
    parts = {
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": None,
        "decoder": None,
    }
    return json.dumps(
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [],
            **parts,
            "model": MODELS[model],
        }
    )


def saved(tokenizer: Any, folder: Path) -> dict[str, Any]:
    """tokenizer.json as a tokenizer, ours or the reference's, writes it."""
    if isinstance(tokenizer, Tokenizer):
        tokenizer.save_pretrained(folder)
        return json.loads((folder / "tokenizer.json").read_text("utf-8"))
    return json.loads(tokenizer.to_str())


def by_id(vocabulary: dict[str, int]) -> list[str]:
    return sorted(vocabulary, key=vocabulary.__getitem__)


TRAINERS = {
    "BPE": BpeTrainer, "WordPiece": WordPieceTrainer, "WordLevel": WordLevelTrainer, "Unigram": UnigramTrainer
}  # fmt: skip


def learn(description: str, texts: Any, kind: str, **options: Any) -> Tokenizer:
    ours = Tokenizer.from_str(description)
    ours.train_from_iterator(texts, TRAINERS[kind](**options))
    return ours


def assert_learns_the_same(
    folder: Path, description: str, texts: Any, kind: str, *, fix_alphabet: bool = False, **options: Any
) -> tuple[dict[str, int], list[list[str]]]:
    """Trains both.

    fix_alphabet: the reference numbers characters with a prefix or suffix in the order of its hash map, anew
    in every run. It is given our alphabet in our order, as special tokens, and then has no choice left.
    """
    got = saved(learn(description, texts, kind, **options), folder)["model"]
    if fix_alphabet:
        alphabet = learn(description, texts, kind, **{**options, "vocab_size": 0})
        options["special_tokens"] = by_id(alphabet.get_vocab())
    reference = tokenizers.Tokenizer.from_str(description)
    reference_trainer = getattr(tokenizers.trainers, TRAINERS[kind].__name__)
    reference.train_from_iterator(texts, reference_trainer(show_progress=False, **options))
    assert got == saved(reference, folder)["model"]
    return got["vocab"], got.get("merges", [])


def awkward_texts(seed: int, characters: str, texts: int = 60) -> list[str]:
    """Few letters, so that the same tokens come out of different merges and counts are often equal."""
    random_ = random.Random(seed)
    words = [
        "".join(random_.choices(characters, k=random_.choice((1, 2, 3, 5, 8, 13, 21)))) for _ in range(90)
    ]
    weights = [1 / (i + 1) for i in range(len(words))]
    return [" ".join(random_.choices(words, weights, k=random_.randrange(12))) for _ in range(texts)]


CHARACTERS = [
    "ab",
    "abc",
    "aaab",
    "abcdefgh",
    "a\u0301e\u4e2d\u56fd\U0001f44d\u200d\uac00\u0e01",
    "xyz,.!? \t\n",
]
