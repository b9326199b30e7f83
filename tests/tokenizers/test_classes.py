"""Tokenizer classes: their names and types, and what each makes of a folder, as transformers has it."""

import copy
import json
import pickle
import warnings
from pathlib import Path
from typing import Any

import pytest

import fastplm
from fastplm import settings as fastplm_settings
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.tokenizers.classes import CLASSES
from fastplm.tokenizers.classes.arguments import arguments_of
from fastplm.tokenizers.files.known_settings import BPE_CLEAN_UP

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

from transformers.convert_slow_tokenizer import SLOW_TO_FAST_CONVERTERS  # noqa: E402

TEXTS = [
    "The CATS sat, Café don't 中国!",
    " a <mask> b [MASK] c\n d  e",
    "",
    "unlike``x'' y&z",
    "hello </s> a",
    "in 1912 <|startoftext|>",
]
# No tokenizers of texts, or tools of one.
NOT_OURS = frozenset(
    ("AutoTokenizer", "BasicTokenizer", "CharacterTokenizer", "MecabTokenizer", "RagTokenizer",
     "WordpieceTokenizer")
)  # fmt: skip
NAMES = sorted(
    {n for n in dir(transformers) if n.endswith(("Tokenizer", "TokenizerFast"))}
    | set(SLOW_TO_FAST_CONVERTERS)
)
# What transformers works out from tokens anew, and keeps under names of its own.
DERIVED = frozenset(
    ("fairseq_offset", "fairseq_tokens_to_ids", "fairseq_ids_to_tokens", "cur_lang_code", "cur_lang_code_id",
     "id_to_lang_code", "prefix_tokens", "suffix_tokens", "num_madeup_words",
     "grounded_generation_template", "tool_use_template", "init_kwargs")
)  # fmt: skip
VALUES: dict[str, list[Any]] = {
    "do_lower_case": [True, False],
    "tokenize_chinese_chars": [False],
    "strip_accents": [True, False],
    "clean_up_tokenization_spaces": [True],
    "errors": ["ignore"],
    "add_prefix_space": [True, False],
    "trim_offsets": [False],
    "keep_accents": [True, False],
    "return_token_type_ids": [],  # the reference's changes the class for every later instance
    "use_default_system_prompt": [True],
    "split_by_punct": [True],
    "unk_id": [2, 3],
    "clean_text": [False],
    "wordpieces_prefix": ["@@"],
    "legacy": [True],
    "legacy_behaviour": [True],
    "mask_token_sent": ["<m1>"],
    "offset": [5],
    "extra_ids": [0, 3],
    "remove_space": [False],
    "src_lang": ["ar_AR"],
    "tgt_lang": ["en_XX"],
}
COMMON: list[dict[str, Any]] = [
    {},
    {"mask_token": "a"},
    {"extra_special_tokens": ["zz", "en_XX", "ar_AR", "eng_Latn"]},
    {"model_max_length": 7, "padding_side": "left", "truncation_side": "left"},
    {"image_token": "<im>"},
    {"pad_token": "new"},
    {"bos_token": "c", "eos_token": "d", "cls_token": "e", "sep_token": "f"},
]
BUILT = sorted(name for name in CLASSES if arguments_of(name).names)
CASES = [
    (name, case)
    for name in BUILT
    for case in [*COMMON, *({s: v} for s in arguments_of(name).settings for v in VALUES[s])]
]


