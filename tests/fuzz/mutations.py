"""Damaged files: JSON trees changed where it hurts, and bytes changed anywhere."""

import copy
import json
import random
import sys
from collections.abc import Callable
from typing import Any

_NUMBERS = [
    0, 1, -1, 2, 7, 255, 256, 2**31 - 2, 2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64,
    -(2**31), -(2**63), 10**30, 0.5, -0.0, 1e-320, 1e308, float("inf"), float("-inf"), float("nan"),
]  # fmt: skip
_STRINGS = [
    "", " ", "a", "\0", "\ud800", "\udfff", "\u0301", "\u2581", "\U0001f469\u200d", "[UNK]", "##", "</w>",
    "$A", "A", "<0x00>", "<0xff>", "<0xZZ>", "first", "Isolated", "BPE", "ByteLevel", "x" * 100, "(a+)+$",
    "(", "[z-a]", "\\", "(?=", "a{99999}", "\\p{Nope}", "(?<!a*)b", "=", "AAAA", "////" * 40, "true",
    "/etc/passwd", "Right",
]  # fmt: skip
_TYPES = [
    "BPE", "WordPiece", "WordLevel", "Unigram", "Sequence", "ByteLevel", "Metaspace", "Split", "Replace",
    "Prepend", "Strip", "NFC", "NFKC", "Lowercase", "Precompiled", "BertNormalizer", "BertPreTokenizer",
    "Whitespace", "Digits", "Punctuation", "CharDelimiterSplit", "UnicodeScripts", "TemplateProcessing",
    "RobertaProcessing", "ByteFallback", "BertProcessing", "Fuse", "CTC", "BPEDecoder", "Nmt",
    "StripAccents",
]  # fmt: skip

Place = tuple[Any, Any]  # a list or dict, and the index or key in it


def places(tree: Any) -> list[Place]:
    """Every place in the tree where a value is; of long lists and large dicts only some."""
    found: list[Place] = []
    pending = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            keys: list[Any] = list(node)
        elif isinstance(node, list):
            keys = list(range(len(node)))
        else:
            continue
        if len(keys) > 12:
            keys = [*keys[:6], keys[len(keys) // 2], *keys[-5:]]
        for key in keys:
            found.append((node, key))
            pending.append(node[key])
    return found


def _value(chance: random.Random, tree: Any) -> Any:
    kind = chance.randrange(9)
    if kind == 0:
        return chance.choice(_NUMBERS)
    if kind == 1:
        return chance.choice(_STRINGS)
    if kind == 2:
        return chance.choice((None, True, False, [], {}, [[]], [None], {"": None}))
    if kind == 3:
        return chance.choice(_TYPES)
    if kind == 4:  # a part of the same file
        node, key = chance.choice(places(tree))
        return copy.deepcopy(node[key])
    if kind == 5:
        deep: Any = chance.choice(([], {}, "x"))
        name = chance.choice(("normalizers", "pretokenizers", "decoders", "processors", "a"))
        for _ in range(chance.choice((1, 5, 150, 400))):
            deep = {"type": "Sequence", name: [deep]}
        return deep
    if kind == 6:
        return chance.choice(_STRINGS) * chance.choice((2, 50, 5000))
    if kind == 7:
        return [chance.choice(_NUMBERS) for _ in range(3)]
    return {chance.choice(("type", "id", "content", "pattern")): chance.choice([*_STRINGS, *_NUMBERS])}


def change_tree(tree: Any, chance: random.Random) -> Any:
    """A copy of a JSON tree with one to four changes."""
    tree = copy.deepcopy(tree)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        spots = places(tree)
        if not spots:
            return _value(chance, [None])
        node, key = chance.choice(spots)
        how = chance.randrange(10)
        if how < 4:
            node[key] = _value(chance, tree)
        elif how == 4:
            del node[key]
        elif how == 5:
            other, there = chance.choice(spots)
            node[key], other[there] = (
                copy.deepcopy(other.get(there) if isinstance(other, dict) else None),
                node[key],
            )
        elif how == 6 and isinstance(node, list):
            node.insert(key, copy.deepcopy(chance.choice(node)))
        elif how == 6:
            node[chance.choice(_STRINGS)] = copy.deepcopy(node[key])
        elif how == 7 and isinstance(node[key], (int, float)):
            node[key] = chance.choice(_NUMBERS)
        elif how == 8 and isinstance(node[key], str):
            text, at = node[key], chance.randrange(len(node[key]) + 1)
            node[key] = text[:at] + chance.choice(_STRINGS) + text[at + chance.randrange(3) :]
        elif isinstance(node[key], list):
            chance.shuffle(node[key])
        else:
            node[key] = _value(chance, tree)
    return tree


def change_json(text: bytes, chance: random.Random) -> bytes:
    """The file with a changed tree; now and then with changed bytes."""
    if chance.random() < 0.1:
        return change_bytes(text, chance)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10_000)  # for writing what is nested deeper than reading allows
    try:
        return json.dumps(change_tree(json.loads(text), chance)).encode()
    finally:
        sys.setrecursionlimit(limit)


def change_bytes(data: bytes, chance: random.Random) -> bytes:
    """Some bytes flipped, left out, repeated, or moved; the file cut short."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 2, 8))):
        if not changed:
            break
        at = chance.randrange(len(changed))
        size = chance.choice((1, 1, 2, 4, 16, 300))
        part = bytes(changed[at : at + size])
        new: Callable[[], bytes] = chance.choice(
            (
                lambda: b"",
                lambda part=part: part * chance.choice((2, 3, 50)),  # type: ignore[misc]
                lambda part=part: bytes(byte ^ (1 << chance.randrange(8)) for byte in part),  # type: ignore[misc]
                lambda size=size: bytes(chance.randrange(256) for _ in range(size)),  # type: ignore[misc]
                lambda: chance.choice(
                    (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\0", b"\n", b"\r\n", b"\xef\xbb\xbf")
                ),
                lambda: chance.choice((b"9" * 400, b"-1", b"1e999", b"[" * 100_000, b'"\\ud800"', b"NaN")),
            )
        )
        changed[at : at + size] = new()
    if chance.random() < 0.1:
        del changed[chance.randrange(len(changed) + 1) :]
    return bytes(changed)
