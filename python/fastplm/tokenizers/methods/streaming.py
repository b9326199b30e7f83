"""Texts that do not fit into memory: batch by batch from an iterable or a file."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Sized
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING, Any

from fastplm.progress import Advance, progress
from fastplm.tokenizers.methods.calling import encode_packed
from fastplm.tokenizers.methods.state import State

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_MAX_CHARACTERS = 16 << 20  # of a batch; a text that is longer is a batch of its own

_Sized = tuple[str, int]  # a text, and what it counts on the progress bar


def encode_stream(
    tokenizer: State,
    source: Iterable[str] | str | os.PathLike[str] | IO[str] | IO[bytes],
    *,
    batch_size: int,
    add_special_tokens: bool,
    truncation: bool | str,
    max_length: int | None,
    return_token_type_ids: bool,
    errors: str,
    show_progress_bar: bool | None,
) -> Iterator[tuple[npt.NDArray[np.int32], ...]]:
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; expected 1 or more")
    if errors not in ("strict", "replace", "ignore"):
        raise ValueError(f'errors is {errors!r}; expected "strict", "replace" or "ignore"')
    opened = open(source, "rb") if isinstance(source, (str, os.PathLike)) else None  # noqa: SIM115 - by _stream
    options = (add_special_tokens, truncation, max_length, return_token_type_ids)
    return _stream(tokenizer, opened, source, batch_size, errors, show_progress_bar, options)


def _stream(
    tokenizer: State,
    opened: IO[bytes] | None,
    source: Any,
    batch_size: int,
    errors: str,
    show: bool | None,
    options: tuple[Any, ...],
) -> Iterator[tuple[npt.NDArray[np.int32], ...]]:
    with ExitStack() as stack:
        if opened is not None:
            stack.enter_context(opened)
        file: Any = source if opened is None else opened
        if hasattr(file, "read"):
            total, unit, texts = _file_size(file), "B", _lines(file, errors)
        else:
            total = len(file) if isinstance(file, Sized) else None
            unit, texts = "text", ((text, 1) for text in file)
        advance = stack.enter_context(progress(total, unit, show))
        for batch in _batches(texts, batch_size, advance):
            yield encode_packed(tokenizer, batch, None, *options)


def _batches(texts: Iterable[_Sized], batch_size: int, advance: Advance) -> Iterator[list[str]]:
    """A batch counts as done when the next one is asked for."""
    batch: list[str] = []
    characters = done = 0
    for text, size in texts:
        length = len(text) if isinstance(text, str) else 0
        if batch and (len(batch) == batch_size or characters + length > _MAX_CHARACTERS):
            yield batch
            advance(done)
            batch, characters, done = [], 0, 0
        batch.append(text)
        characters += length
        done += size
    if batch:
        yield batch
        advance(done)


def _lines(file: Any, errors: str) -> Iterator[_Sized]:
    name = getattr(file, "name", "the file")
    for number, line in enumerate(file, start=1):
        text: Any = line.decode("utf-8", errors) if isinstance(line, bytes) and errors != "strict" else line
        if isinstance(text, bytes):
            try:
                text = text.decode("utf-8")
            except UnicodeDecodeError as error:
                raise ValueError(
                    f"{name}, line {number}: {error.reason} at byte {error.start}; expected UTF-8"
                ) from None
        yield text.removesuffix("\n").removesuffix("\r"), len(line)


def _file_size(file: Any) -> int | None:
    """In bytes; None for what has none, as a pipe, or counts otherwise, as text does."""
    if isinstance(file, io.TextIOBase):
        return None
    try:
        return os.fstat(file.fileno()).st_size or None
    except (AttributeError, OSError):
        return None
