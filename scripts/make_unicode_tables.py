"""Writes cpp/text/unicode/unicode_tables.inl.h from measurements of the reference tokenizers.

    FASTPLM_TEST_DATA=... python scripts/make_unicode_tables.py [--check]

Each property follows a Unicode version of its own, so the tables come from what the reference answers
(tokenizers/unicode_oracle), never from the Unicode data of one version. --check only compares.
"""

import gzip
import json
import os
import sys
import unicodedata
from collections.abc import Container, Iterable
from pathlib import Path

from table_file import wrap, write_or_check

TARGET = Path(__file__).resolve().parent.parent / "cpp/text/unicode/unicode_tables.inl.h"
FLAGS = ["white", "control", "punctuation", "chinese", "mark", "decomposes", "lowers", "word"]
HANGUL = range(0xAC00, 0xD7A4)  # decomposed by arithmetic
LONGEST = 18  # decomposition, in characters: Unicode::kLongest

# Where \w of the reference's added tokens and Whitespace pre-tokenizer differs from its regex engine's.
WORD_REMOVED = {0xB2, 0xB3, 0xB9, 0xBC, 0xBD, 0xBE}
WORD_ADDED = {0x200C, 0x200D}


def characters(ranges: Iterable[list[int]]) -> set[int]:
    return {c for first, last in ranges for c in range(first, last + 1)}


class Oracle:
    def __init__(self, folder: Path) -> None:
        with gzip.open(folder / "normalizer_maps.json.gz") as file:
            maps = json.load(file)["per_codepoint"]
        self.maps = {
            name: {int(c, 16): [int(x, 16) for x in to] for c, to in entries.items()}
            for name, entries in maps.items()
        }
        classes = json.loads((folder / "pretok_classes.json").read_text())["pretok"]
        regex = json.loads((folder / "onig_classes.json").read_text())["onig_classes"]
        vectors = json.loads((folder / "normalization_tests_unicode9.json").read_text())["rows"]

        clean = self.maps["Bert_clean"]
        self.nfd = self.maps["NFD"]
        self.nfkd = {c: to for c, to in self.maps["NFKD"].items() if self.nfd.get(c) != to}
        # Decompositions that NFC leaves as they are.
        self.excluded = set(self.maps["NFC"])
        self.lower = self.maps["Lowercase"]
        self.white = characters(classes["WhitespaceSplit_whitespace"])
        self.control = {c for c, to in clean.items() if not to}
        self.punctuation = characters(classes["Punctuation_is_punc"])
        self.chinese = set(self.maps["Bert_chinese"])
        self.mark = {c for c, to in self.maps["Bert_strip"].items() if not to and c not in self.nfd}
        # Spacing and enclosing marks: what StripAccents removes besides.
        self.other_mark = {c for c, to in self.maps["StripAccents"].items() if not to} - self.mark
        self.word = characters(regex[r"\w"]) - WORD_REMOVED | WORD_ADDED
        # A combining class never changes once assigned; the vectors say which characters had one in the
        # reference's version.
        reordered = {ord(c) for row in vectors for c in row[2] if unicodedata.combining(c)}
        self.classes = {c: unicodedata.combining(chr(c)) for c in sorted(reordered)}

    def flags(self, c: int) -> int:
        sets = [
            self.white,
            self.control,
            self.punctuation,
            self.chinese,
            self.mark,
            self.nfd,
            self.lower,
            self.word,
        ]
        return sum((c in members) << bit for bit, members in enumerate(sets))

    def check(self) -> None:
        """What the C++ code derives from these properties is what the reference answers."""
        full = self.maps["Bert_uncased_full"]
        for c in range(0x110000):
            if 0xD800 <= c < 0xE000:
                continue
            if c in self.control:
                derived = []
            elif c in self.white:
                derived = [0x20]
            else:
                spaced = [0x20, c, 0x20] if c in self.chinese else [c]
                plain = [d for s in spaced for d in self.nfd.get(s, [s]) if d not in self.mark]
                derived = [w for d in plain for w in self.lower.get(d, [d])]
            if derived != full.get(c, [c]):
                sys.exit(f"U+{c:04X}: derived {derived}, the reference gives {full.get(c, [c])}")
        # NFC and NFKC cut the text before any character that stays as it is and has class 0. None may begin
        # with one that joins what comes before it.
        seconds = {to[-1] for c, to in self.nfd.items() if len(to) > 1 and c not in self.excluded}
        for c, to in self.nfd.items():
            if c not in self.excluded and (to[0] in seconds or to[0] in self.classes):
                sys.exit(f"U+{c:04X}: stays, but its first part may join the character before it")
        if not self.excluded <= set(self.nfd):
            sys.exit("a character without a decomposition changes in NFC")
        if self.mark & set(self.nfd) or max(map(len, self.nfkd.values())) != LONGEST:
            sys.exit(f"a nonspacing mark decomposes, or the longest decomposition is not {LONGEST} long")


