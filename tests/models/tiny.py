"""Random tiny checkpoints of every family, made on the spot by transformers and saved as it saves them."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers


@dataclass(frozen=True)
class Tiny:
    """A shape. extra: settings of one family that the case is about."""

    heads: int = 2
    head_dim: int = 8
    layers: int = 2
    mlp: int = 37
    vocab: int = 61
    extra: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        extra = "".join(f"-{k}={v}" for k, v in self.extra.items())
        return f"{self.heads}x{self.head_dim}-{self.layers}l{extra}"


def _bert(t: Tiny) -> dict[str, Any]:
    return dict(
        hidden_size=t.heads * t.head_dim, num_attention_heads=t.heads, num_hidden_layers=t.layers,
        intermediate_size=t.mlp, vocab_size=t.vocab, max_position_embeddings=48, type_vocab_size=3,
    )  # fmt: skip


def _roberta(t: Tiny) -> dict[str, Any]:
    return {**_bert(t), "type_vocab_size": 1, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}


def _mpnet(t: Tiny) -> dict[str, Any]:
    settings = {**_bert(t), "pad_token_id": 1}
    del settings["type_vocab_size"]
    return settings


def _distilbert(t: Tiny) -> dict[str, Any]:
    return dict(
        dim=t.heads * t.head_dim, n_heads=t.heads, n_layers=t.layers, hidden_dim=t.mlp, vocab_size=t.vocab,
        max_position_embeddings=48,
    )  # fmt: skip


def _electra(t: Tiny) -> dict[str, Any]:
    return {**_bert(t), "embedding_size": t.heads * t.head_dim + 5}


def _albert(t: Tiny) -> dict[str, Any]:
    return {**_bert(t), "embedding_size": 13, "num_hidden_groups": min(2, t.layers)}


def _xlm(t: Tiny) -> dict[str, Any]:
    return dict(
        emb_dim=t.heads * t.head_dim, n_heads=t.heads, n_layers=t.layers, vocab_size=t.vocab, n_langs=3,
        max_position_embeddings=48, pad_token_id=1,
    )  # fmt: skip


def _xlnet(t: Tiny) -> dict[str, Any]:
    return dict(
        d_model=t.heads * t.head_dim,
        n_head=t.heads,
        n_layer=t.layers,
        d_inner=t.mlp,
        vocab_size=t.vocab,
    )


def _deberta(t: Tiny) -> dict[str, Any]:
    return {
        **_bert(t), "type_vocab_size": 0, "relative_attention": True, "pos_att_type": ["c2p", "p2c"],
        "max_relative_positions": 10,
    }  # fmt: skip


def _deberta_v2(t: Tiny) -> dict[str, Any]:
    return {
        **_deberta(t), "max_relative_positions": 30, "position_buckets": 6, "share_att_key": True,
        "norm_rel_ebd": "layer_norm", "position_biased_input": False, "conv_kernel_size": 3,
    }  # fmt: skip


def _modernbert(t: Tiny) -> dict[str, Any]:
    return dict(
        hidden_size=t.heads * t.head_dim, num_attention_heads=t.heads, num_hidden_layers=t.layers,
        intermediate_size=t.mlp, vocab_size=t.vocab, max_position_embeddings=48, local_attention=6,
        global_attn_every_n_layers=2, pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1,
        sep_token_id=2,
    )  # fmt: skip


def _t5(t: Tiny) -> dict[str, Any]:
    return dict(
        d_model=t.heads * t.head_dim + 3, d_kv=t.head_dim, num_heads=t.heads, num_layers=t.layers, d_ff=t.mlp,
        vocab_size=t.vocab, relative_attention_num_buckets=8, relative_attention_max_distance=12,
        feed_forward_proj="relu", num_decoder_layers=0,
    )  # fmt: skip


def _rotary_bert(t: Tiny) -> dict[str, Any]:
    settings = {**_bert(t), "pad_token_id": 0, "hidden_act": "gelu"}
    del settings["max_position_embeddings"]
    return settings


def _eurobert(t: Tiny) -> dict[str, Any]:
    return dict(
        hidden_size=t.heads * t.head_dim, num_attention_heads=t.heads,
        num_key_value_heads=1 if t.heads % 2 else t.heads // 2, num_hidden_layers=t.layers,
        intermediate_size=t.mlp, vocab_size=t.vocab, pad_token_id=0, bos_token_id=1,
        eos_token_id=2, mask_token_id=3,
    )  # fmt: skip


# model_type: the class of transformers, and the settings of a shape.
FAMILIES = {
    "bert": ("BertModel", _bert),
    "roberta": ("RobertaModel", _roberta),
    "modernbert": ("ModernBertModel", _modernbert),
    "t5": ("T5EncoderModel", _t5),
    "mpnet": ("MPNetModel", _mpnet),
    "xlm-roberta": ("XLMRobertaModel", _roberta),
    "camembert": ("CamembertModel", _roberta),
    "xlm-roberta-xl": ("XLMRobertaXLModel", _roberta),
    "distilbert": ("DistilBertModel", _distilbert),
    "electra": ("ElectraModel", _electra),
    "albert": ("AlbertModel", _albert),
    "xlm": ("XLMModel", _xlm),
    "xlnet": ("XLNetModel", _xlnet),
    "deberta": ("DebertaModel", _deberta),
    "deberta-v2": ("DebertaV2Model", _deberta_v2),
    "nomic_bert": ("NomicBertModel", _rotary_bert),
    "jina_embeddings_v3": ("JinaEmbeddingsV3Model", _rotary_bert),
    "gte": ("GteModel", _rotary_bert),
    "eurobert": ("EuroBertModel", _eurobert),
}


def save_tiny(family: str, folder: Path, tiny: Tiny | None = None, seed: int = 0, **save: Any) -> Any:
    """Saves a random model to `folder` and gives it back: eager attention, float32, evaluation mode.

    Weights are such that every layer matters and activations stay near 1; nothing is left at 0 or 1.
    """
    tiny = tiny or Tiny()
    name, settings = FAMILIES[family]
    return _save(name, {**settings(tiny), **tiny.extra}, folder, tiny, seed, **save)


def _save(name: str, settings: dict[str, Any], folder: Path, tiny: Tiny, seed: int, **save: Any) -> Any:
    model_class = getattr(transformers, name)
    config = model_class.config_class(**settings)
    config._attn_implementation = "eager"
    torch.manual_seed(seed)
    model = model_class(config).float().eval()
    with torch.no_grad():
        for key, weight in model.named_parameters():
            if weight.requires_grad:  # else made of waves, and not in every file
                _fill(key, weight, tiny, less_one=name.startswith("Gemma"))
    model.save_pretrained(folder, **save)
    return model


def _fill(key: str, weight: torch.Tensor, tiny: Tiny, less_one: bool) -> None:
    if weight.ndim == 1:
        weight.normal_(0, 0.3)
        if ("norm" in key.lower() or ".ln_" in key) and key.endswith("weight") and not less_one:
            weight.add_(1)
    elif (
        "embedding_hidden_mapping" not in key
        and "embeddings_project" not in key
        and (
            "embed" in key
            or "shared" in key
            or "wte" in key
            or "wpe" in key
            or "relative_attention_bias" in key
        )
    ):
        weight.normal_(0, 1)
    else:
        weight.normal_(0, 1 / math.sqrt(weight[0].numel()))
        if key.endswith("SelfAttention.q.weight"):  # T5 folds the scale of the scores into its weights
            weight.mul_(1 / math.sqrt(tiny.head_dim))


def random_batch(
    vocab: int, lengths: tuple[int, ...], side: str = "right", seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """int64 ids and mask [B, longest]; what is padding on that side holds ordinary ids."""
    random = np.random.default_rng(seed)
    longest = max(lengths)
    ids = random.integers(3, vocab, (len(lengths), longest))
    mask = np.zeros_like(ids)
    for row, length in enumerate(lengths):
        mask[row, longest - length :] = 1 if side == "left" else 0
        if side == "right":
            mask[row, :length] = 1
    return ids, mask


def _gpt2(t: Tiny) -> dict[str, Any]:
    return dict(
        n_embd=t.heads * t.head_dim, n_head=t.heads, n_layer=t.layers, n_inner=t.mlp, vocab_size=t.vocab,
        n_positions=1100, bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip


def _llama(t: Tiny) -> dict[str, Any]:
    return dict(
        hidden_size=t.heads * t.head_dim, num_attention_heads=t.heads, num_key_value_heads=t.heads // 2,
        num_hidden_layers=t.layers, intermediate_size=t.mlp, vocab_size=t.vocab, head_dim=t.head_dim,
        max_position_embeddings=1100, pad_token_id=0,
    )  # fmt: skip


def _mistral(t: Tiny) -> dict[str, Any]:
    return {**_llama(t), "sliding_window": 7}


def _qwen(t: Tiny) -> dict[str, Any]:
    return {**_mistral(t), "use_sliding_window": True, "max_window_layers": 1, "eos_token_id": 2}


def _phi3(t: Tiny) -> dict[str, Any]:
    rope = {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.75}
    return {**_llama(t), "rope_parameters": rope, "bos_token_id": 1, "eos_token_id": 2}


def _smollm3(t: Tiny) -> dict[str, Any]:
    return {**_mistral(t), "use_sliding_window": True, "no_rope_layer_interval": 2, "bos_token_id": 1,
            "eos_token_id": 2}  # fmt: skip


def _olmo2(t: Tiny) -> dict[str, Any]:
    return {**_llama(t), "eos_token_id": 2}


def _granite(t: Tiny) -> dict[str, Any]:
    return {**_llama(t), "embedding_multiplier": 3.0, "logits_scaling": 2.0, "residual_multiplier": 0.4,
            "attention_multiplier": 0.3}  # fmt: skip


def _gemma2(t: Tiny) -> dict[str, Any]:
    return {**_mistral(t), "query_pre_attn_scalar": 12, "attn_logit_softcapping": 5.0,
            "final_logit_softcapping": 3.0, "bos_token_id": 1, "eos_token_id": 2}  # fmt: skip


def _gemma3(t: Tiny) -> dict[str, Any]:
    kinds = ["full_attention" if n % 2 else "sliding_attention" for n in range(t.layers)]
    return {**_gemma2(t), "layer_types": kinds, "final_logit_softcapping": None}


def _t5_both(t: Tiny) -> dict[str, Any]:
    return {**_t5(t), "num_decoder_layers": t.layers + 1, "decoder_start_token_id": 0}


def _bart(t: Tiny) -> dict[str, Any]:
    return dict(
        d_model=t.heads * t.head_dim, encoder_layers=t.layers, decoder_layers=t.layers + 1,
        encoder_attention_heads=t.heads, decoder_attention_heads=2 * t.heads, encoder_ffn_dim=t.mlp,
        decoder_ffn_dim=t.mlp + 3, vocab_size=t.vocab, max_position_embeddings=1100, pad_token_id=1,
        scale_embedding=True, forced_eos_token_id=None,
    )  # fmt: skip


def _gpt_neox(t: Tiny) -> dict[str, Any]:
    rope = {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.75}
    return dict(
        hidden_size=t.heads * t.head_dim, num_attention_heads=t.heads, num_hidden_layers=t.layers,
        intermediate_size=t.mlp, vocab_size=t.vocab, max_position_embeddings=1100, rope_parameters=rope,
        pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip


def _gpt_neo(t: Tiny) -> dict[str, Any]:
    return dict(
        hidden_size=t.heads * t.head_dim, num_heads=t.heads, num_layers=t.layers, intermediate_size=t.mlp,
        vocab_size=t.vocab, max_position_embeddings=1100, window_size=7, pad_token_id=0, bos_token_id=1,
        eos_token_id=2, attention_types=[[["global", "local"], t.layers // 2], [["local"], t.layers % 2]],
    )  # fmt: skip


def _mt5(t: Tiny) -> dict[str, Any]:
    return {**_t5_both(t), "feed_forward_proj": "gated-gelu", "eos_token_id": 2}


def _opt(t: Tiny) -> dict[str, Any]:
    return dict(
        hidden_size=t.heads * t.head_dim, num_attention_heads=t.heads, num_hidden_layers=t.layers,
        ffn_dim=t.mlp, vocab_size=t.vocab, max_position_embeddings=1100, pad_token_id=1, bos_token_id=2,
        eos_token_id=2, word_embed_proj_dim=t.heads * t.head_dim,
    )  # fmt: skip


def _narrow_opt(t: Tiny) -> dict[str, Any]:
    return {**_opt(t), "word_embed_proj_dim": t.heads * t.head_dim - 5, "do_layer_norm_before": False}


def _translation(t: Tiny) -> dict[str, Any]:
    return {**_bart(t), "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2}


def _translation_decoder(t: Tiny) -> dict[str, Any]:
    # transformers makes a cache for as many layers as the encoder has; with two, the rounding of Pegasus'
    # head outweighs that of its layers in int8
    return {**_translation(t), "encoder_layers": t.layers + 1}


_UNDERSTANDING = ("ForMaskedLM", "ForSequenceClassification", "ForTokenClassification",
                  "ForQuestionAnswering", "ForMultipleChoice")  # fmt: skip
# Of families whose classes all have the family's settings: what class names begin with, further classes.
_ENCODERS = {
    "Bert": (_bert, "ForNextSentencePrediction", "ForPreTraining"),
    "Roberta": (_roberta,),
    "XLMRoberta": (_roberta,),
    "Camembert": (_roberta,),
    "XLMRobertaXL": (_roberta,),
    "DistilBert": (_distilbert,),
    "Electra": (_electra, "ForPreTraining"),
    "Albert": (_albert, "ForPreTraining"),
    "Deberta": (_deberta,),
    "DebertaV2": (_deberta_v2,),
    "MPNet": (_mpnet,),
    "ModernBert": (_modernbert,),
    "NomicBert": (_rotary_bert,),
    "JinaEmbeddingsV3": (_rotary_bert,),
    "Gte": (_rotary_bert,),
    "EuroBert": (_eurobert,),
}
_LESS = {  # transformers has none
    "DebertaForMultipleChoice", "JinaEmbeddingsV3ForMultipleChoice",
    *(stem + task for stem in ("NomicBert", "Gte", "EuroBert")
      for task in ("ForQuestionAnswering", "ForMultipleChoice")),
}  # fmt: skip


def _decoding(settings: Any) -> Any:
    """Of an encoder that is run as a decoder."""
    return lambda t: {**settings(t), "is_decoder": True, "max_position_embeddings": 1100}


# Of encoders that are decoders too: the class.
_DECODING = {
    "BertLMHeadModel": _bert,
    "RobertaForCausalLM": _roberta,
    "XLMRobertaForCausalLM": _roberta,
    "CamembertForCausalLM": _roberta,
    "XLMRobertaXLForCausalLM": _roberta,
    "ElectraForCausalLM": _electra,
}

# Of every other class with a decoder or a head: the family's settings.
CLASSES = {
    **{
        stem + task: settings
        for stem, (settings, *more) in _ENCODERS.items()
        for task in (*_UNDERSTANDING, *more)
        if stem + task not in _LESS
    },
    **{name: _decoding(settings) for name, settings in _DECODING.items()},
    **dict.fromkeys(
        ("XLMWithLMHeadModel", "XLMForSequenceClassification", "XLMForTokenClassification",
         "XLMForQuestionAnsweringSimple", "XLMForMultipleChoice"),
        _xlm,
    ),
    **dict.fromkeys(
        ("XLNetLMHeadModel", "XLNetForSequenceClassification", "XLNetForTokenClassification",
         "XLNetForQuestionAnsweringSimple", "XLNetForMultipleChoice"),
        _xlnet,
    ),
    **dict.fromkeys(
        ("GPT2Model", "GPT2LMHeadModel", "GPT2ForSequenceClassification", "GPT2DoubleHeadsModel",
         "GPT2ForTokenClassification", "GPT2ForQuestionAnswering"),
        _gpt2,
    ),
    **dict.fromkeys(
        ("LlamaModel", "LlamaForCausalLM", "LlamaForSequenceClassification", "LlamaForTokenClassification",
         "LlamaForQuestionAnswering"),
        _llama,
    ),
    **dict.fromkeys(
        ("MistralModel", "MistralForCausalLM", "MistralForSequenceClassification",
         "MistralForTokenClassification", "MistralForQuestionAnswering"),
        _mistral,
    ),
    **dict.fromkeys(
        ("Qwen2Model", "Qwen2ForCausalLM", "Qwen2ForSequenceClassification", "Qwen2ForTokenClassification",
         "Qwen2ForQuestionAnswering", "Qwen3Model", "Qwen3ForCausalLM", "Qwen3ForSequenceClassification",
         "Qwen3ForTokenClassification", "Qwen3ForQuestionAnswering"),
        _qwen,
    ),
    **dict.fromkeys(
        ("Phi3Model", "Phi3ForCausalLM", "Phi3ForSequenceClassification", "Phi3ForTokenClassification"), _phi3
    ),
    **dict.fromkeys(
        ("SmolLM3Model", "SmolLM3ForCausalLM", "SmolLM3ForSequenceClassification",
         "SmolLM3ForTokenClassification", "SmolLM3ForQuestionAnswering"),
        _smollm3,
    ),
    **dict.fromkeys(("Olmo2Model", "Olmo2ForCausalLM", "Olmo2ForSequenceClassification"), _olmo2),
    **dict.fromkeys(("GraniteModel", "GraniteForCausalLM"), _granite),
    **dict.fromkeys(
        ("Gemma2Model", "Gemma2ForCausalLM", "Gemma2ForSequenceClassification",
         "Gemma2ForTokenClassification"),
        _gemma2,
    ),
    **dict.fromkeys(
        ("GPTNeoXModel", "GPTNeoXForCausalLM", "GPTNeoXForSequenceClassification",
         "GPTNeoXForTokenClassification", "GPTNeoXForQuestionAnswering"),
        _gpt_neox,
    ),
    **dict.fromkeys(("OPTModel", "OPTForCausalLM"), _opt),
    **dict.fromkeys(("OPTForSequenceClassification", "OPTForQuestionAnswering"), _narrow_opt),
    **dict.fromkeys(
        ("GPTNeoModel", "GPTNeoForCausalLM", "GPTNeoForSequenceClassification",
         "GPTNeoForTokenClassification", "GPTNeoForQuestionAnswering"),
        _gpt_neo,
    ),
    **dict.fromkeys(
        ("Gemma3TextModel", "Gemma3ForCausalLM", "Gemma3TextForSequenceClassification"), _gemma3
    ),
    **dict.fromkeys(
        ("T5Model", "T5ForConditionalGeneration", "T5ForSequenceClassification", "T5ForTokenClassification",
         "T5ForQuestionAnswering"),
        lambda t: {**_t5_both(t), "eos_token_id": 2},
    ),
    **dict.fromkeys(
        ("MT5Model", "MT5ForConditionalGeneration", "MT5ForSequenceClassification",
         "MT5ForTokenClassification", "MT5ForQuestionAnswering", "UMT5Model", "UMT5ForConditionalGeneration",
         "UMT5ForSequenceClassification", "UMT5ForTokenClassification", "UMT5ForQuestionAnswering"),
        _mt5,
    ),
    **dict.fromkeys(
        ("BartModel", "BartForConditionalGeneration", "BartForSequenceClassification",
         "BartForQuestionAnswering"),
        _bart,
    ),
    **dict.fromkeys(
        ("MBartModel", "MBartForConditionalGeneration", "MBartForSequenceClassification",
         "MBartForQuestionAnswering", "MarianModel", "MarianMTModel", "M2M100Model",
         "M2M100ForConditionalGeneration", "PegasusModel", "PegasusForConditionalGeneration"),
        _translation,
    ),
    **dict.fromkeys(
        ("BartForCausalLM", "MBartForCausalLM", "MarianForCausalLM", "PegasusForCausalLM"),
        _translation_decoder,
    ),
}  # fmt: skip


# Of classes that are there already, behind their names: other settings, for tests of decoders.
VARIANTS = {"OPTForCausalLM, narrow": _narrow_opt}


def class_of(name: str) -> str:
    """The class in a name of CLASSES or VARIANTS."""
    return name.partition(",")[0]


def save_class(name: str, folder: Path, tiny: Tiny | None = None, seed: int = 0) -> Any:
    """Saves a random model of class (or variant) `name` to `folder` and gives it back, as save_tiny does."""
    tiny = tiny or Tiny()
    extra = {"num_labels": 1} if name == "GPT2DoubleHeadsModel" else {}
    settings = (CLASSES | VARIANTS)[name](tiny)
    return _save(class_of(name), {**settings, **extra, **tiny.extra}, folder, tiny, seed)
