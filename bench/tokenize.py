"""Tokenizers: fastplm and its peers, interleaved in one process.

python -m bench.tokenize                                    every family and language; one and all threads
python -m bench.tokenize --only 'GPT-2|T5 en' --rounds 5    some of them
python -m bench.tokenize --json bench/results/tokenize.json keep the figures

Every contender gets the same list of str and makes token ids without special tokens, each by its fastest
call. The lines of a text are dealt out to the rounds: "new" is the first time that anybody sees a round's
lines, "again" the second time. Most peers fix their number of threads when a process starts, so each number
has a process of its own.
"""

import argparse
import base64
import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench import machine

Encode = Callable[[list[str]], Any]
Lists = Callable[[Any], list[list[int]]]


@dataclass(frozen=True)
class Cell:
    """A tokenizer on a text."""

    family: str  # as TARGETS names it
    model: str
    path: str  # below tokenizers/
    language: str

    @property
    def name(self) -> str:
        return f"{self.model} {self.language}"


# Below FASTPLM_TEST_DATA. Code is what this Python brings, a document a round's English lines in one text.
TEXTS = {
    "en": "wikitext2/test.txt",
    "ja": "books/wagahai_ja.txt",
    "zh": "xquad/xquad.zh.json",
}
MODELS = [
    ("WordPiece", "BERT", "wordpiece/bert-base-uncased", "en ja"),
    ("WordPiece", "BERT-Chinese", "wordpiece/bert-base-chinese", "zh"),
    ("byte-level BPE", "GPT-2", "bpe_bytelevel/gpt2", "en ja zh code document"),
    ("byte-level BPE", "cl100k", "derived/cl100k_base", "en ja zh code document"),
    ("byte-level BPE", "Qwen2.5", "derived/qwen2.5", "en ja zh code document"),
    ("SentencePiece BPE", "Mistral", "spm_bpe/mistral01", "en ja zh"),
    ("Unigram", "T5", "unigram/t5-small", "en ja zh"),
    ("Unigram", "XLNet", "unigram/xlnet-base-cased", "en ja zh"),
    ("Unigram", "XLM-R", "derived/xlm-roberta-base", "en ja zh"),
]
CELLS = [
    Cell(family, model, path, language)
    for family, model, path, languages in MODELS
    for language in languages.split()
]


@dataclass(frozen=True)
class Row:
    """One contender on one cell."""

    cell: str
    family: str
    language: str
    threads: int
    contender: str
    megabytes: float  # of UTF-8, of all rounds
    new_mb_s: float  # medians over the rounds
    again_mb_s: float
    exact: float  # share of the texts whose ids are those of tokenizers


# --- contenders: from a tokenizer.json, the call that is timed and how its answer becomes lists of ids ---


def _fastplm(path: Path) -> tuple[Encode, Lists]:
    from fastplm import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(path)
    return (
        lambda texts: tokenizer.encode_packed(texts, add_special_tokens=False),
        lambda packed: [packed[0][a:b].tolist() for a, b in pairwise(packed[1])],
    )


def _tokenizers(path: Path) -> tuple[Encode, Lists]:
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(str(path))
    return (
        lambda texts: tokenizer.encode_batch_fast(texts, add_special_tokens=False),
        lambda encodings: [list(encoding.ids) for encoding in encodings],
    )


def _tokie(path: Path) -> tuple[Encode, Lists]:
    import tokie

    settings = json.loads(path.read_text())
    settings["model"].setdefault("type", "WordPiece")  # tokie does not guess it
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(settings, file)
        file.flush()
        tokenizer = tokie.Tokenizer.from_json(file.name)

    def split(answer: Any) -> list[list[int]]:
        ids, lengths = answer
        return [part.tolist() for part in np.split(ids, np.cumsum(lengths)[:-1])]

    return lambda texts: tokenizer.encode_batch_flat(texts, add_special_tokens=False), split


def _gigatoken(path: Path) -> tuple[Encode, Lists]:
    import gigatoken

    tokenizer = gigatoken.Tokenizer(path)
    return tokenizer.encode_batch, lambda rows: rows.to_list()


def _fastokens(path: Path) -> tuple[Encode, Lists]:
    import fastokens

    tokenizer = fastokens.Tokenizer.from_file(str(path))

    def split(answer: Any) -> list[list[int]]:
        ids, offsets = np.frombuffer(answer[0], np.uint32), np.frombuffer(answer[1], np.uint64)
        return [ids[a:b].tolist() for a, b in pairwise(offsets.tolist())]

    return tokenizer.encode_batch_flat, split


