"""Do neurons that are active on all the data end with the same weights?  Chapter: normalize-your-data."""

from collections.abc import Iterator

import numpy as np
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, mean_interval, number
from experiments.normalize_your_data._shared.circles import POINTS
from experiments.trials import descend, generator, generators
from unitgain.datasets import circles
from unitgain.diagnostics import activity
from unitgain.models import MLP

CENTER, WIDTH, STEPS = 10.0, 8, 3000
LEARNING_RATE = 0.01  # plain gradient descent: a step points where the gradient does


def compute(*, networks=60, seed=0, device="cpu"):
    """Incoming weights `before` and `after` training (networks, WIDTH, 2).

    `on` (networks, WIDTH): the units that were active on all points, both times.
    """
    examples = circles(POINTS, center=CENTER, generator=generator(seed, "data"), device=device)
    model = MLP((2, WIDTH, 1), replicas=(networks,), generator=generators(seed, networks), device=device)
    weight = model.layers[0].weight
    before, on = weight.detach().clone(), activity(model, examples.x)[0].always_on
    descend(model, examples, LEARNING_RATE, seed=seed, epochs=STEPS, loss="binary_cross_entropy")
    return {"before": before, "after": weight.detach(), "on": on & activity(model, examples.x)[0].always_on}


def _pairs(result) -> dict[str, np.ndarray]:
    """A network's mean over its always-on units, or over pairs of them, if it has two or more.

    `before`, `after`: distance of a pair. `moved`: how far a unit went. `parallel`: |cos| of a pair's moves.
    """
    rows = []
    for before, after, on in zip(result["before"], result["after"], result["on"], strict=True):
        i, j = np.triu_indices(on.sum(), 1)
        if len(i):
            step = after[on] - before[on]
            moved = np.linalg.norm(step, axis=1)
            unit = step / moved[:, None]
            apart = [np.linalg.norm(w[on][i] - w[on][j], axis=1).mean() for w in (before, after)]
            rows.append((*apart, moved.mean(), np.abs((unit[i] * unit[j]).sum(1)).mean()))
    return dict(zip(("before", "after", "moved", "parallel"), np.array(rows).T, strict=True))


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
    pairs = {key: number(values.mean()) for key, values in _pairs(result).items()}
    return (
        f"**Units that are on for all the data do not become equal: two of them are {pairs['before']} apart "
        f"before training and {pairs['after']} after it, having moved by {pairs['moved']}.** Their gradients "
        "point along one line, scaled by each unit's outgoing weight: the mean |cos| between two units' "
        f"moves is {pairs['parallel']}. One panel a network, one arrow an always-on unit, from before to "
        f"after training: the first 6 with three such units or more of {len(result['on'])} ReLU networks "
        f"2-{WIDTH}-1 at [10, 10], {STEPS:,} steps of gradient descent at learning rate {LEARNING_RATE}; "
        f"means over the {len(_pairs(result)['before'])} networks with two such units or more, biases left "
        "out."
    )


def alt(result) -> str:
    return (
        "Six panels, one a network: arrows in the plane of a unit's two incoming weights, from before to "
        "after training. The tips of the arrows in a panel do not meet."
    )


def claims(result) -> Iterator[Claim]:
    pairs = _pairs(result)
    ratio = pairs["after"] / pairs["before"]
    yield Claim.of_mean(
        ratio,
        id="same-weights",
        statement="Neurons that are active on all the data end up with the same set of weights",
        sources=("Galletti, Tuning neural networks, part I",),
        verdict="refuted",
        measure="distance between always-on units after training by that before, mean over networks (0: "
        "equal)",
        holds=mean_interval(ratio)[0] > 0.5,  # the same weights would be 0
        finding=f"No sign of their meeting. They move by {number(pairs['moved'].mean())} on average, mostly "
        f"along one line (mean |cos| of two units' moves {number(pairs['parallel'].mean())}), and end "
        f"{number(pairs['after'].mean())} apart. What they share is not their weights but their role: each "
        "is linear on this data.",
    )
