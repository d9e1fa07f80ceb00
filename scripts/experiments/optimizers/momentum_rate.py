"""How much faster does momentum make gradient descent in a long ravine?  Chapter: optimizers."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, long_table, mean_interval, percent
from experiments.optimizers._shared.quadratics import radius, walk
from experiments.trials import generator
from unitgain.optimizers import SGD
from unitgain.theory import optimal_descent

CONDITIONS = (3, 10, 30, 100, 300, 1_000, 3_000)
AT = CONDITIONS.index(100)
USUAL = 0.9  # the momentum that everybody takes
FEATURES = 6
STEPS = 3_000
LEFT = 1e-150  # of the first distance: measured no further
FORMS = ("plain", "usual", "best")


def _settings(conditions=CONDITIONS):
    """Rates and momenta (forms, conditions) for a steepest curvature of 1."""
    smallest = 1 / torch.tensor(conditions, dtype=torch.float64)
    plain, best = (optimal_descent(smallest, 1.0, heavy_ball=heavy) for heavy in (False, True))
    usual = 2 * (1 + USUAL) / (smallest + 1)  # the best rate for a momentum that is given
    momenta = plain.momentum, torch.full_like(usual, USUAL), best.momentum
    return torch.stack([plain.lr, usual, best.lr]), torch.stack(momenta)


def compute(*, networks=20, seed=0, device="cpu"):
    """The `factor` (forms, conditions, starts) by which a step shrinks the distance, in the long run.

    From half way to the last step at which the distance is above LEFT.
    """
    draw = generator(seed)
    between_ends = torch.rand(len(CONDITIONS), networks, FEATURES, generator=draw, dtype=torch.float64)
    between_ends[..., 0], between_ends[..., 1] = 0, 1
    curvature = (1 / torch.tensor(CONDITIONS, dtype=torch.float64))[:, None, None] ** between_ends
    start = torch.randn(curvature.shape, generator=draw, dtype=torch.float64).to(device)
    rate, momentum = (setting[..., None, None].to(device) for setting in _settings())
    curvature = curvature.to(device)
    path = walk(
        lambda w: SGD(w, lr=rate, momentum=momentum),
        lambda w: curvature * w,
        start.expand(len(FORMS), -1, -1, -1),
        STEPS,
    )
    distance = torch.stack([w.norm(dim=-1) for w in path])
    last = ((distance > LEFT * distance[0]).cumsum(0).amax(0) - 1).clamp(min=2)
    half = last // 2
    ends = [distance.gather(0, step[None])[0].log() for step in (half, last)]
    return {"factor": ((ends[1] - ends[0]) / (last - half)).exp()}


def predicted(conditions=CONDITIONS) -> np.ndarray:
    """The factors (forms, conditions) that the theory gives."""
    rate, momentum = (setting.numpy() for setting in _settings(conditions))
    return np.maximum(radius(rate, momentum), radius(rate / np.array(conditions), momentum))


def _steps(factor) -> np.ndarray:
    """Steps in which the distance falls to a tenth, at that factor a step."""
    return np.log(10) / -np.log(factor)


def draw(result) -> Figure:
    fig, ax = style.figure(7.0, 3.9)
    colours, ink = style.palette(), style.ink()
    labels = (
        ("raw", "o", "gradient descent", (150, 700), "right"),
        ("standardized", "^", f"momentum {USUAL:g}", (2.8, 55), "left"),
        ("standardized", "s", "best momentum", (400, 14), "left"),
    )
    fine = np.geomspace(CONDITIONS[0], CONDITIONS[-1], 200)
    for rows, line, (key, mark, text, at, align) in zip(
        result["factor"], predicted(fine), labels, strict=True
    ):
        ax.plot(fine, _steps(line), color=ink, lw=1)
        for condition, row in zip(CONDITIONS, rows, strict=True):
            low, high = np.sort(_steps(np.array(mean_interval(row))))
            ax.vlines(condition, low, high, color=colours[key], lw=1.5)
            ax.plot(condition, _steps(row.mean()), mark, color=colours[key], ms=5.5, mew=0)
        ax.text(*at, text, color=colours[key], ha=align)
    ax.text(1_000, 2.2, "lines: predicted", ha="center")
    ax.set(
        xscale="log",
        yscale="log",
        xticks=CONDITIONS,
        xticklabels=[f"{condition:,}" for condition in CONDITIONS],
        yticks=(1, 10, 100, 1_000),
        yticklabels=("1", "10", "100", "1,000"),
        xlabel="condition number κ (log)",
        ylabel="steps for a further tenth (log)",
    )
    ax.minorticks_off()
    return fig


def table(result) -> dict:
    low, high = np.apply_along_axis(mean_interval, -1, result["factor"]).T
    return long_table(
        {"form": FORMS, "condition_number": CONDITIONS},
        predicted=predicted(),
        mean_factor=result["factor"].mean(-1),
        low=low.T,
        high=high.T,
    )


def caption(result) -> str:
    plain, usual, best = _steps(result["factor"].mean(-1))[:, AT]
    return (
        f"**In the long run each further tenth of the distance costs gradient descent {plain:.0f} steps at "
        f"a condition number of {CONDITIONS[AT]}, momentum {usual:.0f} at β = {USUAL:g} and {best:.0f} at "
        "the best β.** The steps of plain "
        "descent grow with κ, those of the best momentum with its root; where κ is small, a "
        "fixed β of 0.9 costs. Each at the best rate that theory gives. Lines: predicted; dots: "
        f"{result['factor'].shape[-1]} quadratics with {FEATURES} weights and random curvatures, means "
        "with 95 % intervals, smaller than the dots."
    )


def alt(result) -> str:
    steps = _steps(result["factor"].mean(-1))
    return (
        "Steps for a further tenth of the distance, in the long run, against the condition number, both "
        "log. At condition numbers "
        f"{CONDITIONS[0]}, {CONDITIONS[AT]} and {CONDITIONS[-1]}: "
        + "; ".join(
            f"{name} {row[0]:.0f}, {row[AT]:.0f}, {row[-1]:.0f}"
            for name, row in zip(("gradient descent", "momentum 0.9", "best momentum"), steps, strict=True)
        )
        + ". All dots lie on the predicted lines."
    )


def claims(result) -> Iterator[Claim]:
    factor, expected = result["factor"], predicted()
    off = np.abs(factor / expected[..., None] - 1)[[0, 2]]
    best = factor[2, AT]
    yield Claim.of_mean(
        best,
        id="momentum-rate",
        statement="The best momentum turns the factor a step from (κ − 1)/(κ + 1) into (√κ − 1)/(√κ + 1), "
        "with κ the condition number",
        sources=("Polyak (1964)", "Goh (2017)"),
        verdict="confirmed",
        measure=f"factor a step with the best momentum at κ = {CONDITIONS[AT]}, mean",
        holds=off[:, 1:].max() < 0.005 and off.max() < 0.01,
        finding=f"Predicted at κ = {CONDITIONS[AT]}: {expected[0, AT]:.5f} without and "
        f"{expected[2, AT]:.5f} with momentum; measured: {factor[0, AT].mean():.5f} and {best.mean():.5f}. "
        f"From κ of {CONDITIONS[0]} to {CONDITIONS[-1]:,} no quadratic is further off than "
        f"{percent(off.max(), 1)}: the distance shrinks like t times the factor to the power t, and the t "
        "has not quite died out.",
    )
