"""Does gradient descent oscillate across a ravine, and does momentum damp it?  Chapter: optimizers."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import apart, median_interval, wilson
from experiments.optimizers._shared.quadratics import walk
from experiments.trials import generator
from experiments.words import long_table, number
from unitgain.optimizers import SGD

POINTS = 60
SPREAD = 10.0  # of the second input, in units of the first
MOMENTUM = 0.9
RATES = np.array([0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.7, 1.8, 1.9, 1.95, 1.98])  # times λ_max
LOW, HIGH = 0.5, 1.98  # the claim's
START = 0.02, 0.06  # size of the first error in both directions, in units in which the loss curves alike
STEPS = 400
FORMS = {  # of momentum, all at the rate of plain descent
    "plain": {},
    "averaging": {"momentum": MOMENTUM, "averaging": True},
    "torch": {"momentum": MOMENTUM},
    "averaging, β = 0.5": {"momentum": 0.5, "averaging": True},
    "averaging, β = 0.99": {"momentum": 0.99, "averaging": True},
}
DRAWN = 3  # the first of FORMS
MAPPED = {"averaging, β = 0.5": 3, "averaging, β = 0.9": 1, "averaging, β = 0.99": 4, "torch's, β = 0.9": 2}
MAP_RATES = (0.5, 1.0, 1.5, 1.7, 1.9, 1.98)


def compute(*, networks=60, seed=0, device="cpu"):
    """Logistic regressions, each with data and a start of its own; u is the distance across the ravine.

    `travel` (forms, rates, networks): the way that u covers, by the way to go; `turns`, the same shape: how
    often u changes its sign before it is below a hundredth of its start for good.
    """
    draw = generator(seed)
    x = torch.randn(networks, POINTS, 2, generator=draw, dtype=torch.float64)
    noise = torch.randn(networks, POINTS, generator=draw, dtype=torch.float64)
    y = (x.sum(-1) + 1.5 * noise > 0).to(x)[..., None].to(device)
    x = (x * torch.tensor([1.0, SPREAD])).to(device)
    size = torch.empty(networks, 2, 1, dtype=torch.float64).uniform_(*START, generator=draw)
    sign = torch.randint(2, size.shape, generator=draw) * 2 - 1
    start = (sign * size).to(device)

    def gradient(w):
        return x.mT @ ((x @ w).sigmoid_() - y) / POINTS

    best, hessian = _minimum(x, gradient)
    eigenvalues, vectors = torch.linalg.eigh(hessian)
    first = best + vectors @ (start / eigenvalues.sqrt()[..., None])
    rate = torch.tensor(RATES, device=device) / eigenvalues[:, -1:, None]
    travel, turns = [], []
    for options in FORMS.values():
        path = walk(
            lambda w, options=options: SGD(w, lr=rate, **options),
            gradient,
            first.expand(-1, -1, len(RATES)),
            STEPS,
        )
        u = torch.stack([((w - best) * vectors[..., -1:]).sum(1).T for w in path])
        travel.append(u.diff(dim=0).abs().sum(0) / u[0].abs())
        far = (u.abs() > u[0].abs() / 100).flip(0).cummax(0).values.flip(0)
        turns.append(((u[1:] * u[:-1] < 0) & far[1:]).sum(0))
    return {"travel": torch.stack(travel), "turns": torch.stack(turns)}


def _minimum(x, gradient):
    """Weights (networks, 2, 1) and Hessian at the minimum, by Newton's method."""
    w = x.new_zeros(len(x), 2, 1)
    for _ in range(20):
        p = (x @ w).sigmoid()
        hessian = (x * p * (1 - p)).mT @ x / POINTS
        w = w - torch.linalg.solve(hessian, gradient(w))
    return w, hessian


def predicted(rate: np.ndarray, momentum: float) -> np.ndarray:
    """The travel on a quadratic, where u follows uₜ₊₁ = (1 + β − αλ) uₜ − β uₜ₋₁; torch's form."""
    now, before, way = np.ones_like(rate), np.ones_like(rate), np.zeros_like(rate)
    for _ in range(STEPS):
        now, before = (1 + momentum - rate) * now - momentum * before, now
        way = way + np.abs(now - before)
    return way


def draw(result) -> Figure:
    fig, ax = style.figure(7.4, 3.9, tall=3.8)
    colours, ink = style.palette(), style.ink()
    fine = np.linspace(0.2, 1.985, 250)
    lines = (
        predicted(fine, 0.0),
        predicted((1 - MOMENTUM) * fine, MOMENTUM),
        predicted(fine, MOMENTUM),
    )
    labels = (
        ("raw", "o", "gradient descent", (0.25, 0.9), "top"),
        ("standardized", "s", "momentum 0.9,\naveraging form", (0.5, 2.35), "top"),
        ("standardized", "^", "momentum 0.9,\ntorch's form", (0.25, 15), "bottom"),
    )
    for line, rows, (key, mark, text, at, va) in zip(lines, result["travel"][:DRAWN], labels, strict=True):
        ax.plot(fine, line, color=ink, lw=1)
        low, high = np.array([median_interval(row) for row in rows]).T
        ax.vlines(RATES, low, high, color=colours[key], lw=1.5)
        ax.plot(RATES, np.median(rows, axis=-1), mark, color=colours[key], ms=5.5, mew=0)
        ax.text(*at, text, color=colours[key], va=va)
    ax.text(0.25, 60, "lines: predicted for a quadratic", va="center")
    ax.set(
        yscale="log",
        xlim=(0.15, 2.05),
        ylim=(0.62, 90),
        yticks=(1, 3, 10, 30),
        yticklabels=("1", "3", "10", "30"),
        xlabel="learning rate × largest curvature",
        ylabel="way across the ravine,\nstraight down = 1 (log)",
    )
    ax.minorticks_off()
    return fig


