"""At which scale of its inputs does a unit saturate?  Chapter: activations."""

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.special import ndtri

from experiments import style
from experiments.activations._shared.names import NAMES
from experiments.intervals import mean_interval
from experiments.trials import generator
from experiments.words import long_table, percent
from unitgain.activations import activation
from unitgain.diagnostics import saturation

INPUTS = 64
SCALES = np.geomspace(0.1, 10, 13)  # standard deviation of the inputs
FUNCTIONS = ("sigmoid", "tanh", "lecun_tanh", "relu", "softplus", "elu", "gelu", "silu")


def compute(*, neurons=400, points=500, seed=0, device="cpu"):
    """Share of examples that leave a unit `saturated` (functions, scales, neurons): f′ below 5 % of its peak.

    Inputs uniform around 0, weights N(0, 1/inputs): z is nearly normal and as spread as the inputs.
    """
    x = 3**0.5 * (2 * torch.rand(points, INPUTS, generator=generator(seed, "data")) - 1)
    w = torch.randn(INPUTS, neurons, generator=generator(seed, "weights")) / INPUTS**0.5
    z = (x @ w).to(device)
    rows = [[saturation(activation(f), scale * z) for scale in SCALES.tolist()] for f in FUNCTIONS]
    return {"saturated": torch.stack([torch.stack(row) for row in rows])}


def predicted(function: str, scales: np.ndarray) -> np.ndarray:
    """The same share for z ~ N(0, scale²)."""
    z = torch.from_numpy(ndtri((np.arange(10_000) + 0.5) / 10_000))[:, None]
    return np.array([saturation(activation(function), scale * z).item() for scale in scales.tolist()])


def _off(result) -> float:
    """Largest distance of a mean from the prediction."""
    mean = result["saturated"].mean(-1)
    return max(
        float(np.abs(row - predicted(f, SCALES)).max()) for f, row in zip(FUNCTIONS, mean, strict=True)
    )


def draw(result) -> Figure:
    fig, axes = style.figure(7.4, 3.8, ncols=2, tall=6.6, sharey=True)
    fine, marks = np.geomspace(0.1, 10, 80), dict(zip(FUNCTIONS, "os^sov^D", strict=True))
    key = style.palette()["saturated"]
    for ax, group in ((axes[0], FUNCTIONS[:3]), (axes[1], FUNCTIONS[3:])):
        for name in group:
            row = 100 * result["saturated"][FUNCTIONS.index(name)]
            ax.plot(fine, 100 * predicted(name, fine), color=style.ink(), lw=1)
            low, high = np.array([mean_interval(values) for values in row]).T
            ax.vlines(SCALES, low, high, color=key, lw=1.5)
            ax.plot(SCALES, row.mean(1), marks[name], ms=4.5, color=key, mew=0)
        ax.set(
            xscale="log", xlim=(0.09, 50), ylim=(-2, 100), xticks=(0.1, 1, 10), xticklabels=("0.1", "1", "10")
        )
        ax.set_xlabel("standard deviation of the inputs (log)")
        ax.minorticks_off()
    axes[0].set(title="Flat on both sides", ylabel="examples that saturate the unit (%)")
    axes[1].set(title="Flat on one side")
    for ax, name, y in (
        (axes[0], "tanh", 83),
        (axes[0], "lecun_tanh", 74.5),
        (axes[0], "sigmoid", 66),
        (axes[1], "relu", 53),
        (axes[1], "gelu", 45.5),
        (axes[1], "elu", 38),
        (axes[1], "silu", 30.5),
    ):
        text = "ELU, softplus" if name == "elu" else NAMES[name]
        ax.text(12, y, text, color=key, va="center")
    axes[0].text(0.1, 86, "dots: measured\nlines: predicted")
    return fig


def table(result) -> dict:
    bounds = np.apply_along_axis(mean_interval, -1, result["saturated"])
    return long_table(
        {"activation": [NAMES[f] for f in FUNCTIONS], "input_sd": SCALES},
        saturated=result["saturated"].mean(-1),
        low=bounds[..., 0],
        high=bounds[..., 1],
        predicted=np.array([predicted(f, SCALES) for f in FUNCTIONS]),
    )


def _share(result, function: str, scale: float) -> str:
    return percent(result["saturated"][FUNCTIONS.index(function), np.abs(SCALES - scale).argmin()].mean())


def caption(result) -> str:
    return (
        f"**With inputs of standard deviation 1 a tanh unit is saturated on {_share(result, 'tanh', 1)} of "
        f"the examples and a sigmoid on {_share(result, 'sigmoid', 1)}; with 10 it is "
        f"{_share(result, 'tanh', 10)} and {_share(result, 'sigmoid', 10)}.**\n\nSaturated: "
        "the derivative is below a twentieth of its peak. A ReLU is, wherever it is off: on half of the "
        "examples at any scale. GELU's and SiLU's derivatives also cross 0 at a moderate z, which makes "
        f"the bump. Dots: means over {result['saturated'].shape[-1]} units with {INPUTS} inputs and weights "
        f"of variance 1/{INPUTS}, {percent(0.95)} intervals mostly smaller than the dot; lines: predicted "
        f"for a normal z, within {100 * _off(result):.1f} points."
    )


def alt(result) -> str:
    return (
        "Percentage of saturated examples against the inputs' standard deviation from 0.1 to 10, two panels. "
        f"Tanh, LeCun's tanh and the sigmoid rise from 0 to {_share(result, 'tanh', 10)}, "
        f"{_share(result, 'lecun_tanh', 10)} and {_share(result, 'sigmoid', 10)}; ReLU stays at a half; "
        "softplus, ELU, GELU and SiLU rise towards a half."
    )
