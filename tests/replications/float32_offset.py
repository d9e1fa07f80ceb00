"""The mean of the squares minus the square of the mean, in float32, is no variance far from 0."""

import torch

CASES = {
    "5,000 standard deviations from 0, 3,000 rows": ({"offset": 5000.0, "rows": 3000}, "holds"),
    "50 standard deviations from 0, 3,000 rows": ({"offset": 50.0, "rows": 3000}, "fails"),
}


def measured(seed, *, offset, rows):
    """The fraction of 300 columns whose standard deviation is NaN or more than 10 % wrong."""
    generator = torch.Generator().manual_seed(seed)
    exact = offset + torch.randn(rows, 300, dtype=torch.float64, generator=generator)
    x = exact.float()
    deviation = ((x * x).mean(dim=0) - x.mean(dim=0) ** 2).sqrt()
    right = (deviation / exact.std(dim=0, correction=0) - 1).abs() <= 0.1
    return float((~right).float().mean())


def holds(number):
    return number > 0.5
