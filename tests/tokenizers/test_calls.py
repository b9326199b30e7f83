"""Calls, and everything a BatchEncoding answers, compared with transformers."""

import copy
import itertools
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastplm.tokenizer import AutoTokenizer, BatchEncoding

transformers = pytest.importorskip("transformers")

TEXTS = ["the cats sat on the mat, hello world!", "", "unaffordable 中国 café", "a b c a b c a b c", "cat"]
PAIRS = ["hello", "a b c a b c a b c a b c", "", "中国 b", "the cat sat on mats"]
WORDS = [["the", "cats", "sat"], [], ["unaffordable", "中国 a", "", "café"], ["a"] * 9, ["cat"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, vocabulary: dict[str, int]) -> Path:
    path = tmp_path_factory.mktemp("bert")
    (path / "vocab.txt").write_text("".join(word + "\n" for word in vocabulary), encoding="utf-8")
    (path / "config.json").write_text('{"model_type": "bert"}')
    (path / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "BertTokenizer", "model_max_length": 12}'
    )
    transformers.AutoTokenizer.from_pretrained(path).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def both(folder: Path) -> tuple[Any, Any]:
    return AutoTokenizer.from_pretrained(folder), transformers.AutoTokenizer.from_pretrained(folder)


def plain(batch: Any) -> dict[str, Any]:
    """Lists, whatever the entries are; a length is a list on both sides."""
    return {k: v.tolist() if hasattr(v, "tolist") else v for k, v in batch.items()}


EVERYTHING = {
    "return_special_tokens_mask": True, "return_offsets_mapping": True, "return_length": True,
    "return_token_type_ids": True, "return_attention_mask": True,
}  # fmt: skip


def check(both: tuple[Any, Any], *args: Any, **options: Any) -> None:
    ours, reference = both
    try:
        want = reference(*args, **options)
    except Exception:
        with pytest.raises((ValueError, TypeError)):
            ours(*args, **options)
        return
    got = ours(*args, **options)
    assert plain(got) == plain(want), options
    for mine, theirs in zip(got.encodings, want.encodings, strict=True):
        assert mine.word_ids == theirs.word_ids
        assert mine.sequence_ids == theirs.sequence_ids
        assert mine.offsets == theirs.offsets


@pytest.mark.parametrize("padding", [False, True, "longest", "max_length", "do_not_pad"])
@pytest.mark.parametrize(
    "truncation", [None, False, True, "longest_first", "only_first", "only_second", "do_not_truncate"]
)
@pytest.mark.filterwarnings("ignore:.*max_length.*")
def test_padding_and_truncation(both: tuple[Any, Any], padding: Any, truncation: Any) -> None:
    for max_length, multiple, special in itertools.product(
        [None, 0, 1, 2, 3, 5, 8, 40], [None, 4], [True, False]
    ):
        options = {"padding": padding, "truncation": truncation, "max_length": max_length,
                   "add_special_tokens": special, "pad_to_multiple_of": multiple, **EVERYTHING}  # fmt: skip
        check(both, TEXTS, **options)
        check(both, TEXTS, PAIRS, **options)
        check(both, TEXTS[0], PAIRS[0], **options)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("truncation", ["longest_first", "only_first", "only_second"])
def test_overflow(folder: Path, side: str, truncation: str) -> None:
    both = AutoTokenizer.from_pretrained(folder), transformers.AutoTokenizer.from_pretrained(folder)
    for tok in both:
        tok.truncation_side = side
    long_texts, long_pairs = [text * 3 for text in TEXTS], [text * 2 for text in PAIRS]
    for max_length, stride, special in itertools.product([4, 5, 7, 9, 12], [0, 1, 2, 4], [True, False]):
        options = {"truncation": truncation, "max_length": max_length, "stride": stride,
                   "add_special_tokens": special, "return_overflowing_tokens": True,
                   **EVERYTHING}  # fmt: skip
        for i in range(len(TEXTS)):
            for padding in (False, "max_length"):
                check_or_error(both, long_texts[i], long_pairs[i], padding=padding, **options)
                if truncation != "only_second":
                    check_or_error(both, long_texts[i], padding=padding, **options)


