"""Ids to text."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from operator import index
from typing import Any

from fastplm import _engine
from fastplm.tokenizers.methods.state import State

_MAX_ID = 2**32 - 1  # as `tokenizers` takes them


def decode(tokenizer: State, token_ids: Any, skip_special_tokens: bool, clean: bool | None) -> Any:
    """A text, or a list of texts for several rows. clean: None: as the tokenizer's setting says."""
    ids: Any = [token_ids] if isinstance(token_ids, int) else token_ids
    if not isinstance(ids, list):
        ids = _list(ids)
    if ids and _is_row(ids[0]):
        return [_decode_row(tokenizer, _row(row), skip_special_tokens, clean) for row in ids]
    return _decode_row(tokenizer, ids, skip_special_tokens, clean)


def _decode_row(tokenizer: State, ids: list[Any], skip_special_tokens: bool, clean: bool | None) -> str:
    try:
        row = array("I", ids).tolist()
    except TypeError:
        wrong = next(item for item in ids if not _is_integer(item))
        raise TypeError(f"token_ids has {_shown(wrong)}; expected integers, or rows of them") from None
    except OverflowError:
        wrong = next(item for item in map(index, ids) if not 0 <= item <= _MAX_ID)
        raise ValueError(f"token_ids has {wrong}; expected ids from 0 to {_MAX_ID}") from None
    text = tokenizer._engine.decode(row, skip_special_tokens)
    if tokenizer._word_end:
        text = text.replace(tokenizer._word_end, " ").strip()
    if clean is None:
        clean = tokenizer.clean_up_tokenization_spaces
    # Of a BPE model it would take spaces that the text had, so that needs a word more.
    if clean and (
        tokenizer._source.model["type"] != "BPE"
        or tokenizer.clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output
    ):
        text = clean_up(text)
    return text


def decode_batch(
    tokenizer: State, sequences: Any, skip_special_tokens: bool, clean: bool | None
) -> list[str]:
    """A text for each row; ids that are no rows are one."""
    if not isinstance(sequences, list):
        if isinstance(sequences, int) or getattr(sequences, "ndim", 1) == 0:
            raise TypeError(f"sequences is {_shown(sequences)}; expected rows of ids")
        sequences = _list(sequences)
    if not sequences:
        return []
    texts = decode(tokenizer, sequences, skip_special_tokens, clean)
    return [texts] if isinstance(texts, str) else texts


def decode_steps(tokenizer: State, skip_special_tokens: bool) -> Callable[[int], str | None]:
    stream = _engine.DecodeStream(skip_special_tokens)
    return lambda token_id: stream.step(tokenizer._engine, _id(token_id))


def decode_stream(tokenizer: State, token_ids: Iterable[int], skip_special_tokens: bool) -> Iterator[str]:
    step = decode_steps(tokenizer, skip_special_tokens)
    for token_id in token_ids:
        if (text := step(token_id)) is not None:
            yield text


def clean_up(text: str) -> str:
    """Takes out the spaces that decoding puts before punctuation and English contractions."""
    for end in (".", "?", "!", ","):
        text = text.replace(" " + end, end)
    text = text.replace(" ' ", "'")
    for end in ("n't", "'m", "'s", "'ve", "'re"):
        text = text.replace(" " + end, end)
    return text


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
