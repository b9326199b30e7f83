"""Cross-entropy, by itself and behind a linear layer whose logits are never held as a whole."""

from typing import Any

import torch

from fastplm import _ops
from fastplm.devices import on_cuda
from fastplm.ops.linears import column_sums, product
from fastplm.ops.torch_op import (
    Differentiable,
    Operator,
    as_float,
    autocast,
    check_same_device,
    nothing,
    rows,
)

_CHUNK_BYTES = 16 << 20  # of the logits that exist at a time
_CHUNK_BYTES_ON_CUDA = 512 << 20  # whose products want thousands of rows


def cross_entropy(
    logits: torch.Tensor,
    labels: torch.Tensor,
    *,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    reduction: str = "mean",
) -> torch.Tensor:
    """torch.nn.functional.cross_entropy with class labels, in float32, plus z_loss * lse^2 for each row,
    where lse is the logarithm of the sum of exp(logits).

    logits [..., vocab] is float32, bfloat16 or (on CUDA) float16, labels [...] int64; on CUDA the host does
    not see them, and one that is out of range makes the loss NaN. reduction: mean over rows whose label is
    not ignore_index (NaN if there is none), sum or none.
    """
    check_same_device("cross_entropy", logits, labels)
    losses: torch.Tensor = _CROSS_ENTROPY(
        logits.contiguous(), labels.contiguous(), ignore_index, label_smoothing, z_loss
    )[0]
    if reduction == "none":
        return losses
    total = losses.sum()
    return total if reduction == "sum" else total / _count("cross_entropy", labels, ignore_index, reduction)


def linear_cross_entropy(
    x: torch.Tensor,
    weight: torch.Tensor,
    labels: torch.Tensor,
    bias: torch.Tensor | None = None,
    *,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    reduction: str = "mean",
) -> torch.Tensor:
    """cross_entropy of the logits x weight^T + bias; reduction: mean or sum.

    x [..., dim], weight [vocab, dim], bias [vocab], labels [...] int64. Rows whose label is ignored cost
    nothing. Gradients are computed in the same pass, some rows at a time; under autocast x and weight are
    rounded to bfloat16.
    """
    check_same_device("linear_cross_entropy", x, weight, labels, bias)
    (x,) = autocast(x)
    if labels.shape != x.shape[:-1]:
        raise ValueError(
            f"linear_cross_entropy: labels has shape {list(labels.shape)}; expected {list(x.shape[:-1])}"
        )
    x, labels = labelled(x, labels, ignore_index)
    count = labels.new_ones((), dtype=torch.float32)
    if reduction != "sum":
        count = _count("linear_cross_entropy", labels, ignore_index, reduction).float()
    needs = [torch.is_grad_enabled() and t is not None and t.requires_grad for t in (x, weight, bias)]
    loss: torch.Tensor = _LINEAR_CROSS_ENTROPY(
        x, weight.contiguous(), bias, labels, count, ignore_index, label_smoothing, z_loss, needs
    )[0]
    return loss


def contrastive(
    anchors: torch.Tensor, candidates: torch.Tensor, *, scale: float = 20.0, reduction: str = "mean"
) -> torch.Tensor:
    """In-batch contrastive loss: cross-entropy of scale * cosine similarity, where candidate i is anchor i's
    own and all others are wrong. The similarities are never held as a whole. Paper: arXiv:1705.00652.

    anchors [n, dim]; candidates [m, dim] with m >= n: those behind the first n are wrong for everybody.
    """
    if anchors.dim() != 2 or candidates.dim() != 2 or len(candidates) < len(anchors):
        raise ValueError(
            f"contrastive: anchors {list(anchors.shape)} and candidates {list(candidates.shape)}; expected "
            "[n, dim] and [m, dim], m >= n"
        )
    unit = torch.nn.functional.normalize
    own = torch.arange(len(anchors), device=anchors.device)
    return linear_cross_entropy(unit(anchors) * scale, unit(candidates), own, reduction=reduction)


