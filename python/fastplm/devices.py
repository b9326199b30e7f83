"""Torch's devices and streams, for operations that run on both."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from fastplm import _ops


def on_cuda(t: torch.Tensor) -> bool:
    return bool(t.is_cuda)


@contextmanager
def stream_of(device: Any) -> Iterator[None]:
    """Native operations on tensors of this device run on torch's current stream there, in this thread."""
    if device.type != "cuda":
        yield
        return
    _ops.set_cuda_stream(torch.cuda.current_stream(device).cuda_stream)
    try:
        yield
    finally:
        _ops.set_cuda_stream(0)


def workspace(size: int, like: torch.Tensor) -> torch.Tensor:
    """Memory of torch's allocator, which keeps it for the next call; 64-byte aligned as all of its blocks."""
    return torch.empty(size, dtype=torch.uint8, device=like.device)
