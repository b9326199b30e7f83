"""Vocabularies learned from text."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from fastplm import _engine
from fastplm.tokenizers.base.added_token import AddedToken
from fastplm.tokenizers.base.components import byte_alphabet
from fastplm.tokenizers.base.source import Source
from fastplm.tokenizers.files.tokenizer_json import source_of
from fastplm.tokenizers.learn.corpus import count_files, count_texts, new_counter, words_of
from fastplm.tokenizers.learn.trainers import TRAINERS, Trainer, default_trainer
from fastplm.tokenizers.methods.state import State, make, options_of, replace_source
from fastplm.tokenizers.methods.vocabulary import add_tokens, added_by_id, added_ids, all_special_tokens

_T = TypeVar("_T", bound=State)
_LEARNED = ("merges", "scores")  # what a model has besides settings and its vocabulary


Count = Callable[[_engine.WordCounter, bool | None], None]  # of a corpus; whether to show a bar


def of_files(files: Sequence[str | os.PathLike[str]]) -> Count:
    def count(counter: _engine.WordCounter, show: bool | None) -> None:
        count_files(counter, files, show)

    return count


def of_texts(texts: Iterable[Any], length: int | None) -> Count:
    def count(counter: _engine.WordCounter, show: bool | None) -> None:
        count_texts(counter, texts, length, show)

    return count


def train(tokenizer: State, count: Count, trainer: Trainer | None) -> None:
    """Gives the tokenizer a new vocabulary. trainer: default: the model's."""
    trainer = _trainer(tokenizer, trainer)
    source = tokenizer._source
    counter = new_counter(source.path, source.sections)
    count(counter, trainer.shows())
    model = trainer.learn(words_of(counter), _settings(tokenizer._source))
    replace_source(tokenizer, _learned(tokenizer._source, model, trainer))


def train_new(
    tokenizer: _T,
    count: Count,
    vocab_size: int,
    new_special_tokens: Sequence[str | AddedToken],
    renamed: Mapping[str, str],
    kwargs: dict[str, Any],
) -> _T:
    """A tokenizer with this one's pipeline and special tokens, and a vocabulary learned from other texts.

    kwargs: of the model's trainer.
    """
    source = tokenizer._source
    model = dict(source.model)
    kind = model["type"]
    if "unk_token" in model:
        model["unk_token"] = renamed.get(model["unk_token"], model["unk_token"])
    special = [
        replace(token, content=renamed.get(token.content, token.content), special=True)
        for token in added_by_id(tokenizer).values()
        if token.special or kind == "Unigram"
    ]
    special += [AddedToken.read(token, special=True) for token in new_special_tokens]
    if kind == "BPE":
        for name in ("continuing_subword_prefix", "end_of_word_suffix"):
            if model.get(name) is not None:
                kwargs.setdefault(name, model[name])
    if kind == "Unigram" and model.get("unk_id") is not None:
        unknown = str(tokenizer._engine.token_of(model["unk_id"]))
        kwargs["unk_token"] = renamed.get(unknown, unknown)
    if _is_byte_level(source.sections["pre_tokenizer"]):
        kwargs["initial_alphabet"] = byte_alphabet()
    trainer = TRAINERS[kind](vocab_size=vocab_size, special_tokens=special, **kwargs)

    bare = replace(source, model=model, added_tokens=(), sections={**source.sections, "post_processor": None})
    counter = new_counter(source.path, source.sections)
    count(counter, trainer.shows())
    trained = _learned(bare, trainer.learn(words_of(counter), _settings(bare)), trainer)
    processor = source.sections["post_processor"]
    if processor is not None:
        processor = _with_ids(processor, renamed, trained)
        trained = replace(trained, sections={**trained.sections, "post_processor": processor})
    options = options_of(tokenizer)
    options["named_tokens"] = {name: renamed.get(token, token) for name, token in tokenizer._named.items()}
    options["extra_tokens"] = [*tokenizer._extra, *map(str, new_special_tokens)]
    made = make(type(tokenizer), trained, options)
    _add_again(made, added_by_id(tokenizer).values())
    return made


def _add_again(tokenizer: State, tokens: Iterable[AddedToken]) -> None:
    """Adds the tokens of the tokenizer that this one was made after, then those that have a name or are
    extra ones. As in transformers, what is there already is left as it is, and what is not goes behind
    the vocabulary.
    """
    named = set(tokenizer._named.values())
    add_tokens(
        tokenizer, [replace(token, special=token.special or token.content in named) for token in tokens]
    )
    known = added_ids(tokenizer)
    add_tokens(tokenizer, [t for t in all_special_tokens(tokenizer) if t not in known], special_tokens=True)


def _trainer(tokenizer: State, trainer: Trainer | None) -> Trainer:
    kind = tokenizer._source.model["type"]
    if trainer is None:
        return default_trainer(kind)
    if not isinstance(trainer, Trainer):
        raise TypeError(
            f"trainer is a {type(trainer).__name__}; expected one of fastplm.tokenizers.learn.trainers"
        )
    if trainer.model_type != kind:
        raise ValueError(
            f"{type(trainer).__name__} trains a {trainer.model_type} model; this tokenizer's is {kind}: "
            f"expected {TRAINERS[kind].__name__}"
        )
    trainer.check()
    return trainer


def _is_byte_level(pre_tokenizer: Mapping[str, Any] | None) -> bool:
    """Whether it, or one of its steps, writes bytes as characters."""
    steps = (pre_tokenizer, *(pre_tokenizer or {}).get("pretokenizers", ()))
    return any(step is not None and step["type"] == "ByteLevel" for step in steps)


def _settings(source: Source) -> dict[str, Any]:
    """The model's, without what it has learned."""
    return {name: value for name, value in source.model.items() if name not in _LEARNED}


def _learned(source: Source, model: dict[str, Any], trainer: Trainer) -> Source:
    """The same pipeline around a trained model; the trainer's special tokens come behind the added ones."""
    made = source_of(source.path, {**source.sections, "model": model})
    special = tuple(AddedToken.read(token, special=True) for token in trainer.special_tokens)
    return replace(
        made,
        added_tokens=(*source.added_tokens, *special),
        truncation=source.truncation,
        padding=source.padding,
    )


def _with_ids(processor: dict[str, Any], renamed: Mapping[str, str], source: Source) -> dict[str, Any]:
    """The post-processor with new names and ids of its special tokens. Raises ValueError if one lacks."""
    engine = source.build()

    def token_id(token: str) -> int:
        found: int | None = engine.id_of(token)
        if found is None:
            raise ValueError(f"the post-processor adds {token!r}, which the new vocabulary lacks")
        return found

    processor = dict(processor)
    if "special_tokens" in processor:
        entries = {}
        for name, entry in processor["special_tokens"].items():
            tokens = [renamed.get(token, token) for token in entry["tokens"]]
            entries[name] = {**entry, "tokens": tokens, "ids": [token_id(token) for token in tokens]}
        processor["special_tokens"] = entries
    for name in ("cls", "sep"):
        if name in processor:
            token = renamed.get(processor[name][0], processor[name][0])
            processor[name] = [token, token_id(token)]
    return processor
