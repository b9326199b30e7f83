"""A tokenizer class's constructor: from a vocabulary, or a finished tokenizer, and settings."""

import base64
import os
from array import array
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.tokenizers.base.components import bpe, unigram
from fastplm.tokenizers.base.source import Source
from fastplm.tokenizers.base.token_table import Strings, TokenTable
from fastplm.tokenizers.classes import CLASSES, PLAIN
from fastplm.tokenizers.classes.arguments import arguments_of
from fastplm.tokenizers.classes.names import PLAIN_NAME, base_name, recipe
from fastplm.tokenizers.classes.parts import TokenizerClass
from fastplm.tokenizers.files.assemble import Assembled, assemble
from fastplm.tokenizers.files.chat_template import check_chat_template
from fastplm.tokenizers.files.known_settings import check_arguments
from fastplm.tokenizers.files.tokenizer_json import check_vocabulary, read_tokenizer_json
from fastplm.tokenizers.files.tokens import FolderTokens, read_tokens, token_list
from fastplm.tokenizers.files.vocabulary import Vocabulary, vocabulary_of_files
from fastplm.tokenizers.methods.backend import source_of_object


def construct(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Assembled:
    """What the constructor of the class `name` makes a tokenizer from.

    Raises TypeError for arguments that do not fit together, CheckpointError, UnsupportedError.
    """
    chosen = _constructor(name)
    config = _by_name(name, args, kwargs)
    check_arguments(name, config)
    given = {key: config.pop(key, None) for key in ("vocab", "merges", "vocab_file", "merges_file")}
    made, path = config.pop("tokenizer_object", None), config.pop("tokenizer_file", None)
    charsmap = config.pop("_spm_precompiled_charsmap", None)
    file = None
    if made is not None:
        file = source_of_object(name, made)
    elif path is not None:
        file = read_tokenizer_json(path).as_tokenizers_reads()
    if file is not None:
        chosen = replace(chosen, build=None)
    elif chosen is PLAIN:
        config.setdefault("bos_token", "<s>")
        config.setdefault("eos_token", "</s>")
    more = None
    if config.get("extra_special_tokens") is None:
        more = token_list(name, config, "additional_special_tokens")
        config.pop("additional_special_tokens", None)
    tokens = read_tokens(None, name, config, config, chosen, file, more)
    if file is not None:
        vocabulary = Vocabulary(file)
    else:
        vocabulary = _vocabulary(name, chosen, given, config, tokens)
        if charsmap is not None:
            vocabulary = vocabulary._replace(charsmap=_base64(name, charsmap))
    vocab_file = given["vocab_file"] if file is None else None
    return assemble(
        name, name, chosen, config, tokens, vocabulary, file,
        name=config.get("name_or_path") or "",
        chat_template=check_chat_template(name, config.get("chat_template")),
        more={} if vocab_file is None else {"vocab_file": os.fspath(vocab_file)},
    )  # fmt: skip


def _constructor(name: str) -> TokenizerClass:
    """The rules of a class's constructor, which may be that of the class it is derived from."""
    chosen = recipe(name)
    if chosen.build is not None or name == PLAIN_NAME:
        return chosen
    inherited = recipe(base_name(name)) if name in CLASSES else PLAIN
    if inherited.build is None:
        raise UnsupportedError(
            f"{name}: fastplm does not build this class; expected {name}.from_pretrained of a folder with a "
            "tokenizer.json"
        )
    return replace(inherited, inputs=chosen.inputs)


def _by_name(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """All arguments by their names."""
    names = arguments_of(name).names
    if len(args) > len(names):
        raise TypeError(f"{name}: {len(args)} positional arguments; expected at most {len(names)}")
    given = dict(zip(names, args, strict=False))
    if twice := given.keys() & kwargs.keys():
        raise TypeError(f"{name}: {min(twice)} is given twice; expected once")
    return {**given, **kwargs}


def _vocabulary(
    name: str, chosen: TokenizerClass, given: dict[str, Any], config: dict[str, Any], tokens: FolderTokens
) -> Vocabulary:
    vocab, merges = given["vocab"], given["merges"]
    if vocab is None:
        vocab, merges = given["vocab_file"], given["merges_file"] if merges is None else merges
    if isinstance(vocab, (str, os.PathLike)):
        if isinstance(merges, (str, os.PathLike)) or merges is None:
            paths = [Path(vocab), *([] if merges is None else [Path(merges)])]
            return vocabulary_of_files(name, paths, chosen, config, tokens)
        raise TypeError(
            f"{name}: vocab is a file and merges a {type(merges).__name__}; expected files or lists"
        )
    if vocab is None:
        raise TypeError(
            f"{name}: no vocabulary; expected vocab or vocab_file, or tokenizer_object or tokenizer_file"
        )
    scored = chosen.model == "Unigram" or (chosen is PLAIN and isinstance(vocab, (list, tuple)))
    model: dict[str, Any] = {}
    if scored:
        table, model["scores"] = _scored(name, vocab)
        if name == "MBart50Tokenizer" and "en_XX" not in table:
            raise CheckpointError(
                f"{name}: vocab has no language codes; expected them, or the name of a SentencePiece .model"
            )
        if chosen is PLAIN:
            model |= unigram(config.get("unk_id", 0))
    else:
        table = TokenTable.of(f"{name}: vocab", check_vocabulary(name, vocab))
        if chosen is PLAIN:
            model |= bpe(prefix=None, suffix=None, fuse_unk=True)
        if chosen.model != "WordPiece":
            model["merges"] = table.merge_sides(_sides(name, merges))
    sections = dict.fromkeys(("normalizer", "pre_tokenizer", "post_processor", "decoder"))
    return Vocabulary(Source(name, table, model, sections))


def _scored(name: str, vocab: Any) -> tuple[TokenTable, Any]:
    if not isinstance(vocab, (list, tuple)) or not all(
        isinstance(entry, (list, tuple))
        and len(entry) == 2
        and isinstance(entry[0], str)
        and isinstance(entry[1], (int, float))
        for entry in vocab
    ):
        raise CheckpointError(f"{name}: vocab is a {type(vocab).__name__}; expected pieces with their scores")
    pieces = {piece: i for i, (piece, _) in enumerate(vocab)}
    return TokenTable.of(f"{name}: vocab", pieces), array("d", [float(score) for _, score in vocab])


def _sides(name: str, merges: Any) -> Strings:
    """Left and right sides in turn; of pairs, or of strings with a space between."""
    sides: list[str] = []
    for merge in merges or ():
        pair = merge.split(" ") if isinstance(merge, str) else merge
        if not isinstance(pair, (list, tuple)) or [type(side) for side in pair] != [str, str]:
            raise CheckpointError(f"{name}: a merge is {merge!r}; expected two tokens")
        sides += pair
    return Strings.of(sides)


def _base64(name: str, charsmap: Any) -> str:
    if isinstance(charsmap, bytes):
        return base64.b64encode(charsmap).decode()
    raise TypeError(f"{name}: _spm_precompiled_charsmap is a {type(charsmap).__name__}; expected bytes")