def _tiktoken(path: Path) -> tuple[Encode, Lists]:
    """Only where the folder of tiktoken files has this model."""
    import tiktoken

    (ranks,) = (path.parents[2] / "tiktoken" / path.parent.name).glob("*.tiktoken")
    lines = (line.split() for line in ranks.read_bytes().splitlines())
    pattern = next(
        split["pattern"]["Regex"]
        for split in json.loads(path.read_text())["pre_tokenizer"]["pretokenizers"]
        if split["type"] == "Split"
    )
    encoding = tiktoken.Encoding(
        path.parent.name,
        pat_str=pattern,
        mergeable_ranks={base64.b64decode(token): int(rank) for token, rank in lines},
        special_tokens={},
    )
    threads = int(os.environ["RAYON_NUM_THREADS"])
    return lambda texts: encoding.encode_ordinary_batch(texts, num_threads=threads), list


CONTENDERS: dict[str, Callable[[Path], tuple[Encode, Lists]]] = {
    "fastplm": _fastplm,
    "tokenizers": _tokenizers,
    "tokie": _tokie,
    "gigatoken": _gigatoken,
    "fastokens": _fastokens,
    "tiktoken": _tiktoken,
}
PEERS = [name for name in CONTENDERS if name not in ("fastplm", "tokenizers")]


@dataclass(frozen=True)
class Target:
    """fastplm is at least `ratio` times as fast as the fastest of `rivals` on new text."""

    family: str
    languages: str
    rivals: tuple[str, ...]
    ratio: float


TARGETS = [
    Target("WordPiece", "en ja zh", ("tokie",), 2.0),
    Target("byte-level BPE", "en ja zh code", ("gigatoken",), 1.2),
    Target("byte-level BPE", "document", ("gigatoken",), 1.0),
    Target("byte-level BPE", "en", ("tokenizers",), 60.0),
    Target("SentencePiece BPE", "en ja zh", tuple(PEERS), 1.2),
    Target("Unigram", "en ja zh", ("tokie",), 2.0),
    *(
        Target(family, "en", ("tokenizers",), 40.0)
        for family in ("WordPiece", "SentencePiece BPE", "Unigram")
    ),
    *(
        Target(family, "ja zh code", ("tokenizers",), 12.0)
        for family in ("WordPiece", "byte-level BPE", "SentencePiece BPE", "Unigram")
    ),
]


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
    verdicts = judge(rows)
    _print(about, rows, verdicts)
    if options.json:
        measured = [asdict(row) for row in rows]
        machine.write_record(options.json, "bench.tokenize", about, rows=measured, verdicts=verdicts)
    return 0


def _options() -> argparse.Namespace:
    cores = len(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", default="", metavar="REGEX", help="cells by name: " + "; ".join(c.name for c in CELLS)
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, action="append", help="default: 1 and all cores")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.threads = options.threads or sorted({1, cores})
    if not any(re.search(options.only, cell.name) for cell in CELLS):
        parser.error(f"--only: {options.only!r} matches no cell")
    if "FASTPLM_TEST_DATA" not in os.environ:
        parser.error("set FASTPLM_TEST_DATA to the folder that holds wikitext2, books, xquad and tokenizers")
    return options


def _in_own_process(threads: int, options: argparse.Namespace) -> list[Row]:
    command = [sys.executable, "-m", "bench.tokenize", "--worker", "--rounds", str(options.rounds)]
    command += ["--threads", str(threads), "--only", options.only]
    environment = {
        **os.environ, "RAYON_NUM_THREADS": str(threads), "FASTPLM_NUM_THREADS": str(threads),
        "TOKENIZERS_PARALLELISM": "true" if threads > 1 else "false",
    }  # fmt: skip
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return [Row(**row) for row in json.loads(done.stdout)]


def _lines(language: str) -> list[str]:
    if language == "code":
        sources = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[:80]
        text = "\n\n".join(path.read_text(encoding="utf-8", errors="replace") for path in sources)
        return [block for block in text.split("\n\n") if block.strip()]
    path = Path(os.environ["FASTPLM_TEST_DATA"]) / TEXTS[language]
    text = path.read_text(encoding="utf-8")
    lines = text.split("\n") if path.suffix == ".txt" else list(_xquad(json.loads(text)))
    return [line for line in lines if line.strip()]


