"""A model folder: its config and the place of every tensor. Weights are read later, by the engine."""

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from fastplm import _engine, adapter
from fastplm.config import PretrainedConfig
from fastplm.config_keys import engine_settings
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.families import family_of
from fastplm.hub import GGUF
from fastplm.quantization.stored import StoredCodes, read_codes
from fastplm.safetensors import FLOATS, MemoryFile, Tensor, read_floats, read_header, read_index

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"

# Other homes of weights, recognised by name alone: a pickle runs code as it is read, so none is opened.
_FOREIGN = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".h5", ".msgpack", ".onnx", ".tflite")
_DISTRIBUTED = re.compile(r"shard-\d{5}-model-\d{5}-of-\d{5}\.safetensors")  # torch's distributed checkpoints
_VARIANT = re.compile(r"[\w-]+(\.[\w-]+)*", re.ASCII)


class Checkpoint(NamedTuple):
    """config: checked settings. weights: the file, or the index of its shards. tensors: all, used or not.
    codes: of matrices that are integers already. made: of tensors that lie otherwise in a GGUF file, those
    that the engine reads in their place, for one of its formats.
    """

    config: PretrainedConfig
    weights: Path
    tensors: list[Tensor]
    lora: adapter.Adapter | None
    codes: StoredCodes | None = None
    made: Mapping[str, Callable[[MemoryFile, str], list[Tensor]]] = MappingProxyType({})

    @property
    def stored(self) -> str | None:
        """The dtype that the checkpoint was saved in: what config.json says, else that of a float tensor."""
        said = self.config.get("dtype") or self.config.get("torch_dtype")
        return said or next((FLOATS[t.dtype] for t in self.tensors if t.dtype in FLOATS), None)

    def build(self, class_name: str, dtype: str, pooled: bool = True) -> _engine.Model:
        """The model in the engine, as that class of transformers. pooled: with its pooler, if it has one.

        Raises CheckpointError or UnsupportedError, which name the files.
        """
        settings = engine_settings(self.config.to_dict())
        with self.opened(dtype) as tensors, self._as_codes(tensors) as given:
            try:
                return _engine.Model(self.config.model_type, class_name, settings, given, dtype, pooled)
            except (CheckpointError, UnsupportedError) as error:  # it knows settings and tensors, not files
                its = "metadata" if self.weights.suffix == GGUF else "config.json"
                message = self._in_files(str(error), given)
                raise type(error)(f"{self.weights} with its {its}: {message}") from None

    @contextlib.contextmanager
    def opened(self, form: str = "float32") -> Iterator[list[Tensor]]:
        """The tensors as the engine takes them for one of its formats: float64 rounded to float32, the
        adapter added, those of a GGUF file as transformers has them.
        """
        if self.lora is not None and family_of(self.config.model_type).transposed:
            raise UnsupportedError(f"{self.weights}: an adapter beside it; expected none: this family's "
                                   "transposed matrices take none yet")  # fmt: skip
        changed = {} if self.lora is None else self.lora.changes(self.tensors, self.config.model_type)
        wide = [t for t in self.tensors if t.dtype == "F64"]
        if not changed and not wide and not self.made:
            yield self.tensors
            return
        with MemoryFile() as memory:
            made = {t.name: [memory.add(t.name, read_floats(t))] for t in wide}
            made |= {name: [memory.add(name, change())] for name, change in changed.items()}
            made |= {name: make(memory, form) for name, make in self.made.items()}
            yield [given for t in self.tensors for given in made.get(t.name, [t])]

    @contextlib.contextmanager
    def _as_codes(self, tensors: list[Tensor]) -> Iterator[list[Tensor]]:
        """`tensors` with matrices of integers in the engine's layout."""
        if self.codes is None or not self.codes.replaced:
            yield tensors
            return
        with MemoryFile() as memory:
            yield list(self.codes.tensors(tensors, memory))

    def _in_files(self, message: str, given: list[Tensor]) -> str:
        """The engine's message with the types of the files' numbers, and without files in memory."""
        own = {tensor.name: tensor.path for tensor in self.tensors}
        for stored in self.tensors:
            is_read = stored.dtype in FLOATS or stored.name in self.made
            if not is_read and f'tensor "{stored.name}" is ' in message:
                expected = ", ".join(FLOATS)
                return f'{stored.path}: tensor "{stored.name}" is {stored.dtype}; expected {expected}'
        for tensor in given:
            if f'"{tensor.name}"' in message:
                message = message.replace(tensor.path, own.get(tensor.name, str(self.weights)))
        return message


