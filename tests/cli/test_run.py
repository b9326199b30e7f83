"""fastplm run: texts in, a line of JSON for each out."""

import io
import json
import sys
from pathlib import Path

import pytest

import fastplm
from fastplm.cli import main
from tests.pipelines import tiny
from tests.pipelines.cases import CONTEXT, LABELS, TEXT


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    for name in ("feelings", "answers", "relations", "mask"):
        tiny.save(name, folder / name)
    return folder


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_line_for_each_text(root, capsys, monkeypatch, tmp_path):
    model, texts = str(root / "feelings"), [TEXT, "é 😀", ""]
    want = fastplm.pipeline("text-classification", model)(texts, top_k=2)
    want = [{"text": text, "result": result} for text, result in zip(texts, want, strict=True)]
    assert main(["run", "sentiment-analysis", model, *texts, "-p", "top_k=2"]) == 0
    assert lines(capsys.readouterr().out) == want
    file = tmp_path / "texts.txt"
    file.write_text("\n".join(texts) + "\n", encoding="utf-8")
    arguments = ["run", "text-classification", model, "-i", str(file), "-p", "top_k=2", "--batch-size", "2"]
    assert main([*arguments, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result == {"task": "text-classification", "model": model, "results": want}
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(file.read_bytes()), encoding="utf-8"))
    assert main(["run", "text-classification", model, "-p", "top_k=2"]) == 0
    assert lines(capsys.readouterr().out) == want


def test_answers_and_labels(root, capsys):
    answers, relations = str(root / "answers"), str(root / "relations")
    assert (
        main(["run", "question-answering", answers, "who ?", "-p", f"context={CONTEXT}", "-p", "top_k=2"])
        == 0
    )
    want = fastplm.pipeline("question-answering", answers)(question="who ?", context=CONTEXT, top_k=2)
    assert lines(capsys.readouterr().out) == [{"text": "who ?", "result": want}]
    assert main(["run", "question-answering", answers, "who ?", "-p", "context=12"]) == 0
    want = fastplm.pipeline("question-answering", answers)(question="who ?", context="12")
    assert lines(capsys.readouterr().out) == [{"text": "who ?", "result": want}]
    assert (
        main(
            ["run", "zero-shot-classification", relations, TEXT, "-p", "candidate_labels=" + ",".join(LABELS)]
        )
        == 0
    )
    want = fastplm.pipeline("zero-shot-classification", relations)(TEXT, LABELS)
    assert lines(capsys.readouterr().out) == [{"text": TEXT, "result": want}]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["poetry", "feelings", "a"], "invalid choice: task: 'poetry'"),
        (["ner", "nowhere", "a"], "no such folder"),
        (["text-classification", "feelings", "a", "-p", "top_k"], "'top_k'; expected NAME=VALUE"),
        (["text-classification", "feelings", "a", "-p", "rounds=3"], "unexpected argument 'rounds'"),
        (["question-answering", "answers", "a"], "expected -p context=TEXT"),
        (["fill-mask", "mask", "a"], "no [MASK] in 'a'"),
        (["text-classification", "feelings", "a", "--batch-size", "0"], "batch_size=0"),
    ],
)
def test_errors(root, capsys, arguments, message):
    task, model, *rest = arguments
    assert main(["run", task, str(root / model), *rest]) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err
