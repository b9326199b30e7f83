"""torch: the transformers model, with SDPA attention where it has that, weights cast to bf16 for bfloat16."""

import numpy as np
import torch
from transformers import AutoModel

from bench.peers.base import Array, Peer


class Torch(Peer):
    def __init__(self, model: str, threads: int, precision: str) -> None:
        super().__init__(model, threads, precision)
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)
        self.model = AutoModel.from_pretrained(self.folder, dtype=getattr(torch, precision)).eval()

    def embed_ids(self, ids: Array, mask: Array) -> Array:
        with torch.inference_mode():
            hidden = self.model(
                torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)
            ).last_hidden_state
            weight = torch.from_numpy(mask).unsqueeze(-1).float()
            pooled = (hidden.float() * weight).sum(1) / weight.sum(1)
            result: Array = (
                torch.nn.functional.normalize(pooled, dim=-1).numpy().astype(np.float32, copy=False)
            )
            return result
