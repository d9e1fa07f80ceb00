"""How often does one factor |w g′(z)| shrink the gradient, and what follows for a wide layer?

Chapter: unstable-gradients.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from experiments.evidence import Claim, Map
from experiments.intervals import ratio, wilson
from experiments.trials import generator
from experiments.words import number, percent
from unitgain.activations import ACTIVATIONS, derivative

NAMES = {"identity": "none", "sigmoid": "sigmoid", "tanh": "tanh", "relu": "ReLU", "gelu": "GELU"}
STANDARD = (0.3, 1.0, 2.0, 3.0, 10.0, 30.0)  # deviations of a weight
BEFORE, WIDTH = 4, 100  # layers before the one that is measured; units of a wide one
OFTEN = 2 / 3


def compute(*, neurons=40_000, networks=120, seed=0, device="cpu"):
    """Whether |w g′(wa + b)| is `below` 1 (NAMES, STANDARD, neurons), in chains.

    Inputs and biases are N(0, 1). In layers of 100 units with weights N(0, 1), the share of a layer's factors
    that is (`wide`) and by how much the layer multiplies a gradient (`gain`), (NAMES, networks).
    """
    draw = generator(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64).to(device)

    below, wide, gain = [], [], []
    for name in NAMES:
        for deviation in STANDARD:
            w, slope = _layer(name, neurons, 1, deviation, normal)
            below.append(((w * slope).abs() < 1).flatten())
        w, slope = _layer(name, networks, WIDTH, 1.0, normal)
        factors, arriving = w * slope, normal(networks, WIDTH, 1)
        wide.append((factors.abs() < 1).double().mean((1, 2)))
        gain.append((factors.mT @ arriving).norm(dim=1).flatten() / arriving.norm(dim=1).flatten())
    shape = (len(NAMES), len(STANDARD))
    return {
        "below": torch.stack(below).unflatten(0, shape),
        "wide": torch.stack(wide),
        "gain": torch.stack(gain),
    }


def _layer(name: str, networks: int, width: int, deviation: float, normal) -> tuple[Tensor, Tensor]:
    """Weights (networks, width, width) of a layer behind others like it, and slopes (networks, width, 1)."""
    a = normal(networks, width, 1)
    for _ in range(BEFORE):
        a = ACTIVATIONS[name](deviation * normal(networks, width, width) @ a + normal(networks, width, 1))
    w = deviation * normal(networks, width, width)
    return w, derivative(name)(w @ a + normal(networks, width, 1))


def claims(result) -> Iterator[Claim]:
    below = dict(zip(NAMES, result["below"], strict=True))
    wide = dict(zip(NAMES, result["wide"].mean(-1), strict=True))
    gain = {name: ratio(values, 1) for name, values in zip(NAMES, result["gain"], strict=True)}
    one, three = STANDARD.index(1.0), STANDARD.index(3.0)
    units = "neurons, each at the end of a chain of its own"
    yield Claim.of_fraction(
        below["tanh"][one],
        id="weights-below-one",
        statement="With weights from N(0, 1) |w| < 1 is often the case, so that |w g′(z)| < 1 is very common",
        sources=("tuning-lesson, vanishing gradient problem",),
        verdict="depends",
        measure="fraction of tanh neurons with weights and biases from N(0, 1) for which |w g′(z)| < 1",
        units=units,
        map=Map.of_fractions(
            result["below"].swapaxes(0, 1),
            axes={"standard deviation of the weights": STANDARD, "activation": tuple(NAMES.values())},
            above=OFTEN,
            measure="fraction of neurons for which |w g′(z)| < 1",
            units=units,
        ),
        holds=all(wilson(row[one])[0] > OFTEN for row in result["below"])
        and all(wilson(below[name][three])[1] < OFTEN for name in ("identity", "relu", "gelu"))
        and min(wide.values()) > OFTEN
        and min(low for name, (_, (low, _)) in gain.items() if name != "sigmoid") > 1.5,
        finding="With N(0, 1) it is, for any activation. Of the weights alone "
        f"{percent(below['identity'][one].mean())} are below 1; with the slopes it is "
        f"{percent(below['relu'][one].mean())} of the factors for ReLU, {percent(below['tanh'][one].mean())} "
        f"for tanh and {percent(below['sigmoid'][one].mean())} for the sigmoid. Larger weights saturate "
        "sigmoid and tanh, and their factors stay below 1; those of the others do not. But how common it is "
        f"does not decide whether a gradient vanishes. In layers of {WIDTH} tanh units "
        f"{percent(wide['tanh'])} of the factors are below 1, and yet a layer multiplies the gradient by "
        f"{number(gain['tanh'][0], 2)}: so many small terms add up.",
    )
