"""Many small networks on the digits, each with its own numbers; a split of the data serves a row of them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from unitgain.datasets import digits
from unitgain.training import accuracy
from unitgain.transforms import PCA, Compose, StandardScaler

EXAMPLES = 1797  # all digits
COMPONENTS = 16
TRAIN, VALIDATION = 1 / 6, 1 / 6  # of the examples; the rest is fresh


class Sets(NamedTuple):
    """Training, validation and fresh examples of every split: x (splits, 1, n, inputs), y (splits, 1, n)."""

    x: Tensor
    y: Tensor
    validation_x: Tensor
    validation_y: Tensor
    fresh_x: Tensor
    fresh_y: Tensor


def reduced(x: Tensor, training: Tensor) -> Tensor:
    """Standardized principal components, statistics of the training part alone."""
    return Compose(PCA(COMPONENTS), StandardScaler()).fit(training).transform(x)


def standardized(x: Tensor, training: Tensor) -> Tensor:
    return StandardScaler().fit(training).transform(x)


def raw(x: Tensor, _: Tensor) -> Tensor:
    return x


def split_digits(draws: list[torch.Generator], scale=reduced, *, device="cpu") -> Sets:
    """One split a generator; `scale(x, training)` knows the training part only."""
    x, y = (tensor[:EXAMPLES] for tensor in digits(device=device))
    train, validation = round(TRAIN * len(x)), round(VALIDATION * len(x))
    sizes = [train, validation, len(x) - train - validation]
    rows = []
    for draw in draws:
        parts = torch.randperm(len(x), generator=draw).to(device).split(sizes)
        rows.append([tensor for part in parts for tensor in (scale(x[part], x[parts[0]]), y[part])])
    return Sets(*(torch.stack(column)[:, None] for column in zip(*rows, strict=True)))


@torch.no_grad()
def right(model, x: Tensor, y: Tensor) -> Tensor:
    """Accuracy of every network."""
    return accuracy(model(x), y)
