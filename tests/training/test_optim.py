"""The fused AdamW and Adafactor against torch's."""

import copy
import pickle
from typing import Any

import pytest
import torch

import fastplm
from fastplm.optim import Adafactor, AdamW
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


@pytest.mark.parametrize("again", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_copies(again: Any) -> None:
    ours = AdamW(parameters(), lr=0.1, max_norm=1.5, skip_nonfinite=True)
    train(ours, range(2))
    other = again(ours)
    for optimizer in (ours, other):
        train(optimizer, range(2, 4))
    assert other.grad_norm == ours.grad_norm and other.max_norm == 1.5 and other.skip_nonfinite
    assert_same(*([p for group in o.param_groups for p in group["params"]] for o in (other, ours)))


def test_masters_of_a_state_without_them() -> None:
    """They begin at the parameters, and the moments are those of the state."""
    params = parameters(torch.bfloat16)
    theirs = torch.optim.AdamW(params, lr=0.1)
    train(theirs, range(2))
    ours = AdamW(params, lr=0.1, master_weights=True)
    ours.load_state_dict(theirs.state_dict())
    before = copy.deepcopy(theirs.state_dict()["state"])
    for i, p in enumerate(params):
        state = ours.state[p]
        assert torch.equal(state["master"], p.detach().float()) and state["exp_avg"].dtype == torch.float32
        assert torch.equal(state["exp_avg_sq"], before[i]["exp_avg_sq"].float())
    train(ours, range(2, 3))
    for p in params:
        assert torch.equal(p, ours.state[p]["master"].bfloat16()) and int(ours.state[p]["step"]) == 3


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


# --- Adafactor --------------------------------------------------------------------------------------------

FACTORED = [(3,), (70_001,), (5, 7), (), (130, 33), (3, 4, 5), (1, 1), (2100, 40)]


def factored(dtype: torch.dtype = torch.float32) -> list[torch.nn.Parameter]:
    g = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(s, generator=g).to(dtype)) for s in FACTORED]


every_setting = pytest.mark.parametrize(
    "settings",
    [
        {},
        {"lr": 0.5, "beta2_decay": -0.5, "eps": (1e-3, 0.5), "d": 1.5, "weight_decay": 0.1},
        {"eps": (2.0, 0.0), "maximize": True, "foreach": True},
    ],
    ids=["default", "other", "clamped"],
)


@every_setting
def test_adafactor_is_torchs(settings: dict[str, Any]) -> None:
    ours, theirs = factored(), factored()
    optimizer, reference = Adafactor(ours, **settings), torch.optim.Adafactor(theirs, **settings)
    train(optimizer, range(5))
    train(reference, range(5))
    assert_same(ours, theirs, atol=5e-6, rtol=1e-5)  # steps of up to 1.5
    for p, q in zip(ours, theirs, strict=True):
        a, b = optimizer.state[p], reference.state[q]
        assert a.keys() == b.keys()
        for name in a:
            torch.testing.assert_close(a[name], b[name], atol=1e-6, rtol=4e-5)


@every_setting
def test_adafactor_in_bfloat16(settings: dict[str, Any]) -> None:
    """At most twice as far from float64 as torch is, with torch's states."""
    eps = settings.get("eps", (torch.finfo(torch.bfloat16).eps, 1e-3))
    ours, theirs, exact = factored(torch.bfloat16), factored(torch.bfloat16), factored(torch.bfloat16)
    for p in exact:
        p.data = p.data.double()
    optimizers = [
        Adafactor(ours, **settings),
        torch.optim.Adafactor(theirs, **settings),
        torch.optim.Adafactor(exact, **{**settings, "eps": eps}),
    ]
    for step in range(5):
        set_grads(ours, step)
        for p, q, r in zip(ours, theirs, exact, strict=True):
            assert p.grad is not None
            q.grad, r.grad = p.grad.clone(), p.grad.double()
        for optimizer in optimizers:
            optimizer.step()
    for p, q, r in zip(ours, theirs, exact, strict=True):
        assert (p - r).norm() <= 2 * (q - r).norm() + 2**-8 * r.norm()
        a, b = optimizers[0].state[p], optimizers[1].state[q]
        assert {k: (v.dtype, v.shape) for k, v in a.items()} == {k: (v.dtype, v.shape) for k, v in b.items()}


@pytest.mark.parametrize(
    ("begin", "end", "made"),
    [
        (AdamW, torch.optim.AdamW, parameters),
        (torch.optim.AdamW, AdamW, parameters),
        (Adafactor, torch.optim.Adafactor, factored),
        (torch.optim.Adafactor, Adafactor, factored),
    ],
)
def test_state_dicts_interchange(begin: Any, end: Any, made: Any) -> None:
    """Begun with one, continued with the other."""
    groups = lambda ps: [{"params": ps[:2], "lr": 0.2}, {"params": ps[2:]}]  # noqa: E731
    ours, theirs = made(), made()
    first = begin(groups(ours))
    train(first, range(3))
    second = end(groups(ours))
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    train(second, range(3, 6))
    plain = begin if begin.__module__.startswith("torch") else end
    train(plain(groups(theirs)), range(6))
    assert_same(ours, theirs, **NEAR)
    assert second.state_dict()["param_groups"][0].keys() == first.state_dict()["param_groups"][0].keys()


def test_adafactor_does_not_depend_on_threads() -> None:
    before = fastplm.num_threads()
    results = []
    try:
        for threads in (1, 2):
            fastplm.set_num_threads(threads)
            results.append(factored())
            train(Adafactor(results[-1]), range(3))
    finally:
        fastplm.set_num_threads(before)
    assert all(map(torch.equal, *results))


def test_adafactor_with_nothing_to_do() -> None:
    """Empty parameters, those without a gradient, a closure; NaN as torch has it."""
    empty, still, moved = (torch.nn.Parameter(torch.ones(s)) for s in ((0, 4), (3,), (2, 3)))
    optimizer = Adafactor([empty, still, moved])
    empty.grad, moved.grad = torch.zeros_like(empty), torch.full_like(moved, float("nan"))
    assert optimizer.step(lambda: 2.5) == 2.5
    assert torch.equal(still, torch.ones(3)) and not optimizer.state[still] and moved.isnan().all()


@pytest.mark.parametrize(
    ("param", "error", "text"),
    [
        (
            torch.ones(3, 4).T,
            ValueError,
            r"Adafactor: a parameter of shape \[4, 3\] on cpu is not contiguous",
        ),
        (torch.ones(3, device="meta"), ValueError, r"Adafactor: a parameter .* on meta .* not on the CPU"),
        (
            torch.ones(3, dtype=torch.float64),
            TypeError,
            "Adafactor: a parameter is torch.float64; expected float32",
        ),
    ],
)
def test_what_adafactor_refuses(param: torch.Tensor, error: type[Exception], text: str) -> None:
    p = torch.nn.Parameter(param)
    p.grad = torch.ones_like(param)
    with pytest.raises(error, match=text):
        Adafactor([p]).step()


def test_adafactor_refuses_what_torch_refuses() -> None:
    with pytest.raises(ValueError, match="Clipping threshold d should be >= 1"):
        Adafactor(factored(), d=0.5)
    with pytest.raises(TypeError, match="momentum"):
        Adafactor(factored(), momentum=1)  # type: ignore[call-arg]
    p = torch.nn.Parameter(torch.ones(3))
    p.grad = torch.ones(3).to_sparse()
    with pytest.raises(ValueError, match="Adafactor: a gradient is sparse; expected dense gradients"):
        Adafactor([p]).step()
