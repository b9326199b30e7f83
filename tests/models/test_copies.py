"""Models, configs and results pickle and copy, so that other processes can have them."""

import copy
import multiprocessing
import os
import pickle

import numpy as np
import pytest
import torch

import fastplm
from tests.models.tiny import FAMILIES, save_tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("bert")
    save_tiny("bert", path)
    return path


@pytest.mark.parametrize("family", FAMILIES)
def test_pickle(family, tmp_path):
    save_tiny(family, tmp_path)
    model = fastplm.AutoModel.from_pretrained(tmp_path)
    again = pickle.loads(pickle.dumps(model))
    assert type(again) is type(model) and again.config == model.config and again.engine is not model.engine
    assert np.array_equal(again([[5, 6, 7]])[0], model([[5, 6, 7]])[0])
    assert pickle.loads(pickle.dumps(type(model))) is type(model)


def test_pickle_keeps_how_the_model_was_loaded(folder, tmp_path, monkeypatch):
    save_tiny("bert", tmp_path / "sub", variant="fp16")
    monkeypatch.chdir(tmp_path)
    model = fastplm.AutoModel.from_pretrained(
        ".", subfolder="sub", variant="fp16", dtype="bfloat16", add_pooling_layer=False, hidden_act="relu",
        output_hidden_states=True, token="secret",
    )  # fmt: skip
    raw = pickle.dumps(model)
    assert b"secret" not in raw and len(raw) < 10_000
    monkeypatch.chdir("/")
    again = pickle.loads(raw)
    out, want = again([[5, 6]]), model([[5, 6]])
    assert again.engine.dtype == "bfloat16" and out.pooler_output is None and len(out.hidden_states) == 3
    assert np.array_equal(out[0], want[0]) and pickle.dumps(again) == raw
    os.rename(tmp_path / "sub", tmp_path / "away")
    with pytest.raises(FileNotFoundError, match="sub"):
        pickle.loads(raw)


def test_pickle_of_a_hub_id(folder, monkeypatch):
    """Asks the hub again, for the same revision, where it is opened."""
    import huggingface_hub

    calls = []
    monkeypatch.setattr(
        huggingface_hub,
        "snapshot_download",
        lambda *args, **kwargs: calls.append((args, kwargs)) or str(folder),
    )
    model = fastplm.AutoModel.from_pretrained(
        "owner/name", revision="v2", token="secret", force_download=True
    )
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again([[5]])[0], model([[5]])[0])
    (_, first), (args, second) = calls
    assert args == ("owner/name",) and second["revision"] == "v2"
    assert (first["token"], first["force_download"]) == ("secret", True)
    assert (second["token"], second["force_download"]) == (None, False)


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy])
def test_copies_share_the_engine(how, folder):
    model = fastplm.AutoModel.from_pretrained(folder)
    again = how(model)
    assert again is not model and again.engine is model.engine and type(again) is type(model)
    assert np.array_equal(how({"inside": [model]})["inside"][0]([[5]])[0], model([[5]])[0])


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_configs_and_outputs(how, folder):
    model = fastplm.AutoModel.from_pretrained(folder)
    config = how(model.config)
    assert config == model.config and config.hidden_size == 16 and config.name_or_path == str(folder)
    for ids in ([[5, 6]], torch.tensor([[5, 6]])):
        out = model(ids, output_hidden_states=True)
        again = how(out)
        assert type(again) is fastplm.ModelOutput and list(again) == list(out)
        assert again.attentions is None and again.cross_attentions is None
        assert np.array_equal(again.last_hidden_state, out[0])
        assert np.array_equal(again.hidden_states[1], out.hidden_states[1])


def first_state(model):
    return model([[5, 6, 7]])[0]


def test_a_process_that_is_spawned(folder):
    model = fastplm.AutoModel.from_pretrained(folder)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert np.array_equal(pool.apply(first_state, (model,)), first_state(model))
