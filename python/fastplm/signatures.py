"""The arguments of a model call: their names and order in each class, and what is refused by name."""

import inspect
from typing import Any

from fastplm.errors import UnsupportedError
from fastplm.settings import WITHOUT_EFFECT

TRAINING = "fastplm's engine models are for inference; train a torch model: fastplm.accelerate(hf_model)"

_TOKENS = ("input_ids", "attention_mask", "token_type_ids", "position_ids", "inputs_embeds")
_ENCODER_STATES = ("encoder_hidden_states", "encoder_attention_mask")
_SPANS = ("start_positions", "end_positions")
_BERT = (*_TOKENS, *_ENCODER_STATES, "cache", "use_cache")
_GPT2 = ("input_ids", "cache", "attention_mask", "token_type_ids", "position_ids", "inputs_embeds")
_LLAMA = ("input_ids", "attention_mask", "position_ids", "cache", "inputs_embeds")
_BOTH = ("input_ids", "attention_mask", "decoder_input_ids", "decoder_attention_mask", "encoder_outputs")
_EMBEDS = ("inputs_embeds", "decoder_inputs_embeds")

# The arguments by position, as each class of transformers has them. A class that is not here has those of its
# family's bare class, and its labels behind them.
ORDER: dict[str, tuple[str, ...]] = {
    "BertModel": _BERT,
    "BertForMaskedLM": (*_TOKENS, *_ENCODER_STATES, "labels"),
    **dict.fromkeys(
        ("BertForNextSentencePrediction", "BertForSequenceClassification", "BertForTokenClassification",
         "BertForMultipleChoice"),
        (*_TOKENS, "labels"),
    ),
    "BertForPreTraining": (*_TOKENS, "labels", "next_sentence_label"),
    "BertForQuestionAnswering": (*_TOKENS, *_SPANS),
    "GPT2Model": (*_GPT2, *_ENCODER_STATES, "use_cache"),
    "GPT2LMHeadModel": (*_GPT2, *_ENCODER_STATES, "labels", "use_cache", "logits_to_keep"),
    "GPT2DoubleHeadsModel": (*_GPT2, "mc_token_ids", "labels", "mc_labels", "use_cache"),
    **dict.fromkeys(("GPT2ForSequenceClassification", "GPT2ForTokenClassification"),
                    (*_GPT2, "labels", "use_cache")),
    "GPT2ForQuestionAnswering": (*_TOKENS, *_SPANS),
    "LlamaModel": (*_LLAMA, "use_cache"),
    "LlamaForCausalLM": (*_LLAMA, "labels", "use_cache", "logits_to_keep"),
    **dict.fromkeys(("LlamaForSequenceClassification", "LlamaForTokenClassification"),
                    (*_LLAMA, "labels", "use_cache")),
    "LlamaForQuestionAnswering": (*_LLAMA, *_SPANS),
    "T5EncoderModel": ("input_ids", "attention_mask", "inputs_embeds"),
    **dict.fromkeys(("T5Model", "BartModel"), (*_BOTH, "cache", *_EMBEDS, "use_cache")),
    **dict.fromkeys(("T5ForConditionalGeneration", "BartForConditionalGeneration"),
                    (*_BOTH, "cache", *_EMBEDS, "labels", "use_cache")),
    "BartForSequenceClassification": (*_BOTH, *_EMBEDS, "labels", "use_cache"),
    "BartForQuestionAnswering": (*_BOTH, *_SPANS, *_EMBEDS, "use_cache"),
}  # fmt: skip

_BY_HAND = ("output_attentions", "output_hidden_states", "return_dict")  # of classes with switches by position


def _encoders(
    stem: str, tokens: tuple[str, ...], tasks: tuple[str, ...], *, behind: tuple[str, ...] = ()
) -> dict[str, tuple[str, ...]]:
    """Of a family of encoders with the same arguments in each class: labels between `tokens` and `behind`."""
    labels = {"Model": (), "QuestionAnswering": _SPANS}
    return {
        f"{stem}{task if task == 'Model' else 'For' + task}": (*tokens, *labels.get(task, ("labels",)), *behind)
        for task in tasks
    }


_UNDERSTANDING = ("SequenceClassification", "TokenClassification", "QuestionAnswering", "MultipleChoice")
_MLM = ("Model", "MaskedLM", *_UNDERSTANDING)
_UNTYPED = ("input_ids", "attention_mask", "position_ids", "inputs_embeds")

for _stem in ("Roberta", "XLMRoberta", "Camembert", "XLMRobertaXL"):
    ORDER |= _encoders(_stem, _TOKENS, _UNDERSTANDING)
    ORDER |= {
        f"{_stem}Model": _BERT,
        f"{_stem}ForMaskedLM": ORDER["BertForMaskedLM"],
        f"{_stem}ForMultipleChoice": ("input_ids", "token_type_ids", "attention_mask", "labels", "position_ids",
                                      "inputs_embeds"),
    }  # fmt: skip
ORDER |= _encoders("Electra", _TOKENS, ("MaskedLM", "PreTraining", *_UNDERSTANDING))
ORDER |= {"ElectraModel": _BERT}
ORDER |= _encoders("Albert", _TOKENS, _MLM)
ORDER |= {"AlbertForPreTraining": (*_TOKENS, "labels", "sentence_order_label")}
ORDER |= _encoders("DistilBert", ("input_ids", "attention_mask", "inputs_embeds"), _MLM, behind=("position_ids",))
_XLM = ("input_ids", "attention_mask", "langs", "token_type_ids", "position_ids", "lengths", "cache",
        "inputs_embeds")  # fmt: skip
