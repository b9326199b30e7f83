"""LayerNorm and RMSNorm, with the dropout and the residual before them in the same pass."""

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
    rows,
    seed,
)


def layer_norm(
    x: torch.Tensor,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    eps: float = 1e-5,
    *,
    residual: torch.Tensor | None = None,
    dropout: float = 0.0,
) -> tuple[torch.Tensor, torch.Tensor]:
    """y and s, where s = dropout(x) + residual and y = LayerNorm(s) over the last dimension.

    x [..., dim] is float32 or bfloat16; residual the same, or the two are brought to their common type.
    weight and bias [dim]: of x's type or float32. s is x itself where there is neither residual nor
    dropout.
    """
    return _add_norm(x, residual, weight, bias, "layer", eps, dropout)


def rms_norm(
    x: torch.Tensor,
    weight: torch.Tensor | None = None,
    eps: float = 1e-6,
    *,
    residual: torch.Tensor | None = None,
    dropout: float = 0.0,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same with y = s / sqrt(mean(s^2) + eps) * weight."""
    return _add_norm(x, residual, weight, None, "rms", eps, dropout)


def _add_norm(
    x: torch.Tensor,
    residual: torch.Tensor | None,
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
    kind: str,
    eps: float,
    p: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    check_same_device(f"{kind}_norm", x, residual, weight, bias)
    if residual is not None:
        common = torch.promote_types(x.dtype, residual.dtype)
        x, residual = x.to(common), residual.to(common).contiguous()
    x = x.contiguous()
    y, s, _ = _ADD_NORM(x, residual, weight, bias, kind, eps, seed(p, x), p)
    return y, (s if residual is not None or p else x)


def _run(
    x: torch.Tensor,
    residual: torch.Tensor | None,
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
    kind: str,
    eps: float,
    seed: torch.Tensor | None,
    p: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    y, s, stats = _fake(x, residual, weight, bias, kind, eps, seed, p)
    _ops.add_norm(
        rows(x),
        None if residual is None else rows(residual),
        as_float(weight),
        as_float(bias),
        kind,
        eps,
        seed,
        p,
        rows(s) if s.dim() == x.dim() and s.shape == x.shape and (residual is not None or p) else None,
        rows(y),
        stats,
    )
    return y, s, stats


def _fake(x: Any, residual: Any, weight: Any, bias: Any, kind: str, eps: float, seed: Any, p: float) -> Any:
    s = torch.empty_like(x) if residual is not None or p else nothing(x)
    return torch.empty_like(x), s, x.new_empty((x.shape[:-1].numel(), 2), dtype=torch.float32)


def _save(ctx: Any, inputs: Any, output: Any) -> None:
    x, residual, weight, bias, kind, _, seed, p = inputs
    _, s, stats = output
    ctx.mark_non_differentiable(stats)
    ctx.has_residual, ctx.bias_type = residual is not None, None if bias is None else bias.dtype
    ctx.kind, ctx.p = kind, p
    if residual is None and not p:
        ctx.mark_non_differentiable(s)
        s = x
    ctx.save_for_backward(s, stats, weight, seed)


def _backward(ctx: Any, dy: Any, dsum: Any, _: Any) -> Any:
    s, stats, weight, seed = ctx.saved_tensors
    if dy is None:
        dy = torch.zeros_like(s)
    if dsum is not None:
        dsum = dsum.contiguous()
    needs = (ctx.needs_input_grad[2], ctx.needs_input_grad[3])
    dx, dresidual, dweight, dbias = _ADD_NORM_GRAD(
        dy.contiguous(), dsum, s, stats, weight, ctx.kind, seed, ctx.p, needs
    )
    return (
        dx if ctx.p else dresidual,
        dresidual if ctx.has_residual else None,
        dweight.to(weight.dtype) if needs[0] else None,
        dbias.to(ctx.bias_type) if needs[1] else None,
        *[None] * 4,
    )


def _run_grad(
    dy: torch.Tensor,
    dsum: torch.Tensor | None,
    s: torch.Tensor,
    stats: torch.Tensor,
    weight: torch.Tensor | None,
    kind: str,
    seed: torch.Tensor | None,
    p: float,
    needs: tuple[bool, bool],
) -> tuple[torch.Tensor, ...]:
    dx, dresidual, dweight, dbias = _fake_grad(dy, dsum, s, stats, weight, kind, seed, p, needs)
    dim = dy.shape[-1]
    _ops.add_norm_grad(
        rows(dy),
        None if dsum is None else rows(dsum),
        rows(s),
        stats,
        as_float(weight),
        kind,
        seed,
        p,
        rows(dx) if p else None,
        rows(dresidual),
        dweight if needs[0] else None,
        dbias if needs[1] else None,
        workspace(_ops.add_norm_workspace(len(stats), dim), dy),
    )
    return dx, dresidual, dweight, dbias


def _fake_grad(
    dy: Any, dsum: Any, s: Any, stats: Any, weight: Any, kind: str, seed: Any, p: float, needs: Any
) -> Any:
    vectors = (dy.new_empty(dy.shape[-1] if need else 0, dtype=torch.float32) for need in needs)
    return torch.empty_like(dy) if p else nothing(dy), torch.empty_like(dy), *vectors


_ADD_NORM_GRAD = Operator(
    "add_norm_grad(Tensor dy, Tensor? dsum, Tensor s, Tensor stats, Tensor? weight, str kind, Tensor? seed, "
    "float p, bool[2] needs) -> (Tensor, Tensor, Tensor, Tensor)",
    _run_grad,
    _fake_grad,
)
_ADD_NORM = Differentiable(
    "add_norm(Tensor x, Tensor? residual, Tensor? weight, Tensor? bias, str kind, float eps, Tensor? seed, "
    "float p) -> (Tensor, Tensor, Tensor)",
    _run,
    _fake,
    _save,
    _backward,
)
