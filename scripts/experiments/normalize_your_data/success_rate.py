"""How often does a network learn the circles, by offset, activation and width, raw and standardized?  Chapter: normalize-your-data."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, mean_interval, percent, wilson
from experiments.normalize_your_data._circles import LEARNING_RATE, generators, standardize
from unitgain.datasets import circles
from unitgain.models import MLP
from unitgain.optimizers import Adam
from unitgain.training import accuracy, train

OFFSETS = (0.0, 1.0, 3.0, 10.0)
ACTIVATIONS = ("relu", "tanh", "sigmoid")
WIDTHS = (2, 8)
POINTS, STEPS = 64, 300
LEARNED = 0.8  # no straight line reaches this accuracy on any of the data sets: see `claims`


def _accuracies(x, y, sizes, activation: str, seeds: range, device: str) -> torch.Tensor:
    model = MLP(sizes, activation, replicas=(len(seeds),), generator=generators(seeds), device=device)
    train(
        model,
        x,
        y,
        loss="binary_cross_entropy",
        optimizer=Adam(model.parameters(), lr=LEARNING_RATE),
        epochs=STEPS,
    )
    return accuracy(model(x), y).detach()


def compute(*, networks=1000, seed=0, device="cpu"):
    """Final accuracies: `raw` (activations, widths, offsets, networks), `standardized` (activations, widths, networks; offset 10),
    `logistic` (networks), a linear classifier on the standardized data. Every network has data and first weights of its own."""
    seeds = range(seed, seed + networks)
    data = [
        circles(POINTS, generator=torch.Generator().manual_seed(1_000_000 + s), device=device) for s in seeds
    ]
    x, y = torch.stack([one.x for one in data]), torch.stack([one.y for one in data])
    scaled = torch.stack([standardize(one) for one in x + OFFSETS[-1]])
    cells = [(activation, (2, width, 1)) for activation in ACTIVATIONS for width in WIDTHS]
    raw = torch.stack([_accuracies(x + o, y, sizes, f, seeds, device) for f, sizes in cells for o in OFFSETS])
    standardized = torch.stack([_accuracies(scaled, y, sizes, f, seeds, device) for f, sizes in cells])
    shape = (len(ACTIVATIONS), len(WIDTHS))
    return {
        "raw": raw.unflatten(0, (*shape, len(OFFSETS))),
        "standardized": standardized.unflatten(0, shape),
        "logistic": _accuracies(scaled, y, (2, 1), "identity", seeds, device),
    }


def draw(result) -> Figure:
    fig, axes = style.figure(7.0, 4.6, nrows=2, ncols=3, sharex=True, sharey=True)
    colours = style.palette()
    at = np.arange(len(OFFSETS))
    for row, width in enumerate(WIDTHS):
        for column, activation in enumerate(ACTIVATIONS):
            ax = axes[row, column]
            share, bars = _rates(result["raw"][column, row])
            ax.errorbar(
                at, 100 * share, 100 * bars, color=colours["raw"], ls="--", marker="o", ms=5, elinewidth=1.4
            )
            share, bars = _rates(result["standardized"][column, row][None])
            ax.axhline(100 * share[0], color=colours["standardized"])
            ax.axhspan(
                100 * (share[0] - bars[0, 0]),
                100 * (share[0] + bars[1, 0]),
                color=colours["standardized"],
                alpha=0.2,
                lw=0,
            )
            ax.set_title(f"{'ReLU' if activation == 'relu' else activation}, {width} units")
            ax.set(xticks=at, xticklabels=[f"{o:g}" for o in OFFSETS], ylim=(-4, 106))
    axes[0, 0].text(0.05, 63, "standardized", color=colours["standardized"], va="bottom")
    axes[0, 0].text(0.35, 28, "raw", color=colours["raw"])
    for ax in axes[1]:
        ax.set_xlabel("offset of the data")
    for ax in axes[:, 0]:
        ax.set_ylabel("networks that learn (%)")
    return fig


def _rates(accuracies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Success rates of rows of accuracies, and how far their 95 % intervals reach below and above: (rows,), (2, rows)."""
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


def caption(result) -> str:
    raw, standardized = _relu2(result)
    wide = (result["raw"][:, 1, -1] > LEARNED).mean(-1), (result["standardized"][:, 1] > LEARNED).mean(-1)
    return (
        f"**Far from 0 networks stop learning, whatever their activation: at [10, 10] {percent(raw, 1)} of the ReLU networks 2-2-1 succeed, "
        f"{percent(standardized, 1)} on the same data standardized; with 8 units {percent(wide[0].min())}–{percent(wide[0].max())} against "
        f"{percent(wide[1].min())}–{percent(wide[1].max())}.** Success: accuracy above {LEARNED:.0%}, which no straight line reaches. "
        f"{result['logistic'].size:,} networks a point, each with data and first weights of its own; bars and bands: 95 % intervals (Wilson)."
    )


def alt(result) -> str:
    raw, standardized = _relu2(result)
    return (
        "Six small line plots, ReLU, tanh and sigmoid by 2 and 8 units: the success rate on raw data falls steeply with the offset, for "
        f"two ReLU units to {raw:.1%} at offset 10, while on standardized data it stays where it was at 0, here {standardized:.0%}."
    )


def claims(result) -> Iterator[Claim]:
    shifted, logistic = result["raw"][0, 0, -1], result["logistic"]
    gap = shifted - logistic
    low, high = mean_interval(gap)
    yield Claim(
        id="shifted-is-logistic",
        statement="On data around [10, 10] the 2-2-1 ReLU network does no better than logistic regression",
        sources=("Galletti, Tuning neural networks, part I",),
        verdict="confirmed",
        measure="mean accuracy of the network on raw data at [10, 10] minus that of a linear classifier",
        estimate=float(gap.mean(dtype=np.float64)),
        interval=(low, high),
        n=len(gap),
        holds=high < 0.02
        and logistic.max() < LEARNED
        and np.median(result["standardized"][0, 0]) - np.median(shifted) > 0.2,
        finding=f"Median accuracy {np.median(shifted):.3f} against {np.median(logistic):.3f} for logistic regression and "
        f"{np.median(result['standardized'][0, 0]):.3f} for the same networks on standardized data.",
    )
    raw, standardized = result["raw"][2, 0, -1] > LEARNED, result["standardized"][2, 0] > LEARNED
    wide_raw, wide_std = result["raw"][2, 1, -1] > LEARNED, result["standardized"][2, 1] > LEARNED
    yield Claim(
        id="sigmoid-too",
        statement="Sigmoid hidden units suffer the same on shifted data",
        sources=("Galletti, Tuning neural networks, part I",),
        verdict="confirmed",
        measure="share of sigmoid networks 2-2-1 that learn the circles at [10, 10]",
        estimate=float(raw.mean()),
        interval=wilson(raw),
        n=len(raw),
        holds=wilson(raw)[1] < 0.5 * wilson(standardized)[0] and wilson(wide_raw)[1] < wilson(wide_std)[0],
        finding=f"Standardized: {percent(standardized.mean(), 1)}. With 8 units it is {percent(wide_raw.mean(), 1)} raw against "
        f"{percent(wide_std.mean(), 1)} standardized: sigmoids recover more than ReLUs do ({percent((result['raw'][0, 1, -1] > LEARNED).mean(), 1)}), "
        f"since a saturated unit still has some gradient and a dead one has none.",
    )
