"""The embeddings of BERT: tables of tokens, positions and segments, LayerNorm and dropout in one pass."""

from typing import Any

import torch

from fastplm import _ops
from fastplm.devices import workspace
from fastplm.ops.torch_op import (
    Differentiable,
    Operator,
    as_float,
    check_same_device,
    nothing,
    seed,
)


def embedding_layer_norm(
    ids: torch.Tensor,
    tokens: torch.Tensor,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    eps: float = 1e-12,
    *,
    position_ids: torch.Tensor | None = None,
    positions: torch.Tensor | None = None,
    segment_ids: torch.Tensor | None = None,
    segments: torch.Tensor | None = None,
    dropout: float = 0.0,
    padding_idx: int | None = None,
    position_padding_idx: int | None = None,
) -> torch.Tensor:
    """dropout(LayerNorm(tokens[ids] + segments[segment_ids] + positions[position_ids])), on the CPU.

    ids [...] are int64; position_ids and segment_ids the same, of a shape that expands to theirs; without
    segment_ids all are 0. The tables [rows, dim] are float32 or bfloat16, all of one type; weight and bias
    [dim] of that type or float32. The gradient of row padding_idx of tokens, and of position_padding_idx of
    positions, is 0, as torch.nn.Embedding has it.
    """
    check_same_device("embedding_layer_norm", ids, tokens, weight, bias, position_ids, positions, segment_ids,
                      segments)  # fmt: skip
    if (positions is None) != (position_ids is None):
        raise ValueError(
            "embedding_layer_norm: one of positions and position_ids is given; expected both or neither"
        )
    if segments is None and segment_ids is not None:
        raise ValueError("embedding_layer_norm: segment_ids are given without segments; expected both")
    flat = [None if t is None else t.expand(ids.shape).reshape(-1) for t in (ids, segment_ids, position_ids)]
    tables = [None if t is None else t.contiguous() for t in (tokens, segments, positions)]
    y: torch.Tensor = _EMBED_NORM(
        *tables, *flat, weight, bias, eps, seed(dropout, tokens), dropout, padding_idx, position_padding_idx
    )[0]
    return y.view(*ids.shape, tokens.shape[-1])


def _run(
    tokens: torch.Tensor,
    segments: torch.Tensor | None,
    positions: torch.Tensor | None,
    ids: torch.Tensor,
    segment_ids: torch.Tensor | None,
    position_ids: torch.Tensor | None,
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
    eps: float,
    seed: torch.Tensor | None,
    p: float,
    *_: Any,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    y, s, stats = _fake(tokens, segments, positions, ids)
    _ops.embed_norm(
        tokens, ids, segments, segment_ids, positions, position_ids, as_float(weight), as_float(bias), eps,
        seed, p, s, y, stats,
    )  # fmt: skip
    return y, s, stats


def _fake(tokens: Any, segments: Any, positions: Any, ids: Any, *_: Any) -> Any:
    shape = (*ids.shape, tokens.shape[-1])
    stats = tokens.new_empty((*ids.shape, 2), dtype=torch.float32)
    return tokens.new_empty(shape), tokens.new_empty(shape), stats


def _save(ctx: Any, inputs: Any, output: Any) -> None:
    tables, ids, (weight, bias, _, seed, ctx.p, *ctx.paddings) = inputs[:3], inputs[3:6], inputs[6:]
    _, s, stats = output
    ctx.mark_non_differentiable(s, stats)
    ctx.rows = [0 if t is None else len(t) for t in tables]
    ctx.bias_type = None if bias is None else bias.dtype
    ctx.save_for_backward(s, stats, weight, seed, *ids)


def _backward(ctx: Any, dy: Any, *_: Any) -> Any:
    s, stats, weight, seed, *ids = ctx.saved_tensors
    needs = [*ctx.needs_input_grad[:3], *ctx.needs_input_grad[6:8]]
    sizes = [count if need else 0 for count, need in zip(ctx.rows, needs[:3], strict=True)]
    grads = _EMBED_NORM_GRAD(dy.contiguous(), s, stats, weight, *ids, seed, ctx.p, sizes, needs)
    for at, row in ((0, ctx.paddings[0]), (2, ctx.paddings[1])):
        if row is not None and needs[at]:
            grads[at][row].zero_()
    types = [s.dtype] * 3 + [None if weight is None else weight.dtype, ctx.bias_type]
    found = [g.to(t) if need else None for g, t, need in zip(grads, types, needs, strict=True)]
    return *found[:3], *[None] * 3, *found[3:], *[None] * 5


def _run_grad(
    dy: torch.Tensor,
    s: torch.Tensor,
    stats: torch.Tensor,
    weight: torch.Tensor | None,
    ids: torch.Tensor,
    segment_ids: torch.Tensor | None,
    position_ids: torch.Tensor | None,
    seed: torch.Tensor | None,
    p: float,
    sizes: list[int],
    needs: list[bool],
) -> tuple[torch.Tensor, ...]:
    every = (ids, segment_ids, position_ids)
    *tables, dweight, dbias = _fake_grad(dy, s, stats, weight, *every, seed, p, sizes, needs)
    ds = torch.empty_like(dy)
    _ops.embed_norm_grad(
        dy, s, stats, as_float(weight), seed, p, ds, dweight if needs[3] else None,
        dbias if needs[4] else None, workspace(_ops.add_norm_workspace(*dy.shape), dy),
    )  # fmt: skip
    for table, of, need in zip(tables, every, needs[:3], strict=True):
        if need:
            _ops.scatter(ds, of, table)
    return *tables, dweight, dbias


def _fake_grad(
    dy: Any, s: Any, stats: Any, weight: Any, ids: Any, segment_ids: Any, position_ids: Any, seed: Any,
    p: float, sizes: Any, needs: Any,
) -> Any:  # fmt: skip
    """Sums over tokens are float32."""
    dim = dy.shape[-1]
    tables = [
        stats.new_empty((n, dim)) if need else nothing(stats)
        for n, need in zip(sizes, needs[:3], strict=True)
    ]
    return *tables, *(stats.new_empty(dim if need else 0) for need in needs[3:])


_EMBED_NORM_GRAD = Operator(
    "embed_norm_grad(Tensor dy, Tensor s, Tensor stats, Tensor? weight, Tensor ids, Tensor? segment_ids, "
    "Tensor? position_ids, Tensor? seed, float p, SymInt[3] sizes, bool[5] needs) "
    "-> (Tensor, Tensor, Tensor, Tensor, Tensor)",
    _run_grad,
    _fake_grad,
)
_EMBED_NORM = Differentiable(
    "embed_norm(Tensor tokens, Tensor? segments, Tensor? positions, Tensor ids, Tensor? segment_ids, "
    "Tensor? position_ids, Tensor? weight, Tensor? bias, float eps, Tensor? seed, float p, int? padding_idx, "
    "int? position_padding_idx) -> (Tensor, Tensor, Tensor)",
    _run,
    _fake,
    _save,
    _backward,
)
