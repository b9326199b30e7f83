"""What a model call returns."""

from typing import Any


class ModelOutput(dict[str, Any]):
    """The named results of a model call, in order; what was not asked for, or does not exist, is left out.

    By attribute (None where left out), by name, by position and as a tuple, as transformers' outputs:
    `out.last_hidden_state`, `out["last_hidden_state"]`, `out[0]`, `out.to_tuple()`.

    last_hidden_state [B, S, W]; pooler_output [B, W]; hidden_states: a tuple of layers + 1 arrays [B, S, W];
    attentions: a tuple of `layers` arrays [B, heads, S, S].
    """

    _fields = ("last_hidden_state", "pooler_output", "hidden_states", "attentions")

    last_hidden_state: Any
    pooler_output: Any
    hidden_states: tuple[Any, ...] | None
    attentions: tuple[Any, ...] | None

    def __init__(self, **results: Any) -> None:
        super().__init__((name, results[name]) for name in self._fields if results.get(name) is not None)

    def __getattr__(self, name: str) -> Any:
        if name in self._fields:
            return self.get(name)
        if name in ("cross_attentions", "cache", "past_key_values"):  # transformers has them, of decoders
            return None
        raise AttributeError(f"no result is called {name!r}; there are {', '.join(self._fields)}")

    def __getitem__(self, key: str | int | slice) -> Any:
        return super().__getitem__(key) if isinstance(key, str) else self.to_tuple()[key]

    def to_tuple(self) -> tuple[Any, ...]:
        """The results in order, without their names."""
        return tuple(self.values())
