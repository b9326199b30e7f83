"""Every trainable op against plain torch: results, gradients, compilers, threads and bad arguments."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.library import opcheck

import fastplm
from fastplm import ops
from tests.devices import devices, every_device, on_cuda
from tests.ops.cases import starts
from tests.training.cases import CASES, Case

# float32: the project's parity tolerance, relative to the tensor's scale for sums over many rows.
ABSOLUTE, RELATIVE = 1e-5, 1e-4
both_types = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["f32", "bf16"])
every_case = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)


def inputs_of(case: Case, dtype: torch.dtype) -> tuple[Any, ...]:
    return case.inputs(torch.Generator().manual_seed(0), dtype)


def as_type(values: tuple[Any, ...], dtype: torch.dtype, device: str = "cpu") -> tuple[Any, ...]:
    """Copies, which want gradients."""

    def copy(v: Any) -> Any:
        if not isinstance(v, torch.Tensor) or not v.is_floating_point():
            return v.to(device) if isinstance(v, torch.Tensor) else v
        return v.detach().to(device, dtype, copy=True).requires_grad_()

    return tuple(map(copy, values))


def run(function: Any, values: tuple[Any, ...]) -> list[torch.Tensor]:
    """Outputs, then the gradients of the inputs."""
    torch.manual_seed(1)
    outputs = function(*values)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    g = torch.Generator().manual_seed(2)
    weights = [torch.randn(o.shape, generator=g).bfloat16().to(o) for o in outputs]
    wanted = [v for v in values if isinstance(v, torch.Tensor) and v.requires_grad]
    grads = torch.autograd.grad(outputs, wanted, weights)
    for value, grad in zip(wanted, grads, strict=True):
        assert grad.dtype == value.dtype and grad.shape == value.shape
    return [*(o.detach() for o in outputs), *grads]


@every_device
@every_case
def test_float32(case: Case, device: str) -> None:
    values = inputs_of(case, torch.float32)
    got = run(case.ours, as_type(values, torch.float32, device))
    want = run(case.reference, as_type(values, torch.float64, device))
    for ours, exact in zip(got, want, strict=True):
        scale = exact.abs().mean().clamp(min=1).item() if exact.numel() else 1
        torch.testing.assert_close(ours.double(), exact, atol=ABSOLUTE * scale, rtol=RELATIVE)


@every_device
@every_case
def test_bfloat16(case: Case, device: str) -> None:
    check_16_bits(case, torch.bfloat16, device)


@on_cuda
@every_case
def test_float16(case: Case) -> None:
    check_16_bits(case, torch.float16, "cuda")


def check_16_bits(case: Case, dtype: torch.dtype, device: str) -> None:
    """At most twice as far from the exact result as torch is."""
    values = inputs_of(case, dtype)
    got = run(case.ours, as_type(values, dtype, device))
    theirs = run(case.reference, as_type(values, dtype, device))
    want = run(case.reference, as_type(values, torch.float64, device))
    for i, (ours, other, exact) in enumerate(zip(got, theirs, want, strict=True)):
        error, allowed = ((t.double() - exact).norm() for t in (ours, other))
        assert error <= 2 * allowed + 2**-9 * exact.norm(), (i, error.item(), allowed.item())


@on_cuda
@both_types
@every_case
def test_cuda_gives_the_same_bits_again(case: Case, dtype: torch.dtype) -> None:
    values = inputs_of(case, dtype)
    first, *others = (run(case.ours, as_type(values, dtype, "cuda")) for _ in range(3))
    for other in others:
        assert all(map(torch.equal, first, other))


@on_cuda
def test_cuda_drops_what_the_cpu_drops() -> None:
    x = torch.ones(5, 300)
    seed = torch.tensor([3, -11])
    y = [torch.ops.fastplm.gated(x.to(d), None, "none", seed.to(d), 0.3).cpu() for d in devices()]
    assert torch.equal(*y)


@on_cuda
def test_mixed_devices_are_refused() -> None:
    with pytest.raises(fastplm.UnsupportedError, match="tensors are on cpu and cuda:0; expected one device"):
        ops.linear(torch.ones(2, 4), torch.ones(3, 4, device="cuda"))


@on_cuda
def test_cuda_runs_on_torchs_stream() -> None:
    """What a stream of its own has not computed yet is waited for by what follows there, and by nothing
    else.
    """
    x = torch.randn(64, 4096, device="cuda")
    torch.cuda.synchronize()
    with torch.cuda.stream(torch.cuda.Stream()):
        torch.cuda._sleep(50_000_000)
        y = ops.activation(x * 2, "none")
        done = torch.cuda.Event()
        done.record()
    assert not done.query()
    done.synchronize()
    assert torch.equal(y, x * 2)


@both_types
@every_case
def test_results_do_not_depend_on_threads(case: Case, dtype: torch.dtype) -> None:
    before = fastplm.num_threads()
    values = inputs_of(case, dtype)
    try:
        results = []
        for threads in (2, 2, 1):
            fastplm.set_num_threads(threads)
            results.append(run(case.ours, as_type(values, dtype)))
    finally:
        fastplm.set_num_threads(before)
    for other in results[1:]:
        assert all(map(torch.equal, results[0], other))


# With dropout or the most options of each operation; the others take minutes together.
COMPILED = {
    "layer_norm-70x129-res-drop0.1", "rms_norm-70x129-res-sum", "activation-gelu-gated-drop",
    "linear-2x5-31-33-gelu-bias", "cross_entropy-20x100-0.3-0.01-none", "linear_cross_entropy-300-40-90-mean",
    "attention-grouped", "attention-dropout-bias", "attention-added-to-all", "embedding_layer_norm-dropout",
    "rope-5-3-21-4-interleaved",
}  # fmt: skip


@pytest.mark.parametrize(
    "case",
    [pytest.param(c, id=c.name, marks=[pytest.mark.slow] * (c.name not in COMPILED)) for c in CASES],
)
def test_torch_compile(case: Case) -> None:
    """One graph, also with sizes that change; the traced operators give the eager results."""
    torch._dynamo.reset()
    values = inputs_of(case, torch.float32)
    compiled = torch.compile(case.ours, fullgraph=True, dynamic=True, backend="aot_eager")
    eager, traced = (run(f, as_type(values, torch.float32)) for f in (case.ours, compiled))
    assert all(map(torch.equal, eager, traced))


def sample(*shape: int, **options: Any) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3), **options)


def wanted(*shape: int) -> torch.Tensor:
    return sample(*shape).requires_grad_()


SEED = torch.tensor([5, -7])
LABELS = torch.tensor([1, -100, 3, 8, 0])
OPERATORS = {
    "add_norm": (wanted(5, 9), wanted(5, 9), wanted(9), wanted(9), "layer", 1e-5, SEED, 0.2),
    "add_norm_grad": (
        sample(5, 9), None, sample(5, 9), sample(5, 2), sample(9), "rms", SEED, 0.2, (True, False),
    ),
    "gated": (wanted(5, 9), wanted(5, 9), "silu", SEED, 0.2),
    "gated_grad": (sample(5, 9), sample(5, 9), None, "gelu", None, 0.0),
    "linear": (wanted(5, 9), wanted(7, 9), wanted(7), "gelu", False),
    "linear_grad": (sample(5, 7), sample(5, 9), sample(7, 9), sample(5, 7), "gelu", False, (True,) * 3),
    "cross_entropy": (wanted(5, 9), LABELS, -100, 0.1, 0.2),
    "cross_entropy_grad": (sample(5), sample(5, 9), LABELS, sample(5), -100, 0.1, 0.2),
    "linear_cross_entropy": (
        wanted(5, 7), wanted(9, 7), wanted(9), LABELS, torch.tensor(4.0), -100, 0.1, 0.2, [True] * 3,
    ),
    "flash": (
        wanted(5, 4, 3), wanted(5, 2, 3), wanted(5, 2, 3), wanted(4, 9), starts(2, 3), None,
        3, 0.5, -1, 0, SEED, 0.1,
    ),
    "flash_grad": (
        sample(5, 4, 3), sample(5, 4, 3), sample(5, 2, 3), sample(5, 2, 3), sample(5, 4, 3), sample(5, 4) + 5,
        sample(4, 9), starts(2, 3), None, SEED, 3, 0.5, -1, 0, 0.1, True,
    ),
    "embed_norm": (
        wanted(9, 6), wanted(2, 6), wanted(5, 6), LABELS.abs() % 9, None, torch.arange(5), wanted(6),
        wanted(6), 1e-5, SEED, 0.2, 1, None,
    ),
    "embed_norm_grad": (
        sample(5, 6), sample(5, 6), sample(5, 2), sample(6), LABELS.abs() % 9, None, None, SEED, 0.2,
        [9, 0, 0], [True, False, False, True, False],
    ),
    "rotary": (wanted(5, 2, 8), sample(5, 3), sample(5, 3), False, False),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATORS)
def test_opcheck(name: str) -> None:
    opcheck(getattr(torch.ops.fastplm, name).default, OPERATORS[name])


def test_gates_by_name() -> None:
    x, up, F = sample(5, 33), sample(5, 33), torch.nn.functional
    torch.testing.assert_close(ops.swiglu(x, up), F.silu(x) * up)
    torch.testing.assert_close(ops.geglu(x, up), F.gelu(x) * up, atol=1e-6, rtol=1e-5)
    want = F.gelu(x, approximate="tanh") * up
    torch.testing.assert_close(ops.geglu(x, up, approximate=True), want, atol=1e-6, rtol=1e-5)
    assert not torch.allclose(ops.geglu(x, up), want, atol=1e-6, rtol=1e-5)


def test_second_derivatives_are_refused() -> None:
    x = wanted(3, 8)
    y = ops.layer_norm(x)[0].square().sum()
    with pytest.raises(fastplm.UnsupportedError, match="add_norm: a gradient of its gradient"):
        torch.autograd.grad(y, x, create_graph=True)


def test_autocast_is_torchs() -> None:
    """The linear layer rounds to bfloat16, the others keep their input's type; weights keep theirs."""
    x, w, b = wanted(4, 8), wanted(6, 8), wanted(6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = ops.linear(x, w, b)
        want = torch.nn.functional.linear(x, w, b)
        normed = ops.layer_norm(y, b)[0]
    assert y.dtype == want.dtype == normed.dtype == torch.bfloat16
    torch.testing.assert_close(y, want, atol=2**-8, rtol=2**-7)  # one rounding: torch rounds the bias too
    y.sum().backward()
    assert x.grad is not None and x.grad.dtype == w.grad.dtype == b.grad.dtype == torch.float32


def test_autocast_of_what_is_around_attention() -> None:
    """Attention rounds to bfloat16; the bias keeps its type, as embeddings and rotated heads keep theirs."""
    x, bias, table = wanted(5, 2, 8), wanted(2, 5, 5), wanted(4, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = ops.attention(x, x, x, starts(5), bias=bias)
        turned = ops.rope(x, sample(5, 4), sample(5, 4))
        embedded = ops.embedding_layer_norm(torch.tensor([1, 3, 1]), table)
    assert out.dtype == torch.bfloat16 and turned.dtype == embedded.dtype == torch.float32
    (out.sum() + turned.sum() + embedded.square().sum()).backward()
    assert all(t.grad is not None and t.grad.dtype == torch.float32 for t in (x, bias, table))


def test_dropout_follows_torchs_generator() -> None:
    x = torch.ones(64, 1000)
    first = ops.activation(x, "none", dropout=0.1)
    torch.manual_seed(4)
    a = ops.activation(x, "none", dropout=0.1)
    torch.manual_seed(4)
    b = ops.activation(x, "none", dropout=0.1)
    assert torch.equal(a, b) and not torch.equal(a, first)
    assert abs((a == 0).double().mean().item() - 0.1) < 0.005
    assert abs(a.mean().item() - 1) < 0.005
    columns, rows = ((a == 0).double().mean(d) for d in (0, 1))
    assert columns.std() < 0.05 and rows.std() < 0.015  # no row or column is dropped more than chance says


def test_dropout_is_philox() -> None:
    """What is dropped follows from the seed, the row and the column by Philox4x32 with 7 rounds."""
    rows, columns, dropped = 512, 1000, 1 << 14  # of 2^16: a quarter
    torch.manual_seed(3)
    key, offset = torch.randint(-(2**63), 2**63 - 1, (2,)).numpy().view(np.uint64)
    low, bits = np.uint64(0xFFFFFFFF), np.uint64(32)
    row, column = np.indices((rows, columns)).astype(np.uint64)
    a, b = column // 128 * 16 + column % 16, row
    c, d = np.full_like(a, offset & low), np.full_like(a, offset >> bits)
    keys = [key & low, key >> bits]
    for _ in range(7):
        first, second = a * np.uint64(0xD2511F53), c * np.uint64(0xCD9E8D57)
        a, b, c, d = second >> bits ^ b ^ keys[0], second & low, first >> bits ^ d ^ keys[1], first & low
        keys = [(keys[0] + np.uint64(0x9E3779B9)) & low, (keys[1] + np.uint64(0xBB67AE85)) & low]
    word = np.choose((column % 128 // 32).astype(int), [a, b, c, d])
    half = np.where(column % 32 < 16, word & np.uint64(0xFFFF), word >> np.uint64(16))
    assert (half == dropped).any() and (half == dropped - 1).any()
    torch.manual_seed(3)
    got = ops.activation(torch.ones(rows, columns), "none", dropout=dropped / (1 << 16))
    assert torch.equal(got, torch.from_numpy(half >= dropped) * torch.tensor(4 / 3))


def test_gradient_checkpointing_drops_the_same() -> None:
    from torch.utils.checkpoint import checkpoint

    def block(x: torch.Tensor) -> torch.Tensor:
        return ops.layer_norm(ops.activation(x, "gelu", dropout=0.4), dropout=0.3)[0]

    grads = []
    for call in (block, lambda x: checkpoint(block, x, use_reentrant=False)):
        torch.manual_seed(0)
        x = wanted(6, 50)
        call(x).square().sum().backward()
        grads.append(x.grad)
    assert torch.equal(*grads)


def test_no_labels_give_torchs_nan() -> None:
    x, none = wanted(3, 4), torch.full((3,), -100)
    assert ops.cross_entropy(x, none).isnan()
    assert ops.linear_cross_entropy(x, sample(5, 4), none).isnan()
    assert ops.linear_cross_entropy(x, sample(5, 4), none, reduction="sum") == 0


@pytest.mark.parametrize("at", [0, 7, 12])
def test_large_logits(at: int) -> None:
    """The largest of a row, wherever it stands, keeps the others' exponentials finite."""
    x = wanted(3, 13)
    with torch.no_grad():
        x[:, at] = 500.0
    labels = torch.tensor([0, 7, 12])
    got, want = ops.cross_entropy(x, labels), torch.nn.functional.cross_entropy(x, labels)
    torch.testing.assert_close(got, want)
    torch.testing.assert_close(*(torch.autograd.grad(loss, x)[0] for loss in (got, want)))


def test_keys_hidden_by_a_bias() -> None:
    """As if they were not there; a query that sees none gives 0 and passes no gradient on."""
    q, k, v = wanted(6, 2, 8), wanted(6, 2, 8), wanted(6, 2, 8)
    hidden = torch.zeros(1, 1, 6, 6)
    hidden[..., 4:] = -torch.inf
    out = ops.attention(q, k, v, starts(6), bias=hidden)
    without = ops.attention(q, k[:4], v[:4], starts(6), cu_seqlens_k=starts(4))
    torch.testing.assert_close(out, without, atol=1e-6, rtol=1e-5)
    hidden[:, :, 2] = -torch.inf
    out = ops.attention(q, k, v, starts(6), bias=hidden.requires_grad_())
    out.sum().backward()
    assert not out[2].any() and not q.grad[2].any() and out[3].any()  # type: ignore[index]
    assert all(t.grad.isfinite().all() for t in (q, k, v, hidden))  # type: ignore[union-attr]


def test_other_layouts_give_the_same() -> None:
    x, w = sample(6, 10), sample(4, 10)
    assert torch.equal(ops.linear(x.T.contiguous().T, w.T.contiguous().T), ops.linear(x, w))
    assert torch.equal(ops.layer_norm(x[:, ::2])[0], ops.layer_norm(x[:, ::2].contiguous())[0])
    for norm in (ops.layer_norm, ops.rms_norm):  # the sum of x and nothing is x
        assert torch.equal(norm(x)[1], x) and norm(x)[1].data_ptr() == x.data_ptr()


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: ops.layer_norm(x, dropout=1.0), ValueError, "p is 1; expected 0 <= p < 1"),
        (lambda x: ops.layer_norm(x, dropout=-0.1), ValueError, "p is -0.1; expected 0 <= p < 1"),
        (lambda x: ops.layer_norm(x, torch.ones(3)), ValueError, r"weight has shape \[3\]; expected \[4\]"),
        (lambda x: ops.layer_norm(x, eps=0.0), ValueError, "eps is 0; expected a value > 0"),
        (lambda x: ops.layer_norm(x.double()), TypeError, "x is f64; expected"),
        (lambda x: ops.layer_norm(x.to("meta")), fastplm.UnsupportedError, "is on meta; expected cpu"),
        (lambda x: ops.activation(x, "swish"), ValueError, 'act is "swish"; expected one of'),
        (lambda x: ops.activation(x, "silu", up=x[:1]), ValueError, r"up has shape \[1, 4\]; expected"),
        (
            lambda x: ops.cross_entropy(x, torch.tensor([0, 4, 1])),
            ValueError,
            "labels holds 4 at row 1; expected 0 to 3, or -100 to ignore it",
        ),
        (lambda x: ops.cross_entropy(x, torch.tensor([0, 1])), ValueError, r"labels has shape \[2\]; exp"),
        (
            lambda x: ops.cross_entropy(x, torch.tensor([0, 1, 1]), label_smoothing=2.0),
            ValueError,
            "label_smoothing is 2; expected 0 to 1",
        ),
        (
            lambda x: ops.linear_cross_entropy(x, x, torch.tensor([0, 1, 1]), reduction="none"),
            ValueError,
            "reduction is 'none'; expected mean or sum",
        ),
        (
            lambda x: ops.cross_entropy(x, torch.tensor([0, 1, 1]), reduction="max"),
            ValueError,
            "reduction is 'max'; expected mean or sum",
        ),
        (lambda x: ops.contrastive(x, x[:2]), ValueError, r"\[3, 4\] and candidates \[2, 4\]; .*m >= n"),
        (lambda x: ops.attention(*[x[:, None]] * 3, starts(3), window=-1), ValueError, "window is -1"),
        (
            lambda x: ops.attention(*[x[:, None]] * 3, torch.tensor([0, 4], dtype=torch.int32)),
            ValueError,
            "cu_seqlens does not run from 0 to 3",
        ),
        (
            lambda x: ops.attention(*[x[:, None]] * 3, torch.tensor([0, 2, 1, 3], dtype=torch.int32)),
            ValueError,
            "cu_seqlens falls from 2 to 1",
        ),
        (
            lambda x: ops.attention(*[torch.ones(900, 1, 64)] * 3, starts(900), max_seqlen=1),
            ValueError,
            "workspace",
        ),
        (
            lambda x: ops.attention(
                x.view(3, 2, 2), *[x.view(1, 3, 4)[:, :, :2]] * 2, starts(3), cu_seqlens_k=starts(1)
            ),
            ValueError,
            "2 heads over 3 key heads",
        ),
        (
            lambda x: ops.attention(*[x[:, None]] * 3, starts(3), distance_bias=torch.ones(1, 3)),
            ValueError,
            "sequence 0 spans a distance of 2; bias reaches 1",
        ),
        (
            lambda x: ops.attention(*[x[:, None]] * 3, starts(3), bias=torch.ones(1, 1, 3, 2)),
            ValueError,
            r"bias has shape \[1, 1, 3, 2\]; expected \[1 or 1, 1 or 1, 3, 3\]",
        ),
        (
            lambda x: ops.attention(*[x[:, None]] * 3, starts(3), bias=torch.ones(3)),
            ValueError,
            r"bias has shape \[3\]; expected 3 or 4 dimensions",
        ),
        (
            lambda x: ops.attention(*[x[:, None]] * 3, starts(3), bias=x, distance_bias=x),
            ValueError,
            "bias and distance_bias are given; expected one",
        ),
        (
            lambda x: ops.embedding_layer_norm(torch.tensor([0, 3]), x),
            ValueError,
            "ids hold 3 at token 1; expected 0 to 2",
        ),
        (
            lambda x: ops.embedding_layer_norm(torch.tensor([0.5]), x),
            TypeError,
            "ids is f32; expected i64",
        ),
        (
            lambda x: ops.embedding_layer_norm(torch.tensor([0]), x, segments=torch.ones(2, 5)),
            ValueError,
            r"a table has shape \[2, 5\]; expected \[2, 4\]",
        ),
        (
            lambda x: ops.embedding_layer_norm(torch.tensor([0]), x, positions=x),
            ValueError,
            "one of positions and position_ids is given",
        ),
        (
            lambda x: ops.rope(x[None], torch.ones(1, 3), torch.ones(1, 3)),
            ValueError,
            "3 angles for heads of 4; expected at most half as many",
        ),
        (
            lambda x: ops.rope(x[None], torch.ones(1, 2), torch.ones(1, 2).requires_grad_()),
            ValueError,
            "sin requires a gradient",
        ),
        (lambda x: ops.rope(x[None], x, x), ValueError, r"cos has shape \[3, 4\]; expected \[1, 4\]"),
        (lambda x: ops.linear(x, torch.ones(2, 5)), ValueError, r"b has shape \[2, 5\]; expected \[2, 4\]"),
        (lambda x: ops.linear(x, torch.ones(2, 4), torch.ones(3)), ValueError, r"bias has shape \[3\]"),
    ],
)  # fmt: skip
def test_bad_arguments(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call(torch.ones(3, 4))
