"""What stands around pooling in folders of sentence-transformers: dense layers, norms, static embeddings."""

import json
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules as st
from tokenizers import Tokenizer, models, pre_tokenizers

import fastplm
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.pooling import POOLING_MODES
from tests.models.sentence_folder import TEXTS, WIDTH, SentenceFolder, assert_same

MANY = [*TEXTS, *(f"one {'two ' * n}" for n in range(12))]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return SentenceFolder(tmp_path_factory.mktemp("base"))


def saved(base, path, *layers, modes=("mean",)):
    """The base's Transformer with these modules of sentence-transformers behind it."""
    torch.manual_seed(3)
    pooling = st.Pooling(WIDTH, pooling_mode=tuple(modes))
    made = [SentenceTransformer(str(base.path), device="cpu")[0], pooling, *(layer() for layer in layers)]
    for layer in made[2:]:
        for parameter in layer.parameters():
            parameter.data.normal_(0, 0.4)
    SentenceTransformer(modules=made, device="cpu").save(str(path))
    return fastplm.SentenceEncoder(path), SentenceTransformer(str(path), device="cpu")


def dense(to, act, **more):
    return lambda: st.Dense(WIDTH, to, activation_function=act, **more)


LAYERS = {
    "dense": [dense(9, torch.nn.Tanh())],
    "linear": [dense(40, torch.nn.Identity(), bias=False)],
    "relu": [dense(WIDTH, torch.nn.ReLU())],
    "gelu": [dense(5, torch.nn.GELU())],
    "silu": [dense(5, torch.nn.SiLU())],
    "sigmoid": [dense(5, torch.nn.Sigmoid())],
    "residual": [dense(WIDTH, torch.nn.Tanh(), use_residual=True)],
    "wider residual": [dense(20, torch.nn.ReLU(), use_residual=True)],
    "norm": [lambda: st.LayerNorm(WIDTH)],
    "dropout": [lambda: st.Dropout(0.5)],
    "all": [lambda: st.LayerNorm(WIDTH), dense(12, torch.nn.Tanh()), lambda: st.Dropout(0.1), st.Normalize],
    "normalized before": [st.Normalize, dense(12, torch.nn.Tanh())],
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(base, tmp_path, name):
    ours, theirs = saved(base, tmp_path, *LAYERS[name])
    assert_same(ours, theirs)
    assert ours.get_embedding_dimension() == theirs.get_embedding_dimension()
    for options in ({"normalize_embeddings": True}, {"truncate_dim": 3, "normalize_embeddings": True}):
        assert np.allclose(ours.encode(TEXTS, **options), theirs.encode(TEXTS, **options), atol=2e-5)
    together = ours.encode(MANY)
    assert np.array_equal(together, np.stack([ours.encode(text) for text in MANY]))
    assert np.array_equal(together, pickle.loads(pickle.dumps(ours)).encode(MANY))
    items = ours.encode(TEXTS[:2], output_value=None)
    assert np.allclose(items[0]["sentence_embedding"], together[0], atol=1e-6)


def test_every_mode_at_once(base, tmp_path):
    ours, theirs = saved(base, tmp_path, lambda: st.Dense(WIDTH * len(POOLING_MODES), 7), modes=POOLING_MODES)
    assert_same(ours, theirs)
    assert ours[1].modes == POOLING_MODES


BAD = {
    "width": ({"in_features": 5}, CheckpointError, "in_features is 5; expected 16"),
    "size": ({"out_features": "many"}, CheckpointError, "out_features is 'many'"),
    "shape": ({"out_features": 8}, CheckpointError, r"shape \[9, 16\]; expected floats of shape \[8, 16\]"),
    "code": ({"activation_function": "os.system"}, UnsupportedError, "'os.system'; expected one of"),
    "function": (
        {"activation_function": "torch.nn.modules.activation.PReLU"}, UnsupportedError, "PReLU",
    ),
    "tokens": ({"module_input_name": "token_embeddings"}, UnsupportedError, "expected sentence_embedding"),
    "residual": ({"use_residual": True}, CheckpointError, "no 'residual.weight'"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_damaged_layers(base, tmp_path, name):
    change, error, message = BAD[name]
    saved(base, tmp_path, *LAYERS["dense"])
    config = tmp_path / "2_Dense" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **change}))
    with pytest.raises(error, match=message):
        fastplm.SentenceEncoder(tmp_path)