def flag_runs(oracle: Oracle) -> list[int]:
    runs, previous = [], -1
    for c in range(0x110000):
        flags = oracle.flags(c)
        if flags != previous:
            runs.append(c << 8 | flags)
            previous = flags
    return runs


Run = tuple[int, int, int, int]


def stream(entries: Iterable[tuple[int, list[int]]], excluded: Container[int] = ()) -> list[int]:
    """Per character: itself | length << 24 | excluded << 31, then what it becomes."""
    result = []
    for c, to in entries:
        result += [c | len(to) << 24 | (c in excluded) << 31, *to]
    return result


def shift_runs(pairs: Iterable[tuple[int, int]]) -> list[Run]:
    """(first, last, step, distance): c becomes c + distance for first, first + step, ..., last."""
    runs: list[list[int]] = []
    for c, to in pairs:
        distance = to - c
        if runs:
            first, last, step, d = runs[-1]
            if d == distance and c - last in (1, 2) and (first == last or c - last == step):
                runs[-1][1:3] = [c, c - last]
                continue
        runs.append([c, c, 1, distance])
    return [(first, last, step, d) for first, last, step, d in runs]


def compatible(oracle: Oracle) -> tuple[list[Run], list[int]]:
    """Compatibility decompositions: runs of single characters, and all others as a stream."""
    single = [(c, to[0]) for c, to in sorted(oracle.nfkd.items()) if len(to) == 1]
    runs = [run for run in shift_runs(single) if run[1] - run[0] >= 2 * run[2]]
    covered = {c for first, last, step, _ in runs for c in range(first, last + 1, step)}
    return runs, stream((c, to) for c, to in sorted(oracle.nfkd.items()) if c not in covered)


def class_runs(oracle: Oracle) -> list[tuple[int, int, int]]:
    runs: list[list[int]] = []
    for c, value in oracle.classes.items():
        if runs and runs[-1][1] == c - 1 and runs[-1][2] == value:
            runs[-1][1] = c
        else:
            runs.append([c, c, value])
    return [(first, last, value) for first, last, value in runs]


def ranges(members: Iterable[int]) -> list[tuple[int, int]]:
    runs: list[list[int]] = []
    for c in sorted(members):
        if runs and runs[-1][1] == c - 1:
            runs[-1][1] = c
        else:
            runs.append([c, c])
    return [(first, last) for first, last in runs]


def render() -> str:
    data = os.environ.get("FASTPLM_TEST_DATA")
    if not data:
        sys.exit("set FASTPLM_TEST_DATA to the folder that holds tokenizers/unicode_oracle")
    oracle = Oracle(Path(data) / "tokenizers/unicode_oracle")
    oracle.check()
    lowers = shift_runs((c, to[0]) for c, to in sorted(oracle.lower.items()) if len(to) == 1)
    canonical = stream(((c, to) for c, to in sorted(oracle.nfd.items()) if c not in HANGUL), oracle.excluded)
    compatible_runs, compatible_stream = compatible(oracle)
    special = {c: to for c, to in oracle.lower.items() if len(to) > 1}
    assert special == {0x130: [0x69, 0x307]}, special
    return f"""// clang-format off
// Made by scripts/make_unicode_tables.py: do not edit. Bits of a flag: {", ".join(FLAGS)}.

// character << 8 | flags, where the flags change
constexpr uint32_t kFlagRuns[] = {{
{wrap(f"{v:#x}" for v in flag_runs(oracle))}
}};

// character | length << 24 | (1 << 31 if NFC leaves it decomposed), then its canonical decomposition
constexpr uint32_t kCanonical[] = {{
{wrap(f"{v:#x}" for v in canonical)}
}};

// character | length << 24, then its compatibility decomposition where that is another one
constexpr uint32_t kCompatible[] = {{
{wrap(f"{v:#x}" for v in compatible_stream)}
}};

// the same for runs of single characters: first, last, step, distance
constexpr ShiftRun kCompatibleRuns[] = {{
{wrap(f"{{{a:#x},{b:#x},{step},{d}}}" for a, b, step, d in compatible_runs)}
}};

// first, last, step, distance to the lowercase character
constexpr ShiftRun kLowercaseRuns[] = {{
{wrap(f"{{{a:#x},{b:#x},{step},{d}}}" for a, b, step, d in lowers)}
}};

// first and last of the spacing and enclosing marks
constexpr char32_t kOtherMarks[][2] = {{
{wrap(f"{{{a:#x},{b:#x}}}" for a, b in ranges(oracle.other_mark))}
}};

// first, last, canonical combining class
constexpr ClassRun kClassRuns[] = {{
{wrap(f"{{{a:#x},{b:#x},{v}}}" for a, b, v in class_runs(oracle))}
}};
"""


if __name__ == "__main__":
    write_or_check(__doc__, TARGET, render)
