"""Each decoder against the reference, on random sequences of awkward tokens."""

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from fastplm.errors import CheckpointError, UnsupportedError

tokenizers = pytest.importorskip("tokenizers")

WORDS = """
a b e x ## ##a ##ab a## the ##s . , ? ! ' - n't 'm 's 've 're ##. not do 中 中a " [ ( . * $1 \\ h l o
HH H Hey yHy <0x41> <0x61> <0xE5> <0x8f> <0xab> <0xAB> <0xF0> <0x9F> <0x98> <0x80> <0xED> <0xA0>
<0x80> <0xff> <0x00> <0xC0> <0xF4> <0x90> <0xc3> <0xa9> <0xG1> <0x1> <0x123> <0x+a> <0x-a> <0xa+>
<0x++> <0X41> <0xé> x<0x41> <0x41>x ▁ ▁▁ ▁a a▁ ▁▁a a▁b ▁the _ _a __ a_b a_ a</w> </w> the</w>b
</w></w> | || a|b <pad> <pad>a a<pad> <pad><pad> Ġ Ġa aĠ ĠĠ Ċ ĉ Ã Ã© © é Ã©é ã ģ Ĥ ãģĤ ðŁĺ Ģ ðŁĺĢ í
ł Ģ À ÿ Ń Ńa \ufffd \ufffda \u0301 e\u0301 👩 \u200d \u0000
"""
SPACED = ["", " ", "  ", " a", "a ", " .", " n't", "a do not b", " ' ", " 's x", "\n", "\u00a0", "\u3000a"]
TOKENS = list(dict.fromkeys([*WORDS.split(), *SPACED]))

