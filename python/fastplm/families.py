"""What the engine says of each model family: its names, settings and classes (cpp/model/arch)."""

import functools
from typing import Any, NamedTuple

from fastplm import _engine


class Kind(NamedTuple):
    """A class of transformers, called `name`. arguments: of its call, by position. pick: the row of each
    sequence that its head takes: "none", "last_token", "last_end", "named" or "summary". encoder_alone,
    decoder_alone: of a family of two stacks, it runs that one only. empty_cross: with attentions, its results
    have cross_attentions too, which are empty. also: another task that it serves. refused: why the engine
    does not run it.
    """

    name: str
    arguments: tuple[str, ...]
    pick: str
    encoder_alone: bool
    decoder_alone: bool
    empty_cross: bool
    also: str | None
    refused: str | None


class Manners(NamedTuple):
    """Where a family's calls in transformers are not like those of most: see arch.h."""

    shifts_input_ids: bool
    wraps_last_id: bool
    labels_stop_cache: bool
    keeps_cache_back: bool
    counts_encoder_layers: bool
    states_all_or_none: bool
    span_loss_by_count: bool
    token_loss_by_mask: bool
    masked_loss_by_count: bool
    labels_choose_loss: bool
    mask_by_lengths: bool
    labels_stand_still: bool


class Family(NamedTuple):
    """keys: of config.json, those that the engine gets, and no other. aliases: other names of such keys; they
    win, as in transformers. defaults: what transformers' config says where the file says nothing. prefix:
    what checkpoints with a head put before each tensor's name. stacks: "encoder", "decoder" or "both".
    transposed: some matrices are stored so.
    """

    keys: tuple[str, ...]
    aliases: dict[str, str]
    defaults: dict[str, int]
    prefix: str
    stacks: str
    transposed: bool
    classes: dict[str, Kind]
    manners: Manners


FAMILIES: tuple[str, ...] = tuple(_engine.architectures())


@functools.cache
def family_of(model_type: str) -> Family:
    """The family that config.json calls `model_type`, one of FAMILIES."""
    said = _engine.family(model_type)
    classes = {
        name: Kind(**{**kind, "name": name, "arguments": tuple(kind["arguments"])})
        for name, kind in said["classes"].items()
    }
    keys, manners = tuple(said["keys"]), Manners(**said["manners"])
    return Family(**{**said, "keys": keys, "classes": classes, "manners": manners})


def runs_decoder_alone(model_type: str) -> bool:
    """Whether a family of two stacks has a class that runs the decoder alone."""
    return any(kind.decoder_alone for kind in family_of(model_type).classes.values())


def alone(model_type: Any) -> Kind | None:
    """The class that runs the encoder alone of a family of two stacks; None: there is none."""
    if model_type not in FAMILIES:
        return None
    return next((kind for kind in family_of(model_type).classes.values() if kind.encoder_alone), None)
