"""Damaged and hostile tokenizer files: a clear error or a working tokenizer, never a crash or a hang."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.tokenizer import AutoTokenizer
from fastplm.tokenizers.base.token_table import TokenTable


def test_corpus(data: Path) -> None:
    """Every tokenizer file of the shared corpus does what its manifest says, in under 2 seconds."""
    folder = data / "malformed/corpus"
    manifest = json.loads((folder / "manifest.json").read_text())
    wrong = []
    for name, entry in manifest.items():
        if entry["kind"] != "tokenizer":
            continue
        start = time.perf_counter()
        try:
            tok = AutoTokenizer.from_pretrained(folder / name)
            tok.encode_packed(["a", "", "ab a", "a" * 10_000 + "!"] if "[UNK]" in tok.get_vocab() else ["a"])
            outcome = "accept"
        except UnsupportedError as error:
            # Legal for the reference, but a component of a later release here. It says which.
            outcome = (
                "accept" if entry["expect"] == "accept" and "unknown; known:" in str(error) else "reject"
            )
        except CheckpointError as error:
            assert name.rsplit("/", 1)[1] in str(error), f"{name}: {error}"
            outcome = "reject"
        if outcome != entry["expect"] or time.perf_counter() - start > 2:
            wrong.append((name, outcome, entry))
    assert not wrong


@pytest.mark.parametrize(
    "change, message",
    [
        (("model", "vocab", ["a"]), "model.vocab"),
        (("model", "vocab", {"a": True}), r"model.vocab\['a'\] is True"),
        (("model", "vocab", {"a": 2**31}), r"model.vocab\['a'\] is 2147483648"),
        (("model", "max_input_chars_per_word", -1), "max_input_chars_per_word"),
        (("model", "max_input_chars_per_word", "9"), "max_input_chars_per_word"),
        (("model", "unk_token", None), "unk_token"),
        (("model", "continuing_subword_prefix", 1), "continuing_subword_prefix"),
        (("normalizer", "lowercase", "yes"), "lowercase"),
        (("normalizer", "clean_text", None), "clean_text"),
        (("decoder", "prefix", None), "prefix"),
        (("post_processor", "special_tokens", {}), r"\[CLS\]"),
        (("post_processor", "single", [{"Sequence": {"id": "C", "type_id": 0}}]), 'sequence "C"'),
        (("post_processor", "single", [{"Sequence": {"id": "B", "type_id": 0}}]), "sequence B"),
        (("post_processor", "single", [{"Sequence": {"id": "A", "type_id": -1}}]), "type_id"),
        (("post_processor", "single", [{}]), "SpecialToken"),
    ],
)
def test_settings(settings: dict[str, Any], tmp_path: Path, change: tuple[Any, ...], message: str) -> None:
    section, key, value = change
    settings[section][key] = value
    check(settings, tmp_path, CheckpointError, message)


@pytest.mark.parametrize("section", ["normalizer", "pre_tokenizer", "model", "post_processor", "decoder"])
def test_unknown_components_list_the_known_ones(
    settings: dict[str, Any], tmp_path: Path, section: str
) -> None:
    settings[section]["type"] = "Strange"
    check(settings, tmp_path, UnsupportedError, f'{section} type "Strange" is unknown; known: \\w+')


@pytest.mark.parametrize(
    "key, value, message",
    [
        ("truncation", {"max_length": 8, "strategy": "Middle", "stride": 0}, "truncation.strategy"),
        ("truncation", {"max_length": 8, "strategy": {}, "stride": 0}, "truncation.strategy"),
        ("truncation", {"max_length": -1, "strategy": "OnlyFirst", "stride": 0}, "truncation.max_length"),
        ("padding", {"strategy": {"Fixed": "8"}}, "padding.strategy"),
        ("padding", {"strategy": "BatchLongest", "pad_token": "[PAD]", "pad_id": None}, "padding.pad_id"),
        ("added_tokens", {}, "added_tokens"),
        ("added_tokens", [{"id": 1, "content": "x"}], r"added_tokens\[0\].single_word"),
        ("normalizer", ["BertNormalizer"], "normalizer"),
        ("model", None, "model"),
    ],
)
def test_root(settings: dict[str, Any], tmp_path: Path, key: str, value: Any, message: str) -> None:
    check({**settings, key: value}, tmp_path, CheckpointError, message)


def check(settings: dict[str, Any], folder: Path, kind: type[Exception], message: str) -> None:
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(settings))
    with pytest.raises(kind, match=message) as caught:
        AutoTokenizer.from_pretrained(path)
    assert str(path) in str(caught.value)


def test_surrogates_in_the_vocabulary(settings: dict[str, Any], tmp_path: Path) -> None:
    settings["model"]["vocab"]["\ud800"] = 99
    check(settings, tmp_path, CheckpointError, "surrogate")
    assert "\ud800" not in TokenTable.of("a file", {"a": 0})


def test_entries_that_the_model_does_not_have(settings: dict[str, Any], tmp_path: Path, load: Any) -> None:
    want = load(settings)[0]("the cats")["input_ids"]
    settings["model"] |= {"merges": [["a"], 7], "scores": "many", "rules": None}
    ours, reference = load(settings)
    assert ours("the cats")["input_ids"] == want == reference.encode("the cats").ids
    ours.save_pretrained(tmp_path / "saved")


def test_the_engine_checks_again() -> None:
    """What Python hands over is checked once more where memory is touched."""
    from fastplm import _engine

    for blob, begins, ends, ids in (
        (b"ab", [0], [1], [0, 1]), (b"ab", [0, 1], [1, 3], [0, 1]), (b"ab", [0, 2], [2, 1], [0, 1]),
        (b"ab", [-1, 1], [1, 2], [0, 1]), (b"ab", [0, 1], [1, 2], [0, -1]), (b"aa", [0, 1], [1, 2], [0, 1]),
        (b"\xff", [0], [1], [0]), (b"\xed\xa0\x80", [0], [3], [0]), (b"ab", [0, 1], [1], [0, 1]),
    ):  # fmt: skip
        with pytest.raises(CheckpointError, match="vocabulary"):
            _engine.Vocabulary(blob, begins, ends, ids)


def test_mutated_files_never_crash(settings: dict[str, Any], tmp_path: Path) -> None:
    """Random damage to a valid file."""
    import random

    rng = random.Random(0)
    text = json.dumps(settings)
    path = tmp_path / "tokenizer.json"
    loaded = 0
    for _ in range(400):
        characters = list(text)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(characters))
            characters[at : at + rng.randint(0, 8)] = rng.choice(
                ["", '"', "}", "[", "-1", "null", "1e9", "\\ud800", "é", ","]
            )
        path.write_text("".join(characters), encoding="utf-8")
        try:
            tok = AutoTokenizer.from_pretrained(path)
        except (CheckpointError, UnsupportedError):
            continue
        loaded += 1
        try:
            tok(["the cats", "中 [MASK] é"], ["a", "b"], return_offsets_mapping=True)
        except ValueError as error:
            assert 'no "' in str(error)  # the unknown token went missing
    assert loaded > 0
