"""From texts to embeddings, in numpy."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastplm import pooling
from fastplm.arrays import F32, I32
from fastplm.progress import Advance
from fastplm.sentence.call import Call, Processing
from fastplm.sentence.inputs import Inputs
from fastplm.sentence.layers import Dense, Layer, Normalize
from fastplm.sentence.modules import Pooling, Transformer
from fastplm.sentence.static import StaticEmbedding

# One engine call: enough tokens to keep every core busy, few enough for the activations to stay small.
_TOKENS_PER_CALL = 8192
_TEXTS_PER_BLOCK = 8192  # tokenized at once

# What the engine pools and normalises itself.
_ENGINE_POOLING = ("mean", "cls", "max", "mean_sqrt_len_tokens", "lasttoken")


class Request(NamedTuple):
    """What is asked of some texts. keep: dimensions, or None for all. unit: whether to give length 1.

    output: "sentence_embedding", "token_embeddings", or None for a dict of all there is.
    """

    prompt: str | None = None
    task: str | None = None
    processing: Processing | None = None
    output: str | None = "sentence_embedding"
    keep: int | None = None
    unit: bool = False


class Pipeline:
    """The modules of an encoder at work."""

    def __init__(self, modules: Sequence[Any]) -> None:
        self.first: Transformer | StaticEmbedding = modules[0]
        self.pooling: Pooling | None = None if isinstance(self.first, StaticEmbedding) else modules[1]
        self.layers: Sequence[Layer] = modules[1 if self.pooling is None else 2 :]

    def run(self, inputs: Inputs, request: Request, advance: Advance) -> Any:
        """Embeddings float32 [n, dimensions]; for another output than those, a list of n items."""
        call = self.first.call(request.task, request.processing)
        inputs = inputs.prefixed(request.prompt)
        skip = 0
        if isinstance(self.first, StaticEmbedding):
            if request.output != "sentence_embedding":
                raise ValueError(
                    f"output_value: {request.output!r}; expected sentence_embedding: a static embedding "
                    "gives no vectors of tokens"
                )
        elif request.prompt and self.pooling and not self.pooling.include_prompt:
            skip = self.first.prompt_length(request.prompt)
        pieces = self._pieces(inputs, call, advance)
        if request.output != "sentence_embedding":
            return [item for piece in pieces for item in self._items(*piece, skip, request)]
        embeddings = np.empty((len(inputs.texts), self.width(request.keep)), np.float32)
        done = 0
        for ids, cu, types in pieces:
            embeddings[done : done + len(cu) - 1] = self._embed(ids, cu, types, skip, request)
            done += len(cu) - 1
        return embeddings

    def width(self, keep: int | None) -> int:
        """Dimensions of an embedding."""
        if isinstance(self.first, StaticEmbedding):
            width = self.first.width
        else:
            width = self.first.model.engine.out_width * (len(self.pooling.modes) if self.pooling else 1)
        for layer in self.layers:
            width = layer.out_features if isinstance(layer, Dense) else width
        return width if keep is None else min(width, keep)

    def _pieces(self, inputs: Inputs, call: Call, advance: Advance) -> Iterator[tuple[I32, I32, I32 | None]]:
        """The texts' tokens in order, in pieces of whole texts for one engine call each."""
        for first in range(0, len(inputs.texts), _TEXTS_PER_BLOCK):
            ids, cu, types = self.first.pack(inputs.part(first, first + _TEXTS_PER_BLOCK), call)
            begin = 0
            while begin < len(cu) - 1:
                end = int(np.searchsorted(cu, cu[begin] + _TOKENS_PER_CALL, side="right")) - 1
                end = max(begin + 1, end)
                tokens = slice(cu[begin], cu[end])
                yield ids[tokens], cu[begin : end + 1] - cu[begin], None if types is None else types[tokens]
                advance(end - begin)
                begin = end

    def _embed(self, ids: I32, cu: I32, types: I32 | None, skip: int, request: Request) -> F32:
        """Text vectors [n, dimensions] of packed tokens. skip: a prompt's tokens, kept out of pooling."""
        if isinstance(self.first, StaticEmbedding) or self.pooling is None:
            return self._finish(self.first.embed(ids, cu), self.layers, request)  # type: ignore[union-attr]
        engine, modes = self.first.model.engine, self.pooling.modes
        if skip == 0 and types is None and len(modes) == 1 and modes[0] in _ENGINE_POOLING:
            unit = bool(self.layers) and isinstance(self.layers[0], Normalize)
            rows = engine.embed(ids, cu, modes[0], unit)
            return self._finish(rows, self.layers[unit:], request)
        return self._pool(engine.forward_packed(ids, cu, types), cu, skip, request)

    def _pool(self, hidden: F32, cu: I32, skip: int, request: Request) -> F32:
        assert self.pooling is not None
        return self._finish(pooling.pool(hidden, cu, self.pooling.modes, skip), self.layers, request)

    @staticmethod
    def _finish(rows: F32, layers: Sequence[Layer], request: Request) -> F32:
        """Vectors of texts through the layers, then cut, then of length 1, as far as that is asked for."""
        for layer in layers:
            rows = layer(rows)
        if request.keep is not None:
            rows = np.ascontiguousarray(rows[:, : request.keep])
        return pooling.normalize(rows) if request.unit else rows

    def _items(self, ids: I32, cu: I32, types: I32 | None, skip: int, request: Request) -> Iterator[Any]:
        """Each text's token vectors; with all else there is to say about it if no output is named."""
        assert isinstance(self.first, Transformer)
        hidden = self.first.model.engine.forward_packed(ids, cu, types)
        # Like sentence-transformers, which gives only embeddings length 1.
        rows = self._pool(hidden, cu, skip, request._replace(unit=False)) if request.output is None else None
        for i, (begin, end) in enumerate(zip(cu[:-1].tolist(), cu[1:].tolist(), strict=True)):
            tokens = hidden[begin:end].copy()
            if rows is None:
                yield tokens
                continue
            text = ids[begin:end].astype(np.int64)
            yield {
                "input_ids": text,
                "attention_mask": np.ones_like(text),
                "token_embeddings": tokens,
                "sentence_embedding": rows[i].copy(),
            }