def check_or_error(both: tuple[Any, Any], *args: Any, **options: Any) -> None:
    """As check(), where the reference may also panic (a stride that is too long)."""
    ours, reference = both
    try:
        reference(*args, **options)
    except BaseException as error:
        assert any(reason in str(error) for reason in ("stride", "too short", "not provided"))
        if "stride set to" in str(error) and not options["add_special_tokens"]:
            return  # the reference takes off special tokens that it will not add
        with pytest.raises(ValueError, match=r"stride|only_first|only_second|second sequence"):
            ours(*args, **options)
        return
    check(both, *args, **options)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_side(both: tuple[Any, Any], side: str) -> None:
    for padding in (True, "max_length"):
        check(
            both,
            TEXTS,
            PAIRS,
            padding=padding,
            truncation=True,
            max_length=20,
            padding_side=side,
            **EVERYTHING,
        )


def test_words_as_input(both: tuple[Any, Any]) -> None:
    pairs = [["b", "cats"], ["a"], [], ["hello"], ["中国"]]
    for options in (
        {},
        {"truncation": True, "max_length": 6},
        {"padding": True},
        {"add_special_tokens": False},
    ):
        check(both, WORDS, is_split_into_words=True, **options, **EVERYTHING)
        check(both, WORDS, pairs, is_split_into_words=True, **options, **EVERYTHING)
        check(both, WORDS[2], is_split_into_words=True, **options, **EVERYTHING)


@pytest.mark.parametrize("tensors", ["np", "pt"])
def test_tensors(both: tuple[Any, Any], tensors: str) -> None:
    if tensors == "pt":
        pytest.importorskip("torch")
    ours, reference = both
    for args in ((TEXTS,), (TEXTS, PAIRS), (TEXTS[0],), ([TEXTS[0]],)):
        options = {"padding": True, "return_tensors": tensors, "return_special_tokens_mask": True}
        got, want = ours(*args, **options), reference(*args, **options)
        assert list(got) == list(want) or set(got) == set(want)
        for key in want:
            assert type(got[key]) is type(want[key])
            assert got[key].dtype == want[key].dtype
            assert got[key].tolist() == want[key].tolist()
    with pytest.raises(ValueError, match="padding=True"):
        ours(TEXTS, return_tensors=tensors)
    with pytest.raises(ValueError, match="return_tensors is 'tf'"):
        ours(TEXTS, return_tensors="tf")


def test_answers_about_tokens_words_and_characters(both: tuple[Any, Any]) -> None:
    ours, reference = both
    got, want = (tok(TEXTS, PAIRS, padding=True) for tok in (ours, reference))
    assert got.n_sequences == want.n_sequences == 2
    for row in range(len(TEXTS)):
        assert got.tokens(row) == want.tokens(row)
        assert got.word_ids(row) == want.word_ids(row)
        assert got.sequence_ids(row) == want.sequence_ids(row)
        for i in range(len(got.tokens(row))):
            assert got[row].token_to_sequence(i) == want[row].token_to_sequence(i)
            assert got[row].token_to_word(i) == want[row].token_to_word(i)
            assert got[row].token_to_chars(i) == want[row].token_to_chars(i)
            assert got.token_to_chars(row, i) == want.token_to_chars(row, i)
        for sequence, i in itertools.product((0, 1), range(40)):
            assert got.char_to_token(row, i, sequence) == want.char_to_token(row, i, sequence)
            assert got.char_to_word(row, i, sequence) == want[row].char_to_word(i, sequence)
            assert got.word_to_tokens(row, i, sequence) == want.word_to_tokens(row, i, sequence)
            assert got[row].word_to_chars(i, sequence) == want[row].word_to_chars(i, sequence)
        count = len(got.tokens(row))
        for i in range(-count, 0):  # from the end, where transformers means to and fails
            for name in ("token_to_sequence", "token_to_word", "token_to_chars"):
                assert getattr(got, name)(row, i) == getattr(got, name)(row, i + count)
    assert got.token_to_word(1) == want.token_to_word(1)


