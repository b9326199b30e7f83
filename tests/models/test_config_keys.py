"""Every key of config.json that transformers knows: its result, a refusal by name, or a known lack of effect.

The names come from transformers itself, so one that is new in a later release fails here until it is dealt
with.
"""

import dataclasses
import inspect
import json
import re
import warnings

import numpy as np
import pytest
import torch
import transformers
import transformers.modeling_utils
from safetensors.torch import load_file, save_file
from transformers import GenerationConfig

import fastplm
from fastplm.config_keys import ATTENTION_KEYS, ONLY, honoured
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.families import family_of, runs_decoder_alone
from fastplm.settings import WITHOUT_EFFECT
from tests.models.tiny import FAMILIES, random_batch, save_class, save_tiny
from tests.tolerance import assert_layers

ABSENT = object()
MODELS = {**{family: name for family, (name, _) in FAMILIES.items()}, "gpt2": "GPT2Model",
          "llama": "LlamaModel", "bart": "BartModel", "mistral": "MistralModel", "qwen2": "Qwen2Model",
          "qwen3": "Qwen3Model", "phi3": "Phi3Model", "smollm3": "SmolLM3Model", "olmo2": "Olmo2Model",
          "granite": "GraniteModel", "gemma2": "Gemma2Model", "gemma3_text": "Gemma3TextModel",
          "gpt_neox": "GPTNeoXModel", "gpt_neo": "GPTNeoModel", "opt": "OPTModel",
          "mbart": "MBartModel"}  # fmt: skip

# Keys that change numbers: a value other than save_tiny's, with which the same weights load. A dict stands
# for
# several keys at once.
_DYNAMIC = {"max_position_embeddings": 8, "rope_parameters": {"rope_type": "dynamic", "factor": 3.0}}
_ROPES = {
    "rope_parameters": {"rope_parameters": {"rope_type": "default", "rope_theta": 3.0}},
    "rope_scaling": {"rope_scaling": {"type": "linear", "factor": 3.0}, "rope_parameters": ABSENT},
    "rope_theta": {"rope_theta": 3.0, "rope_parameters": ABSENT},
    "max_position_embeddings": _DYNAMIC,
}
_HEADS = {"num_attention_heads": 4, "head_dim": 4, "num_key_value_heads": 2}
_ROTARY = {**_ROPES, "hidden_act": "relu", "rms_norm_eps": 0.3, "num_hidden_layers": 1,
           "num_attention_heads": _HEADS, "head_dim": _HEADS}  # fmt: skip
_WINDOWS = {
    **_ROTARY, "sliding_window": 3, "layer_types": ["sliding_attention"] * 2,
    "use_sliding_window": {"use_sliding_window": False, "layer_types": ABSENT},
    "num_hidden_layers": {"num_hidden_layers": 1, "layer_types": ["full_attention"]},
}  # fmt: skip
_LONG = {"rope_type": "longrope", "short_factor": [1.0, 2.0, 3.0], "long_factor": [3.0, 2.0, 1.0]}
_GEMMA = {
    **{k: v for k, v in _WINDOWS.items() if k not in ("hidden_act", "use_sliding_window") and v != _HEADS},
    "hidden_activation": "relu", "query_pre_attn_scalar": 3, "rms_norm_eps": 0.9,
}  # fmt: skip
_BART = {"activation_function": "silu", "encoder_layers": 1, "num_hidden_layers": 1, "decoder_layers": 1,
         "encoder_attention_heads": 4, "num_attention_heads": 4, "decoder_attention_heads": 2,
         "scale_embedding": False}  # fmt: skip
