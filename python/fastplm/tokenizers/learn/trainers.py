"""What learns a vocabulary from the words of a corpus: the trainers of `tokenizers`, with their arguments.

    trainer = BpeTrainer(vocab_size=30000, special_tokens=["<s>", "</s>"])
    tokenizer.train(["corpus.txt"], trainer)

The vocabularies, and the merges, of BpeTrainer, WordPieceTrainer and WordLevelTrainer are those of
`tokenizers`. Where those follow the order of a hash map, and so differ from run to run (ids of characters
with a prefix or a suffix, characters that limit_alphabet drops among equally frequent ones), these take words
and characters in the order of their UTF-8. Results depend neither on threads nor on how a corpus is cut into
files or batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from fastplm import _engine
from fastplm.progress import progress
from fastplm.tokenizers.base.added_token import AddedToken

__all__ = ["BpeTrainer", "UnigramTrainer", "WordLevelTrainer", "WordPieceTrainer"]

_MERGES = 256  # between two movements of the progress bar
_MAX = 2**31 - 2  # of ids
_LONGEST_PIECE = 256  # characters


@dataclass(kw_only=True)
class Trainer:
    """What the trainers share. Attributes may be changed until training begins.

    vocab_size: tokens in all, special ones and the alphabet included. special_tokens: get the first ids and
    are added to the tokenizer as special tokens. show_progress: bars on stderr if that is a terminal.

    Raises TypeError, ValueError.
    """

    model_type: ClassVar[str]

    vocab_size: int = 30000
    show_progress: bool = True
    special_tokens: Sequence[str | AddedToken] = ()

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Raises TypeError or ValueError, naming the argument; special tokens are AddedTokens afterwards."""
        if isinstance(self.special_tokens, str):
            raise TypeError(f"special_tokens is {self.special_tokens!r}; expected a list of tokens")
        self.special_tokens = [AddedToken.read(token, special=True) for token in self.special_tokens]
        _check_count("vocab_size", self.vocab_size, 0)

    def learn(self, words: _engine.WordCounts, model: dict[str, Any]) -> dict[str, Any]:
        """The "model" section of tokenizer.json with what was learned; `model` has its other settings."""
        raise NotImplementedError

    def _contents(self) -> list[str]:
        return [str(token) for token in self.special_tokens]

    def shows(self) -> bool | None:
        """What fastplm.progress takes: None shows a bar on a terminal."""
        return None if self.show_progress else False


def _check_count(name: str, value: Any, least: int, *, optional: bool = False) -> None:
    if value is None and optional:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is {value!r}; expected an integer")
    if not least <= value <= _MAX:
        raise ValueError(f"{name} is {value}; expected {least} to {_MAX}")


def _code_points(alphabet: Iterable[str]) -> list[int]:
    """Of the first character of each string."""
    if isinstance(alphabet, str):
        raise TypeError(f"initial_alphabet is {alphabet!r}; expected a list of characters")
    points: list[int] = []
    for characters in alphabet:
        if not isinstance(characters, str):
            raise TypeError(f"initial_alphabet holds {characters!r}; expected characters")
        if "\ud800" <= characters[:1] <= "\udfff":
            raise ValueError(
                f"initial_alphabet holds {characters[0]!r}, a lone surrogate; expected characters"
            )
        points += map(ord, characters[:1])
    return points


@dataclass(kw_only=True)
class _MergeTrainer(Trainer):
    """What BPE and WordPiece share: both learn merges."""

    min_frequency: int = 0
    limit_alphabet: int | None = None
    initial_alphabet: Sequence[str] = ()
    continuing_subword_prefix: str | None = None
    end_of_word_suffix: str | None = None

    def check(self) -> None:
        super().check()
        _check_count("min_frequency", self.min_frequency, 0)
        _check_count("limit_alphabet", self.limit_alphabet, 0, optional=True)
        _code_points(self.initial_alphabet)
        for name in ("continuing_subword_prefix", "end_of_word_suffix"):
            if not isinstance(getattr(self, name), str | None):
                raise TypeError(f"{name} is {getattr(self, name)!r}; expected a str")

    def _merge(self, words: _engine.WordCounts, max_token_length: int | None) -> _engine.BpeTrainer:
        engine = _engine.BpeTrainer(
            words,
            vocab_size=self.vocab_size,
            min_frequency=self.min_frequency,
            special_tokens=self._contents(),
            limit_alphabet=self.limit_alphabet,
            initial_alphabet=_code_points(self.initial_alphabet),
            continuing_subword_prefix=self.continuing_subword_prefix or "",
            end_of_word_suffix=self.end_of_word_suffix or "",
            max_token_length=max_token_length,
        )
        done = engine.size
        with progress(max(self.vocab_size - done, 0), "token", self.shows()) as advance:
            while engine.run(_MERGES):
                advance(engine.size - done)
                done = engine.size
            advance(engine.size - done)
        return engine


