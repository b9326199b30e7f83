"""Settings that are known and change nothing here, and the warning about those that nobody knows.

Every key of a file and every argument of a call is one of four things: honoured (by the module that reads
it), refused with an error that names it (there too), without effect for a reason that stands in the tables
below, or unknown, and then warned of once.
"""

import warnings
from collections.abc import Container, Iterable

_DROPOUT = "only acts in training; engine models are for inference"
_SAVED = "says where or how the files were saved; the folder itself is read"
_OLD = "of slow tokenizers, which transformers 5 has no more"
_OTHER_CODE = "names code that is not run"
_CALL = "transformers keeps it and reads it nowhere: a call says it"

# By kind of file or call: setting, and why it changes no result.
WITHOUT_EFFECT: dict[str, dict[str, str]] = {
    "config.json": {
        "attention_probs_dropout_prob": _DROPOUT,
    },
    "tokenizer_config.json": {
        "_commit_hash": _SAVED,
        "auto_map": "code of a folder is never run",
        "config_class": _OTHER_CODE,
        "device_map": _SAVED,
        "do_basic_tokenize": _OLD,
        "errors": "bytes that are no UTF-8 become U+FFFD in transformers 5, whatever this says",
        "from_slow": _OLD,
        "full_tokenizer_file": _SAVED,
        "init_inputs": "refused unless it is empty",
        "is_local": _SAVED,
        "local_files_only": _SAVED,
        "max_length": _CALL,
        "merges_file": _SAVED,
        "never_split": _OLD,
        "pad_to_multiple_of": _CALL,
        "pad_token_type_id": "transformers 5 keeps it and pads with type 0",
        "padding": _CALL,
        "remove_space": "transformers 5 keeps it and reads it nowhere",
        "response_schema": "transformers 5 drops it",
        "return_special_tokens_mask": _CALL,
        "slow_tokenizer_class": _OLD,
        "sp_model_kwargs": "options of the library sentencepiece, which does not run here",
        "spaces_between_special_tokens": _OLD,
        "special_tokens_map_file": _SAVED,
        "stride": _CALL,
        "tokenizer_file": _SAVED,
        "transformers_version": _SAVED,
        "truncation": _CALL,
        "truncation_strategy": _CALL,
        "use_default_system_prompt": "chat templates say it in transformers 5",
        "use_fast": _OLD,
        "vocab_file": _SAVED,
    },
    "AutoTokenizer.from_pretrained": {
        "_commit_hash": _SAVED,
        "_from_auto": "only tells the hub who asks",
        "_from_pipeline": "only tells the hub who asks",
        "code_revision": "code of a folder is never run",
        "resume_download": "the hub's client resumes by itself",
        "use_fast": _OLD,
        "user_agent": "only tells the hub who asks",
    },
    "sentence_bert_config.json": {},
    "config_sentence_transformers.json": {},
    "modules.json": {},
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
