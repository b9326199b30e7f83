"""Strings over all of Unicode, of the kinds that tokenizers get wrong; the same ones for the same seed."""

import random
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

BLOCK = 20_000  # texts that share one pool of segments
_SEGMENTS = 6_000

LINES = (Path(__file__).parent / "lines.txt").read_text(encoding="utf-8").split("\n\n")

_SPACES = [
    *" \t\n\r\v\f\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000\u180e\u200b\ufeff",
    *map(chr, range(0x2000, 0x200B)),
]
_CONTROLS = [
    *map(chr, range(32)), *map(chr, range(0x7F, 0xA1)), *"\xad\u034f\u061c\u200b\u200c\u200d",
    *"\u200e\u200f\u2060\u2061\u2066\u2069\u202a\u202e\ufeff\ufffc\ufffd\ufffe\uffff\ufdd0\ue000\uf8ff",
    *"\U0001fffe\U000e0001\U000f0000\U0010ffff\ud7ff\U000e0100",
]  # fmt: skip
_ENDS = [
    "'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'T", "'RE", "'VE", "'LL", "'D", "'Re",
    "'", "''s", "'s's", "'\u017f", "\u2019s", "'l", "'r", "'v", "\u02bcs",
]  # fmt: skip
_DIGITS = ["0123456789"] * 6 + [
    "٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९", "๐๑๒๓", "\uff10\uff11\uff12", "²³¹½¾", "ⅠⅡⅧↁ", "①⑩㊿", "一二三〇",
    "\U0001d7ce\U0001d7ff", "\U00010107\U00012400",
]  # fmt: skip
_PUNCTUATION = [
    *"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    *"\xa1\xa7\xb6\xb7\xbf\u2013\u2014\u2026\xab\xbb\u201c\u201d\u201e\u2022\u2032\u203b",
    *"\u3001\u3002\u3008\u300d\uff01\uff1f\uff0c\uff0e\u30fb",
    *"\u20ac\xa3\xa5\xa9\xae\xb0\xb1\xd7\xf7\u2192\u2211\u25a0",
]
_EMOJI = ["👩", "👨", "👦", "🧑", "🏽", "🏿", "\u200d", "\ufe0f", "\ufe0e", "❤", "🔥", "🚀", "🇩", "🇪", "🇯",
          "🏴", "☃", "\U000e0067", "\U000e007f", "1\ufe0f\u20e3", "🙂", "\u20e3", "👁", "🗨"]  # fmt: skip
_FORMS = ("NFC", "NFD", "NFKC", "NFKD")


@cache
def _assigned() -> tuple[tuple[str, ...], ...]:
    """The assigned characters of each block of 64, private ones left out."""
    blocks = []
    for first in range(0, sys.maxunicode + 1, 64):
        block = tuple(
            c for c in map(chr, range(first, first + 64)) if unicodedata.category(c) not in ("Cn", "Co", "Cs")
        )
        if block:
            blocks.append(block)
    return tuple(blocks)


@cache
def _few_assigned() -> tuple[tuple[str, ...], ...]:
    """The same with the two scripts thinned out that have most of the blocks."""
    return tuple(
        b
        for i, b in enumerate(_assigned())
        if i % 16 == 0 or (not "\u3400" <= b[0] <= "\ud7a3" and b[0] < "\U00017000")
    )


@cache
def _marks() -> tuple[str, ...]:
    return tuple(c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c)[0] == "M")


