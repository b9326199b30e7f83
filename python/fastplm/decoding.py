"""A call of a decoder, or of an encoder and a decoder."""

from typing import Any

import numpy as np

from fastplm import arrays, calls, encoding, heads
from fastplm.cache import Cache
from fastplm.errors import UnsupportedError
from fastplm.families import alone, family_of
from fastplm.outputs import ModelOutput

# The heads whose decoder, where it is given nothing, reads what the encoder does, whatever the family.
_OF_INPUT_IDS = ("ForSequenceClassification", "ForQuestionAnswering")


def run(model: Any, given: dict[str, Any]) -> ModelOutput | tuple[Any, ...]:
    """The results of a decoder for arguments by name."""
    asked, given = given, dict(given)
    _stop_cache(model, given)
    given, lead = heads.flatten(model.task, given)
    ids, embeds, batch, length = encoding.tokens(model, given.get("input_ids"), given.get("inputs_embeds"))
    results = _decoded(model, given, (ids, embeds, batch, length), "", None, None)
    crosses = model.kind.empty_cross and results["attentions"] is not None
    results["cross_attentions"] = () if crosses else None
    return encoding.packaged(model, asked, heads.finish(model.task, results, given, model.config, lead))


def run_both(model: Any, given: dict[str, Any]) -> ModelOutput | tuple[Any, ...]:
    """The results of an encoder-decoder for arguments by name."""
    given = dict(given)
    _add_decoder_ids(model, given)
    _stop_cache(model, given)
    states, encoder_mask, results = encoder_states(model, given)
    tokens = encoding.tokens(
        model, given.get("decoder_input_ids"), given.get("decoder_inputs_embeds"), "decoder_"
    )
    made = _decoded(model, given, tokens, "decoder_", states, encoder_mask)
    for name in ("hidden_states", "attentions"):
        made[f"decoder_{name}"] = made.pop(name)
    return encoding.packaged(model, given, {**heads.finish(model.task, made, given, model.config), **results})


def _stop_cache(model: Any, given: dict[str, Any]) -> None:
    of_input_ids = model.stacks == "both" and model.task in _OF_INPUT_IDS
    of_family = family_of(model.model_type).manners.labels_stop_cache and not model.kind.decoder_alone
    if (of_family or of_input_ids) and _has_labels(given):
        given["use_cache"] = False if given.get("cache") is None else None


def _decoded(
    model: Any,
    given: dict[str, Any],
    tokens: tuple[arrays.Array | None, arrays.Array | None, int, int],
    prefix: str,
    states: arrays.Array | None,
    encoder_mask: arrays.Array | None,
) -> dict[str, Any]:
    """The engine's results, and the cache. prefix: of the arguments' names."""
    config, (ids, embeds, batch, length) = model.config, tokens
    manners = family_of(model.model_type).manners
    cache = _cache_of(model, given)
    past = 0 if cache is None else len(cache)
    own_layers = None if manners.counts_encoder_layers else model.engine.layers
    layers = calls.layers_of(given.get("output_hidden_states"), config, own_layers)
    gather = heads.gathered(model.kind.pick, given, ids, batch, length, config)
    name = f"{prefix}attention_mask"
    rows = _mask(given.get(name), batch, length, past, name, model.engine.decoder_window)
    shifts = not manners.labels_stand_still
    mask = encoding.shown(rows, heads.wanted(model.task, given, gather, batch, length, shifts))
    positions = calls.per_token(given.get("position_ids"), "position_ids", batch, length, shared=True)
    if mask is not None and mask.ndim == 3:
        labelled = mask is not rows  # hidden tokens are run, because their results count
        _check_sees(mask, past, name, labelled, model.engine.decoder_window)
        if labelled and positions is None and model.engine.counts_shown:
            assert rows is not None
            positions = (np.cumsum(rows, 1, np.int32) * rows - 1)[:, past:].astype(np.int32)
    arguments = (
        ids,
        embeds,
        mask,
        positions,
        gather,
    )
    attentions = calls.switch(given.get("output_attentions"), "output_attentions", config.output_attentions)
    results: dict[str, Any] = model.engine.decode(
        *arguments,
        None if cache is None else cache.engine_cache,
        states,
        encoder_mask,
        layers is not False,
        attentions,
        calls.per_token(given.get("token_type_ids"), "token_type_ids", batch, length),
    )
    if not isinstance(layers, bool):
        results["hidden_states"] = calls.selected(results["hidden_states"], layers)
    if _gives_cache(model):
        shown = not manners.keeps_cache_back or _uses_cache(model, given)
        results["cache"] = cache if shown else None
    return results


