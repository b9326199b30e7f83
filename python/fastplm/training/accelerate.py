"""`fastplm.accelerate`: transformers' models, trained with fastplm's operations."""

import logging
from typing import TypeVar

from torch import nn

from fastplm.training import attention, lm_loss, replace

logger = logging.getLogger("fastplm")
_PLAIN = "_fastplm_attention"  # the attention that a model had before

Model = TypeVar("Model", bound=nn.Module)


def accelerate(model: Model, *, logits: bool = False) -> Model:
    """Makes a model of transformers compute with fastplm.ops, in place; returns it.

    Parameters, names, state_dict, hooks, gradient checkpointing and results stay as they are, in training
    and in evaluation; adapters of PEFT may be added before or after. A language model in training that is
    given labels returns its loss without logits, which it never forms; logits: it returns them too. What
    keeps its own code is named once, in a warning. `restore` undoes it. Raises ValueError for a model that
    is accelerated already, TypeError for what is no module of torch.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"accelerate: a {type(model).__name__}; expected a model of transformers")
    if getattr(model, _PLAIN, None) is not None:
        raise ValueError(
            f"accelerate: this {type(model).__name__} is accelerated already; expected a plain model"
        )
    if replace.replace(model) == 0:
        raise ValueError(
            f"accelerate: nothing in {type(model).__name__} is known; expected a model of transformers"
        )
    elsewhere = {p.device.type for p in model.parameters()} - {"cpu", "meta"}
    if elsewhere:
        logger.warning(
            "accelerate: parameters on %s keep torch's own operations", ", ".join(sorted(elsewhere))
        )
    previous = getattr(getattr(model, "config", None), "_attn_implementation", None)
    object.__setattr__(model, _PLAIN, previous or "")
    object.__setattr__(model, lm_loss.KEEP_LOGITS, logits)
    if previous is not None and not _set_attention(model, attention.NAME):
        logger.warning(
            "accelerate: the attention of %s keeps its own code; its other parts are accelerated",
            type(model).__name__,
        )
    return model


def restore(model: Model) -> Model:
    """Undoes `accelerate`, in place; returns the model."""
    previous = getattr(model, _PLAIN, None)
    if previous is None:
        raise ValueError(f"restore: this {type(model).__name__} is not accelerated")
    replace.put_back(model)
    if previous:
        _set_attention(model, previous)
    for name in (_PLAIN, lm_loss.KEEP_LOGITS):
        object.__delattr__(model, name)
    return model


def _set_attention(model: nn.Module, name: str) -> bool:
    """False if the model does not ask transformers' interface which attention to call, or caps its scores."""
    attention.register()
    if name == attention.NAME and getattr(model.config, "attn_logit_softcapping", None):
        return False
    if not getattr(model, "_supports_attention_backend", False) and not getattr(
        model, "_supports_sdpa", False
    ):
        return False
    model.set_attn_implementation(name)
    return bool(model.config._attn_implementation == name)
