"""The loss of a language model in training, without its logits.

The head runs on the positions that have a label, and its last layer and the cross-entropy are one operation
that holds some rows of logits at a time. The model's own forward is called: with the hidden states chosen
before its head, and with the last layer left out, whose part the loss then takes.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from fastplm import ops
from fastplm.training.modules import has_hooks, is_a, supported

IGNORED = -100
KEEP_LOGITS = "_fastplm_logits"  # set on a model whose logits are wanted in training too


def without_logits(cls: type) -> Callable[..., Any] | None:
    """A forward for this class; None if its loss is not known to be a plain cross-entropy."""
    plain: Any = cls.forward  # type: ignore[attr-defined]
    kind = _kind(cls)
    if kind is None:
        return None

    @functools.wraps(plain)
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not _applies(self, kwargs, kind):
            return plain(self, *args, **kwargs)
        labels, changed = kwargs["labels"], {**kwargs, "labels": None}
        if kind.shifted:
            labels = nn.functional.pad(labels, (0, 1), value=IGNORED)[:, 1:]
        if kind.sequences and kwargs.get("decoder_input_ids") is None:
            changed["decoder_input_ids"] = self._shift_right(labels)
        found = _until_last_layer(self, plain, args, changed, labels)
        if found is None:
            return plain(self, *args, **kwargs)
        out, hidden, chosen = found
        items = kwargs.get("num_items_in_batch") if kind.function else None
        last = self.get_output_embeddings()
        loss = ops.linear_cross_entropy(
            hidden, last.weight, chosen, last.bias, reduction="mean" if items is None else "sum"
        )
        if items is not None:
            loss = loss / items
        if kind.next_sentence:
            other = kwargs["next_sentence_label"].view(-1)
            loss = loss + nn.functional.cross_entropy(out["seq_relationship_logits"], other)
        return type(out)(**{**out, "loss": loss, _logits_of(out): None})

    return forward


@dataclass(frozen=True)
class _Kind:
    """How a class comes from labels to its loss."""

    function: str | None  # the function of transformers that it calls, which knows num_items_in_batch
    module: str | None  # the module that it calls
    shifted: bool  # the label of a position is the next token
    sequences: bool  # T5: labels give the decoder's input
    next_sentence: bool  # BERT's second task, which has to have labels too


def _kind(cls: type) -> _Kind | None:
    written: Any = inspect.unwrap(cls.forward)  # type: ignore[attr-defined]
    if not getattr(written, "__module__", "").startswith("transformers.models."):
        return None
    names, parameters = written.__code__.co_names, inspect.signature(written).parameters
    shifted = cls.__name__.endswith(("ForCausalLM", "LMHeadModel"))
    sequences = cls.__name__.endswith("ForConditionalGeneration") and hasattr(cls, "_shift_right")
    next_sentence = "next_sentence_label" in parameters and "labels" in parameters
    if not (shifted or sequences or next_sentence or cls.__name__.endswith("ForMaskedLM")):
        return None
    if "labels" not in parameters or "load_balancing_loss_func" in names:  # experts add a loss of their own
        return None
    module = "mlm_loss_fct" if "mlm_loss_fct" in names else None
    if "loss_function" in names:
        function = "ForCausalLMLoss" if shifted else "ForMaskedLMLoss"
    elif not shifted and (module or "CrossEntropyLoss" in names):
        function = None
    else:
        return None
    return _Kind(function, module, shifted, sequences, next_sentence)


def _applies(self: Any, kwargs: dict[str, Any], kind: _Kind) -> bool:
    """Whether this call is a training step whose loss can be had so; all others keep their own way."""
    if not self.training or kwargs.get("labels") is None or getattr(self, KEEP_LOGITS, False):
        return False
    if kwargs.get("return_dict", self.config.return_dict) is False or kwargs.get("logits_to_keep"):
        return False
    if kind.next_sentence and kwargs.get("next_sentence_label") is None:
        return False
    if kind.function and (
        getattr(self.loss_function, "__name__", "") != kind.function or kwargs.get("shift_labels") is not None
    ):
        return False
    if kind.module and not _is_plain_loss(getattr(self, kind.module)):
        return False
    if kwargs.get("decoder_inputs_embeds") is not None or getattr(self, "sparse_prediction", False):
        return False
    last = self.get_output_embeddings()
    known = last is not None and is_a(last, nn.Linear) and _stack(self) is not None
    return known and supported(last.weight) and not has_hooks(last)


def _is_plain_loss(loss: Any) -> bool:
    usual = type(loss) is nn.CrossEntropyLoss and loss.reduction == "mean" and loss.ignore_index == IGNORED
    return usual and loss.weight is None and not loss.label_smoothing


def _stack(self: Any) -> Any:
    """What gives the hidden states that the head reads; None if it is not known."""
    if self.base_model is not self:
        return None if self.config.is_encoder_decoder else self.base_model
    return self.get_decoder() if hasattr(self, "_shift_right") else None


def _logits_of(out: Any) -> str:
    return "prediction_logits" if "prediction_logits" in out else "logits"


def _until_last_layer(
    self: Any, plain: Callable[..., Any], args: Any, kwargs: dict[str, Any], labels: torch.Tensor
) -> tuple[Any, torch.Tensor, torch.Tensor] | None:
    """What forward returns, the last layer's input [labelled positions, dim] and their labels.

    None for a model that changes its logits behind the last layer: that is remembered.
    """
    chosen: list[torch.Tensor] = []
    passed: list[torch.Tensor] = []

    def choose(_: Any, __: Any, out: Any) -> Any:
        hidden = out.last_hidden_state
        if hidden.shape[:-1] != labels.shape:
            raise ValueError(
                f"{type(self).__name__}: labels has shape {list(labels.shape)}; expected "
                f"{list(hidden.shape[:-1])}"
            )
        rows, of_rows = ops.labelled(hidden, labels)
        chosen.append(of_rows)
        out["last_hidden_state"] = rows[None]
        return out

    def keep(x: torch.Tensor) -> torch.Tensor:
        passed.append(x)
        return x

    last = self.get_output_embeddings()
    handle = _stack(self).register_forward_hook(choose)
    last.forward = keep
    try:
        out = plain(self, *args, **kwargs)
    finally:
        del last.forward
        handle.remove()
    if len(passed) != 1 or out[_logits_of(out)] is not passed[0]:
        setattr(self, KEEP_LOGITS, True)
        return None
    if not chosen:  # OPT calls its decoder and not the model around it
        return out, *ops.labelled(passed[0], labels)
    return out, passed[0][0], chosen[0]
