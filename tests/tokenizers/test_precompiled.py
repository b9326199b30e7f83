"""SentencePiece's charsmap: clusters, characters and alignment as the reference has them; damaged maps."""

import base64
import itertools
import json
import random
import struct
from pathlib import Path
from typing import Any

import pytest

from fastplm.errors import CheckpointError
from fastplm.tokenizer import AutoTokenizer
from tests.size import sized
from tests.tokenizers import awkward
from tests.tokenizers.charsmap import build_charsmap, precompiled

SCALARS = awkward.SCALARS[1:]  # no NUL
# At least one character of each grapheme break property, of several lengths.
CLUSTERS = [
    "\n", "\r", "\x07", "\0", "a", "é", "中", "\u0301", "\u0308", "\u200c", "\u200d", "\u094d", "\u0903", "\u0600",  # noqa: E501
    "\U0001f1e6", "\u00a9", "\U0001f600", "\u0915", "\u1100", "\u1161", "\u11a8", "\uac00", "\uac01", "\u0e33",  # noqa: E501
    "\u0d4e", "\U0001e94a", "\U00016d63", "\U00011f02", "\U000113d0",
]  # fmt: skip
ALL_BYTES = {bytes([byte]): "!" for byte in range(1, 256)}


def tokenizer(normalizer: Any, texts: list[str]) -> dict[str, Any]:
    """Each character is a piece, so that ids show the normalized text."""
    characters = sorted({c for text in texts for c in text} - {"\0"})
    empty = dict.fromkeys(("pre_tokenizer", "post_processor", "decoder"))
    vocab = [["<unk>", 0.0], *([c, -1.0] for c in characters)]
    model = {"type": "Unigram", "unk_id": 0, "vocab": vocab}
    return {"version": "1.0", "added_tokens": [], "normalizer": normalizer, **empty, "model": model}


def test_clusters(load: Any, assert_same: Any) -> None:
    """Every byte becomes "!", and a cluster of fewer than 6 bytes a single one: the number tells the cuts."""
    rng = random.Random(1)
    texts = ["".join(t) for n in (1, 2) for t in itertools.product(CLUSTERS, repeat=n)]
    texts += ["".join(rng.choices(CLUSTERS, k=rng.randint(3, 9))) for _ in range(12_000)]
    assert_same(*load(tokenizer(precompiled(ALL_BYTES), [*texts, "!"])), texts)


def test_every_scalar_in_a_cluster(load: Any) -> None:
    """Before and after the characters that tell its break property."""
    frames = (
        "a%b",
        "%\u0301\u0301",
        "\u00a9%\u200d\u00a9\u0301",
        "\u0915%\u0915\u0301",
        "\u0600\u1161%",
        "%\u1161\u0301",
    )
    texts = ["\n".join(frame.replace("%", chr(c)) for c in SCALARS[i : i + 4000] for frame in frames[i % 3 :: 3])  # noqa: E501
             for i in range(0, len(SCALARS), 4000)]  # fmt: skip
    ours, reference = load(tokenizer(precompiled({**ALL_BYTES, b"\n": "\n"}), ["!\n"]))
    ids, begin = ours.encode_packed(texts)
    for i, encoding in enumerate(reference.encode_batch_fast(texts)):
        assert ids[begin[i] : begin[i + 1]].tolist() == encoding.ids, f"from U+{SCALARS[i * 4000]:04X}"


RULES = {
    "A": "xy", "B": "", "CD": "z", "\r\n": "N", "é": "e\u0301", "a\u0301": "á", "\u0301": "", "ab": "Q",
    "\U0001f600": ":-)", "\r": "", "\u0308": '"', "\u1100": "\uac00", "\u0915\u0301": "K", "中": "中", "©": "(c)", "a\u200d": "J",  # noqa: E501
    "F": "F", "G": "abcdefgh",
}  # fmt: skip


def test_rules(load: Any, assert_same: Any) -> None:
    """Longer, shorter and empty replacements, also at the beginning, keys of several and half characters."""
    rng = random.Random(2)
    letters = [*"aabABBCDFGHx b\r\n\x01~\x7f\x1f", *CLUSTERS]
    lengths = [1, 2, 3, 5, 12, 30, 60]
    texts = ["".join(rng.choices(letters, k=rng.choice(lengths))) for _ in range(8000)]
    texts += ["".join(rng.choices("abcdefFGBH~", k=rng.randint(0, 20))) + text for text in texts[:4000]]
    rules = {**{key.encode(): text for key, text in RULES.items()}, b"\xe4": "W"}
    assert_same(
        *load(tokenizer(precompiled(rules), [*texts, *rules.values(), "W"])), [*texts, "", "B", "BB", "BA"]
    )


@pytest.fixture(scope="module")
def nmt_nfkc(data: Path) -> dict[str, Any]:
    raw = (data / "tokenizers/unigram/xlm-roberta-base/nmt_nfkc.bin").read_bytes()
    return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(raw).decode()}


def test_nmt_nfkc(load: Any, assert_same: Any, nmt_nfkc: dict[str, Any]) -> None:
    """SentencePiece's usual map, on every scalar value and on mixed text."""
    tokenizers = pytest.importorskip("tokenizers")
    rng = random.Random(3)
    texts = ["".join("a" + chr(c) + "b" for c in SCALARS[i : i + 3000]) for i in range(0, len(SCALARS), 3000)]
    texts += ["".join(map(chr, SCALARS[i : i + 3000])) for i in range(0, 0x20000, 3000)]
    ranges = [
        (0x20, 0x250), (0x300, 0x370), (0x900, 0xE00), (0x1100, 0x1200), (0x200B, 0x2010), (0xFE00, 0xFE10),
        (0x1F1E6, 0x1F200), (0x1F3FB, 0x1F650), (0xFF00, 0xFFEE), (0xAC00, 0xAD00), (0x3040, 0x3100),
    ]  # fmt: skip
    pool = [chr(c) for first, last in ranges for c in range(first, last)]
    texts += ["".join(rng.choices(pool, k=30)) for _ in range(sized(600, 3000))]
    reference = tokenizers.normalizers.Precompiled(base64.b64decode(nmt_nfkc["precompiled_charsmap"]))
    made = [reference.normalize_str(text) for text in texts]
    assert_same(*load(tokenizer(nmt_nfkc, made)), texts)


