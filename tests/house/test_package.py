"""What `fastplm.<name>` gives, and what it does not."""

import sys
from pathlib import Path

import pytest

import fastplm
from fastplm.cli import main

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["_BertTokenizer", "_Tokenizer", "_Model", "no_such_thing"])
def test_names_that_are_none(name):
    with pytest.raises(AttributeError, match=name):
        getattr(fastplm, name)


def test_nobody_is_sent_to_another_project():
    """The name belongs to someone else on PyPI: `pip install fastplm[...]` would install that."""
    told = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "python").rglob("*.py")]
    assert [path for path in told if "fastplm[" in path.read_text("utf-8")] == []


def test_libraries_that_are_missing(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "llguidance", None)
    with pytest.raises(ModuleNotFoundError, match="constraint: needs llguidance: pip"):
        fastplm.Constraint.regex("a+")
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(["serve", str(tmp_path)]) == 2
    assert "needs starlette and uvicorn: pip install starlette uvicorn" in capsys.readouterr().err
