"""The engine's decoders, caches and heads against transformers: the layer below the model classes."""

import json

import numpy as np
import pytest
import torch
import transformers

import fastplm
from fastplm import _engine
from fastplm.config_keys import engine_settings
from fastplm.safetensors import read_header
from tests.tolerance import assert_layers

VOCAB = 61
DECODERS = {
    "gpt2": ("GPT2LMHeadModel", {"n_embd": 24, "n_layer": 3, "n_head": 2, "n_positions": 1100}),
    "llama": (
        "LlamaForCausalLM",
        {
            "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
            "intermediate_size": 40, "max_position_embeddings": 2048,
        },
    ),
}  # fmt: skip
PAIRS = {
    "t5": (
        "T5ForConditionalGeneration",
        {"d_model": 24, "num_layers": 3, "num_heads": 2, "d_kv": 12, "d_ff": 40, "decoder_start_token_id": 0},
    ),
    "bart": (
        "BartForConditionalGeneration",
        {
            "d_model": 24, "encoder_layers": 2, "decoder_layers": 3, "encoder_attention_heads": 2,
            "decoder_attention_heads": 3, "encoder_ffn_dim": 40, "decoder_ffn_dim": 30,
            "max_position_embeddings": 80, "scale_embedding": True,
        },
    ),
}  # fmt: skip
BERT = {
    "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 40,
    "max_position_embeddings": 64, "num_labels": 5,
}  # fmt: skip
# Pieces that end at 1, 6, 96, 511, 512, 513, 528, 576, 577, 977, 1055, 1056, 1057.
PIECES = (1, 5, 90, 415, 1, 1, 15, 48, 1, 400, 78, 1, 1)


