"""Folders of every tokenizer class and every kind of vocabulary file, compared with transformers."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.tokenizer import AutoTokenizer
from fastplm.tokenizers.classes import CLASSES
from fastplm.tokenizers.classes.translation import TRANSLATION
from tests.size import sized

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

TEXTS = [
    "the cat  sat",
    "",
    " ab a\tbé 中国 \uff21\uff22",
    "It's <mask> x<s>y </s>",
    "naïve\u0301 12345 don't\n\n ok",
    "🤗👩‍👩‍👧 ``q''",
]
ATTRIBUTES = (
    "special_tokens_map", "extra_special_tokens", "all_special_tokens", "all_special_ids", "padding_side",
    "model_input_names", "model_max_length", "pad_token", "pad_token_type_id", "truncation_side",
)  # fmt: skip

SPECIAL = [
    "<s>", "<pad>", "</s>", "<unk>", "<mask>", "[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]",
    "<|endoftext|>", "<sep>", "<cls>", "<|startoftext|>", "<UNK>", "<bos>", "<eos>", "<PAD>", "<CLS>",
    "<SEP>", "<BOS_TOKEN>", "<MASK_TOKEN>", "<|END_OF_TURN_TOKEN|>", "<|padding|>",
]  # fmt: skip
TRANSLATION_CODES = ("en_XX", "ro_RO", "eng_Latn", "fra_Latn")
PIECES = [*SPECIAL, *"abcehst", "▁", "▁a", "▁the", "at", "ab"]


def make_model(kind: str, codes: tuple[str, ...] = ()) -> dict[str, Any]:
    pieces = [*PIECES, *codes]
    if kind == "Unigram":
        vocab = [[p, 0.0 if p in SPECIAL else -1.5 - i / 100] for i, p in enumerate(pieces)]
        return {"type": "Unigram", "unk_id": 3, "vocab": vocab, "byte_fallback": False}
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    if kind == "WordPiece":
        return {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary,
        }  # fmt: skip
    return {
        "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
        "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
        "vocab": vocabulary, "merges": [["a", "t"], ["a", "b"]],
    }  # fmt: skip


def make_file(
    kind: str, *, charsmap: str | None = None, processor: bool = True, codes: tuple[str, ...] = ()
) -> dict[str, Any]:
    """A tokenizer.json whose pipeline no class builds. codes: of languages, in its vocabulary."""
    flags = {"single_word": False, "rstrip": False, "normalized": False, "special": True}
    text = {"Sequence": {"id": "A", "type_id": 0}}
    normalizer: dict[str, Any] = {"type": "Lowercase"}
    if charsmap is not None:
        precompiled = {"type": "Precompiled", "precompiled_charsmap": charsmap}
        normalizer = {"type": "Sequence", "normalizers": [precompiled, normalizer]}
    end = {"SpecialToken": {"id": "</s>", "type_id": 0}}
    template = {
        "type": "TemplateProcessing",
        "single": [text, end],
        "pair": [text, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]}},
    }
    return {
        "version": "1.0", "truncation": None, "padding": None, "normalizer": normalizer,
        "pre_tokenizer": {"type": "Whitespace"}, "decoder": None,
        "post_processor": template if processor else None, "model": make_model(kind, codes),
        "added_tokens": [
            {"id": 0, "content": "<s>", "lstrip": False, **flags},
            {"id": 4, "content": "<mask>", "lstrip": True, **flags},
        ],
    }  # fmt: skip


def both(folder: Path, **kwargs: Any) -> tuple[Any, Any]:
    return tuple(
        auto.from_pretrained(folder, **kwargs) for auto in (AutoTokenizer, transformers.AutoTokenizer)
    )


def assert_same(ours: Any, reference: Any, texts: list[str] = TEXTS) -> None:
    """What it is made of, what can be asked of it, and what it makes of texts."""
    # Both once through the reference's reader, which fills in defaults and may change a score's last bit.
    want, got = (
        json.loads(tokenizers.Tokenizer.from_str(text).to_str())
        for text in (reference.backend_tokenizer.to_str(), json.dumps(ours._source.to_json()))
    )
    for section in want.keys() - {"truncation", "padding"}:
        assert got[section] == want[section], section
    for name in ATTRIBUTES:
        assert getattr(ours, name) == getattr(reference, name), name
    assert ours.get_vocab() == reference.get_vocab()
    for options in (
        {},
        {"add_special_tokens": False},
        {"return_token_type_ids": True, "text_pair": texts[::-1]},
    ):
        mine = ours(texts, return_offsets_mapping=True, **options)
        theirs = reference(texts, return_offsets_mapping=True, **options)
        assert mine.data == theirs.data, options
    rows = reference(texts)["input_ids"]
    for skip in (True, False):
        assert ours.batch_decode(rows, skip_special_tokens=skip) == reference.batch_decode(
            rows, skip_special_tokens=skip
        )


CONFIGS: list[dict[str, Any]] = [
    {},
    {"add_prefix_space": True},
    {"add_prefix_space": False, "padding_side": "left"},
    {"pad_token": "<pad>", "extra_special_tokens": ["<x>"], "model_max_length": 12},
    {"do_lower_case": True, "keep_accents": True, "split_by_punct": True, "trim_offsets": False,
     "legacy": True},
    {"additional_special_tokens": ["<x>", "<extra_id_0>"], "extra_ids": 1, "image_token": "<img>"},
    {"mask_token": {"__type": "AddedToken", "content": "<m>", "lstrip": True, "rstrip": False,
                    "normalized": True, "single_word": False, "special": False}},
    {"do_lower_case": False, "add_bos_token": True, "bos_token": "<s>"},
    {"extra_special_tokens": {"audio_token": "<aud>"}},
]  # fmt: skip
OTHER_FILES: list[dict[str, Any]] = [
    {"special_tokens_map": {"pad_token": "<pad>", "additional_special_tokens": ["<y>"]}},
    {"added_tokens": {"<new>": len(PIECES)}},
]


def charsmap(data: Path) -> str:
    file = json.loads((data / "tokenizers/unigram/t5-small/tokenizer.json").read_text())
    return str(file["normalizer"]["precompiled_charsmap"])


def folders(path: Path, name: str, normalizations: list[str | None]) -> Iterator[Path]:
    """Folders with that class and a tokenizer.json."""
    kind = CLASSES[name].model
    assert kind is not None
    for config, files in [*((c, {}) for c in CONFIGS), *(({}, f) for f in OTHER_FILES)]:
        for normalization in normalizations:
            for processor in (True, False):
                shutil.rmtree(path, ignore_errors=True)
                path.mkdir()
                codes = TRANSLATION_CODES if name in TRANSLATION else ()
                file = make_file(kind, charsmap=normalization, processor=processor, codes=codes)
                contents = {
                    "tokenizer": file,
                    "tokenizer_config": {"tokenizer_class": name, **config},
                    **files,
                }
                for stem, content in contents.items():
                    (path / f"{stem}.json").write_text(json.dumps(content))
                yield path


@pytest.mark.parametrize("name", CLASSES)
def test_classes_with_a_tokenizer_json(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    normalizations: list[str | None] = [None]
    if CLASSES[name].model == "Unigram":
        normalizations.append(charsmap(request.getfixturevalue("data")))
    compared = 0
    for folder in folders(tmp_path / "model", name, normalizations):
        try:
            reference = transformers.AutoTokenizer.from_pretrained(folder)
        except Exception:
            with pytest.raises((CheckpointError, ValueError)):
                AutoTokenizer.from_pretrained(folder)
            continue
        if hasattr(reference, "_switch_to_input_mode"):
            reference._switch_to_input_mode()  # SeamlessM4T's is made for targets, until it is called
        assert_same(AutoTokenizer.from_pretrained(folder), reference)
        compared += 1
    assert compared > 8


# The reference has no such files for Qwen3_5Tokenizer.
MERGED = [
    name
    for name, kind in CLASSES.items()
    if kind.files == ("vocab.json", "merges.txt") and name != "Qwen3_5Tokenizer"
]


def write_merges(folder: Path, vocabulary: dict[str, int], merges: list[list[str]]) -> None:
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    lines = ["#version: 0.2", *(" ".join(merge) for merge in merges)]
    (folder / "merges.txt").write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def byte_level_model() -> tuple[dict[str, int], list[list[str]]]:
    """Learned from a few words by the reference."""
    tok = tokenizers.Tokenizer(tokenizers.models.BPE())
    tok.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=340, special_tokens=SPECIAL, show_progress=False,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    tok.train_from_iterator([*TEXTS, "the cat sat on the mat and it's hers"] * 3, trainer)
    model = json.loads(tok.to_str())["model"]
    return model["vocab"], model["merges"]


@pytest.mark.parametrize("name", MERGED)
def test_vocab_json_and_merges_txt(name: str, tmp_path: Path) -> None:
    write_merges(tmp_path, *byte_level_model())
    for config in (*CONFIGS[:4], {"add_bos_token": True, "add_eos_token": True, "add_prefix_space": True}):
        (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name, **config}))
        assert_same(*both(tmp_path))
    (tmp_path / "added_tokens.json").write_text('{"<x>": 400, "<y>": 401}')
    (tmp_path / "special_tokens_map.json").write_text('{"pad_token": "<x>"}')
    assert_same(*both(tmp_path))


def test_model_types(tmp_path: Path) -> None:
    """config.json alone, config.json against tokenizer_config.json, and the usual class of the files."""
    write_merges(tmp_path, *byte_level_model())
    ours = AutoTokenizer.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    assert_same(*both(tmp_path))
    assert AutoTokenizer.from_pretrained(tmp_path)(TEXTS).data == ours(TEXTS).data
    for model_type in ("gpt2", "roberta", "bart", "qwen2", "gpt_neox", "opt", "longformer"):
        (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
        for config in ({}, {"tokenizer_class": "GPT2TokenizerFast"}, {"tokenizer_class": "RobertaTokenizer"}):
            (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
            assert_same(*both(tmp_path))
    file = make_file("BPE")
    file["decoder"] = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    for model_type in ("llama", "phi3", "modernbert", "mixtral", "qwen2", "gemma", "nothing_known"):
        (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
        for name in ("LlamaTokenizer", "PreTrainedTokenizerFast", "GPT2Tokenizer", "StrangeTokenizer"):
            (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name}))
            for decoder in (file["decoder"], None):
                (tmp_path / "tokenizer.json").write_text(json.dumps({**file, "decoder": decoder}))
                assert_same(*both(tmp_path))


def test_real_vocabulary_and_merges(data: Path, tmp_path: Path, texts: list[str]) -> None:
    folder = data / "tokenizers/bpe_bytelevel/roberta-base"
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(folder / name, tmp_path)
    for config in ({"model_type": "roberta"}, {"model_type": "gpt2"}):
        (tmp_path / "config.json").write_text(json.dumps(config))
        assert_same(*both(tmp_path), texts[:200])


@pytest.mark.parametrize(
    "name", ["bpe_bytelevel/roberta-base", "spm_bpe/phi-3-mini", "unigram/t5-small", "derived/qwen2.5"]
)
def test_real_folders(name: str, data: Path, texts: list[str]) -> None:
    """What their tokenizer_config.json asks for, not only what their tokenizer.json says."""
    folder = data / "tokenizers" / name
    if not (folder / "tokenizer_config.json").is_file():
        pytest.skip("no tokenizer_config.json in the folder")
    assert_same(*both(folder), [*TEXTS, *texts[:100]])


@pytest.mark.parametrize(
    ("vocabulary", "merges", "message"),
    [
        ('{"a": 0}', "a b\n", "lacks 'b'"),
        ('{"a": 0, "b": 1}', "a b\n", "lacks 'ab'"),
        ('{"a": 0}', "a\n", r"merges\.txt, line 1: 'a'; expected two tokens"),
        ('{"a": 0}', "#version: 0.2\n\n", r"merges\.txt, line 2"),
        ('{"a": 0}', "\u00ff b c\n", r"merges\.txt, line 1"),
        ('{"a": "0"}', "", r"model\.vocab\['a'\] is '0'"),
        ('{"a": -1}', "", r"model\.vocab\['a'\] is -1"),
        ("[]", "", r"vocab\.json"),
        ("{", "", r"vocab\.json: not valid JSON"),
    ],
)
def test_bad_vocabulary_and_merges(vocabulary: str, merges: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text(vocabulary)
    (tmp_path / "merges.txt").write_text(merges)
    with pytest.raises(CheckpointError, match=message):
        AutoTokenizer.from_pretrained(tmp_path)


def test_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "GPT2Tokenizer"}')
    (tmp_path / "vocab.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match=r"merges\.txt"):
        AutoTokenizer.from_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text(json.dumps(make_file("WordPiece")))
    ours, reference = both(tmp_path)  # of another kind than the class: its vocabulary, without merges
    assert ours(TEXTS).data == reference(TEXTS).data
    assert ours.get_vocab() == reference.get_vocab()
    assert ours.backend_tokenizer.model.__class__ is reference.backend_tokenizer.model.__class__
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    with pytest.raises(UnsupportedError, match=r"PreTrainedTokenizer without a tokenizer\.json"):
        AutoTokenizer.from_pretrained(tmp_path)
    (tmp_path / "tokenizer_config.json").unlink()  # vocab.json alone does not tell the class
    with pytest.raises(FileNotFoundError, match=r"no tokenizer\.json and no vocab\.txt in the folder"):
        AutoTokenizer.from_pretrained(tmp_path)


SENTENCEPIECE = {
    "unigram/t5-small/spiece.model": ("T5Tokenizer", "FNetTokenizer"),
    "unigram/xlnet-base-cased/spiece.model": ("XLNetTokenizer",),
    "unigram/sp-test/test_model.model": (
        "XLMRobertaTokenizer", "CamembertTokenizer", "BarthezTokenizer", "MBartTokenizer",
        "MBart50Tokenizer", "DebertaV2Tokenizer",
    ),
    "unigram/sp-test/test_ja_model.model": ("XLMRobertaTokenizer",),
    "spm_bpe/mistral01/tokenizer.model": ("LlamaTokenizer", "ReformerTokenizer", "NllbTokenizer"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("file", "name"), [(file, name) for file, names in SENTENCEPIECE.items() for name in names]
)
def test_sentencepiece(file: str, name: str, data: Path, tmp_path: Path, texts: list[str]) -> None:
    pytest.importorskip("sentencepiece")
    pytest.importorskip("google.protobuf")
    shutil.copy(data / "tokenizers" / file, tmp_path / CLASSES[name].files[0])
    for config in ({}, {"add_bos_token": True, "extra_special_tokens": ["<x>"]}):
        (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name, **config}))
        assert_same(*both(tmp_path), [*TEXTS, *texts[: sized(15, 50)]])