def _xquad(value: dict[str, Any]) -> Iterator[str]:
    for article in value["data"]:
        for paragraph in article["paragraphs"]:
            yield paragraph["context"]
            yield from (question["question"] for question in paragraph["qas"])


def _start(path: Path) -> dict[str, tuple[Encode, Lists]]:
    """Those of the contenders that are installed and can read this tokenizer."""
    contenders = {}
    for name, make in CONTENDERS.items():
        try:
            contenders[name] = make(path)
        except Exception as error:  # peers fail in ways of their own
            if name in ("fastplm", "tokenizers"):
                raise
            print(f"{path.parent.name}: without {name}: {str(error)[:100]}", file=sys.stderr)
    return contenders


def _measure(options: argparse.Namespace) -> Iterator[Row]:
    (threads,) = options.threads
    for cell in CELLS:
        if not re.search(options.only, cell.name):
            continue
        path = Path(os.environ["FASTPLM_TEST_DATA"]) / "tokenizers" / cell.path / "tokenizer.json"
        contenders = _start(path)
        lines = _lines("en" if cell.language == "document" else cell.language)
        shards = [lines[i :: options.rounds] for i in range(options.rounds)]
        if cell.language == "document":
            shards = [["\n".join(shard)] for shard in shards]
        sizes = [sum(len(text.encode()) for text in shard) / 1e6 for shard in shards]
        seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
        same = dict.fromkeys(contenders, 0)
        names = list(contenders)
        for i, shard in enumerate(shards):
            answers = {}
            # In turns: whoever is first also pays for what Python remembers of a str, its UTF-8.
            for name in names[i % len(names) :] + names[: i % len(names)]:
                encode, as_lists = contenders[name]
                times = []
                for _ in range(2):
                    start = time.perf_counter()
                    answer = encode(shard)
                    times.append(time.perf_counter() - start)
                seconds[name].append((times[0], times[1]))
                answers[name] = as_lists(answer)
            for name, ids in answers.items():
                same[name] += sum(a == b for a, b in zip(ids, answers["tokenizers"], strict=True))
        for name, taken in seconds.items():
            new, again = (
                median(size / times[i] for size, times in zip(sizes, taken, strict=True)) for i in (0, 1)
            )
            yield Row(cell.name, cell.family, cell.language, threads, name, sum(sizes), new, again,
                      same[name] / sum(map(len, shards)))  # fmt: skip


def judge(rows: list[Row]) -> list[dict[str, Any]]:
    """A verdict for each target, cell and number of threads that was measured."""
    verdicts = []
    for cell, threads in dict.fromkeys((row.cell, row.threads) for row in rows):
        found = {row.contender: row for row in rows if (row.cell, row.threads) == (cell, threads)}
        ours = found["fastplm"]
        for target in TARGETS:
            rivals = [found[name] for name in target.rivals if name in found]
            if target.family != ours.family or ours.language not in target.languages.split() or not rivals:
                continue
            rival = max(rivals, key=lambda row: row.new_mb_s)
            ratio = ours.new_mb_s / rival.new_mb_s
            verdicts.append(
                {
                    "cell": cell,
                    "threads": threads,
                    "rival": rival.contender,
                    "target": target.ratio,
                    "ratio": ratio,
                    "met": ratio >= target.ratio,
                }
            )
    return verdicts


def _print(about: machine.Machine, rows: list[Row], verdicts: list[dict[str, Any]]) -> None:
    print(f"{about.cpu}, {about.cores} cores, load before {about.load_before}; {about.commit}")
    print("median MB/s of UTF-8 over the rounds; exact: texts whose ids equal those of tokenizers\n")
    print(f"{'cell':20}{'threads':>8}  {'contender':12}{'new':>8}{'again':>9}{'exact':>9}")
    for row in rows:
        print(
            f"{row.cell:20}{row.threads:8}  {row.contender:12}"
            f"{row.new_mb_s:8.1f}{row.again_mb_s:9.1f}{row.exact:9.2%}"
        )
    print("\nratio of medians on new text")
    for v in verdicts:
        mark = "met" if v["met"] else "SHORT"
        reached = f"{v['cell']:20}{v['threads']:8}{v['ratio']:8.1f}x {v['rival']:12}"
        print(f"{reached} target {v['target']:g}x  {mark}")


if __name__ == "__main__":
    sys.exit(main())
