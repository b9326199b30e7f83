"""Rotary positions of Llama-like attention by fastplm.ops.

The models call a function of their module, apply_rotary_pos_emb, so an accelerated attention is its own
forward in which that name means another function.
"""

import functools
import inspect
from collections.abc import Callable
from types import CellType, FunctionType
from typing import Any

import torch

from fastplm import ops
from fastplm.training.modules import supported

NAME = "apply_rotary_pos_emb"


def rotated_by(plain: Callable[..., Any]) -> Callable[..., Any]:
    """What takes the place of `plain`, the model's own function."""

    @functools.wraps(plain)
    def rotate(
        q: torch.Tensor, k: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, unsqueeze_dim: int = 1
    ) -> Any:
        usual = unsqueeze_dim == 1 and supported(q, k) and not torch.compiler.is_compiling()
        angles = _angles(cos, sin, len(q)) if usual and cos.shape[-1] == q.shape[-1] else None
        if angles is None:
            return plain(q, k, cos, sin, unsqueeze_dim)
        return _rotate(q, *angles), _rotate(k, *angles)

    return rotate


def with_global(function: Any, name: str, value: Any) -> Any:
    """A copy of a function, and of the decorators around it, in which a global name means something else."""
    names, closure = function.__globals__, function.__closure__
    inner = getattr(function, "__wrapped__", None)
    if inner is None:
        names = {**names, name: value}
    else:
        copied = with_global(inner, name, value)
        closure = tuple(CellType(copied) if c.cell_contents is inner else c for c in closure or ())
    copy: Any = FunctionType(function.__code__, names, function.__name__, function.__defaults__, closure)
    copy.__kwdefaults__ = function.__kwdefaults__
    functools.update_wrapper(copy, function)
    if inner is None:
        del copy.__wrapped__
    else:
        copy.__wrapped__ = copied
    return copy


def called_by(forward: Any) -> Any:
    """The function of that name which a forward calls, or None."""
    inner = inspect.unwrap(forward)
    code = getattr(inner, "__code__", None)
    return inner.__globals__.get(NAME) if code and NAME in code.co_names else None


def _angles(cos: torch.Tensor, sin: torch.Tensor, batch: int) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Those of each token's pairs, found once for all layers; None unless both halves of a head have the
    same.
    """
    known = getattr(cos, "_fastplm_angles", None)
    if known is None or known[0] != batch or known[1] is not sin:
        halves = [t.detach().chunk(2, -1) for t in (cos, sin)]
        found = None
        if not cos.requires_grad and cos.shape[-1] % 2 == 0 and all(torch.equal(*h) for h in halves):
            found = tuple(h[0].float().expand(batch, -1, -1).flatten(0, 1) for h in halves)
        known = cos._fastplm_angles = (batch, sin, found)
    result: tuple[torch.Tensor, torch.Tensor] | None = known[2]
    return result


def _rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """[batch, heads, length, head_dim]"""
    packed = x.transpose(1, 2)
    return ops.rope(packed.flatten(0, 1), cos, sin).view(packed.shape).transpose(1, 2)
