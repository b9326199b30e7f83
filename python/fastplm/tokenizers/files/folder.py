"""The rules by which a folder's files make a tokenizer: those of transformers 5.

A class of `classes.CLASSES` puts its pipeline together from the vocabulary and a few settings, whatever
tokenizer.json says of it; any other class takes tokenizer.json as it is. Without tokenizer.json the
vocabulary comes from the older files of the class.
"""

import os
from pathlib import Path
from typing import Any

from fastplm.tokenizers.base.added_token import NAMED_TOKENS, AddedToken
from fastplm.tokenizers.base.source import Source
from fastplm.tokenizers.classes import CLASSES, PLAIN
from fastplm.tokenizers.classes.choice import choose_class, has_byte_level
from fastplm.tokenizers.classes.names import made_name, recipe
from fastplm.tokenizers.classes.parts import TokenizerClass
from fastplm.tokenizers.files.assemble import (
    Assembled,
    assemble,
    attributes_of,
    for_file,
    read_options,
    sides_of,
)
from fastplm.tokenizers.files.chat_template import check_chat_template, read_chat_template
from fastplm.tokenizers.files.known_settings import check_auto_map, check_file, versioned_name
from fastplm.tokenizers.files.mistral_regex import fixed_of_mistral
from fastplm.tokenizers.files.tekken import NAMES, TEKKEN, is_tekken
from fastplm.tokenizers.files.tokenizer_json import read_tokenizer_json
from fastplm.tokenizers.files.tokens import LISTS, read_object, read_tokens
from fastplm.tokenizers.files.vocabulary import (
    Vocabulary,
    of_tokenizer_json,
    read_file,
    read_vocabulary,
    vocabulary_of_files,
)

_ALL_INPUTS = ("input_ids", "token_type_ids", "attention_mask")
_FILES = ("tokenizer*", "vocab*", "*.model", "*.tiktoken", TEKKEN)  # of tokenizers
# A file by itself has no names for its special tokens: these, where they are there.
_USUAL_TOKENS = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}


def read_one_file(path: Path, **kwargs: Any) -> tuple[Assembled, dict[str, Any]]:
    """The tokenizer of one file: a tokenizer.json, tekken.json, SentencePiece .model or .tiktoken file; and
    the special tokens that are then to be added.

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
    config = {"model_input_names": _ALL_INPUTS, **sides_of(source), **kwargs}
    options = {
        **read_options(str(path), config),
        "name_or_path": os.fspath(path),
        "named_tokens": named,
        "call_defaults": True,
        "chat_template": check_chat_template(str(path), kwargs.get("chat_template")),
        "attributes": attributes_of(config, {}, {}),
    }
    given = {key: kwargs[key] for key in (*NAMED_TOKENS, *LISTS) if kwargs.get(key) is not None}
    return Assembled(str(path), None, source, options), given


def gguf_of(name: str | os.PathLike[str], file: Any, hub: dict[str, Any]) -> Path | None:
    """The GGUF file to read: `file` of the folder or hub id `name`, `name` itself, or the one in a folder
    without files of a tokenizer. Raises FileNotFoundError, ValueError.
    """
    from fastplm.hub import GGUF, find_gguf, resolve_model

    path = Path(name).expanduser()
    if file is not None or (path.suffix == GGUF and path.is_file()):
        return resolve_model(name, gguf_file=file, **hub)
    path = path / (hub.get("subfolder") or "")
    if not path.is_dir() or any(found for pattern in _FILES for found in path.glob(pattern)):
        return None
    return find_gguf(path)


def read_class_file(path: Path, class_name: str, **kwargs: Any) -> Assembled:
    """As a folder gives it that holds this file alone: tokenizer.json, or the vocabulary of the class.

    Raises ValueError if the class needs several files.
    """
    chosen = recipe(class_name)
    named_so = path.suffix == ".json" and not is_tekken(path.name) and len(chosen.files) == 1
    file = read_tokenizer_json(path) if named_so or path.name.endswith("tokenizer.json") else None
    config = dict(kwargs)
    chosen, file = for_file(chosen, file, config, kwargs)
    if file is not None:
        listed = dict(zip(file.listed_ids, file.added_tokens, strict=True))
        config.setdefault("added_tokens_decoder", listed)
    tokens = read_tokens(None, str(path), config, kwargs, chosen, file)
    if file is not None:
        vocabulary = of_tokenizer_json(file, chosen, class_name)
    elif chosen is PLAIN:
        source = read_file(path)
        if source is None:
            raise ValueError(f"{path}: expected a tokenizer.json, or a folder, for {class_name}")
        vocabulary = Vocabulary(source)
    else:
        vocabulary = vocabulary_of_files(class_name, [path], chosen, config, tokens)
    return assemble(
        str(path), class_name, chosen, config, tokens, vocabulary, file, name=os.fspath(path),
        chat_template=check_chat_template(str(path), config.get("chat_template")),
        more={
            "name_or_path": os.fspath(path), "is_local": False, "added_tokens_decoder": tokens.added,
            **({} if file else {"vocab_file": os.fspath(path)}),
        },
    )  # fmt: skip


def read_folder(
    folder: Path,
    *,
    name: str,
    class_name: str | None = None,
    model_config: Any = None,
    trust_remote_code: bool | None = None,
    **kwargs: Any,
) -> Assembled:
    """The tokenizer of a model folder; kwargs come before what its files say.

    class_name: the class, whatever the files name. model_config: an object whose model_type and
    tokenizer_class come before those of config.json. trust_remote_code=True is an error where the folder
    brings code.
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
    named, chosen = _class(folder, config, class_name, model_config, file)
    if class_name is None:
        check_auto_map(config_path, written, named, trust_remote_code)
        class_name = made_name(named, chosen)
    chosen, file = for_file(chosen, file, config, kwargs)
    where = str(config_path)
    tokens = read_tokens(folder, where, config, kwargs, chosen, file)
    vocabulary = read_vocabulary(folder, named, chosen, file, config, tokens)
    made = assemble(
        where, class_name, chosen, config, tokens, vocabulary, file, name=name,
        chat_template=read_chat_template(folder, config_path, config, kwargs),
        more={"name_or_path": name, "is_local": Path(name).is_dir(), "added_tokens_decoder": tokens.added},
    )  # fmt: skip
    return made._replace(source=fixed_of_mistral(folder, config, made.source))


def _class(
    folder: Path,
    config: dict[str, Any],
    asked: str | None,
    model_config: Any,
    file: Source | None,
) -> tuple[str | None, TokenizerClass]:
    """The class that a folder's files ask for, or the one asked for."""
    class_name: str | None
    if asked is not None:
        class_name, chosen = asked, recipe(asked)
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


def _class_of_files(folder: Path) -> tuple[str | None, TokenizerClass]:
    """For a folder that names none: what its vocabulary files belong to, as far as they tell."""
    if (folder / "vocab.txt").is_file():
        return "BertTokenizer", CLASSES["BertTokenizer"]
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        return "GPT2Tokenizer", CLASSES["GPT2Tokenizer"]
    return None, PLAIN
