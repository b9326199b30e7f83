"""What fastplm check says about tokenizers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from fastplm.cli import main
from fastplm.cli.check_tokenizer import TEXTS, _embedding_rows

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "kettle", "is", "on", ".", "##s", "a", "!"]


def _settings(**model: Any) -> dict[str, Any]:
    words = {word: i for i, word in enumerate(WORDS)}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "added_tokens": [{"id": i, "content": word, **flags} for i, word in enumerate(WORDS[:5])],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "Lowercase"}]},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": words,
            **model,
        },
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "vocab.txt").write_text("".join(word + "\n" for word in WORDS))
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    return tmp_path


def _check(path: Path, capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    assert main(["check", str(path), "--json", *arguments]) == code
    found = json.loads(capsys.readouterr().out)
    assert found["passed"] == (code == 0)
    report: dict[str, Any] = found["tokenizer"]
    return report


def _check_file(
    settings: dict[str, Any], folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0
) -> dict[str, Any]:
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(settings))
    return _check(path, capsys, *arguments, code=code)


def test_a_sound_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = _check_file(_settings(), tmp_path, capsys)
    assert report["problems"] == report["notes"] == [] and report["embedding_rows"] is None
    assert report["components"] == {
        "normalizer": ["NFD", "Lowercase"],
        "pre_tokenizer": ["BertPreTokenizer"],
        "post_processor": ["BertProcessing"],
        "decoder": ["WordPiece"],
        "model": ["WordPiece"],
    }
    assert (report["vocab_size"], report["added_tokens"], report["texts"]) == (len(WORDS), 5, len(TEXTS))
    assert report["special_tokens"]["mask_token"] == {"token": "[MASK]", "id": 4}
    assert 0 < report["round_trips"] < len(TEXTS)


def test_for_reading(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(folder), "the kettle is on", "the"]) == 0
    out = capsys.readouterr().out
    assert "BertNormalizer" in out and "2 of 2 texts come back" in out and "unk_token '[UNK]' 1" in out
    assert out.endswith("passed\n")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"unk_token": "[GONE]"}}, "model.unk_token '[GONE]' is not in the vocabulary"),
        ({"post_processor": {"sep": ["[SEP]", 99]}}, "'[SEP]' has the id 99, which no token has"),
        (
            {"post_processor": {"cls": ["[CLS]", 5]}},
            "'[CLS]' has the id 5, which is that of 'the'; expected 2",
        ),
    ],
)
def test_problems(
    change: dict[str, Any], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = _settings()
    for section, values in change.items():
        settings[section] |= values
    report = _check_file(settings, tmp_path, capsys, "the kettle", code=1)
    assert any(message in problem for problem in report["problems"]), report["problems"]
    assert main(["check", str(tmp_path / "tokenizer.json"), "the kettle"]) == 1
    out = capsys.readouterr().out
    assert message in out and out.endswith("FAILED\n")


def test_a_template_in_a_sequence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    template = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [77], "tokens": ["[CLS]"]}},
    }
    settings = _settings() | {"post_processor": {"type": "Sequence", "processors": [template]}}
    (problem,) = _check_file(settings, tmp_path, capsys, "the", code=1)["problems"]
    assert "'[CLS]' has the id 77" in problem
    # A name that no token has is a name like any other.
    template["special_tokens"]["[CLS]"] = {"id": "[CLS]", "ids": [2], "tokens": ["start"]}
    assert _check_file(settings, tmp_path, capsys, "the")["problems"] == []


def test_unknown_characters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = _settings() | {"normalizer": None, "decoder": None, "post_processor": None}
    unigram = {"type": "Unigram", "unk_id": None, "vocab": [["a", -1.0], ["b", -2.0]]}
    report = _check_file(plain | {"model": unigram}, tmp_path, capsys, "ab", code=1)
    assert "model.unk_id is null" in report["problems"][0]
    bpe = {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}
    report = _check_file(plain | {"model": bpe}, tmp_path, capsys, "abx")
    assert "model.unk_token is null: unknown characters vanish" in report["notes"]


def test_ids(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = {**{word: i for i, word in enumerate(WORDS)}, "far": 40, "same": 5}
    report = _check_file(_settings(vocab=words), tmp_path, capsys)
    assert "1 tokens share their id with another" in report["notes"]
    assert "27 of the ids up to 40 have no token" in report["notes"]


@pytest.mark.parametrize(("rows", "code"), [(len(WORDS), 0), (len(WORDS) + 3, 0), (len(WORDS) - 2, 1)])
def test_rows_of_the_model(rows: int, code: int, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "vocab_size": rows}))
    report = _check(folder, capsys, code=code)
    assert report["embedding_rows"] == rows
    said = " ".join(report["problems"] + report["notes"])
    assert ("2 tokens have ids beyond the model's 11 embedding rows, the first is 'a', 11" in said) == code
    assert ("3 embedding rows that no token uses" in said) == (rows > len(WORDS))


def test_what_is_no_matrix_has_no_rows(tmp_path: Path) -> None:
    weights = {"wte.weight": np.float32(1), "shared.weight": np.zeros(3), "a.wte.weight": np.zeros((20, 2))}
    save_file({name: np.asarray(value) for name, value in weights.items()}, tmp_path / "model.safetensors")
    assert _embedding_rows(tmp_path) == 20


def test_rows_of_a_real_model_come_from_its_weights(minilm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = _check(minilm, capsys, "a text")
    assert report["embedding_rows"] == 30522 and report["problems"] == []


def test_every_unsupported_component_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = _settings() | {"normalizer": {"type": "Odd"}, "decoder": {"type": "Strange"}}
    report = _check_file(settings, tmp_path, capsys, code=1)
    assert [name for name in ("Odd", "Strange") if name in " ".join(report["problems"])] == ["Odd", "Strange"]
    (tmp_path / "tokenizer.json").write_text('{"model": {"type": "WordPiece", "vocab": {"a": ')
    report = _check(tmp_path / "tokenizer.json", capsys, code=1)
    assert len(report["problems"]) == 1 and "not valid JSON" in report["problems"][0]


def test_against_transformers(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    transformers = pytest.importorskip("transformers")
    report = _check(folder, capsys, "--against", "transformers")
    assert report["against"] == f"transformers {transformers.__version__}" and report["differences"] == []
    report = _check_file(_settings(), tmp_path, capsys, "--against", "transformers")
    assert report["against"] and report["differences"] == []

    load = transformers.AutoTokenizer.from_pretrained
    monkeypatch.setattr(
        transformers.AutoTokenizer, "from_pretrained", lambda path: load(path, do_lower_case=False)
    )
    (tmp_path / "tokenizer.json").unlink()
    report = _check(folder, capsys, "--against", "transformers", "the", "THE kettle", code=1)
    (difference,) = report["differences"]
    assert (difference["text"], difference["field"]) == ("THE kettle", "input_ids")
    assert difference["fastplm"] == [2, 5, 6, 3] and difference["transformers"] == [2, 1, 6, 3]


def test_wrong_use(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(folder), "--against", "nothing"]) == 2
    empty = tmp_path / "empty"
    empty.mkdir()
    assert main(["check", str(empty)]) == 2
    assert main(["check", str(empty), "--tokenizer"]) == 2
    assert main(["check", str(tmp_path / "gone.json")]) == 2
    assert "gone.json" in capsys.readouterr().err
