"""What may follow pooling: modules from vectors of texts to vectors of texts, by the engine's own operations.

A text's result depends on no other: the operations sum each row in one order, whatever the number of rows.
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fastplm import pooling
from fastplm.arrays import F32
from fastplm.checkpoint import find_weights
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.jsonfile import read_json
from fastplm.safetensors import FLOATS, Tensor, read_floats, read_header
from fastplm.settings import warn_of_unknown

_ops: Any = importlib.import_module("fastplm._ops")

# The activations of torch by their paths, and the engine's names of them.
ACTIVATIONS = {
    **{f"torch.nn.modules.activation.{name}": act for name, act in {
        "GELU": "gelu", "Hardswish": "hardswish", "LeakyReLU": "leaky_relu", "Mish": "mish", "ReLU": "relu",
        "ReLU6": "relu6", "SiLU": "silu", "Sigmoid": "sigmoid", "Tanh": "tanh",
    }.items()},
    "torch.nn.modules.linear.Identity": "none",
}  # fmt: skip
_ENDS = {path.rpartition(".")[2]: act for path, act in ACTIVATIONS.items()}
_TARGETS = ("module_input_name", "module_output_name")
_NORM_EPS = 1e-5  # torch.nn.LayerNorm's default, which sentence-transformers leaves
_WIDEST = 1 << 20


class Normalize:
    """Scales every embedding to length 1."""

    def __call__(self, rows: F32) -> F32:
        """Rows [n, width] of length 1."""
        return pooling.normalize(rows)

    def __repr__(self) -> str:
        return "Normalize()"


class Dropout:
    """Nothing, outside of training."""

    def __call__(self, rows: F32) -> F32:
        """`rows` as they are."""
        return rows

    def __repr__(self) -> str:
        return "Dropout()"


class Dense:
    """act(rows W^T + bias), to which the rows themselves, or their projection, may be added."""

    def __init__(self, weight: F32, bias: F32 | None, act: str, residual: "F32 | Dense | None") -> None:
        self.out_features, self.in_features = weight.shape
        self.bias, self.act, self.residual = bias, act, residual
        room = np.empty(_ops.packed_bytes("float32", *weight.shape) + 64, np.uint8)
        self._panels = room[-room.ctypes.data % 64 :]  # the engine's panels begin at a cache line
        _ops.pack(weight, False, "float32", self._panels)

    def __call__(self, rows: F32) -> F32:
        """Rows [n, in_features] as [n, out_features]."""
        added = self.residual(rows) if isinstance(self.residual, Dense) else rows if self.residual else None
        out = np.empty((len(rows), self.out_features), np.float32)
        rows = np.ascontiguousarray(rows)
        _ops.linear(rows, "float32", self._panels, self.bias, self.act, added, out)
        return out

    def __deepcopy__(self, _: dict[int, Any]) -> "Dense":
        return self  # nothing in it changes

    def __repr__(self) -> str:
        return f"Dense({self.in_features} to {self.out_features}, {self.act})"


class LayerNorm:
    """Mean 0 and variance 1 over a row, then a factor and a bias for each dimension."""

    def __init__(self, weight: F32, bias: F32) -> None:
        self.weight, self.bias = weight, bias

    def __call__(self, rows: F32) -> F32:
        """Rows [n, width], normalised."""
        out = np.empty_like(rows)
        _ops.norm(np.ascontiguousarray(rows), "layer", self.weight, self.bias, _NORM_EPS, out)
        return out

    def __repr__(self) -> str:
        return f"LayerNorm({len(self.weight)})"


Layer = Normalize | Dropout | Dense | LayerNorm


def read_layer(kind: str, folder: Path, width: int) -> tuple[Layer, int]:
    """The module called `kind` of a folder of sentence-transformers, and the width of its results.

    width: of the rows it gets. Raises CheckpointError (damaged, of another width), UnsupportedError (works on
    something else than texts' vectors, or by a function that the engine lacks), FileNotFoundError.
    """
    path = folder / "config.json"
    config = read_json(path) if path.exists() else {}
    if not isinstance(config, dict):
        raise CheckpointError(f"{path}: holds a {type(config).__name__}; expected an object of settings")
    return _READERS[kind](folder, config, width)


def _read_normalize(folder: Path, config: dict[str, Any], width: int) -> tuple[Layer, int]:
    _check(folder, "Normalize", config, ())
    return Normalize(), width


def _read_dropout(folder: Path, config: dict[str, Any], width: int) -> tuple[Layer, int]:
    _check(folder, "Dropout", config, ("dropout",))
    return Dropout(), width


def _read_dense(folder: Path, config: dict[str, Any], width: int) -> tuple[Layer, int]:
    path = folder / "config.json"
    _check(
        folder,
        "Dense",
        config,
        ("in_features", "out_features", "bias", "activation_function", "use_residual"),
    )
    inside, outside = (_size(path, config, name) for name in ("in_features", "out_features"))
    if inside != width:
        raise CheckpointError(
            f"{path}: in_features is {inside}; expected {width}, what comes before it gives"
        )
    named = config.get("activation_function", "torch.nn.modules.activation.Tanh")
    act = ACTIVATIONS.get(named) if isinstance(named, str) else None
    if act is None and isinstance(named, str) and named.startswith("torch.nn."):
        act = _ENDS.get(named.removeprefix("torch.nn."))
    if act is None:
        raise UnsupportedError(
            f"{path}: activation_function is {named!r}; expected one of {', '.join(ACTIVATIONS)}"
        )
    tensors = _tensors(folder)
    weight = _values(folder, tensors, "linear.weight", (outside, inside))
    bias = _values(folder, tensors, "linear.bias", (outside,)) if config.get("bias", True) else None
    residual: Any = None
    if config.get("use_residual"):
        residual = True
        if inside != outside:
            residual = Dense(
                _values(folder, tensors, "residual.weight", (outside, inside)), None, "none", None
            )
    return Dense(weight, bias, act, residual), outside


def _size(path: Path, config: dict[str, Any], name: str) -> int:
    size = config.get(name)
    if type(size) is not int or not 0 < size <= _WIDEST:
        raise CheckpointError(f"{path}: {name} is {size!r}; expected an integer from 1 to {_WIDEST}")
    return size


def _read_layer_norm(folder: Path, config: dict[str, Any], width: int) -> tuple[Layer, int]:
    _check(folder, "LayerNorm", config, ("dimension",))
    if config.get("dimension") != width:
        raise CheckpointError(
            f"{folder / 'config.json'}: dimension is {config.get('dimension')!r}; expected {width}, what "
            "comes before it gives"
        )
    tensors = _tensors(folder)
    return LayerNorm(
        *(_values(folder, tensors, f"norm.{part}", (width,)) for part in ("weight", "bias"))
    ), width


_READERS: dict[str, Callable[[Path, dict[str, Any], int], tuple[Layer, int]]] = {
    "Normalize": _read_normalize, "Dropout": _read_dropout, "Dense": _read_dense,
    "LayerNorm": _read_layer_norm,
}  # fmt: skip
LAYERS = tuple(_READERS)


def _check(folder: Path, kind: str, config: dict[str, Any], honoured: tuple[str, ...]) -> None:
    """Refuses a module that works on something else than texts' vectors."""
    path = folder / "config.json"
    for name in _TARGETS:
        if config.get(name) not in (None, "sentence_embedding"):
            raise UnsupportedError(f"{path}: {name} is {config[name]!r}; expected sentence_embedding")
    warn_of_unknown(str(path), kind, config, (*_TARGETS, *honoured))


def _tensors(folder: Path) -> dict[str, Tensor]:
    return {tensor.name: tensor for tensor in read_header(find_weights(folder))}


def _values(folder: Path, tensors: dict[str, Tensor], name: str, shape: tuple[int, ...]) -> F32:
    """The values of a tensor, which must have that shape."""
    tensor = tensors.get(name)
    if tensor is None:
        raise CheckpointError(
            f"{folder / 'model.safetensors'}: has no {name!r}; expected one of shape {list(shape)}"
        )
    if tensor.dtype not in FLOATS or tensor.shape != shape:
        raise CheckpointError(
            f"{tensor.path}: {name!r} is {tensor.dtype} of shape {list(tensor.shape)}; expected floats of "
            f"shape {list(shape)}"
        )
    return np.array(read_floats(tensor))  # writable, as the operations ask for
