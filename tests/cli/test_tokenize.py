"""fastplm tokenize: where texts come from, and what is printed."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fastplm.cli import main
from fastplm.tokenizer import AutoTokenizer

TEXTS = ["The kettle is on.", "", "Где мой зонтик? 傘はどこ", "tabs\tand “quotes” [MASK]"]
WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "the",
    "kettle",
    "is",
    "on",
    ".",
    "tab",
    "##s",
    "где",
    "傘",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model")
    (path / "vocab.txt").write_text("".join(word + "\n" for word in WORDS), encoding="utf-8")
    (path / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    return path


@pytest.fixture
def give_stdin(monkeypatch: pytest.MonkeyPatch) -> Any:
    def give(data: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))

    return give


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("size", ["1", "3", "100"])
def test_a_line_of_json_for_each_text(folder: Path, size: str, capsys: Any) -> None:
    arguments = ["tokenize", "-m", str(folder), "--tokens", "--offsets", "--batch-size", size, *TEXTS]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    want = AutoTokenizer.from_pretrained(folder)(TEXTS, return_offsets_mapping=True)
    assert lines(out) == [
        {
            "text": text,
            "ids": want["input_ids"][i],
            "tokens": want.tokens(i),
            "offsets": [list(pair) for pair in want["offset_mapping"][i]],
        }
        for i, text in enumerate(TEXTS)
    ]
    assert err == ""


def test_fewer_tokens(folder: Path, capsys: Any) -> None:
    assert main(["tokenize", "-m", str(folder), "--no-special-tokens", "--max-length", "2", *TEXTS]) == 0
    want = AutoTokenizer.from_pretrained(folder)(
        TEXTS, add_special_tokens=False, truncation=True, max_length=2
    )["input_ids"]
    assert lines(capsys.readouterr().out) == [
        {"text": text, "ids": ids} for text, ids in zip(TEXTS, want, strict=True)
    ]


def test_files_and_stdin(folder: Path, tmp_path: Path, give_stdin: Any, capsys: Any) -> None:
    file = tmp_path / "texts.txt"
    file.write_bytes(b"the kettle\r\n\r\nis on")
    give_stdin("на\n".encode())
    assert main(["tokenize", "given", "-m", str(folder), "-i", str(file), "-"]) == 0
    assert [row["text"] for row in lines(capsys.readouterr().out)] == [
        "given",
        "the kettle",
        "",
        "is on",
        "на",
    ]


def test_stdin_is_read_when_nothing_is_given(folder: Path, give_stdin: Any, capsys: Any) -> None:
    give_stdin(b"one\ntwo\n")
    assert main(["tokenize", "-m", str(folder), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["model"] == str(folder)
    assert [row["text"] for row in result["rows"]] == ["one", "two"]
    give_stdin(b"")
    assert main(["tokenize", "-m", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == []


def test_counts(folder: Path, capsys: Any) -> None:
    ids = AutoTokenizer.from_pretrained(folder)(TEXTS)["input_ids"]
    counts = {"texts": 4, "characters": sum(map(len, TEXTS)), "tokens": sum(map(len, ids))}
    assert main(["tokenize", "-m", str(folder), "--count", "--json", *TEXTS]) == 0
    assert json.loads(capsys.readouterr().out) == {"model": str(folder), **counts}
    assert main(["tokenize", "-m", str(folder), "--count", "--batch-size", "1", *TEXTS]) == 0
    assert capsys.readouterr().out.split() == [str(x) for item in counts.items() for x in item]


def test_the_default_model(minilm: Path, capsys: Any) -> None:
    assert main(["tokenize", "a text"]) == 0
    want = AutoTokenizer.from_pretrained(minilm)("a text")["input_ids"]
    assert lines(capsys.readouterr().out) == [{"text": "a text", "ids": want}]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x", "--batch-size", "0"], "--batch-size: 0; expected at least 1"),
        (["x", "--max-length", "-1"], "--max-length: -1; expected at least 0"),
        (["x", "--count", "--tokens"], "--count: prints no tokens"),
        (["x", "--model", "/no/such/model"], "/no/such/model"),
        (["-i", "/no/such/file"], "/no/such/file"),
    ],
)
def test_bad_input_is_one_line_on_stderr(
    folder: Path, arguments: list[str], message: str, capsys: Any
) -> None:
    assert main(["tokenize", "-m", str(folder), *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("fastplm tokenize: error: ") and err.count("\n") == 1
    assert message in err


def test_damaged_files_and_lines_are_named(folder: Path, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "tokenizer.json").write_text('{"model": {"type": "BPE", "vocab": []}}')
    assert main(["tokenize", "x", "-m", str(tmp_path)]) == 2
    assert f"{tmp_path / 'tokenizer.json'}: model.vocab" in capsys.readouterr().err
    file = tmp_path / "latin1.txt"
    file.write_bytes("fine\ncaf\xe9\n".encode("latin-1"))
    assert main(["tokenize", "-m", str(folder), "-i", str(file)]) == 2
    assert f"{file}, line 2" in capsys.readouterr().err


def test_help_has_examples(capsys: Any) -> None:
    assert main(["tokenize", "--help"]) == 0
    assert "examples:" in capsys.readouterr().out


def test_a_reader_that_goes_away(folder: Path) -> None:
    """`fastplm tokenize ... | head -1` ends quietly."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fastplm", "tokenize", "-m", str(folder), *["the kettle"] * 20_000],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ,
    )  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline().startswith(b'{"text": "the kettle"')
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=60) == 141
