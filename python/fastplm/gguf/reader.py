"""The GGUF format: metadata, and where each tensor lies in a file; nothing of its values.

Format, little-endian: "GGUF", version u32, counts of tensors and of metadata u64; each metadatum a key, the
type of its value u32, the value; each tensor a name, its number of sizes u32, the sizes u64 with the last one
of ours first, its kind u32, its offset u64 from the data, which begins at the next multiple of
general.alignment. A string is its length u64 and UTF-8; an array the type of its values u32, their count u64,
the values. Every byte of the data but padding must belong to exactly one tensor, as in safetensors.
Source: docs/gguf.md and src/gguf.cpp in ggml-org/ggml.
"""

import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.safetensors import Tensor, open_regular

_U32, _U64 = struct.Struct("<I"), struct.Struct("<Q")
_NUMBERS = {
    0: "<u1", 1: "<i1", 2: "<u2", 3: "<i2", 4: "<u4", 5: "<i4", 6: "<f4", 7: "?", 10: "<u8", 11: "<i8",
    12: "<f8",
}  # fmt: skip
_STRING, _ARRAY = 8, 9
_LARGEST_KEY, _LARGEST_RANK, _LARGEST_ALIGNMENT = (1 << 16) - 1, 4, 1 << 20  # the first two are the format's
_LARGEST_COUNT = 1 << 23  # of strings: each is an object here; vocabularies have about 2^18

# What is read, by ggml's numbers: a block's values and bytes.
KINDS = {0: "F32", 1: "F16", 2: "Q4_0", 8: "Q8_0", 14: "Q6_K", 30: "BF16"}
BLOCKS = {
    "F32": (1, 4),
    "F16": (1, 2),
    "BF16": (1, 2),
    "Q4_0": (32, 18),
    "Q8_0": (32, 34),
    "Q6_K": (256, 210),
}
_OTHER_KINDS = {
    3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 15: "Q8_K",
    16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S",
    23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0",
    39: "MXFP4", 40: "NVFP4",
}  # fmt: skip

Metadata = dict[str, Any]


def read_metadata(path: str | os.PathLike[str]) -> Metadata:
    """All metadata: str, bool, int and float, lists of str, arrays of numbers. A float32 is the shortest
    decimal that rounds to it, as it stood in config.json. Raises FileNotFoundError, CheckpointError.
    """
    with _opened(path) as file:
        return file.metadata(strings=True)


def read_gguf(path: str | os.PathLike[str]) -> tuple[Metadata, list[Tensor]]:
    """Metadata without its lists of strings, of which only the length is given, and the tensors by offset,
    their sizes in torch's order. Raises FileNotFoundError, CheckpointError, UnsupportedError (a kind of
    tensors that fastplm does not read); each names the file.
    """
    with _opened(path) as file:
        metadata = file.metadata(strings=False)
        return metadata, file.tensors(metadata.get("general.alignment", 32))


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator["_File"]:
    name = os.fspath(path)
    with open(name, "rb", opener=open_regular) as file:
        size = os.fstat(file.fileno()).st_size
        if size < 24:
            raise CheckpointError(f"{name}: {size} bytes; expected a GGUF file: at least 24 bytes")
        with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as data:
            yield _File(name, data, size)