NUMBERS = {
    "mistral": {**_ROTARY, "sliding_window": 3},
    "qwen2": {**_WINDOWS, "max_window_layers": {"max_window_layers": 0, "layer_types": ABSENT}},
    "phi3": {
        **{k: v for k, v in _ROTARY.items() if k not in _ROPES}, "sliding_window": 3,
        "rope_parameters": _ROPES["rope_parameters"], "rope_theta": _ROPES["rope_theta"],
        "rope_scaling": {"rope_scaling": {**_LONG, "type": "su"}, "rope_parameters": ABSENT,
                         "partial_rotary_factor": 0.75, "original_max_position_embeddings": 8},
        "max_position_embeddings": {"max_position_embeddings": 64, "rope_parameters": {
            **_LONG, "partial_rotary_factor": 0.75}, "original_max_position_embeddings": 20},
        "original_max_position_embeddings": {"original_max_position_embeddings": 8, "rope_parameters": {
            **_LONG, "partial_rotary_factor": 0.75}},
        "partial_rotary_factor": {"partial_rotary_factor": 0.5, "rope_parameters": ABSENT},
    },
    "smollm3": {**_WINDOWS, "no_rope_layers": {"no_rope_layers": [0, 0]},
                "no_rope_layer_interval": {"no_rope_layer_interval": 1, "no_rope_layers": ABSENT}},
    "olmo2": _ROTARY,
    "granite": {**_ROTARY, "embedding_multiplier": 1.5, "residual_multiplier": 0.9,
                "attention_multiplier": 0.9},
    "gemma2": {**_GEMMA, "attn_logit_softcapping": 1.0},
    "gemma3_text": {
        **_GEMMA, "use_bidirectional_attention": True,
        "rope_scaling": {"rope_scaling": {"rope_type": "linear", "factor": 3.0}, "rope_parameters": ABSENT},
        "sliding_window_pattern": {"sliding_window_pattern": 1, "layer_types": ABSENT},
        "rope_parameters": {"rope_parameters": {
            "full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 1e4},
            "sliding_attention": {"rope_type": "default", "rope_theta": 30.0}}},
        "rope_local_base_freq": {"rope_local_base_freq": 3.0, "rope_parameters": ABSENT},
        "max_position_embeddings": {"max_position_embeddings": 8, "rope_parameters": {
            "full_attention": {"rope_type": "dynamic", "factor": 3.0, "rope_theta": 1e4}}},
    },
    "gpt_neox": {
        **_ROPES, "hidden_act": "relu", "layer_norm_eps": 0.3, "num_hidden_layers": 1,
        "num_attention_heads": 4, "use_parallel_residual": False,
        "max_position_embeddings": {**_DYNAMIC, "rope_parameters": {
            "rope_type": "dynamic", "factor": 3.0, "partial_rotary_factor": 1.0}},
        "rotary_pct": {"rotary_pct": 1.0, "rope_parameters": ABSENT},
        "rotary_emb_base": {"rotary_emb_base": 3.0, "rope_parameters": ABSENT},
    },
    "gpt_neo": {
        "activation_function": "relu", "layer_norm_epsilon": 0.3, "window_size": 3, "num_heads": 4,
        "num_attention_heads": 4, "attention_layers": ["local", "local"],
        "attention_types": {"attention_types": [[["local"], 2]], "attention_layers": ABSENT},
        **{name: {name: 1, "attention_layers": ["local"], "attention_types": [[["local"], 1]]}
           for name in ("num_layers", "num_hidden_layers")},
    },
    "opt": {"activation_function": "silu", "num_hidden_layers": 1, "num_attention_heads": 4,
            "do_layer_norm_before": False, "_remove_final_layer_norm": True, "enable_bias": False},
    "mbart": _BART,
    "bert": {"hidden_act": "relu", "layer_norm_eps": 0.3, "num_hidden_layers": 1, "num_attention_heads": 4},
    "roberta": {"hidden_act": "relu", "layer_norm_eps": 0.3, "num_hidden_layers": 1, "num_attention_heads": 4,
                "pad_token_id": 4},
    "mpnet": {"hidden_act": "relu", "layer_norm_eps": 0.3, "num_hidden_layers": 1},
    "modernbert": {
        "hidden_activation": "relu", "norm_eps": 0.3, "num_attention_heads": 4, "local_attention": 2,
        "sliding_window": 1, "num_hidden_layers": {"num_hidden_layers": 1, "layer_types": ABSENT},
        "layer_types": ["sliding_attention", "full_attention"],
        "global_attn_every_n_layers": {"global_attn_every_n_layers": 1, "layer_types": ABSENT},
        "rope_parameters": {"rope_parameters": {"full_attention": {"rope_type": "default",
        "rope_theta": 3.0}}},
        "global_rope_theta": {"global_rope_theta": 3.0, "rope_parameters": ABSENT},
        "local_rope_theta": {"local_rope_theta": 3.0, "rope_parameters": ABSENT},
    },
    "t5": {"layer_norm_epsilon": 0.3, "relative_attention_max_distance": 40, "num_layers": 1,
           "num_hidden_layers": 1,
           "feed_forward_proj": {"feed_forward_proj": "silu", "dense_act_fn": ABSENT,
           "is_gated_act": ABSENT}},
    "gpt2": {"activation_function": "relu", "layer_norm_epsilon": 0.3, "n_layer": 1, "num_hidden_layers": 1,
             "n_head": 4, "num_attention_heads": 4, "scale_attn_weights": False,
             "scale_attn_by_inverse_layer_idx": True},
    "llama": _ROTARY,
    "bart": {"activation_function": "relu", "encoder_layers": 1, "num_hidden_layers": 1, "decoder_layers": 1,
             "encoder_attention_heads": 4, "num_attention_heads": 4, "decoder_attention_heads": 2,
             "scale_embedding": False, "decoder_start_token_id": 5},
    "distilbert": {"activation": "relu", "n_layers": 1, "num_hidden_layers": 1, "n_heads": 4,
                   "num_attention_heads": 4},
    "albert": {"hidden_act": "relu", "layer_norm_eps": 0.3, "num_hidden_layers": 3, "num_attention_heads": 4,
               "num_hidden_groups": 1},
    "xlm": {"gelu_activation": False, "causal": True, "layer_norm_eps": 0.3, "n_layers": 1,
            "num_hidden_layers": 1, "n_heads": 4, "num_attention_heads": 4, "pad_token_id": 4,
            "pad_index": 4},
    "deberta": {"hidden_act": "relu", "layer_norm_eps": 0.3, "num_hidden_layers": 1, "num_attention_heads": 4,
                "relative_attention": False, "pos_att_type": ["c2p"], "position_biased_input": False},
    "xlnet": {"ff_activation": "relu", "layer_norm_eps": 0.3, "n_layer": 1, "num_hidden_layers": 1,
              "clamp_len": 2, "attn_type": "uni", "bi_data": True,
              "same_length": {"attn_type": "uni", "same_length": True}},
    "nomic_bert": {
        **_ROPES, "hidden_act": "relu", "layer_norm_eps": 0.3, "num_hidden_layers": 1,
        "num_attention_heads": {"num_attention_heads": 4, "head_dim": 4},
        "head_dim": {"num_attention_heads": 4, "head_dim": 4},
    },
}  # fmt: skip
for _name in ("bert", "roberta"):
    NUMBERS[_name]["is_decoder"] = True
