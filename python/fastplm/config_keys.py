"""What fastplm does with each key of config.json: the keys that each family's engine reads, those read in
Python, and those that may only say one thing. The rest is in settings.WITHOUT_EFFECT, or unknown.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple


class Family(NamedTuple):
    """engine: the keys that the engine gets, and no other. aliases: other names of such keys; they win, as in
    transformers. prefix: what checkpoints with a head put before each tensor's name. stacks: "encoder",
    "decoder" or "both".
    """

    engine: tuple[str, ...]
    aliases: dict[str, str]
    prefix: str
    stacks: str = "encoder"


_SHAPE = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
          "max_position_embeddings")  # fmt: skip
_BERT = (*_SHAPE, "type_vocab_size", "hidden_act", "layer_norm_eps")
_HEAD = ("num_labels", "tie_word_embeddings")
_DEBERTA = (*_BERT, "relative_attention", "pos_att_type", "max_relative_positions", "position_biased_input",
            "embedding_size", "pooler_hidden_act", "pooler_hidden_size", "legacy")  # fmt: skip

FAMILIES = {
    "bert": Family((*_BERT, *_HEAD, "initializer_range"), {}, "bert."),
    **dict.fromkeys(
        ("roberta", "xlm-roberta", "camembert", "xlm-roberta-xl"),
        Family((*_BERT, "pad_token_id", *_HEAD, "initializer_range"), {}, "roberta."),
    ),
    "mpnet": Family(
        (*_SHAPE, "hidden_act", "layer_norm_eps", "relative_attention_num_buckets", *_HEAD,
         "initializer_range"),
        {},
        "mpnet.",
    ),
    "modernbert": Family(
        (*_SHAPE, "hidden_activation", "norm_eps", "norm_bias", "attention_bias", "mlp_bias",
         "local_attention", "layer_types", "global_attn_every_n_layers", "rope_parameters",
         "global_rope_theta", "local_rope_theta", "classifier_activation", "classifier_bias",
         "classifier_pooling", "decoder_bias", *_HEAD, "initializer_range"),
        {},
        "model.",
    ),
    "distilbert": Family(
        ("vocab_size", "dim", "n_layers", "n_heads", "hidden_dim", "max_position_embeddings", "activation",
         "sinusoidal_pos_embds", *_HEAD, "initializer_range"),
        {"hidden_size": "dim", "num_hidden_layers": "n_layers", "num_attention_heads": "n_heads"},
        "distilbert.",
    ),
    "xlm": Family(
        ("vocab_size", "emb_dim", "n_layers", "n_heads", "max_position_embeddings", "gelu_activation",
         "sinusoidal_embeddings", "causal", "n_langs", "use_lang_emb", "layer_norm_eps", "summary_type",
         "summary_use_proj", "summary_activation", "summary_proj_to_labels", *_HEAD, "init_std"),
        {"hidden_size": "emb_dim", "num_hidden_layers": "n_layers", "num_attention_heads": "n_heads",
         "n_words": "vocab_size"},
        "transformer.",
    ),
    "deberta": Family(
        (*_DEBERTA, "talking_head", *_HEAD, "initializer_range"), {}, "deberta."
    ),
    "deberta-v2": Family(
        (*_DEBERTA, "attention_head_size", "position_buckets", "share_att_key", "norm_rel_ebd",
         "conv_kernel_size", "conv_groups", "conv_act", *_HEAD, "initializer_range"),
        {},
        "deberta.",
    ),
    "electra": Family(
        (*_BERT, "embedding_size", "summary_type", "summary_use_proj", "summary_activation", *_HEAD,
         "initializer_range"),
        {},
        "electra.",
    ),
    "albert": Family(
        (*_BERT, "embedding_size", "num_hidden_groups", "inner_group_num", *_HEAD, "initializer_range"),
        {},
        "albert.",
    ),
    "t5": Family(
        ("vocab_size", "d_model", "d_kv", "d_ff", "num_layers", "num_heads", "relative_attention_num_buckets",
         "relative_attention_max_distance", "layer_norm_epsilon", "feed_forward_proj", "num_decoder_layers",
         "tie_word_embeddings", "scale_decoder_outputs"),
        {"hidden_size": "d_model", "num_attention_heads": "num_heads", "num_hidden_layers": "num_layers",
         "head_dim": "d_kv"},
        "",
        "both",
    ),
    "gpt2": Family(
        ("vocab_size", "n_embd", "n_layer", "n_head", "n_positions", "n_inner", "activation_function",
         "layer_norm_epsilon", "scale_attn_weights", "scale_attn_by_inverse_layer_idx", "initializer_range",
         *_HEAD),
        {"hidden_size": "n_embd", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head",
         "max_position_embeddings": "n_positions"},
        "transformer.",
        "decoder",
    ),
    "llama": Family(
        ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
         "head_dim", "intermediate_size", "hidden_act", "rms_norm_eps", "attention_bias", "mlp_bias",
         "rope_parameters", "rope_theta", "initializer_range", *_HEAD),
        {},
        "model.",
        "decoder",
    ),
    "bart": Family(
        ("vocab_size", "d_model", "max_position_embeddings", "encoder_layers", "decoder_layers",
         "encoder_attention_heads", "decoder_attention_heads", "encoder_ffn_dim", "decoder_ffn_dim",
         "activation_function", "scale_embedding", "init_std", *_HEAD),
        {"hidden_size": "d_model", "num_hidden_layers": "encoder_layers",
         "num_attention_heads": "encoder_attention_heads"},
        "model.",
        "both",
    ),
}  # fmt: skip

# Read in Python, for every family.
_PYTHON = ("model_type", "architectures", "auto_map", "dtype", "is_encoder_decoder", "output_attentions",
           "output_hidden_states", "return_dict", "torch_dtype")  # fmt: skip
_OF_HEADS = ("id2label", "problem_type")
_OF_DECODERS = ("pad_token_id", "use_cache")
_OF_BOTH = (*_OF_DECODERS, "decoder_start_token_id", "eos_token_id")
_OWN = {
    **dict.fromkeys(
        ("bert", "roberta", "xlm-roberta", "camembert", "xlm-roberta-xl", "mpnet", "distilbert", "electra",
         "albert", "deberta", "deberta-v2"),
        _OF_HEADS,
    ),
    "xlm": (*_OF_HEADS, "pad_token_id", "pad_index"),
    "modernbert": (*_OF_HEADS, "sliding_window", "head_dim", "sparse_prediction", "sparse_pred_ignore_index"),
    "t5": ("dense_act_fn", "is_gated_act", *_OF_BOTH),
    "gpt2": (*_OF_HEADS, *_OF_DECODERS, "summary_activation", "summary_proj_to_labels", "summary_type",
             "summary_use_proj"),
    "llama": (*_OF_HEADS, *_OF_DECODERS),
    "bart": (*_OF_HEADS, *_OF_BOTH),
}  # fmt: skip

# What transformers' configs say where the file says nothing, if it is not None.
DEFAULTS: dict[str, dict[str, Any]] = {
    "bert": {"pad_token_id": 0},
    **dict.fromkeys(
        ("roberta", "xlm-roberta", "camembert", "xlm-roberta-xl"),
        {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2},
    ),
    "distilbert": {"pad_token_id": 0},
    "electra": {"pad_token_id": 0},
    "deberta": {"pad_token_id": 0},
    "deberta-v2": {"pad_token_id": 0},
    "xlm": {"pad_token_id": 2, "bos_token_id": 0, "eos_token_id": 1},
    "albert": {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3},
    "mpnet": {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2},
    "modernbert": {"pad_token_id": 50283, "bos_token_id": 50281, "eos_token_id": 50282},
    "t5": {"pad_token_id": 0, "eos_token_id": 1},
    "gpt2": {"bos_token_id": 50256, "eos_token_id": 50256},
    "llama": {"bos_token_id": 1, "eos_token_id": 2},
    "bart": {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2,
             "num_labels": 3},
}  # fmt: skip
NULLABLE = ("head_dim", "n_inner", "num_key_value_heads", "num_decoder_layers")  # null: derived from others

# How transformers may run attention. All compute the same, so fastplm ignores the choice; any other value
# names code to fetch and run.
ATTENTION = (None, "eager", "sdpa", "flash_attention_2", "flash_attention_3", "flash_attention_4",
             "flex_attention")  # fmt: skip
ATTENTION_KEYS = ("attn_implementation", "_attn_implementation", "_attn_implementation_internal")

# May only have one of these values, which ask for nothing: any other is refused with the reason.
_NO_FILES = "fastplm reads config.json and model.safetensors"
ONLY: dict[str, tuple[tuple[Any, ...], str]] = {
    "is_decoder": ((False, None), "this version runs this family as it was trained"),
    "add_cross_attention": ((False, None), "this version adds no attention over another model"),
    "is_causal": ((False, None), "an encoder's tokens see each other, a decoder's the earlier ones"),
    "asm": ((False, None), "this version projects to the whole vocabulary, and has no adaptive softmax"),
    "is_encoder": ((True, None), "transformers runs this family as an encoder only"),
    "quantization_config": ((None, {}), "this version loads float weights only"),
    "position_embedding_type": (("absolute", None), "this version runs absolute positions only"),
    "pruned_heads": ((None, {}, []), "this version runs layers of equal shape only"),
    "per_layer_config": ((None, {}), "this version runs layers of equal shape only"),
    "rope_scaling": ((None, {}), "this version scales no rotary positions"),
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


# Of the same names, what models with a decoder may say instead, by the stacks they have.
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
        count = len(names) if names else DEFAULTS.get(values["model_type"], {}).get("num_labels", 2)
    return int(count)


def honoured(family: str) -> frozenset[str]:
    """The keys that act in this family, or are refused unless they ask for nothing."""
    own = FAMILIES[family]
    names = {*own.engine, *own.aliases, *_OWN.get(family, ()), *_PYTHON, *ATTENTION_KEYS, *ONLY}
    return frozenset(names)


# A checkpoint that has one of these projects with it; transformers ties only what is missing.
_PROJECTIONS = frozenset(
    ("lm_head.weight", "cls.predictions.decoder.weight", "lm_head.decoder.weight", "vocab_projector.weight",
     "generator_lm_head.weight", "predictions.decoder.weight", "decoder.weight", "pred_layer.proj.weight")
)  # fmt: skip


def engine_settings(values: dict[str, Any], tensors: Iterable[str] = ()) -> dict[str, Any]:
    """What the engine reads of checked `values`, under its names. tensors: the checkpoint's names."""
    family = FAMILIES[values["model_type"]]
    settings = {name: values[name] for name in family.engine if name in values}
    settings = {name: value for name, value in settings.items() if value is not None}
    if "num_labels" in family.engine:
        settings["num_labels"] = labels_of(values)
    for alias, name in family.aliases.items():
        if alias in values:
            settings[name] = values[alias]
    if values["model_type"] == "t5":  # the projection is its own where there is one, whatever the file says
        settings.setdefault("scale_decoder_outputs", values.get("tie_word_embeddings") is not False)
        settings["tie_word_embeddings"] = "lm_head.weight" not in tensors
    elif "tie_word_embeddings" in family.engine and not _PROJECTIONS.isdisjoint(tensors):
        settings["tie_word_embeddings"] = False
    if values["model_type"] == "modernbert" and "sliding_window" in values:  # half of the other
        settings["local_attention"] = 2 * values["sliding_window"]
    return settings
