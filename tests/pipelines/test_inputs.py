"""What goes into a pipeline and how: streams, data sets, batches, and inputs that are refused."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import fastplm
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.pipelines import KeyDataset, KeyPairDataset
from fastplm.pipelines.base import PipelineException
from fastplm.pipelines.entities import without_overlaps
from fastplm.pipelines.numbers import largest, sigmoid
from tests.pipelines.cases import ASK, ASKED, BEGUN, CONTEXT, LABELS, LONG, MASKED, ODD, RAGGED, TEXT

TEXTS = [*(t for t in ODD if t.strip()), TEXT, LONG, "a", TEXT[:9], *(LONG[i : i + 31] for i in range(40))]
SHORT = [text for text in TEXTS if len(text) < 50]

# Task: the model, the inputs made of a text, options.
TASKS: dict[str, tuple[str, Callable[[str], Any], dict[str, Any]]] = {
    "feature-extraction": ("features", lambda text: text, {"truncation": True, "return_tensors": "np"}),
    "fill-mask": ("mask", lambda text: f"{text[:40]} [MASK]", {}),
    "text-classification": ("feelings", lambda text: text, {"truncation": True, "top_k": None}),
    "token-classification": ("entities", lambda text: text, {"stride": 4, "aggregation_strategy": "max"}),
    "question-answering": (
        "answers", lambda text: {"question": "who ?", "context": text}, {"max_seq_len": 24, "doc_stride": 5},
    ),
    "zero-shot-classification": ("relations", lambda text: text, {"candidate_labels": LABELS}),
    "text-generation": ("gpt2 text", lambda text: text[:40], {"max_new_tokens": 5, "seed": 7}),
    "summarization": (
        "bart text", lambda text: text[:40], {"max_new_tokens": 5, "num_beams": 2, "num_return_sequences": 2},
    ),
}  # fmt: skip


@pytest.mark.parametrize("task", TASKS)
def test_results_depend_on_no_other_input(task: str, folder: Any) -> None:
    model, make, options = TASKS[task]
    pipe = fastplm.pipeline(task, model=folder(model))
    inputs = [make(text) for text in TEXTS]

    def results(given: Any, **batch: Any) -> list[str]:
        return [repr(result) for result in pipe(given, **options, **batch)]

    alone = [repr(pipe(item, **options)) for item in inputs]
    assert results(inputs) == alone
    assert results(inputs, batch_size=3) == alone
    assert results(inputs[::-1]) == alone[::-1]
    assert results(item for item in inputs) == alone


@pytest.mark.parametrize("model", ["gpt2 feelings", "bart relations"])
def test_classifiers_of_decoders_in_batches(model: str, folder: Any) -> None:
    pipe = fastplm.pipeline("text-classification", model=folder(model), top_k=None)
    inputs = ["a", "a</s>b", TEXT, "</s></s>", "the cat", "x</s>"]
    assert [repr(result) for result in pipe(inputs)] == [repr(pipe(text, top_k=None)) for text in inputs]


def test_lengths_that_count_the_prompt_in_batches(folder: Any) -> None:
    pipe = fastplm.pipeline("text-generation", model=folder("gpt2 text"), do_sample=False)
    for lengths in ({"max_length": 30}, {"min_length": 25, "max_new_tokens": 20}):
        alone = [pipe(text, return_tensors=True, **lengths) for text in ["a", *RAGGED, "the"]]
        assert pipe(["a", *RAGGED, "the"], return_tensors=True, **lengths) == alone


def test_chats_in_a_stream(folder: Any) -> None:
    pipe = fastplm.pipeline("text-generation", model=folder("llama chat"), do_sample=False, max_new_tokens=3)
    chats = [ASK, BEGUN, tuple(ASK)]
    assert list(pipe(chat for chat in chats)) == pipe(chats) == [pipe(chat) for chat in chats]


def test_a_caller_s_functions_see_one_prompt(folder: Any) -> None:
    pipe = fastplm.pipeline("text-generation", model=folder("gpt2 text"), do_sample=False, max_new_tokens=3)
    seen: list[int] = []

    def stops(ids: Any, _: Any) -> Any:
        seen.append(len(ids))
        return [True] * len(ids)

    results = pipe(["a", "the cat", "in"], stopping_criteria=[stops], return_tensors=True)
    assert seen == [1, 1, 1] and all(len(row[0]["generated_token_ids"]) < 8 for row in results)


class Numbered:
    """A data set as torch's: items by number, and a length."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items
        self.read: list[int] = []

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, i: int) -> Any:
        self.read.append(i)
        return self.items[i]


