"""What the heads of transformers' classes add to a call: which rows they take, names of results, losses.

A class's task is the end of its name, such as "ForMaskedLM".
"""

from typing import Any

import numpy as np

from fastplm import arrays, losses
from fastplm.config import PretrainedConfig
from fastplm.families import family_of

BARE = ("Model", "EncoderModel")
WITHOUT_CACHE = ("ForTokenClassification", "ForQuestionAnswering")  # decoders that give none back
_OF_CHOICES = ("ForMultipleChoice", "DoubleHeadsModel")
_PER_TOKEN = (
    "input_ids",
    "attention_mask",
    "input_mask",
    "token_type_ids",
    "position_ids",
    "inputs_embeds",
    "langs",
    "mc_token_ids",
)
_OF_ROWS = ("ForSequenceClassification", "ForMultipleChoice", "ForNextSentencePrediction")
_CAUSAL = ("ForCausalLM", "LMHeadModel")
_NEXT = (*_CAUSAL, "DoubleHeadsModel")  # each token's logits are of the next


def flatten(task: str, given: dict[str, Any]) -> tuple[dict[str, Any], tuple[int, ...] | None]:
    """For classes that choose: arguments [B, choices, S] as [B * choices, S], and [B, choices]."""
    if task not in _OF_CHOICES:
        return given, None
    name, own = ("input_ids", 1) if given.get("input_ids") is not None else ("inputs_embeds", 2)
    if given.get(name) is None:
        return given, None
    array = arrays.to_numpy(given[name], name)
    lead = array.shape[: array.ndim - own]
    if len(lead) != 2 and not (len(lead) == 1 and task == "DoubleHeadsModel"):
        raise ValueError(f"{name}: shape {list(array.shape)}; expected [batch, choices, length]")
    flat = dict(given)
    for name in _PER_TOKEN:
        if given.get(name) is not None:
            array = arrays.to_numpy(given[name], name)
            if array.shape[: len(lead)] != lead:
                raise ValueError(f"{name}: shape {list(array.shape)}; expected {list(lead)} in front")
            flat[name] = array.reshape(-1, *array.shape[len(lead) :])
    return flat, lead


def gathered(
    pick: str, given: dict[str, Any], ids: Any, batch: int, length: int, config: PretrainedConfig
) -> Any:
    """The column of each row whose state the head takes (families.Kind.pick), as int32 [B], or None."""
    last = np.full(batch, length - 1, np.int32)
    if pick == "none":
        return None
    if pick == "named":
        if given.get("mc_token_ids") is None:
            return last
        columns = arrays.integers(given["mc_token_ids"], "mc_token_ids")
        if columns.shape != (batch,) or (
            columns.size and not (columns.min() >= 0 and columns.max() < length)
        ):
            raise ValueError(
                f"mc_token_ids: {columns.tolist()}; expected a token from 0 to {length - 1} "
                f"for each of {batch} rows"
            )
        return columns
    if pick == "last_end":
        return _last_eos(given, length, config)
    if pick == "summary":
        kind = config.get("summary_type", "last")
        return None if kind == "mean" else np.zeros_like(last) if kind == "first" else last
    padding = config.get("pad_token_id")
    if padding is None and batch != 1:
        raise ValueError(f"input_ids: {batch} rows; expected one, as config.json names no pad_token_id")
    if padding is None or ids is None:
        return last
    return (np.arange(length, dtype=np.int32) * (ids != padding)).argmax(-1).astype(np.int32)


