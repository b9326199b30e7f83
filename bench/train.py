"""Training steps: fastplm and torch, interleaved in one run. A step is forward, backward and AdamW.

python -m bench.train                                             everything; about an hour on two cores
python -m bench.train --only 'mlm 8x128' --rounds 5               one cell and its half padded twin
python -m bench.train --contenders fastplm-fp32,torch-fp32        two contenders
python -m bench.train --json bench/results/train.json             keep the figures
"""

import argparse
import os
import re
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench import ceiling, machine
from bench.clock import interleave
from bench.worker import Worker, WorkerError

CONTENDERS = tuple(f"{who}-{how}" for how in ("fp32", "bf16") for who in ("fastplm", "torch", "compile"))


@dataclass(frozen=True)
class Cell:
    """batch x length tokens of random ids; padded: half of all places are padding."""

    name: str
    model: str  # a class of transformers, with its default config
    batch: int
    length: int
    padded: bool = False
    settings: tuple[tuple[str, int], ...] = ()


T5_SMALL = (
    ("d_model", 512), ("d_ff", 2048), ("num_layers", 6), ("num_heads", 8), ("decoder_start_token_id", 0),
)  # fmt: skip
CELLS = [
    Cell(f"bert-base {task} {batch}x{length}{', half padded' * padded}", model, batch, length, padded)
    for task, model in (("mlm", "BertForMaskedLM"), ("classification", "BertForSequenceClassification"))
    for batch, length in ((8, 128), (8, 512))
    for padded in (False, True)
] + [
    Cell("gpt2 clm 2x512", "GPT2LMHeadModel", 2, 512),
    Cell("t5-small 8x128", "T5ForConditionalGeneration", 8, 128, settings=T5_SMALL),
]

# cell: fastplm's smallest ratio over torch and over torch.compile, by precision
TARGETS = {
    **{cell.name: {"torch-bf16": 3.5, "compile-bf16": 2.6} for cell in CELLS if cell.padded},
    **{
        f"bert-base {task} 8x128": {"torch-bf16": 2.0, "compile-bf16": 1.5, "torch-fp32": 1.5}
        for task in ("mlm", "classification")
    },
    "gpt2 clm 2x512": {"torch-bf16": 2.2, "compile-bf16": 1.7},
    "t5-small 8x128": {"torch-bf16": 2.0, "torch-fp32": 2.0},
}


@dataclass(frozen=True)
class Row:
    """One contender on one cell."""

    cell: str
    contender: str
    median_s: float
    rounds_s: list[float]
    tokens_per_s: float  # places of padding count as tokens, for every contender
    first_step_s: float
    peak_mb: float  # during a step, beyond parameters, gradients and the optimizer's state
    loss: float  # of the first step


