"""How a call truncates and pads: its arguments, and what they mean together."""

from collections.abc import Mapping
from typing import Any, NamedTuple

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