NUMBERS |= dict.fromkeys(("xlm-roberta", "camembert", "xlm-roberta-xl"), NUMBERS["roberta"])
NUMBERS["electra"] = NUMBERS["bert"]
NUMBERS["deberta-v2"] = {
    **{name: value for name, value in NUMBERS["deberta"].items() if name != "position_biased_input"},
    "max_relative_positions": 60, "norm_rel_ebd": "none", "conv_kernel_size": 0, "conv_act": "relu",
}  # fmt: skip
NUMBERS["gte"] = NUMBERS["jina_embeddings_v3"] = {
    **_ROPES,
    **{name: value for name, value in NUMBERS["bert"].items() if name != "is_decoder"},
}
NUMBERS["eurobert"] = NUMBERS["llama"]
NUMBERS["qwen3"] = {key: value for key, value in NUMBERS["qwen2"].items() if value != _HEADS}
# Of those above, the ones that a file must have.
REQUIRED = {"attention_types", "attention_layers", "num_heads", "n_layers", "n_heads",
            "num_attention_heads", "num_hidden_layers", "num_layers", "n_layer", "n_head", "encoder_layers",
            "encoder_attention_heads", "decoder_layers", "decoder_attention_heads", "head_dim"}  # fmt: skip

# Keys that say which tensors there are and of which shape: a value that the weights contradict.
SHAPES = {
    "bert": {"vocab_size": 60, "hidden_size": 32, "intermediate_size": 3, "max_position_embeddings": 9,
             "type_vocab_size": 2},
    "mpnet": {"vocab_size": 60, "hidden_size": 32, "intermediate_size": 3, "max_position_embeddings": 9,
              "num_attention_heads": 4, "relative_attention_num_buckets": 8},
    "modernbert": {"vocab_size": 60, "hidden_size": 32, "intermediate_size": 3, "norm_bias": True,
                   "attention_bias": True, "mlp_bias": True},
    "t5": {"vocab_size": 60, "d_model": 16, "hidden_size": 16, "d_ff": 3, "d_kv": 4, "head_dim": 4,
           "num_heads": 4, "num_attention_heads": 4, "relative_attention_num_buckets": 4},
    "gpt2": {"vocab_size": 60, "n_embd": 32, "hidden_size": 32, "n_inner": 3, "n_positions": 9,
             "max_position_embeddings": 9},
    "llama": {"vocab_size": 60, "hidden_size": 32, "intermediate_size": 3, "num_key_value_heads": 2,
              "attention_bias": True, "mlp_bias": True},
    "bart": {"vocab_size": 60, "d_model": 32, "hidden_size": 32, "encoder_ffn_dim": 3, "decoder_ffn_dim": 3,
             "max_position_embeddings": 9},
}  # fmt: skip
_ROTARY_SHAPES = {"vocab_size": 60, "hidden_size": 32, "intermediate_size": 3, "num_key_value_heads": 2}
_NORMED_SHAPES = {**_ROTARY_SHAPES, "attention_bias": True, "num_attention_heads": 4, "head_dim": 4}
SHAPES |= {
    "mistral": _ROTARY_SHAPES, "qwen2": _ROTARY_SHAPES, "phi3": _ROTARY_SHAPES, "qwen3": _NORMED_SHAPES,
    "gemma2": _NORMED_SHAPES, "gemma3_text": _NORMED_SHAPES, "smollm3": SHAPES["llama"],
    "olmo2": {**_ROTARY_SHAPES, "attention_bias": True}, "granite": SHAPES["llama"],
    "gpt_neox": {"vocab_size": 60, "hidden_size": 32, "intermediate_size": 3},
    "gpt_neo": {"vocab_size": 60, "hidden_size": 32, "intermediate_size": 3, "max_position_embeddings": 9},
    "opt": {"vocab_size": 60, "hidden_size": {"hidden_size": 32, "word_embed_proj_dim": 32}, "ffn_dim": 3,
            "word_embed_proj_dim": 8, "max_position_embeddings": 9},
    "mbart": SHAPES["bart"],
}  # fmt: skip
SHAPES |= dict.fromkeys(("roberta", "xlm-roberta", "camembert", "xlm-roberta-xl"), SHAPES["bert"])
SHAPES["electra"] = SHAPES["albert"] = {**SHAPES["bert"], "embedding_size": 5}
SHAPES["distilbert"] = {"vocab_size": 60, "dim": 32, "hidden_size": 32, "hidden_dim": 3,
                        "max_position_embeddings": 9}  # fmt: skip
SHAPES["xlm"] = {"vocab_size": 60, "n_words": 60, "emb_dim": 32, "hidden_size": 32, "n_langs": 5,
                 "max_position_embeddings": 9}  # fmt: skip
SHAPES["xlnet"] = {
    "vocab_size": 60, "n_token": 60, "d_inner": 3,
    **{name: {name: 32, "d_head": 16} for name in ("d_model", "hidden_size")},
    **{name: {name: 4, "d_head": 4} for name in ("n_head", "num_attention_heads")},
}  # fmt: skip
SHAPES["deberta"] = {
    **SHAPES["bert"],
    "hidden_size": {"hidden_size": 32, "pooler_hidden_size": 32},
    "embedding_size": 5,
    "max_relative_positions": 12,
}
SHAPES["deberta-v2"] = {
    **{n: v for n, v in SHAPES["deberta"].items() if not n.startswith("max_")},
    "position_buckets": 8, "share_att_key": False, "position_biased_input": True,
}  # fmt: skip
SHAPES["eurobert"] = SHAPES["llama"]
SHAPES["nomic_bert"] = {"vocab_size": 60, "hidden_size": 32, "intermediate_size": 3, "type_vocab_size": 2}
SHAPES["gte"] = SHAPES["jina_embeddings_v3"] = SHAPES["nomic_bert"]