def _vocabulary(model: str | None) -> dict[str, Any]:
    """Arguments of a constructor."""
    letters = [*"abcdefghijklmnopqrstuvwxyzCTAS',.!é中国`&<>/\"\n1279"]
    if model == "WordPiece":
        special = "[PAD] [UNK] [CLS] [SEP] [MASK] <pad> <unk> <s> </s> <mask> <cls> <sep> [QUESTION] ."
        words = [*special.split(), *letters, *("##" + c for c in letters), "cat", "hello", "the"]
        return {"vocab": {word: i for i, word in enumerate(dict.fromkeys(words))}}
    if model == "BPE":
        alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
        special = "<s> <pad> </s> <unk> <mask> <|endoftext|> en_XX ar_AR eng_Latn"
        ends = [c + "</w>" for c in alphabet]
        tokens = [*special.split(), *alphabet, *ends, "▁", "▁a", "he", "ll", "hell", "Ġa", "12", *letters]
        merges = [("h", "e"), ("l", "l"), ("he", "ll"), ("▁", "a"), ("Ġ", "a"), ("1", "2")]
        return {"vocab": {token: i for i, token in enumerate(dict.fromkeys(tokens))}, "merges": merges}
    scoreless = "<s> <pad> </s> <unk> <mask> en_XX ar_AR [CLS] [SEP] [MASK] [PAD] [UNK] <cls> <sep>"
    special = scoreless.split()
    pieces = [*special, "▁", "▁a", "▁he", "ll", "o", "▁the", "▁The", *letters]
    return {
        "vocab": [(p, 0.0 if i < len(special) else -1.0 - i % 7) for i, p in enumerate(dict.fromkeys(pieces))]
    }


def _flags(tokenizer: Any) -> dict[int, tuple[Any, ...]]:
    names = ("content", "single_word", "lstrip", "rstrip", "normalized", "special")
    return {
        i: tuple(getattr(token, name) for name in names)
        for i, token in tokenizer.added_tokens_decoder.items()
    }


def assert_same(ours: Any, reference: Any) -> None:
    assert type(ours).__name__ == type(reference).__name__
    for args in ((TEXTS,), (TEXTS, TEXTS[::-1])):
        assert ours(*args).data == reference(*args).data
    rows = reference(TEXTS)["input_ids"]
    assert ours.batch_decode(rows) == reference.batch_decode(rows)
    assert ours.get_vocab() == reference.get_vocab()
    assert _flags(ours) == _flags(reference)
    for name in ("special_tokens_map", "extra_special_tokens", "all_special_ids", "vocab_size", "is_fast"):
        assert getattr(ours, name) == getattr(reference, name), name
    for name in vars(reference):  # what it keeps, a new release's attributes too
        if not name.startswith("_") and name not in DERIVED:
            assert getattr(ours, name) == getattr(reference, name), name


@pytest.fixture(autouse=True)
def no_warning_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastplm_settings, "_warned", set())


@pytest.mark.parametrize("name", [n for n in NAMES if n not in NOT_OURS])
def test_names(name: str) -> None:
    """Every name of transformers gives the class that it gives there."""
    reference = getattr(transformers, name)
    ours = getattr(fastplm, name)
    assert getattr(fastplm, ours.__name__) is ours
    if name != "PreTrainedTokenizer":  # slow tokenizers, whose base is here that of all
        assert ours.__name__ == reference.__name__
    assert getattr(fastplm, ours.__name__) is ours
    for other in (
        fastplm.TokenizersBackend,
        fastplm.PreTrainedTokenizerFast,
        fastplm.PreTrainedTokenizerBase,
    ):
        assert issubclass(ours, other)
    for base in ("BertTokenizer", "AlbertTokenizer", "RobertaTokenizer"):
        assert issubclass(ours, getattr(fastplm, base)) == issubclass(reference, getattr(transformers, base))


def test_a_name_that_is_none() -> None:
    with pytest.raises(AttributeError, match="no tokenizer class 'FooTokenizer'"):
        fastplm.FooTokenizer  # noqa: B018


@pytest.mark.parametrize(("name", "case"), CASES, ids=str)
def test_settings_of_a_class(name: str, case: dict[str, Any], tmp_path: Path) -> None:
    """By its constructor; saved by both and loaded by both, as the class and as what the folder names."""
    given = {**_vocabulary(CLASSES[name].model), **case}
    ours, reference = (getattr(library, name)(**copy.deepcopy(given)) for library in (fastplm, transformers))
    assert_same(ours, reference)
    for saved, folder in ((ours, tmp_path / "ours"), (reference, tmp_path / "reference")):
        saved.save_pretrained(folder)
        for loader in ("AutoTokenizer", name):
            assert_same(
                *(getattr(library, loader).from_pretrained(folder) for library in (fastplm, transformers))
            )
    configs = [
        json.loads((tmp_path / f / "tokenizer_config.json").read_text()) for f in ("ours", "reference")
    ]
    absent = {key for key, value in configs[1].items() if value not in (None, [])} - configs[0].keys()
    assert not absent


