"""What is measured: a grid of equal lengths, and 1,000 real texts of all lengths."""

import json
import os
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.models import FAMILIES
from bench.peers.base import Array


@dataclass(frozen=True)
class Cell:
    """One workload. mode "grid": `batch` sequences of `length` random ids. mode "ids" or "texts": 1,000 texts
    in `order`, as token ids of each text or as strings."""

    model: str
    mode: str
    batch: int = 0
    length: int = 0
    order: str = ""

    @property
    def name(self) -> str:
        if self.mode == "grid":
            return f"{self.model} {self.batch}x{self.length}"
        return f"{self.model} 1000 {self.mode}, {self.order}"


GRID = [Cell("minilm", "grid", b, n) for b, n in ((32, 128), (16, 512), (1, 16), (1, 128))]
GRID += [Cell("bert-base", "grid", b, n) for b, n in ((8, 128), (4, 512), (1, 16), (1, 128))]
GRID += [Cell(name, "grid", 8, 128) for name in FAMILIES] + [Cell("modernbert-base", "grid", 1, 8192)]
RAGGED = [Cell("minilm", "texts", order="arrival"), Cell("minilm", "texts", order="sorted"),
          Cell("minilm", "ids", order="arrival")]  # fmt: skip
CELLS = GRID + RAGGED


def grid_ids(cell: Cell) -> tuple[Array, Array]:
    """Random ids of ordinary words, int64 [B, L], and an all-ones mask; the same in every process."""
    ids = np.random.default_rng(0).integers(1000, 30000, (cell.batch, cell.length), dtype=np.int64)
    return ids, np.ones_like(ids)


def ragged_texts(order: str) -> list[str]:
    """1,000 English texts of XQuAD, every one of its 240 paragraphs and 760 of its questions.

    order: "arrival" is a seeded shuffle; "sorted" is the same texts from short to long.
    """
    root = os.environ.get("FASTPLM_TEST_DATA")
    if root is None:
        raise SystemExit("ragged text needs FASTPLM_TEST_DATA, the folder that holds xquad/xquad.en.json")
    articles = json.loads((Path(root) / "xquad" / "xquad.en.json").read_text())["data"]
    paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    questions = [question["question"] for paragraph in paragraphs for question in paragraph["qas"]]
    chance = random.Random(0)
    texts = [paragraph["context"] for paragraph in paragraphs]
    texts += chance.sample(questions, 1000 - len(texts))
    chance.shuffle(texts)
    return sorted(texts, key=len) if order == "sorted" else texts
