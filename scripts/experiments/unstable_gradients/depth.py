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
LINES = {  # in colour: key, mark, label
    "identity": ("class1", "D", "linear"),
    "relu": ("class0", "s", "ReLU"),
    "tanh": ("standardized", "o", "tanh"),
    "sigmoid": ("raw", "v", "sigmoid"),
}
MUCH = 0.75  # three vanish where one explodes


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
    fig, ax = style.figure(7.0, 4.2, tall=4.6)
    ink, colours = style.ink(), style.palette()
    ends = _factor(np.stack([np.median(size[:, -1], -1) for size in _sizes(result)], 1))
    ends = np.where(ends > 0, ends, np.nan)  # one ReLU a layer: nothing is left
    ax.axhline(1, color=ink, lw=0.8, ls=":")
    ax.plot(WIDTHS, ends.T, color=style.GRID, lw=0.8, alpha=0.7)
    for name, (key, mark, label) in LINES.items():
        colour, i = colours[key], _of(name)
        ax.plot(WIDTHS, _factor(result["predicted"][:, i, -1]), color=colour, lw=1, ls="--")
        edges = np.array([median_interval(size[i, -1]) for size in _sizes(result)])
        bars = np.abs(_factor(edges).T - ends[i])
        dots = {"fmt": f"{mark}-", "ms": 5.5, "mew": 0, "lw": 1.8, "color": colour, "elinewidth": 1.2}
        ax.errorbar(WIDTHS, ends[i], bars, **dots)
        ax.text(1.15 * WIDTHS[-1], ends[i, -1], label, color=colour, va="center")
    ax.text(1, 26, "gradients explode")
    ax.text(120, 0.22, "gradients vanish", ha="center", va="center")
    ax.text(12, 0.06, "grey: eight other activations\ndashed: predicted", va="center")
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="units a layer (log scale)",
        ylabel="factor a layer (log scale)",
        xlim=(0.75, 1700),
        ylim=(0.035, 45),
    )
    ax.set_xticks(WIDTHS, [str(width) for width in WIDTHS])
    ax.minorticks_off()
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
    """The factor of one layer, typically, from the product over all layers."""
    return product ** (1 / LAYERS)


def _off(result) -> float:
    """Largest relative distance of a factor a layer from its prediction, in wide networks."""
    rms = [_rms(size[:, -1]) for size in _sizes(result)[WIDE:]]
    return float(np.abs(_factor(np.stack(rms) / result["predicted"][WIDE:, :, -1]) - 1).max())


def _medians(result, name: str) -> list[float]:
    return [float(_factor(np.median(size[_of(name), -1]))) for size in _sizes(result)]


def caption(result) -> str:
    tanh = _medians(result, "tanh")
    grey = [shown for name, shown in NAMES.items() if name not in LINES]
    counts = ", ".join(f"{size.shape[-1]:,}" for size in _sizes(result))
    return (
        f"**With N(0, 1) weights a tanh layer multiplies the typical gradient by {tanh[0]:.2f} at width 1 "
        f"and by {tanh[3]:.2f} at width {WIDTHS[3]}: width decides between vanishing and exploding.**\n\n"
        f"Dots: measured over {LAYERS} layers, the medians of {counts} networks, from narrow to wide, with "
        "95 % intervals; inputs N(0, 1), no biases. With one ReLU a layer the median gradient is 0, which "
        "has no place on a log scale. Dashed: predicted, as the next section shows, for the root mean square "
        f"over the networks. From width {WIDTHS[WIDE]} on that is right to {percent(_off(result), 1)} a "
        "layer; in narrow networks a few huge gradients lift it far above the median. Grey: "
        f"{', '.join(grey)}."
    )


def alt(result) -> str:
    tanh, sigmoid = _medians(result, "tanh"), _medians(result, "sigmoid")
    return (
        "Factor of a layer against its width, 1 to 400, on logarithmic axes, a line for each of twelve "
        "activations. All rise with width, and all start below 1. At widths 100 and 400 all are above 1 but "
        "the sigmoid's, which is near it: its factors are "
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
        sources=("tuning-lesson, prevalence of the vanishing gradient problem",),
        verdict="depends",
        measure=f"fraction of tanh networks of width 100 whose gradient is smaller after {LAYERS} layers "
        "than at the output",
        units="networks, each with its own input, weights and gradient at the output",
        map=Map.of_fractions(
            result["shrinks"],
            axes={"units a layer": MAPPED, "activation": tuple(NAMES[name] for name in ROWS)},
            above=MUCH,
            measure=f"fraction of networks whose gradient is smaller after {LAYERS} layers than at the "
            "output, no biases",
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
