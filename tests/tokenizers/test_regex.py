"""The regex engine against the reference's: syntax, properties, random patterns, and time that is linear."""

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest

from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.tokenizer import AutoTokenizer
from tests.size import sized
from tests.tokenizers.awkward import ASSIGNED, short_strings, tokenizer_settings

tokenizers = pytest.importorskip("tokenizers")


def split(pattern: str, behavior: str = "Removed", invert: bool = True) -> dict[str, Any]:
    """By default the pieces are the matches."""
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}


TEXTS = [
    "", "a", "aab abc  1\n", "abcabc\n\nab", "  a b\tc ", "bbbaaa\r\n12é.É", "aaaaaaaaab",
    "cab cab K\u212a k \u017fS", "a-c_e]^&&[b\\", "foo afoo foo's 'S", "\u2028x\u0085y\u00a0z",
    "12345 \u0663\u2167²", "{2} a{2} }", "\0\b\a\x1b\v\f",
]  # fmt: skip

PATTERNS = [
    r"^", r"$", r"\A", r"\z", r"\Z", r"^a", r"b$", r"\ba", r"a\b", r"\B", r".", r"(?m:.)", r"(?m)a.",
    r"[\s\S]", r"\N", r"\O", r"\R", r"\h+", r"\H", r"\d", r"\D", r"\w+", r"\W", r"\s", r"\S+", r"\p{L}",
    r"\P{L}", r"\p{^L}", r"\P{^L}", r"\p{greek}", r"\p{Script_Extensions}", r"[[:alpha:]]+", r"[[:^alpha:]]",
    r"[[:punct:]]", r"[[:word:]]", r"[[:alpha:]-]", r"[a-c]+", r"[^a-c]", r"[a-z&&[^b]]", r"[^a-z&&[^b]]",
    r"[a[bc]]", r"[]a]", r"[^]a]", r"[a-]", r"[-a]", r"[a-c-e]", r"[a&&]", r"[\]\\]", r"[\w\-]",
    r"[\x{41}-\x{5a}]", r"[\u0061-c]", r"\x61", r"\x{e9}", r"\u00e9", r"\0", r"\a\e", r"[\b]", r"\/\-\_\'\#",
    r"a|b|", r"|a", r"a*", r"a+?", r"a??b", r"a*+a", r"a++b", r"a?+a", r"a{2}", r"a{2}?", r"a{1}?", r"a{2}+",
    r"a{1,3}", r"a{1,3}?", r"a{1,3}+", r"a{,2}", r"a{2,}", r"a{0}b", r"a{", r"a{}", r"a{,}", r"{", r"{,x",
    r"a**", r"a+*", r"(?:ab)+", r"(?:a|ab)(?:c|bc)", r"(?>a|ab)c", r"(?>a*)a", r"a(?=b)", r"a(?!b)",
    r"(?<=a)b", r"(?<!a)b", r"(?<=a|bc)a", r"(?<=^|\s)a", r"(?<![\w])c", r"(a)(b)", r"(?<name>a)b",
    r"a(?#no)b", r"a(?#no)+", r"(?i)AB|C", r"a(?i)b|C", r"(?i:'S|'T)", r"(?-i:a)", r"(?i)(?-i:a)B",
    r"(?i:[^a])", r"(?i:[K-S])", r"(?i:\p{Lu})", r"(?i:k)", r"(?:|a)*", r"(?:|a)+b", r"(?:a*)*b",
    r"(?:a|b??)*c", r"(?:a?b?)*", r"(?:a*?)*?b", r"(?:(?=a)(?=b)|b)*", r"(^)*a", r"\s+(?!\S)|\s+", r"\s+$",
    r"(?=.*b)a", r"", r"[ ]?\w", r"\p{Han}|\p{Hiragana}", r"é+", r"[é-ë]", "\u00a0",
    "[\U0001f600-\U0001f64f]", r"(?im-i:A.)", r"\p{White-Space}",
]  # fmt: skip


