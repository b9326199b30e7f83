"""Real texts: fill-mask, NER and questions, against transformers' pipelines or the computation by hand."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastplm
from tests.pipelines.test_recorded import check_same

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

SIZES = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48)


@pytest.fixture(scope="module")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Makes the folder of a random model with a head, and BERT's own tokenizer."""
    root = tmp_path_factory.mktemp("corpora")

    def make(head: str, **settings: Any) -> Path:
        place = root / head
        torch.manual_seed(0)
        config = transformers.BertConfig(**SIZES, initializer_range=0.3, **settings)
        getattr(transformers, f"BertFor{head}")(config).save_pretrained(place)
        vocab = (data / "tokenizers/wordpiece/bert-base-uncased/vocab.txt").read_bytes()
        (place / "vocab.txt").write_bytes(vocab)
        (place / "tokenizer_config.json").write_text(
            '{"tokenizer_class": "BertTokenizer", "model_max_length": 512}'
        )
        return place

    return make


def both(task: str, place: Path, **options: Any) -> tuple[Any, Any]:
    """Our pipeline and transformers'."""
    ours = fastplm.pipeline(task, place, **options)
    return ours, transformers.pipeline(task, str(place), device="cpu", **options)


def plain(value: Any) -> Any:
    """With Python's own numbers."""
    return json.loads(json.dumps(value, default=float))


def test_masked_words_of_wikitext(data: Path, model: Any) -> None:
    lines = (data / "wikitext2/test.txt").read_text(encoding="utf-8").splitlines()
    texts = [
        re.sub(r"\S+", "[MASK]", line[:300], count=1 + number % 2)
        for number, line in enumerate(line for line in lines if len(line) > 60)
    ][:30]
    ours, theirs = both("fill-mask", model("MaskedLM"))
    check_same(ours(texts, top_k=4), plain(theirs(texts, top_k=4)), "wikitext")
    some = {"targets": ["the", "river", "unaffordable"], "top_k": 3}
    check_same(ours(texts[:5], **some), plain(theirs(texts[:5], **some)), "targets")


@pytest.mark.parametrize("strategy", ["simple", "first", "average", "max"])
def test_entities_of_wnut(data: Path, model: Any, strategy: str) -> None:
    tokens = (data / "wnut17/emerging.dev.conll").read_text(encoding="utf-8").split("\n\n")
    texts = [" ".join(row.split("\t")[0] for row in text.splitlines()) for text in tokens]
    texts = [*(text for text in texts[:40] if text), " ".join(texts[:60])]
    names = dict(enumerate(["O", "B-person", "I-person", "B-location", "I-location"]))
    ours, theirs = both("ner", model("TokenClassification", id2label=names), aggregation_strategy=strategy)
    check_same(plain(ours(texts)), plain(theirs(texts)), strategy)
    check_same(plain(ours(texts[-1:], stride=30)), plain(theirs(texts[-1:], stride=30)), "stride")


@pytest.mark.parametrize("language", ["en", "de", "zh", "hi"])
def test_answers_of_xquad(data: Path, model: Any, language: str) -> None:
    """The best span of each row, found by trying all of them."""
    articles = json.loads((data / f"xquad/xquad.{language}.json").read_text(encoding="utf-8"))["data"]
    asked = [
        {"question": text["qas"][0]["question"], "context": text["context"]}
        for article in articles[:8] for text in article["paragraphs"][:2]
    ]  # fmt: skip
    pipe = fastplm.pipeline("question-answering", place := model("QuestionAnswering"))
    results = pipe(asked, max_seq_len=128, doc_stride=40, align_to_words=False)
    tokenizer = transformers.AutoTokenizer.from_pretrained(place)
    other = transformers.BertForQuestionAnswering.from_pretrained(place).eval()
    for item, result in zip(asked, results, strict=True):
        want = by_hand(tokenizer, other, item["question"], item["context"])
        assert result["score"] == pytest.approx(want[0], rel=1e-3)
        assert (result["start"], result["end"]) == want[1:]
        assert result["answer"] == item["context"][want[1] : want[2]]


def by_hand(tokenizer: Any, model: Any, question: str, context: str) -> tuple[float, int, int]:
    """Score, start and end of the best answer; those of equal texts count together, as in the pipeline."""
    rows = tokenizer(
        question, context, truncation="only_second", max_length=128, stride=40, padding=True,
        return_overflowing_tokens=True, return_offsets_mapping=True, return_tensors="pt",
    )  # fmt: skip
    inputs = {name: rows[name] for name in tokenizer.model_input_names}
    with torch.no_grad():
        output = model(**inputs)
    found: dict[str, list[Any]] = {}
    for row in range(len(rows["input_ids"])):
        inside = np.array([sequence == 1 for sequence in rows.sequence_ids(row)])
        inside[0] = True
        logits = [np.where(inside, both[row].numpy(), -np.inf) for both in output.values()]
        first, last = (np.exp(s - s.max()) / np.exp(s - s.max()).sum() for s in logits)
        spans = [
            (first[s] * last[e], -s, -e)
            for s in np.flatnonzero(inside)[1:]
            for e in range(s, min(s + 15, len(inside)))
            if inside[e]
        ]
        score, s, e = max(spans)
        offsets = rows["offset_mapping"][row]
        begin, end = int(offsets[-s, 0]), int(offsets[-e, 1])
        same = found.setdefault(context[begin:end].lower(), [0.0, begin, end])
        same[0] += float(score)
    score, begin, end = max(found.values(), key=lambda answer: answer[0])
    return score, begin, end
