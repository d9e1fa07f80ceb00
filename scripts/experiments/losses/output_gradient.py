"""How hard does each loss push an output that is wrong?  Chapter: losses."""

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.trials import generator
from unitgain.training import binary_cross_entropy, squared_error

SHOWN = 60

WORST = 0.9  # outputs above, where 0 is right


def compute(*, points=2_000, seed=0, device="cpu"):
    """Gradients with respect to the pre-activation z of a sigmoid output whose right answer is 0.

    `output` (points,) and the `gradient` (2, points), of the squared error and of the cross-entropy, by
    autograd.
    """
    a = torch.rand(points, generator=generator(seed), dtype=torch.float64).to(device)
    z = torch.logit(a, eps=1e-6).requires_grad_()
    y = torch.zeros(1, dtype=torch.float64, device=device)
    rows = z[:, None, None]  # one network an example
    losses = squared_error(rows.sigmoid(), y), binary_cross_entropy(rows, y)
    return {
        "output": z.sigmoid().detach(),
        "gradient": torch.stack([torch.autograd.grad(loss.sum(), z)[0] for loss in losses]),
    }


def predicted(a):
    """The two gradients, written out: (a − y) a (1 − a) and a − y, with y = 0."""
    return np.stack([a * a * (1 - a), a])


def draw(result) -> Figure:
    fig, ax = style.figure(6.4, 3.6, tall=3.6)
    colours, grid = style.palette(), np.linspace(0, 1, 201)
    order = np.argsort(result["output"])[:: max(1, len(result["output"]) // SHOWN)]
    for line, values, key, mark in zip(
        predicted(grid), result["gradient"], ("raw", "standardized"), ("^", "o"), strict=True
    ):
        ax.plot(grid, line, color=style.ink(), lw=1)
        ax.plot(result["output"][order], values[order], mark, color=colours[key], ms=4, mew=0)
    ax.text(0.55, 0.68, "cross-entropy: a", color=colours["standardized"], ha="right")
    ax.text(0.98, 0.19, "squared error: a² (1 − a)", color=colours["raw"], ha="right", va="bottom")
    ax.set(
        xlabel="output a, where 0 is right",
        ylabel="gradient of the loss\nwith respect to z",
        xlim=(0, 1),
        ylim=(-0.02, 1.02),
    )
    return fig


def table(result) -> dict:
    squared, cross = result["gradient"]
    return {"output": result["output"], "squared_error": squared, "cross_entropy": cross}


def _off(result) -> float:
    return float(np.abs(result["gradient"] - predicted(result["output"])).max())


def caption(result) -> str:
    worst = result["output"] > WORST
    squared, cross = result["gradient"][:, worst].mean(1)
    return (
        "**The squared error's gradient is largest at an output of ⅔ and small for the worst outputs: above "
        f"{WORST} it is {squared:.2f} on average, the cross-entropy's {cross:.2f}.**\n\nLines: the "
        f"formulas; marks: automatic differentiation, on {len(result['output']):,} random outputs the same "
        f"to {_off(result):.0e}; some are drawn."
    )


def alt(result) -> str:
    return (
        "Gradient against output. The cross-entropy's is a straight line from 0 to 1; the squared error's "
        f"is a low hump that peaks at {predicted(np.linspace(0, 1, 1001))[0].max():.2f} and returns to 0 "
        "where the output is most wrong."
    )
