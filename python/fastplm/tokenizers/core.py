"""What every part of the tokenizer object works on: its source, its engine and its settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from fastplm import _engine
from fastplm.tokenizers.added_token import AddedToken
from fastplm.tokenizers.chat.files import ChatTemplate
from fastplm.tokenizers.classes.parts import Frame, Languages
from fastplm.tokenizers.shape import check_side
from fastplm.tokenizers.source import Source

NO_MAX_LENGTH = int(1e30)  # model_max_length of a tokenizer without one, as transformers has it


class Core:
    """The state of a tokenizer. `Tokenizer` adds what can be done with it, each in its own module."""

    is_fast = True
    pad_token_type_id = 0

    def __init__(
        self,
        source: Source,
        *,
        name_or_path: str = "",
        named_tokens: Mapping[str, str | AddedToken] | None = None,
        extra_tokens: Iterable[str] = (),
        model_max_length: float | None = None,
        padding_side: str = "right",
        truncation_side: str = "right",
        model_input_names: Sequence[str] = ("input_ids", "token_type_ids", "attention_mask"),
        clean_up_tokenization_spaces: bool = False,
        split_special_tokens: bool = False,
        call_defaults: bool = False,
        chat_template: ChatTemplate | None = None,
        chat_control_tokens: Sequence[str] | None = None,
        word_end: str = "",
        add_bos_token: bool = False,
        add_eos_token: bool = False,
        languages: Languages | None = None,
        own_frame: Frame | None = None,
        src_lang: str | None = None,
        tgt_lang: str | None = None,
    ) -> None:
        for name, side in (("padding_side", padding_side), ("truncation_side", truncation_side)):
            check_side(name, side)
        self._source = source
        self._engine = source.build()
        self._named = {k: str(v) for k, v in (named_tokens or {}).items()}
        self._extra = list(extra_tokens)
        self._call_defaults = call_defaults  # whether tokenizer.json's truncation and padding are defaults
        self.name_or_path = name_or_path
        self.model_max_length = NO_MAX_LENGTH if model_max_length is None else int(model_max_length)
        self.padding_side = padding_side
        self.truncation_side = truncation_side
        self.model_input_names = list(model_input_names)
        self.clean_up_tokenization_spaces = clean_up_tokenization_spaces
        self.split_special_tokens = split_special_tokens
        self.chat_template = chat_template
        self.chat_control_tokens = chat_control_tokens
        self._word_end = word_end  # what decoding turns into a space at last
        self._warned_of: set[str] = set()
        self._add_bos_token, self._add_eos_token = add_bos_token, add_eos_token
        self._languages = languages
        self._own_frame = own_frame
        self._src_lang, self._tgt_lang = src_lang or "", tgt_lang
        if languages:
            self._src_lang = languages.written(src_lang or languages.default)
            target = tgt_lang or languages.default_target
            self._tgt_lang = target and languages.written(target)
        self._backend: tuple[Any, Any] = (None, None)  # a source, and what backend_tokenizer made of it
        self._own = frozenset((*self.__dict__, "_own"))  # attributes; others are the user's

    def _options(self) -> dict[str, Any]:
        """The arguments, besides the source, that make this tokenizer again."""
        return {
            "name_or_path": self.name_or_path,
            "named_tokens": dict(self._named),
            "extra_tokens": list(self._extra),
            "model_max_length": self.model_max_length,
            "padding_side": self.padding_side,
            "truncation_side": self.truncation_side,
            "model_input_names": list(self.model_input_names),
            "clean_up_tokenization_spaces": self.clean_up_tokenization_spaces,
            "split_special_tokens": self.split_special_tokens,
            "call_defaults": self._call_defaults,
            "chat_template": self.chat_template,
            "chat_control_tokens": self.chat_control_tokens,
            "word_end": self._word_end,
            "add_bos_token": self._add_bos_token,
            "add_eos_token": self._add_eos_token,
            "languages": self._languages,
            "own_frame": self._own_frame,
            "src_lang": self._src_lang,
            "tgt_lang": self._tgt_lang,
        }

    def _with_engine(self, engine: _engine.Tokenizer) -> Self:
        """This tokenizer, with everything it shares but its engine."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, _engine=engine)
        return other

    def __reduce__(self) -> Any:
        others = {name: value for name, value in self.__dict__.items() if name not in self._own}
        return _rebuild, (type(self), self._source, self._options()), others

    def __bool__(self) -> bool:
        return True


def _rebuild(kind: type[Core], source: Source, options: dict[str, Any]) -> Core:
    return kind(source, **options)
