"""Byte-pair encoding: every option of the model, on trained and on random vocabularies."""

import json
import random
from typing import Any

import pytest

from fastplm import AutoTokenizer
from fastplm.errors import CheckpointError, UnsupportedError

TEXT = """the cat sat on the mat and the cat that sat was fat; unaffordable hats, attic, tactic. naïve café
中国 中国人 日本語 東京 にほんご 👩‍👩‍👧 e\u0301a\u0308 ﬁne Straße \u0000\u200b aaaaaaaa abababab"""
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def trained(vocab_size: int = 160, **trainer: Any) -> dict[str, Any]:
    """The model section that the reference's trainer makes of TEXT."""
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    words = {"special_tokens": ["[UNK]"], "show_progress": False, "vocab_size": vocab_size, **trainer}
    tokenizer.train_from_iterator(TEXT.split("\n"), tokenizers.trainers.BpeTrainer(**words))
    model: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
    return model


def in_tokenizer(settings: dict[str, Any], model: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        **settings, "normalizer": None, "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None,
        "decoder": None, "added_tokens": [], "model": {**model, **changes},
    }  # fmt: skip


def texts(seed: int, count: int = 300) -> list[str]:
    chance = random.Random(seed)
    letters = "abcdefthems ,;z\u2581\u2581\u00e9\u00ef\u4e2d\u56fd\u65e5"
    letters += "\u0301\U0001f469\u200d\u0000\ufffd\u0378"
    made = ["".join(chance.choices(letters, k=chance.randrange(1, 40))) for _ in range(count)]
    return [*TEXT.split("\n"), "", " ", "a" * 300, "ab" * 200, "at" * 65, "\u4e2d" * 100, *made]


@pytest.mark.parametrize(
    ("trainer", "changes"),
    [
        ({}, {}),
        ({}, {"unk_token": "[UNK]"}),
        ({}, {"unk_token": "[UNK]", "fuse_unk": True}),
        ({}, {"ignore_merges": True}),
        ({"continuing_subword_prefix": "##"}, {"unk_token": "[UNK]"}),
        ({"end_of_word_suffix": "</w>"}, {"unk_token": "[UNK]"}),
        ({"continuing_subword_prefix": "_", "end_of_word_suffix": "$"},
         {"unk_token": "[UNK]", "fuse_unk": True}),
        ({"special_tokens": ["[UNK]", *BYTES], "vocab_size": 400}, {"byte_fallback": True}),
        ({"special_tokens": ["[UNK]", *BYTES[:200]], "vocab_size": 400},
         {"byte_fallback": True, "unk_token": "[UNK]", "fuse_unk": True}),
    ],
)  # fmt: skip
def test_options(load, settings, assert_same, trainer, changes):
    ours, reference = load(in_tokenizer(settings, trained(**trainer), **changes))
    assert_same(ours, reference, texts(0))
    unsplit = {**in_tokenizer(settings, trained(**trainer), **changes), "pre_tokenizer": None}
    assert_same(*load(unsplit), texts(1, 60))


def test_bytes_of_a_suffix(load, settings):
    """Where bytes stand for a character and its suffix, the reference leaves the text in its offsets."""
    model = trained(special_tokens=["[UNK]", *BYTES], vocab_size=400, end_of_word_suffix="</w>")
    ours, reference = load(in_tokenizer(settings, model, byte_fallback=True))
    for text in texts(4, 100):
        got = ours(text, return_offsets_mapping=True)
        assert got["input_ids"] == reference.encode(text).ids
        assert all(0 <= begin <= end <= len(text) for begin, end in got["offset_mapping"])


def random_merges(chance: random.Random, tokens: list[str], count: int, most: int) -> list[list[str]]:
    """Merges in an order that no trainer gives; adds what they make to `tokens`, some made in two ways."""
    letters, merges = list(tokens), []
    while len(merges) < count:
        left, right = chance.choice(letters), chance.choice(letters)
        if len(left + right) <= most and [left, right] not in merges:
            merges.append([left, right])
            if left + right not in letters:
                letters.append(left + right)
    chance.shuffle(merges)
    tokens[:] = letters
    return merges


