"""How much faster does momentum make gradient descent in a long ravine?  Chapter: optimizers."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval
from experiments.optimizers._shared.quadratics import radius, walk
from experiments.trials import generator
from experiments.words import long_table, number, percent
from unitgain.optimizers import SGD
from unitgain.theory import optimal_descent

CONDITIONS = (3, 10, 30, 100, 300, 1_000)
AT = CONDITIONS.index(100)
USUAL = 0.9  # the momentum that everybody takes
FEATURES = 6
STEPS = 3_500
LEFT = 1e-150  # of the first distance: measured no further
POWERS = (1, 2, 3, 4, 8, 16, 32)  # of ten, by which the distance falls
DRAWN = POWERS.index(3)
MAPPED = (1, 2, 4, 8, 16, 32)  # of POWERS: the map
NEAR = 1.4  # steps by those predicted
FORMS = ("plain", "usual", "best")


def _settings(conditions=CONDITIONS):
    """Rates and momenta (forms, conditions) for a steepest curvature of 1."""
    smallest = 1 / torch.tensor(conditions, dtype=torch.float64)
    plain, best = (optimal_descent(smallest, 1.0, heavy_ball=heavy) for heavy in (False, True))
    usual = 2 * (1 + USUAL) / (smallest + 1)  # the best rate for a momentum that is given
    momenta = plain.momentum, torch.full_like(usual, USUAL), best.momentum
    return torch.stack([plain.lr, usual, best.lr]), torch.stack(momenta)


def compute(*, networks=50, seed=0, device="cpu"):
    """How fast the distance shrinks, from a random start at rest.

    `steps` (forms, powers, conditions, starts) until it is below 10 to the minus each of POWERS for good, of
    the first; STEPS + 1 if it never is. `factor` (forms, conditions, starts) a step in the long run: from
    half way to the last step at which the distance is above LEFT.
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
    steps = [_last(distance, 10.0**-power) + 1 for power in POWERS]
    last = _last(distance, LEFT).clamp(min=2)
    half = last // 2
    ends = [distance.gather(0, step[None])[0].log() for step in (half, last)]
    return {"steps": torch.stack(steps, 1), "factor": ((ends[1] - ends[0]) / (last - half)).exp()}


def _last(distance, share):
    """The last step before which the distance (steps + 1, …) is above a share of the first."""
    return len(distance) - 1 - (distance > share * distance[0]).flip(0).int().argmax(0)


def predicted(conditions=CONDITIONS) -> np.ndarray:
    """The factors (forms, conditions) that the theory gives."""
    rate, momentum = (setting.numpy() for setting in _settings(conditions))
    return np.maximum(radius(rate, momentum), radius(rate / np.array(conditions), momentum))


def _steps(factor, power) -> np.ndarray:
    """Steps in which the distance falls by powers of ten, at that factor a step."""
    return power * np.log(10) / -np.log(factor)


def draw(result) -> Figure:
    fig, ax = style.figure(7.4, 3.9, tall=3.8)
    colours, ink, power = style.palette(), style.ink(), POWERS[DRAWN]
    labels = (
        ("raw", "o", "gradient descent", (110, 900), "right"),
        ("standardized", "^", f"momentum {USUAL:g}", (2.9, 180), "left"),
        ("standardized", "s", "best momentum", (150, 19), "left"),
    )
    fine = np.geomspace(CONDITIONS[0], CONDITIONS[-1], 200)
    for rows, line, (key, mark, text, at, align) in zip(
        result["steps"][:, DRAWN], predicted(fine), labels, strict=True
    ):
        ax.plot(fine, _steps(line, power), color=ink, lw=1)
        ax.vlines(CONDITIONS, *np.array([mean_interval(row) for row in rows]).T, color=colours[key], lw=1.5)
        ax.plot(CONDITIONS, rows.mean(-1), mark, color=colours[key], ms=5.5, mew=0)
        ax.text(*at, text, color=colours[key], ha=align)
    ax.text(1_050, 3, "lines: predicted by the factor a step", ha="right")
    ax.set(
        xscale="log",
        yscale="log",
        xticks=CONDITIONS,
        xticklabels=[f"{condition:,}" for condition in CONDITIONS],
        yticks=(1, 10, 100, 1_000),
        yticklabels=("1", "10", "100", "1,000"),
        xlabel="condition number κ (log)",
        ylabel=f"steps to {10.0**-power:g}\nof the distance (log)",
    )
    ax.minorticks_off()
    return fig


