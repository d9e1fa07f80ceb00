"""Can one scale of the weights keep both the signal and the gradient?  Chapter: activations."""

import math

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from experiments import style
from experiments.activations._shared.names import NAMES
from experiments.intervals import mean_interval
from experiments.trials import generator
from experiments.words import long_table, number, percent
from unitgain.activations import activation, gain

WIDTH, DEPTH = 256, 8
DIRECTIONS = ("forward", "backward")


def compute(*, networks=12, points=32, seed=0, device="cpu"):
    """Factor a layer of the root mean square, `forward` and `backward` (functions, networks).

    Weights N(0, gain²/width) with the forward gain, no biases; inputs N(0, 1), and N(0, 1) comes back. All
    functions share the draws.
    """
    draw, functions = generator(seed), [(activation(name), gain(name)) for name in NAMES]
    ways: dict[str, list] = {way: [] for way in DIRECTIONS}
    for _ in range(networks):
        w = torch.randn(DEPTH, WIDTH, WIDTH, generator=draw).to(device) / math.sqrt(WIDTH)
        first, back = torch.randn(2, points, WIDTH, generator=draw).to(device)
        x = first.repeat(len(functions), 1, 1).requires_grad_()
        z = x
        for layer in w:
            z = torch.stack([scale * f(part) for (f, scale), part in zip(functions, z, strict=True)]) @ layer
        (g,) = torch.autograd.grad(z, x, back.expand_as(z))
        ways["forward"].append(_rms(z.detach()) / _rms(first))
        ways["backward"].append(_rms(g) / _rms(back))
    return {way: torch.stack(rows, 1) ** (1 / DEPTH) for way, rows in ways.items()}


def _rms(x: torch.Tensor) -> torch.Tensor:
    return x.square().mean((-2, -1)).sqrt()


def predicted() -> np.ndarray:
    """The factors (directions, functions): 1 forward, by the choice of weights; backward the gains' ratio."""
    backward = [gain(name) / gain(name, "backward") for name in NAMES]
    return np.array([np.ones(len(NAMES)), backward])


def _order() -> np.ndarray:
    return np.argsort(predicted()[1])


def draw(result) -> Figure:
    fig, ax = style.figure(7.0, 4.2, tall=4.9)
    key, order, rows = style.palette()["standardized"], _order(), np.arange(len(NAMES))
    for way, expected, side, face in zip(DIRECTIONS, predicted(), (0.19, -0.19), ("none", key), strict=True):
        values, at = result[way][order], rows + side
        ax.vlines(expected[order], at - 0.19, at + 0.19, color=style.ink(), lw=1)
        ax.hlines(at, *np.transpose([mean_interval(row) for row in values]), color=key, lw=1.5)
        ax.plot(values.mean(1), at, "o", mfc=face, mec=key, ms=5)
    names = list(NAMES.values())
    ax.set(
        xscale="log",
        xlim=(0.36, 1.15),
        xticks=(0.4, 0.6, 0.8, 1),
        xticklabels=("0.4", "0.6", "0.8", "1"),
        xlabel="factor a layer (log)",
        yticks=rows,
        yticklabels=[names[i] for i in order],
    )
    ax.xaxis.set_minor_locator(NullLocator())
    ax.text(0.97, 10.19, "signal, forward", color=key, ha="right", va="center")
    ax.text(0.41, -0.19, "gradient, backward", color=key, va="center")
    ax.text(0.375, 8, "thin lines: predicted", va="center")
    return fig


def table(result) -> dict:
    values = np.stack([result[way] for way in DIRECTIONS], axis=1)
    bounds = np.apply_along_axis(mean_interval, -1, values)
    return long_table(
        {"activation": list(NAMES.values()), "direction": DIRECTIONS},
        factor=values.mean(-1),
        low=bounds[..., 0],
        high=bounds[..., 1],
        predicted=predicted().T,
    )


def _off(result) -> tuple[float, str]:
    """Largest relative distance of a mean from the prediction, and of which activation."""
    measured = np.stack([result[way].mean(-1) for way in DIRECTIONS])
    off = np.abs(measured / predicted() - 1).max(0)
    return float(off.max()), list(NAMES.values())[off.argmax()]


def _backward(result, name: str) -> float:
    return float(result["backward"][list(NAMES).index(name)].mean())


def caption(result) -> str:
    off, worst = _off(result)
    return (
        "**Weights that keep the signal leave a ReLU's gradient as it is "
        f"(×{number(_backward(result, 'relu'))} a layer), shrink the sigmoid's to "
        f"{percent(_backward(result, 'sigmoid'))} and let tanh's grow by "
        f"{percent(_backward(result, 'tanh') - 1, 1)}.**\n\nBy which factor the root mean square "
        f"changes from layer to layer, with weights of the forward gain; means over "
        f"{result['forward'].shape[-1]} networks of {DEPTH} layers with {WIDTH} units, normal inputs, "
        f"{percent(0.95)} intervals. Predicted: 1 for the signal, the ratio of the gains for the gradient; "
        f"the measurement agrees within {percent(off, 1)}, {worst} being furthest off."
    )


def alt(result) -> str:
    listed = ", ".join(f"{NAMES[name]} {number(_backward(result, name))}" for name in NAMES)
    return (
        "Dot plot of the factor a layer for eleven activations: the signal's lie at 1, the gradient's "
        f"are {listed}."
    )
