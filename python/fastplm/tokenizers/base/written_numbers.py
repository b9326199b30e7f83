"""Numbers as they stand in a file: rounded once, and as serde_json reads them, which rounds twice.

serde_json takes all digits as one integer, makes that a double, and multiplies or divides by a power of ten.
From 2**53 on both steps round, and equally good ways to cut a word can then differ in the last bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Doubles = npt.NDArray[np.float64]

_INT64 = 18  # so many digits are an int64, and so large a power of ten is a double
_POWERS = np.array([float(f"1e{power}") for power in range(_INT64 + 1)])
_MAX_UINT64 = 2**64 - 1


def as_serde_json_reads(number: str) -> float:
    """The double for a JSON number."""
    mantissa, _, power = number.lower().partition("e")
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    exponent = int(power or 0)
    significand, full = 0, False
    for digit in map(int, whole):
        full = full or significand * 10 + digit > _MAX_UINT64
        if full:
            exponent += 1
        else:
            significand = significand * 10 + digit
    for digit in map(int, fraction):
        if significand * 10 + digit > _MAX_UINT64:
            break  # what follows is left out
        significand, exponent = significand * 10 + digit, exponent - 1
    value = float(significand)
    while exponent < -308 and value:
        value, exponent = value / 1e308, exponent + 308
    if abs(exponent) <= 308:
        value = value * float(f"1e{exponent}") if exponent >= 0 else value / float(f"1e{-exponent}")
    elif value:
        value = float("inf")
    return -value if number.startswith("-") else value


def read_numbers(text: bytes) -> Doubles:
    """The nearest doubles, float64 [n], to JSON numbers with commas between, without spaces."""
    return np.fromstring(text, np.float64, sep=",") if text else np.zeros(0)


def read_numbers_as_serde_json(text: bytes) -> Doubles:
    """The doubles, float64 [n], that serde_json makes of JSON numbers with commas between, without spaces."""
    if not text:
        return np.zeros(0)
    letters = np.frombuffer(text, np.uint8)
    commas = np.flatnonzero(letters == ord(","))
    begins, ends = np.append(0, commas + 1), np.append(commas, len(text))
    dots = np.flatnonzero(letters == ord("."))
    dotted = np.searchsorted(ends, dots)
    fractions = np.zeros(len(ends), np.int64)
    fractions[dotted] = ends[dotted] - dots - 1
    negative = letters[begins] == ord("-")
    digits = ends - begins - negative
    digits[dotted] -= 1

    one_by_one = digits > _INT64
    one_by_one[np.searchsorted(ends, np.flatnonzero((letters | 32) == ord("e")))] = True
    plain = bytearray(text)
    for i in np.flatnonzero(one_by_one):
        plain[begins[i] : ends[i]] = b"0" * int(ends[i] - begins[i])
    significands = np.fromstring(bytes(plain.replace(b".", b"")), np.int64, sep=",")
    one_by_one |= negative & (significands == 0)  # -0.0, which no integer is
    fractions[one_by_one] = 0
    result: Doubles = significands / _POWERS[fractions]
    for i in np.flatnonzero(one_by_one):
        result[i] = as_serde_json_reads(text[begins[i] : ends[i]].decode())
    return result
