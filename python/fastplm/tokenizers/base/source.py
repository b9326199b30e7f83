"""What the engine's tokenizer is made from: the contents of a tokenizer.json, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fastplm import _engine
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.tokenizers.base.added_token import AddedToken
from fastplm.tokenizers.base.recovered_merges import merges_by_score
from fastplm.tokenizers.base.token_table import Strings, TokenTable

SECTIONS = ("normalizer", "pre_tokenizer", "post_processor", "decoder")
_EXACT_MODELS = {
    "unigram": "SentencePieceUnigram",
    "bpe": "SentencePieceBpe",
    "char": "SentencePieceBpe",
    "word": "SentencePieceWords",
}
STRATEGIES = {"LongestFirst": "longest_first", "OnlyFirst": "only_first", "OnlySecond": "only_second"}


@dataclass(frozen=True)
class Source:
    """Everything a tokenizer is made from. Immutable: adding tokens makes another one.

    What has an entry per token is kept in arrays: the vocabulary; of a BPE model "merges", the places of left
    and right sides in the vocabulary, int32 [2 * merges]; of a Unigram model "scores", float64 by id.

    A section or model with "sentencepiece" is run by what stands there (null: there is no such stage). The
    rest of it, which other programs read, comes near to that. Such a BPE model has scores; merges may be
    missing.
    """

    path: str  # to name in errors
    vocabulary: TokenTable = field(repr=False)
    model: dict[str, Any] = field(repr=False)  # without the vocabulary
    sections: dict[str, dict[str, Any] | None]  # normalizer, pre_tokenizer, post_processor, decoder
    added_tokens: tuple[AddedToken, ...] = ()  # in the order in which they are added
    listed_ids: tuple[int, ...] = ()  # the ids tokenizer.json lists for the first of them
    truncation: dict[str, Any] | None = None  # what tokenizer.json sets: max_length, strategy, stride, side
    padding: dict[str, Any] | None = None  # length (None: longest), multiple_of, pad_id, pad_type_id, ...
    # A Unigram model's scores as the file writes them, commas between, until it is said how to read them.
    written_scores: bytes | None = field(default=None, repr=False)
    names: Mapping[str, str] = field(
        default_factory=dict
    )  # of special tokens, where the file itself tells them

    def with_tokens(self, tokens: list[AddedToken]) -> Source:
        return replace(self, added_tokens=(*self.added_tokens, *tokens))

    def with_post_processor(self, post_processor: dict[str, Any] | None) -> Source:
        return replace(self, sections={**self.sections, "post_processor": post_processor})

    def as_tokenizers_reads(self) -> Source:
        """With scores as `tokenizers` reads them from a file."""
        if self.written_scores is None:
            return self
        from fastplm.tokenizers.base.written_numbers import read_numbers_as_serde_json  # imports numpy

        return self._with_scores(read_numbers_as_serde_json(self.written_scores))

    def as_python_reads(self) -> Source:
        """With the nearest scores, as transformers' own classes get them."""
        if self.written_scores is None:
            return self
        from fastplm.tokenizers.base.written_numbers import read_numbers  # imports numpy

        return self._with_scores(read_numbers(self.written_scores))

    def _with_scores(self, scores: Any) -> Source:
        return replace(self, model={**self.model, "scores": scores}, written_scores=None)

    def build(self, like: _engine.Tokenizer | None = None) -> _engine.Tokenizer:
        """The engine's tokenizer; `like` one that differs in added tokens and post-processor only, at once.

        Raises CheckpointError or UnsupportedError naming the file.
        """
        added_tokens = [token.settings() for token in self.added_tokens]
        try:
            if like is not None:
                post_processor = _for_engine(self.sections["post_processor"])
                return like.with_settings({"added_tokens": added_tokens, "post_processor": post_processor})
            model = self.as_python_reads()._model_for_engine()
            sections = {name: _for_engine(section) for name, section in self.sections.items()}
            settings = {**sections, "model": model, "added_tokens": added_tokens}
            return _engine.Tokenizer(settings, self.vocabulary.engine)
        except (CheckpointError, UnsupportedError) as error:
            raise type(error)(f"{self.path}: {error}") from None

    def _model_for_engine(self) -> dict[str, Any]:
        """The model's settings, with merges as the ids of both sides and of what they make."""
        if (exact := self.model.get("sentencepiece")) is not None:
            kind = exact.get("kind")
            if kind not in _EXACT_MODELS:
                known = ", ".join(_EXACT_MODELS)
                raise CheckpointError(f"model.sentencepiece.kind is {kind!r}; expected one of {known}")
            scores = self.model.get("scores") if kind in ("unigram", "bpe") else None
            return {**exact, "type": _EXACT_MODELS[kind], "scores": scores}
        if "merges" not in self.model:
            return self.model
        model = dict(self.model)
        prefix = len(model.get("continuing_subword_prefix") or "")
        return {**model, "rules": self.vocabulary.merge_rules(model.pop("merges"), prefix)}

    def _merges_by_score(self) -> Any:
        found = merges_by_score(self.path, self.vocabulary, self.model["scores"], self.model["sentencepiece"])
        return self.vocabulary.merge_sides(Strings.of(found))

    def without_exact(self) -> Source:
        """What other programs make of it: without anything under "sentencepiece"."""
        model = dict(self.model)
        if model["type"] == "BPE" and "scores" in model:
            model.setdefault("merges", self._merges_by_score())
            del model["scores"]
        model.pop("sentencepiece", None)
        sections = {
            name: section and {key: value for key, value in section.items() if key != "sentencepiece"}
            for name, section in self.sections.items()
        }
        return replace(self, model=model, sections=sections)

    def ids_of_added_tokens(self) -> dict[str, int]:
        """Which ids the added tokens get."""
        return {flags["content"]: token_id for token_id, flags in self.added_by_id().items()}

    def added_by_id(self) -> dict[int, dict[str, Any]]:
        """The added tokens by id; neither merges nor scores matter for that."""
        plain = replace(
            self,
            model={"type": "WordLevel", "unk_token": ""},
            written_scores=None,
            sections=dict.fromkeys(SECTIONS),
        )
        return plain.build().added_tokens()

    def to_json(self) -> dict[str, Any]:
        """What tokenizer.json holds for this tokenizer."""
        added = [{"id": token_id, **flags} for token_id, flags in sorted(self.added_by_id().items())]
        return {
            "version": "1.0",
            "truncation": _truncation_to_json(self.truncation),
            "padding": _padding_to_json(self.padding),
            "added_tokens": added,
            **self.sections,
            "model": self.as_python_reads()._model_to_json(),
        }

    def _model_to_json(self) -> dict[str, Any]:
        vocabulary = self.vocabulary.to_dict()
        tokens = list(vocabulary)
        model: dict[str, Any] = {**self.model, "vocab": vocabulary}
        if model["type"] == "BPE" and "scores" in model:
            model |= {"merges": self._merges_by_score()} if "merges" not in model else {}
            model["sentencepiece"] = {**model["sentencepiece"], "scores": model.pop("scores").tolist()}
        if "merges" in model:
            sides = [tokens[place] for place in model["merges"].tolist()]
            model["merges"] = [list(pair) for pair in zip(sides[::2], sides[1::2], strict=True)]
        if "scores" in model:
            pieces = {i: piece for piece, i in vocabulary.items()}
            if len(pieces) < len(model["scores"]):
                raise UnsupportedError(
                    f"{self.path}: model.vocab has a piece twice; it cannot be written again"
                )
            model["vocab"] = [[pieces[i], score] for i, score in enumerate(model.pop("scores").tolist())]
        return model


def _for_engine(section: dict[str, Any] | None) -> dict[str, Any] | None:
    if section is None or "sentencepiece" not in section:
        return section
    exact = section["sentencepiece"]
    return None if exact is None else {**exact, "type": "SentencePiece"}


def _truncation_to_json(settings: dict[str, Any] | None) -> dict[str, Any] | None:
    if settings is None:
        return None
    (strategy,) = (name for name, meant in STRATEGIES.items() if meant == settings["strategy"])
    return {
        "direction": settings["side"].capitalize(),
        "max_length": settings["max_length"],
        "strategy": strategy,
        "stride": settings["stride"],
    }


def _padding_to_json(settings: dict[str, Any] | None) -> dict[str, Any] | None:
    if settings is None:
        return None
    length = settings["length"]
    return {
        "strategy": "BatchLongest" if length is None else {"Fixed": length},
        "direction": settings["side"].capitalize(),
        "pad_to_multiple_of": settings["multiple_of"],
        **{name: settings[name] for name in ("pad_id", "pad_type_id", "pad_token")},
    }
