"""Control tokens that a user wrote into a message: known from the template's own, and encoded as text.

They get marks before the template sees them, and lose them behind it. A template may print a mark escaped (as
Python and JSON write strings) or cut one off; what it turns into a token itself (with `upper`) is not seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fastplm.tokenizers.base.added_token import AddedToken

_START, _END = "\U000f0000", "\U000f0001"  # for private use; the same two as in transformers
_STARTS = rf"(?:{_START}|\\U000f0000|\\udb80\\udc00)"
_ENDS = rf"(?:{_END}|\\U000f0001|\\udb80\\udc01)"

Find = Callable[[str], list[tuple[int, int]]]  # places, in order, none inside another
Encode = Callable[[list[str]], list[list[int]]]


def control_tokens(
    added_tokens: Iterable[AddedToken], listed: Sequence[str] | None, literals: Iterable[str]
) -> list[AddedToken]:
    """Special tokens, and of other added ones those that are listed, or else stand in a template's texts."""
    if listed is not None:
        return [token for token in added_tokens if token.special or token.content in listed]
    written = "\0".join(literals)
    return [
        token
        for token in added_tokens
        if token.special or (token.content in written and not token.content.isspace())
    ]


class Marker:
    """Puts marks around tokens: as they are written, and where `normalized` finds them written otherwise."""

    def __init__(self, tokens: Sequence[AddedToken], normalized: Find) -> None:
        self._as_written = re.compile(_any(token.content for token in tokens))
        self._normalized = normalized if any(token.normalized for token in tokens) else None
        self.marked: set[str] = set()  # what has got marks

    def mark(self, value: Any) -> Any:
        """`value` with marks in its strings, those that are keys of dicts too."""
        if isinstance(value, str):
            bare = re.sub(f"{_STARTS}|{_ENDS}", "", value, flags=re.IGNORECASE)  # nobody else's marks
            parts, at = [], 0
            for begin, end in self._find(bare):
                parts += [bare[at:begin], _START, bare[begin:end], _END]
                self.marked.add(bare[begin:end])
                at = end
            return "".join([*parts, bare[at:]])
        if isinstance(value, dict):
            return {self.mark(key): self.mark(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.mark(item) for item in value]
        return value

    def _find(self, text: str) -> list[tuple[int, int]]:
        spans = [match.span() for match in self._as_written.finditer(text)]
        if self._normalized:
            spans = sorted([*spans, *self._normalized(text)])
        apart: list[tuple[int, int]] = []
        for begin, end in spans:
            if begin < end and (not apart or begin >= apart[-1][1]):
                apart.append((begin, end))
        return apart


def encode_marked(
    chats: Sequence[str],
    marked: Iterable[str],
    tokens: Mapping[str, int],
    encode: Encode,
    encode_plain: Encode,
) -> list[list[int]]:
    """The ids of chats, what is marked as text (`encode_plain`).

    A lone mark still parts the text on its sides, and marks a token right beside it. Raises ValueError if
    plain text makes a marked token all the same.
    """
    token = _any({*marked, *tokens})
    split = re.compile(
        f"{_STARTS}({token}){_ENDS}|{_STARTS}({token})|({token}){_ENDS}|{_STARTS}|{_ENDS}", re.IGNORECASE
    )
    rows = [_pieces(split, chat) for chat in chats]
    normal, plain = (
        _ids_of([piece for row in rows for piece, is_marked in row if is_marked == wanted], make)
        for wanted, make in ((False, encode), (True, encode_plain))
    )
    line_break = normal["\n"]
    result = []
    for row in rows:
        ids: list[int] = []
        for i, (piece, is_marked) in enumerate(row):
            known = plain if is_marked else normal
            inside = known["\n" + piece]  # behind a line break nothing puts a space before it
            follows = i > 0 and inside[: len(line_break)] == line_break
            more = inside[len(line_break) :] if follows else known[piece]
            if is_marked and tokens.get(piece) in more:
                raise ValueError(f"sanitize_control_tokens: plain text makes the token {piece!r} too")
            ids += more
        result.append(ids)
    return result


def _ids_of(pieces: list[str], encode: Encode) -> dict[str, list[int]]:
    """Of each piece, alone and behind a line break, and of that."""
    texts = list({"\n", *pieces, *("\n" + piece for piece in pieces)})
    return dict(zip(texts, encode(texts), strict=True))


def _any(tokens: Iterable[str]) -> str:
    return "|".join(map(re.escape, sorted(tokens, key=len, reverse=True))) or "(?!)"


def _pieces(split: re.Pattern[str], chat: str) -> list[tuple[str, bool]]:
    """The parts of a chat, and whether they were marked. The first is not, and may be empty."""
    pieces, at = [], 0
    for match in split.finditer(chat):
        pieces.append((chat[at : match.start()], False))
        pieces.append((next((group for group in match.groups() if group is not None), ""), True))
        at = match.end()
    pieces.append((chat[at:], False))
    return [pieces[0], *(piece for piece in pieces[1:] if piece[0])]
