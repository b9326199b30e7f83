"""Tokenizers of GGUF files: they give what the tokenizers give that the files were made from."""

import json

import numpy as np
import pytest
import sentencepiece
import tokenizers
import transformers
from tokenizers import Regex, normalizers, pre_tokenizers

import fastplm
from fastplm.errors import CheckpointError, UnsupportedError
from tests.models.gguf_files import write
from tests.tokenizers.awkward import every_scalar_value, sentences, short_strings

TEXTS = ["", " ", "  a  b ", "\n\n\tx\r\n y", "It's 12345 o'CLOCK, we'LL", "日本語😀 e\u0301",
         *short_strings(150, 0), *sentences(60, 1), *every_scalar_value()[:9]]  # fmt: skip
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)


def save(path, tokens, types, model, **more):
    values = {"model": model, "tokens": tokens, "token_type": np.array(types, np.int32), **more}
    metadata = {"general.architecture": "llama", **{f"tokenizer.ggml.{k}": v for k, v in values.items()}}
    return write(path, metadata, {})


def byte_level(path, root, **more):
    """As the converter writes a tokenizer.json of a byte-level BPE model."""
    vocabulary = {**root["model"]["vocab"], **{t["content"]: t["id"] for t in root["added_tokens"]}}
    added = {t["content"]: CONTROL if t["special"] else USER_DEFINED for t in root["added_tokens"]}
    tokens = [f"[PAD{i}]" for i in range(max(vocabulary.values()) + 1)]
    types = [UNUSED] * len(tokens)
    for token, i in vocabulary.items():
        tokens[i], types[i] = token, added.get(token, NORMAL)
    merges = [m if isinstance(m, str) else " ".join(m) for m in root["model"]["merges"]]
    return save(path, tokens, types, "gpt2", merges=merges, **more)


def same(ours, theirs, texts=TEXTS):
    for text in texts:
        got, want = ours.encode(text, add_special_tokens=False), theirs.encode(text, add_special_tokens=False)
        want = want if isinstance(want, list) else want.ids
        assert got == want, text
        assert ours.decode(got) == theirs.decode(want, skip_special_tokens=False), text


@pytest.mark.parametrize(
    ("folder", "pre"),
    [("bpe_bytelevel/gpt2", "gpt-2"), ("derived/qwen2.5", "qwen2"), ("derived/cl100k_base", "dbrx")],
)
def test_byte_level(data, folder, pre, tmp_path):
    file = data / "tokenizers" / folder / "tokenizer.json"
    path = byte_level(tmp_path / "a.gguf", json.loads(file.read_text()), pre=pre)
    same(fastplm.AutoTokenizer.from_pretrained(path), tokenizers.Tokenizer.from_file(str(file)))


_WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|" + _WORDS
_CASED = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+END|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*END|"
    r"\p{N}COUNT| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_TEKKEN = _CASED.replace("END", "").replace("COUNT", "")
_GPT4O = _CASED.replace("END", "(?i:'s|'t|'re|'ve|'m|'ll|'d)?").replace("COUNT", "{1,3}")
_GPT2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
_DIGITS = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), _GPT2])


