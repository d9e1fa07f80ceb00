"""For which variances of weights and biases does a gradient pass a tanh layer unchanged?

Chapter: initialization.
"""

from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval
from experiments.trials import generator
from experiments.words import between, long_table, number, percent, shown
from unitgain.activations import derivative
from unitgain.theory import chi, critical_weight_var, variance_fixed_point

WIDTH, DEPTH = 300, 16
BIASES = (0.01, 0.05, 0.3)  # variances
WEIGHTS = (1.0, 1.3, 1.5, 1.76, 2.1, 2.5, 3.2, 4.0)  # variances times fan-in
AMONG, NAMED = 1, (1, 3, 5, 7)  # what the claim is about: a bias variance, four weight variances
PLANE = np.linspace(0.5, 4.25, 76), np.linspace(0, 0.4, 41)
LEVELS, LABELS = (0.8, 1.2), (1.5, 3.6)  # drawn, and where each is labelled
WEIGHT_LABEL = r"variance of a weight × inputs, $\sigma_w^2$"
WIDTHS, UNITS = (4, 9, 20, 40, 80), 320  # the map: how wide is infinitely wide? UNITS a layer in all
AGREES = 0.1  # relative distance of a critical variance from the theory's, at most
CLOSE = 0.03  # relative distance from the prediction, at most


