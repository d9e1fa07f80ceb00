"""How often is a fresh ReLU network dead before training starts?  Chapter: initialization."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import wilson
from experiments.trials import generator
from experiments.words import between, long_table, number, percent
from unitgain.initializers import he_normal_
from unitgain.theory import born_dead_probability

WIDTHS = (1, 2, 3, 4, 5, 6, 8)
DEPTHS = (1, 2, 3, 5, 10, 20, 30, 50)
FEATURES, POINTS = 2, 32  # of the inputs
NAMED = 2, 10  # the width and the depth that the claim is about
SHOWN = (1, 2, 4, 6, 8)  # widths that are drawn
MIDDLE = 50  # per cent, where a line is labelled
CLOSE = 0.03  # distance of a fraction from its prediction, at most
BIASES = (0.0, 0.001, 0.01, 0.065, 0.145, 0.5)  # of all units, of the map
SHAPES = ((2, 5), (4, 5), (4, 20))  # its widths and depths
NEAR = 0.8, 1.25  # of a fraction over its prediction


def compute(*, networks=4_000, mapped=8_000, seed=0, device="cpu"):
    """Which networks are dead (widths, depths, networks): on `one` input, and on `all` of POINTS.

    Inputs and weights are normal, of He's variance, and biases 0. With others, on one input: `biased`
    (BIASES, SHAPES, mapped).
    """
    draw = generator(seed)
    found = {"one": [], "all": []}
    for width in WIDTHS:
        h = torch.randn(networks, FEATURES, POINTS, generator=draw).to(device)
        for depth in range(1, DEPTHS[-1] + 1):
            w = he_normal_(torch.empty(networks, width, h.shape[1]), generator=draw).to(device)
            h = (w @ h).relu_()
            if depth in DEPTHS:
                found["one"].append((h[:, :, 0] == 0).all(1))
                found["all"].append((h == 0).all(2).all(1))
    dead = {key: torch.stack(rows).unflatten(0, (len(WIDTHS), -1)) for key, rows in found.items()}
    return dead | {"biased": torch.stack([_biased(*shape, mapped, draw, device) for shape in SHAPES], 1)}


def _biased(width: int, depth: int, networks: int, draw, device) -> torch.Tensor:
    """Which networks are dead on an input, with the same weights for each of BIASES: (BIASES, networks)."""
    bias = torch.tensor(BIASES, device=device).view(-1, 1, 1, 1)
    h, dead = torch.randn(networks, FEATURES, 1, generator=draw).to(device), []
    for _ in range(depth):
        w = he_normal_(torch.empty(networks, width, h.shape[-2]), generator=draw).to(device)
        h = (w @ h + bias).relu_()
        dead.append((h == 0).all(-2).squeeze(-1))
    return torch.stack(dead).any(0)


def predicted(depth) -> np.ndarray:
    """Share dead on one input: (widths, depths)."""
    return born_dead_probability(torch.tensor(WIDTHS)[:, None], torch.as_tensor(depth)).numpy()


def draw(result) -> Figure:
    fig, axes = style.figure(7.8, 3.7, ncols=2, sharey=True, tall=6.2)
    ink, colour, fine = style.ink(), style.palette()["dead"], np.geomspace(DEPTHS[0], DEPTHS[-1], 100)
    titles = "On one input (lines: predicted)", f"On all of {POINTS} inputs"
    for ax, key, title in zip(axes, ("one", "all"), titles, strict=True):
        for width, line, rows in zip(WIDTHS, predicted(fine), result[key], strict=True):
            if width not in SHOWN:
                continue
            middle, (low, high) = 100 * rows.mean(-1), 100 * np.array([wilson(row) for row in rows]).T
            look = {"fmt": "o", "ms": 5, "color": colour, "elinewidth": 1.6}
            ax.errorbar(
                DEPTHS, middle, (middle - low, high - middle), ls="-" if key == "all" else "", lw=1, **look
            )
            if key == "one":
                ax.plot(fine, 100 * line, color=ink, lw=1)
            _label(ax, width, 100 * line if key == "one" else np.interp(fine, DEPTHS, middle), fine)
        ax.set(xscale="log", xticks=(1, 2, 5, 10, 20, 50), xticklabels=(1, 2, 5, 10, 20, 50), title=title)
        ax.set(xlabel="hidden layers (log)", xlim=(0.4, 60), ylim=(-3, 104))
        ax.minorticks_off()
    axes[0].set_ylabel("networks dead at birth (%)")
    return fig


def _label(ax: Axes, width: int, line: np.ndarray, depths: np.ndarray) -> None:
    """The width beside its line: where it crosses the middle, or at its end."""
    at = int(np.argmax(line > MIDDLE)) if line[-1] > MIDDLE else len(line) - 1
    text = "1 unit\na layer" if width == 1 else f"{width}"
    ax.annotate(text, (depths[at], line[at]), (-6, 3), textcoords="offset points", ha="right")


def table(result) -> dict:
    ends = {key: np.apply_along_axis(wilson, -1, result[key]) for key in ("one", "all")}
    return long_table(
        {"width": WIDTHS, "hidden_layers": DEPTHS},
        predicted=predicted(DEPTHS),
        **{f"on_{key}": result[key].mean(-1) for key in ends},
        **{f"on_{key}_low": pair[..., 0] for key, pair in ends.items()},
        **{f"on_{key}_high": pair[..., 1] for key, pair in ends.items()},
    )


def _off(result) -> float:
    """Largest distance of a fraction from its prediction."""
    return float(np.abs(result["one"].mean(-1) - predicted(DEPTHS)).max())


def _named(result, key: str) -> np.ndarray:
    return result[key][WIDTHS.index(NAMED[0]), DEPTHS.index(NAMED[1])]


def caption(result) -> str:
    width, depth = NAMED
    wide = result["one"][-1, DEPTHS.index(depth)]
    return (
        f"**A ReLU network of {depth} layers with {width} units each is dead on a given input in "
        f"{percent(_named(result, 'one').mean())} of all cases, with {WIDTHS[-1]} units each in "
        f"{percent(wide.mean(), 1)}.**\n\nDead: a layer passes on nothing but zeros. Left: predicted "
        f"1 − (1 − 2⁻ⁿ)ᴸ for n units and L layers; the fractions of {wide.size:,} networks at each dot lie "
        f"within {100 * _off(result):.1f} points of it. Right: dead on each of {POINTS} inputs from a plane; "
        "the output is then constant and no gradient arrives. Normal weights, zero biases; "
        f"{percent(0.95)} intervals, mostly smaller than the dots."
    )


def alt(result) -> str:
    listed = (
        f"{percent(share)} with {width} a layer"
        for width, share in zip(WIDTHS, result["one"][:, -1].mean(-1), strict=True)
    )
    return (
        "Two plots of the percentage of networks that are dead at birth against depth, a curve for each "
        f"width. All rise with depth and fall with width; at {DEPTHS[-1]} layers they reach "
        f"{', '.join(listed)}. Left, on one input, the dots lie on the predicted curves; right, on all "
        "inputs, they lie lower."
    )


def claims(result) -> Iterator[Claim]:
    (width, depth), hits = NAMED, _named(result, "one")
    low, high = wilson(hits)
    expected = born_dead_probability(*NAMED).item()
    every, helped = _named(result, "all"), result["biased"][:, -1].mean(-1)
    yield Claim.of_fraction(
        hits,
        id="born-dead",
        statement="A fresh ReLU network with L layers of n units is dead on a given input with probability "
        "1 − (1 − 2⁻ⁿ)ᴸ",
        sources=("lu-2019, theorem 3.3, for biases of 0",),
        verdict="depends",
        measure=f"fraction of networks dead on one input (all units of some layer are off), {width} units, "
        f"{depth} layers, no biases",
        units="networks, each with its own weights and input",
        map=Map.of_means(
            result["biased"] / born_dead_probability(*torch.tensor(SHAPES).T).numpy()[:, None],
            axes={"bias of every unit": BIASES, "network": [f"{n} units, {L} layers" for n, L in SHAPES]},
            above=NEAR[0],
            below=NEAR[1],
            measure="fraction of networks dead on one input, over the predicted one",
            units="networks, each with its own weights and input",
        ),
        holds=expected - CLOSE < low
        and high < expected + CLOSE
        and _off(result) < CLOSE
        and helped[0] > helped[2] > helped[-1],
        finding=f"With biases of 0 it does: predicted {number(expected)}, measured {number(hits.mean())}, "
        f"and over widths {WIDTHS[0]} to {WIDTHS[-1]} and depths {DEPTHS[0]} to {DEPTHS[-1]} no fraction is "
        f"further off than {100 * _off(result):.1f} points. Positive biases save some: of networks with "
        f"{SHAPES[-1][1]} layers of {SHAPES[-1][0]} units {percent(helped[0])} are dead, with biases of "
        f"{BIASES[2]:g} {percent(helped[2])}, of {BIASES[-1]:g} {percent(helped[-1])}. Dead on one input "
        f"is not dead on all: {percent(every.mean())} {between(wilson(every))} are dead on each of "
        f"{POINTS} inputs.",
    )
