"""What does the derivation of 1/n get wrong when one of its assumptions fails?  Chapter: initialization."""

import math

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments import style
from experiments.intervals import mean_interval
from experiments.trials import generator, standardized
from experiments.words import percent
from unitgain.datasets import digits
from unitgain.initializers import normal_, uniform_

N = 64  # inputs, as many as the digits have pixels
EXAMPLES = 200
CASES = {  # what is broken: an example
    "nothing": "normal weights and inputs",
    "inputs depend on each other": "standardized digits",
    "inputs off centre": "outputs of ReLUs",
    "weights depend on inputs": "decoder Wᵀ of encoder W",
    "inputs off centre, more": "raw pixels of digits",
    "weights off centre": "U(0, 1), rescaled",
}


def compute(*, neurons=2_000, seed=0, device="cpu"):
    """Mean squares over the examples of each unit's pre-activation, over n Var(w) Var(x), `square` (cases,
    units); and what they are on average when the failed assumption is put right, `corrected` (cases,).
    """
    draw = generator(seed)

    def normal(*shape: int) -> Tensor:
        return normal_(torch.empty(shape), generator=draw).to(device)

    x, w = normal(neurons, EXAMPLES, N), normal(neurons, 1, N) / N**0.5
    uniform = uniform_(torch.empty(neurons, 1, N), 0, (12 / N) ** 0.5, generator=draw).to(device)
    encoder = normal(neurons, N, N) / N**0.5  # each unit has its own, and is one of the decoder's
    decoder = encoder[:, :, :1].mT @ encoder
    pixels = digits(device=device).x
    nothing, uniform, decoder = _over_derived(torch.cat([w, uniform, decoder], 1), x)
    squares = {
        "nothing": nothing,
        "inputs depend on each other": _over_derived(w, standardized(pixels, pixels))[0],
        "inputs off centre": _over_derived(w, x.relu_())[0],
        "weights depend on inputs": decoder,
        "inputs off centre, more": _over_derived(w, pixels)[0],
        "weights off centre": uniform,  # of variance 1/n, as the others
    }
    of_pixels = pixels.square().mean(0).sum() / pixels.var(0).sum()
    corrected = [1, 1, math.pi / (math.pi - 1), 2 + 1 / N, of_pixels.item(), 4]
    return {"square": torch.stack([squares[case] for case in CASES]), "corrected": torch.tensor(corrected)}


def _over_derived(w: Tensor, x: Tensor) -> Tensor:
    """Mean squares of w · x, w (units, kinds, n), over Σ Var(w) Var(x), Var(w) = 1/n: (kinds, units)."""
    s = w @ x.mT if x.ndim > 2 else w.flatten(0, 1) @ x.T
    return s.square().mean(-1).view(w.shape[:2]).T / x.var(-2).mean()


def draw(result) -> Figure:
    fig, ax = style.figure(7.4, 4.4, tall=4.9)
    key, edges = style.palette()["standardized"], np.geomspace(0.12, 20, 90)
    names = [f"{what.split(',')[0]}: {how}" for what, how in CASES.items()]
    for y, (name, row, right) in enumerate(zip(names, result["square"], result["corrected"], strict=True)):
        counts = np.histogram(row, edges)[0]
        ax.fill_between(edges[1:], y, y - 0.5 * counts / counts.max(), color=key, alpha=0.45, lw=0)
        ax.plot([1, 1], [y, y - 0.5], color=style.GRID, lw=0.8)
        ax.plot([right] * 2, [y, y - 0.55], color=style.ink(), lw=1.2)
        ax.hlines(y, *mean_interval(row), color=key, lw=2)
        ax.plot(row.mean(), y, "o", color=key, ms=6, mew=0)
        ax.text(0.12, y - 0.67, name, va="center")
        ax.text(40, y - 0.2, f"×{row.mean():.2f}", va="center", ha="right", color=key)
    ax.set(xscale="log", xlim=(0.12, 40), xticks=(0.3, 1, 3, 10), xticklabels=("0.3", "1", "3", "10"))
    ax.set(
        ylim=(len(CASES) - 0.75, -0.9),
        yticks=(),
        xlabel="mean square of a pre-activation, 1 as derived (log)",
    )
    ax.set_title("What is broken (dots: mean, lines: predicted)")
    ax.minorticks_off()
    ax.spines["left"].set_visible(False)
    return fig


def table(result) -> dict:
    ends = np.array([mean_interval(row) for row in result["square"]])
    broken, example = (np.array(list(names)) for names in (CASES, CASES.values()))
    columns = {"mean_square": result["square"].mean(-1), "low": ends[:, 0], "high": ends[:, 1]}
    return {"broken": broken, "example": example, "corrected": result["corrected"], **columns}


def _mean(result, case: str) -> str:
    return f"{result['square'][list(CASES).index(case)].mean():.2f}"


def caption(result) -> str:
    low, high = np.quantile(result["square"][list(CASES).index("inputs depend on each other")], (0.05, 0.95))
    relu, raw, uniform = (
        _mean(result, case) for case in ("inputs off centre", "inputs off centre, more", "weights off centre")
    )
    return (
        f"**Where an assumption fails, the derivation errs by a factor that can be computed: ×{relu} behind "
        f"ReLUs, ×{raw} on raw pixels, ×{uniform} for weights from U(0, 1).**\n\nShaded: histograms over "
        f"{result['square'].shape[1]:,} units, all with weights of variance 1/n, n = {N}; dots: their means; "
        "thin lines: the derivation with the broken assumption put right. Inputs that depend on each other "
        f"leave the mean alone and spread the units: {percent(0.9)} lie between {low:.1f} and {high:.1f}."
    )


def alt(result) -> str:
    cases = "; ".join(f"{what.split(',')[0]}, {how}: {_mean(result, what)}" for what, how in CASES.items())
    return (
        "Six histograms on a logarithmic axis around 1, one for each broken assumption, with their means on "
        "the thin line of the corrected derivation. What is broken, by what, and the mean: "
        f"{cases}."
    )
