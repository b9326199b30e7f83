"""feature-extraction: the vectors of a text's tokens."""

from typing import Any, NamedTuple

from fastplm.arrays import F32
from fastplm.pipelines.base import Pipeline, tensor
from fastplm.pipelines.batches import Row
from fastplm.pipelines.tokenizing import check_texts, tokenize, tokenizer_arguments


class Options(NamedTuple):
    tokenizer: dict[str, Any]
    tensors: bool | str


class FeatureExtractionPipeline(Pipeline):
    """Gives the first output of the model for a text: lists of floats [1, tokens, width]."""

    block = 64  # results are large

    def _options(
        self,
        truncation: bool | str | None = None,
        tokenize_kwargs: dict[str, Any] | None = None,
        return_tensors: bool | str | None = None,
    ) -> Options:
        """return_tensors: True (or "pt") for torch tensors, "np" for numpy arrays."""
        given = dict(tokenize_kwargs or {})
        if truncation is not None:
            if "truncation" in given:
                raise ValueError(f"{self.task}: truncation is in tokenize_kwargs too; expected it once")
            given["truncation"] = truncation
        if return_tensors not in (None, False, True, "pt", "np"):
            raise ValueError(
                f'{self.task}: return_tensors={return_tensors!r}; expected True, False, "pt" or "np"'
            )
        return Options(tokenizer_arguments(f"{self.task}: tokenize_kwargs", given), return_tensors or False)

    def _prepare(self, items: list[Any], options: Options) -> list[list[Row]]:
        check_texts(self.task, items)
        rows = tokenize(self.tokenizer, items, [None] * len(items), options.tokenizer)
        return [[Row(inputs)] for inputs in rows]

    def _keep(self, output: Any, place: int, row: Row) -> F32:
        features: F32 = output[0][place, : len(row)].copy()
        return features

    def _finish(self, rows: list[Row], kept: list[Any], options: Options) -> Any:
        features = kept[0][None]
        return tensor(features, options.tensors) if options.tensors else features.tolist()
