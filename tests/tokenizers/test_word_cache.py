"""What a thread remembers of words belongs to one tokenizer."""

import random

import pytest

from fastplm import _engine

METASPACE = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
MARKS = {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}
MERGES = [["a", "b"], ["b", "c"], ["ab", "c"], ["c", "d"], ["a", "d"], ["abc", "d"], ["bc", "ad"]]


def bpe(letters: list[str], fallback: list[str], seed: int) -> dict:
    tokens = list(dict.fromkeys([*letters, *fallback, *("".join(pair) for pair in MERGES)]))
    random.Random(seed).shuffle(tokens)
    return {
        "type": "BPE", "vocab": {token: i for i, token in enumerate(tokens)}, "merges": MERGES,
        "byte_fallback": bool(fallback),
    }  # fmt: skip


def unigram(seed: int) -> dict:
    chance = random.Random(seed)
    pieces = ["<unk>", "\u2581", *"abcd", *("".join(pair) for pair in MERGES)]
    chance.shuffle(pieces)
    return {
        "type": "Unigram", "unk_id": pieces.index("<unk>"),
        "vocab": [[piece, -chance.randrange(1, 900) / 100] for piece in pieces],
    }  # fmt: skip


VISIBLE = [chr(c) for c in (*range(33, 127), *range(161, 173), *range(174, 324))]
KINDS = {
    "byte-level BPE": lambda seed: {"pre_tokenizer": BYTES, "model": bpe(VISIBLE, [], seed)},
    "SentencePiece BPE": lambda seed: {
        "normalizer": MARKS, "pre_tokenizer": None,
        "model": bpe(["\u2581", *"abcd"], [f"<0x{byte:02X}>" for byte in range(256)], seed),
    },
    "Unigram": lambda seed: {"pre_tokenizer": METASPACE, "model": unigram(seed)},
}  # fmt: skip


@pytest.fixture
def threads():
    before = _engine.num_threads()
    yield _engine.set_num_threads
    _engine.set_num_threads(before)


@pytest.mark.parametrize("kind", KINDS)
def test_two_tokenizers_take_turns(kind, settings, load):
    """Words of few and of many tokens, short and long, and each of them several times."""
    chance = random.Random(0)
    words = [
        "".join(chance.choices("abcd", k=size)) for size in (*range(1, 40), 60, 130, 300) for _ in range(3)
    ]
    pairs = []
    for seed in (1, 2):
        parts = {"normalizer": None, "post_processor": None, "decoder": None, "added_tokens": []}
        pairs.append(load({**settings, **parts, **KINDS[kind](seed)}))
    assert pairs[0][1].encode(words[-1]).ids != pairs[1][1].encode(words[-1]).ids
    for _ in range(2):
        for text in (" ".join(words), " ".join(reversed(words)), *words):
            for ours, reference in pairs:
                assert ours.encode_packed([text])[0].tolist() == reference.encode(text).ids


@pytest.mark.parametrize("kind", KINDS)
def test_words_that_were_forgotten(kind, settings, load, threads):
    """Words of many tokens come back when the memory for such has been filled with others."""
    threads(1)
    parts = {"normalizer": None, "post_processor": None, "decoder": None, "added_tokens": []}
    ours, reference = load({**settings, **parts, **KINDS[kind](1)})
    chance = random.Random(1)
    first = " ".join("".join(chance.choices("abcd", k=chance.randrange(8, 60))) for _ in range(500))
    others = ["".join(chance.choices("abcd", k=chance.randrange(200, 250))) for _ in range(12_000)]
    want = reference.encode(first).ids
    for count in (3000, 6000, 12_000):
        assert ours.encode_packed([first])[0].tolist() == want
        ours.encode_packed([" ".join(others[:count])])
        assert ours.encode_packed([first])[0].tolist() == want