def split(words):
    steps = [pre_tokenizers.Split(Regex(words), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    return pre_tokenizers.Sequence(steps)


@pytest.mark.parametrize(
    ("pre", "cut", "nfc", "whole"),
    [
        ("gpt-2", _GPT2, False, False),
        ("olmo", _GPT2, True, False),
        ("smollm", _DIGITS, False, False),
        ("refact", _DIGITS, False, False),
        ("llama-bpe", split(_LLAMA3), False, True),
        ("smaug-bpe", split(_LLAMA3), False, False),
        ("tekken", split(_TEKKEN), False, True),
        ("gpt-4o", split(_GPT4O), False, False),
    ],
)
def test_ways_to_cut(data, pre, cut, nfc, whole, tmp_path):
    """Each with GPT-2's vocabulary, on which they differ in what they cut; published patterns."""
    root = json.loads((data / "tokenizers" / "bpe_bytelevel" / "gpt2" / "tokenizer.json").read_text())
    path = byte_level(tmp_path / "a.gguf", root, pre=pre)
    root["model"]["ignore_merges"] = whole
    theirs = tokenizers.Tokenizer.from_str(json.dumps(root))
    theirs.pre_tokenizer = cut
    theirs.normalizer = normalizers.NFC() if nfc else None
    same(fastplm.AutoTokenizer.from_pretrained(path), theirs)


def pieces_of(file):
    """Tokens, scores and types of a SentencePiece model."""
    library = sentencepiece.SentencePieceProcessor(model_file=str(file))
    kinds = {"IsUnknown": UNKNOWN, "IsControl": CONTROL, "IsUnused": UNUSED, "IsByte": BYTE}
    ids = range(library.GetPieceSize())
    types = [next((k for name, k in kinds.items() if getattr(library, name)(i)), NORMAL) for i in ids]
    return library, [library.IdToPiece(i) for i in ids], [library.GetScore(i) for i in ids], types


def test_sentencepiece(data, tmp_path):
    file = data / "tokenizers" / "spm_bpe" / "mistral01" / "tokenizer.model"
    library, tokens, scores, types = pieces_of(file)
    path = save(tmp_path / "a.gguf", tokens, types, "llama", scores=np.array(scores, np.float32))
    ours = fastplm.AutoTokenizer.from_pretrained(path)
    for text in TEXTS:
        got = ours.encode(text, add_special_tokens=False)
        assert got == library.EncodeAsIds(text), text
        assert ours.decode(got) == library.DecodeIds(got), text
    assert ours.encode("a") == [1, *ours.encode("a", add_special_tokens=False)]
    assert ours.padding_side == "left"
    assert ours.tokenize("<s>a") == ["<s>", "▁a"]


def test_stories(data, tmp_path):
    """The real tokenizer of stories260k, whose file has merges: their ranks are the scores."""
    folder = data / "stories260k" / "hf"
    root = json.loads((folder / "tokenizer.json").read_text())["model"]
    ranks = {"".join(m.split(" ") if isinstance(m, str) else m): -i for i, m in enumerate(root["merges"])}
    tokens = sorted(root["vocab"], key=root["vocab"].get)
    types = [UNKNOWN, CONTROL, CONTROL, *[BYTE] * 256, *[NORMAL] * (len(tokens) - 259)]
    scores = np.array([ranks.get(token, -1e6) for token in tokens], np.float32)
    save(tmp_path / "a.gguf", tokens, types, "llama", scores=scores, bos_token_id=1, eos_token_id=2)
    ours = fastplm.AutoTokenizer.from_pretrained(tmp_path)  # the one file of the folder
    theirs = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    same(ours, theirs, [text for text in TEXTS if text])
    assert (ours.bos_token_id, ours.eos_token_id, ours.unk_token_id) == (1, 2, 0)
    assert ours.name_or_path == str(tmp_path)
    ours.save_pretrained(tmp_path / "saved")
    again = fastplm.AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert [again.encode(text) for text in TEXTS] == [ours.encode(text) for text in TEXTS]
    reference = transformers.AutoTokenizer.from_pretrained(tmp_path / "saved")
    plain = ["Once upon a time", "  two", "x"]
    assert [reference.encode(text) for text in plain] == [ours.encode(text) for text in plain]


TOKENS = ["<unk>", "<s>", "</s>", "a", "b", "ab", "  ", "<|user|>", "▁", "[PAD9]"]
TYPES = [UNKNOWN, CONTROL, CONTROL, NORMAL, NORMAL, NORMAL, USER_DEFINED, USER_DEFINED, NORMAL, UNUSED]
SCORES = np.arange(0, -10, -1).astype(np.float32)


def small(path, **more):
    return save(path, TOKENS, TYPES, "llama", **{"scores": SCORES, **more})


def test_settings(tmp_path):
    more = {"bos_token_id": 1, "eos_token_id": 2, "padding_token_id": 2}
    path = small(tmp_path / "a.gguf", **more, add_bos_token=False, add_eos_token=True, add_space_prefix=False)
    ours = fastplm.AutoTokenizer.from_pretrained(str(tmp_path), gguf_file="a.gguf")
    assert ours.encode("ab") == [5, 2]
    assert ours.encode("a  <|user|>b") == [3, 6, 7, 4, 2]
    assert ours.pad_token == "</s>"
    assert ours.decode([1, 7, 3], skip_special_tokens=True) == "<|user|>a"
    assert fastplm.AutoTokenizer.from_pretrained(path, add_bos_token=True).encode("ab") == [1, 5, 2]
    assert fastplm.AutoTokenizer.from_pretrained(path, padding_side="right").padding_side == "right"


def test_chat_templates(tmp_path):
    raw = {"general.architecture": "llama", "tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": TOKENS,
           "tokenizer.ggml.scores": SCORES, "tokenizer.ggml.token_type": np.array(TYPES, np.int32),
           "tokenizer.chat_template": "{{ messages[0].content }}b"}  # fmt: skip
    one = fastplm.AutoTokenizer.from_pretrained(write(tmp_path / "a.gguf", raw, {}))
    messages = [{"role": "user", "content": "a"}]
    assert one.apply_chat_template(messages, tokenize=False) == "ab"
    raw |= {"tokenizer.chat_templates": ["tools"], "tokenizer.chat_template.tools": "tools"}
    two = fastplm.AutoTokenizer.from_pretrained(write(tmp_path / "b.gguf", raw, {}))
    assert two.apply_chat_template(messages, tokenize=False) == "ab"
    assert two.apply_chat_template(messages, chat_template="tools", tokenize=False) == "tools"


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"model": "bert"}, "tokenizer.ggml.model is 'bert'; expected 'llama' or 'gpt2'"),
        ({"model": "gpt2", "pre": "falcon"}, "tokenizer.ggml.pre is 'falcon'; this version knows "),
        ({"model": "gpt2", "merges": []}, "tokenizer.ggml.pre is missing or 'default', which does not say"),
        ({"model": "gpt2", "pre": "gpt-2"}, "tokenizer.ggml.merges is missing; expected a list"),
        ({"model": "gpt2", "pre": "gpt-2", "merges": ["ab"]}, "merges holds 'ab'; expected two tokens"),
        ({"model": "gpt2", "pre": "gpt-2", "merges": ["a x"]}, "merges?.*x"),
        ({"tokens": "a"}, "tokenizer.ggml.tokens is a str; expected a list"),
        ({"tokens": [*TOKENS[:-1], "a"]}, "the token 'a' appears twice; expected it once"),
        ({"token_type": np.arange(3)}, "token_type holds 3 values; expected 10 numbers"),
        ({"scores": np.arange(10)}, "scores holds 10 values; expected 10 numbers"),
        ({"bos_token_id": 10}, "bos_token_id is 10; expected the id of one of 10 tokens"),
        ({"add_sep_token": True}, "add_sep_token is True; expected False"),
        ({"add_bos_token": 1}, "add_bos_token is a int; expected a bool"),
    ],
)
def test_refusals(more, complaint, tmp_path):
    values = {
        "model": "llama",
        "tokens": TOKENS,
        "token_type": np.array(TYPES, np.int32),
        "scores": SCORES,
        **more,
    }
    metadata = {"general.architecture": "llama", **{f"tokenizer.ggml.{k}": v for k, v in values.items()}}
    path = write(tmp_path / "a.gguf", metadata, {})
    with pytest.raises((CheckpointError, UnsupportedError), match=complaint) as caught:
        fastplm.AutoTokenizer.from_pretrained(path)
    assert str(path) in str(caught.value)


def test_unknown_keys_are_warned_of(tmp_path):
    path = small(tmp_path / "a.gguf", news=3)
    with pytest.warns(UserWarning, match="does not know the setting 'news'"):
        fastplm.AutoTokenizer.from_pretrained(path)
