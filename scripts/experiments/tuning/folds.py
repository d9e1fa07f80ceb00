"""How far from the truth is a cross-validated score, by the number of folds and of examples?

Chapter: tuning.
"""

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments import style
from experiments.intervals import Z95, mean_interval, wilson
from experiments.trials import generators
from experiments.words import long_table, percent
from unitgain.datasets import digits

COUNTS = (100, 400)
FOLDS = (2, 5, 10, 20)
HELD = 5  # one part in five is held out once
RIDGE = 10.0
TOGETHER = 10  # tables computed at a time
KEY = "bars: 95 % of the draws; marks: means\nlines: 95 % if only the luck of the\ntested examples counted"


def scores(x: Tensor, y: Tensor, training: Tensor) -> Tensor:
    """Whether ridge regression on the classes is right on every row, (tables, folds, n).

    x is (tables, n, inputs); `training`, (folds, n), says which rows a fold may learn from. Every fold
    standardizes by those rows alone.
    """
    inputs, weight = x.shape[-1], training.to(x)
    both = torch.cat([x, torch.nn.functional.one_hot(y, 10).to(x)], -1)
    count = weight.sum(-1).view(-1, 1, 1)
    mean = (weight @ both).unsqueeze(-2) / count  # (tables, folds, 1, inputs + classes)
    seen = (weight.T[..., None] * x[:, :, None]).flatten(2)
    products = (seen.mT @ both).unflatten(1, (-1, inputs)) - count * mean[..., :inputs].mT * mean
    deviation = (products.diagonal(dim1=-2, dim2=-1).unsqueeze(-1) / count).sqrt()
    scale = torch.where(deviation > 0, deviation, 1)
    gram = products[..., :inputs] / (scale * scale.mT)
    gram.diagonal(dim1=-2, dim2=-1).add_(RIDGE)
    slope = torch.cholesky_solve(products[..., inputs:] / scale, torch.linalg.cholesky(gram)) / scale
    offset = mean[..., inputs:] - mean[..., :inputs] @ slope
    fitted = torch.einsum("tni,tkic->tknc", x, slope) + offset
    return fitted.argmax(-1) == y[:, None]