def make(name, settings, folder):
    """A tiny model of transformers with weights large enough to matter, and the engine's of its folder."""
    torch.manual_seed(0)
    cls = getattr(transformers, name)
    ids = {"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1}
    config = cls.config_class(vocab_size=VOCAB, attn_implementation="eager", **{**ids, **settings})
    reference = cls(config).eval()
    with torch.no_grad():
        for weight in reference.parameters():
            weight.mul_(1.5 if config.model_type == "t5" else 4) if weight.ndim > 1 else weight.add_(
                torch.randn_like(weight) * 0.2
            )
    reference.save_pretrained(folder)
    values = json.loads((folder / "config.json").read_text())
    tensors = read_header(folder / "model.safetensors")

    def load(dtype="float32"):
        return _engine.Model(values["model_type"], name, engine_settings(values), tensors, dtype)

    return reference, load


def tokens(rows, length, seed=0):
    return np.random.default_rng(seed).integers(3, VOCAB, (rows, length)).astype(np.int64)


def decode(engine, ids, cache=None, mask=None, states=None, encoder_mask=None, details=False):
    return engine.decode(ids, None, mask, None, None, cache, states, encoder_mask, details, details)


@pytest.fixture
def threads():
    before = fastplm.num_threads()
    yield fastplm.set_num_threads
    fastplm.set_num_threads(before)


@pytest.mark.parametrize("family", DECODERS)
def test_decoders(family, tmp_path):
    reference, load = make(*DECODERS[family], tmp_path)
    ids = tokens(2, 40)
    with torch.no_grad():
        want = reference(torch.from_numpy(ids), output_hidden_states=True, output_attentions=True)
    got = decode(load(), ids, details=True)
    assert_layers(got["hidden_states"], want.hidden_states)
    assert_layers(got["attentions"], want.attentions, what="attention")
    assert_layers([got["logits"]], [want.logits], what="logits")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", DECODERS)
def test_a_cache_changes_no_bit(family, dtype, tmp_path, threads):
    engine = make(*DECODERS[family], tmp_path)[1](dtype)
    ids = tokens(2, sum(PIECES), 1)
    whole = decode(engine, ids)["logits"]
    assert np.array_equal(decode(engine, ids[1:])["logits"][0], whole[1])
    cache, at = engine.new_cache(), 0
    for n, count in enumerate(PIECES):
        threads(1 + n % 3)
        got = decode(engine, ids[:, at : at + count], cache)["logits"]
        at += count
        assert np.array_equal(got, whole[:, at - count : at]), f"tokens up to {at}"
    branch = cache.copy()
    for column in (1056, 513, 96):  # a copy that is cropped and grown again leaves the other as it was
        branch.crop(column)
        again = decode(engine, ids[:, column : column + 7], branch)["logits"]
        assert np.array_equal(again, whole[:, column : column + 7]), f"cropped to {column}"
    cache.crop(1050)
    cache.reorder([1, 0, 1])
    got = decode(engine, ids[[1, 0, 1], 1050:], cache)["logits"]
    assert np.array_equal(got, whole[[1, 0, 1], 1050:])


@pytest.mark.parametrize("family", DECODERS)
def test_padding_on_both_sides(family, tmp_path):
    reference, load = make(*DECODERS[family], tmp_path)
    ids = tokens(3, 12)
    mask = np.ones((3, 12), np.uint8)
    mask[0, :4] = mask[1, 9:] = mask[2, 5:7] = 0
    with torch.no_grad():
        want = reference(
            torch.from_numpy(ids), attention_mask=torch.from_numpy(mask).long(), output_hidden_states=True
        )
    engine = load()
    got = decode(engine, ids, mask=mask, details=True)
    assert_layers(got["hidden_states"], want.hidden_states, keep=mask == 1)
    cache = engine.new_cache()
    parts = [decode(engine, ids[:, a:b], cache, mask[:, :b])["logits"] for a, b in ((0, 6), (6, 7), (7, 12))]
    assert np.array_equal(np.concatenate(parts, 1), got["logits"])


@pytest.mark.parametrize("family", PAIRS)
def test_encoder_decoders(family, tmp_path):
    reference, load = make(*PAIRS[family], tmp_path)
    ids, later = tokens(2, 20), tokens(2, 17, 1)
    mask = np.ones((2, 20), np.uint8)
    mask[1, 15:] = 0
    with torch.no_grad():
        want = reference(
            torch.from_numpy(ids), torch.from_numpy(mask).long(), decoder_input_ids=torch.from_numpy(later),
            output_hidden_states=True, output_attentions=True,
        )  # fmt: skip
    engine = load()
    encoded = engine.encode(ids, None, mask, None, None, None, True, True)
    keep = mask == 1
    assert_layers(encoded["hidden_states"], want.encoder_hidden_states, keep=keep)
    states = encoded["last_hidden_state"]
    got = decode(engine, later, states=states, encoder_mask=mask, details=True)
    assert_layers(got["hidden_states"], want.decoder_hidden_states)
    assert_layers(got["attentions"], want.decoder_attentions, what="attention")
    assert_layers(got["cross_attentions"], want.cross_attentions, what="cross attention")
    assert_layers([got["logits"]], [want.logits], what="logits")
    cache = engine.new_cache()
    parts = [
        decode(engine, later[:, i : i + 1], cache, states=states, encoder_mask=mask)["logits"]
        for i in range(17)
    ]
    assert np.array_equal(np.concatenate(parts, 1), got["logits"])
    cache.crop(5)
    branch = cache.copy()
    branch.reorder([1, 0, 1])
    cache.crop(0)  # a copy reads pages of its own, wherever the first one's have gone
    del cache
    rows = [1, 0, 1]
    again = decode(engine, later[rows, 5:], branch, states=states[rows], encoder_mask=mask[rows])["logits"]
    assert np.array_equal(again, got["logits"][rows, 5:])
    embeds = reference.get_decoder().embed_tokens(torch.from_numpy(later)).detach().numpy()
    given = engine.decode(None, embeds, None, None, None, None, states, mask, False, False)["logits"]
    assert_layers([given], [want.logits], what="logits of embeddings")


@pytest.mark.parametrize(
    "name",
    [
        "BertForMaskedLM", "BertForNextSentencePrediction", "BertForPreTraining",
        "BertForSequenceClassification", "BertForTokenClassification",
    ],
)  # fmt: skip
def test_heads(name, tmp_path):
    reference, load = make(name, BERT, tmp_path)
    engine, ids = load(), tokens(2, 14)
    with torch.no_grad():
        want = reference(torch.from_numpy(ids))
    got = engine.encode(ids, None, None, None, None, None, False, False)
    assert engine.missing == [] and engine.outputs == [key for key in want if key.endswith("logits")]
    for output in engine.outputs:
        assert_layers([got[output]], [want[output]], what=output)


def test_a_missing_head_is_drawn_and_named(tmp_path):
    _, load = make("BertModel", BERT, tmp_path)
    del load
    values = engine_settings(json.loads((tmp_path / "config.json").read_text()) | {"num_labels": 5})
    tensors = read_header(tmp_path / "model.safetensors")
    made = [_engine.Model("bert", "BertForTokenClassification", values, tensors, "float32") for _ in range(2)]
    assert made[0].missing == ["classifier.weight", "classifier.bias"]
    logits = [m.encode(tokens(1, 9), None, None, None, None, None, False, False)["logits"] for m in made]
    assert logits[0].shape == (1, 9, 5) and logits[0].std() > 0
    assert np.array_equal(*logits)


def test_bad_input(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    engine = make(*DECODERS["gpt2"], tmp_path / "a")[1]()
    other = make(*DECODERS["gpt2"], tmp_path / "b")[1]()
    cache = engine.new_cache()
    decode(engine, tokens(2, 5), cache)
    with pytest.raises(ValueError, match="made by another model"):
        decode(other, tokens(2, 1), cache)
    with pytest.raises(ValueError, match=r"3 rows; the cache has 2"):
        decode(engine, tokens(3, 1), cache)
    with pytest.raises(ValueError, match=r"attention_mask has shape \[2, 1\]; expected \[2, 6\]"):
        decode(engine, tokens(2, 1), cache, np.ones((2, 1), np.uint8))
    with pytest.raises(ValueError, match="has 1101 tokens; this model takes at most 1100"):
        decode(engine, tokens(2, 1096), cache)
    assert (cache.columns, cache.rows) == (5, 2)  # a call that fails leaves the cache as it was
    want = decode(engine, np.concatenate([tokens(2, 5), tokens(2, 3, 1)], 1))["logits"]
    assert np.array_equal(decode(engine, tokens(2, 3, 1), cache)["logits"], want[:, 5:])
    with pytest.raises(ValueError, match="row 2; expected 0 to 1"):
        cache.reorder([0, 2])
    with pytest.raises(ValueError, match="has no encoder"):
        engine.encode(tokens(1, 3), None, None, None, None, None, False, False)
