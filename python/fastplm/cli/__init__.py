"""The command `fastplm`, also `python -m fastplm`.

Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 a check failed, 2 wrong usage or input,
130 interrupted, 141 the reader of stdout went away.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

from fastplm._engine import __version__
from fastplm.cli import check, doctor, encode

OK, CHECK_FAILED, BAD_INPUT, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 130, 141

_EXAMPLES = """examples:
  fastplm encode "How do vaccines work?"            one embedding, as a line of JSON
  fastplm encode --input texts.txt -o vectors.npy   one text per line to a numpy array
  fastplm doctor                                    what fastplm found on this machine
  fastplm check path/to/model                       does it compute what transformers computes?
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; `argv` without the program's name, by default the process's own. Returns the exit code."""
    parser = _parser()
    try:
        options = parser.parse_args(argv)
    except SystemExit as stop:  # argparse has said what is wrong, or has printed the help
        return stop.code if isinstance(stop.code, int) else BAD_INPUT
    try:
        code: int = options.run(options)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # What is still buffered has nowhere to go; the interpreter would complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except Exception as error:
        if options.traceback:
            traceback.print_exc()
        else:
            print(f"fastplm {options.command}: error: {_one_line(error)}", file=sys.stderr)
        return BAD_INPUT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fastplm",
        description="Pretrained language models, fast.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"fastplm {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    common.add_argument("--traceback", action="store_true", help="on an error, show where it came from")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for module in (encode, doctor, check):
        module.add_command(commands, common)
    return parser


def _one_line(error: Exception) -> str:
    """The message alone for the errors fastplm and Python raise about input; with the type's name for all others."""
    message = " ".join(str(error).split())
    if isinstance(error, (ValueError, TypeError, OSError, ImportError)) and message:
        return message
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
