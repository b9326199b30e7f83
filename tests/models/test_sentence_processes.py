"""Encoders travel: copies, pickles, and pools of processes."""

import concurrent.futures
import copy
import multiprocessing
import pickle
import subprocess
import sys

import numpy as np
import pytest

import fastplm
from fastplm.sentence import processes
from tests.models.sentence_folder import TEXTS, SentenceFolder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return SentenceFolder(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def encoder(folder):
    """One whose state differs from its folder's in every way that can be set."""
    encoder = folder.ours(prompts={"query": "question: "}, default_prompt_name="query", dtype="bfloat16")
    encoder.similarity_fn_name, encoder.truncate_dim, encoder.max_seq_length = "dot", 9, 12
    encoder.set_pooling_include_prompt(False)
    encoder[1].pooling_mode = ("mean", "cls")
    encoder.tokenizer.add_tokens(["hello world"])
    return encoder


@pytest.fixture(scope="module")
def pool(encoder):
    pool = encoder.start_multi_process_pool(["cpu", "cpu"])
    yield pool
    encoder.stop_multi_process_pool(pool)


def embedded(encoder):
    return encoder.encode(TEXTS)


@pytest.mark.parametrize(
    "again",
    [copy.copy, copy.deepcopy, *(lambda e, n=n: pickle.loads(pickle.dumps(e, n)) for n in (2, 5))],
    ids=["copy", "deepcopy", "pickle 2", "pickle 5"],
)
def test_copies(encoder, again):
    other = again(encoder)
    assert np.array_equal(embedded(other), embedded(encoder))
    for name in (
        "prompts",
        "default_prompt_name",
        "similarity_fn_name",
        "truncate_dim",
        "max_seq_length",
        "dtype",
    ):
        assert getattr(other, name) == getattr(encoder, name), name


def test_a_deep_copy_is_its_own(encoder):
    other = copy.deepcopy(encoder)
    before = embedded(encoder)
    other.prompts["query"], other.max_seq_length, other[1].pooling_mode = "", 5, "max"
    other.tokenizer.add_tokens(["o w"])
    assert not np.array_equal(embedded(other), before)
    assert np.array_equal(embedded(encoder), before)
    assert other.model.engine is encoder.model.engine, "the weights are shared"


def test_a_pickle_holds_no_weights_and_no_secret(folder):
    encoder = folder.ours(token="secret")
    data = pickle.dumps(encoder)
    assert b"secret" not in data and str(folder.path).encode() in data
    assert len(data) < (folder.path / "model.safetensors").stat().st_size + 20_000


def test_a_pickle_needs_no_working_directory(folder, monkeypatch):
    monkeypatch.chdir(folder.path.parent)
    encoder = fastplm.SentenceEncoder(folder.path.name)
    data = pickle.dumps(encoder)
    monkeypatch.chdir("/")
    assert np.array_equal(embedded(pickle.loads(data)), embedded(encoder))


def test_another_process(encoder):
    """What joblib, Ray and Dask do."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as executor:
        assert np.array_equal(executor.submit(embedded, encoder).result(timeout=120), embedded(encoder))


@pytest.mark.parametrize(
    "options",
    [{}, {"chunk_size": 1}, {"chunk_size": 100}, {"prompt": "x: "}, {"precision": "binary"},
     {"truncate_dim": 3}, {"normalize_embeddings": True}, {"convert_to_tensor": True},
     {"output_value": "token_embeddings"},
     {"output_value": None}, {"task": "query", "processing_kwargs": {"text": {"max_length": 4}}}],
    ids=str,
)  # fmt: skip
def test_pool(encoder, pool, options):
    for inputs in (TEXTS, "one", [], [("a", "b"), "c"]):
        got = encoder.encode(inputs, pool=pool, **options)
        want = encoder.encode(inputs, **{k: v for k, v in options.items() if k != "chunk_size"})
        assert type(got) is type(want)
        if isinstance(want, list | dict):
            assert str(got) == str(want)
        else:
            assert np.array_equal(np.asarray(got), np.asarray(want))


def test_pool_by_its_older_name(encoder, pool):
    got = encoder.encode_multi_process(TEXTS, pool, None, "x: ", 32, 2, False, "float32", True, 5)
    assert np.array_equal(got, encoder.encode(TEXTS, prompt="x: ", normalize_embeddings=True, truncate_dim=5))
    assert len(pool["processes"]) == 2 and {"input", "output"} < set(pool)


def test_errors_in_a_pool(encoder, pool):
    with pytest.raises(ValueError, match="surrogate"):
        encoder.encode(["a", "\ud800"], pool=pool)
    with pytest.raises(ValueError, match="chunk_size"):
        encoder.encode(["a"], pool=pool, chunk_size=0)
    assert np.array_equal(encoder.encode(TEXTS, pool=pool), embedded(encoder)), "the pool lives on"


@pytest.mark.parametrize("wrong", [3, {}, ["cpu"]], ids=str)
def test_what_is_not_a_pool(encoder, wrong):
    with pytest.raises(TypeError, match=r"pool: a .*; expected what start_multi_process_pool returned"):
        encoder.encode(["a", "b"], pool=wrong)


def test_results_left_behind(encoder, pool):
    """Those of a call that was interrupted do not end up in the next one's."""
    part = processes.Inputs(["left behind"], None)
    pool["input"].put(("an older call", 0, part, processes.Request()))
    assert np.array_equal(encoder.encode(TEXTS, pool=pool), embedded(encoder))


def test_devices_of_a_call(encoder):
    assert np.array_equal(encoder.encode(TEXTS, device=["cpu"]), embedded(encoder))
    for devices in (["cuda:0"], ["cpu", "tpu"]):
        with pytest.raises(fastplm.UnsupportedError, match="device"):
            encoder.start_multi_process_pool(devices)
    with pytest.raises(ValueError, match="target_devices"):
        encoder.start_multi_process_pool([])


def test_a_pool_that_has_died(encoder):
    pool = encoder.start_multi_process_pool(["cpu"])
    try:
        pool["processes"][0].kill()
        pool["processes"][0].join()
        with pytest.raises(RuntimeError, match="have ended"):
            encoder.encode(TEXTS, pool=pool)
    finally:
        encoder.stop_multi_process_pool(pool)


def test_an_error_that_cannot_travel():
    class Local(Exception):
        pass

    error = processes._portable(Local("lost"))
    assert type(error) is RuntimeError and "lost" in str(error)
    assert isinstance(processes._portable(ValueError("kept")), ValueError)


def test_pools_need_no_torch(folder):
    program = (
        "import sys; sys.modules['torch'] = None\nimport fastplm\n"
        "if __name__ == '__main__':\n"
        "    encoder = fastplm.SentenceEncoder(sys.argv[1])\n"
        "    pool = encoder.start_multi_process_pool(['cpu'])\n"
        "    print(encoder.encode(['a', 'b'], pool=pool).shape)\n"
        "    encoder.stop_multi_process_pool(pool)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, folder.path], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "(2, 16)"


def test_default_devices(encoder, monkeypatch):
    """Four processes on the CPU, as in sentence-transformers; each has its share of the threads."""
    started = []

    class Process:
        def __init__(self, target, args, daemon):
            started.append(args[1])

        def start(self):
            pass

    context = multiprocessing.get_context("spawn")
    monkeypatch.setattr(context, "Process", Process)
    monkeypatch.setattr(processes, "num_threads", lambda: 10)
    encoder.start_multi_process_pool()
    assert started == [2] * 4
