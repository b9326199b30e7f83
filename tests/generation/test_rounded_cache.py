"""Keys and values kept as int8: near to those of the model, and independent of batch, pieces and threads."""

import copy
import pickle

import numpy as np
import pytest

import fastplm
from fastplm.errors import UnsupportedError
from tests.generation.models import BOTH, DECODERS
from tests.models.tiny import Tiny, random_batch, save_class

SHAPE = Tiny(4, 16, 2, 96)


def load(name, folder, dtype="float32", shape=SHAPE, **how):
    save_class(name, folder, shape)
    return getattr(fastplm, name).from_pretrained(folder, dtype=dtype, **how)


def logits(model, ids, pieces):
    cache, found, begin = None, [], 0
    for size in pieces:
        out = model(ids[:, begin : begin + size], cache=cache, use_cache=True)
        cache, begin = out.cache, begin + size
        found.append(out.logits)
    return np.concatenate(found, 1), cache


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        *((name, SHAPE) for name in DECODERS),
        ("LlamaForCausalLM", Tiny(2, 12, 2, 96)),  # whose heads end within a vector
    ],
)
def test_near_and_the_same_in_any_pieces(name, shape, dtype, tmp_path):
    model = load(name, tmp_path, dtype, shape, cache_dtype="int8")
    exact = getattr(fastplm, name).from_pretrained(tmp_path, dtype=dtype)
    ids = random_batch(61, (210, 210))[0]
    whole, cache = logits(model, ids, (210,))
    want, plain = logits(exact, ids, (210,))
    error = np.sqrt(np.mean((whole - want) ** 2)) / np.sqrt(np.mean(want**2))
    assert 0 < error < 0.03
    assert cache.nbytes < (0.4 if dtype == "float32" else 0.75) * plain.nbytes
    for pieces in ((1,) * 5 + (90, 2, 96, 17), (95, 1, 1, 113)):
        assert np.array_equal(logits(model, ids, pieces)[0], whole)
    assert np.array_equal(logits(model, ids[1:], (100, 110))[0], whole[1:])


@pytest.mark.parametrize("name", [*DECODERS[:2], *BOTH[:2]])
def test_generation(name, tmp_path):
    """Greedy search and beams, alone and in a batch; copies and pickles keep the setting."""
    model = load(name, tmp_path, cache_dtype="int8")
    ids, mask = random_batch(61, (5, 120, 40), "left")
    for options in ({}, {"num_beams": 3}):
        given = {**options, "max_new_tokens": 12, "eos_token_id": None, "do_sample": False}
        whole = model.generate(ids, attention_mask=mask, **given)
        before = fastplm.num_threads()
        try:
            fastplm.set_num_threads(3)
            assert np.array_equal(model.generate(ids, attention_mask=mask, **given), whole)
        finally:
            fastplm.set_num_threads(before)
        for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert again.engine.rounds_cache
            assert np.array_equal(again.generate(ids, attention_mask=mask, **given), whole)


def test_requests_share_what_is_rounded(tmp_path):
    """A prompt whose beginning is remembered gives what it gives alone."""
    model = load("LlamaForCausalLM", tmp_path, cache_dtype="int8")
    prompts = [list(range(3, 60)) * 4, [*range(3, 60)] * 3 + [7, 8], [*range(3, 60)] * 3 + [9]]
    want = [
        model.generate([ids], max_new_tokens=8, do_sample=False)[0, len(ids) :].tolist() for ids in prompts
    ]
    with fastplm.Generator(model, max_requests=2, max_tokens=1024) as generator:
        requests = [generator.submit(ids, max_new_tokens=8, do_sample=False) for ids in prompts]
        assert [list(request.result().token_ids) for request in requests] == want


def test_it_is_refused(tmp_path):
    save_class("BertForMaskedLM", tmp_path / "bert")
    save_class("LlamaForCausalLM", tmp_path / "llama")
    with pytest.raises(UnsupportedError, match="cache_dtype: int8; a BertForMaskedLM keeps no keys"):
        fastplm.BertForMaskedLM.from_pretrained(tmp_path / "bert", cache_dtype="int8")
    with pytest.raises(UnsupportedError, match="cache_dtype: bfloat16; expected None or int8"):
        fastplm.LlamaForCausalLM.from_pretrained(tmp_path / "llama", cache_dtype="bfloat16")
    with pytest.raises(UnsupportedError, match="dtype: int9; expected one of"):
        fastplm.LlamaForCausalLM.from_pretrained(tmp_path / "llama", cache_dtype="int9")
