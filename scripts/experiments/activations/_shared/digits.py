"""Networks on the digits, side by side: every replica has its own split of the data and its own weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from experiments.trials import Scale, generators, splits
from unitgain.datasets import Split, digits
from unitgain.models import MLP

BATCH = 32
EXAMPLES = 1797  # all digits


def unit_range(x: Tensor, _: Tensor) -> Tensor:
    """Pixels from 0 to 1."""
    return x / 16


def digit_sets(seed: int, networks: int, scale: Scale, *, test: float = 0.0, device="cpu") -> Split:
    """A split of the digits for each network."""
    x, y = (tensor[:EXAMPLES] for tensor in digits(device=device))
    return splits(x, y, generators(seed, networks, "split"), test=test, scale=scale)


def at_rates(
    sizes: Sequence[int],
    activation: str,
    weight: str,
    rates: Sequence[float],
    networks: int,
    seed: int,
    device,
) -> tuple[MLP, Tensor]:
    """Networks (rates, networks) with the same initial weights at every rate, and the rates."""
    draws = generators(seed, networks, times=len(rates))
    replicas = len(rates), networks
    model = MLP(sizes, activation, replicas=replicas, weight=weight, generator=draws, device=device)
    return model, torch.tensor(rates)[:, None]
