"""accelerate(): an encoder of sentence-transformers, the same before and after."""

import json

import numpy as np
import pytest
import sentence_transformers as st
import torch

from fastplm.errors import UnsupportedError
from fastplm.integrations.sentence_transformers import accelerate
from tests.models.sentence_folder import TEXTS, SentenceFolder
from tests.models.tiny import Tiny, save_class
from tests.tolerance import worst_cosine


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return SentenceFolder(tmp_path_factory.mktemp("base"))


def changed(model):
    """With weights that no file has."""
    torch.manual_seed(5)
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    return model


def test_sentence_transformers(base):
    model = changed(base.theirs())
    want = [model.encode(TEXTS), model.encode(TEXTS, normalize_embeddings=True, prompt="one ")]
    assert accelerate(model) is model
    got = [model.encode(TEXTS), model.encode(TEXTS, normalize_embeddings=True, prompt="one ")]
    for mine, other in zip(got, want, strict=True):
        assert np.allclose(mine, other, atol=2e-5)
    assert not list(model.parameters()) and str(model.device) == "cpu"
    with pytest.raises(TypeError, match="without a Transformer of torch"):
        accelerate(model)


def test_bfloat16(base):
    model = base.theirs()
    want = model.encode(TEXTS)
    got = accelerate(model, "bfloat16").encode(TEXTS)
    assert worst_cosine(np.float32(got), want) > 0.999 and not np.array_equal(got, want)


@pytest.mark.parametrize(
    "kind, name", [("CrossEncoder", "BertForSequenceClassification"), ("SparseEncoder", "BertForMaskedLM")]
)
def test_encoders_with_heads(base, tmp_path, kind, name):
    vocabulary = json.loads((base.path / "config.json").read_text())["vocab_size"]
    save_class(name, tmp_path, Tiny(vocab=vocabulary))
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / file).write_bytes((base.path / file).read_bytes())
    model = changed(getattr(st, kind)(str(tmp_path), device="cpu"))

    def results():
        if kind == "CrossEncoder":
            return torch.from_numpy(model.predict([(a, b) for a in TEXTS for b in TEXTS]))
        return model.encode(TEXTS).to_dense()

    want = results()
    accelerate(model)
    assert torch.allclose(results(), want, atol=2e-5)


def test_refusals(base):
    with pytest.raises(TypeError, match="a list; expected an encoder"):
        accelerate([])
    with pytest.raises(TypeError, match="a Linear without a Transformer"):
        accelerate(torch.nn.Linear(2, 2))
    peft = pytest.importorskip("peft")
    model = base.theirs()
    peft.inject_adapter_in_model(peft.LoraConfig(target_modules=["query"], r=2), model[0].model)
    with pytest.raises(UnsupportedError, match="merged"):
        accelerate(model)
    model.encode(TEXTS)
