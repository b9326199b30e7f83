"""Greedy search and beam search give transformers' tokens, for every family, padding and setting."""

import warnings

import numpy as np
import pytest
import torch

import fastplm
from tests.generation.models import (
    BOTH,
    CLOSE,
    DECODERS,
    MORE,
    assert_same_output,
    assert_same_rows,
    pair,
    prompts,
)
from tests.size import LARGE

FAMILIES = (*DECODERS, *BOTH)
ALL = {"return_dict_in_generate": True, "output_scores": True, "output_logits": True}

BEAMS = {
    "plain": {"num_beams": 3},
    "n-best": {"num_beams": 4, "num_return_sequences": 4},
    "early": {"num_beams": 3, "early_stopping": True, "num_return_sequences": 2},
    "never": {"num_beams": 3, "early_stopping": "never", "length_penalty": 1.7},
    "never, short": {"num_beams": 3, "early_stopping": "never", "length_penalty": -0.5},
    "short": {"num_beams": 3, "length_penalty": -1.0, "num_return_sequences": 2},
    "free": {"num_beams": 3, "length_penalty": 0.0},
    "one eos": {"num_beams": 2, "eos_token_id": 7},
    "no eos": {"num_beams": 2, "eos_token_id": None},
    "pad": {"num_beams": 3, "pad_token_id": 5, "num_return_sequences": 3},
    "ngrams": {"num_beams": 3, "no_repeat_ngram_size": 2, "min_new_tokens": 4},
    "penalty": {"num_beams": 3, "repetition_penalty": 1.3, "bad_words_ids": [[7], [11, 12]]},
    "forced": {"num_beams": 2, "forced_eos_token_id": 7, "renormalize_logits": True},
}
GREEDY = {
    "plain": {},
    "one eos": {"eos_token_id": 7},
    "no eos": {"eos_token_id": None},
    "no eos, no pad": {"eos_token_id": None, "pad_token_id": None},
    "min": {"min_length": 14},
    "min new": {"min_new_tokens": 6},
    "penalty": {"repetition_penalty": 1.4},
    "encoder penalty": {"encoder_repetition_penalty": 1.6},
    "ngrams": {"no_repeat_ngram_size": 2},
    "single": {"no_repeat_ngram_size": 1},
    "encoder ngrams": {"encoder_no_repeat_ngram_size": 2},
    "bad words": {"bad_words_ids": [[9], [4, 5], [7]]},
    "bias": {"sequence_bias": {(8,): 3.0, (8, 9): -2.5}},
    "suppress": {"suppress_tokens": [3, 4, 5, 6, 7], "begin_suppress_tokens": [8, 9]},
    "forced": {"forced_bos_token_id": 11, "forced_eos_token_id": 7},
    "decay": {"exponential_decay_length_penalty": (3, 1.5)},
    "invalid": {"remove_invalid_values": True, "renormalize_logits": True},
}  # fmt: skip


def with_sides(cases):
    """Each with padding on both sides; in a usual run all but the first on one of them, in turn."""
    for i, (name, settings) in enumerate(cases.items()):
        for side in ("left", "right") if LARGE or i == 0 else (("left", "right")[i % 2],):
            yield pytest.param(settings, side, id=f"{name}-{side}")


@pytest.fixture(scope="module", params=FAMILIES)
def models(request):
    return pair(request.param)


def both(models, inputs, **given):
    """The results of transformers and of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [model.generate(**inputs, **{"max_new_tokens": 16, **given}) for model in models]


@pytest.mark.parametrize(("settings", "side"), [*with_sides(GREEDY)])
def test_greedy(models, settings, side):
    inputs = prompts(side=side)
    want, got = both(models, inputs, **settings)
    assert got.dtype == want.dtype
    assert_same_rows(models[0], got, want, inputs)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", MORE)
def test_more_families(name, side):
    """Greedy search and beams, past the windows of those that have them."""
    models, inputs = pair(name), prompts(side=side)
    want, got = both(models, inputs, max_new_tokens=24)
    assert_same_rows(models[0], got, want, inputs)
    want, got = both(models, inputs, num_beams=3, **ALL)
    assert_same_output(got, want)


@pytest.mark.parametrize(("settings", "side"), [*with_sides(BEAMS)])
def test_beams(models, settings, side):
    want, got = both(models, prompts(side=side), **settings, **ALL)
    if got.sequences.shape == want.sequences.shape and torch.equal(got.sequences, want.sequences):
        assert_same_output(got, want)
        return
    differs = (got.sequences != want.sequences).any(1)
    assert np.all(abs(got.sequences_scores - want.sequences_scores)[differs].numpy() < CLOSE)


@pytest.mark.parametrize("side", ["left", "right"])
def test_all_that_greedy_search_gives(models, side):
    want, got = both(models, prompts(side=side), **ALL)
    assert_same_output(got, want)
    assert len(got.cache) == got.sequences.shape[1] - 1 and got.past_key_values is got.cache
    assert isinstance(got.cache, fastplm.Cache) and "hidden_states" not in got


@pytest.mark.parametrize("beams", [1, 3])
def test_hidden_states_and_attentions(models, beams):
    given = {"output_hidden_states": True, "output_attentions": True, "num_beams": beams, "max_new_tokens": 5}
    inputs = {"input_ids": prompts((6, 6))["input_ids"]}
    want, got = both(models, inputs, **given, **ALL)
    assert_same_output(got, want)
    plain = both(models, inputs, num_beams=beams, max_new_tokens=5, **ALL)[1]
    assert torch.equal(plain.sequences, got.sequences)
    assert all(torch.equal(a, b) for a, b in zip(plain.scores, got.scores, strict=True))


@pytest.mark.parametrize("beams", [1, 3])
def test_a_row_is_the_same_alone_in_a_batch_and_on_any_threads(models, beams):
    ours, inputs = models[1], prompts((9, 5, 7, 9, 3))
    given = {
        "num_beams": beams,
        "num_return_sequences": beams,
        "max_new_tokens": 12,
        "pad_token_id": 0,
        **ALL,
    }
    whole, before = ours.generate(**inputs, **given), fastplm.num_threads()
    try:
        for threads in (1, 3):
            fastplm.set_num_threads(threads)
            for row in range(5):
                alone = ours.generate(**{n: v[row : row + 1] for n, v in inputs.items()}, **given)
                length = alone.sequences.shape[1]
                rows = slice(row * beams, (row + 1) * beams)
                assert torch.equal(alone.sequences, whole.sequences[rows, :length])
                for one, of_all in zip(alone.scores, whole.scores, strict=False):
                    assert torch.equal(one, of_all[rows])
    finally:
        fastplm.set_num_threads(before)


@pytest.mark.slow
def test_many_prompts(models):
    """50 prompts of 64 tokens, in batches of one padding and another."""
    for seed in range(10):
        for side in ("left", "right"):
            inputs = prompts(tuple(5 + (seed * 7 + i * 11) % 30 for i in range(5)), side, seed)
            want, got = both(models, inputs, max_new_tokens=64, eos_token_id=[2])
            assert_same_rows(models[0], got, want, inputs)
            want, got = both(models, inputs, max_new_tokens=64, num_beams=4, **ALL)
            differs = (got.sequences != want.sequences).any(1)
            assert np.all(abs(got.sequences_scores - want.sequences_scores)[differs].numpy() < CLOSE)
