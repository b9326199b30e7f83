"""Attention over packed sequences of any lengths, without padding."""

from typing import Any

import torch

from fastplm import _ops
from fastplm.devices import on_cuda, workspace
from fastplm.errors import UnsupportedError
from fastplm.ops.linears import column_sums
from fastplm.ops.torch_op import Differentiable, Operator, autocast, check_same_device, nothing, seed


def attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    cu_seqlens: torch.Tensor,
    *,
    cu_seqlens_k: torch.Tensor | None = None,
    max_seqlen: int | None = None,
    scale: float | None = None,
    causal: bool = False,
    window: int | None = None,
    dropout: float = 0.0,
    distance_bias: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """softmax(scale q k^T + bias) v within each sequence; the result has the shape of q.

    q [tokens, heads, head_dim], k and v [key tokens, kv_heads, head_dim] of one type, float32, bfloat16 or
    (on CUDA) float16; heads is a multiple of kv_heads. cu_seqlens [sequences + 1] int32: where each sequence
    begins, and the number of tokens; cu_seqlens_k: those of the keys, where they are others; the last query
    then stands where the last key does. max_seqlen: at least the longest sequence of keys; None: it is
    looked up.
    scale: 1 / sqrt(head_dim) unless given. causal: a token sees none behind it; window: none further away
    than that. On CUDA cu_seqlens is not looked at by the host, and max_seqlen is not used. distance_bias
    [heads, 2 n - 1]: what is added to the score of query i and key j is at j - i +
    n - 1 (T5's buckets, ALiBi); it gets a gradient. bias [sequences or 1, heads or 1, queries, keys], on the
    CPU: what is added to the score of a query and a key of that sequence, each counted from its first one;
    -inf hides a key, and a query that sees none gives 0. It gets a gradient, which takes least time where all
    sequences and heads have their own. Of three dimensions: the same of one sequence.
    """
    check_same_device("attention", q, k, v, cu_seqlens, cu_seqlens_k, distance_bias, bias)
    if bias is not None:
        if distance_bias is not None:
            raise ValueError("attention: bias and distance_bias are given; expected one of them")
        if bias.dim() not in (3, 4):
            raise ValueError(f"attention: bias has shape {list(bias.shape)}; expected 3 or 4 dimensions")
        if on_cuda(bias):
            raise UnsupportedError(f"attention: bias is on {bias.device}; expected cpu, or a distance_bias")
        bias = bias if bias.dim() == 4 else bias[None]
    added = distance_bias if bias is None else bias
    q, k, v = autocast(q, k, v)
    starts = cu_seqlens if cu_seqlens_k is None else cu_seqlens_k
    if on_cuda(q):
        max_seqlen = 0  # nothing there depends on it
    elif max_seqlen is None:
        max_seqlen = int((starts[1:] - starts[:-1]).max()) if len(starts) > 1 else 0
    if window is not None and window < 0:
        raise ValueError(f"attention: window is {window}; expected 0 or more")
    far = -1 if window is None else window
    out: torch.Tensor = _FLASH(
        q.contiguous(),
        k.contiguous(),
        v.contiguous(),
        None if added is None else added.contiguous(),
        cu_seqlens,
        cu_seqlens_k,
        max_seqlen,
        q.shape[-1] ** -0.5 if scale is None else scale,
        far,
        0 if causal else far,
        seed(dropout, q),
        dropout,
    )[0]
    return out


def _space(q: torch.Tensor, max_seqlen: int) -> torch.Tensor:
    if on_cuda(q):
        return workspace(q.shape[0] * q.shape[1] * 4, q)  # a float for each row of scores
    share = _ops.flash_workspace(q.new_empty(0), q.shape[2], max_seqlen)
    return workspace(share * _ops.num_threads(), q)


def _run(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    bias: torch.Tensor | None,
    cu: torch.Tensor,
    cu_k: torch.Tensor | None,
    longest: int,
    scale: float,
    back: int,
    ahead: int,
    seed: torch.Tensor | None,
    p: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    out, lse = _fake(q)
    floats = None if bias is None else bias.float()
    _ops.flash(q, k, v, cu, cu_k, floats, scale, back, ahead, seed, p, out, lse, _space(q, longest))
    return out, lse


def _fake(q: Any, *_: Any) -> Any:
    return torch.empty_like(q), q.new_empty(q.shape[:2], dtype=torch.float32)


def _save(ctx: Any, inputs: Any, output: Any) -> None:
    q, k, v, bias, cu, cu_k, longest, scale, back, ahead, seed, p = inputs
    out, lse = output
    ctx.mark_non_differentiable(lse)
    ctx.options = longest, scale, back, ahead, p
    ctx.save_for_backward(q, k, v, out, lse, bias, cu, cu_k, seed)


def _backward(ctx: Any, dout: Any, _: Any) -> Any:
    saved = ctx.saved_tensors  # under checkpointing they may be read once
    wanted = ctx.needs_input_grad[3]
    dq, dk, dv, dbias = _FLASH_GRAD(dout.contiguous(), *saved, *ctx.options, wanted)
    return dq, dk, dv, dbias.to(saved[5].dtype) if wanted else None, *[None] * 8


def _run_grad(
    dout: torch.Tensor,
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    out: torch.Tensor,
    lse: torch.Tensor,
    bias: torch.Tensor | None,
    cu: torch.Tensor,
    cu_k: torch.Tensor | None,
    seed: torch.Tensor | None,
    longest: int,
    scale: float,
    back: int,
    ahead: int,
    p: float,
    bias_grad: bool,
) -> tuple[torch.Tensor, ...]:
    dq, dk, dv = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
    shares = dbias = None
    if bias is not None and bias_grad and bias.dim() == 4:
        dbias = torch.empty_like(bias, dtype=torch.float32)
    elif bias is not None and bias_grad:
        shares = q.new_empty((_ops.flash_bias_shares(q, len(cu) - 1), *bias.shape), dtype=torch.float32)
    floats = None if bias is None else bias.float()
    _ops.flash_grad(
        dout, q, k, v, out, lse, cu, cu_k, floats, scale, back, ahead, seed, p, dq, dk, dv,
        dbias if shares is None else shares, _space(q, longest),
    )  # fmt: skip
    if shares is not None and bias is not None:
        dbias = column_sums(shares.view(len(shares), -1)).view(bias.shape)
    return dq, dk, dv, nothing(lse) if dbias is None else dbias


def _fake_grad(dout: Any, q: Any, k: Any, v: Any, out: Any, lse: Any, bias: Any, *options: Any) -> Any:
    dbias = torch.empty_like(bias, dtype=torch.float32) if options[-1] else nothing(lse)
    return torch.empty_like(q), torch.empty_like(k), torch.empty_like(v), dbias


_FLASH_GRAD = Operator(
    "flash_grad(Tensor dout, Tensor q, Tensor k, Tensor v, Tensor out, Tensor lse, Tensor? bias, "
    "Tensor cu_seqlens, Tensor? cu_seqlens_k, Tensor? seed, SymInt longest, float scale, int back, "
    "int ahead, float p, bool bias_grad) -> (Tensor, Tensor, Tensor, Tensor)",
    _run_grad,
    _fake_grad,
)
_FLASH = Differentiable(
    "flash(Tensor q, Tensor k, Tensor v, Tensor? bias, Tensor cu_seqlens, Tensor? cu_seqlens_k, "
    "SymInt longest, float scale, int back, int ahead, Tensor? seed, float p) -> (Tensor, Tensor)",
    _run,
    _fake,
    _save,
    _backward,
)
