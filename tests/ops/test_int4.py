"""Linear layers with int4 weights give the bits of their definition, on every machine."""

import math

import pytest
import torch

from tests.ops.cases import PRODUCTS, int4_codes, linear, normal

FORMS = [form for form in PRODUCTS if form != "int8"]


def product(a: torch.Tensor, w: torch.Tensor, form: str = "int4") -> torch.Tensor:
    return linear(a, w, None, "none", None, torch.float32, False, form)


def inputs(m: int, n: int, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(m + n + k)
    return normal(g, m, k, dtype=torch.bfloat16), normal(g, n, k) * 0.05


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("m", "n", "k"), [(1, 1, 1), (1, 96, 384), (7, 33, 31), (5, 70, 129), (33, 50, 1000)]
)
def test_exact(form: str, m: int, n: int, k: int) -> None:
    a, w = inputs(m, n, k)
    assert torch.equal(product(a, w, form), PRODUCTS[form](a, w))


@pytest.mark.parametrize("form", FORMS)
def test_the_largest_sums(form: str) -> None:
    """All products of one sign, as large as they can be, fit what they are summed in."""
    a, w = torch.ones(5, 300, dtype=torch.bfloat16), torch.full((50, 300), 2.0)
    w[:, ::32] = -2.0
    assert torch.equal(product(a, w, form), PRODUCTS[form](a, w))


@pytest.mark.parametrize("zeros", [False, True])
def test_rounding_is_near(zeros: bool) -> None:
    """Of normal weights, no group is further off than a sixteenth of its range, and the mean error is that of
    levels between its ends.
    """
    w = inputs(1, 64, 512)[1]
    codes, scales, offsets = int4_codes(w, 32, zeros)
    left = (
        (w.unflatten(1, (-1, 32)) - scales[..., None] * (codes - offsets[..., None])).square().mean().sqrt()
    )
    assert 0.04 < left / w.square().mean().sqrt() < 0.09
    assert codes.min() == 0 and codes.max() == 15


def test_a_row_does_not_depend_on_the_others() -> None:
    a, w = inputs(67, 100, 90)
    together = product(a, w)
    for rows in (1, 2, 5, 16, 17, 33):
        assert torch.equal(product(a[:rows], w), together[:rows])


@pytest.mark.parametrize("form", ["int4", "int4_zeros_g64"])
def test_odd_values(form: str) -> None:
    """Zeros and values near the smallest stay finite; what is not finite reaches its row or column alone."""
    a, w = inputs(6, 20, 70)
    a[1:3] = w[3:5] = 0
    want = PRODUCTS[form](a, w)
    a[2], w[4] = 1e-38, 1e-38
    assert torch.equal(product(a, w, form), want)
    a[4, 7], a[5, 32], w[9, 2] = math.nan, -math.inf, math.nan
    bad = torch.zeros(6, 20, dtype=torch.bool)
    bad[4:] = bad[:, 9] = True
    got = product(a, w, form)
    assert torch.equal(got.isnan(), bad)
    assert torch.equal(got[~bad], want[~bad])


def test_bad_arguments() -> None:
    a, w = inputs(2, 3, 5)
    with pytest.raises(TypeError, match="linear: a is f32; expected bf16"):
        product(a.float(), w)