def _last_eos(given: dict[str, Any], length: int, config: PretrainedConfig) -> Any:
    if given.get("input_ids") is None:
        raise ValueError("input_ids: none given; this head looks for their eos_token_id")
    ids = arrays.integers(given["input_ids"], "input_ids")
    if ids.ndim != 2 or ids.shape[1] != length:
        raise ValueError(f"input_ids: shape {list(ids.shape)}; the decoder has {length} tokens a row")
    end = config.get("eos_token_id")
    if type(end) is not int:
        raise ValueError(f"config.eos_token_id: {end!r}; expected one id: this head looks for it in each row")
    ends = ids == end
    counts = ends.sum(1)
    if counts.size and (counts.min() != counts.max() or counts[0] == 0):
        raise ValueError(
            f"input_ids: the rows have {counts.tolist()} eos_token_id; expected as many in each, "
            "and at least one"
        )
    return (length - 1 - ends[:, ::-1].argmax(1)).astype(np.int32)


def wanted(
    task: str, given: dict[str, Any], gather: Any, batch: int, length: int, shifts: bool = True
) -> Any:
    """The tokens whose logits count even where attention_mask hides them, as booleans [B, S], or None.

    shifts: whether a language model's labels are of the tokens behind.
    """
    if given.get("start_positions") is not None and given.get("end_positions") is not None:
        return np.ones((batch, length), bool)
    needs = None
    if gather is not None:
        needs = np.zeros((batch, length), bool)
        needs[np.arange(batch), gather] = length > 0
    labels = given.get("labels")
    if labels is None or task in _OF_ROWS:
        return needs
    if task == "ForPreTraining" and not any(given.get(name) is not None for name in _SENTENCES.values()):
        return needs  # no loss, or one of the tokens that the mask shows
    array = arrays.integers(labels, "labels")
    counts = array.reshape(-1, array.shape[-1]) != losses.IGNORED if array.ndim else array
    if counts.shape != (batch, length):
        raise ValueError(f"labels: shape {list(array.shape)}; expected [{batch}, {length}]")
    if shifts and task in _CAUSAL and given.get("shift_labels") is not None:
        counts = _shifted_labels(given, batch, length) != losses.IGNORED
    elif shifts and task in _NEXT:
        counts = np.concatenate((counts[:, 1:], np.zeros((batch, 1), bool)), 1)
    return counts if needs is None else counts | needs


def _shifted_labels(given: dict[str, Any], batch: int, length: int) -> Any:
    labels = arrays.integers(given["shift_labels"], "shift_labels")
    if labels.shape != (batch, length):
        raise ValueError(f"shift_labels: shape {list(labels.shape)}; expected [{batch}, {length}]")
    return labels


def finish(
    task: str, results: dict[str, Any], given: dict[str, Any], config: PretrainedConfig, lead: Any = None
) -> dict[str, Any]:
    """The engine's results under transformers' names, with the loss that `given` has labels for."""
    if task in BARE:
        return results
    if task == "ForPreTraining" and "logits" in results:  # one number a token
        results["logits"] = np.ascontiguousarray(results["logits"][..., 0])
    results = {name: value for name, value in results.items() if name != "last_hidden_state"}
    if task == "ForQuestionAnswering":
        both = results.pop("logits")
        results["start_logits"], results["end_logits"] = (np.ascontiguousarray(both[..., i]) for i in (0, 1))
    if task == "ForMultipleChoice" and lead is not None:
        results["logits"] = results["logits"].reshape(lead)
    if task == "DoubleHeadsModel" and lead is not None:
        results["mc_logits"] = results["mc_logits"].reshape(lead)
        results["logits"] = results["logits"].reshape(*lead, *results["logits"].shape[1:])
        states = results["hidden_states"]
        if states and states[-1] is not None:  # transformers gives the last alone this shape
            last = states[-1]
            results["hidden_states"] = (*states[:-1], last.reshape(*lead, *last.shape[1:]))
    results.update(_losses(task, results, given, config))
    if task == "ForMaskedLM" and config.get("sparse_prediction") and given.get("labels") is not None:
        wanted_rows = losses.integer(given["labels"], "labels") != config.get(
            "sparse_pred_ignore_index", losses.IGNORED
        )
        results["logits"] = results["logits"][wanted_rows]
    keep = given.get("logits_to_keep")
    if keep is not None and "logits" in results:
        results["logits"] = _kept(results["logits"], keep)
    return results


