"""The scripts of examples/ that train: each runs, and what it saves is used by the next."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from fastplm.cli import main

EXAMPLES = Path(__file__).parents[2] / "examples"
LINES = [f"The {a} {b} saw the {c} in the {d}." for a in ("old", "young") for b in ("man", "dog", "cat")
         for c in ("bird", "boat") for d in ("house", "river")]  # fmt: skip


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("text") / "text.txt"
    file.write_text("\n".join(LINES * 4))
    return file


def tokenizer(text: Path, model: str, folder: Path, *options: str) -> Path:
    command = ["train-tokenizer", str(text), "--model", model, "--vocab-size", "300", "-o", str(folder)]
    assert main([*command, *options]) == 0
    return folder


def run(monkeypatch: pytest.MonkeyPatch, name: str, *arguments: object) -> None:
    monkeypatch.setattr("sys.argv", [name, *map(str, arguments)])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def test_bert_is_pretrained_and_fine_tuned(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    folder = tokenizer(text, "wordpiece", tmp_path / "tokenizer", "--lowercase")
    run(monkeypatch, "pretrain_bert.py", text, folder, tmp_path / "bert", 40)
    losses = [float(line.split()[-1]) for line in capsys.readouterr().out.splitlines() if "loss" in line]
    assert losses[-1] < losses[0]
    rows = tmp_path / "train.jsonl"
    rows.write_text("".join(json.dumps({"text": t, "label": int("young" in t)}) + "\n" for t in LINES * 2))
    run(monkeypatch, "finetune_classifier.py", tmp_path / "bert", rows, tmp_path / "classifier", 1)
    assert "accuracy on 4 texts" in capsys.readouterr().out
    assert (tmp_path / "classifier" / "model.safetensors").exists()
    run(monkeypatch, "training_loop.py", tmp_path / "bert", rows, 2)
    assert "epoch 2: loss" in capsys.readouterr().out


def test_gpt2_is_trained_and_writes(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    folder = tokenizer(text, "bpe", tmp_path / "tokenizer")
    run(monkeypatch, "train_gpt2.py", text, folder, tmp_path / "gpt2", 20)
    *_, loss, written = capsys.readouterr().out.strip().split("\n", 2)
    assert loss.startswith("step 20: loss") and len(written) > 20
