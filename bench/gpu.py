"""Every operation of fastplm.ops on a GPU against what torch has for it, in one process, interleaved.

python -m bench.gpu --json bench/results/gpu/ops.json             everything: about two minutes
python -m bench.gpu --only attention                              rows whose name holds this

The file is written after each row, so that a run that is cut off leaves what it has.
"""

import argparse
import json
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROUNDS, BURST = 7, 0.02  # rounds of each contender; seconds of one


@dataclass
class Row:
    """Median microseconds of fastplm and torch."""

    name: str
    part: str  # forward | backward
    fastplm_us: float
    torch_us: float
    ratio: float  # torch / fastplm
    rate: float  # of fastplm: TFLOP/s, or TB/s
    unit: str
    error: float  # of fastplm against torch, relative to torch's norm


@dataclass
class Work:
    """ours, theirs: functions without arguments that give a tensor; inputs: what gets gradients."""

    name: str
    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    inputs: list[Any]
    amount: float
    unit: str
    backward_amount: float = 0.0  # 0: there is none to measure


def works() -> Iterator[Callable[[], Work]]:
    """Made one after the other, so that only one holds memory. The most telling ones first."""
    bf16 = "bfloat16"
    for lengths, heads, dim, options in (
        ([512] * 16, 12, 64, {}),
        ([512] * 16, 12, 64, {"p": 0.1}),
        ([2048] * 4, 12, 64, {"causal": True}),
        ([8192], 16, 64, {}),
        ([8192], 16, 128, {"causal": True}),
        ([512] * 16, 12, 64, {"bias": True}),
    ):
        yield lambda n=lengths, h=heads, d=dim, o=options: attention(n, h, d, **o)
    for rows, inner, outer, act in (
        (8192, 768, 768, "none"),
        (8192, 768, 3072, "gelu"),
        (8192, 4096, 4096, "none"),
    ):
        yield lambda m=rows, k=inner, n=outer, a=act: linear(m, k, n, a, bf16)
    yield lambda: linear(8192, 768, 768, "none", "float32")
    for rows, dim, p in ((8192, 768, 0.0), (8192, 768, 0.1), (16384, 4096, 0.0)):
        yield lambda r=rows, d=dim, q=p: norm(r, d, q)
    yield lambda: activation(8192, 3072, "gelu", gate=False)
    yield lambda: activation(8192, 11008, "silu", gate=True)
    for rows, vocab in ((8192, 30522), (4096, 128256)):
        yield lambda r=rows, v=vocab: cross_entropy(r, v)
    yield lambda: linear_cross_entropy(8192, 768, 30522)
    yield lambda: adamw(110_000_000)


def wanted(*shape: int, dtype: str = "bfloat16") -> Any:
    import torch

    return torch.randn(*shape, device="cuda", dtype=getattr(torch, dtype)).requires_grad_()


def attention(
    lengths: list[int], heads: int, dim: int, *, causal: bool = False, p: float = 0.0, bias: bool = False
) -> Work:
    import torch
    import torch.nn.functional as F

    from fastplm import ops

    batch, length = len(lengths), lengths[0]
    q, k, v = (wanted(batch * length, heads, dim) for _ in range(3))
    starts = torch.arange(0, batch * length + 1, length, dtype=torch.int32, device="cuda")
    table = wanted(heads, 2 * length - 1, dtype="float32") if bias else None
    place = torch.arange(length, device="cuda")
    distance = place[None] - place[:, None] + length - 1

    def theirs() -> Any:
        shaped = (t.view(batch, length, heads, dim).transpose(1, 2) for t in (q, k, v))
        mask = None if table is None else table[:, distance].to(q.dtype)[None].expand(batch, -1, -1, -1)
        y = F.scaled_dot_product_attention(*shaped, attn_mask=mask, dropout_p=p, is_causal=causal)
        return y.transpose(1, 2).reshape(q.shape)

    work = 4.0 * batch * length * length * heads * dim * (0.5 if causal else 1.0)
    marks = " causal" * causal + " bias" * bias + " dropout" * (p > 0)
    name = f"attention {batch}x{length} h{heads} d{dim}{marks}"
    return Work(
        name,
        lambda: ops.attention(
            q, k, v, starts, max_seqlen=length, causal=causal, dropout=p, distance_bias=table
        ),
        theirs,
        [q, k, v] + ([table] if bias else []),
        work,
        "TFLOP/s",
        2.5 * work,
    )


def linear(rows: int, inner: int, outer: int, act: str, dtype: str) -> Work:
    import torch.nn.functional as F

    from fastplm import ops

    x, w, b = (wanted(*s, dtype=dtype) for s in ((rows, inner), (outer, inner), (outer,)))
    after = F.gelu if act == "gelu" else lambda y: y
    work = 2.0 * rows * inner * outer
    return Work(
        f"linear {rows}x{inner}x{outer} {act} {dtype}",
        lambda: ops.linear(x, w, b, act),
        lambda: after(F.linear(x, w, b)),
        [x, w, b],
        work,
        "TFLOP/s",
        2 * work,
    )


def norm(rows: int, dim: int, p: float) -> Work:
    import torch.nn.functional as F

    from fastplm import ops

    x, r, w, b = (wanted(*s) for s in ((rows, dim), (rows, dim), (dim,), (dim,)))
    bytes_of = rows * dim * 2.0
    return Work(
        f"residual + layer_norm {rows}x{dim}{' dropout' * (p > 0)}",
        lambda: ops.layer_norm(x, w, b, residual=r, dropout=p)[0],
        lambda: F.layer_norm(F.dropout(x, p) + r, (dim,), w, b),
        [x, r, w, b],
        4 * bytes_of,
        "TB/s",
        (4 if p else 3) * bytes_of,
    )


