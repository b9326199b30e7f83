"""fill-mask: the likeliest tokens in place of a mask."""

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastplm.arrays import F32, Array
from fastplm.pipelines.base import Pipeline, PipelineException, check_positive
from fastplm.pipelines.batches import Row
from fastplm.pipelines.numbers import largest, softmax
from fastplm.pipelines.tokenizing import check_texts, tokenize, tokenizer_arguments

_LOGITS = 1 << 25  # of a batch: its tokens times the vocabulary, in float32 128 MiB


class Options(NamedTuple):
    top_k: int
    targets: Array | None  # ids
    tokenizer: dict[str, Any]


class FillMaskPipeline(Pipeline):
    """Gives the likeliest tokens for the mask of a text, as dicts with score, token, token_str and sequence;
    a list of such lists if there are several masks, each filled by itself.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.most_tokens = max(1, min(self.most_tokens, _LOGITS // self.model.engine.vocab_size))

    def __call__(self, inputs: Any, **kwargs: Any) -> Any:
        """As every pipeline; a list of one text gives its result alone. See `_options`."""
        results = super().__call__(inputs, **kwargs)
        return results[0] if isinstance(inputs, list) and len(inputs) == 1 else results

    def _options(
        self,
        top_k: int | None = None,
        targets: str | Sequence[str] | None = None,
        tokenizer_kwargs: dict[str, Any] | None = None,
    ) -> Options:
        """top_k: how many tokens (default 5). targets: the only ones to choose from; of one that is no token,
        the first token of its text counts, with a warning.
        """
        if self.tokenizer.mask_token_id is None:
            raise PipelineException(f"{self.task}: the tokenizer has no mask_token")
        top_k = 5 if top_k is None else top_k
        check_positive(self.task, "top_k", top_k)
        arguments = tokenizer_arguments(f"{self.task}: tokenizer_kwargs", tokenizer_kwargs or {})
        return Options(top_k, None if targets is None else self._target_ids(targets), arguments)

    def _target_ids(self, targets: str | Sequence[str]) -> Array:
        targets = [targets] if isinstance(targets, str) else list(targets)
        check_texts(f"{self.task}: targets", targets)
        ids = {found for target in targets if (found := self._target_id(target)) is not None}
        if not ids:
            raise ValueError(f"{self.task}: targets={targets!r}; expected at least one token")
        return np.array(sorted(ids))

    def _target_id(self, target: str) -> int | None:
        tokenizer = self.tokenizer
        known: int | None = tokenizer.convert_tokens_to_ids(target)
        if known is not None and tokenizer.convert_ids_to_tokens(known) == target:
            return known
        pieces = tokenizer(target, add_special_tokens=False, max_length=1, truncation=True)["input_ids"]
        what = "ignored" if not pieces else f"replaced with {tokenizer.convert_ids_to_tokens(pieces[0])!r}"
        warnings.warn(f"the target {target!r} is not in the model's vocabulary: {what}", stacklevel=6)
        return pieces[0] if pieces else None

    def _prepare(self, items: list[Any], options: Options) -> list[list[Row]]:
        check_texts(self.task, items)
        mask = self.tokenizer.mask_token_id
        rows: list[list[Row]] = []
        for inputs in tokenize(self.tokenizer, items, [None] * len(items), options.tokenizer):
            masks = [i for i, token in enumerate(inputs["input_ids"]) if token == mask]
            if not masks:
                text = items[len(rows)]
                raise PipelineException(
                    f"{self.task}: no {self.tokenizer.mask_token} in {text[:60]!r}; expected at least one"
                )
            rows.append([Row(inputs, masks)])
        return rows

    def _keep(self, output: Any, place: int, row: Row) -> F32:
        return softmax(output["logits"][place, row.note])  # [masks, vocabulary]

    def _finish(self, rows: list[Row], kept: list[Any], options: Options) -> Any:
        masks: list[int] = rows[0].note
        ids: list[int] = rows[0].inputs["input_ids"]
        results = []
        for mask, scores in zip(masks, kept[0], strict=True):
            chosen = scores if options.targets is None else scores[options.targets]
            best = largest(chosen, options.top_k)
            tokens = best if options.targets is None else options.targets[best]
            filled = zip(chosen[best].tolist(), tokens.tolist(), strict=True)
            results.append([self._filled(ids, mask, score, token, len(masks)) for score, token in filled])
        return results[0] if len(masks) == 1 else results

    def _filled(self, ids: list[int], mask: int, score: float, token: int, masks: int) -> dict[str, Any]:
        padding = self.tokenizer.pad_token_id
        text = [i for i in (*ids[:mask], token, *ids[mask + 1 :]) if i != padding]
        return {
            "score": score,
            "token": token,
            "token_str": self.tokenizer.decode([token]),
            # Other masks are special tokens too, and stay.
            "sequence": self.tokenizer.decode(text, skip_special_tokens=masks == 1),
        }
