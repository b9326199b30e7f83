"""Each normalizer against the reference: the text it makes, and the characters each byte of that came from.

The byte-level alphabet writes any text in 256 characters. With it as the last normalizer, and a vocabulary of
those characters, every byte of the normalized text is a token: ids show the text, offsets its alignment.
"""

import gzip
import json
import random
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.tokenizer import AutoTokenizer
from tests.size import sized
from tests.tokenizers.awkward import SCALARS

tokenizers = pytest.importorskip("tokenizers")

MASK = "[MASK]"


def alphabet() -> list[str]:
    """The character of each byte."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(0x100, 0x200))
    return [chr(byte) if byte in shown else chr(next(others)) for byte in range(256)]


ALPHABET = alphabet()


def replace(pattern: str, content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"String": pattern}, "content": content}


def replace_regex(pattern: str, content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}


def prepend(prefix: str) -> dict[str, Any]:
    return {"type": "Prepend", "prepend": prefix}


NORMALIZERS: list[dict[str, Any]] = [
    {"type": "NFC"},
    {"type": "NFD"},
    {"type": "NFKC"},
    {"type": "NFKD"},
    {"type": "Lowercase"},
    {"type": "Strip", "strip_left": True, "strip_right": True},
    {"type": "Strip", "strip_left": True, "strip_right": False},
    {"type": "Strip", "strip_left": False, "strip_right": True},
    {"type": "Strip", "strip_left": False, "strip_right": False},
    {"type": "StripAccents"},
    *(replace(*change) for change in (
        (" ", "▁"), ("a", ""), ("ab", ""), ("é", "ee\u0301"), ("aa", "a"))),
    *(replace_regex(*change) for change in (
        (" {2,}", " "), (r"\s+", "▁"), (r"[^\s]", ""), (r"(a)(b)", "$2$1\\1"), (r"\p{M}", ""),
        ("é|e\u0301", "e"), (r"(?<=a)b*\b", "<>"), (r"^\s|\s$", "_"))),
    *map(prepend, ("▁", "é b", "\u0301x")),
    {"type": "Nmt"},
    {"type": "ByteLevel"},
    {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": True,
     "lowercase": True},
]  # fmt: skip


def sequence(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "normalizers": list(parts)}


NFC, NFD, NFKC, NFKD, LOWERCASE, STRIP = NORMALIZERS[:6]
STRIP_ACCENTS, NMT = {"type": "StripAccents"}, {"type": "Nmt"}
SEQUENCES = [
    sequence(),
    sequence(NFKC, LOWERCASE),
    sequence(NFD, STRIP_ACCENTS, LOWERCASE, NFC),
    sequence(NFKD, STRIP_ACCENTS, STRIP),
    sequence(STRIP, prepend("▁"), prepend("é b"), NMT),
    sequence(prepend("▁"), replace(" ", "▁")),
    sequence(NMT, NFKC, sequence(STRIP, replace("aa", "a"))),
    sequence(replace("ab", ""), prepend("\u0301x"), NFC),
    sequence(replace("ab", ""), prepend("▁")),
    sequence(LOWERCASE, NFD, replace("é", "ee\u0301"), NFC, replace("é", "ee\u0301")),
]


def name_of(normalizer: dict[str, Any]) -> str:
    if normalizer["type"] == "Sequence":
        return "+".join(map(name_of, normalizer["normalizers"])) or "nothing"
    rest = [str(value) for key, value in normalizer.items() if key != "type"]
    return ascii("-".join([normalizer["type"], *rest])).strip("'")


class Pair:
    """The same normalizer in fastplm and in the reference, so that each byte it makes is a token.

    With `characters`, each character is, and it may make only those.
    """

    def __init__(self, folder: Path, normalizer: dict[str, Any], characters: list[str] | None = None) -> None:
        self.count = len(characters or ALPHABET)
        flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        common = {
            "version": "1.0",
            "added_tokens": [{"id": 2 * self.count, "content": MASK, **flags}],
            "normalizer": normalizer if characters else sequence(normalizer, {"type": "ByteLevel"}),
        }
        vocabulary = {prefix + c: i for i, (prefix, c) in enumerate(
            (prefix, c) for prefix in ("", "##") for c in characters or ALPHABET)}  # fmt: skip
        word_piece = {
            "type": "WordPiece", "unk_token": "none", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 2**40, "vocab": vocabulary,
        }  # fmt: skip
        # The reference's WordPiece takes quadratic time for a long word: there each character is a word.
        split = {"type": "Split", "pattern": {"Regex": r"[\s\S]"}, "behavior": "Isolated", "invert": False}
        word_level = {"type": "WordLevel", "unk_token": "none", "vocab": vocabulary}

        path = folder / "tokenizer.json"
        path.write_text(json.dumps({**common, "model": word_piece}))
        self.ours = AutoTokenizer.from_pretrained(path)
        self.reference = tokenizers.Tokenizer.from_str(
            json.dumps({**common, "pre_tokenizer": split, "model": word_level})
        )
        self.alone = tokenizers.Tokenizer.from_str(
            json.dumps({**common, "normalizer": normalizer, "model": word_level})
        ).normalizer

    def text(self, text: str) -> str:
        """What our normalizer makes of a text."""
        ids, _ = self.ours.encode_packed([text], add_special_tokens=False)
        return (np.asarray(ids) % 256).astype(np.uint8).tobytes().decode()

    def assert_same(self, texts: list[str]) -> None:
        got = self.ours(texts, add_special_tokens=False, return_offsets_mapping=True)
        for i, want in enumerate(self.reference.encode_batch(texts, add_special_tokens=False)):
            ids = [x if x == 2 * self.count else x % self.count for x in got["input_ids"][i]]
            assert ids == want.ids, ascii(texts[i])
            assert got["offset_mapping"][i] == want.offsets, ascii(texts[i])


@pytest.fixture
def pair(tmp_path: Path) -> Callable[[dict[str, Any]], Pair]:
    return lambda normalizer, *characters: Pair(tmp_path, normalizer, *characters)


AWKWARD = [
    "", " ", "a", "é", "e\u0301", "\u0301", "\u0301e", "  a  ", "\u3000é\u2003", " \u0085\u00a0",
    "\n\t x\r\n", "ab", "abab", "aab abb", "aaa", "aaaa", "éé", "éab", "\u0000", "a\u0000b", "\ufffd",
    "\ufeffx", "\u200d",
    "İ", "ΑΣ ΟΔΟΣ", "ẞß", "ﬁﬂ", "ﷺ", "①²½", "\uac00", "\uac01", "\u1100\u1161\u11a8", "\u1100\u1161\u11a7",
    "\uac00\u11a8", "\uac00\u11a7", "\uac01\u11a8", "\u1100\u0301\u1161", "\u0344a", "a\u0328\u0301\u0327",
    "a\u0301\u0301", "e\u0302\u0323", "\u1ec7", "\u1e9b\u0323", "\u03d3", "\u2126\u212b",
    "\u0b47\u0300\u0b3e",
    "\u1112\u1161\u11ab\u1100\u1173\u11af", "\U0001d15e\U0001d165", "\U0001d15f\u0301", "\u0f71\u0f72\u0f74",
    "\u0958", "\u0915\u093c", "\u304b\u3099", "\uff76\uff9e", "👩\u200d👩\u200d👧",
    "שלום\u05b7\u05bc", "中文", "\u00a0",
    MASK, MASK * 2, f"  {MASK}  ", f"é{MASK}e\u0301{MASK}\u0301ab", f"x {MASK} ab{MASK}", f"{MASK}\u0301a",
]  # fmt: skip


def random_texts(count: int, seed: int, length: int = 14) -> list[str]:
    """Letters, jamo and syllables, marks of many classes, compatibility characters, white space."""
    rng = random.Random(seed)
    marks = [chr(c) for c in SCALARS if c < 0x1E900 and unicodedata.combining(chr(c))]
    decomposing = [chr(c) for c in SCALARS if c < 0x30000 and unicodedata.decomposition(chr(c))]
    starters = sorted({unicodedata.normalize("NFD", c)[0] for c in decomposing})
    pools = [
        [chr(c) for c in (*range(0x1100, 0x1113), *range(0x1161, 0x1176), *range(0x11A7, 0x11C3))]
        + ["가", "각"],
        [chr(c) for c in range(0xAC00, 0xD7A4)],
        marks,
        marks,
        [c for c in marks if unicodedata.normalize("NFD", c) != c] + ["\u0f71", "\u0f72", "\u0301"],
        decomposing,
        starters,
        [c for c in starters if ord(c) < 0x250],
        ["a", "b", "aa", "ab", "é", "e", " ", "  ", MASK],
        [" ", "\t", "\u00a0", "\u2003", "\u3000", "\u200b", "\u0085", "\u2581", "\ufeff", "\u0007"],
        [chr(c) for c in (*range(0x20, 0x7F), *range(0x370, 0x600), *range(0x1F00, 0x2000))],
    ]
    texts = []
    for _ in range(count):
        chosen = rng.choices(pools, k=rng.randint(1, 4))
        texts.append(
            "".join(
                rng.choice(rng.choice(chosen)) if rng.random() < 0.97 else chr(rng.choice(SCALARS))
                for _ in range(rng.randint(1, length))
            )
        )
    return texts


RANDOM = random_texts(1500, seed=3)


@pytest.mark.parametrize("normalizer", [*NORMALIZERS, *SEQUENCES], ids=name_of)
def test_text_and_alignment(pair: Any, normalizer: dict[str, Any]) -> None:
    pair(normalizer).assert_same(AWKWARD + RANDOM)


@pytest.mark.parametrize("normalizer", [NFC, NFD, NFKC, NFKD], ids=name_of)
def test_normal_forms_of_random_texts(pair: Any, normalizer: dict[str, Any]) -> None:
    both = pair(normalizer)
    both.assert_same(random_texts(12_000, seed=5, length=8))
    both.assert_same(random_texts(300, seed=6, length=300))


PER_CHARACTER = [NFC, NFD, NFKC, NFKD, LOWERCASE, STRIP_ACCENTS, NMT, *NORMALIZERS[-2:]]


@pytest.mark.parametrize("normalizer", PER_CHARACTER, ids=name_of)
def test_every_character(pair: Any, normalizer: dict[str, Any]) -> None:
    """Each between letters."""
    both = pair(normalizer)
    for i in range(0, len(SCALARS), 65536):
        text = "".join(f"x{chr(c)}" for c in SCALARS[i : i + 65536])
        got, want = both.text(text), both.alone.normalize_str(text)
        assert got == want, f"from U+{SCALARS[i]:04X}"


@pytest.mark.parametrize("normalizer", PER_CHARACTER, ids=name_of)
def test_alignment_of_every_character_that_changes(pair: Any, normalizer: dict[str, Any]) -> None:
    """With a mark behind each, which some of them join."""
    both = pair(normalizer)
    changing = [
        chr(c) for c in SCALARS if both.alone.normalize_str(f"x{chr(c)}\u0301") != f"x{chr(c)}\u0301"
    ][: sized(4_000, 20_000)]
    assert changing
    both.assert_same(["x" + "\u0301y".join(changing[i : i + 200]) for i in range(0, len(changing), 200)])


@pytest.mark.parametrize("strip", NORMALIZERS[5:8], ids=name_of)
def test_strip_takes_white_space_only(pair: Any, strip: dict[str, Any]) -> None:
    both = pair(strip)
    edges = [chr(c) for c in SCALARS if c < 0x20000]
    both.assert_same([f"{c}é{c}" for c in edges if c.isspace() or ord(c) < 0x3100])


def test_measured_answers(pair: Any, data: Path) -> None:
    """The oracle's map of each normalizer holds for ours."""
    with gzip.open(data / "tokenizers/unicode_oracle/normalizer_maps.json.gz") as file:
        maps = json.load(file)["per_codepoint"]
    for kind in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt"):
        known = {int(c, 16): "".join(chr(int(x, 16)) for x in to) for c, to in maps[kind].items()}
        want = "".join(f"\u5b57{known.get(c, chr(c))}" for c in SCALARS)  # this one stays, and joins nothing
        assert pair({"type": kind}).text("".join(f"\u5b57{chr(c)}" for c in SCALARS)) == want, kind


