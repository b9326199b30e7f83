"""Every argument and every name of SentenceTransformer: its result, a reason, or an error that names it."""

import inspect
import logging
import pickle
import re
import shutil
import warnings

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer, SimilarityFunction
from sentence_transformers.sentence_transformer.evaluation import EmbeddingSimilarityEvaluator
from sentence_transformers.sentence_transformer.model_card import SentenceTransformerModelCardData

import fastplm
from fastplm.errors import UnsupportedError
from fastplm.sentence.absent import ABSENT
from tests.models.sentence_folder import TEXTS, SentenceFolder, assert_same
from tests.tolerance import worst_cosine

PAIRS = [("Hello World", "one two"), ["big", "Big Word and three"]]
CLOSE = dict(rtol=0, atol=2e-5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return SentenceFolder(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def ours(folder):
    return folder.ours(prompts={"query": "question: ", "x": "x: "})


@pytest.fixture(scope="module")
def theirs(folder):
    return folder.theirs(prompts={"query": "question: ", "x": "x: "})


def parameters(function):
    return [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "self" and parameter.kind != parameter.VAR_KEYWORD
    ]


def renamed(function):
    """Older names of arguments, which a decorator takes."""
    return set(re.findall(r"@deprecated_kwargs\((\w+)=", inspect.getsource(function)))


# Argument: values that give what the reference gives for them; and values that are errors.
INIT = {
    "device": ([None, "cpu"], ["cuda", "tpu"]),
    "prompts": ([{"query": "q "}, {"query": "", "a": "b"}, {"query": None}, None], []),
    "default_prompt_name": (["query", None], ["nothing"]),
    "cache_folder": ([None, "/nowhere"], []),
    "trust_remote_code": ([False, True], []),
    "revision": ([None, "main"], []),
    "local_files_only": ([False, True], []),
    "token": ([None, False, "secret"], []),
    "use_auth_token": ([None, False], []),
    "model_kwargs": (
        [None, {}, {"attn_implementation": "eager", "dtype": "float32"}, {"low_cpu_mem_usage": True},
         {"torch_dtype": torch.float32, "use_safetensors": True}, {"device_map": "cpu"}, {"revision": None}],
        [{"dtype": "float16"}, {"attn_implementation": "a/b"}, {"revision": "v2"}, {"nonsense": 1}, [1],
         {"file_name": "x.onnx"}],
    ),
    "processor_kwargs": ([None, {"model_max_length": 9}, {"do_lower_case": True}], [{"subfolder": "x"}]),
    "tokenizer_kwargs": ([None, {"truncation_side": "left"}], []),
    "config_kwargs": ([None, {"num_hidden_layers": 1}, {"layer_norm_eps": 0.1}], [{"cache_dir": "x"}]),
    "model_card_data": ([None, SentenceTransformerModelCardData()], []),
    "backend": (["torch"], ["onnx", "openvino", "tensorflow"]),
    "similarity_fn_name": ([None, "dot", SimilarityFunction.MANHATTAN], ["maxsim"]),
    "truncate_dim": ([None, 5, 100], []),
    "modules": ([None], [[torch.nn.Identity()]]),
}  # fmt: skip

ENCODE = {
    "inputs": [TEXTS, "Hello", PAIRS, ["a", *PAIRS, "b"], {"text": "a"}, [{"text": "a"}, "b"],
               {"text": ("a", "b")}, [{"text": ("a", "b")}], tuple(TEXTS), np.array(TEXTS), np.array(PAIRS),
               []],
    "prompt_name": [None, "x"],
    "prompt": [None, "", "y: "],
    "batch_size": [1, 100],
    "show_progress_bar": [None, False],
    "output_value": ["sentence_embedding", "token_embeddings", None],
    "precision": ["float32", None, "binary", "ubinary"],
    "convert_to_numpy": [True, False],
    "convert_to_tensor": [True, False],
    "device": [None, "cpu", torch.device("cpu")],
    "normalize_embeddings": [True, False],
    "truncate_dim": [None, 3, 100],
    "pool": [None],
    "chunk_size": [None, 3],
    "task": [None, "query", "anything"],
    "processing_kwargs": [None, {"text": {"max_length": 4}}, {"common": {"add_special_tokens": False}}],
    "sentences": [TEXTS],
}  # fmt: skip

ENCODE_ERRORS = {
    "inputs": [{"a"}, {"x": "a"}, [{"role": "user", "content": "a"}], 1, [1],
               {"text": "a", "image": "b"}],
    "prompt_name": ["nothing"],
    "batch_size": [0],
    "output_value": ["nothing"],
    "precision": ["int4"],
    "device": ["cuda", []],
    "nonsense": [1],
}  # fmt: skip


def test_no_argument_is_missing():
    assert set(INIT) == {
        *parameters(SentenceTransformer.__init__),
        *renamed(SentenceTransformer.__init__),
    } - {"model_name_or_path"}
    encode = parameters(SentenceTransformer.encode)
    kwargs = set(
        re.findall(
            r'set\(model_kwargs\) - \{"(\w+)", "(\w+)"\}', inspect.getsource(SentenceTransformer.encode)
        )[0]
    )
    assert set(ENCODE) == {*encode, *kwargs, *renamed(SentenceTransformer.encode)}
    for name in ("encode_query", "encode_document"):
        assert parameters(getattr(SentenceTransformer, name)) == encode
    taken = set(parameters(fastplm.SentenceEncoder.__init__))
    assert taken == {*INIT, "model_name_or_path", "dtype"}, "arguments of ours alone"


@pytest.mark.parametrize(
    "name",
    ["encode", "encode_multi_process", "similarity", "similarity_pairwise", "preprocess",
     "truncate_embeddings", "start_multi_process_pool", "stop_multi_process_pool",
     "set_pooling_include_prompt", "evaluate", "load", "is_singular_input", "supports"],
)  # fmt: skip
def test_order_of_arguments(name):
    """An argument by position means the same in both."""
    want = parameters(getattr(SentenceTransformer, name))
    assert parameters(getattr(fastplm.SentenceEncoder, name))[: len(want)] == want


def test_every_name():
    """Methods and attributes: there, or absent for a reason."""
    names = {name for name in dir(SentenceTransformer) if not name.startswith("_")}
    there = {name for name in dir(fastplm.SentenceEncoder) if not name.startswith("_")}
    names.discard("smart_apply")  # transformers gives it to every module of torch, once it makes a model
    assert names - there - set(ABSENT) == set()
    for constant in ("SUPPORTED_SIMILARITY_FN_NAMES", "model_type"):
        assert getattr(fastplm.SentenceEncoder, constant) == getattr(SentenceTransformer, constant)
    assert not there & set(ABSENT) and set(ABSENT) <= names
    encoder = object.__new__(fastplm.SentenceEncoder)
    for name, reason in ABSENT.items():
        with pytest.raises(AttributeError, match=re.escape(f"{name!r}: {reason}")):
            getattr(encoder, name)
    with pytest.raises(AttributeError, match="nonsense"):
        encoder.nonsense  # noqa: B018


@pytest.mark.parametrize(
    ("name", "value"), [pytest.param(n, v, id=f"{n}={v!r}"[:50]) for n, (vs, _) in INIT.items() for v in vs]
)
def test_arguments_of_the_constructor(folder, name, value):
    if name == "default_prompt_name":
        options = {name: value, "prompts": {"query": "question: "}}
    else:
        options = {name: value}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        ours, theirs = folder.ours(**options), folder.theirs(**options)
    assert_same(ours, theirs)
    for attribute in (
        "prompts",
        "default_prompt_name",
        "similarity_fn_name",
        "truncate_dim",
        "max_seq_length",
    ):
        assert getattr(ours, attribute) == getattr(theirs, attribute), attribute


@pytest.mark.parametrize(
    ("name", "value"), [pytest.param(n, v, id=f"{n}={v!r}"[:50]) for n, (_, vs) in INIT.items() for v in vs]
)
def test_wrong_arguments_of_the_constructor(folder, name, value):
    with pytest.raises((UnsupportedError, TypeError, ValueError)) as error:
        folder.ours(**{name: value})
    named = next(iter(value)) if isinstance(value, dict) else name.replace("default_", "")
    assert str(named) in str(error.value)


def test_more_arguments_of_the_constructor(folder):
    with pytest.raises(TypeError, match="model_name_or_path"):
        fastplm.SentenceEncoder()
    with pytest.raises(ValueError, match="use_auth_token"):
        folder.ours(token="a", use_auth_token="b")
    with pytest.warns(FutureWarning, match="use_auth_token"):
        folder.ours(use_auth_token=False)
    with pytest.raises(TypeError, match="nonsense"):
        folder.ours(nonsense=1)
    assert fastplm.SentenceTransformer is fastplm.SentenceEncoder


def test_what_the_caller_says_comes_before_the_folder(folder, tmp_path):
    copy = object.__new__(SentenceFolder)
    copy.path = tmp_path / "model"
    shutil.copytree(folder.path, copy.path)
    copy.change(
        "sentence_bert_config.json",
        model_kwargs={"dtype": "bfloat16"}, config_kwargs={"num_hidden_layers": 1, "dtype": "float32"},
        processor_kwargs={"model_max_length": 20, "truncation_side": "left"},
    )  # fmt: skip
    copy.change(
        "config_sentence_transformers.json", prompts={"query": "saved ", "a": "a: "}, truncate_dim=5,
        default_prompt_name="a", similarity_fn_name="dot",
    )  # fmt: skip
    options = dict(
        processor_kwargs={"model_max_length": 9}, config_kwargs={"num_hidden_layers": 2}, truncate_dim=7,
        prompts={"query": "given "}, default_prompt_name="query", similarity_fn_name="euclidean",
        model_kwargs={"dtype": "float32"},
    )  # fmt: skip
    ours, theirs = copy.ours(**options), copy.theirs(**options)
    assert_same(ours, theirs)
    assert ours.prompts == theirs.prompts and ours.truncate_dim == 7
    assert ours.similarity_fn_name == theirs.similarity_fn_name == "euclidean"
    assert copy.ours().dtype == copy.theirs().dtype == torch.bfloat16
    assert copy.ours(dtype="float32", model_kwargs={"dtype": "bfloat16"}).dtype == torch.float32


def test_bfloat16(folder):
    ours = folder.ours(model_kwargs={"torch_dtype": torch.bfloat16})
    assert worst_cosine(ours.encode(TEXTS), folder.theirs().encode(TEXTS)) > 0.99
    assert np.array_equal(ours.encode(TEXTS), folder.ours(dtype="bfloat16").encode(TEXTS))
    assert folder.ours(config_kwargs={"dtype": "bfloat16"}).dtype == torch.bfloat16


def test_remote_code(folder, tmp_path):
    copy = object.__new__(SentenceFolder)
    copy.path = tmp_path / "model"
    shutil.copytree(folder.path, copy.path)
    copy.change("config.json", auto_map={"AutoModel": "evil.Model"})
    assert_same(copy.ours(), folder.theirs())
    with pytest.raises(UnsupportedError, match="trust_remote_code"):
        copy.ours(trust_remote_code=True)


@pytest.fixture
def cache(folder, tmp_path):
    """A cache of the hub with two revisions of sentence-transformers/tiny and one of "alone"."""
    for owner, name, commits in (("sentence-transformers--", "tiny", "ab"), ("", "alone", "c")):
        place = tmp_path / f"models--{owner}{name}"
        for i, commit in enumerate(commits):
            copy = object.__new__(SentenceFolder)
            copy.path = place / "snapshots" / (commit * 40)
            shutil.copytree(folder.path, copy.path)
            copy.change("config_sentence_transformers.json", truncate_dim=3 + i)
            (place / "refs").mkdir(exist_ok=True)
            (place / "refs" / ("main" if i == 0 else "v2")).write_text(commit * 40)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "options"),
    [("sentence-transformers/tiny", {}), ("tiny", {}), ("tiny", {"revision": "v2"}), ("alone", {})],
)
def test_names_of_the_hub(cache, monkeypatch, name, options):
    encoder = fastplm.SentenceEncoder(name, cache_folder=cache, **options)
    assert encoder.get_embedding_dimension() == (4 if options else 3)
    if name != "alone":  # which the reference would look for among its own
        want = SentenceTransformer(name, device="cpu", cache_folder=str(cache), **options)
        assert np.allclose(encoder.encode(TEXTS), want.encode(TEXTS), **CLOSE)
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(cache))
    assert np.array_equal(fastplm.SentenceEncoder(name, **options).encode(TEXTS), encoder.encode(TEXTS))
    assert np.array_equal(pickle.loads(pickle.dumps(encoder)).encode(TEXTS), encoder.encode(TEXTS))
    with pytest.raises(FileNotFoundError, match="elsewhere"):
        fastplm.SentenceEncoder("elsewhere", cache_folder=cache)


