"""Networks on small tables, side by side: every replica has its own split of the data and its own weights."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from experiments.replicas import generators
from unitgain.datasets import Examples, breast_cancer, circles, digits, split, wine
from unitgain.models import MLP
from unitgain.optimizers import Adam
from unitgain.training import accuracy, train

NAMES = {"digits": "Digits", "breast_cancer": "Breast cancer", "wine": "Wine", "circles": "Circles"}
HIDDEN, RATE = 32, 0.01
TEST, MOST = 0.4, 500  # share of the examples kept for the test, and the most to train on


class Sets(NamedTuple):
    """Training and test examples of every replica: x (replicas, n, features), y (replicas, n)."""

    x: Tensor
    y: Tensor
    test_x: Tensor
    test_y: Tensor


@cache
def real(name: str) -> Examples:
    """A table that is read once."""
    return {"digits": digits, "breast_cancer": breast_cancer, "wine": wine}[name]()


def _examples(name: str, generator: torch.Generator) -> Examples:
    return circles(600, center=10.0, generator=generator) if name == "circles" else real(name)


def table_sets(name: str, replicas: int, seed: int, *, test=TEST, most=MOST, device="cpu") -> Sets:
    """Each replica's own split of a table (of the circles, at [10, 10], its own draw)."""
    rows = []
    for generator in generators(seed + 1, replicas):
        parts = split(*_examples(name, generator), validation=test, generator=generator)
        rows.append((parts.train.x[:most], parts.train.y[:most], *parts.validation))
    return Sets(*(torch.stack(column).to(device) for column in zip(*rows, strict=True)))


def standardized(x: Tensor, by: Tensor) -> Tensor:
    """`x` by the mean and standard deviation of the rows of `by`, 1 where that is 0."""
    sd, mean = torch.std_mean(by, dim=-2, correction=0, keepdim=True)
    return (x - mean) / sd.masked_fill(sd == 0, 1)


def fitted(x: Tensor, y: Tensor, *, epochs: int, seed: int) -> MLP:
    """ReLU networks trained on `x` (*replicas, n, features), the last dimension of replicas their seed."""
    replicas, classes = x.shape[:-2], int(y.max()) + 1
    draws = generators(seed, replicas[-1], times=replicas[:-1].numel())
    sizes = (x.shape[-1], HIDDEN, classes)
    model = MLP(sizes, "relu", replicas=replicas, weight="he_normal", generator=draws, device=x.device)
    train(model, x, y, loss="cross_entropy", optimizer=Adam(model.parameters(), lr=RATE), epochs=epochs)
    return model


@torch.no_grad()
def score(model: MLP, x: Tensor, y: Tensor) -> Tensor:
    """Accuracy of every network."""
    return accuracy(model(x), y)
