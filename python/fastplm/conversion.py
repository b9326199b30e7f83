"""Folders whose weights are pickles (pytorch_model.bin) as folders of safetensors.

A pickle is a program. torch's restricted reader (weights_only=True) runs the few calls that tensors are made
of and no other; what it makes is bounded here by the bytes of the file.
"""

import functools
import os
import pickle
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from fastplm.checkpoint import INDEX, SINGLE
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.hub import FILES
from fastplm.jsonfile import read_json
from fastplm.safetensors import MAX_INDEX
from fastplm.safetensors_writer import Part, write_file, write_index
from fastplm.sentence.files import read_places

PICKLE, PICKLE_INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
ADAPTER = "adapter_model.bin"
_TEMPLATES = "additional_chat_templates"  # the only other folder that a tokenizer reads
_ABOUT = ("LICENSE*", "README.md")

# Torch's dtypes as safetensors calls them.
_DTYPES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "bool": "BOOL", "uint8": "U8",
    "int8": "I8", "int16": "I16", "int32": "I32", "int64": "I64", "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
}  # fmt: skip


class Converted(NamedTuple):
    """What was written: the weights' files within the folder, their tensors and bytes."""

    files: list[str]
    tensors: int
    nbytes: int


def convert(folder: str | os.PathLike[str], out: str | os.PathLike[str]) -> Converted:
    """Writes the model of `folder` to `out`, a new or empty folder: its pytorch_model.bin (or the shards of
    its index) and adapter_model.bin as safetensors; its configuration, tokenizer, license and README as they
    are. Of a sentence encoder, the folders of its modules too. Needs torch.

    Tensors that are one in memory are written once where config.json ties them. Nothing outside of `folder`
    is read, and `out` appears when all of it is written. Raises FileNotFoundError, CheckpointError (no
    tensors, damaged, a path that leads out), UnsupportedError (a kind of tensors that safetensors lacks),
    FileExistsError.
    """
    folder, out = Path(folder), Path(out)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder")
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise FileExistsError(f"{out}: is there already; expected a new or an empty folder")
    places = list(dict.fromkeys(["", *read_places(folder)]))
    if not any(_pickles(folder / place) for place in places):
        raise FileNotFoundError(f"{folder}: has neither {PICKLE} nor {PICKLE_INDEX}; nothing to convert")
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        written = [_convert(folder, place, part / place) for place in places]
        part.replace(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    files = [str(Path(place) / name) for place, done in zip(places, written, strict=True) for name in done[0]]
    return Converted(files, sum(done[1] for done in written), sum(done[2] for done in written))


def _convert(root: Path, place: str, out: Path) -> tuple[list[str], int, int]:
    folder = root / place
    found = _pickles(folder)
    copy_files(root, folder, out, with_weights=not set(found) - {ADAPTER})
    ties = _ties(folder)
    shards = {}
    for name in found:
        path = _inside(root, folder / name)
        new = name.replace("pytorch_model", "model").removesuffix(".bin") + ".safetensors"
        parts = _parts(path, ties)
        write_file(out / new, parts)
        shards[new] = [part._replace(read=tuple) for part in parts]  # whose memory can go
    weights = {name: parts for name, parts in shards.items() if name.startswith("model")}
    if SINGLE not in weights and weights:
        write_index(out, weights)
    every = [part for parts in shards.values() for part in parts]
    return list(shards), len(every), sum(part.nbytes for part in every)


def _pickles(folder: Path) -> list[str]:
    """The names of a folder's files to convert."""
    adapter = [ADAPTER] if (folder / ADAPTER).exists() else []
    if (folder / SINGLE).exists() or (folder / INDEX).exists():
        return adapter
    if (folder / PICKLE).exists():
        return [PICKLE, *adapter]
    path = folder / PICKLE_INDEX
    if not path.exists():
        return adapter
    index = read_json(path, max_bytes=MAX_INDEX)
    places = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(places, dict) or not places:
        raise CheckpointError(f"{path}: has no weight_map; expected an object of tensor: file")
    for name in places.values():
        if not isinstance(name, str) or Path(name).name != name or not name.endswith(".bin"):
            raise CheckpointError(f"{path}: weight_map names {name!r}; expected a .bin file in this folder")
        if not (folder / name).exists():
            raise FileNotFoundError(f"{path}: its shard {name} is missing from {folder}")
    return [*sorted(set(places.values())), *adapter]


def copy_files(root: Path, folder: Path, out: Path, *, with_weights: bool) -> None:
    """Copies what fastplm reads in `folder` beside weights, its license and README, and weights that are
    safetensors already. No link may lead out of `root`.
    """
    out.mkdir(parents=True, exist_ok=True)
    patterns = (*FILES, *_ABOUT, f"{_TEMPLATES}/*.jinja", *(("*.safetensors",) if with_weights else ()))
    gone = (PICKLE_INDEX,) if with_weights else (PICKLE_INDEX, INDEX)
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            if path.is_file() and path.name not in gone:
                copy = out / path.relative_to(folder)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(_inside(root, path), copy)


def _inside(root: Path, path: Path) -> Path:
    """`path`, unless a link leads out of the folder. The hub's cache is made of links within a repository."""
    top = root.resolve()
    if top.parent.name == "snapshots":
        top = top.parent.parent
    if not path.resolve().is_relative_to(top):
        raise CheckpointError(f"{path}: a link to {path.resolve()}; expected a file inside of {root}")
    return path


def _ties(folder: Path) -> bool:
    """Whether a reader ties what is tied, so that one of two equal tensors is enough."""
    path = folder / "config.json"
    config = read_json(path) if path.exists() else None
    return isinstance(config, dict) and config.get("tie_word_embeddings", True) is True


def _parts(path: Path, ties: bool) -> list[Part]:
    """The tensors of a pickle, in its order: modules that others are tied to come first."""
    parts, seen = [], set()
    for name, tensor in _load(path):
        dtype = _DTYPES.get(str(tensor.dtype).removeprefix("torch."))
        if dtype is None or str(tensor.layout) != "torch.strided" or tensor.is_quantized:
            raise UnsupportedError(
                f"{path}: tensor {name!r} is {tensor.dtype}, {tensor.layout}; expected dense numbers of "
                f"{', '.join(_DTYPES)}"
            )
        nbytes = tensor.numel() * tensor.element_size()
        storage = tensor.untyped_storage()
        if nbytes > storage.nbytes():
            raise CheckpointError(
                f"{path}: tensor {name!r} has {storage.nbytes()} bytes; expected {nbytes} for its shape "
                f"{list(tensor.shape)}"
            )
        same = (storage.data_ptr(), tensor.storage_offset(), dtype, tensor.shape, tensor.stride())
        if ties and nbytes and same in seen:
            continue
        seen.add(same)
        parts.append(Part(name, dtype, tuple(tensor.shape), nbytes, functools.partial(_bytes, tensor)))
    return parts


def _bytes(tensor: Any) -> list[Any]:
    import torch

    return [tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy()]


def _load(path: Path) -> Iterator[tuple[str, Any]]:
    """Names and tensors of a pickle."""
    try:
        import torch
    except ModuleNotFoundError:
        raise ModuleNotFoundError(f"{path}: converting it needs torch: pip install torch") from None
    if not path.is_file():
        raise CheckpointError(f"{path}: not a regular file")
    zipped = zipfile.is_zipfile(path)
    if zipped:
        _check_archive(path)
    try:
        values = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except (pickle.UnpicklingError, RuntimeError, ValueError, TypeError, KeyError, IndexError, EOFError,
            AttributeError, AssertionError, OverflowError, MemoryError) as error:  # fmt: skip
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise CheckpointError(
            f"{path}: {reason[0][:300]}; expected tensors and nothing else, as torch.save writes them"
        ) from None
    if not isinstance(values, dict):
        raise CheckpointError(f"{path}: holds a {type(values).__name__}; expected tensors by name")
    for name, value in values.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise CheckpointError(
                f"{path}: holds a {type(value).__name__} called {name!r}; expected tensors by name alone"
            )
        yield name, value


def _check_archive(path: Path) -> None:
    """Refuses archives that are larger than they look: torch compresses nothing."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise CheckpointError(f"{path}: {error}; expected what torch.save writes") from None
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries) or (
        sum(entry.file_size for entry in entries) > path.stat().st_size
    ):
        raise CheckpointError(f"{path}: a compressed archive; expected what torch.save writes")
