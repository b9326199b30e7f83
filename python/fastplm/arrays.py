"""Between what callers hold (torch tensors, numpy arrays, lists) and what the engine takes (numpy arrays).

torch is never imported here: a torch tensor can only come from a program that has imported it.
"""

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from fastplm.errors import UnsupportedError
from fastplm.runtime import cuda_status

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]
    F32 = npt.NDArray[np.float32]
    I32 = npt.NDArray[np.int32]
else:  # numpy.typing takes longer to import than this package
    Array = F32 = I32 = np.ndarray

DTYPES = ("float32", "bfloat16", "int8", "int4")  # of weights; integers are computed with in bfloat16


def is_torch(value: Any) -> bool:
    """Whether `value` is a torch tensor."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def to_torch(array: Array) -> Any:
    """A torch tensor on the memory of `array`, for callers who passed torch tensors."""
    import torch

    return torch.from_numpy(array)


def to_numpy(value: Any, name: str) -> Array:
    """`value` as a numpy array, without a copy where possible; `name` is the argument to blame.

    Raises TypeError (not numbers), ValueError (rows of different lengths, a tensor on another device).
    """
    if is_torch(value):
        if value.device.type != "cpu":
            raise ValueError(f"{name}: a tensor on {value.device}; expected one on the CPU")
        value = value.detach()
        return np.asarray((value.float() if str(value.dtype) == "torch.bfloat16" else value).numpy())
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(
            f"{name}: rows of different lengths; expected equal lengths: pad the shorter ones"
        ) from None
    if array.dtype == object or array.dtype.kind not in "biuf":
        raise TypeError(f"{name}: {_contents(value, array)}; expected numbers")
    if array.size == 0 and isinstance(value, (list, tuple)):
        array = array.astype(np.int64)  # numpy calls an empty list a list of floats
    return array


def integers(value: Any, name: str) -> Array:
    """`value` as a C-contiguous int32 array. TypeError: floats, booleans. ValueError: values beyond int32."""
    array = to_numpy(value, name)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name}: dtype {array.dtype}; expected integers")
    if array.dtype != np.int32 and array.size:
        low, high = int(array.min()), int(array.max())
        if low < -(1 << 31) or high >= 1 << 31:
            raise ValueError(f"{name}: holds values from {low} to {high}; expected 32-bit integers")
    return np.ascontiguousarray(array, np.int32)


def repeat_row(array: Array, rows: int) -> Array:
    """`rows` copies of the only row of `array` [1, n], C-contiguous."""
    return np.ascontiguousarray(np.broadcast_to(array, (rows, array.shape[1])))


def flags(value: Any, name: str) -> Array:
    """`value` as a C-contiguous uint8 array of 0 and 1: any number but 0 counts as 1, as in transformers."""
    array = to_numpy(value, name)
    return np.ascontiguousarray(array if array.dtype == np.uint8 else array != 0, np.uint8)


def floats(value: Any, name: str) -> Array:
    """`value` as a C-contiguous float32 array. Raises TypeError for anything but floats."""
    array = to_numpy(value, name)
    if array.dtype.kind != "f":
        raise TypeError(f"{name}: dtype {array.dtype}; expected floats")
    return np.ascontiguousarray(array, np.float32)


def dtype_name(dtype: Any, stored: str | None = None) -> str:
    """One of DTYPES from its name, a torch.dtype or a numpy dtype; "auto" means `stored`.

    "auto" picks the float type the checkpoint was saved in where the engine has it, else float32, which holds
    every float16 exactly. Raises UnsupportedError for other types, TypeError for what is no dtype.
    """
    if dtype is None:
        return "float32"
    if isinstance(dtype, str):
        name = dtype
    elif type(dtype).__module__ == "torch":
        name = str(dtype)
    else:
        try:
            name = np.dtype(dtype).name
        except TypeError:
            raise TypeError(f"dtype: {dtype!r}; expected one of {', '.join(DTYPES)}, auto") from None
    name = name.removeprefix("torch.")
    if name == "auto":
        return stored if stored == "bfloat16" else "float32"
    if name not in DTYPES:
        raise UnsupportedError(f"dtype: {name}; expected one of {', '.join(DTYPES)}, auto")
    return name


def check_device(device: Any, name: str = "device") -> None:
    """Raises UnsupportedError unless `device` is the CPU: nothing runs silently somewhere else.

    name: the argument to blame.
    """
    if device is None or str(device) == "cpu":
        return
    if str(device).startswith("cuda"):
        raise UnsupportedError(f'{name}="{device}": {cuda_status()["reason"]}; expected "cpu"')
    raise UnsupportedError(f'{name}="{device}"; expected "cpu"')


def _contents(value: Any, array: Array) -> str:
    if array.dtype == object:
        return f"a {type(value).__name__} of mixed objects"
    return f"dtype {array.dtype}"