def check(load: Any, pattern: str, texts: list[str], **options: Any) -> None:
    ours, reference = load(tokenizer_settings(split(pattern, **options)))
    got = ours(texts, return_offsets_mapping=True)["offset_mapping"]
    for text, a, b in zip(texts, got, reference.encode_batch(texts), strict=True):
        assert a == b.offsets, f"{pattern!r} {options} on {text!r}"


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns(load: Any, pattern: str) -> None:
    texts = [*TEXTS, *short_strings(60, seed=1)]
    if pattern == r"\p{Script_Extensions}":
        with pytest.raises(UnsupportedError, match="the property Script_Extensions"):
            load(tokenizer_settings(split(pattern)))
        return
    check(load, pattern, texts)
    check(load, pattern, texts, behavior="Contiguous", invert=False)  # shows empty matches too
    check(load, pattern, texts, behavior="MergedWithNext", invert=False)


CATEGORIES = """
Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co Cn L LC M N P S Z C Any
ASCII Assigned Alphabetic Alpha Uppercase Lowercase White_Space Ideographic Emoji Punct Graph Print Word
Alnum Blank Cntrl Digit XDigit Space Upper Lower Latin Greek Cyrillic Han Hiragana Katakana Hangul Thai
Arabic Hebrew Common Inherited Unknown Devanagari Uppercase_Letter Decimal_Number Extended_Pictographic
"""


@pytest.mark.parametrize("name", CATEGORIES.split())
def test_properties(load: Any, name: str) -> None:
    """All runs of members among all characters are the reference's."""
    text = "".join(map(chr, ASSIGNED))
    ours, reference = load(tokenizer_settings(split(rf"\p{{{name}}}+")))
    assert ours(text, return_offsets_mapping=True)["offset_mapping"] == reference.encode(text).offsets


POSIX = "alnum alpha blank cntrl digit graph lower print punct space upper xdigit word ascii"


@pytest.mark.parametrize("name", POSIX.split())
def test_posix_brackets(load: Any, name: str) -> None:
    text = "".join(map(chr, ASSIGNED))
    ours, reference = load(tokenizer_settings(split(f"[[:{name}:]]+")))
    assert ours(text, return_offsets_mapping=True)["offset_mapping"] == reference.encode(text).offsets


BROKEN = ["(", ")", "a)", "(a", "[", "[a", "[]", "[^]", "[b-a]", "*", "a|*", "+a", "(?:?)", "{2}a",
          "a{100001}", "\\", "(?=a)*", r"\b+", "(?:^|a)*", "(?:(?=a)|b)*", "(?:", "(?#", r"\u12", r"[a-\d]",
          "(?<n"]  # fmt: skip


@pytest.mark.parametrize("pattern", BROKEN)
def test_broken_patterns(tmp_path: Path, pattern: str) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(tokenizer_settings(split(pattern))))
    with pytest.raises(CheckpointError, match="is broken at byte"):
        AutoTokenizer.from_pretrained(path)
    with pytest.raises(Exception, match="Oniguruma"):
        tokenizers.Tokenizer.from_file(str(path))


UNSUPPORTED = {
    r"(a)\1": r"\1", r"\Gx": r"\G", r"\X": r"\X", r"a\Kb": r"\K", "(?~a)": "(?~", "(?x: a)": "(?x",
    r"\p{Nonsense}": "Nonsense", "(?<=a+)b": "lookbehind", "(?i:ss)": "become several",
    "(?i:[ß])": "become several", "(?i:ß)": "become several", "a{3,1}": "n > m", r"\M-a": r"\M",
    "(?:a?){3}": "may be empty", r"\x{41 42}": "list of characters", r"\101": r"\1",
    "(?:" * 300 + ")" * 300: "too many nested", "(?:(?:a{1000}b){1000}c){1000}": "steps",
    r"\uD800": "no character",
}  # fmt: skip


@pytest.mark.parametrize("pattern", UNSUPPORTED, ids=lambda pattern: pattern[:30])
def test_unsupported_patterns_say_what(tmp_path: Path, pattern: str) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(tokenizer_settings(split(pattern))))
    with pytest.raises(UnsupportedError) as caught:
        AutoTokenizer.from_pretrained(path)
    message = str(caught.value)
    assert str(path) in message and pattern in message and UNSUPPORTED[pattern] in message


ATOMS = ["a", "b", "c", " ", "ab", "1", ".", "é", "[ab]", "[^a]", "[a-c]", r"\w", r"\s", r"\S", r"\d",
         r"\p{L}", r"\p{N}", r"\P{L}", r"[^\s\p{L}]", r"\n", "$", "^", r"\b", r"\B", r"\A", r"\z", r"\Z",
         "[[:alpha:]]", "[a-z&&[^b]]", "", r"\R", r"\W", r"[\s\S]", "(?m:.)", "(a)", "(?<n>ab)", r"[^\w]",
         r"\x{e9}", r"[\d.]", "(?i)a", "(?:)", r"\N"]  # fmt: skip
