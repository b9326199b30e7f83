"""Names of sentence-transformers' SentenceTransformer that an encoder lacks, and the reason."""

_TRAINING = "fastplm's encoders are for inference; train with sentence_transformers"
_SAVING = (
    "the folder that the encoder was loaded from is still there; .model.save_pretrained writes its model"
)
_ADAPTERS = "an adapter is merged where a folder is loaded that has it, and stays so"
_MODULES = "an encoder's modules are those of its folder"
_TORCH = "an encoder is no torch module"

ABSENT = {
    **dict.fromkeys(
        ("fit", "get_sentence_features", "gradient_checkpointing_enable", "old_fit",
         "smart_batching_collate"),
        _TRAINING,
    ),
    **dict.fromkeys(("save", "save_pretrained", "save_to_hub", "push_to_hub", "merge"), _SAVING),
    **dict.fromkeys(
        ("active_adapter", "active_adapters", "add_adapter", "check_peft_compatible_model", "delete_adapter",
         "disable_adapters", "enable_adapters", "get_adapter_state_dict", "has_peft_compatible_model",
         "load_adapter", "set_adapter"),
        _ADAPTERS,
    ),
    **dict.fromkeys(
        ("add_module", "append", "extend", "insert", "pop", "register_module", "set_submodule"), _MODULES
    ),
    **dict.fromkeys(
        ("T_destination", "apply", "buffers", "call_super_init", "clear_placement_cache",
         "default_huggingface_organization", "double", "dump_patches", "extra_repr", "forward",
         "get_buffer", "get_extra_state", "get_parameter", "get_submodule", "ipu", "load_state_dict",
         "model_card_data_class", "mtia", "named_buffers", "named_modules", "register_backward_hook",
         "register_buffer", "register_forward_hook", "register_forward_pre_hook",
         "register_full_backward_hook", "register_full_backward_pre_hook",
         "register_load_state_dict_post_hook", "register_load_state_dict_pre_hook", "register_parameter",
         "register_state_dict_post_hook", "register_state_dict_pre_hook", "set_extra_state",
         "share_memory", "to_empty", "type", "xpu", "zero_grad"),
        _TORCH,
    ),
}  # fmt: skip