ORDER |= _encoders("XLM", _XLM, ("Model", *_UNDERSTANDING), behind=_BY_HAND)
ORDER["XLMForQuestionAnsweringSimple"] = ORDER.pop("XLMForQuestionAnswering")
ORDER["XLMWithLMHeadModel"] = (*ORDER["XLMForSequenceClassification"], "logits_to_keep")
ORDER |= _encoders("Deberta", _TOKENS, _MLM[:-1], behind=_BY_HAND)
ORDER |= _encoders("DebertaV2", _TOKENS, _MLM, behind=_BY_HAND)
ORDER |= _encoders("MPNet", _UNTYPED, _MLM, behind=_BY_HAND)
ORDER |= _encoders("ModernBert", _UNTYPED, _MLM)
ORDER |= {"ModernBertForQuestionAnswering": ("input_ids", "attention_mask", "position_ids", *_SPANS)}

_SWITCHES = ("output_hidden_states", "output_attentions", "return_dict")

# What a call may be given by name, whatever its class has by position, for each kind of model.
_BY_NAME = {
    "encoder": ("token_type_ids", "position_ids", *_SWITCHES),
    "decoder": ("position_ids", *_SWITCHES, "cache", "past_key_values", "use_cache", "num_items_in_batch"),
    "both": (*_SWITCHES, "cache", "past_key_values", "use_cache"),
}

# Refused unless None or False, in each kind of model: argument, and why.
_NO_CACHE, _NO_DECODER = "an encoder keeps no cache", "this model is an encoder"
_PACKED = "batches are packed without it; expected input_ids with attention_mask"
_OF_ALL = {
    "cu_seq_lens_k": _PACKED,
    "cu_seq_lens_q": _PACKED,
    "head_mask": "the engine runs all heads",
    "max_length_k": _PACKED,
    "max_length_q": _PACKED,
    "seq_idx": _PACKED,
    **dict.fromkeys(("labels", *_SPANS), f"this class has no head with a loss; {TRAINING}"),
}
_NO_CROSS = "this model has no attention over an encoder"
_REFUSED = {
    "encoder": {
        **_OF_ALL,
        **dict.fromkeys(("cache", "cache_position", "past_key_values", "use_cache"), _NO_CACHE),
        **dict.fromkeys((*_ENCODER_STATES, "is_causal"), _NO_DECODER),
    },
    "decoder": {
        **_OF_ALL,
        **dict.fromkeys(_ENCODER_STATES, _NO_CROSS),
        "token_type_ids": "the engine adds no second embeddings to a decoder's tokens",
        "cache_position": "a cache counts its own tokens",
    },
    "both": {
        **_OF_ALL,
        **dict.fromkeys(("decoder_head_mask", "cross_attn_head_mask"), _OF_ALL["head_mask"]),
        "cache_position": "a cache counts its own tokens",
    },
}


def order_of(name: str, stacks: str) -> tuple[str, ...]:
    """The arguments of class `name` by position."""
    return ORDER.get(name, _TOKENS if stacks == "encoder" else _LLAMA if stacks == "decoder" else _BOTH)


def _honoured(name: str, stacks: str) -> dict[str, None]:
    order, refused = order_of(name, stacks), _REFUSED[stacks]
    # those that a class has labels for are in its order
    own = (n for n in order if n not in refused or n in ("labels", *_SPANS))
    return dict.fromkeys((*own, *_BY_NAME[stacks]))


def signature(name: str, stacks: str) -> inspect.Signature:
    """The signature of a class's call."""
    order = order_of(name, stacks)
    places = [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None) for n in order]
    names = [
        inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=None)
        for n in _honoured(name, stacks)
        if n not in order
    ]
    this = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return inspect.Signature(
        [this, *places, *names, inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)]
    )


def bind(name: str, stacks: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call, by name.

    Raises TypeError (more arguments than the class has, one given twice, an unknown name), UnsupportedError
    (one that asks for what the model does not do).
    """
    order, refused = order_of(name, stacks), _REFUSED[stacks]
    if len(args) > len(order):
        raise TypeError(
            f"forward() got {len(args)} arguments; expected at most {len(order)}: {', '.join(order)}"
        )
    given = dict(zip(order, args, strict=False))
    for key, value in kwargs.items():
        if key in given:
            raise TypeError(f"forward() got {key!r} twice: by position and by name")
        given[key] = value
    for key in given.keys() - _honoured(name, stacks).keys():
        if key not in refused:
            if key not in WITHOUT_EFFECT["forward"]:
                raise TypeError(f"forward() got an unexpected keyword argument {key!r}")
        elif given[key] is not None and given[key] is not False:
            got = type(given[key]).__name__
            raise UnsupportedError(f"{key}: {got} given; expected None: {refused[key]}")
    if "past_key_values" in given and stacks != "encoder":
        older = given.pop("past_key_values")
        if older is not None and given.get("cache") is not None:
            raise TypeError("forward() got both cache and past_key_values, its older name")
        given["cache"] = older if given.get("cache") is None else given["cache"]
    return given
