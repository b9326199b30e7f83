"""What fastplm does with each key of config.json: those that a family's engine reads stand in its arch file;
here are those read in Python, and those that may only say one thing. The rest is in
settings.WITHOUT_EFFECT, or unknown.
"""

import functools
from typing import Any

from fastplm.families import family_of

# Read in Python, for every family.
_PYTHON = ("model_type", "architectures", "auto_map", "dtype", "is_encoder_decoder", "output_attentions",
           "output_hidden_states", "quantization_config", "return_dict", "torch_dtype")  # fmt: skip
_OF_LABELS = ("id2label", "problem_type")
_OF_STACKS = {
    "encoder": (),
    "decoder": ("pad_token_id", "use_cache"),
    "both": ("pad_token_id", "use_cache", "decoder_start_token_id", "eos_token_id"),
}

# null: none, or derived from others
NULLABLE = (
    "head_dim",
    "n_inner",
    "num_key_value_heads",
    "num_decoder_layers",
    "sliding_window",
    "intermediate_size",
    "word_embed_proj_dim",
)

# How transformers may run attention. All compute the same, so fastplm ignores the choice; any other value
# names code to fetch and run.
ATTENTION = (None, "eager", "sdpa", "flash_attention_2", "flash_attention_3", "flash_attention_4",
             "flex_attention")  # fmt: skip
ATTENTION_KEYS = ("attn_implementation", "_attn_implementation", "_attn_implementation_internal")

# May only have one of these values, which ask for nothing: any other is refused with the reason, unless the
# family's engine reads the key. A list stands for what it repeats.
_NO_FILES = "fastplm reads config.json and model.safetensors"
ONLY: dict[str, tuple[tuple[Any, ...], str]] = {
    "is_decoder": ((False, None), "this version runs this family as it was trained"),
    "add_cross_attention": ((False, None), "this version adds no attention over another model"),
    "is_causal": ((False, None), "an encoder's tokens see each other, a decoder's the earlier ones"),
    "position_embedding_type": (("absolute", None), "this version runs absolute positions only"),
    "attention_bias": ((False, None), "this family's projections have the biases they were trained with"),
    "pruned_heads": ((None, {}, []), "this version runs layers of equal shape only"),
    "per_layer_config": ((None, {}), "this version runs layers of equal shape only"),
    "rope_scaling": (
        (None, {}, {"rope_type": "default"}, {"type": "default"}),
        "this version scales no rotary positions",
    ),
    "layer_types": ((None, ["full_attention"]), "this family's layers are all alike"),
    "sliding_window": ((None,), "this family's tokens see any distance"),
    "tie_last_hidden_states": ((True, None), "the last hidden state is always the one after the last norm"),
    "configuration_files": ((None, [], {}), _NO_FILES),
    "transformers_weights": ((None, "model.safetensors", "model.safetensors.index.json"), _NO_FILES),
    "distributed_config": ((None, {}), "fastplm runs in one process"),
    "fusion_config": ((None, {}), "fastplm takes no patches of modules"),
    **dict.fromkeys(
        ("is_heterogeneous", "per_layer_attributes", "use_return_dict"),
        ((None,), "transformers derives it, and loads no file that has it"),
    ),
    "attribute_map": ((None,), "fastplm's families have names of their own"),
    "base_config_key": ((None, ""), "fastplm's families have no configs inside configs"),
    "sub_configs_defaults": ((None, {}), "fastplm's families have no configs inside configs"),
    "extra_files": ((None, [], ()), _NO_FILES),
    "extra_config_files": ((None, [], ()), _NO_FILES),
}


# Of the same names, what models with a decoder may say instead, by the stacks they have: "decoder" too where
# a class runs that alone.
ONLY_OF: dict[str, dict[str, tuple[Any, ...]]] = {
    "decoder": {"is_decoder": (False, True, None), "is_causal": (True, None)},
    "both": {"is_causal": (True, None)},
}

# Read anew by each call, and so may be set on a model's config, where they shape no built model.
PER_CALL = frozenset(
    ("output_hidden_states", "output_attentions", "return_dict", "use_cache", "pad_token_id", "bos_token_id",
     "eos_token_id", "decoder_start_token_id", "problem_type")
)  # fmt: skip


def labels_of(values: dict[str, Any]) -> int:
    """How many classes a head has: num_labels, where it is set, else as many as id2label names."""
    count, names = values.get("num_labels"), values.get("id2label")
    if count is None:
        count = len(names) if names else family_of(values["model_type"]).defaults.get("num_labels", 2)
    return int(count)


@functools.cache
def honoured(model_type: str) -> frozenset[str]:
    """The keys that act in this family, or are refused unless they ask for nothing."""
    family = family_of(model_type)
    labels = _OF_LABELS if "num_labels" in family.keys else ()
    decodes = _OF_STACKS["decoder"] if "is_decoder" in family.keys else ()
    own = (*family.keys, *family.aliases, *labels, *_OF_STACKS[family.stacks], *decodes)
    return frozenset((*own, *_PYTHON, *ATTENTION_KEYS, *ONLY))


def engine_settings(values: dict[str, Any]) -> dict[str, Any]:
    """What the engine reads of checked `values`, under its names."""
    family = family_of(values["model_type"])
    settings = {name: values[name] for name in family.keys if name in values}
    if "num_labels" in family.keys:
        settings["num_labels"] = labels_of(values)
    for alias, name in family.aliases.items():
        if alias in values:
            settings[name] = values[alias]
    return settings
