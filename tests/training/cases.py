"""Every trainable op, once: inputs, fastplm's version and plain torch's.

Float tensors of the inputs get gradients. Sizes are odd on purpose: they catch the tails of vectors and
tiles.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from fastplm import ops
from tests.ops.cases import ACTS, normal, starts


@dataclass(frozen=True)
class Case:
    """`ours` and `reference` take the inputs and give a tensor or several; the reference works in any
    dtype.
    """

    name: str
    inputs: Callable[[torch.Generator, torch.dtype], tuple[Any, ...]]
    ours: Callable[..., Any]
    reference: Callable[..., Any]


def keep(shape: tuple[int, ...], p: float, like: torch.Tensor) -> torch.Tensor:
    """What dropout multiplies by, from the seed that torch's generator gives next: Philox4x32 with 7
    rounds.
    """
    numbers = torch.randint(-(2**63), 2**63 - 1, (2,), device=like.device).cpu().numpy().view(np.uint32)
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
    kept = torch.from_numpy(values >= dropped).to(like) * (65536 / (65536 - dropped))
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
    rows: tuple[int, ...],
    inner: int,
    outer: int,
    act: str = "none",
    *,
    bias: bool = True,
    transposed: bool = False,
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
    return Case(name, inputs, lambda x, w, b: ops.linear(x, w, b, act, transposed=transposed), reference)


# --- losses -----------------------------------------------------------------------------------------------


def labels_of(g: torch.Generator, rows: int, vocab: int, ignored: float) -> torch.Tensor:
    labels = torch.randint(0, vocab, (rows,), generator=g)
    return torch.where(torch.rand(rows, generator=g) < ignored, -100, labels)


def torch_loss(logits: Any, labels: Any, smoothing: float, z: float, reduction: str) -> Any:
    """In at least float32, as transformers computes it."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    losses = F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)
    losses = losses + z * torch.where(labels == -100, 0, logits.logsumexp(-1).square())
    if reduction == "none":
        return losses
    return losses.sum() / (1 if reduction == "sum" else (labels != -100).sum())


def loss_case(
    rows: int,
    vocab: int,
    *,
    smoothing: float = 0.0,
    z: float = 0.0,
    ignored: float = 0.3,
    reduction: str = "mean",
) -> Case:
    def inputs(g: torch.Generator, dtype: torch.dtype) -> tuple[Any, ...]:
        return normal(g, rows, vocab, dtype=dtype) * 3, labels_of(g, rows, vocab, ignored)

    return Case(
        f"cross_entropy-{rows}x{vocab}-{smoothing}-{z}-{reduction}",
        inputs,
        lambda x, y: ops.cross_entropy(x, y, label_smoothing=smoothing, z_loss=z, reduction=reduction),
        lambda x, y: torch_loss(x, y, smoothing, z, reduction),
    )


def linear_loss_case(
    rows: int,
    dim: int,
    vocab: int,
    *,
    bias: bool = True,
    smoothing: float = 0.0,
    z: float = 0.0,
    reduction: str = "mean",
) -> Case:
    def inputs(g: torch.Generator, dtype: torch.dtype) -> tuple[Any, ...]:
        return (
            normal(g, rows, dim, dtype=dtype),
            normal(g, vocab, dim, dtype=dtype) * dim**-0.5,
            normal(g, vocab, dtype=dtype) if bias else None,
            labels_of(g, rows, vocab, 0.5),
        )

    return Case(
        f"linear_cross_entropy-{rows}-{dim}-{vocab}-{reduction}{'-bias' * bias}",
        inputs,
        lambda x, w, b, y: ops.linear_cross_entropy(
            x, w, y, b, label_smoothing=smoothing, z_loss=z, reduction=reduction
        ),
        lambda x, w, b, y: torch_loss(F.linear(x, w, b), y, smoothing, z, reduction),
    )


def contrastive_case(anchors: int, candidates: int, dim: int) -> Case:
    def inputs(g: torch.Generator, dtype: torch.dtype) -> tuple[Any, ...]:
        return normal(g, anchors, dim, dtype=dtype), normal(g, candidates, dim, dtype=dtype)

    def reference(a: Any, c: Any) -> Any:
        labels = torch.arange(anchors, device=a.device)
        return torch_loss(20 * F.normalize(a) @ F.normalize(c).T, labels, 0.0, 0.0, "mean")

    return Case(f"contrastive-{anchors}-{candidates}-{dim}", inputs, ops.contrastive, reference)


