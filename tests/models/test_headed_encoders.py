"""CrossEncoder and SparseEncoder give what sentence-transformers' give."""

import json
import pickle
import shutil

import numpy as np
import pytest
import sentence_transformers as st
import torch
from sentence_transformers.sparse_encoder import modules as sparse_modules

import fastplm
from fastplm.errors import CheckpointError, UnsupportedError
from tests.models.sentence_folder import TEXTS, SentenceFolder
from tests.models.tiny import Tiny, save_class

PAIRS = [(a, b) for a in TEXTS[:4] for b in TEXTS[::-1]]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Folders of one model each, by class and labels, with the tokenizer of SentenceFolder."""
    root = tmp_path_factory.mktemp("headed")
    base = SentenceFolder(root / "base")
    vocabulary = json.loads((base.path / "config.json").read_text())["vocab_size"]
    for name, labels in (("BertForSequenceClassification", 1), ("BertForSequenceClassification", 3),
                         ("BertForMaskedLM", 0)):  # fmt: skip
        place = root / f"{name}{labels}"
        save_class(name, place, Tiny(vocab=vocabulary, extra={"num_labels": labels} if labels else {}))
        for file in ("tokenizer.json", "tokenizer_config.json"):
            (place / file).write_bytes((base.path / file).read_bytes())
    return root


def both(kind, place, **arguments):
    return getattr(fastplm, kind)(place, **arguments), getattr(st, kind)(
        str(place), device="cpu", **arguments
    )


def change(file, **settings):
    old = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**old, **settings}))


def test_names_of_the_hub(root, tmp_path, monkeypatch):
    """SENTENCE_TRANSFORMERS_HOME is where models lie, unless a call says where."""
    place = tmp_path / "models--owner--scores"
    shutil.copytree(root / "BertForSequenceClassification1", place / "snapshots" / ("a" * 40))
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("a" * 40)
    given = fastplm.CrossEncoder("owner/scores", cache_folder=str(tmp_path))
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path))
    assert np.array_equal(fastplm.CrossEncoder("owner/scores").predict(PAIRS), given.predict(PAIRS))


@pytest.mark.parametrize("labels", [1, 3])
def test_scores_of_pairs(root, labels):
    ours, theirs = both("CrossEncoder", root / f"BertForSequenceClassification{labels}")
    assert ours.num_labels == labels and ours.max_length == theirs.max_seq_length
    for options in (
        {}, {"apply_softmax": True}, {"activation_fn": torch.nn.Tanh()}, {"batch_size": 1},
        {"activation_fn": torch.nn.Identity()}, {"prompt": "one "}, {"convert_to_tensor": True},
    ):  # fmt: skip
        got, want = ours.predict(PAIRS, **options), theirs.predict(PAIRS, **options)
        assert type(got) is type(want) and got.shape == want.shape and got.dtype == want.dtype
        assert np.allclose(got, want, atol=2e-5), options
    one, want = ours.predict(PAIRS[3]), theirs.predict(PAIRS[3])
    assert np.allclose(one, want, atol=2e-5) and np.shape(one) == np.shape(want)
    assert ours.predict([]).shape == theirs.predict([]).shape
    listed = ours.predict(PAIRS, convert_to_numpy=False)
    assert isinstance(listed, list) and isinstance(listed[0], torch.Tensor)
    alone = np.stack([ours.predict(list(pair)) for pair in PAIRS])
    assert np.array_equal(ours.predict(PAIRS), alone)
    assert np.array_equal(ours.predict(np.array(PAIRS)), alone)


def test_rank(root):
    ours, theirs = both("CrossEncoder", root / "BertForSequenceClassification1", max_length=12)
    for options in ({}, {"top_k": 2}, {"return_documents": True}):
        got = ours.rank("one two", TEXTS, **options)
        want = theirs.rank("one two", TEXTS, **options)
        assert [{**row, "score": 0} for row in got] == [{**row, "score": 0} for row in want]
        assert np.allclose([r["score"] for r in got], [r["score"] for r in want], atol=2e-5)
    with pytest.raises(ValueError, match="3 scores"):
        fastplm.CrossEncoder(root / "BertForSequenceClassification3").rank("a", ["b"])


@pytest.mark.parametrize(
    "path", ["torch.nn.modules.linear.Identity", "torch.nn.modules.activation.Tanh", "torch.nn.ReLU"]
)
def test_activations_and_prompts_of_a_folder(root, tmp_path, path):
    st.CrossEncoder(str(root / "BertForSequenceClassification1"), device="cpu").save(str(tmp_path))
    change(tmp_path / "config_sentence_transformers.json", activation_fn=path, prompts={"q": "big "},
           default_prompt_name="q")  # fmt: skip
    ours, theirs = both("CrossEncoder", tmp_path)
    assert np.allclose(ours.predict(PAIRS), theirs.predict(PAIRS), atol=2e-5)


@pytest.mark.parametrize("name", ["sentence_transformers", "sbert_ce_default_activation_function"])
def test_activations_of_older_folders(root, tmp_path, name):
    for file in (root / "BertForSequenceClassification1").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    path = "torch.nn.modules.linear.Identity"
    change(tmp_path / "config.json", **{name: {"activation_fn": path} if name[:2] == "se" else path})
    ours, theirs = both("CrossEncoder", tmp_path)
    assert np.allclose(ours.predict(PAIRS), theirs.predict(PAIRS), atol=2e-5)


def test_pairs_that_are_refused(root, tmp_path):
    ours = fastplm.CrossEncoder(root / "BertForSequenceClassification1")
    for bad in ("a text", ["a"], [("a",)], [("a", 3)], [["a", "b", "c"]], 3):
        with pytest.raises(TypeError, match="inputs"):
            ours.predict(bad)
    with pytest.raises(ValueError, match="batch_size"):
        ours.predict(PAIRS, batch_size=0)
    with pytest.raises(UnsupportedError, match="one process"):
        ours.predict(PAIRS, pool={})
    for arguments in ({"backend": "onnx"}, {"keep_in_fp32_modules": ["x"]}, {"device": "cuda"}):
        with pytest.raises(UnsupportedError):
            fastplm.CrossEncoder(root / "BertForSequenceClassification1", **arguments)
    st.CrossEncoder(str(root / "BertForSequenceClassification1"), device="cpu").save(str(tmp_path))
    change(tmp_path / "config_sentence_transformers.json", activation_fn="os.system")
    with pytest.raises(UnsupportedError, match=r"'os\.system'"):
        fastplm.CrossEncoder(tmp_path)


def splade(root, path, **pooling):
    transformer = st.SparseEncoder(str(root / "BertForMaskedLM0"), device="cpu")[0]
    model = st.SparseEncoder(modules=[transformer, sparse_modules.SpladePooling(**pooling)], device="cpu")
    model.prompts = {"query": "one ", "document": "two "}
    model.save(str(path))
    return both("SparseEncoder", path)


@pytest.mark.parametrize("strategy", ["max", "sum"])
@pytest.mark.parametrize("function", ["relu", "log1p_relu"])
def test_sparse_vectors(root, tmp_path, strategy, function):
    ours, theirs = splade(root, tmp_path, pooling_strategy=strategy, activation_function=function)
    for name in ("encode", "encode_query", "encode_document"):
        for dims in (None, 5):
            got = getattr(ours, name)(TEXTS, max_active_dims=dims)
            want = getattr(theirs, name)(TEXTS, max_active_dims=dims)
            assert got.is_sparse and torch.allclose(got.to_dense(), want.to_dense(), atol=2e-5), name
    dense = ours.encode(TEXTS, convert_to_sparse_tensor=False)
    assert not dense.is_sparse and torch.equal(dense, ours.encode(TEXTS).to_dense())
    numbers = ours.encode(TEXTS, convert_to_numpy=True)
    assert np.array_equal(numbers, dense.numpy())
    assert np.array_equal(numbers, np.stack([ours.encode(text, convert_to_numpy=True) for text in TEXTS]))
    mine, other = ours.encode(TEXTS), theirs.encode(TEXTS)
    assert torch.allclose(ours.similarity(mine, mine), theirs.similarity(other, other), rtol=1e-4)
    assert torch.allclose(
        ours.similarity_pairwise(mine, mine), theirs.similarity_pairwise(other, other), rtol=1e-4
    )
    assert ours.sparsity(mine) == pytest.approx(theirs.sparsity(other), rel=1e-2)
    words, want = ours.decode(mine, top_k=4), theirs.decode(other, top_k=4)
    assert [[w for w, _ in row] for row in words] == [[w for w, _ in row] for row in want]
    assert ours.encode(TEXTS[0]).shape == theirs.encode(TEXTS[0]).shape


def test_a_masked_language_model_alone(root):
    ours, theirs = both("SparseEncoder", root / "BertForMaskedLM0", max_active_dims=9)
    assert torch.allclose(ours.encode(TEXTS).to_dense(), theirs.encode(TEXTS).to_dense(), atol=2e-5)


def test_copies(root, tmp_path):
    """An encoder whose Transformer has a folder of its own is loaded again from there."""
    names = {"CrossEncoder": "BertForSequenceClassification1", "SparseEncoder": "BertForMaskedLM0"}
    for kind, name in names.items():
        shutil.copytree(root / name, tmp_path / kind / "inner")
        entry = {"idx": 0, "name": "0", "path": "inner", "type": "sentence_transformers.models.Transformer"}
        (tmp_path / kind / "modules.json").write_text(json.dumps([entry]))
        ours = getattr(fastplm, kind)(tmp_path / kind)
        again = pickle.loads(pickle.dumps(ours))
        call = ("predict", PAIRS) if kind == "CrossEncoder" else ("encode_query", TEXTS)
        options = {} if kind == "CrossEncoder" else {"convert_to_numpy": True}
        got, want = (getattr(encoder, call[0])(call[1], **options) for encoder in (again, ours))
        assert np.array_equal(got, want)


def test_sparse_folders_that_are_refused(root, tmp_path):
    splade(root, tmp_path)
    with pytest.raises(UnsupportedError, match="model_type is 'SparseEncoder'; expected CrossEncoder"):
        fastplm.CrossEncoder(tmp_path)
    change(next(tmp_path.glob("1_*")) / "config.json", pooling_strategy="mean")
    with pytest.raises(CheckpointError, match="pooling_strategy is 'mean'"):
        fastplm.SparseEncoder(tmp_path)
    with pytest.raises(ValueError, match="max_active_dims"):
        fastplm.SparseEncoder(root / "BertForMaskedLM0", max_active_dims=0)