def test_drafts_are_of_one_prompt(folder: Any) -> None:
    pipe = fastplm.pipeline("text-generation", model=folder("gpt2 text"))
    options = {"max_new_tokens": 6, "do_sample": False}
    want = pipe(TEXTS[:4], **options)
    assert pipe(TEXTS[:4], **options, prompt_lookup_num_tokens=3) == want
    assert pipe(TEXTS[:4], **options, assistant_model=pipe.model) == want


def test_data_sets(folder: Any) -> None:
    pipe = fastplm.pipeline("text-classification", model=folder("feelings"))
    rows = [{"first": text, "second": "where ?"} for text in TEXTS[:5]]
    want = pipe(TEXTS[:5])
    results = pipe(KeyDataset(rows, "first"))
    assert len(results) == 5 and list(results) == want
    pairs = [{"text": text, "text_pair": "where ?"} for text in TEXTS[:5]]
    assert list(pipe(KeyPairDataset(rows, "first", "second"))) == pipe(pairs)
    assert list(pipe(Numbered(pairs))) == pipe(pairs)  # a data set of dicts
    assert list(pipe(np.array(TEXTS[:5]).tolist())) == want
    assert list(pipe([])) == [] and list(pipe(iter([]))) == []


def test_a_stream_is_read_as_its_results_are(folder: Any) -> None:
    pipe = fastplm.pipeline("text-classification", model=folder("feelings"))
    data = Numbered(TEXTS)
    results = pipe(data, batch_size=2)
    assert data.read == []
    next(results)
    assert data.read == [0, 1]
    asked: list[Any] = []

    def answered() -> Iterator[str]:  # each text is known once there is a result of the one before
        for number in range(3):
            assert len(asked) == number
            yield TEXT

    for result in pipe(answered(), batch_size=1):
        asked.append(result)
    assert len(asked) == 3
    with pytest.raises(TypeError, match="no length"):
        len(pipe(iter(TEXTS)))


def test_a_generator_that_raises(folder: Any) -> None:
    pipe = fastplm.pipeline("text-classification", model=folder("feelings"))

    def texts() -> Iterator[str]:
        yield from TEXTS[:7]
        raise OSError("the disk is gone")

    got = []
    with pytest.raises(OSError, match="the disk is gone"):
        for result in pipe(texts(), batch_size=5):
            got.append(result)
    assert got == pipe(TEXTS[:7])


def test_a_bad_input_in_a_stream_comes_after_the_results_before_it(folder: Any) -> None:
    pipe = fastplm.pipeline("fill-mask", model=folder("mask"))
    got = []
    with pytest.raises(PipelineException, match=r"no \[MASK\] in 'a cat'"):
        for result in pipe(iter([MASKED, "[MASK] a", "a cat", MASKED])):
            got.append(result)
    assert got == pipe([MASKED, "[MASK] a"])
    with pytest.raises(PipelineException):
        pipe([MASKED, "a cat"])


def test_progress_bars(folder: Any, capsys: pytest.CaptureFixture[str]) -> None:
    pipe = fastplm.pipeline("text-classification", model=folder("feelings"))
    pipe(SHORT)
    list(pipe(iter(SHORT)))
    assert capsys.readouterr().err == ""
    pipe(SHORT, show_progress_bar=True)
    list(pipe(Numbered(SHORT), show_progress_bar=True))
    assert capsys.readouterr().err.count(f"{len(SHORT)}/{len(SHORT)}") == 2


def test_tensors(folder: Any) -> None:
    torch = pytest.importorskip("torch")
    pipe = fastplm.pipeline("feature-extraction", model=folder("features"))
    lists = pipe(TEXT)
    for kind in (True, "pt"):
        tensor = pipe(TEXT, return_tensors=kind)
        assert isinstance(tensor, torch.Tensor) and tensor.tolist() == lists
    array = pipe([TEXT], return_tensors="np")[0]
    assert isinstance(array, np.ndarray) and array.dtype == np.float32 and array.tolist() == lists
    padded = np.array(pipe(TEXT, tokenize_kwargs={"padding": "max_length", "max_length": 30}))
    assert padded.shape[1] == 30 and not padded[0, len(lists[0]) :].any()


def test_answers_where_none_is_possible(folder: Any) -> None:
    pipe = fastplm.pipeline("question-answering", model=folder("answers"))
    nothing = {"start": 0, "end": 0, "answer": ""}
    assert pipe(question="who ?", context=" \n ") == {"score": 0.0, **nothing}
    result = pipe(question="who ?", context=" ", handle_impossible_answer=True)
    assert result == {"score": pytest.approx(1.0), **nothing}
    # a question that is longer than the context, and than a row
    result = pipe(question="where is my cat ? " * 4, context="paris")
    assert result["answer"] in ("paris", "")
    with pytest.raises(ValueError, match="that sequence has 1 tokens"):
        pipe(question="where is my cat ? " * 20, context="paris")
    cut = pipe(question="where is my cat ? " * 20, context="paris", max_question_len=2)
    assert cut == pipe(question="where is", context="paris")


