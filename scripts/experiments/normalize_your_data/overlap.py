"""How much do the portions of centred data that activate two neurons overlap?

Chapter: normalize-your-data.
"""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.stats import kstest

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval
from experiments.trials import generator
from experiments.words import number, percent
from unitgain.initializers import normal_, uniform_

BIASES, INPUTS = (0.0, 0.12, 0.25, 0.5, 1.0), (2, 3, 20)  # the map: where is it uniform?
SAME = 0.05  # the largest Kolmogorov–Smirnov distance at which two distributions count as the same

HALF = 0.5  # the largest fraction that two neurons have in common, without biases


def _both(w: torch.Tensor, x: torch.Tensor, b: torch.Tensor | float = 0.0) -> torch.Tensor:
    """Fraction of the points `x` (points, inputs) that activates both neurons of a pair: (pairs,)."""
    one, other = ((w @ x.T + b) > 0).unflatten(0, (-1, 2)).unbind(1)
    return (one & other).float().mean(1)


def _mapped(pairs: int, points: int, mapped: int, seed: int, device) -> torch.Tensor:
    """Shares (biases, inputs, mapped, pairs): each of `mapped` times has its own pairs and its own data."""
    draws = generator(seed, "fresh")
    cells = []
    for inputs in INPUTS:
        for _ in range(mapped):
            w, b, x = (
                uniform_(torch.empty(shape), generator=draws).to(device)
                for shape in ((2 * pairs, inputs), (2 * pairs, 1), (points, inputs))
            )
            cells.append(torch.stack([_both(w, x, bias * b) for bias in BIASES]))
    return torch.stack(cells, dim=1).unflatten(1, (len(INPUTS), mapped))


def compute(*, pairs=4000, points=4000, mapped=12, seed=0, device="cpu"):
    """Fraction of the data that activates both neurons of a pair, without biases: (pairs,).

    `square` as in the article, weights U(-1, 1) and data U(-1, 1)²; `round` with weights and data that are
    alike in every direction. The map, square, with biases U(-BIASES, BIASES): the `distance` of a quarter of
    the pairs from U(0, ½), Kolmogorov's and Smirnov's, and how many are `above` ½ (biases, inputs, mapped).
    """
    draws = generator(seed)

    def both(draw_) -> torch.Tensor:
        return _both(*(draw_(torch.empty(n, 2), generator=draws).to(device) for n in (2 * pairs, points)))

    shares = _mapped(pairs // 4, points // 4, mapped, seed, device)
    return {
        "square": both(uniform_),
        "round": both(normal_),
        "distance": np.apply_along_axis(_distance, -1, shares.cpu().numpy()),
        "above": (shares > 0.5).float().mean(-1),
    }


def _distance(shares: np.ndarray) -> float:
    return float(kstest(shares, "uniform", (0, 0.5)).statistic)


def draw(result) -> Figure:
    fig, ax = style.figure(7.4, 3.0, tall=2.8)
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
    ax.text(0.5, 6.4, "U(0, ½), with the 95 % band of chance", ha="right", va="bottom")
    ax.set(
        xlabel="fraction of the data that activates both neurons",
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
        "**With two inputs and no bias, two fresh neurons share anything from none to half of centred data, "
        f"each amount about equally likely: mean {number(square.mean())}, standard deviation "
        f"{number(square.std())}, where U(0, ½) has {number(HALF / 2)} and {number(HALF / 12**0.5)}.**\n\n"
        f"{len(square):,} pairs of neurons with weights U(−1, 1), data U(−1, 1)²."
    )


def alt(result) -> str:
    return (
        "Histogram of the fraction of the data that activates both of two neurons with two inputs and no "
        "bias: flat from 0 to one half, within the band of chance."
    )


def claims(result) -> Iterator[Claim]:
    low, high = mean_interval(result["square"])
    distance, above = result["distance"].mean(-1), result["above"].mean(-1)
    units = f"times, each with {len(result['square']) // 4:,} pairs of neurons and data of its own"
    yield Claim.of_mean(
        result["distance"][0, 0],
        id="overlap-uniform",
        statement="How much of centred data activates both of any two neurons is random: U(0, ½)",
        sources=("galletti-part-1, part I",),
        verdict="depends",
        measure="Kolmogorov–Smirnov distance of the pairs' overlaps from U(0, ½), 2 inputs, data U(−1, 1)², "
        f"weights U(−1, 1), no bias; below {SAME} counts as the same",
        units=units,
        map=Map.of_means(
            result["distance"],
            axes={"half-width of the biases (of the weights: 1)": BIASES, "inputs": INPUTS},
            below=SAME,
            measure="Kolmogorov–Smirnov distance from U(0, ½)",
            units=units,
        ),
        holds=low > 0.24
        and high < 0.26
        and max(_distance(result["square"]), _distance(result["round"])) < SAME
        and (distance[0, 1:] > SAME).all()
        and mean_interval(result["above"][-1, 0])[0] > 0.1
        and above[0].max() < SAME,
        finding="With two inputs and biases that are small beside the weights; a round cloud gives the same "
        f"as the article's square one (distance {number(_distance(result['round']))}). With more inputs most "
        f"pairs of weights are nearly at right angles, and the overlaps gather near ¼: distance "
        f"{number(distance[0, 1], 2)} for three inputs, {number(distance[0, -1], 2)} for {INPUTS[-1]}. "
        f"Biases as wide as the weights let {percent(above[-1, 0])} of the pairs with two inputs share more "
        "than half.",
    )
