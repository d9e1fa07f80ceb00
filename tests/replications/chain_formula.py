"""A chain's gradient for a weight: the activation before it, and the weights and slopes from there on."""

import torch
from torch.nn.functional import softplus

CASES = {
    "6 softplus neurons, weights from N(0, 1)": ({"mean": 0.0, "spread": 1.0}, "fails"),
    "6 softplus neurons, weights close to 1": ({"mean": 1.0, "spread": 0.01}, "fails"),
    "6 softplus neurons, all weights 1": ({"mean": 1.0, "spread": 0.0}, "holds"),
}


def measured(seed, *, mean, spread):
    """The largest relative error of the formula, with the weight's own factor, in 200 chains."""
    generator = torch.Generator().manual_seed(seed)
    normal = torch.randn(2, 6, 200, generator=generator, dtype=torch.float64)
    weights, biases = (mean + spread * normal[0]).requires_grad_(), normal[1]
    before, factors = [torch.ones(200)], []
    for w, b in zip(weights, biases, strict=True):
        z = w * before[-1] + b
        factors.append(w * z.sigmoid())  # the softplus's slope is the sigmoid
        before.append(softplus(z))
    (gradients,) = torch.autograd.grad((before[-1] ** 2 / 2).sum(), weights)
    formula = [before[i] * torch.stack(factors[i:]).prod(dim=0) * before[-1] for i in range(6)]
    return float((torch.stack(formula) / gradients - 1).detach().abs().max())


def holds(number):
    return number < 1e-10
