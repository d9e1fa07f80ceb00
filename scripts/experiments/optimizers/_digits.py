"""The digits, standardized."""

import torch
from torch import Tensor

from unitgain.datasets import digits
from unitgain.transforms import StandardScaler


def digit_table(examples: int, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """The first `examples` digits: x (n, 64), standardized, and y (n,)."""
    x, y = (tensor[:examples] for tensor in digits(device=device))
    return StandardScaler().fit(x).transform(x), y
