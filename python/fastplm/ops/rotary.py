"""Rotary position embedding of packed heads."""

from typing import Any

import torch

from fastplm import _ops
from fastplm.ops.torch_op import Differentiable, check_same_device


def rope(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, *, interleaved: bool = False) -> torch.Tensor:
    """Each pair (a, b) of a head's values becomes (a cos - b sin, b cos + a sin). Paper: arXiv:2104.09864.

    x [tokens, heads, head_dim] is float32 or bfloat16 on the CPU; cos and sin [tokens, pairs] of any float
    type, which get no gradient: those of pair i at the token's position. Pair i is values i and i + pairs, as
    in Llama; interleaved: 2 i and 2 i + 1, as in GPT-J. Where there are fewer pairs than half of head_dim,
    the values behind them stay.
    """
    check_same_device("rope", x, cos, sin)
    for name, t in (("cos", cos), ("sin", sin)):
        if t.requires_grad:
            raise ValueError(f"rope: {name} requires a gradient; expected angles that are not trained")
    y: torch.Tensor = _ROTARY(
        x.contiguous(), cos.float().contiguous(), sin.float().contiguous(), interleaved, False
    )
    return y


def _run(
    x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, interleaved: bool, back: bool
) -> torch.Tensor:
    y = torch.empty_like(x)
    _ops.rotary(x, cos, sin, interleaved, back, y)
    return y


def _save(ctx: Any, inputs: Any, output: Any) -> None:
    _, cos, sin, ctx.interleaved, ctx.back = inputs
    ctx.save_for_backward(cos, sin)


def _backward(ctx: Any, dy: Any) -> Any:
    cos, sin = ctx.saved_tensors
    return _ROTARY(dy.contiguous(), cos, sin, ctx.interleaved, not ctx.back), None, None, None, None


_ROTARY = Differentiable(
    "rotary(Tensor x, Tensor cos, Tensor sin, bool interleaved, bool back) -> Tensor",
    _run,
    lambda x, *_: torch.empty_like(x),
    _save,
    _backward,
)
