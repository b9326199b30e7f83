"""The constructors of tokenizer classes make what transformers' make."""

import json
from pathlib import Path
from typing import Any

import pytest

import fastplm
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.tokenizers.base.added_token import AddedToken

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

TEXTS = ["The CATS sat, Café 中国!", "a [MASK] b", "", " hello  world the cat", "It's <s> x </s>\n"]
WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "the",
    "cat",
    "##s",
    "sat",
    "a",
    "b",
    "cafe",
    "中",
    ",",
]
VOCABULARY = {word: i for i, word in enumerate(WORDS)}
LETTERS = [
    "<s>",
    "</s>",
    "<unk>",
    "<pad>",
    "<mask>",
    "<|endoftext|>",
    *"abcehilorstT",
    "Ġ",
    "Ġt",
    "he",
    "Ġthe",
]
BYTE_LEVEL = {token: i for i, token in enumerate(LETTERS)}
MERGES = [("Ġ", "t"), ("h", "e"), ("Ġt", "he")]
SPACED = {token.replace("Ġ", "▁"): i for token, i in BYTE_LEVEL.items()}
SPACED_MERGES = [(a.replace("Ġ", "▁"), b.replace("Ġ", "▁")) for a, b in MERGES]
PIECES = [
    *((special, 0.0) for special in ("<s>", "<pad>", "</s>", "<unk>")),
    *((piece, -2.0 - i / 10) for i, piece in enumerate(["▁", "▁the", "▁a", "▁cat", *"abcehlorst"])),
    ("<mask>", 0.0),
]
T5_PIECES = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *PIECES[4:-1]]

CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("BertTokenizer", (VOCABULARY,), {}),
    ("BertTokenizer", (VOCABULARY, False), {}),
    ("BertTokenizer", (), {"vocab": VOCABULARY, "do_lower_case": False, "strip_accents": True}),
    ("BertTokenizer", (), {"vocab": VOCABULARY, "tokenize_chinese_chars": False, "model_max_length": 5}),
    ("BertTokenizer", (), {"vocab": VOCABULARY, "padding_side": "left", "verbose": True, "unknown": 3}),
    ("BertTokenizerFast", (VOCABULARY,), {"extra_special_tokens": ["<s>", "</s>"]}),
    ("DistilBertTokenizer", (VOCABULARY,), {"additional_special_tokens": ["cat"]}),
    ("MPNetTokenizer", (VOCABULARY,), {"unk_token": "[UNK]"}),
    ("FunnelTokenizer", (VOCABULARY,), {"unk_token": "[UNK]", "wordpieces_prefix": "@"}),
    ("GPT2Tokenizer", (BYTE_LEVEL, MERGES), {}),
    ("GPT2Tokenizer", (), {"vocab": BYTE_LEVEL, "merges": MERGES, "add_prefix_space": True}),
    ("GPT2Tokenizer", (BYTE_LEVEL, MERGES), {"bos_token": "<s>", "add_bos_token": True}),
    ("RobertaTokenizer", (BYTE_LEVEL, MERGES), {}),
    ("RobertaTokenizer", (BYTE_LEVEL, MERGES), {"add_prefix_space": True, "trim_offsets": False}),
    ("Qwen2Tokenizer", (BYTE_LEVEL, MERGES), {}),
    ("LlamaTokenizer", (SPACED, SPACED_MERGES), {}),
    ("LlamaTokenizer", (SPACED, SPACED_MERGES), {"add_prefix_space": False, "add_eos_token": True}),
    ("T5Tokenizer", (T5_PIECES,), {}),
    ("T5Tokenizer", (T5_PIECES,), {"extra_ids": 3}),
    ("XLMRobertaTokenizer", (PIECES,), {}),
    ("XLMRobertaTokenizer", (PIECES,), {"add_prefix_space": False}),
    ("PreTrainedTokenizerFast", (), {"vocab": BYTE_LEVEL, "merges": MERGES}),
]
ATTRIBUTES = (
    *("model_max_length", "padding_side", "truncation_side", "model_input_names", "special_tokens_map"),
    *("all_special_tokens", "all_special_ids", "is_fast", "verbose", "name_or_path", "vocab_file"),
    *("add_prefix_space", "do_lower_case", "strip_accents", "trim_offsets", "backend"),
    *("tokenize_chinese_chars", "extra_special_tokens", "files_loaded", "deprecation_warnings"),
    *("clean_up_tokenization_spaces", "split_special_tokens", "add_bos_token", "add_eos_token"),
)
_MISSING = object()


def assert_same(ours: Any, reference: Any) -> None:
    for options in ({}, {"add_special_tokens": False}, {"text_pair": TEXTS[::-1]}):
        assert ours(TEXTS, **options).data == reference(TEXTS, **options).data, options
    rows = reference(TEXTS)["input_ids"]
    assert ours.batch_decode(rows) == reference.batch_decode(rows)
    assert ours.get_vocab() == reference.get_vocab()
    assert type(ours).__name__ == type(reference).__name__
    for name in ATTRIBUTES:
        if (want := getattr(reference, name, _MISSING)) is not _MISSING:
            assert getattr(ours, name) == want, name
    assert reference.vocab_files_names.items() <= ours.vocab_files_names.items()
    assert plain(ours.init_kwargs) == plain(reference.init_kwargs)