def test_normalization_vectors(pair: Any, data: Path) -> None:
    """Unicode's own tests, of the version the reference follows."""
    path = data / "tokenizers/unicode_oracle/normalization_tests_unicode9.json"
    rows = json.loads(path.read_text())["rows"]
    assert len(rows) > 18_000
    columns = [[row[i] for row in rows] for i in range(5)]
    for kind, expected in (("NFC", 1), ("NFD", 2), ("NFKC", 3), ("NFKD", 4)):
        both = pair({"type": kind})
        # A line feed joins nothing.
        assert both.text("\n".join(columns[0])).split("\n") == columns[expected], kind
        for column in columns[1:3] if expected < 3 else columns[1:]:
            assert both.text("\n".join(column)).split("\n") == columns[expected], kind
        both.assert_same(columns[0])


def test_every_punctuation_character_is_replaced_literally(pair: Any) -> None:
    for pattern in [*map(chr, range(0x80)), "a.b", "(", "a|b", r"\d", "[ab]", "^a$", "\n", "e\u0301"]:
        both = pair(replace(pattern, "<$1\\0>"))
        both.assert_same([f"{pattern}x{pattern}{pattern}", "a.b aXb a|b 5 \\d [ab] ^a$ é e\u0301", "x"])


def test_empty_patterns_and_prefixes(pair: Any) -> None:
    """Nothing may follow these: the reference then loses its alignment and panics."""
    characters = list(dict.fromkeys(MASK.join(["_é ab中\u0301", *AWKWARD])))
    empty = replace("", "_é")
    empty_matches = replace_regex("a*", "_é")
    for normalizer in (
        empty, empty_matches, replace_regex("|b", ""), prepend(""), sequence(STRIP, empty),
        sequence(STRIP, prepend("")), sequence(replace("ab", ""), empty),
        sequence(replace("ab", ""), empty_matches), replace_regex("(?=a)", "_"), replace_regex(r"\b", "_"),
    ):  # fmt: skip
        pair(normalizer, characters).assert_same(AWKWARD)


