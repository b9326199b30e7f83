"""A model folder: its config and the place of every tensor. Weights are read later, by the engine."""

import os
from pathlib import Path
from typing import NamedTuple

from fastplm.config import PretrainedConfig
from fastplm.errors import UnsupportedError
from fastplm.safetensors import Tensor, read_header, read_index

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"

# Other homes of weights, recognised by name alone: a pickle runs code as it is read, so none is opened.
_FOREIGN = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".h5", ".msgpack", ".onnx", ".gguf", ".tflite")


class Checkpoint(NamedTuple):
    """config: checked settings. tensors: every tensor of the checkpoint, used or not."""

    folder: Path
    config: PretrainedConfig
    tensors: list[Tensor]


def read_checkpoint(folder: str | os.PathLike[str]) -> Checkpoint:
    """Reads config.json and the headers of model.safetensors, or of the shards its index names.

    Raises FileNotFoundError, CheckpointError, UnsupportedError; each names the file.
    """
    folder = Path(folder)
    return Checkpoint(folder, PretrainedConfig.from_pretrained(folder), read_tensors(folder))


def read_tensors(folder: Path) -> list[Tensor]:
    """Where the folder's tensors lie; a single file is preferred to shards, as in transformers."""
    if (folder / SINGLE).exists():
        return read_header(folder / SINGLE)
    if (folder / INDEX).exists():
        return read_index(folder / INDEX)
    foreign = sorted(p.name for p in folder.iterdir() if p.suffix in _FOREIGN)
    if foreign:
        raise UnsupportedError(
            f"{folder / foreign[0]}: fastplm reads safetensors only (a pickle can run code as it is read); "
            f"convert it: load it with transformers and call save_pretrained, which writes {SINGLE}"
        )
    raise FileNotFoundError(f"{folder}: has neither {SINGLE} nor {INDEX}")
