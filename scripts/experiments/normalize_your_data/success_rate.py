"""How often does a network learn the circles, by offset, activation and width, raw and standardized?

Chapter: normalize-your-data.
"""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import wilson
from experiments.normalize_your_data._shared.circles import (
    both_standardized,
    fresh_accuracy,
    learn,
    many_circles,
)
from experiments.trials import mlps, score, stacked
from experiments.words import percent, signed
from unitgain.datasets import Examples

OFFSETS = (0.0, 1.0, 3.0, 10.0)
ACTIVATIONS = ("relu", "tanh", "sigmoid")
WIDTHS = (2, 8)
POINTS, FRESH, STEPS = 50, 200, 200
LEARNED = 0.8  # no linear classifier comes near: see `claims`
FARTHER = (1.0, 2.0, 4.5, 10.0, 40.0)  # the map: offsets and steps
LONGER = (50, 200, 500)
BETTER = 0.05  # of accuracy
PLACES = {  # where the names of the lines stand
    2: ((0.5, 22), (0.92, 38), (2.1, 48)),
    8: ((3.1, 8), (3.1, 33), (3.1, 50)),
}


def _two_relus(x, y, fresh_x, fresh_y, seed: int) -> torch.Tensor:
    """Accuracies on fresh points of 2-2-1 networks with ReLU: (FARTHER, LONGER, networks)."""
    data, fresh = (
        Examples(torch.stack([x + offset for offset in FARTHER]), y) for x, y in ((x, y), (fresh_x, fresh_y))
    )
    replicas = (len(FARTHER), len(y))
    model = mlps((2, 2, 1), replicas, seed=seed, device=x.device, activation="relu")
    times, kept = [min(steps, 3 * STEPS) for steps in LONGER], {}

    def keep(step: int) -> None:
        if step in times:
            kept[step] = score(model, fresh)

    learn(model, data, steps=times[-1], seed=seed, callback=keep)
    return torch.stack([kept[step] for step in times], dim=1)


def compute(*, networks=400, mapped=320, seed=0, device="cpu"):
    """Accuracies on fresh points.

    `raw` (activations, widths, offsets, networks), `standardized` at the last offset (activations, widths,
    networks), `logistic` (networks), a linear classifier on the standardized data. For the map, `gap`
    between two ReLUs and that classifier (FARTHER, LONGER, networks).

    Every network has data, fresh points and initial weights of its own.
    """
    x, y = many_circles(seed, networks, POINTS, device=device)
    fresh_x, fresh_y = many_circles(seed, networks, FRESH, "fresh", device=device)
    some = [part[:mapped] for part in (x, y, fresh_x, fresh_y)]
    kinds = [(x + offset, fresh_x + offset) for offset in OFFSETS]
    x, fresh_x = stacked([*kinds, both_standardized(*kinds[-1])])

    def scores(sizes, activation: str, first: int = 0) -> torch.Tensor:
        """Accuracies (kinds from `first` on, networks)."""
        data, fresh = Examples(x[first:], y), Examples(fresh_x[first:], fresh_y)
        return fresh_accuracy(sizes, activation, data, fresh, steps=STEPS, seed=seed)

    cells = [scores((2, width, 1), activation) for activation in ACTIVATIONS for width in WIDTHS]
    accuracies = torch.stack(cells).unflatten(0, (len(ACTIVATIONS), len(WIDTHS)))
    logistic = scores((2, 1), "identity", -1)[0]
    return {
        "raw": accuracies[:, :, :-1],
        "standardized": accuracies[:, :, -1],
        "logistic": logistic,
        "gap": _two_relus(*some, seed) - logistic[:mapped],
    }


def draw(result) -> Figure:
    fig, axes = style.figure(7.6, 3.4, ncols=2, sharey=True, tall=5.6)
    colours = style.palette()
    at = np.arange(len(OFFSETS))
    for column, (ax, width) in enumerate(zip(axes, WIDTHS, strict=True)):
        for row, (name, mark) in enumerate(zip(ACTIVATIONS, ("o", "s", "^"), strict=True)):
            look = {"marker": mark, "ms": 5, "elinewidth": 1.4}
            share, bars = _rates(result["raw"][row, column])
            ax.errorbar(at, 100 * share, 100 * bars, color=colours["raw"], ls="--", **look)
            ax.text(*PLACES[width][row], "ReLU" if name == "relu" else name, color=colours["raw"])
            share, bars = _rates(result["standardized"][row, column][None])
            ax.errorbar(
                at[-1] + 0.8 + 0.2 * row, 100 * share, 100 * bars, color=colours["standardized"], **look
            )
        ax.set(title=f"{width} hidden units", xlabel="offset of the data (not to scale)", ylim=(-4, 106))
        ax.set(xticks=[*at, at[-1] + 1], xticklabels=[*(f"{o:g}" for o in OFFSETS), "10,\nstandardized"])
    axes[0].set_ylabel("networks that learn (%)")
    return fig


