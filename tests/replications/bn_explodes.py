"""At the start each layer of batch normalization and ReLU multiplies the squared gradient by π/(π − 1)."""

import math

import torch

CASES = {
    "30 layers of 100 units, batches of 150": ({"layers": 30, "units": 100, "batch": 150}, "holds"),
    "40 layers of 64 units, batches of 6": ({"layers": 40, "units": 64, "batch": 6}, "fails"),
}


def squared_gradients(layers, units, batch):
    """Of the second and of the last layer's pre-activations; the first one's inputs are no ReLU's outputs."""
    h, seen = torch.randn(batch, units), []
    for _ in range(layers):
        z = h @ torch.randn(units, units)
        z.requires_grad_() if not seen else z.retain_grad()
        seen.append(z)
        h = torch.nn.functional.batch_norm(z, None, None, training=True).relu()
    h.backward(torch.randn_like(h))
    return seen[1].grad.square().sum(), seen[-1].grad.square().sum()


def measured(seed, *, layers, units, batch):
    """The number: factor a layer, geometric mean over layers and 20 networks, divided by π/(π − 1)."""
    torch.manual_seed(seed)
    logs = []
    for _ in range(20):
        second, last = squared_gradients(layers, units, batch)
        logs.append((second / last).log() / (layers - 2))
    return float(torch.stack(logs).mean().exp()) * (math.pi - 1) / math.pi


def holds(number):
    return 0.95 <= number <= 1.05
