"""generate()'s arguments besides settings: inputs, the caller's own functions, results, errors."""

import inspect
import itertools
import time
import warnings

import numpy as np
import pytest
import torch
import transformers
from transformers import LogitsProcessorList, StoppingCriteriaList
from transformers.generation import logits_process, stopping_criteria

import fastplm
from fastplm.errors import UnsupportedError
from tests.generation.models import BOTH, DECODERS, assert_same_output, pair, prompts
from tests.models.tiny import save_class

ALL = {"return_dict_in_generate": True, "output_scores": True, "max_new_tokens": 8}


@pytest.fixture(scope="module", params=[*DECODERS, *BOTH])
def models(request):
    return pair(request.param)


def both(models, *args, **given):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [model.generate(*args, **{"max_new_tokens": 8, **given}) for model in models]


def assert_equal(models, *args, **given):
    want, got = both(models, *args, **given)
    assert torch.equal(got, want), f"{got} instead of {want}"
    return got


def test_the_arguments_are_those_of_transformers():
    theirs = inspect.signature(transformers.GenerationMixin.generate).parameters
    ours = inspect.signature(fastplm.GPT2LMHeadModel.generate).parameters
    assert list(ours) == list(theirs)


def test_kinds_of_inputs(models):
    ids = prompts((6, 6))["input_ids"]
    want = assert_equal(models, ids)
    assert torch.equal(models[1].generate(input_ids=ids.int(), max_new_tokens=8), want)
    for given in (ids.numpy(), ids.tolist()):
        got = models[1].generate(given, max_new_tokens=8)
        assert isinstance(got, np.ndarray) and got.dtype == np.int64 and np.array_equal(got, want)


def test_padding_is_seen_without_a_mask(models):
    inputs = prompts((6, 3))
    assert_equal(models, inputs["input_ids"] * inputs["attention_mask"])


@pytest.mark.parametrize("beams", [1, 2])
def test_a_cache_from_before(models, beams):
    """The whole sequence again, of which the cache has a part; or with a mask of all, only what is new."""
    ours = models[1]
    if ours.config.is_encoder_decoder:
        pytest.skip("an encoder-decoder goes on from decoder_input_ids: below")
    inputs = prompts((9, 5))
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    want = assert_equal(models, **inputs, num_beams=beams)
    places = (mask.cumsum(1) - 1).clamp(min=0)
    for part in (2, 8):
        cache = ours(ids[:, :part], attention_mask=mask[:, :part], position_ids=places[:, :part]).cache
        kept = cache.copy()
        got = ours.generate(**inputs, cache=cache, max_new_tokens=8, num_beams=beams)
        assert torch.equal(got, want) and len(cache) == got.shape[1] - 1
        out = ours.generate(ids[:, part:], attention_mask=mask, past_key_values=kept, num_beams=beams, **ALL)
        assert torch.equal(out.sequences, want[:, part:]) and out.cache is kept
    with pytest.raises(ValueError, match="9 of input_ids and 9 in the cache"):
        ours.generate(**inputs, cache=ours(ids).cache, max_new_tokens=2)


def test_a_mask_hides_what_a_cache_saw():
    reference, ours = pair("LlamaForCausalLM")
    ids, mask = prompts((9, 9))["input_ids"], torch.ones(2, 9, dtype=torch.int64)
    mask[0, :3] = mask[1, 2:4] = 0
    given = {"attention_mask": mask, "max_new_tokens": 8, "eos_token_id": None}
    want = reference.generate(ids, past_key_values=reference(ids[:, :6]).past_key_values, **given)
    assert torch.equal(ours.generate(ids, cache=ours(ids[:, :6]).cache, **given), want)
    seen = ours.generate(ids, cache=ours(ids[:, :6]).cache, **{**given, "attention_mask": None})
    assert not torch.equal(seen, want)


def test_a_cache_belongs_to_one_call_at_a_time(monkeypatch):
    from fastplm import _engine

    caches, refused = [], []

    def watched(*given):
        caches.append(given[4])
        return engine_generate(*given)

    def use(_, scores):
        with pytest.raises(ValueError, match="another call uses it at the same time") as error:
            caches[0].copy()
        refused.append(error)
        return scores

    engine_generate = _engine.generate
    monkeypatch.setattr(_engine, "generate", watched)
    pair("LlamaForCausalLM")[1].generate([[5, 6]], max_new_tokens=2, logits_processor=[use])
    assert len(refused) == 2 and caches[0].copy().columns == 3


