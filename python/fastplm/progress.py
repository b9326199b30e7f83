"""Progress bars for long work: on stderr, and only for someone who is watching."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol


class Advance(Protocol):
    """Reports that `n` more items are done."""

    def __call__(self, n: int) -> object: ...


@contextmanager
def progress(total: int | None, unit: str, show: bool | None) -> Iterator[Advance]:
    """A bar of `total` items (None: how many is not known) for the time of the `with` block.

    show: True or False; None means on a terminal only, once the work has taken a second. Without tqdm there
    is no bar.
    """
    if show is None:
        delay, show = 1.0, sys.stderr is not None and sys.stderr.isatty()
    else:
        delay = 0.0
    tqdm: Any = None
    if show:
        with suppress(ModuleNotFoundError):
            tqdm = importlib.import_module("tqdm")
    if tqdm is None:
        yield lambda n: None
        return
    with tqdm.tqdm(total=total, unit=unit, delay=delay, file=sys.stderr) as bar:
        yield bar.update
