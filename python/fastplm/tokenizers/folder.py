"""The rules by which a folder's files make a tokenizer: those of transformers 5.

A class of `classes.CLASSES` puts its pipeline together from the vocabulary and a few settings, whatever
tokenizer.json says of it; any other class takes tokenizer.json as it is. Without tokenizer.json the
vocabulary comes from the older files of the class.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastplm.errors import CheckpointError
from fastplm.tokenizers.added_token import AddedToken
from fastplm.tokenizers.chat.files import read_chat_template
from fastplm.tokenizers.classes import CLASSES, PLAIN
from fastplm.tokenizers.classes.choice import choose_class, has_byte_level
from fastplm.tokenizers.classes.parts import Parts, TokenizerClass, begin_end
from fastplm.tokenizers.folder_tokens import FolderTokens, missing_tokens, read_object, read_tokens
from fastplm.tokenizers.folder_vocabulary import Vocabulary, read_file, read_vocabulary
from fastplm.tokenizers.source import Source, read_tokenizer_json
from fastplm.tokenizers.tekken import NAMES, TEKKEN, is_tekken
from fastplm.tokenizers.tokenizer import Tokenizer
from fastplm.tokenizers.vocabulary import NAMED_TOKENS

_ALL_INPUTS = ("input_ids", "token_type_ids", "attention_mask")
_OPTIONS: dict[str, Any] = {
    "model_max_length": int | float,
    "padding_side": str,
    "truncation_side": str,
    "clean_up_tokenization_spaces": bool,
    "split_special_tokens": bool,
    "model_input_names": list,
    "chat_control_tokens": list,
}
# A file by itself has no names for its special tokens: these, where they are there.
_USUAL_TOKENS = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}


def load_file(path: Path, **kwargs: Any) -> Tokenizer:
    """The tokenizer of one file: a tokenizer.json, tekken.json, SentencePiece .model or .tiktoken file.

    The truncation and padding of a tokenizer.json are then the defaults of every call.
    """
    source = read_file(path)
    usual = NAMES if is_tekken(path.name) else _USUAL_TOKENS
    if source is None:
        source = read_tokenizer_json(path).as_tokenizers_reads()
    contents = {token.content for token in source.added_tokens if token.special}
    named: dict[str, str | AddedToken] = {k: v for k, v in usual.items() if v in contents}
    named.update(source.names)
    if source.padding:
        named["pad_token"] = source.padding["pad_token"]
    sides = {f"{name}_side": baked["side"] for name, baked in _baked(source) if baked}
    options = {
        "model_input_names": _ALL_INPUTS, **sides, **kwargs, "named_tokens": named, "call_defaults": True
    }  # fmt: skip
    return Tokenizer(source, name_or_path=os.fspath(path), **options)


def _baked(source: Source) -> tuple[tuple[str, dict[str, Any] | None], ...]:
    return ("truncation", source.truncation), ("padding", source.padding)


def load_folder(
    folder: Path, *, name: str, model_config: Any = None, tokenizer_type: str | None = None, **kwargs: Any
) -> Tokenizer:
    """The tokenizer of a model folder; kwargs come before what its files say.

    model_config: an object whose model_type and tokenizer_class come before those of config.json.
    tokenizer_type: the model type whose class is taken, whatever the files name.
    """
    config_path = folder / "tokenizer_config.json"
    config = read_object(config_path) | kwargs
    json_path = folder / "tokenizer.json"
    file = read_tokenizer_json(json_path) if json_path.is_file() else None
    byte_level = file is not None and has_byte_level(file.sections)
    if tokenizer_type is not None:
        class_name, chosen = choose_class({}, {"model_type": tokenizer_type}, byte_level)
        if class_name is None:
            raise ValueError(
                f"tokenizer_type={tokenizer_type!r}; expected a model type such as 'bert' or 't5'"
            )
    elif model_config is not None:
        if not hasattr(model_config, "model_type"):
            raise TypeError(f"config is a {type(model_config).__name__}; expected a model's configuration")
        settings = {key: getattr(model_config, key, None) for key in ("model_type", "tokenizer_class")}
        class_name, chosen = choose_class(config, settings, byte_level)
    else:
        class_name, chosen = choose_class(config, read_object(folder / "config.json"), byte_level)
    if file is None and (folder / TEKKEN).is_file():
        chosen = PLAIN  # whatever class is asked for
    elif file is None and class_name is None:
        class_name, chosen = _class_of_files(folder)
    if file is not None:  # it says itself what begins and ends a text
        for key in ("add_bos_token", "add_eos_token"):
            if key not in kwargs:
                config.pop(key, None)
        if chosen.file_as_it_is:
            chosen = replace(chosen, build=None, finish=None)
        file = file.as_tokenizers_reads() if chosen.build is None else file.as_python_reads()
    tokens = read_tokens(folder, config, kwargs, chosen, file)
    vocabulary = read_vocabulary(folder, class_name, chosen, file, config, tokens)
    if vocabulary.extra and not tokens.lists_extra:
        tokens.extra[:] = vocabulary.extra
    for key, token in vocabulary.named.items():
        tokens.named.setdefault(key, token)

    parts = Parts(
        str(config_path), config, {k: str(v) for k, v in tokens.named.items()}, vocabulary.source.vocabulary,
        vocabulary.source.model.get("scores"), vocabulary.charsmap,
    )  # fmt: skip
    source = _source(parts, chosen, vocabulary, tokens)
    if file and file.padding and "pad_token" not in config and "pad_token" not in chosen.tokens:
        tokens.named["pad_token"] = file.padding["pad_token"]
    for key in tokens.named:
        if key not in NAMED_TOKENS and hasattr(Tokenizer, key) | (key in _OPTIONS) | (key == "chat_template"):
            raise CheckpointError(f"{config_path}: {key} names a special token; expected another name for it")
    languages = None if chosen.languages is None else chosen.languages(parts)
    codes = languages.codes if languages and languages.are_extra else ()
    return Tokenizer(
        source,
        name_or_path=name,
        named_tokens=tokens.named,
        extra_tokens=dict.fromkeys([*map(str, tokens.extra), *codes]) if codes else map(str, tokens.extra),
        word_end=chosen.word_end,
        chat_template=read_chat_template(folder, config_path, config, kwargs),
        add_bos_token=parts.flag("add_bos_token", False),
        add_eos_token=parts.flag("add_eos_token", False),
        languages=languages,
        own_frame=chosen.frame,
        src_lang=parts.text("src_lang"),
        tgt_lang=parts.text("tgt_lang"),
        **_read_options(config_path, config, chosen, file),
    )


def _class_of_files(folder: Path) -> tuple[str | None, TokenizerClass]:
    """For a folder that names none: what its vocabulary files belong to, as far as they tell."""
    if (folder / "vocab.txt").is_file():
        return "BertTokenizer", CLASSES["BertTokenizer"]
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        return "GPT2Tokenizer", CLASSES["GPT2Tokenizer"]
    return None, PLAIN


def _source(parts: Parts, chosen: TokenizerClass, vocabulary: Vocabulary, tokens: FolderTokens) -> Source:
    """The pipeline of the class over the vocabulary, with all its tokens."""
    base = vocabulary.source
    post_processor = base.sections["post_processor"]
    if chosen.build is None:
        source = base
    else:
        pipeline = chosen.build(parts)
        own = {k: v for k, v in base.model.items() if k in ("merges", "scores")}
        post_processor = post_processor or pipeline.post_processor
        source = Source(
            path=base.path,
            vocabulary=base.vocabulary,
            model={**pipeline.model, **own},
            sections={
                "normalizer": pipeline.normalizer,
                "pre_tokenizer": pipeline.pre_tokenizer,
                "post_processor": None,
                "decoder": pipeline.decoder,
            },
        )
    source = source.with_tokens(list(missing_tokens(source, tokens)))
    if chosen.readd:
        source = source.with_tokens(list(_again(chosen.readd, tokens)))

    added: dict[str, int] = {}

    def ids(token: str) -> int:
        if token in source.vocabulary:
            return source.vocabulary[token]
        if not added:
            added.update(source.ids_of_added_tokens())
        if token not in added:
            raise CheckpointError(f"{source.path}: {token!r} is not in the vocabulary; its class needs it")
        return added[token]

    asked = post_processor is None or not parts.settings.keys().isdisjoint(("add_bos_token", "add_eos_token"))
    if asked:
        post_processor = begin_end(parts, ids)
    if chosen.finish is not None and not (asked and chosen.readd == "named"):
        post_processor = chosen.finish(parts, ids)
    return source.with_post_processor(post_processor)


def _again(how: str, tokens: FolderTokens) -> list[AddedToken]:
    """Special tokens that the class adds once more; see TokenizerClass.readd."""
    again = [*tokens.named.values(), *tokens.extra]
    if how == "plain":
        again = list(map(str, again))
    return [
        AddedToken(token, normalized=False, special=True)
        if isinstance(token, str)
        else AddedToken.read(token, special=True)
        for token in again
    ]


def _read_options(
    path: Path, config: dict[str, Any], chosen: TokenizerClass, file: Source | None
) -> dict[str, Any]:
    options: dict[str, Any] = {"padding_side": chosen.padding_side, "model_input_names": chosen.inputs}
    options |= {f"{name}_side": baked["side"] for name, baked in (_baked(file) if file else ()) if baked}
    if config.get("max_len") is not None:
        options["model_max_length"] = config["max_len"]
    for key, kind in _OPTIONS.items():
        value = config.get(key)
        if value is None:
            continue
        if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
            raise CheckpointError(f"{path}: {key} is {value!r}; expected a {kind}")
        options[key] = value
    return options
