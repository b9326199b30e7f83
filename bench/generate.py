"""Generation: fastplm and its peers, interleaved in one run, in the manner of llama-bench: a prompt of 512
tokens until its first new one; 128 new tokens behind a prompt of one; and translations.

python -m bench.generate                                              everything; some hours on two cores
python -m bench.generate --only 'qwen2-0.5b decode 1x' --rounds 3     one cell
python -m bench.generate --new 8 --prompt 32 --rounds 1               whether everything runs, in minutes
python -m bench.generate --json bench/results/generate.json           keep the figures
"""

import argparse
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from bench import ceiling, machine
from bench.clock import interleave
from bench.decoders import SHAPES
from bench.generation import Cell, cells, judge, products, reached
from bench.generators import CONTENDERS
from bench.generators.base import Array
from bench.worker import Worker, WorkerError, serve

PRECISIONS = tuple(dict.fromkeys(contender.precision for contender in CONTENDERS.values()))


@dataclass(frozen=True)
class Row:
    """One contender on one cell; note says why there are no figures."""

    cell: str
    kind: tuple[str, str, int, int]
    contender: str
    precision: str
    median_ms: float | None = None
    rounds_ms: tuple[float, ...] = ()
    tokens_per_s: float | None = None  # of the prompt for prefill, new ones otherwise
    mb_per_token: float | None = None  # of weights, read for a new token
    of_read: float | None = None  # share of the read bandwidth
    of_products: float | None = None  # share of the product ceiling
    same_tokens: float | None = None  # as the first contender's
    note: str = ""


class Task:
    """A contender's model and what it is to do, in the worker's process."""

    def __init__(self, contender: str, model: str, threads: int) -> None:
        self._engine = CONTENDERS[contender].create(model, threads)
        self._call: Callable[[], Array]

    def prepare(self, cell: Cell) -> Array:
        chance = np.random.default_rng(0)
        low, high = 10, SHAPES[cell.model].settings.get("vocab_size", 32000) - 10  # no special tokens
        prompts = [chance.integers(low, high, length, dtype=np.int32) for length in cell.lengths()]
        if cell.work == "requests":
            self._call = lambda: self._engine.requests(prompts, cell.new)
        else:
            ids = np.stack(prompts)
            self._engine.prepare(cell.batch, cell.length, cell.new)
            self._call = lambda: self._engine.generate(ids, cell.new, cell.beams)
        made = np.asarray(self._call())
        if made.shape != (cell.batch, cell.new):
            raise ValueError(f"gave {made.shape} tokens; expected {(cell.batch, cell.new)}")
        return made

    def seconds(self, warm: int, calls: int) -> list[float]:
        taken = []
        for _ in range(warm + calls):
            begin = time.perf_counter()
            self._call()
            taken.append(time.perf_counter() - begin)
        return taken[warm:]


def _serve(pipe: Connection, contender: str, model: Any, threads: int) -> None:
    serve(pipe, lambda: Task(contender, model, threads))


class TaskWorker(Worker):
    def __init__(self, contender: str, model: str, threads: int) -> None:
        super().__init__(contender, model, threads, serve=_serve)

    def prepare(self, cell: Cell) -> Array:
        """The tokens that it gives."""
        result: Array = self._ask("prepare", cell)
        return result


def main() -> int:
    options = _options()
    wanted = [cell for cell in cells(options.prompt, options.new) if re.search(options.only, cell.name)]
    about = machine.describe()
    print(f"{about.cpu}, {options.threads} threads, load {about.load_before}, commit {about.commit}")
    rows: list[Row] = []
    verdicts: list[dict[str, Any]] = []
    ceilings = {}
    with ceiling.Probe() as compiled:
        probe = partial(compiled.measure, options.threads, 0.03, (*ceiling.PRODUCTS, "read_memory"))
        for model in dict.fromkeys(cell.model for cell in wanted):
            for precision in PRECISIONS:
                workers, notes = _start(options.contenders, model, precision, options.threads)
                for cell in (c for c in wanted if c.model == model):
                    measured, best = _measure(cell, precision, workers, notes, options, probe)
                    if not measured:
                        continue
                    rows += measured
                    judged = []
                    if best is not None:
                        seconds = {row.contender: row.median_ms / 1e3 for row in measured if row.median_ms}
                        judged = judge(cell, precision, seconds, best)
                        verdicts += judged
                        ceilings[f"{cell.name}, {precision}"] = best.measured
                    _print_cell(cell, precision, measured, judged)
                for worker in workers.values():
                    worker.close()
    if options.json:
        machine.write_record(
            options.json,
            "bench.generate",
            about,
            threads=options.threads,
            ceilings=ceilings,
            rows=[asdict(row) for row in rows],
            verdicts=verdicts,
        )
    return 0


