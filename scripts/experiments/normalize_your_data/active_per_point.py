"""How many neurons of a fresh layer are active for a point, centred and far from 0?

Chapter: normalize-your-data.
"""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, mean_interval, number, percent
from experiments.trials import generator
from unitgain.datasets import uniform_cloud
from unitgain.diagnostics import activity
from unitgain.models import MLP

WIDTH, SHOWN = 10, 40
CLOUDS = {"centred": (-1.0, 1.0), "shifted": (8.0, 10.0)}


def compute(*, networks=4000, points=100, seed=0, device="cpu"):
    """Number of active units of WIDTH for every point, `centred` and `shifted`: (networks, points)."""
    draws = generator(seed)
    uniform = {"weight": "uniform", "bias": "uniform", "generator": draws, "device": device}
    model = MLP((2, WIDTH, 1), replicas=(networks,), **uniform)
    clouds = {
        name: uniform_cloud(points, *ends, generator=draws, device=device) for name, ends in CLOUDS.items()
    }
    return {name: activity(model, x)[0].count.to(torch.int16) for name, x in clouds.items()}


def draw(result) -> Figure:
    fig, axes = style.figure(7.0, 5.2, nrows=2, ncols=2, sharey="row")
    colours = style.palette()
    titles = {"centred": ("Data U(−1, 1)", "standardized"), "shifted": ("Data U(8, 10)", "raw")}
    for (top, bottom), (name, (title, colour)) in zip(axes.T, titles.items(), strict=True):
        count = result[name]
        share = np.bincount(count.ravel(), minlength=WIDTH + 1) / count.size
        top.bar(np.arange(WIDTH + 1), 100 * share, 0.8, color=colours[colour])
        top.text(WIDTH, 23.5, f"mean {count.mean():.2f}", va="top", ha="right")
        top.set(title=title, xlabel=f"active units of {WIDTH}", xticks=range(0, WIDTH + 1, 2), ylim=(0, 26))
        low, high = count[:SHOWN].min(1), count[:SHOWN].max(1)
        order = np.argsort(low + high, kind="stable")
        ends = low[order] - 0.12, high[order] + 0.12
        bottom.vlines(np.arange(len(order)), *ends, color=colours[colour], lw=4)
        bottom.set(
            title="Fewest to most, network by network",
            xlabel=f"{SHOWN} networks",
            xticks=[],
            ylim=(-0.5, WIDTH + 0.5),
            yticks=range(0, WIDTH + 1, 2),
        )
    axes[0, 0].set_ylabel("points (%)")
    axes[1, 0].set_ylabel("active units over the points")
    return fig


def table(result) -> dict:
    counts = {name: np.bincount(result[name].ravel(), minlength=WIDTH + 1) for name in CLOUDS}
    return {"active_units": np.arange(WIDTH + 1), **counts}


def caption(result) -> str:
    centred, shifted = result["centred"], result["shifted"]
    within = {name: result[name].std(axis=1).mean() for name in CLOUDS}
    return (
        f"**Counting active units hides the problem: on average {centred.mean():.2f} of {WIDTH} are active "
        f"on centred data and {shifted.mean():.2f} at U(8, 10).** What changes is that they are the same "
        "units for every point: within a network the count varies from point to point by "
        f"{within['centred']:.2f} (standard deviation) centred, by {within['shifted']:.2f} shifted. "
        f"{len(centred):,} networks, {centred.shape[1]} points each, weights and biases U(−1, 1)."
    )


def alt(result) -> str:
    return (
        "Two equal histograms of the number of active units per point, for data around 0 and around 9. "
        "Below, for 40 networks, the range of that number over the points: wide around 0, hardly any around "
        "9."
    )


def claims(result) -> Iterator[Claim]:
    share = {name: result[name].mean(axis=1) / WIDTH for name in CLOUDS}  # one independent number a network
    lows, highs = zip(*map(mean_interval, share.values()), strict=True)
    frozen = {name: float((result[name].std(axis=1) == 0).mean()) for name in CLOUDS}
    yield Claim.of_mean(
        share["shifted"],
        id="count-stays-half",
        statement="Even far from 0, about half of the neurons are active for a point",
        sources=("Galletti, Tuning neural networks, part I",),
        verdict="confirmed",
        measure="mean share of active units for a point of U(8, 10)²",
        holds=min(lows) > 0.48 and max(highs) < 0.52,
        finding=f"The count is the wrong thing to watch: at U(8, 10) {percent(frozen['shifted'])} of the "
        "networks have exactly the same number of active units for every point, against "
        f"{percent(frozen['centred'])} centred (mean share centred {number(share['centred'].mean())}).",
    )
