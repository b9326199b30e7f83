"""What a tokenizer returns: BatchEncoding, a dict of model inputs."""

from __future__ import annotations

import warnings
from collections import UserDict
from collections.abc import Callable
from typing import Any, NamedTuple

from fastplm.tokenizers.result.encoding import Encoding


class CharSpan(NamedTuple):
    """Characters start to end (excluded) of the original text."""

    start: int
    end: int


class TokenSpan(NamedTuple):
    """Tokens start to end (excluded) of a row."""

    start: int
    end: int


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
