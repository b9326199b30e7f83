"""SentencePiece models, trained here, of classes with pipelines of their own: the results of transformers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.tokenizer import AutoTokenizer
from fastplm.tokenizers.classes import CLASSES
from fastplm.tokenizers.classes.choice import choose_class
from tests.tokenizers.sentencepiece_models import make_texts, read_lines, train

transformers = pytest.importorskip("transformers")
pytest.importorskip("sentencepiece")
pytest.importorskip("google.protobuf")

# Which special pieces a model begins with.
MODELS: dict[str, dict[str, Any]] = {
    "plain": {},
    "pegasus": {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1},
    "deberta": {
        "pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3, "pad_piece": "[PAD]", "bos_piece": "[CLS]",
        "eos_piece": "[SEP]", "unk_piece": "[UNK]", "user_defined_symbols": "[MASK]",
    },
    "albert": {
        "pad_id": 0, "unk_id": 1, "bos_id": -1, "eos_id": -1,
        "control_symbols": ["[CLS]", "[SEP]", "[MASK]"],
    },
    "user": {"user_defined_symbols": ["<user>", "<mask>"], "control_symbols": ["<ctrl>"]},
    "bytes": {
        "byte_fallback": True, "normalization": "identity", "remove_extra_whitespaces": False,
        "vocab_size": 1300,
    },
}  # fmt: skip
CODES = ["ace_Arab", "eng_Latn", "fra_Latn"]
# A class, the models that suit it, and settings.
CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("PegasusTokenizer", "pegasus", {}),
    (
        "PegasusTokenizer", "pegasus",
        {"mask_token": "<mask_2>", "mask_token_sent": "<mask_1>", "offset": 103},
    ),
    ("PegasusTokenizer", "pegasus", {"mask_token": None, "mask_token_sent": None, "offset": 10}),
    *(("SeamlessM4TTokenizer", model, {}) for model in ("plain", "user", "bytes")),
    ("SeamlessM4TTokenizer", "plain", {"extra_special_tokens": ["__eng__", "__fra__"], "src_lang": "fra"}),
    *(("FNetTokenizer", model, {}) for model in MODELS),
    ("FNetTokenizer", "user", {"cls_token": "<s>", "legacy": False}),
    *(("NllbTokenizer", model, {}) for model in ("plain", "user", "pegasus", "deberta")),
    ("NllbTokenizer", "plain", {"additional_special_tokens": CODES, "src_lang": "fra_Latn"}),
    ("NllbTokenizer", "plain", {"extra_special_tokens": CODES, "legacy_behaviour": True}),
    *(("CamembertTokenizer", model, {}) for model in ("plain", "user", "bytes")),
    *(("DebertaV2Tokenizer", model, {}) for model in MODELS),
    ("DebertaV2Tokenizer", "plain", {"unk_id": 5}),
    *(("XLNetTokenizer", model, {}) for model in ("plain", "albert", "deberta")),
    ("AlbertTokenizer", "albert", {}),
    ("BarthezTokenizer", "plain", {}),
    ("BigBirdTokenizer", "plain", {}),
    ("GemmaTokenizer", "bytes", {}),
    ("LlamaTokenizer", "bytes", {}),
    ("LlamaTokenizer", "bytes", {"legacy": True, "add_bos_token": True}),
    ("MBartTokenizer", "plain", {}),
    ("MBart50Tokenizer", "user", {}),
    ("ReformerTokenizer", "plain", {}),
    ("RemBertTokenizer", "albert", {}),
    ("T5Tokenizer", "pegasus", {}),
    ("XLMRobertaTokenizer", "plain", {}),
]  # fmt: skip
SPECIAL = [
    "Hello <mask> world </s> x", "a <pad> b<s>c", "[CLS] a [SEP] b [MASK] c", "<unk> x<ctrl>", "eng_Latn hi",
    "__eng__ hi", "<extra_id_0> x", "<0x41>", "1,000,23, x", "``quoted'' <mask_1>",
]  # fmt: skip


@pytest.fixture(scope="module")
def lines(data: Path) -> list[str]:
    return read_lines(data)


@pytest.fixture(scope="module")
def texts(lines: list[str]) -> list[str]:
    texts = make_texts(lines[1000:])
    return [*texts[:60], *texts[220:320], *SPECIAL]


@pytest.fixture(scope="module")
def models(lines: list[str], tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder, made = tmp_path_factory.mktemp("models"), dict[tuple[str, str], bytes]()

    def model(name: str, kind: str) -> bytes:
        if (name, kind) not in made:
            settings = {"hard_vocab_limit": False, "vocab_size": 800, **MODELS[name]}
            made[name, kind] = train(lines[:300], folder, model_type=kind, **settings)
        return made[name, kind]

    return model


def write(folder: Path, name: str, model: bytes, config: dict[str, Any]) -> Path:
    (folder / CLASSES[name].files[0]).write_bytes(model)
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name, **config}))
    return folder


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
@pytest.mark.parametrize(("name", "model", "config"), CASES, ids=str)
def test_classes(
    name: str, model: str, config: dict[str, Any], kind: str, models: Any, texts: list[str], tmp_path: Path
) -> None:
    folder = write(tmp_path, name, models(model, kind), config)
    try:
        reference = transformers.AutoTokenizer.from_pretrained(folder)
    except TypeError:  # of Barthez and Camembert, for models that merge
        assert kind == "bpe" and name in ("BarthezTokenizer", "CamembertTokenizer")
        return
    ours = AutoTokenizer.from_pretrained(folder)
    assert ours.get_vocab() == reference.get_vocab()
    assert ours.special_tokens_map == reference.special_tokens_map
    assert ours.all_special_tokens == reference.all_special_tokens
    for special in (True, False):
        got = ours(texts, add_special_tokens=special)["input_ids"]
        for text, ids in zip(texts, got, strict=True):
            assert ids == answer(reference, text, special), repr(text)
    for ids in got:
        for skip in (True, False):
            want = reference.decode(ids, skip_special_tokens=skip)
            assert ours.decode(ids, skip_special_tokens=skip) == want
    pairs = [ours(texts[0], texts[1]), reference(texts[0], texts[1])]
    assert pairs[0].data == pairs[1].data


def answer(tokenizer: Any, text: str, special: bool) -> Any:
    return tokenizer(text, add_special_tokens=special)["input_ids"]


def test_targets_of_seamless(models: Any, tmp_path: Path) -> None:
    config = {"extra_special_tokens": ["__eng__", "__fra__", "__deu__"], "src_lang": "eng"}
    folder = write(tmp_path, "SeamlessM4TTokenizer", models("plain", "bpe"), config)
    both = [auto.from_pretrained(folder) for auto in (AutoTokenizer, transformers.AutoTokenizer)]
    for code in (None, "deu", "__eng__"):
        answers = []
        for tokenizer in both:
            if code is not None:
                tokenizer.tgt_lang = code
            call = tokenizer("a b", text_target="the")
            answers.append([tokenizer.src_lang, tokenizer.tgt_lang, call["input_ids"], call["labels"]])
        assert answers[0] == answers[1]


def test_seamless_with_other_pieces_first(models: Any, tmp_path: Path) -> None:
    folder = write(tmp_path, "SeamlessM4TTokenizer", models("pegasus", "bpe"), {})
    with pytest.raises(CheckpointError, match="begins with"):
        AutoTokenizer.from_pretrained(folder)


def test_unknown_piece_twice(models: Any, tmp_path: Path) -> None:
    """Of a class that puts its special tokens before the model's pieces."""
    folder = write(tmp_path, "CamembertTokenizer", models("pegasus", "unigram"), {})
    with pytest.raises(CheckpointError, match="'<unk>' comes twice"):
        AutoTokenizer.from_pretrained(folder)


