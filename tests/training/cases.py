"""Every trainable op, once: inputs, fastplm's version and plain torch's.

Float tensors of the inputs get gradients. Sizes are odd on purpose: they catch the tails of vectors and tiles.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from fastplm import ops
from tests.ops.cases import ACTS, normal


@dataclass(frozen=True)
class Case:
    """`ours` and `reference` take the inputs and give a tensor or several; the reference works in any dtype."""

    name: str
    inputs: Callable[[torch.Generator, torch.dtype], tuple[Any, ...]]
    ours: Callable[..., Any]
    reference: Callable[..., Any]


def keep(shape: tuple[int, ...], p: float, like: torch.Tensor) -> torch.Tensor:
    """What dropout multiplies by, from the seed that torch's generator gives next: Philox4x32 with 7 rounds."""
    numbers = torch.randint(-(2**63), 2**63 - 1, (2,)).numpy().view(np.uint32)
    dim, rows = shape[-1], int(np.prod(shape[:-1]))
    groups = -(-dim // 128)
    first, row = np.meshgrid(np.arange(groups * 16), np.arange(rows))
    words = [first, row, *(np.full_like(first, n) for n in numbers[2:])]
    words = [w.astype(np.uint64) for w in words]
    key = [int(n) for n in numbers[:2]]
    for _ in range(7):
        a, c = words[0] * np.uint64(0xD2511F53), words[2] * np.uint64(0xCD9E8D57)
        low = np.uint64(2**32 - 1)
        words = [
            (c >> np.uint64(32)) ^ words[1] ^ np.uint64(key[0]),
            c & low,
            (a >> np.uint64(32)) ^ words[3] ^ np.uint64(key[1]),
            a & low,
        ]
        key = [(key[0] + 0x9E3779B9) % 2**32, (key[1] + 0xBB67AE85) % 2**32]
    lanes = np.stack(words, -1).reshape(rows, groups, 16, 4)
    halves = np.stack([lanes & np.uint64(0xFFFF), lanes >> np.uint64(16)], -1)  # row, group, lane, word, half
    values = halves.transpose(0, 1, 3, 4, 2).reshape(rows, groups * 128)[:, :dim]
    dropped = min(65535, round(p * 65536))
    kept = torch.from_numpy(values >= dropped).to(like.dtype) * (65536 / (65536 - dropped))
    return kept.reshape(shape)


def dropped(x: torch.Tensor, p: float) -> torch.Tensor:
    return x * keep(x.shape, p, x) if p else x


# --- norms ------------------------------------------------------------------------------------------------


def norm_case(
    kind: str,
    *shape: int,
    residual: bool = False,
    p: float = 0.0,
    weight: bool = True,
    bias: bool = True,
    use_sum: bool = False,
) -> Case:
    """use_sum: s is an output too, as in pre-norm blocks."""
    dim = shape[-1]

    def inputs(g: torch.Generator, dtype: torch.dtype) -> tuple[Any, ...]:
        return (
            normal(g, *shape, dtype=dtype) * 2 + 1,
            normal(g, *shape, dtype=dtype) if residual else None,
            normal(g, dim, dtype=dtype) if weight else None,
            normal(g, dim, dtype=dtype) if bias and kind == "layer" else None,
        )

    def ours(x: Any, r: Any, w: Any, b: Any) -> Any:
        if kind == "layer":
            both = ops.layer_norm(x, w, b, 1e-5, residual=r, dropout=p)
        else:
            both = ops.rms_norm(x, w, 1e-5, residual=r, dropout=p)
        return both if use_sum else both[0]

    def reference(x: Any, r: Any, w: Any, b: Any) -> Any:
        s = dropped(x, p)
        s = s if r is None else s + r
        y = F.layer_norm(s, (dim,), w, b, 1e-5) if kind == "layer" else F.rms_norm(s, (dim,), w, 1e-5)
        return (y, s) if use_sum else y

    marks = "-res" * residual + f"-drop{p}" * (p > 0) + "-sum" * use_sum + "-plain" * (not weight)
    return Case(f"{kind}_norm-{'x'.join(map(str, shape))}{marks}", inputs, ours, reference)


# --- activations ------------------------------------------------------------------------------------------


def activation_case(act: str, *, gate: bool = False, p: float = 0.0, wide: bool = False) -> Case:
    def inputs(g: torch.Generator, dtype: torch.dtype) -> tuple[Any, ...]:
        x = torch.linspace(-30, 30, 1200).to(dtype) if wide else normal(g, 3, 5, 131, dtype=dtype) * 2
        return x, normal(g, *x.shape, dtype=dtype) if gate else None

    def reference(x: Any, up: Any) -> Any:
        y = ACTS[act](x)
        return dropped(y if up is None else y * up, p)

    name = f"activation-{act}{'-gated' * gate}{'-drop' * (p > 0)}{'-wide' * wide}"
    return Case(name, inputs, lambda x, up: ops.activation(x, act, up=up, dropout=p), reference)


# --- linear -----------------------------------------------------------------------------------------------


def linear_case(
    rows: tuple[int, ...], inner: int, outer: int, act: str = "none", *, bias: bool = True, transposed: bool = False
) -> Case:
    def inputs(g: torch.Generator, dtype: torch.dtype) -> tuple[Any, ...]:
        shape = (inner, outer) if transposed else (outer, inner)
        return (
            normal(g, *rows, inner, dtype=dtype),
            normal(g, *shape, dtype=dtype) * inner**-0.5,
            normal(g, outer, dtype=dtype) if bias else None,
        )

    def reference(x: Any, w: Any, b: Any) -> Any:
        return ACTS[act](F.linear(x, w.T if transposed else w, b))

    name = f"linear-{'x'.join(map(str, rows))}-{inner}-{outer}-{act}{'-t' * transposed}{'-bias' * bias}"
    return Case(
        name, inputs, lambda x, w, b: ops.linear(x, w, b, act, transposed=transposed), reference
    )


CASES = [
    norm_case("layer", 1, 1, bias=False),
    norm_case("layer", 7, 33),
    norm_case("rms", 7, 33),
    norm_case("layer", 2, 5, 300, residual=True),
    norm_case("rms", 70, 129, residual=True, use_sum=True),
    norm_case("layer", 70, 129, residual=True, p=0.1),
    norm_case("layer", 9, 40, p=0.5, use_sum=True, weight=False, bias=False),
    norm_case("rms", 9, 260, residual=True, p=0.25, use_sum=True),
    norm_case("layer", 0, 24, residual=True, p=0.1),
    *(activation_case(act) for act in ACTS),
    *(activation_case(act, wide=True) for act in ("gelu", "gelu_tanh", "silu", "mish", "tanh")),
    activation_case("silu", gate=True),
    activation_case("gelu", gate=True, p=0.3),
    activation_case("relu", p=0.1),
    linear_case((1,), 1, 1),
    linear_case((2, 5), 31, 33, "gelu"),
    linear_case((40,), 64, 48, bias=False),
    linear_case((67,), 33, 130, "gelu_tanh", transposed=True),
    linear_case((13,), 520, 17, "relu"),
    linear_case((1100,), 9, 21),
    linear_case((130,), 140, 20, "mish", bias=False),
    linear_case((0,), 24, 16, "silu"),
]