def plain(init_kwargs: dict[str, Any]) -> dict[str, Any]:
    """Tokens as text; without None, the vocabulary, which one class of the reference keeps here, and Llama's
    `legacy`, which it drops.
    """
    return {
        key: str(value) if isinstance(value, (AddedToken, tokenizers.AddedToken)) else value
        for key, value in init_kwargs.items()
        if value is not None and key not in ("vocab", "merges", "legacy")
    }


@pytest.mark.filterwarnings("ignore:.*does not know the setting")
@pytest.mark.parametrize(("name", "args", "kwargs"), CALLS, ids=lambda v: v if isinstance(v, str) else "")
def test_a_constructor(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    ours, reference = (getattr(library, name)(*args, **kwargs) for library in (fastplm, transformers))
    assert_same(ours, reference)


@pytest.mark.parametrize("by_name", [False, True])
def test_a_file_of_words(by_name: bool, tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    for given in (str(path), path) if not by_name else (str(path),):
        args, kwargs = ((), {"vocab_file": given}) if by_name else ((given,), {})
        ours = fastplm.BertTokenizer(*args, **kwargs)
        assert ours.get_vocab() == VOCABULARY
        reference = transformers.BertTokenizer(vocab=VOCABULARY)
        assert ours(TEXTS).data == reference(TEXTS).data


def test_files_of_merges(tmp_path: Path) -> None:
    vocab, merges = tmp_path / "v.json", tmp_path / "m.txt"
    vocab.write_text(json.dumps(BYTE_LEVEL), encoding="utf-8")
    reference = transformers.GPT2Tokenizer(BYTE_LEVEL, MERGES)
    for end in ("\n", "\r\n"):
        lines = ["#version: 0.2", *(f"{a} {b}" for a, b in MERGES), ""]
        merges.write_bytes(end.join(lines).encode())
        for ours in (
            fastplm.GPT2Tokenizer(str(vocab), str(merges)),
            fastplm.GPT2Tokenizer(vocab_file=str(vocab), merges_file=str(merges)),
        ):
            assert ours.get_vocab() == reference.get_vocab()
            assert ours(TEXTS).data == reference(TEXTS).data


@pytest.mark.parametrize("name", ["PreTrainedTokenizerFast", "BertTokenizer"])
def test_a_finished_tokenizer(name: str, settings: dict[str, Any], tmp_path: Path) -> None:
    text = json.dumps(settings)
    path = tmp_path / "made.json"
    path.write_text(text)
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]", "model_max_length": 64}
    for kwargs in ({"tokenizer_object": tokenizers.Tokenizer.from_str(text)}, {"tokenizer_file": str(path)}):
        ours, reference = (getattr(library, name)(**kwargs, **names) for library in (fastplm, transformers))
        assert ours(TEXTS, padding=True).data == reference(TEXTS, padding=True).data
        assert ours.get_vocab() == reference.get_vocab()
        for attribute in ("special_tokens_map", "model_max_length", "is_fast"):
            assert getattr(ours, attribute) == getattr(reference, attribute)


def test_what_does_not_fit() -> None:
    with pytest.raises(TypeError, match="BertTokenizer: no vocabulary; expected vocab or vocab_file"):
        fastplm.BertTokenizer()
    with pytest.raises(TypeError, match="BertTokenizer: vocab is given twice"):
        fastplm.BertTokenizer(VOCABULARY, vocab=VOCABULARY)
    with pytest.raises(TypeError, match="BertTokenizer: 10 positional arguments; expected at most 9"):
        fastplm.BertTokenizer(*range(10))
    with pytest.raises(TypeError, match=r"tokenizer_object is a int; expected a tokenizers\.Tokenizer"):
        fastplm.PreTrainedTokenizerFast(tokenizer_object=3)
    with pytest.raises(CheckpointError, match="T5Tokenizer: vocab is a dict; expected pieces"):
        fastplm.T5Tokenizer(VOCABULARY)
    with pytest.raises(UnsupportedError, match="WhisperTokenizer: fastplm does not build this class"):
        fastplm.WhisperTokenizer(VOCABULARY, [])


def test_from_str_makes_the_class_it_is_called_on():
    text = fastplm.BertTokenizer(VOCABULARY).backend_tokenizer.to_str()
    for kind in (fastplm.TokenizersBackend, fastplm.BertTokenizer):
        made = kind.from_str(text, model_max_length=7)
        assert type(made) is kind
        assert made.model_max_length == 7
        assert made.encode("the cat") == fastplm.BertTokenizer(VOCABULARY).encode("the cat")
