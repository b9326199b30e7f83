"""A text's result is bitwise the same alone, in any batch, in any order, and for any number of threads."""

import random

import numpy as np
import pytest

import fastplm
from tests.models.tiny import FAMILIES, Tiny, random_batch, save_tiny

DTYPES = ["float32", "bfloat16"]


@pytest.fixture
def threads():
    """set_num_threads, undone afterwards."""
    before = fastplm.num_threads()
    yield fastplm.set_num_threads
    fastplm.set_num_threads(before)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("family", FAMILIES)
def test_rows_of_a_batch(family, dtype, tmp_path, threads):
    save_tiny(family, tmp_path, Tiny(3, 24, 2, 100))
    model = fastplm.AutoModel.from_pretrained(tmp_path, dtype=dtype)
    lengths = (1, 2, 5, 13, 24, 31, 46)
    ids, mask = random_batch(61, lengths)
    alone = [model(ids[i : i + 1, :n])[0][0] for i, n in enumerate(lengths)]
    for count in (1, 2, 3, 5):
        threads(count)
        order = np.random.default_rng(count).permutation(len(lengths))
        batch = model(ids[order], mask[order])[0]
        for row, i in zip(batch, order, strict=True):
            assert np.array_equal(row[: lengths[i]], alone[i]), f"row of {lengths[i]} tokens, {count} threads"


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_is_not_seen(family, tmp_path):
    """Whatever stands under a mask of 0, and however much of it."""
    save_tiny(family, tmp_path)
    model = fastplm.AutoModel.from_pretrained(tmp_path)
    ids, _ = random_batch(61, (9, 9))
    want = model(ids)[0]
    for extra in (1, 7, 30):
        wide = np.concatenate([ids, np.full((2, extra), 5 + extra)], axis=1)
        mask = np.concatenate([np.ones_like(ids), np.zeros((2, extra), np.int64)], axis=1)
        assert np.array_equal(model(wide, mask)[0][:, :9], want)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sentences(minilm, texts, dtype, threads):
    encoder = fastplm.SentenceEncoder(minilm, dtype=dtype)
    texts = texts[:50]
    want = encoder.encode(texts)
    for count in (1, 2, 3):
        threads(count)
        for i in (0, 7, 15):
            assert np.array_equal(encoder.encode(texts[i]), want[i])
        order = list(range(len(texts)))
        random.Random(count).shuffle(order)
        assert np.array_equal(encoder.encode([texts[i] for i in order]), want[order])
    assert np.array_equal(encoder.encode(texts[:17] * 3), np.tile(want[:17], (3, 1)))