def test_batch_encoding(both: tuple[Any, Any]) -> None:
    ours, _ = both
    batch = ours(TEXTS)
    assert isinstance(batch, BatchEncoding)
    assert batch.input_ids is batch["input_ids"]
    assert list(batch.keys()) == ["input_ids", "token_type_ids", "attention_mask"]
    assert dict(**batch).keys() == batch.keys()
    assert len(batch[0:2]) == 2 and batch[1].ids == batch["input_ids"][1]
    assert {**BatchEncoding({"a": [1, 2]})[0:1]} == {"a": [1]}
    with pytest.raises(AttributeError, match="labels"):
        batch.labels  # noqa: B018 - the access is the test
    with pytest.raises(KeyError):
        BatchEncoding({"a": [1]})[0]


def test_copies_of_a_batch_keep_everything(both: tuple[Any, Any]) -> None:
    ours, _ = both
    options = {"truncation": True, "max_length": 4, "padding": True, "return_overflowing_tokens": True}
    for batch in (ours(TEXTS, PAIRS), ours(TEXTS, **options)):
        for again in (pickle.loads(pickle.dumps(batch)), copy.deepcopy(batch)):
            assert again.data == batch.data
            assert again.is_fast and again.n_sequences == batch.n_sequences
            for mine, theirs in zip(again.encodings, batch.encodings, strict=True):
                assert_encoding(mine, theirs)
                for more, others in zip(mine.overflowing, theirs.overflowing, strict=True):
                    assert_encoding(more, others)
    assert copy.deepcopy(ours("cat")[0]).tokens == ours("cat").tokens()


def assert_encoding(got: Any, want: Any) -> None:
    for name in ("ids", "type_ids", "attention_mask", "special_tokens_mask", "offsets", "word_ids",
                 "sequence_ids", "tokens", "n_sequences"):  # fmt: skip
        assert getattr(got, name) == getattr(want, name), name


def test_what_changes_after_a_call_does_not_change_its_batch(folder: Path) -> None:
    ours = AutoTokenizer.from_pretrained(folder)
    texts = [*TEXTS, "[NEW] cat"]
    want = ours(texts, truncation=True, max_length=6)
    kept = [(e.tokens, e.offsets, e.word_ids) for e in want.encodings]
    late = list(texts)
    batch = ours(late, truncation=True, max_length=6)
    late[0] = "other"
    ours.truncation_side, ours.split_special_tokens = "left", True
    ours.add_tokens(["cat", "[NEW]"])
    ours.add_eos_token = True
    assert [(e.tokens, e.offsets, e.word_ids) for e in batch.encodings] == kept


def test_batch_encodings_that_are_made(both: tuple[Any, Any]) -> None:
    encoding = both[0]("cat")[0]
    for batch in (BatchEncoding({"a": [1]}, encoding), BatchEncoding({"a": [1]}, encoding=[encoding])):
        assert batch.is_fast and batch.tokens() == encoding.tokens
    made = BatchEncoding({"a": [1, 2]}, None, "np", True, 2)
    assert made["a"].tolist() == [[1, 2]] and made.n_sequences == 2 and not made.is_fast


def test_to_device(both: tuple[Any, Any]) -> None:
    torch = pytest.importorskip("torch")
    batch = both[0](TEXTS, padding=True, return_tensors="pt")
    assert batch.to("cpu") is batch
    assert batch["input_ids"].device == torch.device("cpu")


