"""Where does a cross-entropy that is computed from probabilities break?  Chapter: losses."""

from itertools import pairwise

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.trials import generator

LARGEST = 130.0  # lead of the wrong class over the right one
RECIPES = (
    "exp(z) / Σ exp(z), then log",
    "softmax, then log",
    "sigmoid, then log(1 − p)",
    "from the logits",
)
EXACT = 1e-5  # relative error that float32 may have


def compute(*, points=4_000, seed=0, device="cpu"):
    """Leads (points,) and relative errors (recipes, points) of the float32 loss; -1 where not finite."""
    lead = LARGEST * torch.rand(points, generator=generator(seed))
    z = torch.stack([lead, torch.zeros(points)], dim=-1).to(device)  # the second class is right
    exact = -z.double().log_softmax(-1)[:, 1]
    naive = -(z.exp() / z.exp().sum(-1, keepdim=True))[:, 1].log()
    softmax = -z.softmax(-1)[:, 1].log()
    sigmoid = -(1 - z[:, 0].sigmoid()).log()
    logits = -z.log_softmax(-1)[:, 1]
    error = torch.stack([(loss - exact).abs() / exact for loss in (naive, softmax, sigmoid, logits)])
    return {"lead": lead, "error": error.nan_to_num(nan=-1, posinf=-1)}


def breaks(result) -> np.ndarray:
    """The smallest lead at which each recipe is wrong by more than EXACT, or infinite; LARGEST if none is."""
    wrong = (result["error"] < 0) | (result["error"] > EXACT)
    return np.array([result["lead"][row].min() if row.any() else LARGEST for row in wrong])


def ends(result) -> np.ndarray:
    """The smallest lead at which each recipe is NaN or infinite; LARGEST if none is."""
    return np.array(
        [result["lead"][row < 0].min() if (row < 0).any() else LARGEST for row in result["error"]]
    )


def draw(result) -> Figure:
    fig, ax = style.figure(7.0, 3.3, tall=3.6)
    colours = style.palette()
    rows = range(len(RECIPES))[::-1]
    for y, first, end in zip(rows, breaks(result), ends(result), strict=True):
        places = (0, first, end, LARGEST)
        for (low, high), key in zip(pairwise(places), ("standardized", "always_on", "raw"), strict=True):
            if high > low:
                ax.barh(y, high - low, left=low, height=0.5, color=colours[key], alpha=0.85)
        ax.text(0, y + 0.3, RECIPES[-1 - y], va="bottom")
    for x, text, key in (
        (0, "exact", "standardized"),
        (0.25, "wrong digits", "always_on"),
        (0.62, "NaN or ∞", "raw"),
    ):
        ax.text(x, 1.02, f"■ {text}", transform=ax.transAxes, va="bottom", color=colours[key])
    ax.set(
        yticks=(),
        xlim=(0, LARGEST),
        ylim=(-0.4, len(RECIPES) - 0.2),
        xlabel="lead of the wrong logit over the right one",
    )
    ax.spines["left"].set_visible(False)
    return fig


def table(result) -> dict:
    return {"lead": result["lead"], **{f"error_{k + 1}": row for k, row in enumerate(result["error"])}}


def caption(result) -> str:
    first, end = breaks(result), ends(result)
    return (
        "**Computed from a sigmoid's output, the loss loses digits once the wrong logit leads by "
        f"{first[2]:.0f} and is infinite from {end[2]:.0f} on; computed from the logits it is always "
        f"exact.**\n\nA softmax written out overflows at {end[0]:.0f}, the logarithm of torch's is infinite "
        f"from {end[1]:.0f}. float32 against float64 on {len(result['lead']):,} random leads; exact: to "
        f"{EXACT:g} of the loss."
    )


def alt(result) -> str:
    listed = ", ".join(f"{end:.0f}" for end in ends(result)[:3])
    return (
        f"Four bars over the lead of the wrong logit. Three end in NaN or infinity, at {listed}; the "
        "fourth, computed from the logits, is exact from end to end."
    )