def _rates(accuracies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Success rates of rows of accuracies (rows,), the reach of their 95 % intervals down, up (2, rows)."""
    learned = accuracies > LEARNED
    share = learned.mean(-1)
    return share, np.array(
        [(s - wilson(r)[0], wilson(r)[1] - s) for r, s in zip(learned, share, strict=True)]
    ).T


def table(result) -> dict:
    rows = []
    for i, activation in enumerate(ACTIVATIONS):
        for j, width in enumerate(WIDTHS):
            cells = [("raw", o, result["raw"][i, j, k]) for k, o in enumerate(OFFSETS)]
            for kind, offset, accuracies in [
                *cells,
                ("standardized", OFFSETS[-1], result["standardized"][i, j]),
            ]:
                learned = accuracies > LEARNED
                rows.append(
                    (activation, width, kind, offset, learned.mean(), *wilson(learned), np.median(accuracies))
                )
    names = ("activation", "width", "data", "offset", "success_rate", "low", "high", "median_accuracy")
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def _relu2(result) -> tuple[float, float]:
    return float((result["raw"][0, 0, -1] > LEARNED).mean()), float(
        (result["standardized"][0, 0] > LEARNED).mean()
    )


def _range(rates: np.ndarray) -> str:
    """The smallest to the largest rate, once where they read the same."""
    low, high = percent(rates.min()), percent(rates.max())
    return low if low == high else f"{low} to {high}"


def caption(result) -> str:
    raw, standardized = _relu2(result)
    wide_raw = (result["raw"][:, 1, -1] > LEARNED).mean(-1)
    wide_standardized = (result["standardized"][:, 1] > LEARNED).mean(-1)
    return (
        f"**At [10, 10] {percent(raw, 1)} of the ReLU networks 2-2-1 learn the circles, standardized "
        f"{percent(standardized, 1)}; with 8 units (ReLU, tanh or sigmoid) {_range(wide_raw)} do, "
        f"standardized {_range(wide_standardized)}.**\n\nLearned: "
        f"accuracy above {percent(LEARNED)} on fresh points after {STEPS} steps of Adam; of as many logistic "
        f"regressions the best reaches {percent(result['logistic'].max())}. {result['logistic'].size:,} "
        "networks a point, each with data and initial weights of its own; bars: 95 % intervals "
        "(Wilson)."
    )


def alt(result) -> str:
    raw, standardized = _relu2(result)
    return (
        "Two line plots, for 2 and 8 units, of the success rate of ReLU, tanh and sigmoid on raw data "
        f"against the offset. For two ReLU units it ends at {percent(raw, 1)} at offset 10; on data "
        f"standardized from there it is {percent(standardized)}."
    )


def claims(result) -> Iterator[Claim]:
    shifted, logistic = result["raw"][0, 0, -1], result["logistic"]
    gap = 100 * result["gap"].mean(-1)
    near, far = FARTHER.index(2.0), FARTHER.index(10.0)
    units = "networks, each with its own data and weights"
    yield Claim.of_difference(
        shifted,
        logistic,
        id="shifted-is-logistic",
        statement="On shifted data a ReLU network 2-2-1 does no better than logistic regression",
        sources=("galletti-part-1, part I",),
        verdict="depends",
        measure=f"accuracy on raw data at [10, 10] after {STEPS} steps minus that of logistic regression on "
        "the same data standardized",
        units=units,
        map=Map.of_means(
            result["gap"],
            axes={"offset of both inputs": FARTHER, "steps": LONGER},
            below=BETTER,
            measure="mean accuracy of 2-2-1 minus that of logistic regression",
            units=units,
        ),
        holds=logistic.max() < LEARNED and np.median(result["standardized"][0, 0]) - np.median(shifted) > 0.2,
        finding=f"It turns with the offset: after {LONGER[-1]} steps the network leads by a mean of "
        f"{signed(gap[near, -1])} points at [{FARTHER[near]:g}, {FARTHER[near]:g}], by "
        f"{signed(gap[far, -1])} at [10, 10]. There, after {STEPS} steps, its median accuracy is "
        f"{np.median(shifted):.3f}, that of logistic regression {np.median(logistic):.3f}, and that "
        "of the same networks on standardized data "
        f"{np.median(result['standardized'][0, 0]):.3f}.",
    )
