"""What generation starts from: the prompt as the engine takes it, made of the arguments of generate()."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastplm import arrays, decoding
from fastplm.cache import Cache
from fastplm.errors import UnsupportedError
from fastplm.generation.config import GenerationConfig
from fastplm.generation.warn import warn

_OF_DECODERS = ("attention_mask", "position_ids", "inputs_embeds", "cache", "logits_to_keep")
_OF_BOTH = ("attention_mask", "inputs_embeds", "encoder_outputs", "decoder_input_ids",
            "decoder_attention_mask", "cache")  # fmt: skip
_REFUSED = {
    "token_type_ids": "the engine adds no second embeddings to a decoder's tokens",
    "decoder_inputs_embeds": "expected decoder_input_ids",
    "head_mask": "the engine runs all heads",
    "decoder_head_mask": "the engine runs all heads",
    "cross_attn_head_mask": "the engine runs all heads",
    "encoder_hidden_states": "this model has no attention over an encoder",
    "encoder_attention_mask": "this model has no attention over an encoder",
    "labels": "generation has no loss",
    "position_ids": "this class counts its tokens itself",
}


@dataclass
class Prompt:
    """ids: int32 [B, L], what the results begin with. The arrays of the columns that the cache lacks: new_ids
    [B, n] or embeds [B, n, W], mask ([B, columns] or, for pairs, [B, n, columns]), positions [B, n].
    later_mask: of all columns, for the tokens that follow. shown: of each row of ids, the first that counts.
    source: what penalties call the encoder's ids. states, encoder_mask: of the encoder; encoder: its results.
    """

    ids: arrays.Array
    cache: Cache
    new_ids: arrays.Array | None = None
    embeds: arrays.Array | None = None
    mask: arrays.Array | None = None
    positions: arrays.Array | None = None
    later_mask: arrays.Array | None = None
    shown: list[int] = field(default_factory=list)
    source: arrays.Array | None = None
    states: arrays.Array | None = None
    encoder_mask: arrays.Array | None = None
    encoder: dict[str, Any] = field(default_factory=dict)

    @property
    def length(self) -> int:
        """Of ids."""
        return int(self.ids.shape[1])


@dataclass
class Tokens:
    """The special tokens of a call. eos: none, one or several."""

    bos: int | None
    eos: list[int]
    pad: int | None
    start: Any = None  # decoder_start_token_id: one, or one for each row


def tokens_of(config: GenerationConfig) -> Tokens:
    """Those that `config` names; pad stands for one of eos where there is none."""
    eos = config.eos_token_id
    eos = [] if eos is None else _ids(eos, "eos_token_id")
    pad = config.pad_token_id
    pad = eos[0] if pad is None and eos else pad
    return Tokens(_id(config.bos_token_id, "bos_token_id"), eos, _id(pad, "pad_token_id"), _start(config))


def _id(value: Any, name: str) -> int | None:
    return None if value is None else _ids(value, name)[0]


def _ids(value: Any, name: str) -> list[int]:
    array = arrays.integers(value, name).reshape(-1)
    if not array.size:
        raise ValueError(f"{name}: empty; expected a token's id")
    return [int(i) for i in array]


def _start(config: GenerationConfig) -> Any:
    start = config.bos_token_id if config.decoder_start_token_id is None else config.decoder_start_token_id
    return None if start is None else arrays.integers(start, "decoder_start_token_id")


def check_names(model: Any, given: dict[str, Any]) -> None:
    """Raises UnsupportedError for arguments of transformers that are refused, ValueError for unknown ones."""
    known: tuple[str, ...] = _OF_BOTH if model.stacks == "both" else _OF_DECODERS
    if "position_ids" not in model.kind.arguments:
        known = tuple(name for name in known if name != "position_ids")
    unknown = []
    for name, value in given.items():
        if value is None or name in known or name == "input_ids":
            continue
        if name in _REFUSED:
            raise UnsupportedError(f"{name}: {type(value).__name__} given; {_REFUSED[name]}")
        unknown.append(name)
    if unknown:
        raise ValueError(
            f"generate(): the following `model_kwargs` are not used by the model: {unknown} (a typo in an "
            "argument of generate shows here too)"
        )


def prepared(
    model: Any, config: GenerationConfig, tokens: Tokens, inputs: Any, given: dict[str, Any]
) -> Prompt:
    """The prompt of a call. inputs: its first argument; given: the arguments for the model.

    Raises ValueError, TypeError for what does not fit together.
    """
    check_names(model, given)
    ids = given.get("input_ids")
    if inputs is not None and ids is not None:
        raise ValueError("generate(): got `inputs` and `input_ids`; expected one of them")
    ids = inputs if ids is None else ids
    array = None if ids is None else arrays.integers(ids, "input_ids")
    if array is not None and array.ndim != 2:
        raise ValueError(f"input_ids: shape {list(array.shape)}; expected [batch, length]")
    if model.stacks == "both":
        return _of_both(model, config, tokens, array, given)
    return _of_decoder(model, tokens, array, given)


def _of_decoder(model: Any, tokens: Tokens, ids: Any, given: dict[str, Any]) -> Prompt:
    embeds = given.get("inputs_embeds")
    embeds = None if embeds is None else arrays.floats(embeds, "inputs_embeds")
    if embeds is not None and (embeds.ndim != 3 or embeds.shape[2] != model.engine.embed_width):
        raise ValueError(
            f"inputs_embeds: shape {list(embeds.shape)}; expected [batch, length, {model.engine.embed_width}]"
        )
    if ids is None:
        rows = _rows_of(given)
        if embeds is not None:
            ids = np.zeros((len(embeds), 0), np.int32)
        elif tokens.bos is None:
            raise ValueError(
                "generate(): no input_ids, and no bos_token_id to begin with; expected one of them"
            )
        else:
            ids = np.full((rows, 1), tokens.bos, np.int32)
    if embeds is not None and ids.shape[1] not in (0, embeds.shape[1]):
        raise ValueError(
            f"input_ids: {ids.shape[1]} columns; expected those of inputs_embeds, {embeds.shape[1]}"
        )
    batch, length = ids.shape if embeds is None else embeds.shape[:2]
    if batch == 0 or length == 0:
        raise ValueError(f"input_ids: shape {[batch, length]}; expected at least one row and one token")
    cache = _cache(model, given)
    past = len(cache)
    given_mask = given.get("attention_mask")
    mask = _mask(given_mask, "attention_mask", batch)
    if mask is None:
        mask = _inferred(ids, tokens) if ids.shape[1] else np.ones((batch, length), np.uint8)
        _warn_of_padding(batch, tokens, given_mask)
    new = length - past if mask.shape[1] == length else length
    if new <= 0 or mask.shape[1] != past + new:
        raise ValueError(
            f"attention_mask: {mask.shape[1]} columns for {length} of input_ids and {past} in the cache; "
            f"expected {past + length}, or all tokens again with more of them than the cache has"
        )
    prompt = Prompt(ids, cache, source=ids if embeds is None else None)
    if embeds is None:
        prompt.new_ids = np.ascontiguousarray(ids[:, length - new :])
    else:
        prompt.embeds = np.ascontiguousarray(embeds[:, length - new :])
    positions = given.get("position_ids")
    if positions is not None:
        prompt.positions = _positions(positions, batch, new)
    elif "position_ids" in model.kind.arguments and (model.stacks == "causal" or not mask.all()):
        # transformers counts from 0, whatever forward does
        places = np.where(mask != 0, mask.cumsum(-1) - 1, 0)
        prompt.positions = np.ascontiguousarray(places[:, past:], np.int32)
    if mask.all():
        prompt.shown = [0] * batch
        return prompt
    _warn_of_right_padding(mask, batch, tokens)
    prompt.shown = [int(first) for first in (mask != 0).argmax(1)]
    _hide(prompt, mask, past)
    return prompt


def _hide(prompt: Prompt, mask: arrays.Array, past: int) -> None:
    """Leaves out what the mask hides. A row whose last column is hidden goes on from there, as in
    transformers: all its columns then go through the model, and the hidden ones are not seen.
    """
    if not mask.any(1).all():
        raise ValueError(
            f"attention_mask: row {int(mask.any(1).argmin())} shows no token; expected at least one"
        )
    prompt.mask = mask
    if not mask[:, -1].all():
        pairs = np.broadcast_to(mask[:, None], (len(mask), mask.shape[1] - past, mask.shape[1]))
        prompt.mask = np.ascontiguousarray(pairs)
    if not mask[:, -1].all() or not mask[:, :past].all():
        prompt.later_mask = mask


def _of_both(model: Any, config: GenerationConfig, tokens: Tokens, ids: Any, given: dict[str, Any]) -> Prompt:
    if ids is not None and given.get("inputs_embeds") is not None:
        raise ValueError("generate(): got `inputs_embeds` and `input_ids`; expected one of them")
    outputs, mask = given.get("encoder_outputs"), given.get("attention_mask")
    if ids is None and given.get("inputs_embeds") is None and outputs is None:
        if tokens.bos is None:
            raise ValueError(
                "generate(): no input_ids, and no bos_token_id to begin with; expected one of them"
            )
        ids = np.full((_rows_of(given), 1), tokens.bos, np.int32)
    if tokens.start is None:
        raise ValueError(
            "generate(): neither decoder_start_token_id nor bos_token_id is set; an encoder-decoder needs one"
        )
    call = {"encoder_outputs": outputs, "attention_mask": mask}
    if outputs is None:
        call |= {
            "input_ids": ids,
            "inputs_embeds": given.get("inputs_embeds"),
            "output_attentions": bool(config.output_attentions),
            "output_hidden_states": bool(config.output_hidden_states),
        }
    states, encoder_mask, encoder = decoding.encoder_states(model, call)
    batch = len(states)
    if batch == 0 or states.shape[1] == 0:
        raise ValueError(
            f"input_ids: shape {list(states.shape[:2])}; expected at least one row and one token"
        )
    start = (
        np.broadcast_to(tokens.start.reshape(-1, 1), (batch, 1)) if tokens.start.size in (1, batch) else None
    )
    if start is None:
        raise ValueError(f"decoder_start_token_id: {tokens.start.size} of them; expected 1 or {batch}")
    decoder_mask = _mask(given.get("decoder_attention_mask"), "decoder_attention_mask", batch)
    begun = given.get("decoder_input_ids")
    if begun is None:
        begun = start
    else:
        begun = arrays.integers(begun, "decoder_input_ids")
        if begun.ndim != 2 or len(begun) != batch or begun.shape[1] == 0:
            raise ValueError(f"decoder_input_ids: shape {list(begun.shape)}; expected [{batch}, length]")
        if (begun[:, :1] != start).all():
            begun = np.concatenate((start, begun), 1)
            if decoder_mask is not None:
                decoder_mask = np.concatenate((np.ones_like(decoder_mask[:, :1]), decoder_mask), 1)
    begun = np.ascontiguousarray(begun, np.int32)
    cache = _cache(model, given)
    past, length = len(cache), begun.shape[1]
    new = length - past if decoder_mask is not None and decoder_mask.shape[1] == length else length
    shown = past + new if decoder_mask is None else decoder_mask.shape[1]
    if new <= 0 or shown != past + new:
        raise ValueError(
            f"decoder_attention_mask: {shown} columns for {length} tokens and {past} in the cache; expected "
            f"{past + length}"
        )
    prompt = Prompt(
        begun,
        cache,
        new_ids=np.ascontiguousarray(begun[:, length - new :]),
        shown=[0] * batch,
        source=ids,
        states=states,
        encoder_mask=encoder_mask,
        encoder=encoder,
    )
    if decoder_mask is not None and not decoder_mask.all():
        prompt.shown = [int(first) for first in (decoder_mask != 0).argmax(1)]
        _hide(prompt, decoder_mask, past)
    return prompt


def _rows_of(given: dict[str, Any]) -> int:
    """How many rows the other arguments have, where there are no ids."""
    return next((len(v) for v in given.values() if hasattr(v, "shape") and len(v.shape)), 1)


def _cache(model: Any, given: dict[str, Any]) -> Cache:
    """A copy of the caller's, so that a call that fails leaves it as it was; or a new one."""
    cache = given.get("cache")
    if cache is None:
        return Cache(model)
    if not isinstance(cache, Cache):
        raise TypeError(f"cache: a {type(cache).__name__}; expected the cache of an earlier call")
    if cache.engine is not model.engine:
        raise ValueError("cache: made by another model; expected one of this model")
    return cache.copy()


