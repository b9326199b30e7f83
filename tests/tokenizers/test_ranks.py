"""Tokens with ranks: tiktoken files, and tekken.json."""

import base64
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.tokenizer import AutoTokenizer
from tests.fuzz.families import PATTERNS
from tests.tokenizers.test_sources import TEXTS, assert_same, both

pytest.importorskip("transformers")


def write_ranks(path: Path, tokens: list[bytes]) -> None:
    path.write_bytes(b"".join(base64.b64encode(token) + b" %d\n" % i for i, token in enumerate(tokens)))


def ranks(seed: int) -> list[bytes]:
    """All bytes, then tokens that two earlier ones make."""
    rng = random.Random(seed)
    tokens = [bytes([b]) for b in rng.sample(range(256), 256)]
    letters = [b" ", *(bytes([c]) for c in b"acehst'12\n\xc3\xa9\xe4\xb8\xad")]
    while len(tokens) < 500:
        made = rng.choice(letters + tokens[256:]) + rng.choice(letters + tokens[256:])
        if made not in tokens and len(made) < 9:
            tokens.append(made)
    return tokens


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"extra_special_tokens": ["<x>", "<s>"]},
        {"added_tokens_decoder": {"503": {"content": "<late>", "special": True}}},
        {"bos_token": "<s>", "add_bos_token": True, "pad_token": "<pad>"},
    ],
    ids=str,
)
@pytest.mark.parametrize("file", ["tiktoken.model", "tokenizer.model"])
def test_tiktoken(file: str, config: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("tiktoken")
    write_ranks(tmp_path / file, ranks(len(file)))
    config = {"tokenizer_class": "TokenizersBackend", **config}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    texts = [*TEXTS, "the cat's at the sea 1212\n\n ca  e<late> <x>", "ééé中中 cast chest"]
    assert_same(*both(tmp_path), texts)
    named = tmp_path / "some.tiktoken"
    (tmp_path / file).rename(named)
    by_file, by_folder = AutoTokenizer.from_pretrained(named), AutoTokenizer.from_pretrained(tmp_path)
    options = {"add_special_tokens": False, "split_special_tokens": True}
    assert by_folder(texts, **options)["input_ids"] == by_file(texts)["input_ids"]


def test_lines_that_tiktoken_takes(tmp_path: Path) -> None:
    """An empty token, as the last line of Whisper's multilingual file has it; signs that are no base64."""
    pytest.importorskip("tiktoken")
    path = tmp_path / "tiktoken.model"
    write_ranks(path, ranks(5))
    with path.open("ab") as file:
        file.write(b"\r\n\n  Y*2Fj\t+500\nY2F0IQ==YWJj 5_01 \r= 502\n")
    (tmp_path / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "TokenizersBackend", "pad_token": "<p>"}'
    )
    ours, reference = both(tmp_path)
    assert ours.convert_tokens_to_ids(["cac", "cat!", "", "<p>"]) == [500, 501, 502, 503]
    assert_same(ours, reference, [*TEXTS, "cac cat! cast", ""])
    ids = [502, 500, 502, 501]
    assert ours.decode(ids) == reference.decode(ids) == "caccat!"
    path.rename(tmp_path / "some.tiktoken")
    alone = AutoTokenizer.from_pretrained(tmp_path / "some.tiktoken")
    assert alone.get_vocab().items() >= {("cac", 500), ("cat!", 501), ("", 502)}
    alone.save_pretrained(tmp_path / "saved")
    again = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert again(TEXTS)["input_ids"] == alone(TEXTS)["input_ids"]


def test_real_tiktoken(data: Path, tmp_path: Path, texts: list[str]) -> None:
    pytest.importorskip("tiktoken")
    shutil.copy(data / "tokenizers/tiktoken/cl100k_base/cl100k_base.tiktoken", tmp_path / "tiktoken.model")
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "TokenizersBackend"}')
    assert_same(*both(tmp_path), [*TEXTS, *texts[:50]])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "YQ==\n",
        "YQ== x\n",
        "YQ== 0 1\n",
        "Y*== 0\n",
        "YQ== -1\n",
        "YQ== 0\nYg== 0\n",
        "YQ== 99999999999\n",
    ],
)
def test_bad_tiktoken(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.tiktoken"
    path.write_text(text)
    with pytest.raises(CheckpointError, match=r"bad\.tiktoken"):
        AutoTokenizer.from_pretrained(path)


SPECIAL = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "<pad>", "ca"]  # the last is a token of the text too


def tekken(tokens: list[bytes], **config: Any) -> dict[str, Any]:
    return {
        "config": {"pattern": PATTERNS["tekken"], "version": "v7", **config},
        "vocab": [
            {"rank": i, "token_bytes": base64.b64encode(token).decode(), "token_str": None}
            for i, token in enumerate(tokens)
        ],
        "special_tokens": [
            {"rank": i, "token_str": token, "is_control": True}
            for i, token in reversed([*enumerate(SPECIAL)])
        ],
    }


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "add_bos_token": True},
        {"tokenizer_class": "MistralCommonBackend", "pad_token": "<pad>", "model_max_length": 40},
        {"tokenizer_class": "TokenizersBackend", "extra_special_tokens": ["<x>", "[INST]"]},
    ],
    ids=str,
)
@pytest.mark.parametrize("sizes", [(None, None), (420, None), (420, 20), (None, 7)], ids=str)
def test_tekken(config: dict[str, Any], sizes: tuple[Any, Any], tmp_path: Path) -> None:
    names = ("default_vocab_size", "default_num_special_tokens")
    (tmp_path / "tekken.json").write_text(
        json.dumps(tekken(ranks(7), **dict(zip(names, sizes, strict=True))))
    )
    (tmp_path / "config.json").write_text('{"model_type": "mistral"}')
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    texts = [*TEXTS, "the cat's at\n\n ca  e[INST] <x><SPECIAL_9>", "ééé中中 cast chest THE Cat 1212//"]
    ours, reference = both(tmp_path)
    assert_same(ours, reference, texts)
    saved = tmp_path / "saved"
    ours.save_pretrained(saved)
    assert_same(AutoTokenizer.from_pretrained(saved), reference, texts)


