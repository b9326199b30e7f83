"""The rules by which a folder's files make a tokenizer: those of transformers 5.

A class of `classes.CLASSES` puts its pipeline together from the vocabulary and a few settings, whatever
tokenizer.json says of it; any other class takes tokenizer.json as it is. Without tokenizer.json the
vocabulary comes from the older files of the class.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastplm.errors import CheckpointError
from fastplm.tokenizers.added_token import AddedToken
from fastplm.tokenizers.chat.files import ChatTemplate, check_chat_template, read_chat_template
from fastplm.tokenizers.class_arguments import arguments_of
from fastplm.tokenizers.class_types import TokenizersBackend, recipe, type_of
from fastplm.tokenizers.classes import CLASSES, PLAIN
from fastplm.tokenizers.classes.choice import choose_class, has_byte_level
from fastplm.tokenizers.classes.parts import Parts, TokenizerClass, begin_end
from fastplm.tokenizers.core import Core, make
from fastplm.tokenizers.folder_tokens import LISTS, FolderTokens, missing_tokens, read_object, read_tokens
from fastplm.tokenizers.folder_vocabulary import (
    Vocabulary,
    of_tokenizer_json,
    read_file,
    read_vocabulary,
    vocabulary_of_files,
)
from fastplm.tokenizers.known_settings import BPE_CLEAN_UP, check_auto_map, check_file, versioned_name
from fastplm.tokenizers.mistral_regex import fixed_of_mistral
from fastplm.tokenizers.shape import read_max_length
from fastplm.tokenizers.source import Source, read_tokenizer_json
from fastplm.tokenizers.tekken import NAMES, TEKKEN, is_tekken
from fastplm.tokenizers.tokenizer import Tokenizer
from fastplm.tokenizers.vocabulary import NAMED_TOKENS

_ALL_INPUTS = ("input_ids", "token_type_ids", "attention_mask")
_OPTIONS: dict[str, Any] = {
    "padding_side": str,
    "truncation_side": str,
    "clean_up_tokenization_spaces": bool,
    "split_special_tokens": bool,
    "model_input_names": list | tuple,
    "chat_control_tokens": list | tuple,
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
    config = {"model_input_names": _ALL_INPUTS, **_sides(source), **kwargs}
    options = _read_options(str(path), config)
    tokenizer = Tokenizer(
        source,
        **options,
        name_or_path=os.fspath(path),
        named_tokens=named,
        call_defaults=True,
        chat_template=check_chat_template(str(path), kwargs.get("chat_template")),
        attributes=_attributes(config, {}, {}),
    )
    given = {key: kwargs[key] for key in (*NAMED_TOKENS, *LISTS) if kwargs.get(key) is not None}
    tokenizer.add_special_tokens(given)
    return tokenizer


def load_class_file(path: Path, kind: type[TokenizersBackend], **kwargs: Any) -> TokenizersBackend:
    """As a folder gives it that holds this file alone: tokenizer.json, or the vocabulary of the class.

    Raises ValueError if the class needs several files.
    """
    chosen = recipe(kind.class_name)
    named_so = path.suffix == ".json" and not is_tekken(path.name) and len(chosen.files) == 1
    file = read_tokenizer_json(path) if named_so or path.name.endswith("tokenizer.json") else None
    config = dict(kwargs)
    chosen, file = _for_file(chosen, file, config, kwargs)
    if file is not None:
        listed = dict(zip(file.listed_ids, file.added_tokens, strict=True))
        config.setdefault("added_tokens_decoder", listed)
    tokens = read_tokens(None, str(path), config, kwargs, chosen, file)
    if file is not None:
        vocabulary = of_tokenizer_json(file, chosen, kind.class_name)
    elif chosen is PLAIN:
        source = read_file(path)
        if source is None:
            raise ValueError(f"{path}: expected a tokenizer.json, or a folder, for {kind.class_name}")
        vocabulary = Vocabulary(source)
    else:
        vocabulary = vocabulary_of_files(kind.class_name, [path], chosen, config, tokens)
    source, options = assemble(
        str(path), kind, chosen, config, tokens, vocabulary, file, name=os.fspath(path),
        chat_template=check_chat_template(str(path), config.get("chat_template")),
        more={
            "name_or_path": os.fspath(path), "is_local": False, "added_tokens_decoder": tokens.added,
            **({} if file else {"vocab_file": os.fspath(path)}),
        },
    )  # fmt: skip
    return make(kind, source, options)


def _sides(source: Source) -> dict[str, str]:
    """The sides that a tokenizer.json's truncation and padding say."""
    baked = (("truncation_side", source.truncation), ("padding_side", source.padding))
    return {name: settings["side"] for name, settings in baked if settings}


