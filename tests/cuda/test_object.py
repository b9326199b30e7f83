"""What nvcc made of cuda/: tensor cores where they are meant, registers that suffice, nothing linked, a
small file.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import fastplm.runtime

MOST_BYTES = 30 << 20
NEEDED = re.compile(r"lib(c|m|dl|rt|pthread|stdc\+\+|gcc_s)\.so|ld-linux")
# Kernels whose inner loop the tensor cores carry in 16-bit types; the number of each kernel's registers is
# its own
# business, but what it keeps in local memory is slow: a few values that live across the loop are not.
TENSOR_CORES = ("product_kernel", "flash_kernel", "flash_grad_kernel")
MOST_STACK = 16  # bytes


@pytest.fixture(scope="module")
def library() -> Path:
    path = fastplm.runtime.library_folder() / "libfastplm_cuda.so"
    if not path.exists():
        pytest.skip("fastplm was built without CUDA")
    return path


def output_of(*command: object) -> str:
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=True).stdout


def cuobjdump(*options: object) -> str:
    found = shutil.which("cuobjdump") or shutil.which("cuobjdump", path="/usr/local/cuda/bin")
    if found is None:
        pytest.skip("cuobjdump is not installed")
    return output_of(found, *options)


def test_size_and_what_it_needs(library: Path) -> None:
    assert library.stat().st_size < MOST_BYTES
    needed = re.findall(r"NEEDED.*\[(.*?)\]", output_of("readelf", "-d", library))
    assert needed and all(map(NEEDED.match, needed)), needed


def test_it_exports_its_table_only(library: Path) -> None:
    names = re.findall(r" [A-Z] (\S+)$", output_of("nm", "-D", "--defined-only", library), re.MULTILINE)
    assert names == ["fastplm_cuda_table"]


def test_every_architecture_has_ptx_or_code(library: Path) -> None:
    assert re.search(r"\.sm_\d+a?\.cubin", cuobjdump("--list-elf", library))
    assert re.search(r"\.sm_\d+\.ptx", cuobjdump("--list-ptx", library))


def test_products_run_on_tensor_cores(library: Path) -> None:
    functions = re.split(r"Function : ", cuobjdump("--dump-sass", library))[1:]
    bodies = {text.split(None, 1)[0]: text for text in functions}
    for kernel in TENSOR_CORES:
        of_halves = [name for name in bodies if kernel in name and ("3f16" in name or "4bf16" in name)]
        assert of_halves, kernel
        for name in of_halves:
            assert re.search(r"\b[HG]MMA\b|\bHMMA\.", bodies[name]), name
            assert "LDSM" in bodies[name], name


def test_nothing_is_spilled(library: Path) -> None:
    usage = cuobjdump("--dump-resource-usage", library)
    kernels = re.findall(r"Function (\S+):\s*REG:(\d+) STACK:(\d+)", usage)
    assert kernels
    spilled = [(name, int(stack)) for name, _, stack in kernels if int(stack) > MOST_STACK]
    assert not spilled
