"""The rules by which a folder's files make a tokenizer: those of transformers 5.

Classes of the BERT family build the pipeline anew from the vocabulary and a few settings, whatever
tokenizer.json says of it; any other class takes tokenizer.json as it is.
"""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.jsonfile import read_json
from fastplm.tokenizers.added_token import AddedToken
from fastplm.tokenizers.source import Source, check_vocabulary, read_tokenizer_json, read_vocab_txt
from fastplm.tokenizers.tokenizer import Tokenizer
from fastplm.tokenizers.vocabulary import NAMED_TOKENS

_BERT_CLASSES = {
    *(
        "BertTokenizer",
        "ElectraTokenizer",
        "ConvBertTokenizer",
        "MobileBertTokenizer",
        "SqueezeBertTokenizer",
    ),
    *("LayoutLMTokenizer", "LxmertTokenizer", "DPRQuestionEncoderTokenizer", "DPRContextEncoderTokenizer"),
    "DistilBertTokenizer",
}
_BERT_MODELS = {
    *("align", "bark", "bert", "blip", "bros", "chinese_clip", "convbert", "distilbert", "electra", "ernie"),
    *(
        "flava",
        "git",
        "grounding-dino",
        "layoutlm",
        "megatron-bert",
        "mm-grounding-dino",
        "mobilebert",
        "nezha",
    ),
    *("nomic_bert", "qdqbert", "realm", "retribert", "squeezebert", "tvp", "vilt", "visual_bert"),
}
_BERT_TOKENS = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}
_NO_TYPES = {"DistilBertTokenizer"}  # like classes outside the family, returns no token_type_ids unless asked
_INPUTS = ("input_ids", "token_type_ids", "attention_mask")
_OPTIONS: dict[str, Any] = {
    "model_max_length": int | float,
    "padding_side": str,
    "truncation_side": str,
    "clean_up_tokenization_spaces": bool,
    "split_special_tokens": bool,
    "model_input_names": list,
}


def load_file(path: Path, **kwargs: Any) -> Tokenizer:
    """The tokenizer.json at `path`, by itself: its truncation and padding are the defaults of every call."""
    source = read_tokenizer_json(path)
    # The file has no names for its special tokens: the usual ones, where they are there.
    contents = {token.content for token in source.added_tokens if token.special}
    named: dict[str, str | AddedToken] = {k: v for k, v in _BERT_TOKENS.items() if v in contents}
    if source.padding:
        named["pad_token"] = source.padding["pad_token"]
    sides = {f"{name}_side": baked["side"] for name, baked in _baked(source) if baked}
    options = {**sides, **kwargs, "named_tokens": named, "call_defaults": True}
    return Tokenizer(source, name_or_path=os.fspath(path), **options)


def _baked(source: Source) -> tuple[tuple[str, dict[str, Any] | None], ...]:
    return ("truncation", source.truncation), ("padding", source.padding)


def _object(path: Path) -> dict[str, Any]:
    """The JSON object in a file, empty if there is no such file."""
    if not path.is_file():
        return {}
    value = read_json(path, unique_keys=False)
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: holds a {type(value).__name__}; expected an object")
    return value


def _token(path: Path, name: str, value: Any) -> str | AddedToken | None:
    if value is None or isinstance(value, str):
        return value
    try:
        return AddedToken.read(value)
    except (TypeError, AttributeError):
        raise CheckpointError(f"{path}: {name} is {value!r}; expected a token") from None


def _class_name(config: dict[str, Any], model_config: dict[str, Any]) -> str | None:
    name = config.get("tokenizer_class") or model_config.get("tokenizer_class")
    if isinstance(name, str):
        return name.removesuffix("Fast")
    return "BertTokenizer" if model_config.get("model_type") in _BERT_MODELS else None


