"""The vocabulary and merges of tokenizer.json, without a Python object for nearly all of their tokens.

Their text is cut out of the file, and a mark, a string that no file can hold, takes its place; json reads
the file that is left. Where the mark comes back as exactly that member, the cut took one value, whole,
and the rest means what it meant. What was cut is checked by what remains of it without the insides of its
strings, which has few forms, and the insides are the tokens. numpy does all this on the bytes as they
are, so that nothing here can leave them.

Whatever is not plain raises NotPlain. The caller then leaves the file to json, which reads it or says what
is wrong with it.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from fastplm.jsonfile import parse_json
from fastplm.tokenizers.base.token_table import MAX_ID, MergeSides, Strings, TokenIds, TokenScores
from fastplm.tokenizers.base.written_numbers import read_numbers

if TYPE_CHECKING:
    import numpy.typing as npt

    Letters = npt.NDArray[np.uint8]
    Places = npt.NDArray[np.int64]
    Flags = npt.NDArray[np.bool_]

_SPACE = b" \t\n\r"
_END = 0x1E  # behind each string that is unescaped: a byte that JSON does not allow in it
_PIECE = 1 << 17  # bytes that are sorted out together: while they are, each takes ten
_BATCH = 1 << 13  # strings that are unescaped together
_MAX_MARKS = 1 << 23  # quotes and backslashes: each takes some 50 bytes of memory for a while
_LONGEST = 100  # characters of a score: json refuses thousands, and no score has so many
_PART_OF_NUMBER = bytes(byte in b"0123456789.eE+-" for byte in range(256))


class NotPlain(Exception):
    """The file has a form that this module leaves to json."""


def read_apart(raw: bytes, name: str) -> dict[str, Any]:
    """The object in tokenizer.json. Its model's "vocab" is TokenIds or TokenScores, its "merges" MergeSides.

    Raises NotPlain, or CheckpointError naming the file.
    """
    letters = np.frombuffer(raw, np.uint8)
    is_quote = _find_quotes(letters)
    members = {}
    rest, done = [], 0
    for begin, end, key in sorted(_spans(raw, letters, is_quote)):
        if begin < done:
            raise NotPlain
        mark = os.urandom(16).hex()  # what nobody knows, no file holds
        members[key] = (mark, _read(key, *_apart(raw[begin:end], is_quote[begin:end])))
        rest += [raw[done:begin], json.dumps(mark).encode()]
        done = end
    rest.append(raw[done:])

    root = parse_json(b"".join(rest), name, unique_keys=False)
    if not isinstance(root, dict) or not isinstance(model := root.get("model"), dict):
        raise NotPlain
    for key, (mark, value) in members.items():
        if model.get(key) != mark:
            raise NotPlain
        model[key] = value
    return root


def _find_quotes(letters: Letters) -> Flags:
    """Where strings begin and end, if the file is JSON."""
    is_quote: Flags = letters == ord('"')
    is_slash: Flags = letters == ord("\\")
    if np.count_nonzero(is_quote) + np.count_nonzero(is_slash) > _MAX_MARKS:
        raise NotPlain
    slashes = np.flatnonzero(is_slash)
    if slashes.size:
        # Of each run of backslashes the first, third, ... take what follows them.
        starts = np.diff(slashes, prepend=-2) != 1
        within = np.arange(slashes.size)
        within -= np.maximum.accumulate(np.where(starts, within, 0))
        escaped = slashes[within % 2 == 0] + 1
        if escaped[-1] == letters.size:
            raise NotPlain
        is_quote[escaped] = False
    return is_quote


def _between(is_quote: Flags) -> Flags:
    """What is in strings, with the quote that begins each and without the one that ends it.

    A letter is, if the quotes up to it are odd in number: bits of words, 64 at a time.
    """
    bits = np.packbits(is_quote, bitorder="little")
    words = np.zeros(-(-bits.size // 8), "<u8")
    words.view(np.uint8)[: bits.size] = bits
    for shift in (1, 2, 4, 8, 16, 32):
        words ^= words << np.uint64(shift)
    odd = words >> np.uint64(63)
    words ^= np.uint64(0) - (
        np.bitwise_xor.accumulate(odd) ^ odd
    )  # all bits, behind words that are odd together
    return np.unpackbits(words.view(np.uint8), count=is_quote.size, bitorder="little").view(np.bool_)


def _spans(raw: bytes, letters: Letters, is_quote: Flags) -> list[tuple[int, int, str]]:
    """Where the long members probably begin and end, and their names."""
    inside = _between(is_quote)
    spans = []
    for key in ("vocab", "merges"):
        found = re.search(rb'"%s"[ \t\n\r]*:[ \t\n\r]*([{\[])' % key.encode(), raw)
        if found:
            begin = found.start(1)
            if raw[begin] == ord("{"):  # to the end of an object without objects in it
                ends = np.flatnonzero(letters[begin:] == ord("}")) + begin
                ends = ends[~inside[ends]]
                end = int(ends[0]) + 1 if ends.size else 0
            else:  # to the last bracket before the next key, or of the file
                colons = np.flatnonzero(letters[begin:] == ord(":")) + begin
                colons = colons[is_quote[colons - 1] & ~inside[colons]]
                end = raw.rfind(b"]", begin, int(colons[0]) if colons.size else len(raw)) + 1
            if end < begin + 2 or inside[begin] or inside[end - 1]:
                raise NotPlain
            spans.append((begin, end, key))
    if not spans:
        raise NotPlain
    return spans


def _apart(value: bytes, is_quote: Flags) -> tuple[bytes, Strings, Flags]:
    """What is outside the strings of `value`, with the quote that ends each; the strings; their insides."""
    letters = np.frombuffer(value, np.uint8)
    quotes = np.flatnonzero(is_quote)
    opens, closes = quotes[0::2], quotes[1::2]
    if not opens.size or opens.size != closes.size:
        raise NotPlain
    controls = np.count_nonzero(letters < 0x20)
    slashes = np.flatnonzero(letters == ord("\\"))
    if slashes.size:
        letters, closes = letters.copy(), closes.copy()
        strings = np.searchsorted(opens, slashes) - 1
        strings = strings[np.diff(strings, prepend=-2) > 0]
        is_quote = is_quote.copy()
        is_quote[closes[strings]] = False
        for begin in range(0, strings.size, _BATCH):
            batch = strings[begin : begin + _BATCH]
            closes[batch] = _unescape(letters, opens[batch] + 1, closes[batch])
        is_quote[closes[strings]] = True
        value = letters.tobytes()
    inside = _between(is_quote)
    outside = b"".join(
        [
            np.compress(~inside[begin : begin + _PIECE], letters[begin : begin + _PIECE]).tobytes()
            for begin in range(0, letters.size, _PIECE)
        ]
    )
    if np.count_nonzero(np.frombuffer(outside, np.uint8) < 0x20) != controls:
        raise NotPlain  # JSON allows no control character in a string
    return outside, Strings(value, opens + 1, closes), inside


def _unescape(letters: Letters, begins: Places, ends: Places) -> Places:
    """Unescapes these insides of strings where they stand, spaces behind them; returns where they end now."""
    letters[ends] = _END
    raw = letters[_each(begins, ends + 1)].tobytes()
    if raw.count(_END) != ends.size:
        raise NotPlain
    try:
        strings = Strings.of(json.loads('["' + raw[:-1].decode().replace(chr(_END), '","') + '"]'))
    except ValueError:
        raise NotPlain from None
    letters[_each(begins, ends + 1)] = ord(" ")
    ends = begins + np.array(strings.ends) - np.array(strings.begins)
    letters[_each(begins, ends)] = np.frombuffer(strings.bytes, np.uint8)
    letters[ends] = ord('"')
    return ends


def _each(begins: Places, ends: Places) -> Places:
    """begins[0], ..., ends[0] - 1, begins[1], ..."""
    counts = ends - begins
    done = np.cumsum(counts)
    each: Places = np.arange(done[-1]) + np.repeat(begins - done + counts, counts)
    return each


def _read(key: str, outside: bytes, tokens: Strings, inside: Flags) -> TokenIds | TokenScores | MergeSides:
    form = outside.translate(None, _SPACE)
    if key == "merges":
        return _merges(form, tokens, inside)
    if form.startswith(b"{"):
        return _ids(outside, form, tokens)
    return _scores(outside, form, tokens)


def _ids(outside: bytes, form: bytes, tokens: Strings) -> TokenIds:
    """Of {":0,":1}. Every key follows a brace or comma, and every number follows a key."""
    count = len(tokens.begins)
    keys = form.startswith(b'{":') and form.count(b',":') == count - 1 and form.endswith(b"}")
    numbers = form[3:-1].replace(b',":', b",")
    if not keys or numbers.translate(None, b",0123456789") or _count_numbers(outside) != count:
        raise NotPlain
    ends = np.append(np.flatnonzero(np.frombuffer(numbers, np.uint8) == ord(",")), len(numbers))
    sizes = np.diff(ends, prepend=-1) - 1
    if ends.size != count or sizes.min() < 1 or sizes.max() > 18:  # 18 digits are an int64
        raise NotPlain
    first = np.frombuffer(numbers, np.uint8)[ends - sizes]
    if np.any((first == ord("0")) & (sizes > 1)):
        raise NotPlain
    ids = np.fromstring(numbers, np.int64, sep=",")
    if ids.max() > MAX_ID:
        raise NotPlain
    return TokenIds(tokens, ids.astype(np.int32))


def _scores(outside: bytes, form: bytes, tokens: Strings) -> TokenScores:
    """Of [[",-1.5],[",0.0]]. Every token follows a bracket that opens, and every number a token."""
    count = len(tokens.begins)
    pieces = form.startswith(b'[[",') and form.count(b'],[",') == count - 1 and form.endswith(b"]]")
    numbers = form[4:-2].replace(b'],[",', b",")
    if not pieces or numbers.translate(None, b",0123456789.eE+-") or _count_numbers(outside) != count:
        raise NotPlain
    try:
        checked = json.loads(f"[{numbers.decode()}]", parse_float=len, parse_int=len)
    except ValueError:
        raise NotPlain from None
    if len(checked) != count or max(checked) > _LONGEST:
        raise NotPlain
    if b"e" in numbers.lower() and not np.isfinite(read_numbers(numbers)).all():
        raise NotPlain
    return TokenScores(tokens, np.arange(count, dtype=np.int32), numbers)


def _count_numbers(outside: bytes) -> int:
    """How many there are, with white space or anything else between them."""
    part = np.frombuffer(outside.translate(_PART_OF_NUMBER), np.bool_)
    return int(np.count_nonzero(part[1:] & ~part[:-1])) + int(part[0])


def _merges(form: bytes, tokens: Strings, inside: Flags) -> MergeSides:
    """Of [[","],[","]], or [","] where each string has one space."""
    count = len(tokens.begins)
    if count % 2 == 0 and form == b"[" + (b'[","],' * (count // 2))[:-1] + b"]":
        return MergeSides(tokens)
    if form != b"[" + (b'",' * count)[:-1] + b"]":
        raise NotPlain
    spaces = np.flatnonzero((np.frombuffer(tokens.bytes, np.uint8) == ord(" ")) & inside)
    if spaces.size != count or np.any(spaces < tokens.begins) or np.any(spaces >= tokens.ends):
        raise NotPlain  # not one in each
    begins, ends = np.empty(2 * count, np.int64), np.empty(2 * count, np.int64)
    begins[0::2], ends[1::2] = tokens.begins, tokens.ends
    ends[0::2] = spaces
    begins[1::2] = ends[0::2] + 1
    return MergeSides(Strings(tokens.bytes, begins, ends))
