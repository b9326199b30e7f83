"""A table of vectors as a model: a text is the mean of its tokens' rows."""

import math
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from fastplm import arrays
from fastplm.absent import Absent
from fastplm.arrays import F32, I32
from fastplm.checkpoint import find_weights
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.safetensors import FLOATS, Tensor, read_floats, read_header, read_raw
from fastplm.sentence.call import Call, Processing
from fastplm.sentence.inputs import Inputs
from fastplm.tokenizer import AutoTokenizer
from fastplm.tokenizers.tokenizer import Tokenizer

_INTEGERS = {"I32": np.int32, "I64": np.int64}


class StaticEmbedding(Absent):
    """A tokenizer and the rows of its tokens, float32 [vocabulary, width].

    It is its own `model`, for code that asks an encoder's model where and in what it computes.
    """

    modalities = ("text",)
    max_seq_length = math.inf
    device = "cpu"
    dtype = "float32"

    def __init__(self, tokenizer: Tokenizer, rows: F32) -> None:
        self.tokenizer, self.rows = tokenizer, rows
        self.model = self

    @classmethod
    def load(cls, place: Path) -> "StaticEmbedding":
        """That of a folder: tokenizer.json and model.safetensors, as sentence-transformers or model2vec
        write it. Raises CheckpointError, FileNotFoundError.
        """
        file = place / "tokenizer.json"
        if not file.exists():
            raise FileNotFoundError(f"{file}: missing; a static embedding has its tokenizer there")
        tokenizer = AutoTokenizer.from_pretrained(file)
        weights = find_weights(place)
        rows = _rows(weights, {tensor.name: tensor for tensor in read_header(weights)})
        known = max(tokenizer.get_vocab().values(), default=-1) + 1
        if known > len(rows):
            raise CheckpointError(f"{weights}: {len(rows)} rows; expected {known}, one for each token")
        return cls(tokenizer, rows)

    @property
    def width(self) -> int:
        """Of a row."""
        return int(self.rows.shape[1])

    def get_embedding_dimension(self) -> int:
        """The width of a text's vector."""
        return self.width

    def call(self, task: str | None = None, processing: Processing | None = None) -> Call:
        """How the tokenizer is called: as tokenizer.json says, without special tokens."""
        if processing and any(processing.values()):
            raise UnsupportedError("processing_kwargs: given; a static embedding's tokenizer takes none")
        baked = self.tokenizer._source.truncation
        if baked is None:
            return Call(False, False, None)
        return Call(False, baked["strategy"], baked["max_length"])

    def pack(self, inputs: Inputs, call: Call) -> tuple[I32, I32, None]:
        """ids [tokens], cu_seqlens [n + 1]."""
        if inputs.seconds is not None:
            raise TypeError("inputs: pairs of texts; a static embedding takes texts")
        ids, cu = self.tokenizer.encode_packed(inputs.texts, **call.arguments())
        return ids, cu, None

    def embed(self, ids: I32, cu_seqlens: I32) -> F32:
        """The mean rows [n, width] of packed tokens; 0 for a text without any."""
        out = np.zeros((len(cu_seqlens) - 1, self.width), np.float32)
        for row, begin, end in zip(out, cu_seqlens[:-1].tolist(), cu_seqlens[1:].tolist(), strict=True):
            if begin < end:
                np.mean(self.rows[ids[begin:end]], axis=0, out=row)
        return out

    def train(self, mode: bool = True) -> None:
        """Raises UnsupportedError naming the way to train, unless mode is False."""
        if mode:
            self.parameters()

    def to(self, *args: Any, **kwargs: Any) -> None:
        """Accepts what it already is."""
        for wanted in (*args, *kwargs.values()):
            if type(wanted).__name__ == "dtype" or wanted in ("float32", "bfloat16"):
                if arrays.dtype_name(wanted) != self.dtype:
                    raise UnsupportedError(f"dtype: {wanted}; a static embedding is float32")
            elif not isinstance(wanted, bool) and wanted is not None:
                arrays.check_device(wanted)

    def cuda(self, device: Any = None) -> NoReturn:
        """Raises UnsupportedError with the reason."""
        arrays.check_device("cuda")
        raise AssertionError("unreachable")

    def __repr__(self) -> str:
        return f"StaticEmbedding({len(self.rows)} x {self.width})"


def _rows(weights: Path, tensors: dict[str, Tensor]) -> F32:
    """One row for each token: model2vec may say which rows tokens share, and how much each counts."""
    table = tensors.get("embedding.weight", tensors.get("embeddings"))
    if table is None or table.dtype not in FLOATS or len(table.shape) != 2:
        got = "none" if table is None else f"{table.dtype} of shape {list(table.shape)}"
        raise CheckpointError(f"{weights}: embedding.weight is {got}; expected floats [tokens, width]")
    rows = read_floats(table)
    if table.name == "embedding.weight":
        return rows
    if (shared := tensors.get("mapping")) is not None:
        if shared.dtype not in _INTEGERS or len(shared.shape) != 1:
            raise CheckpointError(f"{weights}: mapping is {shared.dtype}; expected integers [tokens]")
        places = np.frombuffer(b"".join(read_raw(shared)), _INTEGERS[shared.dtype])
        if len(places) and not (places.min() >= 0 and places.max() < len(rows)):
            raise CheckpointError(f"{weights}: mapping leads beyond the {len(rows)} rows of embeddings")
        rows = rows[places]
    if (factors := tensors.get("weights")) is not None:
        if factors.dtype not in FLOATS or factors.shape != (len(rows),):
            raise CheckpointError(
                f"{weights}: weights has shape {list(factors.shape)}; expected [{len(rows)}]"
            )
        rows = rows * read_floats(factors)[:, None]
    return rows