def load_folder(folder: Path, *, name: str, **kwargs: Any) -> Tokenizer:
    """The tokenizer of a model folder; kwargs come before what its files say."""
    config_path = folder / "tokenizer_config.json"
    config = _object(config_path) | kwargs
    class_name = _class_name(config, _object(folder / "config.json"))
    json_path, vocab_path = folder / "tokenizer.json", folder / "vocab.txt"
    file = read_tokenizer_json(json_path) if json_path.is_file() else None
    if file is None and not vocab_path.is_file():
        raise FileNotFoundError(f"{folder}: no tokenizer.json and no vocab.txt in the folder")
    bert = class_name in _BERT_CLASSES or file is None
    if file is None and class_name is not None and class_name not in _BERT_CLASSES:
        raise UnsupportedError(
            f"{folder}: {class_name} without a tokenizer.json; expected one, or a BertTokenizer"
        )

    # Which tokens are added, by id, and what the special ones are called.
    added: dict[int, AddedToken] = {}
    if "added_tokens_decoder" in config:
        for token_id, token in config["added_tokens_decoder"].items():
            read = _token(config_path, f"added_tokens_decoder[{token_id}]", token)
            if not isinstance(read, AddedToken) or not str(token_id).isdecimal():
                raise CheckpointError(
                    f"{config_path}: added_tokens_decoder[{token_id}] is {token!r}; expected a token"
                )
            added[int(token_id)] = read
    else:
        for key, value in _object(folder / "special_tokens_map.json").items():
            if not kwargs.get(key):
                config[key] = {**value, "special": True} if isinstance(value, dict) else value
        special = {str(_token(config_path, k, config.get(k))) for k in NAMED_TOKENS if config.get(k)}
        for content, token_id in check_vocabulary(
            str(folder / "added_tokens.json"), _object(folder / "added_tokens.json")
        ).items():
            added[token_id] = AddedToken(content, special=content in special)
        if file:
            added.update(zip(file.listed_ids, file.added_tokens, strict=True))
    by_content = {token.content: token for token in added.values()}

    named: dict[str, str | AddedToken] = dict(_BERT_TOKENS) if bert else {}
    for key in NAMED_TOKENS:
        if key in config:
            value = _token(config_path, key, config[key])
            named.pop(key, None)
            if value is not None:
                named[key] = by_content.get(str(value), value)
    extra = config.get("extra_special_tokens") or config.get("additional_special_tokens") or []
    if isinstance(extra, dict) or not isinstance(extra, (list, tuple)):
        raise UnsupportedError(f"{config_path}: extra_special_tokens is {extra!r}; expected a list")
    read_extra = (_token(config_path, "extra_special_tokens", token) for token in extra)
    extra_tokens = [token for token in read_extra if token is not None]

    if bert:
        vocabulary = file.vocabulary if file else read_vocab_txt(vocab_path)
        source = _bert(str(json_path if file else vocab_path), vocabulary, named, config)
    else:
        assert file is not None
        source = file
    source = source.with_tokens(list(_missing(source, added, [*named.values(), *extra_tokens], named)))
    if bert:
        source = _with_bert_template(
            source, *(str(named.get(key, _BERT_TOKENS[key])) for key in ("cls_token", "sep_token"))
        )
    if file and file.padding:
        named.setdefault("pad_token", file.padding["pad_token"])

    options = {f"{name}_side": baked["side"] for name, baked in (_baked(file) if file else ()) if baked}
    if config.get("max_len") is not None:
        options["model_max_length"] = config["max_len"]
    for key, kind in _OPTIONS.items():
        value = config.get(key)
        if value is None:
            continue
        if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
            raise CheckpointError(f"{config_path}: {key} is {value!r}; expected a {kind}")
        options[key] = value
    options.setdefault("model_input_names", _INPUTS if bert and class_name not in _NO_TYPES else _INPUTS[::2])
    return Tokenizer(
        source,
        name_or_path=name,
        named_tokens=named,
        extra_tokens=list(map(str, extra_tokens)),
        **options,
    )


def _missing(
    source: Source, added: dict[int, AddedToken], special: Iterable[str | AddedToken], named: dict[str, Any]
) -> Iterable[AddedToken]:
    """What the files call added or special and `source` has not added yet, in the order of ids."""
    known = {token.content for token in source.added_tokens}
    names = {str(token) for token in named.values()}
    same = set(source.added_tokens)
    for _, token in sorted(added.items()):
        if token not in same:
            yield AddedToken.read(token, special=token.content in names)
            known.add(token.content)
    for value in special:
        if str(value) not in known:
            yield AddedToken.read(value, special=True)
            known.add(str(value))


def _bert(path: str, vocabulary: dict[str, int], named: dict[str, Any], config: dict[str, Any]) -> Source:
    """BertTokenizer's pipeline over a vocabulary, still without its post-processor."""

    def flag(name: str, default: bool | None) -> bool | None:
        value = config.get(name, default)
        if not isinstance(value, bool) and (value is not None or default is not None):
            raise CheckpointError(f"{path}: {name} is {value!r}; expected true or false")
        return value

    return Source(
        path=path,
        vocabulary=vocabulary,
        model={
            "type": "WordPiece",
            "unk_token": str(named.get("unk_token", "[UNK]")),
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
        },
        sections={
            "normalizer": {
                "type": "BertNormalizer",
                "clean_text": True,
                "handle_chinese_chars": flag("tokenize_chinese_chars", True),
                "strip_accents": flag("strip_accents", None),
                "lowercase": flag("do_lower_case", True),
            },
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": None,
            "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        },
    )


def _with_bert_template(source: Source, cls: str, sep: str) -> Source:
    """[CLS] A [SEP] and [CLS] A [SEP] B [SEP]."""
    ids = {token: source.vocabulary.get(token) for token in (cls, sep)}
    if None in ids.values():  # added behind the vocabulary
        engine = source.build()
        ids = {token: engine.id_of(token) for token in ids}

    def special(token: str, type_id: int) -> dict[str, Any]:
        return {"SpecialToken": {"id": token, "type_id": type_id}}

    single = [special(cls, 0), {"Sequence": {"id": "A", "type_id": 0}}, special(sep, 0)]
    template = {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, {"Sequence": {"id": "B", "type_id": 1}}, special(sep, 1)],
        "special_tokens": {
            token: {"id": token, "ids": [token_id], "tokens": [token]} for token, token_id in ids.items()
        },
    }
    return replace(source, sections={**source.sections, "post_processor": template})
