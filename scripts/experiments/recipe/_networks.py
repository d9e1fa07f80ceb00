"""MNIST digits at half their resolution, and networks that are set up badly, well, or in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from experiments.replicas import Sets, generators
from unitgain.datasets import mnist, split
from unitgain.initializers import normal_
from unitgain.models import MLP
from unitgain.optimizers import SGD, Adam
from unitgain.training import accuracy, cross_entropy, train

EXAMPLES = 5000  # all that there are; a third each for training, validation and test
BATCH = 50
SIDE = 14
DEPTHS = {"one hidden layer": (SIDE * SIDE, 25, 10), "four hidden layers": (SIDE * SIDE, *[25] * 4, 10)}
OPTIMIZERS = {"SGD": SGD, "Adam": Adam}
RATES = {"SGD": (0.001, 0.01, 0.1, 1.0, 10.0), "Adam": (0.001, 0.003, 0.01, 0.03, 0.1)}
RAW_FACTOR = 10.0
SMALL_WEIGHTS = partial(normal_, std=0.01)
SUITED = {"sigmoid": "glorot_normal", "tanh": "glorot_normal", "relu": "he_normal"}


def digit_sets(seed: int, splits: int, device: torch.device | str) -> Sets:
    """Raw pixels, 0 to 255, each the mean of 2 × 2; every split shuffles the digits for itself."""
    x, y = mnist(device=device)
    rows = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:EXAMPLES].to(x.device)
    x = functional.avg_pool2d(x[rows].view(-1, 1, 2 * SIDE, 2 * SIDE), 2).flatten(1)
    found = []
    for draw in generators(seed + 1, splits):
        parts = split(x, y[rows], validation=1 / 3, test=1 / 3, generator=draw)
        found.append([tensor for part in parts for tensor in part])
    return Sets(*map(torch.stack, zip(*found, strict=True)))


def standardized(sets: Sets) -> Sets:
    """Minus the mean and over the standard deviation of all training pixels, as the book does."""
    mean, sd = sets.x.mean((1, 2), keepdim=True), sets.x.std((1, 2), keepdim=True)
    return Sets(*((part - mean) / sd if part.is_floating_point() else part for part in sets))


def squares(output: Tensor, y: Tensor) -> Tensor:
    """Half the squared error of `output` against 1 for the digit and 0 for the others, by network."""
    return (output - functional.one_hot(y, output.shape[-1])).square().sum(-1).mean(-1) / 2


def squared_error(logits: Tensor, y: Tensor) -> Tensor:
    """The loss of a network with sigmoid outputs."""
    return squares(logits.sigmoid(), y)


LOSSES = {"squared error": squared_error, "cross-entropy": cross_entropy}


def side_by_side(
    sizes: Sequence[int],
    activation: str,
    rules: Sequence,
    replicas: tuple[int, ...],
    seed: int,
    device: torch.device | str,
    *,
    normalization: str | None = None,
) -> MLP:
    """Networks (*replicas), whose second dimension takes the `rules` for weights and whose last the splits.

    First weights differ with rule and split, and with nothing else.
    """
    make = partial(MLP, sizes, activation, normalization=normalization, device=device)
    many = make(replicas=replicas, weight="zeros")
    for i, rule in enumerate(rules):
        ones = make(replicas=replicas[-1:], weight=rule, generator=generators(seed, replicas[-1]))
        with torch.no_grad():
            for parameter, one in zip(many.parameters(), ones.parameters(), strict=True):
                parameter[:, i] = one
    return many


def rates(optimizer: str, raw: bool, device: torch.device | str = "cpu") -> Tensor:
    """The learning rates to try, lower for raw pixels, whose gradients are larger."""
    return torch.tensor(RATES[optimizer], device=device) / (RAW_FACTOR if raw else 1.0)


def descend(
    model: MLP,
    x: Tensor,
    y: Tensor,
    loss: str,
    optimizer: str,
    rate: Tensor,
    *,
    epochs: int,
    seed: int,
    batch: int = BATCH,
    callback: Callable[[int], object] | None = None,
) -> None:
    """Train all networks; `rate` (…, rates) belongs to all but the last dimension of the replicas."""
    train(
        model,
        x,
        y,
        loss=LOSSES[loss],
        optimizer=OPTIMIZERS[optimizer](model.parameters(), lr=rate[..., None, None, None]),
        epochs=epochs,
        batch_size=min(batch, y.shape[-1]),
        generator=torch.Generator().manual_seed(seed),
        callback=callback,
    )


@torch.no_grad()
def outputs(model: MLP, x: Tensor, loss: str) -> Tensor:
    """What every network, as it would be used, gives each digit: between 0 and 1."""
    model.eval()
    logits = model(x)
    model.train()
    return logits.sigmoid() if loss == "squared error" else logits.softmax(-1)


def score(model: MLP, x: Tensor, y: Tensor) -> Tensor:
    """Accuracy of every network."""
    return accuracy(outputs(model, x, "squared error"), y)


def error(model: MLP, x: Tensor, y: Tensor, loss: str) -> Tensor:
    """Half the squared error of every network's outputs: one yardstick for both losses."""
    return squares(outputs(model, x, loss), y)
