"""What a contender does: embed equal-length ids, and embed texts."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.models import model_folder

Array = np.ndarray[Any, np.dtype[Any]]

MAX_LENGTH = 256  # MiniLM's sentence_bert_config.json


class Peer:
    """Embeddings are mean-pooled over the real tokens and L2-normalised, by every contender.

    A subclass gives `embed_ids`; texts then take the field's usual road: HF tokenizers, batches sorted by length
    and padded to their longest text. `prepare` is where a peer specialises itself for a shape, untimed.
    """

    batch_size = 32

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

    def embed_texts(self, texts: Sequence[str]) -> Array:
        """Texts in any order -> float32 [n, W] in that order."""
        encodings = self.tokenizer().encode_batch_fast(list(texts))
        lengths = np.array([len(encoding) for encoding in encodings])
        order = np.argsort(-lengths, kind="stable")  # longest first: the largest buffers are allocated once
        result: Array | None = None
        for start in range(0, len(order), self.batch_size):
            chosen = order[start : start + self.batch_size]
            ids = np.zeros((len(chosen), int(lengths[chosen[0]])), dtype=np.int64)
            mask = np.zeros_like(ids)
            for row, text in enumerate(chosen):
                ids[row, : lengths[text]] = encodings[text].ids
                mask[row, : lengths[text]] = 1
            embeddings = self.embed_ids(ids, mask)
            if result is None:
                result = np.empty((len(texts), embeddings.shape[1]), dtype=np.float32)
            result[chosen] = embeddings
        assert result is not None
        return result

    def tokenizer(self) -> Any:
        """HF tokenizers with truncation and no padding, loaded on first use."""
        if self._tokenizer is None:
            from tokenizers import Tokenizer

            self._tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
            self._tokenizer.enable_truncation(MAX_LENGTH)
            self._tokenizer.no_padding()
        return self._tokenizer


def mean_pool(hidden: Array, mask: Array) -> Array:
    """Hidden states [B, L, W] -> normalised means over the real tokens [B, W], for peers that stop before pooling."""
    if mask.all():
        pooled = hidden.mean(axis=1)
    else:
        pooled = np.einsum("blw,bl->bw", hidden, mask.astype(np.float32)) / mask.sum(axis=1, keepdims=True)
    result: Array = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
    return result
