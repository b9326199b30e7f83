"""Texts to the rows of a batch, many at a time."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastplm.errors import UnsupportedError

# What callers may tell the tokenizer. What shapes a batch is the pipeline's.
_HONOURED = (
    "add_special_tokens", "max_length", "padding", "padding_side", "return_token_type_ids",
    "split_special_tokens", "stride", "truncation", "verbose",
)  # fmt: skip
_REFUSED = {
    "is_split_into_words": "texts are given whole",
    "pad_to_multiple_of": "texts are packed without padding",
    "return_attention_mask": "the pipeline hides padding",
    "return_overflowing_tokens": "a text has one result",
    **dict.fromkeys(
        ("return_length", "return_offsets_mapping", "return_special_tokens_mask"),
        "not for the model",
    ),
}


def tokenizer_arguments(where: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a tokenizer's call in `given`. Raises TypeError (an unknown one), UnsupportedError."""
    arguments = dict(given)
    for name, value in given.items():
        if name in _REFUSED:
            if value:
                raise UnsupportedError(f"{where}: {name}={value!r}; expected it left out: {_REFUSED[name]}")
            del arguments[name]
        elif name not in _HONOURED:
            raise TypeError(f"{where}: unexpected argument {name!r}; expected {', '.join(_HONOURED)}")
    if arguments.get("padding") in (True, "longest"):  # a text alone is the longest
        del arguments["padding"]
    return arguments


def check_texts(where: str, items: Sequence[Any]) -> None:
    """Raises TypeError unless all are str."""
    for number, item in enumerate(items):
        if not isinstance(item, str):
            raise TypeError(f"{where}: input {number} is a {type(item).__name__}; expected a str")


def tokenize(
    tokenizer: Any, texts: list[str], seconds: Sequence[str | None], arguments: Mapping[str, Any]
) -> list[dict[str, list[int]]]:
    """The model's inputs for each text, with its second text where that is not None."""
    rows: list[Any] = [None] * len(texts)
    for paired in (False, True):
        places = [i for i, second in enumerate(seconds) if (second is not None) == paired]
        if places:
            pairs: Any = [seconds[i] for i in places] if paired else None
            encoded = tokenizer([texts[i] for i in places], pairs, **arguments)
            for i, row in zip(places, rows_of(encoded), strict=True):
                rows[i] = row
    return rows


def rows_of(encoded: Mapping[str, Any]) -> list[dict[str, list[int]]]:
    """The rows of a tokenizer's batch, with the model's inputs alone."""
    names = [n for n in ("input_ids", "token_type_ids", "attention_mask") if n in encoded]
    return [dict(zip(names, row, strict=True)) for row in zip(*(encoded[n] for n in names), strict=True)]
