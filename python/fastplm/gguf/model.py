"""A GGUF file as a model: its config, its tensors, and those that are made as the engine reads them."""

from pathlib import Path
from typing import Any, NamedTuple

from fastplm.errors import UnsupportedError
from fastplm.gguf.architectures import ARCHITECTURES
from fastplm.gguf.keys import Keys
from fastplm.gguf.reader import read_gguf
from fastplm.gguf.settings import config_of
from fastplm.gguf.weights import Make, tensors_of
from fastplm.safetensors import Tensor


class GgufModel(NamedTuple):
    """config: settings of config.json. tensors, made: see weights.tensors_of."""

    config: dict[str, Any]
    tensors: list[Tensor]
    made: dict[str, Make]


def read_model(path: Path) -> GgufModel:
    """Raises FileNotFoundError, CheckpointError, UnsupportedError; each names the file and what is wrong."""
    metadata, tensors = read_gguf(path)
    keys = Keys(str(path), metadata)
    architecture = ARCHITECTURES.get(keys.architecture)
    if architecture is None:
        raise UnsupportedError(
            f"{path}: general.architecture is {keys.architecture!r}; this version reads "
            f"{', '.join(ARCHITECTURES)} from GGUF files"
        )
    config = config_of(keys, architecture, {tensor.name: tensor for tensor in tensors})
    return GgufModel(config, *tensors_of(tensors, architecture, config))
