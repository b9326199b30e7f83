"""Every op, once: inputs, fastplm's version and the plain torch definition of what is correct.

Sizes are odd on purpose: 1, 7, 31 and 33 catch the tails of vectors and tiles.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from transformers.activations import ACT2FN

from fastplm import _ops

ACTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "none": ACT2FN["linear"],
    "gelu_tanh": ACT2FN["gelu_pytorch_tanh"],
    **{
        name: ACT2FN[name]
        for name in (
            *("relu", "gelu", "silu", "tanh", "gelu_10", "hardswish", "laplace", "leaky_relu", "mish"),
            *("quick_gelu", "relu2", "relu6", "sigmoid"),
        )
    },
}


@dataclass(frozen=True)
class Case:
    """`ours` and `reference` take the same tensors; the reference computes in float64."""

    name: str
    inputs: Callable[[torch.Generator, torch.dtype], tuple[Any, ...]]
    ours: Callable[..., torch.Tensor]
    reference: Callable[..., torch.Tensor]
    dtypes: tuple[torch.dtype, ...] = (torch.float32, torch.bfloat16)

    @property
    def has_cuda_kernel(self) -> bool:
        return self.name.startswith(("norm-", "head_norm-", "glu-", "act-", "rope-", "embed-"))


def normal(g: torch.Generator, *shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, generator=g).to(dtype)


def starts(*lengths: int) -> torch.Tensor:
    return torch.tensor([0, *torch.tensor(lengths).cumsum(0)], dtype=torch.int32)


# --- linear -------------------------------------------------------------------------------------------


def pack(w: torch.Tensor, form: str, transposed: bool = False) -> torch.Tensor:
    n, k = w.shape[::-1] if transposed else w.shape
    panels = torch.empty(_ops.packed_bytes(form, n, k) + 64, dtype=torch.uint8)
    panels = panels[-panels.data_ptr() % 64 :]
    _ops.pack(w, transposed, form, panels)
    return panels


def linear(a, w, bias, act, residual, out_dtype, transposed, form=None):  # type: ignore[no-untyped-def]
    """form: of the weights; None: as a."""
    n = w.shape[1] if transposed else w.shape[0]
    out = torch.empty(len(a), n, dtype=out_dtype or a.dtype)
    form = form or str(a.dtype).removeprefix("torch.")
    _ops.linear(a, form, pack(w, form, transposed), bias, act, residual, out)
    return out


def _int8(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of int8 as int64, and their scales: the largest magnitude of a row is 127."""
    x = x.float()
    scale = x.abs().amax(1) / 127
    inverse = torch.where(scale > 0, 1 / scale, 0)
    return (x * inverse[:, None]).round().long(), scale


