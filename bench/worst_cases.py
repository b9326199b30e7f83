"""Texts made to be slow: the time for ten times as much of each, on every tokenizer.

python -m bench.worst_cases                        10 MB against 1 MB, on real tokenizers (FASTPLM_TEST_DATA)
python -m bench.worst_cases --only 'GPT-2|spaces'  some tokenizers or texts
python -m bench.worst_cases tokenizer.json ...     the tokenizers of these files

"ids" is encode_packed, "all" the call with offsets, "back" decode. Each call is in a thread of its own, which
has an empty word cache; a ratio above 12 is marked.
"""

import argparse
import os
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIMIT = 12.0  # the time for ten times as much

_REPEATED = {
    "one letter": "a", "two letters": "ab", "capitals": "AB", "one digit": "7", "digits": "0123456789",
    "spaces": " ", "tabs": "\t", "line ends": "\n", "line ends and spaces": "\n ",
    "spaces and line ends": "  \n", "CR LF": "\r\n", "no-break spaces": "\xa0", "signs": "!?.",
    "one sign": "-", "apostrophes": "'", "contractions": "'ll", "zero bytes": "\0", "U+FFFD": "\ufffd",
    "marks": "\u0301", "marks in disorder": "\u0301\u0323", "accents": "a\u0301", "Chinese": "\u4e2d",
    "kana": "\u304b\u3099", "syllables": "\uac01", "jamo": "\u1100\u1161\u11a8",
    "leading jamo": "\u1100", "emoji": "\U0001f469\u200d", "flags": "\U0001f1e9", "dotted I": "\u0130",
    "18 characters each": "\ufdfa", "Hebrew": "\u05d0\u05b0", "Thai": "\u0e01\u0e33",
    "unassigned": "\U000e0fff", "lower blocks": "\u2581", "brackets": "<", "almost special": "<|end|",
    "special": "<s>", "hashes": "##",
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    tokenizer: str
    text: str
    call: str  # "ids", "all", "back"
    seconds: float  # for the shorter text
    ratio: float  # of the seconds for ten times as much
    megabytes: float  # of the longer text

    def __str__(self) -> str:
        speed = self.megabytes / (self.seconds * self.ratio)
        mark = "   more than linear" if self.ratio > LIMIT else ""
        return (
            f"{self.tokenizer:24} {self.text:22} {self.call:4} {speed:9.1f} MB/s  x {self.ratio:5.1f}{mark}"
        )


def texts(size: int, tokens: list[str]) -> Iterator[tuple[str, str]]:
    """Names and texts of about `size` bytes. `tokens`: some of the vocabulary."""
    for name, unit in _REPEATED.items():
        yield name, unit * (size // len(unit.encode()))
    chance = random.Random(0)
    letters = "".join(chance.choices("etaoinshrdlu", k=1 << 16))
    yield "one word", (letters * (size // len(letters) + 1))[:size]
    yield "random Latin-1", chance.randbytes(size).decode("latin-1")[: size * 2 // 3]
    yield "random words", _of_units(lambda: "".join(chance.choices("abcdefgh", k=9)) + " ", size)
    yield "random characters", _of_units(lambda: chr(chance.randrange(0x20, 0xD800)), size)
    yield "spaces, then a token", " " * (size - 6) + "<mask>"
    yield "almost the pattern", "a" * (size - 1) + "!"
    for i, token in enumerate(sorted(tokens, key=len)[-2:]):
        yield f"long token {i + 1}", token * (size // max(len(token.encode()), 1))
        yield f"long token {i + 1}, cut", token[:-1] * (size // max(len(token[:-1].encode()), 1))


def _of_units(make: Callable[[], str], size: int) -> str:
    """A text of random units; from 64 KB on they come again."""
    part = ""
    while len(part.encode()) < min(size, 1 << 16):
        part += "".join(make() for _ in range(500))
    return part * (size // len(part.encode()) + 1)


def _tokens(tokenizer: Any) -> list[str]:
    """Texts of some tokens."""
    ids = sorted(tokenizer.get_vocab().values())
    return [
        text for i in ids[:: len(ids) // 2000 + 1] if "\ufffd" not in (text := tokenizer.decode([i]))
    ] or ["a"]


def calls(tokenizer: Any) -> dict[str, Callable[[str], Callable[[], Any]]]:
    """What is timed, by name: from a text to a call without arguments."""

    def decoding(text: str) -> Callable[[], Any]:
        ids = tokenizer.encode_packed([text])[0].tolist()
        return lambda: tokenizer.decode(ids)

    return {
        "ids": lambda text: lambda: tokenizer.encode_packed([text]),
        "all": lambda text: lambda: tokenizer([text], return_offsets_mapping=True, return_tensors="np"),
        "back": decoding,
    }


def seconds(call: Callable[[], Any], times: int) -> float:
    """The least CPU time of some runs: what else the machine does is not in it."""

    def once() -> float:
        start = time.thread_time()
        call()
        return time.thread_time() - start

    best = float("inf")
    for _ in range(times):
        with ThreadPoolExecutor(1) as thread:  # word caches are a thread's own
            best = min(best, thread.submit(once).result())
    return best


def measure(name: str, tokenizer: Any, size: int, kinds: list[str], only: str = "") -> Iterator[Row]:
    """A row for each text and kind of call; a ratio that is too large is measured again, twice."""
    tokens = _tokens(tokenizer)
    for (text, short), (_, long) in zip(texts(size // 10, tokens), texts(size, tokens), strict=True):
        if only and not re.search(only, f"{name} {text}".strip()):
            continue
        for kind in kinds:
            prepare = calls(tokenizer)[kind]
            little, much = prepare(short), prepare(long)
            small, large = seconds(little, 3), seconds(much, 1)
            for _ in range(2):
                if large <= LIMIT * small:
                    break
                large, small = min(large, seconds(much, 1)), min(small, seconds(little, 3))
            yield Row(name, text, kind, small, large / small, len(long.encode()) / 1e6)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.worst_cases", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "files", nargs="*", type=Path, help="tokenizer.json files; real tokenizers unless given"
    )
    parser.add_argument("--only", default="", help="a regular expression for tokenizers and texts")
    parser.add_argument("--megabytes", type=float, default=10, help="of the longer text")
    parser.add_argument("--calls", default="ids", help="ids, all, back, with commas between")
    arguments = parser.parse_args()
    named = [(path.stem, path) for path in arguments.files]
    if not named:
        from bench.tokenize import MODELS

        folder = Path(os.environ["FASTPLM_TEST_DATA"]) / "tokenizers"
        named = [(model, folder / path / "tokenizer.json") for _, model, path, _ in MODELS]
    from fastplm import AutoTokenizer, set_num_threads

    set_num_threads(1)
    worst = 0.0
    for name, path in named:
        tokenizer = AutoTokenizer.from_pretrained(path)
        size = int(arguments.megabytes * 1e6)
        for row in measure(name, tokenizer, size, arguments.calls.split(","), arguments.only):
            print(row, flush=True)
            worst = max(worst, row.ratio)
    print(f"largest ratio {worst:.1f}; at most {LIMIT:.0f} is linear")
    return 1 if worst > LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())
