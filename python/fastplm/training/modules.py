"""What transformers' modules compute, by fastplm.ops.

A module is recognised by what it does, not by its model's name: transformers copies the same code from
model to model, so one forward with the same bytecode is the same function. Parameters, names, hooks and
isinstance stay as they are: only the class is replaced by a subclass with another forward.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import nn

from fastplm import ops

Forward = Callable[..., Any]
_TYPES = (torch.float32, torch.bfloat16)


def _ours(*tensors: torch.Tensor | None) -> bool:
    return all(t is None or (t.dtype in _TYPES and t.device.type == "cpu") for t in tensors)


def _linear(self: Any, x: torch.Tensor) -> torch.Tensor:
    if not _ours(x, self.weight):
        return nn.Linear.forward(self, x)
    return ops.linear(x, self.weight, self.bias)


def _conv1d(self: Any, x: torch.Tensor) -> torch.Tensor:
    return ops.linear(x, self.weight, self.bias, transposed=True)


def _layer_norm(self: Any, x: torch.Tensor) -> torch.Tensor:
    if not _ours(x, self.weight) or len(self.normalized_shape) != 1:
        return nn.LayerNorm.forward(self, x)
    return ops.layer_norm(x, self.weight, self.bias, self.eps)[0]


def _rms_norm(self: Any, hidden_states: torch.Tensor) -> torch.Tensor:
    return ops.rms_norm(hidden_states, self.weight, self.variance_epsilon)[0]


def _dense_dropout_norm(self: Any, hidden_states: torch.Tensor, input_tensor: torch.Tensor) -> torch.Tensor:
    x = self.dense(hidden_states)
    norm, p = self.LayerNorm, self.dropout.p if self.dropout.training else 0.0
    return ops.layer_norm(x, norm.weight, norm.bias, norm.eps, residual=input_tensor, dropout=p)[0]


def _gelu(self: Any, x: torch.Tensor) -> torch.Tensor:
    return ops.activation(x, "gelu") if _ours(x) else nn.functional.gelu(x)


def _gelu_tanh(self: Any, x: torch.Tensor) -> torch.Tensor:
    return ops.activation(x, "gelu_tanh") if _ours(x) else nn.functional.gelu(x, approximate="tanh")


def _gated(self: Any, x: torch.Tensor) -> torch.Tensor:
    gate, up = self.gate_proj(x), self.up_proj(x)
    if isinstance(self.act_fn, nn.SiLU) and _ours(gate, up):
        return self.down_proj(ops.swiglu(gate, up))  # type: ignore[no-any-return]
    return self.down_proj(self.act_fn(gate) * up)  # type: ignore[no-any-return]


@cache
def _exact() -> dict[type, Forward]:
    """Classes, themselves and no subclass."""
    from transformers import activations
    from transformers.pytorch_utils import Conv1D

    return {
        nn.Linear: _linear,
        Conv1D: _conv1d,
        nn.LayerNorm: _layer_norm,
        activations.GELUActivation: _gelu,
        activations.NewGELUActivation: _gelu_tanh,
        activations.GELUTanh: _gelu_tanh,
    }


@cache
def _copied() -> dict[tuple[Any, ...], Forward]:
    """Forwards that many models have a copy of, and ours."""
    from transformers.models.bert.modeling_bert import BertSelfOutput
    from transformers.models.llama.modeling_llama import LlamaMLP, LlamaRMSNorm
    from transformers.models.t5.modeling_t5 import T5LayerNorm

    return {
        _code(BertSelfOutput): _dense_dropout_norm,
        _code(LlamaRMSNorm): _rms_norm,
        _code(T5LayerNorm): _rms_norm,
        _code(LlamaMLP): _gated,
    }


def _code(cls: type) -> tuple[Any, ...]:
    """What a class's forward does: its instructions, and the names and values they use."""
    code = getattr(cls.forward, "__code__", None)  # type: ignore[attr-defined]
    if code is None:
        return ()
    values = tuple(c for c in code.co_consts if not isinstance(c, str))  # without documentation
    return code.co_code, code.co_names, values, code.co_argcount


@cache
def _forward_for(cls: type) -> Forward | None:
    return _exact().get(cls) or _copied().get(_code(cls))


@cache
def _subclass(cls: type) -> type:
    members = {
        "forward": _forward_for(cls),
        "_fastplm_class": cls,
        "__module__": cls.__module__,
        "__reduce_ex__": _reduce,
    }
    return type(cls.__name__, (cls,), members)


def _make(cls: type) -> Any:
    return object.__new__(_subclass(cls))


def _reduce(self: Any, protocol: Any) -> Any:
    """Copies and pickles are accelerated too."""
    _, _, *state = object.__reduce_ex__(self, 2)
    return _make, (self._fastplm_class,), *state


def replace(model: nn.Module) -> int:
    """Puts ours into all modules that are known; how many those are."""
    count = 0
    for module in model.modules():
        if _forward_for(type(module)):
            module.__class__ = _subclass(type(module))
            count += 1
    return count


def put_back(model: nn.Module) -> None:
    for module in model.modules():
        if original := getattr(type(module), "_fastplm_class", None):
            module.__class__ = original
