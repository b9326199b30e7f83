"""tekken.json, the vocabulary of Mistral's models: tokens with ranks, as tiktoken files have, and more."""

import base64
import binascii
import os
from typing import Any

from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.jsonfile import read_json
from fastplm.tokenizers.base.source import Source
from fastplm.tokenizers.files.tiktoken import ranked

TEKKEN = "tekken.json"
NAMES = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
_MAX_SPECIAL = 1 << 16  # the files of Mistral's models reserve 1,000
_KINDS: dict[Any, str] = {dict: "an object", list: "a list", str: "a string"}


def is_tekken(name: str) -> bool:
    """Whether a file called so is taken for one, tekken_240911.json too."""
    return "tekken" in name and name.endswith(".json")


def read_tekken(path: str | os.PathLike[str]) -> Source:
    """The tokenizer that transformers makes of a tekken.json file.

    Special tokens have the first ids, in the order of their ranks, and <SPECIAL_i> where the file reserves
    more than it names; then come the tokens of the vocabulary in their order, up to the size that
    config.default_vocab_size allows. Raises FileNotFoundError, CheckpointError naming the file and what is
    wrong in it, UnsupportedError for the oldest files, which do not list their special tokens.
    """
    name = os.fspath(path)
    value = read_json(path, unique_keys=False)
    config = _member(name, value, "config", dict)
    special = _special_tokens(name, value, config)
    tokens = _member(name, value, "vocab", list)
    size = config.get("default_vocab_size")
    if size is not None:
        if type(size) is not int or size < len(special):
            raise CheckpointError(
                f"{name}: config.default_vocab_size is {size!r}; expected at least "
                f"{len(special)}, the special tokens"
            )
        tokens = tokens[: size - len(special)]
    ranks: dict[bytes, int] = {}
    for rank, entry in enumerate(tokens):
        token = _bytes(name, rank, entry)
        if token in ranks:
            raise CheckpointError(f"{name}: vocab[{rank}] is the token of vocab[{ranks[token]}]")
        ranks[token] = rank
    return ranked(name, ranks, _member(name, config, "pattern", str), special)


def _special_tokens(name: str, value: Any, config: dict[str, Any]) -> list[str]:
    if value.get("special_tokens") is None:
        raise UnsupportedError(
            f"{name}: no special_tokens, as in the oldest files of this kind; expected one that lists them"
        )
    entries = _member(name, value, "special_tokens", list)
    by_rank = {_rank(name, i, entry): entry["token_str"] for i, entry in enumerate(entries)}
    if sorted(by_rank) != list(range(len(entries))):
        raise CheckpointError(
            f"{name}: the ranks of special_tokens are {sorted(by_rank)[:20]}; expected 0, 1, 2, ..."
        )
    special = [by_rank[rank] for rank in range(len(entries))]
    count = config.get("default_num_special_tokens")
    if count is not None:
        if type(count) is not int or not len(special) <= count <= _MAX_SPECIAL:
            raise CheckpointError(
                f"{name}: config.default_num_special_tokens is {count!r}; expected {len(special)} to "
                f"{_MAX_SPECIAL}"
            )
        special += [f"<SPECIAL_{i}>" for i in range(len(special), count)]
    if len(set(special)) != len(special):
        raise CheckpointError(f"{name}: two special tokens are the same; expected different ones")
    return special


def _rank(name: str, i: int, entry: Any) -> int:
    if (
        not isinstance(entry, dict)
        or type(entry.get("rank")) is not int
        or not isinstance(entry.get("token_str"), str)
    ):
        raise CheckpointError(
            f"{name}: special_tokens[{i}] is {str(entry)[:60]}; expected its rank and token_str"
        )
    rank: int = entry["rank"]
    return rank


def _bytes(name: str, rank: int, entry: Any) -> bytes:
    text = entry.get("token_bytes") if isinstance(entry, dict) else None
    try:
        token = base64.b64decode(text or "", validate=True)
    except (TypeError, ValueError, binascii.Error):
        token = b""
    if not token:
        raise CheckpointError(f"{name}: vocab[{rank}] is {str(entry)[:60]}; expected token_bytes in base64")
    return token


def _member(name: str, value: Any, key: str, kind: type) -> Any:
    member = value.get(key) if isinstance(value, dict) else None
    if not isinstance(member, kind):
        raise CheckpointError(f"{name}: {key} is {str(member)[:60]}; expected {_KINDS[kind]}")
    return member
