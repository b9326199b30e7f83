"""Which settings of tokenizer_config.json, and which arguments, are known; see fastplm.settings."""

import os
import re
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.settings import WITHOUT_EFFECT, warn_of_unknown
from fastplm.tokenizers.base.added_token import NAMED_TOKENS
from fastplm.tokenizers.classes.arguments import settings_of_classes
from fastplm.tokenizers.classes.names import own_name

REFERENCE = "5.24.0"  # the release of transformers whose rules are followed
FILE = "tokenizer_config.json"
BPE_CLEAN_UP = "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output"
HONOURED = frozenset(
    (
        *NAMED_TOKENS,
        *("added_tokens_decoder", "extra_special_tokens", "additional_special_tokens"),
        *("model_specific_special_tokens", "split_special_tokens", "add_bos_token", "add_eos_token"),
        *("tokenizer_class", "fast_tokenizer_files", "fix_mistral_regex"),
        *("model_max_length", "max_len", "padding_side", "truncation_side", "model_input_names"),
        *("clean_up_tokenization_spaces", BPE_CLEAN_UP),
        *("chat_template", "chat_control_tokens", "response_template", "verbose", "backend", "files_loaded"),
        *("processor_class", "add_prefix_space", "name_or_path"),
    )
)
# What a class's constructor takes and a file cannot say.
_NOT_IN_A_FILE = {
    "vocab": "tokenizer.json",
    "merges": "tokenizer.json",
    "post_processor": "tokenizer.json",
    "tokenizer_truncation": "tokenizer.json",
    "tokenizer_padding": "tokenizer.json",
    "_json_truncation": "tokenizer.json",
    "_json_padding": "tokenizer.json",
    "_spm_precompiled_charsmap": "tokenizer.json",
    "tokenizer_object": "tokenizer.json",
    "gguf_file": "tokenizer.json",
}
_REFUSED = {
    "mistral_format": "fastplm does not use mistral-common; expected mistral_format=False",
    "proxies": "huggingface_hub takes none; expected the environment variable HTTPS_PROXY",
    "use_auth_token": "expected token=",
    "post_processor": "expected a tokenizer_object that has it",
    **dict.fromkeys(("tokenizer_truncation", "_json_truncation"), "expected truncation at the call"),
    **dict.fromkeys(("tokenizer_padding", "_json_padding"), "expected padding at the call"),
}
_VOCABULARY = ("vocab", "merges", "vocab_file", "merges_file")


def check_file(path: Path, config: Mapping[str, Any], has_tokenizer_json: bool) -> None:
    """Refuses what a file must not say, and warns of what nobody knows: tokenizer_config.json, or
    special_tokens_map.json, whose entries count as its. Raises CheckpointError.
    """
    inputs = config.get("init_inputs")
    if inputs:
        raise UnsupportedError(f"{path}: init_inputs is {inputs!r}; expected no arguments without names")
    if not has_tokenizer_json:
        for name in _NOT_IN_A_FILE.keys() & config.keys():
            if config[name] is not None:
                raise CheckpointError(f"{path}: {name} is given here; expected {_NOT_IN_A_FILE[name]}")
    _warn(str(path), {key: value for key, value in config.items() if key not in _NOT_IN_A_FILE})


def check_auto_map(
    path: Path, config: Mapping[str, Any], class_name: str | None, trust_remote_code: bool | None
) -> None:
    """Raises UnsupportedError where transformers would run a folder's code, or would not go on without it.

    None is ever run here.
    """
    code = config.get("auto_map")
    if isinstance(code, Mapping):
        code = code.get("AutoTokenizer")
    if code is None:
        return
    if trust_remote_code:
        raise UnsupportedError(f"{path}: auto_map names code; expected trust_remote_code=False: none is run")
    if class_name is None or own_name(class_name) is None:
        raise UnsupportedError(
            f"{path}: auto_map names code for {class_name}, a class that fastplm does not know; expected a "
            "known class: PreTrainedTokenizerFast.from_pretrained takes tokenizer.json as it is"
        )


def versioned_name(path: Path, names: Any) -> str:
    """Which tokenizer.json it is of those that fast_tokenizer_files lists for versions of transformers.

    Raises CheckpointError.
    """
    if names is None:
        return "tokenizer.json"
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise CheckpointError(f"{path}: fast_tokenizer_files is {names!r}; expected a list of names")
    found = {m[1]: m[0] for name in names if (m := re.fullmatch(r"tokenizer\.(\d[\w.]*)\.json", name))}
    fitting = list(takewhile(lambda version: _numbers(version) <= _numbers(REFERENCE), sorted(found)))
    return found[fitting[-1]] if fitting else "tokenizer.json"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))


def check_arguments(where: str, arguments: Mapping[str, Any]) -> None:
    """Refuses by name what cannot be done, and warns of what nobody knows. Raises UnsupportedError."""
    for name, sentence in _REFUSED.items():
        if arguments.get(name):
            raise UnsupportedError(f"{where}: {name}={arguments[name]!r}: {sentence}")
    known = (
        *_REFUSED,
        *WITHOUT_EFFECT["AutoTokenizer.from_pretrained"],
        "tokenizer_object",
        "tokenizer_file",
    )
    _warn(where, {key: value for key, value in arguments.items() if key not in known})


def check_folder_arguments(where: str, arguments: Mapping[str, Any]) -> None:
    """Refuses what only a constructor takes. Raises UnsupportedError."""
    for name in ("tokenizer_object", "_spm_precompiled_charsmap", *_VOCABULARY):
        if arguments.get(name) is not None:
            raise UnsupportedError(f"{where}: {name} is given; expected a constructor's call for it")
    path = arguments.get("tokenizer_file")
    if path is not None and not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"{where}: tokenizer_file is {path!r}; expected a path")


def _warn(where: str, settings: Mapping[str, Any]) -> None:
    tokens = {key for key in settings if key.endswith("_token")}
    warn_of_unknown(where, FILE, settings, HONOURED | settings_of_classes() | tokens)