def test_answers_that_differ_in_case_are_one(folder: Any) -> None:
    pipe = fastplm.pipeline("question-answering", model=folder("answers"))
    found, alike = (
        {one["answer"].lower(): one["score"] for one in pipe(question="who ?", context=text, top_k=50)}
        for text in ("Paris paris PARIS", "paris paris paris")
    )
    assert found == pytest.approx(alike) and "paris" in found


def test_answers_in_the_other_order_of_texts(folder: Any) -> None:
    """With padding on the left the context comes first; answers are still of the context alone."""
    tokenizer = fastplm.AutoTokenizer.from_pretrained(folder("answers"), padding_side="left")
    pipe = fastplm.pipeline("question-answering", model=folder("answers"), tokenizer=tokenizer)
    for answer in pipe(ASKED, top_k=20):
        assert CONTEXT[answer["start"] : answer["end"]] == answer["answer"] != ""


def test_bfloat16_is_near(folder: Any) -> None:
    pipes = [
        fastplm.pipeline("text-classification", model=folder("feelings"), dtype=dtype, top_k=None)
        for dtype in ("float32", "bfloat16")
    ]
    assert pipes[1].model.engine.dtype == "bfloat16"
    scores = [{label["label"]: label["score"] for label in pipe(TEXT)[0]} for pipe in pipes]
    assert scores[0] == pytest.approx(scores[1], abs=0.1) and scores[0] != scores[1]


def test_the_largest() -> None:
    values = np.array([1, 3, 2, 3, 0, 3], np.float32)
    assert largest(values, 2).tolist() == [1, 3]
    assert largest(values, 4).tolist() == [1, 3, 5, 2]
    assert largest(values, 9).tolist() == [1, 3, 5, 2, 0, 4]


def test_entities_that_overlap() -> None:
    """As transformers chooses among those of overlapping rows."""
    reference = pytest.importorskip("transformers").TokenClassificationPipeline
    rng = np.random.default_rng(0)
    for _ in range(200):
        begins = rng.integers(0, 20, 8).tolist()
        entities = [
            {"start": b, "end": b + int(rng.integers(1, 6)), "score": float(rng.integers(1, 4))}
            for b in begins
        ]
        assert without_overlaps(entities) == reference.aggregate_overlapping_entities(None, entities)


def test_small_logits_are_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sigmoid(np.float32([-200, 0])).tolist() == [0, 0.5]


