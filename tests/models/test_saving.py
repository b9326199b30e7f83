"""save_pretrained: what was loaded, from which the same model loads, here and in transformers."""

import json
import shutil

import numpy as np
import pytest
import torch
import transformers
from safetensors.numpy import load_file
from safetensors.torch import save_file as save_torch

import fastplm
from fastplm.errors import UnsupportedError
from fastplm.safetensors import read_header
from fastplm.safetensors_writer import part_of, write_file
from tests.models.test_adapter import save_adapter
from tests.models.tiny import random_batch, save_class, save_tiny


def outputs(model, name):
    ids, mask = random_batch(61, (9, 5))
    if model.stacks == "both":
        return model(ids, attention_mask=mask, decoder_input_ids=ids)
    return model(ids, attention_mask=mask)


@pytest.mark.parametrize(
    "name", ["BertForMaskedLM", "GPT2LMHeadModel", "LlamaForCausalLM", "T5ForConditionalGeneration"]
)
@pytest.mark.parametrize("most", ["50GB", 3000])
def test_the_copy_is_the_same_model(name, most, tmp_path):
    reference = save_class(name, tmp_path / "a")
    model = getattr(fastplm, name).from_pretrained(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "model.safetensors").write_bytes(b"of an earlier model")
    model.save_pretrained(tmp_path / "b", max_shard_size=most)
    assert (tmp_path / "b" / "model.safetensors").exists() == (most == "50GB")
    again = getattr(fastplm, name).from_pretrained(tmp_path / "b")
    got, want = outputs(again, name), outputs(model, name)
    assert np.array_equal(got.logits, want.logits)
    theirs = getattr(transformers, name).from_pretrained(tmp_path / "b")
    for (key, one), (_, other) in zip(
        theirs.state_dict().items(), reference.state_dict().items(), strict=True
    ):
        assert torch.equal(one, other), key
    if model.can_generate():
        assert again.generation_config == model.generation_config


def test_settings_as_they_are_now(tmp_path):
    save_class("GPT2LMHeadModel", tmp_path / "a")
    model = fastplm.GPT2LMHeadModel.from_pretrained(tmp_path / "a", dtype="bfloat16")
    model.config.pad_token_id = 7
    model.generation_config.max_new_tokens = 3
    model.save_pretrained(tmp_path / "b")
    again = fastplm.GPT2LMHeadModel.from_pretrained(tmp_path / "b")
    assert again.config.pad_token_id == 7 and again.generation_config.max_new_tokens == 3
    sizes = [(tmp_path / place / "model.safetensors").stat().st_size for place in "ab"]
    assert abs(sizes[0] - sizes[1]) < 2000  # float32 stays float32, whatever the engine computes in


def test_an_adapter_is_merged(tmp_path):
    save_tiny("bert", tmp_path / "a")
    save_adapter(tmp_path / "a", "bert", target_modules=["query"], r=2)
    model = fastplm.AutoModel.from_pretrained(tmp_path / "a")
    model.save_pretrained(tmp_path / "b")
    assert not (tmp_path / "b" / "adapter_config.json").exists()
    again = fastplm.AutoModel.from_pretrained(tmp_path / "b")
    assert np.array_equal(outputs(again, "").last_hidden_state, outputs(model, "").last_hidden_state)
    with pytest.raises(UnsupportedError, match=r"adapter_config\.json: an adapter"):
        model.save_pretrained(tmp_path / "a")


def test_a_folder_of_its_own(tmp_path):
    """Saving where the model came from leaves the same tensors."""
    save_tiny("bert", tmp_path)
    before = load_file(tmp_path / "model.safetensors")
    fastplm.AutoModel.from_pretrained(tmp_path).save_pretrained(tmp_path)
    after = load_file(tmp_path / "model.safetensors")
    assert before.keys() == after.keys() and all(np.array_equal(before[k], after[k]) for k in before)
    assert json.loads((tmp_path / "config.json").read_text())["architectures"] == ["BertModel"]


def test_refusals(tmp_path):
    save_tiny("bert", tmp_path / "a")
    model = fastplm.AutoModel.from_pretrained(tmp_path / "a")
    for name in ("push_to_hub", "state_dict", "token", "variant"):
        with pytest.raises(UnsupportedError, match=name):
            model.save_pretrained(tmp_path / "b", **{name: {"a": 1}})
    with pytest.raises(TypeError, match="'shards'"):
        model.save_pretrained(tmp_path / "b", shards=2)
    for size in ("5 apples", 0, -1, True, "0GB"):
        with pytest.raises(ValueError, match="max_shard_size"):
            model.save_pretrained(tmp_path / "b", max_shard_size=size)
    with pytest.raises(NotADirectoryError):
        model.save_pretrained(tmp_path / "a" / "config.json")
    model.save_pretrained(tmp_path / "b", is_main_process=False)
    assert not (tmp_path / "b").exists()
    with pytest.warns(UserWarning, match="newly initialized"):
        drawn = fastplm.BertForTokenClassification.from_pretrained(tmp_path / "a")
    with pytest.raises(UnsupportedError, match=r"classifier.* drawn at random"):
        drawn.save_pretrained(tmp_path / "b")
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(FileNotFoundError):
        model.save_pretrained(tmp_path / "b")


def test_files_are_those_of_safetensors(tmp_path):
    """Byte for byte: wide values first, so that each tensor stands where its type may."""
    tensors = {
        "b": torch.arange(3, dtype=torch.uint8),
        "a": torch.arange(6.0).view(2, 3),
        "c": torch.arange(5, dtype=torch.bfloat16),
        "d": torch.arange(2),
    }
    save_torch(tensors, tmp_path / "theirs.safetensors", metadata={"format": "pt"})
    header = read_header(tmp_path / "theirs.safetensors")
    write_file(tmp_path / "ours.safetensors", [part_of(tensor) for tensor in reversed(header)])
    ours, theirs = ((tmp_path / f"{name}.safetensors").read_bytes() for name in ("ours", "theirs"))
    assert ours == theirs