def read_checkpoint(
    folder: str | os.PathLike[str], config: PretrainedConfig | None = None, variant: str | None = None
) -> Checkpoint:
    """Reads config.json, unless one is given, the headers of model.safetensors, or of the shards its index
    names, and a LoRA adapter beside them. Or of a GGUF file its metadata and its tensors.

    variant: reads model.`variant`.safetensors. Raises FileNotFoundError, CheckpointError, UnsupportedError;
    each names the file.
    """
    folder = Path(folder)
    if folder.suffix == GGUF and folder.is_file():
        return _read_gguf(folder, config, variant)
    lora = adapter.read(folder)
    if lora is not None and not (folder / "config.json").exists():
        raise UnsupportedError(
            f"{folder / adapter.CONFIG}: base_model_name_or_path is {lora.base!r}, and no file may send "
            "fastplm to another folder or repository; copy the adapter's two files into the base's folder"
        )
    config = config or PretrainedConfig.from_pretrained(folder)
    weights = find_weights(folder, variant)
    tensors = read_index(weights) if weights.name.endswith(".json") else read_header(weights)
    codes = read_codes(config.to_dict(), str(weights.parent / "config.json"), tensors)
    if codes is not None and lora is not None:
        raise UnsupportedError(
            f"{weights}: an adapter beside it; expected none: matrices of integers take none"
        )
    return Checkpoint(config, weights, tensors, lora, codes)


def _read_gguf(path: Path, config: PretrainedConfig | None, variant: str | None) -> Checkpoint:
    from fastplm.gguf.model import read_model

    if variant is not None:
        raise ValueError(f"variant: {variant!r} of the file {path}; expected None")
    model = read_model(path)
    own = PretrainedConfig.of(model.config, str(path), str(path))
    parts = _engine.describe(own.model_type, own.architectures[0], engine_settings(model.config))["weights"]
    known = {name for part in parts for name in part["names"]}
    for tensor in model.tensors:  # such as a bias that others add
        if tensor.name not in known:
            raise UnsupportedError(f"{path}: has what transformers calls {tensor.name!r}; this version runs "
                                   f"{own.model_type} models without it")  # fmt: skip
    return Checkpoint(config or own, path, model.tensors, None, None, model.made)


def find_weights(folder: Path, variant: str | None = None) -> Path:
    """The folder's single file or its index; the single file is preferred, as in transformers."""
    names = SINGLE, INDEX
    if variant is not None:
        if not _VARIANT.fullmatch(variant):
            raise ValueError(f"variant: {variant!r}; expected a part of a file's name, such as 'fp16'")
        names = f"model.{variant}.safetensors", f"model.safetensors.index.{variant}.json"
    for name in names:
        if (folder / name).exists():
            return folder / name
    found = sorted(p.name for p in folder.iterdir())
    for name in found:
        if _DISTRIBUTED.fullmatch(name):
            raise UnsupportedError(f"{folder / name}: part of a distributed checkpoint; expected {names[0]}")
    for name in found:
        if name.endswith(_FOREIGN):
            raise UnsupportedError(
                f"{folder / name}: fastplm reads safetensors only (a pickle can run code as it is read); "
                + _how(folder, name)
            )
    raise FileNotFoundError(f"{folder}: has neither {names[0]} nor {names[1]}")


def _how(folder: Path, name: str) -> str:
    """The way from a foreign file to safetensors."""
    if name.endswith(".bin"):
        from shlex import quote

        return f"convert it: fastplm convert {quote(str(folder))} OUT"
    return f"convert it: load it with its own library and save it as {SINGLE}"
