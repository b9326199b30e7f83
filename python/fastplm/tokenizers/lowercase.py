"""A tokenizer that lowercases, made of one that may not."""

from dataclasses import replace
from typing import Any

from fastplm.tokenizers.methods.state import make, options_of
from fastplm.tokenizers.tokenizer import Tokenizer


def lowercased(tokenizer: Tokenizer) -> Tokenizer:
    """`tokenizer` with a Lowercase before its other normalizers, or itself if it has one.

    Added tokens are found as before, capitals and all. A BertNormalizer that lowercases needs none: for
    every character the two give what it gives alone.
    """
    source = tokenizer._source
    normalizer = source.sections["normalizer"]
    steps = _steps(normalizer)
    if any(step.get("type") == "Lowercase" for step in steps) or _is_lowering(normalizer):
        return tokenizer
    sequence = {"type": "Sequence", "normalizers": [{"type": "Lowercase"}, *steps]}
    source = replace(source, sections={**source.sections, "normalizer": sequence})
    return make(type(tokenizer), source, options_of(tokenizer))


def _steps(normalizer: dict[str, Any] | None) -> list[dict[str, Any]]:
    if normalizer is None:
        return []
    return list(normalizer["normalizers"]) if normalizer["type"] == "Sequence" else [normalizer]


def _is_lowering(normalizer: dict[str, Any] | None) -> bool:
    return (
        normalizer is not None and normalizer["type"] == "BertNormalizer" and normalizer["lowercase"] is True
    )
