"""Every pre-tokenizer, with every setting, gives the pieces, offsets and characters of the reference."""

import json
from pathlib import Path
from typing import Any

import pytest

from fastplm.errors import CheckpointError
from fastplm.tokenizer import AutoTokenizer
from tests.size import sized
from tests.tokenizers.awkward import every_scalar_value, sentences, short_strings, tokenizer_settings

tokenizers = pytest.importorskip("tokenizers")

BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
ALPHABET = "".join(tokenizers.pre_tokenizers.ByteLevel.alphabet())

CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
END = r"\s*[\r\n]+|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
O200K_WORDS = [rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+", rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*"]
OTHERS = r" ?[^\s\p{L}\p{N}]+"
# The patterns that have a scanner, as their files write them.
PATTERNS = {
    "gpt2": [rf"'s|'t|'re|'ve|'m|'ll|'d| ?\p{{L}}+| ?\p{{N}}+|{OTHERS}|\s+(?!\S)|\s+"],
    "cl100k, llama3": [
        rf"{CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{OTHERS}[\r\n]*|{END}"
    ],
    "qwen2": [rf"{CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{OTHERS}[\r\n]*|{END}"],
    "qwen3.5": [
        rf"{CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}"
        rf"| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*|{END}"
    ],
    "o200k": [
        "|".join(f"{word}{CONTRACTIONS}?" for word in O200K_WORDS)
        + rf"|\p{{N}}{{1,3}}|{OTHERS}[\r\n/]*|{END}"
    ],
    "tekken": ["|".join(O200K_WORDS) + rf"|\p{{N}}|{OTHERS}[\r\n/]*|{END}"],
    "deepseek-v3": [
        r"\p{N}{1,3}",
        "[一-龥\u3040-ゟ゠-ヿ]+",  # noqa: RUF001
        r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
        rf"| ?[\p{{P}}\p{{S}}]+[\r\n]*|{END}",
    ],
}
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}


def split(
    pattern: str, behavior: str = "Isolated", invert: bool = False, kind: str = "Regex"
) -> dict[str, Any]:
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}


