"""What a model call returns."""

from typing import Any, ClassVar


class ModelOutput(dict[str, Any]):
    """The named results of a model call, in order; what was not asked for, or does not exist, is left out.

    By attribute (None where left out), by name, by position and as a tuple, as transformers' outputs:
    `out.last_hidden_state`, `out["last_hidden_state"]`, `out[0]`, `out.to_tuple()`.

    last_hidden_state [B, S, W]; pooler_output [B, W]; logits [B, S, vocabulary or classes], or [B, classes]
    of a row; start_logits and end_logits [B, S]; cache (also as past_key_values); mems: a tuple of `layers`
    arrays [columns, B, W]; hidden_states: a tuple of layers + 1 arrays [B, S, W]; attentions: a tuple of
    `layers` arrays [B, heads, S, keys]. Models of two stacks say whose they are: decoder_hidden_states,
    encoder_attentions, cross_attentions.
    """

    _fields: ClassVar[tuple[str, ...]] = (
        "loss", "mc_loss", "last_hidden_state", "pooler_output", "logits", "mc_logits", "prediction_logits",
        "seq_relationship_logits", "sop_logits", "start_logits", "end_logits", "cache", "mems",
        "hidden_states", "attentions",
        "decoder_hidden_states", "decoder_attentions", "cross_attentions", "encoder_last_hidden_state",
        "encoder_hidden_states", "encoder_attentions",
    )  # fmt: skip
    _older: ClassVar = {"past_key_values": "cache"}

    def __init__(self, **results: Any) -> None:
        super().__init__((name, results[name]) for name in self._fields if results.get(name) is not None)

    def __getattr__(self, name: str) -> Any:
        name = self._older.get(name, name)
        if name in self._fields and name in self:
            return self[name]
        if name in self._fields and not name.endswith("logits") and name != "last_hidden_state":
            return None
        raise AttributeError(f"no result is called {name!r}; there are {', '.join(self)}")

    def __getitem__(self, key: str | int | slice) -> Any:
        if isinstance(key, str):
            return super().__getitem__(self._older.get(key, key))
        return self.to_tuple()[key]

    def to_tuple(self) -> tuple[Any, ...]:
        """The results in order, without their names."""
        return tuple(self.values())
