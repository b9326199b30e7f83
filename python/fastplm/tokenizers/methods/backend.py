"""A tokenizer as an object of the library `tokenizers`, through which it can be changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache, wraps
from threading import RLock
from types import GetSetDescriptorType
from typing import Any

from fastplm import _engine
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.tokenizers.base.added_token import AddedToken
from fastplm.tokenizers.base.source import SECTIONS, Source
from fastplm.tokenizers.files.tokenizer_json import source_of
from fastplm.tokenizers.methods.state import Link as StateLink
from fastplm.tokenizers.methods.state import State

_NAME = "backend_tokenizer"  # in errors
_PARTS = frozenset((*SECTIONS, "model"))
_CHANGING = {
    **dict.fromkeys(("add_tokens", "add_special_tokens"), "_read_tokens"),
    **dict.fromkeys(("enable_truncation", "no_truncation", "enable_padding", "no_padding"), "_read_shape"),
    **dict.fromkeys(("train", "train_from_iterator"), "_read_all"),
}
_NO_MODEL = {"type": "WordLevel", "vocab": {}, "unk_token": ""}


class BackendTokenizer:
    """What `backend_tokenizer` is: a tokenizers.Tokenizer, to all appearances.

    Assigning to one of its parts, changing a part that it gave out, adding tokens and training change the
    tokenizer it belongs to. Its truncation and padding are its own, as in transformers, whose calls set them
    anew; only a tokenizer made from a tokenizer.json alone takes them as the defaults of its calls.

    Raises UnsupportedError for what this package does not do (custom parts, dropout): at once where it is
    assigned, which is undone then; of a part that was given out, at the tokenizer's next use.
    """

    __slots__ = ("_link",)
    _link: Link

    def __init__(self, link: Link) -> None:
        object.__setattr__(self, "_link", link)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # so that isinstance says what it is used as
        import tokenizers

        return tokenizers.Tokenizer

    def __getattr__(self, name: str) -> Any:
        return self._link.get(name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._link.set(name, value)

    def __reduce__(self) -> Any:  # a copy is no longer tied to the tokenizer
        import tokenizers

        return tokenizers.Tokenizer.from_str, (self._link.inner.to_str(),)

    def __repr__(self) -> str:
        return repr(self._link.inner)

    def __dir__(self) -> list[str]:
        return dir(self._link.inner)


class Link:
    """Keeps a tokenizer and its tokenizers.Tokenizer the same.

    A part that was given out can be changed behind our back. From then on this object has the source and the
    engine of the tokenizer, which asks for them at each use (state.from_link), and looks at the part first.
    """

    def __init__(self, owner: State) -> None:
        self.owner, self.source, self.engine = owner, owner._source, owner._engine
        self.lock = RLock()
        self.parts: dict[str, tuple[Any, Any]] = {}  # given out: the part, and its state when last looked at
        self.inner = self._made()
        self.tokenizer = BackendTokenizer(self)

    def _made(self) -> Any:
        import tokenizers

        inner = tokenizers.Tokenizer.from_str(json.dumps(self.source.to_json()))
        inner.encode_special_tokens = self.owner.split_special_tokens
        return inner

    def get(self, name: str) -> Any:
        value = getattr(self.inner, name)
        if name in _PARTS and value is not None:
            with self.lock:
                if name not in self.parts:
                    self._watch(name, value)
        if name not in _CHANGING:
            return value

        @wraps(value)
        def change(*args: Any, **kwargs: Any) -> Any:
            with self.lock:
                self._look()
                result = getattr(self.inner, name)(*args, **kwargs)
                try:
                    getattr(self, _CHANGING[name])()
                except (CheckpointError, UnsupportedError):
                    self._restart()
                    raise
                return result

        return change

    def set(self, name: str, value: Any) -> None:
        with self.lock:
            given_out = self.parts.pop(name, None)
            self._look()
            before = getattr(self.inner, name, None)
            setattr(self.inner, name, value)
            if name == "encode_special_tokens" and self.owner._call_defaults:
                self.owner.split_special_tokens = bool(value)
            if name not in _PARTS:
                return
            try:
                self._read_all() if name == "model" else self._read_sections([name])
            except (CheckpointError, UnsupportedError):
                setattr(self.inner, name, before)
                if given_out is not None:
                    self.parts[name] = given_out
                raise
            if value is not None:
                self._watch(name, value)

    def now(self) -> Link:
        """With every change taken in."""
        with self.lock:
            self._look()
            return self

    def follow(self, source: Source, engine: _engine.Tokenizer) -> None:
        """The tokenizer has been changed by other means than this object."""
        with self.lock:
            before = self.source
            self._take(source, engine)
            known = len(before.added_tokens)
            if source.model is not before.model or source.added_tokens[:known] != before.added_tokens:
                self._restart()
                return
            import tokenizers

            self.inner.add_tokens(
                [tokenizers.AddedToken(**token.settings()) for token in source.added_tokens[known:]]
            )
            if source.sections != before.sections:
                made = _with_parts(source.sections)
                for name in SECTIONS:
                    if source.sections[name] != before.sections[name]:
                        setattr(self.inner, name, getattr(made, name))
                        self.parts.pop(name, None)

    def _restart(self) -> None:
        """Makes the other library's object anew, of the source."""
        self.parts.clear()
        self.inner = self._made()

    def _take(self, source: Source, engine: _engine.Tokenizer) -> None:
        self.source, self.engine = source, engine
        if "_source" in self.owner.__dict__:
            self.owner.__dict__.update(_source=source, _engine=engine)

    def _watch(self, name: str, part: Any) -> None:
        self.parts[name] = (part, _state(name, part))
        for attribute in ("_source", "_engine"):
            self.owner.__dict__.pop(attribute, None)

    def _look(self) -> None:
        """Takes in what was changed in parts that were given out."""
        states = {name: _state(name, part) for name, (part, _) in self.parts.items()}
        changed = [name for name, state in states.items() if state != self.parts[name][1]]
        if not changed:
            return
        if "normalizer" in changed:
            self._check_normal_forms()
        if "model" in changed:
            self._read_model_settings()
        self._read_sections([name for name in changed if name != "model"])
        self.parts.update({name: (self.parts[name][0], states[name]) for name in changed})

    def _check_normal_forms(self) -> None:
        """Added tokens are searched for in normalized text by their own normal form. `tokenizers` makes that
        when a normalizer is assigned, not when a step of one is changed. Raises UnsupportedError.
        """
        before, now = _with_parts(self.source.sections).normalizer, self.inner.normalizer
        for token in self.source.added_tokens:
            if token.normalized and before.normalize_str(token.content) != now.normalize_str(token.content):
                raise UnsupportedError(
                    f"{_NAME}: a change in the normalizer makes the added token {token.content!r} another; "
                    f"expected the normalizer to be assigned: {_NAME}.normalizer = ..."
                )

    def _read_sections(self, names: list[str]) -> None:
        parts = {name: getattr(self.inner, name) for name in names}
        read = {
            name: None if part is None else json.loads(_state(name, part)) for name, part in parts.items()
        }
        if read:
            source = replace(self.source, sections={**self.source.sections, **read})
            self._take(source, _build(source, self.engine if set(read) == {"post_processor"} else None))

    def _read_model_settings(self) -> None:
        """Changes of a model's attributes, its vocabulary being what it was."""
        part, state = self.parts["model"]
        now = zip(_settable(part.__class__), _state("model", part), state, strict=True)
        changed = {key: value for key, value, before in now if value != before}
        # Merges were joined by the prefix there was; what samples has no setting in a tokenizer.json.
        refused = {"alpha", "nbest_size"} | (
            {"continuing_subword_prefix"} if self.source.model["type"] == "BPE" else set()
        )
        if wrong := sorted(changed.keys() & refused):
            raise UnsupportedError(
                f"{_NAME}: model.{wrong[0]} was set to {changed[wrong[0]]!r}; expected a whole model to be "
                f"assigned to {_NAME}.model"
            )
        source = replace(self.source, model={**self.source.model, **changed})
        self._take(source, _build(source))

    def _read_tokens(self) -> None:
        known = {token.content: token for token in self.source.added_tokens}
        listed = [AddedToken.read(_flags(token)) for _, token in self._listed()]
        source = self.source.with_tokens([token for token in listed if known.get(token.content) != token])
        engine = _build(source, self.engine)
        self._check_ids(engine)
        self._take(source, engine)

    def _read_shape(self) -> None:
        truncation, padding = self.inner.truncation, self.inner.padding
        if truncation is not None:
            truncation = {**truncation, "side": truncation.pop("direction")}
        if padding is not None:
            side, multiple = padding.pop("direction"), padding.pop("pad_to_multiple_of")
            padding = {**padding, "side": side, "multiple_of": multiple}
        if self.owner._call_defaults:
            if truncation is not None:
                self.owner.truncation_side = truncation["side"]
            if padding is not None:
                self.owner._named["pad_token"] = padding["pad_token"]
        self._take(replace(self.source, truncation=truncation, padding=padding), self.engine)

    def _read_all(self) -> None:
        source = source_of(_NAME, json.loads(self.inner.to_str())).as_python_reads()
        engine = _build(source)
        self._check_ids(engine)
        self._take(replace(source, path=self.source.path), engine)

    def _listed(self) -> list[tuple[int, Any]]:
        return sorted(self.inner.get_added_tokens_decoder().items())

    def _check_ids(self, engine: _engine.Tokenizer) -> None:
        """A model may be put under added tokens that have other ids in it. Raises UnsupportedError."""
        for token_id, token in self._listed():
            if engine.id_of(token.content) != token_id:
                raise UnsupportedError(
                    f"{_NAME}: the added token {token.content!r} has the id {token_id}, and "
                    f"{engine.id_of(token.content)} where a tokenizer.json of it is read; expected one id: a "
                    "tokenizers.Tokenizer made with the model, and its tokens added then"
                )


