"""Ids to text."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from operator import index
from typing import Any

from fastplm import _engine
from fastplm.settings import warn_of_unknown
from fastplm.tokenizers.core import Core

_MAX_ID = 2**32 - 1  # as `tokenizers` takes them


class Decoding(Core):
    """decode and its relatives."""

    def decode(
        self,
        token_ids: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **others: Any,
    ) -> Any:
        """The text of ids: an int, a list, an array or a tensor; of several lists a list of texts.

        Ids that no token has are left out. Raises TypeError for what is no integer, ValueError for an integer
        that cannot be an id: less than 0, or 2**32 and more.
        """
        warn_of_unknown("decode", "decode", others, ())
        ids: Any = [token_ids] if isinstance(token_ids, int) else token_ids
        if not isinstance(ids, list):
            ids = _list(ids)
        if ids and _is_row(ids[0]):
            return [self._decode(_row(row), skip_special_tokens, clean_up_tokenization_spaces) for row in ids]
        return self._decode(ids, skip_special_tokens, clean_up_tokenization_spaces)

    def _decode(self, ids: list[Any], skip_special_tokens: bool, clean: bool | None) -> str:
        """The text of one row."""
        try:
            row = array("I", ids).tolist()
        except TypeError:
            wrong = next(item for item in ids if not _is_integer(item))
            raise TypeError(f"token_ids has {_shown(wrong)}; expected integers, or rows of them") from None
        except OverflowError:
            wrong = next(item for item in map(index, ids) if not 0 <= item <= _MAX_ID)
            raise ValueError(f"token_ids has {wrong}; expected ids from 0 to {_MAX_ID}") from None
        text = self._engine.decode(row, skip_special_tokens)
        if self._word_end:
            text = text.replace(self._word_end, " ").strip()
        if clean is None:
            clean = self.clean_up_tokenization_spaces
        # Of a BPE model it would take spaces that the text had, so that needs a word more.
        if clean and (
            self._source.model["type"] != "BPE"
            or self.clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output
        ):
            text = self.clean_up_tokenization(text)
        return text

    def batch_decode(
        self,
        sequences: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **others: Any,
    ) -> list[str]:
        """decode() of each row; of ids that are one row a list of one text, of no rows an empty list.

        Raises as decode(), and TypeError for an int.
        """
        warn_of_unknown("batch_decode", "decode", others, ())
        if not isinstance(sequences, list):
            if isinstance(sequences, int) or getattr(sequences, "ndim", 1) == 0:
                raise TypeError(f"sequences is {_shown(sequences)}; expected rows of ids")
            sequences = _list(sequences)
        if not sequences:
            return []
        texts = self.decode(sequences, skip_special_tokens, clean_up_tokenization_spaces)
        return [texts] if isinstance(texts, str) else texts

    def decode_stream(self, token_ids: Iterable[int], skip_special_tokens: bool = False) -> Iterator[str]:
        """The text of ids that come one at a time, each part as soon as it is whole characters.

        Raises ValueError where an id changes text that was given already, as with a CTC decoder; TypeError
        and ValueError for what is no id.
        """
        stream = _engine.DecodeStream(skip_special_tokens)
        for token_id in token_ids:
            if (text := stream.step(self._engine, _id(token_id))) is not None:
                yield text

    @staticmethod
    def clean_up_tokenization(text: str) -> str:
        """Takes out the spaces that decoding puts before punctuation and English contractions."""
        for end in (".", "?", "!", ","):
            text = text.replace(" " + end, end)
        text = text.replace(" ' ", "'")
        for end in ("n't", "'m", "'s", "'ve", "'re"):
            text = text.replace(" " + end, end)
        return text

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        return self._engine.join(list(tokens))


def _list(token_ids: Any) -> list[Any]:
    ids = token_ids["input_ids"] if isinstance(token_ids, Mapping) else token_ids
    if hasattr(ids, "tolist"):
        ids = ids.tolist()
    if isinstance(ids, int):
        return [ids]
    if isinstance(ids, (str, bytes, Set)) or not isinstance(ids, Iterable):
        raise TypeError(f"token_ids is {_shown(ids)}; expected ids in a row")
    return list(ids)


def _is_row(item: Any) -> bool:
    return isinstance(item, (list, tuple)) or bool(getattr(item, "ndim", 0))


def _is_integer(item: Any) -> bool:
    try:
        index(item)
    except TypeError:
        return False
    return True


def _row(row: Any) -> list[Any]:
    return row if isinstance(row, list) else _list(row)


def _id(token_id: Any) -> int:
    value = index(token_id)
    if not 0 <= value <= _MAX_ID:
        raise ValueError(f"a token id is {value}; expected one from 0 to {_MAX_ID}")
    return value


def _shown(value: Any) -> str:
    return f"the {type(value).__name__} {repr(value)[:40]}"
