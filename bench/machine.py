"""Where and from what a result was measured: goes into every JSON file."""

import json
import os
import platform
import re
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

FLAGS = (
    "avx2",
    "fma",
    "f16c",
    "avx512f",
    "avx512_bf16",
    "avx512_vnni",
    "avx512_fp16",
    "amx_tile",
    "amx_bf16",
    "amx_int8",
)
PACKAGES = ("fastplm", "numpy", "torch", "transformers", "tokenizers", "sentence-transformers", "onnxruntime",
            "openvino", "ctranslate2", "tokie", "onnxruntime-genai", "openvino-genai",
            "llama-cpp-python")  # fmt: skip


@dataclass(frozen=True)
class Machine:
    cpu: str
    cores: int  # that this process may use
    flags: list[str]
    memory_gb: float
    system: str
    python: str
    load_before: float  # one-minute load average when the run began
    commit: str  # of the working tree, "-dirty" appended where it differs
    versions: dict[str, str] = field(default_factory=dict)


def describe() -> Machine:
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = re.search(r"^model name\s*: (.*)$", info, re.M)
    flags = set((re.search(r"^flags\s*: (.*)$", info, re.M) or [""])[0].split())
    return Machine(
        cpu=model[1] if model else platform.processor(),
        cores=len(os.sched_getaffinity(0)),
        flags=[flag for flag in FLAGS if flag in flags],
        memory_gb=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        system=platform.platform(),
        python=platform.python_version(),
        load_before=round(os.getloadavg()[0], 2),
        commit=_commit(),
        versions={name: found for name in PACKAGES if (found := _version(name))},
    )


def write_record(path: Path, module: str, about: Machine, **figures: Any) -> None:
    """Keeps what `python -m module` measured, with the machine and the command."""
    record = {"machine": asdict(about), "command": ["python", "-m", module, *sys.argv[1:]], **figures}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str:
    root = Path(__file__).resolve().parent.parent
    try:
        git = ["git", "-C", str(root)]
        commit = subprocess.run(
            [*git, "rev-parse", "--short=12", "HEAD"], check=True, capture_output=True, text=True
        )
        status = subprocess.run([*git, "status", "--porcelain"], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit.stdout.strip() + ("-dirty" if status.stdout.strip() else "")
