"""Rows through the model, in batches of about the same length. A row's result depends on no other row."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastplm.models import PreTrainedModel

_TOKENS = 8192  # of a batch: enough to keep every core busy, few enough for the activations to stay small


@dataclass(slots=True)
class Row:
    """One sequence: the model's inputs by name, as long as each other, and what the task remembers of it."""

    inputs: dict[str, list[int]]
    note: Any = None

    def __len__(self) -> int:
        return len(self.inputs["input_ids"])


def run(
    model: PreTrainedModel,
    rows: Sequence[Row],
    keep: Callable[[Any, int, Row], Any],
    *,
    most_rows: int | None = None,
    most_tokens: int = _TOKENS,
) -> list[Any]:
    """keep(output, place, row) for every row, in order. output: the model's, of a batch in which the row has
    that place; its arrays may be padded on the right.
    """
    kept: list[Any] = [None] * len(rows)
    for batch in _batches(model, rows, most_rows, most_tokens):
        output = _forward(model, [rows[i] for i in batch])
        for place, i in enumerate(batch):
            kept[i] = keep(output, place, rows[i])
    return kept


def _batches(
    model: PreTrainedModel, rows: Sequence[Row], most_rows: int | None, most_tokens: int
) -> Iterator[list[int]]:
    """The places of rows that go together."""
    kinds = [_kind(model, row) for row in rows]
    if kinds and kinds[0] is None:
        most_rows = 1
    batch: list[int] = []
    for i in sorted(range(len(rows)), key=lambda i: (kinds[i] or 0, len(rows[i]))):
        full = len(batch) == most_rows or (len(batch) + 1) * len(rows[i]) > most_tokens
        if batch and (full or kinds[i] != kinds[batch[0]]):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _kind(model: PreTrainedModel, row: Row) -> int | None:
    """Rows of a kind can be in one batch; None: in none with others.

    The classifier of a decoder takes the last token before the padding, which must be known; that of an
    encoder-decoder the last end of text, of which all rows must have as many. A summary counts padding too.
    """
    if model.kind.pick == "summary":
        return len(row)
    if model.task != "ForSequenceClassification" or model.stacks == "encoder":
        return 0
    if model.stacks == "both":
        return row.inputs["input_ids"].count(model.config.eos_token_id)
    return None if model.config.get("pad_token_id") is None else 0


def _forward(model: PreTrainedModel, rows: list[Row]) -> Any:
    longest = max(map(len, rows))
    arguments: dict[str, Any] = {"return_dict": True, "output_hidden_states": False}
    arguments["output_attentions"] = False
    if model.stacks != "encoder":
        arguments["use_cache"] = False
    if "mems" in model.kind.arguments:
        arguments["use_mems"] = False
    padding = {"input_ids": model.config.get("pad_token_id") or 0}
    mask = np.zeros((len(rows), longest), np.uint8)
    for name in rows[0].inputs:
        if name == "attention_mask":
            continue
        array = np.full((len(rows), longest), padding.get(name, 0), np.int32)
        for place, row in enumerate(rows):
            array[place, : len(row)] = row.inputs[name]
        arguments[name] = array
    for place, row in enumerate(rows):
        mask[place, : len(row)] = row.inputs.get("attention_mask", 1)
    if not mask.all():
        arguments["attention_mask"] = mask
    if model.stacks != "encoder" and not np.any(arguments.get("token_type_ids", 0)):
        arguments.pop("token_type_ids", None)  # which these models have none of
    return model(**arguments)
