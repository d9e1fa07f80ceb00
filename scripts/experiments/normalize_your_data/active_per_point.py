"""How many neurons of a fresh layer are active for a point, centred and far from 0?

Chapter: normalize-your-data.
"""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval
from experiments.normalize_your_data._shared.circles import LEARNING_RATE, learn, many_circles
from experiments.trials import generator, mlps
from experiments.words import number, percent
from unitgain.datasets import Examples, uniform_cloud
from unitgain.diagnostics import activity
from unitgain.models import MLP

WIDTH = 10
CLOUDS = {"centred": (-1.0, 1.0), "shifted": (8.0, 10.0)}
MOMENTS, OFFSETS = (0, 2, 5, 11, 22, 45), (0, 3, 10, 30)  # the map: steps of training


def _mapped(networks: int, seed: int, device) -> torch.Tensor:
    """Mean fraction of active units for a point of the circles, (moments, offsets, networks)."""
    x, y = many_circles(seed, networks, 40, device=device)
    data = Examples(torch.stack([x + offset for offset in OFFSETS]), y)
    model = mlps((2, WIDTH, 1), (len(OFFSETS), networks), seed=seed, device=device)
    kept = []

    def keep(step: int) -> None:
        if step in MOMENTS:
            kept.append(activity(model, data.x)[0].share.mean(-1))

    learn(model, data, steps=MOMENTS[-1], seed=seed, callback=keep)
    return torch.stack(kept)


def compute(*, networks=4000, points=100, mapped=1200, seed=0, device="cpu"):
    """Number of active units of WIDTH for every point, `centred` and `shifted`: (networks, points).

    The `map`, (moments, offsets, mapped): their mean fraction in the course of training.
    """
    draws = generator(seed)
    uniform = {"weight": "uniform", "bias": "uniform", "generator": draws, "device": device}
    model = MLP((2, WIDTH, 1), replicas=(networks,), **uniform)
    clouds = {
        name: uniform_cloud(points, *ends, generator=draws, device=device) for name, ends in CLOUDS.items()
    }
    counts = {name: activity(model, x)[0].count.to(torch.int16) for name, x in clouds.items()}
    return counts | {"map": _mapped(mapped, seed, device)}


def draw(result) -> Figure:
    fig, (left, right) = style.figure(7.4, 3.1, ncols=2, sharey=True, tall=5.0)
    names = {"centred": ("data U(−1, 1)", "standardized", -0.2), "shifted": ("data U(8, 10)", "raw", 0.2)}
    for row, (name, (text, colour, side)) in enumerate(names.items()):
        count, colour = result[name], style.palette()[colour]
        for ax, values in ((left, count), (right, count.max(1) - count.min(1))):
            seen = np.bincount(values.ravel(), minlength=WIDTH + 1) / values.size
            ax.bar(np.arange(WIDTH + 1) + side, 100 * seen, 0.4, color=colour)
        right.text(WIDTH, 54 - 9 * row, text, color=colour, ha="right")
        left.text(WIDTH, 54 - 9 * row, f"mean {count.mean():.2f}", color=colour, ha="right")
    left.set(
        title="For one point: no difference",
        xlabel=f"active units of {WIDTH} for a point",
        ylabel="points, networks (%)",
    )
    right.set(title="Within a network: a large one", xlabel="most minus fewest, over the points")
    for ax in (left, right):
        ax.set(xticks=range(0, WIDTH + 1, 2), ylim=(0, 60))
    return fig


def table(result) -> dict:
    counts = {name: np.bincount(result[name].ravel(), minlength=WIDTH + 1) for name in CLOUDS}
    return {"active_units": np.arange(WIDTH + 1), **counts}


def caption(result) -> str:
    centred, shifted = result["centred"], result["shifted"]
    within = {name: result[name].std(axis=1).mean() for name in CLOUDS}
    return (
        "**Counting active units of a fresh network hides the problem: on average "
        f"{centred.mean():.2f} of {WIDTH} are active on centred data and {shifted.mean():.2f} at "
        "U(8, 10).**\n\nWhat changes is that they are nearly the same "
        "units for every point: within a network the count varies from point to point by "
        f"{within['centred']:.2f} (standard deviation) centred, by {within['shifted']:.2f} shifted. "
        f"{len(centred):,} networks, {centred.shape[1]} points each, weights and biases U(−1, 1)."
    )


def alt(result) -> str:
    return (
        "Two histograms, each for data around 0 and around 9. The number of active units for a point is "
        "distributed alike; how much it varies over the points of a network is not: by several units around "
        "0, hardly at all around 9."
    )


def claims(result) -> Iterator[Claim]:
    share = {name: result[name].mean(axis=1) / WIDTH for name in CLOUDS}  # one independent number a network
    lows, highs = zip(*map(mean_interval, share.values()), strict=True)
    frozen = {name: float((result[name].std(axis=1) == 0).mean()) for name in CLOUDS}
    late = dict(zip(OFFSETS, result["map"][-1].mean(-1), strict=True))
    yield Claim.of_mean(
        share["shifted"],
        id="count-stays-half",
        statement="Even far from 0, about half of the neurons are active for a point",
        sources=("galletti-part-1, part I",),
        verdict="depends",
        measure="mean fraction of active units for a point of U(8, 10)², fresh network",
        units="networks, all on the same points",
        map=Map.of_means(
            result["map"][1:] - result["map"][:1],
            axes={
                "steps of training": MOMENTS[1:],
                "middle of the circles": [f"[{m}, {m}]" for m in OFFSETS],
            },
            above=-0.1,
            below=0.1,
            measure="mean fraction of active units for a point of the circles, minus the fresh network's (½)",
            units="networks, each with its own circles and weights",
        ),
        holds=min(lows) > 0.48
        and max(highs) < 0.52
        and frozen["shifted"] > frozen["centred"] + 0.2
        and late[10] < late[0] - 0.05,
        finding="Only before training: weights are as likely $w$ as $-w$. After "
        f"{MOMENTS[-1]} steps of Adam at learning rate {LEARNING_RATE} {percent(late[10])} are active at "
        f"[10, 10], {percent(late[0])} on centred circles. And even before, the count does not show whether "
        f"units tell points apart: at U(8, 10) {percent(frozen['shifted'])} of the networks have the same "
        f"number of active units for every point, centred {percent(frozen['centred'])} (mean fraction "
        f"centred {number(share['centred'].mean())}).",
    )
