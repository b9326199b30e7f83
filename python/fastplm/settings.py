"""Settings that are known and change nothing here, and the warning about those that nobody knows.

Every key of a file and every argument of a call is one of four things: honoured (by the module that reads
it), refused with an error that names it (there too), without effect for a reason that stands in the tables
below, or unknown, and then warned of once.
"""

import warnings
from collections.abc import Container, Iterable

_DROPOUT = "only acts in training; engine models are for inference"
_HEAD = "belongs to a head or a loss that fastplm does not run"
_INIT = "only acts where weights are made at random"
_GENERATION = "belongs to generation"
_NAME = "tells where the file comes from"
_LABEL = "names or numbers the labels of a head that fastplm does not run"
_ID = "names a token that this model treats as any other"
_DECODER = "belongs to a decoder"
_RUNTIME = "chooses how torch runs the same computation"
_OLD = "nothing reads it any more"

_CONFIG = {
    **dict.fromkeys(
        (
            "activation_dropout", "attention_dropout", "attention_probs_dropout_prob", "attn_pdrop",
            "classif_dropout", "classifier_dropout", "decoder_layerdrop", "dropout", "dropout_rate",
            "classifier_dropout_prob", "cls_dropout", "embd_pdrop", "embed_dropout", "embedding_dropout",
            "encoder_layerdrop", "hidden_dropout", "hidden_dropout_prob", "layerdrop", "mlp_dropout",
            "pooler_dropout", "qa_dropout", "resid_dropout", "resid_pdrop", "seq_classif_dropout",
            "summary_first_dropout", "summary_last_dropout", "use_mems_train",
        ),
        _DROPOUT,
    ),
    **dict.fromkeys(
        (
            "asm", "classifier_activation", "classifier_bias", "classifier_pooling", "decoder_bias",
            "final_logit_softcapping", "legacy", "logits_scaling", "pooler_hidden_act",
            "problem_type", "sparse_pred_ignore_index", "sparse_prediction", "summary_activation",
            "summary_proj_to_labels", "summary_type", "summary_use_proj", "tie_word_embeddings",
            "token_classification_bias",
        ),
        _HEAD,
    ),
    **dict.fromkeys(
        (
            "embed_init_std", "init_std", "initializer_cutoff_factor", "initializer_factor",
            "initializer_range",
        ),
        _INIT,
    ),
    **dict.fromkeys(
        (
            "assistant_confidence_threshold", "assistant_lookbehind", "bad_words_ids",
            "begin_suppress_tokens", "diversity_penalty", "do_sample", "early_stopping",
            "encoder_no_repeat_ngram_size", "encoder_repetition_penalty", "epsilon_cutoff", "eta_cutoff",
            "exponential_decay_length_penalty", "forced_bos_token_id", "forced_eos_token_id",
            "length_penalty", "max_length", "min_length", "no_repeat_ngram_size", "num_assistant_tokens",
            "num_assistant_tokens_schedule", "num_beam_groups", "num_beams", "num_return_sequences",
            "output_scores", "remove_invalid_values", "repetition_penalty", "return_dict_in_generate",
            "suppress_tokens", "target_lookbehind", "temperature", "top_k", "top_p", "typical_p",
        ),
        _GENERATION,
    ),
    **dict.fromkeys(
        ("_commit_hash", "_name_or_path", "name_or_path", "transformers_version"), _NAME
    ),
    **dict.fromkeys(("id2label", "label2id", "num_labels"), _LABEL),
    **dict.fromkeys(("end_n_top", "start_n_top"), _HEAD),
    **dict.fromkeys(("id2lang", "lang2id", "lang_id"), "tells a program which language it may name"),
    **dict.fromkeys(
        (
            "bos_token_id", "cls_token_id", "decoder_start_token_id", "eos_token_id", "mask_token_id",
            "pad_token_id", "sep_token_id", "unk_token_id", "bos_index", "eos_index", "mask_index",
            "unk_index",
        ),
        _ID,
    ),
    **dict.fromkeys(("num_decoder_layers", "scale_decoder_outputs", "use_cache"), _DECODER),
    **dict.fromkeys(
        (
            "base_model_ep_plan", "base_model_fsdp_plan", "base_model_pp_plan", "base_model_tp_plan",
            "chunk_size_feed_forward", "deterministic_flash_attn", "experts_implementation",
            "_experts_implementation", "_experts_implementation_internal",
        ),
        _RUNTIME,
    ),
    **dict.fromkeys(
        ("max_window_layers", "partial_rotary_factor", "rope_theta"), "this family does not read it"
    ),
    **dict.fromkeys(
        ("allow_global_per_layer_attribute_access", "serialize_explicit_per_layer_config"),
        "only acts with per_layer_config, which is refused",
    ),
    "max_position_embeddings": "this family's positions have no table",
    "pretraining_tp": "splits the same products into parts",
    "reorder_and_upcast_attn": "scores are in float32 anyway",
    "_auto_class": "only acts where a config is saved",
    "_sliding_window_pattern": "layer_types says it, which is saved with it",
    "attn_logit_softcapping": "this family's scores have no cap",
    "gradient_checkpointing": "saves memory in training",
    "tokenizer_class": "read with the tokenizer",
}  # fmt: skip