def _mask(value: Any, name: str, batch: int) -> arrays.Array | None:
    if value is None:
        return None
    flags = arrays.flags(value, name)
    if flags.ndim != 2:
        raise ValueError(f"{name}: {flags.ndim} dimensions; `{name}` passed to `generate` must be 2D")
    if flags.shape[0] == 1 and batch > 1:
        flags = arrays.repeat_row(flags, batch)
    if flags.shape[0] != batch:
        raise ValueError(f"{name}: {len(flags)} rows; expected {batch}")
    return flags


def _inferred(ids: arrays.Array, tokens: Tokens) -> arrays.Array:
    """A mask that hides pad_token_id, where it can only be padding."""
    if tokens.pad is None or tokens.pad in tokens.eos or not (ids == tokens.pad).any():
        return np.ones(ids.shape, np.uint8)
    return np.ascontiguousarray(ids != tokens.pad, np.uint8)


def _warn_of_padding(batch: int, tokens: Tokens, mask: Any) -> None:
    if batch > 1 and mask is None and tokens.pad is not None and tokens.pad in tokens.eos:
        warn(
            "generate(): several rows without attention_mask, and pad_token_id is an eos_token_id: padding "
            "cannot be told from text; pass attention_mask"
        )


def _warn_of_right_padding(mask: arrays.Array, batch: int, tokens: Tokens) -> None:
    if batch > 1 and not mask[:, -1].all() and tokens.pad is not None:
        warn(
            "generate(): a decoder goes on from the right, and some rows end with padding; pad them on the "
            "left (padding_side='left')"
        )


def _positions(value: Any, batch: int, new: int) -> arrays.Array:
    places = arrays.integers(value, "position_ids")
    if places.ndim == 2 and places.shape[0] == 1 and batch > 1:
        places = arrays.repeat_row(places, batch)
    if places.ndim != 2 or places.shape[0] != batch or places.shape[1] < new:
        raise ValueError(f"position_ids: shape {list(places.shape)}; expected [{batch}, {new}]")
    return np.ascontiguousarray(places[:, places.shape[1] - new :])
