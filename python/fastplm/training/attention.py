"""transformers' attention by fastplm.ops: `attn_implementation="fastplm"`.

As with flash attention, a model hands over the 2-D padding mask itself; padding is left out of the
computation, and the keywords of DataCollatorWithFlattening (cu_seq_lens_q, ...) say where packed sequences
begin. Masks of another kind are added to the scores; types that fastplm.ops lacks are computed by torch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface, masking_utils
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from fastplm import ops
from fastplm.errors import UnsupportedError
from fastplm.training.modules import TYPES, supported

NAME = "fastplm"


@dataclass
class Kept:
    """The tokens of a padding mask [batch, length] that are there."""

    rows: torch.Tensor  # where they are in [batch * length]
    starts: torch.Tensor
    longest: int
    together: bool  # no padding between two tokens of a sequence


def kept(mask: torch.Tensor) -> Kept:
    """Found once for each mask: all layers share it."""
    known = getattr(mask, "_fastplm_kept", None)
    if known is None:
        mask_ = mask.bool()
        lengths = mask_.sum(1)
        starts = torch.nn.functional.pad(lengths.cumsum(0), (1, 0)).to(torch.int32)
        changes = (mask_[:, 1:] != mask_[:, :-1]).sum(1) - (~mask_[:, 0]).long() - (~mask_[:, -1]).long()
        longest = int(lengths.max()) if len(lengths) else 0
        known = Kept(mask_.reshape(-1).nonzero()[:, 0], starts, longest, bool((changes <= 0).all()))
        mask._fastplm_kept = known
    return known


def even(batch: int, length: int) -> torch.Tensor:
    """Where sequences of one length begin."""
    return torch.arange(0, (batch + 1) * length, length, dtype=torch.int32)[: batch + 1]


def beginnings(numbers: torch.Tensor) -> torch.Tensor:
    """Where sequences begin, and where the last one ends: numbers says which sequence a token is of."""
    changes = torch.ones_like(numbers, dtype=torch.bool)
    changes[:, 1:] = numbers[:, 1:] != numbers[:, :-1]
    starts = changes.view(-1).nonzero()[:, 0]
    return torch.cat([starts, starts.new_tensor([numbers.numel()])]).to(torch.int32)


def attention_forward(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    is_causal: bool | None = None,
    position_bias: torch.Tensor | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """[batch, heads, length, head_dim] to [batch, length, heads, head_dim], as transformers' interface
    says.
    """
    for name in ("softcap", "s_aux", "output_attentions"):
        if kwargs.get(name):
            raise UnsupportedError(
                f"attn_implementation='fastplm': {name} is set; expected a model without it"
            )
    causal = bool(getattr(module, "is_causal", False) if is_causal is None else is_causal)
    unlearned = position_bias is not None and (position_bias.is_leaf or not position_bias.requires_grad)
    if unlearned and position_bias is not None and not position_bias.any():
        position_bias = None  # zeros in the place of a bias, as T5 has them between encoder and decoder
    given = attention_mask is not None and attention_mask.dim() == 4
    kind = attention_mask.dtype if attention_mask is not None and given else torch.bool
    if kind != torch.bool and not kind.is_floating_point:
        raise TypeError(f"attn_implementation='fastplm': a mask of {kind}; expected bool or floats")
    if position_bias is not None and not causal and query.shape[2] != key.shape[2]:
        given = True  # where a query stands among the keys is not known
    if (given or not supported(query)) and kwargs.get("cu_seq_lens_q") is not None:
        raise UnsupportedError(
            f"attn_implementation='fastplm': packed sequences of {query.dtype} with a mask of another kind; "
            "expected float32 or bfloat16, and attention that is causal, in a window or everywhere"
        )
    mask = None
    if given or not supported(query):
        mask = _added(_four_dimensional(attention_mask, query, key, causal), position_bias)
        if not supported(query, mask):
            return _by_torch(module, query, key, value, mask, dropout, scaling)
    batch, heads, length, dim = query.shape
    keys = key.shape[2]
    q, k, v = (t.transpose(1, 2).reshape(-1, t.shape[1], dim) for t in (query, key, value))
    if mask is not None:
        mask = mask.expand(-1, -1, max(length, mask.shape[2]), max(keys, mask.shape[3]))
        out = ops.attention(
            q, k, v, even(batch, length), cu_seqlens_k=even(batch, keys), max_seqlen=keys, scale=scaling,
            dropout=dropout, bias=mask[..., :keys],
        )  # fmt: skip
        return out.view(batch, length, heads, dim), None
    bias = None if position_bias is None else distances(position_bias, length, keys)
    window = None if sliding_window is None else sliding_window - 1  # transformers counts the own token
    options: dict[str, Any] = {
        "scale": scaling, "causal": causal, "window": window, "dropout": dropout, "distance_bias": bias,
    }  # fmt: skip
    if (starts := kwargs.get("cu_seq_lens_q")) is not None:
        starts_k, longest = kwargs["cu_seq_lens_k"], int(kwargs["max_length_k"])
        out = ops.attention(q, k, v, starts.int(), cu_seqlens_k=starts_k.int(), max_seqlen=longest, **options)
    elif attention_mask is not None and attention_mask.dtype != torch.bool:
        out = ops.attention(q, k, v, beginnings(attention_mask), **options)
    elif attention_mask is None:
        out = ops.attention(
            q, k, v, even(batch, length), cu_seqlens_k=even(batch, keys), max_seqlen=keys, **options
        )
    else:
        of_keys = kept(attention_mask)
        # whether it matters where a query stands among the keys
        placed = causal or window is not None or bias is not None
        if (window is not None or bias is not None) and not of_keys.together:
            raise UnsupportedError(
                "attn_implementation='fastplm': the mask hides tokens between others, with a window or a "
                "bias of positions; expected padding at the ends"
            )
        k, v = k.index_select(0, of_keys.rows), v.index_select(0, of_keys.rows)
        if placed:
            of_queries = of_keys if length == keys else kept(attention_mask[:, -length:])
            starts, rows = of_queries.starts, of_queries.rows
            packed = q.index_select(0, rows)
        else:
            starts, packed = even(batch, length), q
        out = ops.attention(
            packed, k, v, starts, cu_seqlens_k=of_keys.starts, max_seqlen=of_keys.longest, **options
        )
        if placed:
            out = torch.zeros_like(q).index_copy(0, rows, out)
    return out.view(batch, length, heads, dim), None


def distances(bias: torch.Tensor, queries: int, keys: int) -> torch.Tensor:
    """A bias of scores [1, heads, queries, keys] that depends on the distance alone, as [heads, 2 n - 1]:
    T5's.

    Each distance is read at one place, which then gets the whole gradient of its bucket.
    """
    if bias.shape[-2:] != (queries, keys) or queries > keys:
        raise UnsupportedError(
            f"attn_implementation='fastplm': position_bias has shape {list(bias.shape)} for {queries} "
            f"queries and {keys} keys; expected a bias of distances"
        )
    last = bias[0, :, -1, :]  # of the last query: distances 1 - keys to 0
    first = bias[0, :, 0, keys - queries + 1 :]  # of the first query: what is ahead
    unseen = bias.new_zeros(bias.shape[1], keys - 1 - first.shape[1])
    return torch.cat([last, first, unseen], 1)


def _four_dimensional(
    mask: torch.Tensor | None, query: torch.Tensor, key: torch.Tensor, causal: bool
) -> torch.Tensor | None:
    """A mask [batch, 1, queries, keys] of what a 2-D one and `causal` say."""
    queries, keys = query.shape[2], key.shape[2]
    if mask is not None and mask.dim() == 4:
        return mask
    if mask is None and not causal:
        return None
    seen = torch.ones(queries, keys, dtype=torch.bool, device=query.device)
    seen = seen.tril(keys - queries) if causal else seen
    return seen[None, None] if mask is None else seen & mask[:, None, None, :]


def _added(mask: torch.Tensor | None, bias: torch.Tensor | None) -> torch.Tensor | None:
    """What is added to scores: the mask, of what is seen if it is one of booleans, and the bias."""
    if mask is not None and mask.dtype == torch.bool:
        kind = torch.float32 if bias is None else bias.dtype
        mask = torch.zeros(mask.shape, dtype=kind, device=mask.device).masked_fill(~mask, -torch.inf)
    return bias if mask is None else mask if bias is None else mask + bias


def _by_torch(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    dropout: float,
    scaling: float | None,
) -> tuple[torch.Tensor, None]:
    mask = None if mask is None else mask.to(query.dtype)
    out, _ = sdpa_attention_forward(
        module, query, key, value, mask, dropout=dropout, scaling=scaling, is_causal=False
    )
    return out, None


def _parts(function: Callable[..., Any]) -> tuple[Any, ...]:
    """What a mask function was made from: its closure."""
    return tuple(cell.cell_contents for cell in function.__closure__ or ())


def _made_by(function: Callable[..., Any], example: Callable[..., Any]) -> bool:
    return function.__code__ is example.__code__


def _is_known(function: Callable[..., Any]) -> bool:
    """Whether it is causal, everything, or a sliding window, whose size the model also hands to attention."""
    if function in (masking_utils.causal_mask_function, masking_utils.bidirectional_mask_function):
        return True
    for example in (
        masking_utils.sliding_window_causal_mask_function(1),
        masking_utils.sliding_window_bidirectional_mask_function(1),
    ):
        if not _made_by(function, example):
            return False
        parts, expected = _parts(function)[0], _parts(example)[0]
        if len(parts) == len(expected) and all(map(_made_by, parts, expected)):
            return True
    return False


def _sequences(function: Callable[..., Any]) -> torch.Tensor | None:
    """The number of each token's sequence [batch, length], where transformers found positions that begin
    anew and what else hides tokens is known.
    """
    packed = masking_utils.packed_sequence_mask_function(torch.zeros(1, 1))
    anew = masking_utils.remap_positions_for_packed_sequence(lambda *_: True, torch.zeros(1, 1))
    if not _made_by(function, masking_utils.and_masks(packed)) or len(_parts(function)[0]) != 2:
        return None
    inner, last = _parts(function)[0]
    if not _made_by(last, packed):
        return None
    if _made_by(inner, anew):
        inner = next(part for part in _parts(inner) if callable(part))
    numbers: torch.Tensor = _parts(last)[0]
    return numbers if _is_known(inner) else None


def attention_mask(
    batch_size: int,
    q_length: int,
    kv_length: int,
    q_offset: int = 0,
    kv_offset: int = 0,
    mask_function: Callable[..., Any] = masking_utils.causal_mask_function,
    attention_mask: torch.Tensor | None = None,
    **kwargs: Any,
) -> torch.Tensor | None:
    """The 2-D mask, or None where nothing is padded; for packed sequences, 2-D numbers of them; a 4-D one for
    what is neither causal, a window nor everything, and for types that torch computes.
    """
    whole = attention_mask is None or attention_mask.shape[1] >= kv_length
    if (
        whole
        and kwargs.get("dtype", torch.float32) in TYPES
        and torch.device(kwargs.get("device", "cpu")).type == "cpu"
    ):
        if _is_known(mask_function):
            shown = None if attention_mask is None else attention_mask[:, -kv_length:].bool()
            return None if shown is None or bool(shown.all()) else shown
        if attention_mask is None and (numbers := _sequences(mask_function)) is not None:
            return numbers.long()
    return masking_utils.sdpa_mask(
        batch_size, q_length, kv_length, q_offset, kv_offset, mask_function, attention_mask,
        **{**kwargs, "allow_is_causal_skip": False, "allow_is_bidirectional_skip": False},
    )  # fmt: skip


def register() -> None:
    AttentionInterface.register(NAME, attention_forward)
    AttentionMaskInterface.register(NAME, attention_mask)
