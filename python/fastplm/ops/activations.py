"""Activations, plain or gated, with the dropout behind them in the same pass."""

from typing import Any

import torch

from fastplm import _ops
from fastplm.ops.torch_op import Differentiable, Operator, check_same_device, nothing, rows, seed


def activation(
    x: torch.Tensor, act: str, *, up: torch.Tensor | None = None, dropout: float = 0.0
) -> torch.Tensor:
    """dropout(act(x) * up), without up: dropout(act(x)); of float32, bfloat16 or (on CUDA) float16
    tensors of one shape and type.

    act: none, relu, gelu, gelu_tanh, silu, tanh, gelu_10, hardswish, laplace, leaky_relu, mish, quick_gelu,
    relu2, relu6, sigmoid.
    """
    check_same_device("activation", x, up)
    y: torch.Tensor = _GATED(
        x.contiguous(), None if up is None else up.contiguous(), act, seed(dropout, x), dropout
    )
    return y


def swiglu(x: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """silu(x) * up. Paper: arXiv:2002.05202."""
    return activation(x, "silu", up=up)


def geglu(x: torch.Tensor, up: torch.Tensor, *, approximate: bool = False) -> torch.Tensor:
    """gelu(x) * up; approximate: by tanh. Paper: arXiv:2002.05202."""
    return activation(x, "gelu_tanh" if approximate else "gelu", up=up)


def _run(
    x: torch.Tensor, up: torch.Tensor | None, act: str, seed: torch.Tensor | None, p: float
) -> torch.Tensor:
    y = torch.empty_like(x)
    _ops.gated(_flat(x), None if up is None else _flat(up), act, seed, p, _flat(y))
    return y


def _flat(x: torch.Tensor) -> torch.Tensor:
    return rows(x) if x.dim() else x.view(1, 1)


def _save(ctx: Any, inputs: Any, output: Any) -> None:
    x, up, act, seed, p = inputs
    ctx.act, ctx.p = act, p
    ctx.save_for_backward(x, up, seed)


def _backward(ctx: Any, dy: Any) -> Any:
    x, up, seed = ctx.saved_tensors
    dx, dup = _GATED_GRAD(dy.contiguous(), x, up, ctx.act, seed, ctx.p)
    return dx, None if up is None else dup, None, None, None


def _run_grad(
    dy: torch.Tensor, x: torch.Tensor, up: torch.Tensor | None, act: str, seed: torch.Tensor | None, p: float
) -> tuple[torch.Tensor, torch.Tensor]:
    dx, dup = _fake_grad(dy, x, up, act, seed, p)
    gate = (None, None) if up is None else (_flat(up), _flat(dup))
    _ops.gated_grad(_flat(dy), _flat(x), gate[0], act, seed, p, _flat(dx), gate[1])
    return dx, dup


def _fake_grad(dy: Any, x: Any, up: Any, act: str, seed: Any, p: float) -> Any:
    return torch.empty_like(dy), nothing(dy) if up is None else torch.empty_like(dy)


_GATED_GRAD = Operator(
    "gated_grad(Tensor dy, Tensor x, Tensor? up, str act, Tensor? seed, float p) -> (Tensor, Tensor)",
    _run_grad,
    _fake_grad,
)
_GATED = Differentiable(
    "gated(Tensor x, Tensor? up, str act, Tensor? seed, float p) -> Tensor",
    _run,
    lambda x, up, act, seed, p: torch.empty_like(x),
    _save,
    _backward,
)
