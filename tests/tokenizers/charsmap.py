"""Makes the charsmap of a Precompiled normalizer from a dict."""

import base64
import struct
from collections.abc import Mapping
from typing import Any


def build_charsmap(rules: Mapping[bytes, str]) -> bytes:
    """Keys are byte strings without zero bytes, not only whole characters."""
    strings, starts = b"", {}
    for text in sorted(set(rules.values())):
        starts[text] = len(strings)
        strings += text.encode() + b"\0"
    trie: dict[int, Any] = {}
    for key, text in rules.items():
        node = trie
        for byte in key:
            node = node.setdefault(byte, {})
        node[0] = starts[text]  # a leaf

    units = {0: 0}
    places = iter(range(256, 1 << 21))  # of the children; no two nodes share one, nor do their children
    pending = [(0, trie)]
    while pending:
        unit, node = pending.pop()
        children = next(place for place in places if not any(place ^ byte in units for byte in node))
        assert unit ^ children < 1 << 21
        units[unit] |= (unit ^ children) << 10 | (0 in node) << 8
        for byte, child in node.items():
            units[children ^ byte] = byte if byte else child | 1 << 31
            if byte:
                pending.append((children ^ byte, child))
    size = max(units) // 256 * 256 + 256
    # A unit that nobody uses leads to its own block, and no step ends in one without a byte of its own.
    array = [units.get(i, 0) for i in range(size)]
    return struct.pack(f"<I{size}I", size * 4, *array) + strings


def precompiled(rules: Mapping[bytes, str]) -> dict[str, Any]:
    """The settings of the normalizer."""
    return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(build_charsmap(rules)).decode()}
