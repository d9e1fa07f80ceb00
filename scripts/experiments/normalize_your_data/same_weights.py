"""Do neurons that are active on all the data end with the same weights?  Chapter: normalize-your-data."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, mean_interval, number
from experiments.normalize_your_data._circles import POINTS, STEPS, generators
from unitgain.datasets import circles
from unitgain.diagnostics import activity
from unitgain.models import MLP
from unitgain.optimizers import SGD
from unitgain.training import train

CENTER, WIDTH, LEARNING_RATE = 10.0, 8, 0.01  # plain gradient descent: a step points where the gradient does


def compute(*, networks=200, seed=0, device="cpu"):
    """Incoming weights `before` and `after` training (networks, WIDTH, 2).

    `on` (networks, WIDTH): the units that were active on all points, both times.
    """
    x, y = circles(POINTS, center=CENTER, generator=torch.Generator().manual_seed(seed), device=device)
    model = MLP(
        (2, WIDTH, 1), replicas=(networks,), generator=generators(range(seed, seed + networks)), device=device
    )
    weight = model.layers[0].weight
    before, on = weight.detach().clone(), activity(model, x)[0].always_on
    train(
        model,
        x,
        y,
        loss="binary_cross_entropy",
        optimizer=SGD(model.parameters(), lr=LEARNING_RATE),
        epochs=STEPS,
    )
    return {"before": before, "after": weight.detach(), "on": on & activity(model, x)[0].always_on}


def _pairs(result) -> dict[str, np.ndarray]:
    """Means over a network's pairs of always-on units, one value a network that has such a pair.

    Their distance `before` and `after`, and how `parallel` they moved (|cos|).
    """
    rows = []
    for before, after, on in zip(result["before"], result["after"], result["on"], strict=True):
        i, j = np.triu_indices(on.sum(), 1)
        if len(i):
            step = after[on] - before[on]
            step /= np.linalg.norm(step, axis=1, keepdims=True)
            apart = [np.linalg.norm(w[on][i] - w[on][j], axis=1).mean() for w in (before, after)]
            rows.append((*apart, np.abs((step[i] * step[j]).sum(1)).mean()))
    return dict(zip(("before", "after", "parallel"), np.array(rows).T, strict=True))


def draw(result) -> Figure:
    fig, axes = style.figure(7.0, 4.9, nrows=2, ncols=3)
    colours = style.palette()
    for ax, k in zip(axes.ravel(), np.flatnonzero(result["on"].sum(1) >= 3), strict=False):
        before, after = (result[key][k][result["on"][k]] for key in ("before", "after"))
        for a, b in zip(before, after, strict=True):
            arrow = {"arrowstyle": "-|>", "color": colours["always_on"], "lw": 2, "shrinkA": 2, "shrinkB": 0}
            ax.annotate("", b, a, arrowprops=arrow)
        ax.plot(*before.T, "o", ms=5, mfc="none", mec=style.ink(), mew=1)
        middle = np.concatenate([before, after])
        centre, half = (middle.min(0) + middle.max(0)) / 2, 0.6 * (middle.max(0) - middle.min(0)).max()
        ax.set(
            xlim=(centre[0] - half, centre[0] + half),
            ylim=(centre[1] - half, centre[1] + half),
            aspect="equal",
        )
        ax.locator_params(nbins=3)
    for ax in axes[-1]:
        ax.set_xlabel("weight from $x_0$")
    for ax in axes[:, 0]:
        ax.set_ylabel("weight from $x_1$")
    return fig


def table(result) -> dict:
    network, unit = np.nonzero(result["on"])
    columns = {f"{key}_w{i}": result[key][network, unit, i] for key in ("before", "after") for i in range(2)}
    return {"network": network, "unit": unit, **columns}


def caption(result) -> str:
    pairs = _pairs(result)
    return (
        "**Units that are on for all the data do not become equal: their mean distance is "
        f"{number(pairs['before'].mean())} before training and {number(pairs['after'].mean())} after.** "
        "Their gradients point along one line, scaled by each unit's outgoing weight, so they move in "
        f"parallel (mean |cos| {number(pairs['parallel'].mean())}), forwards or backwards. One panel a "
        "network, one arrow an always-on unit, from before to after training: the first 6 with three such "
        f"units or more of {len(result['on'])} ReLU networks 2-{WIDTH}-1 at [10, 10], {STEPS} steps of "
        f"gradient descent; means over the {len(pairs['before'])} networks with two such units or more."
    )


def alt(result) -> str:
    return (
        "Six panels, one a network: arrows in the plane of a unit's two incoming weights, from before to "
        "after training. Within a panel the arrows are nearly parallel, and their tips do not meet."
    )


def claims(result) -> Iterator[Claim]:
    pairs = _pairs(result)
    ratio = pairs["after"] / pairs["before"]
    low, high = mean_interval(ratio)
    yield Claim(
        id="same-weights",
        statement="Neurons that are active on all the data end up with the same set of weights",
        sources=("Galletti, Tuning neural networks, part I",),
        verdict="refuted",
        measure="mean distance between always-on units after training, relative to before",
        estimate=float(ratio.mean()),
        interval=(low, high),
        n=len(ratio),
        holds=low > 0.5,  # the same weights would be 0
        finding="They move in parallel instead (mean |cos| between two units' moves "
        f"{number(pairs['parallel'].mean())}) and stay apart. What such units share is not their weights but "
        "their role: each is linear on this data.",
    )
