"""The digits, standardized, and one generator for each replica."""

import torch
from torch import Tensor

from unitgain.datasets import digits
from unitgain.transforms import StandardScaler


def generators(seed: int, count: int) -> list[torch.Generator]:
    """One generator a replica; another seed shares none of them."""
    return [torch.Generator().manual_seed(1_000_000 * seed + k) for k in range(count)]


def digit_table(examples: int, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """The first `examples` digits: x (n, 64), standardized, and y (n,)."""
    x, y = (tensor[:examples] for tensor in digits(device=device))
    return StandardScaler().fit(x).transform(x), y
