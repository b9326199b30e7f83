"""What a decoder remembers of the tokens it has seen."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fastplm import _engine, arrays


class Cache:
    """The keys and values of B rows of tokens, of one model, which fills it in each call it is given to.

    Results with it are bitwise those without it. Copies share memory until one of them is written to.
    One call at a time may use it.
    """

    def __init__(self, model: Any) -> None:
        self.engine: _engine.Model = model.engine  # whose it is
        self._cache: _engine.Cache = self.engine.new_cache()
        self._lock = threading.Lock()

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """How many tokens each row has, hidden ones included; the layer makes no difference."""
        return self._cache.columns

    def __len__(self) -> int:
        """How many tokens each row has."""
        return self._cache.columns

    def __bool__(self) -> bool:
        return True  # an empty cache is one

    @property
    def batch_size(self) -> int:
        """How many rows it has; 0 before the first call."""
        return self._cache.rows

    @property
    def nbytes(self) -> int:
        """The memory of its pages; what copies share counts for each."""
        return self._cache.nbytes

    def crop(self, max_length: int) -> None:
        """Keeps the first `max_length` tokens of each row; if negative, forgets that many at the end."""
        length = max_length if max_length >= 0 else len(self) + max_length
        if length < 0:
            raise ValueError(f"max_length: {max_length}; the cache has {len(self)} tokens")
        self._cache.crop(length)

    def reorder_cache(self, beam_idx: Any) -> None:
        """Row i becomes what row beam_idx[i] was. Raises ValueError for a row that there is not."""
        self._reorder(_indices(beam_idx, "beam_idx"))

    def batch_select_indices(self, indices: Any) -> None:
        """Keeps the rows `indices`, in this order."""
        self._reorder(_indices(indices, "indices"))

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Each row becomes `repeats` rows, beside each other."""
        self._reorder([row for row in range(self.batch_size) for _ in range(repeats)])

    def _reorder(self, rows: Sequence[int]) -> None:
        self._cache.reorder(rows)

    def copy(self) -> "Cache":
        """Another cache with the same tokens."""
        copy = object.__new__(Cache)
        copy.engine, copy._cache, copy._lock = self.engine, self._cache.copy(), threading.Lock()
        return copy

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> "Cache":
        return self.copy()

    @contextlib.contextmanager
    def filling(self) -> Iterator[_engine.Cache]:
        """The engine's cache, for one call; if that fails, the cache is as before."""
        if not self._lock.acquire(blocking=False):
            raise ValueError("cache: another call uses it at the same time; expected one cache for each")
        before = self._cache.columns
        try:
            yield self._cache
        except BaseException:
            if before:
                self._cache.crop(before)
            else:
                self._cache = self.engine.new_cache()
            raise
        finally:
            self._lock.release()

    def __repr__(self) -> str:
        return f"Cache({self.batch_size} rows, {len(self)} tokens, {self.nbytes / 1e6:.1f} MB)"


def _indices(value: Any, name: str) -> Sequence[int]:
    array = arrays.integers(value, name)
    if array.ndim != 1:
        raise ValueError(f"{name}: shape {list(array.shape)}; expected [rows]")
    return [int(i) for i in np.asarray(array)]
