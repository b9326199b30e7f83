"""The network that trains an encoder of sentences."""

from typing import Any

import torch
from torch import nn

from fastplm import ops


class PairedEncoder(nn.Module):
    """A model and its pooling; the loss tells an anchor's partner from all other texts of the batch."""

    def __init__(self, model: nn.Module, pooling: str) -> None:
        super().__init__()
        self.model, self.pooling = model, pooling

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor | None = None
    ) -> dict[str, Any]:
        """input_ids [examples, texts, tokens]: anchor, positive, and perhaps negative. logits [examples, 2]:
        the cosine of an anchor and its positive, and whether no other text is nearer. labels are not used.
        """
        examples, texts = input_ids.shape[:2]
        vectors = self._encode(input_ids.flatten(0, 1), attention_mask.flatten(0, 1)).view(
            examples, texts, -1
        )
        anchors, candidates = vectors[:, 0], vectors[:, 1:].transpose(0, 1).flatten(0, 1)
        loss = ops.contrastive(anchors, candidates)
        with torch.no_grad():
            cosines = nn.functional.normalize(anchors.float()) @ nn.functional.normalize(candidates.float()).T
            right = cosines.argmax(1) == torch.arange(examples, device=cosines.device)
            logits = torch.stack([cosines.diagonal(), right.float()], 1)
        return {"loss": loss, "logits": logits}

    def _encode(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        hidden: torch.Tensor = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        if self.pooling == "cls":
            return hidden[:, 0]
        weights = mask[..., None].to(hidden.dtype)
        return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
