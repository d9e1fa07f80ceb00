"""What share of centred data activates a fresh neuron?  Chapter: normalize-your-data."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, mean_interval, percent, wilson
from experiments.trials import generator
from unitgain.datasets import uniform_cloud
from unitgain.initializers import uniform_


def compute(*, neurons=20_000, points=500, seed=0, device="cpu"):
    """Share of data U(-1, 1)² that activates neurons with weights U(-1, 1), (neurons,).

    With `zero_bias`, and with `random_bias` from U(-1, 1).
    """
    draws = generator(seed)
    w, b = (uniform_(torch.empty(neurons, k), generator=draws).to(device) for k in (2, 1))
    x = uniform_cloud(points, -1, 1, generator=draws, device=device)
    z = w @ x.T
    return {
        "zero_bias": (z > 0).float().mean(1),
        "random_bias": (z + b > 0).float().mean(1),
        "points": torch.tensor(points),
    }


def draw(result) -> Figure:
    fig, axes = style.figure(7.0, 3.0, ncols=2)
    colours = style.palette()
    bins = np.linspace(0, 1, 26)
    for ax, key, title in zip(
        axes, ("zero_bias", "random_bias"), ("Biases 0", "Biases U(−1, 1)"), strict=True
    ):
        share = result[key]
        counts, _ = np.histogram(share, bins)
        edges = [colours["dead"], *[colours["alive"]] * (len(counts) - 2), colours["always_on"]]
        ax.bar(
            bins[:-1], 100 * counts / len(share), np.diff(bins), align="edge", color=edges, edgecolor="none"
        )
        ax.set(
            title=title, xlabel="share of the data that activates the neuron", xticks=[0, 0.5, 1], xlim=(0, 1)
        )
        ax.xaxis.set_major_formatter("{x:.0%}")
    axes[0].set(ylabel="neurons (%)", ylim=(0, 100))
    axes[0].text(0.56, 80, "all see about half")
    axes[1].set(ylim=(0, 20), yticks=range(0, 21, 5))
    axes[1].text(0.5, 18, "other scale", ha="center", fontstyle="italic")
    axes[1].text(0.02, 15, "(almost) none")
    axes[1].text(0.98, 15, "(almost) all", ha="right")
    return fig


def table(result) -> dict:
    return {key: result[key] for key in ("zero_bias", "random_bias")}


def _extreme(share: np.ndarray) -> np.ndarray:
    return (share < 0.01) | (share > 0.99)


def caption(result) -> str:
    zero, random = result["zero_bias"], result["random_bias"]
    return (
        f"**Centred data activates a fresh neuron on half of its points: {percent(zero.mean(), 1)} ± "
        f"{percent(zero.std(), 1)} with zero biases.** With biases drawn from U(−1, 1) the mean stays at "
        f"{percent(random.mean(), 1)}, but single neurons scatter by ± {percent(random.std(), 1)}, and "
        f"{percent(_extreme(random).mean(), 1)} are already on for more than 99 % of the points or fewer "
        f"than 1 %. ±: standard deviation over {len(zero):,} neurons; weights U(−1, 1), {result['points']} "
        "points U(−1, 1)²."
    )


def alt(result) -> str:
    return (
        "Two histograms of the share of the data that activates a neuron. Biases 0: a needle at one half. "
        "Random biases: spread from 0 to 1 with peaks at both ends."
    )


def claims(result) -> Iterator[Claim]:
    zero, random = result["zero_bias"], result["random_bias"]
    low, high = mean_interval(zero)
    spread_low, _ = wilson(_extreme(random))
    yield Claim.of_mean(
        zero,
        id="half-active",
        statement="A neuron of a fresh network is active on about half of centred data",
        sources=("Galletti, Tuning neural networks, part I",),
        verdict="depends",
        measure="mean share of U(−1, 1)² that activates a neuron with weights U(−1, 1) and bias 0",
        # With zero bias every neuron is near one half; with biases as wide as the weights a tenth or more
        # are all-or-none.
        holds=low > 0.49 and high < 0.51 and bool((np.abs(zero - 0.5) < 0.1).all()) and spread_low > 0.1,
        finding="With zero biases every one of the neurons is within ten points of one half. With biases "
        f"from U(−1, 1) only the average is: {percent(_extreme(random).mean(), 1)} of the neurons are "
        "all-or-none even on centred data.",
    )
