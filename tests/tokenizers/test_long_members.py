"""The vocabulary and merges of tokenizer.json, read without an object per entry, are what json reads."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.jsonfile import parse_json
from fastplm.tokenizers.base.source import Source
from fastplm.tokenizers.base.token_table import Strings, TokenIds, TokenScores, TokenTable
from fastplm.tokenizers.base.written_numbers import (
    as_serde_json_reads,
    read_numbers,
    read_numbers_as_serde_json,
)
from fastplm.tokenizers.files.long_members import NotPlain, read_apart
from fastplm.tokenizers.files.tokenizer_json import read_tokenizer_json, source_of

_PIECES = [
    "a", "b", "ab", 'quo"te', "back\\slash", "\\\\", '\\"', '"', '","', '"],["', "]", "}", "]}", "{", ":",
    '":', "é", "中", "𝄞", "👩‍🚀", "\u0301", "\n", "\t", "\x7f", "\ufeff", "", "vocab", "merges", "Ġthe", "▁x",
    "/", "u0041", "0", "1,2", "-1.5", "[", "null", "\x1f",
]  # fmt: skip
_STYLES: list[dict[str, Any]] = [
    {},
    {"separators": (",", ":")},
    {"indent": 2},
    {"indent": 4, "ensure_ascii": False},
    {"separators": (",", ":"), "ensure_ascii": False},
]


def _file(rng: random.Random) -> dict[str, Any]:
    tokens = rng.sample(_PIECES, rng.randint(2, len(_PIECES)))
    kind = rng.choice(["words", "pairs", "strings", "scores"])
    model: dict[str, Any]
    if kind == "scores":
        scores = [rng.choice([0.0, 0, -1.5, -12.03125, 1e-7, -3]) for _ in tokens]
        entries = [list(pair) for pair in zip(tokens, scores, strict=True)]
        model = {"type": "Unigram", "unk_id": 0, "vocab": entries}
    elif kind == "words":
        ids = rng.sample(range(len(tokens) * 2), len(tokens))
        model = {"type": "WordLevel", "unk_token": tokens[0], "vocab": dict(zip(tokens, ids, strict=True))}
    else:
        sides = [token for token in tokens if token and " " not in token]
        merges = [(rng.choice(sides), rng.choice(sides)) for _ in range(rng.randint(1, 9))]
        tokens += [made for made in dict.fromkeys(a + b for a, b in merges) if made not in tokens]
        written = [f"{a} {b}" for a, b in merges] if kind == "strings" else [list(pair) for pair in merges]
        model = {"type": "BPE", "vocab": {token: i for i, token in enumerate(tokens)}, "merges": written}
    if rng.random() < 0.3:
        model = dict(reversed(model.items()))
    root = {"version": "1.0", "added_tokens": [], "normalizer": None, "model": model, "decoder": None}
    return dict(rng.sample(sorted(root.items()), len(root)))


def _outcome(read: Callable[[], Source]) -> Any:
    try:
        source = read().as_python_reads()
    except (CheckpointError, UnsupportedError) as error:
        return type(error).__name__, str(error)
    model = {k: v.tolist() if hasattr(v, "tolist") else v for k, v in source.model.items()}
    return list(source.vocabulary.to_dict().items()), repr(model), source.sections, source.added_tokens


def _compare(raw: bytes, path: Path) -> bool:
    """Whether the quick way was taken. What the reader makes of the file is what json alone makes of it."""
    path.write_bytes(raw)
    name = str(path)
    want = _outcome(lambda: source_of(name, parse_json(raw, name, unique_keys=False)))
    assert _outcome(lambda: read_tokenizer_json(path)) == want, raw
    try:
        quick = _outcome(lambda: source_of(name, read_apart(raw, name)))
    except NotPlain:
        return False
    if len(quick) == 2:  # an error, after which json decides
        return False
    assert quick == want, raw
    return True


def test_generated_files(tmp_path: Path) -> None:
    rng = random.Random(0)
    quick = 0
    for _ in range(300):
        text = json.dumps(_file(rng), **rng.choice(_STYLES))
        quick += _compare(text.encode(), tmp_path / "tokenizer.json")
    assert quick > 280


def test_mutated_files(tmp_path: Path) -> None:
    """Damage never makes the quick way see something else than json: many files, few of them whole."""
    rng = random.Random(1)
    parts = [
        b'"', b"\\", b",", b":", b"[", b"]", b"{", b"}", b" ", b"\n", b"0", b"7", b"-", b".", b"e", b"1e999",
        b"null", b"true", b"NaN", b'""', b"\\u0041", b"\\ud83d", b"\\u001e", b"\x1e", b"\x00", b"\xff",
        b"\xc3", b"\xed\xa0\x80", b'"vocab":', b'"merges":[', b'"model":{}', b'"a":1', b"01", b"1 2", b'["a"',
        b"]]",
    ]  # fmt: skip
    quick = 0
    for _ in range(1500):
        raw = bytearray(json.dumps(_file(rng), **rng.choice(_STYLES)).encode())
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            at = rng.randrange(len(raw))
            kind = rng.random()
            if kind < 0.3:
                del raw[at : at + rng.randint(1, 4)]
            elif kind < 0.7:
                raw[at:at] = rng.choice(parts)
            elif kind < 0.9:
                raw[at : at + 1] = rng.choice(parts)
            else:
                other = rng.randrange(len(raw))
                raw[at:at] = raw[other : other + rng.randint(1, 30)]
        quick += _compare(bytes(raw), tmp_path / "tokenizer.json")
    assert quick > 150


def test_real_files_take_the_quick_way(data: Path) -> None:
    for path in sorted((data / "tokenizers").rglob("*.json")):
        raw = path.read_bytes()
        root = json.loads(raw)
        model = root.get("model") if isinstance(root, dict) else None
        if not isinstance(model, dict) or len(model.get("vocab", ())) < 10_000:
            continue
        found = read_apart(raw, str(path))["model"]
        vocabulary, strings = found["vocab"], _strings(found["vocab"].tokens)
        if isinstance(vocabulary, TokenScores):
            pairs = zip(strings, read_numbers(vocabulary.scores).tolist(), strict=True)
            assert list(map(list, pairs)) == model["vocab"]
        else:
            assert isinstance(vocabulary, TokenIds)
            assert dict(zip(strings, vocabulary.ids.tolist(), strict=True)) == model["vocab"]
        if "merges" in model:
            sides = _strings(found["merges"].sides)
            merges = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
            assert [list(pair) for pair in zip(sides[::2], sides[1::2], strict=True)] == merges


def _strings(strings: Strings) -> list[str]:
    spans = zip(strings.begins.tolist(), strings.ends.tolist(), strict=True)
    return [strings.bytes[begin:end].decode() for begin, end in spans]


@pytest.mark.parametrize(
    "text",
    [
        '{"model": {"type": "WordLevel", "unk_token": "a", "vocab": {"a": 0}, "vocab": {"b": 1}}}',
        '{"model": {"type": "WordLevel", "unk_token": "a", "vocab": {"a": 0}}, "model": 5}',
        '{"other": {"vocab": {"a": 0}}, "model": {"type": "WordLevel", "unk_token": "b", "vocab": {"b": 0}}}',
        '{"model": {"type": "WordLevel", "unk_token": "a", "vocab": {"a": 0, "a": 1}}}',
        '{"model": {"type": "WordLevel", "unk_token": "a", "vocab": {"a": 1 2}}}',
        '{"model": {"type": "WordLevel", "unk_token": "a", "vocab": {5 "a": 1}}}',
        '{"model": {"type": "WordLevel", "unk_token": "a", "vocab": {"a": 9223372036854775808}}}',
        '{"model": {"type": "Unigram", "unk_id": 0, "vocab": [["a", 0]], ["b", 1]]}}',
        '{"model": {"type": "Unigram", "unk_id": 0, "vocab": [["a", NaN]]}}',
        '{"model": {"type": "Unigram", "unk_id": 0, "vocab": [["a", 0.1E999]]}}',
        '{"model": {"type": "Unigram", "unk_id": 0, "vocab": [["a", 0], ["a", -1]]}}',
        '{"model": {"type": "BPE", "vocab": {"a": 0, "aa": 1}, "merges": ["a  a"]}}',
        '{"model": {"type": "BPE", "vocab": {"a": 0, "aa": 1}, "merges": [["a", "b"]]}}',
        '{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}',
        '{"model": {"type": "BPE", "vocab": {}, "merges": ["a a"]}}',
    ],
)
def test_files_left_to_json(text: str, tmp_path: Path) -> None:
    assert not _compare(text.encode(), tmp_path / "tokenizer.json")


def test_one_of_two_equal_keys_counts(tmp_path: Path) -> None:
    text = '{"model": {"type": "WordLevel", "unk_token": "a", "vocab": {"a": 0}, "vocab": {"b": 1}}}'
    path = tmp_path / "tokenizer.json"
    path.write_text(text)
    assert read_tokenizer_json(path).vocabulary.to_dict() == {"b": 1}


def test_numbers_are_read_as_serde_json_reads_them() -> None:
    tokenizers = pytest.importorskip("tokenizers")
    rng = random.Random(2)
    numbers = ["0", "-0.0", "1e-7", "-1E5", "123456789012345678901234567890.5", "0.1234567890123456789012345"]
    for _ in range(3000):
        digits = "".join(rng.choices("0123456789", k=rng.randint(1, 24)))
        whole, _, fraction = (digits[: (cut := rng.randint(1, len(digits)))], "", digits[cut:])
        number = rng.choice(["", "-"]) + (whole.lstrip("0") or "0") + (f".{fraction}" if fraction else "")
        if rng.random() < 0.2:
            number += rng.choice("eE") + rng.choice(["", "+", "-"]) + str(rng.randint(0, 60))
        numbers.append(number)
    pieces = ",".join(f'["p{i}",{number}]' for i, number in enumerate(numbers))
    text = f'{{"version":"1.0","model":{{"type":"Unigram","unk_id":0,"vocab":[{pieces}]}}}}'
    want = [score for _, score in json.loads(tokenizers.Tokenizer.from_str(text).to_str())["model"]["vocab"]]
    assert [as_serde_json_reads(number) for number in numbers] == want
    text = ",".join(numbers).encode()
    assert repr(read_numbers_as_serde_json(text).tolist()) == repr(want)
    assert repr(read_numbers(text).tolist()) == repr(list(map(float, numbers)))
    assert want != read_numbers(text).tolist()  # it does round twice
    assert read_numbers(b"").tolist() == read_numbers_as_serde_json(b"").tolist() == []


def test_token_table_is_a_mapping() -> None:
    tokens = {"a": 3, "é": 0, "": 7, "中": 1}
    table = TokenTable.of("file", tokens)
    assert dict(table) == table.to_dict() == tokens and list(table) == list(tokens) and len(table) == 4
    assert table["é"] == 0 and table.get("b") is None and "\ud800" not in table and "" in table
    sides = table.merge_sides(Strings.of(["a", "é"]))
    assert sides.tolist() == [0, 1]
    with pytest.raises(CheckpointError, match=r"file: model.merges\[0\]: the vocabulary lacks 'aé'"):
        table.merge_rules(sides, 0)
    with pytest.raises(CheckpointError, match=r"model.merges\[1\]: the vocabulary lacks 'x'"):
        table.merge_sides(Strings.of(["a", "a", "x", "a"]))


def test_the_engine_checks_merges_again() -> None:
    engine = TokenTable.of("file", {"a": 0, "b": 1, "ab": 2}).engine
    for begins, ends in (([0], [1]), ([0, 1], [1, 3]), ([0, 2], [1, 1]), ([-1, 1], [1, 2]), ([0, 1], [1])):
        with pytest.raises(CheckpointError, match=r"model.merges"):
            engine.merge_sides(b"ab", begins, ends)
    assert engine.merge_sides(b"ab", [1, 0], [2, 2]).tolist() == [1, 2]
    for sides in ([0], [0, 3], [-1, 0], [0, 2**31 - 1]):
        with pytest.raises(CheckpointError, match=r"model.merges"):
            engine.merge_rules(sides, 0)
    assert engine.merge_rules([0, 1], 0).tolist() == [0, 1, 2]
    assert engine.merge_rules([0, 2], 1).tolist() == [0, 2, 2]
    assert engine.merge_rules([2, 0], 99).tolist() == [2, 0, 2]
