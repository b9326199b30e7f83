"""The arguments of a model call: their names and order in each class, and what is refused by name."""

import inspect
from typing import Any

from fastplm.errors import UnsupportedError
from fastplm.settings import WITHOUT_EFFECT

TRAINING = (
    "fastplm's engine models are for inference; train a torch model: fastplm.accelerate(hf_model), or import "
    "its class from fastplm.transformers"
)

_ENCODER_STATES = ("encoder_hidden_states", "encoder_attention_mask")
_SPANS = ("start_positions", "end_positions")
_SWITCHES = ("output_hidden_states", "output_attentions", "return_dict")

# What a call may be given by name, whatever its class has by position, for each kind of model.
_BY_NAME = {
    "encoder": ("token_type_ids", "position_ids", *_SWITCHES),
    "decoder": (
        *_SWITCHES,
        "cache",
        "past_key_values",
        "use_cache",
        "num_items_in_batch",
        "shift_labels",
    ),
    "both": (*_SWITCHES, "cache", "past_key_values", "use_cache"),
}
_BY_NAME["causal"] = ("token_type_ids", *_BY_NAME["decoder"])

# Refused unless they ask for nothing, in each kind of model: argument, and why.
_NO_CACHE, _NO_DECODER = "an encoder keeps no cache", "this model is an encoder"
_PACKED = "batches are packed without it; expected input_ids with attention_mask"
_OF_ALL = {
    "cu_seq_lens_k": _PACKED,
    "cu_seq_lens_q": _PACKED,
    "head_mask": "the engine runs all heads",
    "logits_to_keep": "this class gives the logits of all tokens",
    "max_length_k": _PACKED,
    "max_length_q": _PACKED,
    "seq_idx": _PACKED,
    **dict.fromkeys(("labels", *_SPANS), f"this class has no head with a loss; {TRAINING}"),
}
_NO_CROSS = "this model has no attention over an encoder"
_REFUSED = {
    "encoder": {
        **_OF_ALL,
        **dict.fromkeys(("cache", "cache_position", "past_key_values", "use_cache"), _NO_CACHE),
        **dict.fromkeys((*_ENCODER_STATES, "is_causal"), _NO_DECODER),
    },
    "decoder": {
        **_OF_ALL,
        **dict.fromkeys(_ENCODER_STATES, _NO_CROSS),
        "token_type_ids": "the engine adds no second embeddings to a decoder's tokens",
        "cache_position": "a cache counts its own tokens",
        "is_causal": "a decoder's tokens see the earlier ones",
        "position_ids": "this class counts its tokens itself",
    },
    "both": {
        **_OF_ALL,
        **dict.fromkeys(("decoder_head_mask", "cross_attn_head_mask"), _OF_ALL["head_mask"]),
        "cache_position": "a cache counts its own tokens",
        "is_causal": "a decoder's tokens see the earlier ones, an encoder's each other",
    },
}
_REFUSED["causal"] = {n: why for n, why in _REFUSED["decoder"].items() if n != "token_type_ids"}


def _honoured(order: tuple[str, ...], stacks: str) -> dict[str, None]:
    refused = _REFUSED[stacks]
    # a class that takes labels or positions, or keeps some logits, has them in its order
    some = ("labels", "logits_to_keep", "position_ids", *_SPANS)
    own = (n for n in order if n not in refused or n in some)
    return dict.fromkeys((*own, *_BY_NAME[stacks]))


def _asks_for_nothing(name: str, value: Any, stacks: str) -> bool:
    if name == "is_causal" and stacks != "encoder":
        return value is None or (value is True and stacks != "both")
    if name == "logits_to_keep" and type(value) is int:
        return value == 0
    return value is None or value is False


def signature(order: tuple[str, ...], stacks: str) -> inspect.Signature:
    """The signature of a class's call, whose arguments by position are `order`."""
    places = [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None) for n in order]
    names = [
        inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=None)
        for n in _honoured(order, stacks)
        if n not in order
    ]
    this = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return inspect.Signature(
        [this, *places, *names, inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)]
    )


def bind(
    order: tuple[str, ...], stacks: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """The arguments of a call, by name. order: those that the class has by position.

    Raises TypeError (more arguments than the class has, one given twice, an unknown name), UnsupportedError
    (one that asks for what the model does not do).
    """
    refused = _REFUSED[stacks]
    if len(args) > len(order):
        raise TypeError(
            f"forward() got {len(args)} arguments; expected at most {len(order)}: {', '.join(order)}"
        )
    given = dict(zip(order, args, strict=False))
    for key, value in kwargs.items():
        if key in given:
            raise TypeError(f"forward() got {key!r} twice: by position and by name")
        given[key] = value
    for key in given.keys() - _honoured(order, stacks).keys():
        if key not in refused:
            if key not in WITHOUT_EFFECT["forward"]:
                raise TypeError(f"forward() got an unexpected keyword argument {key!r}")
        elif not _asks_for_nothing(key, given[key], stacks):
            got = type(given[key]).__name__
            raise UnsupportedError(f"{key}: {got} given; expected None: {refused[key]}")
    if "past_key_values" in given and stacks != "encoder":
        older = given.pop("past_key_values")
        if older is not None and given.get("cache") is not None:
            raise TypeError("forward() got both cache and past_key_values, its older name")
        given["cache"] = older if given.get("cache") is None else given["cache"]
    return given
