"""How badly does an offset of the inputs condition a first layer, and what does it cost in steps?

Chapter: preprocessing.
"""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval, median_interval, ratio
from experiments.trials import generator
from experiments.words import between, long_table, number, percent
from unitgain.datasets import uniform_cloud
from unitgain.theory import condition_number, hessian_eigenvalues, optimal_descent, population_eigenvalues

OFFSETS = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 9.0)  # by the half-width of the inputs, which is 1
STEPS = 200_000  # at most
CHUNK = 100
SOLVED = 0.01  # of the first loss
SHIFTS = (0.1, 0.25, 0.5, 1.0, 2.0, 9.0)  # the map
CASES = {  # features, bias learned
    "1 feature, bias held": (1, False),
    "2 features, bias held": (2, False),
    "2 features, bias learned": (2, True),
    "64 features, bias held": (64, False),
}
RUINED = 10.0
EXAMPLES = 1000


def _mapped(tables: int, seed: int, device) -> Tensor:
    """Condition numbers (SHIFTS, CASES, tables)."""
    most, options = max(features for features, _ in CASES.values()), {"dtype": torch.float64}
    draws = generator(seed, "data")
    x = uniform_cloud(tables * EXAMPLES, -1, 1, features=most, generator=draws, device=device, **options)
    x = x.unflatten(0, (tables, EXAMPLES))
    return torch.stack(
        [
            torch.stack(
                [
                    condition_number(hessian_eigenvalues(x[..., :features] + shift, bias=bias))
                    for features, bias in CASES.values()
                ]
            )
            for shift in SHIFTS
        ]
    )


def compute(*, tables=40, mapped=10, points=1_000, seed=0, device="cpu"):
    """Condition numbers `kappa` and `steps` of the descent (2, offsets, tables): bias held, then learned.

    `mapped`: see `_mapped`.
    """
    draws = generator(seed)
    u = uniform_cloud(tables * points, -1, 1, generator=draws, device=device, dtype=torch.float64)
    u = u.unflatten(0, (tables, points))
    error = torch.randn(tables, 3, generator=draws, dtype=torch.float64).to(device)
    kappa, steps = [], []
    for bias in (False, True):
        for offset in OFFSETS:
            x, w = u + offset, error[:, :2]
            b = error[:, 2:] - offset * w.sum(1, keepdim=True)  # one function for all
            curvature = hessian_eigenvalues(x, bias=bias)
            kappa.append(condition_number(curvature))
            rate = optimal_descent(curvature[:, 0], curvature[:, -1], heavy_ball=False).lr
            inputs = torch.cat([x, torch.ones_like(x[..., :1])], -1) if bias else x
            steps.append(_count(inputs, torch.cat([w, b], 1) if bias else w, rate))
    shape = 2, len(OFFSETS)
    return {
        "kappa": torch.stack(kappa).unflatten(0, shape),
        "steps": torch.stack(steps).unflatten(0, shape),
        "mapped": _mapped(mapped, seed, device),
        "points": torch.tensor(points),
    }


def _count(x: Tensor, error: Tensor, rate: Tensor) -> Tensor:
    """Steps (tables,) of gradient descent until half the mean squared error is SOLVED, a chunk at a time."""
    hessian = x.mT @ x / x.shape[1]
    step = torch.eye(x.shape[-1]).to(x) - rate[:, None, None] * hessian  # what a step makes of the error
    chunk = [torch.eye(x.shape[-1]).to(x).expand_as(step)]  # its powers
    for _ in range(CHUNK):
        chunk.append(chunk[-1] @ step)
    powers = torch.stack(chunk)
    steps, error = torch.zeros_like(rate), error[..., None]
    goal = SOLVED * (error * (hessian @ error)).sum((1, 2))
    for _ in range(0, STEPS, CHUNK):
        path = powers @ error
        above = (path * (hessian @ path)).sum((-2, -1))[:-1] > goal
        steps, error = steps + above.sum(0), path[-1]
        if not above[-1].any():
            break
    return steps


def predicted(offset) -> np.ndarray:
    """Condition numbers (2, …) of endless data U(offset − 1, offset + 1)², bias held, then learned."""
    mean = torch.as_tensor(np.asarray(offset, dtype=float))[..., None].expand(*np.shape(offset), 2)
    curvature = (population_eigenvalues(mean, 1 / 3**0.5, bias=bias) for bias in (False, True))
    return np.stack([condition_number(values) for values in curvature])


def predicted_steps(kappa) -> np.ndarray:
    """At the best rate the steepest and the flattest direction both keep (κ − 1) / (κ + 1) of their error."""
    kappa = np.maximum(kappa, 1 + 1e-12)
    return np.maximum(np.log(SOLVED) / (2 * np.log((kappa - 1) / (kappa + 1))), 1)