@pytest.mark.parametrize("name", BUILT)
def test_the_class_is_saved(name: str, tmp_path: Path) -> None:
    """Once loaded from a folder: then the class makes the same again."""
    reference = getattr(transformers, name)(**_vocabulary(CLASSES[name].model))
    reference.save_pretrained(tmp_path / "reference")
    ours = getattr(fastplm, name).from_pretrained(tmp_path / "reference")
    ours.save_pretrained(tmp_path / "ours")
    configs = [
        json.loads((tmp_path / f / "tokenizer_config.json").read_text()) for f in ("ours", "reference")
    ]
    assert configs[0]["tokenizer_class"] == configs[1]["tokenizer_class"]


def test_a_changed_pipeline_is_saved_as_it_is(tmp_path: Path) -> None:
    """BertTokenizer would make another of the file, so that is not the class to write."""
    tokenizer = fastplm.BertTokenizer(**_vocabulary("WordPiece"))
    tokenizer.add_bos_token = False
    tokenizer.update_post_processor()  # no [CLS] and [SEP] any more
    tokenizer.save_pretrained(tmp_path)
    assert (
        json.loads((tmp_path / "tokenizer_config.json").read_text())["tokenizer_class"] == "TokenizersBackend"
    )
    again = fastplm.AutoTokenizer.from_pretrained(tmp_path)
    assert again(TEXTS).data == tokenizer(TEXTS).data
    reference = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert reference(TEXTS)["input_ids"] == tokenizer(TEXTS)["input_ids"]


def test_copies_keep_the_class() -> None:
    tokenizer = fastplm.DistilBertTokenizer(**_vocabulary("WordPiece"), do_lower_case=False)
    for other in (pickle.loads(pickle.dumps(tokenizer)), copy.deepcopy(tokenizer)):
        assert type(other) is fastplm.DistilBertTokenizer
        assert isinstance(other, fastplm.BertTokenizer)
        assert (other.do_lower_case, other.init_kwargs) == (False, tokenizer.init_kwargs)
        assert other(TEXTS).data == tokenizer(TEXTS).data


@pytest.mark.parametrize("model_type", ["qwen2", "gpt2"])
def test_a_wrong_class_that_is_known_to_be_named(model_type: str, tmp_path: Path) -> None:
    """Some models' checkpoints name LlamaTokenizer; the model type decides."""
    vocabulary = _vocabulary("BPE")
    transformers.Qwen2Tokenizer(**vocabulary).save_pretrained(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "tokenizer_class": "LlamaTokenizer"}))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    assert_same(*(library.AutoTokenizer.from_pretrained(tmp_path) for library in (fastplm, transformers)))


def test_an_unknown_token_that_has_a_score() -> None:
    """It is then not what stands for unknown text."""
    scored = [(p, -1.0 if p == "[UNK]" else score) for p, score in _vocabulary("Unigram")["vocab"]]
    given = {"vocab": scored, "unk_token": "[UNK]"}
    assert_same(*(library.DebertaV2Tokenizer(**given) for library in (fastplm, transformers)))
    with pytest.raises(CheckpointError, match="expected a piece with the score 0"):
        fastplm.PegasusTokenizer(**given)


def test_clip_cuts_its_words_again() -> None:
    """Where a name that its pattern keeps whole is no token."""
    given = {**_vocabulary("BPE"), "bos_token": "c", "eos_token": "d"}
    assert_same(*(library.CLIPTokenizer(**given) for library in (fastplm, transformers)))


