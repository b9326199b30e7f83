"""Unigram and WordLevel: the reference's cut of every word, with its ties, unknowns, bytes and errors."""

import json
import random
import time
import zlib
from pathlib import Path
from typing import Any

import pytest

from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.tokenizer import AutoTokenizer
from tests.size import sized
from tests.tokenizers.awkward import SCALARS

METASPACE = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
WORDS = {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, METASPACE]}
BYTES = [[f"<0x{byte:02X}>", -5.0] for byte in range(256)]
UNKNOWN = ["<unk>", 0.0]


def tokenizer(model: dict[str, Any], **sections: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("normalizer", "pre_tokenizer", "post_processor", "decoder"))
    return {"version": "1.0", "added_tokens": [], **empty, **sections, "model": model}


def unigram(vocab: list[Any], unk_id: int | None = 0, **settings: Any) -> dict[str, Any]:
    return {"type": "Unigram", "unk_id": unk_id, "vocab": vocab, **settings}


def tokens(tok: Any, text: str) -> list[str]:
    return tok.convert_ids_to_tokens(tok(text, add_special_tokens=False)["input_ids"])


@pytest.mark.parametrize("seed", range(24))
def test_random_vocabularies(load: Any, assert_same: Any, seed: int) -> None:
    """Scores from a short list, so that many cuts are equally good; some are positive."""
    rng = random.Random(seed)
    letters = "abcé▁中"[: rng.randint(2, 6)]
    pieces = {"".join(rng.choices(letters, k=rng.randint(1, 5))) for _ in range(rng.randint(1, 60))}
    common = [-1.0, -2.0, -3.0, -0.5, 0.0, -1.1, 7.0 if seed % 7 == 0 else -2.5]
    scores = [rng.choice(common) if rng.random() < 0.8 else rng.uniform(-10, 1) for _ in pieces]
    vocab = [UNKNOWN, *map(list, zip(sorted(pieces), scores, strict=True))]
    fallback = seed % 3 == 0
    if fallback:
        vocab += [entry for entry in BYTES if seed % 2 or entry[0] != "<0xA9>"]
    ours, reference = load(tokenizer(unigram(vocab, byte_fallback=fallback)))
    lengths = [1, 2, 5, 20, 60, 400, 1500]
    texts = ["".join(rng.choices(letters + "xyé😀", k=rng.choice(lengths))) for _ in range(60)]
    assert_same(ours, reference, [*texts, "<unk>", "a<unk>b<unk>x", "a\0b", ""])