class _File:
    """A place in a file that moves on with what is read; every read is checked against the file's size."""

    def __init__(self, name: str, data: mmap.mmap, size: int) -> None:
        self._name, self._data, self._size, self._at = name, data, size, 4
        if data[:4] != b"GGUF":
            raise self._fail(f"begins with {data[:4]!r}; expected a GGUF file: b'GGUF'")
        version = self._u32()
        if version not in (2, 3):
            swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
            got = "big-endian" if swapped in (1, 2, 3) else f"version {version} of GGUF"
            raise UnsupportedError(f"{name}: {got}; expected version 2 or 3, little-endian")
        self._tensors = self._count(24, "tensors")
        self._metadata = self._count(13, "metadata")

    def metadata(self, strings: bool) -> Metadata:
        found: Metadata = {}
        for _ in range(self._metadata):
            key = self._string("a key", _LARGEST_KEY)
            if key in found:
                raise self._fail(f"the key {key!r} appears twice; expected it once")
            found[key] = self._value(key, self._u32(), strings)
        return found

    def tensors(self, alignment: Any) -> list[Tensor]:
        if type(alignment) is not int or not 0 < alignment <= _LARGEST_ALIGNMENT or alignment % 8:
            raise self._fail(f"general.alignment is {alignment!r}; expected a multiple of 8")
        found, names = [], set()
        for _ in range(self._tensors):
            name = self._string("a tensor's name", _LARGEST_KEY)
            if name in names:
                raise self._fail(f"tensor {_short(name)} appears twice; expected it once")
            names.add(name)
            found.append(self._tensor(name, alignment))
        data = -(-self._at // alignment) * alignment
        found = [tensor._replace(offset=data + tensor.offset) for tensor in found]
        found.sort(key=lambda tensor: tensor.offset)
        self._check_coverage(found, data, alignment)
        return found

    def _tensor(self, name: str, alignment: int) -> Tensor:
        """Its offset is from the data still."""

        def fail(problem: str) -> CheckpointError:
            return self._fail(f"tensor {_short(name)}: {problem}")

        rank = self._u32()
        if not 1 <= rank <= _LARGEST_RANK:
            raise fail(f"has {rank} sizes; expected 1 to {_LARGEST_RANK}")
        shape = tuple(reversed([self._u64() for _ in range(rank)]))
        number, offset = self._u32(), self._u64()
        if number not in KINDS:
            kind = _OTHER_KINDS.get(number, f"of the unknown kind {number}")
            raise UnsupportedError(
                f"{self._name}: tensor {_short(name)} is {kind}; expected one of {', '.join(BLOCKS)}"
            )
        kind = KINDS[number]
        values, nbytes = BLOCKS[kind]
        if 0 in shape or shape[-1] % values:
            raise fail(
                f"{kind} of shape {list(shape)}; expected rows of a multiple of {values}, at least one"
            )
        for n in shape:
            nbytes *= n
        nbytes //= values
        if offset % alignment:
            raise fail(f"has the offset {offset}; expected a multiple of {alignment}")
        if offset + nbytes > self._size:
            raise fail(f"{nbytes} bytes at {offset}; expected a range inside the file's {self._size} bytes")
        return Tensor(name, self._name, kind, shape, offset, nbytes)

    def _check_coverage(self, tensors: list[Tensor], data: int, alignment: int) -> None:
        end = data
        for tensor in tensors:
            if not 0 <= tensor.offset - end < alignment:
                what = "overlaps the tensor before it" if tensor.offset < end else (
                    f"leaves {tensor.offset - end} bytes unused before it")  # fmt: skip
                raise self._fail(f"tensor {_short(tensor.name)} {what}")
            end = tensor.offset + tensor.nbytes
        if tensors and not 0 <= self._size - end < alignment:
            raise self._fail(f"the tensors end at byte {end}; expected the file's end, {self._size}")

    def _value(self, key: str, kind: int, strings: bool) -> Any:
        if kind == _STRING:
            return self._string(key)
        if kind in _NUMBERS:
            return _plain(self._numbers(key, kind, 1)[0])
        if kind != _ARRAY:
            raise self._fail(f"{key} has the type {kind}; expected 0 to 12")
        kind, count = self._u32(), self._u64()
        if kind in _NUMBERS:
            return self._numbers(key, kind, count)
        if kind != _STRING:
            raise self._fail(f"{key} is an array of the type {kind}; expected numbers or strings")
        if count > min(_LARGEST_COUNT, (self._size - self._at) // 8):
            raise self._fail(f"{key} has {count} strings; expected as many as there is room for")
        if strings:
            return [self._string(key) for _ in range(count)]
        for _ in range(count):
            self._skip(self._u64(), key)
        return count

    def _numbers(self, key: str, kind: int, count: int) -> Any:
        dtype = np.dtype(_NUMBERS[kind])
        start = self._skip(count * dtype.itemsize, key)
        numbers = np.frombuffer(self._data[start : self._at], dtype)
        if kind == 7 and numbers.view(np.uint8).max(initial=0) > 1:
            raise self._fail(f"{key} is no boolean; expected 0 or 1")
        return numbers

    def _string(self, what: str, longest: int | None = None) -> str:
        length = self._u64()
        if longest is not None and length > longest:
            raise self._fail(f"{what} has {length} bytes; expected at most {longest}")
        start = self._skip(length, what)
        try:
            return self._data[start : self._at].decode()
        except UnicodeDecodeError as error:
            raise self._fail(f"{what} is no UTF-8 (byte {start + error.start})") from None

    def _skip(self, length: int, what: str) -> int:
        """Where what is `length` bytes long begins; moves behind it."""
        start = self._at
        if length > self._size - start:
            raise self._fail(f"{what} takes {length} bytes at {start}; expected them within {self._size}")
        self._at += length
        return start

    def _u32(self) -> int:
        return int(_U32.unpack_from(self._data, self._skip(4, "a number"))[0])

    def _u64(self) -> int:
        return int(_U64.unpack_from(self._data, self._skip(8, "a number"))[0])

    def _count(self, smallest: int, what: str) -> int:
        """Of things that take `smallest` bytes at least."""
        count = self._u64()
        if count > (self._size - self._at) // smallest:
            raise self._fail(f"claims {count} {what}; expected as many as fit into its {self._size} bytes")
        return count

    def _fail(self, problem: str) -> CheckpointError:
        return CheckpointError(f"{self._name}: {problem}")


def _plain(number: Any) -> Any:
    return float(str(number)) if number.dtype == np.float32 else number.item()


def _short(name: str) -> str:
    text = repr(name)
    return text if len(text) <= 80 else text[:77] + "..."
