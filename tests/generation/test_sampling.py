"""Sampling: the right distribution, the same tokens again, whatever else is in the batch."""

import warnings
from collections import Counter

import numpy as np
import pytest
import torch
from scipy.stats import chi2

import fastplm
from tests.generation.models import BOTH, DECODERS, pair, prompts

DRAWS = 4000


@pytest.fixture(scope="module", params=["LlamaForCausalLM", "T5ForConditionalGeneration"])
def models(request):
    return pair(request.param)


def assert_drawn_from(counts, expected):
    """Chi-square at 1 in 10,000, bins below 5 taken together. The seed is fixed, so it never flickers."""
    assert all(expected[token] > 0 for token in np.nonzero(counts)[0]), "a token that has no chance"
    order = np.argsort(-expected)
    order = order[expected[order] > 0]
    few = np.cumsum(expected[order][::-1])[::-1] < 5
    large, rest = order[~few], order[few]
    seen = np.append(counts[large], counts[rest].sum())
    mean = np.append(expected[large], expected[rest].sum())
    seen, mean = seen[mean > 0], mean[mean > 0]
    statistic = ((seen - mean) ** 2 / mean).sum()
    assert statistic < chi2.ppf(1 - 1e-4, max(1, len(mean) - 1)), statistic


SETTINGS = {
    "plain": {"top_k": 0},
    "default top_k": {},
    "temperature": {"temperature": 0.6, "top_k": 0},
    "top_k": {"top_k": 4},
    "top_p": {"top_k": 0, "top_p": 0.7},
    "min_p": {"top_k": 0, "min_p": 0.2},
    "typical": {"top_k": 0, "typical_p": 0.6},
    "epsilon and eta": {"top_k": 0, "epsilon_cutoff": 0.02, "eta_cutoff": 0.03},
    "top_h": {"top_k": 0, "top_h": 0.6},
    "hot": {"top_k": 20, "temperature": 2.5, "top_p": 0.9, "repetition_penalty": 1.2},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_distribution(models, settings):
    """Of one new token, against the scores that transformers' own processors give."""
    reference, ours = models
    inputs = {n: v[:1] for n, v in prompts((6,)).items()}
    given = {"do_sample": True, "max_new_tokens": 1, **settings}
    want = reference.generate(**inputs, **given, return_dict_in_generate=True, output_scores=True)
    p = want.scores[0][0].softmax(-1).double().numpy()
    got = ours.generate(**inputs, **given, num_return_sequences=DRAWS, seed=11)
    counts = np.bincount(got[:, -1].numpy(), minlength=len(p))
    assert_drawn_from(counts, p / p.sum() * DRAWS)


def test_distribution_of_beams(models):
    """Pairs of first tokens of two beams, against transformers' own draws."""
    reference, ours = models
    inputs = {n: v[:1] for n, v in prompts((6,)).items()}
    given = {"do_sample": True, "num_beams": 2, "num_return_sequences": 2, "max_new_tokens": 1, "top_k": 4,
             "eos_token_id": None}  # fmt: skip
    many = {n: v.repeat(1500, 1) for n, v in inputs.items()}
    torch.manual_seed(0)
    pairs = []
    for model in (reference, ours):
        drawn = model.generate(**many, **given, **({"seed": 3} if model is ours else {}))[:, -1].reshape(
            -1, 2
        )
        pairs.append(Counter(map(tuple, drawn.tolist())))
    kinds = sorted(set(pairs[0]) | set(pairs[1]))
    a, b = (np.array([p[k] for k in kinds]) for p in pairs)
    common = a + b >= 10
    statistic = ((a - b)[common] ** 2 / (a + b)[common]).sum()  # two samples of equal size
    assert statistic < chi2.ppf(1 - 1e-4, common.sum())


@pytest.mark.parametrize("name", [*DECODERS, *BOTH])
@pytest.mark.parametrize("beams", [1, 2])
def test_seeds(name, beams):
    ours, inputs = pair(name)[1], prompts((9, 5, 7))
    given = {
        "do_sample": True,
        "num_beams": beams,
        "num_return_sequences": 2,
        "max_new_tokens": 12,
        "eos_token_id": None,
    }
    first = ours.generate(**inputs, **given, seed=7)
    assert torch.equal(first, ours.generate(**inputs, **given, seed=7))
    assert not torch.equal(first, ours.generate(**inputs, **given, seed=8))
    several = ours.generate(**inputs, **given, seed=[4, 5, 1 << 62])
    for row, seed in enumerate((4, 5, 1 << 62)):
        alone = ours.generate(**{n: v[row : row + 1] for n, v in inputs.items()}, **given, seed=seed)
        assert torch.equal(alone, several[2 * row : 2 * row + 2]), "alone as in the batch"
    assert torch.equal(ours.generate(**{n: v[:1] for n, v in inputs.items()}, **given, seed=7), first[:2])
    same = {n: v[:1].repeat(3, 1) for n, v in inputs.items()}
    rows = ours.generate(**same, **given, seed=7, temperature=3.0)
    assert len({tuple(r) for r in rows.tolist()}) > 3, "equal prompts draw different tokens"


def test_seeds_of_the_program():
    """Without one of its own, a call is seeded by torch's generator."""
    ours, inputs = pair("LlamaForCausalLM")[1], prompts((9, 5))
    given = {"do_sample": True, "max_new_tokens": 12}
    runs = []
    for _ in range(2):
        torch.manual_seed(3)
        runs.append([ours.generate(**inputs, **given), ours.generate(**inputs, **given)])
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))
    assert not torch.equal(*runs[0])


def test_threads_change_nothing():
    ours, inputs = pair("GPT2LMHeadModel")[1], prompts((9, 5, 7))
    before, runs = fastplm.num_threads(), []
    try:
        for threads in (1, 2, 3):
            fastplm.set_num_threads(threads)
            runs.append(ours.generate(**inputs, do_sample=True, seed=1, max_new_tokens=10, num_beams=2))
    finally:
        fastplm.set_num_threads(before)
    assert torch.equal(runs[0], runs[1]) and torch.equal(runs[0], runs[2])


def test_philox():
    """Numbers published with the generator (Random123's known answers), by the seed's first draw."""
    ours = pair("LlamaForCausalLM")[1]
    inputs = {"input_ids": torch.tensor([[5]])}
    flat = [lambda ids, scores: torch.zeros_like(scores)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        token = ours.generate(
            **inputs, do_sample=True, seed=0, max_new_tokens=1, top_k=0, logits_processor=flat
        )[0, -1]
    draw = ((0x6627E8D5 << 21) | (0xE169C58D >> 11)) / 2**53  # philox4x32-10 of counter 0, key 0
    assert int(token) == int(draw * 61)


def test_wrong_seeds():
    ours, inputs = pair("LlamaForCausalLM")[1], prompts((4, 4))
    for seed in (-1, 1 << 63, True, 0.5, "a", [1], [1, 2, 3], [1, -2]):
        with pytest.raises(ValueError, match="seed"):
            ours.generate(**inputs, do_sample=True, seed=seed, max_new_tokens=2)


def test_nothing_to_choose():
    ours, inputs = pair("LlamaForCausalLM")[1], prompts((4, 4))
    given = {"suppress_tokens": list(range(61)), "max_new_tokens": 2}
    with pytest.raises(ValueError, match="every token's score is -inf"):
        ours.generate(**inputs, do_sample=True, **given)
    reference = pair("LlamaForCausalLM")[0]
    assert torch.equal(ours.generate(**inputs, **given), reference.generate(**inputs, **given))
