"""Tensors that config.json ties to one another, in every state in which a file may hold them."""

import json

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

import fastplm
from fastplm.errors import CheckpointError
from tests.models.tiny import Tiny, random_batch, save_class, save_tiny
from tests.tolerance import assert_layers

BIAS, DECODER_BIAS = "cls.predictions.bias", "cls.predictions.decoder.bias"
TABLES = ("shared", "encoder.embed_tokens", "decoder.embed_tokens", "lm_head")


def made(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def change(folder, drop=(), add=None, **settings):
    """Rewrites the folder's tensors and settings."""
    path = folder / "model.safetensors"
    tensors = {name: t for name, t in load_file(path).items() if name not in drop}
    save_file({**tensors, **(add or {})}, path, {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **settings}))


def both(name, folder, **given):
    reference = getattr(transformers, name).from_pretrained(folder, attn_implementation="eager").eval()
    with torch.no_grad():
        want = reference(**{key: torch.from_numpy(value) for key, value in given.items()})
    return want, getattr(fastplm, name).from_pretrained(folder)(**given)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("has", [(BIAS,), (DECODER_BIAS,), (BIAS, DECODER_BIAS)])
@pytest.mark.parametrize("name", ["BertForMaskedLM", "BertForPreTraining"])
def test_the_bias_of_a_masked_lm(name, has, tied, tmp_path):
    save_class(name, tmp_path, Tiny(extra={"tie_word_embeddings": tied}))
    add = {key: made(61, seed=len(key)) for key in has}
    change(tmp_path, (BIAS, DECODER_BIAS), add)
    ids, _ = random_batch(61, (5, 5))
    if tied or DECODER_BIAS in has:
        want, got = both(name, tmp_path, input_ids=ids)
    else:
        with pytest.warns(UserWarning, match=DECODER_BIAS):
            want, got = both(name, tmp_path, input_ids=ids)
    assert_layers([got[0]], [want[0]])


def tables_of(name, keys):
    """Different tables under these names."""
    prefix = "model." if name.startswith("Bart") and name != "BartModel" else ""
    return {
        f"{'' if key == 'lm_head' else prefix}{key}.weight": made(61, 16 if "Bart" in name else 19, seed=n)
        for n, key in enumerate(TABLES)
        if key in keys
    }


@pytest.mark.parametrize(
    "has",
    [
        ("shared",),
        ("shared", "encoder.embed_tokens"),
        ("shared", "decoder.embed_tokens"),
        ("shared", "encoder.embed_tokens", "decoder.embed_tokens"),
        ("encoder.embed_tokens", "decoder.embed_tokens"),
        ("encoder.embed_tokens",),
        ("decoder.embed_tokens",),
        TABLES,
        ("shared", "lm_head"),
        ("lm_head",),
    ],
)
@pytest.mark.parametrize(
    "name", ["T5ForConditionalGeneration", "BartForConditionalGeneration", "T5Model", "BartModel"]
)
def test_tables_of_their_own(name, has, tmp_path):
    if name.endswith("Model") and has == ("lm_head",):
        pytest.skip("no table of such a class")
    save_class(name, tmp_path)
    old = [f"{prefix}{key}.weight" for key in TABLES for prefix in ("", "model.")]
    change(tmp_path, old, tables_of(name, has))
    ids, _ = random_batch(61, (6, 6))
    want, got = both(name, tmp_path, input_ids=ids, decoder_input_ids=ids[:, :4].copy())
    assert_layers([got.encoder_last_hidden_state, got[0]], [want.encoder_last_hidden_state, want[0]])


def test_tables_that_nothing_ties(tmp_path):
    """transformers would draw what is missing at random; here the file is refused."""
    save_class("BartForConditionalGeneration", tmp_path)
    ids, _ = random_batch(61, (6, 6))
    old = [f"model.{key}.weight" for key in TABLES]
    change(tmp_path, old, tables_of("BartForConditionalGeneration", TABLES), tie_word_embeddings=False)
    want, got = both("BartForConditionalGeneration", tmp_path, input_ids=ids)
    assert_layers([got.logits], [want.logits])
    change(tmp_path, ["model.decoder.embed_tokens.weight"])
    with pytest.raises(CheckpointError, match=r'no tensor "decoder\.embed_tokens\.weight"'):
        fastplm.BartForConditionalGeneration.from_pretrained(tmp_path)


@pytest.mark.parametrize("name", ["GPT2LMHeadModel", "BertForMaskedLM"])
def test_a_file_with_the_projection_alone(name, tmp_path):
    """It stands for the table of tokens too."""
    save_class(name, tmp_path)
    table, projection = {
        "GPT2LMHeadModel": ("transformer.wte.weight", "lm_head.weight"),
        "BertForMaskedLM": ("bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight"),
    }[name]
    tensors = load_file(tmp_path / "model.safetensors")
    ids, _ = random_batch(61, (6, 6))
    before = getattr(fastplm, name).from_pretrained(tmp_path)(ids).logits
    change(tmp_path, (table, projection), {projection: tensors[table]})
    want, got = both(name, tmp_path, input_ids=ids)
    assert_layers([got.logits], [want.logits])
    assert np.array_equal(got.logits, before)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_equal_tables_take_memory_once(dtype, tmp_path):
    for name in ("LlamaForCausalLM", "BartForConditionalGeneration"):
        folder = tmp_path / name
        save_class(name, folder, Tiny(vocab=4001, extra={"tie_word_embeddings": True}))
        once = getattr(fastplm, name).from_pretrained(folder, dtype=dtype)
        tensors = load_file(folder / "model.safetensors")
        table = next(t for t in tensors.values() if t.shape[0] == 4001 and t.ndim == 2)
        change(
            folder,
            (),
            {key: table.clone() for key in ("lm_head.weight", "model.decoder.embed_tokens.weight")},
        )
        for tied in (True, False):
            change(folder, tie_word_embeddings=tied or name.startswith("Bart"))
            again = getattr(fastplm, name).from_pretrained(folder, dtype=dtype)
            assert again.engine.nbytes == once.engine.nbytes
            assert np.array_equal(again([[3, 4, 5]])[0], once([[3, 4, 5]])[0])


def test_a_pooler_that_the_file_lacks(tmp_path):
    """It is drawn at random, with a warning, as in transformers; or left out where none is asked for."""
    save_tiny("bert", tmp_path)
    change(tmp_path, ("pooler.dense.weight", "pooler.dense.bias"))
    with pytest.warns(UserWarning, match=r"weights of BertModel .*newly init.*\n?.*") as caught:
        model = fastplm.AutoModel.from_pretrained(tmp_path)
    assert "['pooler.dense.bias', 'pooler.dense.weight']" in str(caught[0].message)
    reference = transformers.BertModel.from_pretrained(tmp_path)
    out = model([[3, 4]])
    assert out.pooler_output.shape == tuple(reference(torch.tensor([[3, 4]])).pooler_output.shape)
    with pytest.raises(
        CheckpointError, match=r"has no pooler\.dense\.bias, pooler\.dense\.weight; BertModel"
    ):
        fastplm.AutoModel.from_pretrained(tmp_path, strict=True)
    alone = fastplm.AutoModel.from_pretrained(tmp_path, add_pooling_layer=False, strict=True)
    assert "pooler_output" not in alone([[3, 4]])
    assert np.array_equal(alone([[3, 4]])[0], out[0])
