"""Neurons that are on for all of the data, here a cloud at [10, 10], become equal in training."""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

CASES = {
    "Adam, 0.005 times Glorot's weights": ({"scale": 0.005, "optimizer": "Adam"}, "holds"),
    "Adam, 0.4 times Glorot's weights": ({"scale": 0.4, "optimizer": "Adam"}, "fails"),
    "gradient descent, 0.005 times Glorot's weights": ({"scale": 0.005, "optimizer": "SGD"}, "fails"),
}


def measured(seed, *, scale, optimizer):
    """The median distance of two such neurons by their mean size; classes of 1 to 3 across a line."""
    torch.manual_seed(seed)
    x = 10 + torch.randn(20, 200, 2)
    side = (x - 10) @ torch.nn.functional.normalize(torch.randn(20, 2, 1), dim=1)
    y = (side > side.quantile(0.75, dim=1, keepdim=True)).float()
    w = (scale * (2 / 66) ** 0.5 * torch.randn(20, 2, 64)).requires_grad_()
    v = (scale * (2 / 65) ** 0.5 * torch.randn(20, 64, 1)).requires_grad_()
    b, c = torch.zeros(20, 1, 64, requires_grad=True), torch.zeros(20, 1, 1, requires_grad=True)
    step = getattr(torch.optim, optimizer)([w, v, b, c], lr=0.01)
    for _ in range(50):
        step.zero_grad()
        z = (x @ w + b).relu() @ v + c
        binary_cross_entropy_with_logits(z, y, reduction="sum").div(200).backward()
        step.step()
    always_on = (x @ w + b > 0).all(dim=1)
    medians = []
    for units, on in zip(w.detach(), always_on, strict=True):
        units = units[:, on].T
        if len(units) > 1:
            medians.append(torch.pdist(units).median() / units.norm(dim=1).mean())
    return float(torch.stack(medians).median())


def holds(number):
    return number < 0.1