class TestRules:
    @pytest.fixture
    def run(self, load: Any, assert_same: Any) -> Any:
        def make(vocab: list[Any], text: str, unk_id: int | None = 0, **settings: Any) -> list[str]:
            ours, reference = load(tokenizer(unigram(vocab, unk_id, **settings)))
            assert_same(ours, reference, [text])
            return tokens(ours, text)

        return make

    def test_of_equal_cuts_the_longest_last_piece_wins(self, run: Any) -> None:
        vocab = [UNKNOWN, ["a", -1.0], ["aa", -2.0], ["aaa", -3.0]]
        assert run(vocab, "aaaa") == ["a", "aaa"]
        assert run([UNKNOWN, ["ab", -1.0], ["a", -1.0], ["bc", -1.0], ["c", -1.0], ["b", -9.0]], "abc") == [
            "a",
            "bc",
        ]

    def test_sums_are_doubles_from_the_front(self, run: Any) -> None:
        """0.1 + 0.2 + 0.3 and 0.3 + 0.3 differ in the last bit."""
        assert run([UNKNOWN, ["a", -0.1], ["b", -0.2], ["c", -0.3], ["ab", -0.3]], "abc") == ["ab", "c"]
        run([UNKNOWN, ["a", -0.1], ["b", -0.2], ["c", -0.3], ["bc", -0.5]], "abc" * 50)

    def test_unknown_characters_are_one_token(self, run: Any) -> None:
        assert run([UNKNOWN, ["a", -1.0]], "xya中é") == ["<unk>", "a", "<unk>"]

    def test_the_unknown_piece_in_the_text_joins_them(self, run: Any) -> None:
        assert run([UNKNOWN, ["a", -1.0]], "a<unk>x<unk>a") == ["a", "<unk>", "a"]

    def test_unknowns_together_may_be_a_piece(self, run: Any) -> None:
        assert run([["<unk>", 100.0], ["xy", 100.0], ["a", 100.0]], "xyaxxy") == ["xy", "a", "<unk>"]

    def test_bytes(self, run: Any) -> None:
        assert run([UNKNOWN, ["a", -1.0], *BYTES], "aéa", byte_fallback=True) == [
            "a",
            "<0xC3>",
            "<0xA9>",
            "a",
        ]
        some = [UNKNOWN, ["a", -1.0], ["<0xC3>", -9.0], ["<0xA9>", -9.0]]
        assert run(some, "aéêa", byte_fallback=True) == ["a", "<unk>", "a"]

    def test_an_empty_piece_never_matches(self, run: Any) -> None:
        assert run([UNKNOWN, ["", 5.0], ["a", -1.0]], "aab") == ["a", "a", "<unk>"]

    def test_the_last_of_equal_pieces_counts(self, run: Any) -> None:
        run([UNKNOWN, ["a", -1.0], ["a", -5.0], ["b", -1.0], ["ab", -3.0]], "abaab")

    def test_unknowns_together_may_begin_a_piece(self, run: Any) -> None:
        assert run([UNKNOWN, ["xyz", -1.0], ["a", -1.0]], "axyaxyz") == ["a", "<unk>", "a", "xyz"]

    def test_equal_pieces_are_not_written(self, load: Any, tmp_path: Path) -> None:
        """They are one token here, and the ids behind them would move."""
        ours = load(tokenizer(unigram([UNKNOWN, ["a", -1.0], ["a", -5.0], ["b", -1.0]], 0)))[0]
        with pytest.raises(UnsupportedError, match=r"model\.vocab has a piece twice"):
            ours.save_pretrained(tmp_path / "saved")

    def test_unknown_without_unknown_piece(self, load: Any) -> None:
        for model in (
            unigram([["a", -1.0]], None),
            unigram([["a", -1.0], ["ab", -1.0]], None),
            unigram([], None),
        ):
            ours, reference = load(tokenizer(model))
            for text in ("ax", "x"):
                with pytest.raises(Exception, match="unk_id"):
                    reference.encode(text)
                with pytest.raises(ValueError, match="not in the vocabulary, and unk_id is null"):
                    ours.encode_packed([text])
                with pytest.raises(ValueError, match="unk_id is null"):
                    ours(text, return_offsets_mapping=True)
        assert tokens(load(tokenizer(unigram([["a", -1.0]], None)))[0], "aa") == ["a", "a"]

    @pytest.mark.parametrize(
        "model, message",
        [
            (unigram([["a", -1.0]], 1), "unk_id is 1; expected the id of one of 1 pieces"),
            (unigram([["a", -1.0]], -1), "unk_id is -1"),
            (unigram([], 0), "unk_id is 0"),
            (unigram([["a", float("inf")]]), "score"),
            (unigram([["a", -1.0]], 0, byte_fallback="yes"), "byte_fallback"),
            ({"type": "WordLevel", "vocab": {"a": 0}}, "unk_token"),
            ({"type": "WordLevel", "vocab": {"a": 0}, "unk_token": None}, "unk_token"),
        ],
    )
    def test_damaged_settings(self, tmp_path: Path, model: dict[str, Any], message: str) -> None:
        path = tmp_path / "tokenizer.json"
        path.write_text(json.dumps(tokenizer(model)))
        with pytest.raises(CheckpointError, match=message):
            AutoTokenizer.from_pretrained(path)


class TestWordLevel:
    def test_words(self, load: Any, assert_same: Any) -> None:
        model = {"type": "WordLevel", "vocab": {"a": 0, "[UNK]": 7, "中国": 3}, "unk_token": "[UNK]"}
        ours, reference = load(tokenizer(model, pre_tokenizer={"type": "Whitespace"}))
        assert tokens(ours, "a b 中国 aa") == ["a", "[UNK]", "中国", "[UNK]"]
        assert_same(ours, reference, ["a b 中国 aa", "", "a", "b" * 1000])

    def test_missing_unknown_token_is_an_error_when_needed(self, load: Any) -> None:
        model = {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "[UNK]"}
        ours, reference = load(tokenizer(model))
        assert tokens(ours, "a") == ["a"]
        with pytest.raises(Exception, match="Missing"):
            reference.encode("b")
        with pytest.raises(ValueError, match=r'no "\[UNK\]"'):
            ours.encode_packed(["b"])


# --- spaces, words and marks in one pass ---


