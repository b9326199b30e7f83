"""Each processor of scores, compared with transformers' own on the same scores."""

import numpy as np
import pytest
import torch
from transformers.generation import logits_process as theirs

from fastplm import _engine

VOCAB, ROWS, PROMPT, SHOWN = 40, 6, 7, 2
EOS = [3, 4]


def scores(kind="plain"):
    """Random scores; with ties; or with tokens that are forbidden already."""
    made = np.random.default_rng(5).normal(0, 3, (ROWS, VOCAB)).astype(np.float32)
    if kind == "ties":
        made = np.round(made)
    if kind == "forbidden":
        made[:, np.arange(VOCAB) % 3 == 0] = -np.inf
    return made


def ids(length=12):
    """Rows with tokens, pairs and triples that come again."""
    return np.random.default_rng(6).integers(0, 5, (ROWS, length))


def ours(settings, made, rows=None):
    rows = ids() if rows is None else rows
    source = ids(PROMPT)
    return _engine.process([settings], rows.tolist(), source.tolist(), made, PROMPT, SHOWN)


def transformers(processor, made, rows=None):
    rows = ids() if rows is None else rows
    return processor(torch.from_numpy(rows), torch.from_numpy(made.copy())).numpy()


def assert_equal(got, want):
    assert np.array_equal(np.isneginf(got), np.isneginf(want)), "other tokens are left out"
    finite = ~np.isneginf(want)
    assert np.allclose(got[finite], want[finite], rtol=2e-6, atol=2e-6)


def source():
    return torch.from_numpy(ids(PROMPT))


BIASES = {(1,): 2.5, (2, 3): -4.0, (4, 2, 3): 1.5, (2,): float("-inf"), (9, 8, 7): 3.0}
PAIRS = [[list(k), v] for k, v in BIASES.items()]
CASES = {
    "sequence_bias": ({"sequences": PAIRS}, lambda: theirs.SequenceBiasLogitsProcessor(BIASES)),
    "source_penalty": (
        {"penalty": 1.7}, lambda: theirs.EncoderRepetitionPenaltyLogitsProcessor(1.7, source()),
    ),
    "repetition_penalty": (
        {"penalty": 0.6},
        lambda: theirs.RepetitionPenaltyLogitsProcessor(0.6, torch.full((ROWS,), SHOWN)),
    ),
    "no_repeat": ({"size": 3}, lambda: theirs.NoRepeatNGramLogitsProcessor(3)),
    "no_repeat 1": ({"size": 1}, lambda: theirs.NoRepeatNGramLogitsProcessor(1)),
    "no_repeat 13": ({"size": 13}, lambda: theirs.NoRepeatNGramLogitsProcessor(13)),
    "no_repeat_of_source": ({"size": 2}, lambda: theirs.EncoderNoRepeatNGramLogitsProcessor(2, source())),
    "min_length": ({"length": 13, "ids": EOS}, lambda: theirs.MinLengthLogitsProcessor(13, EOS)),
    "min_length reached": ({"length": 12, "ids": EOS}, lambda: theirs.MinLengthLogitsProcessor(12, EOS)),
    "min_length new": (
        {"length": PROMPT + 6, "ids": EOS},
        lambda: theirs.MinNewTokensLengthLogitsProcessor(PROMPT, 6, EOS),
    ),
    "force": ({"length": 12, "ids": EOS}, lambda: theirs.ForcedEOSTokenLogitsProcessor(13, EOS)),
    "force not yet": ({"length": 13, "ids": EOS}, lambda: theirs.ForcedEOSTokenLogitsProcessor(14, EOS)),
    "decay_length": (
        {"length": PROMPT + 2, "factor": 1.3, "ids": EOS},
        lambda: theirs.ExponentialDecayLengthPenalty((2, 1.3), EOS, PROMPT),
    ),
    "suppress": ({"length": -1, "ids": [1, 5, 9]}, lambda: theirs.SuppressTokensLogitsProcessor([1, 5, 9])),
    "suppress begin": (
        {"length": 12, "ids": [1]}, lambda: theirs.SuppressTokensAtBeginLogitsProcessor([1], 12),
    ),
    "suppress later": (
        {"length": 11, "ids": [1]}, lambda: theirs.SuppressTokensAtBeginLogitsProcessor([1], 11),
    ),
    "temperature": ({"value": 0.7}, lambda: theirs.TemperatureLogitsWarper(0.7)),
    "top_k": ({"count": 5}, lambda: theirs.TopKLogitsWarper(5)),
    "top_k all": ({"count": 99}, lambda: theirs.TopKLogitsWarper(99)),
    "top_p": ({"mass": 0.9, "keep": 1}, lambda: theirs.TopPLogitsWarper(0.9)),
    "top_p small": ({"mass": 0.01, "keep": 1}, lambda: theirs.TopPLogitsWarper(0.01)),
    "top_p keep": ({"mass": 0.2, "keep": 4}, lambda: theirs.TopPLogitsWarper(0.2, min_tokens_to_keep=4)),
    "top_p 0": ({"mass": 0.0, "keep": 1}, lambda: theirs.TopPLogitsWarper(0.0)),
    "min_p": ({"share": 0.1, "keep": 1}, lambda: theirs.MinPLogitsWarper(0.1)),
    "min_p keep": ({"share": 0.9, "keep": 3}, lambda: theirs.MinPLogitsWarper(0.9, min_tokens_to_keep=3)),
    "typical": ({"mass": 0.8, "keep": 1}, lambda: theirs.TypicalLogitsWarper(0.8)),
    "typical keep": ({"mass": 0.1, "keep": 5}, lambda: theirs.TypicalLogitsWarper(0.1, min_tokens_to_keep=5)),
    "epsilon": ({"cutoff": 0.05, "keep": 1}, lambda: theirs.EpsilonLogitsWarper(0.05)),
    "epsilon keep": (
        {"cutoff": 0.9, "keep": 2}, lambda: theirs.EpsilonLogitsWarper(0.9, min_tokens_to_keep=2),
    ),
    "eta": ({"cutoff": 0.02, "keep": 1}, lambda: theirs.EtaLogitsWarper(0.02)),
    "eta keep": ({"cutoff": 0.9, "keep": 3}, lambda: theirs.EtaLogitsWarper(0.9, min_tokens_to_keep=3)),
    "top_h": ({"value": 0.5}, lambda: theirs.TopHLogitsWarper(0.5)),
    "top_h most": ({"value": 0.95}, lambda: theirs.TopHLogitsWarper(0.95)),
    "normalize": ({}, theirs.LogitNormalization),
}  # fmt: skip
IDLE = ("top_k all", "no_repeat 13", "min_length reached", "force not yet", "suppress later")
# Where equal scores lie on the border, torch's choice among them is not said.
UNSAID = ("min_p", "top_h", "top_p", "typical")


