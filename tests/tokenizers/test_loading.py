"""What a loaded tokenizer keeps, and what becomes of it in files and other processes."""

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fastplm import AutoTokenizer

_GROWTH = """
import re, sys
from fastplm import AutoTokenizer
def memory():
    return int(re.search(r"VmRSS:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024
AutoTokenizer.from_pretrained(sys.argv[2])
before = memory()
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
print(memory() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_a_large_vocabulary_leaves_little_memory_behind(data: Path) -> None:
    """100,261 tokens and 233,000 merges; as Python objects they alone would take 70 MB."""
    large = data / "tokenizers/derived/cl100k_base/tokenizer.json"
    small = data / "tokenizers/wordpiece/fastbert-mini/minimal.json"
    done = subprocess.run(
        [sys.executable, "-c", _GROWTH, str(large), str(small)], check=True, capture_output=True, text=True
    )
    assert int(done.stdout) < 45e6


BPE = {
    "type": "BPE",
    "vocab": {"a": 5, "b": 0, "c": 1, "ab": 2, "##c": 3, "abc": 4, "<unk>": 6},
    "merges": [["a", "b"], ["ab", "##c"]],
    "continuing_subword_prefix": "##",
    "unk_token": "<unk>",
}
UNIGRAM = {
    "type": "Unigram",
    "unk_id": 0,
    "vocab": [["<unk>", 0], ["a", -2.302585092994046], ["b", -3.0], ["ab", -1.0986122886681098]],
}


@pytest.mark.parametrize("model", [BPE, UNIGRAM])
def test_nothing_is_lost_between_processes_and_files(model: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps({"model": model}))
    tokenizer = AutoTokenizer.from_pretrained(path)
    tokenizer.add_tokens(["<new>"])
    tokenizer.save_pretrained(tmp_path / "saved")
    saved = json.loads((tmp_path / "saved/tokenizer.json").read_text())["model"]
    assert saved["vocab"] == model["vocab"] and saved.get("merges") == model.get("merges")
    text = "abc<new>ababb?"
    want = tokenizer(text).encodings[0]
    assert len(want.ids) > 3
    for again in (
        pickle.loads(pickle.dumps(tokenizer)),
        AutoTokenizer.from_pretrained(tmp_path / "saved/tokenizer.json"),
        AutoTokenizer.from_pretrained(tmp_path / "saved"),
    ):
        assert again(text).encodings[0].tokens == want.tokens and again(text)["input_ids"] == want.ids
        assert again.get_vocab() == tokenizer.get_vocab()


def test_encodings_are_made_once(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps({"model": BPE}))
    batch = AutoTokenizer.from_pretrained(path)(["abc", "ab"])
    assert batch.is_fast and batch.encodings is batch.encodings and batch[1] is batch.encodings[1]
    assert batch[1].ids == batch["input_ids"][1]
