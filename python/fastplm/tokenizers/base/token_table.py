"""Tokens and their ids in the engine's memory, and what is written in tokens: merges."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

from fastplm import _engine
from fastplm.errors import CheckpointError

MAX_ID = 2**31 - 2

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Integers = npt.NDArray[np.int32]


class Strings(NamedTuple):
    """String i is the UTF-8 bytes[begins[i]:ends[i]]; begins and ends are arrays, int64 [n]."""

    bytes: bytes
    begins: Any
    ends: Any

    @classmethod
    def of(cls, strings: Iterable[str]) -> Strings:
        """Raises UnicodeEncodeError for a lone surrogate."""
        encoded = [string.encode() for string in strings]
        offsets = array("q", accumulate(map(len, encoded), initial=0))
        return cls(b"".join(encoded), offsets[:-1], offsets[1:])


class TokenIds(NamedTuple):
    """What tokenizer.json has as {"token": id, ...}, read without an object per entry. ids: int32 [n]."""

    tokens: Strings
    ids: Any


class TokenScores(NamedTuple):
    """[["token", score], ...] in the same way: ids int32 [n], and the scores as written, commas between."""

    tokens: Strings
    ids: Any
    scores: bytes


class MergeSides(NamedTuple):
    """["left right", ...] or [["left", "right"], ...] in the same way: left and right sides in turn."""

    sides: Strings


class TokenTable(Mapping[str, int]):
    """Different tokens with their ids, in order; immutable. No Python object per token is kept.

    `path` names the file in errors.
    """

    __slots__ = ("engine", "path")

    def __init__(self, path: str, strings: Strings, ids: Any) -> None:
        """ids: an array, int32 [n]. Raises CheckpointError if a token comes twice or is no UTF-8."""
        self.path = path
        try:
            self.engine = _engine.Vocabulary(*strings, ids)
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {error}") from None

    @classmethod
    def of(cls, path: str, tokens: Mapping[str, int]) -> TokenTable:
        """Raises CheckpointError."""
        if isinstance(tokens, TokenTable):
            return tokens
        try:
            strings = Strings.of(tokens)
        except UnicodeEncodeError:
            raise CheckpointError(f"{path}: a token of the vocabulary holds a lone surrogate") from None
        return cls(path, strings, array("i", tokens.values()))

    def __getitem__(self, token: str) -> int:
        try:
            token_id = self.engine.id_of(token)
        except ValueError:  # a lone surrogate, which no token holds
            token_id = None
        if token_id is None:
            raise KeyError(token)
        return token_id

    def __len__(self) -> int:
        return len(self.engine)

    def __iter__(self) -> Iterator[str]:
        return iter(self.engine.tokens())

    def to_dict(self) -> dict[str, int]:
        return dict(zip(self.engine.tokens(), self.engine.ids().tolist(), strict=True))

    def __reduce__(self) -> Any:
        data, offsets, ids = self.engine.parts()
        return TokenTable, (self.path, Strings(data, offsets[:-1], offsets[1:]), ids)

    def merge_sides(self, sides: Strings) -> Integers:
        """The places in this table of the sides of merges, left and right in turn: int32. CheckpointError."""
        return self._named(self.engine.merge_sides, *sides)

    def merge_rules(self, sides: Integers, prefix: int) -> Integers:
        """For the engine: the ids of left, right and what they make, in turn: int32 [3 * merges].

        prefix: how many characters the right side loses. Raises CheckpointError.
        """
        return self._named(self.engine.merge_rules, sides, prefix)

    def _named(self, make: Any, *arguments: Any) -> Integers:
        try:
            result: Integers = make(*arguments)
        except CheckpointError as error:
            raise CheckpointError(f"{self.path}: {error}") from None
        return result
