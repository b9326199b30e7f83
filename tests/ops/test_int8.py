"""Linear layers with int8 weights give the bits of their definition in exact integers, on every machine."""

import math

import pytest
import torch

from fastplm.errors import UnsupportedError
from tests.ops.cases import int8_product, linear, normal, pack


def product(a: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return linear(a, w, None, "none", None, torch.float32, False, "int8")


def inputs(m: int, n: int, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(m + n + k)
    return normal(g, m, k, dtype=torch.bfloat16), normal(g, n, k)


@pytest.mark.parametrize(
    ("m", "n", "k"), [(1, 1, 1), (1, 96, 384), (7, 33, 31), (33, 96, 33), (70, 130, 97), (40, 20, 5000)]
)
def test_exact(m: int, n: int, k: int) -> None:
    a, w = inputs(m, n, k)
    assert torch.equal(product(a, w), int8_product(a, w))


@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_products_do_not_saturate(sign: int) -> None:
    a, w = torch.ones(5, 4099, dtype=torch.bfloat16), torch.full((50, 4099), 2.0 * sign)
    assert torch.equal(product(a, w), int8_product(a, w))
    assert product(a, w)[0, 0] == pytest.approx(2.0 * sign * 4099)


def test_the_longest_rows_do_not_overflow() -> None:
    a, w = torch.ones(2, 132_104, dtype=torch.bfloat16), torch.ones(3, 132_104)
    assert torch.equal(product(a, w), int8_product(a, w))
    too_long = "pack: rows of 132105 values; sums of this format hold at most 132104"
    with pytest.raises(UnsupportedError, match=too_long):
        pack(torch.zeros(1, 132_105), "int8")


def test_a_row_does_not_depend_on_the_others() -> None:
    a, w = inputs(67, 100, 90)
    together = product(a, w)
    for rows in (1, 2, 5, 16, 17, 33):
        assert torch.equal(product(a[:rows], w), together[:rows])


def test_odd_values() -> None:
    """Zeros and values near the smallest stay finite; what is not finite reaches its row or column alone."""
    a, w = inputs(6, 20, 33)
    a[1:3] = w[3:5] = 0
    want = int8_product(a, w)
    a[2], w[4] = 1e-38, 1e-36  # the inverse of a scale may be infinite, or not quite
    assert torch.equal(product(a, w), want)
    a[4, 7], a[5, 32], w[9, 2] = math.nan, -math.inf, math.nan
    bad = torch.zeros(6, 20, dtype=torch.bool)
    bad[4:] = bad[:, 9] = True
    got = product(a, w)
    assert torch.equal(got.isnan(), bad)
    assert torch.equal(got[~bad], want[~bad])


def test_bad_arguments() -> None:
    a, w = inputs(2, 3, 5)
    with pytest.raises(TypeError, match="linear: a is f32; expected bf16"):
        product(a.float(), w)
    with pytest.raises(ValueError, match='format is "int9"; expected one of: float32 bfloat16 int8 int4'):
        pack(w, "int9")
