"""Encoders: fastplm and its peers, interleaved in one run.

python -m bench.encode                                            everything; about half an hour on two cores
python -m bench.encode --only 'minilm 32x128' --rounds 9          one cell
python -m bench.encode --contenders fastplm-bf16,openvino-bf16    two contenders
python -m bench.encode --json bench/results/encode.json           keep the figures, for bench/plot.py
"""

import argparse
import os
import re
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from bench import ceiling, machine
from bench.clock import Interleaved, interleave
from bench.models import FAMILIES, SHAPES
from bench.peers import CONTENDERS
from bench.peers.base import Array, Peer
from bench.targets import TARGETS, Verdict, judge
from bench.worker import Worker, WorkerError
from bench.workloads import CELLS, Cell, grid_ids, ragged_texts


@dataclass(frozen=True)
class Row:
    """One contender on one cell."""

    cell: str
    contender: str
    precision: str
    median_ms: float
    best_ms: float
    rounds_ms: list[float]
    gflops: float  # on real tokens, at the median
    of_ceiling: float
    min_cosine: float  # with torch in float32, or with the first contender if torch did not run
    batch_size: int | None  # of ragged work


@dataclass(frozen=True)
class Measured:
    """One cell after its rounds; the mappings are by contender."""

    cell: Cell
    flops: float
    timings: Interleaved
    cosines: dict[str, float]  # the smallest with the reference
    batch_sizes: dict[str, int]  # of ragged work

    @property
    def ceiling(self) -> ceiling.Ceiling:
        """The median over the rounds."""
        return ceiling.middle(self.timings.ceilings)


