"""A model folder with its matrices as integers."""

import functools
import json
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from fastplm import _engine
from fastplm.arrays import Array
from fastplm.checkpoint import INDEX, SINGLE, Checkpoint, read_checkpoint
from fastplm.config_keys import engine_settings
from fastplm.conversion import copy_files
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.families import family_of
from fastplm.files import replacing
from fastplm.naming import stem
from fastplm.quantization.formats import WeightFormat
from fastplm.safetensors_writer import Part, part_of, write_weights
from fastplm.sentence.files import read_places


class Quantized(NamedTuple):
    """What was written: the format, how many matrices have it, the bytes of all weights before and after, and
    where within the folder they lie.
    """

    dtype: str
    matrices: int
    nbytes: tuple[int, int]
    place: str


def quantize(
    folder: str | os.PathLike[str], out: str | os.PathLike[str], weight_format: WeightFormat
) -> Quantized:
    """Writes the model of `folder` to `out`, a new or empty folder: the matrices of its layers as integers,
    as `from_pretrained(folder, quantization_config=...)` rounds them, so that both load as the same model,
    bit for bit; its other weights, configuration, tokenizer and README as they are. Of a sentence encoder,
    the folders of its modules too.

    `out` appears when all of it is written. Raises FileNotFoundError, CheckpointError, UnsupportedError (a
    model whose matrices are integers already, an adapter), FileExistsError.
    """
    folder, out = Path(folder), Path(out)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder")
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise FileExistsError(f"{out}: is there already; expected a new or an empty folder")
    place, *others = _places(folder)
    checkpoint = read_checkpoint(folder / place)
    if checkpoint.codes is not None:
        raise UnsupportedError(f"{folder / place}: its weights are integers already; expected floats")
    if checkpoint.lora is not None:
        raise UnsupportedError(f"{folder / place}: has an adapter; expected none: merge it first")
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        copy_files(folder, folder / place, part / place, with_weights=False)
        for other in others:
            copy_files(folder, folder / other, part / other, with_weights=True)
        matrices, nbytes = _write(checkpoint, part / place, weight_format)
        part.replace(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    before = sum(tensor.nbytes for tensor in checkpoint.tensors)
    return Quantized(weight_format.name, matrices, (before, nbytes), place)


def model_place(folder: Path) -> str:
    """Where in `folder` the model lies: "" but for some sentence encoders. Raises CheckpointError."""
    return _places(folder)[0]


def _places(folder: Path) -> list[str]:
    """The folder of the model within `folder`, then those of other modules."""
    places = list(dict.fromkeys(["", *read_places(folder)]))
    models = [place for place in places if _is_model(folder / place)]
    if len(models) != 1:
        raise CheckpointError(f"{folder}: has {len(models)} models of config.json and {SINGLE}; expected one")
    return [models[0], *(place for place in places if place != models[0])]


def _is_model(folder: Path) -> bool:
    return (folder / "config.json").exists() and ((folder / SINGLE).exists() or (folder / INDEX).exists())


def _write(checkpoint: Checkpoint, out: Path, weight_format: WeightFormat) -> tuple[int, int]:
    """How many matrices are integers now, and the bytes of all weights."""
    config = checkpoint.config.to_dict()
    with checkpoint.opened() as tensors:
        made = _engine.quantise(
            checkpoint.config.model_type,
            _class_name(checkpoint),
            engine_settings(config),
            tensors,
            weight_format.name,
        )
        gone = {replaced for _, replaced, *_ in made}
        parts = [part_of(tensor) for tensor in tensors if tensor.name not in gone]
        parts += [
            Part(name, dtype, shape, values.nbytes, functools.partial(_pieces, values))
            for name, _, dtype, shape, values in made
        ]
        write_weights(out, parts)
    config["quantization_config"] = weight_format.settings
    with replacing(out / "config.json", "w") as file:
        json.dump(config, file, ensure_ascii=False, indent=2, sort_keys=True)
        file.write("\n")
    matrices = sum(name.endswith(".qweight") for name, *_ in made)
    return matrices, sum(part.nbytes for part in parts)


def _pieces(values: Array) -> list[Any]:
    return [values.data]


def _class_name(checkpoint: Checkpoint) -> str:
    """The class that config.json names, if the family has it, else the one without a head."""
    classes: dict[str, Any] = family_of(checkpoint.config.model_type).classes
    named = checkpoint.config.get("architectures") or []
    known = next((name for name in named if name in classes and not classes[name].refused), None)
    return known or stem(checkpoint.config) + "Model"
