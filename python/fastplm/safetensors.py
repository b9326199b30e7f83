"""The safetensors format: where each tensor lies in a file, and nothing of its values.

Format: 8 bytes little-endian header length N, N bytes of JSON {name: {dtype, shape, data_offsets}}, then the
data. Every byte of the data must belong to exactly one tensor, so that a file cannot hide another one and
cannot claim the same bytes for many tensors. Source: the specification in huggingface/safetensors.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from fastplm.errors import CheckpointError
from fastplm.jsonfile import parse_json, read_json

if TYPE_CHECKING:
    from fastplm.arrays import F32, Array

MAX_HEADER = 100_000_000  # as the reference implementation
MAX_INDEX = 256 << 20
MAX_RANK = 64
_PIECE = 16 << 20

DTYPE_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "I64": 64, "U64": 64, "F64": 64, "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip

# What weights may be stored in, and the names of these types elsewhere.
FLOATS = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}

_LOOKALIKES = {  # first bytes of what people find in place of a safetensors file
    b"version https://git-lfs": "is a git-lfs pointer, not the weights: run `git lfs pull` in its repository",
    b"PK\x03\x04": "is a zip archive, probably a renamed torch .bin or .pt: convert it to safetensors",
    b"\x80\x02": "is a Python pickle, probably a renamed torch .bin or .pt: convert it to safetensors",
    b"GGUF": "is a GGUF file: give it a name that ends in .gguf",
    b"\x89HDF": "is an HDF5 file: convert it to safetensors",
    b"<!": "is an HTML page, probably a failed download",
    b"<html": "is an HTML page, probably a failed download",
}


class Tensor(NamedTuple):
    """Where one tensor lies: `nbytes` bytes at byte `offset` of the file at `path`."""

    name: str
    path: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    nbytes: int


def read_raw(tensor: Tensor) -> Iterator[bytes]:
    """The bytes of a tensor, in pieces of at most 16 MiB."""
    with open(tensor.path, "rb", opener=open_regular) as file:
        file.seek(tensor.offset)
        left = tensor.nbytes
        while left:
            piece = file.read(min(left, _PIECE))
            if not piece:
                raise CheckpointError(f"{tensor.path}: ends inside of tensor {tensor.name!r}")
            yield piece
            left -= len(piece)


def read_floats(tensor: Tensor) -> "F32":
    """The values of a tensor of one of FLOATS, rounded to float32."""
    raw = b"".join(read_raw(tensor))
    if tensor.dtype == "BF16":  # the upper half of a float32
        values = (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
    else:
        with np.errstate(over="ignore"):  # as torch does, beyond float32 is infinite
            values = np.frombuffer(raw, f"<f{DTYPE_BITS[tensor.dtype] // 8}").astype(np.float32)
    return values.reshape(tensor.shape)


class MemoryFile:
    """A file that is only in memory, for tensors that are computed before the engine reads them."""

    def __init__(self) -> None:
        self._file = os.fdopen(os.memfd_create("fastplm"), "wb")
        self.path = f"/proc/self/fd/{self._file.fileno()}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, name: str, values: "Array", dtype: str = "F32") -> Tensor:
        """Writes the values of tensor `name`, and says where they lie. dtype: as safetensors calls it."""
        offset = self._file.tell()
        self._file.write(np.ascontiguousarray(values).data)
        self._file.flush()
        return Tensor(name, self.path, dtype, values.shape, offset, values.nbytes)


def read_header(path: str | os.PathLike[str]) -> list[Tensor]:
    """The tensors of one .safetensors file, in file order.

    Raises FileNotFoundError, or CheckpointError naming the file and the tensor.
    """
    name = os.fspath(path)
    with open(path, "rb", opener=open_regular) as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(64)
        for magic, explanation in _LOOKALIKES.items():
            if start.startswith(magic) and not _plausible(start, size):
                raise CheckpointError(f"{name}: {explanation}")
        if size < 8:
            raise CheckpointError(f"{name}: {size} bytes; expected a safetensors file: at least 8 bytes")
        length = int.from_bytes(start[:8], "little")
        if not 0 < length <= min(size - 8, MAX_HEADER):
            raise CheckpointError(
                f"{name}: the header claims {length} bytes; expected 1 to {min(size - 8, MAX_HEADER)} "
                f"in a file of {size} bytes (truncated, or not a safetensors file)"
            )
        file.seek(8)
        header = parse_json(file.read(length), f"{name}: header")
    if not isinstance(header, dict):
        raise CheckpointError(f"{name}: the header is {_kind(header)}; expected an object")
    _check_metadata(header.pop("__metadata__", {}), name)
    data = 8 + length
    tensors = [_tensor(name, key, entry, data, size) for key, entry in header.items()]
    tensors.sort(key=lambda t: (t.offset, t.nbytes))
    _check_coverage(tensors, name, data, size)
    return tensors


def read_index(path: str | os.PathLike[str]) -> list[Tensor]:
    """The tensors of a sharded checkpoint, from its model.safetensors.index.json.

    Raises FileNotFoundError for a shard that is absent, or CheckpointError naming the file at fault.
    """
    name = os.fspath(path)
    index = read_json(path, max_bytes=MAX_INDEX)
    weight_map = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(weight_map, dict):
        raise CheckpointError(
            f"{name}: weight_map is {_kind(weight_map)}; expected an object of tensor: file"
        )
    by_shard: dict[str, list[str]] = {}
    for tensor, shard in weight_map.items():
        if not _is_inside(shard):
            raise CheckpointError(
                f"{name}: weight_map sends {tensor!r} to {shard!r}; expected a .safetensors file "
                "in this folder"
            )
        by_shard.setdefault(shard, []).append(tensor)
    return [t for shard, names in sorted(by_shard.items()) for t in _from_shard(name, shard, names)]


def _from_shard(index: str, shard: str, names: list[str]) -> list[Tensor]:
    path = Path(index).parent / shard
    if not path.exists():
        raise FileNotFoundError(f"{index}: its shard {shard} is missing from {path.parent}")
    found = {t.name: t for t in read_header(path)}
    lacking = [n for n in names if n not in found]
    if lacking:
        more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
        raise CheckpointError(
            f"{path}: lacks {', '.join(map(repr, lacking[:3]))}{more}, which {index} places there"
        )
    return [found[n] for n in names]


def _is_inside(shard: Any) -> bool:
    """Whether an index entry is a plain relative path to a .safetensors file.

    Symbolic links are followed: the Hub's cache is made of them, and who can place one can place the file.
    """
    if not isinstance(shard, str) or not shard.endswith(".safetensors"):
        return False
    bad_parts = {"", ".", ".."} & set(shard.split("/"))
    return not bad_parts and not shard.startswith("~") and not any(c in shard for c in "\\:\0")


def open_regular(path: str, flags: int) -> int:
    fd = os.open(path, flags | os.O_NONBLOCK)  # a FIFO must not hang
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise CheckpointError(f"{path}: not a regular file")
    return fd


def _plausible(start: bytes, size: int) -> bool:
    """Whether the first bytes can be a header length and JSON: a length may look like a magic number."""
    return int.from_bytes(start[:8], "little") <= size - 8 and start[8:].lstrip()[:1] == b"{"


def _check_metadata(metadata: Any, file: str) -> None:
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise CheckpointError(f"{file}: __metadata__ is no object of strings")


def _tensor(file: str, name: str, entry: Any, data: int, size: int) -> Tensor:
    def refuse(problem: str) -> CheckpointError:
        return CheckpointError(f"{file}: tensor {_short(name)}: {problem}")

    if not isinstance(entry, dict):
        raise refuse(f"described by {_kind(entry)}; expected an object")
    dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in DTYPE_BITS:
        raise refuse(f"dtype is {_short(dtype)}; expected one of {', '.join(DTYPE_BITS)}")
    if not isinstance(shape, list) or len(shape) > MAX_RANK or not all(_is_size(n) for n in shape):
        raise refuse(f"shape is {_short(shape)}; expected a list of at most {MAX_RANK} sizes")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(_is_size(n) for n in offsets):
        raise refuse(f"data_offsets is {_short(offsets)}; expected [begin, end]")
    begin, end = offsets
    if not begin <= end <= size - data:
        raise refuse(
            f"data_offsets is {offsets}; expected a range inside the file's {size - data} bytes of data"
        )
    bits = DTYPE_BITS[dtype]
    for n in shape:
        bits *= n
    if bits != 8 * (end - begin):
        raise refuse(
            f"{end - begin} bytes of data; expected {bits / 8:.15g} for {dtype} of shape {_short(shape)}"
        )
    return Tensor(name, file, dtype, tuple(shape), data + begin, end - begin)


def _check_coverage(tensors: list[Tensor], file: str, data: int, size: int) -> None:
    """Refuses bytes that belong to no tensor or to several. `tensors` is sorted by offset."""
    end = data
    for t in tensors:
        if t.offset != end:
            what = (
                "overlaps the tensor before it"
                if t.offset < end
                else f"leaves {t.offset - end} bytes unused before it"
            )
            raise CheckpointError(f"{file}: tensor {_short(t.name)} {what}")
        end += t.nbytes
    if end != size:
        raise CheckpointError(f"{file}: {size - end} bytes follow the last tensor; expected none")


def _is_size(n: Any) -> bool:
    return type(n) is int and 0 <= n < 1 << 63


def _kind(value: Any) -> str:
    return "missing or null" if value is None else f"a {type(value).__name__}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
