"""Each setting and argument that transformers knows is honoured, refused by name, or without effect."""

import ast
import inspect
import json
import textwrap
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fastplm import settings as fastplm_settings
from fastplm.settings import WITHOUT_EFFECT
from fastplm.tokenizers.auto import AutoTokenizer
from fastplm.tokenizers.classes import CLASSES
from fastplm.tokenizers.classes.arguments import arguments_of
from fastplm.tokenizers.tokenizer import TokenizersBackend, class_type

transformers = pytest.importorskip("transformers")

from transformers.tokenization_utils_base import PreTrainedTokenizerBase  # noqa: E402

REFERENCE = transformers.TokenizersBackend
TEXTS = ["The CATS sat, Café 中国!", "a [MASK] b [PAD]<x>", "", " unaffordable mats , do n't"]
ATTRIBUTES = (
    *("model_max_length", "padding_side", "truncation_side", "model_input_names", "special_tokens_map"),
    *("extra_special_tokens", "all_special_ids", "clean_up_tokenization_spaces", "split_special_tokens"),
    *("verbose", "chat_template", "add_bos_token", "add_eos_token"),
)
# The dictionaries in which transformers' functions keep settings.
DICTIONARIES = frozenset(("kwargs", "init_kwargs", "local_kwargs", "tokenizer_config"))


def keys_read(function: Callable[..., Any]) -> Iterator[str]:
    """What a function asks its dictionaries of settings for."""
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr="pop" | "get"),
                args=[ast.Constant(value=str(key)), *_],
            ):
                pass
            case ast.Compare(
                left=ast.Constant(value=str(key)),
                ops=[ast.In() | ast.NotIn()],
                comparators=[ast.Name(id=name)],
            ):
                pass
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str(key))):
                pass
            case _:
                continue
        if name in DICTIONARIES:
            yield key


def parameters(function: Callable[..., Any]) -> list[str]:
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    found = inspect.signature(function).parameters.values()
    return [p.name for p in found if p.kind not in variable and p.name != "self"]


CONSTRUCTORS = sorted(name for name in CLASSES if isinstance(getattr(transformers, name, None), type))
READERS = (
    PreTrainedTokenizerBase.__init__,
    PreTrainedTokenizerBase._from_pretrained,
    REFERENCE.__init__,
    REFERENCE.convert_to_native_format,
)
LOADERS = (PreTrainedTokenizerBase.from_pretrained, transformers.AutoTokenizer.from_pretrained)
SETTINGS = sorted(
    {key for function in READERS for key in keys_read(function)}
    | {key for name in CONSTRUCTORS for key in parameters(getattr(transformers, name).__init__)}
    | set(PreTrainedTokenizerBase.SPECIAL_TOKENS_ATTRIBUTES)
)
ARGUMENTS = sorted({*SETTINGS, *(key for function in LOADERS for key in keys_read(function))})
_TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
VALUES: dict[str, Any] = {
    **dict.fromkeys(("model_max_length", "max_len"), 7),
    **dict.fromkeys(("padding_side", "truncation_side"), "left"),
    "model_input_names": ["input_ids"],
    "added_tokens_decoder": {"70": {"content": "<x>", "special": True}},
    "extra_special_tokens": ["<x>", "cat"],
    "additional_special_tokens": ["<x>", "cat"],
    "model_specific_special_tokens": {"x_token": "<x>"},
    "tokenizer_type": "distilbert",
    "tokenizer_class": "DistilBertTokenizer",
    "chat_template": _TEMPLATE,
    "fast_tokenizer_files": ["tokenizer.json", "tokenizer.4.0.0.json"],
    "vocab": {"a": 0},
    "merges": [["a", "b"]],
    "init_inputs": [1],
    "proxies": {"http": "x"},
    "chat_control_tokens": ["<x>"],
    "auto_map": {"AutoTokenizer": ["code.Slow", "code.Fast"]},
    "files_loaded": [],
    "extra_ids": 3,
    "offset": 5,
    "unk_id": 1,
}
# Named places of the hub: told apart from settings by both libraries.
PLACES = frozenset(
    ("subfolder", "revision", "token", "cache_dir", "local_files_only", "force_download", "config")
)


def value_of(key: str) -> Any:
    if key in VALUES:
        return VALUES[key]
    if key.endswith("_token") and not key.startswith(("add_", "use_")):
        return "cat"
    return True


@pytest.fixture
def folder(tmp_path: Path, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(fastplm_settings, "_warned", set())
    words = settings["model"]["vocab"]
    (tmp_path / "vocab.txt").write_text("".join(word + "\n" for word in words), encoding="utf-8")

    def make(**config: Any) -> Path:
        written = {"tokenizer_class": "BertTokenizer", **config}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(written))
        return tmp_path

    return make


def unknown(caught: list[warnings.WarningMessage]) -> list[str]:
    return [str(w.message) for w in caught if "does not know the setting" in str(w.message)]


def assert_same(ours: Any, reference: Any) -> None:
    for options in ({}, {"truncation": True, "max_length": 5, "padding": True}):
        assert ours(TEXTS, **options).data == reference(TEXTS, **options).data, options
    rows = reference(TEXTS)["input_ids"]
    for skip in (True, False):
        got = ours.batch_decode(rows, skip_special_tokens=skip)
        assert got == reference.batch_decode(rows, skip_special_tokens=skip)
    for name in ATTRIBUTES:
        assert getattr(ours, name) == getattr(reference, name), name
    assert ours.get_vocab() == reference.get_vocab()


