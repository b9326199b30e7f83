"""Builds the tokenizers with sanitizers, and runs Python with them.

python -m tests.checked.build                               builds into build/checked
python -m tests.checked.build -m tests.fuzz --small         ... and runs this with what was built
python -m tests.checked.build -m pytest tests/tokenizers
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.cmake import cmake

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build/checked"


def sanitizer() -> str | None:
    """What must be loaded before Python: AddressSanitizer, and the library whose exceptions it watches.

    None if the compiler has no AddressSanitizer.
    """
    found = []
    for name in ("libasan.so", "libstdc++.so.6"):
        command = [os.environ.get("CXX", "c++"), f"-print-file-name={name}"]
        try:
            path = subprocess.run(command, capture_output=True, text=True).stdout.strip()
        except FileNotFoundError:
            return None
        if not os.path.isabs(path) or not os.path.exists(path):
            return None
        found.append(path)
    return ":".join(found)


def build() -> Path:
    """The folder that holds the package `fastplm` with its checked engine. Raises CalledProcessError."""
    import pybind11

    import fastplm

    options = [f"-DPython_EXECUTABLE={sys.executable}", f"-Dpybind11_DIR={pybind11.get_cmake_dir()}"]
    source = str(ROOT / "tests/checked")
    cmake(source, FOLDER, *options)
    package = FOLDER / "python/fastplm"
    package.mkdir(parents=True, exist_ok=True)
    for old in package.iterdir():
        old.unlink()
    for item in Path(fastplm.__file__).parent.iterdir():
        if item.suffix != ".so" and item.name != "__pycache__":
            (package / item.name).symlink_to(item)
    (engine,) = FOLDER.glob("_engine*.so")
    (package / engine.name).symlink_to(engine)
    return package.parent


def environment(folder: Path) -> dict[str, str]:
    """Of a process that uses the checked package. Whatever a sanitizer finds ends it."""
    preload = sanitizer()
    assert preload is not None
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]),
        "LD_PRELOAD": preload,
        # Python and numpy keep memory to the end; a text of which nobody has the memory is an error to catch.
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    }


def main() -> int:
    if sanitizer() is None:
        print("the C++ compiler has no AddressSanitizer", file=sys.stderr)
        return 1
    try:
        folder = build()
    except subprocess.CalledProcessError as error:
        print(error.stdout.decode(errors="replace"), file=sys.stderr)
        return 1
    arguments = sys.argv[1:]
    return (
        subprocess.run([sys.executable, *arguments], env=environment(folder)).returncode if arguments else 0
    )


if __name__ == "__main__":
    sys.exit(main())