def _uses_cache(model: Any, given: dict[str, Any]) -> bool:
    return calls.switch(given.get("use_cache"), "use_cache", model.config.use_cache)


def _gives_cache(model: Any) -> bool:
    if model.stacks == "causal":
        return "cache" in model.kind.arguments
    return model.stacks == "both" or model.task not in heads.WITHOUT_CACHE


def _cache_of(model: Any, given: dict[str, Any]) -> Cache | None:
    cache = given.get("cache")
    if cache is None:
        return Cache(model) if _uses_cache(model, given) and _gives_cache(model) else None
    if not isinstance(cache, Cache):
        raise TypeError(f"cache: a {type(cache).__name__}; expected the cache of an earlier call")
    if cache.engine is not model.engine:
        raise ValueError("cache: made by another model; expected one of this model")
    return cache


def _mask(
    value: Any, batch: int, length: int, past: int, name: str, window: int | None
) -> arrays.Array | None:
    """A decoder's mask as uint8: [batch, past + length], or for each pair [batch, length, past + length]."""
    if value is None:
        return None
    columns, array = past + length, arrays.to_numpy(value, name)
    if array.ndim == 4:
        return _scores_mask(array, batch, length, past, name, window)
    flags = arrays.flags(array, name)
    if batch != 1 and flags.shape == (1, columns):
        flags = arrays.repeat_row(flags, batch)
    if flags.shape != (batch, columns):
        behind = f": {past} tokens of the cache and {length}" if past else ""
        raise ValueError(f"{name}: shape {list(flags.shape)}; expected [{batch}, {columns}]{behind}")
    return flags


def _scores_mask(
    array: arrays.Array, batch: int, length: int, past: int, name: str, window: int | None
) -> arrays.Array:
    pairs = calls.sees(array, batch, length, past + length, name)
    later = np.arange(past + length) > past + np.arange(length)[:, None]
    if (pairs & later).any():
        raise UnsupportedError(f"{name}: it shows tokens that come later; expected a causal mask")
    if window is not None:
        calls.check_window(pairs, past, window, name)
    return np.ascontiguousarray(pairs, np.uint8)


def _check_sees(pairs: arrays.Array, past: int, name: str, labelled: bool, window: int | None) -> None:
    """Raises for a token that sees none: its results mean nothing. labelled: it is hidden, with a label."""
    length, columns = pairs.shape[1:]
    distance = past + np.arange(length)[:, None] - np.arange(columns)
    pairs = (pairs != 0) & (distance >= 0)
    if window is not None:
        pairs &= distance <= window
    if labelled and not pairs.any(-1).all():
        row, token = np.argwhere(~pairs.any(-1))[0]
        raise UnsupportedError(
            f"{name}: it hides token {token} of row {row}, whose logits count and which sees no earlier one: "
            "what transformers makes of it depends on attn_implementation; expected the label -100"
        )
    calls.check_rows(pairs, name)


def _has_labels(given: dict[str, Any]) -> bool:
    has = [given.get(name) is not None for name in ("labels", "start_positions", "end_positions")]
    return has[0] or (has[1] and has[2])


def _add_decoder_ids(model: Any, given: dict[str, Any]) -> None:
    """Where the decoder is given nothing: its labels behind the start token, or input_ids."""
    if given.get("decoder_input_ids") is not None or given.get("decoder_inputs_embeds") is not None:
        return
    source = (
        "labels" if model.task == "ForConditionalGeneration" and given.get("labels") is not None else None
    )
    shifts = family_of(model.model_type).manners.shifts_input_ids or model.task in _OF_INPUT_IDS
    if source is None and shifts and given.get("input_ids") is not None:
        source = "input_ids"
    if source is not None:
        given["decoder_input_ids"] = shifted(model.config, given[source], source)


