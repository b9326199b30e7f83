"""Runs tests on the copy of the package that tests/cuda/build.py makes: torch's CPU tensors are handed to
the native side as CUDA tensors, so the same operators run the kernels of cuda/ on the CPU.

python -m tests.cuda.build -m tests.cuda.pretend tests/training/test_ops.py -k float32
"""

import ctypes
import sys
from typing import Any

import pytest
import torch

DEVICE_TYPE = 8  # where DLManagedTensor of dlpack.h has it: behind the data pointer
CUDA = 2

_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype, _pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)


class Pretended:
    """A tensor of the CPU whose DLPack capsule says CUDA."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor

    def __dlpack_device__(self) -> tuple[int, int]:
        return CUDA, 0

    def __dlpack__(self, **_: Any) -> Any:
        capsule = torch.utils.dlpack.to_dlpack(self.tensor)
        ctypes.c_int32.from_address(_pointer(capsule, b"dltensor") + DEVICE_TYPE).value = CUDA
        return capsule


def pretended(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return Pretended(value)
    return [pretended(v) for v in value] if isinstance(value, list) else value


def pretend() -> None:
    """From here on, every operation with CUDA kernels gets CUDA tensors."""
    import fastplm.optim
    from fastplm import _ops
    from fastplm.ops import attentions, losses

    def wrapped(name: str, call: Any) -> Any:
        def on_cuda(*args: Any) -> Any:
            kept = 5 if name == "adamw" else None  # its `steps`
            return call(*(a if i == kept else pretended(a) for i, a in enumerate(args)))

        return on_cuda

    for name in (
        *("add_norm", "add_norm_grad", "gated", "gated_grad", "column_sums", "product_workspace", "product"),
        *("cross_entropy", "cross_entropy_grad", "flash", "flash_grad", "flash_bias_shares", "adamw"),
        *("norm_workspace", "global_norm_on_cuda", "norm", "head_norm", "glu", "rope", "embed"),
    ):
        setattr(_ops, name, wrapped(name, getattr(_ops, name)))
    for module in (attentions, losses, fastplm.optim):
        module.on_cuda = lambda t: True  # type: ignore[attr-defined]


if __name__ == "__main__":
    pretend()
    sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[1:]]))
