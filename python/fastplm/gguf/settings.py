"""Metadata of a GGUF file as the settings of config.json: what several architectures share."""

import math
from typing import TYPE_CHECKING, Any

from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.gguf.keys import Keys
from fastplm.safetensors import Tensor, read_floats

if TYPE_CHECKING:
    from fastplm.gguf.architectures import Architecture

# Tensors that are settings: what the frequencies of rotary positions are divided by.
ROPE_FACTORS = ("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight")
_LONGEST_FACTORS = 1 << 12
_MOST_LAYERS = 1 << 12  # as in config.json

Tensors = dict[str, Tensor]  # by their names in the file
Settings = dict[str, Any]


def config_of(keys: Keys, architecture: "Architecture", tensors: Tensors) -> Settings:
    """The settings of transformers' config that make the same model.

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
    config |= architecture.settings(keys, tensors)
    keys.check_rest()
    return config


def _dtype(tensors: Tensors) -> str:
    """Of the matrices, as a norm is float32 in every file. Blocks of integers become float32."""
    kinds = {tensor.dtype for tensor in tensors.values()}
    if not kinds <= {"F32", "F16", "BF16"}:
        return "float32"
    return "bfloat16" if "BF16" in kinds else "float16" if "F16" in kinds else "float32"


def _token_ids(keys: Keys) -> Settings:
    """All tokens that llama.cpp knows to end a text: of the text, of a turn, of a message."""
    ends = [i for name in ("eos", "eot", "eom") if (i := keys.token_id(name)) is not None]
    ids = {"bos_token_id": keys.token_id("bos"), "pad_token_id": keys.token_id("padding")}
    if ends:
        unique = list(dict.fromkeys(ends))
        ids["eos_token_id"] = unique if len(unique) > 1 else unique[0]  # type: ignore[assignment]
    return {name: i for name, i in ids.items() if i is not None}


def sizes(keys: Keys) -> Settings:
    """Of a decoder with rotary positions, by their usual names."""
    width, heads = keys.need("embedding_length", int), keys.need("attention.head_count", int)
    if not 0 < heads <= width:
        raise CheckpointError(f"{keys.name}: {heads} heads of a width of {width}; expected 1 to {width}")
    return {
        "hidden_size": width,
        "num_attention_heads": heads,
        "num_hidden_layers": keys.need("block_count", int),
        "intermediate_size": keys.need("feed_forward_length", int),
        "max_position_embeddings": keys.need("context_length", int),
    }


def decoder(keys: Keys, tensors: Tensors) -> Settings:
    """With rotary positions of whole heads, grouped key heads and RMSNorm."""
    config = sizes(keys)
    width, heads = config["hidden_size"], config["num_attention_heads"]
    head_dim = keys.get("attention.key_length", int, width // heads)
    only(keys, "attention.value_length", head_dim)
    only(keys, "rope.dimension_count", head_dim)
    return config | {
        "head_dim": head_dim,
        "num_key_value_heads": keys.get("attention.head_count_kv", int, heads),
        "rms_norm_eps": keys.need("attention.layer_norm_rms_epsilon", float),
        "rope_parameters": rope(keys, tensors, config),
    }


def partial_rope(keys: Keys, tensors: Tensors, config: Settings) -> Settings:
    """rope_parameters of positions that turn a part of each head; heads are a share of the width."""
    head_dim = config["hidden_size"] // config["num_attention_heads"]
    only(keys, "attention.key_length", head_dim)
    only(keys, "attention.value_length", head_dim)
    part = keys.get("rope.dimension_count", int, head_dim)
    share = part / head_dim
    if int(head_dim * share) != part:  # config.json's readers drop the fraction of this product
        share = math.nextafter(share, math.inf)
    return {**rope(keys, tensors, config), "partial_rotary_factor": share}


def layer_types(keys: Keys, config: Settings, usual: int) -> list[str]:
    """All but each n-th layer have a window, or those that the file names. Their number is checked later."""
    pattern, layers = keys.flags("attention.sliding_window_pattern"), config["num_hidden_layers"]
    if pattern is None or type(pattern) is int:
        every = usual if pattern is None else pattern
        if not (every > 0 and 0 <= layers <= _MOST_LAYERS):
            raise CheckpointError(f"{keys.name}: {layers} layers, of which each {every}th has no window; "
                                  f"expected up to {_MOST_LAYERS} layers, and a number above 0")  # fmt: skip
        pattern = [(n + 1) % every != 0 for n in range(layers)]
    return ["sliding_attention" if slides else "full_attention" for slides in pattern]  # type: ignore[union-attr]


def rope(keys: Keys, tensors: Tensors, config: Settings) -> Settings:
    """rope_parameters of config.json."""
    theta = keys.get("rope.freq_base", float, 10000.0)
    factors = {name: _factors(keys, tensors[name]) for name in ROPE_FACTORS if name in tensors}
    kind = keys.get("rope.scaling.type", str, "linear")
    factor = keys.get("rope.scaling.factor", float) or keys.get("rope.scale_linear", float) or 1.0
    keys.get("rope.scaling.finetuned", bool)  # says how the model was made
    original = keys.get("rope.scaling.original_context_length", int) or config["max_position_embeddings"]
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
) -> Settings:
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


def only(keys: Keys, key: str, expected: int) -> None:
    """Raises UnsupportedError for another value."""
    if (value := keys.get(key, int, expected)) != expected:
        raise UnsupportedError(
            f"{keys.name}: {keys.architecture}.{key} is {value}; expected {expected}: this version runs "
            f"{keys.architecture} models with no other"
        )