# --- attention --------------------------------------------------------------------------------------------


def attention_case(
    name: str,
    lengths: tuple[int, ...],
    heads: int,
    dim: int,
    *,
    kv_heads: int | None = None,
    keys: tuple[int, ...] | None = None,
    causal: bool = False,
    window: int | None = None,
    bias: bool = False,
    added: tuple[int, int] | None = None,
    p: float = 0.0,
) -> Case:
    """lengths: of the queries; keys: of the keys, as many unless given; added: how many sequences and heads a
    bias of queries and keys has.
    """
    kv, key_lengths = kv_heads or heads, keys or lengths
    reach = max((*lengths, *key_lengths, 1)) + 2

    def inputs(g: torch.Generator, dtype: torch.dtype) -> tuple[Any, ...]:
        return (
            normal(g, sum(lengths), heads, dim, dtype=dtype),
            normal(g, sum(key_lengths), kv, dim, dtype=dtype),
            normal(g, sum(key_lengths), kv, dim, dtype=dtype),
            normal(g, heads, 2 * reach - 1, dtype=dtype) if bias else None,
            normal(g, *added, max(lengths), max(key_lengths) + 3, dtype=dtype) if added else None,
        )

    def ours(q: Any, k: Any, v: Any, b: Any, a: Any) -> Any:
        return ops.attention(
            q, k, v, starts(*lengths).to(q.device),
            cu_seqlens_k=starts(*keys).to(q.device) if keys else None,
            max_seqlen=max(key_lengths),
            causal=causal, window=window, dropout=p, distance_bias=b, bias=a,
        )  # fmt: skip

    def reference(q: Any, k: Any, v: Any, b: Any, a: Any) -> Any:
        longest = -(-max(key_lengths) // 128) * 128
        kept = keep((sum(lengths), heads, longest), p, q) if p else None
        out, first, first_key = [], 0, 0
        for s, (n, m) in enumerate(zip(lengths, key_lengths, strict=True)):
            query = q[first : first + n].transpose(0, 1)
            key, value = (
                t[first_key : first_key + m].transpose(0, 1).repeat_interleave(heads // kv, 0) for t in (k, v)
            )
            scores = query @ key.transpose(1, 2) * dim**-0.5
            distance = (torch.arange(m) - torch.arange(m - n, m)[:, None]).to(q.device)
            if b is not None:
                scores = scores + b[:, distance + reach - 1]
            if a is not None:
                scores = scores + a[s % len(a), :, :n, :m]
            hidden = torch.zeros(n, m, dtype=torch.bool, device=q.device)
            if causal:
                hidden |= distance > 0
            if window is not None:
                hidden |= distance.abs() > window
            weights = scores.masked_fill(hidden, -torch.inf).softmax(-1)
            if kept is not None:
                weights = weights * kept[first : first + n, :, :m].transpose(0, 1)
            out.append((weights @ value).transpose(0, 1))
            first, first_key = first + n, first_key + m
        return torch.cat(out)

    return Case(f"attention-{name}", inputs, ours, reference)


# --- embeddings and positions -----------------------------------------------------------------------------


def embedding_case(
    name: str, shape: tuple[int, ...], dim: int, *, segments: bool = True, positions: bool = True,
    affine: bool = True, padding: int | None = None, p: float = 0.0,
) -> Case:  # fmt: skip
    """Tables of 11 tokens, 3 segments and 29 positions."""

    def inputs(g: torch.Generator, dtype: torch.dtype) -> tuple[Any, ...]:
        return (
            torch.randint(0, 11, shape, generator=g),
            torch.randint(0, 3, shape, generator=g),
            torch.arange(shape[-1])[None] + 2,
            normal(g, 11, dim, dtype=dtype),
            normal(g, 3, dim, dtype=dtype) if segments else None,
            normal(g, 29, dim, dtype=dtype) if positions else None,
            normal(g, dim, dtype=dtype) if affine else None,
            normal(g, dim, dtype=dtype) if affine else None,
        )

    def ours(ids: Any, kinds: Any, places: Any, t: Any, s: Any, q: Any, w: Any, b: Any) -> Any:
        return ops.embedding_layer_norm(
            ids, t, w, b, 1e-5, segments=s, segment_ids=None if s is None else kinds, positions=q,
            position_ids=None if q is None else places, dropout=p, padding_idx=padding,
            position_padding_idx=None if q is None or padding is None else 4,
        )  # fmt: skip

    def reference(ids: Any, kinds: Any, places: Any, t: Any, s: Any, q: Any, w: Any, b: Any) -> Any:
        x = F.embedding(ids, t, padding)
        x = x if s is None else x + F.embedding(kinds, s)
        x = x if q is None else x + F.embedding(places, q, None if padding is None else 4)
        return dropped(F.layer_norm(x, (dim,), w, b, 1e-5), p)

    return Case(f"embedding_layer_norm-{name}", inputs, ours, reference)


def rope_case(tokens: int, heads: int, dim: int, pairs: int, *, interleaved: bool = False) -> Case:
    def inputs(g: torch.Generator, dtype: torch.dtype) -> tuple[Any, ...]:
        return normal(g, tokens, heads, dim, dtype=dtype), torch.randint(
            -99, 99, (tokens, pairs), generator=g
        )

    def ours(x: Any, angles: Any) -> Any:
        return ops.rope(x, (angles / 8).cos(), (angles / 8).sin(), interleaved=interleaved)

    def reference(x: Any, angles: Any) -> Any:
        of = angles[:, None].to(x.dtype) / 8
        cos, sin = of.cos(), of.sin()
        turned, rest = x[..., : 2 * pairs], x[..., 2 * pairs :]
        a, b = (turned[..., ::2], turned[..., 1::2]) if interleaved else turned.split(max(pairs, 1), -1)
        both = a * cos - b * sin, b * cos + a * sin
        turned = torch.stack(both, -1).flatten(-2) if interleaved else torch.cat(both, -1)
        return torch.cat([turned, rest], -1)

    name = f"rope-{tokens}-{heads}-{dim}-{pairs}{'-interleaved' * interleaved}"
    return Case(name, inputs, ours, reference)


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
    loss_case(7, 33),
    loss_case(20, 1000, smoothing=0.1, reduction="sum"),
    loss_case(20, 100, smoothing=0.3, z=1e-2, reduction="none"),
    loss_case(5, 50, ignored=0.0, z=0.1),
    linear_loss_case(9, 31, 33),
    linear_loss_case(300, 40, 90, smoothing=0.1, z=1e-2, bias=False),
    linear_loss_case(150, 9, 60_000, reduction="sum"),
    contrastive_case(9, 14, 33),
    *(attention_case(f"head{d}", (1, 7, 31, 40), 2, d) for d in (1, 16, 33, 64, 128)),
    attention_case("empty", (3, 0, 5), 2, 8),
    attention_case("long", (300, 129), 2, 24),
    attention_case("causal", (1, 33, 150), 2, 16, causal=True),
    attention_case("window", (200, 70), 2, 16, window=9),
    attention_case("causal-window", (140, 5), 2, 20, causal=True, window=40),
    attention_case("grouped", (40, 65), 6, 16, kv_heads=2, causal=True),
    attention_case("other-keys", (7, 40), 2, 13, keys=(31, 5)),
    attention_case("last-queries", (3, 70), 2, 16, keys=(9, 200), causal=True),
    attention_case("bias", (31, 140), 3, 16, bias=True),
    attention_case("bias-grouped", (20,), 4, 16, kv_heads=2, bias=True, causal=True),
    attention_case("dropout", (31, 140), 2, 16, p=0.2),
    attention_case("dropout-bias", (450,), 1, 16, p=0.1, bias=True),
    attention_case("added", (31, 140, 7), 4, 16, kv_heads=2, added=(3, 4), causal=True),
    attention_case("added-to-all", (31, 140, 7), 3, 16, added=(1, 3), p=0.1),
    attention_case("added-to-heads", (5, 0, 70), 3, 9, keys=(9, 3, 70), added=(3, 1)),
    attention_case("added-once", (9, 30), 2, 16, added=(1, 1), window=7),
    embedding_case("all", (3, 17), 33, padding=1),
    embedding_case("dropout", (2, 27), 200, p=0.2),
    embedding_case("tokens", (70,), 48, segments=False, positions=False, affine=False),
    embedding_case("positions", (4, 25), 1, segments=False),
    embedding_case("empty", (0, 5), 8),
    rope_case(7, 3, 20, 10),
    rope_case(40, 2, 96, 33),
    rope_case(9, 2, 300, 150, interleaved=True),
    rope_case(5, 3, 21, 4, interleaved=True),
    rope_case(0, 2, 8, 4),
]