@pytest.mark.parametrize("form", [NFC, NFKC], ids=["NFC", "NFKC"])
def test_a_mark_is_blocked_by_another_of_its_class(form: Any, pair: Any) -> None:
    """U+0305 joins no letter and has the class of U+0301, so what follows it joins none either."""
    both = pair(form)
    for marks in ("\u0305\u0301", "\u0301\u0305", "\u0323\u0301", "\u0305\u0323\u0301", "\u0323\u0305\u0302"):
        assert both.text("a" + marks) == both.alone.normalize_str("a" + marks)


def test_long_runs_of_marks(pair: Any) -> None:
    both = pair(NFC)
    text = "a" + "\u0301\u0327\u0323" * 100_000
    assert both.text(text) == both.alone.normalize_str(text)


@pytest.mark.parametrize(
    "normalizer, error, message",
    [
        ({"type": "Strip", "strip_left": True}, CheckpointError, "strip_right"),
        ({"type": "Strip", "strip_left": "yes", "strip_right": True}, CheckpointError, "strip_left"),
        ({"type": "Prepend"}, CheckpointError, "prepend"),
        ({"type": "Replace", "content": "a"}, CheckpointError, "pattern"),
        ({"type": "Replace", "pattern": "a", "content": "a"}, CheckpointError, "pattern"),
        ({"type": "Replace", "pattern": {}, "content": "a"}, CheckpointError, "pattern.*String or Regex"),
        ({"type": "Replace", "pattern": {"Text": "a"}, "content": "a"}, CheckpointError, "String or Regex"),
        ({"type": "Replace", "pattern": {"String": 1}, "content": "a"}, CheckpointError, "String"),
        ({"type": "Replace", "pattern": {"String": "a"}}, CheckpointError, "content"),
        (replace_regex("(", "a"), CheckpointError, r"\("),
        ({"type": "Sequence"}, CheckpointError, "normalizers"),
        ({"type": "Sequence", "normalizers": {}}, CheckpointError, "normalizers"),
        ({"type": "Sequence", "normalizers": [None]}, CheckpointError, "null; expected an object"),
        ({"type": "Sequence", "normalizers": [{"type": "Evil"}]}, UnsupportedError, '"Evil" is unknown'),
    ],
)
def test_damaged_settings(pair: Any, normalizer: dict[str, Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        pair(normalizer)