def test_attributes(both: tuple[Any, Any]) -> None:
    ours, reference = both
    kinds = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
    for name in ("vocab_size", "model_max_length", "padding_side", "truncation_side", "model_input_names",
                 "all_special_ids", "all_special_tokens", "special_tokens_map", "pad_token_type_id",
                 "clean_up_tokenization_spaces", "max_len_single_sentence", "max_len_sentences_pair",
                 *(f"{kind}_token{end}" for kind in kinds for end in ("", "_id"))):  # fmt: skip
        assert getattr(ours, name) == getattr(reference, name), name
    assert len(ours) == len(reference)
    assert ours.get_vocab() == reference.get_vocab()
    assert ours.get_added_vocab() == reference.get_added_vocab()
    for pair in (True, False):
        assert ours.num_special_tokens_to_add(pair) == reference.num_special_tokens_to_add(pair)
    assert ours.convert_tokens_to_ids(["cat", "nothing"]) == reference.convert_tokens_to_ids(
        ["cat", "nothing"]
    )
    assert ours.convert_tokens_to_ids("cat") == reference.convert_tokens_to_ids("cat")
    assert ours.convert_ids_to_tokens([0, 9, 10**6]) == reference.convert_ids_to_tokens([0, 9, 10**6])
    assert ours.convert_ids_to_tokens([2, 9, 3], skip_special_tokens=True) == ["cat"]
    assert ours.convert_ids_to_tokens(9) == "cat"
    row = reference("the cat")["input_ids"]
    assert ours.get_special_tokens_mask(row, already_has_special_tokens=True) == [1, 0, 0, 1]
    for given in ((row,), (row, row, True)):
        with pytest.raises(ValueError, match="one finished row and already_has_special_tokens=True"):
            ours.get_special_tokens_mask(*given)
    assert ours.tokenize("the cats, café") == reference.tokenize("the cats, café")
    assert ours.encode("the", "cat") == reference.encode("the", "cat")
    assert "vocab_size=" in repr(ours)
    assert ours


def test_decode(both: tuple[Any, Any]) -> None:
    ours, reference = both
    rows = reference(TEXTS, PAIRS)["input_ids"]
    for skip, clean in itertools.product((True, False), (True, False, None)):
        options = {"skip_special_tokens": skip, "clean_up_tokenization_spaces": clean}
        assert ours.batch_decode(rows, **options) == reference.batch_decode(rows, **options)
        assert ours.decode(rows[0], **options) == reference.decode(rows[0], **options)
    assert ours.decode(9) == reference.decode(9)


def test_setting_special_tokens(folder: Path) -> None:
    ours, reference = (
        AutoTokenizer.from_pretrained(folder),
        transformers.AutoTokenizer.from_pretrained(folder),
    )
    for tok in (ours, reference):
        tok.pad_token = "hello"
        tok.mask_token_id = 9
    assert (ours.pad_token_id, ours.mask_token) == (reference.pad_token_id, reference.mask_token)
    check((ours, reference), TEXTS, padding=True)
    for tok in (ours, reference):
        tok.pad_token = None
    with pytest.raises(ValueError, match="no padding token"):
        ours(TEXTS, padding=True)
    with pytest.raises(AttributeError):
        ours.nothing_token_at_all  # noqa: B018


def test_empty_batches(both: tuple[Any, Any]) -> None:
    ours = both[0]
    ids, begin = ours.encode_packed([])
    assert ids.tolist() == [] and begin.tolist() == [0] and ids.dtype == begin.dtype == np.int32
    assert plain(ours([])) == {"input_ids": [], "token_type_ids": [], "attention_mask": []}
    assert ours([], padding=True, return_tensors="np")["input_ids"].shape == (0, 0)