def _start(
    names: list[str], model: str, precision: str, threads: int
) -> tuple[dict[str, TaskWorker], dict[str, str]]:
    """The contenders that run, and why others do not."""
    workers, notes = {}, {}
    for name in names:
        contender = CONTENDERS[name]
        if contender.precision != precision or (contender.models and model not in contender.models):
            continue
        if SHAPES[model].source and "translate" not in contender.works:
            continue
        if find_spec(contender.package) is None:
            notes[name] = "not installed"
            continue
        try:
            workers[name] = TaskWorker(name, model, threads)
        except WorkerError as error:
            notes[name] = str(error).strip().splitlines()[-1]
            print(f"left out: {error}", file=sys.stderr)
    return workers, notes


def _measure(
    cell: Cell,
    precision: str,
    workers: dict[str, TaskWorker],
    notes: dict[str, str],
    options: argparse.Namespace,
    probe: Callable[[], ceiling.Ceiling],
) -> tuple[list[Row], ceiling.Ceiling | None]:
    rows, tokens = {}, {}
    for name in options.contenders:
        if cell.work not in CONTENDERS[name].works:
            continue
        if name in notes:
            rows[name] = Row(cell.name, cell.kind, name, precision, note=notes[name])
        elif name in workers:
            try:
                tokens[name] = workers[name].prepare(cell)
            except WorkerError as error:
                note = str(error).strip().splitlines()[-1]
                rows[name] = Row(cell.name, cell.kind, name, precision, note=note)
                print(f"left out: {error}", file=sys.stderr)
    if not tokens:
        return list(rows.values()), None
    timings = interleave({name: workers[name] for name in tokens}, probe, options.rounds)
    best = ceiling.middle(timings.ceilings)
    first = next(iter(tokens.values()))
    for name, timing in timings.by_contender.items():
        size = cell.bytes(CONTENDERS[name].bytes)
        rate = cell.flops() / timing.median / 1e9
        count = cell.batch * (cell.length if cell.work == "prefill" else cell.new)
        rows[name] = Row(
            cell.name,
            cell.kind,
            name,
            precision,
            median_ms=timing.median * 1e3,
            rounds_ms=tuple(seconds * 1e3 for seconds in timing.rounds),
            tokens_per_s=count / timing.median,
            mb_per_token=size / (cell.batch * cell.new) / 1e6,
            of_read=size / timing.median / 1e9 / best.read,
            of_products=rate / products(best, precision),
            same_tokens=float((tokens[name] == first).mean()),
        )
    return [rows[name] for name in options.contenders if name in rows], best


def _print_cell(cell: Cell, precision: str, rows: list[Row], verdicts: list[dict[str, Any]]) -> None:
    print(f"\n{cell.name}, {precision}")
    print(f"{'':20}{'ms':>10}{'tokens/s':>10}{'MB/token':>10}{'read':>7}{'products':>10}{'same':>7}")
    for row in rows:
        if row.median_ms is None:
            print(f"{row.contender:20}  {row.note}")
            continue
        print(
            f"{row.contender:20}{row.median_ms:10.1f}{row.tokens_per_s:10.1f}{row.mb_per_token:10.1f}"
            f"{row.of_read:7.0%}{row.of_products:10.0%}{row.same_tokens:7.0%}"
        )
    for verdict in verdicts:
        mark = "met" if verdict["met"] else "short"
        print(f"{reached(verdict)}, asked {verdict['asked']}: {mark}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [cell.name for cell in cells(512, 128)]
    parser.add_argument("--only", default="", metavar="REGEX", help="cells by name: " + "; ".join(names))
    parser.add_argument("--contenders", default=",".join(CONTENDERS), help="comma-separated; default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--prompt", type=int, default=512, help="tokens of a prefill")
    parser.add_argument("--new", type=int, default=128, help="tokens of the other cells")
    parser.add_argument(
        "--threads", type=int, default=len(os.sched_getaffinity(0)), help="of every contender"
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    options.contenders = options.contenders.split(",")
    if unknown := set(options.contenders) - CONTENDERS.keys():
        parser.error(f"--contenders: no {', '.join(sorted(unknown))}; there are {', '.join(CONTENDERS)}")
    if not any(re.search(options.only, cell.name) for cell in cells(options.prompt, options.new)):
        parser.error(f"--only: {options.only!r} matches no cell")
    return options


if __name__ == "__main__":
    raise SystemExit(main())
