"""Pooling and quantising of arrays equal sentence-transformers', edges included."""

import numpy as np
import pytest
import torch
from sentence_transformers.sentence_transformer.modules import Pooling
from sentence_transformers.util.quantization import quantize_embeddings

from fastplm.pooling import normalize, pool, quantize

MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")


@pytest.mark.parametrize("skip", [0, 1, 3])
@pytest.mark.parametrize("mode", MODES)
def test_modes(mode, skip):
    """Without the first `skip` tokens, a prompt's; texts of no more than those are among them."""
    hidden = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
    starts = np.array([0, 1, 3, 6, 10, 20], np.int32)
    reference = Pooling(6, pooling_mode=mode, include_prompt=skip == 0)
    got = pool(hidden, starts, (mode,), skip)
    for row, begin, end in zip(got, starts[:-1], starts[1:], strict=True):
        features = {
            "token_embeddings": torch.from_numpy(hidden[None, begin:end]),
            "attention_mask": torch.ones(1, end - begin, dtype=torch.int64),
            "prompt_length": skip,
        }
        want = reference(features)["sentence_embedding"][0].numpy()
        np.testing.assert_allclose(row, want, rtol=1e-5, atol=1e-6, err_msg=f"{end - begin} tokens")


def test_a_text_without_tokens():
    hidden = np.ones((2, 3), np.float32)
    got = pool(hidden, np.array([0, 0, 2], np.int32), MODES)
    assert not got[0].any() and got[1].any()


def test_normalize():
    rows = np.array([[3, 4], [0, 0], [1e-20, 0]], np.float32)
    want = torch.nn.functional.normalize(torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(normalize(rows), want)


@pytest.mark.parametrize("precision", ["int8", "uint8", "binary", "ubinary"])
def test_quantize(precision):
    rows = np.random.default_rng(1).normal(size=(9, 19)).astype(np.float32)
    want = quantize_embeddings(rows, precision)
    got = quantize(rows, precision)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)


def test_quantize_a_dimension_that_is_always_the_same():
    rows = np.array([[0, 5], [255, 5]], np.float32)
    assert quantize(rows, "uint8").tolist() == [[0, 0], [255, 0]]
