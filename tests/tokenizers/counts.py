"""How much was compared with the reference; pytest prints it at the end (conftest.py)."""

_counts: dict[str, list[tuple[int, int]]] = {}


def compared(what: str, tokenizers: int, texts: int) -> None:
    """Notes that `texts` texts in all were compared on `tokenizers` tokenizers."""
    _counts.setdefault(what, []).append((tokenizers, texts))


def lines() -> list[str]:
    return [
        f"{what}: {sum(n for n, _ in counts)} tokenizers, {sum(n for _, n in counts):,} texts compared"
        for what, counts in sorted(_counts.items())
    ]
