"""Interleaved timing: every round runs each contender once, so that a slow minute slows them all alike.

Between two contenders the parent waits until every worker's CPU time stands still: a peer whose threads spin after
its call (libgomp does, for a few milliseconds) is then asleep before the next one starts. Work of strangers on the
machine is watched too: a round in which they used more than `DISTURBED` of a core is repeated, up to a limit.
"""

import time
from dataclasses import dataclass, field
from statistics import median

import psutil

from bench.worker import Worker

DISTURBED = 0.15  # share of one core, taken by other processes or by the hypervisor


@dataclass
class Timing:
    """Seconds per call of one contender: one median per round."""

    rounds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return median(self.rounds)

    @property
    def best(self) -> float:
        return min(self.rounds)


@dataclass
class Interleaved:
    timings: dict[str, Timing]
    disturbed_rounds: int  # how many of the counted rounds were disturbed by other work


def interleave(workers: dict[str, Worker], rounds: int, burst_seconds: float = 0.25) -> Interleaved:
    """Time the prepared workload of every worker, which has run once, over `rounds` rounds.

    Short calls are repeated within a round, after one that is not counted.
    """
    calls = {}
    for name, worker in workers.items():
        (first,) = worker.seconds(warm=0, calls=1)
        calls[name] = max(1, min(200, int(burst_seconds / first)))

    clean: list[dict[str, float]] = []
    disturbed: list[dict[str, float]] = []
    while len(clean) < rounds and len(clean) + len(disturbed) < 2 * rounds:
        watch = _OtherWork(workers)
        taken = {}
        for name, worker in workers.items():
            _wait_until_idle(workers)
            watch.resume()
            taken[name] = median(worker.seconds(warm=1 if calls[name] > 1 else 0, calls=calls[name]))
            watch.pause()
        (disturbed if watch.share() > DISTURBED else clean).append(taken)

    counted = clean + disturbed[: max(0, rounds - len(clean))]
    timings = {name: Timing([taken[name] for taken in counted]) for name in workers}
    return Interleaved(timings, len(counted) - len(clean))


def _wait_until_idle(workers: dict[str, Worker], limit: float = 1.0) -> None:
    """Return once no worker has used CPU for 30 ms (the kernel counts in steps of 10 ms), at the latest after `limit`."""
    deadline = time.monotonic() + limit
    before = -1.0
    while time.monotonic() < deadline:
        now = sum(worker.cpu_seconds() for worker in workers.values())
        if now == before:
            return
        before = now
        time.sleep(0.03)


class _OtherWork:
    """CPU time that neither the workers nor this process used, while it was watched."""

    def __init__(self, workers: dict[str, Worker]) -> None:
        self._workers = workers
        self._self = psutil.Process()
        self._seconds = 0.0
        self._foreign = 0.0

    def _now(self) -> tuple[float, float]:
        times = psutil.cpu_times()
        busy = sum(times) - times.idle - times.iowait - times.guest - times.guest_nice
        own = self._self.cpu_times()
        ours = own.user + own.system + sum(worker.cpu_seconds() for worker in self._workers.values())
        return time.monotonic(), busy - ours

    def resume(self) -> None:
        self._start = self._now()

    def pause(self) -> None:
        end = self._now()
        self._seconds += end[0] - self._start[0]
        self._foreign += end[1] - self._start[1]

    def share(self) -> float:
        """Foreign CPU time in cores; clock ticks of 10 ms make short rounds look a little disturbed at random."""
        return max(0.0, self._foreign - 0.02 * len(self._workers)) / max(self._seconds, 1e-9)