def sequence(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": list(steps)}


def metaspace(**settings: Any) -> dict[str, Any]:
    return {"type": "Metaspace", "replacement": "\u2581", **settings}


FALCON = sequence(
    {"type": "Punctuation", "behavior": "Contiguous"},
    {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
    {"type": "Digits", "individual_digits": False},
    split("[0-9][0-9][0-9]"),
)
CASES = [
    {"type": "BertPreTokenizer"},
    {"type": "Whitespace"},
    {"type": "WhitespaceSplit"},
    {"type": "UnicodeScripts"},
    {"type": "Punctuation"},
    {"type": "FixedLength"},
    *({"type": "FixedLength", "length": n} for n in (1, 2, 1000)),
    *({"type": "Punctuation", "behavior": behavior} for behavior in BEHAVIORS),
    *({"type": "Digits", "individual_digits": each} for each in (True, False)),
    *({"type": "CharDelimiterSplit", "delimiter": c} for c in " é\u2581"),
    *(
        {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": False, "use_regex": regex}
        for prefix in (True, False)
        for regex in (True, False)
    ),
    {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True},
    metaspace(),
    *(
        metaspace(prepend_scheme=scheme, split=cut)
        for scheme in ("always", "never", "first")
        for cut in (True, False)
    ),
    metaspace(replacement="_", add_prefix_space=True, prepend_scheme="never"),
    metaspace(str_rep="\u2581", add_prefix_space=True),
    metaspace(add_prefix_space=False, prepend_scheme="never"),
    *(split(" ", behavior, invert, "String") for behavior in BEHAVIORS for invert in (True, False)),
    *(split(r"\p{L}+|\d", behavior, invert) for behavior in BEHAVIORS for invert in (True, False)),
    *(split("", behavior, False, "String") for behavior in BEHAVIORS),
    *(split("(?=B)|a", behavior, True) for behavior in BEHAVIORS),
    split(".*", kind="String"),
    sequence(),
    sequence({"type": "WhitespaceSplit"}, metaspace()),
    sequence({"type": "WhitespaceSplit"}, metaspace(prepend_scheme="first")),
    sequence(
        metaspace(prepend_scheme="first"),
        {"type": "Punctuation"},
        {"type": "Digits", "individual_digits": True},
    ),
    sequence(BYTES, BYTES),
    FALCON,
    sequence(split(PATTERNS["cl100k, llama3"][0]), {**BYTES, "add_prefix_space": True}),
    sequence(split(PATTERNS["qwen2"][0]), {**BYTES, "use_regex": True}),
    split(PATTERNS["gpt2"][0], "Removed", True),
]


def compare(
    load: Any, assert_same: Any, pre_tokenizer: dict[str, Any], texts: list[str], **sections: Any
) -> None:
    """One token per pre-token, then, with a vocabulary, every character that the pre-tokenizer wrote."""
    for characters in ("", "".join(dict.fromkeys("".join(texts) + ALPHABET + "\u2581_"))):
        ours, reference = load({**tokenizer_settings(pre_tokenizer, characters), **sections})
        assert_same(ours, reference, texts)


@pytest.mark.parametrize("case", CASES, ids=lambda case: json.dumps(case)[:80])
def test_each(load: Any, assert_same: Any, case: dict[str, Any]) -> None:
    compare(
        load, assert_same, case, ["", " ", *short_strings(sized(150, 400), seed=1), *sentences(40, seed=1)]
    )


@pytest.mark.parametrize("name", PATTERNS)
def test_scanners(load: Any, assert_same: Any, name: str) -> None:
    steps = [split(pattern) for pattern in PATTERNS[name]]
    texts = [
        *short_strings(sized(800, 4000), seed=2),
        *sentences(sized(200, 1000), seed=2),
        *every_scalar_value(),
    ]
    ours, reference = load(tokenizer_settings(sequence(*steps)))
    assert_same(ours, reference, texts)
    compare(load, assert_same, sequence(*steps, BYTES), texts[:1000])


@pytest.mark.parametrize("name", PATTERNS)
def test_scanners_equal_the_engine(load: Any, name: str) -> None:
    """A group around the pattern hides it from the scanner."""
    texts = [
        *short_strings(sized(500, 2000), seed=3),
        *sentences(sized(100, 300), seed=3),
        *every_scalar_value(),
    ]
    scanned, _ = load(tokenizer_settings(sequence(*(split(p) for p in PATTERNS[name]))))
    matched, _ = load(tokenizer_settings(sequence(*(split(f"(?:{p})") for p in PATTERNS[name]))))
    both = (t(texts, return_offsets_mapping=True)["offset_mapping"] for t in (scanned, matched))
    for text, a, b in zip(texts, *both, strict=True):
        assert a == b, repr(text[:200])


@pytest.mark.parametrize("name", PATTERNS)
def test_scanners_on_real_texts(load: Any, assert_same: Any, data: Path, name: str) -> None:
    texts = [
        (data / "texts/pride_and_prejudice.txt").read_text()[: sized(50_000, 200_000)],
        (data / "texts/blingfire_web_multilingual.txt").read_text()[: sized(100_000, 300_000)],
        (data / "texts/utf8_sequence_0x10ffff.txt").read_text()[:200_000],
        (Path(__file__)).read_text(),
    ]
    for text in texts:
        ours, reference = load(tokenizer_settings(sequence(*(split(p) for p in PATTERNS[name]))))
        assert_same(ours, reference, [text, *text.splitlines(keepends=True)[:500]])


@pytest.mark.parametrize(
    "case",
    [
        {"type": "UnicodeScripts"},
        {"type": "Punctuation"},
        {"type": "WhitespaceSplit"},
        {"type": "Digits", "individual_digits": True},
    ],
    ids=lambda case: case["type"],
)
def test_every_scalar_value(load: Any, assert_same: Any, case: dict[str, Any]) -> None:
    assert_same(*load(tokenizer_settings(case)), every_scalar_value())


FLAGS = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
BERT = {
    "type": "BertNormalizer",
    "clean_text": True,
    "handle_chinese_chars": True,
    "strip_accents": True,
    "lowercase": True,
}


@pytest.mark.parametrize("normalizer", [None, BERT], ids=["as it is", "normalized"])
@pytest.mark.parametrize("scheme", ["first", "always", "never"])
def test_metaspace_knows_the_start_of_the_text(
    load: Any, assert_same: Any, scheme: str, normalizer: Any
) -> None:
    """Not of a part behind an added token, nor of one whose first characters the normalizer has dropped."""
    texts = [
        "a[X]b",
        "[X]b",
        "[X]",
        "a [X] b[X]",
        "\u0000a b",
        "\u0301a[X]b",
        " a",
        "中a",
        "[X][X]a",
        "\u0000[X]a",
    ]
    for cut in ([], [{"type": "WhitespaceSplit"}], [{"type": "Punctuation"}]):
        case = sequence(*cut, metaspace(prepend_scheme=scheme))
        added = [{"id": 1000, "content": "[X]", **FLAGS}]
        compare(load, assert_same, case, texts, added_tokens=added, normalizer=normalizer)


@pytest.mark.parametrize(
    "case",
    [
        {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False},
        metaspace(),
        sequence(split("a|[X]"), BYTES),
        {"type": "FixedLength", "length": 2},
    ],
    ids=str,
)
def test_added_tokens_stay(load: Any, assert_same: Any, case: dict[str, Any]) -> None:
    added = [{"id": 1000, "content": "[X] é", **FLAGS}]
    compare(load, assert_same, case, ["a[X] éb", "[X] é", "é[X] é é", "  [X] é  a"], added_tokens=added)


def test_pretokenized_words_are_each_a_text(load: Any, assert_same: Any) -> None:
    for case in (metaspace(prepend_scheme="first"), CASES[16], {"type": "UnicodeScripts"}):
        ours, reference = load(tokenizer_settings(case, "ab \u2581\u0120"))
        assert_same(ours, reference, [["a", "b a", " b", ""], ["ab"]], is_split_into_words=True)


@pytest.mark.parametrize(
    "pre_tokenizer, message",
    [
        ({"type": "ByteLevel", "trim_offsets": True}, "add_prefix_space"),
        ({"type": "ByteLevel", "add_prefix_space": True}, "trim_offsets"),
        ({"type": "ByteLevel", "add_prefix_space": 1, "trim_offsets": True}, "add_prefix_space"),
        ({"type": "Metaspace"}, "replacement"),
        (metaspace(replacement="ab"), "one character"),
        (metaspace(replacement=""), "one character"),
        (metaspace(prepend_scheme="last"), "always, never or first"),
        (metaspace(add_prefix_space=False), "add_prefix_space"),
        (metaspace(add_prefix_space=False, prepend_scheme="first"), "add_prefix_space"),
        (metaspace(str_rep=1), "str_rep"),
        ({"type": "Punctuation", "behavior": "removed"}, "Removed Isolated"),
        ({"type": "Digits"}, "individual_digits"),
        ({"type": "CharDelimiterSplit"}, "delimiter"),
        ({"type": "CharDelimiterSplit", "delimiter": "ab"}, "one character"),
        ({"type": "FixedLength", "length": -1}, "length"),
        ({"type": "Sequence"}, "pretokenizers"),
        ({"type": "Sequence", "pretokenizers": [{"type": "Digits"}]}, "individual_digits"),
        ({"type": "Sequence", "pretokenizers": ["Digits"]}, "an object"),
        ({"type": "Split", "pattern": " ", "behavior": "Isolated", "invert": False}, "pattern"),
        ({"type": "Split", "pattern": {"String": 1}, "behavior": "Isolated", "invert": False}, "String"),
        ({"type": "Split", "pattern": {"Other": " "}, "behavior": "Isolated", "invert": False}, "String or"),
        ({"type": "Split", "pattern": {"String": " "}, "behavior": "Isolated"}, "invert"),
        ({"type": "Split", "pattern": {"String": " "}, "behavior": "Apart", "invert": False}, "Apart"),
        (split("("), r"regex \"\(\" is broken"),
    ],
    ids=lambda value: value if isinstance(value, str) else json.dumps(value)[:60],
)  # fmt: skip
def test_damaged_settings(tmp_path: Path, pre_tokenizer: dict[str, Any], message: str) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(tokenizer_settings(pre_tokenizer)))
    with pytest.raises(CheckpointError, match=message) as caught:
        AutoTokenizer.from_pretrained(path)
    assert str(path) in str(caught.value)
    with pytest.raises(Exception, match=r"\w"):
        tokenizers.Tokenizer.from_file(str(path))
