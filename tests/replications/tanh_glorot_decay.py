"""Layers of tanh with Glorot's weights keep the variance of the signal."""

import torch

CASES = {
    "layer 10, inputs of variance 0.01": ({"layers": 10, "variance": 0.01}, "holds"),
    "layer 3, inputs of variance 0.05": ({"layers": 3, "variance": 0.05}, "holds"),
    "layer 10, inputs of variance 0.4": ({"layers": 10, "variance": 0.4}, "fails"),
}


def measured(seed, *, layers, variance, units=150):
    """The number: variance of the last layer's outputs over that of the inputs, mean over 16 networks."""
    torch.manual_seed(seed)
    kept = []
    for _ in range(16):
        h = variance**0.5 * torch.randn(200, units)
        for _ in range(layers):
            h = torch.tanh(h @ torch.nn.init.xavier_uniform_(torch.empty(units, units)))
        kept.append(h.var() / variance)
    return float(torch.stack(kept).mean())


def holds(number):
    return number >= 0.5
