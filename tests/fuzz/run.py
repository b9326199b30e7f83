"""Texts through the tokenizers of a family."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.compare import Comparison, Difference
from tests.fuzz.texts import LINES, Texts, decoded_pieces


@dataclass
class Counts:
    tokenizers: int = 0
    texts: int = 0
    sampled: int = 0  # texts of which all fields were compared
    refused: int = 0  # texts that both engines refuse
    differences: list[Difference] = field(default_factory=list)  # at most one of each tokenizer

    def __str__(self) -> str:
        return (
            f"{self.tokenizers} tokenizers, {self.texts:,} texts, all fields of {self.sampled:,}, "
            f"{self.refused:,} refused by both, {len(self.differences)} different"
        )


def texts_for(comparison: Comparison, seed: object, lines: Iterable[str] = LINES) -> Texts:
    """Texts made for the tokenizer: its vocabulary's pieces and its added tokens are in them."""
    reference, path = comparison.reference.tokenizer, comparison.path
    tokens = [token.content for token in reference.get_added_tokens_decoder().values()]
    seed = f"{seed}/{path.parent.name if path.stem == 'tokenizer' else path.stem}"
    return Texts(seed, decoded_pieces(reference, 20_000, seed), tokens, list(lines))


def fuzz(
    paths: Iterable[Path],
    count: int,
    *,
    seed: object = 0,
    level: str | None = None,
    every: int = 16,
    lines: Iterable[str] = LINES,
) -> Iterator[Counts]:
    """Compares `count` texts for each tokenizer.json; gives the counts so far after each."""
    counts, lines = Counts(), list(lines)
    for path in paths:
        comparison = Comparison(path, level)
        try:
            comparison.run(texts_for(comparison, seed, lines).blocks(count), every)
        except Difference as difference:
            counts.differences.append(difference)
        finally:
            comparison.close()
        counts.tokenizers += 1
        counts.texts += comparison.texts
        counts.sampled += comparison.sampled
        counts.refused += comparison.refused
        yield counts


def real_lines(data: Path) -> list[str]:
    """Lines of real text, and those of every script."""
    lines = list(LINES)
    for name in ("texts/blingfire_web_multilingual.txt", "wikitext2/test.txt", "books/wagahai_ja.txt"):
        lines += (data / name).read_text(encoding="utf-8").split("\n")[:4000]
    return lines