def compute(*, networks=24, points=8, mapped=16, seed=0, device="cpu"):
    """`growth` of the gradient's squared norm, a layer: (bias variances, weight variances, networks).

    The inputs have the variance that the layers keep. Also what the theory says, over the `plane`.
    For the map, `narrow`, the same growth in narrower networks: (widths, bias variances, …, networks).
    """
    own = generator(seed)
    b, w = (t.flatten() for t in torch.meshgrid(torch.tensor(BIASES), torch.tensor(WEIGHTS), indexing="ij"))
    q = variance_fixed_point(torch.tanh, w, b).float()
    slope = derivative(torch.tanh)

    def columns(variances: torch.Tensor) -> torch.Tensor:
        return variances.sqrt().repeat_interleave(points).to(device)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=own).to(device)

    def growth(width: int = WIDTH, many: int = 1) -> torch.Tensor:
        z = [columns(q) * draw(many, width, points).repeat(1, 1, len(q))]
        layers = draw(DEPTH, many, width, width) / width**0.5
        for layer in layers:
            z.append(columns(w) * (layer @ z[-1].tanh()) + columns(b) * draw(many, width, 1))
        gradient = last = draw(many, width, points).repeat(1, 1, len(q))
        for layer, before in zip(layers.flip(0), z[-2::-1], strict=True):
            gradient = slope(before) * (columns(w) * (layer.mT @ gradient))
        squares = [g.square().unflatten(-1, (-1, points)).sum((1, 3)) for g in (gradient, last)]
        return ((squares[0] / squares[1]).log() / DEPTH).mean(0).exp()

    found = torch.stack([growth() for _ in range(networks)], -1)
    narrow = [torch.stack([growth(width, UNITS // width) for _ in range(mapped)], -1) for width in WIDTHS]
    weight_var, bias_var = (torch.from_numpy(axis) for axis in PLANE)
    return {
        "growth": found.unflatten(0, (len(BIASES), len(WEIGHTS))),
        "narrow": torch.stack(narrow).unflatten(1, (len(BIASES), len(WEIGHTS))),
        "plane": chi(torch.tanh, weight_var, bias_var[:, None]),
    }


def predicted(weight_var) -> np.ndarray:
    """χ of (bias variances, weight variances)."""
    return chi(torch.tanh, torch.as_tensor(weight_var), torch.tensor(BIASES)[:, None]).numpy()


def _critical(result) -> np.ndarray:
    """Where each network's growth passes 1 at the claim's bias variance, (networks,)."""
    return _passes(result["growth"][AMONG])


def _passes(growth: np.ndarray) -> np.ndarray:
    """Where growth (…, weight variances, networks) passes 1, by interpolation: (…, networks)."""
    rows = np.maximum.accumulate(np.log(growth), axis=-2).swapaxes(-1, -2)
    return np.apply_along_axis(lambda row: np.interp(0, row, WEIGHTS), -1, rows)


def draw(result) -> Figure:
    fig, ax = style.figure(7.2, 4.0, tall=3.6)
    ink, colour, extent = (
        style.ink(),
        style.palette()["standardized"],
        (*PLANE[0][[0, -1]], *PLANE[1][[0, -1]]),
    )
    low, high = result["plane"].min(), result["plane"].max()
    shade = mpl.colormaps["cividis"]((result["plane"] - low) / (high - low))
    shade[..., 3] = 0.4  # the page shows through, so that its ink is legible everywhere
    ax.imshow(shade, extent=extent, origin="lower", aspect="auto", interpolation="bilinear")
    lines = ax.contour(*PLANE, result["plane"], levels=LEVELS, colors=ink, linewidths=0.7)
    ax.clabel(lines, fontsize=9.5, fmt=lambda level: f"χ = {level:g}", manual=[(x, 0.24) for x in LABELS])
    bias_var = torch.linspace(*PLANE[1][[0, -1]], 80, dtype=torch.float64)
    ax.plot(critical_weight_var(torch.tanh, bias_var), bias_var, color=ink, lw=2.4)
    critical = _passes(result["growth"])
    ax.plot(critical.mean(-1), BIASES, "o", ms=8, color=colour)
    ax.text(0.56, 0.35, "order:\ngradients\nvanish", va="center")
    ax.text(4.18, 0.06, "chaos:\ngradients\nexplode", va="center", ha="right")
    ax.text(2.75, 0.37, "χ = 1: they\nkeep their size", va="center")
    ax.text(critical[-1].mean() + 0.12, BIASES[-1], "measured", va="center", color=colour)
    ax.set(xlabel=WEIGHT_LABEL, ylabel=r"variance of a bias, $\sigma_b^2$")
    ax.set(xticks=range(1, 5), yticks=(0, 0.1, 0.2, 0.3, 0.4))
    return fig


def table(result) -> dict:
    ends = np.apply_along_axis(mean_interval, -1, result["growth"])
    return long_table(
        {"bias_var": BIASES, "weight_var": WEIGHTS},
        predicted=predicted(WEIGHTS),
        measured=result["growth"].mean(-1),
        low=ends[..., 0],
        high=ends[..., 1],
    )


def _off(result) -> float:
    """Largest relative distance of a mean from the prediction."""
    return float(np.abs(result["growth"].mean(-1) / predicted(WEIGHTS) - 1).max())


def _theory() -> float:
    """The critical weight variance at the claim's bias variance."""
    return float(_lines()[AMONG])


def _lines() -> np.ndarray:
    """The critical weight variances of all bias variances."""
    return critical_weight_var(torch.tanh, torch.tensor(BIASES, dtype=torch.float64)).numpy()


def caption(result) -> str:
    return (
        f"**With biases of variance {BIASES[AMONG]:g}, a tanh network's gradient keeps its size where the "
        f"weights have variance {number(_theory())}/inputs by the theory, {number(_critical(result).mean())}"
        "/inputs as measured.**\n\nχ, by which a layer multiplies the square of the gradient, as predicted "
        "over the plane of both variances. Dots: where it is 1 as measured, interpolated between "
        f"{len(WEIGHTS)} weight variances, means over {result['growth'].shape[-1]} networks of {DEPTH} "
        f"layers with {WIDTH} units. At all {len(WEIGHTS) * len(BIASES)} pairs of variances the predicted χ "
        f"is right to {percent(_off(result), 1)}."
    )


def alt(result) -> str:
    rows = zip(WEIGHTS, result["growth"][AMONG].mean(-1), strict=True)
    return (
        "A map of the factor by which a tanh layer multiplies the squared gradient, over the variances of "
        "weights and biases, with a critical line that rises from weight variance 1 without biases; left of "
        "it gradients vanish, right of it they explode; three measured dots lie on the line. Measured "
        f"factors at bias variance {BIASES[AMONG]:g}: "
        f"{', '.join(f'{number(growth)} at {w:g}' for w, growth in rows)}."
    )


def claims(result) -> Iterator[Claim]:
    found, theory = _critical(result), _theory()
    low, high = mean_interval(found)
    off = _passes(result["narrow"]) / _lines()[:, None]
    narrow = off[:, AMONG].mean(-1)
    rows, expected = result["growth"][AMONG][list(NAMED)], predicted(WEIGHTS)[AMONG][list(NAMED)]
    ends = [mean_interval(row) for row in rows]
    named = ", ".join(f"{WEIGHTS[i]:g}" for i in NAMED)
    yield Claim.of_mean(
        found,
        id="mean-field",
        statement="From two variances, of weights and of biases, theory says where a deep tanh network's "
        "gradients vanish and where they explode",
        sources=("schoenholz-2017, section 3",),
        verdict="depends",
        measure="weight variance × inputs at which the gradient neither grows nor shrinks, for biases of "
        f"variance {BIASES[AMONG]:g}",
        units="networks, each with its own weights, biases, inputs and gradients",
        map=Map.of_means(
            off,
            axes={"units a layer": WIDTHS, "variance of a bias": tuple(map(shown, BIASES))},
            above=1 - AGREES,
            below=1 + AGREES,
            measure=f"measured critical variance (at most {WEIGHTS[-1]:g}/inputs) over the theory's",
            units="networks, each with its own weights, biases, inputs and gradients",
        ),
        holds=(1 - CLOSE) * theory < low
        and high < (1 + CLOSE) * theory
        and ends[0][1] < 1 < ends[2][0]
        and np.abs(rows.mean(-1) / expected - 1).max() < CLOSE,
        finding=f"In wide layers: with {WIDTHS[-1]} units the measured critical variance is "
        f"{number(narrow[-1])} times the theory's, with {WIDTHS[1]} units {number(narrow[1], 2)} times. "
        f"In layers of {WIDTH} units and at weight variances of {named} the theory, whose critical "
        f"variance is {number(theory)}, says that a layer multiplies the squared gradient by "
        f"{', '.join(number(e) for e in expected)}; measured "
        f"{', '.join(number(row.mean()) for row in rows)}. At {WEIGHTS[NAMED[0]]:g} the interval is "
        f"{between(ends[0])}, at {WEIGHTS[NAMED[-1]]:g} {between(ends[-1])}.",
    )
