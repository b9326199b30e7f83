"""Tokenizers as files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastplm.errors import UnsupportedError
from fastplm.files import replacing
from fastplm.settings import warn_of_unknown
from fastplm.tokenizers.chat.files import TEMPLATE, TEMPLATES
from fastplm.tokenizers.vocabulary import NAMED_TOKENS, Vocabulary

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


class Saving(Vocabulary):
    """save_pretrained, and the tokenizer as an object of the library `tokenizers`."""

    @property
    def backend_tokenizer(self) -> Any:
        """This tokenizer as a tokenizers.Tokenizer, for code that looks into its parts or changes them.

        What is changed there is changed here: parts assigned or altered, tokens added; see BackendTokenizer.
        Needs the package `tokenizers`.
        """
        if self._link is None:
            from fastplm.tokenizers.backend import Link

            self._link = Link(self)
        return self._link.tokenizer

    @property
    def _tokenizer(self) -> Any:  # as transformers calls the same object, which pipelines ask for
        return self.backend_tokenizer

    @_tokenizer.setter
    def _tokenizer(self, made: Any) -> None:
        from fastplm.tokenizers.construct import source_of_object

        self._become(source_of_object("_tokenizer", made))

    @property
    def decoder(self) -> Any:
        """That of backend_tokenizer."""
        return self.backend_tokenizer.decoder

    def save_pretrained(
        self,
        save_directory: str | os.PathLike[str],
        legacy_format: bool | None = None,
        filename_prefix: str | None = None,
        push_to_hub: bool = False,
        save_format: str | None = None,
        *,
        save_jinja_files: bool = True,
        **kwargs: Any,
    ) -> tuple[str, ...]:
        """Writes what fastplm, transformers and tokenizers read back to the same tokenizer; returns the names
        of tokenizer_config.json, the chat templates and tokenizer.json, as transformers does.

        special_tokens_map.json, which older versions read, is written too. filename_prefix: goes before every
        name, with a "-". save_jinja_files=False puts the chat template into tokenizer_config.json. Other
        arguments are for uploads. Every file is written whole or not at all. Raises NotADirectoryError;
        ValueError for another save_format than "hf" (the default) and "mistral"; UnsupportedError for that
        one, legacy_format=True and push_to_hub=True.
        """
        warn_of_unknown("save_pretrained", "save_pretrained", kwargs, ())
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
        templates = _template_files(self.chat_template, prefix) if save_jinja_files else {}
        config = self._config()
        if self.chat_template is not None and not templates:
            config["chat_template"] = _listed(self.chat_template)
        texts = {
            f"{prefix}tokenizer_config.json": _json(config),
            **templates,
            f"{prefix}tokenizer.json": _json(self._source.to_json()),
        }
        for name, text in {**texts, f"{prefix}special_tokens_map.json": _json(self._tokens_map())}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path, "w") as file:
                file.write(text)
        return tuple(os.path.join(os.fspath(save_directory), name) for name in texts)

    def _config(self) -> dict[str, Any]:
        """tokenizer_config.json: the class, its settings as they are now, and what tokenizer.json cannot say.

        Where the class would not make this tokenizer of the files, its pipeline having been changed, the one
        that takes tokenizer.json as it is stands in for it.
        """
        named = self.special_tokens_map
        own = {name: token for name, token in named.items() if name not in NAMED_TOKENS}
        languages = self._languages
        config: dict[str, Any] = {
            **{
                name: self.__dict__.get(name, value)
                for name, value in self.init_kwargs.items()
                if name not in _NOT_SAVED
            },
            "backend": self.backend,
            **{name: getattr(self, name) for name in _SAVED_OPTIONS},
            **{name: None for name in NAMED_TOKENS if name in self.init_kwargs},
            **named,
        }
        if languages:
            config |= {"src_lang": self._src_lang, "tgt_lang": self._tgt_lang, **(languages.settings or {})}
        if self.chat_control_tokens is not None:
            config["chat_control_tokens"] = list(self.chat_control_tokens)
        if self._extra:
            config["extra_special_tokens"] = list(self._extra)
        if own:
            config["model_specific_special_tokens"] = own
        if self.response_template is not None:
            config["response_template"] = self.response_template
        if self._processor_class is not None:
            config["processor_class"] = self._processor_class
        from fastplm.tokenizers.folder import class_of_saved  # which makes tokenizers, and so imports this

        config["tokenizer_class"] = class_of_saved(self, config).removesuffix("Fast")
        return dict(sorted(config.items()))

    def _tokens_map(self) -> dict[str, Any]:
        named: dict[str, Any] = dict(self.special_tokens_map)
        return {**named, "additional_special_tokens": list(self._extra)} if self._extra else named


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
