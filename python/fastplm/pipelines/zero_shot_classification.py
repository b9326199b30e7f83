"""zero-shot-classification: which of some labels fits a text, asked of a model of entailment."""

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastplm.arrays import F32
from fastplm.pipelines.base import Pipeline
from fastplm.pipelines.batches import Row
from fastplm.pipelines.numbers import softmax
from fastplm.pipelines.tokenizing import check_texts, rows_of


class Options(NamedTuple):
    labels: list[str] | None
    template: str
    multi_label: bool


class ZeroShotClassificationPipeline(Pipeline):
    """Gives {"sequence", "labels", "scores"} of a text, the likeliest label first.

    Each label becomes a hypothesis, and the model's score of its entailment by the text counts. Long texts
    are cut, hypotheses are not.
    """

    block = 64  # each has a row for each label

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.entailment_id == -1:
            warnings.warn(
                "label2id of the model's config names no label that begins with 'entail': the last is taken "
                "for it",
                stacklevel=3,
            )

    @property
    def entailment_id(self) -> int:
        """The number of the label "entailment"; -1: none has that name."""
        for label, number in self.model.config.label2id.items():
            if str(label).lower().startswith("entail"):
                return int(number)
        return -1

    def __call__(self, sequences: Any, *labels: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """As every pipeline, with the candidate labels as the second argument or by name."""
        if len(labels) > 1 or (labels and "candidate_labels" in kwargs):
            raise ValueError(f"{self.task}: {len(labels)} arguments by position; expected labels once")
        if labels:
            kwargs["candidate_labels"] = labels[0]
        if isinstance(sequences, list) and not sequences:
            raise ValueError(f"{self.task}: no texts; expected at least one")
        return super().__call__(sequences, **kwargs)

    def _options(
        self,
        candidate_labels: str | Sequence[str] | None = None,
        hypothesis_template: str = "This example is {}.",
        multi_label: bool = False,
        multi_class: bool | None = None,
    ) -> Options:
        """candidate_labels: a list, or a str with commas between them. hypothesis_template: has {} where the
        label goes. multi_label: several may fit, so that each is scored by itself (entailment against
        contradiction). multi_class: its older name.
        """
        if multi_class is not None:
            warnings.warn("multi_class is deprecated: use multi_label", stacklevel=5)
            multi_label = multi_class
        if isinstance(candidate_labels, str):
            candidate_labels = [label.strip() for label in candidate_labels.split(",") if label.strip()]
        if candidate_labels is not None:
            candidate_labels = list(candidate_labels)
            check_texts(f"{self.task}: candidate_labels", candidate_labels)
            if not candidate_labels:
                raise ValueError(f"{self.task}: candidate_labels is empty; expected at least one label")
            if hypothesis_template.format(candidate_labels[0]) == hypothesis_template:
                raise ValueError(
                    f"{self.task}: hypothesis_template={hypothesis_template!r}; expected {{}} for the label"
                )
        return Options(candidate_labels, hypothesis_template, multi_label)

    def _prepare(self, items: list[Any], options: Options) -> list[list[Row]]:
        check_texts(self.task, items)
        if options.labels is None:
            raise ValueError(f"{self.task}: no candidate_labels; expected at least one label")
        if not all(items):
            raise ValueError(f"{self.task}: an empty text; expected at least one character")
        hypotheses = [options.template.format(label) for label in options.labels]
        texts = [text for text in items for _ in hypotheses]
        rows = iter(self._tokenize(texts, hypotheses * len(items)))
        return [[Row(next(rows), (text, options.labels)) for _ in hypotheses] for text in items]

    def _tokenize(self, texts: list[str], hypotheses: list[str]) -> list[dict[str, list[int]]]:
        try:
            return rows_of(self.tokenizer(texts, hypotheses, truncation="only_first"))
        except ValueError:  # a text is too short to cut enough of it: like transformers, it is not cut then
            if len(texts) == 1:
                return rows_of(self.tokenizer(texts, hypotheses, truncation=False))
            pairs = zip(texts, hypotheses, strict=True)
            return [row for text, hypothesis in pairs for row in self._tokenize([text], [hypothesis])]

    def _keep(self, output: Any, place: int, row: Row) -> F32:
        logits: F32 = output["logits"][place]
        return logits

    def _finish(self, rows: list[Row], kept: list[Any], options: Options) -> dict[str, Any]:
        text, labels = rows[0].note
        logits = np.stack(kept)  # [labels, classes]
        entails = self.entailment_id
        if options.multi_label or len(labels) == 1:
            contradicts = -1 if entails == 0 else 0
            scores = softmax(logits[:, [contradicts, entails]])[:, 1]
        else:
            scores = softmax(logits[:, entails])
        order = scores.argsort(kind="stable")[::-1]
        return {"sequence": text, "labels": [labels[i] for i in order], "scores": scores[order].tolist()}