def compute(*, tables=160, seed=0, device="cpu"):
    """For each of COUNTS: `truth_<n>` (tables,), the accuracy on all other digits after training on all n,
    `held_<n>` (tables,), on a fifth kept aside once, and `fold_<n>_<k>` (tables, k), that of every fold."""
    x, y = digits(device=device)
    draws = generators(seed, tables, "split")
    order = torch.stack([torch.randperm(len(x), generator=draw) for draw in draws]).to(device)
    found = {}
    for n in COUNTS:
        everything = torch.arange(len(x), device=device)[None] < n
        plans = {"truth": everything, "held": everything[:, :n].clone()}
        plans["held"][:, : n // HELD] = False
        for k in FOLDS:
            of = torch.arange(n, device=device) % k
            plans[k] = of[None] != torch.arange(k, device=device)[:, None]
        for name, training in plans.items():
            parts = []
            for rows in order[:, : training.shape[1]].split(TOGETHER):
                right = scores(x[rows], y[rows], training)
                test = (~training).float()
                parts.append((right * test).sum(-1) / test.sum(-1))
            values = torch.cat(parts)
            found[f"{name}_{n}" if name in ("truth", "held") else f"fold_{n}_{name}"] = (
                values[:, 0] if len(training) == 1 else values
            )
    return found


def _off(result, n: int, how: int | str) -> np.ndarray:
    """Score minus truth, (tables,)."""
    score = result[f"held_{n}"] if how == "held" else result[f"fold_{n}_{how}"].mean(-1)
    return score - result[f"truth_{n}"]


def _ways() -> tuple:
    return ("held", *FOLDS)


def _binomial(result, n: int, how: int | str) -> float:
    """Standard deviation of a score over the examples tested."""
    p, tested = result[f"truth_{n}"].mean(), n / HELD if how == "held" else n
    return float(np.sqrt(p * (1 - p) / tested))


def _covers(result, n: int, k: int) -> np.ndarray:
    """Whether Student's interval of the k folds' scores holds the truth, (tables,)."""
    ends = np.array([mean_interval(row) for row in result[f"fold_{n}_{k}"]])
    return (ends[:, 0] <= result[f"truth_{n}"]) & (result[f"truth_{n}"] <= ends[:, 1])


def draw(result) -> Figure:
    fig, ax = style.figure(7.0, 3.8, tall=4.0)
    ways, ink = _ways(), style.ink()
    looks = ((-0.2, "^", "raw"), (0.2, "o", "standardized"))
    for n, (side, mark, key) in zip(COUNTS, looks, strict=True):
        at, colour = np.arange(len(ways)) + side, style.palette()[key]
        off = 100 * np.array([_off(result, n, how) for how in ways])
        mean, reach = off.mean(-1), [100 * Z95 * _binomial(result, n, how) for how in ways]
        ax.vlines(at, *np.percentile(off, (2.5, 97.5), axis=-1), color=colour, lw=9, alpha=0.35)
        ax.plot(at, mean, mark, ms=6, mew=0, color=colour)
        for end in (mean - reach, mean + reach):
            ax.hlines(end, at - 0.17, at + 0.17, color=ink, lw=1.2)
        ax.text(1.4 * side, 15, f"{n}", color=colour, ha="center")
    ax.text(0, 18.5, "examples:", ha="center")
    ax.text(4.4, -37, KEY, ha="right", va="bottom")
    ax.axhline(0, color=ink, lw=0.8, ls=(0, (4, 3)))
    ax.set(
        xticks=range(len(ways)),
        xlim=(-0.7, 4.5),
        ylim=(-38, 22),
        yticks=range(-30, 21, 10),
        ylabel="score − truth (points)",
        xlabel="folds",
    )
    ax.set_xticklabels(["held out\nonce", *map(str, FOLDS)])
    return fig


def table(result) -> dict:
    off = np.array([[_off(result, n, how) for how in _ways()] for n in COUNTS])
    low, high = np.apply_along_axis(mean_interval, -1, off).T
    return long_table(
        {"examples": COUNTS, "folds": list(map(str, _ways()))},
        off=off.mean(-1),
        low=low.T,
        high=high.T,
        deviation=off.std(-1, ddof=1),
        predicted=[[_binomial(result, n, how) for how in _ways()] for n in COUNTS],
    )


def caption(result) -> str:
    n, k = COUNTS[0], 10
    held, fold = (100 * _off(result, n, how).std(ddof=1) for how in ("held", k))
    two = 100 * _off(result, n, 2).mean()
    covered = _covers(result, n, 5)
    low, high = wilson(covered)
    return (
        f"**With {n} examples, the score of a part held out once misses the truth by {held:.1f} points "
        f"(standard deviation), the score of ten folds by {fold:.1f}.**\n\n"
        f"Two folds add a bias of {two:.1f} points, as they train on half of the examples. The lines "
        "follow from a binomial distribution. Student's 95 % interval of five folds' scores "
        f"holds the truth in {percent(covered.mean())} [{percent(low)}, {percent(high)}] of the draws. Ridge "
        f"regression on the digits, {len(covered)} draws; truth: accuracy on all other digits."
    ).replace("-", "−")


def alt(result) -> str:
    said = "; ".join(
        f"{n} examples: "
        + ", ".join(f"{100 * _off(result, n, how).std(ddof=1):.1f} for {how}" for how in _ways())
        for n in COUNTS
    )
    return (
        "Bars of score minus truth for holding out once and for 2, 5, 10 and 20 folds, with 100 and with "
        f"400 examples. Standard deviations in points, {said}."
    )
