"""A call of an encoder, with or without a head."""

from typing import Any

import numpy as np

from fastplm import arrays, calls, heads, losses, streams
from fastplm.families import family_of
from fastplm.outputs import ModelOutput


def run(model: Any, given: dict[str, Any]) -> ModelOutput | tuple[Any, ...]:
    """The results of `model` for arguments by name."""
    config = model.config
    asked, given = given, dict(given)
    given, lead = heads.flatten(model.task, given)
    ids, embeds, batch, length = tokens(model, given.get("input_ids"), given.get("inputs_embeds"))
    layers = calls.layers_of(given.get("output_hidden_states"), config)
    arguments = {
        "input_ids": ids,
        "inputs_embeds": embeds,
        "position_ids": calls.per_token(
            given.get("position_ids"), "position_ids", batch, length, shared=True
        ),
        "token_type_ids": calls.per_token(given.get("token_type_ids"), "token_type_ids", batch, length),
        "gather": None,
        "hidden_states": layers is not False,
        "attentions": calls.switch(
            given.get("output_attentions"), "output_attentions", config.output_attentions
        ),
        "language_ids": calls.per_token(given.get("langs"), "langs", batch, length),
    }
    if "mems" in model.kind.arguments:
        results = _with_streams(model, given, arguments, batch, length)
    else:
        mask = calls.mask(given.get("attention_mask"), batch, length, model.engine.encoder_window)
        if family_of(config.model_type).manners.mask_by_lengths:
            mask = calls.mask_of_lengths(mask, given.get("lengths"), ids, batch, length, config)
        mask = shown(mask, heads.wanted(model.task, given, None, batch, length))
        results = model.engine.encode(**arguments, attention_mask=mask)
    if model.kind.empty_cross and results["attentions"] is not None:
        results["cross_attentions"] = ()
    if not isinstance(layers, bool):
        results["hidden_states"] = calls.selected(results["hidden_states"], layers)
    return packaged(model, asked, heads.finish(model.task, results, given, config, lead))


def _with_streams(
    model: Any, given: dict[str, Any], arguments: dict[str, Any], batch: int, length: int
) -> dict[str, Any]:
    """The engine's results, and mems."""
    columns = streams.target_columns(given.get("target_mapping"), batch, length)
    count = length if columns is None else columns.shape[1]
    gather = heads.gathered(model.kind.pick, given, arguments["input_ids"], batch, count, model.config)
    counts = heads.wanted(model.task, given, gather, batch, count, shifts=False)
    if model.kind.pick == "summary" and gather is None:  # the mean of all
        counts = np.ones((batch, count), bool)
    own = streams.streams_of(model, given, batch, length, columns, counts)
    wanted = arguments["hidden_states"]
    arguments |= {"gather": gather, "hidden_states": wanted or own.use}
    results: dict[str, Any] = model.engine.encode(**arguments, **own.arguments())
    states, targets = results["hidden_states"], results.pop("target_states", None)
    if own.use:
        results["mems"] = own.remember(states[:-1], model.config)
    if not wanted:
        results["hidden_states"] = None
    elif targets is not None:  # the two streams in turn
        results["hidden_states"] = [state for both in zip(states, targets, strict=True) for state in both]
    return results


def tokens(
    model: Any, input_ids: Any, inputs_embeds: Any, prefix: str = ""
) -> tuple[arrays.Array | None, arrays.Array | None, int, int]:
    """ids or embeddings, the batch size and the length. prefix: "decoder_", of the arguments' names."""
    if (input_ids is None) == (inputs_embeds is None):
        got = "neither" if input_ids is None else "both"
        raise ValueError(f"{prefix}input_ids and {prefix}inputs_embeds: got {got}; expected exactly one")
    if inputs_embeds is None:
        ids = arrays.integers(input_ids, f"{prefix}input_ids")
        if ids.ndim != 2:
            raise ValueError(f"{prefix}input_ids: shape {list(ids.shape)}; expected [batch, length]")
        return ids, None, *ids.shape
    embeds, width = arrays.floats(inputs_embeds, f"{prefix}inputs_embeds"), model.engine.embed_width
    if embeds.ndim != 3 or embeds.shape[2] != width:
        raise ValueError(
            f"{prefix}inputs_embeds: shape {list(embeds.shape)}; expected [batch, length, {width}]"
        )
    return None, embeds, embeds.shape[0], embeds.shape[1]


def shown(mask: arrays.Array | None, wanted: Any) -> arrays.Array | None:
    """`mask`, by pairs if it hides tokens whose results are wanted: they then see, and are not seen."""
    if mask is None or mask.ndim != 2 or wanted is None:
        return mask
    length = wanted.shape[1]
    if not (wanted & (mask[:, mask.shape[1] - length :] == 0)).any():
        return mask
    return np.ascontiguousarray(np.broadcast_to(mask[:, None], (len(mask), length, mask.shape[1])))


def packaged(model: Any, given: dict[str, Any], results: dict[str, Any]) -> ModelOutput | tuple[Any, ...]:
    """The results in the form the caller works with."""
    as_torch = any(_holds_torch(value) for value in given.values())
    output = ModelOutput(**{name: _give(model, value, as_torch) for name, value in results.items()})
    named = calls.switch(given.get("return_dict"), "return_dict", model.config.return_dict)
    return output if named else output.to_tuple()


def _holds_torch(value: Any) -> bool:
    if isinstance(value, dict):  # an output
        value = tuple(value.values())
    return any(map(arrays.is_torch, value)) if isinstance(value, tuple | list) else arrays.is_torch(value)


def _give(model: Any, value: Any, as_torch: bool) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_give(model, item, as_torch) for item in value)
    if isinstance(value, float):
        return losses.given(value, as_torch)
    if not as_torch or not isinstance(value, np.ndarray):
        return value
    return arrays.to_torch(value).to(model.dtype)
