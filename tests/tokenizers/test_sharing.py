"""Threads, processes, pickling, and texts of every size."""

import os
import pickle
import threading
import time
from typing import Any

import numpy as np
import pytest

import fastplm
from fastplm import _engine
from fastplm.tokenizer import AutoTokenizer

TEXTS = ["the cats sat on the mat", "", "中国 café [MASK]", "unaffordable, hello! " * 40, "か", "a"] * 60


@pytest.fixture
def tok(settings: dict[str, Any], load: Any) -> Any:
    return load(settings)[0]


@pytest.fixture
def threads() -> Any:
    before = _engine.num_threads()
    yield _engine.set_num_threads
    _engine.set_num_threads(before)


def test_result_does_not_depend_on_threads(tok: Any, threads: Any) -> None:
    texts = TEXTS * 20  # several chunks
    results = []
    for count in (1, 2, 7):
        threads(count)
        ids, begin = tok.encode_packed(texts)
        batch = tok(texts, padding=True, return_tensors="np", return_offsets_mapping=True)
        results.append((ids.tobytes(), begin.tobytes(), *(v.tobytes() for v in batch.values())))
    assert results[0] == results[1] == results[2]
    ids, begin = tok.encode_packed(texts)
    for i in range(0, len(texts), 97):  # alone as in the batch
        assert tok.encode_packed([texts[i]])[0].tolist() == ids[begin[i] : begin[i + 1]].tolist()


@pytest.mark.parametrize("rest", ["", "e\u0301\u302e\u0323 b\u302f\u302e", "cat . a", " \n cat1 "])
def test_a_long_text_is_shared_out(tok: Any, threads: Any, rest: str) -> None:
    """Among threads, wherever it is cut; a part whose marks change places asks for another way."""

    def ids(text: str) -> Any:
        return tok.encode_packed([text], add_special_tokens=False)[0]

    first, second = "hello the cats, mat " * 15_000, rest + " sat on the mat" * 8_000
    want = np.concatenate([ids(first), ids(second)])
    for count in (1, 4):
        threads(count)
        assert np.array_equal(ids(first + second), want)


def test_eight_threads_share_one(tok: Any) -> None:
    want = tok.encode_packed(TEXTS)[0]
    failures = []

    def work(seed: int) -> None:
        for i in range(20):
            if not np.array_equal(tok.encode_packed(TEXTS)[0], want):
                failures.append((seed, i))
            if tok.decode(tok(TEXTS[0])["input_ids"], skip_special_tokens=True) != TEXTS[0]:
                failures.append((seed, i))

    workers = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures


def test_texts_may_change_while_they_are_read(tok: Any) -> None:
    """Another thread replaces the strings of the list during the call, and frees the old ones."""
    texts = ["hello world " * 200 + str(i) for i in range(200)]
    stop = threading.Event()

    def replace() -> None:
        while not stop.is_set():
            for i in range(len(texts)):
                texts[i] = "hello world " * 200 + str(time.perf_counter())

    worker = threading.Thread(target=replace)
    worker.start()
    try:
        for _ in range(30):
            assert len(tok.encode_packed(texts)[1]) == 201
    finally:
        stop.set()
        worker.join()


def test_tokens_added_during_calls(tok: Any) -> None:
    failures = []

    def work() -> None:
        for _ in range(200):
            if len(tok("the cat")["input_ids"]) != 4:
                failures.append(1)

    worker = threading.Thread(target=work)
    worker.start()
    for i in range(30):
        tok.add_tokens(f"<{i}>")
    worker.join()
    assert not failures
    assert tok("<29>", add_special_tokens=False).tokens() == ["<29>"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fork(tok: Any) -> None:
    texts = TEXTS * 20
    want = tok.encode_packed(texts)[0].tolist()  # the pool is running
    child = os.fork()
    if child == 0:
        os._exit(0 if tok.encode_packed(texts)[0].tolist() == want else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert tok.encode_packed(texts)[0].tolist() == want


def test_pickle(tok: Any) -> None:
    tok.add_tokens(["<new>"])
    tok.padding_side = "left"
    tok.pad_token = "a"
    again = pickle.loads(pickle.dumps(tok))
    texts = [*TEXTS, "a <new> b"]
    assert again(texts, padding=True).data == tok(texts, padding=True).data
    assert again.get_vocab() == tok.get_vocab()
    assert repr(again) == repr(tok)


@pytest.mark.parametrize(
    "text",
    ["hello cats, " * 850_000, "a" * 10_000_000, "中" * 3_400_000, "か" * 3_400_000, "\u0301" * 5_000_000,
     " " * 10_000_000,
     "\0" * 10_000_000, "a\u0301" * 3_400_000, "[" * 10_000_000, "[MASK]" * 1_700_000],
    ids=["words", "one-word", "chinese", "kana", "marks", "spaces", "nul", "accents", "brackets", "special"],
)  # fmt: skip
@pytest.mark.alone
def test_ten_megabytes(tok: Any, text: str) -> None:
    """Linear time: ten times the text takes about ten times as long."""

    def seconds(part: str) -> float:
        start = time.perf_counter()
        tok.encode_packed([part])
        return time.perf_counter() - start

    small = min(seconds(text[: len(text) // 10]) for _ in range(3))
    assert min(seconds(text), seconds(text)) < 40 * small + 0.5
    truncated = tok(text, truncation=True, max_length=16)["input_ids"]
    whole = tok.encode_packed([text])[0]
    assert truncated[:-1] == whole[:15].tolist()[: len(truncated) - 1]


def test_ten_megabytes_with_offsets(tok: Any) -> None:
    text = "hello cats, " * 850_000
    batch = tok([text], return_offsets_mapping=True, add_special_tokens=False)
    assert batch["offset_mapping"][0][-1] == (len(text) - 2, len(text) - 1)


@pytest.mark.alone
def test_truncation_reads_no_more_than_it_needs(tok: Any) -> None:
    text = "hello cats, " * 850_000
    start = time.perf_counter()
    tok.encode_packed([text], truncation=True, max_length=128)
    short = time.perf_counter() - start
    start = time.perf_counter()
    tok.encode_packed([text])
    assert short * 3 < time.perf_counter() - start


def test_import_is_light() -> None:
    import subprocess
    import sys

    code = (
        "import sys; import fastplm.tokenizer; "
        "heavy = {'torch', 'transformers', 'tokenizers', 'huggingface_hub', 'numpy'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    folder = os.path.dirname(os.path.dirname(fastplm.__file__))
    environment = {**os.environ, "PYTHONPATH": folder}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_names_of_the_package() -> None:
    assert fastplm.AutoTokenizer is AutoTokenizer
    assert fastplm.BertTokenizerFast.from_pretrained
