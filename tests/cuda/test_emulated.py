"""The kernels of cuda/, run on the CPU by tests/cuda/emulation, against torch and against the CPU's own
kernels.

Threads of a block run in an order that changes, shared memory begins as NaN and copies arrive only when
they are waited for, so that a missing barrier or wait gives a wrong result.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cuda.build import ROOT, build, environment

pytestmark = [pytest.mark.ci, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def package() -> Path:
    try:
        return build()
    except FileNotFoundError:
        pytest.skip("CMake or a C++ compiler is missing")
    except subprocess.CalledProcessError as error:
        pytest.fail(error.stdout.decode(errors="replace")[-4000:])


# Of the cases of tests/training; all of them: -m slow.
SOME = "float32 or bfloat16"
FEW = " or ".join(
    [
        *("layer_norm-2x5x300-res", "rms_norm-9x260", "layer_norm-70x129-res-drop", "activation-silu-gated"),
        *(
            "activation-gelu-gated-drop",
            "activation-mish-wide",
            "linear-2x5",
            "linear-67",
            "linear-13",
            "linear-0",
        ),
        *("cross_entropy-20x100", "cross_entropy-7x33", "linear_cross_entropy-9", "attention-head33"),
        *("attention-head128", "attention-empty", "attention-causal-window", "attention-bias-grouped"),
        *("attention-last-queries", "attention-other-keys"),
    ]
)


def run(package: Path, *arguments: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "tests.cuda.pretend", *arguments],
        env=environment(package),
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, (result.stdout + result.stderr)[-6000:]
    assert " passed" in result.stdout


def test_training_operations(package: Path) -> None:
    run(package, "tests/training/test_ops.py", "-k", f"({SOME}) and ({FEW})")


def test_optimizer(package: Path) -> None:
    run(package, "tests/training/test_optim.py", "-k", "torchs or clips or master or nonfinite")


def test_operations_of_inference(package: Path) -> None:
    run(package, "tests/ops/test_ops.py", "-k", "definition and (norm or glu or act or rope or embed)")


# Starts on CUDA are not looked at by the host: what they make of distances may be beyond the table of biases.
BEYOND = """
import torch
from tests.cuda.pretend import pretend

pretend()
from fastplm import ops
from tests.ops.cases import starts

x = torch.ones(40, 1, 8)
bias = torch.full((1, 21), 0.5)
for length, numbers in ((11, True), (12, False)):
    q = x.clone().requires_grad_()
    out = ops.attention(q, x, x, starts(length, 40 - 3 * length, length, length), distance_bias=bias)
    (grad,) = torch.autograd.grad(out.sum(), q)
    assert bool(out[:length].isfinite().all()) == bool(grad[:length].isfinite().all()) == numbers
    assert out[length : 40 - 2 * length].isfinite().all()
"""


def test_biases_beyond_their_table(package: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", BEYOND], env=environment(package), cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr[-4000:]


@pytest.mark.slow
def test_every_training_operation(package: Path) -> None:
    run(package, "tests/training/test_ops.py", "-k", SOME)


def test_the_table_is_found(package: Path) -> None:
    program = "import json, fastplm; print(json.dumps(fastplm.cuda_status()))"
    output = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(package),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (device,) = json.loads(output)["devices"]
    assert device["compute_capability"] == [8, 0]
