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
    fig, (left, right) = style.figure(7.4, 3.9, ncols=2)
    colours = style.palette()["raw"], style.ink(), style.palette()["standardized"]
    factor, product = np.abs(result["factor"]), _products(result)
    layers = np.arange(1, DEPTH + 1)
    for kind, colour in enumerate(colours):
        for k in range(min(SHOWN, factor.shape[1]) if kind != 1 else 0):  # the recipe's chains are alike
            right.plot(10 ** product[kind, k], color=colour, lw=0.6, alpha=0.35)
        left.plot(layers, np.median(factor[kind], 0), color=colour)
        if kind == 0:
            cloud = factor[kind, :SHOWN]
            x = np.tile(layers, len(cloud))
            left.plot(x, cloud.ravel(), ".", ms=3, mew=0, color=colour, alpha=0.5)
        right.plot(10 ** np.median(product[kind], 0), color=colour)
    for ax in (left, right):
        ax.axhline(1, color=style.ink(), lw=0.6, ls=":")
        ax.set_yscale("log")
    left.set(
        title="Each layer's factor",
        xlabel="layer",
        ylabel="|w σ′(z)| (log scale)",
        ylim=(1e-4, 1e3),
        xticks=(1, 5, 10, 15, 20),
    )
    right.set(
        title="Their product on the way back",
        xlabel="layers passed",
        ylabel="gradient left (log scale)",
        xticks=range(0, DEPTH + 1, 5),
        ylim=(1e-32, 1e32),
        yticks=10.0 ** np.arange(-30, 31, 10),
    )
    for kind, y in ((1, 60), (2, 2.4), (0, 2.2e-4)):
        left.text(1, y, KINDS[kind], color=colours[kind], va="center")
    for kind, x, y in ((1, 0.3, 1e22), (2, 7.5, 1e4), (0, 1, 1e-24)):
        right.text(x, y, KINDS[kind], color=colours[kind], va="center")
    return fig


def table(result) -> dict:
    factor, product = np.median(np.abs(result["factor"]), 1), np.median(_products(result), 1)
    kinds = {f"median_factor_{name}": factor[k] for k, name in enumerate(("normal", "recipe", "unit_gain"))}
    left = {
        f"log10_median_product_{name}": product[k, 1:][::-1]
        for k, name in enumerate(("normal", "recipe", "unit_gain"))
    }
    return {"layer": np.arange(1, DEPTH + 1), **kinds, **left}


def _left(result) -> list[str]:
    return [number(10 ** np.median(one), 2) for one in _products(result)[..., -1]]


def caption(result) -> str:
    normal, recipe, unit = _left(result)
    low, high = (10**edge for edge in median_interval(_products(result)[0, :, -1]))
    return (
        f"**Through {DEPTH} layers a gradient is multiplied by {normal} in the median chain with random "
        f"weights, by {recipe} in the chain made to explode, and by {unit} in the one made for unit gain.**\n\n"
        f""
        f"{result['factor'].shape[1]:,} chains of each kind, one sigmoid a layer, inputs spread evenly over "
        "0 to 1; the random chains have no biases. Thick: medians (that of the random chains has a 95 % "
        f"interval of {between((low, high), 2)}); thin lines and dots: {SHOWN} of the chains."
    )


def alt(result) -> str:
    normal, recipe, unit = _left(result)
    return (
        "Two panels on logarithmic axes. Left, the factor of each layer: scattered around a tenth for "
        "random weights, 25 for the chain made to explode, just below 1 for the unit-gain chain. Right, "
        f"their products fan out from 1 to {normal}, {recipe} and {unit} after {DEPTH} layers."
    )
