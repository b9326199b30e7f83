"""What some encoders take besides tokens: states of earlier calls (mems), who sees whom (perm_mask), and
tokens to be predicted in a second stream of states (target_mapping).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastplm import arrays, calls
from fastplm.errors import UnsupportedError


@dataclass
class Streams:
    """Of a call with B rows of S tokens behind M remembered columns, P of them targets.

    mask: uint8 [B, S], 0: hidden; or None. sees: who sees whom without it, booleans [B, S, S], or None.
    mems: float32 [layers, B, M, width], or None. columns: of the targets, int32 [B, P], or None. backward:
    uint8 [B], or None. use: whether new mems are wanted.
    """

    mask: arrays.Array | None
    sees: arrays.Array | None
    mems: arrays.Array | None
    columns: arrays.Array | None
    backward: arrays.Array | None
    use: bool

    @property
    def remembered(self) -> int:
        """M."""
        return 0 if self.mems is None else int(self.mems.shape[2])

    def arguments(self) -> dict[str, Any]:
        """What the engine takes, by name."""
        mask, pairs = self.mask, self.sees
        if mask is not None:
            mask = _behind(mask, self.remembered)
        own = {
            "remembered": self.mems if self.remembered else None,
            "backward": self.backward,
            "targets": self.columns,
        }
        if pairs is None:
            return {"attention_mask": mask, **own}
        if self.columns is not None:
            of_targets = np.take_along_axis(pairs, self.columns[..., None], 1)
            own["target_mask"] = _behind(of_targets, self.remembered)
        pairs = pairs | np.eye(pairs.shape[1], dtype=bool)  # but for targets, a token sees itself
        return {"attention_mask": mask, "pair_mask": _behind(pairs, self.remembered), **own}

    def remember(self, states: Any, config: Any) -> tuple[arrays.Array, ...]:
        """New mems, of the states [B, S, width] before each layer. Those of hidden tokens, which are not
        computed, are NaN, and a call that is given them says so.
        """
        made = []
        for layer, state in enumerate(states):
            if self.mask is not None:
                state = np.where(self.mask[..., None] != 0, state, np.float32(np.nan))
            new = state.transpose(1, 0, 2)[: config.get("reuse_len") or None]
            if self.mems is not None:
                new = np.concatenate((self.mems[layer].transpose(1, 0, 2), new))
            made.append(np.ascontiguousarray(new[-(config.mem_len or 0) :]))
        return tuple(made)


def streams_of(
    model: Any, given: dict[str, Any], batch: int, length: int, columns: Any, counts: Any
) -> Streams:
    """The arguments of a call, checked. columns: of target_columns; counts: tokens whose results count even
    where they are hidden, booleans [B, S], or None.

    Raises ValueError, TypeError, UnsupportedError.
    """
    config = model.config
    mask = _mask(given, batch, length)
    hidden = _permutation(given.get("perm_mask"), batch, length)
    sees = None if hidden is None else ~hidden
    mems = _mems(given.get("mems"), model, batch)
    if columns is not None and sees is not None:
        _check_blind(sees, mask, columns, mems is not None and mems.shape[2] > 0, config)
    if columns is None and counts is not None and mask is not None and (counts & (mask == 0)).any():
        everyone = np.broadcast_to(mask[:, None] != 0, (batch, length, length))
        mask, sees = None, everyone if sees is None else everyone & sees
    backward = None
    if config.get("bi_data"):
        if batch % 2:
            raise ValueError(
                f"input_ids: {batch} rows; expected an even number: bi_data reads the second half backwards"
            )
        backward = (np.arange(batch) >= batch // 2).astype(np.uint8)
    use = calls.switch(given.get("use_mems"), "use_mems", bool(config.use_mems_eval))
    return Streams(mask, sees, mems, columns, backward, use)


def _behind(flags: arrays.Array, columns: int) -> arrays.Array:
    """Flags [.., S] as uint8 behind `columns` that everybody sees."""
    wider = np.pad(flags, [(0, 0)] * (flags.ndim - 1) + [(columns, 0)], constant_values=1)
    return np.ascontiguousarray(wider, np.uint8)


def _mask(given: dict[str, Any], batch: int, length: int) -> arrays.Array | None:
    if given.get("input_mask") is None:
        mask = calls.mask(given.get("attention_mask"), batch, length)
    elif given.get("attention_mask") is not None:
        raise ValueError("attention_mask and input_mask: got both; expected one: they say the opposite")
    else:
        mask = calls.mask(arrays.to_numpy(given["input_mask"], "input_mask") == 0, batch, length)
    if mask is not None and mask.ndim == 3:
        raise UnsupportedError(
            "attention_mask: it says who sees whom; expected [batch, length], and perm_mask for that"
        )
    return mask


def _permutation(value: Any, batch: int, length: int) -> arrays.Array | None:
    """Whom a token does not see, as booleans [B, S, S]."""
    if value is None:
        return None
    array = arrays.to_numpy(value, "perm_mask")
    if array.shape not in ((batch, length, length), (1, length, length)):
        raise ValueError(f"perm_mask: shape {list(array.shape)}; expected [{batch}, {length}, {length}]")
    if array.dtype != bool and not (array >= 0).all():
        raise ValueError("perm_mask: holds values below 0; expected 0 (sees) or 1 (does not see)")
    return np.broadcast_to(array > 0, (batch, length, length))


def _mems(value: Any, model: Any, batch: int) -> arrays.Array | None:
    if value is None or all(layer is None for layer in value):
        return None
    layers = [arrays.floats(layer, "mems") for layer in value]
    engine = model.engine
    shape = layers[0].shape
    if len(layers) != engine.layers or any(layer.shape != shape for layer in layers) or (
        len(shape) != 3 or shape[1:] != (batch, engine.width)
    ):  # fmt: skip
        raise ValueError(
            f"mems: {len(layers)} arrays, the first of shape {list(shape)}; expected {engine.layers} "
            f"[columns, {batch}, {engine.width}], as an earlier call gave them"
        )
    mems = np.ascontiguousarray(np.stack(layers).transpose(0, 2, 1, 3))
    if np.isnan(mems[..., 0]).any():
        raise UnsupportedError(
            "mems: hold tokens that an earlier call's attention_mask hid, whose states are not computed; "
            "expected mems of rows without padding"
        )
    return mems


def target_columns(value: Any, batch: int, length: int) -> arrays.Array | None:
    """The token that each target is, as int32 [B, P]."""
    if value is None:
        return None
    array = arrays.to_numpy(value, "target_mapping")
    if array.ndim != 3 or array.shape[0] != batch or array.shape[2] != length or array.shape[1] == 0:
        raise ValueError(f"target_mapping: shape {list(array.shape)}; expected [{batch}, targets, {length}]")
    whole = ((array == 0) | (array == 1)).all(-1) & (array.sum(-1) == 1)
    if not whole.all():
        row, target = np.argwhere(~whole)[0]
        raise UnsupportedError(
            f"target_mapping: target {target} of row {row} is no single token; expected one 1 among zeros"
        )
    columns: arrays.Array = array.argmax(-1).astype(np.int32)
    for row, own in enumerate(columns):
        if len(set(own.tolist())) < len(own):
            raise UnsupportedError(
                f"target_mapping: two targets of row {row} are one token; expected different ones"
            )
    return columns


def _check_blind(sees: arrays.Array, mask: Any, columns: arrays.Array, remembered: bool, config: Any) -> None:
    """A target that sees no token weighs all alike, in transformers padding and later tokens too."""
    if remembered:
        return
    seen = np.take_along_axis(sees, columns[..., None], 1)
    if mask is not None:
        seen = seen & (mask != 0)[:, None]
    causal = config.get("attn_type") == "uni"
    if causal:
        seen = seen & (np.arange(sees.shape[1]) <= columns[..., None])
    for row, target in np.argwhere(~seen.any(-1)):
        if causal or (mask is not None and not mask[row].all()):
            raise ValueError(
                f"perm_mask: target {target} of row {row} sees no token, in a row with hidden ones; expected "
                "at least one"
            )
