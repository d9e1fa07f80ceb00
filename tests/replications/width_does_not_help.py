"""Where the data lies off centre, a larger network does no better than the smallest."""

from itertools import pairwise

import torch
from torch import func, nn

CASES = {
    "32 units, offset 5": ({"sizes": [2, 32, 1], "offset": 5.0}, "fails"),
    "32 units, offset 60": ({"sizes": [2, 32, 1], "offset": 60.0}, "holds"),
    "two layers of 8, offset 60": ({"sizes": [2, 8, 8, 1], "offset": 60.0}, "holds"),
}


def accuracy(sizes, x, y):
    """Mean of 30 networks on their second 200 points, after 300 steps of Adam on the first."""
    layers = [[(nn.Linear(n, m), nn.ReLU()) for n, m in pairwise(sizes)] for _ in x]
    models = [nn.Sequential(*sum(pairs, ())[:-1]) for pairs in layers]
    weights, _ = func.stack_module_state(models)
    logits = func.vmap(lambda w, x: func.functional_call(models[0], w, (x,)).squeeze(1))
    adam = torch.optim.Adam(weights.values(), lr=0.05)
    for _ in range(300):
        adam.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(logits(weights, x[:, :200]), y[:, :200])
        (len(x) * loss).backward()
        adam.step()
    return float(((logits(weights, x[:, 200:]) > 0) == y[:, 200:]).float().mean())


def measured(seed, *, sizes, offset):
    """Mean accuracy of the network minus that of one with two units, on 30 pairs of circles."""
    torch.manual_seed(seed)
    y, angle = torch.tensor([0.0, 1.0]).repeat(30, 200), 2 * torch.pi * torch.rand(30, 400)
    radius = (0.5 + y + 0.15 * torch.randn(30, 400)).unsqueeze(2)
    x = offset + radius * torch.stack([angle.cos(), angle.sin()], dim=2)
    return accuracy(sizes, x, y) - accuracy([2, 2, 1], x, y)


def holds(number):
    return number < 0.1
