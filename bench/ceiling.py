"""What the machine can do at best: python -m bench.ceiling [--threads N] [--json FILE]

Compiles bench/ceiling.cpp on the spot, without any product code, and reports the best of short bursts: peak
f32, bf16 and int8 products and read bandwidth. The bf16 ceiling is the best bf16 form the CPU has (AMX where
there is AMX, and never less than f32 FMA, which a bf16 engine may fall back on).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from bench import machine

UNITS = {"read": "GB/s", "int8": "GOP/s"}  # by prefix; everything else is GFLOP/s


@dataclass(frozen=True)
class Ceiling:
    """Best values on `threads` threads: products in GFLOP/s (int8: GOP/s), reads in GB/s."""

    threads: int
    measured: dict[str, float]

    def _best(self, *prefixes: str) -> float:
        return max(value for what, value in self.measured.items() if what.startswith(prefixes))

    @property
    def float32(self) -> float:
        return self._best("f32")

    @property
    def bfloat16(self) -> float:
        return self._best("bf16", "f32")

    @property
    def int8(self) -> float:
        return self._best("int8", "f32")

    @property
    def read(self) -> float:
        """Of memory, in GB/s."""
        return self.measured["read_memory"]

    def of(self, precision: str) -> float:
        return float(getattr(self, precision))


PRODUCTS = ("f32_fma_256", "f32_fma_512", "bf16_dot_512", "bf16_amx", "int8_dot_512", "int8_amx")


class Probe:
    """bench/ceiling.cpp, compiled once; `with Probe() as probe`."""

    def __enter__(self) -> "Probe":
        self._folder = tempfile.TemporaryDirectory()
        self._program = Path(self._folder.name) / "ceiling"
        source = Path(__file__).with_suffix(".cpp")
        compiler = os.environ.get("CXX", "c++")
        subprocess.run([compiler, "-O2", "-std=c++20", "-pthread", source, "-o", self._program], check=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def measure(self, threads: int, seconds: float, what: tuple[str, ...] = ()) -> Ceiling:
        """`seconds` for each measurement, or for each of `what` that this CPU has; the best burst counts."""
        command = [str(self._program), str(threads), str(seconds), *what]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        return Ceiling(threads, {name: float(value) for name, value in map(str.split, lines)})


def middle(ceilings: list[Ceiling]) -> Ceiling:
    """The median of each figure over several measurements."""
    first = ceilings[0]
    return Ceiling(
        first.threads, {what: median(c.measured[what] for c in ceilings) for what in first.measured}
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: all cores"
    )
    parser.add_argument("--seconds", type=float, default=0.5, help="per measurement; its best burst counts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    options = parser.parse_args()

    with Probe() as probe:
        ceilings = [probe.measure(threads, options.seconds) for threads in sorted({1, options.threads})]
    print(machine.describe().cpu)
    header = "".join(f"{f'{c.threads} thread' + 's' * (c.threads > 1):>14}" for c in ceilings)
    print(f"{'':20}{header}")
    for what in ceilings[0].measured:
        unit = next((unit for prefix, unit in UNITS.items() if what.startswith(prefix)), "GFLOP/s")
        print(f"{what:20}" + "".join(f"{c.measured[what]:14.1f}" for c in ceilings) + f"  {unit}")
    for precision in ("float32", "bfloat16", "int8"):
        print(f"ceiling {precision:12}" + "".join(f"{c.of(precision):14.1f}" for c in ceilings))
    if options.json:
        record = {
            "machine": asdict(machine.describe()),
            "command": sys.argv,
            "ceilings": [asdict(c) for c in ceilings],
        }
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
