"""What test_sharing.py tests on WordPiece, on a tokenizer of every kind: copies, processes, threads."""

import os
import pickle
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tokenizers")

from fastplm import AutoTokenizer, _engine
from tests.fuzz.families import FAMILIES, tokenizer_files
from tests.fuzz.texts import LINES, Texts

KINDS = [family for family in FAMILIES if family != "mixed"]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return [*LINES, *Texts("shared", LINES, ["<s>", "boat"]).block(0, 3000), "\n".join(LINES) * 60]


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    folder = tmp_path_factory.mktemp("kinds")
    paths = {kind: next(iter(tokenizer_files(kind, folder, None, pipelines=1))) for kind in KINDS}
    return lambda kind: AutoTokenizer.from_pretrained(paths[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_pickle(load: Callable[[str], Any], kind: str, texts: list[str]) -> None:
    tok = load(kind)
    tok.add_tokens(["\u00e9tait"])
    again = pickle.loads(pickle.dumps(tok))
    for mine, theirs in zip(again.encode_packed(texts), tok.encode_packed(texts), strict=True):
        assert np.array_equal(mine, theirs)
    assert (
        again(texts[:50], return_offsets_mapping=True).data
        == tok(texts[:50], return_offsets_mapping=True).data
    )
    assert again.get_vocab() == tok.get_vocab()
    ids = tok(texts[3])["input_ids"]
    assert again.decode(ids) == tok.decode(ids)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_fork_after_use(load: Callable[[str], Any], kind: str, texts: list[str]) -> None:
    tok = load(kind)
    want = tok.encode_packed(texts)[0].tobytes()
    child = os.fork()
    if child == 0:
        try:
            same = (
                tok.encode_packed(texts)[0].tobytes() == want
                and load(kind).encode_packed(texts)[0].tobytes() == want
            )
            os._exit(0 if same else 1)
        except BaseException:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert tok.encode_packed(texts)[0].tobytes() == want


def test_threads_share_tokenizers(load: Callable[[str], Any], texts: list[str]) -> None:
    """Eight threads, each of which uses all kinds in turn: what they remember of words must not mix."""
    toks = {kind: load(kind) for kind in KINDS}
    fields = texts[:60]
    want = {kind: tok.encode_packed(texts)[0].tobytes() for kind, tok in toks.items()}
    rows = {kind: tok(fields, return_offsets_mapping=True).data for kind, tok in toks.items()}

    def work(seed: int) -> list[str]:
        order = KINDS[seed % len(KINDS) :] + KINDS[: seed % len(KINDS)]
        wrong = []
        for kind in order * 2:
            tok = toks[kind]
            if tok.encode_packed(texts)[0].tobytes() != want[kind]:
                wrong.append(f"{kind}: ids")
            if tok(fields, return_offsets_mapping=True).data != rows[kind]:
                wrong.append(f"{kind}: fields")
        return wrong

    with ThreadPoolExecutor(8) as pool:
        assert [wrong for found in pool.map(work, range(8)) for wrong in found] == []


@pytest.mark.parametrize("kind", KINDS)
def test_threads_of_the_engine(load: Callable[[str], Any], kind: str, texts: list[str]) -> None:
    tok, before, results = load(kind), _engine.num_threads(), set()
    try:
        for count in (1, 2, 5):
            _engine.set_num_threads(count)
            batch = tok(texts[:400], padding=False, return_offsets_mapping=True)
            results.add((tok.encode_packed(texts)[0].tobytes(), str(batch.data)))
    finally:
        _engine.set_num_threads(before)
    assert len(results) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.alone
def test_python_runs_on_during_a_call(load: Callable[[str], Any], kind: str) -> None:
    """The GIL is released: another thread counts while one long text is encoded."""
    tok, text = load(kind), "\n".join(LINES) * 1500
    ticks: list[float] = []
    stop = threading.Event()

    def count() -> None:
        while not stop.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    try:
        start = time.perf_counter()
        tok.encode_packed([text])
        end = time.perf_counter()
    finally:
        stop.set()
        thread.join()
    during = [tick for tick in ticks if start < tick < end]
    assert len(during) > 2, f"{len(during)} ticks in {end - start:.3f} s"
