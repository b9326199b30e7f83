"""What a contender does: embed equal-length ids, ragged ids, and texts."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.models import model_folder

Array = np.ndarray[Any, np.dtype[Any]]

MAX_LENGTH = 256  # MiniLM's sentence_bert_config.json


class Peer:
    """Embeddings are mean-pooled over the real tokens and L2-normalised, by every contender.

    A subclass gives `embed_ids`; ragged work then takes the field's usual road: HF tokenizers, batches sorted by
    length and padded to their longest text. `prepare` is where a peer specialises itself for a shape, untimed.
    """

    batch_size = 32
    chooses_batch_size = True  # for ragged work, by trying some

    def __init__(self, model: str, threads: int, precision: str) -> None:
        self.folder = model_folder(model)
        self.threads = threads
        self.precision = precision
        self._tokenizer: Any = None

    def prepare(self, batch: int, length: int) -> None:
        """Specialise for one shape before it is timed."""

    def embed_ids(self, ids: Array, mask: Array) -> Array:
        """int64 ids [B, L] and mask [B, L] (1 = token, 0 = padding on the right) -> float32 [B, W]."""
        raise NotImplementedError

    def embed_ragged(self, texts: Sequence[Sequence[int]]) -> Array:
        """The ids of each text, in any order -> float32 [n, W] in that order."""
        batches = self.padded_batches(texts)
        return in_order([rows for rows, _, _ in batches], [self.embed_ids(ids, mask) for _, ids, mask in batches])

    def embed_texts(self, texts: Sequence[str]) -> Array:
        """Texts in any order -> float32 [n, W] in that order."""
        return self.embed_ragged(self.tokenize(texts))

    def padded_batches(self, texts: Sequence[Sequence[int]]) -> list[tuple[Array, Array, Array]]:
        """(rows, ids, mask) of `batch_size` texts each, longest first, so that buffers are allocated at their largest."""
        lengths = np.array([len(text) for text in texts])
        order = np.argsort(-lengths, kind="stable")
        batches = []
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            ids = np.zeros((len(rows), int(lengths[rows[0]])), dtype=np.int64)
            mask = np.zeros_like(ids)
            for i, row in enumerate(rows):
                ids[i, : lengths[row]] = texts[row]
                mask[i, : lengths[row]] = 1
            batches.append((rows, ids, mask))
        return batches

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """HF tokenizers on all its threads, truncated, not padded."""
        if self._tokenizer is None:
            from tokenizers import Tokenizer

            self._tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
            self._tokenizer.enable_truncation(MAX_LENGTH)
            self._tokenizer.no_padding()
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]


def in_order(rows: Sequence[Array], parts: Sequence[Array]) -> Array:
    """Embeddings of batches put back where their texts were."""
    result = np.empty((sum(map(len, rows)), parts[0].shape[1]), dtype=np.float32)
    for where, part in zip(rows, parts, strict=True):
        result[where] = part
    return result


def mean_pool(hidden: Array, mask: Array) -> Array:
    """Hidden states [B, L, W] -> normalised means over the real tokens [B, W], for peers that stop before pooling."""
    if mask.all():
        pooled = hidden.mean(axis=1)
    else:
        pooled = np.einsum("blw,bl->bw", hidden, mask.astype(np.float32)) / mask.sum(axis=1, keepdims=True)
    result: Array = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
    return result
