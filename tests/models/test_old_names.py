"""Checkpoints with other names: TensorFlow's gamma and beta of norms, a head by its name in the model."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import fastplm
from tests.models.tiny import random_batch, save_class, save_tiny


@pytest.mark.parametrize("family", ["bert", "roberta", "mpnet", "electra", "albert", "deberta", "deberta-v2"])
def test_gamma_and_beta(family, tmp_path):
    save_tiny(family, tmp_path)
    batch = random_batch(61, (12, 5))
    want = fastplm.AutoModel.from_pretrained(tmp_path)(*batch)[0]
    file = tmp_path / "model.safetensors"
    older = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): w
        for name, w in load_file(file).items()
    }
    assert sum(name.endswith(("gamma", "beta")) for name in older) >= 6
    save_file(older, file, {"format": "pt"})
    assert np.array_equal(fastplm.AutoModel.from_pretrained(tmp_path)(*batch)[0], want)


def test_a_head_by_its_name_in_the_model(tmp_path):
    """transformers saves GPT-NeoX's lm_head as embed_out, and reads both."""
    save_class("GPTNeoXForCausalLM", tmp_path)
    batch = random_batch(61, (12, 5))
    want = fastplm.AutoModelForCausalLM.from_pretrained(tmp_path)(*batch).logits
    file = tmp_path / "model.safetensors"
    weights = load_file(file)
    weights["lm_head.weight"] = weights.pop("embed_out.weight")
    save_file(weights, file, {"format": "pt"})
    assert np.array_equal(fastplm.AutoModelForCausalLM.from_pretrained(tmp_path)(*batch).logits, want)
