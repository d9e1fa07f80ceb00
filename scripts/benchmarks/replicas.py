"""Many networks side by side against a Python loop over nn.Sequential: a step of gradient descent each."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn

from benchmarks.measure import Row, ratio, seconds
from unitgain.models import MLP
from unitgain.training import LOSSES

POINTS = 100


def rows() -> Iterator[Row]:
    """The rows, on one thread; `value` is how many times as fast, or the ratio that the row names."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for sizes, loss, target in (
            ((2, 2, 1), "binary_cross_entropy", 40),
            ((20, 64, 2), "cross_entropy", 3),
        ):
            name = "-".join(map(str, sizes))
            faster = ratio(loop(sizes, loss, 1024), side_by_side(sizes, loss, (1024,)), rounds=5)
            yield Row(f"1,024 networks {name}, times as fast", "loop of nn.Sequential", faster, target, True)
            single = ratio(side_by_side(sizes, loss, ()), loop(sizes, loss, 1), rounds=300, repeats=5)
            yield Row(f"one network {name}", "nn.Sequential", single, 1.1)
        step = {k: seconds(side_by_side((2, 2, 1), "binary_cross_entropy", (k,)), 20) for k in (1024, 8192)}
        yield Row("rate at 8,192 networks / at 1,024", "-", 8 * step[1024] / step[8192], 0.7, True)
    finally:
        torch.set_num_threads(threads)


def data(sizes: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(POINTS, sizes[0], generator=generator), torch.arange(POINTS) % 2


def stepper(model: nn.Module, x: torch.Tensor, y: torch.Tensor, loss: str) -> Callable[[], None]:
    """One step of plain gradient descent on all of (x, y)."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def step() -> None:
        optimizer.zero_grad()
        LOSSES[loss](model(x), y).sum().backward()
        optimizer.step()

    step()
    return step


def side_by_side(sizes: tuple[int, ...], loss: str, replicas: tuple[int, ...]) -> Callable[[], None]:
    return stepper(MLP(sizes, replicas=replicas), *data(sizes), loss)


def loop(sizes: tuple[int, ...], loss: str, networks: int) -> Callable[[], None]:
    steps = [
        stepper(
            nn.Sequential(nn.Linear(sizes[0], sizes[1]), nn.ReLU(), nn.Linear(sizes[1], sizes[2])),
            *data(sizes),
            loss,
        )
        for _ in range(networks)
    ]

    def step() -> None:
        for one in steps:
            one()

    return step
