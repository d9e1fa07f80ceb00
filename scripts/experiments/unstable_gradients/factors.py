"""By how much does each layer of a chain multiply the gradient, and all of them together?

Chapter: unstable-gradients.
"""

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.intervals import median_interval
from experiments.trials import generator
from experiments.unstable_gradients._shared.chain import explosive
from experiments.words import between, number
from unitgain.models import ScalarChain

DEPTH, SHOWN = 20, 25
KINDS = ("random: w from N(0, 1)", "made to explode: w = 100", "unit gain: w = 4")


def compute(*, networks=2_000, seed=0, device="cpu"):
    """The `factor` w σ′(z) of each layer of three kinds of chains (3, networks, 20), on inputs U(0, 1)."""
    draw = generator(seed)
    x = torch.rand(networks, generator=draw, dtype=torch.float64).to(device)
    options = {"replicas": networks, "dtype": torch.float64}
    random = ScalarChain(DEPTH, "sigmoid", generator=draw, **options).to(device)
    unit = ScalarChain(DEPTH, "sigmoid", weight="zeros", **options).to(device)
    with torch.no_grad():
        unit.weight.fill_(4)
        unit.bias.fill_(-2)
        chains = (random, explosive(x, DEPTH), unit)
        return {"factor": torch.stack([chain.factors(x[:, None])[:, 0] for chain in chains])}


def _products(result) -> np.ndarray:
    """log₁₀ of what is left of the gradient after so many layers on its way back, from 0 on."""
    logs = np.log10(np.maximum(np.abs(result["factor"]), 1e-300))[..., ::-1]
    return np.concatenate([np.zeros_like(logs[..., :1]), logs.cumsum(-1)], -1)


def draw(result) -> Figure:
    fig, ax = style.figure(7.0, 3.9, tall=4.2)
    colours = style.palette()["raw"], style.ink(), style.palette()["standardized"]
    factor, product = np.abs(result["factor"]), _products(result)
    for kind, (colour, (x, y)) in enumerate(zip(colours, ((0.3, -26), (0.3, 22), (9, 5)), strict=True)):
        if kind != 1:  # the recipe's chains are alike
            ax.plot(product[kind, :SHOWN].T, color=colour, lw=0.6, alpha=0.35)
        middle = np.median(product[kind], 0)
        ax.plot(middle, color=colour)
        said = f"{KINDS[kind]}\n× {number(np.median(factor[kind]), 2)} a layer"
        ax.text(x, y, said, color=colour, va="center")
        ax.text(DEPTH + 0.3, middle[-1], _plain(10 ** middle[-1]), color=colour, va="center")
    ticks = range(-30, 31, 10)
    ax.set(
        xlabel="layers that the gradient has passed",
        ylabel="what is left of it (log scale)",
        xticks=range(0, DEPTH + 1, 5),
        xlim=(0, DEPTH + 3.6),
        ylim=(-32, 32),
    )
    ax.set_yticks(ticks, [style.plain(10.0**power) for power in ticks])
    return fig


def table(result) -> dict:
    factor, product = np.median(np.abs(result["factor"]), 1), np.median(_products(result), 1)
    kinds = {f"median_factor_{name}": factor[k] for k, name in enumerate(("normal", "recipe", "unit_gain"))}
    left = {
        f"log10_median_product_{name}": product[k, 1:][::-1]
        for k, name in enumerate(("normal", "recipe", "unit_gain"))
    }
    return {"layer": np.arange(1, DEPTH + 1), **kinds, **left}


def _plain(value: float) -> str:
    return style.plain(float(f"{value:.2g}"))


def _left(result) -> list[str]:
    return [number(10 ** np.median(one), 2) for one in _products(result)[..., -1]]


def caption(result) -> str:
    normal, recipe, unit = _left(result)
    low, high = (10**edge for edge in median_interval(_products(result)[0, :, -1]))
    return (
        f"**Through {DEPTH} layers a gradient is multiplied by {normal} in the median chain with random "
        f"weights, by {recipe} in the chain made to explode, and by {unit} in the one for unit gain.**\n\n"
        f"{result['factor'].shape[1]:,} chains of each kind, one sigmoid a layer, inputs spread evenly over "
        "0 to 1; the random chains have no biases. Thick: medians (that of the random chains has a 95 % "
        f"interval of {between((low, high), 2)}); thin: {SHOWN} of the chains. The factor of a layer is the "
        "median over layers and chains."
    )


def alt(result) -> str:
    normal, recipe, unit = _left(result)
    return (
        "What is left of the gradient against the layers passed, on a logarithmic axis: three straight "
        f"lines fan out from 1 to {normal} for random weights, to {recipe} for the chain made to explode, "
        f"and to {unit} for unit gain, after {DEPTH} layers."
    )
