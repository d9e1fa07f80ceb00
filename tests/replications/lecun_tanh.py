"""As 1.7159 tanh(2z/3) takes 1 to 1 and −1 to −1, it keeps the variance of what comes in."""

import torch

CASES = {
    "one input of ±1 a unit, variance 0.9": ({"inputs": 1, "variance": 0.9}, "holds"),
    "500 inputs of ±1 a unit, variance 0.4": ({"inputs": 500, "variance": 0.4}, "holds"),
    "500 inputs of ±1 a unit, variance 1.2": ({"inputs": 500, "variance": 1.2}, "fails"),
}


def measured(seed, *, inputs, variance):
    """The number: mean square of 400 units' outputs over that of their weighted inputs."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(2, (400, inputs), generator=generator) * 2.0 - 1
    signs = torch.randint(2, (inputs, 400), generator=generator) * 2.0 - 1
    z = x @ signs * (variance / inputs) ** 0.5
    return float((1.7159 * torch.tanh(2 * z / 3)).square().mean() / z.square().mean())


def holds(number):
    return 0.9 <= number <= 1.1
