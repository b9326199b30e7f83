"""What stands around a text: targets, begin and end tokens, languages; compared with transformers."""

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from fastplm.errors import CheckpointError
from fastplm.tokenizer import AutoTokenizer
from fastplm.tokenizers.classes.translation import TRANSLATION

transformers = pytest.importorskip("transformers")
pytest.importorskip("tokenizers")
from tests.tokenizers.test_sources import both, make_file  # noqa: E402 - needs the two above

TEXTS, TARGETS = ["the cat", "at the sea ab"], ["ab a", "cat"]
# By class, two languages that it knows.
LANGUAGES = {"NllbTokenizer": ("eng_Latn", "fra_Latn"), "SeamlessM4TTokenizer": ("eng", "__fra__")}


def folder(path: Path, name: str, **config: Any) -> Path:
    kind = "BPE" if name in ("NllbTokenizer", "SeamlessM4TTokenizer") else "Unigram"
    codes = ("en_XX", "ro_RO", "eng_Latn", "__eng__", "__fra__")
    (path / "tokenizer.json").write_text(json.dumps(make_file(kind, codes=codes)))
    (path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name, **config}))
    return path


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding": True, "return_tensors": "np"},
        {"truncation": True, "max_length": 4},
        {"truncation": True, "max_length": 5, "max_target_length": 3, "padding": "max_length"},
        {"max_target_length": 3},
        {"add_special_tokens": False, "return_offsets_mapping": True},
        {"return_overflowing_tokens": True, "truncation": True, "max_length": 5},
        {"tokenizer_kwargs": {"truncation": True, "max_length": 5}},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["T5Tokenizer", *TRANSLATION])
def test_targets(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    ours, reference = both(folder(tmp_path, name, pad_token="<pad>"))
    for tokenizer in (ours, reference):
        if name in TRANSLATION:
            tokenizer.tgt_lang = LANGUAGES.get(name, ("en_XX", "ro_RO"))[1]
    for args in (
        (TEXTS, None, TARGETS),
        (TEXTS, TARGETS, TARGETS, TEXTS),
        (None, None, TARGETS),
        (TEXTS[0], None, TARGETS[0]),
        (TEXTS,),
    ):
        got, want = ours(*args, **options), reference(*args, **options)
        assert list(got) == list(want)
        for key, value in want.items():
            assert getattr(got[key], "tolist", lambda: got[key])() == (  # noqa: B023 - called at once
                value.tolist() if hasattr(value, "tolist") else value
            ), key


@pytest.mark.parametrize("name", ["T5Tokenizer", "LlamaTokenizer", "GPT2Tokenizer", "StrangeTokenizer"])
def test_begin_and_end_tokens(name: str, tmp_path: Path) -> None:
    path = folder(tmp_path, "NllbTokenizer" if name != "T5Tokenizer" else name)  # for the kind of its model
    (path / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": name, "bos_token": "<s>", "eos_token": "</s>"})
    )
    tokenizers = both(path)
    for attribute, value in (
        ("add_eos_token", True), ("add_bos_token", True), ("add_eos_token", False), ("eos_token", None),
        ("add_eos_token", True), ("bos_token", "<mask>"), ("add_bos_token", True),
    ):  # fmt: skip
        for tokenizer in tokenizers:
            setattr(tokenizer, attribute, value)
        mine, theirs = (
            [t.add_bos_token, t.add_eos_token, t("the cat").data, t(TEXTS, TARGETS).data] for t in tokenizers
        )
        assert mine == theirs, (attribute, value)
    ours, reference = tokenizers
    assert pickle.loads(pickle.dumps(ours))(TEXTS).data == ours(TEXTS).data
    for tokenizer in tokenizers:
        tokenizer.bos_token, tokenizer.unk_token = "<nowhere>", "<unk>"
        tokenizer.update_post_processor()
    assert ours(TEXTS).data == reference(TEXTS).data
    before = ours(TEXTS).data
    ours.unk_token = None
    with pytest.raises(ValueError, match="<nowhere>"):
        ours.add_eos_token = True
    assert not ours.add_eos_token and ours(TEXTS).data == before


def test_splinter_keeps_its_frame(tmp_path: Path, vocabulary: dict[str, int]) -> None:
    words = [*vocabulary, "[QUESTION]"]
    (tmp_path / "vocab.txt").write_text("".join(word + "\n" for word in words), encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "SplinterTokenizer"}')
    tokenizers = both(tmp_path)
    for attribute, value in (("add_bos_token", True), ("padding_side", "left"), ("add_eos_token", True)):
        for tokenizer in tokenizers:
            setattr(tokenizer, attribute, value)
        mine, theirs = (tokenizer(TEXTS, TARGETS).data for tokenizer in tokenizers)
        assert mine == theirs, attribute


@pytest.mark.parametrize("settings", ["none", "languages", "legacy_behaviour"])
@pytest.mark.parametrize("name", TRANSLATION)
def test_languages(name: str, settings: str, tmp_path: Path) -> None:
    first, second = LANGUAGES.get(name, ("en_XX", "ro_RO"))
    config: dict[str, Any] = {"legacy_behaviour": True} if settings == "legacy_behaviour" else {}
    if settings == "languages":
        config = {"src_lang": second, "tgt_lang": first}
    tokenizers = both(folder(tmp_path, name, **config))
    ours, reference = tokenizers

    def answers(tokenizer: Any) -> list[Any]:
        calls = [tokenizer(TEXTS), tokenizer(TEXTS, TARGETS), tokenizer(TEXTS, text_target=TARGETS)]
        return [tokenizer.src_lang, *(call.data for call in calls)]

    assert answers(ours) == answers(reference)
    for attribute, value in (
        ("tgt_lang", second),
        ("src_lang", second),
        ("tgt_lang", first),
        ("src_lang", first),
    ):
        for tokenizer in tokenizers:
            setattr(tokenizer, attribute, value)
        assert answers(ours) == answers(reference), (attribute, value)
        assert ours.tgt_lang == reference.tgt_lang
    for tokenizer in tokenizers:  # a text keeps the frame of its language
        tokenizer.add_bos_token = True
    assert answers(ours) == answers(reference)
    if name not in LANGUAGES:
        assert ours.lang_code_to_id == reference.lang_code_to_id

    ours.src_lang = second
    for other in (copy.copy(ours), pickle.loads(pickle.dumps(ours))):
        assert answers(other) == answers(ours)
    saved = tmp_path / "saved"
    ours.save_pretrained(saved)
    again, theirs = both(saved)
    assert answers(again) == answers(ours) == answers(theirs)
    assert type(theirs).__name__ == name


def test_bad_languages(tmp_path: Path, load: Any, settings: dict[str, Any]) -> None:
    ours = AutoTokenizer.from_pretrained(folder(tmp_path, "MBartTokenizer"))
    for attribute in ("src_lang", "tgt_lang"):
        with pytest.raises(ValueError, match="xx_XX"):
            setattr(ours, attribute, "xx_XX")
    assert ours.src_lang == "en_XX"
    assert ours(TEXTS).data == AutoTokenizer.from_pretrained(tmp_path)(TEXTS).data
    for value in ("xx_XX", 5):
        with pytest.raises(CheckpointError, match=str(value)):
            AutoTokenizer.from_pretrained(folder(tmp_path, "MBartTokenizer", src_lang=value))
    plain, _ = load(settings)
    for attribute in ("src_lang", "tgt_lang", "lang_code_to_id"):
        with pytest.raises(AttributeError):
            getattr(plain, attribute)
    with pytest.raises(AttributeError, match="no languages"):
        plain.src_lang = "en_XX"
