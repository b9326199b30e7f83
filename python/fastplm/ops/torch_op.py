"""How a function of the library becomes an operator of torch.

An operator is registered once, as `torch.ops.fastplm.<name>`, with a fake kernel, so that torch.compile
sees one node of known shapes. Eager calls take a shorter way: straight to the function, inside an
`autograd.Function` where a gradient is wanted. Both run the same forward and backward code.
"""

from collections.abc import Callable
from typing import Any

import torch

from fastplm import _ops
from fastplm.devices import stream_of
from fastplm.errors import UnsupportedError

LIBRARY: Any = torch.library.Library("fastplm", "DEF")
_PLAIN = (torch.Tensor, torch.nn.Parameter)

# Torch's OpenMP threads spin for a while after each of its operations, fastplm's own after each of ours. On
# as many cores as threads each would wait for the other's, so in a process that trains there is one team:
# torch's.
_ops.borrow_openmp_threads()


def _traced(args: tuple[Any, ...]) -> bool:
    """Whether something watches the operators that are called: a compiler, a mode, a subclass of Tensor."""
    if torch.compiler.is_compiling() or torch._C._len_torch_dispatch_stack():
        return True
    return any(isinstance(a, torch.Tensor) and type(a) not in _PLAIN for a in args)


class Operator:
    """`schema` as torch.library has it, the function that computes it, and what shapes it returns. The first
    argument is a tensor.
    """

    def __init__(self, schema: str, run: Callable[..., Any], fake: Callable[..., Any]) -> None:
        def detached(*args: Any) -> Any:  # DLPack refuses tensors that require a gradient
            with stream_of(args[0].device):
                return run(*(a.detach() if isinstance(a, torch.Tensor) else a for a in args))

        self.name = schema.split("(")[0]
        LIBRARY.define(schema)
        LIBRARY.impl(self.name, detached, "CPU")
        LIBRARY.impl(self.name, detached, "CUDA")
        torch.library.register_fake(f"fastplm::{self.name}", fake, lib=LIBRARY)
        self.run = detached
        self.registered = getattr(torch.ops.fastplm, self.name).default

    def __call__(self, *args: Any) -> Any:
        return self.registered(*args) if _traced(args) else self.run(*args)


class Differentiable(Operator):
    """An operator with a gradient: `save(ctx, inputs, output)` and `backward(ctx, *grads)` as in
    autograd.Function.
    """

    def __init__(
        self,
        schema: str,
        run: Callable[..., Any],
        fake: Callable[..., Any],
        save: Callable[..., None],
        backward: Callable[..., Any],
    ) -> None:
        super().__init__(schema, run, fake)

        def save_first(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.set_materialize_grads(False)
            save(ctx, inputs, output)

        def backward_once(ctx: Any, *grads: Any) -> Any:
            if torch.is_grad_enabled():
                raise UnsupportedError(
                    f"{self.name}: a gradient of its gradient is asked for (create_graph=True); expected "
                    "first derivatives only"
                )
            return backward(ctx, *grads)

        torch.library.register_autograd(
            f"fastplm::{self.name}", backward_once, setup_context=save_first, lib=LIBRARY
        )
        self._function: Any = type(
            self.name,
            (torch.autograd.Function,),
            {
                "forward": staticmethod(self.run),
                "setup_context": staticmethod(save_first),
                "backward": staticmethod(backward_once),
            },
        )

    def __call__(self, *args: Any) -> Any:
        if _traced(args):
            return self.registered(*args)
        if torch.is_grad_enabled():
            return self._function.apply(*args)
        return self.run(*args)


def rows(x: torch.Tensor) -> torch.Tensor:
    """As [rows, last dimension]."""
    return x.view(-1, x.shape[-1]) if x.numel() else x.reshape(x.shape[:-1].numel(), x.shape[-1])


def nothing(like: torch.Tensor) -> torch.Tensor:
    """In the place of an output that a call does not have: operators return tensors only."""
    return like.new_empty(0)


def as_float(t: torch.Tensor | None) -> torch.Tensor | None:
    return None if t is None else t.float()


def seed(p: float, like: torch.Tensor) -> torch.Tensor | None:
    """Two 64-bit numbers of torch's generator for that device, for one dropout: follows torch.manual_seed and
    checkpointing.
    """
    return torch.randint(-(2**63), 2**63 - 1, (2,), device=like.device) if p else None


def autocast(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """In the type that torch's autocast has for their device, if it is on."""
    kind = tensors[0].device.type
    if not torch.is_autocast_enabled(kind):
        return tensors
    dtype = torch.get_autocast_dtype(kind)
    return tuple(t.to(dtype) for t in tensors)


def check_same_device(name: str, *tensors: torch.Tensor | None) -> None:
    first: torch.Tensor | None = None
    for t in tensors:
        if t is None:
            continue
        if t.device.type not in ("cpu", "cuda"):
            raise UnsupportedError(f"{name}: a tensor is on {t.device}; expected cpu or cuda")
        first = t if first is None else first
        if t.device != first.device:
            raise UnsupportedError(
                f"{name}: tensors are on {first.device} and {t.device}; expected one device"
            )
