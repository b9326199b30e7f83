"""GGUF files of tiny models, written as llama.cpp's converter (conversion/*.py) writes them."""

import struct
from pathlib import Path
from typing import Any

import numpy as np

_TYPES = {
    "u1": 0,
    "i1": 1,
    "u2": 2,
    "i2": 3,
    "u4": 4,
    "i4": 5,
    "f4": 6,
    "b1": 7,
    "u8": 10,
    "i8": 11,
    "f8": 12,
}
KINDS = {"F32": 0, "F16": 1, "Q4_0": 2, "Q8_0": 8, "Q6_K": 14, "BF16": 30}


def write(
    path: Path, metadata: dict[str, Any], tensors: dict[str, tuple[str, tuple[int, ...], bytes]]
) -> Path:
    """tensors: kind, shape in torch's order, bytes. An int is written as u32, a float as f32."""
    head = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(metadata))]
    for key, value in metadata.items():
        head += [_string(key), _value(value)]
    data, end = [], 0
    for name, (kind, shape, raw) in tensors.items():
        number = KINDS.get(kind, kind)
        head += [_string(name), struct.pack(f"<I{len(shape)}Q", len(shape), *shape[::-1])]
        head.append(struct.pack("<IQ", number, end))
        data.append(raw + bytes(-len(raw) % 32))
        end += len(data[-1])
    header = b"".join(head)
    path.write_bytes(header + bytes(-len(header) % 32) + b"".join(data))
    return path


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _value(value: Any) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", 8) + _string(value)
    if isinstance(value, list):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(_string, value))
    if isinstance(value, np.ndarray):
        return struct.pack("<IIQ", 9, _TYPES[value.dtype.str[1:]], len(value)) + value.tobytes()
    number = np.array(value, {bool: "?", int: "<u4", float: "<f4"}[type(value)])
    return struct.pack("<I", _TYPES[number.dtype.str[1:]]) + number.tobytes()


# --- Kinds of numbers ---


def encoded(values: np.ndarray, kind: str) -> tuple[str, tuple[int, ...], bytes]:
    """Vectors are float32 in every file, and matrices whose rows are no whole blocks."""
    values = np.ascontiguousarray(values, np.float32)
    if values.ndim == 1 or (kind.startswith("Q") and values.shape[-1] % 32):
        kind = "F32"
    if kind == "BF16":
        raw = (values.view(np.uint32) >> 16).astype("<u2").tobytes()  # of values that bfloat16 has
    elif kind in ("F32", "F16"):
        raw = values.astype("<f4" if kind == "F32" else "<f2").tobytes()
    else:
        raw = _blocks(values.reshape(-1, 32), kind).tobytes()
    return kind, values.shape, raw


def _blocks(values: np.ndarray, kind: str) -> np.ndarray:
    if kind == "Q8_0":
        scales = (np.abs(values).max(1, keepdims=True) / 127).astype(np.float16)
        codes = np.rint(values / np.maximum(scales, 1e-7)).clip(-128, 127).astype(np.int8).view(np.uint8)
    else:
        scales = (np.abs(values).max(1, keepdims=True) / 8).astype(np.float16)
        codes = (np.rint(values / np.maximum(scales, 1e-7)) + 8).clip(0, 15).astype(np.uint8)
        codes = codes[:, :16] | codes[:, 16:] << 4
    return np.concatenate((scales.view(np.uint8), codes), 1)


