"""The words of files and iterators, counted chunk by chunk."""

import os
from collections.abc import Iterable, Iterator, Sequence, Sized
from pathlib import Path
from typing import IO, Any

from fastplm import _engine
from fastplm.errors import CheckpointError
from fastplm.progress import progress

_CHUNK = 1 << 20  # bytes of a file, or characters of texts, that are in memory at a time
_TEXT = 64  # characters that a text counts for, however short


def count_files(
    counter: _engine.WordCounter, files: Sequence[str | os.PathLike[str]], show: bool | None
) -> None:
    """Every line is a text, its line feed included.

    Raises FileNotFoundError and other OSErrors, TypeError, and ValueError for a line that is not UTF-8,
    named.
    """
    if isinstance(files, (str, bytes, os.PathLike)):
        raise TypeError(f"files is {files!r}; expected a list of paths")
    paths = [Path(file) for file in files]
    total = sum(path.stat().st_size for path in paths)
    with progress(total or None, "B", show) as advance:
        for path in paths:
            lines = 0
            with path.open("rb") as file:
                for chunk in _whole_lines(file):
                    if not counter.add_lines(chunk):
                        raise _not_utf8(path, chunk, lines)
                    lines += chunk.count(b"\n")
                    advance(len(chunk))


def _whole_lines(file: IO[bytes]) -> Iterator[bytes]:
    """The file in pieces that end where a line ends."""
    begun: list[bytes] = []  # parts of one line
    while chunk := file.read(_CHUNK):
        end = chunk.rfind(b"\n") + 1
        if end:
            yield b"".join([*begun, chunk[:end]])
            begun = []
        begun.append(chunk[end:])
    if rest := b"".join(begun):
        yield rest


def _not_utf8(path: Path, chunk: bytes, lines: int) -> ValueError:
    try:
        chunk.decode("utf-8")
    except UnicodeDecodeError as error:
        line = chunk.count(b"\n", 0, error.start)
        at = error.start - (chunk.rfind(b"\n", 0, error.start) + 1)
        return ValueError(f"{path}, line {lines + line + 1}: {error.reason} at byte {at}; expected UTF-8")
    raise AssertionError


def count_texts(
    counter: _engine.WordCounter, texts: Iterable[Any], length: int | None, show: bool | None
) -> None:
    """Every item is a text, or a list of texts. length: how many items there are, for the progress bar.

    Raises TypeError for an item that is neither, ValueError for a lone surrogate.
    """
    if length is None and isinstance(texts, Sized):
        length = len(texts)
    batch: list[str] = []
    size = items = 0
    with progress(length, "text", show) as advance:
        for item in texts:
            for text in (item,) if isinstance(item, str) else _texts_of(item):
                batch.append(text)
                size += _TEXT + len(text)
            items += 1
            if size >= _CHUNK:
                counter.add(batch)
                advance(items)
                batch, size, items = [], 0, 0
        counter.add(batch)
        advance(items)


def _texts_of(item: Any) -> Iterable[str]:
    if isinstance(item, (bytes, dict)) or not isinstance(item, Iterable):
        raise TypeError(f"the corpus holds a {type(item).__name__}; expected str, or lists of str")
    for text in item:
        if not isinstance(text, str):
            raise TypeError(
                f"the corpus holds a list with a {type(text).__name__}; expected str, or lists of str"
            )
        yield text


def words_of(counter: _engine.WordCounter) -> _engine.WordCounts:
    """What was counted. Raises ValueError if that is nothing."""
    words = counter.take()
    if words.size == 0:
        raise ValueError("the corpus is empty: nothing in it is a word; expected text")
    return words


def new_counter(path: str, sections: dict[str, Any]) -> _engine.WordCounter:
    """A counter of the words that a tokenizer with these sections finds; `path` names it in errors."""
    try:
        return _engine.WordCounter({name: sections[name] for name in ("normalizer", "pre_tokenizer")})
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
