"""All that may be asked of one row of a BatchEncoding, and the rows of a call that answer it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from fastplm import _engine


class RowPadding(NamedTuple):
    """How rows are padded, as the engine takes it."""

    length: int  # 0: not at all
    left: bool
    token_id: int
    type_id: int


NO_PADDING = RowPadding(0, False, 0, 0)


class Rows:
    """The rows of one call: the engine's batch, how it is padded, and how to get words and offsets.

    Most callers never ask for words and offsets, so a call that was not told to return them leaves them out;
    `realign` encodes the same texts again when they are wanted after all.
    """

    def __init__(
        self,
        engine: _engine.Tokenizer,
        batch: _engine.Batch,
        realign: Callable[[], _engine.Batch] | None,
        padding: RowPadding,
        pad_token: str,
        n_sequences: int,
        overflow: bool,
    ) -> None:
        self.names: _engine.Tokenizer | dict[int, str | None] = engine
        self.batch = batch
        self.realign = realign
        self.padding = padding
        self.pad_token = pad_token
        self.n_sequences = n_sequences
        self.overflow = overflow

    def token_of(self, token_id: int) -> str | None:
        return self.names[token_id] if isinstance(self.names, dict) else self.names.token_of(token_id)

    def __getstate__(self) -> dict[str, Any]:
        """With the names of the tokens that there are in place of the engine."""
        batch = self.aligned()
        ids = {self.padding.token_id}.union(*batch.lists("input_ids", *NO_PADDING))
        return {**self.__dict__, "names": {token_id: self.token_of(token_id) for token_id in ids}}

    def __deepcopy__(self, _: Any) -> Rows:
        return self  # nothing in it changes

    def aligned(self) -> _engine.Batch:
        if self.realign is not None:
            self.batch, self.realign = self.realign(), None
        return self.batch

    def field(self, name: str, row: int) -> list[Any]:
        batch = self.aligned() if name in ("offset_mapping", "word_ids") else self.batch
        return batch.row(row, name, *self.padding)

    def written(self, row: int) -> dict[int, str]:
        """By place in the padded row, the tokens that may not be written as the vocabulary names them."""
        batch = self.aligned()
        count = batch.lengths()[row]
        missing = max(self.padding.length - count, 0)
        first, padded = (missing, 0) if self.padding.left else (0, count)
        written = {first + place: token for place, token in batch.written(row).items()}
        return written | dict.fromkeys(range(padded, padded + missing), self.pad_token)

    def __call__(self) -> list[Encoding]:
        """An Encoding per row; with overflow the first of a sample holds its overflowing ones."""
        encodings = [Encoding(self, row, []) for row in range(self.batch.rows)]
        if self.overflow:
            samples = self.batch.samples()
            first = 0
            for row in range(1, len(samples)):
                if samples[row] == samples[first]:
                    encodings[first].overflowing.append(encodings[row])
                else:
                    first = row
        return encodings


def _none_if_negative(values: list[int]) -> list[int | None]:
    return [value if value >= 0 else None for value in values]


class Encoding:
    """One row, with the attributes of tokenizers.Encoding. Lists are as long as the padded row."""

    def __init__(self, rows: Rows, row: int, overflowing: list[Encoding]) -> None:
        self._rows = rows
        self._row = row
        self._fields: dict[str, list[Any]] = {}
        self.overflowing = overflowing

    def _field(self, name: str) -> list[Any]:
        if name not in self._fields:
            self._fields[name] = self._tokens() if name == "tokens" else self._rows.field(name, self._row)
        return self._fields[name]

    def _tokens(self) -> list[str]:
        tokens = cast("list[str]", [self._rows.token_of(token_id) for token_id in self.ids])
        for place, written in self._rows.written(self._row).items():
            tokens[place] = written
        return tokens

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_fields": {}}

    def __deepcopy__(self, _: Any) -> Encoding:
        return self  # nothing in it changes

    @property
    def n_sequences(self) -> int:
        return self._rows.n_sequences

    @property
    def ids(self) -> list[int]:
        return self._field("input_ids")

    @property
    def type_ids(self) -> list[int]:
        return self._field("token_type_ids")

    @property
    def attention_mask(self) -> list[int]:
        return self._field("attention_mask")

    @property
    def special_tokens_mask(self) -> list[int]:
        return self._field("special_tokens_mask")

    @property
    def offsets(self) -> list[tuple[int, int]]:
        """Per token, the characters of its text (of its word, if the text came as words)."""
        return self._field("offset_mapping")

    @property
    def word_ids(self) -> list[int | None]:
        return _none_if_negative(self._field("word_ids"))

    words = word_ids

    @property
    def sequence_ids(self) -> list[int | None]:
        return _none_if_negative(self._field("sequence_ids"))

    @property
    def tokens(self) -> list[str]:
        """What the vocabulary calls every token.

        Added tokens show the white space that they strip, and Unigram's unknown ones their text.
        """
        return self._field("tokens")

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Encoding(num_tokens={len(self)}, n_sequences={self.n_sequences})"

    def token_to_sequence(self, token_index: int) -> int | None:
        sequences = self._field("sequence_ids")
        if not 0 <= token_index < len(sequences) or sequences[token_index] < 0:
            return None
        return cast(int, sequences[token_index])

    def token_to_word(self, token_index: int) -> int | None:
        if self.token_to_sequence(token_index) is None:
            return None
        return self.word_ids[token_index]

    def token_to_chars(self, token_index: int) -> tuple[int, int] | None:
        return None if self.token_to_sequence(token_index) is None else self.offsets[token_index]

    def word_to_tokens(self, word_index: int, sequence_index: int = 0) -> tuple[int, int] | None:
        if word_index < 0:
            return None
        words, sequences = self._field("word_ids"), self._field("sequence_ids")
        at = [
            i
            for i, (w, s) in enumerate(zip(words, sequences, strict=True))
            if (w, s) == (word_index, sequence_index)
        ]
        return (at[0], at[-1] + 1) if at else None

    def word_to_chars(self, word_index: int, sequence_index: int = 0) -> tuple[int, int] | None:
        tokens = self.word_to_tokens(word_index, sequence_index)
        return None if tokens is None else (self.offsets[tokens[0]][0], self.offsets[tokens[1] - 1][1])

    def char_to_token(self, char_pos: int, sequence_index: int = 0) -> int | None:
        for i, (sequence, (start, end)) in enumerate(
            zip(self._field("sequence_ids"), self.offsets, strict=True)
        ):
            if sequence == sequence_index and start <= char_pos < end:
                return i
        return None

    def char_to_word(self, char_pos: int, sequence_index: int = 0) -> int | None:
        token = self.char_to_token(char_pos, sequence_index)
        return None if token is None else self.token_to_word(token)
