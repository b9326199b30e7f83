"""CTranslate2's BERT encoder; it pads nothing inside its feed-forward layers when it is given lengths."""

import ctranslate2
import numpy as np

from bench.models import Exports
from bench.peers.base import Array, Peer, mean_pool


class CTranslate2(Peer):
    def __init__(self, model: str, threads: int, precision: str) -> None:
        super().__init__(model, threads, precision)
        self.encoder = ctranslate2.Encoder(
            str(Exports(model).ctranslate2()), compute_type=precision, inter_threads=1, intra_threads=threads
        )

    def embed_ids(self, ids: Array, mask: Array) -> Array:
        tokens = ctranslate2.StorageView.from_array(ids.astype(np.int32))
        lengths = ctranslate2.StorageView.from_array(mask.sum(axis=1, dtype=np.int32))
        return mean_pool(np.array(self.encoder.forward_batch(tokens, lengths).last_hidden_state), mask)