def shifted(config: Any, ids: Any, name: str) -> arrays.Array:
    """`ids` [B, S] one to the right, behind decoder_start_token_id or, in some families, the row's last id
    that is not pad_token_id; -100 becomes pad_token_id.
    """
    array = arrays.integers(ids, name)
    if array.ndim != 2:
        raise ValueError(f"{name}: shape {list(array.shape)}; expected [batch, length]")
    wraps = family_of(config.model_type).manners.wraps_last_id
    tokens = {n: config.get(n) for n in ("decoder_start_token_id", "pad_token_id")[wraps:]}
    for setting, token in tokens.items():
        if token is None:
            raise ValueError(f"{name}: shifting them needs {setting}, which config.json does not name")
    moved = np.empty_like(array)
    array = np.where(array == -100, tokens["pad_token_id"], array)
    moved[:, 1:] = array[:, :-1]
    if wraps:  # of a row of padding alone, its last
        last = (array != tokens["pad_token_id"]).sum(1) - 1
        moved[:, :1] = np.take_along_axis(array, last[:, None], 1)
    else:
        moved[:, :1] = tokens["decoder_start_token_id"]
    return moved


def encode(model: Any, given: dict[str, Any]) -> dict[str, Any]:
    """The results of an encoder-decoder's encoder."""
    config = model.config
    ids, embeds, batch, length = encoding.tokens(model, given.get("input_ids"), given.get("inputs_embeds"))
    layers = calls.layers_of(given.get("output_hidden_states"), config)
    results: dict[str, Any] = model.engine.encode(
        ids,
        embeds,
        calls.mask(given.get("attention_mask"), batch, length, model.engine.encoder_window),
        None,
        None,
        None,
        layers is not False,
        calls.switch(given.get("output_attentions"), "output_attentions", config.output_attentions),
    )
    if not isinstance(layers, bool):
        results["hidden_states"] = calls.selected(results["hidden_states"], layers)
    return {name: results[name] for name in ("last_hidden_state", "hidden_states", "attentions")}


def encoder_states(
    model: Any, given: dict[str, Any]
) -> tuple[arrays.Array, arrays.Array | None, dict[str, Any]]:
    """The encoder's states, which of them are hidden, and what it adds to the results."""
    outputs = given.get("encoder_outputs")
    if outputs is None:
        own = encode(model, given)
    elif hasattr(outputs, "last_hidden_state"):
        own = {n: getattr(outputs, n, None) for n in ("last_hidden_state", "hidden_states", "attentions")}
    elif isinstance(outputs, tuple | list) and outputs:
        names = ("last_hidden_state", "hidden_states", "attentions")
        own = dict(zip(names, [*outputs[:3], None, None][:3], strict=True))
    else:
        raise TypeError(f"encoder_outputs: a {type(outputs).__name__}; expected an output or a tuple")
    states = arrays.floats(own["last_hidden_state"], "encoder_outputs")
    if states.ndim != 3:
        raise ValueError(f"encoder_outputs: shape {list(states.shape)}; expected [batch, length, width]")
    mask = given.get("attention_mask")
    flags = None if mask is None else arrays.flags(mask, "attention_mask")
    if flags is not None and flags.shape == (1, states.shape[1]) and len(states) != 1:
        flags = arrays.repeat_row(flags, len(states))
    if flags is not None and flags.shape != states.shape[:2]:
        raise ValueError(
            f"attention_mask: shape {list(flags.shape)}; expected {list(states.shape[:2])}, a row of flags "
            "for the encoder's states"
        )
    return states, flags, {f"encoder_{name}": value for name, value in own.items()}


class Encoder:
    """The encoder of an encoder-decoder, as `get_encoder()` gives it."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __call__(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        inputs_embeds: Any = None,
        *,
        output_hidden_states: Any = None,
        output_attentions: Any = None,
        return_dict: Any = None,
    ) -> ModelOutput | tuple[Any, ...]:
        """last_hidden_state [B, S, W], and hidden_states and attentions where asked for."""
        given = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "inputs_embeds": inputs_embeds,
            "output_hidden_states": output_hidden_states,
            "output_attentions": output_attentions,
            "return_dict": return_dict,
        }
        results, kind = encode(self._model, given), alone(self._model.model_type)
        if kind is not None and kind.empty_cross and results["attentions"] is not None:
            results["cross_attentions"] = ()
        return encoding.packaged(self._model, given, results)
