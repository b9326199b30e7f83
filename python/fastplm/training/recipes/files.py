"""Examples from files: one dictionary each."""

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def read(path: Path) -> list[Row]:
    """.txt: {"text": line} of each line; .csv, .tsv: by the names in the first line; .jsonl: an object on
    each line; .parquet: by the names of its columns.

    Raises OSError; ValueError for other files, for text that is not UTF-8, and for a line that is no object.
    """
    readers = {
        ".txt": _lines, ".csv": lambda p: _table(p, ","), ".tsv": lambda p: _table(p, "\t"),
        ".jsonl": _objects, ".parquet": _parquet,
    }  # fmt: skip
    reader = readers.get(path.suffix)
    if reader is None:
        raise ValueError(f"{path}: its name ends in {path.suffix!r}; expected one of {', '.join(readers)}")
    try:
        rows = reader(path)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 at byte {error.start}; expected UTF-8") from None
    if not rows:
        raise ValueError(f"{path}: no examples; expected at least one")
    return rows


def columns(path: Path, rows: list[Row], names: Iterable[str]) -> None:
    """Raises ValueError for the first row without one of these."""
    for i, row in enumerate(rows):
        for name in names:
            if row.get(name) is None:
                raise ValueError(f"{path}: example {i + 1} has no {name!r}; expected {', '.join(names)}")


def _lines(path: Path) -> list[Row]:
    return [{"text": line} for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


def _table(path: Path, delimiter: str) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def _objects(path: Path) -> list[Row]:
    rows = []
    for i, line in enumerate(path.read_text(encoding="utf-8").split("\n")):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{path}: line {i + 1}: {error}; expected a JSON object") from None
        if not isinstance(row, dict):
            raise ValueError(f"{path}: line {i + 1} is a {type(row).__name__}; expected a JSON object")
        rows.append(row)
    return rows


def _parquet(path: Path) -> list[Row]:
    try:
        from pyarrow import parquet
    except ImportError:
        raise ImportError(f"{path}: pyarrow is missing: pip install pyarrow") from None
    rows: list[Row] = parquet.read_table(path).to_pylist()
    return rows
