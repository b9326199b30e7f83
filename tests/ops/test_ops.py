"""Every op against its float64 definition; bad arguments get an error that says what was expected."""

import itertools
import math
from typing import Any

import pytest
import torch

from fastplm import _ops
from tests.devices import every_device
from tests.ops.cases import ACTS, CASES, Case, linear, normal, starts

# float32: the project's parity tolerance. bfloat16: one rounding of the result (2^-8) and of attention's
# probabilities; inputs are already bfloat16, so they add nothing.
TOLERANCE = {torch.float32: {"atol": 1e-5, "rtol": 1e-4}, torch.bfloat16: {"atol": 8e-3, "rtol": 8e-3}}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["f32", "bf16"])
@every_device
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_matches_definition(case: Case, device: str, dtype: torch.dtype) -> None:
    if dtype not in case.dtypes or (device == "cuda" and not case.has_cuda_kernel):
        pytest.skip("this op does not work in that dtype, or not there")
    inputs = case.inputs(torch.Generator().manual_seed(0), dtype)
    there = [t.to(device) if isinstance(t, torch.Tensor) else t for t in inputs]
    want, got = case.reference(*inputs), case.ours(*there)
    torch.testing.assert_close(got.cpu().double(), want, **TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["f32", "bf16"])
def test_a_row_does_not_depend_on_the_others(dtype: torch.dtype) -> None:
    g = torch.Generator().manual_seed(1)
    a, w = normal(g, 67, 90, dtype=dtype), normal(g, 100, 90)
    together = linear(a, w, None, "gelu", None, None, False)
    for rows in (1, 2, 5, 16, 17, 33):
        assert torch.equal(linear(a[:rows], w, None, "gelu", None, None, False), together[:rows])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["f32", "bf16"])
def test_nothing_stays_from_the_call_before(dtype: torch.dtype) -> None:
    """Memory that is used again may hold NaN, and zero times NaN is NaN."""
    g = torch.Generator().manual_seed(2)
    a, w = normal(g, 7, 33, dtype=dtype), normal(g, 50, 33)
    want = linear(a, w, None, "none", None, None, False)
    linear(torch.full((64, 64), math.nan, dtype=dtype), torch.ones(64, 64), None, "none", None, None, False)
    assert torch.equal(linear(a, w, None, "none", None, None, False), want)


def test_nan_and_infinity_reach_the_result() -> None:
    x = torch.tensor([[1.0, math.nan, 3.0]])
    for act in ACTS:
        y = linear(x, torch.eye(3), None, act, None, None, False)
        assert y.isnan().all(), act
    big = torch.tensor([[1e30, -1e30]])
    y = torch.empty(1, 1)
    for act, want in (("gelu", 1e30), ("silu", 1e30), ("gelu_tanh", 1e30)):
        _ops.glu(torch.tensor([[1e30, 1.0]]), act, y)
        assert y.item() == pytest.approx(want), act
        _ops.glu(torch.tensor([[-1e30, 1.0]]), act, y)
        assert abs(y.item()) <= 1e-7 * 1e30, act  # Phi(-inf) is 0 up to the rounding of its polynomial
    z = torch.empty_like(big)
    _ops.softmax(big, z)
    assert z.tolist() == [[1.0, 0.0]]


def test_buckets_are_those_of_t5() -> None:
    from transformers.models.t5.modeling_t5 import T5Attention

    for (buckets, distance), both_ways in itertools.product(((32, 128), (8, 20), (6, 50)), (True, False)):
        table = torch.arange(buckets, dtype=torch.float32)[:, None].contiguous()
        reach = 600
        got = torch.empty(1, 2 * reach - 1)
        _ops.bucket_bias(table, distance, both_ways, got)
        offsets = torch.arange(-(reach - 1), reach)
        want = T5Attention._relative_position_bucket(offsets, both_ways, buckets, distance)
        assert got[0].long().tolist() == want.tolist()


def test_positions_are_those_of_deberta() -> None:
    from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position

    reach = 700
    behind = -torch.arange(-(reach - 1), reach)  # of the key, from a query
    for buckets, most in ((0, 512), (0, 10), (256, 512), (32, 40), (7, 300), (4, 9)):
        span = buckets or most
        got = torch.empty(2 * reach - 1, dtype=torch.int32)
        _ops.place_positions(2 * span, buckets, most, got)
        place = make_log_bucket_position(behind, buckets, most).long() if buckets else behind
        want = 2 * span - 1 - (place + span).clamp(0, 2 * span - 1)  # its table is the other way round
        assert got.tolist() == want.tolist()


