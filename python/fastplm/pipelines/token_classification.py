"""token-classification: the labels of a text's tokens, or the entities that they make up."""

import warnings
from itertools import groupby
from typing import Any, NamedTuple

from fastplm.arrays import F32
from fastplm.errors import UnsupportedError
from fastplm.pipelines.base import Pipeline
from fastplm.pipelines.batches import Row
from fastplm.pipelines.entities import (
    STRATEGIES,
    Token,
    continues_by_prefix,
    continues_by_space,
    entities_of,
    warn_of_words,
    without_overlaps,
)
from fastplm.pipelines.numbers import class_names, softmax
from fastplm.pipelines.tokenizing import rows_of


class Options(NamedTuple):
    strategy: str
    ignored: list[str]
    stride: int | None  # None: a text is cut to the tokenizer's model_max_length
    delimiter: str | None  # None: inputs are texts; else lists of words


class Note(NamedTuple):
    """What a row's results need to know of it."""

    sentence: str
    special: list[int]
    offsets: list[tuple[int, int]]


class TokenClassificationPipeline(Pipeline):
    """Gives dicts with entity, score, index, word, start and end for each token; with an
    aggregation_strategy, entity_group in place of entity for each entity, and no index.
    """

    def __call__(self, inputs: Any, **kwargs: Any) -> Any:
        """As every pipeline; with is_split_into_words, a list of words is a list of one text."""
        if isinstance(inputs, list):
            if not inputs:
                raise ValueError(f"{self.task}: no texts; expected at least one")
            split = kwargs.get("is_split_into_words", self._given.get("is_split_into_words"))
            if split and not all(isinstance(item, list) for item in inputs):
                inputs = [inputs]
        return super().__call__(inputs, **kwargs)

    def _options(
        self,
        ignore_labels: list[str] | None = None,
        grouped_entities: bool | None = None,
        ignore_subwords: bool | None = None,
        aggregation_strategy: Any = None,
        offset_mapping: Any = None,
        is_split_into_words: bool = False,
        stride: int | None = None,
        delimiter: str | None = None,
    ) -> Options:
        """ignore_labels: default ["O"]. aggregation_strategy: "none" (the default), "simple", "first",
        "average" or "max". stride: tokens that overlap, with which long texts are read in several rows.
        is_split_into_words: texts are lists of words, and offsets those in the words with `delimiter` between
        (default: a space). grouped_entities, ignore_subwords: the older way to say the strategy.
        """
        if offset_mapping is not None:
            raise UnsupportedError(
                f"{self.task}: offset_mapping; expected None: fastplm's tokenizers give the offsets"
            )
        if delimiter is not None and not is_split_into_words:
            raise ValueError(
                f"{self.task}: delimiter={delimiter!r}; expected it with is_split_into_words=True"
            )
        if grouped_entities is not None or ignore_subwords is not None:
            aggregation_strategy = "none"
            if grouped_entities:
                aggregation_strategy = "first" if ignore_subwords else "simple"
            warnings.warn(
                "grouped_entities and ignore_subwords are deprecated: use "
                f"aggregation_strategy={aggregation_strategy!r}",
                stacklevel=5,
            )
        given = getattr(aggregation_strategy, "value", aggregation_strategy)  # transformers has an enum
        strategy = "none" if given is None else str(given).lower()
        if strategy not in STRATEGIES:
            raise ValueError(
                f"{self.task}: aggregation_strategy={given!r}; expected one of {', '.join(STRATEGIES)}"
            )
        if stride is not None:
            limit = self.tokenizer.model_max_length
            if type(stride) is not int or not 0 <= stride < limit:
                raise ValueError(
                    f"{self.task}: stride={stride!r}; expected 0 or more, and less than the tokenizer's "
                    f"model_max_length, {limit}"
                )
            if strategy == "none" and given is not None:
                raise ValueError(f"{self.task}: stride={stride} with no strategy to aggregate; expected one")
        ignored = ["O"] if ignore_labels is None else list(ignore_labels)
        delimiter = (" " if delimiter is None else delimiter) if is_split_into_words else None
        return Options(strategy, ignored, stride, delimiter)

    def _prepare(self, items: list[Any], options: Options) -> list[list[Row]]:
        words = options.delimiter is not None
        for number, item in enumerate(items):
            of_words = isinstance(item, list) and all(isinstance(word, str) for word in item)
            if not (of_words if words else isinstance(item, str)):
                expected = "a list of str" if words else "a str"
                raise ValueError(f"{self.task}: input {number} is {type(item).__name__}; expected {expected}")
        chunks: dict[str, Any] = {}
        if options.stride is not None:
            chunks = {"return_overflowing_tokens": True, "stride": options.stride}
        encoded = self.tokenizer(
            items, truncation=self.tokenizer.model_max_length > 0, is_split_into_words=words,
            return_special_tokens_mask=True, return_offsets_mapping=True, **chunks,
        )  # fmt: skip
        of_item = encoded.get("overflow_to_sample_mapping", range(len(items)))
        rows = []
        for number, inputs in enumerate(rows_of(encoded)):
            item, offsets = items[of_item[number]], encoded["offset_mapping"][number]
            if options.delimiter is not None:
                offsets = _in_sentence(offsets, encoded.word_ids(number), item, len(options.delimiter))
            sentence = item if options.delimiter is None else options.delimiter.join(item)
            rows.append(Row(inputs, Note(sentence, encoded["special_tokens_mask"][number], offsets)))
        by_item = groupby(range(len(rows)), key=lambda number: of_item[number])
        return [[rows[number] for number in numbers] for _, numbers in by_item]

    def _keep(self, output: Any, place: int, row: Row) -> F32:
        return softmax(output["logits"][place, : len(row)])  # [tokens, labels]

    def _finish(self, rows: list[Row], kept: list[Any], options: Options) -> list[dict[str, Any]]:
        labels = class_names(self.model, kept[0].shape[-1])
        join = self.tokenizer.convert_tokens_to_string
        entities = []
        for row, scores in zip(rows, kept, strict=True):
            tokens = self._tokens(row, scores, options.strategy)
            entities += entities_of(tokens, options.strategy, labels, options.ignored, join)
        return without_overlaps(entities) if len(rows) > 1 else entities

    def _tokens(self, row: Row, scores: F32, strategy: str) -> list[Token]:
        """The tokens of the row that are text."""
        note: Note = row.note
        ids = row.inputs["input_ids"]
        words = self.tokenizer.convert_ids_to_tokens(ids)
        marked = bool(self.tokenizer._source.model.get("continuing_subword_prefix"))
        if not marked:
            warn_of_words(strategy)
        tokens = []
        for i, (start, end) in enumerate(note.offsets):
            if note.special[i]:
                continue
            word, text = words[i], note.sentence[start:end]
            if marked:
                continues = continues_by_prefix(word, text)
            else:
                continues = continues_by_space(note.sentence, start)
            if ids[i] == self.tokenizer.unk_token_id:
                word, continues = text, False
            tokens.append(Token(word, scores[i], start, end, i, continues))
        return tokens


def _in_sentence(
    offsets: list[tuple[int, int]], word_ids: list[int | None], words: list[str], gap: int
) -> list[tuple[int, int]]:
    """Offsets within words as offsets within all of them, with `gap` characters between."""
    begins, begin = [], 0
    for word in words:
        begins.append(begin)
        begin += len(word) + gap
    return [
        (start, end) if word is None else (start + begins[word], end + begins[word])
        for (start, end), word in zip(offsets, word_ids, strict=True)
    ]
