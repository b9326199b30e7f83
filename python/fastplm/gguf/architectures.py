"""llama.cpp's architectures as transformers' model types: names of tensors, and which of them lie otherwise.

Sources: conversion/*.py and src/models/*.cpp in ggml-org/llama.cpp.
"""

from collections.abc import Mapping
from typing import NamedTuple

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
    """model_type, head: of transformers, the class with the head of language models. layer, ends: GGUF's
    names of tensors, without "blk.N." and the ending, and transformers', behind `layers`.N.

    turned: queries and keys whose heads have the two halves that rotary positions pair interleaved.
    by_head: fused queries, then keys, then values, which transformers has head by head.
    transposed: matrices that transformers stores transposed. less_one: norms have one added to them.
    """

    model_type: str
    head: str
    layer: Mapping[str, str] = _LLAMA
    ends: Mapping[str, str] = _ENDS
    layers: str = "model.layers"
    turned: bool = False
    by_head: str | None = None
    transposed: tuple[str, ...] = ()
    less_one: bool = False


ARCHITECTURES = {
    "llama": Architecture("llama", "LlamaForCausalLM", turned=True),
    "qwen2": Architecture("qwen2", "Qwen2ForCausalLM"),
    "qwen3": Architecture("qwen3", "Qwen3ForCausalLM", {**_LLAMA, **_OF_QUERIES_AND_KEYS}),
    "gemma2": Architecture("gemma2", "Gemma2ForCausalLM", _GEMMA2, less_one=True),
    "gemma3": Architecture(
        "gemma3_text", "Gemma3ForCausalLM", {**_GEMMA2, **_OF_QUERIES_AND_KEYS}, less_one=True
    ),
    "phi3": Architecture(
        "phi3", "Phi3ForCausalLM",
        {
            **_BEFORE, "attn_qkv": "self_attn.qkv_proj", "attn_output": "self_attn.o_proj",
            "ffn_up": "mlp.gate_up_proj", "ffn_down": "mlp.down_proj",
        },
    ),
    "gpt2": Architecture(
        "gpt2", "GPT2LMHeadModel",
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
        "gpt_neox", "GPTNeoXForCausalLM",
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
        "olmo2", "Olmo2ForCausalLM", {**_ATTENTION, **_MLP, **_BEHIND, **_OF_QUERIES_AND_KEYS}
    ),
    "granite": Architecture("granite", "GraniteForCausalLM", turned=True),
    "smollm3": Architecture("smollm3", "SmolLM3ForCausalLM", turned=True),
}  # fmt: skip
