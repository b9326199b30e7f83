"""Text to ids."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from operator import index
from typing import TYPE_CHECKING, Any, NamedTuple

from fastplm.tokenizers.base.shape import PADDINGS, TRUNCATIONS, UNLIMITED, Shape, check_side, strategy
from fastplm.tokenizers.methods.framing import for_targets
from fastplm.tokenizers.methods.state import State
from fastplm.tokenizers.methods.vocabulary import ids_of
from fastplm.tokenizers.result.batch_encoding import BatchEncoding
from fastplm.tokenizers.result.encoding import NO_PADDING, RowPadding, Rows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from fastplm import _engine

_MAX_COUNT = 2**63 - 1  # more than any text has tokens

_TOO_LONG = "sequence-length-is-longer-than-the-specified-maximum"  # transformers' name of the warning

Texts = str | Sequence[str] | Sequence[Sequence[str]]


class Options(NamedTuple):
    """The arguments of a call that say how texts are encoded."""

    add_special_tokens: bool = True
    padding: bool | str | None = None
    truncation: bool | str | None = None
    max_length: int | None = None
    stride: int = 0
    is_split_into_words: bool = False
    pad_to_multiple_of: int | None = None
    padding_side: str | None = None
    return_tensors: str | None = None
    return_token_type_ids: bool | None = None
    return_attention_mask: bool | None = None
    return_overflowing_tokens: bool = False
    return_special_tokens_mask: bool = False
    return_offsets_mapping: bool = False
    return_length: bool = False
    verbose: bool = True
    split_special_tokens: bool | None = None


def encode_packed(
    tokenizer: State,
    texts: Sequence[str],
    text_pair: Sequence[str] | None,
    add_special_tokens: bool,
    truncation: bool | str,
    max_length: int | None,
    return_token_type_ids: bool,
) -> tuple[npt.NDArray[np.int32], ...]:
    if isinstance(texts, str) or isinstance(text_pair, str):
        raise TypeError("encode_packed: texts is a str; expected a list of str")
    cut = strategy("truncation", truncation, TRUNCATIONS)
    if cut == "do_not_truncate" and max_length is not None:
        raise ValueError(
            f"encode_packed: max_length is {max_length} without truncation; expected truncation=True"
        )
    if cut != "do_not_truncate" and max_length is None:
        max_length = tokenizer.model_max_length
    shape = Shape("do_not_pad", cut, max_length)
    arguments = engine_arguments(tokenizer, shape, add_special_tokens)
    batch = tokenizer._engine.encode(texts, text_pair, align=False, **arguments)
    if not return_token_type_ids:
        return batch.packed()
    types = batch.packed_types()
    return (*batch.packed(), types)


def encode(tokenizer: State, text: Any, text_pair: Any, o: Options) -> BatchEncoding:
    """What a call makes of texts, or of targets."""
    batched, texts, pairs = _as_batch(text, text_pair, o.is_split_into_words)
    shape, stride, multiple, side = resolve(
        tokenizer,
        o.padding,
        o.truncation,
        o.max_length,
        o.stride,
        o.pad_to_multiple_of,
        o.padding_side,
        o.verbose,
    )
    if o.return_tensors not in (None, "np", "pt"):
        raise ValueError(f'return_tensors is {o.return_tensors!r}; expected None, "np" or "pt"')

    engine = tokenizer._engine
    arguments = engine_arguments(
        tokenizer, shape, o.add_special_tokens, words=o.is_split_into_words, stride=stride,
        overflow=o.return_overflowing_tokens, split_special_tokens=o.split_special_tokens,
    )  # fmt: skip
    batch = engine.encode(texts, pairs, align=o.return_offsets_mapping, **arguments)
    if o.verbose and o.max_length is None and batch.longest > tokenizer.model_max_length:
        _warn_of_length(tokenizer, batch.longest)
    length = 0
    if shape.padding != "do_not_pad":
        length = batch.longest if shape.padding == "longest" else shape.pad_length
        if multiple:
            length = -(-length // multiple) * multiple
    padding, padding_token = NO_PADDING, ""
    if length:
        pad_id, pad_type_id, padding_token = pad_token(tokenizer)
        padding = RowPadding(length, side == "left", pad_id, pad_type_id)

    def realign() -> _engine.Batch:  # of these texts by this engine, whatever changes meanwhile
        return engine.encode(texts, pairs, align=True, **arguments)

    rows = Rows(
        engine, batch, None if o.return_offsets_mapping else realign, padding, padding_token,
        1 if pairs is None else 2, o.return_overflowing_tokens,
    )  # fmt: skip
    fields = _fields(tokenizer, o)
    if o.return_tensors is not None:
        return BatchEncoding(_tensors(batch, fields, padding, o), rows, n_sequences=rows.n_sequences)
    data: dict[str, Any]
    if batched or o.return_overflowing_tokens:
        data = {name: batch.lists(name, *padding) for name in fields}
    else:
        data = {name: batch.row(0, name, *padding) for name in fields}
    if o.return_length:
        data["length"] = [max(n, length) for n in batch.lengths()]
    if o.return_overflowing_tokens:
        data["overflow_to_sample_mapping"] = batch.samples()
    return BatchEncoding(data, rows, n_sequences=rows.n_sequences)


def encode_with_targets(
    tokenizer: State,
    text: Any,
    text_pair: Any,
    text_target: Any,
    text_pair_target: Any,
    options: Options,
    max_target_length: int | None,
) -> BatchEncoding:
    """The texts, with the ids of the targets as "labels"; the targets alone if there are no texts."""
    if text is None and text_target is None:
        raise ValueError("text and text_target are None; expected one of them, or both")
    encoded = None if text is None else encode(tokenizer, text, text_pair, options)
    if encoded is not None and text_target is None:
        return encoded
    if max_target_length is not None:
        baked = tokenizer._source.truncation if tokenizer._call_defaults else None
        if options.truncation is None and options.max_length is None and not baked:
            options = options._replace(truncation=False)  # a length alone asks for nothing here
        options = options._replace(max_length=max_target_length)
    target = encode(for_targets(tokenizer), text_target, text_pair_target, options)
    if encoded is None:
        return target
    encoded["labels"] = target["input_ids"]
    return encoded


def _fields(tokenizer: State, o: Options) -> list[str]:
    """The entries with a value per token that a call returns."""
    names = tokenizer.model_input_names
    fields = ["input_ids"]
    if "token_type_ids" in names if o.return_token_type_ids is None else o.return_token_type_ids:
        fields.append("token_type_ids")
    if "attention_mask" in names if o.return_attention_mask is None else o.return_attention_mask:
        fields.append("attention_mask")
    if o.return_special_tokens_mask:
        fields.append("special_tokens_mask")
    if o.return_offsets_mapping:
        fields.append("offset_mapping")
    return fields


def _warn_of_length(tokenizer: State, length: int) -> None:
    if not tokenizer.deprecation_warnings.get(_TOO_LONG):
        tokenizer.deprecation_warnings[_TOO_LONG] = True
        warnings.warn(
            f"a text has {length} tokens, but model_max_length is {tokenizer.model_max_length}: the model "
            "cannot read all of them; truncation=True cuts it",
            stacklevel=4,
        )


def engine_arguments(
    tokenizer: State,
    shape: Shape,
    add_special_tokens: bool,
    *,
    words: bool = False,
    stride: int = 0,
    overflow: bool = False,
    split_special_tokens: bool | None = None,
) -> dict[str, Any]:
    """How the engine is to encode."""
    truncation, max_length = shape.truncation, shape.max_length
    if max_length is not None and max_length < 0:
        raise ValueError(f"max_length is {max_length}; expected 0 or more")
    if truncation != "do_not_truncate":
        check_side("truncation_side", tokenizer.truncation_side)
    if truncation == "do_not_truncate" or max_length is None or max_length > UNLIMITED:
        truncation, max_length = "do_not_truncate", 0
    return {
        "words": words,
        "add_special_tokens": add_special_tokens,
        "truncation": truncation,
        "max_length": min(index(max_length), _MAX_COUNT) if max_length else 0,
        "stride": min(index(stride), _MAX_COUNT) if stride else 0,
        "truncate_left": tokenizer.truncation_side == "left",
        "overflow": overflow,
        "split_special_tokens": tokenizer.split_special_tokens
        if split_special_tokens is None
        else split_special_tokens,
    }


def resolve(
    tokenizer: State,
    padding: bool | str | None,
    truncation: bool | str | None,
    max_length: int | None,
    stride: int,
    multiple: int | None,
    side: str | None,
    verbose: bool,
) -> tuple[Shape, int, int | None, str]:
    """What a call asks for, defaults filled in: shape, stride, multiple to pad to, padding side."""
    side = check_side("padding_side", tokenizer.padding_side if side is None else side)
    baked = tokenizer._source.truncation if tokenizer._call_defaults else None
    if baked and truncation is None and max_length is None:
        truncation, max_length, stride = baked["strategy"], baked["max_length"], stride or baked["stride"]
    elif max_length is not None and not padding and truncation is None:
        truncation = "longest_first"
    baked = tokenizer._source.padding if tokenizer._call_defaults and padding is None else None
    if baked:
        padding, side, multiple = True, baked["side"], multiple or baked["multiple_of"]
        if baked["length"] is not None:
            cut = strategy("truncation", truncation, TRUNCATIONS)
            return Shape("max_length", cut, max_length, baked["length"]), stride, multiple, side
    pad, cut = strategy("padding", padding, PADDINGS), strategy("truncation", truncation, TRUNCATIONS)
    if padding is True and max_length is not None and cut == "do_not_truncate" and verbose:
        warnings.warn("max_length is ignored: padding=True and nothing truncates", stacklevel=4)
    if max_length is None and (pad == "max_length" or cut != "do_not_truncate"):
        max_length = None if tokenizer.model_max_length > UNLIMITED else tokenizer.model_max_length
        if max_length is None:
            pad, cut = ("do_not_pad" if pad == "max_length" else pad), "do_not_truncate"
    if pad != "do_not_pad" and tokenizer._named.get("pad_token") is None:
        raise ValueError("padding: the tokenizer has no padding token; set tokenizer.pad_token to one")
    if multiple is not None and multiple < 1:
        raise ValueError(f"pad_to_multiple_of is {multiple}; expected 1 or more")
    if (
        cut != "do_not_truncate"
        and pad != "do_not_pad"
        and multiple
        and max_length
        and max_length % multiple
        and not baked
    ):
        raise ValueError(
            f"max_length is {max_length} with truncation and padding; expected a multiple of "
            f"pad_to_multiple_of, {multiple}"
        )
    return Shape(pad, cut, max_length, max_length or 0), stride, multiple, side


def pad_token(tokenizer: State) -> tuple[int, int, str]:
    """Id, type and text of the token that pads."""
    baked = tokenizer._source.padding if tokenizer._call_defaults else None
    if baked:
        return baked["pad_id"], baked["pad_type_id"], baked["pad_token"]
    pad = tokenizer._named.get("pad_token")
    pad_id = None if pad is None else ids_of(tokenizer, pad)
    if pad is None or pad_id is None:
        raise ValueError(
            f"padding: pad_token is {pad!r}; expected a token of the tokenizer: add_tokens adds one"
        )
    return pad_id, tokenizer.pad_token_type_id, pad


def _tensors(batch: _engine.Batch, fields: list[str], padding: RowPadding, o: Options) -> dict[str, Any]:
    shortest, width = max(batch.shortest, padding.length), max(batch.longest, padding.length)
    if batch.rows == 0:
        shortest = width = 0
    if shortest != width:
        raise ValueError(
            f"return_tensors={o.return_tensors!r}, but the rows have {shortest} to {width} "
            "tokens; expected equal lengths: padding=True, and truncation=True if they may be long"
        )
    data: dict[str, Any] = {name: batch.padded(name, width, *padding[1:]) for name in fields}
    if o.return_length or o.return_overflowing_tokens:
        import numpy as np

        if o.return_length:
            data["length"] = np.full(batch.rows, width, np.int64)
        if o.return_overflowing_tokens:
            data["overflow_to_sample_mapping"] = np.array(batch.samples(), np.int64)
    if o.return_tensors == "pt":
        import torch

        data = {name: torch.from_numpy(array) for name, array in data.items()}
    return data


def merged(
    options: Options, max_target_length: int | None, others: Mapping[str, Any]
) -> tuple[Options, int | None]:
    """With what tokenizer_kwargs say in place of the arguments."""
    named = dict(others)
    max_target_length = named.pop("max_target_length", max_target_length)
    if unknown := named.keys() - set(Options._fields):
        raise TypeError(f"tokenizer_kwargs: {sorted(unknown)[0]!r} is no argument of a tokenizer's call")
    return options._replace(**named), max_target_length


def _is_pair(item: Any, words: bool) -> bool:
    part = (list, tuple) if words else str
    return isinstance(item, (list, tuple)) and len(item) == 2 and all(isinstance(x, part) for x in item)


def _as_batch(text: Any, pair: Any, words: bool) -> tuple[bool, Sequence[Any], Sequence[Any] | None]:
    """Whether several texts came, and the texts and second texts, in lists that are nobody else's."""
    if not isinstance(text, (str, list, tuple)):
        raise TypeError(f"text is a {type(text).__name__}; expected a str, a list of str, or lists of words")
    batched = not isinstance(text, str)
    if words:
        batched = batched and len(text) > 0 and isinstance(text[0], (list, tuple))
    if not batched:
        return False, [text], [pair] if pair else None
    if pair is None and text and all(_is_pair(item, words) for item in text):
        return True, [item[0] for item in text], [item[1] for item in text]
    if isinstance(pair, str):
        raise TypeError("text_pair is a str, but text is a list; expected a list of the same length")
    if pair is not None and len(pair) != len(text):
        raise ValueError(f"text has {len(text)} texts and text_pair {len(pair)}; expected as many")
    return True, list(text), list(pair) if isinstance(pair, list) else pair
