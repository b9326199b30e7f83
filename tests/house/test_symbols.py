"""What the built objects export: one table per instruction set, and nothing of anybody else's."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def build() -> Path:
    """The CMake build folder: $FASTPLM_BUILD_DIR, or the newest below build/."""
    if shutil.which("nm") is None:
        pytest.skip("nm is not installed")
    named = os.environ.get("FASTPLM_BUILD_DIR")
    candidates = [Path(named)] if named else [ROOT / "build", *(ROOT / "build").glob("*")]
    found = [p for p in candidates if any(p.glob("CMakeFiles/isa_*.dir"))]
    if not found:
        pytest.skip("no CMake build folder with object files: set FASTPLM_BUILD_DIR")
    return max(found, key=lambda p: p.stat().st_mtime)


def output_of(*command: object) -> str:
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=True).stdout


def symbols(path: Path, *options: str) -> list[tuple[str, str]]:
    """(type letter, demangled name) of the symbols that nm lists."""
    found = re.findall(
        r"^(?:[0-9a-f]{16}| {16}) (\S) (.+)$", output_of("nm", "-C", *options, path), re.MULTILINE
    )
    return [(letter, name) for letter, name in found]


def test_each_instruction_set_exports_its_table_only(build):
    objects = sorted(build.glob("CMakeFiles/isa_*.dir/**/*.o"))
    assert objects
    for path in objects:
        level = re.search(r"isa_(\w+)\.dir", str(path))[1]
        exported = [name for _, name in symbols(path, "--defined-only", "--extern-only")]
        assert len(exported) == 1, f"{level}: {exported}"
        assert level in exported[0], f"{level} exports {exported[0]}"


def test_instruction_sets_need_nothing_from_std(build):
    """Only the C functions that compilers call by themselves."""
    for path in sorted(build.glob("CMakeFiles/isa_*.dir/**/*.o")):
        needed = {name for _, name in symbols(path, "--undefined-only")}
        assert needed <= {
            "memcpy",
            "memset",
            "memmove",
            "memcmp",
            "_GLOBAL_OFFSET_TABLE_",
            "__stack_chk_fail",
        }, path


def test_the_library_exports_only_its_own_names(build):
    library = build / "libfastplm.so"
    assert library.exists()
    exported = symbols(library, "-D", "--defined-only", "--extern-only")
    foreign = [
        name
        for kind, name in exported
        if kind not in "A" and "fastplm" not in name and name not in ("_init", "_fini")
    ]
    assert not foreign, foreign[:10]


def test_the_library_needs_no_other_runtime(build):
    run = subprocess.run(
        ["readelf", "-d", build / "libfastplm.so"], capture_output=True, text=True, check=True
    )
    needed = set(re.findall(r"NEEDED.*\[(.*?)\]", run.stdout))
    assert not [name for name in needed if re.search("gomp|iomp|omp|python|torch|cuda|blas|mkl", name)], (
        needed
    )