# Keys that may say one thing only: a value that is refused.
REFUSED = {
    "is_decoder": True, "add_cross_attention": True, "is_causal": True,
    "position_embedding_type": "relative_key", "pruned_heads": {"0": [1]},
    "per_layer_config": {"0": {"intermediate_size": 5}}, "rope_scaling": {"rope_type": "linear",
    "factor": 2.0},
    "tie_last_hidden_states": False, "configuration_files": ["config.5.0.0.json"],
    "transformers_weights": "other.safetensors", "distributed_config": {"tp_size": 2},
    "fusion_config": {"patch_embeddings": True}, "use_return_dict": False, "is_heterogeneous": True,
    "per_layer_attributes": ["a"], "attribute_map": {"a": "b"}, "base_config_key": "text",
    "sub_configs_defaults": {"a": 1}, "extra_files": ["a"], "extra_config_files": ["a"],
    "attn_implementation": "somebody/kernels", "_attn_implementation": "somebody/kernels",
    "_attn_implementation_internal": "somebody/kernels", "layer_types": ["sliding_attention"],
    "sliding_window": 5, "attention_bias": True,
}  # fmt: skip
REFUSED_BY = {
    "gemma2": {"use_bidirectional_attention": True},
    "opt": {"layer_norm_elementwise_affine": False},
    "modernbert": {"head_dim": 4},
    "t5": {"dense_act_fn": "gelu", "is_gated_act": True},
    "albert": {"inner_group_num": 2},
    "xlm": {"is_encoder": False},
    "xlnet": {"d_head": 4},
    "deberta": {"talking_head": True, "pooler_hidden_size": 5},
    "deberta-v2": {"attention_head_size": 5, "conv_groups": 2, "pooler_hidden_size": 5},
}

ONLY_OF_ITS_STACKS = {"decoder": {"is_causal": True}, "both": {"is_causal": True}}

# Keys that Python reads: tests of their own below.
OF_THEIR_OWN = {"model_type", "architectures", "auto_map", "dtype", "torch_dtype", "is_encoder_decoder",
                "quantization_config",
                "output_attentions", "output_hidden_states", "return_dict"}  # fmt: skip
# Keys with tests elsewhere: test_tables_that_are_computed, test_languages, test_streams.
ELSEWHERE = {"distilbert": {"sinusoidal_pos_embds"}, "xlm": {"sinusoidal_embeddings", "use_lang_emb"},
             "xlnet": {"mem_len", "reuse_len", "use_mems_eval"},
             "deberta-v2": {"max_position_embeddings"}}  # fmt: skip
# A limit of ours for ModernBERT, and no number of its: as a value, a length that is still allowed.
LIMITS = {"modernbert": {"max_position_embeddings": 40}}
# Values for keys without effect, other than the default; the rest get 0.25 (transformers checks the type).
ODD = {
    "tie_word_embeddings": False, "problem_type": "regression", "id2label": {"0": "a", "1": "b", "2": "c"},
    "label2id": {"a": 0, "b": 1, "c": 2}, "num_labels": 3, "classifier_pooling": "mean",
    "classifier_activation": "relu", "transformers_version": "4.1.0", "tokenizer_class": "XTokenizer",
    "chunk_size_feed_forward": 0, "experts_implementation": "eager", "_experts_implementation": "eager",
    "_experts_implementation_internal": "eager", "num_decoder_layers": 1, "sparse_pred_ignore_index": -1,
    "pad_token_id": 3, "eos_token_id": [4, 5], "_auto_class": "AutoModel",
    "base_model_ep_plan": {"layers.*": "rowwise"}, "base_model_fsdp_plan": {"layers.*": "keep_full_weight"},
    "base_model_pp_plan": {"layers.*": ["a"]}, "base_model_tp_plan": {"layers.*": "rowwise"},
    "pretraining_tp": 2, "max_position_embeddings": 7, "legacy": False,
    "pooler_hidden_act": "relu", "asm": True,
    "start_n_top": 3, "end_n_top": 3, "lang_id": 1, "unk_index": 3, "mask_index": 3, "bos_index": 3,
    "eos_index": 3, "mask_token_id": 3, "summary_type": "first", "summary_activation": "relu",
    **dict.fromkeys(("bos_token_id", "cls_token_id", "sep_token_id", "forced_bos_token_id",
                     "forced_eos_token_id"), 7),
    **dict.fromkeys(("use_cache", "classifier_bias", "decoder_bias", "deterministic_flash_attn",
                     "sparse_prediction", "summary_use_proj", "summary_proj_to_labels",
                     "gradient_checkpointing", "reorder_and_upcast_attn", "use_mems_train"), True),
}  # fmt: skip


def names_of(family):
    """What a config of this family has in transformers, or reads from a file, under any name."""
    config = getattr(transformers, MODELS[family]).config_class
    names = {field.name for field in dataclasses.fields(config)} | set(config.attribute_map)
    names |= {name for name, value in inspect.getmembers(config) if isinstance(value, property)}
    for kind in config.__mro__:
        if kind.__module__.startswith("transformers"):
            names |= set(inspect.get_annotations(kind))
            for function in vars(kind).values():
                if inspect.isfunction(function) and _has_source(function):
                    names |= set(re.findall(r'kwargs\.(?:pop|get)\(\s*"(\w+)"', inspect.getsource(function)))
    names |= set(GenerationConfig._get_default_generation_params())
    read = inspect.getsource(transformers.modeling_utils)
    names |= set(re.findall(r'getattr\((?:self\.)?config, "(\w+)"', read))
    return names - ARGUMENTS