def load_folder(
    folder: Path,
    *,
    name: str,
    kind: type[TokenizersBackend] | None = None,
    model_config: Any = None,
    trust_remote_code: bool | None = None,
    **kwargs: Any,
) -> TokenizersBackend:
    """The tokenizer of a model folder; kwargs come before what its files say.

    kind: the class, whatever the files name. model_config: an object whose model_type and tokenizer_class
    come before those of config.json. trust_remote_code=True is an error where the folder brings code.
    """
    config_path = folder / "tokenizer_config.json"
    written = read_object(config_path)
    config = written | kwargs
    json_path = Path(config.pop("tokenizer_file") if kwargs.get("tokenizer_file") else
                     folder / versioned_name(config_path, config.get("fast_tokenizer_files")))  # fmt: skip
    file = read_tokenizer_json(json_path) if json_path.is_file() else None
    check_file(config_path, written, file is not None)
    if "added_tokens_decoder" not in config:  # which stands in for the older files
        map_path = folder / "special_tokens_map.json"
        check_file(map_path, read_object(map_path), has_tokenizer_json=False)
    class_name, chosen = _class(folder, config, kind, model_config, file)
    if kind is None:
        check_auto_map(config_path, written, class_name, trust_remote_code)
        kind = type_of(class_name, chosen)
    chosen, file = _for_file(chosen, file, config, kwargs)
    where = str(config_path)
    tokens = read_tokens(folder, where, config, kwargs, chosen, file)
    vocabulary = read_vocabulary(folder, class_name, chosen, file, config, tokens)
    source, options = assemble(
        where, kind, chosen, config, tokens, vocabulary, file, name=name,
        chat_template=read_chat_template(folder, config_path, config, kwargs),
        more={"name_or_path": name, "is_local": Path(name).is_dir(), "added_tokens_decoder": tokens.added},
    )  # fmt: skip
    return make(kind, fixed_of_mistral(folder, config, source), options)


def _class(
    folder: Path,
    config: dict[str, Any],
    kind: type[TokenizersBackend] | None,
    model_config: Any,
    file: Source | None,
) -> tuple[str | None, TokenizerClass]:
    """The class that a folder's files ask for, or the one asked for."""
    class_name: str | None
    if kind is not None:
        class_name, chosen = kind.class_name, recipe(kind.class_name)
    else:
        settings = read_object(folder / "config.json") if model_config is None else {}
        if model_config is not None:
            if not hasattr(model_config, "model_type"):
                raise TypeError(
                    f"config is a {type(model_config).__name__}; expected a model's configuration"
                )
            settings = {key: getattr(model_config, key, None) for key in ("model_type", "tokenizer_class")}
        byte_level = file is not None and has_byte_level(file.sections)
        class_name, chosen = choose_class(config, settings, byte_level)
    if file is None and (folder / TEKKEN).is_file():
        chosen = PLAIN  # whatever class is asked for
    elif file is None and class_name is None:
        class_name, chosen = _class_of_files(folder)
    return class_name, chosen


def _for_file(
    chosen: TokenizerClass, file: Source | None, config: dict[str, Any], kwargs: Mapping[str, Any]
) -> tuple[TokenizerClass, Source | None]:
    """The class as it treats a tokenizer.json, and the file with its scores read as the class reads them."""
    if file is None:
        return chosen, None
    for key in ("add_bos_token", "add_eos_token"):  # it says itself what begins and ends a text
        if key not in kwargs:
            config.pop(key, None)
    if chosen.file_as_it_is:
        chosen = replace(chosen, build=None)
    return chosen, file.as_tokenizers_reads() if chosen.build is None else file.as_python_reads()


def assemble(
    where: str,
    kind: type[TokenizersBackend],
    chosen: TokenizerClass,
    config: dict[str, Any],
    tokens: FolderTokens,
    vocabulary: Vocabulary,
    file: Source | None,
    *,
    name: str,
    chat_template: ChatTemplate | None,
    more: Mapping[str, Any],
) -> tuple[Source, dict[str, Any]]:
    """What a tokenizer is made from: its source, and the options of Core.

    where: the file, or the constructor, to name in errors. config: the settings. more: attributes that are
    known besides. Raises CheckpointError, UnsupportedError.
    """
    if vocabulary.extra and not tokens.lists_extra:
        tokens.extra[:] = vocabulary.extra
    for key, token in vocabulary.named.items():
        tokens.named.setdefault(key, token)
    parts = Parts(
        where, config, {k: str(v) for k, v in tokens.named.items()}, vocabulary.source.vocabulary,
        vocabulary.source.model.get("scores"), vocabulary.charsmap,
    )  # fmt: skip
    source = _source(parts, chosen, vocabulary, tokens)
    if file and file.padding and "pad_token" not in config and "pad_token" not in chosen.tokens:
        tokens.named["pad_token"] = file.padding["pad_token"]
    for key in tokens.named:
        others = (*_OPTIONS, "chat_template", "model_max_length")
        if key not in NAMED_TOKENS and (hasattr(Tokenizer, key) or key in others):
            raise CheckpointError(f"{where}: {key} names a special token; expected another name for it")
    languages = None if chosen.languages is None else chosen.languages(parts)
    codes = languages.codes if languages and languages.are_extra else ()
    settings = arguments_of(kind.class_name).settings
    inputs = list(chosen.inputs)
    if "return_token_type_ids" in settings and config.get("return_token_type_ids") is True:
        inputs.append("token_type_ids")
    usual = {
        "padding_side": chosen.padding_side,
        "model_input_names": inputs,
        **(_sides(file) if file else {}),
    }
    given = {key: value for key, value in config.items() if value is not None}
    return source, {
        **_read_options(where, usual | given),
        "name_or_path": name,
        "named_tokens": tokens.named,
        "extra_tokens": list(
            dict.fromkeys([*map(str, tokens.extra), *codes]) if codes else map(str, tokens.extra)
        ),
        "word_end": chosen.word_end,
        "chat_template": chat_template,
        **{
            f"add_{end}": parts.flag(f"add_{end}", False) and end in tokens.named
            for end in ("bos_token", "eos_token")
        },
        "languages": languages,
        "own_frame": chosen.frame,
        "src_lang": parts.text("src_lang"),
        "tgt_lang": parts.text("tgt_lang"),
        "attributes": _attributes(config, settings, more, tokens),
    }


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


