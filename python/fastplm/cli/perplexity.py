"""fastplm perplexity: how well a decoder foresees a text."""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

import fastplm
from fastplm.arrays import DTYPES
from fastplm.generation.generate import check_decodes
from fastplm.progress import progress

SUMMARY = "how well a decoder foresees a text"
_LONGEST = 2048  # of windows, where the model takes more

_EXAMPLES = """examples:
  fastplm perplexity path/to/model wikitext-2.txt
  fastplm perplexity path/to/model a.txt b.txt --context 512 --stride 512 --dtype bfloat16
"""


def parser(common: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The command's arguments, with those of every command."""
    parser = argparse.ArgumentParser(
        "fastplm perplexity",
        parents=[common],
        description="The exponential of the mean negative log-likelihood of a text's tokens, in windows.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="folder, hub id or GGUF file")
    parser.add_argument("files", nargs="*", metavar="FILE", help="texts in UTF-8; without any: stdin")
    parser.add_argument(
        "--context", type=int, metavar="N",
        help=f"tokens of a window (default: what the model takes, at most {_LONGEST})",
    )  # fmt: skip
    parser.add_argument(
        "--stride", type=int, metavar="N",
        help="tokens from one window to the next; those that two windows share count once (default: half "
        "of the context)",
    )  # fmt: skip
    parser.add_argument(
        "--dtype", choices=("auto", *DTYPES), default="auto",
        help="what the model computes in (default auto: as it was saved)",
    )  # fmt: skip
    return parser


def run(options: argparse.Namespace) -> int:
    names = options.files or ["stdin"]
    texts = [Path(name).read_bytes() for name in options.files] or [sys.stdin.buffer.read()]
    tokenizer = fastplm.AutoTokenizer.from_pretrained(options.model)
    model = fastplm.AutoModelForCausalLM.from_pretrained(options.model, dtype=options.dtype)
    check_decodes(model, "perplexity")
    limit = model.engine.max_length
    context = min(limit or _LONGEST, _LONGEST) if options.context is None else options.context
    if context < 1 or (limit is not None and context > limit):
        raise ValueError(f"--context: {context}; expected 1 to {limit or 'any number of'} tokens")
    stride = max(1, context // 2) if options.stride is None else options.stride
    if not 1 <= stride <= context:
        raise ValueError(f"--stride: {stride}; expected 1 to the context, {context}")
    results = []
    for name, raw in zip(names, texts, strict=True):
        try:
            ids = tokenizer(raw.decode(), verbose=False)["input_ids"]
        except UnicodeDecodeError as error:
            raise ValueError(f"{name}: {error.reason} at byte {error.start}; expected UTF-8") from None
        if len(ids) < 2:
            raise ValueError(f"{name}: {len(ids)} tokens; expected at least 2")
        results.append({"text": name, **measure(model, ids, context, stride)})
    about = {"model": options.model, "dtype": model.engine.dtype, "context": context, "stride": stride}
    if options.json:
        print(json.dumps(about | {"results": results}))
        return 0
    for result in results:
        print(f"{result['text']}: perplexity {result['perplexity']:.4f} of {result['tokens']} tokens")
    return 0


def measure(model: Any, ids: list[int], context: int, stride: int) -> dict[str, Any]:
    """{"perplexity", "tokens"}: of all tokens but the first, each foreseen from those before it in the first
    window that has it.
    """
    total, counted, seen = 0.0, 0, 1
    with progress(len(ids), "token", None) as advance:
        for begin in range(0, len(ids), stride):
            window = ids[begin : begin + context + 1]  # the last is foreseen only
            fresh = begin + len(window) - seen  # the last ones of the window, not yet counted
            if fresh > 0:
                logits = model([window[:-1]], use_cache=False, return_dict=True).logits[0, -fresh:]
                wanted = window[-fresh:]
                largest = logits.max(axis=-1)
                sums = np.exp(logits - largest[:, None]).sum(axis=-1, dtype=np.float64)
                chosen = logits[np.arange(fresh), wanted]
                total += float((np.log(sums) + largest - chosen).sum())
                counted, seen = counted + fresh, seen + fresh
                advance(fresh)
            if begin + len(window) == len(ids):
                break
    mean = total / counted
    return {"perplexity": math.exp(mean) if mean < 700 else math.inf, "tokens": counted}
