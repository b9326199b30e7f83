# What the native module binds. Arrays given to it are C-contiguous numpy arrays of exactly the dtypes named.
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastplm.safetensors import Tensor

__version__: str

_F32 = npt.NDArray[np.float32]
_I32 = npt.NDArray[np.int32]

class Model:
    """A model in the engine. The constructor reads and packs the weights; any thread may call."""

    dtype: str
    width: int
    layers: int
    heads: int
    vocab_size: int
    max_length: int | None
    has_pooler: bool
    nbytes: int

    def __init__(
        self, model_type: str, config: dict[str, Any], tensors: Sequence[Tensor], dtype: str
    ) -> None: ...
    def forward(
        self,
        input_ids: npt.NDArray[Any] | None,
        inputs_embeds: npt.NDArray[Any] | None,
        attention_mask: npt.NDArray[Any] | None,
        position_ids: npt.NDArray[Any] | None,
        token_type_ids: npt.NDArray[Any] | None,
        hidden_states: bool,
        attentions: bool,
    ) -> dict[str, Any]: ...
    def forward_packed(self, ids: _I32, cu_seqlens: _I32, token_type_ids: _I32 | None = None) -> _F32: ...
    def embed(self, ids: _I32, cu_seqlens: _I32, pooling: str, normalize: bool) -> _F32: ...

def architectures() -> list[str]: ...
def num_threads() -> int: ...
def set_num_threads(n: int) -> None: ...
def cpu_limits() -> dict[str, int]: ...
def isa() -> list[dict[str, Any]]: ...
def cuda_status() -> dict[str, Any]: ...

class Tokenizer:
    """Token i of the vocabulary is bytes[offsets[i]:offsets[i + 1]]: offsets int64 [n + 1], ids int32 [n]."""

    vocabulary_size: int

    def __init__(self, settings: dict[str, Any], bytes: bytes, offsets: Any, ids: Any) -> None: ...
    def encode(
        self,
        texts: Sequence[Any],
        pairs: Sequence[Any] | None,
        *,
        words: bool,
        add_special_tokens: bool,
        truncation: str,
        max_length: int | None,
        stride: int,
        truncate_left: bool,
        overflow: bool,
        align: bool,
        split_special_tokens: bool,
    ) -> Batch: ...
    def decode(self, ids: Sequence[int], skip_special_tokens: bool) -> str: ...
    def join(self, tokens: Sequence[str]) -> str: ...
    def id_of(self, token: str) -> int | None: ...
    def token_of(self, id: int) -> str | None: ...
    def special_count(self, pair: bool) -> int: ...
    def added_tokens(self) -> dict[int, dict[str, Any]]: ...
    def vocabulary(self) -> dict[str, int]: ...

class DecodeStream:
    def __init__(self, skip_special_tokens: bool) -> None: ...
    def step(self, tokenizer: Tokenizer, id: int) -> str | None: ...

class Batch:
    """The rows of one call. Fields: input_ids, token_type_ids, attention_mask, special_tokens_mask,
    offset_mapping (pairs), word_ids and sequence_ids (-1: none). A length is that of padded rows."""

    rows: int
    longest: int
    aligned: bool

    def lengths(self) -> list[int]: ...
    def samples(self) -> list[int]: ...
    def padded(
        self, field: str, length: int, left: bool, pad_id: int, pad_type_id: int
    ) -> npt.NDArray[np.int64]: ...
    def row(
        self, row: int, field: str, length: int, left: bool, pad_id: int, pad_type_id: int
    ) -> list[Any]: ...
    def written(self, row: int) -> dict[int, str]: ...
    def lists(
        self, field: str, length: int, left: bool, pad_id: int, pad_type_id: int
    ) -> list[list[Any]]: ...
    def packed(self) -> tuple[_I32, _I32]: ...
    def packed_types(self) -> _I32: ...
