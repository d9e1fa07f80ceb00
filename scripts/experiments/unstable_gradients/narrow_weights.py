"""Up to how many inputs are weights from U(-1, 1) small enough?  Chapter: unstable-gradients."""

from collections.abc import Iterator

import torch
from torch import Tensor

from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval
from experiments.trials import generator, generators, raw, stacked, standardized
from experiments.words import percent
from unitgain.activations import ACTIVATIONS
from unitgain.datasets import digits
from unitgain.diagnostics import saturation
from unitgain.initializers import uniform_

NAMES = {"tanh": "tanh", "lecun_tanh": "LeCun's tanh", "sigmoid": "sigmoid"}  # each saturates on both sides
INPUTS = (3, 10, 20, 45, 90, 180)
UNITS, EXAMPLES = 50, 100
MOSTLY = 0.5
WAYS = raw, standardized


def compute(*, networks=40, seed=0, device="cpu"):
    """Share of units × examples that are saturated in a first layer without biases.

    `saturated` (INPUTS, NAMES, networks) on inputs N(0, 1) with weights from U(-1, 1), `scaled` likewise with
    these times √(3 / inputs); `digits` (raw and standardized, NAMES, networks).
    """
    draw, weights = generator(seed, "data"), generators(seed, networks)
    saturated, scaled = [], []
    for inputs in INPUTS:
        x = torch.randn(networks, EXAMPLES, inputs, generator=draw).to(device)
        z = _sums(x, weights)
        saturated.append(_saturated(z))
        scaled.append(_saturated(z * (3 / inputs) ** 0.5))
    pixels, classes = digits(device=device)
    rows = [torch.randperm(len(pixels), generator=draw)[:EXAMPLES] for _ in range(networks)]
    ways = [stacked((way(pixels[some], pixels[some]), classes[some]) for some in rows) for way in WAYS]
    return {
        "saturated": torch.stack(saturated),
        "scaled": torch.stack(scaled),
        "digits": torch.stack([_saturated(_sums(x, weights)) for x, _ in ways]),
    }


def _sums(x: Tensor, draws) -> Tensor:
    """Pre-activations (networks, examples, units)."""
    return x @ uniform_(x.new_empty(len(x), x.shape[-1], UNITS), -1.0, 1.0, generator=draws)


def _saturated(z: Tensor) -> Tensor:
    return torch.stack([saturation(ACTIVATIONS[name], z).double().mean(-1) for name in NAMES])


def claims(result) -> Iterator[Claim]:
    tanh, many, units = 0, INPUTS.index(90), "networks, each with its own weights and inputs from N(0, 1)"
    scaled = result["scaled"].reshape(-1, result["scaled"].shape[-1])
    before, after = (mean_interval(way[tanh]) for way in result["digits"])
    yield Claim.of_mean(
        result["saturated"][many, tanh],
        id="narrow-weights",
        statement="Normalized inputs allow initial weights from a very narrow interval, typically [−1, 1]",
        sources=("tuning-lesson, advantages of normalizing the input data",),
        verdict="depends",
        measure=f"fraction of tanh units × examples at which the derivative is below 5 % of its peak, in a "
        f"first layer with {INPUTS[many]} inputs and weights from U(−1, 1)",
        units=units,
        map=Map.of_means(
            result["saturated"],
            axes={"inputs": INPUTS, "activation": tuple(NAMES.values())},
            below=MOSTLY,
            measure="fraction of units × examples at which the derivative is below 5 % of its peak",
            units=units,
        ),
        holds=max(mean_interval(row)[1] for row in scaled) < 0.1
        and after[0] > MOSTLY
        and after[1] < before[0],
        finding="For a few inputs. The more there are, the larger their weighted sum, so that a fixed "
        "interval is too wide from some number on: the sooner an activation saturates, the smaller that is. "
        f"On the 64 pixels of raw digits {percent(result['digits'][0, tanh].mean())} of tanh units × "
        f"examples saturate, and still {percent(result['digits'][1, tanh].mean())} on standardized ones. "
        "An interval that narrows with the inputs, ±√(3 / inputs), leaves at most "
        f"{percent(scaled.mean(-1).max(), 1)}, whatever their number and whichever the activation.",
    )