def test_prompts_without_tokens(monkeypatch):
    """The engine checks once more: it would read before the positions."""
    from fastplm import _engine

    def empty(*given):  # ids and positions
        return engine_generate(*given[:5], given[5][:, :0], None, None, given[8][:, :0], *given[9:])

    engine_generate = _engine.generate
    monkeypatch.setattr(_engine, "generate", empty)
    with pytest.raises(ValueError, match="2 prompts of 0 tokens; expected at least one of both"):
        pair("LlamaForCausalLM")[1].generate(
            [[5, 6], [7, 8]], position_ids=[[0, 1], [0, 1]], max_new_tokens=2
        )


def test_a_given_cache_keeps_the_rows_that_ended():
    ours = pair("LlamaForCausalLM")[1]
    inputs = {name: array.numpy() for name, array in prompts((5, 5)).items()}
    free = ours.generate(**inputs, max_new_tokens=8, eos_token_id=None)
    end = int(free[0, 6])
    assert end not in free[1, 5:], "only one row ends"
    cache = ours(inputs["input_ids"][:, :4]).cache
    got = ours.generate(**inputs, cache=cache, max_new_tokens=8, eos_token_id=end)
    assert cache.batch_size == 2 and len(cache) == got.shape[1] - 1
    assert got[0, 7:].tolist() == [0] * 6 and np.array_equal(got[1], free[1])


def test_a_call_that_fails_leaves_the_cache_as_it_was():
    ours = pair("LlamaForCausalLM")[1]
    ids = prompts((6, 6))["input_ids"]
    cache = ours(ids[:, :5]).cache
    want = ours.generate(ids, cache=cache.copy(), max_new_tokens=8)

    def fail(*_):
        raise RuntimeError("mine")

    for given in ({"logits_processor": [fail]}, {"stopping_criteria": [fail]}, {"bad_words_ids": [[999]]}):
        with pytest.raises((RuntimeError, ValueError), match=r"mine|holds 999"):
            ours.generate(ids, cache=cache, max_new_tokens=8, num_beams=2, **given)
        assert len(cache) == 5 and cache.batch_size == 2
    assert torch.equal(ours.generate(ids, cache=cache, max_new_tokens=8), want)


def test_embeddings(models):
    reference, ours = models
    inputs = prompts((9, 5))
    embeds = reference.get_input_embeddings()(inputs["input_ids"]).detach()
    if ours.config.is_encoder_decoder:
        embeds = embeds * getattr(reference.get_encoder(), "embed_scale", 1.0)
    given = {"inputs_embeds": embeds, "attention_mask": inputs["attention_mask"]}
    got = assert_equal(models, **given, num_beams=2)
    assert_equal(models, **given, max_length=13, max_new_tokens=None)
    if not ours.config.is_encoder_decoder:
        assert got.shape[1] <= 8
        assert_equal(models, **given, input_ids=inputs["input_ids"])
        assert_equal(models, **given, min_length=12, repetition_penalty=1.3)
        row = {name: array[1:] for name, array in given.items()}  # padded on the left
        plain = ours.generate(**row, max_new_tokens=12, repetition_penalty=1.3)
        drafted = ours.generate(**row, max_new_tokens=12, repetition_penalty=1.3, prompt_lookup_num_tokens=3)
        assert torch.equal(drafted, plain)
    else:
        with pytest.raises(ValueError, match="inputs_embeds` and `input_ids"):
            ours.generate(inputs["input_ids"], inputs_embeds=embeds)


def test_positions():
    models = [pair(name) for name in DECODERS]
    ids = prompts((6, 6))["input_ids"]
    for places in (torch.arange(6)[None] + 3, torch.tensor([[0, 1, 2, 5, 9, 11], [3, 1, 4, 1, 5, 9]])):
        for each in models:
            assert_equal(each, ids, position_ids=places)


