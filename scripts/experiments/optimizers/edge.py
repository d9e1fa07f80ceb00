"""How high may the learning rate be before gradient descent diverges?  Chapter: optimizers."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, long_table, median_interval, number, wilson
from experiments.optimizers._shared.quadratics import radius, walk
from experiments.trials import generator, stacked
from unitgain.datasets import ravine
from unitgain.optimizers import SGD
from unitgain.theory import hessian_eigenvalues, largest_stable_rate

MOMENTA = (0.0, 0.5, 0.9)
BELOW, ABOVE = 0.99, 1.01
RATES = np.array(
    [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, BELOW, ABOVE, 1.02, 1.04]
)  # by the limit
FEATURES, CONDITION = 5, 10.0
STEPS = 300
FLOOR, CEILING = 1e-16, 1e20  # of the axis


def compute(*, networks=300, points=60, seed=0, device="cpu"):
    """Linear regressions with data and starts of their own, at RATES times the limit of `momenta`.

    `distance` (momenta, rates, networks) to the minimum after STEPS steps, by the one at the start.
    """
    draw = generator(seed)
    options = {"features": FEATURES, "generator": draw, "dtype": torch.float64, "device": device}
    x, y, weight = stacked(ravine(points, CONDITION, **options) for _ in range(networks))
    start = torch.randn(networks, FEATURES, generator=draw, dtype=torch.float64).to(device)
    hessian, target = x.mT @ x / points, x.mT @ y[..., None] / points
    momenta = torch.tensor(MOMENTA, dtype=torch.float64)
    momentum, share = torch.cartesian_prod(momenta, torch.tensor(RATES)).to(device).T
    rate = share * largest_stable_rate(hessian_eigenvalues(x)[:, -1:], momentum)
    *_, w = walk(
        lambda w: SGD(w, lr=rate[:, None], momentum=momentum),
        lambda w: hessian @ w - target,
        start[..., None].expand(-1, -1, len(share)),
        STEPS,
    )
    distance = (w - weight[..., None]).norm(dim=1) / (start - weight).norm(dim=-1, keepdim=True)
    return {"distance": distance.T.unflatten(0, (len(MOMENTA), len(RATES)))}


def predicted(rate: np.ndarray, momentum: float) -> np.ndarray:
    """What is left of the distance if each step multiplies it by its factor in the long run."""
    return np.maximum(radius(rate, momentum), radius(rate / CONDITION, momentum)) ** STEPS


def draw(result) -> Figure:
    fig, ax = style.figure(7.0, 3.9)
    colours, ink = style.palette(), style.ink()
    ax.axhline(1, color=style.GRID, lw=0.8)
    ax.text(0.06, 3, "no nearer than at the start", fontsize=9.5)
    for momentum, rows, mark in zip(MOMENTA, result["distance"], "os^", strict=True):
        limit = float(largest_stable_rate(1.0, momentum))
        fine = limit * np.array([*np.linspace(0.02, 0.95, 200), *np.linspace(0.95, 1.05, 100)])
        line = predicted(fine, momentum)
        seen = line < CEILING
        ax.plot(fine[seen], np.maximum(line[seen], FLOOR), color=ink, lw=1)
        for rate, row in zip(limit * RATES, rows, strict=True):
            low, high = np.clip(median_interval(row), FLOOR, CEILING)
            colour = colours["standardized" if rate < limit else "raw"]
            ax.vlines(rate, low, high, color=colour, lw=1.5)
            middle = np.clip(np.median(row), FLOOR, CEILING)
            ax.plot(rate, middle, mark, color=colour, ms=5.5, mew=0, clip_on=False)
        ax.axvline(limit, color=ink, lw=0.8, ls=(0, (2, 3)))
        name = f"momentum\n{momentum:g}" if momentum else "plain\ndescent"
        ax.text(
            limit - 0.07, 1e12 if momentum < 0.9 else 1e5, f"{name}: {limit:g}/λ", ha="right", va="center"
        )
    ax.text(2.12, 1e-9, "line: predicted", va="center", ha="left")
    ax.set(
        yscale="log",
        xlim=(0, 4.05),
        ylim=(FLOOR / 10, CEILING),
        yticks=(1e-15, 1e-10, 1e-5, 1, 1e5, 1e10, 1e15, 1e20),
        xticks=np.arange(0, 4.1, 0.5),
        xlabel="learning rate × largest curvature λ",
        ylabel=f"distance left after {STEPS} steps (log)",
    )
    ax.minorticks_off()
    return fig


def table(result) -> dict:
    distance = result["distance"]
    low, high = np.apply_along_axis(median_interval, -1, distance).T
    return long_table(
        {"momentum": MOMENTA, "rate_by_limit": RATES},
        median_distance=np.median(distance, axis=-1),
        low=low.T,
        high=high.T,
    )


def _at(result, rate: float) -> np.ndarray:
    """Distances (momenta, networks)."""
    return result["distance"][:, list(RATES).index(rate)]


def caption(result) -> str:
    below, above = np.median(_at(result, BELOW), axis=-1), np.median(_at(result, ABOVE), axis=-1)
    return (
        f"**Two percent decide: at {2 * BELOW:g}/λ gradient descent has come down to "
        f"{number(below[0], 2)} of its first distance from the minimum, at {2 * ABOVE:g}/λ it is "
        f"{number(above[0], 2)} times as far away.** The limit is 2/λ, with λ the largest curvature; "
        f"momentum β raises it to 2(1 + β)/λ. {result['distance'].shape[-1]} linear regressions with "
        f"{FEATURES} weights and a condition number of {CONDITION:g}, full batches, each with its own data "
        "and start; medians with 95 % intervals, mostly smaller than the dots. Below 10⁻¹⁵ there is only "
        "rounding."
    )


def alt(result) -> str:
    edges = ", ".join(f"{float(largest_stable_rate(1.0, momentum)):g}" for momentum in MOMENTA)
    return (
        "Distance left after training against the learning rate times the largest curvature, log scale: "
        f"three deep basins with vertical walls at {edges}, for momentum "
        f"{', '.join(f'{momentum:g}' for momentum in MOMENTA)}; dots lie on the predicted lines."
    )


def claims(result) -> Iterator[Claim]:
    below, above = _at(result, BELOW) < 1, _at(result, ABOVE) > 1
    always = (below & above).all(axis=0)  # at every momentum
    near, far = np.median(_at(result, BELOW), axis=-1), np.median(_at(result, ABOVE), axis=-1)
    yield Claim.of_fraction(
        always,
        id="gd-edge",
        statement="Gradient descent is stable up to a learning rate of 2/λ, where λ is the largest "
        "eigenvalue of the Hessian",
        sources=("LeCun, Bottou, Orr and Müller (1998)", "Goh (2017), with momentum"),
        verdict="confirmed",
        measure=f"share of regressions that come nearer at {BELOW:g} and go away at {ABOVE:g} of the limit "
        f"2(1 + β)/λ, with every β of {', '.join(f'{momentum:g}' for momentum in MOMENTA)}",
        holds=wilson(always)[0] > 0.95,
        finding=f"After {STEPS} steps the median distance, by the first one, is {number(near[0], 2)} at "
        f"{2 * BELOW:g}/λ and {number(far[0], 2)} at {2 * ABOVE:g}/λ. With momentum {MOMENTA[-1]:g} the "
        f"limit is {2 * (1 + MOMENTA[-1]):g}/λ: {number(near[-1], 2)} below and {number(far[-1], 2)} above "
        "it.",
    )
