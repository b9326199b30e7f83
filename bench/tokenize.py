"""WordPiece tokenizers: fastplm, tokenizers and tokie, interleaved in one process.

python -m bench.tokenize                                    English, Japanese, Chinese; one and all threads
python -m bench.tokenize --only ja --rounds 15              one language
python -m bench.tokenize --json bench/results/tokenize.json keep the figures

Every contender gets the same list of str and makes token ids with special tokens, each by its fastest call:
fastplm encode_packed, tokenizers encode_batch_fast, tokie encode_batch. Thread counts of the latter two are
fixed when a process starts, so each count is measured in a process of its own.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from bench import machine

LANGUAGES = {  # the text, and the tokenizer that goes with it
    "en": ("wikitext2/test.txt", "bert-base-uncased"),
    "ja": ("books/wagahai_ja.txt", "bert-base-uncased"),
    "zh": ("xquad/xquad.zh.json", "bert-base-chinese"),
}
# On one thread.
TARGETS = [("en", "tokenizers", 40.0), ("en", "tokie", 1.5), ("ja", "tokie", 1.0), ("zh", "tokie", 1.0)]


@dataclass(frozen=True)
class Row:
    """One contender on one text."""

    language: str
    threads: int
    contender: str
    megabytes: float  # of UTF-8
    texts: int
    median_mb_s: float
    best_mb_s: float
    seconds: list[float]
    exact: float  # share of the texts whose ids are those of tokenizers


def main() -> int:
    options = _options()
    if options.worker:
        print(json.dumps([asdict(row) for row in _measure(options)]))
        return 0
    about = machine.describe()
    rows: list[Row] = []
    for threads in options.threads:
        print(f"{threads} thread{'s' if threads > 1 else ''} ...", file=sys.stderr, flush=True)
        rows += _in_own_process(threads, options)
    verdicts = _judge(rows)
    _print(about, rows, verdicts)
    if options.json:
        command = ["python", "-m", "bench.tokenize", *sys.argv[1:]]
        measured = [asdict(row) for row in rows]
        record = {"machine": asdict(about), "command": command, "rows": measured, "verdicts": verdicts}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    return 0


def _options() -> argparse.Namespace:
    cores = len(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", choices=LANGUAGES, action="append", help="a language; may be given several times"
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, action="append", help="default: 1 and all cores")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.only = options.only or list(LANGUAGES)
    options.threads = options.threads or sorted({1, cores})
    if "FASTPLM_TEST_DATA" not in os.environ:
        parser.error("set FASTPLM_TEST_DATA to the folder that holds wikitext2, books, xquad and tokenizers")
    return options


def _in_own_process(threads: int, options: argparse.Namespace) -> list[Row]:
    command = [sys.executable, "-m", "bench.tokenize", "--worker", "--rounds", str(options.rounds)]
    command += ["--threads", str(threads), *(f"--only={language}" for language in options.only)]
    environment = {
        **os.environ, "RAYON_NUM_THREADS": str(threads), "FASTPLM_NUM_THREADS": str(threads),
        "TOKENIZERS_PARALLELISM": "true" if threads > 1 else "false",
    }  # fmt: skip
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return [Row(**row) for row in json.loads(done.stdout)]


def _lines(language: str) -> list[str]:
    path = Path(os.environ["FASTPLM_TEST_DATA"]) / LANGUAGES[language][0]
    text = path.read_text(encoding="utf-8")
    lines = text.split("\n") if path.suffix == ".txt" else list(_xquad(json.loads(text)))
    return [line for line in lines if line.strip()]


def _xquad(value: dict[str, Any]) -> Iterator[str]:
    for article in value["data"]:
        for paragraph in article["paragraphs"]:
            yield paragraph["context"]
            yield from (question["question"] for question in paragraph["qas"])


def _contenders(path: Path) -> dict[str, tuple[Callable[[list[str]], Any], Callable[[Any], list[list[int]]]]]:
    """By name: the call that is timed, and how its answer becomes lists of ids."""
    import tokenizers

    from fastplm import AutoTokenizer

    ours = AutoTokenizer.from_pretrained(path)
    reference = tokenizers.Tokenizer.from_file(str(path))

    def lists(encodings: Any) -> list[list[int]]:
        return [list(encoding.ids) for encoding in encodings]

    def split(packed: Any) -> list[list[int]]:
        return [packed[0][a:b].tolist() for a, b in pairwise(packed[1])]

    contenders: dict[str, Any] = {
        "fastplm": (ours.encode_packed, split),
        "tokenizers": (reference.encode_batch_fast, lists),
    }
    try:
        import tokie
    except ImportError:
        print("left out: tokie is not installed", file=sys.stderr)
    else:
        settings = json.loads(path.read_text())
        settings["model"].setdefault("type", "WordPiece")  # tokie does not guess it
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(settings, file)
            file.flush()
            contenders["tokie"] = (tokie.Tokenizer.from_json(file.name).encode_batch, lists)
    return contenders


def _measure(options: argparse.Namespace) -> Iterator[Row]:
    (threads,) = options.threads
    for language in options.only:
        root = Path(os.environ["FASTPLM_TEST_DATA"]) / "tokenizers/wordpiece"
        contenders = _contenders(root / LANGUAGES[language][1] / "tokenizer.json")
        texts = _lines(language)
        size = sum(len(text.encode()) for text in texts) / 1e6
        answers = {name: as_lists(call(texts)) for name, (call, as_lists) in contenders.items()}
        expected = answers["tokenizers"]
        seconds: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(options.rounds):
            for name, (call, _as_lists) in contenders.items():
                start = time.perf_counter()
                call(texts)
                seconds[name].append(time.perf_counter() - start)
        for name, taken in seconds.items():
            same = sum(mine == theirs for mine, theirs in zip(answers[name], expected, strict=True))
            speeds = size / median(taken), size / min(taken)
            yield Row(language, threads, name, size, len(texts), *speeds, taken,
                      same / len(texts))  # fmt: skip


def _judge(rows: list[Row]) -> list[dict[str, Any]]:
    speed = {(row.language, row.contender): row.median_mb_s for row in rows if row.threads == 1}
    verdicts = []
    for language, rival, target in TARGETS:
        if (language, rival) in speed:
            ratio = speed[language, "fastplm"] / speed[language, rival]
            verdicts.append(
                {
                    "language": language,
                    "rival": rival,
                    "target": target,
                    "ratio": ratio,
                    "met": ratio >= target,
                }
            )
    return verdicts


def _print(about: machine.Machine, rows: list[Row], verdicts: list[dict[str, Any]]) -> None:
    print(f"{about.cpu}, {about.cores} cores, load before {about.load_before}; {about.commit}")
    print("median (best) MB/s of UTF-8; exact: texts whose ids equal those of tokenizers\n")
    print(f"{'text':6}{'threads':>8}  {'contender':12}{'MB/s':>8}{'best':>9}{'exact':>9}")
    for row in rows:
        print(
            f"{row.language:6}{row.threads:8}  {row.contender:12}"
            f"{row.median_mb_s:8.1f}{row.best_mb_s:9.1f}{row.exact:9.2%}"
        )
    print("\none thread, ratio of medians")
    for v in verdicts:
        mark = "met" if v["met"] else "SHORT"
        print(f"{v['language']:6}{v['ratio']:8.1f}x {v['rival']:12} target {v['target']:g}x  {mark}")


if __name__ == "__main__":
    sys.exit(main())
