"""Loading tokenizers, and calls that return padded tensors, beside tokenizers and transformers.

python -m bench.tokenizer_load                                          everything
python -m bench.tokenizer_load --only 'cl100k|T5' --repeats 3           some of the tokenizers
python -m bench.tokenizer_load --json bench/results/tokenizer_load.json keep the figures

Every load has an interpreter of its own that has loaded a tiny tokenizer before; the peak and what is kept
are growth of resident memory from there. The libraries take turns; figures are medians. A file is read as
fastplm and `tokenizers` read it, a folder as fastplm and transformers' AutoTokenizer do.

Calls are tokenizer(texts, padding=True, truncation=True, return_tensors="np" or "pt"), and calls with one
short text, in a process per number of threads, after a check that both give the same ids.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench import machine


@dataclass(frozen=True)
class Model:
    name: str
    path: str  # below tokenizers/
    tokenizer_class: str  # of the folder
    large: bool = False  # 100,000 tokens and more: loading has targets
    called: bool = False  # whether calls are measured


MODELS = [
    Model("cl100k", "derived/cl100k_base", "PreTrainedTokenizerFast", large=True, called=True),
    Model("Qwen2.5", "derived/qwen2.5", "Qwen2Tokenizer", large=True),
    Model("XLM-R", "derived/xlm-roberta-base", "XLMRobertaTokenizer", large=True),
    Model("GPT-2", "bpe_bytelevel/gpt2", "GPT2Tokenizer", called=True),
    Model("Mistral", "spm_bpe/mistral01", "PreTrainedTokenizerFast"),
    Model("T5", "unigram/t5-small", "T5Tokenizer", called=True),
    Model("BERT", "wordpiece/bert-base-uncased", "BertTokenizer", called=True),
]
SPEED, PEAK, KEPT = 1.5, 1.0, 0.5  # of loading: times as fast, times the memory
TENSORS, ONE_TEXT = 20.0, 3.0  # of calls: times as fast

IMPORTS = {
    "fastplm": "from fastplm import AutoTokenizer; load = AutoTokenizer.from_pretrained",
    "tokenizers": "from tokenizers import Tokenizer; load = Tokenizer.from_file",
    "transformers": "from transformers import AutoTokenizer; load = AutoTokenizer.from_pretrained",
}
RIVALS = {"file": "tokenizers", "folder": "transformers"}

LOAD = """
import json, re, sys, time
from pathlib import Path
def memory(name):
    return int(re.search(name + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024 / 1e6
{imports}
path = Path(sys.argv[1])
load(sys.argv[2])
(path / "tokenizer.json" if path.is_dir() else path).read_bytes()
before = memory("VmRSS")
Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
start = time.perf_counter()
tokenizer = load(str(path))
seconds = time.perf_counter() - start
print(json.dumps([seconds, memory("VmHWM") - before, memory("VmRSS") - before]))
"""


@dataclass(frozen=True)
class Load:
    """One library on one tokenizer."""

    model: str
    way: str  # file or folder
    library: str
    large: bool
    seconds: float
    peak_mb: float
    kept_mb: float


@dataclass(frozen=True)
class Call:
    """One tokenizer on one workload; milliseconds."""

    model: str
    workload: str
    tensors: str
    threads: int
    fastplm_ms: float
    transformers_ms: float


@dataclass(frozen=True)
class Verdict:
    """`reached` is fastplm beside its rival: how many times as fast, or how much of its memory."""

    what: str
    reached: float
    target: float
    met: bool


def main() -> int:
    options = _options()
    if options.worker:
        print(json.dumps([asdict(call) for call in _measure_calls(options)]))
        return 0
    about = machine.describe()
    loads = list(_measure_loads(options))
    calls = [call for threads in options.threads for call in _calls_in_own_process(threads, options)]
    verdicts = judge(loads, calls)
    _print(about, loads, calls, verdicts)
    if options.json:
        machine.write_record(
            options.json,
            "bench.tokenizer_load",
            about,
            loads=[asdict(load) for load in loads],
            calls=[asdict(call) for call in calls],
            verdicts=[asdict(verdict) for verdict in verdicts],
        )
    return 0


def _options() -> argparse.Namespace:
    cores = len(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = "; ".join(model.name for model in MODELS)
    parser.add_argument("--only", default="", metavar="REGEX", help=f"tokenizers by name: {names}")
    parser.add_argument("--repeats", type=int, default=5, help="fresh interpreters per load, rounds of calls")
    parser.add_argument("--threads", type=int, action="append", help="of calls; default: 1 and all cores")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.threads = options.threads or sorted({1, cores})
    options.models = [model for model in MODELS if re.search(options.only, model.name)]
    if not options.models:
        parser.error(f"--only: {options.only!r} matches no tokenizer")
    if "FASTPLM_TEST_DATA" not in os.environ:
        parser.error("set FASTPLM_TEST_DATA to the folder that holds wikitext2 and tokenizers")
    return options


def _data(path: str) -> Path:
    return Path(os.environ["FASTPLM_TEST_DATA"]) / path


def _file(model: Model) -> Path:
    return _data(f"tokenizers/{model.path}/tokenizer.json")


def _measure_loads(options: argparse.Namespace) -> Iterator[Load]:
    with tempfile.TemporaryDirectory() as scratch:
        tiny = _folder(Path(scratch), "tiny", _data("tokenizers/wordpiece/fastbert-mini/minimal.json"))
        for model in options.models:
            folder = _folder(Path(scratch), model.name, _file(model), model.tokenizer_class)
            for way, path, first in (
                ("file", _file(model), tiny / "tokenizer.json"), ("folder", folder, tiny),
            ):  # fmt: skip
                libraries = ("fastplm", RIVALS[way])
                rounds = [
                    {name: _load(name, path, first) for name in libraries} for _ in range(options.repeats)
                ]
                for name in libraries:
                    figures = [median(taken[name][i] for taken in rounds) for i in range(3)]
                    yield Load(model.name, way, name, model.large, *figures)


def _folder(scratch: Path, name: str, file: Path, tokenizer_class: str = "PreTrainedTokenizerFast") -> Path:
    folder = scratch / name
    folder.mkdir()
    (folder / "tokenizer.json").symlink_to(file)
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": tokenizer_class}))
    return folder


def _load(library: str, path: Path, first: Path) -> list[float]:
    """Seconds, peak and kept memory, after `first` was loaded."""
    code = LOAD.format(imports=IMPORTS[library])
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(first)], check=True, stdout=subprocess.PIPE, text=True,
        stderr=subprocess.DEVNULL, env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    result: list[float] = json.loads(done.stdout)
    return result


def _calls_in_own_process(threads: int, options: argparse.Namespace) -> list[Call]:
    command = [sys.executable, "-m", "bench.tokenizer_load", "--worker", "--repeats", str(options.repeats)]
    command += ["--threads", str(threads), "--only", options.only]
    environment = {
        **os.environ, "RAYON_NUM_THREADS": str(threads), "FASTPLM_NUM_THREADS": str(threads),
        "TOKENIZERS_PARALLELISM": "true" if threads > 1 else "false", "HF_HUB_OFFLINE": "1",
    }  # fmt: skip
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return [Call(**call) for call in json.loads(done.stdout)]


def _workloads() -> dict[str, tuple[Any, dict[str, Any]]]:
    """Texts and arguments."""
    text = _data("wikitext2/test.txt").read_text(encoding="utf-8")
    lines = [line.strip() for line in text.split("\n") if len(line) > 200]
    sentences = [part + "." for line in lines for part in line.split(" . ") if 30 < len(part) < 90]
    return {
        "1,000 short sentences": (sentences[:1000], {}),
        "32 texts of 128 tokens": (
            [" ".join(lines[3 * i : 3 * i + 2]) for i in range(32)],
            {"max_length": 128},
        ),
        "one short text": (sentences[0], {}),
    }


def _measure_calls(options: argparse.Namespace) -> Iterator[Call]:
    import numpy as np
    from transformers import PreTrainedTokenizerFast

    from fastplm import AutoTokenizer

    (threads,) = options.threads
    for model in options.models:
        if not model.called:
            continue
        ours = AutoTokenizer.from_pretrained(_file(model), model_max_length=512)
        theirs = PreTrainedTokenizerFast(tokenizer_file=str(_file(model)), model_max_length=512)
        ours.pad_token = theirs.pad_token = ours.convert_ids_to_tokens(0)
        for workload, (texts, arguments) in _workloads().items():
            one = isinstance(texts, str)
            for tensors in ("np", "pt") if not one else ("none", "np", "pt"):
                if tensors != "none":
                    arguments = {**arguments, "padding": True, "truncation": True, "return_tensors": tensors}

                def call(tokenizer: Any, texts: Any = texts, arguments: Any = arguments) -> Any:
                    return tokenizer(texts, **arguments)

                if not np.array_equal(call(ours)["input_ids"], call(theirs)["input_ids"]):
                    raise AssertionError(f"{model.name}, {workload}: the ids differ")
                calls = 200 if one else 5
                rounds = [
                    [_milliseconds(lambda who=who: call(who), calls) for who in (ours, theirs)]
                    for _ in range(options.repeats)
                ]
                mine, other = (median(taken[i] for taken in rounds) for i in range(2))
                yield Call(model.name, workload, tensors, threads, mine, other)


def _milliseconds(call: Callable[[], Any], calls: int) -> float:
    """Of a call, the median over `calls` after one that is not counted."""
    call()
    taken = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return median(taken) * 1e3


def judge(loads: list[Load], calls: list[Call]) -> list[Verdict]:
    verdicts = []
    found = {(load.model, load.way, load.library): load for load in loads}
    for (model, way, library), ours in found.items():
        rival = found.get((model, way, RIVALS[way]))
        if library != "fastplm" or rival is None or not ours.large:
            continue
        name = f"{model} {way} against {rival.library}"
        faster = rival.seconds / ours.seconds
        verdicts.append(Verdict(f"{name}: times as fast", faster, SPEED, faster >= SPEED))
        for what, part, most in (
            ("peak", ours.peak_mb / rival.peak_mb, PEAK), ("kept", ours.kept_mb / rival.kept_mb, KEPT),
        ):  # fmt: skip
            verdicts.append(Verdict(f"{name}: of its memory, {what}", part, most, part <= most))
    for call in calls:
        target = ONE_TEXT if call.workload == "one short text" else TENSORS
        faster = call.transformers_ms / call.fastplm_ms
        name = f"{call.model}, {call.workload}, {call.tensors}, {call.threads} threads"
        verdicts.append(Verdict(f"{name}: times as fast", faster, target, faster >= target))
    return verdicts


def _print(about: machine.Machine, loads: list[Load], calls: list[Call], verdicts: list[Verdict]) -> None:
    print(f"{about.cpu}, {about.cores} cores, load before {about.load_before}; {about.commit}")
    print(f"\n{'load':20}{'library':14}{'ms':>9}{'peak MB':>10}{'kept MB':>10}")
    for load in loads:
        print(
            f"{load.model + ' ' + load.way:20}{load.library:14}"
            f"{load.seconds * 1e3:9.1f}{load.peak_mb:10.1f}{load.kept_mb:10.1f}"
        )
    print(f"\n{'call':44}{'threads':>8}{'fastplm ms':>12}{'transformers ms':>17}")
    for call in calls:
        name = f"{call.model}, {call.workload}, {call.tensors}"
        print(f"{name:44}{call.threads:8}{call.fastplm_ms:12.4f}{call.transformers_ms:17.4f}")
    print()
    for v in verdicts:
        print(f"{v.what:66}{v.reached:8.2f}  target {v.target:g}  {'met' if v.met else 'SHORT'}")


if __name__ == "__main__":
    sys.exit(main())
