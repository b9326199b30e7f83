"""What a tokenizer returns: BatchEncoding, a dict of model inputs, and its Encodings, one per row."""

from __future__ import annotations

import warnings
from collections import UserDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from fastplm import _engine


class CharSpan(NamedTuple):
    """Characters start to end (excluded) of the original text."""

    start: int
    end: int


class TokenSpan(NamedTuple):
    """Tokens start to end (excluded) of a row."""

    start: int
    end: int


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


def _tensor(value: Any, name: str) -> Any:
    import numpy as np

    if name == "pt":
        import torch

        if torch.is_tensor(value):
            return value
    array = np.asarray(value)  # refuses rows of different lengths, where torch would drop what is too long
    if array.size == 0 and array is not value:
        array = array.astype(np.int64)
    if name == "np":
        return array
    tensor = torch.from_numpy(array)
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    # Python's own floats get torch's precision.
    is_python = tensor.dtype == torch.float64 and not hasattr(value, "dtype")
    return tensor.to(torch.get_default_dtype()) if is_python else tensor


class BatchEncoding(UserDict[Any, Any]):
    """A dict of model inputs; its entries are attributes too. A number as index gives that row's Encoding."""

    def __init__(
        self,
        data: dict[str, Any] | None = None,
        encoding: Encoding | list[Encoding] | Callable[[], list[Encoding]] | None = None,
        tensor_type: Any = None,
        prepend_batch_axis: bool = False,
        n_sequences: int | None = None,
    ) -> None:
        """encoding: of each row, or what makes them, for few callers look at them. tensor_type and
        prepend_batch_axis: as in convert_to_tensors.
        """
        self.data = {} if data is None else dict(data)
        self._encodings = [encoding] if isinstance(encoding, Encoding) else encoding
        self._n_sequences = n_sequences
        if tensor_type is not None:
            self.convert_to_tensors(tensor_type, prepend_batch_axis)

    @property
    def encodings(self) -> list[Encoding] | None:
        if callable(self._encodings):
            self._encodings = self._encodings()
        return self._encodings

    @property
    def is_fast(self) -> bool:
        return self._encodings is not None

    @property
    def n_sequences(self) -> int | None:
        return self._n_sequences

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, str):
            return self.data[item]
        if (encodings := self.encodings) is not None:
            return encodings[item]
        if isinstance(item, slice):
            return {key: value[item] for key, value in self.data.items()}
        raise KeyError(f"{item!r}; expected the name of an entry, or a slice")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "data" or name not in self.data:
            raise AttributeError(f"BatchEncoding has no attribute or entry {name!r}")
        return self.data[name]

    def _encoding(self, batch_index: int) -> Encoding:
        if (encodings := self.encodings) is None:
            raise ValueError(
                "this BatchEncoding has no encodings; expected one that came from a tokenizer's call"
            )
        return encodings[batch_index]

    def tokens(self, batch_index: int = 0) -> list[str]:
        return self._encoding(batch_index).tokens

    def word_ids(self, batch_index: int = 0) -> list[int | None]:
        return self._encoding(batch_index).word_ids

    def sequence_ids(self, batch_index: int = 0) -> list[int | None]:
        return self._encoding(batch_index).sequence_ids

    def _at(self, batch_or_index: int, index: int | None) -> tuple[Encoding, int]:
        """With one index, of row 0; a negative row or token counts from the end."""
        row, index = (0, batch_or_index) if index is None else (batch_or_index, index)
        return self._encoding(row), index

    def _at_token(self, batch_or_token_index: int, token_index: int | None) -> tuple[Encoding, int]:
        encoding, index = self._at(batch_or_token_index, token_index)
        return encoding, index + len(encoding) if index < 0 else index

    def token_to_sequence(self, batch_or_token_index: int, token_index: int | None = None) -> int | None:
        encoding, token = self._at_token(batch_or_token_index, token_index)
        return encoding.token_to_sequence(token)

    def token_to_word(self, batch_or_token_index: int, token_index: int | None = None) -> int | None:
        encoding, token = self._at_token(batch_or_token_index, token_index)
        return encoding.token_to_word(token)

    def token_to_chars(self, batch_or_token_index: int, token_index: int | None = None) -> CharSpan | None:
        encoding, token = self._at_token(batch_or_token_index, token_index)
        span = encoding.token_to_chars(token)
        return None if span is None else CharSpan(*span)

    def word_to_tokens(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> TokenSpan | None:
        encoding, word = self._at(batch_or_word_index, word_index)
        span = encoding.word_to_tokens(word, sequence_index)
        return None if span is None else TokenSpan(*span)

    def word_to_chars(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> CharSpan | None:
        encoding, word = self._at(batch_or_word_index, word_index)
        span = encoding.word_to_chars(word, sequence_index)
        return None if span is None else CharSpan(*span)

    def char_to_token(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        encoding, character = self._at(batch_or_char_index, char_index)
        return encoding.char_to_token(character, sequence_index)

    def char_to_word(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        encoding, character = self._at(batch_or_char_index, char_index)
        return encoding.char_to_word(character, sequence_index)

    def convert_to_tensors(self, tensor_type: Any = None, prepend_batch_axis: bool = False) -> BatchEncoding:
        """Makes every entry a numpy array ("np") or a torch tensor ("pt"), in place; None leaves them.

        prepend_batch_axis: each entry is one row, and becomes a batch of one.
        Raises ValueError if an entry's rows are not equally long; ModuleNotFoundError for "pt" without torch.
        """
        if tensor_type is None:
            return self
        name = getattr(tensor_type, "value", tensor_type)
        if name not in ("np", "pt"):
            raise ValueError(f'tensor_type is {tensor_type!r}; expected None, "np" or "pt"')
        for key, value in self.data.items():
            try:
                self.data[key] = _tensor([value] if prepend_batch_axis else value, name)
            except (ValueError, TypeError) as error:
                raise ValueError(
                    f"{key} cannot be made a tensor ({error}); expected rows of equal lengths: padding=True, "
                    "and truncation=True if they may be long"
                ) from None
        return self

    def to(self, device: Any, *, non_blocking: bool = False) -> BatchEncoding:
        """Moves the torch tensors among the entries to a device, in place. A dtype changes nothing."""
        if type(device).__name__ == "dtype":
            warnings.warn(f"a BatchEncoding is not cast to {device}", stacklevel=2)
            return self
        for key, value in self.data.items():
            if hasattr(value, "to"):
                self.data[key] = value.to(device=device, non_blocking=non_blocking)
        return self
