"""int8 weights: near float32 in every family, and as independent of batch and threads as the other formats."""

import numpy as np
import pytest

import fastplm
from tests.models.tiny import CLASSES, FAMILIES, Tiny, random_batch, save_class, save_tiny

DECODERS = (
    "GPT2LMHeadModel",
    "LlamaForCausalLM",
    "T5ForConditionalGeneration",
    "BartForConditionalGeneration",
)
SHAPE = Tiny(heads=4, head_dim=16, mlp=150)


@pytest.fixture
def threads():
    before = fastplm.num_threads()
    yield fastplm.set_num_threads
    fastplm.set_num_threads(before)


@pytest.mark.parametrize("name", [*FAMILIES, *DECODERS])
def test_int8(name, tmp_path, threads):
    (save_class if name in CLASSES else save_tiny)(name, tmp_path, SHAPE)
    cls = getattr(fastplm, name if name in CLASSES else FAMILIES[name][0])
    exact, model = (cls.from_pretrained(tmp_path, dtype=dtype) for dtype in ("float32", "int8"))
    assert model.engine.dtype == "int8" and model.engine.nbytes < 0.65 * exact.engine.nbytes
    ids, mask = random_batch(SHAPE.vocab, (20, 7, 33))

    def hidden(model, rows):
        kwargs = (
            {"decoder_input_ids": ids[rows]} if model.engine.has_encoder and model.engine.has_decoder else {}
        )
        out = model(ids[rows], attention_mask=mask[rows], output_hidden_states=True, **kwargs)
        states = out.decoder_hidden_states if kwargs else out.hidden_states
        return np.stack(states)

    whole = hidden(model, slice(None))
    for want, got in zip(hidden(exact, slice(None)), whole, strict=True):
        a, b = want[mask == 1], got[mask == 1]
        cosine = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
        assert cosine.min() > 0.99
    for n in (1, 3):
        threads(n)
        alone = hidden(model, slice(1, 2))
        assert np.array_equal(alone[:, 0, :7], whole[:, 1, :7])
        assert np.array_equal(hidden(model, slice(None)), whole)


@pytest.mark.parametrize("name", ["GPT2LMHeadModel", "LlamaForCausalLM"])
def test_a_cache_changes_no_bit(name, tmp_path):
    save_class(name, tmp_path, SHAPE)
    model = getattr(fastplm, name).from_pretrained(tmp_path, dtype="int8")
    ids, _ = random_batch(SHAPE.vocab, (30, 30))
    whole, cache = model(ids).logits, None
    for begin, end in ((0, 11), (11, 12), (12, 30)):
        out = model(ids[:, begin:end], past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        assert np.array_equal(out.logits, whole[:, begin:end])
