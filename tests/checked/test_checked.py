"""A short run of the tokenizers under AddressSanitizer and UndefinedBehaviorSanitizer."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("tokenizers")

from tests.checked.build import ROOT, build, environment, sanitizer

pytestmark = [pytest.mark.ci, pytest.mark.timeout(900)]  # it compiles the tokenizers again


@pytest.fixture(scope="module")
def folder() -> Path:
    if sanitizer() is None:
        pytest.skip("the C++ compiler has no AddressSanitizer")
    pytest.importorskip("pybind11")
    if not shutil.which(
        "cmake", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    ):
        pytest.skip("cmake is not installed")
    if "FASTPLM_ISA" in os.environ:
        pytest.skip("text is the same at every instruction set in this build")
    try:
        return build()
    except subprocess.CalledProcessError as error:
        pytest.fail(error.stdout.decode(errors="replace")[-4000:])


def run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment(folder),
        capture_output=True,
        text=True,
        errors="replace",
    )
    report = re.search(
        "(runtime error|ERROR: AddressSanitizer|Assertion '|terminate called).*", done.stderr, re.DOTALL
    )
    shown = report[0][:4000] if report else done.stderr[-4000:]
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout[-2000:]}\n{shown}"
    return done.stdout


def test_the_sanitizer_is_there(folder: Path) -> None:
    """A process that does what it must not ends with a report."""
    code = "import ctypes, fastplm; ctypes.memset(0, 0, 1)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(folder), capture_output=True, text=True
    )
    assert done.returncode != 0 and "AddressSanitizer" in done.stderr
    code = "import fastplm._engine; print(fastplm._engine.__version__)"
    assert run(folder, "-c", code).strip() == "checked"


def test_fuzz(folder: Path) -> None:
    arguments = ["--small", "--level", "none", "--count", "2000", "--pipelines", "4", "--every", "4"]
    assert ", 0 different" in run(folder, "-m", "tests.fuzz", *arguments)


def test_damaged_files(folder: Path, tmp_path: Path) -> None:
    from tests.fuzz.damaged import make_folder

    make_folder(tmp_path)
    assert "accepted" in run(folder, "-m", "tests.fuzz.damaged", str(tmp_path), "checked", "400")


def test_stages(folder: Path) -> None:
    """The tests that go to the ends of single components."""
    files = ["added_tokens", "bpe", "decoders", "decode_stream", "post_processors", "stages"]
    paths = [str(ROOT / f"tests/tokenizers/test_{name}.py") for name in files]
    run(folder, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", *paths)