def classes_with_models() -> Iterator[str]:
    """All of transformers' that read a .model file, but for the one that stands for no class."""
    from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES, tokenizer_class_from_name

    for name in sorted({name for name in TOKENIZER_MAPPING_NAMES.values() if name} - {"TokenizersBackend"}):
        try:
            files = tokenizer_class_from_name(name).vocab_files_names.values()
        except (ImportError, AttributeError):  # it needs a library that is not there
            continue
        if any(file.endswith((".model", ".spm")) for file in files):
            yield name.removesuffix("Fast")


def test_every_class_is_known_or_refused(models: Any, tmp_path: Path) -> None:
    """None of them is taken for a model without a class."""
    names = list(classes_with_models())
    assert len(names) > 20
    for name in names:
        if name in CLASSES:
            continue
        (tmp_path / "tokenizer.model").write_bytes(models("plain", "bpe"))
        (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name}))
        with pytest.raises(UnsupportedError, match=f"{name} without a tokenizer.json"):
            AutoTokenizer.from_pretrained(tmp_path)


def test_model_types_name_those_classes() -> None:
    from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES

    read = {*classes_with_models(), "TokenizersBackend"}
    for model_type, name in TOKENIZER_MAPPING_NAMES.items():
        if (wanted := (name or "").removesuffix("Fast")) in read:
            assert choose_class({}, {"model_type": model_type}, False)[0] == wanted, model_type
