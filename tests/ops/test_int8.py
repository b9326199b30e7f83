"""Linear layers with int8 weights, against their definition in exact integers: every instruction set gives these bits."""

import math

import pytest
import torch

from fastplm import _ops
from fastplm.errors import UnsupportedError
from tests.ops.cases import ACTS, normal, pack


def rounded(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of int8 as int64, and their scales: the largest magnitude of a row is 127."""
    x = x.float()
    scale = x.abs().amax(1) / 127
    inverse = torch.where(scale > 0, 1 / scale, 0)
    return (x * inverse[:, None]).round().long(), scale


def definition(a: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    (rows, scales), (weights, columns) = rounded(a), rounded(w)
    assert rows.abs().max() <= 127 and weights.abs().max() <= 127
    return (rows @ weights.T).float() * (scales[:, None] * columns)


def linear(a, w, bias=None, act="none", residual=None, transposed=False, out=torch.float32):  # type: ignore[no-untyped-def]
    y = torch.empty(len(a), w.shape[1 if transposed else 0], dtype=out)
    _ops.linear(a, "int8", pack(w, "int8", transposed), bias, act, residual, y)
    return y


def inputs(m: int, n: int, k: int, stored: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(m + n + k)
    return normal(g, m, k, dtype=torch.bfloat16), normal(g, n, k, dtype=stored)


@pytest.mark.parametrize(
    ("m", "n", "k"),
    [(1, 1, 1), (1, 96, 384), (7, 33, 31), (16, 48, 64), (31, 50, 45), (33, 96, 33), (70, 130, 97),
     (300, 65, 70), (40, 20, 5000)],
)  # fmt: skip
def test_exact(m: int, n: int, k: int) -> None:
    a, w = inputs(m, n, k)
    assert torch.equal(linear(a, w), definition(a, w))


@pytest.mark.parametrize("stored", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("transposed", [False, True])
def test_stored(stored: torch.dtype, transposed: bool) -> None:
    a, w = inputs(6, 70, 131, stored)
    given = w.T.contiguous() if transposed else w
    assert torch.equal(linear(a, given, transposed=transposed), definition(a, w))


@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_products_do_not_saturate(sign: int) -> None:
    a, w = torch.ones(5, 4099, dtype=torch.bfloat16), torch.full((50, 4099), 2.0 * sign)
    assert torch.equal(linear(a, w), definition(a, w))
    assert linear(a, w)[0, 0] == pytest.approx(2.0 * sign * 4099)


@pytest.mark.parametrize("out", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("act", ACTS)
def test_bias_activation_and_residual(act: str, out: torch.dtype) -> None:
    a, w = inputs(9, 70, 40)
    g = torch.Generator().manual_seed(3)
    bias, residual = normal(g, 70), normal(g, 9, 70)
    want = ACTS[act](definition(a, w).double() + bias.double()) + residual.double()
    got = linear(a, w, bias, act, residual, out=out)
    tolerance = (
        {"atol": 1e-5, "rtol": 1e-4}
        if out == torch.float32 and act == "none"
        else {"atol": 8e-3, "rtol": 8e-3}
    )
    torch.testing.assert_close(got.double(), want, **tolerance)


def test_a_row_does_not_depend_on_the_others() -> None:
    a, w = inputs(67, 100, 90)
    together = linear(a, w)
    for rows in (1, 2, 5, 16, 17, 33):
        assert torch.equal(linear(a[:rows], w), together[:rows])


def test_odd_values() -> None:
    """Zeros and values near the smallest stay finite; what is not finite reaches its row or its column alone."""
    a, w = inputs(6, 20, 33)
    a[1:3], w[3:5] = 0, 0
    want = definition(a, w)
    a[2], w[4] = 1e-38, 1e-38
    assert torch.equal(linear(a, w), want)
    a[4, 7], a[5, 32], w[9, 2] = math.nan, -math.inf, math.nan
    bad = torch.zeros(6, 20, dtype=torch.bool)
    bad[4:] = bad[:, 9] = True
    got = linear(a, w)
    assert torch.equal(got.isnan(), bad)
    assert torch.equal(got[~bad], want[~bad])


def test_bad_arguments() -> None:
    a, w = inputs(2, 3, 5)
    with pytest.raises(TypeError, match="linear: a is f32; expected bf16"):
        linear(a.float(), w)
    with pytest.raises(ValueError, match='format is "int9"; expected one of: float32 bfloat16 int8'):
        pack(w, "int9")
    with pytest.raises(
        UnsupportedError, match="pack: rows of 133145 values; sums of this format hold at most 133144"
    ):
        pack(torch.zeros(1, 133145), "int8")
