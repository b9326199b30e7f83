"""What the scripts that make tables share: lines of a C++ list, and a file that is written or checked."""

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path


def wrap(items: Iterable[str]) -> str:
    lines, line = [], ""
    for item in items:
        if len(line) + len(item) + 1 > 119:
            lines.append(line)
            line = ""
        line += item + ","
    return "\n".join([*lines, line])


def write_or_check(about: str, target: Path, render: Callable[[], str]) -> None:
    """The main function of a script: `about` is its docstring."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="exit with 1 if the file is not up to date")
    args = parser.parse_args()
    text = render()
    if not args.check:
        target.write_text(text)
    elif target.read_text() != text:
        sys.exit(f"{target} is not what this script writes")
