"""Builds a copy of the package whose CUDA kernels run on the CPU.

python -m tests.cuda.build                          builds into build/emulated
python -m tests.cuda.build -m pytest tests/...      ... and runs this with what was built
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.cmake import cmake

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build/emulated"


def build() -> Path:
    """The folder that holds the package `fastplm` with emulated kernels. Raises CalledProcessError."""
    cmake(ROOT / "tests/cuda/emulation", FOLDER)
    return package_with(FOLDER / "libfastplm_cuda.so", FOLDER / "python")


def package_with(library: Path, folder: Path) -> Path:
    """The folder, in which a copy of the package has this libfastplm_cuda.so."""
    import fastplm

    package = folder / "fastplm"
    shutil.rmtree(package, ignore_errors=True)
    package.mkdir(parents=True)
    for item in Path(fastplm.__file__).parent.iterdir():
        if item.suffix == ".so" and item.name != "libfastplm_cuda.so":
            shutil.copy(item, package)  # they find their neighbours by where they lie
        elif item.suffix != ".so" and item.name != "__pycache__":
            (package / item.name).symlink_to(item)
    shutil.copy(library, package)
    return folder


def environment(folder: Path) -> dict[str, str]:
    """Of a process that uses the package with emulated kernels."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]), "FASTPLM_CUBLAS": "0"}


def main() -> int:
    try:
        folder = build()
    except subprocess.CalledProcessError as error:
        print(error.stdout.decode(errors="replace"), file=sys.stderr)
        return 1
    arguments = sys.argv[1:]
    if not arguments:
        return 0
    return subprocess.run([sys.executable, *arguments], env=environment(folder)).returncode


if __name__ == "__main__":
    sys.exit(main())
