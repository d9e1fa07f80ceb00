"""How likely is a fresh network that no point activates, or that no point tells apart?

Chapter: normalize-your-data.
"""

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.intervals import wilson
from experiments.trials import generator
from experiments.words import percent
from unitgain.datasets import uniform_cloud
from unitgain.diagnostics import activity
from unitgain.models import MLP

WIDTHS = (1, 2, 4, 8, 16)
CLOUDS = {"centred": (-1.0, 1.0), "shifted": (8.0, 10.0)}


def compute(*, networks=4000, points=200, seed=0, device="cpu"):
    """`dead` and `frozen` (clouds, widths, networks): every hidden unit dead; every one dead or always on."""
    draws = generator(seed)
    clouds = [uniform_cloud(points, *ends, generator=draws, device=device) for ends in CLOUDS.values()]
    uniform = {"weight": "uniform", "bias": "uniform", "generator": draws, "device": device}
    dead, frozen = [], []
    for width in WIDTHS:
        model = MLP((2, width, 1), replicas=(networks,), **uniform)
        layers = [activity(model, x)[0] for x in clouds]
        dead.append(torch.stack([layer.dead.all(-1) for layer in layers]))
        frozen.append(torch.stack([(layer.dead | layer.always_on).all(-1) for layer in layers]))
    return {"dead": torch.stack(dead, dim=1), "frozen": torch.stack(frozen, dim=1)}


def draw(result) -> Figure:
    fig, axes = style.figure(7.4, 3.0, ncols=2, sharey=True, tall=4.8)
    colours = style.palette()
    titles = ("Every unit is dead", "No unit is alive")
    at = np.arange(len(WIDTHS))
    for ax, key, title in zip(axes, ("dead", "frozen"), titles, strict=True):
        for rows, colour, line in zip(result[key], ("standardized", "raw"), ("-", "--"), strict=True):
            low, high = np.array([wilson(row) for row in rows]).T
            ax.fill_between(at, 100 * low, 100 * high, color=colours[colour], alpha=0.25, lw=0)
            ax.plot(at, 100 * rows.mean(-1), line, marker="o", ms=4, color=colours[colour])
        ax.set(title=title, xlabel="hidden units", xticks=at, xticklabels=WIDTHS, ylim=(-3, 100))
    axes[0].set_ylabel("fresh networks (%)")
    axes[1].text(2.2, 74, "data U(8, 10)", color=colours["raw"])
    axes[1].text(1.2, 10, "data U(−1, 1)", color=colours["standardized"])
    return fig


def table(result) -> dict:
    return {"hidden_units": np.array(WIDTHS)} | {
        f"{key}_{cloud}": rows.mean(-1)
        for key in ("dead", "frozen")
        for cloud, rows in zip(CLOUDS, result[key], strict=True)
    }


def caption(result) -> str:
    two = WIDTHS.index(2)
    dead, frozen = result["dead"][:, two].mean(-1), result["frozen"][:, two].mean(-1)
    return (
        f"**Of fresh 2-2-1 networks, {percent(frozen[1])} have no unit that tells points apart on U(8, 10), "
        f"and {percent(dead[1])} are dead altogether; centred it is {percent(frozen[0])} and "
        f"{percent(dead[0])}.**\n\nA dead network learns nothing but its last bias; one without "
        f"a unit that is alive starts as a logistic regression. {result['dead'].shape[-1]:,} networks a "
        "point, weights and biases U(−1, 1); bands: 95 % intervals (Wilson)."
    )


def alt(result) -> str:
    two = WIDTHS.index(2)
    frozen = result["frozen"][:, two].mean(-1)
    return (
        "Two line plots against the number of hidden units: the fraction of fresh networks that are entirely "
        "dead, and the fraction without a unit that is alive. With 2 units and data far from 0 the latter is "
        f"{percent(frozen[1])}, centred {percent(frozen[0])}; both fall as units are added."
    )
