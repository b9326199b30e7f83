"""The engine's description of a model: weights that transformers saves, a Spec that the config means."""

import json
from collections import defaultdict

import pytest
from safetensors.torch import load_file

from fastplm import _engine
from fastplm.config_keys import engine_settings
from fastplm.errors import CheckpointError, UnsupportedError
from tests.models.tiny import CLASSES, FAMILIES, Tiny, save_class, save_tiny


def described(name, folder):
    reference = (save_class if name in CLASSES else save_tiny)(name, folder)
    values = json.loads((folder / "config.json").read_text())
    class_name = type(reference).__name__
    return reference, _engine.describe(values["model_type"], class_name, engine_settings(values))


@pytest.mark.parametrize("name", [*FAMILIES, *CLASSES])
def test_weights_are_those_of_transformers(name, tmp_path):
    reference, description = described(name, tmp_path)
    shared = defaultdict(set)  # names of one tensor: tied weights have several
    for key, tensor in reference.state_dict().items():
        shared[tensor.data_ptr()].add(key)
    tensors = reference.state_dict()
    if "embed_out.weight" in load_file(tmp_path / "model.safetensors"):  # a name that only files have
        tensors["embed_out.weight"] = tensors.pop("lm_head.weight")
        shared[tensors["embed_out.weight"].data_ptr()] = {"embed_out.weight"}
    used = set()
    for weight in description["weights"]:
        found = [key for key in weight["names"] if key in tensors]
        assert found, f"{weight}: transformers has none of these"
        shape = list(tensors[found[0]].shape)
        assert shape == weight["shape"] or shape == [1, *weight["shape"]], (
            f"{weight}: {shape} in transformers"
        )
        used |= shared[tensors[found[0]].data_ptr()]
    alone = description["encoder"] is None  # then a decoder reads no encoder
    assert used == {key for key in tensors if not (alone and ".encoder_attn" in key)}
    for stack in ("encoder", "decoder"):
        layers = description[stack]["kinds"] if description[stack] else []
        slots = {branch["slot"] for layer in layers for sublayer in layer for branch in sublayer["branches"]}
        named = {w["slot"].split(".")[0] for w in description["weights"] if w["stack"] == stack}
        assert slots <= named <= slots | {"embed", "last"}


def test_spec(tmp_path):
    _, description = described("LlamaForCausalLM", tmp_path)
    assert description["encoder"] is None
    stack = description["decoder"]
    norm = {"kind": "rms", "eps": pytest.approx(1e-6), "bias": False}
    assert stack["last"] == norm and stack["kind_of"] == [0, 0] and stack["weights_of"] == [0, 1]
    (attention,), (mlp,) = (sublayer["branches"] for sublayer in stack["kinds"][0])
    assert attention["before"] == mlp["before"] == norm
    score = attention["op"].pop("score")
    assert score["kind"] == "rope" and score["frequencies"][0] == 1 and len(score["frequencies"]) == 4
    assert attention["op"] == {
        "op": "attention", "heads": 2, "kv_heads": 1, "head_dim": 8, "scale": pytest.approx(8**-0.5),
        "qkv_bias": False, "out_bias": False, "qk_norm": None, "softcap": 0.0, "causal": True,
        "window": None, "as_remembered": False, "keys": "self",
    }  # fmt: skip
    assert mlp["op"] == {
        "op": "mlp", "width": 37, "act": "silu", "gated": True, "bias": False, "down_bias": False,
    }  # fmt: skip
    assert attention["slot"] == "attention" and mlp["slot"] == "mlp"
    assert [step["kind"] for step in description["heads"][0]["steps"]] == ["vocab"]


def test_spec_of_relative_positions_and_a_convolution(tmp_path):
    _, description = described("deberta-v2", tmp_path)
    stack = description["encoder"]
    norm = {"kind": "layer", "eps": pytest.approx(1e-7), "bias": True}
    assert stack["hidden"] == "blind" and stack["kind_of"] == [1, 0]
    assert stack["kinds"][0][0]["branches"][0]["op"]["score"] == {
        "kind": "relative_keys", "count": 12, "buckets": 6, "max_distance": 30, "keys": True, "queries": True,
        "shared": True, "key_bias": True, "norm": norm,
    }  # fmt: skip
    (convolution,) = stack["kinds"][1][2]["branches"]
    assert convolution["slot"] == "conv"
    assert convolution["op"] == {"op": "conv", "length": 3, "act": "tanh"}
    assert len(stack["kinds"][0]) == 2


def test_spec_of_waves(tmp_path):
    extra = {"clamp_len": 9, "bi_data": True, "attn_type": "uni", "same_length": True}
    save_tiny("xlnet", tmp_path, Tiny(extra=extra))
    values = json.loads((tmp_path / "config.json").read_text())
    description = _engine.describe("xlnet", "XLNetModel", engine_settings(values))
    stack = description["encoder"]
    attention = stack["kinds"][0][0]["branches"][0]["op"]
    assert attention["score"] == {"kind": "relative_waves", "furthest": 9, "halves": True}
    assert (attention["causal"], attention["as_remembered"]) == (True, True)
    assert stack["embed"]["target"] is True and stack["embed"]["positions"] is None
    stored = {w["slot"]: (w["stored"], w["shape"]) for w in description["weights"]}
    assert stored["attention.query.weight"] == ("transposed", [16, 2, 8])
    assert stored["attention.out.weight"] == ("as_is", [16, 2, 8])


def test_spec_of_factorised_embeddings(tmp_path):
    _, description = described("albert", tmp_path)
    embed = description["encoder"]["embed"]
    assert (embed["width"], embed["project"], embed["project_bias"]) == (13, "after_norm", True)


def test_stored_transposed(tmp_path):
    _, description = described("GPT2LMHeadModel", tmp_path)
    transposed = {w["slot"] for w in description["weights"] if w["stored"] == "transposed"}
    assert transposed == {
        f"{slot}.weight" for slot in ("attention.qkv", "attention.out", "mlp.up", "mlp.down")
    }


def test_stacks_of_a_pair(tmp_path):
    _, description = described("T5ForConditionalGeneration", tmp_path)
    keys = [
        branch["op"].get("keys")
        for sublayer in description["decoder"]["kinds"][0]
        for branch in sublayer["branches"]
    ]
    assert keys == ["self", "encoder", None]
    assert description["encoder"]["kinds"][0][0]["branches"][0]["op"]["score"]["both_ways"] is True
    assert {w["stack"] for w in description["weights"]} == {"encoder", "decoder", "head"}


@pytest.mark.parametrize("tied", [False, True])
def test_a_projection_may_be_the_table_of_tokens(tied, tmp_path):
    save_class("LlamaForCausalLM", tmp_path, Tiny(extra={"tie_word_embeddings": tied}))
    values = json.loads((tmp_path / "config.json").read_text())
    description = _engine.describe("llama", "LlamaForCausalLM", engine_settings(values))
    (head,) = (w for w in description["weights"] if w["stack"] == "head")
    assert description["tied"] is tied
    assert ("model.embed_tokens.weight" in head["names"]) is tied and "lm_head.weight" in head["names"]


def test_bad_arguments():
    with pytest.raises(UnsupportedError, match="BertForPoetry"):
        _engine.describe("bert", "BertForPoetry", {})
    with pytest.raises(CheckpointError, match="hidden_size"):
        _engine.describe("bert", "BertModel", {})
