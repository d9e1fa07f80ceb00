"""Networks of several initial weights, functions and depths side by side, and the digits for them."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from experiments.trials import descend, generators, score, splits, standardized
from unitgain.activations import activation
from unitgain.datasets import Examples, Split, digits
from unitgain.initializers import Initializer
from unitgain.layers import Linear

PIXELS, CLASSES = 64, 10
BATCH = 32


def standardized_digits(device) -> Examples:
    """All 1,797 of them: whether a network learns at all is what these experiments ask."""
    x, y = digits(device=device)
    return Examples(standardized(x, x), y)


def tested_at_best(model: nn.Module, parts: Split, rates: Sequence[float], steps: int, seed: int) -> Tensor:
    """Accuracies on the test part of networks (…, rates, networks), trained by SGD: (…, networks).

    Each at the rate with the best mean on the validation part.
    """
    rate = torch.tensor(rates, device=parts.train.x.device)[:, None]
    descend(model, parts.train, rate, seed=seed, steps=steps, batch=BATCH)
    best = score(model, parts.validation).mean(-1).argmax(-1)[..., None, None]
    return score(model, parts.test).take_along_dim(best, -2).squeeze(-2)


def digit_splits(networks: int, seed: int, device) -> Split:
    """A split of the standardized digits for each network, two ninths each to validate and to test."""
    return splits(
        *standardized_digits(device), generators(seed, networks, "split"), validation=2 / 9, test=2 / 9
    )


def each(*rules: Initializer) -> Initializer:
    """Draws networks (…, rules, networks, out, in): each rule's with a generator of its own."""

    def draw(tensor: Tensor, *, generator: Sequence[torch.Generator]) -> Tensor:
        for part, rule, own in zip(tensor.unbind(-4), rules, generator, strict=True):
            rule(part, generator=own)
        return tensor

    return draw


class Depths(nn.Module):
    """Networks of several numbers of hidden layers, rising, (depths, *replicas): each leaves at its depth."""

    def __init__(
        self, depths: Sequence[int], width: int, function: str, replicas: tuple[int, ...], **options
    ) -> None:
        super().__init__()
        self.depths, self.function, self.replicas = depths, activation(function), (len(depths), *replicas)
        self.layers = nn.ModuleList(
            Linear(width if k else PIXELS, width, replicas=(sum(k < d for d in depths), *replicas), **options)
            for k in range(depths[-1])
        )
        self.last = Linear(width, CLASSES, replicas=self.replicas, **options)

    def forward(self, x: Tensor) -> Tensor:
        """Rows (n, pixels) for all, or what broadcasts with it, to rows (depths, *replicas, n, classes)."""
        each_depth = math.prod(self.replicas[1:])
        h, ends = x.mT.expand(*self.replicas, -1, -1).flatten(0, -3), []
        for k, layer in enumerate(self.layers, start=1):
            h = self.function(_columns(layer, h))
            if k in self.depths:
                ends.append(h[:each_depth])
                h = h[each_depth:]
        return _columns(self.last, torch.cat(ends)).unflatten(0, self.replicas).mT


def _columns(layer: Linear, h: Tensor) -> Tensor:
    """W h + b of all networks in one call: (networks, units, n)."""
    return torch.baddbmm(layer.bias.flatten(0, -3), layer.weight.flatten(0, -3), h)
