"""The vocabulary of a folder: from tokenizer.json, tekken.json, or the older files of its class."""

import os
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.tokenizers.classes.parts import Token, TokenizerClass
from fastplm.tokenizers.folder_tokens import FolderTokens
from fastplm.tokenizers.recovered_merges import recover_merges
from fastplm.tokenizers.sentencepiece import read_sentencepiece
from fastplm.tokenizers.source import Source
from fastplm.tokenizers.tekken import TEKKEN, is_tekken, read_tekken
from fastplm.tokenizers.tiktoken import is_tiktoken, read_tiktoken, special_tokens
from fastplm.tokenizers.token_table import Strings, TokenTable
from fastplm.tokenizers.vocab_files import read_merges_txt, read_vocab_json, read_vocab_txt

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
    config: Mapping[str, Any],
    tokens: FolderTokens,
) -> Vocabulary:
    """Raises FileNotFoundError, CheckpointError, UnsupportedError."""
    if file is not None:
        return of_tokenizer_json(file, chosen, class_name)
    if (folder / TEKKEN).is_file():
        return Vocabulary(read_tekken(folder / TEKKEN))
    if all((folder / name).is_file() for name in chosen.files) and chosen.files[0] != "tokenizer.model":
        paths = [folder / name for name in chosen.files]
        return vocabulary_of_files(class_name or "", paths, chosen, config, tokens)
    for name in ("tokenizer.model", "tiktoken.model"):
        if (folder / name).is_file():
            return _from_model_file(folder / name, chosen, config, tokens)
    ranks = sorted(folder.glob("*.tiktoken"))
    if len(ranks) == 1:
        return _from_tiktoken(ranks[0], tokens)
    if class_name is not None and chosen.build is None:
        raise UnsupportedError(
            f"{folder}: {class_name} without a tokenizer.json; expected one, or a class that needs none "
            "(BertTokenizer, GPT2Tokenizer, ...)"
        )
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
    config: Mapping[str, Any],
    tokens: FolderTokens,
) -> Vocabulary:
    """Of vocab.txt, of vocab.json and merges.txt, or of a SentencePiece or tiktoken model.

    Raises ValueError if the class needs another number of files, and what read_vocabulary raises.
    """
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
    path: Path, chosen: TokenizerClass, config: Mapping[str, Any], tokens: FolderTokens
) -> Vocabulary:
    if is_tiktoken(path):
        return _from_tiktoken(path, tokens)
    source = read_sentencepiece(path)
    extra: list[Token] = list(source.added_tokens)
    if chosen.build is None:
        return Vocabulary(replace(source, added_tokens=()), None, extra, _names(source))
    names = {key: str(value) for key, value in tokens.named.items()}
    table, made = source.vocabulary, dict[str, Any]()
    if chosen.model == "BPE":
        made["merges"] = source.model.get("merges")
        if made["merges"] is None:  # a Unigram model, for a class that merges
            sides = recover_merges(table.path, table.to_dict(), by_sides=False)
            made["merges"] = table.merge_sides(Strings.of(sides))
    else:
        scores = source.model.get("scores", array("d", bytes(8 * len(table))))
        pieces = list(zip(table, scores.tolist(), strict=True))  # a piece's id is its place
        if chosen.reorder is not None:
            pieces = chosen.reorder(pieces, config, names)
        table = TokenTable.of(table.path, {piece: i for i, (piece, _) in enumerate(pieces)})
        made["scores"] = array("d", [score for _, score in pieces])
    if chosen.extra is not None:
        extra = chosen.extra(config, extra)
    bare = replace(source, vocabulary=table, model=made, sections=dict(_EMPTY), added_tokens=())
    return Vocabulary(bare, _charsmap(source), extra)


def _names(source: Source) -> dict[str, str]:
    """The begin, end and unknown tokens of a SentencePiece model, by their usual names."""
    special = {token.content for token in source.added_tokens if token.special}
    named = {k: v for k, v in (("bos_token", "<s>"), ("eos_token", "</s>")) if v in special}
    unknown = source.model.get("unk_token")
    if (unk_id := source.model.get("unk_id")) is not None:
        unknown = next((piece for piece, i in source.vocabulary.items() if i == unk_id), None)
    return {**named, **({"unk_token": unknown} if isinstance(unknown, str) else {})}
