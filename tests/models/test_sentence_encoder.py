"""SentenceEncoder gives what sentence-transformers gives."""

import io
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

import fastplm
from fastplm import pooling
from fastplm.errors import CheckpointError, UnsupportedError
from fastplm.progress import progress
from tests.models.tiny import Tiny, save_tiny
from tests.size import sized
from tests.tolerance import worst_cosine

TEXTS = ["Hello, world!", "", "What is it?", "one two three " * 200, "naïve café 中文", " \n\t", "a"]
MODES = ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
CLOSE = dict(rtol=0, atol=2e-6)


@pytest.fixture(scope="module")
def theirs(minilm):
    return SentenceTransformer(str(minilm), device="cpu")


@pytest.fixture(scope="module")
def ours(minilm):
    return fastplm.SentenceEncoder(minilm)


@pytest.fixture(scope="module")
def expected(theirs, texts):
    return theirs.encode(texts, batch_size=32)


def test_real_texts(ours, expected, texts):
    assert np.abs(ours.encode(texts) - expected).max() <= 2e-6


def test_real_texts_in_bfloat16(minilm, expected, texts):
    got = fastplm.SentenceEncoder(minilm, dtype="bfloat16").encode(texts)
    assert worst_cosine(got, expected) >= 0.9995
    assert got.dtype == np.float32


@pytest.mark.parametrize(
    "options",
    [
        dict(), dict(prompt="query: "), dict(normalize_embeddings=True), dict(truncate_dim=7),
        dict(truncate_dim=7, normalize_embeddings=True), dict(convert_to_tensor=True), dict(batch_size=1),
        dict(convert_to_numpy=False), dict(precision="binary"), dict(precision="ubinary"),
    ],
    ids=str,
)  # fmt: skip
def test_options(ours, theirs, options):
    got, want = ours.encode(TEXTS, **options), theirs.encode(TEXTS, **options)
    assert type(got) is type(want) and len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        assert type(a) is type(b) and a.shape == b.shape and a.dtype == b.dtype
        assert np.allclose(np.asarray(a), np.asarray(b), **CLOSE)


@pytest.mark.parametrize("precision", ["int8", "uint8"])
def test_integer_precision(ours, theirs, precision):
    got, want = ours.encode(TEXTS, precision=precision), theirs.encode(TEXTS, precision=precision)
    assert got.dtype == want.dtype and got.shape == want.shape
    assert np.abs(got.astype(int) - want.astype(int)).max() <= 1  # a value on the edge of a step
    with pytest.raises(ValueError, match="at least 2"):
        ours.encode(TEXTS[:1], precision=precision)


def test_forms_of_input(ours, theirs):
    one = ours.encode("Hello, world!")
    assert one.shape == theirs.encode("Hello, world!").shape == (384,)
    for sentences in (TEXTS, tuple(TEXTS), np.array(TEXTS), iter(TEXTS)):
        assert np.array_equal(ours.encode(sentences)[0], one)
    for nothing in ([], np.array([], dtype=str)):
        assert ours.encode(nothing).shape == theirs.encode([]).shape == (0,)
    assert ours.encode([], convert_to_tensor=True).shape == (0,)
    assert ours.encode([], output_value="token_embeddings") == []
    for wrong in ([1], [None], ["a", b"b"], [["a", "b", "c"]], [{"x": "a"}], {"text": 1}):
        with pytest.raises(TypeError, match=r"inputs\[\d\]: .*expected a str"):
            ours.encode(wrong)
    for wrong in ({"a", "b"}, frozenset("a"), {"a": 1}.keys(), b"a", 1, None, np.array("a")):
        with pytest.raises(TypeError, match=r"inputs: a .*expected a str"):
            ours.encode(wrong)
    with pytest.raises(ValueError, match="surrogate"):
        ours.encode(["\ud800"])


def test_token_embeddings(ours, theirs):
    got, want = (model.encode(TEXTS, output_value="token_embeddings") for model in (ours, theirs))
    for a, b in zip(got, want, strict=True):
        assert np.allclose(a, b.numpy(), rtol=1e-4, atol=1e-5)
    items = ours.encode(TEXTS, output_value=None)
    for item, tokens, row in zip(items, got, ours.encode(TEXTS), strict=True):
        assert np.array_equal(item["token_embeddings"], tokens)
        assert np.allclose(item["sentence_embedding"], row, **CLOSE)
        assert item["input_ids"].shape == item["attention_mask"].shape == tokens.shape[:1]
    assert isinstance(ours.encode("a", output_value="token_embeddings", convert_to_tensor=True), torch.Tensor)