def int8_product(a: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """a w^T with both rounded to int8: exact integers, then one multiplication in float32."""
    (rows, scales), (weights, columns) = _int8(a), _int8(w)
    return (rows @ weights.T).float() * (scales[:, None] * columns)


def _groups(x: torch.Tensor, size: int) -> torch.Tensor:
    """Rows [n, k] as [n, groups, size], zeros behind k."""
    return torch.nn.functional.pad(x.float(), (0, -x.shape[1] % size)).unflatten(1, (-1, size))


def int4_codes(w: torch.Tensor, size: int, zeros: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Codes [n, groups, size], scales (float16 as float32) and zeros [n, groups]: of some scales the one with
    the least squared error.
    """
    x = _groups(w, size)
    top, low = x.amax(-1).clamp(min=0), x.amin(-1).clamp(max=0)

    def inverse(scale: torch.Tensor) -> torch.Tensor:
        return torch.where(scale.abs() > 2.0**-120, 1 / scale, 0)

    def code(scale: torch.Tensor, zero: torch.Tensor) -> torch.Tensor:
        return ((x * inverse(scale)[..., None]).round() + zero[..., None]).clamp(0, 15)

    def attempt(part: float) -> tuple[torch.Tensor, torch.Tensor]:
        if not zeros:
            most = torch.where(top > -low, top, low)
            return most * (torch.tensor(-1.0) / part), torch.full_like(top, 8)
        scale = (top - low) * (torch.tensor(part) / 15)
        return scale, ((-low * torch.tensor(part)) * inverse(scale)).round().clamp(0, 15)

    best, least = None, None
    for part in (1.0, 0.95, 0.9, 0.85, 0.8) if zeros else (8.0, 7.0, 7.5, 8.5, 9.0, 9.5):
        scale, zero = attempt(part)
        left = x - scale[..., None] * (code(scale, zero) - zero[..., None])
        error = torch.zeros_like(top)
        for i in range(size):
            error = error + left[..., i] * left[..., i]
        if least is None:
            best, least = (scale, zero), error
        better = error < least
        best = tuple(torch.where(better, new, old) for new, old in zip((scale, zero), best, strict=True))
        least = torch.where(better, error, least)
    scale, zero = best[0].half().float(), best[1]
    return code(scale, zero), scale, zero


def int4_product(a: torch.Tensor, w: torch.Tensor, size: int = 32, zeros: bool = False) -> torch.Tensor:
    """a w^T with groups of w rounded to four bits, those of a to int8: exact integers, scaled in float32."""
    return coded_product(a, *int4_codes(w, size, zeros))


def coded_product(
    a: torch.Tensor, codes: torch.Tensor, scales: torch.Tensor, zeros: torch.Tensor
) -> torch.Tensor:
    """a w^T of w = scales (codes - zeros) [n, groups, size]."""
    x = _groups(a, codes.shape[-1])
    own = x.abs().amax(-1) / 127
    own = torch.where(own < 2.0**-120, 0, own)
    rows = (x * torch.where(own > 0, 1 / own, 0)[..., None]).round().long()
    y = torch.zeros(len(a), len(codes))
    for g in range(codes.shape[1]):
        sums = rows[:, g] @ (codes[:, g] - zeros[:, g, None]).long().T
        y = y + sums.float() * (scales[:, g] * own[:, g, None])
    return y


PRODUCTS: dict[str | None, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "int8": int8_product,
    "int4": int4_product,
    **{f"int4_g{size}": functools.partial(int4_product, size=size) for size in (64, 128)},
    "int4_zeros": functools.partial(int4_product, zeros=True),
    **{f"int4_zeros_g{size}": functools.partial(int4_product, size=size, zeros=True) for size in (64, 128)},
}


def linear_reference(a, w, bias, act, residual, out_dtype, transposed, form=None):  # type: ignore[no-untyped-def]
    w = w.T if transposed else w
    y = PRODUCTS[form](a, w).double() if form in PRODUCTS else a.double() @ w.to(a.dtype).double().T
    y = ACTS[act](y if bias is None else y + bias.double())
    return y if residual is None else y + residual.double()


def linear_case(
    m: int,
    n: int,
    k: int,
    act: str = "none",
    *,
    bias: bool = True,
    residual: bool = False,
    transposed: bool = False,
    stored: torch.dtype = torch.float32,
    form: str | None = None,
) -> Case:
    def inputs(g: torch.Generator, dtype: torch.dtype) -> tuple[Any, ...]:
        w = normal(g, *((k, n) if transposed else (n, k)), dtype=stored) / max(k, 1) ** 0.5
        return (
            normal(g, m, k, dtype=dtype),
            w,
            normal(g, n) if bias else None,
            act,
            normal(g, m, n) if residual else None,
            torch.float32 if residual else None,
            transposed,
            form,
        )

    name = f"linear{form or ''}-{m}x{n}x{k}-{act}{'-res' * residual}{'-t' * transposed}-{str(stored)[6:]}"
    dtypes = (torch.bfloat16,) if form in PRODUCTS else (torch.float32, torch.bfloat16)
    return Case(name, inputs, linear, linear_reference, dtypes)


# --- attention ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """How many key heads there are; which keys a query sees: `back` before it, `ahead` behind; < 0: all.

    softcap > 0: of the scores.
    """

    kv_heads: int
    back: int = -1
    ahead: int = -1
    softcap: float = 0.0


@dataclass(frozen=True)
class Relative:
    """Keys and queries of relative positions [count, heads * dim], and the position of each distance.

    bias: [heads, count], added to what keys give. backward: [sequences], 1 where distances count backwards.
    """

    keys: torch.Tensor
    queries: torch.Tensor
    place: torch.Tensor
    bias: torch.Tensor | None = None
    backward: torch.Tensor | None = None


@dataclass(frozen=True)
class Other:
    """What queries add for keys of another segment: a product with key [heads, dim], and bias [heads].

    at: where queries stand, in place of the last keys.
    """

    key: torch.Tensor
    bias: torch.Tensor
    of_queries: torch.Tensor
    of_keys: torch.Tensor
    at: torch.Tensor


def attention(q, k, v, cu, cu_k, heads, seen, scale, bias, index, mask, relative, other):  # type: ignore[no-untyped-def]
    dim = q.shape[1] // heads
    count, keys, queries, place, further = 0, None, None, None, (None, None, None)
    if relative is not None:
        count, queries, place = len(relative.queries), relative.queries, relative.place
        mirrored = None if relative.backward is None else place.flip(0).contiguous()
        further = (relative.bias, mirrored, relative.backward)
        form = str(q.dtype).removeprefix("torch.")
        size = _ops.packed_bytes(form, count, dim)
        keys = torch.cat([pack(part.contiguous(), form)[:size] for part in relative.keys.split(dim, 1)])
        aligned = torch.empty(len(keys) + 64, dtype=torch.uint8)
        keys = aligned[-aligned.data_ptr() % 64 :][: len(keys)].copy_(keys)
    starts = cu if cu_k is None else cu_k
    out = torch.empty_like(q)
    share = _ops.attention_workspace(q, dim, int((starts[1:] - starts[:-1]).max()), count)
    space = torch.empty(2 * share + 64, dtype=torch.uint8)
    space = space[-space.data_ptr() % 64 :]
    _ops.attention(
        q, k, v, cu, cu_k, heads, seen.kv_heads, scale, seen.softcap, seen.back, seen.ahead, bias, index,
        mask, keys, queries, place, *further, *_others(other), out, None, space,
    )  # fmt: skip
    return out


def _others(other):  # type: ignore[no-untyped-def]
    return (
        (None,) * 5 if other is None else (other.at, other.key, other.bias, other.of_queries, other.of_keys)
    )


def attention_reference(q, k, v, cu, cu_k, heads, seen, scale, bias, index, mask, relative, other):  # type: ignore[no-untyped-def]
    dim, group = q.shape[1] // heads, heads // seen.kv_heads
    starts = cu if cu_k is None else cu_k
    out = torch.empty(q.shape, dtype=torch.float64)
    for i in range(len(cu) - 1):
        (a, b), (c, d) = cu[i : i + 2].tolist(), starts[i : i + 2].tolist()
        query = q[a:b].double().view(b - a, heads, dim).transpose(0, 1)
        key, value = (
            t[c:d].double().view(d - c, seen.kv_heads, dim).transpose(0, 1).repeat_interleave(group, 0)
            for t in (k, v)
        )
        scores = query @ key.transpose(1, 2)
        place = torch.arange(d - c) if index is None else index[c:d].long()
        stands = place[d - c - (b - a) :] if other is None else other.at[a:b].long()
        distance = place[None, :] - stands[:, None]
        if relative is not None:
            turned = -distance if relative.backward is not None and relative.backward[i] else distance
            at = relative.place[turned + len(relative.place) // 2].long()
            keys, queries = (t.double().view(len(t), heads, dim) for t in (relative.keys, relative.queries))
            scores = scores + torch.einsum("hqd,qkhd->hqk", query, keys[at])
            scores = scores + torch.einsum("hkd,qkhd->hqk", key, queries[at])
            if relative.bias is not None:
                scores = scores + relative.bias.double()[:, at]
        if other is not None:
            added = torch.einsum("hqd,hd->hq", query, other.key.double()) + other.bias.double()[:, None]
            differ = other.of_queries[a:b, None] != other.of_keys[None, c:d]
            scores = scores + added[..., None] * differ
        scores = scores * scale
        if seen.softcap:
            scores = seen.softcap * (scores / seen.softcap).tanh()
        if bias is not None:
            scores = scores + bias.double()[:, distance + (bias.shape[1] - 1) // 2]
        if mask is not None:
            scores = scores.masked_fill(mask[a:b, : d - c] == 0, -torch.inf)
        if seen.back >= 0:
            scores = scores.masked_fill(-distance > seen.back, -torch.inf)
        if seen.ahead >= 0:
            scores = scores.masked_fill(distance > seen.ahead, -torch.inf)
        out[a:b] = (scores.softmax(-1) @ value).transpose(0, 1).reshape(b - a, -1)
    return out


def attention_case(
    name: str,
    lengths: tuple[int, ...],
    heads: int,
    dim: int,
    *,
    window: int = -1,
    bias: bool = False,
    holes: bool = False,
    mask: bool = False,
    kv_heads: int | None = None,
    causal: bool = False,
    queries: tuple[int, ...] | None = None,
    softcap: float = 0.0,
    positions: int = 0,
    buckets: int = 0,
    streams: bool = False,
) -> Case:
    """lengths: of keys; queries: of the queries, the last tokens; default: as many. positions: relative ones,
    which distances share from buckets / 2 on. streams: queries stand anywhere, keys have segments, and every
    other sequence's distances count backwards.
    """
    seen = Seen(kv_heads or heads, window, 0 if causal else window, softcap)

    def inputs(g: torch.Generator, dtype: torch.dtype) -> tuple[Any, ...]:
        keys, tokens, longest = sum(lengths), sum(queries or lengths), max(lengths)
        gaps = [torch.randint(1, 4, (n,), generator=g).cumsum(0) for n in lengths]
        visible = (torch.rand(tokens, longest, generator=g) > 0.3).to(torch.uint8)
        visible[:, 0] = 1
        relative = None
        if positions:
            place = torch.empty(2 * 4 * longest - 1, dtype=torch.int32)
            _ops.place_positions(positions, buckets, 4 * longest, place)
            made = (normal(g, positions, heads * dim, dtype=dtype) for _ in range(2))
            relative = Relative(*made, place)
            if streams:
                backward = torch.arange(len(lengths)).to(torch.uint8) % 2
                relative = replace(relative, bias=normal(g, heads, positions), backward=backward)
        other = None
        if streams:
            columns = gaps if holes else [torch.arange(n) for n in lengths]
            stands = [
                row[torch.randperm(len(row), generator=g)[:m].sort()[0]]
                for row, m in zip(columns, queries or lengths, strict=True)
            ]
            of_queries, of_keys = (torch.randint(0, 3, (n,), generator=g).int() for n in (tokens, keys))
            added = normal(g, heads, dim), normal(g, heads)
            other = Other(*added, of_queries, of_keys, torch.cat(stands).int())
        return (
            normal(g, tokens, heads * dim, dtype=dtype),
            normal(g, keys, seen.kv_heads * dim, dtype=dtype),
            normal(g, keys, seen.kv_heads * dim, dtype=dtype),
            starts(*(queries or lengths)),
            starts(*lengths) if queries else None,
            heads,
            seen,
            dim**-0.5,
            normal(g, heads, 2 * 4 * longest - 1) if bias else None,
            torch.cat(gaps).to(torch.int32) if holes else None,
            visible if mask else None,
            relative,
            other,
        )

    return Case(f"attention-{name}", inputs, attention, attention_reference)


# --- row-wise ops -------------------------------------------------------------------------------------


def into(like: torch.Tensor, *shape: int) -> torch.Tensor:
    return torch.empty(shape or like.shape, dtype=like.dtype, device=like.device)


def softmax(x: torch.Tensor) -> torch.Tensor:
    y = into(x)
    _ops.softmax(x, y)
    return y


def norm(x, kind, weight, bias, dtype):  # type: ignore[no-untyped-def]
    y = torch.empty(x.shape, dtype=dtype, device=x.device)
    _ops.norm(x, kind, weight, bias, 1e-5, y)
    return y


def norm_reference(x, kind, weight, bias, dtype):  # type: ignore[no-untyped-def]
    x, dim = x.double(), x.shape[-1:]
    w, b = (None if t is None else t.double() for t in (weight, bias))
    if kind == "layer":
        return F.layer_norm(x, dim, w, b, 1e-5)
    return F.rms_norm(x, dim, w, 1e-5) + (0 if b is None else b)


def norm_case(rows: int, dim: int, kind: str, *, weight: bool = True, bias: bool = True) -> Case:
    def inputs(g: torch.Generator, dtype: torch.dtype) -> tuple[Any, ...]:
        return (
            normal(g, rows, dim) * 3 + 1,
            kind,
            normal(g, dim) if weight else None,
            normal(g, dim) if bias else None,
            dtype,
        )

    return Case(f"norm-{kind}-{rows}x{dim}", inputs, norm, norm_reference)


def head_norm(x, heads, weight):  # type: ignore[no-untyped-def]
    y = x.clone()
    _ops.head_norm(y, heads, weight, 0.1)
    return y


def head_norm_reference(x, heads, weight):  # type: ignore[no-untyped-def]
    dim = len(weight)
    first, rest = x.double().split([heads * dim, x.shape[1] - heads * dim], dim=1)
    normed = F.rms_norm(first.view(len(x), heads, dim), (dim,), weight.double(), 0.1)
    return torch.cat([normed.reshape(len(x), -1), rest], dim=1)


def head_norm_case(rows: int, heads: int, dim: int, rest: int) -> Case:
    def inputs(g: torch.Generator, dtype: torch.dtype) -> tuple[Any, ...]:
        return normal(g, rows, heads * dim + rest, dtype=dtype) * 3, heads, normal(g, dim)

    return Case(f"head_norm-{rows}x{heads}x{dim}", inputs, head_norm, head_norm_reference)


def glu(x: torch.Tensor, act: str) -> torch.Tensor:
    y = into(x, len(x), x.shape[1] // 2)
    _ops.glu(x, act, y)
    return y


def glu_reference(x: torch.Tensor, act: str) -> torch.Tensor:
    gate, up = x.double().chunk(2, dim=-1)
    return ACTS[act](gate) * up


def wide_inputs(g: torch.Generator, dtype: torch.dtype, act: str) -> tuple[Any, ...]:
    """Gates from -30 to 30, beyond every bend, and factors that leave them as they are."""
    gate = torch.linspace(-30, 30, 1201).to(dtype)[None]
    return torch.cat([gate, torch.ones_like(gate)], dim=-1), act


def frequencies(theta: float, dims: int) -> torch.Tensor:
    return (1.0 / theta ** (torch.arange(dims // 2, dtype=torch.float64) / (dims // 2))).float()


def rope(x, heads, dims, factor, theta, positions):  # type: ignore[no-untyped-def]
    table = torch.empty(int(positions.max()) + 1, dims)
    _ops.rope_table(frequencies(theta, dims), factor, table)
    y = x.clone()
    _ops.rope(y, heads, x.shape[1] // heads, table.to(x.device), positions)
    return y


def rope_reference(x, heads, dims, factor, theta, positions):  # type: ignore[no-untyped-def]
    x = x.double().view(len(x), heads, -1)
    angle = (positions.float()[:, None] * frequencies(theta, dims)).double()[:, None, :]
    cos, sin = angle.cos() * factor, angle.sin() * factor
    a, b, rest = x.split([dims // 2, dims // 2, x.shape[-1] - dims], dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin, rest], dim=-1).reshape(len(x), -1)


def pool(x, cu, kind, normalize):  # type: ignore[no-untyped-def]
    y = torch.empty(len(cu) - 1, x.shape[1])
    _ops.pool(x, cu, kind, normalize, y)
    return y


def pool_reference(x, cu, kind, normalize):  # type: ignore[no-untyped-def]
    how = {
        "mean": lambda t: t.mean(0),
        "cls": lambda t: t[0],
        "max": lambda t: t.max(0).values,
        "mean_sqrt_len_tokens": lambda t: t.sum(0) / len(t) ** 0.5,
        "lasttoken": lambda t: t[-1],
    }[kind]
    pairs = zip(cu[:-1].tolist(), cu[1:].tolist(), strict=True)
    y = torch.stack([how(x[a:b].double()) if b > a else torch.zeros(x.shape[1]).double() for a, b in pairs])
    return F.normalize(y, dim=-1, eps=1e-12) if normalize else y


def embed(tokens, segments, positions, scale, ids, x, segment_ids, position_ids):  # type: ignore[no-untyped-def]
    y = torch.empty(len(position_ids), tokens.shape[1], device=tokens.device)
    _ops.embed(tokens, segments, positions, scale, ids, x, segment_ids, position_ids, y)
    return y


def embed_reference(tokens, segments, positions, scale, ids, x, segment_ids, position_ids):  # type: ignore[no-untyped-def]
    rows = tokens[ids].double() * scale if x is None else x.double()
    segment = segments.double()[0] if segment_ids is None else segments.double()[segment_ids]
    return rows + segment + positions.double()[position_ids]


def embed_case(name: str, *, given: bool = False, segmented: bool = True, scale: float = 1.0) -> Case:
    def inputs(g: torch.Generator, dtype: torch.dtype) -> tuple[Any, ...]:
        ids, segment_ids, position_ids = (
            torch.randint(0, n, (13,), generator=g, dtype=torch.int32) for n in (50, 2, 20)
        )
        tables = normal(g, 50, 37, dtype=dtype), normal(g, 2, 37), normal(g, 20, 37)
        rows = (None, normal(g, 13, 37)) if given else (ids, None)
        return *tables, scale, *rows, segment_ids if segmented else None, position_ids

    return Case(f"embed-{name}", inputs, embed, embed_reference)


CASES = [
    *(
        linear_case(m, n, k, form=form)
        for form in (None, "int8", "int4")
        for m, n, k in (
            (1, 1, 1),
            (1, 384, 384),
            (7, 33, 31),
            (16, 48, 64),
            (31, 50, 45),
            (33, 96, 33),
            (70, 130, 97),
            (300, 65, 70),
        )
    ),
    *(linear_case(9, 40, 24, act, form=form) for act in ACTS for form in (None, "int8")),
    linear_case(33, 70, 40, "gelu", residual=True),
    linear_case(33, 70, 40, "gelu", residual=True, form="int8"),
    *(linear_case(33, 70, 200, "gelu", residual=True, form=form) for form in PRODUCTS if form != "int8"),
    linear_case(5, 47, 9, bias=False, residual=True),
    linear_case(6, 70, 67, transposed=True),
    *(
        linear_case(6, 70, 67, transposed=t, stored=s, form=form)
        for form in (None, "int8", "int4")
        for t in (False, True)
        for s in (torch.float16, torch.bfloat16)
    ),
    *(attention_case(f"head{d}", (1, 7, 31, 40), 2, d) for d in (1, 3, 16, 31, 32, 64, 80, 256)),
    attention_case("causal", (1, 7, 33, 100), 2, 16, causal=True),
    attention_case("causal-long", (577, 1200), 1, 32, causal=True),
    attention_case("causal-window", (5, 70), 2, 8, causal=True, window=9, holes=True),
    attention_case("grouped", (3, 40), 6, 24, kv_heads=2, causal=True),
    attention_case("one-token-grouped", (1, 97, 600), 6, 24, kv_heads=2, queries=(1, 1, 1), bias=True),
    attention_case("last-queries", (9, 650), 4, 16, kv_heads=4, causal=True, queries=(2, 40)),
    attention_case("other-keys", (31, 5), 2, 13, queries=(7, 40)),
    attention_case("long", (1100, 529), 1, 16),
    attention_case("window", (1, 40, 700), 2, 24, window=9),
    attention_case("window-holes", (33, 130), 2, 24, window=5, holes=True),
    attention_case("bias", (5, 61, 600), 3, 16, bias=True),
    attention_case("bias-holes", (5, 61), 3, 16, bias=True, holes=True),
    attention_case("mask", (35, 35), 2, 20, mask=True),
    attention_case("softcap", (7, 600), 4, 16, kv_heads=2, causal=True, softcap=0.7),
    attention_case("softcap-bias", (61,), 2, 16, bias=True, mask=True, softcap=2.0),
    attention_case("positions", (1, 7, 61, 100), 2, 16, positions=40),
    attention_case("positions-long", (577, 1200), 1, 33, positions=512, buckets=256),
    attention_case("positions-holes", (5, 61, 600), 2, 13, positions=22, buckets=9, holes=True, mask=True),
    attention_case("positions-queries", (9, 650), 2, 24, positions=64, buckets=32, queries=(1, 40)),
    attention_case("streams", (1, 7, 61, 600), 2, 16, positions=40, queries=(1, 3, 61, 90), streams=True),
    attention_case("streams-window", (61, 130), 2, 20, positions=40, window=9, holes=True, streams=True),
    attention_case("positions-softcap", (61,), 2, 16, positions=40, softcap=2.0),
    *(
        Case(
            f"softmax-{name}",
            lambda g, _, scale=scale, shift=shift: (normal(g, 5, 33) * scale + shift,),
            softmax,
            lambda x: x.double().softmax(-1),
            (torch.float32,),
        )
        for name, scale, shift in (("peaked", 20, 0), ("flat", 0.5, -3))
    ),
    *(norm_case(r, d, k) for r, d in ((1, 1), (7, 33), (31, 384)) for k in ("layer", "rms")),
    *(head_norm_case(*shape) for shape in ((1, 1, 1, 0), (7, 3, 13, 5), (5, 2, 64, 128))),
    norm_case(3, 20, "layer", bias=False),
    norm_case(3, 20, "rms", weight=False, bias=False),
    *(
        Case(f"glu-{act}", lambda g, t, act=act: (normal(g, 7, 66, dtype=t), act), glu, glu_reference)
        for act in ACTS
    ),
    *(Case(f"act-{act}", lambda g, t, act=act: wide_inputs(g, t, act), glu, glu_reference) for act in ACTS),
    *(
        Case(
            f"rope-{dims}",
            lambda g, t, dims=dims, factor=factor: (
                *(normal(g, 9, 3 * 26, dtype=t), 3, dims, factor, 1e4),
                torch.arange(0, 90, 10, dtype=torch.int32),
            ),
            rope,
            rope_reference,
        )
        for dims, factor in ((26, 1.0), (10, 1.3))
    ),
    *(
        Case(
            f"pool-{k}",
            lambda g, _, k=k: (normal(g, 20, 37), starts(1, 0, 12, 7), k, True),
            pool,
            pool_reference,
            (torch.float32,),
        )
        for k in ("mean", "cls", "max", "mean_sqrt_len_tokens", "lasttoken")
    ),
    embed_case("ids"),
    embed_case("scaled", scale=6.5),
    embed_case("rows-of-the-caller", given=True, scale=0.3),
    embed_case("one-segment", segmented=False),
]