@pytest.mark.parametrize("name", BOTH)
def test_decoder_inputs(name):
    models, inputs = pair(name), prompts((9, 5))
    start = models[1].generation_config.decoder_start_token_id
    begun = torch.tensor([[start, 9, 12], [start, 8, 3]])
    for ids in (begun, begun[:, 1:]):
        for beams in (1, 2):
            assert_equal(models, **inputs, decoder_input_ids=ids, num_beams=beams, repetition_penalty=1.2)
    padded = torch.tensor([[start, 1, 9, 12], [start, 8, 3, 4]])
    shown = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1]])
    assert_equal(models, **inputs, decoder_input_ids=padded, decoder_attention_mask=shown)
    with torch.no_grad():
        outputs = models[0].get_encoder()(**inputs)
    want = both(models, **inputs)[1]
    for given in ({"encoder_outputs": outputs}, {"encoder_outputs": models[1].get_encoder()(**inputs)}):
        got = models[1].generate(attention_mask=inputs["attention_mask"], **given, max_new_tokens=8)
        assert torch.equal(got, want)
        assert torch.is_tensor(models[1].generate(**given, max_new_tokens=2))
    cache = models[1](**inputs, decoder_input_ids=begun).cache
    endless = {**inputs, "eos_token_id": None}
    later = models[1].generate(**endless, decoder_input_ids=begun, max_new_tokens=4)[:, 3:]
    more = torch.cat((begun, later[:, :1]), 1)
    ones = torch.ones_like(more)
    again = models[1].generate(
        **endless, decoder_input_ids=more, decoder_attention_mask=ones, cache=cache, max_new_tokens=3
    )
    assert torch.equal(again[:, 3:], later)


def test_processors_of_the_caller(models):
    """Between the engine's own, with tensors of all rows; of a class that a setting makes, in its place."""
    seen = []

    class Mine(logits_process.LogitsProcessor):
        def __call__(self, ids, scores):
            seen.append((ids.dtype, tuple(ids.shape), scores.dtype, tuple(scores.shape), scores))
            scores[:, 5] += 2.0
            return scores

    inputs = prompts((6, 4))
    for given in (
        {"logits_processor": LogitsProcessorList([Mine()]), "repetition_penalty": 1.3},
        {"logits_processor": LogitsProcessorList([Mine()]), "num_beams": 3, "min_new_tokens": 3},
        {"logits_processor": [logits_process.MinLengthLogitsProcessor(14, [2, 7])], "min_length": 11},
        {
            "logits_processor": [logits_process.NoRepeatNGramLogitsProcessor(1), Mine()],
            "suppress_tokens": [4],
        },
    ):
        seen.clear()
        want, got = both(models, **inputs, **given, **ALL)
        assert_same_output(got, want)
        half = len(seen) // 2
        assert [s[:4] for s in seen[:half]] == [s[:4] for s in seen[half:]]
        assert all(not np.shares_memory(a[4].numpy(), b[4].numpy()) for a, b in itertools.pairwise(seen))
    with pytest.warns(UserWarning, match="a MinLengthLogitsProcessor, which settings of the call make too"):
        models[1].generate(**inputs, min_length=11, logits_processor=[
            logits_process.MinLengthLogitsProcessor(14, [2, 7])])  # fmt: skip


def test_criteria_of_the_caller(models):
    class Mine(stopping_criteria.StoppingCriteria):
        def __call__(self, ids, scores, **_):
            assert scores is None
            lengths.append(tuple(ids.shape))
            return ids[:, -1] % 3 == 0

    inputs, lengths = prompts((6, 4)), []
    for criteria in (
        [Mine()],
        StoppingCriteriaList([Mine(), stopping_criteria.MaxLengthCriteria(9)]),
        [stopping_criteria.MaxLengthCriteria(12)],
        [stopping_criteria.EosTokenCriteria([9, 10, 11])],
        [stopping_criteria.MaxTimeCriteria(100.0)],
    ):
        for beams in (1, 2):
            given = {"stopping_criteria": criteria, "num_beams": beams, "max_new_tokens": 12}
            lengths.clear()
            assert_equal(models, **inputs, **given)
            half = len(lengths) // 2
            assert lengths[:half] == lengths[half:]
    kept = []

    def keep(ids, scores):
        kept.append(scores)
        return torch.zeros(len(ids), dtype=torch.bool)

    out = models[1].generate(**inputs, stopping_criteria=[keep], **ALL)
    assert [len(s) for s in kept] == list(range(1, len(out.scores) + 1))
    assert all(torch.equal(a, b) for a, b in zip(kept[-1], out.scores, strict=True))


def test_allowed_tokens(models):
    calls = []

    def allowed(batch, ids):
        calls.append((batch, ids.tolist()))
        return [3 + batch, 8, 9 + int(ids[-1]) % 4, 7]

    inputs = prompts((6, 4))
    for given in (
        {},
        {"num_beams": 2},
        {"num_beams": 3, "num_return_sequences": 2},
        {"suppress_tokens": [3, 4, 7, 8]},
    ):
        calls.clear()
        assert_equal(models, **inputs, prefix_allowed_tokens_fn=allowed, **given)
        half = len(calls) // 2
        assert calls[:half] == calls[half:]
    with pytest.raises(ValueError, match="no tokens for row 0 of prompt 0"):
        models[1].generate(**inputs, prefix_allowed_tokens_fn=lambda *_: [], max_new_tokens=2)


