"""Control tokens that a user wrote into a message: known from the template's own, and encoded as text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from fastplm.tokenizers.added_token import AddedToken

# Characters for private use around such a token, from here to the ids; the same two as in transformers.
_START, _END = "\U000f0000", "\U000f0001"

Encode = Callable[[str], list[int]]


def control_tokens(
    added_tokens: Iterable[AddedToken], listed: Sequence[str] | None, literals: Iterable[str]
) -> list[str]:
    """Special tokens, and of other added ones those that are listed, or else stand in a template's texts."""
    if listed is not None:
        return [token.content for token in added_tokens if token.special or token.content in listed]
    written = "\0".join(literals)
    return [
        token.content
        for token in added_tokens
        if token.special or (token.content in written and not token.content.isspace())
    ]


def pattern_of(tokens: Iterable[str]) -> str:
    """A regex for any of the tokens, longer ones first."""
    return "|".join(map(re.escape, sorted(tokens, key=len, reverse=True))) or "(?!)"


def mark(value: Any, pattern: str) -> Any:
    """`value` with marks around what matches in its strings; keys of dicts stay as they are."""
    if isinstance(value, str):
        bare = value.replace(_START, "").replace(_END, "")  # nobody else's marks
        return re.sub(pattern, f"{_START}\\g<0>{_END}", bare)
    if isinstance(value, dict):
        return {key: mark(item, pattern) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [mark(item, pattern) for item in value]
    return value


def encode_marked(chat: str, added_tokens: dict[str, int], encode: Encode, encode_plain: Encode) -> list[int]:
    """The ids of a chat, marked tokens as text (`encode_plain`).

    A mark that a template has left alone still parts the text on its sides. Raises ValueError if plain text
    makes the token all the same.
    """
    pieces = re.split(f"{_START}({pattern_of(added_tokens)}){_END}|[{_START}{_END}]", chat)
    first, *rest = pieces
    ids = encode(first)
    line_break = encode("\n")
    for i, piece in enumerate(rest, 1):
        if not piece:
            continue
        marked = i % 2 == 1
        more = _inside(piece, encode_plain if marked else encode, line_break)
        if marked and added_tokens[piece] in more:
            raise ValueError(f"sanitize_control_tokens: plain text makes the token {piece!r} too")
        ids += more
    return ids


def _inside(piece: str, encode: Encode, line_break: list[int]) -> list[int]:
    """The ids of a piece that does not begin a text: no space is put before it."""
    ids = encode("\n" + piece)
    return ids[len(line_break) :] if ids[: len(line_break)] == line_break else encode(piece)