COUNTS = ["*", "+", "?", "{2}", "{1,2}", "{0,2}", "{2,}", "{,2}", "{3,5}", "**", "+*", "{1}", "{0}"]
BEHIND = ["a", "ab", r"\s", "a|bc", "[ab]c", "^", r"\b"]


def random_pattern(rng: random.Random, depth: int) -> str:
    kind = rng.random()

    def inner() -> str:
        return random_pattern(rng, depth - 1)

    if depth <= 0 or kind < 0.35:
        return rng.choice(ATOMS)
    if kind < 0.55:
        return inner() + inner()
    if kind < 0.68:
        return f"(?:{inner()}|{inner()})"
    if kind < 0.84:
        atom = rng.choice(ATOMS) if rng.random() < 0.5 else f"(?:{inner()})"
        return atom + rng.choice(COUNTS) + rng.choice(["", "", "?", "+"])
    if kind < 0.90:
        return f"{rng.choice(['(?=', '(?!', '(?>'])}{inner()})"
    if kind < 0.94:
        return f"{rng.choice(['(?<=', '(?<!'])}{rng.choice(BEHIND)})"
    if kind < 0.97:
        return f"(?i:{inner()})"
    return f"{inner()}|{inner()}"


def test_random_patterns(tmp_path: Path) -> None:
    """What both load gives the same pieces; what one refuses the other refuses or calls unsupported."""
    rng = random.Random(7)
    texts = [
        *TEXTS[:8],
        *("".join(rng.choice("aabbc 1.\né") for _ in range(rng.randint(3, 30))) for _ in range(8)),
    ]
    path = tmp_path / "tokenizer.json"
    compared = 0
    patterns = sized(1000, 4000)
    for _ in range(patterns):
        pattern = random_pattern(rng, rng.randint(2, 5))
        behavior = rng.choice(["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"])
        path.write_text(json.dumps(tokenizer_settings(split(pattern, behavior, rng.random() < 0.3))))
        try:
            reference = tokenizers.Tokenizer.from_file(str(path))
        except Exception:
            with pytest.raises((CheckpointError, UnsupportedError)):
                AutoTokenizer.from_pretrained(path)
            continue
        try:
            ours = AutoTokenizer.from_pretrained(path)
        except UnsupportedError:
            continue
        got = ours(texts, return_offsets_mapping=True)["offset_mapping"]
        assert got == [e.offsets for e in reference.encode_batch(texts)], repr(pattern)
        compared += 1
    assert compared > 0.75 * patterns


@pytest.mark.parametrize(
    "pattern, unit, end",
    [
        ("^(a+)+$", "a", "!"),
        ("(?:a*)*b", "a", "!"),
        ("(?:a|a)*b", "a", ""),
        ("(?:a|aa)+$", "a", "!"),
        ("a+b", "a", ""),
        ("a+b|a", "a", ""),
        ("a*?b|a", "a", ""),
        (".*.*=.*", "x", ""),
        (r"(?:a(?=a*b))+|a", "a", ""),
        ("(?:a|(?>a*)b)*c|a", "a", ""),
        ("(?:(?:ab)+c|a|b)", "ab", ""),
        (r"\s+$", " ", "x"),
        (r"\s+(?!\S)|\s+", " \n", "x"),
        ("(?:a+ )+c", "aa ", ""),
        ("(?:(?:a?)+b?)*c", "ab", ""),
        (r"(?<=a)(?:\w+\s)*!", "ab ", ""),
    ],
)
@pytest.mark.alone
def test_time_is_linear(tmp_path: Path, pattern: str, unit: str, end: str) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(tokenizer_settings(split(pattern, "Isolated", False))))
    tok = AutoTokenizer.from_pretrained(path)

    def seconds(count: int) -> float:
        start = time.perf_counter()
        tok.encode_packed([unit * count + end])
        return time.perf_counter() - start

    small = min(seconds(5_000) for _ in range(3))
    large = min(seconds(50_000) for _ in range(3))
    # A square would be 100 times; a busy machine may show 20.
    assert large < 50 * small + 0.05, f"{small:.4f} s, then {large:.4f} s for ten times the text"