@pytest.mark.parametrize("name", ["hkunlp/instructor-base", "hkunlp/other"])
def test_instructors_leave_the_prompt_out(folder, tmp_path, name):
    """Three models whose folders do not say so."""
    place = tmp_path / f"models--{name.replace('/', '--')}"
    shutil.copytree(folder.path, place / "snapshots" / ("a" * 40))
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("a" * 40)
    ours = fastplm.SentenceEncoder(name, cache_folder=tmp_path)
    theirs = SentenceTransformer(name, cache_folder=str(tmp_path), device="cpu")
    assert ours[1].include_prompt == theirs[1].include_prompt == (name != "hkunlp/instructor-base")
    assert np.allclose(ours.encode(TEXTS, prompt="x: "), theirs.encode(TEXTS, prompt="x: "), **CLOSE)


def same_result(got, want):
    """Fails unless both are the same kind of thing with the same numbers."""
    if isinstance(want, dict):
        for key in got:
            same_result(got[key], want[key])
        return
    if isinstance(want, list):
        assert isinstance(got, list) and len(got) == len(want)
        for a, b in zip(got, want, strict=True):
            same_result(a, b)
        return
    got, want = np.asarray(got), np.asarray(want)
    if want.ndim and got.shape != want.shape:  # padded
        want = want[: len(got)]
    assert got.shape == want.shape and np.allclose(got, want, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize(
    ("method", "name", "value"),
    [
        pytest.param(method, name, value, id=f"{method}-{name}={value!r}"[:60])
        for method in ("encode", "encode_query", "encode_document")
        for name, values in ENCODE.items()
        for value in values
        if name != "task" or method == "encode"  # the others set it
    ],
)
def test_arguments_of_encode(ours, theirs, method, name, value):
    options = {"inputs": TEXTS, name: value}
    if name == "sentences":
        del options["inputs"]
    got, want = getattr(ours, method)(**options), getattr(theirs, method)(**options)
    same_result(got, want)
    if name in ("convert_to_numpy", "convert_to_tensor", "precision"):
        assert type(got) is type(want)


@pytest.mark.parametrize("method", ["encode", "encode_query", "encode_document"])
@pytest.mark.parametrize(
    ("name", "value"),
    [pytest.param(n, v, id=f"{n}={v!r}"[:50]) for n, vs in ENCODE_ERRORS.items() for v in vs],
)
def test_wrong_arguments_of_encode(ours, theirs, method, name, value):
    options = {"inputs": TEXTS, name: value}
    with pytest.raises((TypeError, ValueError), match=name):
        getattr(ours, method)(**options)
    if name != "output_value":  # a KeyError there
        with pytest.raises((TypeError, ValueError, RuntimeError, AssertionError)):
            getattr(theirs, method)(**options)


def test_arguments_by_position(ours, theirs):
    arguments = (TEXTS, "x", None, 4, False, "sentence_embedding", "float32", True, False, "cpu", True, 5)
    for method in ("encode", "encode_query", "encode_document"):
        got, want = getattr(ours, method)(*arguments), getattr(theirs, method)(*arguments)
        assert got.shape == want.shape == (len(TEXTS), 5) and np.allclose(got, want, **CLOSE)


def test_one_of_two_names(ours):
    for options in ({}, {"inputs": "a", "sentences": "a"}):
        with pytest.raises(TypeError, match="inputs and sentences"):
            ours.encode(**options)
    with pytest.warns(UserWarning, match="prompt_name='x' is ignored"):
        got = ours.encode("a", prompt="y: ", prompt_name="x")
    assert np.array_equal(got, ours.encode("a", prompt="y: "))


def test_pairs_with_a_prompt_outside_the_pooling(folder):
    ours, theirs = folder.ours(), folder.theirs()
    for model in (ours, theirs):
        model.set_pooling_include_prompt(False)
    inputs = ["a", *PAIRS, "b c"]
    with_prompt = theirs.encode(inputs, prompt="question: ")
    assert np.allclose(ours.encode(inputs, prompt="question: "), with_prompt, **CLOSE)
    assert not np.allclose(folder.theirs().encode(inputs, prompt="question: "), with_prompt, **CLOSE)
    assert ours[1].include_prompt is False


@pytest.mark.parametrize("family", ["roberta", "t5"])
def test_pairs_without_types(tmp_path, family):
    """Families whose tokens have no types take pairs too."""
    folder = SentenceFolder(tmp_path / "model", family)
    folder.change("tokenizer_config.json", model_input_names=["input_ids", "attention_mask"])
    assert np.allclose(folder.ours().encode(PAIRS), folder.theirs().encode(PAIRS), **CLOSE)


def test_token_types_of_a_single_text(tmp_path):
    """A tokenizer may give them to texts that come alone."""
    from tokenizers import Tokenizer, processors

    folder = SentenceFolder(tmp_path / "model")
    tokenizer = Tokenizer.from_file(str(folder.path / "tokenizer.json"))
    cls, sep = (tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:2 $A:1 [SEP]:0", pair="[CLS]:0 $A:1 $B:2 [SEP]:0",
        special_tokens=[("[CLS]", cls), ("[SEP]", sep)],
    )  # fmt: skip
    tokenizer.save(str(folder.path / "tokenizer.json"))
    folder.change("tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")
    folder.change(
        "tokenizer_config.json", model_input_names=["input_ids", "token_type_ids", "attention_mask"]
    )
    ours, theirs = folder.ours(), folder.theirs()
    assert_same(ours, theirs)
    assert np.allclose(ours.encode(["a", *PAIRS]), theirs.encode(["a", *PAIRS]), **CLOSE)


def test_modules(ours, theirs):
    assert len(ours) == len(theirs) and len(list(ours)) == len(list(theirs))
    assert list(dict(ours.named_children())) == list(dict(theirs.named_children()))
    for mine, other in zip(ours, theirs, strict=True):
        assert type(mine).__name__ == type(other).__name__
        assert mine.get_embedding_dimension() == other.get_embedding_dimension()
    transformer = ours[0]
    assert transformer is ours._first_module() and ours[1] is ours._last_module() is ours[-1]
    assert transformer.auto_model is transformer.model is ours.transformers_model is ours.model
    assert transformer.tokenizer is transformer.processor is ours.tokenizer is ours.processor
    assert transformer.config is ours.config and ours.config.hidden_size == theirs.config.hidden_size
    assert transformer.get_word_embedding_dimension() == transformer.get_embedding_dimension() == 16
    assert list(transformer.modalities) == theirs[0].modalities and list(ours.modalities) == theirs.modalities
    assert transformer.max_seq_length == theirs[0].max_seq_length
    assert (ours[1].pooling_mode, ours[1].pooling_output_dimension) == ("mean", 16)
    assert ours.supports("text") and not ours.supports("image")
    assert ours.get_model_kwargs() == theirs.get_model_kwargs() == []
    assert ours.get_backend() == theirs.get_backend() == "torch"
    for inputs in ("a", ["a"], {"text": "a"}, [("a", "b")], np.array(["a"]), ("a", "b")):
        assert ours.is_singular_input(inputs) == theirs.is_singular_input(inputs)


def test_changes_to_modules(folder):
    ours, theirs = folder.ours(), folder.theirs()
    for model in (ours, theirs):
        model[1].pooling_mode = "cls"
        model[0].query_length = 6
        model[0].max_seq_length = 9
    assert ours.max_seq_length == theirs.max_seq_length == ours.tokenizer.model_max_length == 9
    assert_same(ours, theirs)
    ours.tokenizer.model_max_length = 5
    theirs[0].tokenizer.model_max_length = 5
    assert_same(ours, theirs)
    with pytest.raises(ValueError, match="pooling_mode"):
        ours[1].pooling_mode = "median"
    for length in (0, "9", True):
        with pytest.raises(ValueError, match="max_seq_length"):
            ours.max_seq_length = length
    ours.tokenizer = fastplm.AutoTokenizer.from_pretrained(folder.path, do_lower_case=True)
    assert np.array_equal(ours.encode("HELLO"), ours.encode("hello"))
    with pytest.raises(TypeError, match="tokenizer: a BertTokenizer"):
        ours.tokenizer = theirs.tokenizer
    ours.max_seq_length = None
    assert ours.max_seq_length == int(1e30)


def test_modes_and_places(ours):
    assert (
        ours.eval() is ours.train(False) is ours.requires_grad_(False) is ours.cpu() is ours.float() is ours
    )
    assert ours.to("cpu") is ours.to(torch.float32) is ours.to(device="cpu") is ours and not ours.training
    assert ours.compile(dynamic=True) is None and str(ours.device) == "cpu" and ours.dtype == torch.float32
    for call in (ours.half, ours.bfloat16, ours.cuda, ours.train, ours.parameters, ours.state_dict,
                 ours.requires_grad_, ours.named_parameters, lambda: ours.to("cuda"),
                 lambda: ours.to(torch.bfloat16)):  # fmt: skip
        with pytest.raises(UnsupportedError):
            call()
    with pytest.raises(UnsupportedError, match="bfloat16"):
        ours.half()


def test_dimensions(folder):
    ours, theirs = folder.ours(), folder.theirs()
    assert ours.get_sentence_embedding_dimension() == theirs.get_embedding_dimension() == 16
    for name in ("truncate_embeddings", "truncate_sentence_embeddings"):
        with getattr(ours, name)(3), theirs.truncate_embeddings(3):
            assert ours.encode("a").shape == theirs.encode("a").shape == (3,)
            assert ours.get_embedding_dimension() == theirs.get_embedding_dimension() == 3
        assert ours.truncate_dim is None and ours.encode("a").shape == (16,)


@pytest.mark.parametrize(
    "options",
    [{}, {"prompt": "x: "}, {"task": "query"}, {"max_length": 6},
     {"processing_kwargs": {"text": {"max_length": 4}}},
     {"max_length": 6, "processing_kwargs": {"text": {"max_length": 4}}}],
    ids=str,
)  # fmt: skip
def test_preprocess(folder, options):
    ours, theirs = folder.ours(), folder.theirs()
    ours[0].query_length = theirs[0].query_length = 5
    for inputs in (TEXTS, PAIRS, [{"text": "a"}]):
        for name in ("preprocess", "tokenize"):
            want = getattr(theirs, name)(inputs, **options)
            for model in (ours, ours[0]):
                got = getattr(model, name)(inputs, **options)
                for key in ("input_ids", "attention_mask", "token_type_ids"):
                    assert np.array_equal(got[key], want[key].numpy()), key
    assert isinstance(ours.tokenize(["a"], return_tensors="pt")["input_ids"], torch.Tensor)
    for call in (lambda: ours.tokenize("a"), lambda: ours.preprocess(["a"], nonsense=1)):
        with pytest.raises(TypeError, match=r"inputs|nonsense"):
            call()


def test_evaluator(ours, theirs):
    """One of sentence-transformers measures our encoder as its own."""
    evaluator = EmbeddingSimilarityEvaluator(
        TEXTS[:4], TEXTS[2:], [0.1, 0.9, 0.3, 0.4], show_progress_bar=False
    )
    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
    got, want = ours.evaluate(evaluator), evaluator(theirs)
    assert got == pytest.approx(want)


def test_load(folder, theirs):
    assert np.array_equal(
        fastplm.SentenceTransformer.load(folder.path).encode("a"), folder.ours().encode("a")
    )
