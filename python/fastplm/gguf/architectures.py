"""llama.cpp's architectures as transformers' model types: settings, names of tensors, and which of these lie
otherwise. The only place where their names stand.

Sources: conversion/*.py and src/models/*.cpp in ggml-org/llama.cpp.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from fastplm.errors import UnsupportedError
from fastplm.gguf.keys import Keys
from fastplm.gguf.settings import Settings, Tensors, decoder, layer_types, only, partial_rope, sizes

# --- Settings ---


def _gpt2_settings(keys: Keys, tensors: Tensors) -> Settings:
    heads = keys.need("attention.head_count", int)
    only(keys, "attention.head_count_kv", heads)
    return {
        "n_layer": keys.need("block_count", int),
        "n_positions": keys.need("context_length", int),
        "n_embd": keys.need("embedding_length", int),
        "n_inner": keys.need("feed_forward_length", int),
        "n_head": heads,
        "layer_norm_epsilon": keys.need("attention.layer_norm_epsilon", float),
    }


def _neox_settings(keys: Keys, tensors: Tensors) -> Settings:
    config = sizes(keys)
    only(keys, "attention.head_count_kv", config["num_attention_heads"])
    return config | {
        "layer_norm_eps": keys.need("attention.layer_norm_epsilon", float),
        "use_parallel_residual": keys.need("use_parallel_residual", bool),
        "rope_parameters": partial_rope(keys, tensors, config),
    }


def _phi3_settings(keys: Keys, tensors: Tensors) -> Settings:
    config = sizes(keys)
    original = keys.get("rope.scaling.original_context_length", int)
    return config | {
        "num_key_value_heads": keys.get("attention.head_count_kv", int, config["num_attention_heads"]),
        "rms_norm_eps": keys.need("attention.layer_norm_rms_epsilon", float),
        "rope_parameters": partial_rope(keys, tensors, config),
        "sliding_window": keys.get("attention.sliding_window", int) or None,
        "original_max_position_embeddings": original or config["max_position_embeddings"],
    }


def _with_biases(keys: Keys, tensors: Tensors) -> Settings:
    return decoder(keys, tensors) | {
        "attention_bias": "blk.0.attn_q.bias" in tensors,
        "mlp_bias": "blk.0.ffn_gate.bias" in tensors,
    }


def _smollm3_settings(keys: Keys, tensors: Tensors) -> Settings:
    return _with_biases(keys, tensors) | {"no_rope_layer_interval": 4}  # as llama.cpp, which reads none


def _granite_settings(keys: Keys, tensors: Tensors) -> Settings:
    config = _with_biases(keys, tensors)
    if not keys.get("rope.scaling.finetuned", bool, True):
        raise UnsupportedError(f"{keys.name}: {keys.architecture}.rope.scaling.finetuned is False; expected "
                               "True: this family has rotary positions")  # fmt: skip
    return config | {
        "logits_scaling": keys.need("logit_scale", float),
        "embedding_multiplier": keys.get("embedding_scale", float) or 1.0,
        "residual_multiplier": keys.get("residual_scale", float) or 1.0,
        "attention_multiplier": keys.get("attention.scale", float) or config["head_dim"] ** -0.5,
    }


def _gemma2_settings(keys: Keys, tensors: Tensors) -> Settings:
    config = decoder(keys, tensors)
    return config | {
        "query_pre_attn_scalar": _scalar(config, largest=46),
        "sliding_window": keys.get("attention.sliding_window", int, 4096),
        "layer_types": layer_types(keys, config, 2),
        "attn_logit_softcapping": keys.get("attn_logit_softcapping", float, 50.0) or None,
        "final_logit_softcapping": keys.get("final_logit_softcapping", float, 30.0) or None,
    }


def _gemma3_settings(keys: Keys, tensors: Tensors) -> Settings:
    config = decoder(keys, tensors)
    window = keys.get("attention.sliding_window", int) or None
    local = {"rope_type": "default", "rope_theta": keys.get("rope.freq_base_swa", float, 10000.0)}
    return config | {
        "query_pre_attn_scalar": _scalar(config, largest=62),
        "sliding_window": window,
        "layer_types": layer_types(keys, config, 6 if window else 1),
        "final_logit_softcapping": keys.get("final_logit_softcapping", float) or None,
        "rope_parameters": {"full_attention": config["rope_parameters"], "sliding_attention": local},
    }


def _scalar(config: Settings, largest: int) -> float:
    """What Gemma's scores are divided by the root of. No file says it: llama.cpp tells the models of 27B by
    their number of layers.
    """
    is_largest = config["num_hidden_layers"] == largest
    return float(config["hidden_size"] // config["num_attention_heads"] if is_largest else config["head_dim"])


# --- Names of tensors ---

_ENDS = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
_ATTENTION = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
}  # fmt: skip
_MLP = {"ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
_BEFORE = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
_OF_QUERIES_AND_KEYS = {"attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm"}
_LLAMA = {**_BEFORE, **_ATTENTION, **_MLP}
_BEHIND = {"post_attention_norm": "post_attention_layernorm", "post_ffw_norm": "post_feedforward_layernorm"}
_GEMMA2 = {
    **_LLAMA, **_BEHIND, "attn_norm": "input_layernorm", "ffn_norm": "pre_feedforward_layernorm",
}  # fmt: skip


class Architecture(NamedTuple):
    """model_type, head: of transformers, the class with the head of language models. settings: of its config.
    layer, ends: GGUF's names of tensors, without "blk.N." and the ending, and transformers', of a layer's
    behind `layers`.N.

    turned: queries and keys whose heads have the two halves that rotary positions pair interleaved.
    by_head: fused queries, then keys, then values, which transformers has head by head.
    transposed: matrices that transformers stores transposed. less_one: norms have one added to them.
    """

    model_type: str
    head: str
    settings: Callable[[Keys, Tensors], Settings] = decoder
    layer: Mapping[str, str] = _LLAMA
    ends: Mapping[str, str] = _ENDS
    layers: str = "model.layers"
    turned: bool = False
    by_head: str | None = None
    transposed: tuple[str, ...] = ()
    less_one: bool = False


ARCHITECTURES = {
    "llama": Architecture("llama", "LlamaForCausalLM", _with_biases, turned=True),
    "qwen2": Architecture("qwen2", "Qwen2ForCausalLM"),
    "qwen3": Architecture("qwen3", "Qwen3ForCausalLM", layer={**_LLAMA, **_OF_QUERIES_AND_KEYS}),
    "gemma2": Architecture("gemma2", "Gemma2ForCausalLM", _gemma2_settings, _GEMMA2, less_one=True),
    "gemma3": Architecture(
        "gemma3_text", "Gemma3ForCausalLM", _gemma3_settings, {**_GEMMA2, **_OF_QUERIES_AND_KEYS},
        less_one=True,
    ),
    "phi3": Architecture(
        "phi3", "Phi3ForCausalLM", _phi3_settings,
        {
            **_BEFORE, "attn_qkv": "self_attn.qkv_proj", "attn_output": "self_attn.o_proj",
            "ffn_up": "mlp.gate_up_proj", "ffn_down": "mlp.down_proj",
        },
    ),
    "gpt2": Architecture(
        "gpt2", "GPT2LMHeadModel", _gpt2_settings,
        {
            "attn_norm": "ln_1", "attn_qkv": "attn.c_attn", "attn_output": "attn.c_proj", "ffn_norm": "ln_2",
            "ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj",
        },
        {
            "token_embd": "transformer.wte", "position_embd": "transformer.wpe", "output": "lm_head",
            "output_norm": "transformer.ln_f",
        },
        "transformer.h", transposed=("attn_qkv", "attn_output", "ffn_up", "ffn_down"),
    ),
    "gptneox": Architecture(
        "gpt_neox", "GPTNeoXForCausalLM", _neox_settings,
        {
            "attn_norm": "input_layernorm", "attn_qkv": "attention.query_key_value",
            "attn_output": "attention.dense", "ffn_norm": "post_attention_layernorm",
            "ffn_up": "mlp.dense_h_to_4h", "ffn_down": "mlp.dense_4h_to_h",
        },
        {
            "token_embd": "gpt_neox.embed_in", "output_norm": "gpt_neox.final_layer_norm",
            "output": "embed_out",
        },
        "gpt_neox.layers", by_head="attn_qkv",
    ),
    "olmo2": Architecture(
        "olmo2", "Olmo2ForCausalLM", layer={**_ATTENTION, **_MLP, **_BEHIND, **_OF_QUERIES_AND_KEYS}
    ),
    "granite": Architecture("granite", "GraniteForCausalLM", _granite_settings, turned=True),
    "smollm3": Architecture("smollm3", "SmolLM3ForCausalLM", _smollm3_settings, turned=True),
}  # fmt: skip
