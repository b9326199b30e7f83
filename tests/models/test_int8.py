"""int8 and int4 in every family: as near to float32 as their rounding allows; the same bits in any batch."""

import re

import numpy as np
import pytest
import torch
from transformers.models.xlnet import modeling_xlnet
from transformers.pytorch_utils import Conv1D

import fastplm
from fastplm.errors import UnsupportedError
from tests.models.test_heads import batch_of, results
from tests.models.tiny import CLASSES, FAMILIES, VARIANTS, Tiny, random_batch, save_class, save_tiny
from tests.ops.cases import PRODUCTS
from tests.size import LARGE

GENERATING = [n for n in CLASSES if n.endswith(("CausalLM", "Generation", "LMHeadModel"))]
SHAPE = Tiny(heads=4, head_dim=16, mlp=150)


def save(name, folder, dtype="int8"):
    """A random model of transformers of a family or a class, and ours of integers."""
    reference = (save_tiny if name in FAMILIES else save_class)(name, folder, SHAPE)
    return reference, getattr(fastplm, type(reference).__name__).from_pretrained(folder, dtype=dtype)


def arguments(kind):
    # a classifier takes a row's last token, which padding does not hide from windows
    given = batch_of(kind, (33, 33, 33) if kind.endswith("ForSequenceClassification") else (20, 7, 33))
    if kind == "T5EncoderModel":
        del given["decoder_input_ids"]
    return given


class RoundedTorch:
    """torch for a module that multiplies with its matrices by einsum: as integers."""

    def __init__(self, product):
        self.product = product

    def __getattr__(self, name):
        return getattr(torch, name)

    def einsum(self, equation, x, *others):
        if len(others) != 1:
            return torch.einsum(equation, x, *others)
        (weight,) = others
        if equation == "ibh,hnd->ibnd":
            y = self.product(x.bfloat16().flatten(0, 1), weight.flatten(1).T)
            return y.view(*x.shape[:2], *weight.shape[1:])
        if equation == "ibnd,hnd->ibh":
            y = self.product(x.flatten(2).bfloat16().flatten(0, 1), weight.flatten(1))
            return y.view(*x.shape[:2], -1)
        return torch.einsum(equation, x, weight)


def round_to(dtype, reference, monkeypatch):
    """From here on, the matrices of its layers multiply as integers; heads and embeddings are as before."""
    monkeypatch.setattr(modeling_xlnet, "torch", RoundedTorch(PRODUCTS[dtype]))
    for name, module in reference.named_modules():
        if not re.search(r"\.\d+\.", name) or not isinstance(module, (torch.nn.Linear, Conv1D)):
            continue
        weight = module.weight.T if isinstance(module, Conv1D) else module.weight

        def forward(x, weight=weight, bias=module.bias):
            y = PRODUCTS[dtype](x.bfloat16().flatten(0, -2), weight).unflatten(0, x.shape[:-1])
            return y if bias is None else y + bias

        module.forward = forward


def error(got, want, keep):
    got, want = (np.asarray(x) for x in (got, want))
    if want.shape[: keep.ndim] == keep.shape:
        got, want = got[keep], want[keep]
    return np.sqrt(np.mean((got - want) ** 2))


@pytest.mark.parametrize(
    ("name", "dtype"),
    [(name, "int8") for name in (*FAMILIES, *VARIANTS, *(CLASSES if LARGE else GENERATING))]
    + [(name, "int4") for name in (*FAMILIES, *VARIANTS, *(GENERATING if LARGE else GENERATING[::4]))],
)
def test_int8(name, dtype, tmp_path, monkeypatch):
    """Against float32, at most 1.5 times the error of torch with the same rounding of layers' matrices."""
    reference, model = save(name, tmp_path, dtype)
    given = arguments(type(reference).__name__)
    keep = given["attention_mask"].astype(bool)
    exact = results(reference, given)
    round_to(dtype, reference, monkeypatch)
    theirs, ours = results(reference, given), model(**given)
    compared = set(ours) - {"cache", "mems"}
    for key in compared:
        want = np.asarray(exact[key])
        few = 0.02 * np.abs(want).mean() * (want.size < 20)
        assert 0 < error(ours[key], want, keep) <= 1.5 * error(theirs[key], want, keep) + few, key
    before = fastplm.num_threads()
    try:
        for threads in (1, 3):
            fastplm.set_num_threads(threads)
            again, alone = model(**given), model(**{key: value[1:2] for key, value in given.items()})
            for key in compared:
                assert np.array_equal(again[key], ours[key]), key
                assert np.array_equal(alone[key][0], ours[key][1]), key
    finally:
        fastplm.set_num_threads(before)


@pytest.mark.parametrize("dtype", ["int8", "int4"])
@pytest.mark.parametrize("name", ["GPT2LMHeadModel", "LlamaForCausalLM", "BartForConditionalGeneration"])
def test_a_cache_changes_no_bit(name, dtype, tmp_path):
    _, model = save(name, tmp_path, dtype)
    ids, _ = random_batch(SHAPE.vocab, (30, 30))
    argument = "input_ids" if name != "BartForConditionalGeneration" else "decoder_input_ids"
    fixed = {} if argument == "input_ids" else {"input_ids": ids[:, ::-1].copy()}
    whole, cache = model(**fixed, **{argument: ids}).logits, None
    for begin, end in ((0, 11), (11, 12), (12, 30)):
        out = model(**fixed, **{argument: ids[:, begin:end]}, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        assert np.array_equal(out.logits, whole[:, begin:end])


def test_generate(tmp_path):
    _, model = save("LlamaForCausalLM", tmp_path)
    ids, _ = random_batch(SHAPE.vocab, (7, 7))
    given = model.generate(ids, max_new_tokens=9, do_sample=False)
    for _ in range(9):
        ids = np.concatenate((ids, model(ids).logits[:, -1].argmax(-1)[:, None]), 1)
    assert np.array_equal(given, ids)


def test_what_int8_is(tmp_path):
    """A model in int8 takes a quarter of float32 for its layers, half for the rest, and says what it is."""
    reference, model = save("BertForMaskedLM", tmp_path)
    layers = sum(p.numel() for n, p in reference.named_parameters() if ".layer." in n and p.ndim == 2)
    exact = fastplm.BertForMaskedLM.from_pretrained(tmp_path)
    assert model.engine.dtype == "int8" and model.dtype == torch.bfloat16
    assert exact.engine.nbytes - model.engine.nbytes > 2.5 * layers
    assert model.to("int8") is model and model.to(torch.bfloat16) is model
    with pytest.raises(UnsupportedError, match="dtype: float32; this model computes in int8"):
        model.to("float32")
    with pytest.raises(UnsupportedError, match="dtype: uint8; expected one of float32, bfloat16, int8, int4"):
        fastplm.BertModel.from_pretrained(tmp_path, dtype="uint8")
