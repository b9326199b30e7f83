"""Every Unicode scalar value, and random strings of all of them."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fastplm.tokenizer import AutoTokenizer
from tests.size import sized
from tests.tokenizers.awkward import SCALARS

tokenizers = pytest.importorskip("tokenizers")

# clean_text, handle_chinese_chars, strip_accents, lowercase
NORMALIZERS = [
    (True, True, None, True),
    (True, True, None, False),
    (False, True, True, False),
    (False, False, False, True),
]


def normalizer(flags: tuple[Any, ...]) -> dict[str, Any]:
    names = ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")
    return {"type": "BertNormalizer", **dict(zip(names, flags, strict=True))}


def with_all_characters(
    settings: dict[str, Any], flags: tuple[Any, ...], scalars: list[int]
) -> dict[str, Any]:
    """The settings with that normalizer, and a vocabulary of every character it makes of the scalars below
    U+32000, so that ids show the normalized text."""
    settings["normalizer"] = normalizer(flags)
    bert = tokenizers.normalizers.BertNormalizer(
        **{k: v for k, v in settings["normalizer"].items() if k != "type"}
    )
    made = sorted(set(bert.normalize_str("\u2028".join(chr(c) for c in scalars if c < 0x32000))) | set("ab"))
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *made, *("##" + c for c in made)]
    settings["model"]["vocab"] = {name: i for i, name in enumerate(names)}
    return settings


def test_every_scalar_value(settings: dict[str, Any], load: Any) -> None:
    """Each between two letters."""
    ours, reference = load(with_all_characters(settings, NORMALIZERS[0], SCALARS))
    chunk = 4096
    texts = ["".join(f"a{chr(c)}b " for c in SCALARS[i : i + chunk]) for i in range(0, len(SCALARS), chunk)]
    ids, begin = ours.encode_packed(texts)
    for i, encoding in enumerate(reference.encode_batch_fast(texts)):
        assert ids[begin[i] : begin[i + 1]].tolist() == encoding.ids, f"from U+{SCALARS[i * chunk]:04X}"


@pytest.mark.parametrize("flags", NORMALIZERS, ids=str)
def test_offsets_of_every_assigned_block(
    settings: dict[str, Any], load: Any, assert_same: Any, flags: tuple[Any, ...]
) -> None:
    """Every field, for the scalars of all scripts, under each set of rules."""
    scalars = [
        c
        for c in SCALARS
        if c < 0x3400 or 0xA000 <= c < 0xAC80 or 0xD780 <= c < 0x20080 or 0x2F800 <= c < 0x2FA40
    ]
    texts = ["".join(f"a{chr(c)}b " for c in scalars[i : i + 1024]) for i in range(0, len(scalars), 1024)]
    assert_same(*load(with_all_characters(settings, flags, scalars)), texts)


def random_strings(count: int, seed: int) -> list[str]:
    """Short strings that mix scripts, combining marks, controls, symbols and all planes."""
    rng = random.Random(seed)
    pools = [
        [chr(c) for c in range(0x20, 0x7F)],
        [chr(c) for c in range(0x250)],
        [chr(c) for c in (*range(0x300, 0x370), *range(0x8D4, 0x900), *range(0x3099, 0x309B),
                          *range(0x302A, 0x3030))],
        [chr(c) for c in (*range(0x370, 0x700), *range(0x900, 0xE80), *range(0x1B00, 0x1C00),
                          *range(0xA800, 0xAC00))],
        [chr(c) for c in (*range(0x1E00, 0x2100), *range(0x2200, 0x2270))],
        [chr(c) for c in (*range(0x3040, 0x3100), *range(0x4E00, 0x4F00), *range(0xAC00, 0xAD00),
                          *range(0x1100, 0x1200))],
        [chr(c) for c in (*range(0xF900, 0xFB50), *range(0xFE00, 0x10000), *range(0x1F300, 0x1F700))],
        [chr(c) for c in (*range(0x20), *range(0x7F, 0xA1), *range(0x2000, 0x2070), 0xAD, 0xFEFF, 0xFFFD)],
        [chr(c) for c in (*range(0x11000, 0x11D00), *range(0x1D100, 0x1D250), *range(0x1E000, 0x1E030),
                          *range(0x1E900, 0x1E960))],
        [" ", " ", " ", "a", "e", "o", "the ", "ing", "[MASK]", "[SEP]", "[", "##", "İ", "ß", "Σ",
         "\u0345", "\u034f"],
    ]  # fmt: skip
    strings = []
    for _ in range(count):
        chosen = rng.choices(pools, k=rng.randint(1, 3))
        characters = [
            rng.choice(rng.choice(chosen)) if rng.random() < 0.97 else chr(rng.choice(SCALARS))
            for _ in range(rng.randint(0, 16))
        ]
        strings.append("".join(characters))
    return strings


@pytest.mark.parametrize(
    "count, flags",
    [(sized(12_000, 60_000), NORMALIZERS[0]), (sized(8_000, 40_000), (False, True, True, True))],
    ids=str,
)
def test_random_strings(
    settings: dict[str, Any], load: Any, assert_same: Any, count: int, flags: tuple[Any, ...]
) -> None:
    """The vocabulary knows single characters, so that few words are unknown."""
    strings = random_strings(count, seed=count)
    bert = tokenizers.normalizers.BertNormalizer(
        clean_text=False, handle_chinese_chars=False, lowercase=flags[3]
    )
    made = sorted({c for text in strings for c in bert.normalize_str(text)})[
        ::2
    ]  # every other one: unknowns too
    names = [*settings["model"]["vocab"], *(name for c in made for name in (c, "##" + c))]
    settings["model"]["vocab"] = {name: i for i, name in enumerate(dict.fromkeys(names))}
    settings["normalizer"] = normalizer(flags)
    ours, reference = load(settings)
    for i in range(0, count, 5000):
        assert_same(ours, reference, strings[i : i + 5000])


def test_random_strings_with_real_tokenizers(data: Path, assert_same: Any) -> None:
    strings = random_strings(4000, seed=1)
    for name in ("bert-base-uncased", "bert-base-cased", "bert-base-chinese", "splade"):
        path = data / "tokenizers/wordpiece" / name / "tokenizer.json"
        assert_same(AutoTokenizer.from_pretrained(path), tokenizers.Tokenizer.from_file(str(path)), strings)


def test_tables_are_the_measured_ones(data: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, str(root / "scripts/make_unicode_tables.py"), "--check"]
    done = subprocess.run(
        command, env={**os.environ, "FASTPLM_TEST_DATA": str(data)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_every_place_in_the_window(settings: dict[str, Any], load: Any, assert_same: Any) -> None:
    """Words of every length at every distance from the end: the scanner reads 16 bytes at a time."""
    words = ["a" + "b" * n for n in range(40)]
    breaks = [" ", ",", "é", "中", "\u0000", "か", "ab", "\U0001f600", "\u0301", "A"]
    texts = [
        " " * shift + word + stop + "cat"
        for word in words[:20]
        for stop in breaks
        for shift in range(0, 17, 4)
    ]
    texts += [" " * shift + word + stop for word in words for stop in ("", *breaks) for shift in (0, 1, 15)]
    assert_same(*load(settings), texts)


def test_oracle_matches_installed_reference(data: Path) -> None:
    """The measurements were made with another version of the reference: they must still be its answers."""
    folder = data / "tokenizers/unicode_oracle"
    classes = json.loads((folder / "pretok_classes.json").read_text())["pretok"]["Punctuation_is_punc"]
    punctuation = {c for first, last in classes for c in range(first, last + 1)}
    split = tokenizers.pre_tokenizers.BertPreTokenizer()
    text = "".join(f"a{chr(c)}" for c in range(0x3000) if not chr(c).isspace())
    isolated = {ord(piece) for piece, _ in split.pre_tokenize_str(text) if len(piece) == 1 and piece != "a"}
    assert isolated == {c for c in punctuation if c < 0x3000}
