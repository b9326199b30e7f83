"""Scores of Unigram pieces, to the last bit."""

import pytest

from fastplm import AutoTokenizer

tokenizers = pytest.importorskip("tokenizers")


def test_scores_are_read_as_the_reference_reads_them(data):
    """Their last bit decides where the odd one stands among equal pieces."""
    path = data / "tokenizers/unigram/t5-small/tokenizer.json"
    ours, reference = AutoTokenizer.from_pretrained(path), tokenizers.Tokenizer.from_file(str(path))
    for text in [*("-" * n for n in range(20, 200)), "." * 77, "=" * 61]:
        assert ours(text)["input_ids"] == reference.encode(text).ids, text