def test_tekken_by_itself(tmp_path: Path) -> None:
    """The file alone names its special tokens; a tokenizer.json in its folder comes before it."""
    integration = pytest.importorskip("transformers.integrations.mistral.tokenizer")
    path = tmp_path / "tekken_240911.json"
    path.write_text(json.dumps(tekken(ranks(8))))
    ours, reference = AutoTokenizer.from_pretrained(path), integration.convert_tekken_tokenizer(str(path))
    assert ours.special_tokens_map == reference.special_tokens_map
    assert ours.get_vocab() == reference.get_vocab()
    assert ours(TEXTS)["input_ids"] == reference(TEXTS)["input_ids"]
    folder = tmp_path / "folder"
    AutoTokenizer.from_pretrained(path).save_pretrained(folder)
    shutil.copy(path, folder / "tekken.json")
    (folder / "tekken.json").write_text("{}")
    assert AutoTokenizer.from_pretrained(folder)(TEXTS)["input_ids"] == ours(TEXTS)["input_ids"]


def test_real_tokens_in_tekken(data: Path, tmp_path: Path, texts: list[str]) -> None:
    lines = (data / "tokenizers/tiktoken/cl100k_base/cl100k_base.tiktoken").read_bytes().splitlines()
    tokens = [base64.b64decode(line.split()[0]) for line in lines]
    sizes = {"default_vocab_size": 90_000, "default_num_special_tokens": 1000}
    (tmp_path / "tekken.json").write_text(json.dumps(tekken(tokens, **sizes)))
    assert_same(*both(tmp_path), [*TEXTS, *texts[:50]])


def _with(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    file = tekken([b"a", b"b", b"ab"])
    change(file)
    return file


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ([], "config is None; expected an object"),
        ({}, "config is None; expected an object"),
        (_with(lambda f: f.update(vocab={})), r"vocab is \{\}; expected a list"),
        (_with(lambda f: f["config"].pop("pattern")), "pattern is None; expected a string"),
        (_with(lambda f: f["config"].update(pattern="(")), "the regex"),
        (_with(lambda f: f["vocab"].insert(1, 5)), r"vocab\[1\] is 5; expected token_bytes"),
        (_with(lambda f: f["vocab"][2].update(token_bytes="Y*==")), r"vocab\[2\].*base64"),
        (_with(lambda f: f["vocab"][2].update(token_bytes=[])), r"vocab\[2\].*base64"),
        (_with(lambda f: f["vocab"][2].update(token_bytes="")), r"vocab\[2\].*base64"),
        (_with(lambda f: f["vocab"].append(f["vocab"][0])), r"vocab\[3\] is the token of vocab\[0\]"),
        (_with(lambda f: f["special_tokens"].pop(1)), "ranks of special_tokens"),
        (_with(lambda f: f["special_tokens"][0].update(rank=True)), r"special_tokens\[0\]"),
        (_with(lambda f: f["special_tokens"][0].update(token_str=None)), r"special_tokens\[0\]"),
        (_with(lambda f: f["special_tokens"][0].update(token_str="<s>")), "two special tokens are the same"),
        (_with(lambda f: f["config"].update(default_vocab_size=3)), "default_vocab_size is 3"),
        (_with(lambda f: f["config"].update(default_vocab_size=1e9)), "default_vocab_size"),
        (
            _with(lambda f: f["config"].update(default_num_special_tokens=3)),
            "default_num_special_tokens is 3",
        ),
        (_with(lambda f: f["config"].update(default_num_special_tokens=10**9)), "default_num_special_tokens"),
    ],
)
def test_bad_tekken(file: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "tekken.json"
    path.write_text(json.dumps(file))
    with pytest.raises(CheckpointError, match=rf"tekken\.json.*{message}"):
        AutoTokenizer.from_pretrained(path)


def test_tekken_without_special_tokens(tmp_path: Path) -> None:
    path = tmp_path / "tekken.json"
    path.write_text(json.dumps({**tekken([b"a"]), "special_tokens": None}))
    with pytest.raises(UnsupportedError, match=r"tekken\.json: no special_tokens"):
        AutoTokenizer.from_pretrained(path)


def test_tokens_that_would_take_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ways to cut a token are looked for in time that its length bounds, and their number is bounded."""
    path = tmp_path / "long.tiktoken"
    write_ranks(path, [b"a", b"a" * 10_000_000])
    with pytest.raises(CheckpointError, match=r"long\.tiktoken: a token of length 10000000"):
        AutoTokenizer.from_pretrained(path)
    monkeypatch.setattr("fastplm.tokenizers.base.recovered_merges._MAX_CUTS", 1000)
    write_ranks(path, [b"a" * n for n in range(1, 46)])  # 45 * 44 / 2 = 990 cuts
    AutoTokenizer.from_pretrained(path)
    write_ranks(path, [b"a" * n for n in range(1, 47)])
    with pytest.raises(CheckpointError, match=r"long\.tiktoken: more than 1000 ways to cut"):
        AutoTokenizer.from_pretrained(path)
