"""fastplm train: a model and a file of examples to a trained model."""

import argparse
import json
from pathlib import Path

SUMMARY = "a model and examples to a trained model"

_EXAMPLES = """examples:
  fastplm train mlm path/to/model corpus.txt -o my-model
  fastplm train classification path/to/model train.jsonl --eval test.jsonl -o my-classifier
  fastplm train clm path/to/model corpus.txt --from-scratch --steps 5000 -o my-model
  fastplm train ner path/to/model train.jsonl --eval test.jsonl --patience 2 --resume -o my-tagger
  fastplm train sentence-embeddings path/to/model pairs.csv --eval scored.csv -o my-encoder

examples in .txt (a text on every line), .csv, .tsv, .jsonl or .parquet:
"""


def parser(common: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The command's arguments, with those of every command."""
    from fastplm.training.recipes import TASKS, Settings

    default = Settings()
    tasks = "".join(f"  {name:20} {task.summary}\n" for name, task in TASKS.items())
    parser = argparse.ArgumentParser(
        "fastplm train",
        parents=[common],
        description="Trains a model with transformers' Trainer and fastplm's operations, and saves it as a "
        "folder that both load.",
        epilog=_EXAMPLES + tasks,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("task", choices=TASKS, metavar="TASK", help=", ".join(TASKS))
    parser.add_argument("model", metavar="MODEL", help="folder or hub id of a model with its tokenizer")
    parser.add_argument("file", type=Path, metavar="FILE", help="training examples")
    parser.add_argument("--eval", type=Path, metavar="FILE", help="examples to evaluate after every epoch")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="FOLDER", help="where to save")
    parser.add_argument("--from-scratch", action="store_true", help="use the model's config only")
    parser.add_argument(
        "--epochs", type=float, default=default.epochs, metavar="N", help="default %(default)s"
    )
    parser.add_argument("--steps", type=int, default=default.steps, metavar="N", help="instead of epochs")
    parser.add_argument(
        "--batch-size", type=int, default=default.batch_size, metavar="N", help="default %(default)s"
    )
    parser.add_argument(
        "--learning-rate",
        type=float,
        default=default.learning_rate,
        metavar="RATE",
        help="default %(default)s",
    )
    parser.add_argument(
        "--max-length",
        type=int,
        default=default.max_length,
        metavar="N",
        help="tokens of a text (default %(default)s)",
    )
    parser.add_argument("--bf16", action="store_true", help="multiply in bfloat16")
    parser.add_argument(
        "--patience", type=int, metavar="N", help="stop after N evaluations that do not lower the loss"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on from the last checkpoint in the output folder"
    )
    parser.add_argument("--seed", type=int, default=default.seed, metavar="N", help="default %(default)s")
    return parser


def run(options: argparse.Namespace) -> int:
    from fastplm.training.recipes import Settings, train

    for name in ("batch_size", "max_length", "patience"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise ValueError(f"--{name.replace('_', '-')}: {value}; expected at least 1")
    settings = Settings(**{name: getattr(options, name) for name in Settings.__dataclass_fields__})
    figures = train(
        options.task, options.model, options.output, options.file, options.eval, settings,
        from_scratch=options.from_scratch,
    )  # fmt: skip
    if options.json:
        print(json.dumps({"output": str(options.output), **figures}))
    else:
        for name, value in figures.items():
            print(f"{name}: {value:.4g}")
    return 0
