"""The embeddings of BERT-like models by fastplm.ops."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from fastplm import ops
from fastplm.training.modules import REQUIRING, has_hooks, is_a, plainly, supported


def _with_segments(positions: Callable[[Any, torch.Tensor, int], torch.Tensor]) -> Callable[..., Any]:
    """positions: of the module, its tokens and how many are cached."""

    def forward(
        self: Any,
        input_ids: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        cache_length: int = 0,
    ) -> Any:
        if input_ids is None or inputs_embeds is not None or not _usual(self, self.token_type_embeddings):
            return plainly(self, input_ids, token_type_ids, position_ids, inputs_embeds, cache_length)
        if position_ids is None:
            position_ids = positions(self, input_ids, cache_length)
        return _embed(self, input_ids, position_ids, self.token_type_embeddings, token_type_ids)

    return forward


with_segments = _with_segments(lambda self, ids, past: self.position_ids[:, past : past + ids.shape[1]])
with_padded_positions = _with_segments(
    lambda self, ids, past: self.create_position_ids_from_input_ids(ids, self.padding_idx, past)
)


def without_segments(
    self: Any,
    input_ids: torch.Tensor,
    inputs_embeds: torch.Tensor | None = None,
    position_ids: torch.Tensor | None = None,
) -> Any:
    if input_ids is None or inputs_embeds is not None or not _usual(self):
        return plainly(self, input_ids, inputs_embeds, position_ids)
    if position_ids is None:
        position_ids = self.position_ids[:, : input_ids.shape[1]]
    return _embed(self, input_ids, position_ids)


def _usual(self: Any, *more: nn.Module) -> bool:
    """Whether nobody listens to the parts or has put others in their places."""
    tables = (self.word_embeddings, self.position_embeddings, *more)
    for t in tables:
        if not is_a(t, nn.Embedding) or t.max_norm is not None or t.scale_grad_by_freq or t.sparse:
            return False
    if not is_a(self.LayerNorm, nn.LayerNorm) or not is_a(self.dropout, nn.Dropout):
        return False
    if has_hooks(*tables, self.LayerNorm, self.dropout):
        return False
    weights = [t.weight for t in tables]
    return supported(*weights, self.LayerNorm.weight) and len({w.dtype for w in weights}) == 1


def _embed(
    self: Any,
    input_ids: torch.Tensor,
    position_ids: torch.Tensor,
    segments: Any = None,
    segment_ids: torch.Tensor | None = None,
) -> torch.Tensor:
    words, positions, norm, dropout = (
        self.word_embeddings,
        self.position_embeddings,
        self.LayerNorm,
        self.dropout,
    )
    y = ops.embedding_layer_norm(
        input_ids.long(),
        words.weight,
        norm.weight,
        norm.bias,
        norm.eps,
        position_ids=position_ids.long(),
        positions=positions.weight,
        segment_ids=None if segment_ids is None else segment_ids.long(),
        segments=None if segments is None else segments.weight,
        dropout=dropout.p if dropout.training else 0.0,
        padding_idx=words.padding_idx,
        position_padding_idx=positions.padding_idx,
    )
    asked = any(getattr(h, "__name__", "") == REQUIRING for h in words._forward_hooks.values())
    return y.requires_grad_() if asked and not y.requires_grad else y
