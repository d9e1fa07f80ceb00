"""What does training make of γ and β, which may undo the normalization?  Chapter: batch-normalization."""

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.intervals import mean_interval
from experiments.trials import descend, mlps, standardized
from experiments.words import between, number, percent
from unitgain.datasets import Examples, digits
from unitgain.diagnostics import activity

SIZES = (64, 40, 40, 40, 10)
RATE, BATCH, EPOCHS = 0.1, 64, 20
SHOWN = 2  # networks


def compute(*, networks=6, seed=0, device="cpu"):
    """`gamma` and `beta` of every hidden unit after training, and what would undo its normalization.

    That is `sigma` and `mu`, the running statistics; and the `share` of the images that the unit is on for.
    All (layers, networks, units).
    """
    x, y = digits(device=device)
    x = standardized(x, x)
    kind = {"normalization": "batch", "weight": "he_normal"}
    model = mlps(SIZES, networks, seed=seed, device=device, **kind)
    descend(model, Examples(x, y), RATE, seed=seed, epochs=EPOCHS, batch=BATCH)
    norms = model.normalizations
    found = {
        "gamma": [norm.weight for norm in norms],
        "beta": [norm.bias for norm in norms],
        "sigma": [norm.running_var.sqrt() for norm in norms],
        "mu": [norm.running_mean for norm in norms],
        "share": [layer.share[..., None] for layer in activity(model.eval(), x)],
    }
    return {key: torch.stack(rows)[..., 0].detach() for key, rows in found.items()}


def draw(result) -> Figure:
    fig, ax = style.figure(7.0, 3.7, tall=3.7)
    colours, ink = style.palette(), style.ink()
    common = {"ls": "", "ms": 3.6, "mew": 0, "alpha": 0.5}
    for shift, scale, key, mark in (("mu", "sigma", "raw", "^"), ("beta", "gamma", "standardized", "o")):
        x, y = (result[value][:, :SHOWN].ravel() for value in (shift, scale))
        ax.plot(x, y, mark, color=colours[key], **common)
    ax.plot(0, 1, "+", ms=15, mew=1.6, color=ink)
    ax.text(-2.1, 2.05, "would undo it:\nγ = σ, β = μ", color=colours["raw"], va="center")
    ax.text(0.5, 1.55, "after training", color=colours["standardized"], va="center")
    thin = {"arrowstyle": "-", "color": ink, "lw": 0.8}
    ax.annotate("before training", (0.03, 0.97), (0.6, 0.35), va="center", arrowprops=thin)
    ax.text(-2.1, 0.2, "a mark: one unit", va="center")
    ax.set(xlim=(-2.2, 2.2), ylim=(0, 3), xlabel="shift β", ylabel="scale γ")
    return fig


def table(result) -> dict:
    at = np.indices(result["gamma"].shape)
    return {
        "layer": at[0].ravel() + 1,
        "network": at[1].ravel(),
        **{key: result[key].ravel() for key in ("gamma", "beta", "sigma", "mu", "share")},
    }


def _stayed(result) -> np.ndarray:
    """Share of each network's units that end nearer to γ = 1, β = 0 than to what would undo them."""
    home = np.hypot(result["gamma"] - 1, result["beta"])
    away = np.hypot(result["gamma"] - result["sigma"], result["beta"] - result["mu"])
    return (home < away).mean((0, 2))


def caption(result) -> str:
    stayed = 100 * _stayed(result)
    middle = {key: tuple(np.quantile(result[key], (0.025, 0.975))) for key in ("gamma", "beta", "share")}
    low, high = middle["share"]
    return (
        f"**Training does not undo the normalization: {number(stayed.mean())} % "
        f"{between(mean_interval(stayed))} of the units end nearer to γ = 1, β = 0 than to γ = σ, β = "
        f"μ.**\n\nThe middle 95 % have γ in {between(middle['gamma'], 2)} and β in "
        f"{between(middle['beta'], 2)}, and are on for {percent(low)} to {percent(high)} of the images. "
        f"{len(stayed)} networks {'-'.join(map(str, SIZES))}, ReLU, digits, {EPOCHS} epochs of plain SGD at "
        f"learning rate {RATE:g}; μ and σ are the running statistics; shown are all units of {SHOWN} "
        "networks; 95 % interval over networks."
    )


def alt(result) -> str:
    return (
        "Scatter plot of scale against shift, a point for each hidden unit: the learned pairs lie close "
        "around scale 1 and shift 0, those that would undo the normalization are spread widely; "
        f"{percent(_stayed(result).mean())} of the units stay nearer to the start."
    )
