"""The scripts in examples/ run, each as its first lines say."""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.models.sentence_folder import SentenceFolder

EXAMPLES = Path(__file__).parents[2] / "examples"
if not EXAMPLES.is_dir():
    pytest.skip("the examples are not here", allow_module_level=True)


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, *given: Any
) -> list[str]:
    monkeypatch.setattr(sys, "argv", [name, *map(str, given)])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    "name, model, given, expected",
    [
        ("sentiment.py", "feelings", ["the cat", "a"], "the cat"),
        ("ner.py", "entities", ["anna lives in paris", "a"], "anna"),
        ("zero_shot.py", "relations", ["sport,politics", "the cat", "anna"], "sport"),
        ("generate.py", "gpt2 text", ["the cat", "5"], "the cat"),
        ("pipelines.py", "feelings", ["text-classification", "the cat"], "label"),
    ],
)
def test_tasks(
    name: str, model: str, given: list[str], expected: str, folder: Callable[[str], Path], monkeypatch: Any,
    capsys: Any,
) -> None:  # fmt: skip
    place = folder(model)
    arguments = [given[0], place, *given[1:]] if name == "pipelines.py" else [place, *given]
    lines = run(monkeypatch, capsys, name, *arguments)
    assert lines and expected in lines[0]


def test_answers_in_a_file(
    folder: Callable[[str], Path], tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("the cat sat .\nanna lives in paris .\n" * 9, encoding="utf-8")
    lines = run(monkeypatch, capsys, "question_answering.py", folder("answers"), notes, "who ?")
    assert len(lines) == 2 and lines[0].split("  ")[0] in notes.read_text(encoding="utf-8")


def test_search_with_reranking(
    folder: Callable[[str], Path], tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    encoder = SentenceFolder(tmp_path / "encoder").path
    notes = tmp_path / "notes.txt"
    notes.write_text("".join(f"one {number}\n" for number in range(60)), encoding="utf-8")
    lines = run(monkeypatch, capsys, "rerank.py", encoder, folder("one"), notes, "one 7")
    scores = [float(line.split()[0]) for line in lines]
    assert len(lines) == 5 and scores == sorted(scores, reverse=True)
