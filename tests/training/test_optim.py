"""The fused AdamW against torch's."""

import copy
from typing import Any

import pytest
import torch

from fastplm.optim import AdamW
from tests.devices import every_device


def parameters(dtype: torch.dtype = torch.float32, device: str = "cpu") -> list[torch.nn.Parameter]:
    g = torch.Generator().manual_seed(0)
    shapes = [(3,), (70_001,), (5, 7), (), (0, 4)]
    return [torch.nn.Parameter(torch.randn(s, generator=g).to(device, dtype)) for s in shapes]


def set_grads(params: list[torch.nn.Parameter], step: int) -> None:
    g = torch.Generator().manual_seed(step)
    for p in params:
        p.grad = (torch.randn(p.shape, generator=g) * 3).to(p)


def train(optimizer: torch.optim.Optimizer, steps: range, max_norm: float | None = None) -> None:
    params = [p for group in optimizer.param_groups for p in group["params"]]
    for step in steps:
        set_grads(params, step)
        if max_norm is not None:
            torch.nn.utils.clip_grad_norm_(params, max_norm)
        optimizer.step()


SETTINGS: list[dict[str, Any]] = [
    {},
    {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.3},
    {"weight_decay": 0.0, "lr": 1e-5},
]


# Roundings of steps of at most 0.2.
NEAR = {"atol": 1e-6, "rtol": 1e-5}


def assert_same(ours: list[torch.nn.Parameter], theirs: list[torch.nn.Parameter], **tolerance: float) -> None:
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, **tolerance)


@pytest.mark.parametrize("settings", SETTINGS, ids=["default", "other", "no-decay"])
@every_device
def test_is_torchs(settings: dict[str, Any], device: str) -> None:
    ours, theirs = parameters(device=device), parameters(device=device)
    train(AdamW(ours, **settings), range(5))
    train(torch.optim.AdamW(theirs, **settings), range(5))
    assert_same(ours, theirs, atol=1e-6, rtol=1e-5)


@every_device
def test_clips_as_torch_does(device: str) -> None:
    ours, theirs = parameters(device=device), parameters(device=device)
    optimizer = AdamW(ours, lr=0.1, max_norm=1.5)
    train(optimizer, range(4))
    train(torch.optim.AdamW(theirs, lr=0.1), range(4), max_norm=1.5)
    assert_same(ours, theirs, atol=1e-5, rtol=1e-5)
    set_grads(theirs, 3)
    norm = torch.nn.utils.clip_grad_norm_(theirs, 1.5)
    assert optimizer.grad_norm == pytest.approx(norm.item(), rel=1e-5)
    assert ours[1].grad is not None and ours[1].grad.norm() > 100  # gradients stay as they are


@pytest.mark.parametrize(("size", "max_norm"), [(3.0, 1.5), (3.0, 1e6), (1e-8, 1e-6)])
def test_what_is_clipped_and_by_how_much(size: float, max_norm: float) -> None:
    """The means say, as the step itself hardly depends on the gradients' size."""
    ours, theirs = parameters(), parameters()
    optimizer, reference = AdamW(ours, max_norm=max_norm), torch.optim.AdamW(theirs)
    for params in (ours, theirs):
        set_grads(params, 0)
        for p in params:
            assert p.grad is not None
            p.grad *= size / 3
    torch.nn.utils.clip_grad_norm_(theirs, max_norm)
    optimizer.step()
    reference.step()
    for a, b in zip(ours, theirs, strict=True):
        got, want = optimizer.state[a]["exp_avg"], reference.state[b]["exp_avg"]
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-6 * size)


def test_sparse_gradients_are_refused() -> None:
    table = torch.nn.Embedding(5, 3, sparse=True)
    table(torch.tensor([1])).sum().backward()
    with pytest.raises(ValueError, match="a gradient is sparse"):
        AdamW(table.parameters()).step()


