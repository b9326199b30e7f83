"""sentence-transformers as a user calls it: `encode` on texts, which sorts by length and pads each batch."""

from collections.abc import Sequence

import torch
from sentence_transformers import SentenceTransformer

from bench.peers.base import Array, Peer


class SentenceTransformers(Peer):
    chooses_batch_size = False  # its default, 32, is what its users run

    def __init__(self, model: str, threads: int, precision: str) -> None:
        super().__init__(model, threads, precision)
        torch.set_num_threads(threads)
        self.model = SentenceTransformer(
            str(self.folder), device="cpu", model_kwargs={"dtype": getattr(torch, precision)}
        )

    def embed_texts(self, texts: Sequence[str]) -> Array:
        result: Array = self.model.encode(list(texts), batch_size=self.batch_size, show_progress_bar=False)
        return result
