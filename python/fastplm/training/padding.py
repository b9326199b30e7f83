"""Encoders without padding: it is removed once behind the embeddings and put back behind the last layer."""

import functools
from collections.abc import Callable
from typing import Any

import torch

from fastplm.training import attention
from fastplm.training.modules import has_hooks

_CAPTURED = ("output_hidden_states", "output_attentions")


def unpadded(plain: Callable[..., Any]) -> Callable[..., Any]:
    """The forward of a stack of layers (hidden_states [batch, length, dim], attention_mask, ...), on the
    tokens that are there.

    Layers see one row of all tokens and transformers' keywords of packed sequences; padded positions of the
    result are zero. Where somebody looks inside (hooks, hidden states asked for), the padding stays.
    """

    @functools.wraps(plain)
    def forward(self: Any, hidden_states: torch.Tensor, attention_mask: Any = None, **kwargs: Any) -> Any:
        if not _can_pack(self, attention_mask, kwargs):
            return plain(self, hidden_states, attention_mask, **kwargs)
        kept = attention.kept(attention_mask)
        out = plain(self, _packed(hidden_states, kept), None, **{**kwargs, **_keywords(kept)})
        return _restored(out, kept, hidden_states.shape[:2])

    return forward


def unpadded_model(plain: Callable[..., Any]) -> Callable[..., Any]:
    """The same for a model whose layers are called by the model itself, with ids and positions: ModernBERT.

    Its layers have windows, so padding between tokens stays.
    """

    @functools.wraps(plain)
    def forward(
        self: Any,
        input_ids: torch.Tensor | None = None,
        attention_mask: Any = None,
        position_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        given = input_ids if inputs_embeds is None else inputs_embeds
        usual = given is not None and position_ids is None and _can_pack(self, attention_mask, kwargs)
        kept = attention.kept(attention_mask != 0) if usual and not attention_mask.all() else None
        if kept is None or not kept.together:
            return plain(self, input_ids, attention_mask, position_ids, inputs_embeds, **kwargs)
        ids, embeds = (None if t is None else _packed(t, kept) for t in (input_ids, inputs_embeds))
        positions = kept.rows[None] % attention_mask.shape[1]
        out = plain(self, ids, None, positions, embeds, **{**kwargs, **_keywords(kept)})
        return _restored(out, kept, attention_mask.shape)

    return forward


def _packed(x: torch.Tensor, kept: attention.Kept) -> torch.Tensor:
    return x.flatten(0, 1).index_select(0, kept.rows)[None]


def _keywords(kept: attention.Kept) -> dict[str, Any]:
    """Those of DataCollatorWithFlattening."""
    starts = {"cu_seq_lens_q": kept.starts, "cu_seq_lens_k": kept.starts}
    return {**starts, "max_length_q": kept.longest, "max_length_k": kept.longest}


def _restored(out: Any, kept: attention.Kept, shape: torch.Size) -> Any:
    last = out.last_hidden_state[0]
    padded = last.new_zeros(shape[0] * shape[1], last.shape[-1]).index_copy(0, kept.rows, last)
    out["last_hidden_state"] = padded.view(*shape, -1)
    return out


def _can_pack(self: Any, mask: Any, kwargs: dict[str, Any]) -> bool:
    config = next(m.config for m in self.modules() if hasattr(m, "config"))  # not every stack has its own
    if not isinstance(mask, torch.Tensor) or mask.dim() != 2:
        return False
    if config._attn_implementation != attention.NAME or getattr(config, "is_decoder", False):
        return False
    if getattr(config, "chunk_size_feed_forward", 0):
        return False
    if kwargs.get("return_dict", getattr(config, "return_dict", True)) is False:
        return False
    captured = any(kwargs.get(name, getattr(config, name, False)) for name in _CAPTURED)
    return not captured and not any(has_hooks(m) for m in self.modules() if m is not self)
