"""CMake from tests that build C++."""

import os
import subprocess
import sys
from pathlib import Path


def cmake(source: str | Path, folder: Path, *options: str) -> None:
    """Configures `source` into `folder` and builds it. Raises CalledProcessError, whose stdout says why."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # pip's cmake and ninja
    for command in (
        ["cmake", "-S", str(source), "-B", str(folder), "-G", "Ninja", *options],
        ["cmake", "--build", str(folder), "-j", "2"],
    ):
        subprocess.run(
            command,
            check=True,
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
