"""Added tokens: the two searches, their flags, and the ids they get."""

import itertools
import json

import pytest

from fastplm.tokenizer import AddedToken

tokenizers = pytest.importorskip("tokenizers")

TEXTS = [
    "a <x> b", "a<x>b", "  <x>  ", "<x><x> <x>", "<X> a <x>\t\n<x>",
    "cat <xy> <x>y", "a<x>\u200db <x>é é<x>", "_<x>_",
    "", "<x>", "<", "<x", "中<x>国", "\u3000<x>\u3000a",
    "FooBar foobar fOOBAR café CAFÉ", "foobarfoo bar", "caféfoo",
]  # fmt: skip


def with_tokens(settings, *tokens):
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    start = len(settings["model"]["vocab"])
    settings["added_tokens"] += [{"id": start + i, **flags, **token} for i, token in enumerate(tokens)]
    return settings


@pytest.mark.parametrize(
    "flags",
    list(itertools.product([False, True], repeat=5)),
    ids=lambda flags: "".join("01"[flag] for flag in flags),
)
def test_flags(settings, load, assert_same, flags):
    names = ("single_word", "lstrip", "rstrip", "normalized", "special")
    settings = with_tokens(settings, {"content": "<x>", **dict(zip(names, flags, strict=True))})
    ours, reference = load(settings)
    assert_same(ours, reference, TEXTS)
    ids = [i for encoding in reference.encode_batch(TEXTS) for i in encoding.ids]
    for skip in (True, False):
        assert ours.decode(ids, skip_special_tokens=skip) == reference.decode(ids, skip_special_tokens=skip)


@pytest.mark.parametrize("given", [{}, {"normalized": True}, {"normalized": False}], ids=str)
def test_what_becomes_special_keeps_what_was_asked_for(given):
    reference = tokenizers.AddedToken("a", **given)
    reference.special = True
    assert AddedToken.read(AddedToken("a", **given), special=True).normalized == reference.normalized


def test_normalized_tokens_match_normalized_text(settings, load, assert_same):
    settings = with_tokens(
        settings,
        {"content": "FooBar", "normalized": True},
        {"content": "Café", "normalized": True, "single_word": True},
    )
    ours, reference = load(settings)
    assert ours("a fOOBAR", add_special_tokens=False)["input_ids"][-1] == len(settings["model"]["vocab"])
    assert_same(ours, reference, TEXTS)


def test_of_two_that_normalize_alike_the_first_is_found(settings, load):
    """The reference takes either, another one from run to run."""
    first = len(settings["model"]["vocab"])
    alike = ({"content": content, "normalized": True} for content in ("FooBar", "fooBAR", "FOOBAR"))
    ours, reference = load(with_tokens(settings, *alike))
    for text in ("foobar", "FooBar", "fooBAR", "FOObar"):
        assert ours.encode(text, add_special_tokens=False) == [first]
        assert ours(text, return_offsets_mapping=True)["input_ids"][1:-1] == [first]
        assert reference.encode(text, add_special_tokens=False).ids[0] in range(first, first + 3)


def test_normalized_tokens_are_decoded_in_their_normalized_form(settings, load):
    """As in the reference, even where that keeps a special token from being left out."""
    settings = with_tokens(
        settings,
        {"content": "Spé", "normalized": True, "special": True},
        {"content": "Foo", "normalized": True},
    )
    ours, reference = load(settings)
    ids = reference.encode("a Spé foo b").ids
    for skip in (True, False):
        assert ours.decode(ids, skip_special_tokens=skip) == reference.decode(ids, skip_special_tokens=skip)
    assert ours.convert_ids_to_tokens(ids) == [reference.id_to_token(i) for i in ids]


