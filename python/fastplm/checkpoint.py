"""A model folder: its config and the place of every tensor. Weights are read later, by the engine."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fastplm import _engine, adapter
from fastplm.config import PretrainedConfig
from fastplm.config_keys import engine_settings
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.families import family_of
from fastplm.quantization.stored import StoredCodes, read_codes
from fastplm.safetensors import FLOATS, MemoryFile, Tensor, read_floats, read_header, read_index

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"

# Other homes of weights, recognised by name alone: a pickle runs code as it is read, so none is opened.
_FOREIGN = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".h5", ".msgpack", ".onnx", ".gguf", ".tflite")
_DISTRIBUTED = re.compile(r"shard-\d{5}-model-\d{5}-of-\d{5}\.safetensors")  # torch's distributed checkpoints
_VARIANT = re.compile(r"[\w-]+(\.[\w-]+)*", re.ASCII)


class Checkpoint(NamedTuple):
    """config: checked settings. weights: the file, or the index of its shards. tensors: all, used or not.
    codes: of matrices that are integers already.
    """

    config: PretrainedConfig
    weights: Path
    tensors: list[Tensor]
    lora: adapter.Adapter | None
    codes: StoredCodes | None = None

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
        with self.opened() as tensors, self._as_codes(tensors) as given:
            try:
                return _engine.Model(self.config.model_type, class_name, settings, given, dtype, pooled)
            except (CheckpointError, UnsupportedError) as error:  # it knows settings and tensors, not files
                message = self._in_files(str(error), tensors)
                for path in {tensor.path for tensor in given} - {tensor.path for tensor in tensors}:
                    message = message.replace(path, str(self.weights))
                raise type(error)(f"{self.weights} with its config.json: {message}") from None

    @contextlib.contextmanager
    def opened(self) -> Iterator[list[Tensor]]:
        """The tensors as the engine takes them: float64 rounded to float32, and the adapter added."""
        if self.lora is not None and family_of(self.config.model_type).transposed:
            raise UnsupportedError(f"{self.weights}: an adapter beside it; expected none: this family's "
                                   "transposed matrices take none yet")  # fmt: skip
        changed = {} if self.lora is None else self.lora.changes(self.tensors, self.config.model_type)
        wide = [t for t in self.tensors if t.dtype == "F64"]
        if not changed and not wide:
            yield self.tensors
            return
        with MemoryFile() as memory:
            made = {t.name: memory.add(t.name, read_floats(t)) for t in wide}
            made |= {name: memory.add(name, change()) for name, change in changed.items()}
            yield [made.get(t.name, t) for t in self.tensors]

    @contextlib.contextmanager
    def _as_codes(self, tensors: list[Tensor]) -> Iterator[list[Tensor]]:
        """`tensors` with matrices of integers in the engine's layout."""
        if self.codes is None or not self.codes.replaced:
            yield tensors
            return
        with MemoryFile() as memory:
            yield list(self.codes.tensors(tensors, memory))

    def _in_files(self, message: str, tensors: list[Tensor]) -> str:
        """The engine's message with the types of the files' numbers, and without files in memory."""
        for given, stored in zip(tensors, self.tensors, strict=True):
            if stored.dtype not in FLOATS and f'tensor "{stored.name}" is ' in message:
                expected = ", ".join(FLOATS)
                return f'{stored.path}: tensor "{stored.name}" is {stored.dtype}; expected {expected}'
            if given is not stored:
                message = message.replace(given.path, stored.path)
        return message


def read_checkpoint(
    folder: str | os.PathLike[str], config: PretrainedConfig | None = None, variant: str | None = None
) -> Checkpoint:
    """Reads config.json, unless one is given, the headers of model.safetensors, or of the shards its index
    names, and a LoRA adapter beside them.

    variant: reads model.`variant`.safetensors. Raises FileNotFoundError, CheckpointError, UnsupportedError;
    each names the file.
    """
    folder = Path(folder)
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
