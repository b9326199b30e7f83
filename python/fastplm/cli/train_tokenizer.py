"""fastplm train-tokenizer: text files to a tokenizer folder."""

import argparse
import json
from typing import Any

from fastplm.tokenizer import AutoTokenizer, Tokenizer
from fastplm.tokenizers.learn.scratch import SPECIAL_TOKENS, TRAINERS, from_scratch

SUMMARY = "text files to a tokenizer"

_EXAMPLES = """examples:
  fastplm train-tokenizer corpus.txt --model bpe --vocab-size 30000 --output my-tokenizer
  fastplm train-tokenizer *.txt --model wordpiece --lowercase --output my-tokenizer
  fastplm train-tokenizer corpus.txt --from path/to/model --vocab-size 30000 --output my-tokenizer
"""
_SIZES = {"unigram": 8000}  # else 30,000
_LEAST = {"bpe": 2, "wordpiece": 2, "wordlevel": 1}


def parser(common: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The command's arguments, with those of every command."""
    parser = argparse.ArgumentParser(
        "fastplm train-tokenizer",
        parents=[common],
        description="Learns a vocabulary from files, UTF-8 with a text on every line, and saves the "
        "tokenizer as a folder that fastplm and transformers load.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="text files")
    parser.add_argument("-o", "--output", required=True, metavar="FOLDER", help="where to save the tokenizer")
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--model", choices=TRAINERS, help="what kind of tokenizer, with the usual pipeline")
    kind.add_argument(
        "--from", dest="like", metavar="FOLDER",
        help="folder, tokenizer.json or hub id: its pipeline and special tokens with a new vocabulary",
    )  # fmt: skip
    parser.add_argument(
        "--vocab-size",
        type=int,
        metavar="N",
        help="tokens in all (default 30000; unigram: 8000; --from: as many as there)",
    )
    parser.add_argument(
        "--min-frequency", type=int, metavar="N",
        help="how often a pair (wordlevel: a word) has to occur (default 2; wordlevel: 1)",
    )  # fmt: skip
    parser.add_argument(
        "--special-tokens", nargs="+", metavar="TOKEN",
        help="special tokens, in the order of their ids; with --from: more of them. Default: "
        + "; ".join(f"{model}: {' '.join(tokens)}" for model, tokens in SPECIAL_TOKENS.items()),
    )  # fmt: skip
    parser.add_argument("--lowercase", action="store_true", help="write all text in lower case first")
    parser.add_argument(
        "--byte-level", action=argparse.BooleanOptionalAction, default=None,
        help="bpe: words as bytes, so that no text is unknown (default), or as characters",
    )  # fmt: skip
    return parser


def run(options: argparse.Namespace) -> int:
    tokenizer = _again(options) if options.like else _from_scratch(options)
    tokenizer.save_pretrained(options.output)
    result = {
        "output": options.output,
        "model": options.model or str(options.like),
        "vocab_size": len(tokenizer),
        "special_tokens": tokenizer.all_special_tokens,
        "files": options.files,
    }
    if options.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        print(f"{options.output}: {len(tokenizer)} tokens")
    return 0


def _from_scratch(options: argparse.Namespace) -> Tokenizer:
    arguments: dict[str, Any] = {"vocab_size": options.vocab_size or _SIZES.get(options.model, 30000)}
    if options.vocab_size is not None and options.vocab_size < 1:
        raise ValueError(f"--vocab-size: {options.vocab_size}; expected at least 1")
    if options.model in _LEAST:
        least = _LEAST[options.model] if options.min_frequency is None else options.min_frequency
        arguments["min_frequency"] = least
    elif options.min_frequency is not None:
        raise ValueError(f"--min-frequency: {options.model} has none; expected it with another --model")
    untrained = from_scratch(
        options.model,
        special_tokens=options.special_tokens,
        lowercase=options.lowercase,
        bytes_as_characters=options.byte_level,
        **arguments,
    )
    tokenizer = Tokenizer.from_str(
        json.dumps(untrained.settings),
        named_tokens=untrained.named_tokens,
        extra_tokens=untrained.extra_tokens,
    )
    tokenizer.train(options.files, untrained.trainer)
    return tokenizer


def _again(options: argparse.Namespace) -> Tokenizer:
    for name in ("lowercase", "byte_level"):
        if getattr(options, name):
            raise ValueError(
                f"--{name.replace('_', '-')}: with --from the pipeline is that of {options.like}"
            )
    arguments = {} if options.min_frequency is None else {"min_frequency": options.min_frequency}
    tokenizer: Tokenizer = AutoTokenizer.from_pretrained(options.like)
    size = tokenizer.vocab_size if options.vocab_size is None else options.vocab_size
    return tokenizer.train_new_from_files(options.files, size, options.special_tokens, **arguments)
