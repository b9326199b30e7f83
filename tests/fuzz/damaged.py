"""Loads damaged files and uses what loads, in a process with limits of time and memory.

python -m tests.fuzz.damaged FOLDER SEED COUNT      the process itself: changes the tokenizers in FOLDER

Errors that name what is wrong may come out, and nothing else: no other exception, crash, abort or hang.
"""

import json
import os
import pickle
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

SECONDS = 20  # for one file
MEMORY = 3 << 30  # of address space, for all
_TEXTS = [
    "the boats' cough",
    "",
    "a\u0301 \u4e2d\U0001f469\u200d<s>[MASK] New Word",
    "x" * 3000,
    "\0\n",
    "boat " * 60,
]


def use(tokenizer: Any) -> None:
    """Encodes, decodes, copies and saves."""
    calls = [
        lambda: tokenizer(_TEXTS, return_offsets_mapping=True),
        lambda: tokenizer([text[:60] for text in _TEXTS], [text[:30] for text in _TEXTS], truncation=True,
                          max_length=9, stride=2, return_overflowing_tokens=True),
        lambda: tokenizer(["the boats"], padding=True, pad_to_multiple_of=8),
        lambda: tokenizer.encode_packed([*_TEXTS, " ".join(list(tokenizer.get_vocab())[:200])]),
        lambda: tokenizer.decode([0, 1, 2, 3, 2**31, 2**32 - 1, 5, 300]),
        lambda: "".join(tokenizer.decode_stream([7, 200, 3, 2**31, 0])),
        lambda: pickle.loads(pickle.dumps(tokenizer)).tokenize("the boats"),
        lambda: tokenizer.add_tokens(["boats", "the b"]) and tokenizer("the boats"),
    ]  # fmt: skip
    for call in calls:
        try:
            call()
        except ValueError:  # CheckpointError and UnsupportedError are
            continue
    with tempfile.TemporaryDirectory() as folder:
        try:
            tokenizer.save_pretrained(folder)
        except ValueError:
            return


def _change(path: Path, chance: random.Random) -> bytes:
    from tests.fuzz.mutations import change_bytes, change_json

    data = path.read_bytes()
    return change_json(data, chance) if path.suffix == ".json" else change_bytes(data, chance)


def _run(folder: Path, seed: str, count: int) -> None:
    """Changes one file of a tokenizer at a time. The line before the last that is printed names the case."""
    from fastplm import AutoTokenizer

    limit = MEMORY if "ASAN_OPTIONS" not in os.environ else resource.RLIM_INFINITY  # its shadow is larger
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    sources = sorted(path for path in folder.iterdir() if path.name != "case")
    accepted = 0
    for number in range(count):
        chance = random.Random(f"{seed}/{number}")
        source = chance.choice(sources)
        case = folder / "case"
        shutil.rmtree(case, ignore_errors=True)
        if source.is_dir():  # a folder as from_pretrained reads it
            shutil.copytree(source, case)
            changed = chance.choice(sorted(case.iterdir()))
            changed.write_bytes(_change(changed, chance))
            path = case
        else:
            case.mkdir()
            path = changed = case / source.name
            changed.write_bytes(_change(source, chance))
        print(f"{number} {source.name} {changed.name}", flush=True)
        start = time.perf_counter()
        try:
            tokenizer = AutoTokenizer.from_pretrained(path)
        except (ValueError, FileNotFoundError) as error:
            if not str(error) or (changed.suffix == ".json" and str(case) not in str(error)):
                raise AssertionError(f"the error does not name the file: {error!r}") from error
        else:
            accepted += 1
            use(tokenizer)
        seconds = time.perf_counter() - start
        if seconds > SECONDS / 2:
            raise AssertionError(f"took {seconds:.1f} s")
    print(f"accepted {accepted}", flush=True)


def run_limited(folder: Path, seed: str, count: int) -> tuple[int, str]:
    """Runs `count` cases in another process: how many were accepted, and what went wrong (or "")."""
    process = subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-m", "tests.fuzz.damaged", str(folder), seed, str(count)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    try:
        output, errors = process.communicate(timeout=SECONDS + count * 0.5)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
        errors += "\nstopped: took too long"
    last = output.splitlines()[-1] if output else ""
    if process.returncode == 0 and last.startswith("accepted "):
        return int(last.split()[1]), ""
    return 0, f"seed {seed}, case {last}; exit status {process.returncode}\n{errors}"


def make_folder(folder: Path) -> None:
    """Small tokenizers of every kind to be changed: files, and folders as from_pretrained reads them."""
    from tests.fuzz.families import FAMILIES, tokenizer_files

    for family in FAMILIES:
        for path in tokenizer_files(family, folder, None, pipelines=4):
            settings = json.loads(path.read_text(encoding="utf-8"))
            settings["truncation"] = {
                "direction": "Right",
                "max_length": 40,
                "strategy": "LongestFirst",
                "stride": 2,
            }
            settings["padding"] = {
                "strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0,
                "pad_type_id": 0, "pad_token": "<s>",
            }  # fmt: skip
            path.write_text(json.dumps(settings), encoding="utf-8")
    for name, kind in (("wordpiece-0", "BertTokenizer"), ("gpt2-0", "GPT2Tokenizer")):
        made = folder / f"folder-{name}"
        made.mkdir()
        settings = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        vocabulary = settings["model"]["vocab"]
        config = {"tokenizer_class": kind, "model_max_length": 64, "unk_token": "[UNK]", "pad_token": "[UNK]",
                  "cls_token": "[UNK]", "sep_token": "[UNK]",
                  "mask_token": {"content": "[UNK]", "lstrip": True},
                  "added_tokens_decoder": {"3": {"content": "boat", "special": True, "lstrip": False}},
                  "chat_template": "{{ messages }}"}  # fmt: skip
        (made / "tokenizer_config.json").write_text(json.dumps(config))
        (made / "special_tokens_map.json").write_text(json.dumps({"bos_token": "[UNK]"}))
        if kind == "BertTokenizer":
            (made / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
        else:
            (made / "vocab.json").write_text(json.dumps(vocabulary))
            merges = "\n".join(" ".join(merge) for merge in settings["model"]["merges"])
            (made / "merges.txt").write_text(f"#version: 0.2\n{merges}\n", encoding="utf-8")


if __name__ == "__main__":
    try:
        _run(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
    except BaseException:
        traceback.print_exc(limit=-12)
        sys.exit(1)
