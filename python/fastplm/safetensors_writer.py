"""Safetensors files, written: one, or shards with an index, as transformers names and cuts them."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from fastplm.checkpoint import INDEX, SINGLE
from fastplm.files import replacing
from fastplm.safetensors import DTYPE_BITS, Tensor, read_raw

_METADATA = {"format": "pt"}  # transformers asks for it


class Part(NamedTuple):
    """A tensor to write. dtype: as safetensors calls it. read: gives its nbytes bytes, in pieces."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    read: Callable[[], Iterable[Any]]


def part_of(tensor: Tensor) -> Part:
    """A tensor that lies in a file, to be written as it is."""
    return Part(tensor.name, tensor.dtype, tensor.shape, tensor.nbytes, lambda: read_raw(tensor))


def write_weights(folder: Path, parts: list[Part], most: int | None = None) -> list[str]:
    """Writes model.safetensors into `folder`, or shards and their index if there are more than `most` bytes;
    the names of the files. Each file is written whole or not at all.
    """
    shards = list(_shards(parts, most))
    if len(shards) == 1:
        write_file(folder / SINGLE, shards[0])
        return [SINGLE]
    names = [f"model-{i + 1:05}-of-{len(shards):05}.safetensors" for i in range(len(shards))]
    for name, shard in zip(names, shards, strict=True):
        write_file(folder / name, shard)
    write_index(folder, {name: shard for name, shard in zip(names, shards, strict=True)})
    return [*names, INDEX]


def write_file(path: Path, parts: list[Part]) -> None:
    """One file. Wide types come first, as the reference implementation sorts them: all stay aligned."""
    header: dict[str, Any] = {"__metadata__": _METADATA}
    parts = sorted(parts, key=lambda part: (-DTYPE_BITS[part.dtype], part.name))
    end = 0
    for part in parts:
        begin, end = end, end + part.nbytes
        header[part.name] = {"dtype": part.dtype, "shape": list(part.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with replacing(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for part in parts:
            for piece in part.read():
                file.write(piece)


def write_index(folder: Path, shards: dict[str, list[Part]]) -> None:
    """The index that says which shard has which tensor."""
    places = {part.name: name for name, shard in shards.items() for part in shard}
    total = sum(part.nbytes for shard in shards.values() for part in shard)
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(places.items()))}
    with replacing(folder / INDEX, "w") as file:
        json.dump(index, file, ensure_ascii=False, indent=2)


def _shards(parts: list[Part], most: int | None) -> Iterator[list[Part]]:
    """`parts` in their order, in lists of at most `most` bytes, or of one tensor that is larger."""
    shard: list[Part] = []
    size = 0
    for part in parts:
        if shard and most is not None and size + part.nbytes > most:
            yield shard
            shard, size = [], 0
        shard.append(part)
        size += part.nbytes
    yield shard
