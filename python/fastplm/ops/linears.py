"""Linear layers with bias and activation, packed for each call."""

from typing import Any

import torch

from fastplm import _ops
from fastplm.devices import workspace
from fastplm.ops.torch_op import (
    Differentiable,
    Operator,
    as_float,
    autocast,
    check_same_device,
    nothing,
    rows,
)


def linear(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    act: str = "none",
    *,
    transposed: bool = False,
) -> torch.Tensor:
    """act(x weight^T + bias); transposed: act(x weight + bias), as GPT-2's Conv1D has its weight.

    x [..., in] is float32, bfloat16 or (on CUDA) float16, weight [out, in], bias [out]. Under autocast to
    bfloat16, x and weight are rounded to it, as torch does; a float32 weight then gets its gradient in
    float32, without a rounding between.
    """
    check_same_device("linear", x, weight, bias)
    (x,) = autocast(x)
    y: torch.Tensor = _LINEAR(x.contiguous(), weight.contiguous(), bias, act, transposed)[0]
    return y


def product(
    a: torch.Tensor,
    b: torch.Tensor,
    out: torch.Tensor,
    *,
    a_transposed: bool = False,
    b_transposed: bool = False,
    bias: torch.Tensor | None = None,
    act: str = "none",
    accumulate: bool = False,
    before: torch.Tensor | None = None,
) -> torch.Tensor:
    """out = act(a b + bias), or out += a b; without a gradient. `cpp/ops/train/product.h`."""
    space = workspace(_ops.product_workspace(a, a_transposed, b, b_transposed, out), a)
    _ops.product(a, a_transposed, b, b_transposed, bias, act, accumulate, before, out, space)
    return out


def column_sums(x: torch.Tensor) -> torch.Tensor:
    """The sum over rows of [rows, dim], in float32."""
    sums = x.new_empty(x.shape[1], dtype=torch.float32)
    _ops.column_sums(x, sums, workspace(_ops.column_sums_workspace(*x.shape), x))
    return sums


def _run(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, act: str, transposed: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    y, before = _fake(x, weight, bias, act, transposed)
    product(
        rows(x),
        weight.to(x.dtype),
        rows(y),
        b_transposed=not transposed,
        bias=as_float(bias),
        act=act,
        before=None if act == "none" else rows(before),
    )
    return y, before


def _fake(x: Any, weight: Any, bias: Any, act: str, transposed: bool) -> Any:
    shape = (*x.shape[:-1], weight.shape[1 if transposed else 0])
    return x.new_empty(shape), nothing(x) if act == "none" else x.new_empty(shape)


def _save(ctx: Any, inputs: Any, output: Any) -> None:
    x, weight, bias, act, transposed = inputs
    before = output[1]
    ctx.mark_non_differentiable(before)
    ctx.act, ctx.transposed, ctx.bias_type = act, transposed, None if bias is None else bias.dtype
    ctx.save_for_backward(x, weight, before)


def _backward(ctx: Any, dy: Any, _: Any) -> Any:
    x, weight, before = ctx.saved_tensors
    needs = ctx.needs_input_grad[:3]
    dx, dweight, dbias = _LINEAR_GRAD(dy.contiguous(), x, weight, before, ctx.act, ctx.transposed, needs)
    return (
        dx if needs[0] else None,
        dweight if needs[1] else None,
        dbias.to(ctx.bias_type) if needs[2] else None,
        None,
        None,
    )


def _run_grad(
    dy: torch.Tensor,
    x: torch.Tensor,
    weight: torch.Tensor,
    before: torch.Tensor,
    act: str,
    transposed: bool,
    needs: tuple[bool, bool, bool],
) -> tuple[torch.Tensor, ...]:
    dx, dweight, dbias = _fake_grad(dy, x, weight, before, act, transposed, needs)
    dy, inputs = rows(dy), rows(x)
    if act != "none":
        at_act = torch.empty_like(dy)
        _ops.gated_grad(dy, rows(before), None, act, None, 0.0, at_act, None)
        dy = at_act
    if needs[0]:
        product(dy, weight.to(dy.dtype), rows(dx), b_transposed=transposed)
    if needs[1]:
        left, right = (inputs, dy) if transposed else (dy, inputs)
        product(left, right, dweight, a_transposed=True)
    if needs[2]:
        dbias = column_sums(dy)
    return dx, dweight, dbias


def _fake_grad(dy: Any, x: Any, weight: Any, before: Any, act: str, transposed: bool, needs: Any) -> Any:
    return (
        torch.empty_like(x) if needs[0] else nothing(x),
        torch.empty_like(weight) if needs[1] else nothing(x),
        dy.new_empty(dy.shape[-1] if needs[2] else 0, dtype=torch.float32),
    )


_LINEAR_GRAD = Operator(
    "linear_grad(Tensor dy, Tensor x, Tensor weight, Tensor before, str act, bool transposed, bool[3] needs) "
    "-> (Tensor, Tensor, Tensor)",
    _run_grad,
    _fake_grad,
)
_LINEAR = Differentiable(
    "linear(Tensor x, Tensor weight, Tensor? bias, str act, bool transposed) -> (Tensor, Tensor)",
    _run,
    _fake,
    _save,
    _backward,
)