def main() -> int:
    options = _options()
    cells = [cell for cell in CELLS if re.search(options.only, cell.name)]
    about = machine.describe()
    print(f"{about.cpu}, {options.threads} threads, flags {' '.join(about.flags)}, commit {about.commit}")

    results = []
    with ceiling.Probe() as compiled:
        for model in dict.fromkeys(cell.model for cell in cells):
            mine = [cell for cell in cells if cell.model == model]
            workers = _start(options.contenders, mine, model, options.threads)
            for cell in mine:
                names = [name for name in workers if _takes_part(name, cell, options.threads)]
                probe = partial(compiled.measure, options.threads, 0.03, ceiling.PRODUCTS)
                rounds = options.rounds if cell.mode == "grid" else options.ragged_rounds
                results.append(_measure(cell, {name: workers[name] for name in names}, probe, rounds))
                _print_cell(results[-1])
            for worker in workers.values():
                worker.close()

    verdicts = _judge(results)
    _print_verdicts(verdicts)
    if options.json:
        cells = {
            measured.cell.name: {
                "disturbed_rounds": measured.timings.disturbed_rounds,
                "ceiling": measured.ceiling.measured,
            }
            for measured in results
        }
        machine.write_record(
            options.json,
            "bench.encode",
            about,
            threads=options.threads,
            cells=cells,
            rows=[asdict(row) for measured in results for row in _rows(measured)],
            verdicts=[asdict(verdict) for verdict in verdicts],
        )
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", default="", metavar="REGEX", help="cells by name: " + "; ".join(c.name for c in CELLS)
    )
    parser.add_argument("--contenders", default=",".join(CONTENDERS), help="comma-separated; default: all")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--ragged-rounds", type=int, default=3, help="of 1,000 texts, which take seconds a call"
    )
    parser.add_argument(
        "--threads", type=int, default=len(os.sched_getaffinity(0)), help="of every contender"
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    options.contenders = options.contenders.split(",")
    if unknown := set(options.contenders) - CONTENDERS.keys():
        parser.error(f"--contenders: no {', '.join(sorted(unknown))}; there are {', '.join(CONTENDERS)}")
    if not any(re.search(options.only, cell.name) for cell in CELLS):
        parser.error(f"--only: {options.only!r} matches no cell")
    return options


def _start(names: list[str], cells: list[Cell], model: str, threads: int) -> dict[str, Worker]:
    """A worker for every contender that has something to do; one that cannot start is left out, aloud."""
    workers = {}
    for name in names:
        if not any(_takes_part(name, cell, threads) for cell in cells):
            continue
        try:
            workers[name] = Worker(name, model, threads)
        except WorkerError as error:
            print(f"left out: {error}", file=sys.stderr)
    return workers


def _takes_part(name: str, cell: Cell, threads: int) -> bool:
    contender = CONTENDERS[name]
    enough = not contender.splits_batch or cell.mode != "grid" or cell.batch >= threads
    known = contender.any_family or cell.model not in FAMILIES
    return cell.mode in contender.modes and enough and known


def _measure(
    cell: Cell, workers: dict[str, Worker], probe: Callable[[], ceiling.Ceiling], rounds: int
) -> Measured:
    print(f"\n{cell.name}", flush=True)
    embeddings: dict[str, Array] = {}
    batch_sizes = {}
    for name, worker in workers.items():
        if cell.mode == "grid":
            worker.prepare_ids(*grid_ids(cell))
        else:
            batch_sizes[name] = worker.prepare_ragged(ragged_texts(cell.order), cell.mode == "ids")
        embeddings[name] = worker.embed()
    reference = embeddings.get("torch-fp32", next(iter(embeddings.values())))
    cosines = {name: float((reference * mine).sum(axis=1).min()) for name, mine in embeddings.items()}
    return Measured(cell, _flops(cell), interleave(workers, probe, rounds), cosines, batch_sizes)


def _flops(cell: Cell) -> float:
    if cell.mode == "grid":
        lengths = np.full(cell.batch, cell.length)
    else:
        texts = Peer(cell.model, 1, "float32").tokenize(ragged_texts(cell.order))
        lengths = np.array([len(text) for text in texts])
    return SHAPES[cell.model].flops(lengths)


def _rows(measured: Measured) -> list[Row]:
    rows = []
    for name, timing in measured.timings.by_contender.items():
        precision = CONTENDERS[name].precision
        rate = measured.flops / timing.median / 1e9
        rows.append(
            Row(
                cell=measured.cell.name,
                contender=name,
                precision=precision,
                median_ms=timing.median * 1e3,
                best_ms=timing.best * 1e3,
                rounds_ms=[seconds * 1e3 for seconds in timing.rounds],
                gflops=rate,
                of_ceiling=rate / measured.ceiling.of(precision),
                min_cosine=measured.cosines[name],
                batch_size=measured.batch_sizes.get(name),
            )
        )
    return rows


def _judge(results: list[Measured]) -> list[Verdict]:
    verdicts = []
    ours = {
        (row.cell, row.precision): row.of_ceiling
        for measured in results
        for row in _rows(measured)
        if CONTENDERS[row.contender].module == "ours"
    }
    for measured in results:
        medians = {name: timing.median for name, timing in measured.timings.by_contender.items()}
        for target in TARGETS:
            if target.cell == measured.cell.name:
                peak = measured.ceiling.of(target.precision) * 1e9
                verdict = judge(
                    target, medians, measured.flops, peak, ours.get((target.of, target.precision))
                )
                verdicts += [verdict] if verdict else []
    return verdicts


def _print_cell(measured: Measured) -> None:
    best = measured.ceiling
    print(
        f"  ceiling: float32 {best.float32:.0f}, bfloat16 {best.bfloat16:.0f}, int8 {best.int8:.0f} GFLOP/s"
    )
    if measured.timings.disturbed_rounds:
        print(
            f"  {measured.timings.disturbed_rounds} of the rounds were disturbed by other work on the machine"
        )
    print(f"  {'contender':28}{'median ms':>11}{'best ms':>10}{'GFLOP/s':>9}{'ceiling':>9}{'min cosine':>12}")
    for row in _rows(measured):
        print(
            f"  {row.contender:28}{row.median_ms:11.2f}{row.best_ms:10.2f}{row.gflops:9.0f}"
            f"{row.of_ceiling:9.1%}{row.min_cosine:12.6f}"
        )


def _print_verdicts(verdicts: list[Verdict]) -> None:
    if verdicts:
        print(f"\n{'target':28}{'precision':10}{'reached':>9}{'ceiling':>9}         asked for")
    for verdict in verdicts:
        reached = f"{verdict.ratio:.2f}x" if verdict.ratio is not None else ""
        print(
            f"{verdict.target.cell:28}{verdict.target.precision:10}{reached:>9}{verdict.share:9.1%}"
            f"   {'met  ' if verdict.met else 'SHORT'} {verdict.asked}"
        )


if __name__ == "__main__":
    raise SystemExit(main())
