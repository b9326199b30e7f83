"""The vocabulary of a folder: from tokenizer.json, tekken.json, or the older files of its class."""

import base64
import os
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.tokenizers.base.added_token import AddedToken
from fastplm.tokenizers.base.recovered_merges import recover_merges
from fastplm.tokenizers.base.source import Source
from fastplm.tokenizers.base.token_table import Strings, TokenTable
from fastplm.tokenizers.classes.parts import Token, TokenizerClass
from fastplm.tokenizers.files.sentencepiece import control_tokens, make_source, read_sentencepiece
from fastplm.tokenizers.files.sentencepiece_file import CONTROL, USER_DEFINED, Model, read_model
from fastplm.tokenizers.files.tekken import TEKKEN, is_tekken, read_tekken
from fastplm.tokenizers.files.tiktoken import is_tiktoken, read_tiktoken, special_tokens
from fastplm.tokenizers.files.tokens import FolderTokens
from fastplm.tokenizers.files.vocab_files import read_merges_txt, read_vocab_json, read_vocab_txt

_EMPTY = dict.fromkeys(("normalizer", "pre_tokenizer", "post_processor", "decoder"))


class Vocabulary(NamedTuple):
    """source: its vocabulary, merges and scores; for a class that builds nothing itself, all of it.

    charsmap: of SentencePiece, in base64. extra, named: special tokens that the file itself has.
    """

    source: Source
    charsmap: str | None = None
    extra: Sequence[Token] = ()
    named: Mapping[str, str] = MappingProxyType({})


def read_file(path: Path) -> Source | None:
    """A vocabulary in one file; None: it is none of these, but a tokenizer.json.

    A `.model` file is SentencePiece's; a few models call a tiktoken file so.
    """
    if path.suffix == ".tiktoken":
        return read_tiktoken(path)
    if path.suffix == ".model":
        return read_tiktoken(path) if is_tiktoken(path) else read_sentencepiece(path)
    return read_tekken(path) if is_tekken(path.name) else None


def read_vocabulary(
    folder: Path,
    class_name: str | None,
    chosen: TokenizerClass,
    file: Source | None,
    config: dict[str, Any],
    tokens: FolderTokens,
) -> Vocabulary:
    """What a SentencePiece model says is entered into `config`, and into `tokens`.

    Raises FileNotFoundError, CheckpointError, UnsupportedError."""
    if file is not None:
        return of_tokenizer_json(file, chosen, class_name)
    if (folder / TEKKEN).is_file():
        return Vocabulary(read_tekken(folder / TEKKEN))
    if chosen.needs_json:
        raise _needs_json(folder, class_name)
    if chosen.files and all((folder / name).is_file() for name in chosen.files):
        paths = [folder / name for name in chosen.files]
        return vocabulary_of_files(class_name or "", paths, chosen, config, tokens)
    for name in ("tokenizer.model", "tiktoken.model"):
        if (folder / name).is_file():
            return _from_model_file(folder / name, chosen, config, tokens)
    ranks = sorted(folder.glob("*.tiktoken"))
    if len(ranks) == 1:
        return _from_tiktoken(ranks[0], tokens)
    if class_name is not None and (chosen.build is None or not chosen.files):
        raise _needs_json(folder, class_name)
    files = " and no ".join(
        dict.fromkeys(["tokenizer.json", *(chosen.files if class_name else ["vocab.txt"])])
    )
    raise FileNotFoundError(f"{folder}: no {files} in the folder")


def of_tokenizer_json(file: Source, chosen: TokenizerClass, class_name: str | None) -> Vocabulary:
    """What a class takes of a tokenizer.json. Raises CheckpointError."""
    if chosen.build is not None and file.model["type"] != chosen.model:
        file = _of_other_kind(file, chosen, class_name)
    return Vocabulary(file, _charsmap(file))


def vocabulary_of_files(
    class_name: str,
    paths: Sequence[Path],
    chosen: TokenizerClass,
    config: dict[str, Any],
    tokens: FolderTokens,
) -> Vocabulary:
    """Of vocab.txt, of vocab.json and merges.txt, or of a SentencePiece or tiktoken model.

    Raises ValueError if the class needs another number of files, and what read_vocabulary raises.
    """
    if chosen.needs_json or not chosen.files:
        raise _needs_json(paths[0], class_name)
    if len(paths) != len(chosen.files):
        names = " and ".join(chosen.files)
        raise ValueError(f"{class_name}: got {len(paths)} vocabulary file(s); expected {names}")
    path = os.fspath(paths[0])
    model: dict[str, Any] = {}
    if chosen.files[0] == "vocab.txt":
        table = TokenTable.of(path, read_vocab_txt(path))
    elif chosen.files[0] == "vocab.json":
        table = TokenTable.of(path, read_vocab_json(path))
        model["merges"] = table.merge_sides(Strings.of(read_merges_txt(paths[1])))
    else:
        return _from_model_file(paths[0], chosen, config, tokens)
    return Vocabulary(Source(path, table, model, dict(_EMPTY)))


