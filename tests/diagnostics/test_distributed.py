"""observe in the two processes of a DistributedDataParallel model, on gloo."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import unitgain

PROCESSES = """
import datetime, os, sys, torch, torch.distributed as dist
from contextlib import nullcontext
from torch.nn.parallel import DistributedDataParallel
from tests.diagnostics.test_distributed import STEPS, data, network
from unitgain.diagnostics import observe

def train(rank, kind, watched):
    model = DistributedDataParallel(network(kind), static_graph="reentrant" in kind)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    seen = observe(model, optimizer=optimizer)
    with seen if watched else nullcontext():
        norms = []
        for k in range(STEPS):
            optimizer.zero_grad()
            if kind == "accumulated":
                with model.no_sync():
                    model(data(k + 10, rank)).square().mean().backward()
            model(data(k, rank)).square().mean().backward()
            norms.append([torch.cat([p.grad.flatten() for p in (m.weight, m.bias)]).norm()
                          for m in model.modules() if hasattr(m, "weight")])
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
            optimizer.step()
    rows = [[row.norm for row in record.gradients] for record in seen.steps]
    return norms, rows, list(model.state_dict().values())

def run(folder, rank):
    store, patience = dist.FileStore(folder + "/store", 2), datetime.timedelta(minutes=10)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=patience)
    result = {(kind, watched): train(rank, kind, watched)
              for kind in ("plain", "accumulated", "checkpointed", "reentrant") for watched in (False, True)}
    torch.save(result, f"{folder}/{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()

children = []
for rank in range(2):  # one import for both: torch is slow to load and has started no threads yet
    children.append(os.fork())
    if not children[-1]:
        run(sys.argv[1], rank)
        os._exit(0)
sys.exit(any([os.waitpid(child, 0)[1] for child in children]))
"""

STEPS = 2


def data(k: int, rank: int) -> torch.Tensor:
    return torch.randn(4, 70, generator=torch.Generator().manual_seed(10 * k + rank))


class Checkpointed(torch.nn.Module):
    def __init__(self, body: torch.nn.Module, reentrant: bool) -> None:
        super().__init__()
        self.body, self.reentrant = body, reentrant

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        from torch.utils.checkpoint import checkpoint

        return checkpoint(self.body, x.requires_grad_(), use_reentrant=self.reentrant)


def network(kind: str) -> torch.nn.Module:
    torch.manual_seed(0)  # 70 · 70 entries are measured at once, the others when they are read
    body = torch.nn.Sequential(torch.nn.Linear(70, 70), torch.nn.Tanh(), torch.nn.Linear(70, 1))
    return Checkpointed(body, kind == "reentrant") if kind in ("checkpointed", "reentrant") else body


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[dict]:
    folder = tmp_path_factory.mktemp("processes")
    paths = [Path(unitgain.__file__).parents[1], Path(__file__).parents[2]]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths)), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", PROCESSES, str(folder)], env=environment, check=True)
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("kind", ["plain", "accumulated", "checkpointed", "reentrant"])
def test_gradients_are_those_of_all_processes(runs, kind):
    for run in runs:
        norms, rows, state = run[kind, True]
        assert len(rows) == STEPS
        for ours, expected in zip(rows, norms, strict=True):
            torch.testing.assert_close(torch.stack(ours), torch.stack(expected))
        assert all(map(torch.equal, state, run[kind, False][2]))
    first, second = (torch.tensor(run[kind, True][1]) for run in runs)
    assert torch.equal(first, second)