def labelled(
    x: torch.Tensor, labels: torch.Tensor, ignore_index: int = -100
) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows of x [..., dim] whose label is not ignored, [n, dim], and their labels [n]: a head then runs
    only there.
    """
    flat = labels.reshape(-1)
    kept = (flat != ignore_index).nonzero()[:, 0]
    return x.reshape(-1, x.shape[-1]).index_select(0, kept), flat[kept]


def _count(name: str, labels: torch.Tensor, ignored: int, reduction: str) -> torch.Tensor:
    if reduction != "mean":
        raise ValueError(f"{name}: reduction is {reduction!r}; expected mean or sum")
    return (labels != ignored).sum()


# --- of logits --------------------------------------------------------------------------------------------


def _run(
    logits: torch.Tensor, labels: torch.Tensor, ignored: int, smoothing: float, z: float
) -> tuple[torch.Tensor, torch.Tensor]:
    losses, lse = _fake(logits, labels, ignored, smoothing, z)
    _ops.cross_entropy(rows(logits), labels.view(-1), ignored, smoothing, z, losses.view(-1), lse.view(-1))
    return losses, lse


def _fake(logits: Any, labels: Any, ignored: int, smoothing: float, z: float) -> Any:
    shape = logits.shape[:-1]
    return logits.new_empty(shape, dtype=torch.float32), logits.new_empty(shape, dtype=torch.float32)


def _save(ctx: Any, inputs: Any, output: Any) -> None:
    logits, labels, *ctx.options = inputs
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(logits, labels, output[1])


def _backward(ctx: Any, dlosses: Any, _: Any) -> Any:
    return _CROSS_ENTROPY_GRAD(dlosses.contiguous(), *ctx.saved_tensors, *ctx.options), *[None] * 4


def _run_grad(
    dlosses: torch.Tensor,
    logits: torch.Tensor,
    labels: torch.Tensor,
    lse: torch.Tensor,
    ignored: int,
    smoothing: float,
    z: float,
) -> torch.Tensor:
    grad = torch.empty_like(logits)
    _ops.cross_entropy_grad(
        rows(logits), labels.view(-1), ignored, smoothing, z, lse.view(-1), dlosses.view(-1), rows(grad)
    )
    return grad


_CROSS_ENTROPY_GRAD = Operator(
    "cross_entropy_grad(Tensor dlosses, Tensor logits, Tensor labels, Tensor lse, int ignored, "
    "float smoothing, float z) -> Tensor",
    _run_grad,
    lambda dlosses, logits, *_: torch.empty_like(logits),
)
_CROSS_ENTROPY = Differentiable(
    "cross_entropy(Tensor logits, Tensor labels, int ignored, float smoothing, float z) -> (Tensor, Tensor)",
    _run,
    _fake,
    _save,
    _backward,
)


# --- behind a linear layer --------------------------------------------------------------------------------


def _run_linear(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    labels: torch.Tensor,
    count: torch.Tensor,
    ignored: int,
    smoothing: float,
    z: float,
    needs: list[bool],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """The loss over count, and the gradients that are needed."""
    loss, dx, dweight, dbias = _fake_linear(x, weight, bias, labels, count, ignored, smoothing, z, needs)
    dweight.zero_()
    dbias.zero_()
    vocab, w, b = len(weight), weight.to(x.dtype), as_float(bias)
    chunk = _CHUNK_BYTES_ON_CUDA if on_cuda(x) else _CHUNK_BYTES
    size = max(64, chunk // max(1, vocab * x.element_size()))
    losses, lse = (x.new_empty(len(x), dtype=torch.float32) for _ in range(2))
    dlosses = (1 / count).expand(len(x)).contiguous()
    buffer = x.new_empty((min(size, len(x)), vocab))
    for at in range(0, len(x), size):
        here = slice(at, at + size)
        inputs, wanted = x[here], labels[here]
        logits = product(inputs, w, buffer[: len(inputs)], b_transposed=True, bias=b)
        _ops.cross_entropy(logits, wanted, ignored, smoothing, z, losses[here], lse[here])
        if not any(needs):
            continue
        _ops.cross_entropy_grad(logits, wanted, ignored, smoothing, z, lse[here], dlosses[here], logits)
        if needs[0]:
            product(logits, w, dx[here])
        if needs[1]:
            product(logits, inputs, dweight, a_transposed=True, accumulate=True)
        if needs[2]:
            dbias += column_sums(logits)
    loss.copy_(column_sums(losses[:, None])[0] / count)
    return loss, dx, dweight, dbias


def _fake_linear(
    x: Any,
    weight: Any,
    bias: Any,
    labels: Any,
    count: Any,
    ignored: int,
    smoothing: float,
    z: float,
    needs: Any,
) -> Any:
    """Gradients of weight and bias are summed, so float32."""
    return (
        x.new_empty((), dtype=torch.float32),
        torch.empty_like(x) if needs[0] else nothing(x),
        torch.empty_like(weight, dtype=torch.float32) if needs[1] else nothing(count),
        torch.empty_like(bias, dtype=torch.float32) if needs[2] else nothing(count),
    )


def _save_linear(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.types = [None if t is None else t.dtype for t in inputs[:3]]
    ctx.mark_non_differentiable(*output[1:])
    ctx.save_for_backward(*output[1:])


def _backward_linear(ctx: Any, dloss: Any, *_: Any) -> Any:
    needs = ctx.needs_input_grad[:3]
    # Seldom: saves a pass over the weight's gradient. On CUDA, looking would wait for the device.
    scaled = type(dloss) is not torch.Tensor or on_cuda(dloss) or float(dloss) != 1
    grads = [
        (grad * dloss if scaled else grad).to(dtype) if need else None
        for grad, dtype, need in zip(ctx.saved_tensors, ctx.types, needs, strict=True)
    ]
    return *grads, *[None] * 6


_LINEAR_CROSS_ENTROPY = Differentiable(
    "linear_cross_entropy(Tensor x, Tensor weight, Tensor? bias, Tensor labels, Tensor count, int ignored, "
    "float smoothing, float z, bool[3] needs) -> (Tensor, Tensor, Tensor, Tensor)",
    _run_linear,
    _fake_linear,
    _save_linear,
    _backward_linear,
)