@pytest.mark.parametrize("begin", [AdamW, torch.optim.AdamW])
def test_state_dicts_interchange(begin: type[torch.optim.Optimizer]) -> None:
    """Begun with one, continued with the other."""
    end = torch.optim.AdamW if begin is AdamW else AdamW
    groups = lambda ps: [{"params": ps[:2], "lr": 0.2}, {"params": ps[2:]}]  # noqa: E731
    ours, theirs = parameters(), parameters()
    first = begin(groups(ours))  # type: ignore[call-arg]
    train(first, range(3))
    second = end(groups(ours))  # type: ignore[call-arg]
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    train(second, range(3, 6))
    train(torch.optim.AdamW(groups(theirs)), range(6))
    assert_same(ours, theirs, **NEAR)
    assert second.state_dict()["param_groups"][0].keys() == first.state_dict()["param_groups"][0].keys()


@every_device
def test_bfloat16_states_are_torchs(device: str) -> None:
    ours, theirs = parameters(torch.bfloat16, device), parameters(torch.bfloat16, device)
    first = AdamW(ours, lr=0.1)
    train(first, range(3))
    train(torch.optim.AdamW(theirs, lr=0.1), range(3))
    assert first.state[ours[0]]["exp_avg"].dtype == torch.bfloat16
    assert_same(ours, theirs, atol=2**-5, rtol=2**-7)


@every_device
def test_master_weights_follow_float32(device: str) -> None:
    """Steps too small for bfloat16 add up; a saved state continues as if nothing had been saved."""
    ours, exact = parameters(torch.bfloat16, device), parameters(device=device)
    for p, q in zip(ours, exact, strict=True):
        q.data.copy_(p.data)
    optimizer = AdamW(ours, lr=1e-4, master_weights=True)
    reference = torch.optim.AdamW(exact, lr=1e-4)
    for step in range(20):
        if step == 10:
            saved = copy.deepcopy(optimizer.state_dict())
            optimizer = AdamW(ours, lr=1e-4, master_weights=True)
            optimizer.load_state_dict(saved)
        set_grads(ours, step)
        for p, q in zip(ours, exact, strict=True):
            q.grad = None if p.grad is None else p.grad.float()
        optimizer.step()
        reference.step()
    for p, q in zip(ours, exact, strict=True):
        torch.testing.assert_close(optimizer.state[p]["master"], q.data, atol=1e-6, rtol=1e-5)
        assert torch.equal(p.data, optimizer.state[p]["master"].bfloat16())


@every_device
def test_nonfinite_gradients(device: str) -> None:
    """As torch without the option; with it, the step is left out and counted."""
    ours = parameters(device=device)
    optimizer = AdamW(ours, skip_nonfinite=True)
    train(optimizer, range(1))
    before = copy.deepcopy(ours)
    set_grads(ours, 1)
    ours[1].grad.view(-1)[17] = float("nan")  # type: ignore[union-attr]
    optimizer.step()
    assert optimizer.skipped_steps == 1
    assert_same(ours, before, atol=0, rtol=0)
    plain = AdamW(ours)
    plain.step()
    assert ours[1][17].isnan() and ours[1].isnan().sum() == 1


def test_a_learning_rate_schedule_and_a_closure() -> None:
    ours, theirs = parameters(), parameters()
    for params, cls in ((ours, AdamW), (theirs, torch.optim.AdamW)):
        optimizer = cls(params, lr=0.1)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, 4)
        for step in range(4):
            set_grads(params, step)
            assert optimizer.step(lambda: torch.tensor(2.5)) == 2.5
            schedule.step()
    assert_same(ours, theirs, **NEAR)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"amsgrad": True}, ValueError, "AdamW: amsgrad is True; expected False"),
        ({"maximize": True}, ValueError, "AdamW: maximize is True; expected False"),
        ({"momentum": 1}, TypeError, "AdamW: there is no argument 'momentum'"),
        ({"max_norm": 0.0}, ValueError, "AdamW: max_norm is 0.0; expected a value > 0"),
        ({"lr": -1.0}, ValueError, "Invalid learning rate"),
    ],
)
def test_bad_arguments(options: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        AdamW(parameters(), **options)
