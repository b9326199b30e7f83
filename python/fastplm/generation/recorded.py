"""The model called from Python at each step, where hidden states or attentions are asked for."""

from typing import Any

import numpy as np

from fastplm import arrays
from fastplm.generation.inputs import Prompt

_KINDS = ("hidden_states", "attentions", "cross_attentions")


class Recorder:
    """Gives logits of the next token, and keeps what comes with them: steps[kind], for each step a list of
    arrays, one for each layer. copies: rows of each prompt.
    """

    def __init__(self, model: Any, prompt: Prompt, copies: int, states: bool, attentions: bool) -> None:
        self._model, self._prompt, self._expands = model, prompt, copies > 1
        self._asked = states, attentions
        self._next = None if prompt.positions is None else prompt.positions[:, -1:] + 1
        self._mask = prompt.later_mask
        self._encoder = prompt.states, prompt.encoder_mask
        self.steps: dict[str, list[Any]] = {kind: [] for kind in _KINDS}

    def prefill(self) -> arrays.Array:
        """The logits behind each prompt, [B, vocabulary]."""
        p = self._prompt
        return self._call(p.new_ids, p.embeds, p.mask, p.positions)

    def step(self, tokens: arrays.Array) -> arrays.Array:
        """The logits behind one more token of each row."""
        if self._mask is not None:
            self._mask = np.concatenate((self._mask, np.ones_like(self._mask[:, :1])), 1)
        positions = self._next
        if positions is not None:
            self._next = positions + 1
        return self._call(tokens[:, None], None, self._mask, positions)

    def select(self, rows: list[int]) -> None:
        """Row i becomes what row rows[i] was."""
        self._prompt.cache.engine_cache.reorder(rows)
        if self._next is not None:
            self._next = self._next[rows]
        if self._mask is not None:
            self._mask = self._mask[rows]
        states, mask = self._encoder
        self._encoder = None if states is None else states[rows], None if mask is None else mask[rows]
        if self._expands:  # the first call repeats the prompts' rows
            for kind, steps in self.steps.items():
                self.steps[kind] = [[layer[rows] for layer in step] for step in steps]
        self._expands = False

    def _call(self, ids: Any, embeds: Any, mask: Any, positions: Any) -> arrays.Array:
        rows, length = (ids if embeds is None else embeds).shape[:2]
        gather = np.full(rows, length - 1, np.int32) if self._model.task == "DoubleHeadsModel" else None
        made = self._model.engine.decode(
            ids,
            embeds,
            mask,
            positions,
            gather,
            self._prompt.cache.engine_cache,
            *self._encoder,
            *self._asked,
        )
        for kind in _KINDS:
            if made[kind] is not None:
                self.steps[kind].append(made[kind])
        logits: arrays.Array = made["logits"][:, -1]
        return logits
