"""Warnings about a call, shown at the caller's line."""

import sys
import warnings


def warn(message: str) -> None:
    """A UserWarning at the nearest line outside of fastplm."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == "fastplm":
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)
