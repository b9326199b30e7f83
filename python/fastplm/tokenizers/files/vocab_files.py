"""Vocabulary files older than tokenizer.json: vocab.txt, vocab.json and merges.txt."""

import os
from pathlib import Path

from fastplm.errors import CheckpointError
from fastplm.jsonfile import MAX_BYTES, read_bytes, read_json
from fastplm.tokenizers.files.tokenizer_json import check_vocabulary

# What Unicode calls white space. str.rstrip() takes four control characters more.
_WHITE_SPACE = "".join(
    map(
        chr,
        (
            *range(9, 14),
            0x20,
            0x85,
            0xA0,
            0x1680,
            *range(0x2000, 0x200B),
            0x2028,
            0x2029,
            0x202F,
            0x205F,
            0x3000,
        ),
    )
)


def _lines(path: str | os.PathLike[str]) -> list[str]:
    name = os.fspath(path)
    try:
        text = read_bytes(path, MAX_BYTES).decode("utf-8")
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{name}: not UTF-8 (byte {error.start})") from None
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[-1] == "":
        lines.pop()
    return lines


def read_vocab_txt(path: str | os.PathLike[str]) -> dict[str, int]:
    """One token a line, without white space at its end; a token's id is its line, and the last of several
    equal ones counts.
    """
    return {line.rstrip(_WHITE_SPACE): i for i, line in enumerate(_lines(path))}


def read_vocab_json(path: str | os.PathLike[str]) -> dict[str, int]:
    """An object of tokens and ids."""
    return check_vocabulary(os.fspath(path), read_json(path, unique_keys=False))


def read_merges_txt(path: str | os.PathLike[str]) -> list[str]:
    """One merge a line, two tokens with a space between; left and right sides in turn.

    Lines that start with #version say which format it is. Raises CheckpointError.
    """
    sides: list[str] = []
    for number, line in enumerate(_lines(path), start=1):
        if line.startswith("#version"):
            continue
        pair = line.split(" ")
        if len(pair) != 2:
            shown = line if len(line) < 60 else line[:57] + "..."
            raise CheckpointError(
                f"{Path(path)}, line {number}: {shown!r}; expected two tokens and a space between them"
            )
        sides += pair
    return sides
