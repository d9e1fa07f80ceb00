"""What fraction of centred data activates a fresh neuron?  Chapter: normalize-your-data."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval, wilson
from experiments.trials import generator
from experiments.words import percent
from unitgain.datasets import uniform_cloud
from unitgain.initializers import normal_, uniform_

BIASES = (0.0, 0.05, 0.1, 0.2, 0.4, 1.0)  # the map: half-widths of the biases
DATA = {"2, U(−1, 1)": 2, "20, U(−1, 1)": 20, "2, normal": 2, "2, log-normal": 2, "20, log-normal": 20}


def _cloud(name: str, points: int, draws: torch.Generator) -> torch.Tensor:
    """Points (points, inputs) of mean 0; normal and log-normal ones of standard deviation 1."""
    shape = (points, DATA[name])
    if "U" in name:
        x = uniform_cloud(points, -1, 1, features=shape[1], generator=draws)
        return x - x.mean(0)
    x = normal_(torch.empty(shape), generator=draws)
    x = x.exp() if "log" in name else x
    return (x - x.mean(0)) / x.std(0)


def _mapped(points: int, mapped: int, seed: int, device) -> torch.Tensor:
    """Fraction of the data that activates a neuron: (biases, data, mapped)."""
    draws = generator(seed, "fresh")
    rows = []
    for name, inputs in DATA.items():
        w, b = (uniform_(torch.empty(mapped, k), generator=draws).to(device) for k in (inputs, 1))
        z = w @ _cloud(name, points, draws).to(device).T
        rows.append(torch.stack([(z > -bias * b).float().mean(1) for bias in BIASES]))
    return torch.stack(rows, dim=1)


def compute(*, neurons=20_000, points=500, mapped=2_000, seed=0, device="cpu"):
    """Fraction of data U(-1, 1)² that activates neurons with weights U(-1, 1), (neurons,).

    With `zero_bias`, and with `random_bias` from U(-1, 1). The `map` (biases, data, mapped): on other data.
    """
    draws = generator(seed)
    w, b = (uniform_(torch.empty(neurons, k), generator=draws).to(device) for k in (2, 1))
    x = uniform_cloud(points, -1, 1, generator=draws, device=device)
    z = w @ x.T
    return {
        "zero_bias": (z > 0).float().mean(1),
        "random_bias": (z + b > 0).float().mean(1),
        "map": _mapped(4 * points, mapped, seed, device),
        "points": torch.tensor(points),
    }


def draw(result) -> Figure:
    fig, axes = style.figure(7.4, 3.0, ncols=2, tall=4.6)
    colours = style.palette()
    bins = np.linspace(0, 1, 26)
    for ax, key, title in zip(
        axes, ("zero_bias", "random_bias"), ("Biases 0", "Biases U(−1, 1), other scale"), strict=True
    ):
        share = result[key]
        counts, _ = np.histogram(share, bins)
        edges = [colours["dead"], *[colours["alive"]] * (len(counts) - 2), colours["always_on"]]
        ax.bar(
            bins[:-1], 100 * counts / len(share), np.diff(bins), align="edge", color=edges, edgecolor="none"
        )
        ax.set(title=title, ylabel="neurons (%)", xticks=[0, 0.5, 1], xlim=(0, 1))
        ax.set_xlabel("fraction of the data that activates the neuron")
        ax.xaxis.set_major_formatter("{x:.0%}")
    axes[0].set(ylim=(0, 100))
    axes[0].text(0.56, 80, "all see about half")
    axes[1].set(ylim=(0, 20), yticks=range(0, 21, 5))
    axes[1].text(0.04, 15.4, "(almost) none")
    axes[1].text(0.99, 15.4, "(almost) all", ha="right")
    return fig


def table(result) -> dict:
    return {key: result[key] for key in ("zero_bias", "random_bias")}


def _extreme(share: np.ndarray) -> np.ndarray:
    return (share < 0.01) | (share > 0.99)


def caption(result) -> str:
    zero, random = result["zero_bias"], result["random_bias"]
    return (
        f"**On U(−1, 1)² a fresh neuron without a bias is active for half of the points: "
        f"{percent(zero.mean(), 1)} ± {percent(zero.std(), 1)}.**\n\nWith biases from U(−1, 1) the mean is "
        f"{percent(random.mean(), 1)}, but single neurons scatter by ± {percent(random.std(), 1)}, and "
        f"{percent(_extreme(random).mean(), 1)} are already on for more than 99 % of the points or fewer "
        f"than 1 %. ±: standard deviation over {len(zero):,} neurons; weights U(−1, 1), {result['points']} "
        "points U(−1, 1)²."
    )


def alt(result) -> str:
    return (
        "Two histograms of the fraction of the data that activates a neuron. Biases 0: a needle at one half. "
        "Random biases: spread from 0 to 1 with peaks at both ends."
    )


def claims(result) -> Iterator[Claim]:
    zero, random = result["zero_bias"], result["random_bias"]
    low, high = mean_interval(zero)
    half = np.abs(result["map"] - 0.5) < 0.1
    near, extreme = (
        dict(zip(DATA, hits.mean(-1).T, strict=True)) for hits in (half, _extreme(result["map"]))
    )
    square, wide, normal, skewed, skewed_wide = DATA
    yield Claim.of_fraction(
        np.abs(zero - 0.5) < 0.1,
        id="half-active",
        statement="A neuron of a fresh network is active on about half of centred data",
        sources=("galletti-part-1, part I",),
        verdict="depends",
        measure="fraction of neurons active on 40 to 60 % of U(−1, 1)², weights U(−1, 1), bias 0",
        units="neurons, all on the same points",
        map=Map.of_fractions(
            half,
            axes={
                "half-width of the biases (of the weights: 1)": BIASES,
                "inputs and their data": tuple(DATA),
            },
            above=0.75,
            measure="fraction of neurons active on 40 to 60 % of the data",
            units="neurons, all of a row on the same points",
        ),
        holds=low > 0.49
        and high < 0.51
        and bool((np.abs(zero - 0.5) < 0.1).all())
        and wilson(_extreme(random))[0] > 0.1
        and extreme[wide][-1] < 0.01
        and near[skewed][0] < 0.5,
        finding="It turns with the biases and with the inputs. Biases as wide as the weights leave "
        f"{percent(extreme[square][-1])} all-or-none on U(−1, 1)², {percent(extreme[normal][-1])} on two "
        f"normal inputs, {percent(extreme[wide][-1])} on twenty, whose sum is larger. Without biases each "
        "neuron is within ten points of one half where the data lies alike on both sides of 0; on skewed "
        f"data {percent(near[skewed][0])} of the neurons with two inputs see about half, "
        f"{percent(near[skewed_wide][0])} with twenty.",
    )
