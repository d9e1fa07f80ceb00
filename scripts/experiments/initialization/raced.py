"""Does a network learn sooner from randn / √n than from 0.01 · randn?  Chapter: initialization."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from experiments.evidence import Claim, Map
from experiments.initialization._shared.networks import CLASSES, PIXELS, digit_splits, tested_at_best
from experiments.intervals import mean_interval
from experiments.trials import mlps
from experiments.words import between, percent

DEPTHS = (1, 2, 4)  # hidden layers
KINDS = tuple((name, width) for name in ("relu", "tanh") for width in (16, 64))
ROWS = "ReLU, 16 units", "ReLU, 64 units", "tanh, 16 units", "tanh, 64 units"
AT = ROWS.index("ReLU, 64 units")
FIXED = 0.01
RATES = (0.1, 0.3, 1.0, 3.0)
STEPS = 120
SOONER = 0.02  # of accuracy, after the same steps


def compute(*, networks=10, seed=0, device="cpu"):
    """Test accuracy after STEPS, from 0.01 · randn and randn / √n: (depths, KINDS, 2, networks)."""
    parts = digit_splits(networks, seed, device)
    found = [_learned(depth, *kind, parts, networks, seed) for depth in DEPTHS for kind in KINDS]
    return {"accuracy": torch.stack(found).unflatten(0, (len(DEPTHS), len(KINDS)))}


@torch.no_grad()
def _learned(depth: int, name: str, width: int, parts, networks: int, seed: int) -> Tensor:
    """Accuracies (2, networks) from the same random numbers, each start at its best rate."""
    sizes, replicas = (PIXELS, *[width] * depth, CLASSES), (2, len(RATES), networks)
    options = {"activation": name, "weight": "normal", "device": parts.train.x.device}
    model = mlps(sizes, replicas, seed=seed, **options)
    for layer in model.layers:
        layer.weight[0] *= FIXED
        layer.weight[1] /= layer.in_features**0.5
    with torch.enable_grad():
        return tested_at_best(model, parts, RATES, STEPS, seed)


def claims(result) -> Iterator[Claim]:
    fixed, root = np.moveaxis(result["accuracy"], 2, 0)  # (depths, kinds, networks)
    deep = DEPTHS.index(2)
    alone = mean_interval(root[0, AT] - fixed[0, AT])
    units = "networks, each with its own weights and split of the digits"
    yield Claim.of_difference(
        root[deep, AT],
        fixed[deep, AT],
        id="inv-sqrt-n-raced",
        statement="Weights randn(n) / √n improve the rate of convergence, beside 0.01 · randn",
        sources=("cs231n-2, weight initialization",),
        verdict="depends",
        measure=f"accuracy on test digits after {STEPS} steps from randn / √n minus that from 0.01 · randn, "
        f"two hidden layers of 64 ReLUs, each start at its best of {len(RATES)} learning rates",
        units=units,
        map=Map.of_means(
            root - fixed,
            axes={"hidden layers": DEPTHS, "network": ROWS},
            above=SOONER,
            measure=f"accuracy after {STEPS} steps from randn / √n minus that from 0.01 · randn",
            units=units,
        ),
        holds=fixed[-1].mean(-1).max() < 0.3 and root[-1].mean(-1).min() > 0.8 and alone[1] < SOONER,
        finding=f"With one hidden layer it hardly matters: {percent(root[0, AT].mean(), 1)} against "
        f"{percent(fixed[0, AT].mean(), 1)} (difference {between(100 * np.array(alone), 2)} points). Each "
        "further layer shrinks the signal of the small weights again, and with it every gradient: two layers "
        f"reach {percent(root[deep, AT].mean())} and {percent(fixed[deep, AT].mean())}, and "
        f"four {percent(root[-1, AT].mean())} and {percent(fixed[-1, AT].mean())}, which "
        "is guessing, at any rate tried.",
    )
