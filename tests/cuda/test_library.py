"""How libfastplm_cuda.so is found and which one is taken; no GPU is needed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cuda.build import ROOT, environment, package_with

# A table of some other layout; what goes before is its number.
OTHER = (
    "static const unsigned long long table[64] = {1}; const void *fastplm_cuda_table(void) { return table; }"
)
STATUS = "import fastplm; print(fastplm.cuda_status()['reason'])"


def test_a_library_of_another_build_is_refused(tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("there is no C compiler")
    library = tmp_path / "libfastplm_cuda.so"
    command = [compiler, "-shared", "-fPIC", "-o", str(library), "-x", "c", "-"]
    subprocess.run(command, input=OTHER, text=True, check=True)
    given = environment(package_with(library, tmp_path / "python"))
    said = subprocess.run(
        [sys.executable, "-c", STATUS], env=given, capture_output=True, text=True, check=True
    )
    assert "libfastplm_cuda.so is of another build; expected the one that" in said.stdout


@pytest.mark.parametrize("value", ["", "0", "1", "yes"])
def test_the_setting_of_cublas(value: str) -> None:
    given = {**os.environ, "FASTPLM_CUBLAS": value}
    said = subprocess.run([sys.executable, "-c", STATUS], env=given, cwd=ROOT, capture_output=True, text=True)
    assert (said.returncode == 0) == (value != "yes"), said.stderr
    if value == "yes":
        assert "ValueError: FASTPLM_CUBLAS=yes: there is no such choice; known: 0 1" in said.stderr