@pytest.mark.parametrize(
    "pre_tokenizer",
    [
        WORDS,
        METASPACE,
        {"type": "Sequence", "pretokenizers": [METASPACE]},
        {
            "type": "Sequence",
            "pretokenizers": [{"type": "WhitespaceSplit"}, {**METASPACE, "replacement": "_"}],
        },
        {**METASPACE, "replacement": "é"},
        {**METASPACE, "prepend_scheme": "never"},
        {**METASPACE, "prepend_scheme": "first"},
        {**METASPACE, "split": False},
        {"type": "Sequence", "pretokenizers": [METASPACE, {"type": "WhitespaceSplit"}]},
    ],
    ids=range(9),
)
def test_metaspace(load: Any, assert_same: Any, pre_tokenizer: dict[str, Any]) -> None:
    rng = random.Random(5)
    letters = [
        "a",
        "b",
        "é",
        "中",
        "▁",
        "_",
        "😀",
        "\u2580",
        "\u3000",
        "\u00a0",
        "\u0085",
        "\t",
        " ",
        "\u2028",
        "\u200b",
    ]
    pieces = {"".join(rng.choices(letters[:9], k=rng.randint(1, 4))) for _ in range(150)}
    vocab = [UNKNOWN, *([piece, -rng.random() * 9] for piece in sorted(pieces))]
    added = {"content": "b中", "single_word": False, "lstrip": False, "rstrip": False, "special": False}
    settings = tokenizer(unigram(vocab), pre_tokenizer=pre_tokenizer)
    texts = ["".join(rng.choices(letters, k=rng.choice([1, 2, 3, 8, 30, 90]))) for _ in range(1500)]
    texts += [
        "",
        " ",
        "▁",
        "▁▁",
        " a",
        "a ",
        "▁a",
        "a▁",
        "a  b",
        "a ▁b",
        "_",
        "a" * 60 + " " + "b" * 23,
        "\n\n",
    ]
    assert_same(*load(settings), texts)
    settings["added_tokens"] = [{"id": 1000, "normalized": True, **added}]
    assert_same(*load(settings), texts[:500])


@pytest.mark.parametrize("name", ["unigram/t5-small", "unigram/xlnet-base-cased", "derived/xlm-roberta-base"])
def test_real_tokenizers(data: Path, assert_same: Any, name: str) -> None:
    """Every field, for books and text of many languages; ids for all scalar values."""
    tokenizers = pytest.importorskip("tokenizers")
    path = data / "tokenizers" / name / "tokenizer.json"
    ours, reference = AutoTokenizer.from_pretrained(path), tokenizers.Tokenizer.from_file(str(path))
    texts: list[str] = []
    for file, lines in (
        ("texts/blingfire_web_multilingual.txt", sized(300, 1500)),
        ("texts/pride_and_prejudice.txt", sized(100, 500)),
    ):
        texts += (data / file).read_text(encoding="utf-8").split("\n")[:lines]
    texts += [
        (data / "texts/blingfire_web_multilingual.txt").read_text(encoding="utf-8")[: sized(20_000, 100_000)]
    ]
    rng = random.Random(zlib.crc32(name.encode()))
    scalars = SCALARS[1:]
    texts += [
        "".join(chr(rng.choice(scalars[:60_000])) for _ in range(rng.randint(1, 40)))
        for _ in range(sized(200, 1000))
    ]
    assert_same(ours, reference, texts)
    pieces = ["".join(map(chr, scalars[i : i + 3000])) for i in range(0, len(scalars), 3000)]
    ids, begin = ours.encode_packed(pieces)
    for i, encoding in enumerate(reference.encode_batch_fast(pieces)):
        assert ids[begin[i] : begin[i + 1]].tolist() == encoding.ids, f"from U+{scalars[i * 3000]:04X}"


@pytest.mark.parametrize("name, by_line", [("small", True), ("mixed", True), ("utf8", False)])
def test_published_ids(data: Path, name: str, by_line: bool) -> None:
    """What another project published for xlnet-base-cased."""
    tok = AutoTokenizer.from_pretrained(data / "tokenizers/unigram/xlnet-base-cased/tokenizer.json")
    folder = data / "tokenizers/expect/kitoken"
    text = (folder / f"{name}_input.txt").read_bytes().decode("utf-8")
    expected = (folder / f"tokenizers/{name}_tokens_xlnet_base_cased.txt").read_bytes().decode("utf-8")
    texts, rows = (text.split("\n"), expected.split("\n")) if by_line else ([text], [expected])
    if name == "small":  # writes line ends and spaces at the end of a text as \\n and \\s
        texts = [line.replace("\\n", "\n").replace("\\s", " ") for line in texts]
    for one, row in zip(texts, rows, strict=True):
        assert tok(one, add_special_tokens=False)["input_ids"] == [
            int(i) for i in row.split(",") if i.strip()
        ]


@pytest.mark.alone
def test_long_words_take_linear_time(load: Any) -> None:
    """One word of 1 and of 10 MB: of letters with an unclear cut everywhere, and of unknown characters."""
    vocab = [UNKNOWN, ["a", -1.0], ["aa", -2.0], ["aaa", -2.9], ["b", -1.5], ["ab", -2.2]]
    ours, _ = load(tokenizer(unigram(vocab), pre_tokenizer=WORDS))
    for word in ("a", "ab", "x中"):
        seconds = []
        for size in (1_000_000, 10_000_000):
            text = word * (size // len(word.encode()))
            start = time.perf_counter()
            ids, _ = ours.encode_packed([text])
            seconds.append(time.perf_counter() - start)
            assert len(ids) == 1 if word == "x中" else len(ids) > size / 4
        assert seconds[1] < 25 * seconds[0] + 0.2