# A class on a folder whose tokenizer.json is of another model, or written by another class.
OTHERS = [(name, other) for name in ("BertTokenizer", "GPT2Tokenizer", "LlamaTokenizer", "T5Tokenizer",
                                     "XLMRobertaTokenizer", "CLIPTokenizer", "PreTrainedTokenizerFast")
          for other in ("BertTokenizer", "RobertaTokenizer", "XLNetTokenizer")]  # fmt: skip


@pytest.mark.parametrize(("name", "other"), OTHERS)
@pytest.mark.parametrize("how", ["class", "named"])
def test_a_folder_of_another_kind(name: str, other: str, how: str, tmp_path: Path) -> None:
    getattr(transformers, other)(**_vocabulary(CLASSES[other].model)).save_pretrained(tmp_path)
    if how == "named":
        path = tmp_path / "tokenizer_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "tokenizer_class": name}))
    loader = name if how == "class" else "AutoTokenizer"
    try:
        reference = getattr(transformers, loader).from_pretrained(tmp_path)
    except Exception:
        with pytest.raises(CheckpointError, match=r"model\.type is .*; expected Unigram"):
            getattr(fastplm, loader).from_pretrained(tmp_path)
        return
    ours = getattr(fastplm, loader).from_pretrained(tmp_path)
    assert type(ours).__name__ == type(reference).__name__
    assert ours.get_vocab() == reference.get_vocab()
    assert _flags(ours) == _flags(reference)
    try:
        want = reference(TEXTS)["input_ids"]
    except Exception:  # an unknown token that the model lacks, which is found when a text needs it
        return
    assert ours(TEXTS)["input_ids"] == want


@pytest.mark.parametrize("name", ["BertTokenizer", "PreTrainedTokenizerFast", "RobertaTokenizer"])
def test_a_class_on_one_file(name: str, tmp_path: Path) -> None:
    made = "RobertaTokenizer" if name == "RobertaTokenizer" else "BertTokenizer"
    getattr(transformers, made)(**_vocabulary(CLASSES[made].model)).save_pretrained(tmp_path)
    file = tmp_path / "tokenizer.json"
    assert_same(*(getattr(library, name).from_pretrained(file) for library in (fastplm, transformers)))
    if name == "RobertaTokenizer":
        (tmp_path / "vocab.json").write_text("{}")
        with pytest.raises(ValueError, match=r"1 vocabulary file\(s\); expected vocab\.json and merges\.txt"):
            fastplm.RobertaTokenizer.from_pretrained(tmp_path / "vocab.json")


def test_bert_on_its_words(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text(
        "".join(f"{w}\n" for w in _vocabulary("WordPiece")["vocab"] if w != "\n"), encoding="utf-8"
    )
    for options in ({}, {"do_lower_case": False}):
        assert_same(
            *(library.BertTokenizer.from_pretrained(words, **options) for library in (fastplm, transformers))
        )


def test_subclasses() -> None:
    class Mine(fastplm.BertTokenizer):  # type: ignore[misc, name-defined]
        def __init__(self, words: dict[str, int]) -> None:
            super().__init__(words, do_lower_case=False)

    words = _vocabulary("WordPiece")["vocab"]
    want = transformers.BertTokenizer(words, do_lower_case=False)
    assert Mine(words)(TEXTS).data == want(TEXTS).data
    with pytest.raises(
        UnsupportedError, match=r"Mine\.from_pretrained: the class has an __init__ of its own"
    ):
        Mine.from_pretrained("anywhere")


@pytest.mark.parametrize("name", ["WhisperTokenizer", "MarianTokenizer", "CodeLlamaTokenizer"])
def test_classes_that_are_not_built_here(name: str, tmp_path: Path) -> None:
    """Their tokenizer.json is taken as it is; without one, and as constructors, they are refused by name."""
    with pytest.raises(UnsupportedError, match=f"{name}: fastplm does not build this class"):
        getattr(fastplm, name)()
    made = transformers.GPT2Tokenizer(**_vocabulary("BPE"))
    made.save_pretrained(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name}))
    for tokenizer in (
        fastplm.AutoTokenizer.from_pretrained(tmp_path),
        getattr(fastplm, name).from_pretrained(tmp_path),
    ):
        assert type(tokenizer).__name__ == name
        assert tokenizer(TEXTS)["input_ids"] == made(TEXTS)["input_ids"]
    (tmp_path / "tokenizer.json").rename(tmp_path / "vocab.txt")
    for path in (tmp_path, tmp_path / "vocab.txt"):
        with pytest.raises(ValueError, match=r"(without|expected) a tokenizer\.json"):
            getattr(fastplm, name).from_pretrained(path)