def table(result) -> dict:
    low, high = np.apply_along_axis(median_interval, -1, result["travel"]).T
    median = np.median(result["travel"], axis=-1)
    return long_table({"form": list(FORMS), "rate": RATES}, median_travel=median, low=low.T, high=high.T)


def _at(result, form: str, rate: float) -> np.ndarray:
    return result["travel"][list(FORMS).index(form), list(RATES).index(rate)]


def _pays(result) -> float:
    """The lowest rate at which the averaging form travels less than plain descent, in the median."""
    plain, averaging, *_ = np.median(result["travel"], axis=-1)
    return min(RATES[averaging < plain], default=RATES[-1])


def _medians(result, form: str, rates=(LOW, 1.5, HIGH)) -> list[str]:
    return [f"{np.median(_at(result, form, rate)):.1f}" for rate in rates]


def caption(result) -> str:
    (low, high), (slow, fast) = (_medians(result, form, (LOW, HIGH)) for form in ("plain", "averaging"))
    _, averaging, torchs, *_ = np.median(result["travel"], axis=-1)
    least, most = (number(value, 2) for value in ((torchs / averaging).min(), (torchs / averaging).max()))
    return (
        "**Momentum 0.9 calms the steep direction only near the stability edge: at a learning rate of "
        f"{HIGH}/λ it shortens the way across from {high} to {fast}, at {LOW}/λ it lengthens it from {low} "
        f"to {slow}.**\n\nλ is the largest curvature; the straight way has length 1. Plain gradient descent "
        "does not turn back at all below 1/λ. In torch's "
        f"form, at the same learning rate, the way is {least} to {most} times that of the averaging form. "
        f"{result['travel'].shape[-1]} logistic regressions with two weights, each with its own data and "
        f"its own start near the minimum, {STEPS} steps. Marks are medians with 95 % intervals."
    )


def alt(result) -> str:
    return (
        "Way covered across the ravine against the learning rate times the largest curvature, log scale. "
        f"Medians at {LOW}, 1.5 and {HIGH}: "
        + "; ".join(f"{form} {', '.join(_medians(result, form))}" for form in list(FORMS)[:DRAWN])
        + ". Plain descent is level up to 1 and then climbs ever faster; momentum climbs little."
    )


def claims(result) -> Iterator[Claim]:
    ratio = _at(result, "averaging", HIGH) / _at(result, "plain", HIGH)
    worse = _at(result, "averaging", LOW) / _at(result, "plain", LOW)
    torchs = _at(result, "torch", 1.5) / _at(result, "plain", 1.5)
    turns, at = result["turns"][0], [list(RATES).index(rate) for rate in MAP_RATES]
    slow, fast = turns[list(RATES).index(LOW)] > 1, turns[list(RATES).index(1.5)] > 1
    units = "logistic regressions, each with its own data and start"
    yield Claim.of_median(
        ratio,
        id="oscillates",
        statement="Gradient descent oscillates along the steep direction, and momentum damps the oscillation",
        sources=("tuning-lesson, optimizers",),
        verdict="depends",
        measure="way across the ravine with momentum 0.9 (averaging form) by that of plain descent, both at "
        f"the learning rate {HIGH}/λ, median",
        units=units,
        map=Map.of_ratios(
            np.stack([result["travel"][form][at] for form in MAPPED.values()], 1),
            result["travel"][0][at][:, None],
            axes={"rate, times the largest curvature λ": MAP_RATES, "form of momentum": tuple(MAPPED)},
            below=1.0,
            measure="way across the ravine with momentum by that of plain descent, the same learning rate "
            "for both",
            units=units,
        ),
        holds=median_interval(torchs)[0] > 1.3 and apart(wilson(slow), wilson(fast)),
        finding="It depends on the learning rate. Gradient descent oscillates above 1/λ, λ the largest "
        f"curvature: at {LOW}/λ it keeps its side. The article's momentum 0.9 multiplies the way across the "
        f"ravine by {number(np.median(ratio), 2)} at {HIGH}/λ, but by {number(np.median(worse), 2)} at "
        f"{LOW}/λ, where it overshoots and plain descent does not. It helps from {_pays(result):g}/λ on. In "
        f"torch's form, which takes longer steps, the factor is {number(np.median(torchs), 2)} at 1.5/λ.",
    )
