"""The vocabulary and merges of tokenizer.json, without a Python object for nearly all of their tokens.

Their text is cut out of the file, and a mark, a string that no file can hold, takes its place; json reads
the file that is left. Where the mark comes back as exactly that member, the cut took one value, whole,
and the rest means what it meant. What was cut is checked by what remains of it without the insides of its
strings, which has few forms, and the insides are the tokens. numpy does all this on the bytes as they
are, so that nothing here can leave them.

Whatever is not plain raises Unusual. The caller then leaves the file to json, which reads it or says what
is wrong with it.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from fastplm.jsonfile import parse_json
from fastplm.tokenizers.token_table import MAX_ID, MergeSides, Strings, TokenIds, TokenScores

if TYPE_CHECKING:
    import numpy.typing as npt

    Letters = npt.NDArray[np.uint8]
    Places = npt.NDArray[np.int64]

_SPACE = b" \t\n\r"
_END = 0x1E  # behind each string that is unescaped: a byte that JSON does not allow in it
_AT_ONCE = 1 << 13  # strings that are unescaped together
_MOST_MARKS = 1 << 23  # quotes and backslashes: each takes some 50 bytes of memory for a while
_LONGEST = 100  # characters of a score: json refuses thousands, and no score has so many
_PART_OF_NUMBER = bytes(byte in b"0123456789.eE+-" for byte in range(256))


class Unusual(Exception):
    """The file has a form that this module leaves to json."""


def read_apart(raw: bytes, name: str) -> dict[str, Any]:
    """The object in tokenizer.json. Its model's "vocab" is TokenIds or TokenScores, its "merges" MergeSides.

    Raises Unusual, or CheckpointError naming the file.
    """
    quotes = _quotes(raw)
    members = {}
    rest, done = [], 0
    for begin, end, key in sorted(_spans(raw, quotes)):
        first, last = np.searchsorted(quotes, (begin, end))
        if begin < done or first % 2 or last % 2 or first == last:
            raise Unusual
        outside, tokens = _apart(raw[begin:end], quotes[first:last] - begin)
        mark = os.urandom(16).hex()  # what nobody knows, no file holds
        members[key] = (mark, _read(key, outside, tokens))
        rest += [raw[done:begin], json.dumps(mark).encode()]
        done = end
    rest.append(raw[done:])

    root = parse_json(b"".join(rest), name, unique_keys=False)
    if not isinstance(root, dict) or not isinstance(model := root.get("model"), dict):
        raise Unusual
    for key, (mark, value) in members.items():
        if model.get(key) != mark:
            raise Unusual
        model[key] = value
    return root


def _quotes(raw: bytes) -> Places:
    """Where strings begin and end, in turn, if the file is JSON."""
    if raw.count(b'"') + raw.count(b"\\") > _MOST_MARKS:
        raise Unusual
    letters = np.frombuffer(raw, np.uint8)
    is_quote = letters == ord('"')
    slashes = np.flatnonzero(letters == ord("\\"))
    if slashes.size:
        # Of each run of backslashes the first, third, ... take what follows them.
        starts = np.diff(slashes, prepend=-2) != 1
        within = np.arange(slashes.size)
        within -= np.maximum.accumulate(np.where(starts, within, 0))
        escaped = slashes[within % 2 == 0] + 1
        if escaped[-1] == len(raw):
            raise Unusual
        is_quote[escaped] = False
    return np.flatnonzero(is_quote)


def _spans(raw: bytes, quotes: Places) -> list[tuple[int, int, str]]:
    """Where the long members probably begin and end, and their names."""
    spans = []
    for key in ("vocab", "merges"):
        found = re.search(rb'"%s"[ \t\n\r]*:[ \t\n\r]*([{\[])' % key.encode(), raw)
        if found:
            begin = found.start(1)
            spans.append((begin, _end(raw, quotes, begin), key))
    if not spans:
        raise Unusual
    return spans


def _end(raw: bytes, quotes: Places, begin: int) -> int:
    """The end of an object without objects in it, or of the list before the next key."""
    letters = np.frombuffer(raw, np.uint8)
    if raw[begin] == ord("{"):
        ends = np.flatnonzero(letters[begin:] == ord("}")) + begin
        outside = np.flatnonzero(np.searchsorted(quotes, ends) % 2 == 0)
        if not outside.size:
            raise Unusual
        return int(ends[outside[0]]) + 1
    closes = quotes[np.searchsorted(quotes, begin) :][1::2]
    keys = np.flatnonzero(letters[np.minimum(closes + 1, len(raw) - 1)] == ord(":"))
    # Brackets in that key do not matter: the end is before it, or what ends there is no list.
    return raw.rfind(b"]", begin, int(closes[keys[0]]) if keys.size else len(raw)) + 1


def _apart(value: bytes, quotes: Places) -> tuple[bytes, Strings]:
    """What is outside the strings of `value`, with an empty one for each, and the strings."""
    letters = np.frombuffer(value, np.uint8)
    opens, closes = quotes[0::2], quotes[1::2]
    controls = np.count_nonzero(letters < 0x20)
    if (slashes := np.flatnonzero(letters == ord("\\"))).size:
        letters, closes = _unescaped(letters, opens, closes, slashes)
    change = np.zeros(letters.size, np.int8)
    change[opens + 1] = 1
    change[closes] -= 1
    inside = np.cumsum(change, out=change).view(np.bool_)
    outside = letters[~inside]
    if np.count_nonzero(outside < 0x20) != controls:
        raise Unusual  # JSON allows no control character in a string
    offsets = np.zeros(len(opens) + 1, np.int64)
    np.cumsum(closes - opens - 1, out=offsets[1:])
    return outside.tobytes(), Strings(letters[inside].tobytes(), offsets)


def _unescaped(letters: Letters, opens: Places, closes: Places, slashes: Places) -> tuple[Letters, Places]:
    """The same text with the strings that hold backslashes unescaped and spaces behind them, and `closes`."""
    letters, closes = letters.copy(), closes.copy()
    strings = np.searchsorted(opens, slashes) - 1
    strings = strings[np.diff(strings, prepend=-2) > 0]
    for begin in range(0, strings.size, _AT_ONCE):
        some = strings[begin : begin + _AT_ONCE]
        closes[some] = _unescape(letters, opens[some] + 1, closes[some])
    return letters, closes


def _unescape(letters: Letters, begins: Places, ends: Places) -> Places:
    """Unescapes these insides of strings where they stand; returns where they end now."""
    letters[ends] = _END
    raw = letters[_each(begins, ends + 1)].tobytes()
    if raw.count(_END) != ends.size:
        raise Unusual
    try:
        strings = Strings.of(json.loads('["' + raw[:-1].decode().replace(chr(_END), '","') + '"]'))
    except ValueError:
        raise Unusual from None
    letters[_each(begins, ends + 1)] = ord(" ")
    ends = begins + np.diff(np.array(strings.offsets))
    letters[_each(begins, ends)] = np.frombuffer(strings.bytes, np.uint8)
    letters[ends] = ord('"')
    return ends


def _each(begins: Places, ends: Places) -> Places:
    """begins[0], ..., ends[0] - 1, begins[1], ..."""
    counts = ends - begins
    done = np.cumsum(counts)
    each: Places = np.arange(done[-1]) + np.repeat(begins - done + counts, counts)
    return each


def _read(key: str, outside: bytes, tokens: Strings) -> TokenIds | TokenScores | MergeSides:
    form = outside.translate(None, _SPACE)
    if key == "merges":
        return _merges(form, tokens)
    if form.startswith(b"{"):
        return _ids(outside, form, tokens)
    return _scores(outside, form, tokens)


def _ids(outside: bytes, form: bytes, tokens: Strings) -> TokenIds:
    """Of {"":0,"":1}. Every key follows a brace or comma, and every number follows a key."""
    count = len(tokens.offsets) - 1
    keys = form.startswith(b'{"":') and form.count(b',"":') == count - 1 and form.endswith(b"}")
    numbers = form[4:-1].replace(b',"":', b",")
    if not keys or numbers.translate(None, b",0123456789") or _count_numbers(outside) != count:
        raise Unusual
    ends = np.append(np.flatnonzero(np.frombuffer(numbers, np.uint8) == ord(",")), len(numbers))
    sizes = np.diff(ends, prepend=-1) - 1
    if ends.size != count or sizes.min() < 1 or sizes.max() > 18:  # 18 digits are an int64
        raise Unusual
    first = np.frombuffer(numbers, np.uint8)[ends - sizes]
    if np.any((first == ord("0")) & (sizes > 1)):
        raise Unusual
    ids = np.fromstring(numbers, np.int64, sep=",")
    if ids.max() > MAX_ID:
        raise Unusual
    return TokenIds(tokens, ids.astype(np.int32))


def _scores(outside: bytes, form: bytes, tokens: Strings) -> TokenScores:
    """Of [["",-1.5],["",0.0]]. Every token follows a bracket that opens, and every number a token."""
    count = len(tokens.offsets) - 1
    pieces = form.startswith(b'[["",') and form.count(b'],["",') == count - 1 and form.endswith(b"]]")
    numbers = form[5:-2].replace(b'],["",', b",")
    if not pieces or numbers.translate(None, b",0123456789.eE+-") or _count_numbers(outside) != count:
        raise Unusual
    try:
        checked = json.loads(f"[{numbers.decode()}]", parse_float=len, parse_int=len)
    except ValueError:
        raise Unusual from None
    if len(checked) != count or max(checked) > _LONGEST:
        raise Unusual
    return TokenScores(tokens, np.arange(count, dtype=np.int32), numbers)


def _count_numbers(outside: bytes) -> int:
    """How many there are, with white space or anything else between them."""
    part = np.frombuffer(outside.translate(_PART_OF_NUMBER), np.bool_)
    return int(np.count_nonzero(part[1:] & ~part[:-1])) + int(part[0])


def _merges(form: bytes, tokens: Strings) -> MergeSides:
    """Of [["",""],["",""]], or ["",""] where each string has one space."""
    count = len(tokens.offsets) - 1
    if count % 2 == 0 and form == b"[" + (b'["",""],' * (count // 2))[:-1] + b"]":
        return MergeSides(tokens)
    if form != b"[" + (b'"",' * count)[:-1] + b"]":
        raise Unusual
    letters, ends = np.frombuffer(tokens.bytes, np.uint8), tokens.offsets
    cuts = np.flatnonzero(letters == ord(" "))
    if cuts.size != count or np.any(cuts < ends[:-1]) or np.any(cuts >= ends[1:]):
        raise Unusual
    offsets = np.zeros(2 * count + 1, np.int64)
    offsets[1::2], offsets[2::2] = cuts - np.arange(count), ends[1:] - np.arange(1, count + 1)
    return MergeSides(Strings(tokens.bytes.replace(b" ", b""), offsets))
