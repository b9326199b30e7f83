"""fastplm generate: text from a prompt, printed as it comes."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from fastplm.cli.generation import add_generation_arguments, answer, load, settings_of

SUMMARY = "text from prompts, as it comes"

_EXAMPLES = """examples:
  fastplm generate path/to/model "Once upon a time"
  fastplm generate path/to/model -f story.txt --temperature 0.8 --top-p 0.95 --seed 1
  cat letter.txt | fastplm generate path/to/model --max-new-tokens 50 --stop "."
  fastplm generate path/to/translation-model "How are you?" --num-beams 4 --json
"""


def parser(common: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The command's arguments, with those of every command."""
    parser = argparse.ArgumentParser(
        "fastplm generate",
        parents=[common],
        description="Prints what follows each prompt, or what an encoder-decoder makes of it.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="folder, hub id or GGUF file")
    parser.add_argument("prompts", nargs="*", metavar="PROMPT", help="without any, and without -f: stdin")
    parser.add_argument(
        "-f", "--file", action="append", default=[], metavar="FILE",
        help="a file that is a prompt as a whole, in UTF-8; - is stdin; may be given again",
    )  # fmt: skip
    add_generation_arguments(parser)
    return parser


def run(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    prompts = list(_prompts(options))
    tokenizer, model = load(options.model, options)
    results = []
    for prompt in prompts:
        inputs = tokenizer([prompt], return_tensors="np")
        results.append({"prompt": prompt, **answer(tokenizer, model, inputs, settings, not options.json)})
    if options.json:
        print(json.dumps({"model": options.model, "results": results}, ensure_ascii=False))
    return 0


def _prompts(options: argparse.Namespace) -> Iterator[str]:
    yield from options.prompts
    for name in options.file or ([] if options.prompts else ["-"]):
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        try:
            yield raw.decode().removesuffix("\n")
        except UnicodeDecodeError as error:
            where = "stdin" if name == "-" else name
            raise ValueError(f"{where}: {error.reason} at byte {error.start}; expected UTF-8") from None
