"""Tokens and ids, and adding tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastplm.tokenizers.base.added_token import NAMED_TOKENS, AddedToken
from fastplm.tokenizers.methods.state import State, replace_source


def id_of(tokenizer: State, token: str) -> int | None:
    return tokenizer._engine.id_of(token)


def known_id(tokenizer: State, token: str) -> int:
    """Raises ValueError for what is no token."""
    token_id = id_of(tokenizer, token)
    if token_id is None:
        raise ValueError(f"{token!r} is no token of this tokenizer; expected one that is")
    return token_id


def ids_of(tokenizer: State, tokens: str | Sequence[str]) -> Any:
    """convert_tokens_to_ids."""
    if isinstance(tokens, str):
        token_id = id_of(tokenizer, tokens)
        if token_id is None and (unknown := tokenizer._named.get("unk_token")) is not None:
            token_id = id_of(tokenizer, unknown)
        return token_id
    return [ids_of(tokenizer, token) for token in tokens]


def tokens_of(tokenizer: State, ids: Any, skip_special_tokens: bool = False) -> Any:
    """convert_ids_to_tokens."""
    if isinstance(ids, int):
        return _token(tokenizer, ids)
    skip = set(all_special_ids(tokenizer)) if skip_special_tokens else ()
    return [_token(tokenizer, int(i)) for i in ids if int(i) not in skip]


def _token(tokenizer: State, token_id: int) -> str | None:
    if token_id < 0:
        raise ValueError(f"a token id is {token_id}; expected 0 or more")
    return tokenizer._engine.token_of(token_id) if token_id < 2**31 else None


def size(tokenizer: State) -> int:
    """With added tokens."""
    known = tokenizer._engine.vocabulary()
    return len(known) + sum(token.content not in known for token in added_by_id(tokenizer).values())


def all_ids(tokenizer: State) -> dict[str, int]:
    """Every token with its id, added ones included."""
    vocabulary = tokenizer._engine.vocabulary()
    vocabulary.update({token.content: token_id for token_id, token in added_by_id(tokenizer).items()})
    return vocabulary


def added_by_id(tokenizer: State) -> dict[int, AddedToken]:
    added = tokenizer._engine.added_tokens()
    return {token_id: AddedToken(**flags) for token_id, flags in sorted(added.items())}


def added_ids(tokenizer: State) -> dict[str, int]:
    return {token.content: token_id for token_id, token in added_by_id(tokenizer).items()}


def add_tokens(tokenizer: State, new_tokens: Any, special_tokens: bool = False) -> int:
    if not new_tokens:
        return 0
    items = new_tokens if isinstance(new_tokens, (list, tuple)) else [new_tokens]
    present = {token.content: token for token in added_by_id(tokenizer).values()}
    added = []
    for item in items:
        token = AddedToken.read(item, special=special_tokens)
        if token.content and present.get(token.content) != token:
            present[token.content] = token
            added.append(token)
    if added:
        replace_source(tokenizer, tokenizer._source.with_tokens(added), like=tokenizer._engine)
    return len(added)


def named_tokens(tokenizer: State) -> dict[str, str]:
    """special_tokens_map."""
    named = tokenizer._named
    names = [*NAMED_TOKENS, *(name for name in named if name not in NAMED_TOKENS)]
    return {name: named[name] for name in names if name in named}


def all_special_tokens(tokenizer: State) -> list[str]:
    return list(dict.fromkeys([*named_tokens(tokenizer).values(), *tokenizer._extra]))


def all_special_ids(tokenizer: State) -> list[int]:
    return [ids_of(tokenizer, token) for token in all_special_tokens(tokenizer)]
