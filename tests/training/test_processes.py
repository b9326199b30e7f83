"""Several processes: an accelerated model is a plain module, so DistributedDataParallel carries it."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import fastplm
from tests.training.test_accelerate import batch, losses, plain

ROOT = Path(__file__).parents[2]
STEPS = 3


def train(folder: Path) -> None:
    """One of two processes, which takes its half of the batch."""
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    model = fastplm.accelerate(plain("roberta").train())
    inputs = {name: t[2 * rank : 2 * rank + 2] for name, t in four(model).items()}
    losses(torch.nn.parallel.DistributedDataParallel(model), STEPS, inputs)
    if rank == 0:
        torch.save(model.state_dict(), folder / "weights.pt")
    torch.distributed.destroy_process_group()


def four(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    inputs = batch(model)
    return {name: torch.cat([t, t[:1].flip(-1)]) for name, t in inputs.items()}


@pytest.mark.slow
def test_two_processes_are_one_on_the_joined_batch(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone", "-m"]
    subprocess.run([*command, "tests.training.test_processes", tmp_path], cwd=ROOT, check=True, timeout=300)
    model = fastplm.accelerate(plain("roberta").train())
    losses(model, STEPS, four(model))
    for name, t in torch.load(tmp_path / "weights.pt", weights_only=True).items():
        torch.testing.assert_close(t, model.state_dict()[name], atol=1e-4, rtol=1e-3, msg=name)


if __name__ == "__main__":
    train(Path(sys.argv[1]))
