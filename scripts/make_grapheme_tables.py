"""Writes cpp/text/unicode/grapheme_tables.inl.h from measurements of the installed tokenizers library.

    python scripts/make_grapheme_tables.py [--check]

The reference's Precompiled normalizer replaces a grapheme cluster of fewer than 6 bytes as a whole and a
longer one character by character. With a map from every byte to "!" the number of "!" therefore tells how a
text was cut; a few texts around a character tell which break property (UAX #29) the reference gives it. The
table so has the reference's Unicode version, whichever that is. --check only compares.
"""

import struct
from collections.abc import Iterable
from pathlib import Path

from table_file import wrap, write_or_check
from tokenizers import normalizers

TARGET = Path(__file__).resolve().parent.parent / "cpp/text/unicode/grapheme_tables.inl.h"
NAMES = [
    "Other", "Cr", "Lf", "Control", "Extend", "ConjunctExtend", "Linker", "Zwj", "SpacingMark", "Prepend",
    "RegionalIndicator", "Pictographic", "Consonant", "L", "V", "T", "LV", "LVT",
]  # fmt: skip
SCALARS = [c for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000]
REGIONAL = range(0x1F1E6, 0x1F200)  # clusters of these are never under 6 bytes: they cannot be measured

ACUTE, ZWJ, KA, VIRAMA = "\u0301", "\u200d", "\u0915", "\u094d"
ARABIC_SIGN, COPYRIGHT = "\u0600", "\u00a9"
CHOSEONG, JUNGSEONG, JONGSEONG = "\u1100", "\u1161", "\u11a8"


def byte_map() -> normalizers.Normalizer:
    """Every byte but 0 becomes "!", a line feed stays."""
    units = [0] * 768
    units[0] = 256 << 10
    for byte in range(1, 256):
        child, leaf = 256 + byte, 512 + byte
        units[child] = (child ^ leaf) << 10 | 1 << 8 | byte
        units[leaf] = 1 << 31 | (2 if byte == ord("\n") else 0)
    return normalizers.Precompiled(struct.pack(f"<I{len(units)}I", len(units) * 4, *units) + b"!\0\n\0")


class Probe:
    def __init__(self) -> None:
        self.map = byte_map()

    def count(self, texts: Iterable[str]) -> list[int]:
        """How many pieces each of the texts (without line feeds) falls into."""
        return [len(line) for line in self.map.normalize_str("\n".join(texts)).split("\n")]

    def having(self, characters: Iterable[int], text: str, count: int) -> set[int]:
        """The characters c for which `text` with c in the place of % gives that count."""
        order = [c for c in characters if c != ord("\n")]
        counts = self.count(text.replace("%", chr(c)) for c in order)
        return {c for c, n in zip(order, counts, strict=True) if n == count}


def classify() -> dict[int, str]:
    probe = Probe()
    classes = {ord("\r"): "Cr", ord("\n"): "Lf", 0: "Control", **dict.fromkeys(REGIONAL, "RegionalIndicator")}
    rest = set(SCALARS) - set(classes)

    def give(name: str, members: set[int]) -> set[int]:
        nonlocal rest
        classes.update(dict.fromkeys(members & rest, name))
        rest -= members
        return members

    # What joins the letter before it: one cluster of 5 bytes at most.
    joining = probe.having(rest, "a%", 1)
    # A pictograph, such characters and a joiner hold the next pictograph (GB11): one cluster of 5 characters.
    extending = probe.having(joining, COPYRIGHT + "%" + ZWJ + COPYRIGHT + ACUTE, 5)
    linking = probe.having(extending, KA + "%" + KA + ACUTE, 4)
    conjunct = probe.having(joining, KA + "%" + VIRAMA + KA + ACUTE, 5)
    # The joiner itself does not extend a pictograph before a joiner, but goes between consonants.
    assert ord(ZWJ) not in extending and ord(ZWJ) in conjunct
    assert linking <= conjunct <= extending | {ord(ZWJ)}
    give("Zwj", {ord(ZWJ)})
    give("Linker", linking)
    give("ConjunctExtend", conjunct)
    give("Extend", extending)
    give("SpacingMark", joining)
    # Nothing joins a control character: the two marks are a cluster of their own.
    give("Control", probe.having(rest, "%" + ACUTE + ACUTE, 2))
    give("Prepend", probe.having(rest, "%a", 1))
    give("Pictographic", probe.having(rest, "%" + ACUTE + ZWJ + COPYRIGHT + ACUTE, 5))
    give("Consonant", probe.having(rest, "%" + VIRAMA + KA + ACUTE, 4))
    # A number sign before a letter is one cluster of 5 bytes, unless the letter joins what follows.
    leading = probe.having(rest, ARABIC_SIGN + CHOSEONG + "%", 3)  # L, V, LV, LVT
    before_vowel = probe.having(rest, "%" + JUNGSEONG + ACUTE, 3)  # L, V, LV
    before_final = probe.having(rest, "%" + JONGSEONG + ACUTE, 3)  # V, LV, T, LVT
    after_vowel = probe.having(rest, ARABIC_SIGN + JUNGSEONG + "%", 3)  # V, T
    give("L", leading & before_vowel - before_final)
    give("V", leading & before_vowel & after_vowel)
    give("LV", leading & before_vowel & before_final - after_vowel)
    give("LVT", leading & before_final - before_vowel)
    give("T", before_final & after_vowel - leading)
    return classes


def render() -> str:
    classes = classify()
    runs, previous = [], -1
    for c in range(0x110000):
        value = previous if 0xD800 <= c < 0xE000 else NAMES.index(classes.get(c, "Other"))
        if value != previous:
            runs.append(f"{c << 8 | value:#x}")
            previous = value
    return f"""// clang-format off
// Made by scripts/make_grapheme_tables.py: do not edit. Values: {", ".join(NAMES[:9])},
// {", ".join(NAMES[9:])}.

// character << 8 | grapheme break property, where the property changes
constexpr uint32_t kBreakRuns[] = {{
{wrap(runs)}
}};
"""


if __name__ == "__main__":
    write_or_check(__doc__, TARGET, render)
