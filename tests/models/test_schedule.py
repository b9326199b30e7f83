"""How a forward pass is shared out: threads are busy whatever the lengths of its texts."""

import random

import pytest

from fastplm import _engine

RANDOM = random.Random(0)
WORKLOADS = {
    "short": [RANDOM.randint(4, 24) for _ in range(1000)],
    "equal": [12] * 1000,
    "mixed": [RANDOM.choice((5, 10, 20, 60, 128, 300)) for _ in range(1000)],
    "spread": [RANDOM.randint(1, 512) for _ in range(1000)],
    "one-long": [*(RANDOM.randint(4, 24) for _ in range(999)), 512],
    "few": [RANDOM.randint(4, 64) for _ in range(70)],
    "long": [512] * 100,
    "one-text": [512],
}


@pytest.mark.parametrize("name", WORKLOADS)
def test_threads_are_idle_a_tenth_of_the_time_at_most(name):
    shares = {n: _engine.idle_share(WORKLOADS[name], n) for n in range(2, 65)}
    assert {n: round(share, 3) for n, share in shares.items() if not 0 <= share <= 0.1} == {}
    assert _engine.idle_share(WORKLOADS[name], 1) == pytest.approx(0)


def test_idle_time_is_counted():
    """Groups of a few hundred tokens cannot divide among threads without a rest."""
    assert any(_engine.idle_share(WORKLOADS["short"], n) > 0.01 for n in range(2, 65))


def test_bad_arguments():
    with pytest.raises(ValueError, match="lengths holds -1; expected 0 or more"):
        _engine.idle_share([3, -1], 2)
    with pytest.raises(ValueError, match="threads is 0; expected 1 or more"):
        _engine.idle_share([3], 0)
