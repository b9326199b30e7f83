"""Where operations can run here: the CPU, and a GPU if both torch and fastplm find one."""

import functools

import pytest
import torch

import fastplm


@functools.cache
def devices() -> list[str]:
    found = torch.cuda.is_available() and fastplm.cuda_status()["devices"]
    return ["cpu", "cuda"] if found else ["cpu"]


every_device = pytest.mark.parametrize("device", devices())
on_cuda = pytest.mark.skipif("cuda" not in devices(), reason="torch or fastplm finds no GPU")
