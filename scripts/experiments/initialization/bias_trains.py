"""Does a ReLU network learn better where its biases start at 0.01?  Chapter: initialization."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from experiments.evidence import Claim, Map
from experiments.initialization._shared.networks import CLASSES, PIXELS, digit_splits, tested_at_best
from experiments.intervals import mean_interval
from experiments.trials import mlps
from experiments.words import between, percent

BIASES = (0.01, 0.1, 0.3, 1.8, 4.0)
DEPTHS = (1, 3)  # hidden layers
WIDTH = 40
RATES = (0.03, 0.1, 0.2, 0.4)
STEPS = 150
SAME = 0.05  # of accuracy: a smaller difference is none


def compute(*, networks=24, seed=0, device="cpu"):
    """Test accuracy after STEPS with biases of 0 and of BIASES: (depths, 1 + biases, networks)."""
    parts = digit_splits(networks, seed, device)
    return {"accuracy": torch.stack([_learned(depth, parts, networks, seed) for depth in DEPTHS])}


def _learned(depth: int, parts, networks: int, seed: int) -> Tensor:
    replicas = (1 + len(BIASES), len(RATES), networks)
    options = {"weight": "he_normal", "seed": seed, "device": parts.train.x.device}
    model = mlps((PIXELS, *[WIDTH] * depth, CLASSES), replicas, **options)
    with torch.no_grad():
        for layer in model.layers[:-1]:
            layer.bias += torch.tensor([0.0, *BIASES]).to(layer.bias).view(-1, 1, 1, 1, 1)
    return tested_at_best(model, parts, RATES, STEPS, seed)


def claims(result) -> Iterator[Claim]:
    zero, others = result["accuracy"][:, 0], result["accuracy"][:, 1:]
    gain = (others - zero[:, None]).swapaxes(0, 1)  # (biases, depths, networks)
    small, large = gain[0, -1], gain[-1, -1]
    points = 100 * np.array(mean_interval(small))
    units = "networks, each with its own weights and split of the digits"
    yield Claim.of_mean(
        small,
        id="bias-01-trains",
        statement="Biases of 0.01 for all ReLUs give no consistent improvement over biases of 0",
        sources=("cs231n-2, weight initialization",),
        verdict="depends",
        measure=f"accuracy on test digits after {STEPS} steps with biases of 0.01 minus that with 0, "
        f"{DEPTHS[-1]} hidden layers of {WIDTH} ReLUs, He's weights, each at its best of {len(RATES)} rates",
        units=units,
        map=Map.of_means(
            gain,
            axes={"bias": BIASES, "hidden layers": [str(depth) for depth in DEPTHS]},
            above=-SAME,
            below=SAME,
            measure=f"accuracy after {STEPS} steps minus that with biases of 0; less than {SAME:g} is none",
            units=units,
        ),
        holds=mean_interval(large)[1] < -SAME and np.abs(mean_interval(small)).max() < SAME / 2,
        finding=f"Neither better nor worse, up to 0.3: {percent(others[-1, 0].mean(), 1)} with 0.01, "
        f"{percent(zero[-1].mean(), 1)} with 0 (difference {between(points, 2)} points). A bias of the size "
        "of the signal holds units on for all examples, and then it costs: with "
        f"{BIASES[-1]:g}, {DEPTHS[-1]} "
        f"layers reach {percent(others[-1, -1].mean())}.",
    )