def linked(tokenizer: State) -> StateLink:
    """The tokenizer's link, made when it is first asked for."""
    if tokenizer._link is None:
        tokenizer._link = Link(tokenizer)
    return tokenizer._link


def _state(name: str, part: Any) -> Any:
    """What tells whether a part was changed: its JSON; of a model, which is large, its attributes."""
    if name == "model":
        return [getattr(part, key) for key in _settable(part.__class__)]
    try:
        return part.__getstate__()
    except Exception as error:  # the other library has no type of its own for it
        raise UnsupportedError(
            f"{_NAME}: {name} is a {type(part).__name__} that cannot be written ({error}); expected parts of "
            "tokenizers, none of them custom"
        ) from None


def _with_parts(sections: Mapping[str, Any]) -> Any:
    """A tokenizers.Tokenizer with these parts."""
    import tokenizers

    settings = {"version": "1.0", "added_tokens": [], "model": _NO_MODEL, **sections}
    return tokenizers.Tokenizer.from_str(json.dumps(settings))


@cache
def _settable(kind: Any) -> tuple[str, ...]:
    """The attributes that can be set."""
    return tuple(key for key in dir(kind) if isinstance(getattr(kind, key), GetSetDescriptorType))


def _flags(token: Any) -> dict[str, Any]:
    names = ("content", "single_word", "lstrip", "rstrip", "normalized", "special")
    return {name: getattr(token, name) for name in names}


def _build(source: Source, like: _engine.Tokenizer | None = None) -> _engine.Tokenizer:
    return replace(source, path=_NAME).build(like=like)


def source_of_object(name: str, made: Any) -> Source:
    """Of a tokenizer of the library `tokenizers`, or of this one."""
    if isinstance(made, State):
        return made._source
    if not callable(getattr(made, "to_str", None)):
        raise TypeError(
            f"{name}: tokenizer_object is a {type(made).__name__}; expected a tokenizers.Tokenizer"
        )
    return source_of("tokenizer_object", json.loads(made.to_str())).as_tokenizers_reads()