def draw(result) -> Figure:
    fig, axes = style.figure(7.8, 3.3, ncols=2, tall=6.0, sharex=True)
    colours, ink, fine = style.palette(), style.ink(), np.linspace(0, 9.3, 188)
    for bias, (line, mark) in enumerate(zip(predicted(fine), "o^", strict=True)):
        middle = np.median(result["steps"][bias], -1), result["kappa"][bias].mean(-1)
        steps = [median_interval(row) for row in result["steps"][bias]]
        kappa = [mean_interval(row) for row in result["kappa"][bias]]
        pairs = (line, middle[1], kappa), (predicted_steps(line), middle[0], steps)
        for ax, (theory, centre, ends) in zip(axes, pairs, strict=True):
            ax.plot(fine, theory, color=ink, lw=1)
            colour = [colours["standardized" if offset == 0 else "raw"] for offset in OFFSETS]
            ax.vlines(OFFSETS, *np.maximum(np.array(ends).T, 0.5), color=colour, lw=2)
            ax.scatter(OFFSETS, centre, marker=mark, s=42, color=colour, linewidths=0, zorder=3)
    axes[0].text(4.8, 1.6e4, "bias learned too", ha="right")
    axes[0].text(4.2, 40, "bias held at its right value")
    axes[0].text(0.25, 0.72, "centred", color=colours["standardized"], va="center")
    axes[1].text(0.25, 0.72, "centred", color=colours["standardized"], va="center")
    axes[1].text(4.1, 60, "line: predicted\nmarks: measured", va="top")
    for ax, title in zip(
        axes, ("Condition number (log)", "Steps to a hundredth of the loss (log)"), strict=True
    ):
        ax.set(yscale="log", ylim=(0.5, 3e5), title=title, xlim=(-0.4, 9.6), xticks=range(0, 10, 3))
        ax.minorticks_off()
    fig.supxlabel("offset of the inputs, in half-widths of their range", fontsize=10)
    return fig


def table(result) -> dict:
    theory = predicted(OFFSETS)
    return long_table(
        {"bias_learned": [False, True], "offset": OFFSETS},
        condition_predicted=theory,
        condition_measured=result["kappa"].mean(-1),
        steps_predicted=predicted_steps(theory),
        steps_median=np.median(result["steps"], axis=-1),
    )


def _off(result) -> tuple[float, float]:
    """Largest relative distances from the predictions: of mean condition numbers, of median steps."""
    theory = predicted(OFFSETS)
    kappa = np.abs(result["kappa"].mean(-1) / theory - 1)
    steps = np.median(result["steps"], axis=-1) / np.ceil(predicted_steps(theory))
    return float(kappa.max()), float(np.abs(steps - 1).max())


def caption(result) -> str:
    (held, learned), (of_kappa, of_steps) = np.median(result["steps"], axis=-1), _off(result)
    return (
        f"**With inputs from U(8, 10)² instead of U(−1, 1)², gradient descent needs {learned[-1]:,.0f} steps "
        f"instead of {learned[0]:.0f}; with the bias right from the start, {held[-1]:.0f} instead of "
        f"{held[0]:.0f}.**\n\nA linear unit with two inputs learns with the squared error and the best "
        f"constant learning rate, on {result['kappa'].shape[-1]} sets of {result['points']:,} inputs. The "
        "marks are mean condition numbers and median steps with 95 % intervals, mostly narrower than the "
        "mark. The lines are computed from the offset alone: condition numbers are right within "
        f"{percent(of_kappa)}, steps within {percent(of_steps)}."
    )


def alt(result) -> str:
    kappa = result["kappa"].mean(-1)
    return (
        "Condition number and steps against the offset of the inputs, log scales. From offset 0 to 9 the "
        f"condition number rises from {kappa[0, 0]:.1f} to {kappa[0, -1]:.0f} where the bias is held, from "
        f"{kappa[1, 0]:.1f} to {kappa[1, -1]:.0f} where it is learned; the steps rise in proportion. "
        "Measured marks lie on the predicted lines."
    )


def claims(result) -> Iterator[Claim]:
    held, learned = result["kappa"]
    low, high = mean_interval(held[-1])
    of_learned = mean_interval(learned[-1])
    theory = predicted(OFFSETS[-1])
    times, slower = ratio(result["steps"][0, -1], result["steps"][0, 0])
    yield Claim.of_mean(
        held[-1],
        id="offset-condition",
        statement="An offset of the inputs ruins the conditioning of the first layer",
        sources=("lecun-1998, section 4.3",),
        verdict="depends",
        measure="condition number of the Hessian of a linear unit's two weights on U(8, 10)², bias held",
        units=f"tables of {result['points']:,} rows",
        map=Map.of_means(
            result["mapped"],
            axes={"offset, in half-widths": SHIFTS, "features": tuple(CASES)},
            above=RUINED,
            measure="condition number of a linear unit's Hessian",
            units=f"tables of {EXAMPLES:,} rows",
        ),
        holds=low > 100
        and mean_interval(held[0])[1] < 1.2
        and abs(held[-1].mean() / theory[0] - 1) < 0.05
        and abs(learned[-1].mean() / theory[1] - 1) < 0.05
        and of_learned[0] > 10 * high
        and slower[0] > 100,
        finding="It grows with the square of the offset and with the number of features, so that with many "
        "features even a small offset is costly. With one feature and the bias held right there is only one "
        f"weight, and it is 1. Predicted is {theory[0]:.0f}; centred, it is {held[0].mean():.2f} "
        f"(predicted: 1), so the offset costs {number(times, 2)} times the steps. A bias that is learned too "
        f"makes it worse: {number(learned[-1].mean())} {between(of_learned)}, predicted {theory[1]:,.0f}.",
    )
