"""Folders with the tiny models, made when a test asks for one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pipelines import tiny


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Of a name in tiny.MODELS, its folder."""
    root = tmp_path_factory.mktemp("pipelines")

    def find(name: str) -> Path:
        if not (root / name).exists():
            tiny.save(name, root / name)
        return root / name

    return find
