"""Tokenizers as files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastplm.errors import UnsupportedError
from fastplm.files import replacing
from fastplm.tokenizers.base.added_token import NAMED_TOKENS
from fastplm.tokenizers.files.assemble import class_of_saved
from fastplm.tokenizers.files.chat_template import TEMPLATE, TEMPLATES
from fastplm.tokenizers.methods.state import State
from fastplm.tokenizers.methods.vocabulary import named_tokens

_SAVED_OPTIONS = (
    *("model_max_length", "padding_side", "truncation_side", "model_input_names"),
    *("clean_up_tokenization_spaces", "split_special_tokens"),
)
# Arguments that are not settings, and what is written from elsewhere.
_NOT_SAVED = frozenset(
    (
        *("name_or_path", "vocab", "merges", "vocab_file", "merges_file", "tokenizer_file", "init_inputs"),
        *("special_tokens_map_file", "files_loaded", "slow_tokenizer_class", "device_map", "auto_map"),
        *("added_tokens_decoder", "additional_special_tokens", "extra_special_tokens", "chat_template"),
        *("model_specific_special_tokens", "add_bos_token", "add_eos_token", "max_len", "tokenizer_class"),
        *NAMED_TOKENS,
    )
)


def save(
    tokenizer: State,
    save_directory: str | os.PathLike[str],
    *,
    legacy_format: bool | None,
    filename_prefix: str | None,
    push_to_hub: bool,
    save_format: str | None,
    save_jinja_files: bool,
) -> tuple[str, ...]:
    """save_pretrained."""
    if save_format not in (None, "hf", "mistral"):
        raise ValueError(f'save_format is {save_format!r}; expected "hf" or "mistral"')
    if save_format == "mistral":
        raise UnsupportedError('save_format="mistral"; fastplm writes no tekken.json; expected "hf"')
    if push_to_hub:
        raise UnsupportedError(
            "push_to_hub=True; fastplm uploads nothing: save, then huggingface_hub.upload_folder"
        )
    if legacy_format:
        raise UnsupportedError(
            "legacy_format=True; fastplm writes tokenizer.json, the format of fast tokenizers"
        )
    folder = Path(save_directory)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"save_pretrained: {folder} is a file; expected a folder")
    prefix = f"{filename_prefix}-" if filename_prefix else ""
    templates = _template_files(tokenizer.chat_template, prefix) if save_jinja_files else {}
    config = _config(tokenizer)
    if tokenizer.chat_template is not None and not templates:
        config["chat_template"] = _listed(tokenizer.chat_template)
    texts = {
        f"{prefix}tokenizer_config.json": _json(config),
        **templates,
        f"{prefix}tokenizer.json": _json(tokenizer._source.to_json()),
    }
    for name, text in {**texts, f"{prefix}special_tokens_map.json": _json(_tokens_map(tokenizer))}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, "w") as file:
            file.write(text)
    return tuple(os.path.join(os.fspath(save_directory), name) for name in texts)


def _config(tokenizer: State) -> dict[str, Any]:
    """tokenizer_config.json: the class, its settings as they are now, and what tokenizer.json cannot say.

    Where the class would not make this tokenizer of the files, its pipeline having been changed, the one
    that takes tokenizer.json as it is stands in for it.
    """
    named = named_tokens(tokenizer)
    own = {name: token for name, token in named.items() if name not in NAMED_TOKENS}
    languages = tokenizer._languages
    config: dict[str, Any] = {
        **{
            name: tokenizer.__dict__.get(name, value)
            for name, value in tokenizer.init_kwargs.items()
            if name not in _NOT_SAVED
        },
        "backend": tokenizer.backend,
        **{name: getattr(tokenizer, name) for name in _SAVED_OPTIONS},
        **{name: None for name in NAMED_TOKENS if name in tokenizer.init_kwargs},
        **named,
    }
    if languages:
        config |= {
            "src_lang": tokenizer._src_lang,
            "tgt_lang": tokenizer._tgt_lang,
            **(languages.settings or {}),
        }
    if tokenizer.chat_control_tokens is not None:
        config["chat_control_tokens"] = list(tokenizer.chat_control_tokens)
    if tokenizer._extra:
        config["extra_special_tokens"] = list(tokenizer._extra)
    if own:
        config["model_specific_special_tokens"] = own
    if tokenizer.response_template is not None:
        config["response_template"] = tokenizer.response_template
    if tokenizer._processor_class is not None:
        config["processor_class"] = tokenizer._processor_class
    class_name = class_of_saved(tokenizer.class_name, tokenizer._source, config)
    config["tokenizer_class"] = class_name.removesuffix("Fast")
    return dict(sorted(config.items()))


def _tokens_map(tokenizer: State) -> dict[str, Any]:
    named: dict[str, Any] = dict(named_tokens(tokenizer))
    return {**named, "additional_special_tokens": list(tokenizer._extra)} if tokenizer._extra else named


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _listed(template: str | Mapping[str, str]) -> Any:
    if isinstance(template, str):
        return template
    return [{"name": name, "template": text} for name, text in template.items()]


def _template_files(template: str | Mapping[str, str] | None, prefix: str) -> dict[str, str]:
    """Names and texts of the files of a template, or of several by name. Raises ValueError."""
    if template is None:
        return {}
    if isinstance(template, str):
        return {prefix + TEMPLATE: template}
    files = {}
    for name, text in template.items():
        if name != "default" and (not name or Path(name).name != name or "\0" in name or name in (".", "..")):
            raise ValueError(f"a chat template is called {name!r}; expected a file name")
        files[prefix + TEMPLATE if name == "default" else f"{prefix}{TEMPLATES}/{name}.jinja"] = text
    return files
