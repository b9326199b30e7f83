"""A contender in a process of its own, driven over a pipe, so that peers share nothing but the cores."""

import multiprocessing
import os
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import psutil

from bench.peers import CONTENDERS
from bench.peers.base import Array, Peer


class WorkerError(RuntimeError):
    """The contender failed; the message is the traceback of its process."""


class Worker:
    """The parent's handle. Every method waits for the answer; timings are taken inside the worker."""

    def __init__(
        self,
        name: str,
        model: Any,
        threads: int,
        serve: Callable[[Connection, str, Any, int], None] | None = None,
    ) -> None:
        """serve: what the process does with the pipe; None: it embeds, as the contender of that name."""
        self.name = name
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        environment = {"OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "true",
                       "RAYON_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}  # fmt: skip
        kept = {key: os.environ.get(key) for key in environment}
        os.environ.update(environment)
        try:
            self._process = context.Process(
                target=serve or _serve, args=(theirs, name, model, threads), daemon=True
            )
            self._process.start()
        finally:
            for key, value in kept.items():
                os.environ.pop(key) if value is None else os.environ.update({key: value})
        theirs.close()
        self._answer()
        self._usage = psutil.Process(self._process.pid)

    def prepare_ids(self, ids: Array, mask: Array) -> None:
        self._ask("prepare_ids", ids, mask)

    def prepare_ragged(self, texts: list[str], as_ids: bool) -> int:
        """Work on texts, or on their token ids made beforehand. Returns the batch size that proved best."""
        result: int = self._ask("prepare_ragged", texts, as_ids)
        return result

    def embed(self) -> Array:
        """The embeddings of what was prepared, for comparing contenders with each other."""
        result: Array = self._ask("embed")
        return result

    def seconds(self, warm: int, calls: int) -> list[float]:
        """Run the workload `warm` times untimed, then `calls` times, each timed."""
        result: list[float] = self._ask("seconds", warm, calls)
        return result

    def cpu_seconds(self) -> float:
        times = self._usage.cpu_times()
        return float(times.user + times.system)

    def close(self) -> None:
        self._pipe.close()
        self._process.join(timeout=5)
        if self._process.is_alive():
            self._process.terminate()

    def _ask(self, *message: Any) -> Any:
        self._pipe.send(message)
        return self._answer()

    def _answer(self) -> Any:
        try:
            good, value = self._pipe.recv()
        except EOFError:
            self._process.join()
            raise WorkerError(
                f"{self.name}: its process died with exit code {self._process.exitcode}"
            ) from None
        if not good:
            raise WorkerError(f"{self.name}: {value}")
        return value


BATCH_SIZES = (8, 16, 32, 64)  # tried by every peer that pads, except where its default is what is measured
SAMPLE = 200  # texts to try them on


def serve(pipe: Connection, make: Callable[[], Any]) -> None:
    """Of the worker's process: answers what is asked of the methods of `make()`, until nobody asks."""
    try:
        server = make()
    except BaseException:
        pipe.send((False, traceback.format_exc()))
        return
    pipe.send((True, None))
    while True:
        try:
            command, *arguments = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send((True, getattr(server, command)(*arguments)))
        except Exception:
            pipe.send((False, traceback.format_exc()))


def _serve(pipe: Connection, name: str, model: str, threads: int) -> None:
    serve(pipe, lambda: _Server(CONTENDERS[name].create(model, threads)))


class _Server:
    """The worker's side: the methods that `Worker` asks for by name."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.workload: Callable[[], Array]

    def prepare_ids(self, ids: Array, mask: Array) -> None:
        self.peer.prepare(*ids.shape)
        self.workload = lambda: self.peer.embed_ids(ids, mask)

    def prepare_ragged(self, texts: list[str], as_ids: bool) -> int:
        if self.peer.chooses_batch_size:
            sample = texts[:SAMPLE]
            self.workload = lambda: self.peer.embed_texts(sample)
            taken = {}
            for self.peer.batch_size in BATCH_SIZES:
                taken[self.peer.batch_size] = min(self.seconds(warm=1, calls=1))
            self.peer.batch_size = min(taken, key=lambda size: taken[size])
            self.peer.chooses_batch_size = False  # once
        if as_ids:
            ids = self.peer.tokenize(texts)
            self.workload = lambda: self.peer.embed_ragged(ids)
        else:
            self.workload = lambda: self.peer.embed_texts(texts)
        return self.peer.batch_size

    def embed(self) -> Array:
        return self.workload()

    def seconds(self, warm: int, calls: int) -> list[float]:
        for _ in range(warm):
            self.workload()
        taken = []
        for _ in range(calls):
            start = time.perf_counter()
            self.workload()
            taken.append(time.perf_counter() - start)
        return taken