def test_pickles_are_refused(base, tmp_path):
    saved(base, tmp_path, *LAYERS["dense"])
    place = tmp_path / "2_Dense"
    torch.save({}, place / "pytorch_model.bin")
    (place / "model.safetensors").unlink()
    with pytest.raises(UnsupportedError, match="fastplm convert"):
        fastplm.SentenceEncoder(tmp_path)


WORDS = {word: i for i, word in enumerate(["[UNK]", "one", "two", "three", "Hello", "World", "big"])}


@pytest.fixture
def static(tmp_path):
    tokenizer = Tokenizer(models.WordLevel(WORDS, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    table = torch.from_numpy(np.random.default_rng(0).standard_normal((len(WORDS), 8)).astype(np.float32))
    module = st.StaticEmbedding(tokenizer, embedding_weights=table)
    SentenceTransformer(modules=[module, st.Normalize()], device="cpu").save(str(tmp_path))
    return tmp_path


def place_of(static):
    return static / json.loads((static / "modules.json").read_text())[0]["path"]


def test_static_embeddings(static):
    ours, theirs = fastplm.SentenceEncoder(static), SentenceTransformer(str(static), device="cpu")
    assert_same(ours, theirs)
    assert ours.get_embedding_dimension() == 8 and ours.max_seq_length == theirs.max_seq_length
    assert np.allclose(ours.encode(TEXTS, prompt="one "), theirs.encode(TEXTS, prompt="one "), atol=1e-6)
    assert np.array_equal(ours.encode(MANY), np.stack([ours.encode(text) for text in MANY]))
    long = [TEXTS[0], "word " * 9000, TEXTS[1]]  # more tokens than one call of the engine takes
    assert np.allclose(ours.encode(long), theirs.encode(long), atol=1e-6)
    assert ours.eval().to("cpu").float() is ours and str(ours.dtype) == "float32"
    assert np.array_equal(pickle.loads(pickle.dumps(ours)).encode(MANY), ours.encode(MANY))
    with pytest.raises(ValueError, match="static embedding"):
        ours.encode(TEXTS, output_value="token_embeddings")
    with pytest.raises(TypeError, match="pairs"):
        ours.encode([("a", "b")])
    with pytest.raises(UnsupportedError, match="static embedding"):
        fastplm.SentenceEncoder(static, dtype="bfloat16")


def test_a_length_in_the_tokenizer(static):
    file = place_of(static) / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.enable_truncation(3)
    tokenizer.save(str(file))
    assert_same(fastplm.SentenceEncoder(static), SentenceTransformer(str(static), device="cpu"))


@pytest.mark.parametrize("parts", [(), ("mapping",), ("mapping", "weights"), ("weights",)])
def test_tables_of_model2vec(static, parts):
    random = np.random.default_rng(1)
    count = 4 if "mapping" in parts else len(WORDS)
    made = {"embeddings": torch.from_numpy(random.standard_normal((count, 8)).astype(np.float32))}
    if "mapping" in parts:
        made["mapping"] = torch.tensor([0, 1, 2, 3, 3, 2, 1])
    if "weights" in parts:
        made["weights"] = torch.rand(len(WORDS), dtype=torch.float64)
    save_file(made, place_of(static) / "model.safetensors")
    assert_same(fastplm.SentenceEncoder(static), SentenceTransformer(str(static), device="cpu"))


def test_damaged_tables(static):
    file = place_of(static) / "model.safetensors"
    for tensors, message in (
        ({"rows": torch.ones(2, 2)}, "embedding.weight is none"),
        ({"embedding.weight": torch.ones(3, 2)}, "3 rows; expected 7"),
        ({"embeddings": torch.ones(3, 2), "mapping": torch.tensor([5] * 7)}, "beyond the 3 rows"),
        ({"embeddings": torch.ones(7, 2), "weights": torch.ones(3)}, r"shape \[3\]"),
        ({"embedding.weight": torch.ones(7, dtype=torch.int64)}, "I64 of shape"),
    ):
        save_file(tensors, file)
        with pytest.raises(CheckpointError, match=message):
            fastplm.SentenceEncoder(static)