def _has_source(function):
    """Not so for what dataclasses make."""
    return not inspect.unwrap(function).__code__.co_filename.startswith("<")


# Read by the methods above as arguments of a call, not as settings.
ARGUMENTS = {"_configuration_file", "_from_auto", "_from_pipeline", "cache_dir", "commit_message",
             "force_download", "gguf_file", "local_files_only", "proxies", "repo_id", "return_unused_kwargs",
             "revision", "subfolder", "token", "trust_remote_code"}  # fmt: skip


@pytest.fixture(scope="module", params=MODELS)
def family(request):
    return request.param


@pytest.fixture(scope="module")
def folder(family, tmp_path_factory):
    path = tmp_path_factory.mktemp(family)
    if family in FAMILIES:
        save_tiny(family, path)
    else:
        save_class(MODELS[family], path)
    return path


def with_settings(folder, tmp_path, **settings):
    """A copy of the folder whose config.json differs in these keys."""
    config = json.loads((folder / "config.json").read_text())
    for name, value in settings.items():
        if value is ABSENT:
            config.pop(name, None)
        else:
            config[name] = value
    (tmp_path / "config.json").write_text(json.dumps(config))
    if not (tmp_path / "model.safetensors").exists():
        (tmp_path / "model.safetensors").symlink_to(folder / "model.safetensors")
    return tmp_path


def both(family, folder):
    """The last hidden state of transformers and of fastplm, of the same folder."""
    ids, _ = random_batch(61, (12, 12))
    ids[0, 3] = 4  # a padding id of one case
    reference = getattr(transformers, MODELS[family]).from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    )
    with torch.no_grad():
        want = reference.eval()(torch.from_numpy(ids)).last_hidden_state.numpy()
    return want, fastplm.AutoModel.from_pretrained(folder)(ids).last_hidden_state


def numbers_of(family):
    for name, value in NUMBERS[family].items():
        yield name, value if isinstance(value, dict) else {name: value}


def test_every_family_has_its_keys():
    assert set(MODELS) <= set(fastplm.architectures())


def test_every_name_is_in_a_table(family):
    known = set(WITHOUT_EFFECT["config.json"]) | OF_THEIR_OWN | set(REFUSED) | set(REFUSED_BY.get(family, ()))
    known |= (
        ELSEWHERE.get(family, set())
        | set(NUMBERS[family])
        | set(SHAPES[family])
        | set(LIMITS.get(family, ()))
    )
    names = names_of(family)
    assert {"hidden_size", "problem_type", "output_attentions", "do_sample", "sep_token_id"} <= names
    assert names <= known
    assert honoured(family) <= known, "a key that is read, and no test"


def test_numbers(family, folder, tmp_path):
    plain, _ = both(family, folder)
    for name, settings in numbers_of(family):
        want, got = both(family, with_settings(folder, tmp_path, **settings))
        assert not np.allclose(want, plain, atol=1e-3), f"{name}: the case shows nothing"
        assert_layers([got], [want], what=name)


def test_keys_that_are_absent(family, folder, tmp_path):
    """The defaults are transformers' own."""
    names = [name for name in NUMBERS[family] if name not in REQUIRED]
    want, got = both(family, with_settings(folder, tmp_path, **dict.fromkeys(names, ABSENT)))
    assert_layers([got], [want])


def test_shapes(family, folder, tmp_path):
    for name, value in SHAPES[family].items():
        settings = value if isinstance(value, dict) else {name: value}
        with pytest.raises(CheckpointError, match=r"config\.json calls for"):
            fastplm.AutoModel.from_pretrained(with_settings(folder, tmp_path, **settings))
        with_settings(folder, tmp_path)  # the keys as they were


def test_refused(family, folder, tmp_path):
    own = family_of(family).keys
    refused = {name: value for name, value in REFUSED.items() if name not in own}
    of_stacks = {"decoder": {"is_decoder": 1, "is_causal": False}, "both": {"is_causal": False}}
    stacks = "decoder" if runs_decoder_alone(family) else family_of(family).stacks
    refused |= of_stacks.get(stacks, {})
    for name, value in {**refused, **REFUSED_BY.get(family, {})}.items():
        with pytest.raises(UnsupportedError, match=rf"config\.json: {name} is "):
            fastplm.AutoModel.from_pretrained(with_settings(folder, tmp_path, **{name: value}))
    assert set(ONLY) | set(ATTENTION_KEYS) == set(REFUSED)