def test_the_settings_are_found() -> None:
    expected = {"model_max_length", "do_lower_case", "extra_special_tokens", "chat_template", "legacy"}
    assert expected <= set(SETTINGS)
    assert len(SETTINGS) > 70
    assert len(CONSTRUCTORS) > 30


@pytest.mark.parametrize("key", SETTINGS)
def test_a_setting_of_a_file(key: str, folder: Any) -> None:
    path = folder(**{key: value_of(key)})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            ours = AutoTokenizer.from_pretrained(path)
        except (ValueError, TypeError) as error:  # CheckpointError and UnsupportedError are of these
            assert key in str(error)
            return
        reference = transformers.AutoTokenizer.from_pretrained(path)
    assert not unknown(caught)
    assert_same(ours, reference)


@pytest.mark.parametrize("key", ARGUMENTS)
def test_an_argument_of_from_pretrained(key: str, folder: Any) -> None:
    path = folder()
    if key in PLACES:
        value = "" if key == "subfolder" else None
    elif key == "added_tokens_decoder":
        value = {70: transformers.AddedToken("<x>", special=True)}
    else:
        value = value_of(key)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            ours = AutoTokenizer.from_pretrained(path, **{key: value})
        except (ValueError, TypeError, OSError) as error:
            assert key in str(error) or str(value) in str(error)
            return
        reference = transformers.AutoTokenizer.from_pretrained(path, **{key: value})
    assert not unknown(caught)
    assert_same(ours, reference)


def test_an_unknown_setting_warns_once(folder: Any) -> None:
    path = folder(lower_casing=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            AutoTokenizer.from_pretrained(path)
    (warning,) = unknown(caught)
    assert "'lower_casing'" in warning
    assert str(path / "tokenizer_config.json") in warning
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            AutoTokenizer.from_pretrained(path, max_lenght=3)
    assert ["'max_lenght'" in text for text in unknown(caught)] == [True]


@pytest.mark.parametrize("key", SETTINGS)
def test_an_entry_of_special_tokens_map(key: str, folder: Any) -> None:
    """The reference takes any entry of it for a setting, and opens any file that one names."""
    path = folder()
    value = value_of(key)
    (path / "special_tokens_map.json").write_text(json.dumps({key: value}))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            ours = AutoTokenizer.from_pretrained(path)
        except (ValueError, TypeError) as error:
            assert key in str(error)
            return
        if key in ("tokenizer_file", "vocab_file"):
            (path / "special_tokens_map.json").unlink()
        reference = transformers.AutoTokenizer.from_pretrained(path)
    assert not unknown(caught)
    assert_same(ours, reference)


def test_an_unknown_entry_of_special_tokens_map(folder: Any) -> None:
    path = folder()
    (path / "special_tokens_map.json").write_text('{"lower_casing": true}')
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            AutoTokenizer.from_pretrained(path)
    (warning,) = unknown(caught)
    assert str(path / "special_tokens_map.json") in warning


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_arguments_of_constructors(name: str) -> None:
    """Their order and their defaults."""
    kinds = [base.__init__ for base in getattr(transformers, name).__mro__ if "__init__" in vars(base)]
    named = next(names for names in map(parameters, kinds) if "vocab" in names or "merges" in names)
    kind = class_type(name)
    assert kind is not None
    arguments = arguments_of(kind.class_name)
    assert list(arguments.names) == named
    defaults: dict[str, Any] = {}
    for signature in map(inspect.signature, reversed(kinds)):
        defaults |= {key: p.default for key, p in signature.parameters.items()}
    assert arguments.settings == {key: defaults[key] for key in arguments.settings}


CALLS = (
    *("__call__", "encode", "tokenize", "decode", "batch_decode", "pad", "apply_chat_template"),
    *("save_pretrained", "convert_ids_to_tokens", "convert_tokens_to_ids", "convert_tokens_to_string"),
    *("get_vocab", "add_tokens", "add_special_tokens", "get_special_tokens_mask"),
    *("num_special_tokens_to_add", "train_new_from_iterator"),
)


@pytest.mark.parametrize("name", CALLS)
def test_arguments_of_calls(name: str) -> None:
    """Each is an argument here, at the same position."""
    of_reference, ours = (parameters(getattr(kind, name)) for kind in (REFERENCE, TokenizersBackend))
    assert ours[: len(of_reference)] == of_reference


@pytest.mark.parametrize("name", ["__call__", "encode", "tokenize"])
def test_an_unknown_argument_of_a_call(name: str, folder: Any) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder())
    with pytest.raises(TypeError, match="max_lenght"):
        getattr(tokenizer, name)("a cat", max_lenght=3)


@pytest.mark.parametrize("name", ["decode", "batch_decode"])
def test_an_unknown_argument_of_decode_warns_once(name: str, folder: Any) -> None:
    """The reference takes any; what it reads nowhere is listed."""
    tokenizer = AutoTokenizer.from_pretrained(folder())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            others = dict.fromkeys(WITHOUT_EFFECT["decode"])
            text = getattr(tokenizer, name)([7, 8], skip_special=True, **others)
    assert text == getattr(tokenizer, name)([7, 8])
    assert ["'skip_special'" in warning for warning in unknown(caught)] == [True]


def test_reasons_are_given() -> None:
    for kind, reasons in WITHOUT_EFFECT.items():
        for name, reason in reasons.items():
            assert isinstance(name, str) and len(reason) > 10, (kind, name)