def table(result) -> dict:
    steps = result["steps"][:, DRAWN]
    low, high = np.apply_along_axis(mean_interval, -1, steps).T
    return long_table(
        {"form": FORMS, "condition_number": CONDITIONS},
        predicted_factor=predicted(),
        mean_factor=result["factor"].mean(-1),
        steps_by_the_factor=_steps(predicted(), POWERS[DRAWN]),
        mean_steps=steps.mean(-1),
        low=low.T,
        high=high.T,
    )


def _counted(result, power: int, condition: int) -> np.ndarray:
    """Mean steps from rest (forms,)."""
    return result["steps"][:, POWERS.index(power), CONDITIONS.index(condition)].mean(-1)


def caption(result) -> str:
    power, condition = POWERS[DRAWN], CONDITIONS[AT]
    plain, usual, best = _counted(result, power, condition)
    alone = _steps(predicted()[2, AT], power)
    _, often, theirs = _counted(result, 1, CONDITIONS[-1])
    return (
        f"**From rest to {10.0**-power:g} of the distance, at a condition number of {condition}, gradient "
        f"descent takes {plain:.0f} steps, momentum {USUAL:g} takes {usual:.0f}, and the best momentum "
        f"{best:.0f}, where the factor a step alone predicts {alone:.0f}.**\n\nMomentum starts from rest, so "
        "its first steps shrink the distance little. The best β is therefore the best in the long run only: "
        f"to a tenth of the distance, at κ = {CONDITIONS[-1]:,}, it takes {theirs:.0f} steps, and {USUAL:g} "
        f"takes {often:.0f}. Each form has the best learning rate that theory gives. Marks are means over "
        f"{result['steps'].shape[-1]} quadratics with {FEATURES} weights and random curvatures; their 95 % "
        "intervals are mostly smaller than the marks."
    )


def alt(result) -> str:
    steps = result["steps"][:, DRAWN].mean(-1)
    return (
        f"Steps to {10.0 ** -POWERS[DRAWN]:g} of the distance against the condition number, both log. At "
        f"condition numbers {CONDITIONS[0]}, {CONDITIONS[AT]} and {CONDITIONS[-1]:,}: "
        + "; ".join(
            f"{name} {row[0]:.0f}, {row[AT]:.0f}, {row[-1]:.0f}"
            for name, row in zip(("gradient descent", "momentum 0.9", "best momentum"), steps, strict=True)
        )
        + ". With the best momentum all dots lie above the line."
    )


def claims(result) -> Iterator[Claim]:
    steps, factor, expected = result["steps"], result["factor"], predicted()
    off = np.abs(factor / expected[..., None] - 1)[[0, 2]]
    alone = np.array([_steps(expected[2], power) for power in POWERS])[..., None]
    longer = steps[2] / alone  # (powers, conditions, starts)
    rows = [CONDITIONS.index(condition) for condition in (10, 100, 1_000)]
    units = "quadratics, each with curvatures and a start of its own"
    first, later = (longer[POWERS.index(power), AT].mean() for power in (1, 32))
    _, usual, best = _counted(result, 1, CONDITIONS[-1])
    yield Claim.of_mean(
        longer[DRAWN, AT],
        id="momentum-rate",
        statement="The best momentum turns the factor a step from (κ − 1)/(κ + 1) into (√κ − 1)/(√κ + 1), "
        "with κ the condition number",
        sources=("polyak-1964", "goh-2017"),
        verdict="depends",
        measure=f"steps with the best momentum, from rest to {10.0 ** -POWERS[DRAWN]:g} of the distance at "
        f"κ = {CONDITIONS[AT]}, by those that the factor alone predicts, mean",
        units=units,
        map=Map.of_means(
            longer[[POWERS.index(power) for power in MAPPED]][:, rows],
            axes={
                "powers of ten that the distance falls by": MAPPED,
                "condition number": [f"κ = {CONDITIONS[i]:,}" for i in rows],
            },
            above=1 / NEAR,
            below=NEAR,
            measure="steps counted from rest by those that the factor alone predicts, best momentum",
            units=units,
        ),
        holds=off.max() < 0.01 and first > NEAR and best > usual,
        finding="The factor holds in the long run, as the sources say; it does not count the first "
        f"steps. From rest, at κ = {CONDITIONS[AT]}, a tenth of the distance takes {number(first, 2)} "
        f"times the steps that it predicts, {10.0 ** -POWERS[DRAWN]:g} "
        f"{number(longer[DRAWN, AT].mean(), 2)} times, 32 powers of ten {number(later, 2)} times. So the "
        f"best β is not the best for a short run: at κ = {CONDITIONS[-1]:,} a tenth takes {best:.0f} "
        f"steps, but {usual:.0f} with β = {USUAL:g}. Far out no quadratic is further off the factor than "
        f"{percent(off.max(), 1)}.",
    )