def class_of_saved(tokenizer: Core, config: dict[str, Any]) -> str:
    """The tokenizer_class to write: the tokenizer's own, if it makes the same of what is written."""
    kind = type(tokenizer)
    if not issubclass(kind, TokenizersBackend):
        return TokenizersBackend.class_name
    chosen = recipe(kind.class_name)
    decodes_or_calls_otherwise = chosen.word_end or chosen.languages is not None
    if chosen.build is None or decodes_or_calls_otherwise:
        return kind.class_name
    source = tokenizer._source
    config = {**config, "added_tokens_decoder": source._added()}
    chosen, _ = _for_file(chosen, source, config, {})
    tokens = read_tokens(None, kind.class_name, config, {}, chosen, source)
    try:
        vocabulary = of_tokenizer_json(source, chosen, kind.class_name)
        made, _ = assemble(
            kind.class_name, kind, chosen, config, tokens, vocabulary, source,
            name="", chat_template=None, more={},
        )  # fmt: skip
    except CheckpointError:
        return TokenizersBackend.class_name
    same = made.sections == source.sections and _settings(made) == _settings(source)
    return kind.class_name if same and made._added() == source._added() else TokenizersBackend.class_name


def _settings(source: Source) -> dict[str, Any]:
    return {key: value for key, value in source.model.items() if key not in ("merges", "scores")}


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


def _read_options(where: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Those options of Core that are settings, checked. Raises CheckpointError."""
    options: dict[str, Any] = {}
    for key in ("max_len", "model_max_length"):  # the newer name last
        if config.get(key) is not None:
            options["model_max_length"] = read_max_length(f"{where}: {key}", config[key])
    for key, kind in _OPTIONS.items():
        value = config.get(key)
        if value is None:
            continue
        if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
            raise CheckpointError(f"{where}: {key} is {value!r}; expected a {kind}")
        options[key] = value
    return options


# Attributes that are settings of the same name, and what they are without one.
_KEPT: dict[str, Any] = {
    "add_prefix_space": False,
    "backend": "tokenizers",
    BPE_CLEAN_UP: False,
    "files_loaded": (),
    "response_template": None,
    "verbose": False,
}
_NOT_KEPT = frozenset(("tokenizer_class", "added_tokens_decoder", "vocab", "merges", "tokenizer_file"))


def _attributes(
    config: Mapping[str, Any],
    defaults: Mapping[str, Any],
    more: Mapping[str, Any],
    tokens: FolderTokens | None = None,
) -> dict[str, Any]:
    """What transformers keeps on a tokenizer: settings of the class and of every class, and init_kwargs.

    defaults: of the class's own settings.
    """
    settings = {name: config.get(name, default) for name, default in {**_KEPT, **defaults}.items()}
    kept = {key: value for key, value in config.items() if key not in _NOT_KEPT}
    own = [] if tokens is None else [name for name in tokens.named if name not in NAMED_TOKENS]
    init = {**{name: settings[name] for name in defaults}, **kept}
    if tokens is not None:
        init |= tokens.named
        if tokens.extra:
            init["extra_special_tokens"] = list(tokens.extra)
            init.pop("additional_special_tokens", None)
    return {
        **settings,
        "files_loaded": list(settings["files_loaded"] or ()),
        "vocab_file": more.get("vocab_file"),
        "_processor_class": config.get("processor_class"),
        "init_kwargs": {**init, **more, "backend": settings["backend"]},
        **({"SPECIAL_TOKENS_ATTRIBUTES": [*NAMED_TOKENS, *own]} if own else {}),
    }
