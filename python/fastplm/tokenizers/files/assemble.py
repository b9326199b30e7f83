"""What a tokenizer is made from: a class's rules, with a vocabulary, tokens and settings that were read."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from fastplm.errors import CheckpointError
from fastplm.tokenizers.base.added_token import NAMED_TOKENS, AddedToken
from fastplm.tokenizers.base.shape import read_max_length
from fastplm.tokenizers.base.source import Source
from fastplm.tokenizers.classes.arguments import arguments_of
from fastplm.tokenizers.classes.names import PLAIN_NAME, recipe
from fastplm.tokenizers.classes.parts import Parts, TokenizerClass, begin_end
from fastplm.tokenizers.files.chat_template import ChatTemplate
from fastplm.tokenizers.files.known_settings import BPE_CLEAN_UP
from fastplm.tokenizers.files.tokens import FolderTokens, missing_tokens, read_tokens
from fastplm.tokenizers.files.vocabulary import Vocabulary, of_tokenizer_json

# Those of a tokenizer's options that are settings, and their types.
OPTIONS: dict[str, Any] = {
    "padding_side": str,
    "truncation_side": str,
    "clean_up_tokenization_spaces": bool,
    "split_special_tokens": bool,
    "model_input_names": list | tuple,
    "chat_control_tokens": list | tuple,
}
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


class Assembled(NamedTuple):
    """What a tokenizer is made from. options: the other arguments of its state.

    where: the file, or the constructor, to name in errors. class_name: None for a file by itself.
    """

    where: str
    class_name: str | None
    source: Source
    options: dict[str, Any]


def assemble(
    where: str,
    class_name: str,
    chosen: TokenizerClass,
    config: dict[str, Any],
    tokens: FolderTokens,
    vocabulary: Vocabulary,
    file: Source | None,
    *,
    name: str,
    chat_template: ChatTemplate | None,
    more: Mapping[str, Any],
) -> Assembled:
    """What a tokenizer of a class is made from.

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
    languages = None if chosen.languages is None else chosen.languages(parts)
    codes = languages.codes if languages and languages.are_extra else ()
    settings = arguments_of(class_name).settings
    inputs = list(chosen.inputs)
    if "return_token_type_ids" in settings and config.get("return_token_type_ids") is True:
        inputs.append("token_type_ids")
    usual = {
        "padding_side": chosen.padding_side,
        "model_input_names": inputs,
        **(sides_of(file) if file else {}),
    }
    given = {key: value for key, value in config.items() if value is not None}
    options = {
        **read_options(where, usual | given),
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
        "attributes": attributes_of(config, settings, more, tokens),
    }
    return Assembled(where, class_name, source, options)


def class_of_saved(class_name: str, source: Source, config: dict[str, Any]) -> str:
    """The tokenizer_class to write for a tokenizer of the class: its own, if that makes the same of what is
    written.
    """
    chosen = recipe(class_name)
    decodes_or_calls_otherwise = chosen.word_end or chosen.languages is not None
    if chosen.build is None or decodes_or_calls_otherwise:
        return class_name
    config = {**config, "added_tokens_decoder": source.added_by_id()}
    chosen, _ = for_file(chosen, source, config, {})
    tokens = read_tokens(None, class_name, config, {}, chosen, source)
    try:
        vocabulary = of_tokenizer_json(source, chosen, class_name)
        made = assemble(
            class_name, class_name, chosen, config, tokens, vocabulary, source,
            name="", chat_template=None, more={},
        ).source  # fmt: skip
    except CheckpointError:
        return PLAIN_NAME
    same = made.sections == source.sections and _settings(made) == _settings(source)
    return class_name if same and made.added_by_id() == source.added_by_id() else PLAIN_NAME


def sides_of(source: Source) -> dict[str, str]:
    """The sides that a tokenizer.json's truncation and padding say."""
    baked = (("truncation_side", source.truncation), ("padding_side", source.padding))
    return {name: settings["side"] for name, settings in baked if settings}


def for_file(
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


def read_options(where: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Those options of a tokenizer that are settings, checked. Raises CheckpointError."""
    options: dict[str, Any] = {}
    for key in ("max_len", "model_max_length"):  # the newer name last
        if config.get(key) is not None:
            options["model_max_length"] = read_max_length(f"{where}: {key}", config[key])
    for key, kind in OPTIONS.items():
        value = config.get(key)
        if value is None:
            continue
        if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
            raise CheckpointError(f"{where}: {key} is {value!r}; expected a {kind}")
        options[key] = value
    return options


def attributes_of(
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