@dataclass(kw_only=True)
class BpeTrainer(_MergeTrainer):
    """Learns byte-pair merges: the pair of neighbouring tokens that occurs most often becomes a token, until
    there are vocab_size.

    min_frequency: pairs that occur less often are not merged. limit_alphabet: how many characters to keep,
    the most frequent ones; words lose the others. initial_alphabet: characters to have in any case, the first
    of each string. continuing_subword_prefix: of every token but a word's first; end_of_word_suffix: of a
    word's last. max_token_length: in characters (bytes, if the pre-tokenizer is byte-level); pairs that reach
    it are not counted.
    """

    model_type: ClassVar[str] = "BPE"

    max_token_length: int | None = None

    def check(self) -> None:
        super().check()
        _check_count("max_token_length", self.max_token_length, 0, optional=True)

    def learn(self, words: _engine.WordCounts, model: dict[str, Any]) -> dict[str, Any]:
        engine = self._merge(words, self.max_token_length)
        tokens = engine.tokens()
        # Of a pair that comes twice the last one counts.
        ranks = {tuple(pair): rank for rank, pair in enumerate(engine.merges().tolist())}
        return {
            **model,
            "continuing_subword_prefix": self.continuing_subword_prefix,
            "end_of_word_suffix": self.end_of_word_suffix,
            "vocab": _numbered(tokens),
            "merges": [[tokens[left], tokens[right]] for left, right in sorted(ranks, key=ranks.__getitem__)],
        }


@dataclass(kw_only=True)
class WordPieceTrainer(_MergeTrainer):
    """Learns the pieces of words by the same merges as BpeTrainer, and keeps the tokens only."""

    model_type: ClassVar[str] = "WordPiece"

    continuing_subword_prefix: str | None = "##"

    def learn(self, words: _engine.WordCounts, model: dict[str, Any]) -> dict[str, Any]:
        engine = self._merge(words, None)
        prefix = "##" if self.continuing_subword_prefix is None else self.continuing_subword_prefix
        return {**model, "continuing_subword_prefix": prefix, "vocab": _numbered(engine.tokens())}


@dataclass(kw_only=True)
class WordLevelTrainer(Trainer):
    """Takes the words that occur most often, and at least min_frequency times."""

    model_type: ClassVar[str] = "WordLevel"

    min_frequency: int = 0

    def check(self) -> None:
        super().check()
        _check_count("min_frequency", self.min_frequency, 0)

    def learn(self, words: _engine.WordCounts, model: dict[str, Any]) -> dict[str, Any]:
        tokens = self._contents()
        tokens += words.most_frequent(self.min_frequency, max(self.vocab_size - len(tokens), 0))
        return {**model, "vocab": _numbered(tokens[: self.vocab_size])}


@dataclass(kw_only=True)
class UnigramTrainer(Trainer):
    """Learns pieces with probabilities (arXiv:1804.10959): of all frequent substrings those stay without
    which the corpus would be least likely.

    unk_token: gets id 0 if it is none of the special tokens. initial_alphabet: characters to have in any
    case, the first of each string. shrinking_factor: what part of the pieces stays each round.
    max_piece_length: in characters. n_sub_iterations: estimates between two rounds. A corpus with more
    characters than vocab_size is a ValueError.

    The pieces are not exactly those of `tokenizers`; what they make of a corpus is at least as likely.
    """

    model_type: ClassVar[str] = "Unigram"

    vocab_size: int = 8000
    initial_alphabet: Sequence[str] = ()
    shrinking_factor: float = 0.75
    unk_token: str | None = None
    max_piece_length: int = 16
    n_sub_iterations: int = 2

    def check(self) -> None:
        super().check()
        _code_points(self.initial_alphabet)
        _check_count("max_piece_length", self.max_piece_length, 1)
        _check_count("n_sub_iterations", self.n_sub_iterations, 1)
        if isinstance(self.shrinking_factor, bool) or not isinstance(self.shrinking_factor, (int, float)):
            raise TypeError(f"shrinking_factor is {self.shrinking_factor!r}; expected a number")
        if not 0 < self.shrinking_factor < 1:
            raise ValueError(
                f"shrinking_factor is {self.shrinking_factor}; expected more than 0 and less than 1"
            )
        if not isinstance(self.unk_token, str | None):
            raise TypeError(f"unk_token is {self.unk_token!r}; expected a str")

    def learn(self, words: _engine.WordCounts, model: dict[str, Any]) -> dict[str, Any]:
        special = list(dict.fromkeys(self._contents()))
        if self.unk_token is not None and self.unk_token not in special:
            special.insert(0, self.unk_token)
        engine = _engine.UnigramTrainer(
            words,
            vocab_size=self.vocab_size - len(special),
            max_piece_length=min(self.max_piece_length, _LONGEST_PIECE),
            shrinking_factor=float(self.shrinking_factor),
            sub_iterations=self.n_sub_iterations,
            initial_alphabet=_code_points(self.initial_alphabet),
            excluded=special,
        )
        left = engine.size
        with progress(max(left - self.vocab_size, 0), "piece", self.shows()) as advance:
            while engine.step():
                advance(left - engine.size)
                left = engine.size
        # With so few digits every reader of JSON reads the same number.
        pieces = [[piece, round(score, 12)] for piece, score in engine.pieces()]
        unk_id = None if self.unk_token is None else special.index(self.unk_token)
        return {
            **model,
            "unk_id": unk_id,
            "byte_fallback": model.get("byte_fallback", False),
            "vocab": [[token, 0.0] for token in special] + pieces,
        }


def _numbered(tokens: Sequence[str]) -> dict[str, int]:
    """A token that comes twice has its last number."""
    return {token: i for i, token in enumerate(tokens)}


def default_trainer(model_type: str) -> Trainer:
    """The trainer of a model, with its defaults."""
    return TRAINERS[model_type]()


TRAINERS: dict[str, type[Trainer]] = {
    kind.model_type: kind for kind in (BpeTrainer, UnigramTrainer, WordLevelTrainer, WordPieceTrainer)
}
