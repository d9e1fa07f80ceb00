"""How much does one tanh layer stretch a small change, in every direction?  Chapter: initialization."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval
from experiments.trials import generator
from experiments.words import long_table, percent
from unitgain.initializers import glorot_uniform_, normal_, uniform_

WIDTH, LAYERS = 200, 5


def old_heuristic_(tensor: Tensor, *, generator=None) -> Tensor:
    """U(−1/√n, 1/√n), the rule before Glorot's and still PyTorch's."""
    bound = tensor.shape[-1] ** -0.5
    return uniform_(tensor, -bound, bound, generator=generator)


RULES = {"old": old_heuristic_, "glorot": glorot_uniform_}
TITLES = {"old": "U(−1/√n, 1/√n)", "glorot": "Glorot"}
PAPER = {"old": 0.5, "glorot": 0.8}
SD = {"old": 1 / math.sqrt(3), "glorot": 1.0}  # of a weight, times √n
LINEAR = 8 / (3 * math.pi)  # the mean of the quarter circle of radius 2


SIZES = (0.1, 0.2, 0.4, 0.8, 1.6, 5)  # standard deviations of the inputs, of the map
SHOWN = (1, 2, 3, 5)  # its layers
UNITS = 100
ABOUT = 0.7, 0.9  # what counts as about 0.8


def compute(*, networks=12, mapped=12, seed=0, device="cpu"):
    """Singular values of each layer's Jacobian at an input N(0, 1): `old`, `glorot` (networks, layers, n).

    And with Glorot's weights the `mean` of those of smaller networks at inputs of other SIZES, (SIZES, SHOWN,
    mapped).
    """
    draw = generator(seed)
    x = normal_(torch.empty(networks, WIDTH, 1), generator=draw)
    found = {}
    for name, rule in RULES.items():
        h, jacobians = x, []
        for _ in range(LAYERS):
            w = rule(torch.empty(networks, WIDTH, WIDTH), generator=draw)
            h = (w @ h).tanh()
            jacobians.append((1 - h.square()) * w)
        found[name] = torch.linalg.svdvals(torch.stack(jacobians, 1).to(device))
    return found | {"mean": _means(mapped, draw, device)}


def _means(networks: int, draw, device) -> Tensor:
    """Mean singular values (SIZES, SHOWN, networks); all sizes share their weights and directions."""
    sizes = torch.tensor(SIZES).view(-1, 1, 1, 1)
    h, found = sizes * normal_(torch.empty(networks, UNITS, 1), generator=draw), []
    for layer in range(1, LAYERS + 1):
        w = glorot_uniform_(torch.empty(networks, UNITS, UNITS), generator=draw)
        h = (w @ h).tanh()
        if layer in SHOWN:
            found.append(torch.linalg.svdvals(((1 - h.square()) * w).to(device)).mean(-1))
    return torch.stack(found, 1)


def draw(result) -> Figure:
    fig, (left, right) = style.figure(7.0, 3.4, ncols=2, width_ratios=(1, 1.1))
    ink, key = style.ink(), style.palette()["standardized"]
    layers = np.arange(1, LAYERS + 1)
    for name, title in TITLES.items():
        new, sd = name == "glorot", SD[name]
        look = {"histtype": "step", "color": key, "lw": 1.6, "ls": "-" if new else "--"}
        left.hist(result[name][:, -1].ravel(), np.linspace(0, 2, 41), density=True, **look)
        s = np.linspace(0, 2 * sd, 200)
        left.plot(s, np.sqrt(np.maximum(4 - (s / sd) ** 2, 0)) / (math.pi * sd), color=ink, lw=0.8)
        middle, low, high = _by_layer(result, name)
        right.axhline(LINEAR * sd, xmax=0.68, color=ink, lw=0.8)
        beside = {"y": LINEAR * sd + 0.015, "va": "bottom"} if new else {"y": LINEAR * sd - 0.07, "va": "top"}
        right.text(2.3, s=f"small signals: {LINEAR * sd:.2f}", fontsize=9.5, **beside)
        dots = {"fmt": "o", "ms": 5, "mec": key, "mfc": key if new else "none", "color": key, "elinewidth": 1}
        right.errorbar(layers, middle, (middle - low, high - middle), **dots)
        right.text(LAYERS + 0.3, middle[-1], f"{title}\n(paper: {PAPER[name]})", color=key, va="center")
    left.text(1.1, 0.82, TITLES["old"], color=key)
    left.text(1.6, 0.42, TITLES["glorot"], color=key)
    left.set(
        title=f"Singular values, layer {LAYERS}",
        xlabel="singular value",
        ylabel="density",
        xlim=(0, 2.1),
        ylim=(0, 1.3),
    )
    right.set(title="Their mean", xlabel="layer", xlim=(0.7, LAYERS + 2.4), xticks=layers)
    right.set(ylabel="mean singular value", ylim=(0, 1.05))
    return fig


def _by_layer(result, name: str) -> np.ndarray:
    """The mean singular value of each layer, over the networks, with its interval: (3, layers)."""
    means = result[name].mean(-1, dtype=np.float64).T
    return np.array([(row.mean(), *mean_interval(row)) for row in means]).T


def table(result) -> dict:
    middle, low, high = np.moveaxis([_by_layer(result, name) for name in RULES], 1, 0)
    axes = {"weights": list(TITLES.values()), "layer": range(1, LAYERS + 1)}
    return long_table(axes, mean_singular_value=middle, low=low, high=high)


def caption(result) -> str:
    old, new = (_by_layer(result, name)[0] for name in RULES)
    return (
        f"**A tanh layer with Glorot's weights passes on {new[-1]:.2f} of a small change, averaged over its "
        f"singular values, one with the older U(−1/√n, 1/√n) {old[-1]:.2f}.**\n\n"
        f"That is the fifth layer; the "
        f"first, whose inputs are large enough to saturate tanh a little, reaches {new[0]:.2f} and "
        f"{old[0]:.2f}. Thin lines: predicted for signals so small that tanh is linear, a quarter circle. "
        f"Glorot and Bengio report {PAPER['glorot']} and {PAPER['old']}. {len(result['old'])} networks of "
        f"{WIDTH} units a layer, inputs N(0, 1), {percent(0.95)} intervals smaller than the dots."
    )


def alt(result) -> str:
    old, new = ([f"{mean:.2f}" for mean in _by_layer(result, name)[0]] for name in RULES)
    return (
        "Left, the histograms of singular values of the fifth layer: with Glorot's weights they reach from "
        "0 to almost 2, with the older rule hardly beyond 1. Right, their means over five layers rise: "
        f"{', '.join(new)} with Glorot's weights, {', '.join(old)} with the older rule."
    )


def claims(result) -> Iterator[Claim]:
    old, new = (_by_layer(result, name) for name in RULES)
    ratio = new[0] / old[0]
    yield Claim.of_mean(
        result["glorot"][:, -1].mean(-1, dtype=np.float64),
        id="jacobian-sv",
        statement="With Glorot's weights the mean singular value of a tanh layer's Jacobian is about 0.8, "
        "with the older heuristic 0.5",
        sources=("glorot-bengio-2010, section 4.2.2",),
        verdict="depends",
        measure=f"mean singular value of the Jacobian of layer {LAYERS} with Glorot's weights, at one input",
        units="networks, each with its own weights and input",
        map=Map.of_means(
            result["mean"],
            axes={"standard deviation of the inputs": SIZES, "layer": [f"layer {layer}" for layer in SHOWN]},
            above=ABOUT[0],
            below=ABOUT[1],
            measure=f"mean singular value of a tanh layer's Jacobian with Glorot's weights, {UNITS} units",
            units="networks, each with its own weights and input",
        ),
        holds=ABOUT[0] < new[1, -1] < new[2, -1] < LINEAR
        and 0.4 < old[1, -1] < old[2, -1] < 0.6
        and new[2, 0] < 0.65
        and ratio.min() > 1.2,
        finding="It depends on the size of the layer's inputs. Behind four tanh layers they are small: "
        f"{new[0, -1]:.2f} and {old[0, -1]:.2f}. In the first layer, with inputs N(0, 1), {new[0, 0]:.2f} "
        f"and {old[0, 0]:.2f}. Neither can exceed {LINEAR:.3f} and {LINEAR * SD['old']:.3f}, where tanh is "
        f"linear. That Glorot's weights pass on more holds in every layer, by {ratio.min():.2f} to "
        f"{ratio.max():.2f} times.",
    )
