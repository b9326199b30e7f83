"""The engine inside a real process: threads, fork, Ctrl-C, and an interpreter that ends in the middle."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
import transformers

import fastplm
from tests.models.tiny import Tiny, random_batch, save_tiny


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bert")
    save_tiny("bert", folder, Tiny(4, 32, 2, 256))
    return fastplm.AutoModel.from_pretrained(folder)


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """A folder with a model that takes seconds for a batch of 64 x 512."""
    folder = tmp_path_factory.mktemp("slow")
    config = transformers.BertConfig(
        hidden_size=768, num_attention_heads=12, intermediate_size=3072, num_hidden_layers=4, vocab_size=100
    )
    transformers.BertModel(config).save_pretrained(folder)
    return folder


def run(program: str, *arguments: object, timeout: float = 120) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


def test_eight_threads_share_a_model(model):
    batches = [random_batch(61, (3, 40, 17 + i), seed=i) for i in range(8)]
    want = [model(*batch)[0] for batch in batches]
    wrong = []

    def work(i):
        for _ in range(30):
            if not np.array_equal(model(*batches[i])[0], want[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_gil_is_free_during_a_call(slow):
    model = fastplm.AutoModel.from_pretrained(slow)
    ids = np.full((8, 512), 7)
    ticks, done = 0, threading.Event()
    thread = threading.Thread(target=lambda: (model(ids), done.set()))
    thread.start()
    while not done.is_set():
        time.sleep(0.005)
        ticks += 1
    thread.join()
    assert ticks > 10


def test_fork_after_use(model):
    ids, mask = random_batch(61, (5, 40))
    want = model(ids, mask)[0]
    for _ in range(3):
        child = os.fork()
        if child == 0:
            os._exit(0 if np.array_equal(model(ids, mask)[0], want) else 1)
        assert wait(child, 20) == 0
    assert np.array_equal(model(ids, mask)[0], want)


def wait(child: int, seconds: float) -> int:
    """A child's exit code; the child is killed if it takes too long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    pytest.fail("the forked child hangs")


def test_pool_of_forked_workers(slow):
    result = run(
        """
        import multiprocessing, sys
        import fastplm
        model = fastplm.AutoModel.from_pretrained(sys.argv[1])
        def total(n):
            return float(model([[5, n, 7]])[0].sum())
        want = [total(n) for n in range(6)]
        with multiprocessing.get_context("fork").Pool(2) as pool:
            print(pool.map(total, range(6)) == want)
        """,
        slow,
    )
    assert (result.returncode, result.stdout.strip()) == (0, "True"), result.stderr


@pytest.mark.parametrize("work", ["model(ids)", "model.engine.forward_packed(packed, cu)"])
@pytest.mark.alone
def test_ctrl_c(slow, work):
    """SIGINT in the middle of a call of seconds: KeyboardInterrupt within 200 ms, and the model works on."""
    result = run(
        """
        import os, signal, sys, threading, time
        import numpy as np
        import fastplm
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
        model = fastplm.AutoModel.from_pretrained(sys.argv[1])
        ids = np.full((64, 512), 7)
        packed, cu = ids.astype(np.int32).ravel(), np.arange(0, 64 * 512 + 1, 512, dtype=np.int32)
        model(ids[:1, :8])
        sent = []
        def interrupt():
            time.sleep(0.5)
            sent.append(time.perf_counter())
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=interrupt).start()
        try:
            WORK
            print("never interrupted")
        except KeyboardInterrupt:
            print((time.perf_counter() - sent[0]) * 1000, model(ids[:1, :8])[0].shape == (1, 8, 768))
        """.replace("WORK", work),
        slow,
    )
    assert result.returncode == 0, result.stderr
    milliseconds, usable = result.stdout.split()
    assert float(milliseconds) < 200 and usable == "True"


@pytest.mark.parametrize("how", ["pass", "raise SystemExit(0)", "sys.exit()"])
def test_interpreter_exit_during_a_call(slow, how):
    result = run(
        f"""
        import sys, threading, time
        import numpy as np
        import fastplm
        model = fastplm.AutoModel.from_pretrained(sys.argv[1])
        ids = np.full((16, 512), 7)
        def forever():
            while True:
                model(ids)
        threading.Thread(target=forever, daemon=True).start()
        time.sleep(0.3)
        print("leaving", flush=True)
        {how}
        """,
        slow,
        timeout=60,
    )
    assert (result.returncode, result.stdout.strip(), result.stderr) == (0, "leaving", "")


def test_inside_a_process_that_uses_torch(slow):
    """torch's own threads before and after: nothing hangs, nothing changes."""
    result = run(
        """
        import sys, torch
        import numpy as np
        import fastplm
        model = fastplm.AutoModel.from_pretrained(sys.argv[1])
        x, ids = torch.randn(500, 500), np.full((2, 64), 7)
        first = None
        for _ in range(5):
            x = x @ x / x.norm()
            out = model(ids)[0]
            assert first is None or np.array_equal(out, first)
            first = out
        print("done")
        """,
        slow,
    )
    assert (result.returncode, result.stdout.strip()) == (0, "done"), result.stderr
