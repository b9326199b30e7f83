"""What a contender that generates has to do."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


class Generates:
    """Greedy search (or beams) that always gives as many tokens as it is asked for."""

    def __init__(self, model: str, threads: int, precision: str) -> None:
        """model: of bench.decoders."""
        raise NotImplementedError

    def prepare(self, batch: int, length: int, new: int) -> None:
        """Specialise for one shape before it is timed."""

    def generate(self, ids: Array, new: int, beams: int) -> Array:
        """int32 ids [B, L] -> the int64 ids of `new` more tokens each [B, new]; of encoder-decoders, ids are
        what the encoder reads.
        """
        raise NotImplementedError

    def requests(self, prompts: list[Array], new: int) -> Array:
        """As generate, of prompts of different lengths."""
        raise NotImplementedError
