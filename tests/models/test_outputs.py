"""What a call returns, for every class and switch: names, order, tuples and shapes as in transformers."""

import copy
import itertools
import pickle

import numpy as np
import pytest
import torch
import transformers

import fastplm
from fastplm.errors import UnsupportedError
from tests.models.test_heads import batch_of, labels_of, torch_of
from tests.models.tiny import CLASSES, FAMILIES, random_batch, save_class, save_tiny
from tests.size import LARGE

BARE = {name: family for family, (name, _) in FAMILIES.items()}
SWITCHES = ("output_attentions", "output_hidden_states", "use_cache", "return_dict")
# Each with and without each other, but for use_cache=True, which is the default of those that have a cache.
FEW = [
    (None, None, None, None),
    (True, True, False, None),
    (True, None, None, False),
    (None, True, False, False),
]


@pytest.fixture(scope="module", params=[*CLASSES, *BARE])
def pair(request, tmp_path_factory):
    name, path = request.param, tmp_path_factory.mktemp(request.param)
    reference = save_class(name, path) if name in CLASSES else save_tiny(BARE[name], path)
    return reference, getattr(fastplm, name).from_pretrained(path)


def shape(value):
    """Of an array, of each of a tuple; what a cache is does not matter."""
    if isinstance(value, tuple):
        return tuple(shape(item) for item in value)
    return tuple(value.shape) if hasattr(value, "shape") else "cache"


def calls(pair):
    """All switches, with and without labels."""
    reference, model = pair
    name = type(model).__name__
    given = {"input_ids": random_batch(61, (3,))[0]} if name == "T5EncoderModel" else batch_of(name)
    given.pop("attention_mask", None)
    labels = labels_of(name, given.get("decoder_input_ids", given["input_ids"]).shape, model.config)
    bare = name.endswith("Model") and not name.endswith(("LMHeadModel", "DoubleHeadsModel"))
    caches = (None, False) if model.stacks == "encoder" else (None, True, False)
    every = itertools.product((None, True), (None, True), caches, (None, False))
    for values in every if LARGE else FEW:
        switches = {key: value for key, value in zip(SWITCHES, values, strict=True) if value is not None}
        for extra in ({},) if bare else ({}, labels):
            arguments = torch_of({**given, **extra})
            with torch.no_grad():
                yield reference(**arguments, **switches), model(**arguments, **switches), switches


def test_every_switch(pair):
    compared = 0
    for want, got, switches in calls(pair):
        if switches.get("return_dict") is None:
            assert {key: shape(value) for key, value in got.items()} == {
                key: shape(value) for key, value in want.items()
            }, switches
            assert list(got) == list(want)
            for n in range(len(want.to_tuple())):
                assert shape(got[n]) == shape(want[n])
        elif type(pair[1]).__name__ == "GPTNeoForTokenClassification" and switches.get("use_cache") is False:
            continue  # transformers then leaves out what it takes for the cache
        else:
            assert isinstance(got, tuple) and not isinstance(got, dict)
            assert shape(got) == shape(want), switches
        compared += 1
    assert compared >= (12 if LARGE else 3)


@pytest.mark.parametrize("name", ["T5ForConditionalGeneration", "BartForConditionalGeneration"])
def test_the_encoder_of_two_stacks(name, tmp_path):
    reference, ids = save_class(name, tmp_path), torch.tensor([[3, 4, 5]])
    encoder = getattr(fastplm, name).from_pretrained(tmp_path).get_encoder()
    for switches in ({}, {"output_attentions": True, "output_hidden_states": True}):
        with torch.no_grad():
            want = reference.get_encoder()(ids, **switches)
        got = encoder(ids, **switches)
        assert [(k, shape(v)) for k, v in got.items()] == [(k, shape(v)) for k, v in want.items()]


def test_torch_in_torch_out(tmp_path):
    """Also where the encoder's states alone are tensors."""
    save_class("T5Model", tmp_path)
    model = fastplm.T5Model.from_pretrained(tmp_path)
    ids = np.array([[3, 4, 5]])
    states = model.get_encoder()(torch.from_numpy(ids))
    for outputs in (states, states.to_tuple(), [states[0]]):
        out = model(encoder_outputs=outputs, decoder_input_ids=ids, use_cache=False)
        assert all(torch.is_tensor(value) for value in out.values()) and len(out) == 2
    assert isinstance(model(ids, decoder_input_ids=ids)[0], np.ndarray)


def test_a_loss_has_no_graph(tmp_path):
    save_class("BertForMaskedLM", tmp_path)
    model = fastplm.BertForMaskedLM.from_pretrained(tmp_path)
    ids = torch.tensor([[3, 4, 5]])
    loss = model(ids, labels=ids).loss
    number = model(ids.numpy(), labels=ids.numpy()).loss
    assert torch.is_tensor(loss) and isinstance(number, np.float32) and float(loss) == number
    for made in (loss, loss / 2, loss.mean(), number):
        with pytest.raises(
            UnsupportedError, match=r"backward\(\): .*fastplm\.accelerate\(hf_model\).*fastplm\.transformers"
        ):
            made.backward()
    weight = torch.ones(2, requires_grad=True)
    (weight.sum() + loss).backward()
    assert weight.grad.tolist() == [1, 1]
    for again in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert torch.equal(again, loss)


def test_parts_that_do_not_leave_the_engine(tmp_path):
    save_class("T5ForConditionalGeneration", tmp_path)
    model = fastplm.AutoModelForSeq2SeqLM.from_pretrained(tmp_path)
    packed = "the engine packs weights at load"
    for name, reason in (
        ("get_decoder", "a stack does not leave the engine; call the model, with encoder_outputs="),
        ("get_input_embeddings", packed), ("get_output_embeddings", packed),
        ("resize_token_embeddings", packed),
    ):  # fmt: skip
        assert hasattr(transformers.PreTrainedModel, name)
        with pytest.raises(UnsupportedError, match=rf"{name}\(\): {reason}"):
            getattr(model, name)()
