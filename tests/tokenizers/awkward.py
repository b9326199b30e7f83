"""Short strings that mix scripts, cases, marks, controls, numbers and all kinds of space; tokenizers."""

import random
from typing import Any

from tests.size import LARGE

# All Unicode scalar values; in a usual run few of the planes of rare ideographs, nothing and private use.
SCALARS = [
    c
    for c in (*range(0xD800), *range(0xE000, 0x110000))
    if LARGE or c < 0x20000 or 0xE0000 <= c < 0xE0200 or c % 61 == 0 or c & 0xFFFF in (0, 0xFFFF)
]
# All but those of planes that nobody has assigned.
ASSIGNED = [c for c in SCALARS if c < 0x32000 or 0xE0000 <= c < 0xE0200 or c >= 0x10FFF0]
_CHUNKS = [
    "'s", "'S", "'\u017f", "'ll", "'LL", "'re", "'Ve", "'", "a", "B", "é", "É", "ß", "\u01c5", "\u02b0", "中",
    "か", "\u309b", "\u3007", "\u30fc", "\u30a0", "\u3040", "\u0301", "\u0903", "1", "²", "\u2167", "\u0663",
    " ", "  ", "\n", "\r", "\r\n", "\t", "\u00a0", "\u3000", "\u0085", "!", "/", "?", "$", "+", "_", "-",
    "。", "\U0001f600", "\u200d", "\u200b", "\0", "\ue000", "\u0378", "\ufffd", "\u212a", "İ", "abc", "ABC",
    "Abc", "123", "1234", " x", " X", "\n/\n", "\ufb00", "\ufb06", "\u2581", "각", "\u1100\u1161",
    "शब्द", "שלום",
    "[MASK]",
]  # fmt: skip
_WORDS = [
    "the", "Don't", "I'm", "it's", "HTMLParser", "camelCase", "x", "Elizabeth", " ", "  ", ", ", ". ", "; ",
    "! ", "? ", " - ", "-", "...", "'ll", "'S ", "\n", "\r\n", " 12 ", "1234", "é", "\u017f", "\u0301", " '",
    ' "', '" ', "naïve", "(a)", "A",
]  # fmt: skip


def short_strings(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)

    def chunk() -> str:
        return rng.choice(_CHUNKS) if rng.random() < 0.93 else chr(rng.choice(SCALARS))

    return ["".join(chunk() for _ in range(rng.randint(0, 24))) for _ in range(count)]


def sentences(count: int, seed: int) -> list[str]:
    """English, mostly, of a few hundred bytes."""
    rng = random.Random(seed)
    return [
        "".join(rng.choice(_WORDS) + rng.choice(["", " ", " "]) for _ in range(rng.randint(5, 80)))
        for _ in range(count)
    ]


def every_scalar_value(step: int = 4096) -> list[str]:
    """Each between letters, spaces, numbers and its own kind; without the planes nobody has assigned."""
    return [
        "".join(f"a{chr(c)}b {chr(c)}A 1{chr(c)}{chr(c)}.\n{chr(c)} " for c in ASSIGNED[i : i + step])
        for i in range(0, len(ASSIGNED), step)
    ]


def tokenizer_settings(pre_tokenizer: dict[str, Any] | None, characters: str = "") -> dict[str, Any]:
    """A tokenizer with one token per pre-token or, where its characters are known, one for each of them."""
    vocabulary = {c: i for i, c in enumerate(dict.fromkeys(characters))}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "",
            "max_input_chars_per_word": 1_000_000_000 if characters else 0,
            "vocab": {**vocabulary, "[UNK]": len(vocabulary)},
        },
    }