DECODERS: list[dict[str, Any]] = [
    {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    {"type": "WordPiece", "prefix": "##", "cleanup": True},
    {"type": "WordPiece", "prefix": "##", "cleanup": False},
    {"type": "WordPiece", "prefix": "", "cleanup": True},
    {"type": "WordPiece", "prefix": "▁a", "cleanup": False},
    {"type": "Metaspace", "replacement": "▁"},
    {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True},
    {"type": "Metaspace", "replacement": "_", "prepend_scheme": "never", "add_prefix_space": False},
    {"type": "Metaspace", "replacement": "中", "add_prefix_space": True, "prepend_scheme": "always"},
    {"type": "BPEDecoder", "suffix": "</w>"},
    {"type": "BPEDecoder", "suffix": "é"},
    {"type": "BPEDecoder", "suffix": ""},
    {"type": "ByteFallback"},
    {"type": "Fuse"},
    {"type": "Strip", "content": " ", "start": 1, "stop": 0},
    {"type": "Strip", "content": "a", "start": 9, "stop": 0},
    {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
    {"type": "Replace", "pattern": {"String": "a"}, "content": ""},
    {"type": "Replace", "pattern": {"String": ""}, "content": "-"},
    {"type": "Replace", "pattern": {"String": "."}, "content": "$1"},
    {"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": True},
    {"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": False},
    {"type": "CTC", "pad_token": "", "word_delimiter_token": "", "cleanup": True},
]


def sequence(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "decoders": list(parts)}


BYTE_LEVEL, BYTE_FALLBACK, FUSE = DECODERS[0], DECODERS[12], DECODERS[13]
LLAMA = sequence(DECODERS[16], BYTE_FALLBACK, FUSE, DECODERS[14])
SEQUENCES = [
    sequence(),
    LLAMA,
    sequence(BYTE_FALLBACK, DECODERS[5]),
    sequence(DECODERS[5], BYTE_FALLBACK, FUSE),
    sequence(FUSE, BYTE_LEVEL),
    sequence(DECODERS[20], DECODERS[1]),
    sequence(sequence(FUSE, FUSE), DECODERS[18]),
]


def name_of(decoder: dict[str, Any]) -> str:
    rest = [ascii(v).strip("'") for k, v in decoder.items() if k not in ("type", "decoders")]
    return "-".join([decoder["type"], *map(name_of, decoder.get("decoders", ())), *rest])


@pytest.fixture
def both(settings: dict[str, Any], load: Any) -> Callable[[dict[str, Any] | None], tuple[Any, Any]]:
    """Tokenizers of the tokens above with this decoder: ours and the reference's."""

    def make(decoder: dict[str, Any] | None) -> tuple[Any, Any]:
        settings["model"]["vocab"] = {token: i for i, token in enumerate(["[UNK]", *TOKENS])}
        flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
        settings["added_tokens"] = [
            {"id": len(TOKENS) + 1, "content": "[CLS]", "special": True, **flags},
            {"id": len(TOKENS) + 2, "content": " added▁Ġ", "special": False, **flags},
        ]
        settings["post_processor"] = None
        settings["decoder"] = decoder
        return load(settings)

    return make


def random_ids(count: int, seed: int) -> list[list[int]]:
    rng = random.Random(seed)
    lists = []
    for _ in range(count):
        pool = rng.sample(range(1, len(TOKENS) + 5), rng.randint(1, 12))
        lists.append([rng.choice(pool) for _ in range(rng.randint(0, 12))])
    return lists


@pytest.mark.parametrize("decoder", [*DECODERS, *SEQUENCES, None], ids=lambda d: name_of(d) if d else "none")
def test_random_tokens(both: Any, decoder: dict[str, Any] | None) -> None:
    ours, reference = both(decoder)
    lists = [*([i] for i in range(len(TOKENS) + 4)), *random_ids(3000, seed=1)]
    for skip in (True, False):
        want = reference.decode_batch(lists, skip_special_tokens=skip)
        assert ours.batch_decode(lists, skip_special_tokens=skip) == want


@pytest.mark.parametrize("content, start, stop", [("H", 1, 1), ("▁", 0, 9), ("a", 2**40, 2**40), ("Ġ", 2, 1)])
def test_strip_at_the_end(both: Any, content: str, start: int, stop: int) -> None:
    """Of tokens that hold anything else: the reference panics on the others."""
    ours, reference = both({"type": "Strip", "content": content, "start": start, "stop": stop})
    safe = [i for i, token in enumerate(TOKENS, 1) if token.replace(content, "")]
    rng = random.Random(4)
    lists = [[rng.choice(safe) for _ in range(rng.randint(0, 12))] for _ in range(2000)]
    assert ours.batch_decode(lists) == reference.decode_batch(lists, skip_special_tokens=False)
    for i, token in enumerate(TOKENS, 1):
        if i not in safe:
            assert ours.decode([i]) == content * max(token.count(content) - start - stop, 0)


def byte_tokens(form: str) -> list[str]:
    """The token of each byte, as byte fallback or the byte-level alphabet writes it."""
    if form == "fallback":
        return [f"<0x{byte:02X}>" for byte in range(256)]
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(0x100, 0x200))
    return [chr(byte) if byte in shown else chr(next(others)) for byte in range(256)]


@pytest.mark.parametrize("form, decoder", [("fallback", LLAMA), ("level", BYTE_LEVEL)])
def test_bytes(settings: dict[str, Any], load: Any, form: str, decoder: dict[str, Any]) -> None:
    """Every pair of bytes, and random ones of which many are almost UTF-8."""
    settings["model"]["vocab"] = {token: i for i, token in enumerate(byte_tokens(form))}
    settings["added_tokens"], settings["post_processor"] = [], None
    settings["decoder"] = decoder
    ours, reference = load(settings)
    rng = random.Random(2)
    lists = [[a, b] for a in range(0x80, 256) for b in range(256)]
    lead = [*range(0xC0, 0x100), 0xE0, 0xED, 0xF0, 0xF4]
    for _ in range(20_000):
        text = "".join(
            chr(rng.choice((0x41, 0xE9, 0x3042, 0xD7FF, 0xE000, 0x1F600, 0x10FFFF))) for _ in range(3)
        )
        data = bytearray(text.encode())
        for _ in range(rng.randint(0, 3)):
            i = rng.randrange(len(data))
            data[i : i + rng.randint(0, 2)] = bytes([rng.choice([rng.randrange(256), rng.choice(lead)])])
        lists.append(list(data))
    assert ours.batch_decode(lists) == reference.decode_batch(lists, skip_special_tokens=False)


@pytest.mark.parametrize(
    "decoder, error, message",
    [
        ({"type": "ByteLevel", "trim_offsets": True}, CheckpointError, "add_prefix_space"),
        ({"type": "ByteLevel", "add_prefix_space": True}, CheckpointError, "trim_offsets"),
        ({"type": "WordPiece", "prefix": "##"}, CheckpointError, "cleanup"),
        ({"type": "Metaspace"}, CheckpointError, "replacement"),
        ({"type": "Metaspace", "replacement": "ab"}, CheckpointError, "one character"),
        ({"type": "Metaspace", "replacement": ""}, CheckpointError, "one character"),
        ({"type": "Metaspace", "replacement": "_", "prepend_scheme": "x"}, CheckpointError, "prepend_scheme"),
        ({"type": "Metaspace", "replacement": "_", "add_prefix_space": False}, CheckpointError, "never"),
        ({"type": "BPEDecoder"}, CheckpointError, "suffix"),
        ({"type": "Strip", "content": "ab", "start": 1, "stop": 0}, CheckpointError, "one character"),
        ({"type": "Strip", "content": "a", "start": -1, "stop": 0}, CheckpointError, "start"),
        ({"type": "Strip", "content": "a", "start": 1}, CheckpointError, "stop"),
        ({"type": "Replace", "pattern": "a", "content": "b"}, CheckpointError, "pattern"),
        ({"type": "Replace", "pattern": {"String": "a"}}, CheckpointError, "content"),
        ({"type": "CTC", "pad_token": "p", "cleanup": True}, CheckpointError, "word_delimiter_token"),
        ({"type": "Sequence"}, CheckpointError, "decoders"),
        ({"type": "Sequence", "decoders": [{"type": "Evil"}]}, UnsupportedError, '"Evil" is unknown'),
    ],
)
def test_damaged_settings(
    both: Any, settings: dict[str, Any], decoder: dict[str, Any], error: type, message: str
) -> None:
    """The reference rejects them, too."""
    with pytest.raises(error, match=message):
        both(decoder)
    settings["decoder"] = decoder
    with pytest.raises(Exception, match="did not match any variant"):
        tokenizers.Tokenizer.from_str(json.dumps(settings))
