"""How much of a vanished gradient does it give back to standardize the inputs?  Chapter: unstable-gradients.

Only the first layer sees the inputs, so only its slopes can change much; all other factors stay.
"""

from collections.abc import Iterator

import numpy as np
import torch

from experiments.evidence import Claim, Map
from experiments.intervals import ratio
from experiments.trials import generators, mlps, raw, stacked, standardized
from experiments.words import between, number
from unitgain.datasets import digits, wine
from unitgain.diagnostics import observe
from unitgain.training import cross_entropy

TABLES = {"digits": digits, "wine": wine}
SATURATING = ("sigmoid", "tanh")
ROWS = tuple(f"{name}, {table}" for table in TABLES for name in SATURATING)  # of the map
DEPTHS = (1, 2, 4, 8, 16)  # hidden layers
AT = DEPTHS.index(8)
UNITS, EXAMPLES = 32, 50
LEAST = 1e-300  # where all units of a network are saturated to the last digit


def compute(*, networks=60, seed=0, device="cpu"):
    """The first layer's gradient by the output layer's, before training: with raw and standardized inputs.

    Of pre-activations and of weights: `saturating` (tables, SATURATING, depths, 2, 2, networks), and `relu`
    (tables, 2, 2, networks) at 8 hidden layers. Both ways a network starts alike and sees the same examples.
    """
    saturating, relu = [], []
    for load in TABLES.values():
        examples = _examples(load, networks, seed, device)
        saturating += [_arriving(*examples, name, depth, seed) for name in SATURATING for depth in DEPTHS]
        relu.append(_arriving(*examples, "relu", DEPTHS[AT], seed, weight="he_normal"))
    found = torch.stack(saturating).unflatten(0, (len(TABLES), len(SATURATING), len(DEPTHS)))
    return {"saturating": found, "relu": torch.stack(relu)}


def _arriving(inputs, y, name: str, depth: int, seed: int, **options):
    """Ratios of pre-activations' gradients and of weights', (2, 2, networks)."""
    sizes = (inputs.shape[-1], *[UNITS] * depth, int(y.max()) + 1)
    options |= {"activation": name, "device": y.device, "dtype": inputs.dtype}
    model = mlps(sizes, inputs.shape[:2], seed=seed, **options)
    with observe(model, layers=["layers.0", f"layers.{depth}"], sample=2) as seen:
        cross_entropy(model(inputs), y.expand(2, -1, -1)).sum().backward()
    first, last = (
        torch.stack([one.gradient, other.norm]).double()
        for one, other in zip(seen.last.layers, seen.last.gradients, strict=True)
    )
    return first / last


def _examples(load, networks: int, seed: int, device):
    """Each network's own rows, raw and standardized, (2, networks, EXAMPLES, features), and their classes."""
    x, y = load(device=device, dtype=torch.float64)
    rows = [torch.randperm(len(x), generator=draw)[:EXAMPLES] for draw in generators(seed, networks, "data")]
    ways = [stacked((way(x[some], x[some]), y[some]) for some in rows) for way in (raw, standardized)]
    return torch.stack([inputs for inputs, _ in ways]), ways[0][1]


def _back(result) -> np.ndarray:
    """Of the powers of ten that are lost raw, the share that comes back: (depths, ROWS, networks)."""
    lost, left = np.moveaxis(np.log(np.maximum(result["saturating"][:, :, :, 0], LEAST)), 3, 0)
    return (1 - left / lost).reshape(len(ROWS), len(DEPTHS), -1).swapaxes(0, 1)


def _gain(arriving: np.ndarray):
    """What arrives with standardized inputs by what arrives with raw ones, (2, networks): with interval."""
    return ratio(*np.maximum(arriving, LEAST)[::-1])


def claims(result) -> Iterator[Claim]:
    back, digit = _back(result), result["saturating"][0, 0]  # sigmoid networks: (depths, 2, 2, networks)
    gains, weights = [_gain(depth[0]) for depth in digit], _gain(digit[AT, 1])
    relu, left = [_gain(table[0]) for table in result["relu"]], ratio(digit[AT, 0, 1], 1)
    units = "networks, each with its own initial weights and its own rows of the table"
    yield Claim.of_mean(
        back[AT, ROWS.index("sigmoid, digits")],
        id="norm-mitigates-vanishing",
        statement="Normalized inputs mitigate vanishing gradients, since units are then less likely to be "
        "saturated",
        sources=("tuning-lesson, advantages of normalizing the input data",),
        verdict="depends",
        measure="share of the powers of ten that a sigmoid network's gradient loses on its way from the "
        f"output to the first of {DEPTHS[AT]} hidden layers with raw digits, which standardized digits give "
        "back, before training",
        units=units,
        map=Map.of_means(
            back,
            axes={"hidden layers": DEPTHS, "activation and data": ROWS},
            above=0.5,
            measure="share of the lost powers of ten that standardized inputs give back",
            units=units,
        ),
        holds=left[0] < 1e-4
        and max(gain for gain, _ in gains) < 1.3 * min(gain for gain, _ in gains)
        and gains[AT][1][0] > 1.5
        and all(low > 2 / 3 and high < 1.5 for _, (low, high) in relu)
        and weights[1][1] < 1
        and (back.mean(-1)[:, 2:] > back.mean(-1)[:, :2]).all(),
        finding="It gives back what one layer lost, the first: from the digits, "
        f"{number(gains[0][0], 2)} times the gradient in a sigmoid network of one hidden layer, and "
        f"{number(gains[-1][0], 2)} times with {DEPTHS[-1]}. The deeper the network, the less that is of the "
        f"loss: through {DEPTHS[AT]} layers {number(left[0], 1)} of the gradient arrives although the inputs "
        "are standardized. The measurements of wines saturate more, and so more comes back. A ReLU does not "
        f"saturate, and gains next to nothing: {number(relu[0][0], 2)} and {number(relu[1][0], 2)} times. "
        "The gradient of the first *weights* has the inputs as a factor, and smaller inputs can take away "
        f"more than was given back: from the digits it becomes {number(weights[0], 2)} times what it was "
        f"{between(weights[1], 2)}.",
    )