BAD_CALLS: dict[str, tuple[str, Callable[[Any], Any], type[Exception], str]] = {
    "unknown option": (
        "relations", lambda p: p("a", LABELS, topk=2), TypeError, "'topk'; expected",
    ),
    "unknown tokenizer argument": (
        "feelings", lambda p: p("a", trunc=True), TypeError, "'trunc'",
    ),
    "batch_size": ("feelings", lambda p: p("a", batch_size=0), ValueError, "batch_size=0"),
    "a number": ("feelings", lambda p: p(3), ValueError, "an input is 3"),
    "a list in a list": ("feelings", lambda p: p([["a", "b"]]), ValueError, "expected a"),
    "keys": ("feelings", lambda p: p({"txt": "a"}), ValueError, "txt"),
    "function": (
        "feelings", lambda p: p("a", function_to_apply="tanh"), ValueError, "tanh.*sigmoid",
    ),
    "top_k of classes": ("feelings", lambda p: p("a", top_k=0), ValueError, "top_k=0"),
    "words": (
        "feelings", lambda p: p("a", is_split_into_words=True), UnsupportedError, "whole",
    ),
    "too long": ("feelings", lambda p: p(LONG * 2), ValueError, "most 64, .* let the tokenizer cut it"),
    "no mask": ("mask", lambda p: p(""), PipelineException, r"\[MASK\]"),
    "mask cut off": (
        "mask", lambda p: p(LONG + "[MASK]", tokenizer_kwargs={"truncation": True}),
        PipelineException, r"\[MASK\]",
    ),
    "no target": ("mask", lambda p: p(MASKED, targets=[]), ValueError, "at least one"),
    "a target that is nothing": ("mask", lambda p: p(MASKED, targets=[" "]), ValueError, "at least"),
    "top_k": ("mask", lambda p: p(MASKED, top_k=-1), ValueError, "top_k=-1"),
    "bytes": ("mask", lambda p: p(b"[MASK]"), TypeError, "bytes"),
    "strategy": (
        "entities", lambda p: p("a", aggregation_strategy="best"), ValueError, "'best'.*simple",
    ),
    "offsets": ("entities", lambda p: p("a", offset_mapping=[(0, 1)]), UnsupportedError, "offset_mapping"),
    "stride": ("entities", lambda p: p("a", stride=48), ValueError, "stride=48.*48"),
    "stride without groups": (
        "entities", lambda p: p("a", stride=4, aggregation_strategy="none"), ValueError, "stride=4",
    ),
    "delimiter": ("entities", lambda p: p("a", delimiter="-"), ValueError, "delimiter"),
    "text as words": ("entities", lambda p: p(["a", 3]), ValueError, "input 1 is int"),
    "words as text": ("entities", lambda p: p([["a", "b"]]), ValueError, "input 0 is list"),
    "no texts": ("entities", lambda p: p([]), ValueError, "no texts"),
    "no context": ("answers", lambda p: p({"question": "a"}), KeyError, "no context"),
    "empty context": (
        "answers", lambda p: p(question="a", context=""), ValueError, "context is ''",
    ),
    "nothing asked": ("answers", lambda p: p(), ValueError, "question= and context="),
    "as many": (
        "answers", lambda p: p(question=["a"], context=["b", "c"]), ValueError, "1 .* 2",
    ),
    "answer length": ("answers", lambda p: p(ASKED, max_answer_len=0), ValueError, "=0"),
    "no answers": ("answers", lambda p: p(ASKED, top_k=0), ValueError, "top_k=0"),
    "stride of rows": (
        "answers", lambda p: p(ASKED, max_seq_len=9, doc_stride=10), ValueError, "9",
    ),
    "padding": ("answers", lambda p: p(ASKED, padding="both"), ValueError, "both"),
    "no labels": ("relations", lambda p: p("a"), ValueError, "candidate_labels"),
    "empty labels": ("relations", lambda p: p("a", ""), ValueError, "is empty"),
    "empty text": ("relations", lambda p: p("", LABELS), ValueError, "empty text"),
    "template": (
        "relations", lambda p: p("a", LABELS, hypothesis_template="so"), ValueError,
        "hypothesis_template='so'",
    ),
    "hole": ("gpt2 text", lambda p: p("a", handle_long_generation="x"), ValueError, "'x'"),
    "no room": (
        "gpt2 text", lambda p: p("a" * 40, handle_long_generation="hole", max_new_tokens=70), ValueError,
        "room",
    ),
    "text and ids": (
        "gpt2 text", lambda p: p("a", return_text=True, return_tensors=True), ValueError, "expected one",
    ),
    "a number to continue": ("gpt2 text", lambda p: p(3), TypeError, "input 0 is a int"),
    "a message without a role": ("gpt2 text", lambda p: p([{"content": "a"}]), ValueError, "role"),
    "an argument of generate": ("gpt2 text", lambda p: p("a", num_beans=2), ValueError, "num_beans"),
    "attentions": (
        "gpt2 text", lambda p: p("a", output_attentions=True), UnsupportedError, "output_attentions",
    ),
    "a list to rewrite": ("bart text", lambda p: p([["a"]]), TypeError, "input 0 is a list"),
    "scores of texts": (
        "bart text", lambda p: p("a", return_dict_in_generate=True), UnsupportedError, "return_dict",
    ),
    "kind of results": ("bart text", lambda p: p("a", return_type=2), ValueError, "return_type=2"),
    "kind of tensors": ("features", lambda p: p("a", return_tensors="tf"), ValueError, "tf"),
    "truncation twice": (
        "features",
        lambda p: p("a", truncation=True, tokenize_kwargs={"truncation": True}), ValueError, "once",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_CALLS)
def test_bad_calls(name: str, folder: Any) -> None:
    model, call, error, message = BAD_CALLS[name]
    task = "zero-shot-classification" if model == "relations" else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe = fastplm.pipeline(task, model=folder(model))
        with pytest.raises(error, match=message):
            call(pipe)


def test_labels_that_contradict_the_head(folder: Any) -> None:
    place = folder("feelings")
    config = fastplm.PretrainedConfig.from_pretrained(place).to_dict()
    config |= {"id2label": {3: "a", 4: "b", 5: "c"}, "label2id": {"a": 3, "b": 4, "c": 5}}
    pipe = fastplm.pipeline("text-classification", model=place, config=config)
    with pytest.raises(CheckpointError, match="no name for class 0"):
        pipe(TEXT)