@pytest.mark.parametrize("ignore_merges", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_random_merges(load, settings, assert_same, seed, ignore_merges):
    chance = random.Random(seed)
    tokens = list("abcd")
    merges = random_merges(chance, tokens, 60, 8)
    known = chance.sample(tokens, len(tokens))
    model = {
        "type": "BPE", "vocab": {token: i for i, token in enumerate(known)}, "merges": merges,
        "ignore_merges": ignore_merges,
    }  # fmt: skip
    words = ["".join(chance.choices("abcd", k=chance.randrange(1, 200))) for _ in range(200)]
    words += known  # many of them merge into something else
    assert_same(*load(in_tokenizer(settings, model)), words)


@pytest.mark.parametrize("ignore_merges", [False, True])
@pytest.mark.parametrize(
    ("letters", "count", "most"), [("a", 6, 9), ("-", 24, 96), ("ab", 30, 7), ("ab", 60, 12), ("abc", 200, 9)]
)
def test_random_byte_level_merges(load, settings, assert_same, letters, count, most, ignore_merges):
    chance = random.Random(count)
    for _ in range(6):
        tokens = list(letters)
        merges = random_merges(chance, tokens, count, most)
        others = [
            c for c in map(chr, [*range(33, 127), *range(161, 173), *range(174, 324)]) if c not in letters
        ]
        known = chance.sample(tokens + others, len(tokens) + len(others))
        model = {
            "type": "BPE", "vocab": {token: i for i, token in enumerate(known)}, "merges": merges,
            "ignore_merges": ignore_merges,
        }  # fmt: skip
        byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
        ours, reference = load({**in_tokenizer(settings, model), "pre_tokenizer": byte_level})
        words = ["".join(chance.choices(letters, k=chance.randrange(1, 60 + 4 * most))) for _ in range(300)]
        assert_same(ours, reference, words)


def test_tokens_that_share_an_id(load, settings):
    """Which the fast way through a text cannot tell apart."""
    chance = random.Random(5)
    tokens = list("abc")
    merges = random_merges(chance, tokens, 30, 7)
    letters = [c for c in map(chr, [*range(33, 127), *range(161, 173), *range(174, 324)]) if c not in "abc"]
    known = {token: i for i, token in enumerate(tokens + letters)}
    for token in tokens[5::4]:
        known[token] = known[tokens[4]]
    model = {"type": "BPE", "vocab": known, "merges": merges}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    ours, reference = load({**in_tokenizer(settings, model), "pre_tokenizer": byte_level})
    for text in [*tokens, *("".join(chance.choices("abc ", k=60)) for _ in range(200))]:
        assert ours.encode_packed([text])[0].tolist() == reference.encode(text).ids


def test_of_two_equal_rules_the_later_one_counts(load, settings, assert_same):
    vocabulary = {token: i for i, token in enumerate(["a", "b", "c", "ab", "bc", "abc"])}
    for merges in (["a b", "b c", "a b"], ["a b", "b c", "a b", "a bc", "b c"]):
        model = {"type": "BPE", "vocab": vocabulary, "merges": merges}
        assert_same(*load(in_tokenizer(settings, model)), ["abc", "ab", "bc", "aabcc"])


@pytest.mark.parametrize("missing", ["a", "z", "\u00e9", "\u0120"])
def test_a_byte_without_a_token(load, settings, missing):
    """It is left out, and what stands around it does not merge across. U+0120 is the space."""
    visible = [chr(c) for c in (*range(33, 127), *range(161, 173), *range(174, 324)) if chr(c) != missing]
    tokens = [c for c in ("b", "c", "\u00c3", "\u0120") if c != missing]
    merges = random_merges(random.Random(5), tokens, 12, 5)
    model = {
        "type": "BPE", "vocab": {token: i for i, token in enumerate(dict.fromkeys(visible + tokens))},
        "merges": merges,
    }  # fmt: skip
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": True}
    ours, reference = load({**in_tokenizer(settings, model), "pre_tokenizer": byte_level})
    chance = random.Random(6)
    words = ["".join(chance.choices("abcz \u00e9", k=chance.randrange(1, 60))) for _ in range(100)]
    for word, ids in zip(words, ours(words)["input_ids"], strict=True):
        assert ids == reference.encode(word).ids, word


@pytest.mark.parametrize("ignore_merges", [False, True])
@pytest.mark.parametrize(("count", "most"), [(12, 4), (40, 7), (150, 12)])
def test_merges_across_characters(load, settings, count, most, ignore_merges):
    """Words are cut where no token reaches across; tokens here begin and end anywhere within characters."""
    visible = [chr(b) for b in (*range(33, 127), *range(161, 173), *range(174, 256))]
    by_byte = {ord(c): c for c in visible}
    by_byte |= {b: chr(0x100 + i) for i, b in enumerate(b for b in range(256) if b not in by_byte)}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    chance = random.Random(count)
    for _ in range(12):
        characters = chance.sample(
            "a \u00e9\u0431\u4e2d\u4e2e\u56fd\u304b\u306b\uac00\U0001f44d\U0001f44e", 6
        )
        text = "".join(chance.choices(characters, k=4000))
        written = [by_byte[b] for b in text.encode()]
        merges: list[list[str]] = []
        while len(merges) < count:  # of what does stand side by side
            begin, size = chance.randrange(len(written) - most), chance.randrange(2, most + 1)
            pair = written[begin : begin + size]
            for left, right in merges:
                for i in range(len(pair) - 2, -1, -1):
                    if pair[i : i + 2] == [left, right]:
                        pair[i : i + 2] = [left + right]
            if len(pair) > 1 and pair[:2] not in merges:
                merges.append(pair[:2])
        vocabulary = {token: None for token in [*by_byte.values(), *("".join(pair) for pair in merges)]}
        chance.shuffle(merges)
        model = {
            "type": "BPE", "vocab": {token: i for i, token in enumerate(vocabulary)}, "merges": merges,
            "ignore_merges": ignore_merges,
        }  # fmt: skip
        ours, reference = load({**in_tokenizer(settings, model), "pre_tokenizer": byte_level})
        texts = ["".join(chance.choices(characters, k=chance.randrange(1, 90))) for _ in range(150)]
        for text, ids in zip(texts, ours(texts)["input_ids"], strict=True):
            assert ids == reference.encode(text).ids, (merges, text)


def test_long_words_take_linear_time_and_stay_exact(load, settings, assert_same):
    chance = random.Random(3)
    words = ["a" * 20_000, "ab" * 10_000, "".join(chance.choices("thecat", k=30_000))]
    assert_same(*load(in_tokenizer(settings, trained(), unk_token="[UNK]")), words)


def test_merges_written_as_one_string(load, settings, assert_same):
    model = trained()
    model["merges"] = [" ".join(merge) for merge in model["merges"]]
    assert_same(*load(in_tokenizer(settings, model)), texts(2, 50))


@pytest.mark.parametrize(
    ("changes", "error", "named"),
    [
        ({"merges": [["a", "nowhere"]]}, CheckpointError, r"merges\[0\].*nowhere"),
        ({"merges": [["a", "b"]], "vocab": {"a": 0, "b": 1}}, CheckpointError, r"merges\[0\].*'ab'"),
        ({"merges": "a b"}, CheckpointError, r"model\.merges"),
        ({"merges": ["a b c"]}, CheckpointError, r"model\.merges\[0\]"),
        ({"vocab": [["a", 0.0]]}, CheckpointError, r"model\.vocab"),
        ({"dropout": 0.1}, UnsupportedError, "dropout"),
    ],
)
def test_bad_models(load, settings, changes, error, named, tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(in_tokenizer(settings, {**trained(), **changes})))
    with pytest.raises(error, match=named):
        AutoTokenizer.from_pretrained(path)


def test_an_unknown_character_needs_the_unknown_token(load, settings):
    ours, _ = load(in_tokenizer(settings, trained(), unk_token="[NONE]"))
    with pytest.raises(ValueError, match=r"\[NONE\]"):
        ours("\u0378")
    assert ours("the")["input_ids"]