@pytest.mark.parametrize(
    ("rope", "error", "message"),
    [
        ({"rope_type": "axial"}, UnsupportedError, '"rope_type" is "axial"; known: default linear'),
        ({"type": "linear"}, CheckpointError, '"factor" is missing'),
        ({"rope_type": "linear", "factor": 0.0}, CheckpointError, '"factor" is 0; expected a number above 0'),
        ({"rope_type": "linear", "factor": 2.0, "partial_rotary_factor": 0.5}, UnsupportedError,
         '"partial_rotary_factor" is 0.5; this family rotates whole heads'),
        ({"rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4}, CheckpointError,
         '"high_freq_factor" is 4; expected more than 4'),
        ({"rope_type": "longrope", "short_factor": [1, 1, 1], "long_factor": [1, 1, 1, 1]}, CheckpointError,
         '"short_factor" has 3 factors; expected 4'),
        ({"rope_type": "longrope", "short_factor": [1, 1, 1, 0], "long_factor": [1, 1, 1, 1]},
         CheckpointError, '"short_factor" holds 0; expected numbers above 0'),
        ({"rope_theta": -1.0}, CheckpointError, "theta is -1; expected a number above 0"),
        ([], CheckpointError, "rope_parameters"),
    ],
)  # fmt: skip
def test_ropes_that_mean_nothing(rope, error, message, tmp_path):
    save_class("LlamaModel", tmp_path)
    with pytest.raises(error, match=message):
        fastplm.AutoModel.from_pretrained(with_settings(tmp_path, tmp_path, rope_parameters=rope))


@pytest.mark.parametrize("name", ["MarianModel", "M2M100Model"])
def test_more_computed_positions_than_memory_should_hold(name, tmp_path):
    """They need no tensor: a few bytes of config.json would ask for any amount."""
    save_class(name, tmp_path)
    weights = tmp_path / "model.safetensors"
    names = ("embed_positions.weight", "position_embeddings.weight")
    save_file({n: t for n, t in load_file(weights).items() if not n.endswith(names)}, weights)
    fastplm.AutoModel.from_pretrained(tmp_path)
    settings = with_settings(tmp_path, tmp_path, max_position_embeddings=(1 << 22) + 1)
    with pytest.raises(CheckpointError, match="for them take 256 MiB; expected at most 256"):
        fastplm.AutoModel.from_pretrained(settings)


def test_values_that_ask_for_nothing(family, folder, tmp_path):
    """Of the keys that may say one thing only."""
    own = family_of(family).keys
    settings = {name: allowed[-1] for name, (allowed, _) in ONLY.items() if name not in own}
    settings |= ONLY_OF_ITS_STACKS.get(family_of(family).stacks, {})
    settings |= dict.fromkeys(ATTENTION_KEYS, "flash_attention_2")
    by_family = {
        "modernbert": {"head_dim": 8},
        "t5": {"dense_act_fn": "relu", "is_gated_act": False, "is_causal": True},
        "llama": {"rope_scaling": {"type": "default"}, "layer_types": ["full_attention"] * 2},
    }
    settings |= by_family.get(family, {})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = fastplm.AutoModel.from_pretrained(with_settings(folder, tmp_path, **settings))([[5, 6]])[0]
    assert np.array_equal(got, fastplm.AutoModel.from_pretrained(folder)([[5, 6]])[0])


def test_limits(family, folder, tmp_path):
    for name, value in LIMITS.get(family, {}).items():
        model = fastplm.AutoModel.from_pretrained(with_settings(folder, tmp_path, **{name: value}))
        assert model([[5] * value])[0].shape[1] == value
        with pytest.raises(ValueError, match=f"{value + 1}.*at most {value}"):
            model([[5] * (value + 1)])


def test_keys_without_effect(family, folder, tmp_path):
    """All at once: the same numbers, and no warning."""
    names = [n for n in WITHOUT_EFFECT["config.json"] if n not in honoured(family)]
    settings = {
        name: ODD.get(name, "x" if name.startswith("_") or "name" in name else 0.25) for name in names
    }
    if family == "nomic_bert":  # transformers takes one
        settings["eos_token_id"] = 4
    if family == "xlnet":  # transformers takes none
        del settings["max_position_embeddings"]
    path = with_settings(folder, tmp_path, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        want, got = both(family, path)
        plain, _ = both(family, folder)
    if "reorder_and_upcast_attn" in names and family == "gpt2":  # the same sums in another order
        assert_layers([want], [plain])
    else:
        assert np.array_equal(want, plain), "transformers gives them an effect"
    assert_layers([got], [want])
    assert all(WITHOUT_EFFECT["config.json"][name] for name in names)


def test_is_encoder_decoder(family, folder, tmp_path):
    path = with_settings(folder, tmp_path, is_encoder_decoder=True)
    want, got = both(family, path)
    assert_layers([got], [want])
    if family == "t5":  # saved as the encoder it is, or as both
        with pytest.raises(CheckpointError, match=r'no tensor "decoder\.'):
            fastplm.AutoModel.from_pretrained(with_settings(folder, tmp_path, architectures=["T5Model"]))


@pytest.mark.parametrize("name", ["dtype", "torch_dtype"])
def test_dtype(name, family, folder, tmp_path):
    path = with_settings(folder, tmp_path, **{"dtype": ABSENT, name: "bfloat16"})
    assert fastplm.AutoModel.from_pretrained(path, dtype="auto").engine.dtype == "bfloat16"
    reference = getattr(transformers, MODELS[family]).from_pretrained(path, dtype="auto")
    assert reference.get_input_embeddings().weight.dtype == torch.bfloat16
    with pytest.raises(CheckpointError, match=f"{name} is 5"):
        fastplm.AutoModel.from_pretrained(with_settings(folder, tmp_path, **{name: 5}))


def test_output_switches(family, folder, tmp_path):
    path = with_settings(
        folder, tmp_path, output_hidden_states=True, output_attentions=True, return_dict=False
    )
    reference = getattr(transformers, MODELS[family]).from_pretrained(path, attn_implementation="eager")
    reference.config.return_dict = True  # without, transformers' own BART fails
    with torch.no_grad():
        want = reference(torch.tensor([[5, 6]])).to_tuple()
    got = fastplm.AutoModel.from_pretrained(path)([[5, 6]])
    assert isinstance(got, tuple) and len(got) == len(want)
    tuples = [(a, b) for a, b in zip(got, want, strict=True) if isinstance(b, tuple)]
    assert len(tuples) >= 2
    for a, b in [((got[0],), (want[0],)), *tuples]:
        assert isinstance(a, tuple) and len(a) == len(b)
        assert_layers(a, b)
    for name in ("output_hidden_states", "output_attentions", "return_dict"):
        with pytest.raises(CheckpointError, match=rf"{name} is \[1\]; expected true or false"):
            fastplm.AutoModel.from_pretrained(with_settings(folder, tmp_path, **{name: [1]}))


def test_architectures(family, folder, tmp_path):
    for value, error in (("BertModel", True), ([5], True), (None, False), (["OtherModel"], False)):
        path = with_settings(folder, tmp_path, architectures=value, num_decoder_layers=ABSENT)
        if error:
            with pytest.raises(CheckpointError, match=r"architectures is .*; expected a list"):
                fastplm.AutoModel.from_pretrained(path)
        else:
            assert fastplm.AutoModel.from_pretrained(path).model_type == family


def test_auto_map(family, folder, tmp_path):
    """Where the family is built in, transformers leaves the repository's code alone, and so does fastplm."""
    settings = {"auto_map": {"AutoConfig": "code.Config", "AutoModel": "code.Model"}}
    path = with_settings(folder, tmp_path, **settings)
    (path / "code.py").write_text("raise SystemExit('run')")
    want, got = both(family, path)
    assert_layers([got], [want])
    model = fastplm.AutoModel.from_pretrained(path, trust_remote_code=False)
    assert type(type(model).from_pretrained(path, trust_remote_code=True)) is type(model)
    with pytest.raises(UnsupportedError, match=r"auto_map has AutoConfig.*fastplm runs none"):
        fastplm.AutoModel.from_pretrained(path, trust_remote_code=True)
    with_settings(folder, tmp_path, auto_map={"AutoModelForMaskedLM": "code.Model"})
    assert type(fastplm.AutoModel.from_pretrained(path, trust_remote_code=True)) is type(model)


def test_an_unknown_key_is_warned_of_once(family, folder, tmp_path):
    unknown = ["hiden_size"]
    path = with_settings(folder, tmp_path, **dict.fromkeys(unknown))
    with pytest.warns(UserWarning) as caught:
        fastplm.AutoModel.from_pretrained(path)
        fastplm.AutoModel.from_pretrained(path)
    assert len(caught) == len(unknown)
    for name, warning in zip(unknown, caught, strict=True):
        assert f"{path / 'config.json'}: fastplm does not know the setting '{name}'" in str(warning.message)


def test_null_means_the_default(tmp_path):
    """Of the settings that transformers lets be null."""
    save_tiny("modernbert", tmp_path)
    path = with_settings(
        tmp_path, tmp_path, layer_types=None, rope_parameters=None, global_attn_every_n_layers=1
    )
    want, got = both("modernbert", path)
    assert_layers([got], [want])


def test_is_encoder_decoder_where_the_file_says_nothing(tmp_path):
    """transformers' own default; and AutoModel then takes the file for both stacks."""
    for name in ("T5Model", "BartModel", "T5EncoderModel", "LlamaModel"):
        folder = tmp_path / name
        if name == "T5EncoderModel":
            save_tiny("t5", folder)
        else:
            save_class(name, folder)
        path = with_settings(folder, folder, is_encoder_decoder=ABSENT, architectures=ABSENT)
        config = fastplm.PretrainedConfig.from_pretrained(path)
        assert config.is_encoder_decoder is transformers.AutoConfig.from_pretrained(path).is_encoder_decoder
        if name == "T5EncoderModel":
            with pytest.raises(CheckpointError, match=r'no tensor "decoder\.'):
                fastplm.AutoModel.from_pretrained(path)
        else:
            assert type(fastplm.AutoModel.from_pretrained(path)).__name__ == name


@pytest.mark.parametrize("family", ["roberta", "mpnet"])
def test_no_position_behind_the_padding(family, tmp_path):
    """Where positions begin past the padding id, the table must reach further."""
    save_tiny(family, tmp_path)
    for count in (1, 2):
        path = with_settings(tmp_path, tmp_path, max_position_embeddings=count)
        with pytest.raises(CheckpointError, match=rf"is {count}; positions begin at 2"):
            fastplm.AutoModel.from_pretrained(path)


def test_aliases_win(tmp_path):
    """As in transformers, T5's general names overrule its own."""
    save_tiny("t5", tmp_path)
    path = with_settings(tmp_path, tmp_path, num_layers=7, num_hidden_layers=1, hidden_size=19, d_model=5)
    want, got = both("t5", path)
    assert_layers([got], [want])


def test_a_setting_by_both_of_its_names(tmp_path):
    save_class("GPT2Model", tmp_path)
    model = fastplm.GPT2Model.from_pretrained(tmp_path, num_hidden_layers=1)
    assert model.engine.layers == model.config.n_layer == model.config.num_hidden_layers == 1
    assert model.config.hidden_size == model.config.n_embd


# The config.json files of well-known models, as published: keys, and values where they matter.
_BERT = dict(
    attention_probs_dropout_prob=0.1, hidden_act="gelu", hidden_dropout_prob=0.1, hidden_size=16,
    initializer_range=0.02, intermediate_size=37, layer_norm_eps=1e-12, max_position_embeddings=48,
    model_type="bert", num_attention_heads=2, num_hidden_layers=2, pad_token_id=0, type_vocab_size=3,
    vocab_size=61,
)  # fmt: skip
_NEWER = dict(position_embedding_type="absolute", use_cache=True, classifier_dropout=None,
torch_dtype="float32",
              _name_or_path="somewhere", transformers_version="4.28.1")  # fmt: skip
PUBLISHED = {
    "bert-base-uncased": ("bert", {
        **_BERT, "architectures": ["BertForMaskedLM"], "gradient_checkpointing": False,
        "position_embedding_type": "absolute", "transformers_version": "4.6.0.dev0", "use_cache": True,
    }),
    "bert-base-multilingual-cased": ("bert", {
        **_BERT, "architectures": ["BertForMaskedLM"], "directionality": "bidi", "pooler_fc_size": 768,
        "pooler_num_attention_heads": 12, "pooler_num_fc_layers": 3, "pooler_size_per_head": 128,
        "pooler_type": "first_token_transform", "position_embedding_type": "absolute",
        "transformers_version": "4.6.0.dev0", "use_cache": True,
    }),
    "bge-base-en-v1.5": ("bert", {
        **_BERT, **_NEWER, "architectures": ["BertModel"], "gradient_checkpointing": False,
        "id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0},
    }),
    "e5-base-v2": ("bert", {**_BERT, **_NEWER, "architectures": ["BertModel"]}),
    "all-MiniLM-L6-v2": ("bert", {
        **_BERT, "_name_or_path": "nreimers/MiniLM-L6-H384-uncased", "architectures": ["BertModel"],
        "gradient_checkpointing": False, "position_embedding_type": "absolute",
        "transformers_version": "4.8.2", "use_cache": True,
    }),
    "roberta-base": ("roberta", {
        **_BERT, "architectures": ["RobertaForMaskedLM"], "bos_token_id": 0, "eos_token_id": 2,
        "layer_norm_eps": 1e-05, "model_type": "roberta", "pad_token_id": 1, "type_vocab_size": 1,
    }),
    "all-mpnet-base-v2": ("mpnet", {
        **{k: v for k, v in _BERT.items() if k != "type_vocab_size"},
        "_name_or_path": "microsoft/mpnet-base", "architectures": ["MPNetForMaskedLM"], "bos_token_id": 0,
        "eos_token_id": 2, "layer_norm_eps": 1e-05, "model_type": "mpnet", "pad_token_id": 1,
        "relative_attention_num_buckets": 32, "transformers_version": "4.8.2",
    }),
    "ModernBERT-base": ("modernbert", dict(
        architectures=["ModernBertForMaskedLM"], attention_bias=False, attention_dropout=0.0,
        bos_token_id=1, classifier_activation="gelu", classifier_bias=False, classifier_dropout=0.0,
        classifier_pooling="mean", cls_token_id=1, decoder_bias=True, deterministic_flash_attn=False,
        embedding_dropout=0.0, eos_token_id=2, global_attn_every_n_layers=2, global_rope_theta=160000.0,
        gradient_checkpointing=False, hidden_activation="gelu", hidden_size=16,
        initializer_cutoff_factor=2.0, initializer_range=0.02, intermediate_size=37, layer_norm_eps=1e-05,
        local_attention=6, local_rope_theta=10000.0, max_position_embeddings=48, mlp_bias=False,
        mlp_dropout=0.0, model_type="modernbert", norm_bias=False, norm_eps=1e-05, num_attention_heads=2,
        num_hidden_layers=2, pad_token_id=0, position_embedding_type="absolute", reference_compile=None,
        repad_logits_with_grad=False, sep_token_id=2, sparse_pred_ignore_index=-100, sparse_prediction=False,
        tie_word_embeddings=True, torch_dtype="float32", transformers_version="4.47.0.dev0", vocab_size=61,
    )),
    "xlnet-base-cased": ("xlnet", dict(
        architectures=["XLNetLMHeadModel"], attn_type="bi", bi_data=False, bos_token_id=1, clamp_len=-1,
        d_head=8, d_inner=37, d_model=16, dropout=0.1, end_n_top=5, eos_token_id=2, ff_activation="gelu",
        initializer_range=0.02, layer_norm_eps=1e-12, mem_len=None, model_type="xlnet", n_head=2, n_layer=2,
        pad_token_id=5, reuse_len=None, same_length=False, start_n_top=5, summary_activation="tanh",
        summary_last_dropout=0.1, summary_type="last", summary_use_proj=True, untie_r=True, vocab_size=61,
        task_specific_params={"text-generation": {"do_sample": True, "max_length": 250}},
    )),
    "t5-small": ("t5", dict(
        architectures=["T5EncoderModel"], d_ff=37, d_kv=8, d_model=19, decoder_start_token_id=0,
        dropout_rate=0.1, eos_token_id=1, initializer_factor=1.0, is_encoder_decoder=True,
        layer_norm_epsilon=1e-06, model_type="t5", n_positions=512, num_heads=2, num_layers=2,
        output_past=True, pad_token_id=0, relative_attention_num_buckets=8, vocab_size=61,
        task_specific_params={"summarization": {"num_beams": 4, "prefix": "summarize: "}},
    )),
    "flan-t5-base": ("t5", dict(
        architectures=["T5EncoderModel"], classifier_dropout=0.0, d_ff=37, d_kv=8, d_model=19,
        decoder_start_token_id=0, dense_act_fn="relu", dropout_rate=0.1, eos_token_id=1,
        feed_forward_proj="relu", initializer_factor=1.0, is_encoder_decoder=True, is_gated_act=False,
        layer_norm_epsilon=1e-06, model_type="t5", n_positions=512, num_decoder_layers=12, num_heads=2,
        num_layers=2, output_past=True, pad_token_id=0, relative_attention_max_distance=128,
        relative_attention_num_buckets=8, tie_word_embeddings=False, transformers_version="4.23.1",
        use_cache=True, vocab_size=61,
    )),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_configs_load_without_a_warning(name, tmp_path):
    family, config = PUBLISHED[name]
    save_tiny(family, tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        want, got = both(family, tmp_path)
    assert_layers([got], [want])
