"""What a decoder remembers of the tokens it has seen."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastplm import _engine, arrays


class Cache:
    """The keys and values of B rows of tokens, of one model, which fills it in each call it is given to.

    Results with it are bitwise those without it. Copies share memory until one of them is written to.
    One call at a time may use it; another one raises ValueError. A call that fails leaves it as it was.
    """

    def __init__(self, model: Any) -> None:
        self.engine: _engine.Model = model.engine  # whose it is
        self.engine_cache: _engine.Cache = self.engine.new_cache()

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """How many tokens each row has, hidden ones included; the layer makes no difference."""
        return self.engine_cache.columns

    def __len__(self) -> int:
        """How many tokens each row has."""
        return self.engine_cache.columns

    def __bool__(self) -> bool:
        return True  # an empty cache is one

    @property
    def batch_size(self) -> int:
        """How many rows it has; 0 before the first call."""
        return self.engine_cache.rows

    @property
    def nbytes(self) -> int:
        """The memory of its pages; what copies share counts for each."""
        return self.engine_cache.nbytes

    def crop(self, max_length: int) -> None:
        """Keeps the first `max_length` tokens of each row; if negative, forgets that many at the end."""
        self.engine_cache.crop(max_length if max_length >= 0 else max(0, len(self) + max_length))

    def reset(self) -> None:
        """Forgets all rows."""
        self.engine_cache.crop(0)

    def reorder_cache(self, beam_idx: Any) -> None:
        """Row i becomes what row beam_idx[i] was. Raises ValueError for a row that there is not."""
        self.engine_cache.reorder(_indices(beam_idx, "beam_idx"))

    def batch_select_indices(self, indices: Any) -> None:
        """Keeps the rows `indices`, in this order."""
        self.engine_cache.reorder(_indices(indices, "indices"))

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Each row becomes `repeats` rows, beside each other."""
        if repeats < 1:
            raise ValueError(f"repeats: {repeats}; expected 1 or more")
        self.engine_cache.reorder([row for row in range(self.batch_size) for _ in range(repeats)])

    def copy(self) -> "Cache":
        """Another cache with the same tokens."""
        copy = object.__new__(Cache)
        copy.engine, copy.engine_cache = self.engine, self.engine_cache.copy()
        return copy

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> "Cache":
        return self.copy()

    def __repr__(self) -> str:
        return f"Cache({self.batch_size} rows, {len(self)} tokens, {self.nbytes / 1e6:.1f} MB)"


def _indices(value: Any, name: str) -> Sequence[int]:
    array = arrays.integers(value, name)
    if array.ndim != 1:
        raise ValueError(f"{name}: shape {list(array.shape)}; expected [rows]")
    return [int(i) for i in np.asarray(array)]
