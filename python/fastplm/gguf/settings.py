"""Metadata of a GGUF file as the settings of config.json."""

import math
from typing import Any

from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.gguf.architectures import Architecture
from fastplm.gguf.keys import Keys
from fastplm.safetensors import Tensor, read_floats

# Tensors that are settings: what the frequencies of rotary positions are divided by.
ROPE_FACTORS = ("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight")
_LONGEST_FACTORS = 1 << 12
_LARGEST = {
    "gemma2": 46,
    "gemma3": 62,
}  # layers of the 27B models, whose scores llama.cpp scales by the width


def config_of(keys: Keys, architecture: Architecture, tensors: dict[str, Tensor]) -> dict[str, Any]:
    """The settings of transformers' config that make the same model. tensors: by their names in the file.

    Raises CheckpointError, UnsupportedError; each names the file and the key.
    """
    embeddings = tensors.get("token_embd.weight")
    if embeddings is None or len(embeddings.shape) != 2:
        raise CheckpointError(f"{keys.name}: token_embd.weight is no matrix; expected the table of tokens")
    vocabulary = embeddings.shape[0]
    if keys.get("vocab_size", int, vocabulary) != vocabulary:
        raise CheckpointError(
            f"{keys.name}: {keys.architecture}.vocab_size is {keys.get('vocab_size', int)}; "
            f"token_embd.weight has {vocabulary} rows"
        )
    config = {
        "model_type": architecture.model_type,
        "architectures": [architecture.head],
        "dtype": _dtype(tensors),
        "vocab_size": vocabulary,
        "tie_word_embeddings": "output.weight" not in tensors,
        **_token_ids(keys),
    }
    config |= _gpt2(keys) if keys.architecture == "gpt2" else _rotary(keys, tensors)
    keys.check_rest()
    return config


def _dtype(tensors: dict[str, Tensor]) -> str:
    """Of the matrices, as a norm is float32 in every file. Blocks of integers become float32."""
    kinds = {tensor.dtype for tensor in tensors.values()}
    if not kinds <= {"F32", "F16", "BF16"}:
        return "float32"
    return "bfloat16" if "BF16" in kinds else "float16" if "F16" in kinds else "float32"


def _token_ids(keys: Keys) -> dict[str, Any]:
    """All tokens that llama.cpp knows to end a text: of the text, of a turn, of a message."""
    ends = [i for name in ("eos", "eot", "eom") if (i := keys.token_id(name)) is not None]
    ids = {"bos_token_id": keys.token_id("bos"), "pad_token_id": keys.token_id("padding")}
    if ends:
        unique = list(dict.fromkeys(ends))
        ids["eos_token_id"] = unique if len(unique) > 1 else unique[0]  # type: ignore[assignment]
    return {name: i for name, i in ids.items() if i is not None}


def _gpt2(keys: Keys) -> dict[str, Any]:
    heads = keys.need("attention.head_count", int)
    _same(keys, "attention.head_count_kv", heads)
    return {
        "n_layer": keys.need("block_count", int),
        "n_positions": keys.need("context_length", int),
        "n_embd": keys.need("embedding_length", int),
        "n_inner": keys.need("feed_forward_length", int),
        "n_head": heads,
        "layer_norm_epsilon": keys.need("attention.layer_norm_epsilon", float),
    }


