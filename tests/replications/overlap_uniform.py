"""The part of centred data on which two new neurons are both active is uniform between 0 and a half."""

import torch

CASES = {
    "2 normal inputs, biases up to 0.06": ({"inputs": 2, "bias": 0.06}, "holds"),
    "2 normal inputs, biases up to 0.7": ({"inputs": 2, "bias": 0.7}, "fails"),
    "7 normal inputs, no biases": ({"inputs": 7, "bias": 0.0}, "fails"),
}


def measured(seed, *, inputs, bias):
    """The Kolmogorov–Smirnov distance of 4,000 pairs' overlaps from U(0, ½)."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(2000, inputs, generator=generator)
    points = points - points.mean(dim=0)
    weights = 2 * torch.rand(2, inputs, 4000, generator=generator) - 1
    biases = bias * (2 * torch.rand(2, 1, 4000, generator=generator) - 1)
    active = points @ weights + biases > 0
    overlap = (active[0] & active[1]).float().mean(dim=0).sort().values
    expected = (2 * overlap).clamp(max=1)
    after = torch.arange(1, 4001) / 4000
    return float(torch.maximum(after - expected, expected - after + 1 / 4000).max())


def holds(number):
    return number < 0.05
