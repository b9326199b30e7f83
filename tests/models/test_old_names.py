"""Checkpoints converted from TensorFlow, whose norms have gamma and beta."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import fastplm
from tests.models.tiny import random_batch, save_tiny


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
