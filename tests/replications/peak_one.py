"""Every activation is steepest at 0, with a slope of 1; only the sigmoid's slope is 1/4 there."""

import torch
from torch.nn import functional

CASES = {
    "sigmoid, tanh and softsign": ({"names": ("sigmoid", "tanh", "softsign")}, "holds"),
    "tanh, GELU and Mish": ({"names": ("tanh", "gelu", "mish")}, "fails"),
    "hard swish": ({"names": ("hardswish",)}, "fails"),
}


def peak(name):
    z = torch.linspace(-6, 6, 120_001, dtype=torch.float64, requires_grad=True)
    f = getattr(functional, name, None) or getattr(torch, name)
    (slope,) = torch.autograd.grad(f(z).sum(), z)
    return z[slope.argmax()].item(), slope.max().item()


def measured(seed, *, names):
    """The number: largest distance of a peak, in place or height, from the claimed one. No chance in it."""
    distances = []
    for name in names:
        place, height = peak(name)
        distances += [abs(place), abs(height - (0.25 if name == "sigmoid" else 1))]
    return max(distances)


def holds(number):
    return number < 1e-6
