"""How much do the portions of centred data that activate two neurons overlap?

Chapter: normalize-your-data.
"""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.stats import kstest

from experiments import style
from experiments.evidence import Claim, mean_interval, number
from experiments.trials import generator
from unitgain.initializers import normal_, uniform_

SAME = 0.03  # the largest Kolmogorov–Smirnov distance at which two distributions count as the same


def compute(*, pairs=4000, points=4000, seed=0, device="cpu"):
    """Share of the data that activates both neurons of a pair, without biases: (pairs,).

    `square` as in the article, weights U(-1, 1) and data U(-1, 1)²; `round` with weights and data that are
    alike in every direction.
    """
    draws = generator(seed)

    def both(draw_) -> torch.Tensor:
        w, x = (draw_(torch.empty(n, 2), generator=draws).to(device) for n in (2 * pairs, points))
        on = (w @ x.T) > 0
        return torch.stack(
            [(one & other).float().mean() for one, other in zip(on[::2], on[1::2], strict=True)]
        )

    return {"square": both(uniform_), "round": both(normal_)}


def draw(result) -> Figure:
    fig, ax = style.figure(7.0, 3.2)
    bins = np.linspace(0, 0.5, 21)
    counts, _ = np.histogram(result["square"], bins)
    n = len(result["square"])
    expected = n / (len(bins) - 1)
    ax.axhspan(
        *(100 * (expected + s * 1.96 * expected**0.5) / n for s in (-1, 1)),
        color=style.GRID,
        alpha=0.25,
        lw=0,
    )
    ax.axhline(100 * expected / n, color=style.ink(), lw=1)
    ax.bar(bins[:-1], 100 * counts / n, np.diff(bins) * 0.92, align="edge", color=style.GRID, alpha=0.8)
    ax.text(0.5, 100 * expected / n + 0.75, "U(0, ½), with the 95 % band of chance", ha="right", va="bottom")
    ax.set(
        xlabel="share of the data that activates both neurons",
        ylabel="pairs of neurons (%)",
        xlim=(0, 0.5),
        ylim=(0, 7.5),
    )
    ax.xaxis.set_major_formatter("{x:.0%}")
    return fig


def table(result) -> dict:
    return {"square": result["square"], "round": result["round"]}


def caption(result) -> str:
    square = result["square"]
    return (
        "**Two fresh neurons share anything from none to half of centred data, each amount about equally "
        f"likely: mean {number(square.mean())}, standard deviation {number(square.std())}, where U(0, ½) has "
        f"0.25 and 0.144.** {len(square):,} pairs of neurons without bias."
    )


def alt(result) -> str:
    return (
        "Histogram of the share of the data that activates both of two neurons: flat from 0 to one half, "
        "within the band of chance."
    )


def claims(result) -> Iterator[Claim]:
    square = result["square"]
    distance = {key: float(kstest(result[key], "uniform", (0, 0.5)).statistic) for key in ("square", "round")}
    low, high = mean_interval(square)
    yield Claim.of_mean(
        square,
        id="overlap-uniform",
        statement="The overlap of the portions of centred data that activate two neurons is U(0, ½)",
        sources=("Galletti, Tuning neural networks, part I",),
        verdict="confirmed",
        measure="mean share of U(−1, 1)² that activates both neurons of a pair (U(0, ½) has ¼)",
        holds=low > 0.24 and high < 0.26 and max(distance.values()) < SAME,
        finding=f"Kolmogorov–Smirnov distance from U(0, ½): {number(distance['square'])} for the article's "
        f"square cloud, {number(distance['round'])} for a round one; below {SAME} counts as the same.",
    )
