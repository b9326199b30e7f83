"""Blocks of integers: their values, and their codes as the engine has them.

Q8_0: a float16 scale and 32 int8. Q4_0: a float16 scale and 16 bytes, whose low halves are the first 16
values plus 8, the high ones the rest. Q6_K, which llama.cpp takes for the embeddings of its q4_0 files: 128
bytes of the low four bits of 256 values plus 32, 64 bytes of the high two, 16 int8 scales and a float16 scale
of these. Source: ggml/src/ggml-common.h, ggml-quants.c.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from fastplm.arrays import F32, Array


class Codes(NamedTuple):
    """codes: u8 [rows, values / 2], the first of two neighbours low in a byte. scales: f16 [rows, groups]."""

    codes: "Array"
    scales: "Array"


def values_of(kind: str, blocks: "Array") -> "F32":
    """f32 [blocks, values] of u8 [blocks, bytes], in float32 arithmetic as llama.cpp's."""
    with np.errstate(invalid="ignore", over="ignore"):  # a scale may be anything
        values: F32 = _VALUES[kind](blocks)
    return values


def codes_of(blocks: "Array", rows: int) -> Codes:
    """Of Q4_0, whose groups of 32 with a zero at 8 are the engine's int4."""
    low, high = blocks[:, 2:] & 15, blocks[:, 2:] >> 4
    codes = np.concatenate((low[:, ::2] | low[:, 1::2] << 4, high[:, ::2] | high[:, 1::2] << 4), 1)
    return Codes(codes.reshape(rows, -1), _scales(blocks, 0).reshape(rows, -1))


def _q8_0(blocks: "Array") -> "Array":
    return _scales(blocks, 0).astype(np.float32) * blocks[:, 2:].view(np.int8)


def _q4_0(blocks: "Array") -> "Array":
    codes = np.concatenate((blocks[:, 2:] & 15, blocks[:, 2:] >> 4), 1).astype(np.int8) - 8
    return _scales(blocks, 0).astype(np.float32) * codes


def _q6_k(blocks: "Array") -> "Array":
    count = len(blocks)
    low, high = blocks[:, :128].reshape(count, 2, 64), blocks[:, 128:192].reshape(count, 2, 32)
    low = np.concatenate((low & 15, low >> 4), 2)  # 128 values of each half
    high = np.concatenate([high >> shift & 3 for shift in (0, 2, 4, 6)], 2)
    codes = (low | high << 4).astype(np.int8) - 32
    scales = _scales(blocks, 208).astype(np.float32) * blocks[:, 192:208].view(np.int8)
    values: Array = scales[:, :, None] * codes.reshape(count, 16, 16)
    return values.reshape(count, 256)


def _scales(blocks: "Array", at: int) -> "Array":
    """f16 [blocks, 1]"""
    return np.ascontiguousarray(blocks[:, at : at + 2]).view("<f2")


_VALUES = {"Q8_0": _q8_0, "Q4_0": _q4_0, "Q6_K": _q6_k}
