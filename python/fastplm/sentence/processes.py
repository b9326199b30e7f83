"""Pools of processes that embed: each has the encoder, takes parts of the texts and gives their results."""

import math
import os
import pickle
import queue
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from fastplm import arrays
from fastplm.progress import progress
from fastplm.runtime import num_threads, set_num_threads
from fastplm.sentence.compute import Request
from fastplm.sentence.inputs import Inputs

_MAX_TEXTS = 5000  # of a part that nobody has chosen the size of
_PARTS_PER_PROCESS = 10  # so that none is left waiting for a slower one
_SECONDS_BETWEEN_LOOKS = 1.0

Pool = dict[str, Any]  # "input", "output": queues; "processes": a list


def start_pool(encoder: Any, devices: list[Any]) -> Pool:
    """A process for each device, which share this one's threads between them.

    They are spawned, so a script that starts one needs `if __name__ == "__main__":`.
    """
    if not devices:
        raise ValueError("target_devices: an empty list; expected a device for each process")
    for device in devices:
        arrays.check_device(device)
    import multiprocessing  # which takes longer than the rest of this module

    context = multiprocessing.get_context("spawn")
    tasks, results = context.Queue(), context.Queue()
    threads = max(1, num_threads() // len(devices))
    processes = []
    for _ in devices:
        process = context.Process(target=_work, args=(encoder, threads, tasks, results), daemon=True)
        process.start()
        processes.append(process)
    return {"input": tasks, "output": results, "processes": processes}


def stop_pool(pool: Pool) -> None:
    """Ends the processes of `pool`."""
    for process in pool["processes"]:
        process.terminate()
    for process in pool["processes"]:
        process.join()
        process.close()
    pool["input"].cancel_join_thread()
    pool["input"].close()
    pool["output"].close()


@contextmanager
def borrowed_pool(encoder: Any, pool: Pool | None, devices: list[Any] | None) -> Iterator[Pool]:
    """`pool`, or one on `devices` for the time of the `with` block."""
    if pool is not None:
        if not (isinstance(pool, dict) and {"input", "output", "processes"} <= pool.keys()):
            raise TypeError(f"pool: a {type(pool).__name__}; expected what start_multi_process_pool returned")
        yield pool
        return
    made = start_pool(encoder, devices or [])
    try:
        yield made
    finally:
        stop_pool(made)


def run_in_pool(
    pool: Pool, inputs: Inputs, request: Request, chunk_size: int | None, show: bool | None
) -> Any:
    """What Pipeline.run gives for at least one text, computed by the processes of `pool`.

    chunk_size: texts of a part. Raises what a process raises; RuntimeError if one has ended.
    """
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"chunk_size: {chunk_size}; expected a positive integer")
    count = len(inputs.texts)
    if chunk_size is None:
        share = math.ceil(count / len(pool["processes"]) / _PARTS_PER_PROCESS)
        chunk_size = max(1, min(share, _MAX_TEXTS))
    starts = range(0, count, chunk_size)
    run = os.urandom(8)  # a call that was interrupted may have left results behind
    for number, start in enumerate(starts):
        pool["input"].put((run, number, inputs.part(start, start + chunk_size), request))
    results: list[Any] = [None] * len(starts)
    with progress(count, "text", show) as advance:
        missing = len(starts)
        while missing:
            owner, number, result = _next_result(pool)
            if owner != run:
                continue
            results[number] = result
            missing -= 1
            advance(min(chunk_size, count - starts[number]))
    for result in results:
        if isinstance(result, Exception):
            raise result
    if request.output == "sentence_embedding":
        return np.concatenate(results)
    return [item for result in results for item in result]


def _next_result(pool: Pool) -> Any:
    while True:
        try:
            return pool["output"].get(timeout=_SECONDS_BETWEEN_LOOKS)
        except queue.Empty:
            dead = [process.pid for process in pool["processes"] if not process.is_alive()]
            if dead:
                raise RuntimeError(f"pool: processes {dead} have ended; stop it and start another") from None


def _work(encoder: Any, threads: int, tasks: Any, results: Any) -> None:
    """What a process of a pool does until it is ended."""
    set_num_threads(threads)
    while True:
        run, number, inputs, request = tasks.get()
        try:
            result = encoder.pipeline().run(inputs, request, lambda _: None)
        except Exception as error:
            result = _portable(error)
        results.put((run, number, result))


def _portable(error: Exception) -> Exception:
    """`error`, or what is left of it if it cannot be pickled."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError("".join(traceback.format_exception(error)))
    return error
