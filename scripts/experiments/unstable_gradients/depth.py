"""Do gradients vanish or explode, layer by layer, and what does width have to do with it?

Chapter: unstable-gradients.
"""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import median_interval, wilson
from experiments.trials import generator
from experiments.unstable_gradients._shared.networks import predicted, sizes
from experiments.words import long_table, number, percent
from unitgain.activations import ACTIVATIONS

NAMES = {
    "identity": "none: a linear network",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "lecun_tanh": "LeCun's tanh",
    "relu": "ReLU",
    "leaky_relu": "leaky ReLU",
    "elu": "ELU",
    "selu": "SELU",
    "gelu": "GELU",
    "silu": "SiLU",
    "mish": "Mish",
    "softplus": "softplus",
}
WIDTHS, WIDE = (1, 10, 100, 400), 2  # from this index on the theory should hold
MORE = (25, 10, 3, 1)  # times `networks`, a width
LAYERS = 10
MAPPED = (1, 3, 6, 12, 60, 200)  # the map: widths
ROWS = ("sigmoid", "tanh", "selu", "relu", "gelu")
MUCH = 0.75  # three vanish where one explodes
LOWEST = 1e-14  # of the axis
LINE = 2.2  # powers of ten that a line of text takes


def _mapped(networks: int, seed: int, device) -> torch.Tensor:
    """Whether the gradient shrinks over LAYERS with weights N(0, 1): (widths, ROWS, networks)."""
    draw, functions = generator(seed, "fresh"), [ACTIVATIONS[name] for name in ROWS]
    words = {"networks": networks, "depth": LAYERS, "functions": functions, "generator": draw}
    scales = [torch.tensor([width**0.5], device=device) for width in MAPPED]
    found = [sizes(width=width, scales=scale, **words) for width, scale in zip(MAPPED, scales, strict=True)]
    return torch.stack([size[:, 0, -1] < 1 for size in found])


def compute(*, networks=40, mapped=150, seed=0, device="cpu"):
    """Gradient sizes over that at the output, `size_<width>` (activations, layers, networks).

    Weights N(0, 1), no biases; and what the theory says, `predicted` (widths, activations, layers). For the
    map whether a gradient `shrinks` (widths, activations, networks).
    """
    draw, functions = generator(seed), [ACTIVATIONS[name] for name in NAMES]
    scales = torch.tensor(WIDTHS).sqrt()  # so that a weight is N(0, 1)
    found = {}
    for width, more, scale in zip(WIDTHS, MORE, scales.to(device), strict=True):
        size = sizes(
            networks=more * networks,
            width=width,
            depth=LAYERS,
            functions=functions,
            scales=scale[None],
            generator=draw,
        )
        found[f"size_{width}"] = size[:, 0]
    expected = np.stack([predicted(f, LAYERS, scales) for f in functions], axis=1)
    return {**found, "predicted": expected, "shrinks": _mapped(mapped, seed, device)}


def _sizes(result) -> list[np.ndarray]:
    return [result[f"size_{width}"] for width in WIDTHS]


def _of(name: str) -> int:
    return list(NAMES).index(name)


def draw(result) -> Figure:
    fig, axes = style.figure(7.8, 7.2, nrows=3, ncols=4, sharex=True, sharey=True)
    ink, colour, layers = style.ink(), style.palette()["standardized"], np.arange(LAYERS + 1)
    for i, (ax, title) in enumerate(zip(axes.flat, NAMES.values(), strict=True)):
        ax.axhline(1, color=style.GRID, lw=0.8, alpha=0.6)
        for width, size, line, mark in zip(WIDTHS, _sizes(result), result["predicted"], "vsoD", strict=True):
            ax.plot(layers, [1, *line[i]], color=ink, lw=0.8)
            rows, at = size[i][1::2], layers[2::2]
            middle = np.median(rows, -1)
            seen = middle > LOWEST
            low, high = np.maximum(np.array([median_interval(row) for row in rows]).T, LOWEST)[:, seen]
            bars = middle[seen] - low, high - middle[seen]
            dots = {"fmt": mark, "ms": 3.6, "mew": 0, "elinewidth": 1, "color": colour}
            ax.errorbar(at[seen], middle[seen], bars, **dots)
            if not seen[-1]:
                ax.text(0.7, LOWEST * 9, f"{width}: gradient 0", color=colour, fontsize=9.5)
        ends = {width: np.median(size[i][-1]) for width, size in zip(WIDTHS, _sizes(result), strict=True)}
        y = -np.inf
        for width, end in ends.items():  # from below, none closer than a line of text
            if end > LOWEST:
                y = max(np.log10(end), y + LINE)
                ax.text(LAYERS + 0.5, 10**y, f"{width}", color=colour, va="center", fontsize=9.5)
        ax.set(title=title, yscale="log", ylim=(LOWEST, 1e14), xlim=(-0.4, LAYERS + 2.2))
        ax.set(xticks=(0, 5, 10), yticks=10.0 ** np.arange(-12, 13, 4))
        ax.minorticks_off()
    fig.supxlabel("layers that the gradient has passed on its way back", fontsize=10)
    fig.supylabel("size of the gradient, 1 at the output (log scale)", fontsize=10)
    key = "line: predicted\ndots: measured\n1–400: units a layer"
    axes[0, 0].text(0.2, 10**-9.3, key, va="center", fontsize=9)
    return fig


