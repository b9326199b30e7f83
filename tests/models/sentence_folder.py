"""A tiny folder of sentence-transformers, with a cased tokenizer of its own, that tests change at will."""

import json
import string
from pathlib import Path
from typing import Any

import numpy as np
import transformers
from sentence_transformers import SentenceTransformer

import fastplm
from tests.models.tiny import Tiny, save_tiny

# Capitals, special and added tokens within the text, and more tokens than the model takes.
TEXTS = [
    "Hello World",
    "a [SEP] b [MASK] NewTok",
    "one two three four " * 20 + "and big",
    "",
    "Big Word and big word",
    "x",
]
KIND = "sentence_transformers.models."
WIDTH = 16


class SentenceFolder:
    """A Transformer of `family` (positions: 48, or 46), mean pooling, no normalising."""

    def __init__(self, path: Path, family: str = "bert", **tiny: Any) -> None:
        self.path = path
        words = ["hello", "world", "Hello", "one", "two", "three", "four", "big", "word", "and"]
        letters = list(string.ascii_letters + string.digits + string.punctuation)
        vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *letters]
        vocabulary += ["##" + letter for letter in letters]
        tokenizer = transformers.BertTokenizer(
            vocab={token: i for i, token in enumerate(vocabulary)}, do_lower_case=False
        )
        tokenizer.add_tokens(["NewTok", transformers.AddedToken("Big Word", normalized=True)])
        save_tiny(family, path, Tiny(vocab=len(tokenizer), **tiny))
        tokenizer.save_pretrained(path)
        self.modules("Transformer", "Pooling")
        self.write("1_Pooling/config.json", word_embedding_dimension=WIDTH, pooling_mode="mean")
        self.write("sentence_bert_config.json", max_seq_length=30)

    def write(self, name: str, **settings: Any) -> None:
        (self.path / name).parent.mkdir(exist_ok=True)
        (self.path / name).write_text(json.dumps(settings))

    def change(self, name: str, **settings: Any) -> None:
        """Adds settings to a file; ... takes one out."""
        path = self.path / name
        old = json.loads(path.read_text()) if path.exists() else {}
        self.write(name, **{key: value for key, value in {**old, **settings}.items() if value is not ...})

    def modules(self, *kinds: str, **extra: Any) -> None:
        entries = [
            {"idx": i, "name": str(i), "path": f"{i}_{kind}" if i else "", "type": KIND + kind, **extra}
            for i, kind in enumerate(kinds)
        ]
        (self.path / "modules.json").write_text(json.dumps(entries))

    def ours(self, **arguments: Any) -> fastplm.SentenceEncoder:
        return fastplm.SentenceEncoder(self.path, **arguments)

    def theirs(self, **arguments: Any) -> SentenceTransformer:
        return SentenceTransformer(str(self.path), **{"device": "cpu", **arguments})


def assert_same(ours: Any, theirs: Any, tolerance: float = 2e-5) -> np.ndarray:
    """Fails unless the two embed TEXTS alike, as texts, queries and documents; gives what they are."""
    rows = []
    for name in ("encode", "encode_query", "encode_document"):
        got, want = getattr(ours, name)(TEXTS), getattr(theirs, name)(TEXTS)
        assert got.shape == want.shape, name
        assert np.abs(got - want).max() <= tolerance * max(1, np.abs(want).max()), name
        rows.append(want)
    return np.stack(rows)
