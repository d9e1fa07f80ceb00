"""Networks on small tables, side by side: every replica has its own split of the data and its own weights."""

from __future__ import annotations

from functools import cache, partial

import torch
from torch import Tensor

from experiments.trials import descend, generators, stacked
from unitgain.datasets import Examples, breast_cancer, circles, digits, split, wine
from unitgain.models import MLP

NAMES = {"digits": "Digits", "breast_cancer": "Breast cancer", "wine": "Wine", "circles": "Circles"}
HIDDEN, RATE = 32, 0.01
TEST, MOST = 0.4, 500  # share of the examples kept for the test, and the most to train on
ADAM = partial(torch.optim.Adam, fused=True)  # the same as ours, in one pass over each tensor


@cache
def real(name: str) -> Examples:
    """A table that is read once."""
    return {"digits": digits, "breast_cancer": breast_cancer, "wine": wine}[name]()


def table_sets(name: str, replicas: int, seed: int, *, most=MOST, device="cpu") -> tuple[Examples, Examples]:
    """What each replica trains on and is tested on: x (replicas, n, features), y (replicas, n).

    Each has its own split of a table; of the circles, at [10, 10], its own draw.
    """
    made = []
    for order, points in zip(*(generators(seed, replicas, name) for name in ("split", "data")), strict=True):
        table = circles(600, center=10.0, generator=points) if name == "circles" else real(name)
        parts = split(*table, validation=TEST, generator=order)
        made.append((parts.train.x[:most], parts.train.y[:most], *parts.validation))
    x, y, *test = (part.to(device) for part in stacked(made))
    return Examples(x, y), Examples(*test)


def standardized(x: Tensor, by: Tensor) -> Tensor:
    """`x` by mean and standard deviation of the rows of `by`, 1 where that is 0: (…, n, features) each."""
    sd, mean = torch.std_mean(by, dim=-2, correction=0, keepdim=True)
    return (x - mean) / sd.masked_fill(sd == 0, 1)


def fitted(x: Tensor, y: Tensor, *, epochs: int, seed: int) -> MLP:
    """ReLU networks trained on `x` (*replicas, n, features), the last dimension of replicas their seed."""
    replicas, classes = x.shape[:-2], int(y.max()) + 1
    draws = generators(seed, replicas[-1], times=replicas[:-1].numel())
    sizes = (x.shape[-1], HIDDEN, classes)
    model = MLP(sizes, "relu", replicas=replicas, weight="he_normal", generator=draws, device=x.device)
    descend(model, Examples(x, y), RATE, seed=seed, epochs=epochs, optimizer=ADAM)
    return model
