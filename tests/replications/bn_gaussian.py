"""Batch normalization makes what a unit puts out normally distributed, whatever it was before."""

import torch
from sklearn.datasets import load_breast_cancer

CASES = {
    "medical data, layer 3, before ReLU": ({"data": "medical", "layers": 3, "relu": False}, "fails"),
    "medical data, layer 5, after ReLU": ({"data": "medical", "layers": 5, "relu": True}, "fails"),
    "lognormal inputs, layer 1, before ReLU": ({"data": "lognormal", "layers": 1, "relu": False}, "fails"),
}


def median_skewness(h):
    h = h - h.mean(0)
    return (h.pow(3).mean(0) / h.square().mean(0).pow(1.5)).abs().nanmedian()


def measured(seed, *, data, layers, relu, units=30):
    """The number: median |skewness| of the last layer's units, behind normalization by all rows / before."""
    generator = torch.Generator().manual_seed(seed)
    h = torch.tensor(load_breast_cancer().data)
    h = (h - h.mean(0)) / h.std(0)
    if data == "lognormal":
        h = torch.randn(h.shape, generator=generator, dtype=torch.float64).exp()
    for _ in range(layers):
        z = h @ torch.randn(h.shape[1], units, generator=generator, dtype=torch.float64)
        z = z.relu() if relu else z
        normalized = torch.nn.functional.batch_norm(z, None, None, training=True)
        h = normalized.relu()
    return float(median_skewness(normalized) / median_skewness(z))


def holds(number):
    return number <= 0.5
