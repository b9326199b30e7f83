"""Puts fastplm's forwards into a model, and takes them out.

A module is recognised by what it does, not by its model's name: transformers copies the same code from
model to model, so a forward with the same bytecode is the same function. Parameters, names, hooks and
isinstance stay as they are: only the class is replaced by a subclass with another forward.
"""

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

from torch import nn

from fastplm.training import embeddings, modules, rotary
from fastplm.training.lm_loss import without_logits
from fastplm.training.padding import unpadded, unpadded_model

Forward = Callable[..., Any]


@cache
def _exact() -> dict[type, Forward]:
    """Classes, themselves and no subclass."""
    from transformers import activations
    from transformers.pytorch_utils import Conv1D

    return {
        nn.Linear: modules.linear,
        Conv1D: modules.conv1d,
        nn.LayerNorm: modules.layer_norm,
        activations.GELUActivation: modules.gelu,
        activations.NewGELUActivation: modules.gelu_tanh,
        activations.GELUTanh: modules.gelu_tanh,
    }


@cache
def _copied() -> dict[tuple[Any, ...], Forward]:
    """Forwards that many models have a copy of, and ours."""
    from transformers.models.bert.modeling_bert import BertEmbeddings, BertIntermediate, BertSelfOutput
    from transformers.models.distilbert.modeling_distilbert import Embeddings
    from transformers.models.gemma.modeling_gemma import GemmaRMSNorm
    from transformers.models.gpt2.modeling_gpt2 import GPT2MLP
    from transformers.models.llama.modeling_llama import LlamaMLP, LlamaRMSNorm
    from transformers.models.roberta.modeling_roberta import RobertaEmbeddings
    from transformers.models.t5.modeling_t5 import T5LayerNorm

    return {
        _code(BertEmbeddings): embeddings.with_segments,
        _code(RobertaEmbeddings): embeddings.with_padded_positions,
        _code(Embeddings): embeddings.without_segments,
        _code(BertIntermediate): modules.dense_act,
        _code(BertSelfOutput): modules.dense_dropout_norm,
        _code(GPT2MLP): modules.conv1d_act_conv1d,
        _code(GemmaRMSNorm): modules.one_plus_rms_norm,
        _code(LlamaRMSNorm): modules.rms_norm,
        _code(T5LayerNorm): modules.rms_norm,
        _code(LlamaMLP): modules.gated,
    }


@cache
def _stacks() -> dict[tuple[Any, ...], Callable[[Forward], Forward]]:
    """Forwards that call an encoder's layers, with copies in other models, and what removes their padding."""
    from transformers.models.albert.modeling_albert import AlbertTransformer
    from transformers.models.bert.modeling_bert import BertEncoder
    from transformers.models.distilbert.modeling_distilbert import Transformer
    from transformers.models.modernbert.modeling_modernbert import ModernBertModel

    stacks = (BertEncoder, AlbertTransformer, Transformer)
    return {**{_code(cls): unpadded for cls in stacks}, _code(ModernBertModel): unpadded_model}


@cache
def _rotations() -> set[tuple[Any, ...]]:
    """Functions that rotate the halves of heads, with those that they call."""
    from transformers.models.llama import modeling_llama
    from transformers.models.modernbert import modeling_modernbert
    from transformers.models.olmo2 import modeling_olmo2

    every = (modeling_llama, modeling_modernbert, modeling_olmo2)
    return {_rotation(module.apply_rotary_pos_emb) for module in every}


def _rotation(function: Any) -> tuple[Any, ...]:
    inner = inspect.unwrap(function)
    return (*_instructions(inner), *_instructions(inner.__globals__.get("rotate_half")))


def _rotating(cls: Any) -> Forward | None:
    """The forward of attention with other rotary positions."""
    plain = rotary.called_by(cls.forward)
    if plain is None or _rotation(plain) not in _rotations():
        return None
    forward: Forward = rotary.with_global(cls.forward, rotary.NAME, rotary.rotated_by(plain))
    return forward


def _code(cls: Any) -> tuple[Any, ...]:
    """What a class's forward does, and the _norm that it may call."""
    return (*_instructions(cls.forward), *_instructions(getattr(cls, "_norm", None)))


def _instructions(function: Any) -> tuple[Any, ...]:
    """What a function does: instructions, and the names and values they use."""
    code = None if function is None else getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return ()
    values = tuple(c for c in code.co_consts if not isinstance(c, str))  # without documentation
    return code.co_code, code.co_names, values, code.co_argcount


@cache
def _forward_for(cls: Any) -> Forward | None:
    from transformers import PreTrainedModel

    code = _code(cls)
    if known := _exact().get(cls) or _copied().get(code):
        return known
    if without_padding := _stacks().get(code):
        return without_padding(cls.forward)
    if rotating := _rotating(cls):
        return rotating
    return without_logits(cls) if issubclass(cls, PreTrainedModel) else None


@cache
def _subclass(cls: Any) -> type:
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
    state = object.__reduce_ex__(self, 2)[2:]
    return _make, (self._fastplm_class,), *state


def replace(model: nn.Module) -> int:
    """Puts ours into all modules that are known; how many those are."""
    count = 0
    for module in model.modules():
        cls: Any = type(module)
        if _forward_for(cls):
            module.__class__ = _subclass(cls)
            count += 1
    return count


def put_back(model: nn.Module) -> None:
    for module in model.modules():
        if original := getattr(type(module), "_fastplm_class", None):
            module.__class__ = original