def test_published_examples(data: Path, nmt_nfkc: dict[str, Any], load: Any) -> None:
    """The strings that the reference's authors test with, as far as they hold characters of our pieces."""
    examples = json.loads(
        (data / "tokenizers/unigram/xlm-roberta-base/spm_precompiled_test.json").read_text()
    )
    texts = sorted({text for example in examples for text in example if isinstance(text, str)})
    assert texts
    tokenizers = pytest.importorskip("tokenizers")
    reference = tokenizers.normalizers.Precompiled(base64.b64decode(nmt_nfkc["precompiled_charsmap"]))
    ours, theirs = load(tokenizer(nmt_nfkc, [reference.normalize_str(text) for text in texts]))
    ids, begin = ours.encode_packed(texts)
    for i, encoding in enumerate(theirs.encode_batch(texts)):
        assert ids[begin[i] : begin[i + 1]].tolist() == encoding.ids


# --- damaged maps ---


def charsmap(units: list[int], strings: bytes = b"x\0", size: int | None = None) -> bytes:
    return struct.pack(f"<I{len(units)}I", 4 * len(units) if size is None else size, *units) + strings


def units(**changes: int) -> list[int]:
    return [changes.get(f"at{i}", 0) for i in range(256)]


@pytest.mark.parametrize(
    "raw, message",
    [
        (b"", "has 0 bytes"),
        (b"\1\0\0", "has 3 bytes"),
        (charsmap([], b"", 0), "an array of 0 bytes"),
        (charsmap([0] * 256, b"", 0xFFFFFFFF), "which says 4294967295"),
        (charsmap([0] * 255), "an array of 1020 bytes; expected blocks of 1024"),
        (charsmap([0] * 256, b"", 1025), "after its first word"),
        (charsmap([0] * 256, b"\xff\0"), "not UTF-8"),
        (charsmap(units(at0=1 << 31)), "a leaf for its root"),
        (charsmap(units(at0=256 << 10)), "leads from unit 0 to unit 256 of 256"),
        (charsmap(units(at7=(1 << 21) - 1 << 10 | 1 << 9)), "leads from unit 7"),
        (charsmap(units(at97=97 | 1 << 8)), "a key at unit 97 without a string"),
        (charsmap(units(at97=97 | 1 << 8 | 1 << 10, at96=1 << 31 | 3)), "a key at unit 97 without a string"),
        (charsmap(units(at97=97 | 1 << 8 | 1 << 10, at96=1 << 31 | 1), "é\0".encode()), "a key at unit 97"),
    ],
)
def test_damaged_maps(tmp_path: Path, raw: bytes, message: str) -> None:
    check_damaged(tmp_path, base64.b64encode(raw).decode(), message)


@pytest.mark.parametrize(
    "text", ["!!!!", "AAA=A", "A", "AAAAA", "AA=", "AAB=", "AB==", "AAAA\nAAAA", "====", "é"]
)
def test_damaged_base64(tmp_path: Path, text: str) -> None:
    check_damaged(tmp_path, text, "not base64")


@pytest.mark.parametrize("value", [None, 5, ["AAAA"]])
def test_no_string(tmp_path: Path, value: Any) -> None:
    check_damaged(tmp_path, value, "precompiled_charsmap")


def check_damaged(folder: Path, value: Any, message: str) -> None:
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(tokenizer({"type": "Precompiled", "precompiled_charsmap": value}, ["ab"])))
    with pytest.raises(CheckpointError, match=message) as caught:
        AutoTokenizer.from_pretrained(path)
    assert str(path) in str(caught.value)


def test_padding_may_be_missing(load: Any, assert_same: Any) -> None:
    raw = build_charsmap({b"a": "b"}) + b"ccc"
    for extra in range(3):
        text = base64.b64encode(raw + b"c" * extra).decode().rstrip("=")
        assert_same(*load(tokenizer({"type": "Precompiled", "precompiled_charsmap": text}, ["ab"])), ["aab"])


def test_mutated_maps_never_crash(tmp_path: Path) -> None:
    """Random damage: an error, or a map that normalizes any text."""
    rng = random.Random(4)
    raw = build_charsmap({**{key.encode(): text for key, text in RULES.items()}, b"\xe4": "W"})
    path = tmp_path / "tokenizer.json"
    text = "".join(CLUSTERS) + "".join(map(chr, range(1, 0x3000)))
    loaded = 0
    for _ in range(400):
        damaged = bytearray(raw)
        for _ in range(rng.randint(1, 5)):
            at = rng.choice([rng.randrange(len(raw)), rng.randrange(8), rng.randrange(4, 4 + 4 * 256)])
            damaged[at] = rng.randrange(256)
        encoded = base64.b64encode(damaged).decode()
        path.write_text(
            json.dumps(tokenizer({"type": "Precompiled", "precompiled_charsmap": encoded}, ["abc"]))
        )
        try:
            tok = AutoTokenizer.from_pretrained(path)
        except CheckpointError:
            continue
        assert len(tok(text, return_offsets_mapping=True)["input_ids"]) > 0
        loaded += 1
    assert loaded > 0
