"""fastplm convert: a folder with pytorch_model.bin as a folder of safetensors."""

import argparse
import json

from fastplm.conversion import convert

SUMMARY = "a folder with pytorch_model.bin to safetensors"

_EXAMPLES = """examples:
  fastplm convert opus-mt-en-de opus-mt-en-de-safetensors
"""


def parser(common: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The command's arguments, with those of every command."""
    parser = argparse.ArgumentParser(
        "fastplm convert",
        parents=[common],
        description="Writes the weights of a model folder as safetensors, which hold numbers alone, "
        "beside copies of its configuration and tokenizer. The pickle is read by torch's restricted reader, "
        "which runs none of its code.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "folder", metavar="FOLDER", help="has config.json and pytorch_model.bin, or its shards"
    )
    parser.add_argument("out", metavar="OUT", help="the folder to write: a new or an empty one")
    return parser


def run(options: argparse.Namespace) -> int:
    done = convert(options.folder, options.out)
    if options.json:
        print(json.dumps({"folder": options.folder, "output": options.out, **done._asdict()}))
    else:
        print(f"{options.out}: {done.tensors} tensors, {done.nbytes / 1e6:.1f} MB in {', '.join(done.files)}")
    return 0