# What transformers 5 no longer has, and published models still write.
_OLDER_CONFIG = {
    **dict.fromkeys(
        (
            "_attn_implementation_autoset", "_num_labels", "add_bias_logits", "add_final_layer_norm",
            "cross_attention_hidden_size",
            "directionality", "finetuning_task", "hidden_act", "extra_pos_embeddings",
            "force_bos_token_to_be_generated", "layer_norm_eps", "n_ctx",
            "n_positions", "normalize_before", "normalize_embedding", "output_past",
            "cache_implementation", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers",
            "pooler_size_per_head", "pooler_type", "dropatt", "init", "init_range",
            "scalable_attention", "static_position_embeddings", "tf_legacy_loss",
            "tie_encoder_decoder", "torchscript", "untie_r", "use_bfloat16", "use_mrope",
            "down_scale_factor", "gap_size", "layers_to_keep", "net_structure_type", "num_memory_blocks",
            "padding_idx", "tie_weights_",
            # XLM's, of its training program
            "amp", "accumulate_gradients", "bptt", "clip_grad_norm", "encoder_only", "group_by_size", "lgs",
            "lg_sampling_factor", "max_batch_size", "max_vocab", "min_count", "mlm_steps", "same_enc_dec",
            "sample_alpha", "share_inout_emb", "tokens_per_batch", "word_blank", "word_dropout", "word_keep",
            "word_mask", "word_mask_keep_rand", "word_pred", "word_rand", "word_shuffle",
        ),
        _OLD,
    ),
    **dict.fromkeys(("reference_compile", "repad_logits_with_grad"), _RUNTIME),
    **dict.fromkeys(("prefix", "task_specific_params"), "read by pipelines that generate"),
    "sbert_ce_default_activation_function": "read with the cross-encoder",
    "sentence_transformers": "read with the sentence encoder",
    "transformers.js_config": "read by transformers.js",
}  # fmt: skip

_SAME = "the weights are read from memory-mapped safetensors in one way"
_DISCARDED = "transformers takes it and drops it"

_FROM_PRETRAINED = {
    **dict.fromkeys(("disable_mmap", "weights_only", "offload_buffers", "offload_folder"), _SAME),
    **dict.fromkeys(
        ("_commit_hash", "_fast_init", "from_flax", "from_tf", "low_cpu_mem_usage", "mirror",
         "offload_state_dict"),
        _DISCARDED,
    ),
    **dict.fromkeys(("_from_auto", "_from_pipeline"), "told to the hub's statistics"),
    "adapter_name": "a folder's one adapter becomes part of the weights",
    "code_revision": "no code is run",
    "experts_implementation": "no family here has experts",
    "tqdm_class": "draws the progress of a download",
}  # fmt: skip

_FORWARD = {
    "num_items_in_batch": "the loss of this class is a plain mean",
    "output_router_logits": "no family here has a router",
    "shift_labels": "the loss of this class reads labels alone",
}

_MERGED = "the names and shapes of the adapter's tensors say it"