def table(result) -> dict:
    return long_table(
        {"width": WIDTHS, "activation": list(NAMES), "layers_passed": range(1, LAYERS + 1)},
        predicted=result["predicted"],
        median=np.stack([np.median(size, -1) for size in _sizes(result)]),
        rms=np.stack([_rms(size) for size in _sizes(result)]),
    )


def _rms(size: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(size).mean(-1))


def _factor(product: np.ndarray) -> np.ndarray:
    """A layer's share of the product over all layers."""
    return product ** (1 / LAYERS)


def _off(result) -> float:
    """Largest relative distance of a factor a layer from its prediction, in wide networks."""
    rms = [_rms(size[:, -1]) for size in _sizes(result)[WIDE:]]
    return float(np.abs(_factor(np.stack(rms) / result["predicted"][WIDE:, :, -1]) - 1).max())


def _medians(result, name: str) -> list[float]:
    return [float(_factor(np.median(size[_of(name), -1]))) for size in _sizes(result)]


def caption(result) -> str:
    tanh = _medians(result, "tanh")
    counts = ", ".join(f"{size.shape[-1]:,}" for size in _sizes(result))
    return (
        f"**With N(0, 1) weights a tanh layer multiplies the typical gradient by {tanh[0]:.2f} at width 1 "
        f"and by {tanh[3]:.2f} at width {WIDTHS[3]}: width decides between vanishing and exploding.**\n\n"
        f"Dots: "
        f"measured, the medians of {counts} networks, from narrow to wide, with 95 % intervals; inputs "
        "N(0, 1), no biases. Lines: predicted, as the next section shows, for the root mean square over the "
        f"networks. From width {WIDTHS[WIDE]} on that is right to {percent(_off(result), 1)} a layer; in "
        "narrow networks a few huge gradients lift it far above the median."
    )


def alt(result) -> str:
    tanh, sigmoid = _medians(result, "tanh"), _medians(result, "sigmoid")
    return (
        f"Twelve panels, one an activation: gradient size on a logarithmic axis over {LAYERS} layers for "
        "widths 1, 10, 100 and 400. Every line of width 1 falls; at widths 100 and 400 all rise but the "
        "sigmoid's, which is nearly level: its factors a layer are "
        f"{', '.join(number(f, 2) for f in sigmoid)}, those of tanh {', '.join(number(f, 2) for f in tanh)}."
    )


def claims(result) -> Iterator[Claim]:
    shrunk = dict(zip(WIDTHS, (size[:, -1] < 1 for size in _sizes(result)), strict=True))
    tanh = shrunk[100][_of("tanh")]
    bent = [i for i, name in enumerate(NAMES) if name != "identity"]
    chains = [wilson(shrunk[1][i])[0] for i in bent]
    wide = [wilson(shrunk[400][i])[1] for i in bent]
    sigmoid = [shrunk[width][_of("sigmoid")] for width in WIDTHS]
    factors = ", ".join(f"{number(f, 2)}" for f in _medians(result, "sigmoid"))
    yield Claim.of_fraction(
        tanh,
        id="vanish-more-common",
        statement="With weights from N(0, 1), vanishing gradients are much more common than exploding ones",
        sources=("Tuning neural networks with normalization, Prevalence of the vanishing gradient problem",),
        verdict="depends",
        measure=f"share of tanh networks of width 100 whose gradient is smaller after {LAYERS} layers than "
        "at the output",
        units="networks, each with its own input, weights and gradient at the output",
        map=Map.of_fractions(
            result["shrinks"],
            axes={"units a layer": MAPPED, "activation": tuple(NAMES[name] for name in ROWS)},
            above=MUCH,
            measure=f"share of networks whose gradient is smaller after {LAYERS} layers than at the output",
            units="networks, each with its own input, weights and gradient at the output",
        ),
        holds=wilson(tanh)[1] < 0.1
        and min(chains) > 0.75
        and max(wide) < 0.25
        and wilson(sigmoid[1])[0] > 0.75,
        finding="It turns with width, because terms of one size add up over the units. With one unit a "
        "layer, the article's chain, the gradient shrinks in "
        f"{percent(min(shrunk[1][i].mean() for i in bent), 1)} or more of the networks, whatever the "
        f"activation; with 10, in {percent(shrunk[10][_of('tanh')].mean())} of the tanh and "
        f"{percent(shrunk[10][_of('relu')].mean(), 1)} of the ReLU networks; with 400, in "
        f"{percent(max(shrunk[400][i].mean() for i in bent))}: it explodes. Sigmoids need the most width: "
        f"their typical factors a layer are {factors} at widths 1, 10, 100 and 400.",
    )