def _of_other_kind(file: Source, chosen: TokenizerClass, class_name: str | None) -> Source:
    """The vocabulary of a tokenizer.json whose model is not the class's: only its tokens and ids count.

    Raises CheckpointError where scores are needed and there are none.
    """
    if chosen.model == "Unigram":
        raise CheckpointError(
            f"{file.path}: model.type is {file.model['type']}; expected {chosen.model} for a {class_name}"
        )
    model: dict[str, Any] = {"type": chosen.model}
    if chosen.model == "BPE":
        model["merges"] = file.vocabulary.merge_sides(Strings.of(()))
    return replace(file, model=model, written_scores=None)


def _needs_json(folder: Path, class_name: str | None) -> UnsupportedError:
    return UnsupportedError(
        f"{folder}: {class_name} without a tokenizer.json; expected one, or a class that needs none "
        "(BertTokenizer, GPT2Tokenizer, ...)"
    )


def _charsmap(file: Source) -> str | None:
    """Of the first Precompiled normalizer."""
    normalizer = file.sections["normalizer"] or {}
    parts = normalizer.get("normalizers") if normalizer.get("type") == "Sequence" else [normalizer]
    for part in parts if isinstance(parts, list) else []:
        if isinstance(part, dict) and part.get("type") == "Precompiled":
            charsmap = part.get("precompiled_charsmap")
            return charsmap if isinstance(charsmap, str) else None
    return None


def _from_tiktoken(path: Path, tokens: FolderTokens) -> Vocabulary:
    """Added tokens beyond the file's ranks keep their ids: reserved tokens fill the gaps."""
    source = read_tiktoken(path)
    base, last = len(source.vocabulary), max(tokens.added, default=0)
    if last - base > 1_000_000:
        raise CheckpointError(
            f"{path}: {base} tokens, but an added token has the id {last}; expected one near"
        )
    names: list[str] = [
        tokens.added[i].content if i in tokens.added else f"<|reserved_token_{i}|>"
        for i in range(base, last + 1)
    ]
    names += [str(token) for token in tokens.extra if str(token) not in set(names)]
    return Vocabulary(replace(source, added_tokens=special_tokens(names)))


def _from_model_file(
    path: Path, chosen: TokenizerClass, config: dict[str, Any], tokens: FolderTokens
) -> Vocabulary:
    if is_tiktoken(path):
        return _from_tiktoken(path, tokens)
    name, model = os.fspath(path), read_model(path)
    if chosen.build is None:
        return _of_no_class(name, model, chosen, config, tokens)
    pieces = [(piece.text, piece.score) for piece in model.pieces]
    if chosen.reorder is not None:
        pieces = chosen.reorder(pieces, config, {key: str(value) for key, value in tokens.named.items()})
    ids = {piece: i for i, (piece, _) in enumerate(pieces)}
    unknown = model.named["unk_token"][1]
    if len(ids) < len(pieces) and sum(piece == unknown for piece, _ in pieces) > 1:
        raise CheckpointError(f"{name}: the piece {unknown!r} comes twice in this class; expected it once")
    table, made = TokenTable.of(name, ids), dict[str, Any]()
    if chosen.model == "BPE":
        whole = {piece.text: i for i, piece in enumerate(model.pieces)}
        made["merges"] = table.merge_sides(Strings.of(recover_merges(name, whole, by_sides=False)))
    else:
        made["scores"] = array("d", [score for _, score in pieces])
        config["unk_id"] = model.named["unk_token"][0]
    extra: list[Token] = [
        AddedToken(piece.text, normalized=False, special=piece.kind == CONTROL)
        for piece in model.pieces
        if piece.kind in (CONTROL, USER_DEFINED)
    ]
    if chosen.extra is not None:
        extra = chosen.extra(config, extra)
    charsmap = model.normalizer.charsmap
    encoded = base64.b64encode(charsmap).decode() if charsmap else None
    return Vocabulary(Source(name, table, made, dict(_EMPTY)), encoded, extra)


def _of_no_class(
    name: str, model: Model, chosen: TokenizerClass, config: Mapping[str, Any], tokens: FolderTokens
) -> Vocabulary:
    """As transformers adds tokens to it: control symbols are special tokens, which texts may hold.

    Listed tokens give other names to the pieces with their ids, but for Unigram models. A class that builds
    nothing itself (FNet's) has the pipeline that transformers has.
    """
    if chosen.model == "Unigram":
        model = model._replace(kind="unigram")
    names: dict[int, str] = {}
    if model.kind != "unigram":
        names = {i: token.content for i, token in tokens.added.items() if i < len(model.pieces)}
        kept = {piece.text for i, piece in enumerate(model.pieces) if i not in names}
        names = {i: text for i, text in names.items() if text not in kept}
    if model.normalizer.add_dummy_prefix:
        # Found in the text as it came, so that each part between them gets its own space in front.
        for i, token in tokens.added.items():
            tokens.added[i] = replace(token, normalized=False)
    source = make_source(name, model, legacy=bool(config.get("legacy", True)), named=names)
    named = {key: text for key, (i, text) in model.named.items() if i >= 0 and key != "pad_token"}
    named = {key: text for key, text in named.items() if key not in config}
    for key in named:  # it comes before the class's own
        tokens.named.pop(key, None)
    return Vocabulary(
        source if chosen.model is None else source.without_exact(), None, list(control_tokens(model)), named
    )