def test_functions_that_do_not_fit():
    ours, inputs = pair("LlamaForCausalLM")[1], prompts((6, 4))
    for given, error, message in (
        ({"logits_processor": [3]}, TypeError, "logits_processor: a int"),
        ({"stopping_criteria": ["x"]}, TypeError, "stopping_criteria: a str"),
        ({"logits_processor": [lambda i, s: s[:1]]}, ValueError, r"gave \[1, 61\]; expected \[2, 61\]"),
        ({"stopping_criteria": [lambda i, s: np.zeros(5)]}, ValueError, "shape|flags"),
        ({"logits_processor": [lambda i, s: s * float("nan")]}, ValueError, "is NaN"),
        ({"logits_processor": [lambda i, s: "a"]}, TypeError, "logits_processor: "),
    ):
        with pytest.raises(error, match=message):
            ours.generate(**inputs, **given, max_new_tokens=2)
    assert ours.generate(**inputs, stopping_criteria=[lambda i, s: True], max_new_tokens=9).shape[1] == 7


@pytest.mark.parametrize("beams", [1, 3])
def test_transition_scores(models, beams):
    reference, ours = models
    given = {"num_beams": beams, "num_return_sequences": beams, **ALL}
    want, got = both(models, **prompts((6, 4)), **given)
    indices = {"beam_indices": got.beam_indices} if beams > 1 else {}
    for normalize in (False, True):
        a = reference.compute_transition_scores(
            want.sequences, want.scores, normalize_logits=normalize, **indices
        )
        b = ours.compute_transition_scores(got.sequences, got.scores, normalize_logits=normalize, **indices)
        assert a.shape == b.shape and torch.allclose(a, b, rtol=1e-4, atol=2e-5)
    one = ours.compute_transition_scores(got.sequences.numpy(), [s.numpy() for s in got.scores],
                                         **{n: v.numpy() for n, v in indices.items()})  # fmt: skip
    assert isinstance(one, np.ndarray)


def test_results_by_name():
    ours, inputs = pair("LlamaForCausalLM")[1], prompts((6, 4))
    out = ours.generate(**inputs, **ALL)
    assert out[0] is out.sequences and out["scores"] is out.scores and out.logits is None
    assert type(out).__name__ == "GenerateDecoderOnlyOutput" and out.to_tuple()[0] is out.sequences
    assert "cache" not in ours.generate(**inputs, **ALL, use_cache=False)
    for name, beams in (
        ("LlamaForCausalLM", 2),
        ("T5ForConditionalGeneration", 1),
        ("T5ForConditionalGeneration", 2),
    ):
        want, got = both(pair(name), **inputs, **ALL, num_beams=beams)
        assert type(got).__name__ == type(want).__name__
    with pytest.raises(AttributeError, match="no result is called 'nothing'"):
        _ = out.nothing
    with pytest.raises(UnsupportedError, match="use_cache: False with output_hidden_states"):
        ours.generate(**inputs, **ALL, use_cache=False, output_hidden_states=True)


