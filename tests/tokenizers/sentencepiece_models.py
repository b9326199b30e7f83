"""SentencePiece models, trained on the spot in every way that the library knows, and texts for them."""

import io
import itertools
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

USER_SYMBOLS = ["<user>", "é", "▁x", "a b", "<0>", "ab", "abc"]
CONTROL_SYMBOLS = ["<ctrl>", "§"]
# By setting, what it may be. "escape_whitespaces" has to be true while a model is trained.
SETTINGS: dict[str, list[Any]] = {
    "model_type": ["unigram", "bpe", "word", "char"],
    "normalization": ["identity", "nfkc", "nmt_nfkc", "nfkc_cf", "nmt_nfkc_cf", "tsv"],
    "add_dummy_prefix": [True, False],
    "remove_extra_whitespaces": [True, False],
    "escape_whitespaces": [True, False],
    "treat_whitespace_as_suffix": [False, True],
    "byte_fallback": [False, True],
    "user_defined_symbols": [[], USER_SYMBOLS],
    "control_symbols": [[], CONTROL_SYMBOLS],
    "hard_vocab_limit": [True, False],
}
_RULES = "41\t62 62\n61 301\t\n20AC\t45 20 55 20 52\n7A\t20 20\n65 301\tE9\n"
_BACK = "62\t42 20\n"


def every_pair(seed: int = 0) -> list[dict[str, Any]]:
    """Few combinations in which each two settings have each two of their values."""
    rng = random.Random(seed)
    wanted = {
        (one, i, other, j)
        for one, other in itertools.combinations(SETTINGS, 2)
        for i in range(len(SETTINGS[one]))
        for j in range(len(SETTINGS[other]))
    }

    def pairs(row: Mapping[str, int]) -> set[tuple[str, int, str, int]]:
        return {(one, row[one], other, row[other]) for one, other in itertools.combinations(SETTINGS, 2)}

    rows = []
    while wanted:
        tried = []
        for one, i, other, j in rng.sample(sorted(wanted), min(40, len(wanted))):
            row = {name: rng.randrange(len(values)) for name, values in SETTINGS.items()}
            tried.append(row | {one: i, other: j})
        row = max(tried, key=lambda row: len(pairs(row) & wanted))
        wanted -= pairs(row)
        rows.append({name: SETTINGS[name][i] for name, i in row.items()})
    return rows


def every_combination() -> Iterator[dict[str, Any]]:
    for values in itertools.product(*SETTINGS.values()):
        yield dict(zip(SETTINGS, values, strict=True))


def read_lines(data: Path) -> list[str]:
    """Of texts in several languages, in no order."""
    files = ("texts/blingfire_web_multilingual.txt", "books/botchan_en.txt", "books/wagahai_ja.txt")
    lines = [line for file in files for line in (data / file).read_text(encoding="utf-8").split("\n")]
    lines = [line[:300] for line in lines if line.strip()]
    random.Random(1).shuffle(lines)
    return lines


def train(lines: list[str], folder: Path, **settings: Any) -> bytes:
    """A model file. settings: those of SETTINGS, and others of the library's trainer."""
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2

    escape = settings.pop("escape_whitespaces", True)
    normalization = settings.pop("normalization", "nmt_nfkc")
    if normalization == "tsv":
        for name, rules in (("normalization_rule_tsv", _RULES), ("denormalization_rule_tsv", _BACK)):
            settings[name] = str(folder / f"{name}.tsv")
            Path(settings[name]).write_text(rules)
    else:
        settings["normalization_rule_name"] = normalization
    made = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=made, num_threads=1, minloglevel=2,
        **{"vocab_size": 1000, "character_coverage": 0.98, "seed_sentencepiece_size": 20000, **settings},
    )  # fmt: skip
    if escape:
        return made.getvalue()
    model = sentencepiece_model_pb2.ModelProto.FromString(made.getvalue())
    model.normalizer_spec.escape_whitespaces = False
    return bytes(model.SerializeToString())


_AWKWARD = [
    "", " ", "   ", " a", "a ", "  a  b  ", "a\tb", "\t", "\na\n\nb\r\n", "a\u00a0b", "\u00a0",
    "\u3000a\u3000b", "▁", "▁a", "a▁", "a▁b ▁ c▁▁", " ▁ ", "😀", "👩\u200d👩\u200d👧 x",
    "e\u0301 a\u0301b é", "<s> x</s>", "<unk>", "<pad>", "<ctrl>x§", "<user>", "x<user>y", "<use", "abcab",
    "abab c", "a b", "a  b", "xa bx", "<0x41><0>", "\u1100\u1161", "\uff76\uff9e", "\uff21\uff22①\ufb01",
    "\x01", "\x01 \x02", " \x01 ", "\0a", "\u200b", "\ufeff", "¨ a ¨", "\ufdfa x", "€10", "zAz A", "क्षि",
    "\U00013000\U000e0100", "Ⅷ", "ß İ ŉ", "\ufffd", "a" * 400, "字" * 200, "x" * 50 + "  " * 30,
]  # fmt: skip


def make_texts(lines: list[str], seed: int = 3) -> list[str]:
    """500: ordinary lines, awkward strings, and rows of parts of both."""
    rng = random.Random(seed)
    texts = [*lines[:220], *_AWKWARD]
    parts = [*_AWKWARD[:-3], *(word for line in lines[220:260] for word in line.split(" ")), " ", "  "]
    while len(texts) < 500:
        texts.append("".join(rng.choice(parts) for _ in range(rng.randint(2, 9))))
    return texts
