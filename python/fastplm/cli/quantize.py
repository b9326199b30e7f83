"""fastplm quantize: a model folder with matrices of four or eight bits, and what they cost."""

import argparse
import json
from pathlib import Path

from fastplm.hub import resolve
from fastplm.quantization.formats import GROUPS, WeightFormat

SUMMARY = "a model folder with matrices of four or eight bits"

_EXAMPLES = """examples:
  fastplm quantize path/to/model OUT --dtype int8
  fastplm quantize path/to/model OUT --dtype int4 --group-size 64 --text wikitext-2.txt
"""


def parser(common: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The command's arguments, with those of every command."""
    parser = argparse.ArgumentParser(
        "fastplm quantize",
        parents=[common],
        description="Writes a model with the matrices of its layers as integers, which loads without "
        "rounding them again, and reports its size and speed beside the original's; with a text, its "
        "quality too: perplexity and the share of equal likeliest tokens, or the cosines of embeddings.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="folder or hub id")
    parser.add_argument("out", metavar="OUT", help="the folder to write: a new or an empty one")
    parser.add_argument("--dtype", choices=("int8", "int4"), required=True, help="of the layers' matrices")
    parser.add_argument(
        "--group-size", type=int, choices=GROUPS, help="of int4: values that share a scale (default 32)"
    )
    parser.add_argument(
        "--zeros", action="store_true", help="of int4: each group has a zero too (sym: False)"
    )
    parser.add_argument("--text", metavar="FILE", help="a text in UTF-8 to measure quality on")
    return parser


def run(options: argparse.Namespace) -> int:
    from fastplm.cli.quality import compare, read
    from fastplm.quantization.writing import model_place, quantize

    if options.dtype == "int8" and (options.group_size or options.zeros):
        raise ValueError("--group-size, --zeros: given with int8; expected with int4 only")
    try:
        text = None if options.text is None else Path(options.text).read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{options.text}: {error.reason} at byte {error.start}; expected UTF-8") from None
    bits = 8 if options.dtype == "int8" else 4
    folder, out = resolve(options.model), Path(options.out)
    reading = None if text is None else read(folder / model_place(folder), text)
    done = quantize(folder, out, WeightFormat(bits, options.group_size or GROUPS[0], not options.zeros))
    both, together = compare(folder / done.place, out / done.place, reading)
    both = {"megabytes": [size / 1e6 for size in done.nbytes], **both}
    if options.json:
        about = {
            "model": options.model,
            "output": options.out,
            "dtype": done.dtype,
            "matrices": done.matrices,
        }
        pairs = {name: dict(zip(("original", "quantized"), pair, strict=True)) for name, pair in both.items()}
        print(json.dumps(about | pairs | together))
        return 0
    print(f"{out}: {done.matrices} matrices in {done.dtype}")
    for name, (original, quantized) in both.items():
        print(f"{name.replace('_', ' '):22} {original:10.3f} -> {quantized:.3f}")
    for name, value in together.items():
        print(f"{name.replace('_', ' '):22} {value:10.4f}")
    return 0
