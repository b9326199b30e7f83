"""Tensors of a GGUF file under transformers' names, and what the engine reads in place of those that lie
otherwise there.
"""

import functools
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fastplm.arrays import Array
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.gguf.architectures import Architecture
from fastplm.gguf.blocks import codes_of, values_of
from fastplm.gguf.reader import BLOCKS
from fastplm.gguf.settings import ROPE_FACTORS
from fastplm.safetensors import FLOATS, MemoryFile, Tensor, read_raw

_LAYER = re.compile(r"blk\.(0|[1-9]\d{0,5})\.(.+)", re.ASCII)
_UNUSED = ("attn_rot_embd",)  # of early Llama files: the frequencies, which the settings tell too

Make = Callable[[MemoryFile, str], list[Tensor]]  # of what the engine reads, for one of its formats


def tensors_of(
    tensors: list[Tensor], architecture: Architecture, config: dict[str, Any]
) -> tuple[list[Tensor], dict[str, Make]]:
    """The tensors by transformers' names, with their kinds in the file; and by name those to be made.

    Raises CheckpointError, UnsupportedError, which name the file and the tensor.
    """
    found: list[Tensor] = []
    made: dict[str, Make] = {}
    whole = all(t.dtype == "Q4_0" for t in tensors if t.name.startswith("blk.") and len(t.shape) > 1)
    for tensor in tensors:
        if tensor.name in ROPE_FACTORS:
            continue
        if len(tensor.shape) > 2 or (len(tensor.shape) == 1 and tensor.dtype not in FLOATS):
            raise CheckpointError(
                f"{tensor.path}: tensor {tensor.name!r} is {tensor.dtype} of shape {list(tensor.shape)}; "
                "expected a matrix, or a vector of floats"
            )
        stem, _, ending = tensor.name.rpartition(".")
        match = _LAYER.fullmatch(stem)
        own = match[2] if match else stem
        if own in _UNUSED:
            continue
        name = (architecture.layer if match else architecture.ends).get(own)
        if name is None or ending not in ("weight", "bias"):
            raise UnsupportedError(
                f"{tensor.path}: tensor {tensor.name!r}: this version runs {architecture.model_type} models "
                "without it"
            )
        if match:
            name = f"{architecture.layers}.{match[1]}.{name}"
        stored = _Stored(
            tensor,
            f"{name}.{ending}",
            _order(tensor, own, architecture, config),
            own in architecture.transposed and ending == "weight",
            architecture.less_one and own.endswith("norm"),
            match is not None,
            whole and match is not None,
        )
        found.append(tensor._replace(name=stored.name, shape=stored.shape))
        if not stored.as_is:
            made[stored.name] = functools.partial(_make, stored)
    return found, made


class _Stored(NamedTuple):
    """order: of rows, as transformers has them. of_layer: the engine rounds it, if the format rounds any.
    coded: it is, and all matrices of layers are Q4_0.
    """

    tensor: Tensor
    name: str
    order: Array | None
    transposed: bool
    less_one: bool
    of_layer: bool
    coded: bool

    @property
    def shape(self) -> tuple[int, ...]:
        return self.tensor.shape[::-1] if self.transposed else self.tensor.shape

    @property
    def as_is(self) -> bool:
        return (
            self.order is None and not self.transposed and not self.less_one and self.tensor.dtype in FLOATS
        )


def _order(tensor: Tensor, own: str, architecture: Architecture, config: dict[str, Any]) -> Array | None:
    """Where in the file each of transformers' rows is."""
    rows = tensor.shape[0]
    if own == architecture.by_head:
        heads = config["num_attention_heads"]
        shape, swapped = (3, heads, rows // (3 * heads)), (0, 1)
    elif architecture.turned and own in ("attn_q", "attn_k"):
        heads = config["num_attention_heads" if own == "attn_q" else "num_key_value_heads"]
        if not 0 < heads <= rows:
            raise CheckpointError(f"{tensor.path}: tensor {tensor.name!r} has {rows} rows for {heads} heads")
        shape, swapped = (heads, rows // heads // 2, 2), (1, 2)
    else:
        return None
    places = np.arange(rows)
    if np.prod(shape) != rows:
        raise CheckpointError(f"{tensor.path}: tensor {tensor.name!r} has {rows} rows; expected a multiple "
                              f"of {shape[0] * shape[2 if swapped == (1, 2) else 1]}")  # fmt: skip
    return places.reshape(shape).swapaxes(*swapped).reshape(-1)


def _make(stored: _Stored, memory: MemoryFile, form: str) -> list[Tensor]:
    """form: the engine's format. Blocks of integers become float32, or bfloat16 where it would round them so
    (which is half the memory), or int4's codes.
    """
    tensor, name = stored.tensor, stored.name
    nbytes = BLOCKS[tensor.dtype][1]
    raw = np.frombuffer(b"".join(read_raw(tensor)), np.uint8).reshape(tensor.shape[0], -1)
    if stored.order is not None:
        raw = raw[stored.order]
    if tensor.dtype in FLOATS:
        numbers, kind = raw.reshape(-1).view(f"<u{nbytes}"), tensor.dtype
        if stored.less_one:
            numbers, kind = _less_one(numbers, kind), "F32"
    elif stored.coded and form == "int4":
        codes = codes_of(raw.reshape(-1, nbytes), len(raw))
        stem = name.removesuffix(".weight")
        return [
            memory.add(f"{stem}.qweight", codes.codes, "U8"),
            memory.add(f"{stem}.scales", codes.scales, "F16"),
        ]
    else:
        numbers, kind = values_of(tensor.dtype, raw.reshape(-1, nbytes)).reshape(-1), "F32"
        if form == "bfloat16" and stored.of_layer:
            numbers, kind = _bfloat16(numbers), "BF16"
    numbers = numbers.reshape(tensor.shape)
    return [memory.add(name, numbers.T if stored.transposed else numbers, kind)]


def _less_one(numbers: Array, kind: str) -> Array:
    if kind == "F32":
        return numbers.view("<f4") - np.float32(1)
    wide = (numbers.astype(np.uint32) << 16).view(np.float32) if kind == "BF16" else numbers.view("<f2")
    return wide.astype(np.float32) - np.float32(1)


def _bfloat16(numbers: Array) -> Array:
    """Rounded to the nearest, ties to even, as u16. Of finite numbers."""
    bits = numbers.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
