"""text-classification: the class of a text or of a pair of texts."""

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

from fastplm.arrays import F32
from fastplm.pipelines.base import Pipeline, check_positive
from fastplm.pipelines.batches import Row
from fastplm.pipelines.numbers import class_names, sigmoid, softmax
from fastplm.pipelines.tokenizing import tokenize, tokenizer_arguments

_FUNCTIONS = {"sigmoid": sigmoid, "softmax": softmax, "none": lambda logits: logits}
_UNSET: Any = object()


class Options(NamedTuple):
    top_k: int | None  # None: all
    legacy: bool  # no top_k was named: one class alone is no list, and all of them are in their own order
    function: Any
    tokenizer: dict[str, Any]


class TextClassificationPipeline(Pipeline):
    """Gives the classes of a text as dicts with label and score.

    A text is a str, {"text": ..., "text_pair": ...}, or [[text, pair]].
    """

    def __call__(self, inputs: Any, **kwargs: Any) -> Any:
        """As every pipeline; a str alone gives a list of one result, unless the call names top_k."""
        results = super().__call__(inputs, **kwargs)
        return [results] if isinstance(inputs, str) and "top_k" not in kwargs else results

    def _options(
        self,
        return_all_scores: bool | None = None,
        function_to_apply: Any = None,
        top_k: int | None = _UNSET,
        **tokenizer_kwargs: Any,
    ) -> Options:
        """top_k: how many classes, the likeliest first; None: all. function_to_apply: "sigmoid", "softmax" or
        "none"; default: what the config's problem_type and number of labels say. return_all_scores: the older
        way to say top_k. tokenizer_kwargs: arguments of the tokenizer, such as truncation=True.
        """
        arguments = tokenizer_arguments(self.task, tokenizer_kwargs)
        legacy = top_k is _UNSET
        if legacy:
            if return_all_scores is not None:
                warnings.warn(
                    "return_all_scores is deprecated: use top_k=None for True, top_k=1 for False",
                    stacklevel=5,
                )
            else:
                return_all_scores = self.model.config.get("return_all_scores")
            top_k = None if return_all_scores else 1
        elif top_k is not None:
            check_positive(self.task, "top_k", top_k)
        return Options(top_k, legacy, self._function(function_to_apply), arguments)

    def _function(self, given: Any) -> Any:
        if given is None:
            config = self.model.config
            if config.problem_type == "regression":
                given = "none"
            elif config.problem_type == "multi_label_classification" or config.num_labels == 1:
                given = "sigmoid"
            else:
                given = "softmax"
        name = str(getattr(given, "value", given)).lower()  # transformers has an enum of them
        if name not in _FUNCTIONS:
            raise ValueError(
                f"{self.task}: function_to_apply={given!r}; expected one of {', '.join(_FUNCTIONS)}"
            )
        return _FUNCTIONS[name]

    def _prepare(self, items: list[Any], options: Options) -> list[list[Row]]:
        pairs = [self._pair(item) for item in items]
        texts, seconds = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        return [[Row(inputs)] for inputs in tokenize(self.tokenizer, texts, seconds, options.tokenizer)]

    def _pair(self, item: Any) -> tuple[str, str | None]:
        if isinstance(item, str):
            return item, None
        text: Any = None
        second: Any = None
        if isinstance(item, Mapping) and item.keys() <= {"text", "text_pair"}:
            text, second = item.get("text"), item.get("text_pair")
        elif isinstance(item, list) and len(item) == 1 and isinstance(item[0], list) and len(item[0]) == 2:
            text, second = item[0]
        if not isinstance(text, str) or not isinstance(second, str | None):
            raise ValueError(
                f'{self.task}: an input is {str(item)[:60]}; expected a str or {{"text": a str, "text_pair": '
                "a str}"
            )
        return text, second

    def _keep(self, output: Any, place: int, row: Row) -> F32:
        logits: F32 = output["logits"][place]
        return logits

    def _finish(self, rows: list[Row], kept: list[Any], options: Options) -> Any:
        scores: F32 = options.function(kept[0])
        names = class_names(self.model, len(scores))
        if options.top_k == 1 and options.legacy:
            best = int(scores.argmax())
            return {"label": names[best], "score": float(scores[best])}
        labels = [{"label": n, "score": s} for n, s in zip(names, scores.tolist(), strict=True)]
        if options.legacy:
            return labels
        return sorted(labels, key=lambda label: -label["score"])[: options.top_k]
