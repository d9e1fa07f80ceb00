"""RMSprop may add ε to the mean square under the root as well as to the root."""

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy

CASES = {
    "ε = 3 · 10⁻⁹, after 10 batches of 64": ({"epsilon": 3e-9, "batches": 10, "size": 64}, "holds"),
    "ε = 5 · 10⁻⁷, after one batch of 64": ({"epsilon": 5e-7, "batches": 1, "size": 64}, "fails"),
    "ε = 10⁻⁶, after 80 batches of 1,797": ({"epsilon": 1e-6, "batches": 80, "size": 1797}, "fails"),
}


def measured(seed, *, epsilon, batches, size):
    """The fraction of weights whose step is 10 % longer or more with ε outside, mean over 4 networks."""
    torch.manual_seed(seed)
    x, y = (torch.tensor(a) for a in load_digits(return_X_y=True))
    x = x.float() / 16
    longer = []
    for _ in range(4):
        model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
        weights = list(model.parameters())
        squares = [torch.zeros_like(w) for w in weights]
        for _ in range(batches):
            batch = torch.randperm(len(x))[:size]
            gradients = torch.autograd.grad(cross_entropy(model(x[batch]), y[batch]), weights)
            for w, s, g in zip(weights, squares, gradients, strict=True):
                s.mul_(0.9).add_(0.1 * g**2)
                w.data -= 0.001 * g / (s.sqrt() + epsilon)
        for s, g in zip(squares, gradients, strict=True):
            outside, inside = g.abs() / (s.sqrt() + epsilon), g.abs() / (s + epsilon).sqrt()
            longer.append((outside > 1.1 * inside).flatten())
    return float(torch.cat(longer).float().mean())


def holds(number):
    return number < 0.1
