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
