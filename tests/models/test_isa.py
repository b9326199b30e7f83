"""Every instruction set that this machine has passes the parity and invariance tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import fastplm
from tests.models.tiny import CLASSES

CHOSEN = os.environ.get("FASTPLM_ISA")
HERE = Path(__file__).parent
TESTS = [
    HERE / name
    for name in (
        "test_activations.py",
        "test_batches.py",
        "test_heads.py",
        "test_parity.py",
        "test_sentence_encoder.py",
        "test_streams.py",
    )
]
TESTS += [HERE.parent / "ops", HERE.parent / "generation/test_rounded_cache.py"]
ONE_OF_EACH = {settings: name for name, settings in CLASSES.items()}.values()  # a class of a family
FAST = (
    "test_ops or test_int8 or test_int4 or test_activation or shapes or variants or holes or rows_of_a_batch "
    "or minilm or real_texts or bfloat16_is or test_sentences or test_mems or test_targets "
    "or (any_pieces and float32) "
    f"or ((test_results or test_bfloat16) and ({' or '.join(ONE_OF_EACH)}))"
)


def levels() -> list[str]:
    """The levels the machine has, but for the one chosen by itself, under which all tests run anyway."""
    info = fastplm.cpu_info()
    return [level["name"] for level in info["levels"] if level["supported"] and level["name"] != info["isa"]]


@pytest.mark.ci
@pytest.mark.timeout(1500)  # a run of many tests; plain C++ takes minutes
@pytest.mark.skipif(CHOSEN is not None, reason="already running under a forced level")
@pytest.mark.parametrize("level", levels() if CHOSEN is None else [])
def test_level(level):
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-k", FAST, "-p", "no:cacheprovider", *TESTS],
        env={**os.environ, "FASTPLM_ISA": level}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-3000:]
    assert " passed" in run.stdout


@pytest.mark.parametrize("level", [x["name"] for x in fastplm.cpu_info()["levels"] if not x["supported"]])
def test_a_level_that_the_machine_lacks(level):
    run = subprocess.run(
        [sys.executable, "-c", "import fastplm; fastplm.cpu_info()"],
        env={**os.environ, "FASTPLM_ISA": level}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 1
    assert f"FASTPLM_ISA={level}: this CPU does not support it; it needs AVX" in run.stderr


def test_unknown_level():
    run = subprocess.run(
        [sys.executable, "-c", "import fastplm; fastplm.cpu_info()"],
        env={**os.environ, "FASTPLM_ISA": "sse9"}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode != 0
    assert "sse9" in run.stderr and "scalar" in run.stderr
