"""fastplm, in the same two modes."""

from collections.abc import Sequence

import numpy as np

import fastplm
from bench.peers.base import Array, Peer


class Fastplm(Peer):
    def __init__(self, model: str, threads: int, precision: str) -> None:
        super().__init__(model, threads, precision)
        fastplm.set_num_threads(threads)
        self.encoder = fastplm.SentenceEncoder(self.folder, dtype=precision)
        self.engine = fastplm.AutoModel.from_pretrained(self.folder, dtype=precision).engine

    def embed_ids(self, ids: Array, mask: Array) -> Array:
        lengths = mask.sum(axis=1)
        cu_seqlens = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
        packed = ids.reshape(-1) if mask.all() else ids[mask.astype(bool)]
        result: Array = self.engine.embed(packed.astype(np.int32), cu_seqlens, pooling="mean", normalize=True)
        return result

    def embed_texts(self, texts: Sequence[str]) -> Array:
        result: Array = self.encoder.encode(list(texts), normalize_embeddings=True)
        return result
