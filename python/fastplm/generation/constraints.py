"""What generated text must look like: a JSON schema, a regular expression, a grammar.

The library llguidance tells which tokens may follow; the engine applies its masks.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastplm import arrays
from fastplm.generation.stopping import known_texts

_MARK = "\x02"  # a character that no token joins with what follows


class Constraint:
    """Given to generate() or a Generator as `constraint`; may be used again. The text that is generated, from
    its first token on, matches as a whole, unless it ends before at max_new_tokens.

    Raises ValueError for what is no grammar, ModuleNotFoundError without llguidance.
    """

    def __init__(self, grammar: str, what: str) -> None:
        self._grammar, self._what = grammar, what
        found = _library().LLMatcher.validate_grammar(grammar)
        if found:
            raise ValueError(f"constraint: {what}: {found}")

    @classmethod
    def json_schema(cls, schema: dict[str, Any] | bool | str, whitespace: bool = False) -> "Constraint":
        """JSON that the schema (or its text) allows, compact; whitespace=True: with any white space, of which
        small models may write without end.
        """
        text = schema if isinstance(schema, str) else json.dumps(schema)
        return cls._made("json_schema", text, {"whitespace_flexible": whitespace})

    @classmethod
    def regex(cls, pattern: str) -> "Constraint":
        """Text that the regular expression (of Rust's regex, without look-around) matches as a whole."""
        return cls._made("regex", pattern)

    @classmethod
    def lark(cls, grammar: str) -> "Constraint":
        """Text of a context-free grammar in llguidance's variant of Lark's language."""
        return cls._made("lark", grammar)

    @classmethod
    def choice(cls, texts: Sequence[str]) -> "Constraint":
        """One of the texts."""
        if isinstance(texts, str) or not texts or not all(isinstance(t, str) for t in texts):
            raise ValueError(f"constraint: choice: {texts!r}; expected strings, at least one")
        return cls._made("lark", "start: " + " | ".join(json.dumps(t, ensure_ascii=False) for t in texts))

    @classmethod
    def _made(cls, kind: str, source: str, *options: Any) -> "Constraint":
        if not isinstance(source, str):
            raise TypeError(f"constraint: {kind}: a {type(source).__name__}; expected a string")
        made = getattr(_library().LLMatcher, f"grammar_from_{kind}")
        try:
            grammar = made(source, *options)
        except ValueError as error:
            raise ValueError(f"constraint: {kind}: {error}") from None
        return cls(grammar, kind)

    def start(self, tokenizer: Any, vocabulary: int, eos: Sequence[int]) -> "Matching":
        """For the rows of one call. vocabulary: how many tokens have a score."""
        if tokenizer is None:
            raise ValueError("constraint: it needs the model's tokenizer; pass tokenizer=")
        ends = [token for token in eos if token < vocabulary]
        if not ends:
            raise ValueError("constraint: no eos_token_id, with which text that is whole would end; set one")
        return Matching(self, _tokenizer(tokenizer, vocabulary, tuple(ends)), vocabulary, ends)

    def __repr__(self) -> str:
        return f"Constraint({self._what})"


class Matching:
    """Where each row of a call stands."""

    def __init__(self, constraint: Constraint, tokenizer: Any, vocabulary: int, eos: Sequence[int]) -> None:
        self._tokenizer, self._grammar = tokenizer, constraint._grammar
        self._eos = eos
        self._words = (vocabulary + 31) // 32
        self._rows: list[Any] = []
        self._seen = 0

    def mask(self, ids: arrays.Array) -> arrays.Array:
        """Which tokens may follow each row of ids int64 [rows, length]: bits, uint32 [rows, words]. The first
        call's ids are the prompts.
        """
        if not self._rows:
            matcher: Any = _library().LLMatcher
            self._rows = [matcher(self._tokenizer, self._grammar, log_level=0) for _ in ids]
            self._seen = ids.shape[1]
        bits = np.zeros((len(ids), self._words), np.uint32)
        for row, matcher in enumerate(self._rows):
            for token in ids[row, self._seen :].tolist():
                if not matcher.is_stopped():
                    matcher.consume_token(token)
            if matcher.is_error():
                raise ValueError(f"constraint: {matcher.get_error()}")
            if matcher.is_stopped():  # the text is whole
                for token in self._eos:
                    bits[row, token // 32] |= np.uint32(1 << token % 32)
            else:
                matcher.unsafe_compute_mask_ptr(bits[row].ctypes.data, bits[row].nbytes)
        self._seen = ids.shape[1]
        return bits


def _library() -> Any:
    try:
        import llguidance
    except ImportError:
        raise ModuleNotFoundError("constraint: needs llguidance: pip install llguidance") from None
    return llguidance


def _tokenizer(tokenizer: Any, vocabulary: int, eos: tuple[int, ...]) -> Any:
    """llguidance's view of the tokenizer, made once for each."""
    key = (vocabulary, eos)
    made = known_texts(tokenizer).views
    if key not in made:
        made[key] = _made_tokenizer(tokenizer, vocabulary, eos)
    return made[key]


def _made_tokenizer(tokenizer: Any, vocabulary: int, eos: tuple[int, ...]) -> Any:
    data, starts = known_texts(tokenizer).texts
    tokens = [data[a:b] for a, b in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)][:vocabulary]
    tokens += [b""] * (vocabulary - len(tokens))  # rows of the projection that are no tokens
    special = [token for token in {*tokenizer.all_special_ids, *eos} if token < vocabulary]
    for token in special:  # as llguidance marks what is no text
        tokens[token] = b"\xff" + (tokens[token] or b"<%d>" % token)
    wrapper = _library().TokenizerWrapper(_Tokens(tokenizer, tokens, special, eos[0]))
    return _library().LLTokenizer(wrapper, n_vocab=vocabulary, eos_token=list(eos))


class _Tokens:
    """What llguidance asks of a tokenizer."""

    def __init__(self, tokenizer: Any, tokens: list[bytes], special: list[int], eos: int) -> None:
        self._tokenizer = tokenizer
        self.tokens, self.special_token_ids = tokens, special
        self.eos_token_id, self.bos_token_id = eos, None
        self._numbers = {text: number for number, text in enumerate(tokens) if text}
        self._longest = max(map(len, self._numbers))

    def __call__(self, text: bytes) -> list[int]:
        """The tokens of text that stands behind other text."""
        with_mark = self._ids(_MARK + text.decode("utf-8", "replace"))
        behind = with_mark[len(self._ids(_MARK)) :]
        made = b"".join(self.tokens[token] for token in behind if token < len(self.tokens))
        return behind if made == text else self._greedy(text)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _greedy(self, text: bytes) -> list[int]:
        """The longest token at each place. What no token has is left out, as llguidance expects."""
        ids, at = [], 0
        while at < len(text):
            size = min(self._longest, len(text) - at)
            while size and text[at : at + size] not in self._numbers:
                size -= 1
            if size:
                ids.append(self._numbers[text[at : at + size]])
            at += max(size, 1)
        return ids
