"""What this process runs on, and with how many threads."""

from pathlib import Path
from typing import Any

from fastplm import _engine
from fastplm.families import FAMILIES


def cpu_info() -> dict[str, Any]:
    """The CPU side of the engine, as plain values.

    isa: the instruction set in use. levels: all that the engine knows, best first: name, whether this machine
    supports it, whether it is chosen, what it needs. threads: how many the engine uses. limits: what that was
    derived from (CPU affinity, cgroup quota, physical cores; 0 means no limit).
    """
    levels = _engine.isa()
    chosen = next(level["name"] for level in levels if level["chosen"])
    return {"isa": chosen, "levels": levels, "threads": num_threads(), "limits": _engine.cpu_limits()}


def cuda_status() -> dict[str, Any]:
    """The GPU side, as plain values.

    available: whether device="cuda" works. reason: why not, in words. operations: whether fastplm.ops and
    fastplm.optim take CUDA tensors. devices: the GPUs that were found: name, compute_capability (major,
    minor), memory_bytes. product_library: which cuBLASLt they multiply with, or why with none; empty
    without GPU.
    """
    found = _engine.cuda_status()
    reason = (
        found["reason"]
        or "models compute on the CPU in this version; fastplm.ops and fastplm.optim use the GPU"
    )
    return {
        "available": False,
        "reason": reason,
        "operations": bool(found["devices"]),
        "devices": found["devices"],
        "product_library": found["product_library"],
    }


def num_threads() -> int:
    """Threads used by native calls: min(affinity, cgroup quota, physical cores) unless set."""
    return _engine.num_threads()


def set_num_threads(n: int) -> None:
    """Sets the number of threads (1 to 1024) for every later native call. Results do not depend on it."""
    _engine.set_num_threads(n)


def architectures() -> list[str]:
    """The model_type values (see config.json) of the families that this version runs."""
    return list(FAMILIES)


def library_folder() -> Path:
    """Where the native libraries of this process lie."""
    return Path(str(_engine.__file__)).parent
