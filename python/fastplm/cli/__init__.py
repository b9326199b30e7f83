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
from fastplm.cli import (
    chat,
    check,
    convert,
    doctor,
    encode,
    generate,
    perplexity,
    quantize,
    run,
    serve,
    tokenize,
    train,
    train_tokenizer,
)

BAD_INPUT, INTERRUPTED, BROKEN_PIPE = 2, 130, 141

_COMMANDS = {
    "encode": encode,
    "run": run,
    "generate": generate,
    "chat": chat,
    "perplexity": perplexity,
    "serve": serve,
    "tokenize": tokenize,
    "train": train,
    "train-tokenizer": train_tokenizer,
    "convert": convert,
    "quantize": quantize,
    "doctor": doctor,
    "check": check,
}

_EXAMPLES = """examples:
  fastplm encode "How do vaccines work?"            one embedding, as a line of JSON
  fastplm encode --input texts.txt -o vectors.npy   one text per line to a numpy array
  fastplm run ner path/to/model "Anna is in Paris"  what a model says of it, by the task
  fastplm generate path/to/model "Once upon"        text, as it comes
  fastplm serve path/to/model                       an HTTP server with OpenAI's interface
  fastplm tokenize "How do vaccines work?"          its token ids, as a line of JSON
  fastplm train mlm path/to/model a.txt -o new      a model trained on a file of examples
  fastplm train-tokenizer a.txt --model bpe -o new  a tokenizer learned from text files
  fastplm doctor                                    what fastplm found on this machine
  fastplm check path/to/model                       does it compute what transformers computes?
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit code. argv: without the program's name; default: sys.argv."""
    try:
        command = _parser().parse_args(argv)
        options = _COMMANDS[command.command].parser(_common()).parse_intermixed_args(command.arguments)
    except SystemExit as stop:  # argparse has said what is wrong, or has printed the help
        return stop.code if isinstance(stop.code, int) else BAD_INPUT
    try:
        code: int = _COMMANDS[command.command].run(options)
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
            print(f"fastplm {command.command}: error: {_one_line(error)}", file=sys.stderr)
        return BAD_INPUT


def _parser() -> argparse.ArgumentParser:
    """Reads the command's name; the command's own parser reads the rest, options and texts in any order."""
    parser = argparse.ArgumentParser(
        prog="fastplm",
        usage="fastplm [-h] [--version] command ...",
        description="Pretrained language models, fast.\n\ncommands (fastplm <command> --help says more):\n"
        + "".join(f"  {name:15} {module.SUMMARY}\n" for name, module in _COMMANDS.items()),
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"fastplm {__version__}")
    parser.add_argument("command", choices=_COMMANDS, help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def _common() -> argparse.ArgumentParser:
    """The options of every command."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    parser.add_argument("--traceback", action="store_true", help="on an error, show where it came from")
    return parser


def _one_line(error: Exception) -> str:
    """The message alone for the errors fastplm and Python raise about input; with the type's name for all
    others.
    """
    message = " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"  # without "[Errno 2]"
    if isinstance(error, (ValueError, TypeError, OSError, ImportError)) and message:
        return message
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