def decoded(kind: str, raw: bytes) -> np.ndarray:
    """f32, value by value, by the formulas in ggml's comments."""
    out: list[np.float32] = []
    if kind == "Q8_0":
        for at in range(0, len(raw), 34):
            (scale,) = np.frombuffer(raw, "<f2", 1, at).astype(np.float32)
            out += [scale * np.float32(q) for q in np.frombuffer(raw, np.int8, 32, at + 2)]
    elif kind == "Q4_0":
        for at in range(0, len(raw), 18):
            (scale,) = np.frombuffer(raw, "<f2", 1, at).astype(np.float32)
            out += [scale * np.float32((raw[at + 2 + i % 16] >> i // 16 * 4 & 15) - 8) for i in range(32)]
    else:  # Q6_K
        for at in range(0, len(raw), 210):
            (scale,) = np.frombuffer(raw, "<f2", 1, at + 208).astype(np.float32)
            scales = np.frombuffer(raw, np.int8, 16, at + 192)
            for i in range(256):
                half, quarter, place = i // 128, i % 128 // 32, i % 32
                low = raw[at + 64 * half + 32 * (quarter % 2) + place] >> 4 * (quarter // 2) & 15
                high = raw[at + 128 + 32 * half + place] >> 2 * quarter & 3
                out.append(scale * np.float32(scales[i // 16]) * np.float32((low | high << 4) - 32))
    return np.array(out, np.float32)


# --- Models ---

_NAMES = {
    "embed_tokens": "token_embd", "wte": "token_embd", "embed_in": "token_embd", "wpe": "position_embd",
    "norm": "output_norm", "ln_f": "output_norm", "final_layer_norm": "output_norm", "lm_head": "output",
    "embed_out": "output", "input_layernorm": "attn_norm", "ln_1": "attn_norm", "ln_2": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "self_attn.qkv_proj": "attn_qkv", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output",
    "attention.query_key_value": "attn_qkv", "attention.dense": "attn_output", "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up", "mlp.gate_up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down", "mlp.dense_h_to_4h": "ffn_up", "mlp.dense_4h_to_h": "ffn_down",
    "pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm",
}  # fmt: skip
ARCHITECTURES = {
    "llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "gemma2": "gemma2",
    "gemma3_text": "gemma3", "phi3": "phi3", "gpt2": "gpt2", "gpt_neox": "gptneox", "olmo2": "olmo2",
    "granite": "granite", "smollm3": "smollm3",
}  # fmt: skip


def tensors_of(model: Any, kind: str) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """Of a model of transformers, as they lie in the file; matrices of `kind`."""
    arch = ARCHITECTURES[model.config.model_type]
    heads = model.config.num_attention_heads
    kv_heads = getattr(model.config, "num_key_value_heads", heads)
    found = {}
    for key, tensor in model.state_dict().items():
        if key in (model._tied_weights_keys or ()) and model.config.tie_word_embeddings:
            continue
        values = tensor.float().numpy()
        stem, _, ending = key.rpartition(".")
        parts = stem.split(".")
        layer = next((i for i, part in enumerate(parts) if part.isdigit()), None)
        own = ".".join(parts[layer + 1 :] if layer is not None else parts[-1:])
        if own == "post_attention_layernorm":
            name = "post_attention_norm" if arch in ("gemma2", "gemma3", "olmo2") else "ffn_norm"
        else:
            name = _NAMES[own]
        if arch in ("llama", "granite", "smollm3") and name in ("attn_q", "attn_k"):
            count = heads if name == "attn_q" else kv_heads
            halves = values.reshape(count, 2, len(values) // count // 2, -1)
            values = halves.swapaxes(1, 2).reshape(values.shape)
        if arch == "gptneox" and name == "attn_qkv":
            values = (
                values.reshape(heads, 3, len(values) // heads // 3, -1).swapaxes(0, 1).reshape(values.shape)
            )
        if arch == "gpt2" and values.ndim == 2 and layer is not None:
            values = values.T
        if arch.startswith("gemma") and name.endswith("norm"):
            values = values + 1
        prefix = "" if layer is None else f"blk.{parts[layer]}."
        found[f"{prefix}{name}.{ending}"] = encoded(values, kind)
    return found


def metadata_of(config: Any) -> dict[str, Any]:
    arch = ARCHITECTURES[config.model_type]
    heads, head_dim = config.num_attention_heads, getattr(config, "head_dim", None)
    head_dim = head_dim or config.hidden_size // heads
    found: dict[str, Any] = {
        "block_count": config.num_hidden_layers,
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "attention.head_count": heads,
        "feed_forward_length": config.n_inner if arch == "gpt2" else config.intermediate_size,
    }
    if arch in ("gpt2", "gptneox"):
        found["attention.layer_norm_epsilon"] = getattr(config, "layer_norm_eps", 1e-5)
    else:
        found["attention.head_count_kv"] = config.num_key_value_heads
        found["attention.layer_norm_rms_epsilon"] = config.rms_norm_eps
    if arch != "gpt2":
        rope = config.rope_parameters
        rope = rope.get("full_attention", rope)
        found["rope.freq_base"] = float(rope["rope_theta"])
        found["rope.dimension_count"] = int(head_dim * rope.get("partial_rotary_factor", 1.0))
    if arch == "gptneox":
        found["use_parallel_residual"] = config.use_parallel_residual
    if arch in ("qwen3", "gemma2", "gemma3"):
        found |= {"attention.key_length": head_dim, "attention.value_length": head_dim}
    if arch in ("gemma2", "gemma3"):
        found["attention.sliding_window"] = config.sliding_window
    if arch == "gemma2":
        found["attn_logit_softcapping"] = config.attn_logit_softcapping
        found["final_logit_softcapping"] = config.final_logit_softcapping
    if arch == "phi3":
        found["rope.scaling.original_context_length"] = config.original_max_position_embeddings
        found["attention.sliding_window"] = config.sliding_window or 0
    if arch == "granite":
        found |= {
            "attention.scale": config.attention_multiplier, "embedding_scale": config.embedding_multiplier,
            "residual_scale": config.residual_multiplier, "logit_scale": config.logits_scaling,
        }  # fmt: skip
    return {
        "general.architecture": arch,
        "general.name": "tiny",
        "general.quantization_version": 2,
        "general.file_type": 1,
        **{f"{arch}.{key}": value for key, value in found.items()},
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
    }
