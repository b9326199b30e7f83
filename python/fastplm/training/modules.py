"""What transformers' modules compute, by fastplm.ops.

Each function is the forward of a module; what it does not know how to do, the module does plainly.
"""

from functools import cache
from typing import Any

import torch
from torch import nn

from fastplm import ops

REQUIRING = "make_inputs_require_grads"  # a hook on embeddings: checkpoints in front of which nothing learns
TYPES = (torch.float32, torch.bfloat16)


def supported(*tensors: torch.Tensor | None) -> bool:
    """Whether fastplm.ops takes them; torch computes the others."""
    return all(t is None or (t.dtype in TYPES and t.device.type == "cpu") for t in tensors)


def has_hooks(*modules: nn.Module) -> bool:
    """Whether somebody listens to a module, which therefore has to be called. transformers' own hooks are no
    reason: those that collect hidden states listen only while these are asked for; REQUIRING is looked after.
    """
    for m in modules:
        if m._forward_pre_hooks or m._backward_hooks or m._backward_pre_hooks:
            return True
        names = {getattr(h, "__name__", "") for h in m._forward_hooks.values()}
        if names - {"output_capturing_hook", REQUIRING}:
            return True
    return False


def is_a(module: nn.Module, cls: type) -> bool:
    """Whether it is of this class and no subclass, accelerated or not."""
    return getattr(type(module), "_fastplm_class", type(module)) is cls


def plainly(self: Any, *args: Any) -> Any:
    """What the module computes when it is not accelerated."""
    return self._fastplm_class.forward(self, *args)


def linear(self: Any, x: torch.Tensor) -> Any:
    if not supported(x, self.weight):
        return plainly(self, x)
    return ops.linear(x, self.weight, self.bias)


def conv1d(self: Any, x: torch.Tensor) -> Any:
    if not supported(x, self.weight):
        return plainly(self, x)
    return ops.linear(x, self.weight, self.bias, transposed=True)


def layer_norm(self: Any, x: torch.Tensor) -> Any:
    if not supported(x, self.weight) or len(self.normalized_shape) != 1:
        return plainly(self, x)
    return ops.layer_norm(x, self.weight, self.bias, self.eps)[0]


def rms_norm(self: Any, hidden_states: torch.Tensor) -> Any:
    if not supported(hidden_states, self.weight):
        return plainly(self, hidden_states)
    return ops.rms_norm(hidden_states, self.weight, self.variance_epsilon)[0]


def one_plus_rms_norm(self: Any, x: torch.Tensor) -> Any:
    """Gemma's, whose weight is the difference from one."""
    if not supported(x, self.weight):
        return plainly(self, x)
    return ops.rms_norm(x, 1.0 + self.weight.float(), self.eps)[0]


def dense_dropout_norm(self: Any, hidden_states: torch.Tensor, input_tensor: torch.Tensor) -> Any:
    norm, dropout = self.LayerNorm, self.dropout
    usual = is_a(norm, nn.LayerNorm) and is_a(dropout, nn.Dropout) and not has_hooks(norm, dropout)
    if not usual or not supported(hidden_states, input_tensor, norm.weight):
        return plainly(self, hidden_states, input_tensor)
    x, p = self.dense(hidden_states), dropout.p if dropout.training else 0.0
    return ops.layer_norm(x, norm.weight, norm.bias, norm.eps, residual=input_tensor, dropout=p)[0]


def dense_act(self: Any, hidden_states: torch.Tensor) -> Any:
    dense, act = self.dense, self.intermediate_act_fn
    name = _activations().get(getattr(type(act), "_fastplm_class", type(act)))
    usual = is_a(dense, nn.Linear) and not has_hooks(dense, act)
    if name is None or not usual or not supported(hidden_states, dense.weight):
        return plainly(self, hidden_states)
    return ops.linear(hidden_states, dense.weight, dense.bias, name)


def conv1d_act_conv1d(self: Any, hidden_states: Any) -> Any:
    from transformers.pytorch_utils import Conv1D

    first, act = self.c_fc, self.act
    name = _activations().get(getattr(type(act), "_fastplm_class", type(act)))
    usual = is_a(first, Conv1D) and not has_hooks(first, act)
    if name is None or not usual or not supported(hidden_states, first.weight):
        return plainly(self, hidden_states)
    x = ops.linear(hidden_states, first.weight, first.bias, name, transposed=True)
    return self.dropout(self.c_proj(x))


def gelu(self: Any, x: torch.Tensor) -> Any:
    return ops.activation(x, "gelu") if supported(x) else plainly(self, x)


def gelu_tanh(self: Any, x: torch.Tensor) -> Any:
    return ops.activation(x, "gelu_tanh") if supported(x) else plainly(self, x)


def gated(self: Any, x: torch.Tensor) -> Any:
    if not isinstance(self.act_fn, nn.SiLU) or has_hooks(self.act_fn):
        return plainly(self, x)
    gate, up = self.gate_proj(x), self.up_proj(x)
    if not supported(gate, up):
        return self.down_proj(self.act_fn(gate) * up)
    return self.down_proj(ops.swiglu(gate, up))


@cache
def _activations() -> dict[type, str]:
    """Modules that a linear layer can have for its epilogue."""
    from transformers import activations

    return {
        activations.GELUActivation: "gelu",
        activations.NewGELUActivation: "gelu_tanh",
        activations.GELUTanh: "gelu_tanh",
        nn.ReLU: "relu",
        nn.SiLU: "silu",
        nn.Tanh: "tanh",
    }