def test_a_token_that_the_model_makes_keeps_the_name_in_the_vocabulary(settings, load):
    """The added one with its id is searched for, and written, in its normalized form."""
    settings["model"]["vocab"] |= {"\u2581": 500, "a": 501}
    settings["normalizer"] = {
        "type": "Sequence",
        "normalizers": [
            {"type": "Prepend", "prepend": "\u2581"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
        ],
    }
    settings["pre_tokenizer"] = {
        "type": "Split",
        "pattern": {"Regex": "\u2581|cat"},
        "behavior": "Isolated",
        "invert": False,
    }
    ours, reference = load(with_tokens(settings, {"content": "cat", "normalized": True}))
    for text in ("\u0301cat", "cat", "a cat", "acat"):
        assert ours(text).tokens() == reference.encode(text).tokens


def test_longest_of_those_that_begin_first(settings, load, assert_same):
    settings = with_tokens(
        settings, *({"content": c} for c in ("ab", "abcd", "bcdef", "c", "<x>", "<xy>", "<"))
    )
    ours, reference = load(settings)
    assert_same(ours, reference, [*TEXTS, "abcdef", "abc", "bcdefc abcd", "ababcd<<x<xy>"])


def test_overlapping_white_space(settings, load, assert_same):
    settings = with_tokens(
        settings, {"content": "<l>", "lstrip": True}, {"content": "<r>", "rstrip": True}, {"content": " <s>"}
    )
    ours, reference = load(settings)
    assert_same(
        ours,
        reference,
        ["a <r>  <l> b", "<r> <r> <l> <l>", "<l>  <l>", "<r>   a", "<r>", " <l>", "<r>\u3000<l>"],
    )


def test_ids_are_not_the_files(settings, load):
    """A content the vocabulary knows keeps its id, another one gets the next, whatever the file says."""
    settings = with_tokens(
        settings,
        {"content": "cat", "id": 4000},
        {"content": "new", "id": 9000},
        {"content": "newer", "id": 3},
    )
    settings["model"]["vocab"]["far"] = 500
    ours, reference = load(settings)
    assert ours.get_vocab() == reference.get_vocab()
    assert len(ours) == reference.get_vocab_size()
    assert ours.vocab_size == reference.get_vocab_size(with_added_tokens=False)
    for token in ("cat", "new", "newer", "far", "nothing"):
        assert ours._engine.id_of(token) == reference.token_to_id(token)
        assert ours("a " + token)["input_ids"] == reference.encode("a " + token).ids


def test_the_same_content_again(settings, load, assert_same):
    settings = with_tokens(
        settings,
        {"content": "<x>"},
        {"content": "<x>", "lstrip": True},
        {"content": "<x>", "special": True, "rstrip": True},
    )
    ours, reference = load(settings)
    assert_same(ours, reference, TEXTS)
    assert ours.get_vocab() == reference.get_vocab()


def test_empty_contents_are_ignored(settings, load, assert_same):
    ours, reference = load(with_tokens(settings, {"content": ""}, {"content": "", "special": True}))
    assert_same(ours, reference, TEXTS)


def test_split_special_tokens(settings, load):
    ours, reference = load(with_tokens(settings, {"content": "<x>"}))
    reference.encode_special_tokens = True
    for text in ("a [MASK] b", "[CLS]<x>[SEP]"):
        assert ours(text, split_special_tokens=True)["input_ids"] == reference.encode(text).ids


def test_many(settings, load, assert_same):
    settings = with_tokens(settings, *({"content": f"<t{i}>", "normalized": i % 2 == 0} for i in range(3000)))
    ours, reference = load(settings)
    assert_same(ours, reference, ["<t1><t2> <T4><T5> <t2999><t29999> <t2998", *TEXTS])


def test_add_tokens_later(settings, load, assert_same):
    tokenizers = pytest.importorskip("tokenizers")
    ours, reference = load(settings)
    for special, tokens in (
        (False, ["<x>", "foobar", "cat"]),
        (True, ["<s>"]),
        (False, [AddedToken("<y>", lstrip=True)]),
    ):
        theirs = [
            t if isinstance(t, str) else tokenizers.AddedToken(**{k: v for k, v in t.settings().items()})
            for t in tokens
        ]
        add = reference.add_special_tokens if special else reference.add_tokens
        assert ours.add_tokens(tokens, special_tokens=special) == add(theirs)
    assert ours.add_tokens("<x>") == 0
    assert_same(ours, reference, [*TEXTS, "a  <y>", "<S> <s>"])
    assert ours.get_vocab() == reference.get_vocab()
    assert ours.add_special_tokens({"pad_token": "<pad>", "extra_special_tokens": ["<e>"]}) == 2
    assert ours.pad_token_id == ours.convert_tokens_to_ids("<pad>") == len(ours) - 2
    assert "<e>" in ours.all_special_tokens


def test_what_is_added_is_not_counted_as_vocabulary(settings, load):
    ours = load(settings)[0]
    size = ours.vocab_size
    ours.add_tokens(["<new>"])
    assert (ours.vocab_size, len(ours)) == (size, size + 1) and f"vocab_size={size}," in repr(ours)


def test_saved_tokenizer_is_the_same(settings, load, tmp_path, assert_same):
    tokenizers = pytest.importorskip("tokenizers")
    from fastplm.tokenizer import AutoTokenizer

    ours, _ = load(
        with_tokens(settings, {"content": "FooBar", "normalized": True}, {"content": "<x>", "lstrip": True})
    )
    ours.save_pretrained(tmp_path / "saved")
    again = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert again(TEXTS)["input_ids"] == ours(TEXTS)["input_ids"]
    assert again.special_tokens_map == ours.special_tokens_map
    reference = tokenizers.Tokenizer.from_file(str(tmp_path / "saved" / "tokenizer.json"))
    assert_same(ours, reference, TEXTS)
    assert json.loads((tmp_path / "saved" / "tokenizer_config.json").read_text())["pad_token"] == "[PAD]"


def test_a_token_that_no_text_can_hold(settings, load):
    ours, _ = load(settings)
    before = ours.get_vocab()
    with pytest.raises(ValueError, match="lone surrogate at character 1, which no UTF-8 text can hold"):
        ours.add_tokens(["fine", "a\ud800"])
    assert ours.get_vocab() == before
