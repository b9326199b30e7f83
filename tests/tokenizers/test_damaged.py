"""Damaged tokenizers by the hundred: an error that names the file, or one that works, and nothing else."""

from pathlib import Path

import pytest

pytest.importorskip("tokenizers")

from tests.fuzz.damaged import make_folder, run_limited
from tests.size import sized

CASES = sized(200, 600)  # for each seed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizers")
    make_folder(folder)
    return folder


@pytest.mark.parametrize("seed", ["one", "two"])
def test_changed_files(folder: Path, seed: str) -> None:
    """In a process with limits of time and memory: it must come to its end."""
    accepted, wrong = run_limited(folder, seed, CASES)
    assert not wrong, wrong
    assert accepted > CASES // 20  # not everything is refused
