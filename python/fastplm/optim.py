"""Optimizers that update all parameters in one pass over memory."""

from collections.abc import Callable
from typing import Any

import torch

from fastplm import _ops
from fastplm.devices import on_cuda, stream_of, workspace

_FLOATS = ("exp_avg", "exp_avg_sq", "master")  # float32 with master_weights, whatever the parameter's type


class AdamW(torch.optim.AdamW):
    """torch.optim.AdamW with one fused update, and with clipping of the gradients' norm in the same pass.

    State and state_dict are those of torch.optim.AdamW, and either reads the other's. max_norm: gradients
    of all parameters are scaled down together to this norm, as torch.nn.utils.clip_grad_norm_ does, but
    they are not written; the last norm is `grad_norm`. skip_nonfinite: a step whose gradients hold NaN or
    infinity changes nothing and is counted in `skipped_steps` (on CUDA, each step then waits for the device).
    master_weights: parameters in bfloat16 or float16 are kept in float32 too, as `master` in the state,
    with exp_avg and exp_avg_sq in float32.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        *,
        max_norm: float | None = None,
        skip_nonfinite: bool = False,
        master_weights: bool = False,
        **others: Any,
    ) -> None:
        for name, value in others.items():
            if name not in ("amsgrad", "maximize", "foreach", "capturable", "differentiable", "fused"):
                raise TypeError(f"AdamW: there is no argument {name!r}")
            if value and name not in ("foreach", "fused"):
                raise ValueError(f"AdamW: {name} is {value}; expected False")
        if max_norm is not None and not max_norm > 0:
            raise ValueError(f"AdamW: max_norm is {max_norm}; expected a value > 0")
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
        self.max_norm, self.skip_nonfinite, self.master_weights = max_norm, skip_nonfinite, master_weights
        self._norm: float | torch.Tensor | None = None
        self.skipped_steps = 0

    @property
    def grad_norm(self) -> float | None:
        """The norm of all gradients in the last step; on CUDA, asking for it waits for the device."""
        return None if self._norm is None else float(self._norm)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = _loss_of(closure)
        with torch.no_grad():
            self._update()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)  # brings states to the parameters' type
        saved = [i for group in state_dict["param_groups"] for i in group["params"]]
        params = [p for group in self.param_groups for p in group["params"]]
        for i, p in zip(saved, params, strict=True):
            state = state_dict["state"].get(i, {})
            if "master" in state:
                copies = {name: state[name].to(p.device, copy=True) for name in _FLOATS}
                self.state[p].update(copies)
            elif state and self._mixes(p):  # of an optimizer without masters
                self.state[p].update({name: state[name].to(p.device, torch.float32) for name in _FLOATS[:2]})
                self.state[p]["master"] = p.detach().float()

    def __getstate__(self) -> dict[str, Any]:
        own = ("max_norm", "skip_nonfinite", "master_weights", "_norm", "skipped_steps")
        return {**super().__getstate__(), **{name: getattr(self, name) for name in own}}

    def _mixes(self, p: torch.Tensor) -> bool:
        """Whether a parameter has a copy in float32."""
        return self.master_weights and p.dtype in (torch.bfloat16, torch.float16)

    def _update(self) -> None:
        scale: float | torch.Tensor = 1.0
        if self.max_norm is not None or self.skip_nonfinite:
            every = [_grad(p) for group in self.param_groups for p in group["params"] if p.grad is not None]
            norm = self._norm = _norm_of(every)
            if self.skip_nonfinite and not norm < float("inf"):
                self.skipped_steps += 1
                return
            if self.max_norm is not None:  # as clip_grad_norm_
                scale = self.max_norm / (norm + 1e-6)
                scale = min(1.0, scale) if isinstance(scale, float) else scale.clamp(max=1.0)
        for group in self.param_groups:
            for name in ("amsgrad", "maximize", "capturable", "differentiable"):
                if group.get(name):
                    raise ValueError(f"AdamW: {name} is {group[name]} in a group; expected False")
            params = [p for p in group["params"] if p.grad is not None]
            if params:
                self._update_group(group, params, scale)

    def _update_group(
        self, group: dict[str, Any], params: list[torch.Tensor], scale: float | torch.Tensor
    ) -> None:
        states = [self._state_of(p) for p in params]
        for state in states:
            state["step"] += 1
        beta1, beta2 = group["betas"]
        masters = [s["master"] for s in states if "master" in s]
        plain = [i for i, s in enumerate(states) if "master" not in s]
        mixed = [i for i, s in enumerate(states) if "master" in s]
        for chosen, copies in ((plain, []), (mixed, masters)):
            if not chosen:
                continue
            on_host = isinstance(scale, float)
            with stream_of(params[0].device):
                _ops.adamw(
                    [params[i].detach() for i in chosen],
                    [_grad(params[i]) for i in chosen],
                    [states[i]["exp_avg"] for i in chosen],
                    [states[i]["exp_avg_sq"] for i in chosen],
                    copies,
                    torch.tensor([int(states[i]["step"]) for i in chosen]),
                    float(group["lr"]),
                    float(beta1),
                    float(beta2),
                    group["eps"],
                    group["weight_decay"],
                    scale if on_host else 1.0,
                    None if on_host else scale,
                )

    def _state_of(self, p: torch.Tensor) -> dict[str, Any]:
        state: dict[str, Any] = self.state[p]
        if not state:
            if not p.is_contiguous() or p.device.type not in ("cpu", "cuda"):
                raise ValueError(
                    f"AdamW: a parameter of shape {list(p.shape)} on {p.device} is not contiguous or neither "
                    "on the CPU nor on CUDA; expected contiguous parameters there"
                )
            mixed = self._mixes(p)
            zeros = torch.zeros(p.shape, dtype=torch.float32 if mixed else p.dtype, device=p.device)
            state.update(step=torch.tensor(0.0), exp_avg=zeros, exp_avg_sq=zeros.clone())
            if mixed:
                state["master"] = p.detach().float()
        return state


class Adafactor(torch.optim.Adafactor):
    """torch.optim.Adafactor with one fused update: arguments, state and state_dict are torch's, and either
    reads the other's. Parameters are in float32 or bfloat16 on the CPU; `foreach` changes nothing.
    """

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = _loss_of(closure)
        with torch.no_grad():
            for group in self.param_groups:
                params = [p for p in group["params"] if p.grad is not None]
                if params:
                    self._update_group(group, params)
        return loss

    def _update_group(self, group: dict[str, Any], params: list[torch.Tensor]) -> None:
        states = [self._state_of(p) for p in params]
        for state in states:
            state["step"] += 1
        eps1, eps2 = group["eps"]
        if eps1 is None:
            eps1 = torch.finfo(params[0].dtype).eps  # torch too takes the first one's for the whole group
        values = [p.detach() for p in params]
        _ops.adafactor(
            values,
            [_grad(p, "Adafactor") for p in params],
            [s["row_var"] for s in states if "row_var" in s],
            [s["col_var"] if "col_var" in s else s["variance"] for s in states],
            torch.tensor([int(s["step"]) for s in states]),
            float(group["lr"]),
            group["beta2_decay"],
            eps1,
            eps2,
            group["d"],
            group["weight_decay"],
            bool(group["maximize"]),
            workspace(_ops.adafactor_workspace(values), params[0]),
        )

    def _state_of(self, p: torch.Tensor) -> dict[str, Any]:
        state: dict[str, Any] = self.state[p]
        if not state:
            if not p.is_contiguous() or p.device.type != "cpu":
                raise ValueError(
                    f"Adafactor: a parameter of shape {list(p.shape)} on {p.device} is not contiguous or not "
                    "on the CPU; expected contiguous parameters there"
                )
            if p.dtype not in (torch.float32, torch.bfloat16):
                raise TypeError(f"Adafactor: a parameter is {p.dtype}; expected float32 or bfloat16")
            state["step"] = torch.tensor(0.0)
            if p.dim() > 1:
                state["row_var"] = p.new_zeros((*p.shape[:-1], 1))
                state["col_var"] = p.new_zeros((*p.shape[:-2], 1, p.shape[-1]))
            else:
                state["variance"] = torch.zeros_like(p)
        return state


def _loss_of(closure: Callable[[], Any] | None) -> Any:
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()


def _norm_of(grads: list[torch.Tensor]) -> float | torch.Tensor:
    """On CUDA a tensor of one value, which nobody has waited for."""
    if not grads or not on_cuda(grads[0]):
        return float(_ops.global_norm(grads))
    norm = grads[0].new_empty(1, dtype=torch.float32)
    with stream_of(norm.device):
        _ops.global_norm_on_cuda(grads, norm, workspace(_ops.norm_workspace(grads), norm))
    return norm


def _grad(p: torch.Tensor, name: str = "AdamW") -> torch.Tensor:
    assert p.grad is not None
    if p.grad.is_sparse:
        raise ValueError(f"{name}: a gradient is sparse; expected dense gradients")
    return p.grad.detach().contiguous()
