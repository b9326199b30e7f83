"""Vocabularies learned from text."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from fastplm.jsonfile import parse_json
from fastplm.tokenizers.added_token import AddedToken
from fastplm.tokenizers.core import make
from fastplm.tokenizers.corpus import count_files, count_texts, new_counter, words_of
from fastplm.tokenizers.source import Source, source_of
from fastplm.tokenizers.tiktoken import byte_alphabet
from fastplm.tokenizers.trainers import TRAINERS, Trainer, default_trainer
from fastplm.tokenizers.vocabulary import Vocabulary

if TYPE_CHECKING:
    from fastplm import _engine

_LEARNED = ("merges", "scores")  # what a model has besides settings and its vocabulary


class Training(Vocabulary):
    """train and train_from_iterator, train_new_from_files and ..._iterator; from_str, to begin with."""

    @classmethod
    def from_str(cls, json: str, **options: Any) -> Self:
        """The tokenizer that a tokenizer.json with this text describes. Its model may be untrained: with an
        empty vocabulary, and no merges.

        options: model_max_length, padding_side, ... Raises CheckpointError, UnsupportedError.
        """
        root = parse_json(json.encode(), "tokenizer.json", unique_keys=False)
        return make(cls, source_of("tokenizer.json", root), options)

    def train(self, files: Sequence[str | os.PathLike[str]], trainer: Trainer | None = None) -> None:
        """Learns a new vocabulary from text files in UTF-8. Every line is a text, its line feed included.

        trainer: one of fastplm.tokenizers.trainers that fits the model; default: the model's, with its
        defaults. Its special tokens are added to the tokenizer. Memory is that of the distinct words.

        Raises FileNotFoundError and other OSErrors; ValueError for a line that is not UTF-8, named, for a
        corpus without words, for a trainer of another model; TypeError.
        """
        trainer = self._trainer(trainer)
        counter = self._counter()
        count_files(counter, files, trainer.shows())
        self._learn(counter, trainer)

    def train_from_iterator(
        self, iterator: Iterable[Any], trainer: Trainer | None = None, length: int | None = None
    ) -> None:
        """Learns a new vocabulary from an iterable of texts, or of lists of texts; as train.

        length: how many items there are, for the progress bar.
        """
        trainer = self._trainer(trainer)
        counter = self._counter()
        count_texts(counter, iterator, length, trainer.shows())
        self._learn(counter, trainer)

    def train_new_from_iterator(
        self,
        text_iterator: Iterable[Any],
        vocab_size: int,
        length: int | None = None,
        new_special_tokens: Sequence[str | AddedToken] | None = None,
        special_tokens_map: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """A tokenizer with this one's pipeline and special tokens, and a vocabulary learned from other texts.

        As transformers' method of that name: text_iterator gives texts or lists of texts, length says how
        many items; new_special_tokens come behind this tokenizer's special tokens; special_tokens_map renames
        those; kwargs are arguments of the model's trainer. Raises as train_from_iterator.
        """

        def count(counter: _engine.WordCounter, show: bool | None) -> None:
            count_texts(counter, text_iterator, length, show)

        return self._train_new(count, vocab_size, new_special_tokens or (), special_tokens_map or {}, kwargs)

    def train_new_from_files(
        self,
        files: Sequence[str | os.PathLike[str]],
        vocab_size: int,
        new_special_tokens: Sequence[str | AddedToken] | None = None,
        special_tokens_map: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """As train_new_from_iterator, from files as train reads them."""

        def count(counter: _engine.WordCounter, show: bool | None) -> None:
            count_files(counter, files, show)

        return self._train_new(count, vocab_size, new_special_tokens or (), special_tokens_map or {}, kwargs)

    def _train_new(
        self,
        count: Callable[[_engine.WordCounter, bool | None], None],
        vocab_size: int,
        new_special_tokens: Sequence[str | AddedToken],
        renamed: Mapping[str, str],
        kwargs: dict[str, Any],
    ) -> Self:
        source = self._source
        model = dict(source.model)
        kind = model["type"]
        if "unk_token" in model:
            model["unk_token"] = renamed.get(model["unk_token"], model["unk_token"])
        special = [
            replace(token, content=renamed.get(token.content, token.content), special=True)
            for token in self.added_tokens_decoder.values()
            if token.special or kind == "Unigram"
        ]
        special += [AddedToken.read(token, special=True) for token in new_special_tokens]
        if kind == "BPE":
            for name in ("continuing_subword_prefix", "end_of_word_suffix"):
                if model.get(name) is not None:
                    kwargs.setdefault(name, model[name])
        if kind == "Unigram" and model.get("unk_id") is not None:
            unknown = str(self._engine.token_of(model["unk_id"]))
            kwargs["unk_token"] = renamed.get(unknown, unknown)
        if _is_byte_level(source.sections["pre_tokenizer"]):
            kwargs["initial_alphabet"] = byte_alphabet()
        trainer = TRAINERS[kind](vocab_size=vocab_size, special_tokens=special, **kwargs)

        bare = replace(
            source, model=model, added_tokens=(), sections={**source.sections, "post_processor": None}
        )
        counter = new_counter(source.path, source.sections)
        count(counter, trainer.shows())
        trained = _learned(bare, trainer.learn(words_of(counter), _settings(bare)), trainer)
        processor = source.sections["post_processor"]
        if processor is not None:
            processor = _with_ids(processor, renamed, trained)
            trained = replace(trained, sections={**trained.sections, "post_processor": processor})
        options = self._options()
        options["named_tokens"] = {name: renamed.get(token, token) for name, token in self._named.items()}
        options["extra_tokens"] = [*self._extra, *map(str, new_special_tokens)]
        tokenizer = make(type(self), trained, options)
        tokenizer._add_again(self.added_tokens_decoder.values())
        return tokenizer

    def _add_again(self, tokens: Iterable[AddedToken]) -> None:
        """Adds the tokens of the tokenizer that this one was made after, then those that have a name or are
        extra ones. As in transformers, what is there already is left as it is, and what is not goes behind
        the vocabulary.
        """
        named = set(self._named.values())
        self.add_tokens([replace(token, special=token.special or token.content in named) for token in tokens])
        known = self.added_tokens_encoder
        self.add_tokens([t for t in self.all_special_tokens if t not in known], special_tokens=True)

    def _trainer(self, trainer: Trainer | None) -> Trainer:
        kind = self._source.model["type"]
        if trainer is None:
            return default_trainer(kind)
        if not isinstance(trainer, Trainer):
            raise TypeError(
                f"trainer is a {type(trainer).__name__}; expected one of fastplm.tokenizers.trainers"
            )
        if trainer.model_type != kind:
            raise ValueError(
                f"{type(trainer).__name__} trains a {trainer.model_type} model; this tokenizer's is {kind}: "
                f"expected {TRAINERS[kind].__name__}"
            )
        trainer.check()
        return trainer

    def _counter(self) -> _engine.WordCounter:
        return new_counter(self._source.path, self._source.sections)

    def _learn(self, counter: _engine.WordCounter, trainer: Trainer) -> None:
        self._become(
            _learned(self._source, trainer.learn(words_of(counter), _settings(self._source)), trainer)
        )


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
