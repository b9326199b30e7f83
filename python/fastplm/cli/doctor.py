"""fastplm doctor: what fastplm found on this machine, and what it chose."""

import argparse
import json
import os
import platform
from typing import Any

import numpy as np

from fastplm._engine import __version__
from fastplm.runtime import cpu_info, cuda_status, library_folder

SUMMARY = "what fastplm found on this machine"

_EXAMPLES = """examples:
  fastplm doctor
  fastplm doctor --json
  FASTPLM_ISA=avx2 fastplm doctor     force a level and see it taken
"""


def parser(common: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The command's arguments, with those of every command."""
    parser = argparse.ArgumentParser(
        "fastplm doctor",
        parents=[common],
        description="Version, instruction set and why it was chosen, threads and limits, GPU, libraries.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def run(options: argparse.Namespace) -> int:
    found = examine()
    print(json.dumps(found, indent=2) if options.json else describe(found))
    return 0


def examine() -> dict[str, Any]:
    """Everything the command reports, as plain values."""
    cpu = cpu_info()
    folder = library_folder()
    return {
        "version": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "isa": cpu["isa"],
        "why": _why(cpu["isa"], cpu["levels"]),
        "levels": cpu["levels"],
        "threads": cpu["threads"],
        "limits": cpu["limits"],
        "cuda": cuda_status(),
        "libraries": sorted(str(path) for path in folder.glob("*.so")),
        "settings": {
            name: value for name, value in sorted(os.environ.items()) if name.startswith("FASTPLM_")
        },
    }


def _why(chosen: str, levels: list[dict[str, Any]]) -> str:
    if os.environ.get("FASTPLM_ISA"):
        return "forced by FASTPLM_ISA"
    better = levels[: [level["name"] for level in levels].index(chosen)]
    missing = ", ".join(level["name"] for level in better if not level["supported"])
    slower = ", ".join(level["name"] for level in better if level["supported"])
    why = "the fastest level that this CPU supports"
    if missing:
        why += f"; it lacks {missing}"
    if slower:
        why += f"; {slower} would be slower on it"
    return why


def describe(found: dict[str, Any]) -> str:
    """The same for reading."""
    limits, cuda = found["limits"], found["cuda"]
    lines = [
        f"fastplm     {found['version']} (Python {found['python']}, numpy {found['numpy']})",
        f"level       {found['isa']}: {found['why']}",
    ]
    for level in found["levels"]:
        mark = "chosen" if level["chosen"] else "supported" if level["supported"] else "not supported"
        lines.append(f"            {level['name']:12} {mark:14} needs {level['needs']}")
    lines.append(f"threads     {found['threads']}")
    for name, meaning in (
        ("affinity", "CPU affinity"),
        ("cgroup", "cgroup quota"),
        ("physical", "physical cores"),
    ):
        lines.append(f"            {meaning:15} {limits[name] or 'no limit'}")
    lines.append(f"GPU         {'available' if cuda['available'] else 'not available'}: {cuda['reason']}")
    for device in cuda["devices"]:
        capability = ".".join(map(str, device["compute_capability"]))
        lines.append(
            f"            {device['name']}, capability {capability}, {device['memory_bytes'] >> 30} GiB"
        )
    if cuda["product_library"]:
        lines.append(f"            cuBLASLt: {cuda['product_library']}")
    lines += [f"{'libraries' if i == 0 else '':11} {path}" for i, path in enumerate(found["libraries"])]
    lines += [
        f"{'settings' if i == 0 else '':11} {k}={v}" for i, (k, v) in enumerate(found["settings"].items())
    ]
    return "\n".join(lines)
