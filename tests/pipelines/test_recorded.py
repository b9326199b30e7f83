"""Every call of cases.py answers as the pipelines of transformers 4.57 did (record.py)."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastplm
from tests.pipelines.cases import CASES
from tests.pipelines.tiny import MODELS, checksum

RECORDED = json.loads(Path(__file__).with_name("recorded.json").read_text(encoding="utf-8"))


def check_same(got: Any, want: Any, where: str) -> None:
    """The same words and places, and numbers within the tolerance of float32."""
    if hasattr(got, "tolist"):
        got = got.tolist()
    if isinstance(want, dict):
        assert list(got) == list(want), where
        for key in want:
            check_same(got[key], want[key], f"{where}.{key}")
    elif isinstance(want, list):
        assert isinstance(got, list) and len(got) == len(want), where
        if want and isinstance(want[0], float):
            assert np.allclose(got, want, rtol=1e-4, atol=1e-5), where
            return
        for number, (mine, its) in enumerate(zip(got, want, strict=True)):
            check_same(mine, its, f"{where}[{number}]")
    elif isinstance(want, float):
        assert got == pytest.approx(want, rel=1e-4, abs=1e-5), where
    else:
        assert type(got) is type(want) and got == want, where


def test_nothing_is_missing() -> None:
    assert RECORDED["version"].startswith("4.57.")
    assert RECORDED["results"].keys() == CASES.keys()


@pytest.mark.parametrize("name", MODELS)
def test_the_models_are_those_of_the_recording(name: str, folder: Any) -> None:
    assert checksum(folder(name)) == RECORDED["checksums"][name]


@pytest.mark.parametrize("name", CASES)
def test_same_results(name: str, folder: Any) -> None:
    model, task, made, args, call = CASES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of older names of options
        result = fastplm.pipeline(task, model=folder(model), **made)(*args, **call)
    check_same(result, _possible(RECORDED["results"][name]), name)


def _possible(recorded: Any) -> Any:
    """Without answers of score 0 beside others. transformers gives some where too few are possible: spans
    that end before they begin or are too long, which ones depends on how numpy sorts.
    """
    if not isinstance(recorded, list):
        return recorded
    if not all(isinstance(item, dict) and "answer" in item for item in recorded):
        return [_possible(item) for item in recorded]
    possible = [item for item in recorded if item["score"] > 0]
    return possible[0] if len(possible) == 1 < len(recorded) else possible