def test_wrong_options(ours):
    for options in (dict(batch_size=0), dict(precision="int4"), dict(output_value="x"), dict(truncate_dim=0),
                    dict(prompt_name="x")):  # fmt: skip
        with pytest.raises(ValueError, match=next(iter(options))):
            ours.encode("a", **options)
    with pytest.raises(ValueError, match="similarity_fn_name"):
        ours.similarity_fn_name = "x"


def test_ten_megabytes_in_one_text(ours, theirs):
    """As much of a text as the model takes, whatever its length."""
    text = "All work and no play makes Jack a dull boy. " * 230_000
    assert np.array_equal(ours.encode(text), ours.encode(text[:20_000]))


def test_similarity(ours, theirs):
    a = theirs.encode(TEXTS)
    for name in ("cosine", "dot", "euclidean", "manhattan"):
        ours.similarity_fn_name = theirs.similarity_fn_name = name
        want, pairs = (
            theirs.similarity(a, a[:3]).numpy(),
            theirs.similarity_pairwise(a, a[::-1].copy()).numpy(),
        )
        assert np.allclose(ours.similarity(a, a[:3]), want, rtol=1e-5, atol=1e-5)
        assert np.allclose(ours.similarity_pairwise(a, a[::-1]), pairs, rtol=1e-5, atol=1e-5)
        assert ours.similarity(a[0], a).shape == (1, len(a))
        assert isinstance(ours.similarity(torch.from_numpy(a), a), torch.Tensor)
    ours.similarity_fn_name = "euclidean"
    rows = np.random.default_rng(0).standard_normal((50, 16))
    assert np.allclose(np.diag(ours.similarity(rows, rows)), 0, atol=1e-5)  # also where rounding tells less
    ours.similarity_fn_name = "cosine"
    with pytest.raises(ValueError, match="384 dimensions"):
        ours.similarity(a, a[:, :5])


def test_what_the_folder_says(ours, theirs):
    assert ours.max_seq_length == theirs.max_seq_length == 256
    assert ours.get_sentence_embedding_dimension() == ours.get_embedding_dimension() == 384
    assert ours.similarity_fn_name == "cosine" and str(ours.device) == "cpu" and ours.dtype == torch.float32
    ids = ours.tokenize(TEXTS)["input_ids"]
    assert np.array_equal(ids, theirs.tokenize(TEXTS)["input_ids"].numpy())
    assert "Pooling(mean" in repr(ours) and "Normalize()" in repr(ours)


def test_shorter_limit(minilm):
    ours, theirs = fastplm.SentenceEncoder(minilm), SentenceTransformer(str(minilm), device="cpu")
    ours.max_seq_length = theirs.max_seq_length = 9
    assert np.allclose(ours.encode(TEXTS), theirs.encode(TEXTS), **CLOSE)


class Folder:
    """A copy of MiniLM's folder whose settings a test changes."""

    def __init__(self, source, path):
        shutil.copytree(source, path, ignore=shutil.ignore_patterns("*.safetensors"))
        (path / "model.safetensors").symlink_to(source / "model.safetensors")
        self.path = path

    def change(self, name, **settings):
        file = self.path / name
        old = json.loads(file.read_text()) if file.exists() else {}
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps({**old, **settings}))

    def pooling(self, **settings):
        (self.path / "1_Pooling" / "config.json").write_text(
            json.dumps({"word_embedding_dimension": 384, **settings})
        )

    def modules(self, *kinds):
        (self.path / "modules.json").write_text(json.dumps([
            {"idx": i, "name": str(i), "path": f"1_{kind.rpartition('.')[2]}" if i else "", "type": kind}
            for i, kind in enumerate(kinds)
        ]))  # fmt: skip

    def both(self):
        return fastplm.SentenceEncoder(self.path), SentenceTransformer(str(self.path), device="cpu")


@pytest.fixture
def copy(minilm, tmp_path):
    return Folder(minilm, tmp_path / "model")


def models(*kinds):
    return [f"sentence_transformers.models.{kind}" for kind in kinds]


