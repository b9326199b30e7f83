"""question-answering: the part of a context that answers a question."""

import warnings
from collections.abc import Mapping
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from fastplm.arrays import F32
from fastplm.pipelines.base import Pipeline, check_positive
from fastplm.pipelines.batches import Row
from fastplm.pipelines.data import is_stream
from fastplm.pipelines.spans import best_spans
from fastplm.pipelines.tokenizing import rows_of
from fastplm.tokenizers.base.shape import PADDINGS, strategy
from fastplm.tokenizers.result.encoding import Encoding


class Options(NamedTuple):
    top_k: int
    doc_stride: int
    max_answer_len: int
    max_seq_len: int
    max_question_len: int | None
    handle_impossible_answer: bool
    align_to_words: bool


class Note(NamedTuple):
    """What a row's answers need to know of it."""

    context: str
    allowed: Any  # booleans [tokens]: of the context, or the classifier's token
    encoding: Encoding


class QuestionAnsweringPipeline(Pipeline):
    """Gives the answer to a question about a context: a dict with score, start, end (characters of the
    context) and answer; a list of them if more than one is asked for and found.
    """

    block = 128

    def __call__(self, *args: Any, question: Any = None, context: Any = None, **kwargs: Any) -> Any:
        """The inputs as question= and context= (a str each, or lists; one context may serve many questions);
        or as {"question": ..., "context": ...}, a list of them, or a data set or generator of them.

        A list of one gives its result alone. Options: see `_options`; the others are those of every pipeline.
        """
        for older in ("data", "X"):
            if older in kwargs:
                args = (*args, kwargs.pop(older))
        inputs = self._inputs(args, question, context)
        if not isinstance(inputs, list):
            return super().__call__(inputs, **kwargs)
        examples = [_example(self.task, item) for item in inputs]
        results = super().__call__(examples, **kwargs)
        return results[0] if len(examples) == 1 else results

    def _inputs(self, args: tuple[Any, ...], question: Any, context: Any) -> Any:
        """A list of examples, or a data set or generator of them."""
        if args:
            if question is not None or context is not None:
                raise ValueError(f"{self.task}: inputs both by position and by name; expected one of them")
            if len(args) == 1:
                single = not isinstance(args[0], list | tuple) and not is_stream(args[0])
                return [args[0]] if single else list(args[0]) if isinstance(args[0], tuple) else args[0]
            if len(args) == 2 and all(isinstance(arg, str) for arg in args):
                return [{"question": args[0], "context": args[1]}]
            return list(args)
        questions = [question] if isinstance(question, str) else question
        contexts = [context] * len(questions or ()) if isinstance(context, str) else context
        if not isinstance(questions, list) or not isinstance(contexts, list):
            raise ValueError(f"{self.task}: expected question= and context=, each a str or a list of str")
        if len(questions) != len(contexts):
            raise ValueError(
                f"{self.task}: {len(questions)} questions and {len(contexts)} contexts; expected as many"
            )
        return [{"question": q, "context": c} for q, c in zip(questions, contexts, strict=True)]

    def _options(
        self,
        padding: Any = None,
        topk: int | None = None,
        top_k: int | None = None,
        doc_stride: int | None = None,
        max_answer_len: int | None = None,
        max_seq_len: int | None = None,
        max_question_len: int | None = None,
        handle_impossible_answer: bool | None = None,
        align_to_words: bool | None = None,
    ) -> Options:
        """top_k: answers (default 1; topk is its older name). max_seq_len: tokens of a row (default: the
        tokenizer's limit, at most 384); longer contexts are read in several rows that overlap by doc_stride
        tokens (default: half a row, at most 128). max_answer_len: in tokens (default 15). max_question_len:
        to which questions are cut (default: they are not). handle_impossible_answer: "" may be the answer.
        align_to_words: answers begin and end with words (the default). padding has no effect.
        """
        strategy("padding", padding, PADDINGS)
        if topk is not None and top_k is None:
            warnings.warn("topk is deprecated: use top_k", stacklevel=5)
            top_k = topk
        limit = min(self.tokenizer.model_max_length, 384) if max_seq_len is None else max_seq_len
        lengths = {
            "top_k": 1 if top_k is None else top_k,
            "doc_stride": min(limit // 2, 128) if doc_stride is None else doc_stride,
            "max_answer_len": 15 if max_answer_len is None else max_answer_len,
            "max_seq_len": limit,
        }
        for name, value in lengths.items():
            if name != "doc_stride" or value != 0:
                check_positive(self.task, name, value)
        if max_question_len is not None:
            check_positive(self.task, "max_question_len", max_question_len)
        if lengths["doc_stride"] > limit:
            raise ValueError(
                f"{self.task}: doc_stride={doc_stride}; expected at most max_seq_len, which is {limit}"
            )
        return Options(
            **lengths,
            max_question_len=max_question_len,
            handle_impossible_answer=bool(handle_impossible_answer),
            align_to_words=align_to_words is None or bool(align_to_words),
        )

    def _prepare(self, items: list[Any], options: Options) -> list[list[Row]]:
        examples = [_example(self.task, item) for item in items]
        questions = [example["question"] for example in examples]
        if options.max_question_len is not None:
            questions = [self._cut(question, options.max_question_len) for question in questions]
        contexts = [example["context"] for example in examples]
        question_first = self.tokenizer.padding_side == "right"
        encoded = self.tokenizer(
            questions if question_first else contexts,
            contexts if question_first else questions,
            truncation="only_second" if question_first else "only_first",
            max_length=options.max_seq_len,
            stride=options.doc_stride,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        rows = []
        for number, inputs in enumerate(rows_of(encoded)):
            encoding = encoded[number]
            of_context = np.array(encoding.sequence_ids) == int(question_first)
            classifier = np.array(encoding.ids) == self.tokenizer.cls_token_id
            context = contexts[encoded["overflow_to_sample_mapping"][number]]
            rows.append(Row(inputs, Note(context, of_context | classifier, encoding)))
        by_item = groupby(range(len(rows)), key=encoded["overflow_to_sample_mapping"].__getitem__)
        return [[rows[number] for number in numbers] for _, numbers in by_item]

    def _cut(self, question: str, most: int) -> str:
        """The part of a question that its first `most` tokens cover."""
        encoded = self.tokenizer(
            question, add_special_tokens=False, truncation=True, max_length=most, return_offsets_mapping=True
        )
        return question[: max((end for _, end in encoded["offset_mapping"]), default=0)]

    def _keep(self, output: Any, place: int, row: Row) -> tuple[F32, F32]:
        return output["start_logits"][place, : len(row)], output["end_logits"][place, : len(row)]

    def _finish(self, rows: list[Row], kept: list[Any], options: Options) -> Any:
        # Several spans are one answer once they are aligned to words.
        most = options.top_k * 2 + 10 if options.align_to_words else options.top_k
        found: dict[str, dict[str, Any]] = {}
        no_answer = 1.0
        for row, (start, end) in zip(rows, kept, strict=True):
            note: Note = row.note
            spans = best_spans(start, end, note.allowed, most, options.max_answer_len)
            no_answer = min(no_answer, spans.no_answer)
            places = _places(note.encoding, options.align_to_words)
            for first, last, score in zip(*(a.tolist() for a in spans[:3]), strict=True):
                begin, stop = places[first][0], places[last][1]
                answer = note.context[begin:stop]
                if (same := found.get(answer.lower())) is not None:
                    same["score"] += score
                else:
                    found[answer.lower()] = {"score": score, "start": begin, "end": stop, "answer": answer}
        answers = list(found.values())
        if options.handle_impossible_answer or not answers:
            score = no_answer if options.handle_impossible_answer else 0.0
            answers.append({"score": score, "start": 0, "end": 0, "answer": ""})
        answers = sorted(answers, key=lambda answer: -answer["score"])[: options.top_k]
        return answers[0] if len(answers) == 1 else answers


def _example(task: str, item: Any) -> dict[str, str]:
    """A dict with question and context, of one or of transformers' SquadExample."""
    if hasattr(item, "question_text") and hasattr(item, "context_text"):
        item = {"question": item.question_text, "context": item.context_text}
    if not isinstance(item, Mapping):
        raise ValueError(f'{task}: an input is a {type(item).__name__}; expected {{"question":, "context":}}')
    example = {}
    for name in ("question", "context"):
        if name not in item:
            raise KeyError(f'{task}: an input has no {name}; expected {{"question":, "context":}}')
        if not isinstance(item[name], str) or not item[name]:
            raise ValueError(f"{task}: {name} is {str(item[name])[:60]!r}; expected a str that is not empty")
        example[name] = item[name]
    return example


def _places(encoding: Encoding, of_words: bool) -> list[tuple[int, int]]:
    """For each token the characters of it, or of its word."""
    places = encoding.offsets
    if not of_words:
        return places
    keys = list(zip(encoding.sequence_ids, encoding.word_ids, strict=True))
    words: dict[Any, tuple[int, int]] = {}
    for key, (begin, end) in zip(keys, places, strict=True):
        words[key] = (words[key][0] if key in words else begin, end)
    return [place if None in key else words[key] for key, place in zip(keys, places, strict=True)]
