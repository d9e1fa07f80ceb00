"""Far from 0, do networks learn if they are given more steps?  Chapter: normalize-your-data."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import wilson
from experiments.normalize_your_data._shared.circles import (
    LEARNING_RATE,
    both_standardized,
    learn,
    many_circles,
)
from experiments.trials import generators, mlps, score, stacked
from experiments.words import percent
from unitgain.activations import activation
from unitgain.datasets import Examples
from unitgain.models import MLP

ACTIVATIONS = ("relu", "leaky_relu", "tanh", "sigmoid")
TITLES = ("ReLU", "leaky ReLU", "tanh", "sigmoid")
DATA = ("raw", "standardized")
CENTER, WIDTH, POINTS, FRESH = 10.0, 8, 64, 200
MOMENTS = np.array([25, 50, 100, 200, 400, 800, 1600])
EARLY = 2  # index of the moment that the claim calls early
LEARNED = 0.8  # as in success_rate
OFFSETS = (1.0, 3.0, 10.0, 22.0, 50.0)  # the map of sigmoids: units, and after how many steps
PATIENCE = {
    "2 units, 1,600 steps": (2, 1600),
    "8 units, 100 steps": (8, 100),
    "8 units, 1,600 steps": (8, 1600),
}
MOST = 0.5


def _sigmoids(networks: int, moments: int, seed: int, device) -> torch.Tensor:
    """Which sigmoid networks have learned: (OFFSETS, PATIENCE, networks)."""
    x, y = many_circles(seed, networks, POINTS, device=device)
    fresh_x, fresh_y = many_circles(seed, networks, FRESH, "fresh", device=device)
    data, fresh = (
        Examples(torch.stack([x + o for o in OFFSETS]), y) for x, y in ((x, y), (fresh_x, fresh_y))
    )
    longest, learned = int(MOMENTS[moments - 1]), {}
    for units in dict.fromkeys(units for units, _ in PATIENCE.values()):
        replicas = (len(OFFSETS), networks)
        model = mlps((2, units, 1), replicas, seed=seed, device=device, activation="sigmoid")

        def keep(step: int, units: int = units, model: MLP = model) -> None:
            if step in {min(steps, longest) for _, steps in PATIENCE.values()}:
                learned[units, step] = score(model, fresh) > LEARNED

        learn(model, data, steps=longest, seed=seed, callback=keep)
    return torch.stack([learned[units, min(steps, longest)] for units, steps in PATIENCE.values()], dim=1)


def compute(*, networks=60, mapped=40, moments=7, seed=0, device="cpu"):
    """Which networks have `learned` by the first of MOMENTS: (activations, raw or not, moments, networks).

    For the map, which `sigmoids` have: (OFFSETS, PATIENCE, networks).
    """
    x, y = many_circles(seed, networks, POINTS, device=device)
    fresh_x, fresh_y = many_circles(seed, networks, FRESH, "fresh", device=device)
    shifted = x + CENTER, fresh_x + CENTER
    x, fresh_x = stacked([shifted, both_standardized(*shifted)])
    functions = [activation(name) for name in ACTIVATIONS]

    def each(z: torch.Tensor) -> torch.Tensor:
        """Every function on its own networks: all kinds train side by side."""
        return torch.stack([function(part) for function, part in zip(functions, z, strict=True)])

    arms = (len(ACTIVATIONS), len(DATA))
    draws = generators(seed, networks, times=len(ACTIVATIONS) * len(DATA))
    model = MLP((2, WIDTH, 1), each, replicas=(*arms, networks), generator=draws, device=device)
    learned = []

    def keep(step: int) -> None:
        if step in MOMENTS:
            learned.append(score(model, Examples(fresh_x, fresh_y)) > LEARNED)

    learn(model, Examples(x, y), steps=int(MOMENTS[moments - 1]), seed=seed, callback=keep)
    return {
        "learned": torch.stack(learned, dim=2),
        "sigmoids": _sigmoids(mapped, moments, seed, device),
    }


def draw(result) -> Figure:
    fig, axes = style.figure(7.8, 2.7, ncols=4, sharey=True, tall=4.8)
    colours = style.palette()
    steps = MOMENTS[: result["learned"].shape[2]]
    for ax, title, arms in zip(axes, TITLES, result["learned"], strict=True):
        for key, learned, line in zip(DATA, arms, ("--", "-"), strict=True):
            low, high = np.array([wilson(row) for row in learned]).T
            ax.fill_between(steps, 100 * low, 100 * high, color=colours[key], alpha=0.2, lw=0)
            ax.plot(steps, 100 * learned.mean(-1), line, marker="o", ms=4, color=colours[key])
        ax.set(title=title, xscale="log", ylim=(-4, 106))
        ax.set(xticks=[25, 200, 1600], xlabel="steps (log)")
        ax.xaxis.set_major_formatter("{x:,.0f}")
        ax.minorticks_off()
    fig.supylabel("networks that have learned (%)", fontsize=axes[0].xaxis.label.get_size())
    axes[0].text(100, 78, "standardized", color=colours["standardized"])
    axes[0].text(100, 26, "raw", color=colours["raw"])
    return fig


def table(result) -> dict:
    share = result["learned"].mean(-1)
    return {"steps": MOMENTS[: share.shape[-1]]} | {
        f"{activation}_{key}": share[i, j]
        for i, activation in enumerate(ACTIVATIONS)
        for j, key in enumerate(DATA)
    }


def caption(result) -> str:
    relu, leaky, tanh, sigmoid = (percent(share) for share in result["learned"][:, 0, -1].mean(-1))
    return (
        f"**After {MOMENTS[-1]:,} steps at [10, 10], {sigmoid} of the sigmoid networks have learned, {tanh} "
        f"of the tanh, {leaky} of the leaky ReLU and {relu} of the ReLU networks.**\n\n"
        f"{result['learned'].shape[-1]} networks 2-{WIDTH}-1 a line, Adam with learning rate "
        f"{LEARNING_RATE}; solid: standardized, dashed: raw; learned: accuracy above {percent(LEARNED)} on "
        "fresh points; bands: 95 % intervals (Wilson)."
    )


def alt(result) -> str:
    relu, leaky, tanh, sigmoid = (percent(share) for share in result["learned"][:, 0, -1].mean(-1))
    return (
        "Four line plots of the fraction of networks that have learned against the steps of training. On raw "
        f"data at [10, 10] the lines end at {relu} for ReLU, {leaky} for leaky ReLU, {tanh} for tanh, "
        f"{sigmoid} for sigmoid."
    )


def claims(result) -> Iterator[Claim]:
    relu, sigmoid = result["learned"][0], result["learned"][3]
    units = "networks, each with its own data and weights"
    two_units = result["sigmoids"].mean(-1)[list(OFFSETS).index(10.0), 0]
    yield Claim.of_fraction(
        sigmoid[0, -1],
        id="sigmoid-too",
        statement="Sigmoid hidden units suffer the same on shifted data",
        sources=("galletti-part-1, part I",),
        verdict="depends",
        measure=f"fraction of sigmoid networks 2-{WIDTH}-1 that learn at [10, 10] in {MOMENTS[-1]:,} steps",
        units=units,
        map=Map.of_fractions(
            result["sigmoids"],
            axes={"offset of both inputs": OFFSETS, "network": tuple(PATIENCE)},
            below=MOST,
            measure="fraction of sigmoid networks that learn",
            units=units,
        ),
        # sigmoids fail as well, but not to the same degree
        holds=wilson(sigmoid[0, EARLY])[1] < wilson(sigmoid[1, EARLY])[0]
        and wilson(relu[0, -1])[1] < wilson(sigmoid[0, -1])[0],
        finding="Most fail far out; how far depends on units and steps. At [10, 10] the source's two units "
        f"stay stuck: {percent(two_units)} learn in {MOMENTS[-1]:,} steps. Patience helps eight: "
        f"{percent(sigmoid[0, EARLY].mean())} learn in {MOMENTS[EARLY]} steps, "
        f"{percent(sigmoid[0, -1].mean())} in {MOMENTS[-1]:,}, where of ReLU networks with eight "
        f"{percent(relu[0, -1].mean())} do.",
    )
