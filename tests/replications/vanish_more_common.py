"""With standard normal weights a gradient more often shrinks than grows on its way back."""

import torch

CASES = {
    "2 ReLUs a layer": ({"width": 2, "activation": "relu"}, "holds"),
    "30 sigmoids a layer": ({"width": 30, "activation": "sigmoid"}, "holds"),
    "30 tanhs a layer": ({"width": 30, "activation": "tanh"}, "fails"),
    "25 ReLUs a layer": ({"width": 25, "activation": "relu"}, "fails"),
}


def measured(seed, *, width, activation):
    """The fraction of 300 networks of 10 layers whose gradient is smaller at the input than at the output."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(300, 1, width, generator=generator, requires_grad=True)
    output = torch.randn(300, 1, width, generator=generator)
    h = x
    for _ in range(10):
        h = getattr(torch, activation)(h @ torch.randn(300, width, width, generator=generator))
    (gradient,) = torch.autograd.grad(h, x, output)
    return float((gradient.norm(dim=-1) < output.norm(dim=-1)).float().mean())


def holds(number):
    return number > 0.75
