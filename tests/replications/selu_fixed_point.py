"""Layers of SELUs with weights of variance 1/inputs keep mean 0 and variance 1."""

import torch

CASES = {
    "inputs of mean 0.2, layer 30 of 150 units": ({"mean": 0.2, "layers": 30, "units": 150}, "holds"),
    "inputs of mean 2, layer 10 of 150 units": ({"mean": 2.0, "layers": 10, "units": 150}, "fails"),
    "inputs of mean 2, layer 10 of 150 units, weights of sum 0": (
        {"mean": 2.0, "layers": 10, "units": 150, "sum_zero": True},
        "holds",
    ),
}


def measured(seed, *, mean, layers, units, sum_zero=False):
    """The number: variance of a unit over 300 examples, mean over the units of 8 networks."""
    generator = torch.Generator().manual_seed(seed)
    variances = []
    for _ in range(8):
        h = torch.randn(300, units, generator=generator) + mean
        for _ in range(layers):
            weight = torch.randn(units, units, generator=generator) / units**0.5
            if sum_zero:
                weight -= weight.mean(dim=0)
            h = torch.nn.functional.selu(h @ weight)
        variances.append(h.var(dim=0).mean())
    return float(torch.stack(variances).mean())


def holds(number):
    return 0.8 <= number <= 1.25
