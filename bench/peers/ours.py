"""fastplm: packed ids, as the tokenizer hands them to the engine."""

from collections.abc import Sequence

import numpy as np

import fastplm
from bench.peers.base import Array, Peer


class Fastplm(Peer):
    chooses_batch_size = False  # there are no batches: texts are packed by their tokens

    def __init__(self, model: str, threads: int, precision: str) -> None:
        super().__init__(model, threads, precision)
        fastplm.set_num_threads(threads)
        if (self.folder / "modules.json").exists():
            self.encoder = fastplm.SentenceEncoder(self.folder, dtype=precision)
            self.engine = self.encoder.model.engine
        else:
            self.engine = fastplm.AutoModel.from_pretrained(self.folder, dtype=precision).engine

    def embed_ids(self, ids: Array, mask: Array) -> Array:
        return self._embed(ids[mask.astype(bool)], mask.sum(axis=1))

    def embed_ragged(self, texts: Sequence[Sequence[int]]) -> Array:
        return self._embed(np.concatenate(texts), np.array([len(text) for text in texts]))

    def embed_texts(self, texts: Sequence[str]) -> Array:
        result: Array = self.encoder.encode(list(texts), normalize_embeddings=True)
        return result

    def _embed(self, packed: Array, lengths: Array) -> Array:
        cu_seqlens = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
        result: Array = self.engine.embed(packed.astype(np.int32), cu_seqlens, pooling="mean", normalize=True)
        return result