@pytest.mark.parametrize("forced", [True, False])
def test_clean_up_of_bpe(forced: bool, tmp_path: Path) -> None:
    """It takes spaces that the text had, and so needs a setting of its own."""
    given = {**_vocabulary("BPE"), "clean_up_tokenization_spaces": True, BPE_CLEAN_UP: forced}
    ours, reference = (library.GPT2Tokenizer(**given) for library in (fastplm, transformers))
    ids = reference("a ! do n't .")["input_ids"]
    assert ours.decode(ids) == reference.decode(ids) == ("a! don't." if forced else "a ! do n't .")
    reference.save_pretrained(tmp_path)
    loaded = fastplm.AutoTokenizer.from_pretrained(tmp_path)
    assert loaded.decode(ids) == reference.decode(ids)
    copied = pickle.loads(pickle.dumps(loaded))
    copied.clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output = not forced
    assert copied.decode(ids) != reference.decode(ids)


def test_code_of_a_folder_is_never_run(tmp_path: Path) -> None:
    made = transformers.BertTokenizer(**_vocabulary("WordPiece"))
    made.save_pretrained(tmp_path)
    (tmp_path / "code.py").write_text("raise SystemExit('run')")
    path = tmp_path / "tokenizer_config.json"
    config = {**json.loads(path.read_text()), "auto_map": {"AutoTokenizer": ["code.Slow", "code.Fast"]}}
    path.write_text(json.dumps(config))
    for trusted in (False, None):
        ours = fastplm.AutoTokenizer.from_pretrained(tmp_path, trust_remote_code=trusted)
        assert ours(TEXTS).data == made(TEXTS).data
    reference = transformers.AutoTokenizer.from_pretrained(tmp_path, trust_remote_code=False)
    assert_same(ours, reference)
    with pytest.raises(UnsupportedError, match=r"auto_map names code; expected trust_remote_code=False"):
        fastplm.AutoTokenizer.from_pretrained(tmp_path, trust_remote_code=True)
    path.write_text(json.dumps({**config, "tokenizer_class": "OwnTokenizer"}))
    with pytest.raises(ValueError, match="trust_remote_code"):
        transformers.AutoTokenizer.from_pretrained(tmp_path, trust_remote_code=False)
    with pytest.raises(UnsupportedError, match="auto_map names code for OwnTokenizer"):
        fastplm.AutoTokenizer.from_pretrained(tmp_path)


def test_files_for_versions(tmp_path: Path) -> None:
    """fast_tokenizer_files names a tokenizer.json for newer releases; a path out of the folder is no name."""
    for name, lower in (
        ("tokenizer.json", True),
        ("tokenizer.4.9.0.json", False),
        ("tokenizer.99.0.0.json", True),
    ):
        made = transformers.BertTokenizer(**_vocabulary("WordPiece"), do_lower_case=lower)
        (tmp_path / name).write_text(made.backend_tokenizer.to_str())
    names = ["tokenizer.json", "tokenizer.4.9.0.json", "tokenizer.99.0.0.json"]
    newer = ["tokenizer.99.0.0.json", "tokenizer.4.9.0.json", "tokenizer.4.10.0.json"]  # sorted as text
    unread = [*names, "tokenizer.10.0.0.json"]  # too new, and the names behind it are not looked at
    for listed in (names, names[:1], names[::2], newer, unread):
        (tmp_path / "tokenizer_config.json").write_text(json.dumps({"fast_tokenizer_files": listed}))
        ours, reference = (
            library.PreTrainedTokenizerFast.from_pretrained(tmp_path) for library in (fastplm, transformers)
        )
        assert ours(TEXTS).data == reference(TEXTS).data
    (tmp_path / "tokenizer_config.json").write_text('{"fast_tokenizer_files": ["../x/tokenizer.4.9.0.json"]}')
    assert (
        fastplm.PreTrainedTokenizerFast.from_pretrained(tmp_path)("The")["input_ids"]
        == ours("the")["input_ids"]
    )


