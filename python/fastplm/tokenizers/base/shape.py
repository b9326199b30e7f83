"""How a call truncates and pads: its arguments, and what they mean together."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from fastplm.errors import CheckpointError

NO_MAX_LENGTH = int(1e30)  # model_max_length of a tokenizer without one, as transformers has it
UNLIMITED = 10**20  # a longer model_max_length means that there is none
PADDINGS = {True: "longest", False: "do_not_pad", None: "do_not_pad"}
TRUNCATIONS = {True: "longest_first", False: "do_not_truncate", None: "do_not_truncate"}
_KNOWN = {
    "padding": ("longest", "max_length", "do_not_pad"),
    "truncation": ("longest_first", "only_first", "only_second", "do_not_truncate"),
}


class Shape(NamedTuple):
    """How a call truncates and pads."""

    padding: str
    truncation: str
    max_length: int | None  # of a truncated row
    pad_length: int = 0  # of a row padded to max_length


def check_side(name: str, side: str) -> str:
    """`side`, which is "left" or "right". Raises ValueError."""
    if side not in ("left", "right"):
        raise ValueError(f'{name} is {side!r}; expected "left" or "right"')
    return side


def read_max_length(name: str, value: Any) -> int:
    """model_max_length of a file: a whole number, also as a float or a string of digits; infinity is none.

    Raises CheckpointError.
    """
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < 100:
        return int(value)
    if isinstance(value, float):
        if value == math.inf:
            return NO_MAX_LENGTH
        if value.is_integer():
            return int(value)
    if type(value) is not int:
        raise CheckpointError(f"{name} is {value!r}; expected a whole number")
    return value


def strategy(argument: str, value: Any, meanings: Mapping[bool | None, str]) -> str:
    """A strategy's name: of True, False and None by `meanings`, of a str or an enum its value."""
    if value is None or isinstance(value, bool):
        return meanings[value]
    name = str(getattr(value, "value", value))
    if name not in _KNOWN[argument]:
        raise ValueError(
            f"{argument} is {value!r}; expected True, False or one of {', '.join(_KNOWN[argument])}"
        )
    return name