def _losses(
    task: str, results: dict[str, Any], given: dict[str, Any], config: PretrainedConfig
) -> dict[str, float]:
    def integers(name: str) -> Any:
        return losses.integer(given[name], name)

    manners = family_of(config.model_type).manners
    has = {name for name, value in given.items() if value is not None}
    if task == "ForQuestionAnswering":
        if not {"start_positions", "end_positions"} <= has:
            return {}
        starts, ends = integers("start_positions"), integers("end_positions")
        count = given.get("num_items_in_batch") if manners.span_loss_by_count else None
        return {"loss": losses.spans(results["start_logits"], results["end_logits"], starts, ends, count)}
    if task == "ForPreTraining":
        return _pretraining_loss(results, given, has)
    made = {}
    if "mc_labels" in has:
        made["mc_loss"] = losses.cross_entropy(results["mc_logits"], integers("mc_labels"), "mc_labels")
    if "labels" not in has:
        return made
    if task == "ForSequenceClassification":
        labels, problem = arrays.to_numpy(given["labels"], "labels"), config.get("problem_type")
        if problem is None and manners.labels_choose_loss:
            results["logits"], made["loss"] = losses.classes_by_labels(results["logits"], labels)
        else:
            made["loss"] = losses.classes(results["logits"], labels, problem)
    elif manners.labels_stand_still and task in _CAUSAL:
        made["loss"] = losses.cross_entropy(results["logits"], integers("labels"))
    elif task in _CAUSAL and "shift_labels" in has:
        shifted = _shifted_labels(given, *results["logits"].shape[:2])
        made["loss"] = losses.cross_entropy(
            results["logits"], shifted, "shift_labels", count=given.get("num_items_in_batch")
        )
    elif task in _NEXT:
        count = None if task == "DoubleHeadsModel" else given.get("num_items_in_batch")
        made["loss"] = losses.next_token(results["logits"], integers("labels"), count)
    else:
        labels = integers("labels")
        if task == "ForTokenClassification" and manners.token_loss_by_mask and "attention_mask" in has:
            shown = arrays.to_numpy(given["attention_mask"], "attention_mask") == 1
            labels = np.where(shown, labels, losses.IGNORED)
        divided = task == "ForMaskedLM" and manners.masked_loss_by_count
        count = given.get("num_items_in_batch") if divided else None
        made["loss"] = losses.cross_entropy(results["logits"], labels, count=count)
    return made


# Of classes that learn about sentences too: their logits, and the labels' name.
_SENTENCES = {"seq_relationship_logits": "next_sentence_label", "sop_logits": "sentence_order_label"}


def _pretraining_loss(results: dict[str, Any], given: dict[str, Any], has: set[str]) -> dict[str, float]:
    if "logits" in results and "labels" in has:  # is each token another than it was?
        labels, mask = losses.integer(given["labels"], "labels"), given.get("attention_mask")
        shown = None if mask is None else arrays.to_numpy(mask, "attention_mask") == 1
        return {"loss": losses.yes_or_no(results["logits"], labels, shown)}
    for logits, name in _SENTENCES.items():
        if logits in results and {"labels", name} <= has:
            words = losses.cross_entropy(
                results["prediction_logits"], losses.integer(given["labels"], "labels")
            )
            return {
                "loss": words + losses.cross_entropy(results[logits], losses.integer(given[name], name), name)
            }
    return {}


def _kept(logits: Any, keep: Any) -> Any:
    """The logits of the last `keep` tokens (0: of all), or of the tokens with these numbers."""
    if isinstance(keep, int) and not isinstance(keep, bool):
        if keep < 0:
            raise ValueError(f"logits_to_keep: {keep}; expected 0 or more")
        return logits[:, -keep:] if keep else logits
    return logits[:, arrays.integers(keep, "logits_to_keep")]
