"""Deep linear networks keep lengths and angles with orthogonal weights and lose them with Gaussian ones."""

import torch

CASES = {
    "24 inputs, 4 layers of 64 units": ({"inputs": 24, "layers": 4, "units": 64}, "holds"),
    "80 inputs, 6 layers of 100 units": ({"inputs": 80, "layers": 6, "units": 100}, "holds"),
    "3 inputs, 2 layers of 64 units": ({"inputs": 3, "layers": 2, "units": 64}, "fails"),
}


def spread(inputs, layers, units, rule):
    """Largest over smallest singular value of the product of the weights."""
    product = torch.eye(inputs, dtype=torch.float64)
    for layer in range(layers):
        weight = torch.empty(units, units if layer else inputs, dtype=torch.float64)
        product = rule(weight) @ product
    values = torch.linalg.svdvals(product)
    return values[0] / values[-1]


def measured(seed, *, inputs, layers, units):
    """The number: this spread with Gaussian weights over that with orthogonal ones, mean of 24 networks."""
    torch.manual_seed(seed)
    shape = inputs, layers, units
    quotients = [
        spread(*shape, torch.nn.init.normal_) / spread(*shape, torch.nn.init.orthogonal_) for _ in range(24)
    ]
    return float(torch.stack(quotients).log().mean().exp())


def holds(number):
    return number >= 2