def _attention(x: torch.Tensor) -> tuple[Any, ...]:
    """The arguments before `out`, of two heads and one sequence."""
    return (x, x, x, starts(3), None, 2, 2, 1.0, 0.0, -1, -1, *[None] * 14)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: _ops.softmax(x, x[:1]), ValueError, r"softmax: y has shape \[1, 4\]; expected \[3, 4\]"),
        (lambda x: _ops.norm(x, "batch", None, None, 1e-5, x), ValueError, "expected one of: layer rms"),
        (lambda x: _ops.norm(x, "rms", None, None, 0.0, x), ValueError, "eps is 0; expected a value > 0"),
        (
            lambda x: _ops.norm(x, "rms", x[0, :2].clone(), None, 1.0, x),
            ValueError,
            r"weight has shape \[2\]",
        ),
        (lambda x: _ops.glu(x, "swiglu", x), ValueError, 'act is "swiglu"; expected one of'),
        (
            lambda x: _ops.pool(x, starts(2), "mean", False, x),
            ValueError,
            "cu_seqlens does not run from 0 to 3",
        ),
        (
            lambda x: _ops.pool(x, torch.tensor([0, 3, 1, 3], dtype=torch.int32), "mean", False, x),
            ValueError,
            "cu_seqlens falls from 3 to 1",
        ),
        (
            lambda x: _ops.embed(
                x, None, None, 1.0, torch.tensor([7], dtype=torch.int32), None, None, None, x[:1]
            ),
            ValueError,
            "input_ids holds 7 at token 0; expected 0 to 2",
        ),
        (lambda x: _ops.softmax(x.half(), x), TypeError, "softmax: x is f16; expected f32"),
        (lambda x: _ops.softmax(x, x.double()), TypeError, "softmax: y is f64; expected f32, f16, bf16"),
        (lambda x: _ops.softmax(x.bool(), x), TypeError, "softmax: x is bool8; expected f32, f16, bf16"),
        (lambda x: _ops.softmax([1.0], x), TypeError, "softmax: x is a list; expected a tensor"),
        (lambda x: _ops.softmax(x, None), TypeError, "softmax: y is a NoneType; expected a tensor"),
        (lambda x: _ops.softmax(x.T, x), ValueError, "softmax: x has gaps or another order; expected"),
        (lambda x: _ops.softmax(x[:, :2], x), ValueError, "softmax: x has gaps or another order; expected"),
        (
            lambda x: _ops.softmax(x.view(1, 1, 1, 1, 3, 4), x),
            ValueError,
            "x has 6 dimensions; expected at most 5",
        ),
        (lambda x: _ops.norm(x, "rms", [1.0], None, 1.0, x), TypeError, "norm: weight is a list; expected"),
        (lambda x: _ops.rope(x, 1, 4, x.half(), starts(2)), TypeError, "rope: table is f16; expected f32"),
        (lambda x: _ops.rope(x, 1, 4, x[0], starts(2)), ValueError, r"table has shape \[4\]; expected 2 dim"),
        (
            lambda x: _ops.embed(x, x.view(4, 3), None, 1.0, starts(2), None, starts(2), None, x),
            ValueError,
            r"segments has shape \[4, 3\]; expected \[4, 4\]",
        ),
        (
            lambda x: _ops.embed(x, x.half(), None, 1.0, starts(2), None, starts(2), None, x),
            TypeError,
            "segments is f16; expected f32",
        ),
        (
            lambda x: _ops.embed(x, None, x.view(6, 2), 1.0, starts(2), None, None, starts(2), x),
            ValueError,
            r"positions has shape \[6, 2\]; expected \[6, 4\]",
        ),
        (
            lambda x: _ops.embed(x, None, x.bfloat16(), 1.0, starts(2), None, None, starts(2), x),
            TypeError,
            "positions is bf16; expected f32",
        ),
        (
            lambda x: _ops.attention(*_attention(x), x, x.new_empty(17), torch.empty(0)),
            ValueError,
            r"weights has shape \[17\]; expected \[18\]",
        ),
        (
            lambda x: _ops.attention(*_attention(x), x, x.new_empty(18).half(), torch.empty(0)),
            TypeError,
            "weights is f16; expected f32",
        ),
        (
            lambda x: _ops.linear(x[:, :0].clone(), "float32", x, None, "none", None, x),
            ValueError,
            r"linear: a has shape \[3, 0\]; expected at least one value in each row",
        ),
    ],
)
def test_bad_arguments(call, error, text) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=text):
        call(torch.ones(3, 4))
