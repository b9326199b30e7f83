"""JSON files from strangers, read strictly.

What is refused: anything but UTF-8 without a byte order mark, more bytes or deeper nesting than the caller
allows, an object that names a key twice (readers disagree about which one counts), lone surrogates.
What is accepted beyond RFC 8259: the literals NaN, Infinity and -Infinity, which transformers writes and
Python's json reads. The checks on each setting refuse them wherever a number must be finite.
"""

import json
import os
import re
import stat
from pathlib import Path
from typing import Any

from fastplm.errors import CheckpointError

MAX_BYTES = 64 << 20
MAX_DEPTH = 64

_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_STRING = re.compile(rb'"[^"]*"')
_NOT_MARKS = bytes(set(range(256)) - set(b'"[]{}'))


def read_json(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES, unique_keys: bool = True) -> Any:
    """The value in the file at `path`.

    unique_keys=False lets the last of two equal keys win, as most JSON readers do.
    Raises FileNotFoundError, or CheckpointError naming the file.
    """
    return parse_json(read_bytes(path, max_bytes), os.fspath(path), unique_keys=unique_keys)


def read_bytes(path: str | os.PathLike[str], max_bytes: int) -> bytes:
    """The bytes of a regular file of at most `max_bytes`. Raises FileNotFoundError, CheckpointError."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise CheckpointError(f"{os.fspath(path)}: not a regular file")
    if status.st_size > max_bytes:
        raise CheckpointError(f"{os.fspath(path)}: {status.st_size} bytes; expected at most {max_bytes}")
    return Path(path).read_bytes()


def parse_json(raw: bytes, name: str, *, unique_keys: bool = True) -> Any:
    """The JSON value in `raw`; `name` is the file to blame. Raises CheckpointError."""
    if not raw.strip():
        raise CheckpointError(f"{name}: empty; expected JSON")
    if raw.startswith(_BOMS):
        raise CheckpointError(f"{name}: starts with a byte order mark; expected UTF-8 without one")
    _check_depth(raw, name)
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique if unique_keys else None)
        if b"\\ud" in raw or b"\\uD" in raw:
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # fails on a lone surrogate
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{name}: not UTF-8 (byte {error.start})") from None
    except UnicodeEncodeError:
        raise CheckpointError(f"{name}: a string holds a lone surrogate, which is no character") from None
    except ValueError as error:  # json.JSONDecodeError, a key twice, or a number of thousands of digits
        raise CheckpointError(f"{name}: not valid JSON: {error}") from None
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice!r} appears twice in one object")
    return members


def _check_depth(raw: bytes, name: str) -> None:
    """Refuses deep nesting before json's recursive reader meets it, whose own limit callers can raise."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return
    # Strings go first. Taking an empty one out leaves every other character inside or outside as it was, so
    # only those that hold brackets are left to the regular expression.
    marks = raw.replace(rb"\\", b"").replace(rb"\"", b"").translate(None, _NOT_MARKS).replace(b'""', b"")
    brackets = _STRING.sub(b"", marks)
    for _ in range(MAX_DEPTH):  # each round takes away the innermost level, or two
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    if brackets.count(b"[") + brackets.count(b"{") > MAX_DEPTH:
        raise CheckpointError(f"{name}: nested too deeply; expected about {MAX_DEPTH} levels at most")
