"""In a ReLU network with PyTorch's default weights, the gradient shrinks to 1/√6 of itself in each layer."""

import torch
from torch import nn

CASES = {
    "linear, 150 to 150 units": ({"layer": lambda: nn.Linear(150, 150), "shape": (64, 150)}, "holds"),
    "5 × 5 convolution, 12 to 12 channels": (
        {"layer": lambda: nn.Conv2d(12, 12, 5, padding=2), "shape": (16, 12, 20, 20)},
        "holds",
    ),
    "linear, 60 to 180 units": ({"layer": lambda: nn.Linear(60, 180), "shape": (64, 60)}, "fails"),
}


def root_mean_square(x):
    return x.square().mean().sqrt()


def measured(seed, *, layer, shape):
    """The number: factor for the gradient's root mean square, over 1/√6, mean of 16 layers with ReLU."""
    torch.manual_seed(seed)
    factors = []
    for _ in range(16):
        x = torch.randn(shape, requires_grad=True)
        h = layer()(x).relu()
        gradient = torch.randn_like(h)
        h.backward(gradient)
        factors.append(root_mean_square(x.grad) / root_mean_square(gradient))
    return float(torch.stack(factors).mean()) * 6**0.5


def holds(number):
    return 0.8 <= number <= 1.25