@pytest.mark.parametrize("kind", ["plain", "ties", "forbidden"])
@pytest.mark.parametrize("name", CASES)
def test_as_transformers(name, kind):
    settings, make = CASES[name]
    made = scores(kind)
    got = ours({"kind": name.split()[0], **settings}, made)
    want = transformers(make(), made)
    if kind == "ties" and name.split()[0] in UNSAID:
        assert np.array_equal(np.sort(got), np.sort(want))
    else:
        assert_equal(got, want)
    if kind == "plain" and name not in IDLE:
        assert not np.array_equal(got, made)


def test_the_first_token_is_forced():
    made, rows = scores(), ids(1)
    want = transformers(theirs.ForcedBOSTokenLogitsProcessor(9), made, rows)
    assert_equal(ours({"kind": "force", "length": 1, "ids": [9]}, made, rows), want)


def test_invalid_values():
    made = scores()
    made[0, :3] = np.nan, np.inf, -np.inf
    got = ours({"kind": "remove_invalid"}, made)
    assert np.array_equal(got, transformers(theirs.InfNanRemoveLogitsProcessor(), made))


def test_presence_and_frequency():
    """OpenAI's: of each token generated so far, once and for each time."""
    made, rows = scores(), ids()
    got = ours({"kind": "count_penalty", "presence": 0.5, "frequency": 0.25}, made)
    for row in range(ROWS):
        counts = np.bincount(rows[row, PROMPT:], minlength=VOCAB)
        assert np.allclose(got[row], made[row] - 0.5 * (counts > 0) - 0.25 * counts)


def test_ids_beyond_the_projection_are_left_alone():
    made, rows = scores(), ids() + VOCAB
    for settings in (
        {"kind": "repetition_penalty", "penalty": 2.0},
        {"kind": "count_penalty", "presence": 1.0, "frequency": 0.5},
        {"kind": "no_repeat", "size": 2},
    ):
        for beyond in (rows, np.full((ROWS, 4), VOCAB)):
            assert np.array_equal(ours(settings, made, beyond), made), settings


@pytest.mark.parametrize(
    "kind", ["top_k", "top_p", "min_p", "typical", "epsilon", "eta", "top_h", "normalize"]
)
def test_nan_is_an_error(kind):
    made = scores()
    made[2, 5] = np.nan
    with pytest.raises(ValueError, match="the score of token 5 is NaN"):
        ours({"kind": kind, **CASES[kind][0]}, made)


def test_ids_out_of_the_vocabulary():
    for bad in (VOCAB, -1, 1 << 40):
        with pytest.raises(ValueError, match=f"force holds {bad}; expected ids from 0 to {VOCAB - 1}"):
            ours({"kind": "force", "length": 1, "ids": [bad]}, scores())
    for kind in ("suppress", "min_length"):  # as in transformers: what is not there cannot follow anyway
        settings = {"kind": kind, "length": 99 if kind == "min_length" else -1}
        got = ours({**settings, "ids": [VOCAB, 5, 1 << 40, -1]}, scores())
        assert np.array_equal(got, ours({**settings, "ids": [5]}, scores()))


@pytest.mark.parametrize("name", ["top_k", "top_p", "min_p", "typical", "epsilon", "eta"])
def test_a_large_vocabulary(name):
    """Where only a part is sorted. Masses within rounding of the limit may differ."""
    made = np.random.default_rng(1).normal(0, 2, (2, 30000)).astype(np.float32)
    settings, _ = CASES[name]
    change = {"top_k": {"count": 3000}, "top_p": {"mass": 0.97}}.get(name, {})
    make = {
        "top_k": lambda: theirs.TopKLogitsWarper(3000),
        "top_p": lambda: theirs.TopPLogitsWarper(0.97),
        "min_p": lambda: theirs.MinPLogitsWarper(0.1),
        "typical": lambda: theirs.TypicalLogitsWarper(0.8),
        "epsilon": lambda: theirs.EpsilonLogitsWarper(0.05),
        "eta": lambda: theirs.EtaLogitsWarper(0.02),
    }[name]
    got = _engine.process([{"kind": name, **settings, **change}], [[1], [1]], [[], []], made, 1, 0)
    want = make()(torch.ones(2, 1, dtype=torch.long), torch.from_numpy(made)).numpy()
    differs = (np.isneginf(got) != np.isneginf(want)).sum(1)
    assert (differs <= 3).all()
