"""The chance that a new network of L layers of n ReLUs is dead on an input is 1 − (1 − 2⁻ⁿ)ᴸ."""

import torch

CASES = {
    "8 layers of 3 units, biases 0": ({"layers": 8, "units": 3, "bias": 0.0}, "holds"),
    "30 layers of 5 units, biases 0, uniform weights": (
        {"layers": 30, "units": 5, "bias": 0.0, "uniform": True},
        "holds",
    ),
    "12 layers of 4 units, biases 0.3": ({"layers": 12, "units": 4, "bias": 0.3}, "fails"),
}


def measured(seed, *, layers, units, bias, uniform=False, networks=4000):
    """The number: fraction of networks with a layer all of whose units are off, over the predicted one."""
    generator = torch.Generator().manual_seed(seed)
    h = torch.randn(networks, 1, 6, generator=generator)
    dead = torch.zeros(networks, dtype=torch.bool)
    for _ in range(layers):
        shape = networks, h.shape[2], units
        weight = torch.randn(shape, generator=generator)
        if uniform:
            weight = 2 * 3**0.5 * (torch.rand(shape, generator=generator) - 0.5)
        h = (h @ weight * (2 / h.shape[2]) ** 0.5 + bias).relu()
        dead |= (h == 0).all(dim=2)[:, 0]
    return float(dead.float().mean()) / (1 - (1 - 2.0**-units) ** layers)


def holds(number):
    return 0.8 <= number <= 1.25