@pytest.mark.parametrize("fix", [True, False, None])
@pytest.mark.parametrize("pre_tokenizer", ["Sequence", "Metaspace", "ByteLevel"])
@pytest.mark.parametrize(
    "config", [{"model_type": "mistral", "transformers_version": "4.57.2"}, {"transformers_version": "5.0.0"},
               {"model_type": "mistral", "transformers_version": "5.0.0.dev0"}, {"model_type": "llama"}, {}]
)  # fmt: skip
def test_the_regex_of_mistral(
    fix: bool | None, pre_tokenizer: str, config: dict[str, str], tmp_path: Path
) -> None:
    from tokenizers import Regex, models, pre_tokenizers

    words = [chr(c) for c in range(33, 127)] + ["Ġ", "▁", "Ċ"]
    vocab = {w: i for i, w in enumerate([*words, *(f"<{i}>" for i in range(100_001))])}
    merges = [("a", "b"), ("b", "C"), ("ab", "C")]
    vocab |= {"ab": len(vocab), "bC": len(vocab) + 1, "abC": len(vocab) + 2}
    made = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="!"))
    split = pre_tokenizers.Split(Regex(r"\p{L}+|\s+"), "isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.pre_tokenizer = {
        "Sequence": pre_tokenizers.Sequence([split, byte_level]),
        "Metaspace": pre_tokenizers.Metaspace(),
        "ByteLevel": byte_level,
    }[pre_tokenizer]
    made.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "config.json").write_text(json.dumps(config))
    options = {} if fix is None else {"fix_mistral_regex": fix}
    loader = "PreTrainedTokenizerFast"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ours = getattr(fastplm, loader).from_pretrained(tmp_path, **options)
    reference = getattr(transformers, loader).from_pretrained(tmp_path, **options)
    texts = ["abC ab  C12,\n/x"]
    assert ours(texts)["input_ids"] == reference(texts)["input_ids"]
    concerned = (
        config.get("model_type") in (None, "mistral") and config.get("transformers_version") != "5.0.0"
    )
    assert any("fix_mistral_regex" in str(w.message) for w in caught) == (concerned and fix is None)


def test_arguments_of_saving(tmp_path: Path) -> None:
    tokenizer = fastplm.BertTokenizer(**_vocabulary("WordPiece"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            tokenizer.save_pretrained(tmp_path, repo_id="x", commit_message="y", token=None, save_formt="hf")
    assert [str(w.message).split("setting ")[1] for w in caught] == ["'save_formt'; it has no effect"]
    for library in (tokenizer, transformers.BertTokenizer(**_vocabulary("WordPiece"))):
        with pytest.raises(ValueError, match="save_format"):
            library.save_pretrained(tmp_path, save_format="gguf")
    for option in ({"save_format": "mistral"}, {"push_to_hub": True}, {"legacy_format": True}):
        with pytest.raises(UnsupportedError, match=next(iter(option))):
            tokenizer.save_pretrained(tmp_path, **option)


def test_a_warning_that_is_known() -> None:
    """deprecation_warnings of transformers: an entry that is True keeps the warning from coming."""
    key = "sequence-length-is-longer-than-the-specified-maximum"
    for known in (False, True):
        tokenizer = fastplm.BertTokenizer(**_vocabulary("WordPiece"), model_max_length=3)
        tokenizer.deprecation_warnings[key] = known
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            tokenizer("a b c d")
            tokenizer("a b c d")
        assert len(caught) == (not known)
        assert tokenizer.deprecation_warnings == {key: True}
