"""What the machine can do at best: python -m bench.ceiling [--threads N] [--json FILE]

Compiles bench/ceiling.cpp on the spot, without any product code, and reports the best of short bursts: peak f32,
bf16 and int8 products and read bandwidth. The bf16 ceiling is the best bf16 form the CPU has (AMX where there is
AMX, and never less than f32 FMA, which a bf16 engine may fall back on).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

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

    def of(self, precision: str) -> float:
        return float(getattr(self, precision))

    def merged(self, other: "Ceiling") -> "Ceiling":
        """The better of two measurements of the same machine."""
        keys = self.measured.keys() | other.measured.keys()
        best = {key: max(self.measured.get(key, 0.0), other.measured.get(key, 0.0)) for key in keys}
        return Ceiling(self.threads, dict(sorted(best.items())))


def measure(threads: int) -> Ceiling:
    """Compile and run the probe; takes a few seconds."""
    source = Path(__file__).with_suffix(".cpp")
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "ceiling"
        compiler = os.environ.get("CXX", "c++")
        subprocess.run([compiler, "-O2", "-std=c++20", "-pthread", source, "-o", program], check=True)
        lines = subprocess.run([program, str(threads)], check=True, capture_output=True, text=True).stdout
    return Ceiling(threads, {what: float(value) for what, _, value in map(str.split, lines.splitlines())})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: all cores")
    parser.add_argument("--repeats", type=int, default=2, help="runs of the probe, of which the best counts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    options = parser.parse_args()

    ceilings = []
    for threads in sorted({1, options.threads}):
        best = measure(threads)
        for _ in range(options.repeats - 1):
            best = best.merged(measure(threads))
        ceilings.append(best)

    print(machine.describe().cpu)
    header = "".join(f"{f'{c.threads} thread' + 's' * (c.threads > 1):>14}" for c in ceilings)
    print(f"{'':20}{header}")
    for what in ceilings[0].measured:
        unit = next((unit for prefix, unit in UNITS.items() if what.startswith(prefix)), "GFLOP/s")
        print(f"{what:20}" + "".join(f"{c.measured[what]:14.1f}" for c in ceilings) + f"  {unit}")
    for precision in ("float32", "bfloat16", "int8"):
        print(f"ceiling {precision:12}" + "".join(f"{c.of(precision):14.1f}" for c in ceilings))
    if options.json:
        record = {"machine": asdict(machine.describe()), "command": sys.argv, "ceilings": [asdict(c) for c in ceilings]}
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
