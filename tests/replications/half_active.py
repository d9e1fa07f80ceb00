"""A new neuron answers to close to half of the points, if these are centred."""

import torch

CASES = {
    "5 inputs from U(−1, 1), biases up to 0.1": ({"inputs": 5, "data": "uniform", "bias": 0.1}, "holds"),
    "2 normal inputs, biases up to 1": ({"inputs": 2, "data": "normal", "bias": 1.0}, "fails"),
    "2 log-normal inputs, biases up to 0.02": ({"inputs": 2, "data": "log-normal", "bias": 0.02}, "fails"),
}


def measured(seed, *, inputs, data, bias):
    """The fraction of neurons that are active on 40 to 60 % of the centred points."""
    generator = torch.Generator().manual_seed(seed)
    normal = torch.randn(4000, inputs, generator=generator)
    uniform = torch.erf(normal / 2**0.5)
    points = {"normal": normal, "uniform": uniform, "log-normal": normal.exp()}[data]
    points = points - points.mean(dim=0)
    weights = 2 * torch.rand(inputs, 2000, generator=generator) - 1
    biases = bias * (2 * torch.rand(2000, generator=generator) - 1)
    active = (points @ weights + biases > 0).float().mean(dim=0)
    return float(((active >= 0.4) & (active <= 0.6)).float().mean())


def holds(number):
    return number > 0.75
