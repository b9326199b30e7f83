"""tiktoken files: byte-level BPE whose merges are found again from the ranks of its tokens."""

import base64
import binascii
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastplm.errors import CheckpointError
from fastplm.jsonfile import MAX_BYTES, read_bytes
from fastplm.tokenizers.base.added_token import AddedToken
from fastplm.tokenizers.base.components import bpe, byte_alphabet, byte_level, byte_level_split
from fastplm.tokenizers.base.recovered_merges import recover_merges
from fastplm.tokenizers.base.source import Source
from fastplm.tokenizers.base.token_table import Strings, TokenTable
from fastplm.tokenizers.classes.byte_level import BYTES, CL100K_WORDS

_MAX_RANK = 2**31 - 2


def read_tiktoken(path: str | os.PathLike[str]) -> Source:
    """The tokenizer that transformers makes of a tiktoken file.

    The file has a token in base64 and its rank, with a space between, in each line. It says neither how text
    is split nor what its special tokens are: the split is that of cl100k_base. Raises FileNotFoundError,
    CheckpointError naming the file and the line.
    """
    name = os.fspath(path)
    return ranked(name, _read_ranks(name, read_bytes(path, MAX_BYTES)), CL100K_WORDS)


def special_tokens(contents: Iterable[str]) -> tuple[AddedToken, ...]:
    """As files of tokens with ranks have them."""
    return tuple(AddedToken(content, normalized=False, special=True) for content in contents)


def ranked(path: str, ranks: Mapping[bytes, int], words: str, special: Sequence[str] = ()) -> Source:
    """Byte-level BPE of tokens with their ranks, on text that is split by the regular expression `words`.

    Special tokens have the first ids, the others the ranks behind them. Raises CheckpointError naming `path`.
    """
    letters = byte_alphabet()

    def text(token: bytes) -> str:
        return "".join([letters[byte] for byte in token])

    ids = {text(token): len(special) + rank for token, rank in ranks.items()}
    table = TokenTable.of(path, ids | {token: i for i, token in enumerate(special)})
    return Source(
        path=path,
        vocabulary=table,
        model={
            **bpe(prefix=None, suffix=None, ignore_merges=True),
            "merges": table.merge_sides(Strings.of(map(text, recover_merges(path, ranks, by_sides=True)))),
        },
        sections={
            "normalizer": None,
            "pre_tokenizer": byte_level_split(words),
            "post_processor": byte_level(prefix_space=True, trim_offsets=False),
            "decoder": BYTES,
        },
        added_tokens=special_tokens(special),
    )


def _read_ranks(name: str, raw: bytes) -> dict[bytes, int]:
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(raw.splitlines(), start=1):
        if not line:
            continue
        fields = line.split()
        try:
            token, rank = fields
            ranks[_token(token)] = _rank(rank)
        except (ValueError, binascii.Error):
            shown = line[:40].decode("utf-8", "backslashreplace")
            raise CheckpointError(
                f"{name}, line {number}: {shown!r}; expected a token in base64 and its rank"
            ) from None
    if not ranks:
        raise CheckpointError(f"{name}: empty; expected lines of tokens in base64 and their ranks")
    if len(set(ranks.values())) != len(ranks):
        raise CheckpointError(f"{name}: two tokens have the same rank")
    return ranks


def _token(text: bytes) -> bytes:
    """As tiktoken reads base64: "=" alone is the empty token, and what is no base64 is passed over.

    Raises binascii.Error for the wrong number of characters.
    """
    return base64.b64decode(text)


def _rank(digits: bytes) -> int:
    rank = int(digits)
    if not 0 <= rank <= _MAX_RANK:
        raise ValueError
    return rank


def is_tiktoken(path: str | os.PathLike[str]) -> bool:
    """Whether the file begins as a tiktoken file does."""
    with open(path, "rb") as file:
        head: Any = file.readline(4096).split()
    if len(head) != 2 or not head[1].isdigit():
        return False
    try:
        _token(head[0])
    except binascii.Error:
        return False
    return True
