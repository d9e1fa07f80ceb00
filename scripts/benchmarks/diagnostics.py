"""What watching a training loop costs: 784-256×5-10 in batches of 128, plain SGD, beside the bare loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from benchmarks.measure import Row, ratio
from unitgain.diagnostics import observe

SIZES = (784, 256, 256, 256, 256, 256, 10)
BATCH = 128
PEER = "bare training step"


def rows() -> Iterator[Row]:
    """The rows, on one thread; everything that `observe` can see is watched, the optimizer included."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for every, target in ((10, 1.04), (1, 1.3)):
            yield Row(f"observe, every={every}", PEER, ratio(loop(every), loop(None), rounds=15), target)
        yield Row("observe, after the block", PEER, ratio(loop(0), loop(None), rounds=15), 1.01)
    finally:
        torch.set_num_threads(threads)


def loop(every: int | None, steps: int = 20) -> Callable[[], None]:
    """`steps` steps; None: never observed, 0: observed before, not now."""
    generator = torch.Generator().manual_seed(0)
    layers = [part for m, n in pairwise(SIZES) for part in (nn.Linear(m, n), nn.ReLU())][:-1]
    model = nn.Sequential(*layers)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    x, y = torch.randn(BATCH, SIZES[0], generator=generator), torch.arange(BATCH) % SIZES[-1]

    def run(watched: bool) -> None:
        with observe(model, every=every or 1, optimizer=optimizer) if watched else nullcontext():
            for _ in range(steps):
                optimizer.zero_grad()
                functional.cross_entropy(model(x), y).backward()
                optimizer.step()

    run(every is not None)
    return lambda: run(bool(every))
