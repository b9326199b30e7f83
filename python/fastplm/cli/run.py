"""fastplm run: a pipeline's task over texts."""

import argparse
import json
from collections.abc import Iterator
from typing import Any

from fastplm.arrays import DTYPES
from fastplm.cli.inputs import add_text_arguments, iter_texts
from fastplm.pipelines import TASKS, pipeline
from fastplm.pipelines.table import ALIASES, find_task

SUMMARY = "a task (classification, entities, answers, ...) over texts"

_EXAMPLES = """examples:
  fastplm run text-classification path/to/model "what a day" -p top_k=2
  fastplm run ner path/to/model -p aggregation_strategy=simple -i texts.txt
  fastplm run fill-mask path/to/model "The capital of France is [MASK]."
  fastplm run question-answering path/to/model "Who was it?" -p context="It was Anna."
  fastplm run zero-shot-classification path/to/model "a goal!" -p candidate_labels=sport,politics
"""


def parser(common: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The command's arguments, with those of every command."""
    parser = argparse.ArgumentParser(
        "fastplm run",
        parents=[common],
        description="Prints a line of JSON for each text: the text and what the task makes of it.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    tasks = ", ".join(sorted((*TASKS, *ALIASES, "translation_XX_to_YY")))
    parser.add_argument("task", metavar="TASK", type=_task, help=f"one of {tasks}")
    parser.add_argument("model", metavar="MODEL", help="folder or hub id")
    add_text_arguments(parser, "the lines of stdin")
    parser.add_argument(
        "-p", "--set", action="append", default=[], metavar="NAME=VALUE", dest="options",
        help="an option of the task; its value is read as JSON if it is any, else as text",
    )  # fmt: skip
    parser.add_argument(
        "--dtype", choices=("auto", *DTYPES), default="auto",
        help="what the model computes in (default auto: as it was saved)",
    )  # fmt: skip
    parser.add_argument("--batch-size", type=int, metavar="N", help="texts that are read ahead (default 512)")
    return parser


def run(options: argparse.Namespace) -> int:
    settings = dict(_setting(option) for option in options.options)
    about = {"task": options.task, "model": options.model}
    context = settings.pop("context", None)
    if options.task == "question-answering" and context is None:
        raise ValueError("question-answering: no context; expected -p context=TEXT")
    pipe = pipeline(
        options.task, model=options.model, dtype=options.dtype, batch_size=options.batch_size, **settings
    )
    seen: list[str] = []

    def inputs() -> Iterator[Any]:
        for text in iter_texts(options):
            seen.append(text)
            yield text if context is None else {"question": text, "context": context}

    results = pipe(inputs())
    if options.json:
        print(_json(about | {"results": [{"text": seen.pop(0), "result": result} for result in results]}))
        return 0
    for result in results:
        print(_json({"text": seen.pop(0), "result": result}), flush=True)
    return 0


def _task(name: str) -> str:
    try:
        find_task(name)
    except KeyError as error:
        raise argparse.ArgumentTypeError(f"invalid choice: {error.args[0]}") from None
    return name


def _setting(option: str) -> tuple[str, Any]:
    name, equals, value = option.partition("=")
    if not equals or not name.isidentifier():
        raise ValueError(f"-p: {option!r}; expected NAME=VALUE")
    if name == "context":  # a text, whatever it looks like
        return name, value
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=float)  # scores may be numpy's
