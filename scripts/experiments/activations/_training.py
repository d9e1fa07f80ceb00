"""Networks on the digits, side by side: every replica has its own split of the data and its own weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from experiments.replicas import Sets, generators
from unitgain.datasets import digits, split
from unitgain.models import MLP
from unitgain.optimizers import SGD
from unitgain.training import accuracy, train
from unitgain.transforms import StandardScaler

BATCH = 32
EXAMPLES = 1797  # all digits


def raw(x: Tensor, _: Tensor) -> Tensor:
    return x


def unit_range(x: Tensor, _: Tensor) -> Tensor:
    """Pixels from 0 to 1."""
    return x / 16


def standardized(x: Tensor, training: Tensor) -> Tensor:
    return StandardScaler().fit(training).transform(x)


def digit_sets(
    seed: int,
    replicas: int,
    scale: Callable[[Tensor, Tensor], Tensor],
    *,
    test: float = 0.0,
    device: torch.device | str = "cpu",
) -> Sets:
    """Each replica's own split of the digits; `scale(x, training)` knows the training part only."""
    x, y = (tensor[:EXAMPLES] for tensor in digits(device=device))
    rows = []
    for draw in generators(seed + 1, replicas):
        parts = split(x, y, test=test, generator=draw)
        inputs = [scale(part.x, parts.train.x) if len(part.x) else part.x for part in parts]
        rows.append([tensor for a, part in zip(inputs, parts, strict=True) for tensor in (a, part.y)])
    return Sets(*map(torch.stack, zip(*rows, strict=True)))


def against(model, labels: Tensor) -> Tensor:
    """`labels` (replicas, n) with a dimension for each that `model` has before its replicas."""
    return labels[(None,) * (len(model.replicas) - 1)]


@torch.no_grad()
def score(model, x: Tensor, y: Tensor) -> Tensor:
    """Accuracy of every network."""
    return accuracy(model(x), against(model, y))


def descend(model, sets: Sets, rate: Tensor, *, epochs: int, seed: int, callback=None) -> None:
    """Plain stochastic gradient descent; `rate` broadcasts with the networks, their replicas last.

    All take their batches by the same positions, but each replica has shuffled its own examples before.
    """
    train(
        model,
        sets.x,
        against(model, sets.y),
        loss="cross_entropy",
        optimizer=SGD(model.parameters(), lr=rate[..., None, None]),
        epochs=epochs,
        batch_size=BATCH,
        generator=torch.Generator().manual_seed(seed),
        callback=callback,
    )


def at_rates(
    sizes, activation: str, weight: str, rates, networks: int, seed: int, device
) -> tuple[MLP, Tensor]:
    """Networks (rates, networks) with the same first weights at every rate, and the rates to descend with."""
    draws = generators(seed, networks, times=len(rates))
    model = MLP(
        sizes, activation, replicas=(len(rates), networks), weight=weight, generator=draws, device=device
    )
    return model, torch.tensor(rates, device=device)[:, None]