_ADAPTER = {
    **dict.fromkeys(
        ("exclude_modules", "layers_pattern", "layers_to_transform", "modules_to_save", "target_modules"),
        _MERGED,
    ),
    **dict.fromkeys(
        ("auto_mapping", "base_model_name_or_path", "peft_version", "revision", "task_type"), _NAME
    ),
    "bias": "the file holds the biases that were trained",
    "ensure_weight_tying": "acts in training",
    "fan_in_fan_out": "acts on transposed layers; adapters of families that have them are refused",
    "inference_mode": "engine models are always for inference",
    "lora_dropout": _DROPOUT,
    "megatron_core": "names a library for training",
    "qalora_group_size": "only use_qalora reads it",
    **dict.fromkeys(
        ("corda_config", "eva_config", "loftq_config", "lora_ga_config"),
        "only the way of init_lora_weights that has its name reads it",
    ),
}  # fmt: skip

_DRAFT = "changes which tokens are drafted, and no result"
_PAGES = "keys and values are kept in pages that grow as they are needed"

_GENERATION_CONFIG = {
    **dict.fromkeys(
        (
            "assistant_confidence_threshold", "assistant_ensemble_weight", "assistant_lookbehind",
            "target_lookbehind",
        ),
        _DRAFT,
    ),
    **dict.fromkeys(("compile_config", "disable_compile"), _RUNTIME),
    "max_cache_len": _PAGES,
    "prefill_chunk_size": "the prompt's results are the same in one piece",
}  # fmt: skip

_SAVED = "says where or how the files were saved; the folder itself is read"
_SLOW = "of slow tokenizers, which transformers 5 has no more"
_OTHER_CODE = "names code that is not run"
_CALL = "transformers keeps it and reads it nowhere: a call says it"

_TOKENIZER_CONFIG = {
    "_commit_hash": _SAVED,
    "auto_map": "code of a folder is never run",
    "config_class": _OTHER_CODE,
    "device_map": _SAVED,
    "do_basic_tokenize": _SLOW,
    "errors": "bytes that are no UTF-8 become U+FFFD in transformers 5, whatever this says",
    "from_slow": _SLOW,
    "full_tokenizer_file": _SAVED,
    "init_inputs": "refused unless it is empty",
    "is_local": _SAVED,
    "local_files_only": _SAVED,
    "max_length": _CALL,
    "merges_file": _SAVED,
    "never_split": _SLOW,
    "pad_to_multiple_of": _CALL,
    "pad_token_type_id": "transformers 5 keeps it and pads with type 0",
    "padding": _CALL,
    "remove_space": "transformers 5 keeps it and reads it nowhere",
    "response_schema": "transformers 5 drops it",
    "return_special_tokens_mask": _CALL,
    "slow_tokenizer_class": _SLOW,
    "sp_model_kwargs": "options of the library sentencepiece, which does not run here",
    "spaces_between_special_tokens": _SLOW,
    "special_tokens_map_file": _SAVED,
    "stride": _CALL,
    "tokenizer": "transformers 5 drops it",
    "tokenizer_file": _SAVED,
    "transformers_version": _SAVED,
    "truncation": _CALL,
    "truncation_strategy": _CALL,
    "use_default_system_prompt": "chat templates say it in transformers 5",
    "use_fast": _SLOW,
    "vocab_file": _SAVED,
}

_GGUF = {  # behind the architecture's name
    "pooling_type": "read by sentence encoders of other programs",
    "tensor_data_layout": "the architecture says it",
}

_GGUF_TOKENIZER = {
    **dict.fromkeys(("eot_token_id", "eom_token_id"), "read with the model, whose texts they end"),
    **dict.fromkeys(
        (
            "fim_pre_token_id", "fim_suf_token_id", "fim_mid_token_id", "fim_pad_token_id",
            "fim_rep_token_id", "fim_sep_token_id", "prefix_token_id", "suffix_token_id", "middle_token_id",
        ),
        "names a token for prompts that another program makes",
    ),
    "token_type_count": "this family's tokens have no types",
    "tokenizer.huggingface.json": "the other keys say it",
}  # fmt: skip

