"""SentencePiece's BPE over the text as it came: the ids of the stages, hence the reference's."""

import random
from typing import Any

import pytest

from tests.size import sized

MARK = "\u2581"
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
REPLACE = {"type": "Replace", "pattern": {"String": " "}, "content": MARK}
PREPEND = {"type": "Prepend", "prepend": MARK}
STAGES: dict[str, tuple[Any, Any]] = {
    "llama 2": ({"type": "Sequence", "normalizers": [PREPEND, REPLACE]}, None),
    "replace": (REPLACE, None),
    "replace, then prepend": ({"type": "Sequence", "normalizers": [REPLACE, PREPEND]}, None),
    **{
        f"metaspace {scheme} {split}": (
            None,
            {"type": "Metaspace", "replacement": MARK, "prepend_scheme": scheme, "split": split},
        )
        for scheme in ("always", "never", "first")
        for split in (True, False)
    },
    "metaspace _": (
        None,
        {"type": "Metaspace", "replacement": "_", "prepend_scheme": "first", "split": False},
    ),
}


def random_bpe(chance: random.Random, letters: str, count: int, joins_mark: bool) -> dict[str, Any]:
    """Merges of letters and spaces in a random order; with `joins_mark` some put a space behind a letter."""
    tokens, merges = list(letters), []
    while len(merges) < count:
        left, right = chance.choice(tokens), chance.choice(tokens)
        if len(left + right) > 9 or [left, right] in merges:
            continue
        if not joins_mark and right.startswith(MARK) and not left.endswith(MARK):
            continue
        merges.append([left, right])
        if left + right not in tokens:
            tokens.append(left + right)
    return {"tokens": tokens, "merges": merges}


def tokenizer(stages: tuple[Any, Any], made: dict[str, Any], fallback: list[str]) -> dict[str, Any]:
    names = ["<unk>", *fallback, *made["tokens"]]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "added_tokens": [{"id": len(names), "content": "[X]", **flags}],
        "normalizer": stages[0],
        "pre_tokenizer": stages[1],
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "BPE",
            "unk_token": "<unk>",
            "fuse_unk": True,
            "byte_fallback": bool(fallback),
            "vocab": {name: i for i, name in enumerate(names)},
            "merges": made["merges"],
        },
    }


def texts_of(chance: random.Random, letters: str) -> list[str]:
    alphabet = [*letters.replace(MARK, ""), " ", " ", "x", "é", "\n", "\0", "中", "\U0001f600"]
    lengths = [1, 2, 3, 7, 30, 63, 64, 65, 130, 400]
    texts = ["".join(chance.choices(alphabet, k=chance.choice(lengths))) for _ in range(sized(25, 70))]
    texts += ["".join(chance.choices([*alphabet, MARK, "[X]", "[X] "], k=20)) for _ in range(sized(15, 40))]
    return [
        *texts,
        "",
        " ",
        "  ",
        " a",
        "a ",
        MARK,
        f"a{MARK}b",
        "[X]",
        "[X]a",
        " [X] a",
        "a" * 70 + " b" * 70,
    ]


@pytest.mark.parametrize("joins_mark", [False, True])
@pytest.mark.parametrize("name", STAGES)
def test_random_merges(load: Any, assert_same: Any, name: str, joins_mark: bool) -> None:
    chance = random.Random(len(name) + joins_mark)
    sizes = ((MARK + "ab", 8), ("ab.", 8), (MARK + "ab", 40), (MARK + "a.,1é中国か\U0001f44d", 120))
    for letters, count in sizes:
        made = random_bpe(chance, letters, count, joins_mark)
        for fallback in (BYTES, [], [b for b in BYTES if b != "<0xC3>"]):
            ours, reference = load(tokenizer(STAGES[name], made, fallback))
            assert_same(ours, reference, texts_of(chance, letters))


def test_merges_of_bytes(load: Any, assert_same: Any) -> None:
    """Here what a character becomes is not apart from its neighbours."""
    made = {
        "tokens": [MARK, "a", "a<0xC3>", "<0xC3><0xA9>"],
        "merges": [["a", "<0xC3>"], ["<0xC3>", "<0xA9>"]],
    }
    ours, reference = load(tokenizer(STAGES["llama 2"], made, BYTES))
    assert_same(ours, reference, ["aé", "é a", " éé", "aéa"])


def test_tokens_with_spaces_are_in_no_text(load: Any, assert_same: Any) -> None:
    """A space is written as the mark before any token is looked for."""
    made = {
        "tokens": [MARK, "a", "b", f"{MARK}a", f"{MARK}b", " ", " a", "a b", " b"],
        "merges": [[MARK, "a"], [MARK, "b"]],
    }
    ours, reference = load(tokenizer(STAGES["llama 2"], made, BYTES))
    assert_same(ours, reference, ["a b", " a  a", "b a b ab", " "])


def test_limits_are_met(load: Any) -> None:
    """Truncated texts need not be read to their end."""
    made = random_bpe(random.Random(3), MARK + "abc", 30, False)
    ours, reference = load(tokenizer(STAGES["llama 2"], made, BYTES))
    text = "abc ab  c" * 500
    reference.enable_truncation(100)
    assert ours(text, truncation=True, max_length=100)["input_ids"] == reference.encode(text).ids
