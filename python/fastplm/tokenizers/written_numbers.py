"""Numbers as serde_json reads them from a file, which rounds twice.

It takes all digits as one integer, makes that a double, and multiplies or divides by a power of ten. From
2**53 on both steps round, and equally good ways to cut a word can then differ in the last bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Doubles = npt.NDArray[np.float64]

_EXACT = 15  # so many digits, and powers of ten up to 22, are doubles: nothing is rounded but the quotient
_INT64 = 18  # so many digits are an int64
_POWERS = np.array([float(f"1e{power}") for power in range(_INT64 + 1)])
_MOST = 2**64 - 1


def as_serde_json_reads(number: str) -> float:
    """The double for a JSON number."""
    mantissa, _, power = number.lower().partition("e")
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    exponent = int(power or 0)
    significand, full = 0, False
    for digit in map(int, whole):
        full = full or significand * 10 + digit > _MOST
        if full:
            exponent += 1
        else:
            significand = significand * 10 + digit
    for digit in map(int, fraction):
        if significand * 10 + digit > _MOST:
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


def all_as_serde_json_reads(text: bytes, exact: Doubles) -> Doubles:
    """The doubles, float64 [n], for JSON numbers with commas between, without spaces; exact: rounded once."""
    letters = np.frombuffer(text, np.uint8)
    commas = np.flatnonzero(letters == ord(","))
    begins, ends = np.append(0, commas + 1), np.append(commas, len(text))
    dots = np.flatnonzero(letters == ord("."))
    fractions = np.zeros(len(exact), np.int64)
    dotted = np.searchsorted(ends, dots)
    fractions[dotted] = ends[dotted] - dots - 1
    digits = ends - begins - (letters[begins] == ord("-"))
    digits[dotted] -= 1

    strange = digits > _INT64
    strange[np.searchsorted(ends, np.flatnonzero((letters | 32) == ord("e")))] = True
    plain = bytearray(text)
    for i in np.flatnonzero(strange):
        plain[begins[i] : ends[i]] = b"0" * int(ends[i] - begins[i])
    significands = np.fromstring(bytes(plain.replace(b".", b"")), np.int64, sep=",")
    result = exact.copy()
    long = (digits > _EXACT) & ~strange
    result[long] = significands[long] / _POWERS[fractions[long]]
    for i in np.flatnonzero(strange):
        result[i] = as_serde_json_reads(text[begins[i] : ends[i]].decode())
    return result
