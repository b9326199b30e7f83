"""What may be given to be embedded: a text, a pair of texts, {"text": ...}, or many of them."""

from collections.abc import Iterable, Mapping, Set
from typing import Any, NamedTuple

import numpy as np

_EXPECTED = 'expected a str, two of them, or {"text": a str}'


class Inputs(NamedTuple):
    """Texts, and the second text of each (None: it has none); None in place of the list if no text has one.

    single: whether one text came by itself, so that one result goes back.
    """

    texts: list[str]
    seconds: list[str | None] | None
    single: bool = False

    def part(self, begin: int, end: int) -> "Inputs":
        """Those from `begin` to before `end`."""
        return Inputs(self.texts[begin:end], self.seconds and self.seconds[begin:end])

    def prefixed(self, prompt: str | None) -> "Inputs":
        """With `prompt` before every text."""
        return self._replace(texts=[prompt + text for text in self.texts]) if prompt else self


def read_inputs(given: Any) -> Inputs:
    """Reads a text, a {"text": ...}, or a list, tuple, array or other ordered collection of items.

    A tuple or a list of two str in it is a pair. Raises TypeError naming the item that is none of these.
    """
    if isinstance(given, (str, Mapping)):
        return _read([given])._replace(single=True)
    scalar = isinstance(given, np.ndarray) and given.ndim == 0
    if isinstance(given, (bytes, Set)) or not isinstance(given, Iterable) or scalar:
        raise TypeError(f"inputs: a {type(given).__name__}; expected a str or a list of str")
    return _read(given.tolist() if isinstance(given, np.ndarray) else list(given))


def _read(items: list[Any]) -> Inputs:
    if set(map(type, items)) <= {str}:
        return Inputs(items, None)
    pairs = [_item(item, number) for number, item in enumerate(items)]
    texts, seconds = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return Inputs(texts, None if all(second is None for second in seconds) else seconds)


def _item(item: Any, number: int) -> tuple[str, str | None]:
    if isinstance(item, Mapping):
        if set(item) != {"text"}:
            raise TypeError(f"inputs[{number}]: a dict with the keys {list(item)}; {_EXPECTED}")
        item = item["text"]
    if isinstance(item, str):
        return item, None
    if isinstance(item, (tuple, list)) and len(item) == 2 and all(isinstance(text, str) for text in item):
        return item[0], item[1]
    raise TypeError(f"inputs[{number}]: a {type(item).__name__}; {_EXPECTED}")
