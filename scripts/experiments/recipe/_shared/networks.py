"""MNIST digits at half their resolution, and networks that are set up badly, well, or in between."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from experiments.intervals import Interval, resampled_interval
from experiments.trials import Scale, generator, generators, splits
from unitgain.datasets import Examples, Split, mnist
from unitgain.initializers import normal_
from unitgain.layers import Linear
from unitgain.models import MLP
from unitgain.optimizers import SGD, Adam
from unitgain.training import cross_entropy

EXAMPLES = 5000  # all that there are; a third each for training, validation and test
BATCH = 50
SIDE = 14
DEPTHS = {"one hidden layer": (SIDE * SIDE, 25, 10), "four hidden layers": (SIDE * SIDE, *[25] * 4, 10)}
OPTIMIZERS = {"SGD": SGD, "Adam": Adam}
RATES = {"SGD": (0.001, 0.01, 0.1, 1.0, 10.0), "Adam": (0.001, 0.003, 0.01, 0.03, 0.1)}
RAW_FACTOR = 10.0
SMALL_WEIGHTS = partial(normal_, std=0.01)
SUITED = {"sigmoid": "glorot_normal", "tanh": "glorot_normal", "relu": "he_normal"}


def digit_sets(seed: int, networks: int, device: torch.device | str, scale: Scale) -> Split:
    """Pixels, each the mean of 2 × 2; every network shuffles the digits for itself: x (networks, 1, n, d)."""
    x, y = mnist(device=device)
    rows = torch.randperm(len(x), generator=generator(seed, "data"))[:EXAMPLES].to(x.device)
    x = functional.avg_pool2d(x[rows].view(-1, 1, 2 * SIDE, 2 * SIDE), 2).flatten(1)
    draws = generators(seed, networks, "split")
    parts = splits(x, y[rows], draws, validation=1 / 3, test=1 / 3, scale=scale)
    return Split(*(Examples(part.x[:, None], part.y[:, None]) for part in parts))


def interval(values: np.ndarray) -> Interval:
    """Of the mean over networks (networks,), whose splits into thirds share the digits."""
    return resampled_interval(values, test=1, training=1)


def at_the_edge(validation: np.ndarray) -> np.ndarray:
    """Whether the rate that is best by validation (…, rates, networks) is the lowest or highest, (…,)."""
    means = validation.mean(-1)
    return np.isin(means.argmax(-1), (0, means.shape[-1] - 1))


def standardized(x: Tensor, training: Tensor) -> Tensor:
    """Minus the mean and over the standard deviation of all training pixels, as the book does."""
    return (x - training.mean()) / training.std()


def squares(output: Tensor, y: Tensor) -> Tensor:
    """Half the squared error of `output` against 1 for the digit and 0 for the others, by network."""
    return (output - functional.one_hot(y, output.shape[-1])).square().sum(-1).mean(-1) / 2


def squared_error(logits: Tensor, y: Tensor) -> Tensor:
    """The loss of a network with sigmoid outputs."""
    return squares(logits.sigmoid(), y)


LOSSES = {"squared error": squared_error, "cross-entropy": cross_entropy}


class First(Linear):
    """A first layer of networks (…, settings) that share their examples (…, 1): one product for all."""

    def columns(self, x: Tensor) -> Tensor:
        z = self.weight.flatten(-3, -2) @ x.squeeze(-3)
        return z.unflatten(-2, self.bias.shape[-3:-1]) + self.bias


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
    """Networks (…, networks, settings), settings in as many equal parts as there are `rules` for weights.

    First weights differ with network and rule, and with nothing else.
    """
    make = partial(MLP, sizes, activation, normalization=normalization, device=device)
    many, columns = make(replicas=replicas, weight="zeros"), {"examples_dim": -1, "device": device}
    many.layers[0] = First(sizes[0], sizes[1], replicas=replicas, weight="zeros", **columns)
    networks = replicas[-2]
    for i, rule in enumerate(rules):
        ones = make(replicas=networks, weight=rule, generator=generators(seed, networks))
        with torch.no_grad():
            for parameter, one in zip(many.parameters(), ones.parameters(), strict=True):
                parameter.unflatten(len(replicas) - 1, (len(rules), -1)).select(-4, i).copy_(one[:, None])
    return many


def rates(optimizer: str, raw: bool, device: torch.device | str = "cpu") -> Tensor:
    """The learning rates to try, lower for raw pixels, whose gradients are larger."""
    return torch.tensor(RATES[optimizer], device=device) / (RAW_FACTOR if raw else 1.0)


@torch.no_grad()
def outputs(model: MLP, x: Tensor, loss: str) -> Tensor:
    """What every network, as it would be used, gives each digit: between 0 and 1."""
    model.eval()
    logits = model(x)
    model.train()
    return logits.sigmoid() if loss == "squared error" else logits.softmax(-1)


def error(model: MLP, examples: Examples, loss: str) -> Tensor:
    """Half the squared error of every network's outputs: one yardstick for both losses."""
    return squares(outputs(model, examples.x, loss), examples.y)
