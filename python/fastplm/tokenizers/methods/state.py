"""The state of a tokenizer: its source, its engine and its settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self, TypeVar

from fastplm import _engine
from fastplm.tokenizers.base.added_token import AddedToken
from fastplm.tokenizers.base.shape import NO_MAX_LENGTH, check_side
from fastplm.tokenizers.base.source import Source
from fastplm.tokenizers.classes.names import PLAIN_NAME
from fastplm.tokenizers.classes.parts import Frame, Languages
from fastplm.tokenizers.files.chat_template import ChatTemplate


class Link(Protocol):
    """What keeps a tokenizer and its backend_tokenizer the same; see backend.py."""

    source: Source
    engine: _engine.Tokenizer
    tokenizer: Any  # the backend_tokenizer

    def now(self) -> Self: ...

    def follow(self, source: Source, engine: _engine.Tokenizer) -> None: ...


class State:
    """What the functions of this folder work on. `Tokenizer` gives it the methods that call them."""

    class_name: ClassVar[str] = PLAIN_NAME  # of classes.names
    is_fast = True
    pad_token_type_id = 0
    # Of _attributes():
    deprecation_warnings: dict[str, bool]
    backend: str
    clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output: bool
    init_kwargs: dict[str, Any]
    response_template: Any
    _processor_class: Any

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
        attributes: Mapping[str, Any] | None = None,
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
        self._add_bos_token, self._add_eos_token = add_bos_token, add_eos_token
        self._languages = languages
        self._own_frame = own_frame
        self._src_lang, self._tgt_lang = src_lang or "", tgt_lang
        if languages:
            self._src_lang = languages.written(src_lang or languages.default)
            target = tgt_lang or languages.default_target
            self._tgt_lang = target and languages.written(target)
        self._link: Link | None = None  # to backend_tokenizer, once it was asked for
        more = {**_attributes(), **(attributes or {})}
        self.__dict__.update(more)
        self._attributes = tuple(more)
        self._own = frozenset((*self.__dict__, "_own"))  # attributes; others are the user's

    def __reduce__(self) -> Any:
        others = {name: value for name, value in self.__dict__.items() if name not in self._own}
        return make, (type(self), self._source, options_of(self)), others

    def __bool__(self) -> bool:
        return True


_T = TypeVar("_T", bound=State)


def make(kind: type[_T], source: Source, options: Mapping[str, Any]) -> _T:
    """A tokenizer of this type, whatever arguments the type's own constructor takes."""
    tokenizer = object.__new__(kind)
    State.__init__(tokenizer, source, **options)
    return tokenizer


def options_of(tokenizer: State) -> dict[str, Any]:
    """The arguments, besides the source, that make this tokenizer again."""
    return {
        "name_or_path": tokenizer.name_or_path,
        "named_tokens": dict(tokenizer._named),
        "extra_tokens": list(tokenizer._extra),
        "model_max_length": tokenizer.model_max_length,
        "padding_side": tokenizer.padding_side,
        "truncation_side": tokenizer.truncation_side,
        "model_input_names": list(tokenizer.model_input_names),
        "clean_up_tokenization_spaces": tokenizer.clean_up_tokenization_spaces,
        "split_special_tokens": tokenizer.split_special_tokens,
        "call_defaults": tokenizer._call_defaults,
        "chat_template": tokenizer.chat_template,
        "chat_control_tokens": tokenizer.chat_control_tokens,
        "word_end": tokenizer._word_end,
        "add_bos_token": tokenizer._add_bos_token,
        "add_eos_token": tokenizer._add_eos_token,
        "languages": tokenizer._languages,
        "own_frame": tokenizer._own_frame,
        "src_lang": tokenizer._src_lang,
        "tgt_lang": tokenizer._tgt_lang,
        "attributes": {name: tokenizer.__dict__[name] for name in tokenizer._attributes},
    }


def with_engine(tokenizer: _T, engine: _engine.Tokenizer) -> _T:
    """This tokenizer, with everything it shares but its engine."""
    other = object.__new__(type(tokenizer))
    other.__dict__.update(tokenizer.__dict__, _engine=engine, _source=tokenizer._source, _link=None)
    return other


def replace_source(tokenizer: State, source: Source, like: _engine.Tokenizer | None = None) -> None:
    """Takes the source in place of the tokenizer's own. like: an engine as Source.build knows it."""
    engine = source.build(like=like)
    if tokenizer._link is not None:
        tokenizer._link.follow(source, engine)
    else:
        tokenizer._engine, tokenizer._source = engine, source


def from_link(tokenizer: State, name: str) -> Any:
    """_source or _engine, which the link has while parts of backend_tokenizer may be changed."""
    link = tokenizer.__dict__.get("_link")
    if link is None:
        raise AttributeError(f"Tokenizer has no attribute {name!r}")
    now = link.now()
    return now.source if name == "_source" else now.engine


def _attributes() -> dict[str, Any]:
    """What transformers keeps on a tokenizer besides its options, as it is without settings."""
    return {
        "add_prefix_space": False,
        "backend": "tokenizers",
        "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output": False,
        "deprecation_warnings": {},  # by name: whether a warning was given; True keeps it from coming
        "files_loaded": [],
        "init_inputs": (),
        "init_kwargs": {},
        "response_template": None,
        "verbose": False,
        "_processor_class": None,
    }
