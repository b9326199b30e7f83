"""What ends generation besides settings of numbers: strings in the text, and the caller's own criteria."""

import functools
import json
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastplm import arrays

_PREFIX = "abcdef"  # a text before each token, so that decoders treat it as the middle of one


@dataclass
class Known:
    """What was made of a tokenizer of so many tokens. texts: of every token in UTF-8, all in a row, and where
    each begins, int64 [tokens + 1]. views: other libraries' of the same.
    """

    size: int
    texts: tuple[bytes, arrays.Array]
    views: dict[Any, Any] = field(default_factory=dict)


_known: "weakref.WeakKeyDictionary[Any, Known]" = weakref.WeakKeyDictionary()


def known_texts(tokenizer: Any) -> Known:
    """Made once, and again where tokens were added."""
    known = _known.get(tokenizer)
    if known is None or known.size != len(tokenizer):
        known = _known[tokenizer] = Known(len(tokenizer), token_texts(tokenizer))
    return known


def stop_strings(value: Any, tokenizer: Any) -> tuple[list[str], tuple[bytes, arrays.Array]]:
    """The strings, and the texts of the tokens.

    Raises ValueError without a tokenizer, and for strings that no token can end.
    """
    strings = [value] if isinstance(value, str) else list(value)
    if not strings or not all(isinstance(s, str) and s for s in strings):
        raise ValueError(
            f"stop_strings: {value!r}; expected a string or a list of strings, none of them empty"
        )
    if tokenizer is None:
        raise ValueError("stop_strings: they need the model's tokenizer; pass it as generate(tokenizer=...)")
    texts = known_texts(tokenizer).texts
    if not any(s.encode()[-1:] in texts[0] for s in strings):
        raise ValueError(f"stop_strings: no token of the tokenizer has the end of any of {strings}")
    return strings, texts


def token_texts(tokenizer: Any) -> tuple[bytes, arrays.Array]:
    """The text of each token in the middle of others."""
    vocabulary = tokenizer.get_vocab()
    to_bytes = _bytes_of(tokenizer)
    base = tokenizer.convert_ids_to_tokens(tokenizer(_PREFIX, add_special_tokens=False)["input_ids"])
    texts = [b""] * (max(vocabulary.values(), default=-1) + 1)
    for token, number in vocabulary.items():
        own = to_bytes(token)
        if own is None:
            text = tokenizer.convert_tokens_to_string([*base, token])
            own = text[text.index(_PREFIX) + len(_PREFIX) :].encode()
        texts[number] = own
    starts = np.zeros(len(texts) + 1, np.int64)
    starts[1:] = np.cumsum([len(text) for text in texts])
    return b"".join(texts), starts


def _bytes_of(tokenizer: Any) -> Callable[[str], bytes | None]:
    """How tokens that are parts of characters say their bytes, if they do."""
    kinds = set(_decoder_types(_decoder(tokenizer)))
    if "ByteFallback" in kinds:
        return _fallback_byte
    if "ByteLevel" in kinds:
        letters = _byte_letters()
        return lambda token: bytes(letters[c] for c in token) if all(c in letters for c in token) else None
    return lambda token: None


def _decoder_types(decoder: Any) -> Iterable[str]:
    """The types of a decoder and of those it is made of."""
    if isinstance(decoder, dict):
        yield from [decoder["type"]] if isinstance(decoder.get("type"), str) else []
    parts = decoder.values() if isinstance(decoder, dict) else decoder if isinstance(decoder, list) else ()
    for part in parts:
        yield from _decoder_types(part)


def _decoder(tokenizer: Any) -> Any:
    """The decoder of tokenizer.json, of a tokenizer of fastplm or transformers."""
    source = getattr(tokenizer, "_source", None)
    if source is not None:
        return source.sections["decoder"]
    decoder = getattr(getattr(tokenizer, "backend_tokenizer", None), "decoder", None)
    return None if decoder is None else json.loads(decoder.__getstate__())


def _fallback_byte(token: str) -> bytes | None:
    if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
        try:
            return bytes([int(token[3:5], 16)])
        except ValueError:
            return None
    return None


@functools.cache
def _byte_letters() -> dict[str, int]:
    """The letters that byte-level tokenizers write bytes as (GPT-2's encoder.py): those that print stand for
    themselves, the others follow from U+0100 on.
    """
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(b): b for b in plain} | {chr(256 + i): b for i, b in enumerate(others)}
