"""Networks that differ in their activations, side by side, on data that each network draws for itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from experiments.trials import by_part, descend, generators, mlps, scaled, score, stacked, standardized
from unitgain.activations import Activation
from unitgain.datasets import Examples, Split, circles, classification_table, spirals, split
from unitgain.models import MLP

Function = Callable[[Tensor], Tensor]
BATCH = 16
DRAWN = {  # n points from a generator
    "spirals": lambda n, draw: spirals(n, generator=draw),
    "circles": lambda n, draw: circles(n, generator=draw),
    "tables": lambda n, draw: classification_table(n, seed=draw.initial_seed()),
}


def drawn_sets(name: str, examples: int, networks: int, seed: int, device) -> Split:
    """For each network so many `examples` to train on, as many to choose by and twice as many to test."""
    made = []
    for draw in generators(seed, networks, "data"):
        x, y = DRAWN[name](4 * examples, draw)
        made.append(scaled(split(x, y, validation=0.25, test=0.5, generator=draw), standardized))
    return Split(*(Examples(*(t.to(device) for t in stacked(part))) for part in zip(*made, strict=True)))


def by_unit(one: Function, other: Function) -> Function:
    """An activation for units (…, units, n), one for every other unit."""
    return lambda z: torch.stack([one(z[..., ::2, :]), other(z[..., 1::2, :])], -2).flatten(-3, -2)


def best_of(
    sets: Split,
    layers: Sequence[Sequence[Function]],
    rates: Sequence[Sequence[float]],
    *,
    width: int,
    steps: int,
    seed: int,
    start: Callable[[MLP], None],
) -> Tensor:
    """Test accuracies (arms, networks), each arm at the rate whose mean on the validation data is best.

    Args:
        layers: For each hidden layer the arms' activations.
        rates: For each arm its learning rates, as many for all.
        start: Changes the initial weights, Glorot's, (arms, rates, networks, out, in).
    """
    x, y = sets.train
    sizes = x.shape[-1], *[width] * len(layers), max(int(y.max()) + 1, 2)
    model = mlps(
        sizes, (len(rates), len(rates[0]), len(x)), seed=seed, device=x.device, weight="glorot_normal"
    )
    for k, functions in enumerate(layers):
        model.activations[k] = Activation(by_part(*functions), examples_dim=-1)
    with torch.no_grad():
        start(model)
    descend(model, sets.train, torch.tensor(rates)[..., None], seed=seed, steps=steps, batch=BATCH)
    best = score(model, sets.validation).mean(-1).argmax(-1)
    return score(model, sets.test)[torch.arange(len(rates)), best.cpu()]


def he(layer) -> float:
    """What makes Glorot's weights He's."""
    return math.sqrt((layer.in_features + layer.out_features) / layer.in_features)
