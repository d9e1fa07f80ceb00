"""How many steps does a saturated output cost, by loss and by how wrong it is?  Chapter: losses."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.integrate import quad

from experiments import style
from experiments.evidence import Claim, number, ratio
from experiments.trials import generator

RATE = 0.15
WORST = 8.0  # weighted input at the start, at most: an output of .9997
LIMIT = 40_000  # steps, more than any start needs
LOSSES = ("squared_error", "cross_entropy")


def compute(*, neurons=2_000, seed=0, device="cpu"):
    """Weighted input `z` at the start (neurons,), U(0.5, WORST), and `steps` (losses, neurons) until a ≤ ½.

    Weight and bias get the same gradient, as the input is 1: their sum moves twice the rate.
    """
    start = 0.5 + (WORST - 0.5) * torch.rand(neurons, generator=generator(seed), dtype=torch.float64)
    steps = []
    for loss in LOSSES:
        z, taken = start.clone().to(device), torch.zeros(neurons, dtype=torch.int64, device=device)
        for _ in range(LIMIT):
            wrong = z > 0
            if not wrong.any():
                break
            a = z.sigmoid()
            z -= 2 * RATE * _gradient(loss, a)
            taken += wrong
        steps.append(taken)
    return {"z": start, "steps": torch.stack(steps)}


def _gradient(loss: str, a):
    """Of the loss with respect to z, by the output a = σ(z); 0 is right."""
    return a * a * (1 - a) if loss == "squared_error" else a


def _output(z):
    return 1 / (1 + np.exp(-z))


def predicted(loss: str, z: float) -> float:
    """Steps from `z` to 0 were they infinitely small: the integral of 1 / (rate × gradient)."""
    return quad(lambda u: 1 / (2 * RATE * _gradient(loss, _output(u))), 0, z)[0]


def draw(result) -> Figure:
    fig, ax = style.figure(7.0, 3.8)
    colours = style.palette()
    grid = np.linspace(0.5, WORST, 60)
    shown = np.argsort(result["z"])[:: max(1, len(result["z"]) // 60)]
    for loss, steps, key, name, at in zip(
        LOSSES,
        result["steps"],
        ("raw", "standardized"),
        ("squared error", "cross-entropy"),
        ((5.0, 1500), (5.0, 8)),
        strict=True,
    ):
        ax.plot(grid, [predicted(loss, z) for z in grid], color=style.ink(), lw=1)
        mark = "o" if key == "standardized" else "^"
        ax.plot(result["z"][shown], steps[shown], mark, color=colours[key], ms=4.5, mew=0)
        ax.text(*at, name, color=colours[key], ha="right")
    ax.text(7.9, 42, "lines: predicted", ha="right")
    ticks = np.log([0.7 / 0.3, 0.9 / 0.1, 0.99 / 0.01, 0.999 / 0.001])
    ax.set(
        yscale="log",
        xlabel="output at the start, where 0 is right (logit scale)",
        ylabel="steps until it is below ½ (log)",
        xticks=ticks,
        xticklabels=["0.7", "0.9", "0.99", "0.999"],
    )
    return fig


def table(result) -> dict:
    return {"output": _output(result["z"]), **dict(zip(LOSSES, result["steps"], strict=True))}


def _steps(result, low, high):
    """Steps (losses, neurons) of the starts in [low, high)."""
    return result["steps"][:, (result["z"] >= low) & (result["z"] < high)]


def _ratio(result, low, high):
    squared, cross = _steps(result, low, high)
    return np.mean(squared / cross)


def _off(result) -> float:
    """Largest relative distance between steps and prediction, of starts that need 20 or more."""
    away = [
        abs(steps / predicted(loss, z) - 1)
        for loss, row in zip(LOSSES, result["steps"], strict=True)
        for z, steps in list(zip(result["z"], row, strict=True))[:200]
        if steps >= 20
    ]
    return max(away, default=0.0)


def caption(result) -> str:
    mild, severe = _ratio(result, 1.0, 2.0), _ratio(result, 6.0, WORST)
    return (
        f"**The more wrong the output, the longer the squared error stalls: {number(mild, 2)} "
        f"times as many steps as the cross-entropy from an output around {_output(1.5):.1f}, "
        f"{number(severe, 2)} times from above {_output(6.0):.3f}.** The lines are the integral "
        f"above, right within {100 * _off(result):.0f} % where 20 steps or more are needed. "
        f"{len(result['z']):,} neurons with random starts, some of them drawn."
    )


def alt(result) -> str:
    return (
        "Steps to correct a wrong output against that output, log scale. The squared error's steps rise a "
        "hundredfold towards an output of 0.999; the cross-entropy's stay below "
        f"{int(result['steps'][1].max()) + 1}."
    )


def claims(result) -> Iterator[Claim]:
    saturated = _steps(result, 4.0, WORST)  # outputs above .98
    mild = _ratio(result, 0.5, 1.5)
    _, (low, _) = ratio(*saturated)
    yield Claim.of_ratio(
        *saturated,
        id="ce-vs-mse",
        statement=(
            "Learning stalls on a saturated output neuron with the squared error, not with the cross-entropy"
        ),
        sources=(
            "Ekman, Learning Deep Learning, chapter 5",
            "Nielsen, Neural Networks and Deep Learning, chapter 3",
        ),
        verdict="confirmed",
        measure=(
            "times as many steps with the squared error as with the cross-entropy until a sigmoid output "
            f"falls from between {_output(4.0):.2f} and {_output(WORST):.4f} to ½ (geometric mean)"
        ),
        holds=low > 10 and result["steps"][1].max() < 100 and mild < 6,
        finding=(
            f"From an output just above ½ it is {number(mild, 2)} times, because the squared error's "
            "gradient carries the factor a (1 − a) ≤ ¼; from a saturated one the factor is nearly 0. The "
            f"cross-entropy never needed more than {int(result['steps'][1].max())} steps."
        ),
    )
