"""Networks on the digits, side by side: a normalization or none for each kind."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from experiments.trials import Scale, generator, generators, mlps, scaled, splits, standardized
from unitgain.datasets import Split, digits, split
from unitgain.layers import NORMALIZATIONS
from unitgain.models import MLP

EXAMPLES = 1797  # all digits
CLASSES = 10


def digit_parts(seed: int, device, *, networks: int | None = None, scale: Scale = standardized) -> Split:
    """Training and held-out digits, the latter as validation part: one split, or one for each network."""
    images = [tensor[:EXAMPLES] for tensor in digits(device=device)]
    if networks is None:
        return scaled(split(*images, generator=generator(seed, "split")), scale)
    return splits(*images, generators(seed, networks, "split"), scale=scale)


class Each(nn.Module):
    """A normalization of its own, or none, for each index of the first dimension: (kinds, *replicas, …)."""

    def __init__(self, kinds: Sequence[str | None], units: int, replicas: tuple[int, ...], **options) -> None:
        super().__init__()
        options = {"replicas": replicas, "examples_dim": -1} | options
        self.norms = nn.ModuleList(
            NORMALIZATIONS[kind](units, **options) if kind else nn.Identity() for kind in kinds
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([norm(part) for norm, part in zip(self.norms, x, strict=True)])


def side_by_side(
    kinds: Sequence[str | None],
    sizes: Sequence[int],
    activation: str = "relu",
    *,
    replicas: tuple[int, ...],
    seed: int,
    device,
    weight: str = "he_normal",
) -> MLP:
    """Networks (kinds, *replicas), whose hidden layers have a kind's normalization each.

    First weights differ in the last dimension, and in no other.
    """
    kind = {"activation": activation, "weight": weight}
    model = mlps(sizes, (len(kinds), *replicas), seed=seed, device=device, **kind)
    model.normalizations = nn.ModuleList(Each(kinds, units, replicas, device=device) for units in sizes[1:-1])
    return model