def test_encode_packed(both: tuple[Any, Any]) -> None:
    ours, reference = both
    for options in (
        {},
        {"truncation": True, "max_length": 5},
        {"truncation": True},
        {"add_special_tokens": False},
    ):
        want = reference(TEXTS, **options)["input_ids"]
        ids, begin = ours.encode_packed(TEXTS, **options)
        assert [ids[a:b].tolist() for a, b in itertools.pairwise(begin)] == want
        want_pairs = reference(TEXTS, PAIRS, **options)
        ids, begin, types = ours.encode_packed(TEXTS, PAIRS, return_token_type_ids=True, **options)
        assert [ids[a:b].tolist() for a, b in itertools.pairwise(begin)] == want_pairs["input_ids"]
        assert [types[a:b].tolist() for a, b in itertools.pairwise(begin)] == want_pairs["token_type_ids"]
    with pytest.raises(TypeError, match="a list of str"):
        ours.encode_packed("text")
    with pytest.raises(ValueError, match="max_length is 5 without truncation"):
        ours.encode_packed(TEXTS, max_length=5)


@pytest.mark.parametrize(
    "args, options, kind, message",
    [
        ((3,), {}, TypeError, "text is a int"),
        ((["a", 3],), {}, TypeError, "text 1 is a int"),
        ((["a", "b\ud800"],), {}, ValueError, "text 1 has a lone surrogate at character 1"),
        ((["a"], ["\udfff"]), {}, ValueError, "text_pair 0 has a lone surrogate at character 0"),
        (
            ([["a", "\ud800"]],),
            {"is_split_into_words": True},
            ValueError,
            "text 0, word 1 has a lone surrogate",
        ),
        (
            ([["a"], "b"],),
            {"is_split_into_words": True},
            TypeError,
            "text 1 is a str; expected a list of words",
        ),
        ((["a"], "b"), {}, TypeError, "text_pair is a str"),
        ((["a"], ["b", "c"]), {}, ValueError, "1 texts and text_pair 2"),
        (("a",), {"padding": "widest"}, ValueError, "padding is 'widest'"),
        (("a",), {"truncation": "middle"}, ValueError, "truncation is 'middle'"),
        (("a",), {"padding_side": "up"}, ValueError, "padding_side is 'up'"),
        (("a",), {"truncation": True, "max_length": -1}, ValueError, "max_length is -1"),
        (("a",), {"truncation": True, "stride": -1}, ValueError, "stride is -1"),
        (("a",), {"padding": True, "pad_to_multiple_of": 0}, ValueError, "pad_to_multiple_of is 0"),
        (("a b c",), {"truncation": "only_second", "max_length": 4}, ValueError, "no second sequence"),
        (
            ("a b c", "d e"),
            {"truncation": "only_second", "max_length": 4},
            ValueError,
            "only_second, but that sequence has 2",
        ),
    ],
)
def test_errors(both: tuple[Any, Any], args: Any, options: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        both[0](*args, **options)
    assert both[0]("the cat")["input_ids"] == [2, 8, 9, 3]  # still works


@pytest.mark.parametrize(
    ("args", "options"),
    [
        (([["the", "cat"], ["a", "b"]],), {}),
        (([("the", "cat"), ["a", ""]],), {"padding": True}),
        (([(["the"], ["cat", "sat"]), (["a"], [])],), {"is_split_into_words": True}),
        (([[["the"], ["cat"]]],), {"is_split_into_words": True}),
        (("the cat", None, None, None, False), {}),
        (("the cat sat", "on", None, None, True, "max_length", True, 5), {}),
        (("the cat sat on mat",), {"tokenizer_kwargs": {"truncation": True, "max_length": 4}}),
        (("the cat", ""), {}),
    ],
    ids=str,
)
def test_forms_of_a_call(both: tuple[Any, Any], args: Any, options: dict[str, Any]) -> None:
    check(both, *args, **options)
    got, want = (tokenizer(*args, **options) for tokenizer in both)
    for mine, theirs in zip(got.encodings, want.encodings, strict=True):
        assert mine.n_sequences == theirs.n_sequences and mine.tokens == theirs.tokens


def test_encode_takes_its_options_by_place(both: tuple[Any, Any]) -> None:
    ours, reference = both
    for args in (
        (None, False),
        ("cat", True, "max_length", True, 5, 0, "left"),
        (None, True, False, None, None),
    ):
        assert ours.encode(TEXTS[0], *args) == reference.encode(TEXTS[0], *args)
    assert (
        ours.encode("cat", return_tensors="np").tolist()
        == reference.encode("cat", return_tensors="np").tolist()
    )


def test_a_padding_token_that_is_not_in_the_vocabulary(folder: Path) -> None:
    for side, tokens in itertools.product(("left", "right"), (["<nowhere>", None], ["cat", "[UNK]"])):
        ours, reference = (
            AutoTokenizer.from_pretrained(folder),
            transformers.AutoTokenizer.from_pretrained(folder),
        )
        for tokenizer in (ours, reference):
            tokenizer.pad_token, tokenizer.padding_side = tokens[0], side
        got, want = (tokenizer(TEXTS, padding=True) for tokenizer in (ours, reference))
        assert plain(got) == plain(want)
        assert [got.tokens(i) for i in range(len(TEXTS))] == [want.tokens(i) for i in range(len(TEXTS))]
        assert plain(ours.pad({"input_ids": [[1], [1, 2]]})) == plain(
            reference.pad({"input_ids": [[1], [1, 2]]})
        )
        ours.pad_token, ours.unk_token = "<nowhere>", None
        with pytest.raises(ValueError, match="pad_token is '<nowhere>'"):
            ours(TEXTS, padding=True)


def test_rows_longer_than_what_they_are_padded_to(both: tuple[Any, Any]) -> None:
    options = {"padding": "max_length", "max_length": 3, "truncation": False}
    for side in ("left", "right"):
        got, want = (tokenizer(TEXTS, padding_side=side, **options) for tokenizer in both)
        assert plain(got) == plain(want)
        assert [got.tokens(i) for i in range(len(TEXTS))] == [want.tokens(i) for i in range(len(TEXTS))]


def test_what_tokenizer_kwargs_may_say(both: tuple[Any, Any]) -> None:
    ours, reference = both
    arguments = {"truncation": True, "max_length": 4, "padding": True}
    assert ours(TEXTS, tokenizer_kwargs=arguments).data == reference(TEXTS, tokenizer_kwargs=arguments).data
    got = ours("cat", text_target=TEXTS[0], truncation=True, tokenizer_kwargs={"max_target_length": 3})
    assert len(got["labels"]) == 3
    with pytest.raises(TypeError, match="'nonsense' is no argument"):
        ours("cat", tokenizer_kwargs={"nonsense": 1})
    with pytest.raises(ValueError, match="text and text_target are None"):
        ours()


def test_a_long_text_is_warned_of_once(folder: Path) -> None:
    ours = AutoTokenizer.from_pretrained(folder)
    long = "a " * 20
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours(long, truncation=True)
        ours(long, verbose=False)
        ours("cat")
    with pytest.warns(UserWarning, match="22 tokens, but model_max_length is 12"):
        ours(long)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours(long)


def test_added_tokens_in_normalized_text(both: tuple[Any, Any]) -> None:
    """Ids alone, where words are read without the stages: a token that is found after lower-casing."""
    ours, reference = (copy.deepcopy(tok) for tok in both)
    for tok in (ours, reference):
        tok.add_tokens(["The CAT"])
    texts = ["the cat sat", "a the CAT", "The  cat", *TEXTS]
    assert ours(texts)["input_ids"] == reference(texts)["input_ids"]
    assert len(ours) - 1 in ours("the Cat")["input_ids"]


def test_attributes_of_the_user_are_kept(both: tuple[Any, Any]) -> None:
    ours = copy.copy(both[0])
    ours.note = {"mine": 5}
    for other in (copy.copy(ours), copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert other.note == {"mine": 5}
        assert other(TEXTS).data == ours(TEXTS).data


def test_names_of_from_pretrained(folder: Path) -> None:
    ours = AutoTokenizer.from_pretrained(pretrained_model_name_or_path=folder)
    assert type(ours).from_pretrained(folder)(TEXTS).data == ours(TEXTS).data
    assert list(ours.SPECIAL_TOKENS_ATTRIBUTES) == list(
        transformers.AutoTokenizer.from_pretrained(folder).SPECIAL_TOKENS_ATTRIBUTES
    )
    ours.truncation_side = "up"
    with pytest.raises(ValueError, match="truncation_side is 'up'"):
        ours(TEXTS, truncation=True)


def test_decoding_what_comes(both: tuple[Any, Any]) -> None:
    torch = pytest.importorskip("torch")
    ours, reference = both
    ids = reference(TEXTS[0], add_special_tokens=False)["input_ids"]
    flat = [ids, tuple(ids), np.array(ids), torch.tensor(ids), list(torch.tensor(ids)), list(np.array(ids))]
    for row in (*flat, [], {"input_ids": ids}, [ids[0], 10**6, 2**31, 2**32 - 1], [True]):
        assert ours.decode(row) == reference.decode(row)
        assert ours.batch_decode(row) == reference.batch_decode(row)
    for scalar in (ids[0], np.int64(ids[0]), torch.tensor(ids[0])):
        assert ours.decode(scalar) == reference.decode(scalar)
    rows = [[ids, ids[:2]], [np.array(ids)] * 2, list(torch.tensor([ids, ids])), torch.tensor([ids, ids])]
    for batch in (*rows, np.array([ids, ids]), (ids, tuple(ids)), [[]], [ids, ids[0]], np.zeros((0, 3), int)):
        assert ours.decode(batch) == reference.decode(batch)
        assert ours.batch_decode(batch) == reference.batch_decode(batch)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("hello", "token_ids is the str 'hello'"),
        (None, "token_ids is the NoneType None"),
        (5.0, "token_ids is the float 5.0"),
        ({5, 6}, "token_ids is the set"),
        ([5.0], "token_ids has the float 5.0"),
        (np.array([1.5]), "token_ids has the float 1.5"),
        (["a"], "token_ids has the str 'a'"),
        ([5, None], "token_ids has the NoneType None"),
        ([5, [6]], r"token_ids has the list \[6\]"),
        ([[[5]]], r"token_ids has the list \[5\]"),
        ([[5], None], "token_ids is the NoneType None"),
        ([5, -100], "token_ids has -100; expected ids from 0"),
        (-1, "token_ids has -1; expected ids from 0"),
        ([[5], [2**32]], "token_ids has 4294967296; expected ids from 0"),
    ],
    ids=str,
)
def test_what_is_no_id_is_not_decoded(both: tuple[Any, Any], wrong: Any, message: str) -> None:
    ours, reference = both
    with pytest.raises((TypeError, OverflowError)) as error:
        reference.decode(wrong)
    kind = ValueError if error.type is OverflowError else TypeError
    with pytest.raises(kind, match=message):
        ours.decode(wrong)
    if not isinstance(wrong, (int, float)):
        with pytest.raises(kind, match=message):
            ours.batch_decode(wrong)


def test_a_number_is_no_batch_of_ids(both: tuple[Any, Any]) -> None:
    ours, reference = both
    for wrong in (5, np.int64(5), np.array(5)):
        with pytest.raises(TypeError):
            reference.batch_decode(wrong)
        with pytest.raises(TypeError, match="expected rows of ids"):
            ours.batch_decode(wrong)


def test_a_stream_takes_ids_only(both: tuple[Any, Any]) -> None:
    ours, _ = both
    with pytest.raises(ValueError, match="a token id is -1; expected one from 0"):
        list(ours.decode_stream([-1]))
    with pytest.raises(TypeError, match="float"):
        list(ours.decode_stream([5.5]))


def test_a_dtype_moves_nothing(both: tuple[Any, Any]) -> None:
    torch = pytest.importorskip("torch")
    batch = both[0](TEXTS, padding=True, return_tensors="pt")
    with pytest.warns(UserWarning, match="is not cast"):
        assert batch.to(torch.float16)["input_ids"].dtype == torch.int64