class Texts:
    """Texts numbered from 0. `pieces` are strings that the vocabulary holds, `tokens` the added tokens."""

    def __init__(
        self, seed: object, pieces: Sequence[str], tokens: Sequence[str], lines: Sequence[str] = LINES
    ) -> None:
        self._seed = seed
        self._pieces = list(pieces) or ["a"]
        self._tokens = list(tokens) or ["<s>"]
        self._lines = [line for line in lines if line] or LINES
        kinds: list[tuple[int, Callable[[random.Random], str]]] = [
            (6, self._anything), (12, self._word_of_a_script), (12, self._plain_word), (4, self._digits),
            (6, self._with_marks), (3, self._hangul), (4, self._emoji), (4, self._right_to_left),
            (3, self._controls), (8, self._spaces), (5, self._punctuation), (2, self._repeat),
            (20, self._of_the_vocabulary), (5, self._special), (14, self._real), (8, self._mutated),
        ]  # fmt: skip
        self._kinds = [kind for weight, kind in kinds for _ in range(weight)]

    def blocks(self, count: int) -> Iterator[list[str]]:
        """The first `count` texts, by the block."""
        for block in range(-(-count // BLOCK)):
            yield self.block(block, min(BLOCK, count - block * BLOCK))

    def block(self, number: int, count: int = BLOCK) -> list[str]:
        chance = random.Random(f"{self._seed}/{number}")
        pool = [chance.choice(self._kinds)(chance) for _ in range(_SEGMENTS)]
        texts = []
        for _ in range(count):
            size = 1 + int(chance.expovariate(0.5))
            rare = chance.random()
            if rare < 0.001:
                size = 0 if rare < 0.0005 else chance.randrange(100, 2000)
            glue = " " if chance.random() < 0.3 else ""
            texts.append(glue.join(chance.choices(pool, k=size)))
        return texts

    # --- kinds of segments ---

    def _anything(self, chance: random.Random) -> str:
        codes = [chance.randrange(0x110000 - 0x800) for _ in range(chance.randrange(1, 12))]
        return "".join(chr(code if code < 0xD800 else code + 0x800) for code in codes)

    def _word_of_a_script(self, chance: random.Random) -> str:
        block = chance.choice(_few_assigned())
        return "".join(chance.choices(block, k=chance.randrange(1, 12)))

    def _plain_word(self, chance: random.Random) -> str:
        letters = "".join(chance.choices("etaoinshrdlucmfwypvbgkjqxz", k=chance.randrange(1, 12)))
        letters = chance.choice((str, str, str.upper, str.title, str.swapcase))(letters)
        start = chance.choice(("", " ", " ", "  ", "'", "-", "_"))
        return start + letters + (chance.choice(_ENDS) if chance.random() < 0.3 else "")

    def _digits(self, chance: random.Random) -> str:
        digits = "".join(chance.choices(chance.choice(_DIGITS), k=chance.randrange(1, 14)))
        return chance.choice(("", " ", "$", "-", "a", "\n")) + digits

    def _with_marks(self, chance: random.Random) -> str:
        text = ""
        for _ in range(chance.randrange(1, 4)):
            base = chance.choice(
                (
                    chance.choice("aeiouAszI\u0130\u0131\xdf\u03a3\u03c2 \n\uac00\u304b\u0915"),
                    chance.choice(chance.choice(_few_assigned())),
                )
            )
            marks = chance.choices(
                "\u0300\u0301\u0307\u0308\u0323\u0327\u0345\u3099\u093c\u05b0\u0651\u1dce", k=4
            )
            text += base + "".join(
                chance.choice((mark, chance.choice(_marks()))) for mark in marks[: chance.randrange(5)]
            )
        return text

    def _hangul(self, chance: random.Random) -> str:
        ranges = (
            (0x1100, 0x1113),
            (0x1161, 0x1176),
            (0x11A7, 0x11C3),
            (0xAC00, 0xD7A4),
            (0x115F, 0x1161),
            (0xA960, 0xA97D),
        )
        return "".join(chr(chance.randrange(*chance.choice(ranges))) for _ in range(chance.randrange(1, 8)))

    def _emoji(self, chance: random.Random) -> str:
        return "".join(chance.choices(_EMOJI, k=chance.randrange(1, 8)))

    def _right_to_left(self, chance: random.Random) -> str:
        ranges = (
            (0x5D0, 0x5EB),
            (0x5B0, 0x5C8),
            (0x620, 0x660),
            (0x660, 0x6D4),
            (0xFB1D, 0xFB50),
            (0xFE70, 0xFEFD),
            (0x200E, 0x2010),
        )
        return "".join(chr(chance.randrange(*chance.choice(ranges))) for _ in range(chance.randrange(1, 10)))

    def _controls(self, chance: random.Random) -> str:
        return "".join(chance.choices(_CONTROLS, k=chance.randrange(1, 4)))

    def _spaces(self, chance: random.Random) -> str:
        some = chance.choice((" ", " \n", "\r\n", " \t\n", _SPACES))
        return "".join(chance.choices(some, k=chance.randrange(1, 7)))

    def _punctuation(self, chance: random.Random) -> str:
        return chance.choice(("", " ")) + "".join(chance.choices(_PUNCTUATION, k=chance.randrange(1, 6)))

    def _repeat(self, chance: random.Random) -> str:
        unit = chance.choice(self._kinds)(chance)[:6]
        return unit * chance.choice((2, 3, 8, 9, 23, 24, 25, 63, 64, 65, 100, 101, 300))

    def _of_the_vocabulary(self, chance: random.Random) -> str:
        return "".join(chance.choices(self._pieces, k=chance.randrange(1, 7)))

    def _special(self, chance: random.Random) -> str:
        token = chance.choice(self._tokens)
        if chance.random() < 0.4:
            token = chance.choice(
                (str.upper, str.lower, str.title, lambda t: t[1:], lambda t: t[:-1], lambda t: t * 2)
            )(token)
        before, after = chance.choices(("", " ", "  ", "a", "\t", "\u3000", "\u0301", "_", "."), k=2)
        return before + token + after

    def _real(self, chance: random.Random) -> str:
        line = chance.choice(self._lines)
        start = chance.randrange(len(line))
        return line[start : start + chance.randrange(1, 80)]

    def _mutated(self, chance: random.Random) -> str:
        characters = list(self._real(chance))
        for _ in range(chance.randrange(1, 5)):
            at = chance.randrange(len(characters) + 1)
            end = at + chance.randrange(3)
            new = chance.choice(
                (
                    "",
                    " ",
                    "\n",
                    "\0",
                    chance.choice(_marks()),
                    chance.choice(_CONTROLS),
                    *characters[at:end] * 2,
                )
            )
            characters[at:end] = new
        text = "".join(characters)
        change = chance.randrange(8)
        if change < 4:
            return unicodedata.normalize(_FORMS[change], text)
        return (text.upper(), text.lower(), text.swapcase(), text[::-1])[change - 4]


def decoded_pieces(reference: object, count: int, seed: object) -> list[str]:
    """Texts of some of the tokens of a tokenizers.Tokenizer: as they stand in the vocabulary, and decoded."""
    names = sorted(reference.get_vocab())  # type: ignore[attr-defined]
    chance = random.Random(f"{seed}/pieces")
    names = chance.sample(names, min(count, len(names)))
    ids = [[reference.token_to_id(name)] for name in names]  # type: ignore[attr-defined]
    decoded = reference.decode_batch(ids, skip_special_tokens=False)  # type: ignore[attr-defined]
    spaced = [name.replace("\u2581", " ").removeprefix("##") for name in names]
    return [*names, *decoded, *decoded, *spaced, *spaced]