def activation(rows: int, dim: int, act: str, *, gate: bool) -> Work:
    import torch.nn.functional as F

    from fastplm import ops

    x, up = wanted(rows, dim), wanted(rows, dim) if gate else None
    plain = getattr(F, act)
    bytes_of = rows * dim * 2.0
    return Work(
        f"{act}{' gated' * gate} {rows}x{dim}",
        lambda: ops.activation(x, act, up=up),
        lambda: plain(x) if up is None else plain(x) * up,
        [x] + ([up] if gate else []),
        (3 if gate else 2) * bytes_of,
        "TB/s",
        (5 if gate else 3) * bytes_of,
    )


def cross_entropy(rows: int, vocab: int) -> Work:
    import torch
    import torch.nn.functional as F

    from fastplm import ops

    x, y = wanted(rows, vocab), torch.randint(0, vocab, (rows,), device="cuda")
    return Work(
        f"cross_entropy {rows}x{vocab}",
        lambda: ops.cross_entropy(x, y),
        lambda: F.cross_entropy(x.float(), y),
        [x],
        rows * vocab * 2.0,
        "TB/s",
        rows * vocab * 4.0,
    )


def linear_cross_entropy(rows: int, dim: int, vocab: int) -> Work:
    import torch
    import torch.nn.functional as F

    from fastplm import ops

    x, w, y = wanted(rows, dim), wanted(vocab, dim), torch.randint(0, vocab, (rows,), device="cuda")

    def both(loss: Any) -> Any:  # the gradients are part of fastplm's forward pass
        loss.backward()
        x.grad = w.grad = None
        return loss

    return Work(
        f"linear + cross_entropy {rows}x{dim}x{vocab}, forward and backward",
        lambda: both(ops.linear_cross_entropy(x, w, y)),
        lambda: both(F.cross_entropy(F.linear(x, w).float(), y)),
        [],
        6.0 * rows * dim * vocab,
        "TFLOP/s",
    )


def adamw(count: int) -> Work:
    import torch

    from fastplm.optim import AdamW

    sizes = [768 * 3072] * (count // (768 * 3072)) + [768] * 100
    made = []
    for cls, more in ((AdamW, {}), (torch.optim.AdamW, {"fused": True})):
        g = torch.Generator(device="cuda").manual_seed(0)
        params = [torch.nn.Parameter(torch.randn(n, device="cuda", generator=g)) for n in sizes]
        for p in params:
            p.grad = torch.randn(p.shape, device="cuda", generator=g)
        made.append((cls(params, lr=1e-3, **more), params))

    def step(i: int) -> Any:
        made[i][0].step()
        return made[i][1][0].detach()

    return Work(
        f"AdamW {sum(sizes) // 1_000_000}M", lambda: step(0), lambda: step(1), [], 28.0 * sum(sizes), "TB/s"
    )


def seconds(call: Callable[[], Any], times: int) -> float:
    import torch

    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    for _ in range(times):
        call()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end)) / 1000 / times


def interleaved(ours: Callable[[], Any], theirs: Callable[[], Any]) -> tuple[float, float]:
    """Median seconds of each."""
    calls = (ours, theirs)
    times = []
    for call in calls:
        seconds(call, 3)
        times.append(max(1, min(200, int(BURST / seconds(call, 2)))))
    rounds = [[seconds(call, n) for call, n in zip(calls, times, strict=True)] for _ in range(ROUNDS)]
    first, second = zip(*rounds, strict=True)
    return statistics.median(first), statistics.median(second)


def measure(work: Work) -> Iterator[Row]:
    import torch

    def row(part: str, ours: Any, theirs: Any, amount: float) -> Row:
        a, b = ours().detach().double(), theirs().detach().double()
        error = float((a - b).norm() / b.norm().clamp(min=1e-30))
        mine, other = interleaved(ours, theirs)
        return Row(
            work.name, part, mine * 1e6, other * 1e6, other / mine, amount / mine / 1e12, work.unit, error
        )

    yield row("forward", work.ours, work.theirs, work.amount)
    if not work.backward_amount:
        return
    results = [call() for call in (work.ours, work.theirs)]
    grad = torch.randn_like(results[0])
    both = [lambda y=y: torch.autograd.grad(y, work.inputs, grad, retain_graph=True)[0] for y in results]
    yield row("backward", *both, work.backward_amount)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    try:
        import torch
    except ModuleNotFoundError:
        print("bench.gpu: torch is not installed", file=sys.stderr)
        return 2
    import fastplm

    status = fastplm.cuda_status()
    if not (torch.cuda.is_available() and status["devices"]):
        print(f"bench.gpu: there is no GPU to measure: {status['reason']}", file=sys.stderr)
        return 2
    found: dict[str, Any] = {
        "device": torch.cuda.get_device_name(),
        "date": time.strftime("%Y-%m-%d"),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "product_library": status["product_library"],
        "rows": [],
        "failed": {},
    }
    for make in works():
        name = "?"
        try:
            work = make()
            name = work.name
            if options.only not in name:
                continue
            for row in measure(work):
                found["rows"].append(asdict(row))
                print(f"{row.name:60} {row.part:8} {row.fastplm_us:9.1f} us {row.ratio:6.2f}x torch "
                      f"{row.rate:7.2f} {row.unit:8} error {row.error:.1e}", flush=True)  # fmt: skip
        except Exception:
            found["failed"][name] = traceback.format_exc(limit=5)
            print(f"{name}: failed: {found['failed'][name]}", flush=True)
        if options.json:
            options.json.parent.mkdir(parents=True, exist_ok=True)
            options.json.write_text(json.dumps(found, indent=1) + "\n")
        torch.cuda.empty_cache()
    return 1 if found["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
