"""Real texts from the shared data."""

import json
import random
from pathlib import Path


def read_texts(data: Path, count: int) -> list[str]:
    """`count` questions and paragraphs (XQuAD: English, German, Chinese) and WikiText-2 lines, shuffled."""
    texts = []
    for language in ("en", "de", "zh"):
        articles = json.loads((data / "xquad" / f"xquad.{language}.json").read_text())["data"]
        for paragraph in (p for article in articles for p in article["paragraphs"]):
            texts.append(paragraph["context"])
            texts += [qa["question"] for qa in paragraph["qas"][:3]]
    lines = (data / "wikitext2" / "valid.txt").read_text().splitlines()
    texts += [line.strip() for line in lines if line.strip()][:1000]
    random.Random(0).shuffle(texts)
    return texts[:count]
