"""Rows of ids, encoded earlier, padded to one length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastplm.tokenizers.methods.calling import pad_token, resolve
from fastplm.tokenizers.methods.state import State
from fastplm.tokenizers.result.batch_encoding import BatchEncoding


def pad(
    tokenizer: State,
    encoded_inputs: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    padding: bool | str = True,
    max_length: int | None = None,
    pad_to_multiple_of: int | None = None,
    padding_side: str | None = None,
    return_attention_mask: bool | None = None,
    return_tensors: Any = None,
    verbose: bool = True,
) -> BatchEncoding:
    if isinstance(encoded_inputs, Mapping):
        data = dict(encoded_inputs)
    else:
        for row in encoded_inputs:
            if not isinstance(row, Mapping):
                raise TypeError(f"a row is a {type(row).__name__}; expected a dict with input_ids")
        data = {key: [row[key] for row in encoded_inputs] for key in (encoded_inputs or [{}])[0]}
    name = tokenizer.model_input_names[0]
    if name not in data:
        raise ValueError(f"the entries are {list(data)}; expected {name} among them")
    if data[name] is None or len(data[name]) == 0:
        return BatchEncoding(data | ({"attention_mask": []} if return_attention_mask else {}))
    kind = _kind(data[name])
    masks = data.get("attention_mask")
    stacked = masks if isinstance(masks, list) and masks and getattr(masks[0], "ndim", 0) > 1 else None
    if stacked is not None:  # a mask of more than one dimension per row: not for us to pad
        del data["attention_mask"]
    for key in data if kind else data.keys() & {name, *_PADDED}:
        data[key] = _plain(data[key])

    shape, _, multiple, side = resolve(
        tokenizer, padding, False, max_length, 0, pad_to_multiple_of, padding_side, verbose
    )
    single = not isinstance(data[name][0], list)
    rows = [data[name]] if single else data[name]
    if not single:
        for key, value in data.items():
            if len(value) != len(rows):
                raise ValueError(f"{key} has {len(value)} rows, {name} {len(rows)}; expected as many")
    length = max(map(len, rows)) if shape.padding == "longest" else shape.pad_length
    if multiple:
        length = -(-length // multiple) * multiple
    missing = [length - len(row) if shape.padding != "do_not_pad" else 0 for row in rows]

    pad_id, pad_type_id, _ = pad_token(tokenizer) if any(missing) else (0, 0, "")
    fillings = {name: pad_id, "token_type_ids": pad_type_id, "special_tokens_mask": 1}
    if return_attention_mask is None:
        return_attention_mask = "attention_mask" in tokenizer.model_input_names
    if return_attention_mask and stacked is None:
        fillings["attention_mask"] = 0
        made = [[1] * len(row) for row in rows]
        data.setdefault("attention_mask", made[0] if single else made)
    for key in fillings.keys() & data.keys():
        padded = []
        for row, count in zip([data[key]] if single else data[key], missing, strict=True):
            more = [fillings[key]] * count
            padded.append(more + row if side == "left" else row + more)
        data[key] = padded[0] if single else padded
    if stacked is not None:
        data["attention_mask"] = _stack(stacked)
    return BatchEncoding(data).convert_to_tensors(kind if return_tensors is None else return_tensors)


_PADDED = ("attention_mask", "token_type_ids", "special_tokens_mask")


def _stack(masks: list[Any]) -> Any:
    if type(masks[0]).__module__ == "numpy":
        import numpy as np

        return np.stack(masks)
    import torch

    return torch.stack(masks)


def _kind(rows: Any) -> str | None:
    """What rows, or numbers, are: torch tensors ("pt"), numpy arrays ("np"), or lists (None)."""
    first = rows if hasattr(rows, "tolist") else rows[0]
    if isinstance(first, (list, tuple)):
        first = next((row[0] for row in rows if len(row)), first)
    if isinstance(first, (int, list, tuple)):
        return None
    if hasattr(first, "tolist"):
        return "np" if type(first).__module__ == "numpy" else "pt"
    raise ValueError(f"the ids are {type(first).__name__}; expected int, lists, arrays or tensors")


def _plain(value: Any) -> Any:
    """Lists in place of tuples, arrays and tensors."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if not isinstance(value, (list, tuple)):
        return value
    if isinstance(value, list) and not any(map(_is_wrapped, value)):
        return value
    return [_plain(item) for item in value]


def _is_wrapped(value: Any) -> bool:
    return not isinstance(value, (int, float, str))
