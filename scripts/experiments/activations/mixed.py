"""Does it do harm to mix two activations in one network?  Chapter: activations."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import torch

from experiments.activations._shared.arms import best_of, by_unit, drawn_sets, he
from experiments.evidence import Claim, Map
from experiments.words import percent
from unitgain.models import MLP

PURE = {"ReLU": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}
WAYS = ("by unit", "by layer")
MIXED = [(pair, way) for pair in combinations(PURE, 2) for way in WAYS]
ROWS = tuple(f"{one} and {other}, {way}" for (one, other), way in MIXED)
RATES = (0.03, 0.1, 0.3, 1.0, 3.0)  # divided by the root of the number of layers; pure sigmoids' times TEN
TEN = 10
DEPTHS = (2, 4, 6)
DATA, EXAMPLES, STEPS, WIDTH = "circles", 300, 100, 20
HARM = -0.02  # below the mean of the pure ones


def _layer(k: int) -> list[tuple[str, str]]:
    """What every other unit of hidden layer k applies, and what the rest: for each network, pure or mixed."""
    mixed = [pair if way == "by unit" else (pair[k % 2],) * 2 for pair, way in MIXED]
    return [(name, name) for name in PURE] + mixed


def _start(model: MLP) -> None:
    """He's weights into ReLUs, Glorot's into all others."""
    for k, layer in enumerate(model.layers[:-1]):
        for arm, names in enumerate(_layer(k)):
            for half, name in enumerate(names):
                layer.weight[arm, ..., half::2, :] *= he(layer) if name == "ReLU" else 1


def compute(*, networks=10, seed=0, device="cpu"):
    """Test accuracies, each at its best learning rate: (DEPTHS, PURE and then MIXED, networks)."""
    sets, found = drawn_sets(DATA, EXAMPLES, networks, seed, device), []
    for depth in DEPTHS:
        layers = [[by_unit(PURE[one], PURE[other]) for one, other in _layer(k)] for k in range(depth)]
        rates = [
            [rate * (TEN if name == "sigmoid" else 1) / depth**0.5 for rate in RATES]
            for name in (*PURE, *ROWS)
        ]
        words = {"width": WIDTH, "steps": STEPS, "seed": seed, "start": _start}
        found.append(best_of(sets, layers, rates, **words))
    return {"right": torch.stack(found)}


def _gain(right: np.ndarray) -> np.ndarray:
    """Accuracies of the mixed networks minus the mean of the two pure ones, (MIXED, DEPTHS, networks)."""
    pure = dict(zip(PURE, right.swapaxes(0, 1), strict=False))
    means = np.stack([(pure[one] + pure[other]) / 2 for (one, other), _ in MIXED])
    return right[:, len(PURE) :].swapaxes(0, 1) - means


def claims(result) -> Iterator[Claim]:
    gain, row = _gain(result["right"]), ROWS.index("ReLU and tanh, by unit")
    names, units = [*PURE, *ROWS], "networks, each with its own weights and data"
    right = dict(zip(names, result["right"].mean(-1).T, strict=True))
    where = Map.of_means(
        gain.swapaxes(0, 1),
        axes={"hidden layers": DEPTHS, "mixed": ROWS},
        above=HARM,
        measure="accuracy of the mixed network minus the mean of the two pure ones, each at its best "
        "learning rate",
        units=units,
    )
    unit, layer = "ReLU and sigmoid, by unit", "ReLU and sigmoid, by layer"
    worst = "tanh and sigmoid, by layer"
    yield Claim.of_mean(
        gain[row, 0],
        id="mixing-activations",
        statement="To mix types of neurons in one network is very rare, though there is no fundamental "
        "problem with it",
        sources=("cs231n-1, activation functions",),
        verdict="depends",
        measure=f"accuracy on test points of two circles of networks with {DEPTHS[0]} hidden layers, every "
        "other unit a ReLU and the rest tanh, minus the mean of pure ReLU and pure tanh, each at its best "
        "learning rate",
        units=units,
        map=where,
        holds=(where.cells[:, ROWS.index(unit)] == "holds").all()
        and gain[:2].mean(-1).min() > HARM
        and right[unit][-1] > right["ReLU"][-1] - 0.1
        and right["sigmoid"][-1] < 0.6
        and (where.cells[1:, ROWS.index(worst)] == "fails").all(),
        finding=f"Mixed unit by unit, ReLU makes up for its partner: with {DEPTHS[-1]} hidden layers "
        f"sigmoids alone guess, {percent(right['sigmoid'][-1])}, and with every other unit a ReLU they reach "
        f"{percent(right[unit][-1])}, ReLUs alone {percent(right['ReLU'][-1])}. Mixed layer by layer, all "
        f"that passes goes through the weaker kind too: {percent(right[layer][-1])}. So a few layers of "
        f"sigmoids spoil a deep network of tanh as well, {percent(right[worst][1])} with {DEPTHS[1]} "
        f"layers, tanh alone {percent(right['tanh'][1])}. The fault is the sigmoid's, with Glorot's "
        "weights, not the mixing's: ReLU and tanh mix without harm.",
    )
