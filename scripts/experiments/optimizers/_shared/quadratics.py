"""Descending quadratic bowls, many side by side, and what the theory of momentum expects of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from torch import Tensor, nn
from torch.optim import Optimizer


def walk(
    optimizer: Callable[[list[Tensor]], Optimizer],
    gradient: Callable[[Tensor], Tensor],
    start: Tensor,
    steps: int,
) -> Iterator[Tensor]:
    """Where an optimizer, as `optimizer(parameters)` makes it, is before each step and after the last.

    Always the same tensor: clone what you keep.
    """
    w = nn.Parameter(start.clone())
    rule = optimizer([w])
    yield w.detach()
    for _ in range(steps):
        w.grad = gradient(w.detach())
        rule.step()
        yield w.detach()


def radius(rate, momentum) -> np.ndarray:
    """The factor a step, in the long run, along a direction of curvature 1: torch's form of momentum.

    With u the distance along that direction, uₜ₊₁ = (1 + β − α) uₜ − β uₜ₋₁: the larger root of
    z² − (1 + β − α) z + β, in absolute value.
    """
    rate, momentum = np.broadcast_arrays(np.asarray(rate, np.float64), np.asarray(momentum, np.float64))
    half = (1 + momentum - rate) / 2
    root = np.sqrt((half**2 - momentum).astype(complex))
    return np.maximum(np.abs(half + root), np.abs(half - root))
