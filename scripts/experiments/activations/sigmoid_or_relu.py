"""Is a sigmoid never as good as a ReLU, and is tanh worse, each at its best learning rate?

Chapter: activations.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch

from experiments.activations._shared.arms import best_of, drawn_sets, he
from experiments.activations._shared.digits import digit_sets
from experiments.evidence import Claim, Map
from experiments.trials import standardized
from experiments.words import percent, signed
from unitgain.datasets import Split
from unitgain.models import MLP

ARMS = ("sigmoid, Glorot", "sigmoid, 4 × Glorot", "tanh", "ReLU")
GLOROT, LARGE, TANH, RELU = range(len(ARMS))
FUNCTIONS = (torch.sigmoid, torch.sigmoid, torch.tanh, torch.relu)
TIMES = 4  # Glorot's weights, which a sigmoid's slope of ¼ asks for
RATES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # divided by the root of the layers; a sigmoid's times MORE
MORE = 3
DEPTHS = (1, 2, 4)
STEPS = 100
DATA = {"tables": 1, "circles": 1, "spirals": 2}  # times STEPS
WIDTH, EXAMPLES = 20, 300
SHOWN, LONG = 2, 3  # on the digits, for the headlines: hidden layers, times STEPS
TEST, TRAINING = 0.1, 0.7
WORSE = {"sigmoid": -0.02, "tanh": -0.01}  # than ReLU by more than that
ROWS = tuple(f"{data}, {start}" for data in DATA for start in ("Glorot", "4 × Glorot"))


def _start(model: MLP) -> None:
    """He's weights for ReLU; for LARGE, after the first layer, more and biases that take out the ½."""
    for k, layer in enumerate(model.layers):
        layer.weight[RELU] *= he(layer)
        if k:
            layer.weight[LARGE] *= TIMES
            layer.bias[LARGE] = -layer.weight[LARGE].sum(-1, keepdim=True) / 2


def _right(sets: Split, depth: int, steps: int, seed: int) -> torch.Tensor:
    """Test accuracies (ARMS, networks)."""
    rates = [[factor * rate / depth**0.5 for rate in RATES] for factor in (MORE, MORE, 1, 1)]
    return best_of(sets, [FUNCTIONS] * depth, rates, width=WIDTH, steps=steps, seed=seed, start=_start)


def compute(*, networks=10, seed=0, device="cpu"):
    """Test accuracies: on `digits` (ARMS, networks), and `right` (DATA, DEPTHS, ARMS, networks)."""
    found = []
    for name, times in DATA.items():
        sets = drawn_sets(name, EXAMPLES, networks, seed, device)
        found.append(torch.stack([_right(sets, depth, times * STEPS, seed) for depth in DEPTHS]))
    sets = digit_sets(seed, networks, standardized, test=TEST, device=device)
    return {"digits": _right(sets, SHOWN, LONG * STEPS, seed), "right": torch.stack(found)}


def claims(result) -> Iterator[Claim]:
    behind = result["right"] - result["right"][:, :, RELU, None]  # (data, DEPTHS, ARMS, networks)
    digits = result["digits"]
    by, words = dict(zip(DATA, result["right"].mean(-1), strict=True)), {"test": TEST, "training": TRAINING}
    own = "networks, each with its own weights and data"
    headline = (
        f"accuracy on test digits minus that of ReLUs, {SHOWN} hidden layers of {WIDTH}, {LONG * STEPS} "
        "steps, each at its best learning rate; Glorot's weights, He's for ReLU"
    )
    split = "networks, each with its own weights and random split of the same digits"
    mapped = partial(
        Map.of_means,
        measure="accuracy minus that of ReLUs after the same training, each at its best rate",
        units=own,
    )
    sigmoids = mapped(
        np.moveaxis(behind[:, :, [GLOROT, LARGE]], 1, 0).reshape(len(DEPTHS), len(ROWS), -1),
        axes={"hidden layers": DEPTHS, "data and first weights": ROWS},
        below=WORSE["sigmoid"],
    )
    deep = DEPTHS[-1]
    yield Claim.of_resampled(
        digits[GLOROT] - digits[RELU],
        id="sigmoid-never",
        statement="Never use the sigmoid",
        sources=("cs231n-1, activation functions",),
        verdict="depends",
        measure=headline,
        units=split,
        map=sigmoids,
        holds=abs((digits[GLOROT] - digits[RELU]).mean()) < 0.03
        and behind[0, 0, GLOROT].mean() > 0
        and (behind[:, -1, GLOROT].mean(-1) < -0.3).all()
        and behind[0, -1, LARGE].mean() > -0.01
        and (behind[2, :, :2].mean(-1) < -0.05).all(),
        finding=f"With Glorot's weights sigmoids fall behind with depth: compared with ReLUs, on tables, "
        f"they are at {signed(100 * behind[0, 0, GLOROT].mean())} points with one hidden layer and at "
        f"{signed(100 * behind[0, -1, GLOROT].mean(), 0)} with {deep}, where they guess. On tables the "
        f"fault is in the weights: with {TIMES} times as large ones, and biases that take out the ½, they "
        f"are at {signed(100 * behind[0, -1, LARGE].mean())}. On spirals, whose boundary winds, they lose "
        f"at each depth, {percent(by['spirals'][0, GLOROT])} against {percent(by['spirals'][0, RELU])} with "
        "one layer, and the larger weights make up for a part only.",
        **words,
    )
    tanh = mapped(
        behind[:, :, TANH].swapaxes(0, 1),
        axes={"hidden layers": DEPTHS, "data": tuple(DATA)},
        below=WORSE["tanh"],
    )
    yield Claim.of_resampled(
        digits[TANH] - digits[RELU],
        id="tanh-worse-than-relu",
        statement="Try tanh, but expect it to work worse than ReLU",
        sources=("cs231n-1, activation functions",),
        verdict="depends",
        measure=headline,
        units=split,
        map=tanh,
        holds=(digits[TANH] - digits[RELU]).mean() > -0.01
        and (behind[0, :, TANH].mean(-1) > 0).all()
        and (behind[2, 1:, TANH].mean(-1) < -0.02).all(),
        finding=f"Not on tables: compared with ReLU, tanh is at "
        f"{signed(100 * behind[0, :, TANH].mean(-1).min())} to "
        f"{signed(100 * behind[0, :, TANH].mean(-1).max())} points there, and no worse on digits. It is "
        f"worse on spirals: with {deep} hidden layers {percent(by['spirals'][-1, TANH])} against "
        f"{percent(by['spirals'][-1, RELU])}. On circles both are near {percent(by['circles'][-1, RELU])}. "
        f"Each at its own best of {len(RATES)} learning rates, the data decide which of the two is better.",
        **words,
    )