class Step:
    """A model, its optimizer and one batch, in a worker's process."""

    def __init__(self, contender: str, cell: Cell, threads: int) -> None:
        import torch
        import transformers

        import fastplm
        from fastplm.optim import AdamW

        torch.set_num_threads(threads)
        torch.manual_seed(0)
        cls = getattr(transformers, cell.model)
        model = cls(cls.config_class(**dict(cell.settings))).train()
        who, how = contender.split("-")
        if who == "fastplm":
            fastplm.set_num_threads(threads)
            fastplm.accelerate(model)
        self._optimizer: Any = (
            AdamW(model.parameters())
            if who == "fastplm"
            else torch.optim.AdamW(model.parameters(), fused=True)
        )
        self._model: Any = torch.compile(model) if who == "compile" else model
        self._inputs = _batch(cell, model.config.vocab_size)
        self._cast: Callable[[], Any] = (
            partial(torch.autocast, "cpu", dtype=torch.bfloat16) if how == "bf16" else nullcontext
        )

    def __call__(self) -> float:
        self._optimizer.zero_grad()
        with self._cast():
            loss = self._model(**self._inputs).loss
        loss.backward()
        self._optimizer.step()
        return float(loss.detach())

    def first(self) -> tuple[float, float, float]:
        """Loss and seconds of the first step, and MB of the second one's peak."""
        begin = time.perf_counter()
        loss = self()
        seconds = time.perf_counter() - begin
        before = _status("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # man 5 proc: VmHWM starts anew
        self()
        return loss, seconds, (_status("VmHWM") - before) / 1024

    def seconds(self, warm: int, calls: int) -> list[float]:
        taken = []
        for _ in range(warm + calls):
            begin = time.perf_counter()
            self()
            taken.append(time.perf_counter() - begin)
        return taken[warm:]


def _batch(cell: Cell, vocab: int) -> dict[str, Any]:
    import torch

    ids = torch.randint(1000, vocab, (cell.batch, cell.length))
    mask = torch.ones_like(ids)
    if cell.padded:  # lengths around the half
        for row, extra in enumerate(torch.linspace(-0.25, 0.25, cell.batch)):
            mask[row, int(cell.length * (0.5 + float(extra))) :] = 0
    labels = ids
    if cell.model == "BertForMaskedLM":
        labels = torch.where((torch.rand(ids.shape) < 0.15) & (mask == 1), ids, -100)
    elif cell.model == "BertForSequenceClassification":
        labels = torch.arange(cell.batch) % 2
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def _status(field: str) -> int:
    """KB, of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def _serve(pipe: Connection, contender: str, cell: Any, threads: int) -> None:
    try:
        step = Step(contender, cell, threads)
        pipe.send((True, None))
        while True:
            command, *arguments = pipe.recv()
            pipe.send((True, getattr(step, command)(*arguments)))
    except EOFError:
        return
    except Exception:
        pipe.send((False, traceback.format_exc()))


class StepWorker(Worker):
    def __init__(self, contender: str, cell: Cell, threads: int) -> None:
        super().__init__(contender, cell, threads, serve=_serve)

    def first(self) -> tuple[float, float, float]:
        result: tuple[float, float, float] = self._ask("first")
        return result


def main() -> int:
    options = _options()
    about = machine.describe()
    print(f"{about.cpu}, {options.threads} threads, load {about.load_before}, commit {about.commit}")
    rows: list[Row] = []
    ceilings = {}
    with ceiling.Probe() as compiled:
        probe = partial(compiled.measure, options.threads, 0.03, ceiling.PRODUCTS)
        for cell in (c for c in CELLS if re.search(options.only, c.name)):
            measured, ceilings[cell.name] = _measure(cell, options, probe)
            rows += measured
            _print_cell(cell, measured)
    if options.json:
        machine.write_record(
            options.json,
            "bench.train",
            about,
            threads=options.threads,
            ceilings=ceilings,
            rows=[asdict(row) for row in rows],
            verdicts=verdicts(rows),
        )
    return 0


def _measure(
    cell: Cell, options: argparse.Namespace, probe: Callable[[], ceiling.Ceiling]
) -> tuple[list[Row], dict[str, float]]:
    workers, firsts = {}, {}
    for name in options.contenders:
        try:
            workers[name] = StepWorker(name, cell, options.threads)
            firsts[name] = workers[name].first()
        except WorkerError as error:
            workers.pop(name, None)
            print(f"left out: {error}", file=sys.stderr)
    timings = interleave(dict(workers), probe, options.rounds)
    for worker in workers.values():
        worker.close()
    rows = []
    for name, timing in timings.by_contender.items():
        loss, seconds, peak = firsts[name]
        rate = cell.batch * cell.length / timing.median
        rows.append(Row(cell.name, name, timing.median, timing.rounds, rate, seconds, peak, loss))
    return rows, ceiling.middle(timings.ceilings).measured


def verdicts(rows: list[Row]) -> list[dict[str, Any]]:
    """Each target whose two contenders ran: the ratio that was reached, and whether it is enough."""
    seconds = {(row.cell, row.contender): row.median_s for row in rows}
    found = []
    for cell, targets in TARGETS.items():
        for rival, asked in targets.items():
            ours = seconds.get((cell, "fastplm-" + rival.split("-")[1]))
            theirs = seconds.get((cell, rival))
            if ours and theirs:
                ratio = theirs / ours
                found.append(
                    {"cell": cell, "rival": rival, "asked": asked, "ratio": ratio, "met": ratio >= asked}
                )
    return found


def _print_cell(cell: Cell, rows: list[Row]) -> None:
    print(f"\n{cell.name}\n{'':16}{'s/step':>8}{'tokens/s':>10}{'first s':>9}{'peak MB':>9}{'loss':>8}")
    for row in rows:
        print(
            f"{row.contender:16}{row.median_s:8.3f}{row.tokens_per_s:10.0f}{row.first_step_s:9.1f}"
            f"{row.peak_mb:9.0f}{row.loss:8.3f}"
        )
    for v in verdicts(rows):
        mark = "met" if v["met"] else "short"
        print(f"{v['ratio']:.2f}x {v['rival']}, {v['asked']}x asked: {mark}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", default="", metavar="REGEX", help="cells by name: " + "; ".join(c.name for c in CELLS)
    )
    parser.add_argument("--contenders", default=",".join(CONTENDERS), help="comma-separated; default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--threads", type=int, default=len(os.sched_getaffinity(0)), help="of every contender"
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    options.contenders = options.contenders.split(",")
    if unknown := set(options.contenders) - set(CONTENDERS):
        parser.error(f"--contenders: no {', '.join(sorted(unknown))}; there are {', '.join(CONTENDERS)}")
    if not any(re.search(options.only, cell.name) for cell in CELLS):
        parser.error(f"--only: {options.only!r} matches no cell")
    return options


if __name__ == "__main__":
    raise SystemExit(main())