@pytest.mark.parametrize(("mode", "normalized"), [*((mode, False) for mode in MODES), ("max", True)])
def test_pooling_modes(copy, mode, normalized):
    copy.modules(*models("Transformer", "Pooling", *["Normalize"] * normalized))
    copy.pooling(pooling_mode=mode)
    ours, theirs = copy.both()
    assert np.allclose(ours.encode(TEXTS), theirs.encode(TEXTS), rtol=1e-5, atol=1e-5)


def test_several_pooling_flags(copy):
    copy.modules(*models("Transformer", "Pooling"))
    copy.pooling(pooling_mode_mean_tokens=True, pooling_mode_cls_token=True, pooling_mode_max_tokens=True)
    ours, theirs = copy.both()
    assert ours.get_sentence_embedding_dimension() == 3 * 384
    assert np.allclose(ours.encode(TEXTS), theirs.encode(TEXTS), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("mode", MODES[:: sized(2, 1)])
def test_prompt_outside_the_pooling(copy, mode):
    copy.pooling(pooling_mode=mode, include_prompt=False)
    ours, theirs = copy.both()
    for prompt in ("query: ", "Represent this: "):
        got, want = ours.encode(TEXTS[:4], prompt=prompt), theirs.encode(TEXTS[:4], prompt=prompt)
        assert np.allclose(got, want, rtol=1e-5, atol=1e-5)
    assert np.allclose(ours.encode(TEXTS), theirs.encode(TEXTS), rtol=1e-5, atol=1e-5)


def test_prompts(copy):
    copy.change(
        "config_sentence_transformers.json",
        prompts={"query": "query: ", "other": "x "},
        default_prompt_name="other",
    )
    ours, theirs = copy.both()
    for encode in ("encode", "encode_query", "encode_document"):
        assert np.allclose(getattr(ours, encode)(TEXTS), getattr(theirs, encode)(TEXTS), **CLOSE)
    assert np.array_equal(ours.encode("a", prompt_name="query"), ours.encode("a", prompt="query: "))
    assert not np.array_equal(ours.encode("a"), ours.encode("a", prompt=""))
    own = fastplm.SentenceEncoder(copy.path, prompts={"query": "q: "}, default_prompt_name="query")
    assert np.array_equal(own.encode("a"), ours.encode("q: a", prompt=""))
    with pytest.raises(ValueError, match="prompt_name"):
        fastplm.SentenceEncoder(copy.path, default_prompt_name="nothing")
    for encoder in (ours, theirs):  # an empty name is a name too
        with pytest.raises(ValueError, match="''"):
            encoder.encode("a", prompt_name="")


def test_lower_case(copy):
    copy.change("sentence_bert_config.json", do_lower_case=True)
    copy.change("tokenizer_config.json", do_lower_case=False)
    tokenizer = json.loads((copy.path / "tokenizer.json").read_text())
    tokenizer["normalizer"]["lowercase"] = False
    (copy.path / "tokenizer.json").write_text(json.dumps(tokenizer))
    ours, theirs = copy.both()
    texts = ["Hello WORLD", "ΟΔΟΣ ΣΑΣ", "İstanbul", "ÀÉ"]
    assert np.allclose(ours.encode(texts), theirs.encode(texts), **CLOSE)


def test_without_modules(copy, caplog):
    (copy.path / "modules.json").unlink()
    ours, theirs = copy.both()
    assert "mean pooling" in caplog.text
    assert ours.max_seq_length == theirs.max_seq_length == 512
    assert np.allclose(ours.encode(TEXTS), theirs.encode(TEXTS), rtol=1e-5, atol=1e-5)


def test_transformer_in_a_folder_of_its_own(copy):
    place = copy.path / "0_Transformer"
    place.mkdir()
    for file in list(copy.path.iterdir()):
        if file.is_file() and file.name not in ("modules.json", "config_sentence_transformers.json"):
            file.rename(place / file.name)
    modules = json.loads((copy.path / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    (copy.path / "modules.json").write_text(json.dumps(modules))
    ours, theirs = copy.both()
    assert ours.max_seq_length == 256
    assert np.allclose(ours.encode(TEXTS), theirs.encode(TEXTS), **CLOSE)


@pytest.mark.parametrize(
    ("kinds", "complaint"),
    [
        (["evil.modeling.Transformer"], "fastplm runs none"),
        (["os.system"], "fastplm runs none"),
        (models("Pooling"), "Transformer first"),
        (models("Transformer"), "no Pooling"),
        (models("Transformer", "Pooling", "LSTM"), "LSTM"),
        (models("Transformer", "Normalize", "Pooling"), "Normalize"),
        (models("Transformer", "Pooling", "Transformer"), "Transformer"),
    ],
)
def test_modules_that_are_refused(copy, kinds, complaint):
    copy.modules(*kinds)
    with pytest.raises(UnsupportedError, match=complaint) as error:
        fastplm.SentenceEncoder(copy.path)
    assert "modules.json" in str(error.value)


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "{}", "[1]", '[{"type": 1, "path": ""}]',
     '[{"type": "sentence_transformers.models.Transformer"}]',
     '[{"type": "sentence_transformers.models.Transformer", "path": "../x"}]',
     '[{"type": "sentence_transformers.models.Transformer", "path": "/etc"}]'],
)  # fmt: skip
def test_damaged_modules(copy, content):
    (copy.path / "modules.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"modules\.json"):
        fastplm.SentenceEncoder(copy.path)


@pytest.mark.parametrize(
    ("file", "settings", "error"),
    [
        ("1_Pooling/config.json", {"pooling_mode": "median"}, CheckpointError),
        ("sentence_bert_config.json", {"max_seq_length": 0}, CheckpointError),
        ("sentence_bert_config.json", {"max_seq_length": "256"}, CheckpointError),
        ("sentence_bert_config.json", {"transformer_task": "fill-mask"}, UnsupportedError),
        ("config_sentence_transformers.json", {"prompts": {"a": 1}}, CheckpointError),
        ("config_sentence_transformers.json", {"default_prompt_name": "a"}, CheckpointError),
        ("2_Normalize/config.json", {"module_input_name": "token_embeddings"}, UnsupportedError),
    ],
)
def test_settings_that_are_refused(copy, file, settings, error):
    copy.change(file, **settings)
    with pytest.raises(error, match=next(iter(settings))):
        fastplm.SentenceEncoder(copy.path)


def test_missing_module_folder(copy):
    shutil.rmtree(copy.path / "1_Pooling")
    with pytest.raises(FileNotFoundError, match="1_Pooling"):
        fastplm.SentenceEncoder(copy.path)


def test_a_family_without_learned_positions(minilm, tmp_path):
    """Nothing but what the folder says limits the length."""
    save_tiny("t5", tmp_path, Tiny(vocab=30522))
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        shutil.copy(minilm / name, tmp_path)
    encoder = fastplm.SentenceEncoder(tmp_path)
    assert encoder.max_seq_length == 512
    assert encoder.encode(TEXTS).shape == (len(TEXTS), 19)


def test_pool_of_empty_texts():
    hidden, cu = np.ones((2, 3), np.float32), np.array([0, 0, 2], np.int32)

    rows = pooling.pool(hidden, cu, tuple(MODES))
    assert not rows[0].any() and np.allclose(rows[1], np.repeat([1, 1, 1, 2**0.5, 1, 1], 3))
    assert pooling.pool(hidden, cu, ("mean", "lasttoken"), skip=2).tolist() == [[0] * 6] * 2


def test_progress(minilm, capfd):
    """On stderr, on a terminal or when asked for, and never in the way of a missing tqdm."""
    encoder = fastplm.SentenceEncoder(minilm)
    encoder.encode(["a"] * 100)
    assert capfd.readouterr() == ("", "")
    encoder.encode(["a"] * 100, show_progress_bar=True)
    out, err = capfd.readouterr()
    assert out == "" and "100/100" in err
    encoder.encode(["a"] * 100, show_progress_bar=False)
    assert capfd.readouterr() == ("", "")


def test_progress_on_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress(3, "text", None) as advance:
        advance(3)
    assert sys.stderr.getvalue() == "", "a bar before a second has passed"
    with progress(3, "text", True) as advance:
        advance(3)
    assert "3/3" in sys.stderr.getvalue()
    monkeypatch.setattr(sys, "stderr", None)  # of a program without a console
    with progress(3, "text", None) as advance:
        advance(3)


def test_progress_without_tqdm(minilm):
    program = (
        "import sys; sys.modules['tqdm'] = None\nimport fastplm\n"
        "print(fastplm.SentenceEncoder(sys.argv[1]).encode(['a'] * 50, show_progress_bar=True).shape)"
    )
    run = subprocess.run([sys.executable, "-c", program, minilm], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "(50, 384)" and run.stderr == ""
