"""Networks side by side: the random numbers of each replica, and its part of the data."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Sets(NamedTuple):
    """Training, validation and test examples of every replica: x (replicas, n, d), y (replicas, n)."""

    x: Tensor
    y: Tensor
    validation_x: Tensor
    validation_y: Tensor
    test_x: Tensor
    test_y: Tensor


def generators(seed: int, count: int, *, first: int = 0, times: int = 1) -> list[torch.Generator]:
    """One generator for each of `count` replicas from `first` on, and the same again, fresh, `times` over.

    Up to a million replicas, another seed shares none of them.
    """
    return [
        torch.Generator().manual_seed(1_000_000 * seed + first + k)
        for _ in range(times)
        for k in range(count)
    ]