def _rotary(keys: Keys, tensors: dict[str, Tensor]) -> dict[str, Any]:
    """Of every architecture with rotary positions."""
    width, heads = keys.need("embedding_length", int), keys.need("attention.head_count", int)
    kv_heads = keys.get("attention.head_count_kv", int, heads)
    if not 0 < heads <= width:
        raise CheckpointError(f"{keys.name}: {heads} heads of a width of {width}; expected 1 to {width}")
    head_dim = keys.get("attention.key_length", int, width // heads)
    _same(keys, "attention.value_length", head_dim)
    config: dict[str, Any] = {
        "hidden_size": width,
        "num_attention_heads": heads,
        "num_hidden_layers": keys.need("block_count", int),
        "intermediate_size": keys.need("feed_forward_length", int),
        "max_position_embeddings": keys.need("context_length", int),
    }
    turned = keys.get("rope.dimension_count", int, head_dim)
    rope = _rope(keys, tensors, config["max_position_embeddings"])
    if keys.architecture == "gptneox":
        _same(keys, "attention.head_count_kv", heads)
        rope["partial_rotary_factor"] = _share(turned, head_dim)
        return config | {
            "layer_norm_eps": keys.need("attention.layer_norm_epsilon", float),
            "use_parallel_residual": keys.need("use_parallel_residual", bool),
            "rope_parameters": rope,
        }
    config |= {
        "num_key_value_heads": kv_heads,
        "rms_norm_eps": keys.need("attention.layer_norm_rms_epsilon", float),
        "rope_parameters": rope,
    }
    if keys.architecture == "phi3":
        if head_dim * heads != width:
            raise UnsupportedError(f"{keys.name}: phi3.attention.key_length is {head_dim}; expected "
                                   f"{width // heads}, the width's share of each head")  # fmt: skip
        rope["partial_rotary_factor"] = _share(turned, head_dim)
        original = keys.get("rope.scaling.original_context_length", int)
        return config | {
            "sliding_window": keys.get("attention.sliding_window", int) or None,
            "original_max_position_embeddings": original or config["max_position_embeddings"],
        }
    if turned != head_dim:
        raise UnsupportedError(f"{keys.name}: {keys.architecture}.rope.dimension_count is {turned}; expected "
                               f"{head_dim}, all of a head")  # fmt: skip
    config["head_dim"] = head_dim
    more = {"gemma2": _gemma2, "gemma3": _gemma3, "granite": _granite}.get(keys.architecture)
    if more:
        config |= more(keys, config)
    if keys.architecture == "smollm3":
        config["no_rope_layer_interval"] = 4  # as in llama.cpp, whatever the file says
    if keys.architecture in ("llama", "granite", "smollm3"):
        config["attention_bias"] = "blk.0.attn_q.bias" in tensors
        config["mlp_bias"] = "blk.0.ffn_gate.bias" in tensors
    return config


def _gemma2(keys: Keys, config: dict[str, Any]) -> dict[str, Any]:
    return {
        "query_pre_attn_scalar": _scalar(keys, config),
        "sliding_window": keys.get("attention.sliding_window", int, 4096),
        "layer_types": _layer_types(keys, config, 2),
        "attn_logit_softcapping": keys.get("attn_logit_softcapping", float, 50.0) or None,
        "final_logit_softcapping": keys.get("final_logit_softcapping", float, 30.0) or None,
    }


def _gemma3(keys: Keys, config: dict[str, Any]) -> dict[str, Any]:
    window = keys.get("attention.sliding_window", int) or None
    local = {"rope_type": "default", "rope_theta": keys.get("rope.freq_base_swa", float, 10000.0)}
    return {
        "query_pre_attn_scalar": _scalar(keys, config),
        "sliding_window": window,
        "layer_types": _layer_types(keys, config, 6 if window else 1),
        "final_logit_softcapping": keys.get("final_logit_softcapping", float) or None,
        "rope_parameters": {"full_attention": config["rope_parameters"], "sliding_attention": local},
    }


def _granite(keys: Keys, config: dict[str, Any]) -> dict[str, Any]:
    if not keys.get("rope.scaling.finetuned", bool, True):
        raise UnsupportedError(f"{keys.name}: granite.rope.scaling.finetuned is False; expected True: this "
                               "family has rotary positions")  # fmt: skip
    return {
        "logits_scaling": keys.need("logit_scale", float),
        "embedding_multiplier": keys.get("embedding_scale", float) or 1.0,
        "residual_multiplier": keys.get("residual_scale", float) or 1.0,
        "attention_multiplier": keys.get("attention.scale", float) or config["head_dim"] ** -0.5,
    }


def _scalar(keys: Keys, config: dict[str, Any]) -> float:
    """What Gemma's scores are divided by the root of, which no file says: llama.cpp goes by the size."""
    largest = config["num_hidden_layers"] == _LARGEST[keys.architecture]
    return float(config["hidden_size"] // config["num_attention_heads"] if largest else config["head_dim"])


def _layer_types(keys: Keys, config: dict[str, Any], usual: int) -> list[str]:
    """All but each n-th layer have a window, or those that the file names. Their number is checked later."""
    pattern, layers = keys.flags("attention.sliding_window_pattern"), config["num_hidden_layers"]
    if pattern is None or type(pattern) is int:
        every = usual if pattern is None else pattern
        if not (every > 0 and 0 <= layers <= 1 << 12):
            raise CheckpointError(f"{keys.name}: {layers} layers, of which each {every}th has no window; "
                                  "expected up to 4096 layers, and a number above 0")  # fmt: skip
        pattern = [(n + 1) % every != 0 for n in range(layers)]
    return ["sliding_attention" if slides else "full_attention" for slides in pattern]  # type: ignore[union-attr]


def _rope(keys: Keys, tensors: dict[str, Tensor], context: int) -> dict[str, Any]:
    """rope_parameters of config.json."""
    theta = keys.get("rope.freq_base", float, 10000.0)
    factors = {name: _factors(keys, tensors[name]) for name in ROPE_FACTORS if name in tensors}
    kind = keys.get("rope.scaling.type", str, "linear")
    factor = keys.get("rope.scaling.factor", float) or keys.get("rope.scale_linear", float) or 1.0
    keys.get("rope.scaling.finetuned", bool)  # says how the model was made
    original = keys.get("rope.scaling.original_context_length", int) or context
    if factors:
        return {"rope_theta": theta, **_divided(keys, factors, kind, factor, original)}
    if kind == "yarn" and factor != 1:
        found = {"rope_type": "yarn", "factor": factor, "original_max_position_embeddings": original}
        for name in ("beta_fast", "beta_slow"):
            value = keys.get(f"rope.scaling.yarn_{name}", float)
            found |= {} if value is None else {name: value}
        return {"rope_theta": theta, **found}
    if kind in ("linear", "none", "yarn"):
        if kind == "none" or factor == 1:
            return {"rope_type": "default", "rope_theta": theta}
        return {"rope_type": "linear", "rope_theta": theta, "factor": factor}
    raise UnsupportedError(f"{keys.name}: {keys.architecture}.rope.scaling.type is {kind!r}; expected none, "
                           "linear, yarn, or longrope with its factors")  # fmt: skip


def _divided(
    keys: Keys, factors: dict[str, list[float]], kind: str, factor: float, original: int
) -> dict[str, Any]:
    """Frequencies that are divided one by one: Llama 3's, and those that differ by length."""
    same = factors.get("rope_freqs.weight")
    long, short = (factors.get(f"rope_factors_{name}.weight", same) for name in ("long", "short"))
    if long is None or short is None or (same and len(factors) > 1) or factor != 1 or kind == "yarn":
        raise UnsupportedError(
            f"{keys.name}: {', '.join(factors)} with a factor of {factor:g} and rope.scaling.type {kind!r}; "
            "expected rope_freqs, or both rope_factors, alone"
        )
    return {
        "rope_type": "longrope",
        "short_factor": short,
        "long_factor": long,
        "original_max_position_embeddings": original,
        "attention_factor": keys.get("rope.scaling.attn_factor", float, 1.0),
    }


def _factors(keys: Keys, tensor: Tensor) -> list[float]:
    if tensor.dtype != "F32" or len(tensor.shape) != 1 or tensor.shape[0] > _LONGEST_FACTORS:
        raise CheckpointError(f"{keys.name}: {tensor.name} is {tensor.dtype} of shape {list(tensor.shape)}; "
                              f"expected F32, at most {_LONGEST_FACTORS} values")  # fmt: skip
    return [float(str(value)) for value in read_floats(tensor)]


def _share(part: int, whole: int) -> float:
    """part / whole, such that the part is what is left of its product with the whole without its fraction."""
    share = part / whole if whole else 0.0
    return share if int(whole * share) == part else math.nextafter(share, math.inf)


def _same(keys: Keys, key: str, expected: int) -> None:
    if (value := keys.get(key, int, expected)) != expected:
        raise UnsupportedError(
            f"{keys.name}: {keys.architecture}.{key} is {value}; expected {expected}: this version runs "
            f"{keys.architecture} models with no other"
        )
