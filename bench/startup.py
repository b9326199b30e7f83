"""Import, load, first call, memory, and with --install the build: python -m bench.startup [--install] [--json
FILE]

Every time is the median over fresh interpreters. Memory is read from /proc: the peak of a process that loads
MiniLM in float32 and embeds a sentence, and the growth over 10,000 calls of mixed lengths.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from bench import machine
from bench.models import minilm_folder

IMPORT = """
import sys, time
start = time.perf_counter()
import fastplm
seconds = time.perf_counter() - start
assert "torch" not in sys.modules, "import fastplm imported torch"
print(seconds)
"""

# From the first statement on: the interpreter's own start is not fastplm's.
FIRST_SENTENCE = """
import sys, time
start = time.perf_counter()
import fastplm
fastplm.SentenceEncoder(sys.argv[1]).encode("The first sentence of the day.")
seconds = time.perf_counter() - start
assert "torch" not in sys.modules, "encoding imported torch"
print(seconds)
"""

PEAK = """
import re, sys
import fastplm
fastplm.SentenceEncoder(sys.argv[1]).encode("The first sentence of the day.")
print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
"""

# Calls of 1 to 4 texts of 1 to 400 words. The first 500 see every size of buffer; growth is counted after
# them.
GROWTH = """
import random, re, sys
import fastplm
rss = lambda: int(re.search(r"VmRSS:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
encoder = fastplm.SentenceEncoder(sys.argv[1])
chance = random.Random(0)
words = "time river stone window letter garden music winter bread signal paper cloud lamp".split()
def call():
    length = int(chance.choice((3, 3, 10, 10, 30, 100)) * chance.random() * 4) + 1
    batch = chance.choice((1, 1, 1, 1, 2, 4))
    encoder.encode([" ".join(chance.choices(words, k=length)) for _ in range(batch)])
encoder.encode([" ".join(words * 30)] * 16)
for _ in range(500): call()
before = rss()
for _ in range(int(sys.argv[2])): call()
print(before, rss())
"""


@dataclass(frozen=True)
class Figure:
    """One measured value and its limit."""

    what: str
    value: float
    limit: float
    unit: str

    @property
    def met(self) -> bool:
        return self.value <= self.limit


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=11, help="fresh interpreters per time")
    parser.add_argument("--calls", type=int, default=10_000, help="calls over which memory may not grow")
    parser.add_argument("--install", action="store_true", help="also time `pip install .` in a clean venv")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()

    model = minilm_folder()
    checkpoint = (model / "model.safetensors").stat().st_size / 1e6
    before, after = map(float, _python(GROWTH, str(model), str(options.calls)).split())
    figures = [
        Figure("import fastplm", _median(IMPORT, options.repeats), 0.15, "s"),
        Figure(
            "import, load, first sentence", _median(FIRST_SENTENCE, options.repeats, str(model)), 0.35, "s"
        ),
        Figure(
            "peak RSS, float32", float(_python(PEAK, str(model))) * 1024 / 1e6, 1.5 * checkpoint + 60, "MB"
        ),
        Figure(f"RSS growth over {options.calls} calls", (after / before - 1) * 100, 5, "%"),
    ]
    if options.install:
        figures += _install()

    about = machine.describe()
    print(f"{about.cpu}, {about.cores} cores, commit {about.commit}; the checkpoint has {checkpoint:.1f} MB")
    for figure in figures:
        print(
            f"{figure.what:32}{figure.value:10.3f} {figure.unit:3} {'met  ' if figure.met else 'SHORT'} "
            f"at most {figure.limit:.4g} {figure.unit}"
        )
    if options.json:
        kept = [asdict(figure) | {"met": figure.met} for figure in figures]
        machine.write_record(options.json, "bench.startup", about, figures=kept)
    return 0


def _python(code: str, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True
    ).stdout


def _median(code: str, repeats: int, *arguments: str) -> float:
    _python(code, *arguments)  # fills the page cache and writes the bytecode
    return median(float(_python(code, *arguments)) for _ in range(repeats))


def _install() -> list[Figure]:
    """`pip install .` and `pip wheel .` of a clean copy of the sources in a clean venv, without CUDA."""
    root = Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory() as scratch:
        clone, environment = Path(scratch) / "clone", Path(scratch) / "venv"
        subprocess.run(["git", "clone", "--quiet", root, clone], check=True)
        venv.create(environment, with_pip=True)
        pip = [environment / "bin" / "python", "-m", "pip", "--quiet"]
        no_cuda = "--config-settings=cmake.define.FASTPLM_CUDA=OFF"
        minutes = _minutes(lambda: subprocess.run([*pip, "install", no_cuda, "."], cwd=clone, check=True))
        subprocess.run([*pip, "wheel", no_cuda, "--no-deps", "-w", scratch, "."], cwd=clone, check=True)
        (wheel,) = Path(scratch).glob("fastplm-*.whl")
        size = wheel.stat().st_size / 1e6
    return [Figure("pip install . from clean", minutes, 6, "min"), Figure("wheel", size, 15, "MB")]


def _minutes(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) / 60


if __name__ == "__main__":
    raise SystemExit(main())
