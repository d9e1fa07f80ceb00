"""BatchNorm against torch's fused nn.BatchNorm1d: alone, and in a step of training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from benchmarks.measure import Row, ratio
from unitgain.layers import BatchNorm

PEER = "nn.BatchNorm1d"
BATCH, WIDTH = 128, 256
INPUTS, CLASSES, HIDDEN = 784, 10, 5


def rows() -> Iterator[Row]:
    """The rows, on one thread; forward and backward."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for layout, examples_dim in (("", -2), (", as columns", -1)):
            ours, peer = alone(BatchNorm(WIDTH, examples_dim=examples_dim)), alone(nn.BatchNorm1d(WIDTH))
            slower = ratio(ours, peer, rounds=300, repeats=5)
            yield Row(f"BatchNorm {BATCH}×{WIDTH}{layout}", PEER, slower, 2.1)
        slower = ratio(step(BatchNorm), step(nn.BatchNorm1d), rounds=75)
        yield Row(f"BatchNorm in a step of {INPUTS}-{WIDTH}×{HIDDEN}-{CLASSES}", PEER, slower, 1.15)
    finally:
        torch.set_num_threads(threads)


def alone(norm: nn.Module) -> Callable[[], None]:
    """Forward and backward of the layer in training."""
    columns = getattr(norm, "examples_dim", -2) == -1
    x = torch.randn(BATCH, WIDTH, generator=torch.Generator().manual_seed(0))
    x = (x.mT.contiguous() if columns else x).requires_grad_()
    gradient = torch.ones_like(x)

    def work() -> None:
        norm(x).backward(gradient)
        x.grad = None

    return work


def step(norm: Callable[[int], nn.Module]) -> Callable[[], None]:
    """One step of gradient descent on one batch; all but the normalization is torch's."""
    widths, modules = [INPUTS, *[WIDTH] * HIDDEN], list[nn.Module]()
    for inputs, units in pairwise(widths):
        modules += [nn.Linear(inputs, units), norm(units), nn.ReLU()]
    model = nn.Sequential(*modules, nn.Linear(WIDTH, CLASSES))
    x = torch.randn(BATCH, INPUTS, generator=torch.Generator().manual_seed(0))
    y = torch.arange(BATCH) % CLASSES
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def work() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    return work