_AUTO_TOKENIZER = {
    "_commit_hash": _SAVED,
    "_from_auto": "only tells the hub who asks",
    "_from_pipeline": "only tells the hub who asks",
    "code_revision": "code of a folder is never run",
    "tokenizer": "transformers 5 drops it",
    "tokenizer_class": "the files, or the class that is called, say it in transformers 5 too",
    "resume_download": "the hub's client resumes by itself",
    "use_fast": _SLOW,
    "user_agent": "only tells the hub who asks",
}

_NO_PADDING = "texts are never padded: each keeps the places and the result that it has alone"
_TEXT_ONLY = "only means something for images, sound, video or chats"

_SENTENCE_BERT = {
    "backend": "the caller chooses it",
    "cache_dir": "the folder is here already",
    "unpad_inputs": _NO_PADDING,
}

_PROCESSING = {
    **dict.fromkeys(("audio", "chat_template", "image", "video"), _TEXT_ONLY),
    **dict.fromkeys(("pad_to_multiple_of", "padding", "padding_side"), _NO_PADDING),
    **dict.fromkeys(
        ("return_length", "return_offsets_mapping", "return_special_tokens_mask"), "the model does not see it"
    ),
    "logits_to_keep": _HEAD,
    "return_tensors": "the engine takes the ids as they are",
    "stride": "only acts with return_overflowing_tokens, which is refused",
    "verbose": "only hides warnings",
}

_SENTENCE_ENCODER = {
    "batch_size": "texts are packed by their tokens; results do not depend on it",
    "model_card_data": "no model card is written",
}

_PIPELINE = {
    "code_revision": "code of a folder is never run",
    "modelcard": "no model card is written",
    "num_workers": "inputs are read in this process, many at a time",
    "use_fast": _SLOW,
}

_WIDTH = "the model's own width counts"

_DECODE = {
    "spaces_between_special_tokens": _SLOW,
    "use_source_tokenizer": "transformers 5 drops it",
}

_SAVE = dict.fromkeys(
    (
        "commit_description", "commit_message", "create_pr", "exist_ok", "max_shard_size", "private",
        "repo_id", "repo_type", "revision", "tags", "token",
    ),
    "for uploads; push_to_hub=True is an error",
)  # fmt: skip

# By kind of file or call: setting, and why it changes no result.
WITHOUT_EFFECT: dict[str, dict[str, str]] = {
    "config.json": _CONFIG,
    "config.json of older releases": _OLDER_CONFIG,
    "adapter_config.json": _ADAPTER,
    "from_pretrained": _FROM_PRETRAINED,
    "forward": _FORWARD,
    "generation_config.json": _GENERATION_CONFIG,
    "GGUF": _GGUF,
    "GGUF tokenizer": _GGUF_TOKENIZER,
    "tokenizer_config.json": _TOKENIZER_CONFIG,
    "AutoTokenizer.from_pretrained": _AUTO_TOKENIZER,
    "decode": _DECODE,
    "pipeline": _PIPELINE,
    "save_pretrained": _SAVE,
    "sentence_bert_config.json": _SENTENCE_BERT,
    "config_sentence_transformers.json": {
        "__version__": _NAME,
        "requirements": "versions of other libraries, which compute nothing here",
    },
    "modules.json": {"idx": "modules come in the order of the list"},
    "Pooling": {"embedding_dimension": _WIDTH, "word_embedding_dimension": _WIDTH},
    **{kind: {} for kind in ("Dense", "Dropout", "LayerNorm", "Normalize")},
    "processing_kwargs": _PROCESSING,
    "SentenceEncoder": _SENTENCE_ENCODER,
}

_warned: set[tuple[str, str]] = set()


def warn_of_unknown(where: str, kind: str, given: Iterable[str], honoured: Container[str]) -> None:
    """Warns of each of `given` that is neither honoured nor in WITHOUT_EFFECT[kind]: once for a `where`, the
    file it stands in.
    """
    known = WITHOUT_EFFECT[kind]
    for name in given:
        if name in honoured or name in known or (where, name) in _warned:
            continue
        _warned.add((where, name))
        warnings.warn(f"{where}: fastplm does not know the setting {name!r}; it has no effect", stacklevel=3)
