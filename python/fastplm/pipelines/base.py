"""What all pipelines share: inputs to rows, rows through the model, results in the order of the inputs."""

import inspect
from collections.abc import Iterator
from typing import Any, ClassVar

from fastplm import arrays
from fastplm.models import PreTrainedModel
from fastplm.pipelines.batches import Row, run
from fastplm.pipelines.data import Results, blocks, is_stream, items_of, length_of
from fastplm.progress import progress


class PipelineException(ValueError):
    """An input that a task can do nothing with."""


class Pipeline:
    """A model and its tokenizer at work on a task. Made by `fastplm.pipeline`.

    Texts are packed without padding in batches that the pipeline chooses: a result depends neither on them
    nor on the other inputs. Safe to call from several threads at once.

    A task's class says which options it takes (`_options`), makes rows of inputs (`_prepare`), keeps what it
    needs of the model's output for a row (`_keep`) and makes a result of that (`_finish`).
    """

    block: ClassVar[int] = 512  # inputs that are read, tokenized and sorted together
    most_tokens: int = 8192  # of a batch of the model

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: Any,
        *,
        task: str,
        batch_size: int | None = None,
        **options: Any,
    ) -> None:
        self.task = task
        self.model = model
        self.tokenizer = tokenizer
        self.framework = "pt"
        self._batch_size = _check_batch_size(batch_size)
        self._given = options
        self._parsed(options)

    def __call__(
        self,
        inputs: Any,
        *,
        batch_size: int | None = None,
        num_workers: int | None = None,
        show_progress_bar: bool | None = None,
        **options: Any,
    ) -> Any:
        """The result of one input; a list of results of a list; an iterator of results of a data set
        (anything with a length and numbered items) or a generator, which are read as results are asked for.

        batch_size: at most so many rows in a batch, and inputs that are read ahead (default: 512, by length);
        1 reads none ahead. num_workers: kept for scripts. show_progress_bar: None means for lists, on a
        terminal, once the work takes a second. options: the task's, in place of those that the pipeline was
        made with.

        Raises TypeError (an unknown option, an input of another type), ValueError.
        """
        parsed = self._parsed({**self._given, **options})
        size = _check_batch_size(batch_size) or self._batch_size
        if is_stream(inputs):
            length = length_of(inputs)
            show = show_progress_bar or False
            return Results(self._stream(items_of(inputs), length, parsed, size, show), length)
        if isinstance(inputs, list):
            with progress(len(inputs), "text", show_progress_bar) as advance:
                results = []
                for block in blocks(inputs, size or self.block):
                    results += self._run(block, parsed, size)
                    advance(len(block))
                return results
        return self._run([inputs], parsed, size)[0]

    def transform(self, X: Any) -> Any:
        """The pipeline called with X, by scikit-learn's name."""
        return self(X)

    predict = transform

    @property
    def device(self) -> Any:
        """Where the model computes."""
        return self.model.device

    @property
    def dtype(self) -> Any:
        """What the model computes in."""
        return self.model.dtype

    torch_dtype = dtype

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model}, {type(self.tokenizer).__name__})"

    def _stream(
        self, items: Iterator[Any], length: int | None, options: Any, size: int | None, show: bool
    ) -> Iterator[Any]:
        with progress(length, "text", show) as advance:
            for block in blocks(items, size or self.block):
                yield from self._each(block, options, size)
                advance(len(block))

    def _each(self, block: list[Any], options: Any, size: int | None) -> Iterator[Any]:
        """The results of a block; where an input is bad, those of the inputs before it come first."""
        try:
            results = self._run(block, options, size)
        except Exception:
            if len(block) == 1:
                raise
            results = None
        if results is not None:
            yield from results
            return
        for item in block:
            yield from self._run([item], options, size)

    def _run(self, items: list[Any], options: Any, size: int | None) -> list[Any]:
        prepared = self._prepare(items, options)
        rows = [row for of_item in prepared for row in of_item]
        self._check_lengths(rows)
        kept = iter(run(self.model, rows, self._keep, most_rows=size, most_tokens=self.most_tokens))
        return [self._finish(of_item, [next(kept) for _ in of_item], options) for of_item in prepared]

    def _check_lengths(self, rows: list[Row]) -> None:
        limit = self.model.engine.max_length
        for row in rows:
            if limit is not None and len(row) > limit:
                begin = self.tokenizer.decode(row.inputs["input_ids"][:12], skip_special_tokens=True)
                raise ValueError(
                    f"{self.task}: the input that begins with {begin!r} has {len(row)} tokens; expected at "
                    f"most {limit}, all that the model takes: let the tokenizer cut it"
                )

    def _parsed(self, given: dict[str, Any]) -> Any:
        """The task's options."""
        names = inspect.signature(self._options).parameters
        if not any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in names.values()):
            for name in given.keys() - names.keys():
                raise TypeError(f"{self.task}: unexpected argument {name!r}; expected {', '.join(names)}")
        return self._options(**given)

    def _options(self) -> Any:
        """The options of a call, checked; its parameters are their names."""
        raise NotImplementedError

    def _prepare(self, items: list[Any], options: Any) -> list[list[Row]]:
        """The rows of each input."""
        raise NotImplementedError

    def _keep(self, output: Any, place: int, row: Row) -> Any:
        """What is needed of the output of the batch in which `row` has that place: arrays of their own."""
        raise NotImplementedError

    def _finish(self, rows: list[Row], kept: list[Any], options: Any) -> Any:
        """The result of the input that had these rows."""
        raise NotImplementedError


def check_positive(where: str, name: str, value: Any) -> None:
    """Raises ValueError unless `value` is an integer above 0."""
    if type(value) is not int or value < 1:
        raise ValueError(f"{where}: {name}={value!r}; expected a positive integer")


def tensor(array: arrays.F32, kind: Any) -> Any:
    """`array` as torch's ("pt" or True) or numpy's ("np")."""
    if kind == "np":
        return array
    try:
        return arrays.to_torch(array)
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            'return_tensors=True gives torch tensors, and torch is not installed; expected "np"'
        ) from None


def _check_batch_size(value: Any) -> int | None:
    if value is not None:
        check_positive("pipeline", "batch_size", value)
    return None if value is None else int(value)