REFUSED = {
    "synced_gpus": True, "assistant_tokenizer": object(),
    "negative_prompt_ids": [[1]],
    "negative_prompt_attention_mask": [[1]], "custom_generate": "a/b", "token_type_ids": [[0] * 6] * 2,
    "labels": [[1]], "encoder_hidden_states": [[[1.0]]],
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    ours, inputs = pair("LlamaForCausalLM")[1], prompts((6, 4))
    with pytest.raises(UnsupportedError, match=f"^{name}: "):
        ours.generate(**inputs, **{name: REFUSED[name]}, max_new_tokens=2)
    ours.generate(**inputs, **{name: None}, max_new_tokens=2)


def test_errors(models, tmp_path):
    ours, inputs = models[1], prompts((6, 4))
    ids = inputs["input_ids"]
    for args, given, error, message in (
        ((ids,), {"max_new_token": 3}, ValueError, r"not used by the model: \['max_new_token'\]"),
        ((ids,), {"input_ids": ids}, ValueError, "got `inputs` and `input_ids`"),
        ((ids[0],), {}, ValueError, r"input_ids: shape \[6\]"),
        ((ids[:, :0],), {}, ValueError, "at least one row and one token"),
        ((ids[:0],), {}, ValueError, "at least one row and one token"),
        ((ids.float(),), {}, TypeError, "input_ids: dtype float32"),
        ((ids + 61,), {}, ValueError, "input_ids"),
        ((ids,), {"attention_mask": inputs["attention_mask"][:, 1:]}, ValueError, "attention_mask"),
        ((ids,), {"cache": 3}, TypeError, "cache: a int"),
        ((ids,), {"cache": 3, "past_key_values": 4}, TypeError, "both cache and past_key_values"),
    ):
        with pytest.raises(error, match=message):
            ours.generate(*args, **given, max_new_tokens=2)
    mask = inputs["attention_mask"].clone()
    mask[1] = 0
    if not ours.config.is_encoder_decoder:
        with pytest.raises(ValueError, match="row 1 shows no token"):
            ours.generate(ids, attention_mask=mask, max_new_tokens=2)
        with pytest.raises(ValueError, match="must be 2D"):
            ours.generate(ids, attention_mask=mask[:, None, None], max_new_tokens=2)


def test_longer_than_the_context(tmp_path):
    from tests.models.tiny import Tiny

    save_class("GPT2LMHeadModel", tmp_path, Tiny(extra={"n_positions": 12}))
    ours = fastplm.GPT2LMHeadModel.from_pretrained(tmp_path)
    with pytest.raises(ValueError, match="13 tokens; this model takes at most 12"):
        ours.generate([[5] * 13], max_new_tokens=2)
    with pytest.raises(ValueError, match="13 tokens; this model takes at most 12"):
        ours.generate([[5] * 10], max_new_tokens=5, eos_token_id=None)
    assert ours.generate([[5] * 10], max_new_tokens=3, eos_token_id=None).shape == (1, 13)
    reference = transformers.GPT2LMHeadModel.from_pretrained(tmp_path)
    want = reference.generate(torch.tensor([[5] * 10]), eos_token_id=None)
    with pytest.warns(UserWarning, match="it ends at 12 tokens"):  # not 20 tokens behind the prompt
        assert ours.generate([[5] * 10], eos_token_id=None).tolist() == want.tolist()


def test_logits_that_are_nan(tmp_path):
    reference = save_class("LlamaForCausalLM", tmp_path)
    with torch.no_grad():
        reference.model.norm.weight[3] = float("nan")
    reference.save_pretrained(tmp_path)
    ours = fastplm.LlamaForCausalLM.from_pretrained(tmp_path)
    for given in ({}, {"do_sample": True}, {"num_beams": 2}, {"do_sample": True, "num_beams": 2}):
        with pytest.raises(ValueError, match=r"the score of token \d+ is NaN"):
            ours.generate([[5, 6]], max_new_tokens=3, **given)
    assert ours.generate(
        [[5, 6]], max_new_tokens=3, remove_invalid_values=True, eos_token_id=None
    ).tolist() == [[5, 6, 0, 0, 0]]


@pytest.mark.alone
def test_stop_after_some_time():
    ours = pair("LlamaForCausalLM")[1]

    def slow(ids, scores):
        time.sleep(0.02)
        return scores

    begin = time.monotonic()
    got = ours.generate(
        [[5, 6]], max_new_tokens=900, max_time=0.2, logits_processor=[slow], eos_token_id=None
    )
    assert 0.15 < time.monotonic() - begin < 2 and 5 < got.shape[1] < 30


def test_finished_rows_cost_nothing():
    """Rows that have ended leave the batch, and change no others."""
    models, inputs = pair("LlamaForCausalLM"), prompts((9, 5, 7, 3, 8), seed=4)
    eos = list(range(2, 20))
    want = assert_equal(models, **inputs, eos_token_id=eos, max_new_tokens=20)
    kept = models[1].generate(**inputs, eos_token_id=eos, max_new_tokens=20, return_dict_in_generate=True)
    assert torch.equal(want, kept.sequences)
    ends = (want == 0).sum(1)
    assert ends.min() == 0 < ends.max(), "rows of different lengths, or this shows nothing"


def test_double_heads():
    models = pair("GPT2DoubleHeadsModel")
    assert_equal(models, **prompts((6, 4)))
    want, got = both(models, input_ids=prompts((6, 6))["input_ids"], output_hidden_states=True, **ALL)
    assert_same_output(got, want)
