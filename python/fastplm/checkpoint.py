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
    """config: checked settings. weights: the file, or the index of its shards. tensors: all, used or not."""

    config: PretrainedConfig
    weights: Path
    tensors: list[Tensor]


def read_checkpoint(folder: str | os.PathLike[str]) -> Checkpoint:
    """Reads config.json and the headers of model.safetensors, or of the shards its index names.

    Raises FileNotFoundError, CheckpointError, UnsupportedError; each names the file.
    """
    folder = Path(folder)
    config = PretrainedConfig.from_pretrained(folder)
    weights = find_weights(folder)
    tensors = read_index(weights) if weights.name == INDEX else read_header(weights)
    return Checkpoint(config, weights, tensors)


def find_weights(folder: Path) -> Path:
    """The folder's single file or its index; the single file is preferred, as in transformers."""
    for name in (SINGLE, INDEX):
        if (folder / name).exists():
            return folder / name
    foreign = sorted(p.name for p in folder.iterdir() if p.suffix in _FOREIGN)
    if foreign:
        raise UnsupportedError(
            f"{folder / foreign[0]}: fastplm reads safetensors only (a pickle can run code as it is read); "
            f"convert it: load it with transformers and call save_pretrained, which writes {SINGLE}"
        )
    raise FileNotFoundError(f"{folder}: has neither {SINGLE} nor {INDEX}")
