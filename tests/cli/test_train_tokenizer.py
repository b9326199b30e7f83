"""fastplm train-tokenizer: files in, a folder out that fastplm and transformers load."""

import json
from pathlib import Path
from typing import Any

import pytest

from fastplm.cli import main, train_tokenizer
from fastplm.tokenizer import AutoTokenizer

LINES = [
    "The kettle is on the table.",
    "Is the kettle warm?",
    "The tables are long, the kettle is old.",
] * 5


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    file = tmp_path / "corpus.txt"
    file.write_text("".join(line + "\n" for line in LINES), encoding="utf-8")
    return file


def train(corpus: Path, *arguments: str) -> Path:
    output = corpus.parent / "out"
    assert main(["train-tokenizer", str(corpus), "--output", str(output), *arguments]) == 0
    return output


@pytest.mark.parametrize(
    ("arguments", "special", "text"),
    [
        (["--model", "bpe"], {"bos_token", "eos_token"}, "The kettle is on the table.\n"),
        (
            ["--model", "bpe", "--no-byte-level"],
            {"bos_token", "eos_token", "unk_token"},
            "The kettle is long.",
        ),
        (
            ["--model", "wordpiece", "--lowercase"],
            {"pad_token", "unk_token", "cls_token", "sep_token", "mask_token"},
            "[CLS] the kettle is long. [SEP]",
        ),
        (["--model", "wordlevel"], {"pad_token", "unk_token"}, "The kettle is on the table ."),
        (["--model", "unigram"], {"pad_token", "eos_token", "unk_token"}, "The kettle is long."),
    ],
    ids=lambda value: "-".join(value[1:]) if isinstance(value, list) else "",
)
def test_each_model(corpus: Path, arguments: list[str], special: set[str], text: str, capsys: Any) -> None:
    transformers = pytest.importorskip("transformers")
    folder = train(corpus, "--vocab-size", "300", *arguments)
    assert capsys.readouterr().out.startswith(f"{folder}: ")
    ours, reference = (
        AutoTokenizer.from_pretrained(folder),
        transformers.AutoTokenizer.from_pretrained(folder),
    )
    assert set(ours.special_tokens_map) == special
    assert ours.special_tokens_map == reference.special_tokens_map
    assert len(ours) == len(reference) <= 300
    probes = [*LINES, text, "", "caf\u00e9 [UNK] <unk>", "<|endoftext|> </s>"]
    assert ours(probes)["input_ids"] == reference(probes)["input_ids"]
    assert ours(probes[0], text)["input_ids"] == reference(probes[0], text)["input_ids"]
    ids = ours(text.removeprefix("[CLS] ").removesuffix(" [SEP]"))["input_ids"]
    assert ours.decode(ids) == reference.decode(ids) == text


def test_special_tokens_and_sizes(corpus: Path, capsys: Any) -> None:
    folder = train(
        corpus, "--model", "wordpiece", "--vocab-size", "60", "--min-frequency", "1", "--json",
        "--special-tokens", "<unk>", "<extra>",
    )  # fmt: skip
    ours = AutoTokenizer.from_pretrained(folder)
    assert json.loads(capsys.readouterr().out) == {
        "output": str(folder), "model": "wordpiece", "vocab_size": 60, "special_tokens": ["<unk>", "<extra>"],
        "files": [str(corpus)],
    }  # fmt: skip
    assert len(ours) == 60
    assert ours.convert_tokens_to_ids(["<unk>", "<extra>"]) == [0, 1]
    assert ours.unk_token == "<unk>"
    assert ours("<extra>!")["input_ids"] == [1, 0]  # no template without [CLS] and [SEP]


@pytest.mark.parametrize(("model", "size"), [("bpe", 30000), ("wordlevel", 30000), ("unigram", 8000)])
def test_a_size_that_is_not_given(model: str, size: int, corpus: Path, monkeypatch: Any) -> None:
    asked = []
    real = train_tokenizer.from_scratch

    def train_small(*args: Any, vocab_size: int, **options: Any) -> Any:
        asked.append(vocab_size)
        return real(*args, vocab_size=300, **options)

    monkeypatch.setattr(train_tokenizer, "from_scratch", train_small)
    train(corpus, "--model", model)
    assert asked == [size]


def test_min_frequency(corpus: Path) -> None:
    words = set(AutoTokenizer.from_pretrained(train(corpus, "--model", "wordlevel")).get_vocab())
    assert {"The", "kettle", "long"} <= words
    often = AutoTokenizer.from_pretrained(train(corpus, "--model", "wordlevel", "--min-frequency", "6"))
    assert {"The", "kettle"} <= set(often.get_vocab()) and "long" not in often.get_vocab()


def test_from_a_tokenizer(corpus: Path) -> None:
    first = train(corpus, "--model", "wordpiece", "--vocab-size", "80", "--lowercase")
    other = corpus.with_name("other.txt")
    other.write_text("zebras and zebus\n" * 3)
    before = AutoTokenizer.from_pretrained(first)
    after = AutoTokenizer.from_pretrained(train(other, "--from", str(first), "--special-tokens", "<new>"))
    assert after.special_tokens_map == before.special_tokens_map
    assert after.extra_special_tokens == ["<new>"]
    assert after.tokenize("Zebras") == ["zebras"]
    want = before.train_new_from_iterator(
        ["zebras and zebus\n"] * 3, len(before), new_special_tokens=["<new>"]
    )
    assert after.get_vocab() == want.get_vocab()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "unigram", "--min-frequency", "2"], "--min-frequency: unigram has none"),
        (["--model", "unigram", "--vocab-size", "9"], "different characters"),
        (["--model", "bpe", "--vocab-size", "0"], "--vocab-size: 0; expected at least 1"),
        (["--model", "wordpiece", "--byte-level"], "byte-level words are for BPE"),
        (["--model", "wordlevel", "--special-tokens", "[PAD]"], "expected [UNK] or <unk> among them"),
        (["--from", "/no/such/model"], "/no/such/model"),
        (["--from", "x", "--lowercase"], "--lowercase: with --from"),
        (["--model", "bpe", "/no/such/file"], "/no/such/file"),
    ],
)
def test_bad_input_is_one_line_on_stderr(
    corpus: Path, tmp_path: Path, arguments: list[str], message: str, capsys: Any
) -> None:
    output = tmp_path / "out"
    assert main(["train-tokenizer", str(corpus), "--output", str(output), *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("fastplm train-tokenizer: error: ") and err.count("\n") == 1
    assert message in err
    assert not output.exists()


def test_bad_files_are_named(tmp_path: Path, capsys: Any) -> None:
    empty, latin = tmp_path / "empty.txt", tmp_path / "latin.txt"
    empty.touch()
    latin.write_bytes(b"fine\ncaf\xe9\n")
    arguments = ["--model", "bpe", "--output", str(tmp_path / "out")]
    assert main(["train-tokenizer", str(empty), *arguments]) == 2
    assert "the corpus is empty" in capsys.readouterr().err
    assert main(["train-tokenizer", str(empty), str(latin), *arguments]) == 2
    assert f"{latin}, line 2" in capsys.readouterr().err


def test_usage(capsys: Any) -> None:
    assert main(["train-tokenizer", "--help"]) == 0
    assert "examples:" in capsys.readouterr().out
    assert main(["train-tokenizer", "a.txt", "--output", "b"]) == 2
    assert "--model" in capsys.readouterr().err
