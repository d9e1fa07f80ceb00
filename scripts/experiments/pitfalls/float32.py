"""How far from 0 does float32 still find the standard deviation of a column?  Chapter: pitfalls."""

import re
from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import median_interval, wilson
from experiments.trials import generator
from experiments.words import long_table, number, percent
from unitgain.transforms import StandardScaler

OFFSETS = 10.0 ** np.arange(8)
UNIT = 2.0**-24  # largest relative rounding of a float32


def one_pass(x: Tensor) -> Tensor:
    """The mean of the squares less the square of the mean."""
    return x.square().mean(-2) - x.mean(-2).square()


def welford(x: Tensor) -> Tensor:
    """Row after row, the mean and the sum of the squared deviations brought up to date."""
    mean, m2 = torch.zeros_like(x[..., 0, :]), torch.zeros_like(x[..., 0, :])
    for n, row in enumerate(x.unbind(-2), 1):
        away = row - mean
        mean += away / n
        m2 += away * (row - mean)
    return m2 / x.shape[-2]


def two_pass(x: Tensor) -> Tensor:
    """The mean first, then the mean of the squared deviations from it."""
    return (x - x.mean(-2, keepdim=True)).square().mean(-2)


def by_numpy(x: Tensor) -> Tensor:
    """Two passes, in which numpy adds up the rows one by one."""
    return torch.from_numpy(x.cpu().numpy().var(axis=-2)).to(x.device)


def ours(x: Tensor) -> Tensor:
    return torch.stack([StandardScaler().fit(table).var_ for table in x])


OURS = "unitgain, float64 sums"
RECIPES = {
    "E[x²] − E[x]²": one_pass,
    "numpy's std(axis=0)": by_numpy,
    "Welford": welford,
    "two passes, torch's sums": two_pass,
    OURS: ours,
}
FLOOR = 1e-16  # what a float64 can tell
FAR, CLOSE = 4, 0  # indices of OFFSETS
WRONG = 0.1
MEANS = (10.0, 300.0, 1200.0, 2700.0, 10_000.0, 1e6)  # the map: of a column, in its standard deviations
LENGTHS = (100, 1000, 10_000)  # rows
OFTEN = 0.5  # share of the columns


def predicted(offset: np.ndarray) -> np.ndarray:
    """Size of the relative error of the first recipe, whose terms are rounded to UNIT times their size."""
    return UNIT * offset**2 / 2


def _columns(offsets, rows: int, tables: int, draws: torch.Generator) -> Tensor:
    """Normal columns in float32, their means within 10 % of the offset: (offsets, rows, tables)."""
    normal = torch.randn(rows, tables, generator=draws, dtype=torch.float64)
    nearby = 0.9 + 0.2 * torch.rand(tables, generator=draws, dtype=torch.float64)
    return (normal + nearby * torch.tensor(offsets)[:, None, None]).float()


def _true(x: Tensor) -> Tensor:
    return (x.double() - x[:, :1].double()).var(-2, correction=0)


def _relative(variance, true):
    """Relative errors of the standard deviation, infinite where it is NaN."""
    ratio = variance / true
    return np.where(ratio < 0, np.inf, np.abs(np.sqrt(np.maximum(ratio, 0)) - 1))


def _mapped(tables: int, seed: int, device) -> Tensor:
    """Variances by the first recipe, and true ones: (2, MEANS, LENGTHS, tables)."""
    draws, found = generator(seed, "data"), []
    for rows in LENGTHS:
        x = _columns(MEANS, rows, tables, draws).to(device)
        found.append(torch.stack([one_pass(x).double(), _true(x)]))
    return torch.stack(found, dim=2)


def compute(*, rows=10_000, tables=100, mapped=200, seed=0, device="cpu"):
    """Variances (recipes, offsets, tables) that float32 data has by each recipe, and the `true` ones.

    A table is one normal column of standard deviation 1, its mean within 10 % of the offset. Its true
    variance is that of the float32 numbers, in float64. `mapped`: see `_mapped`.
    """
    x = _columns(OFFSETS, rows, tables, generator(seed)).to(device)
    return {
        "variance": torch.stack([recipe(x).double() for recipe in RECIPES.values()]),
        "true": _true(x),
        "mapped": _mapped(mapped, seed, device),
        "rows": torch.tensor(rows),
    }


def _errors(result) -> np.ndarray:
    """Relative errors of the standard deviation (recipes, offsets, tables), infinite where it is NaN."""
    return _relative(result["variance"], result["true"])


def draw(result) -> Figure:
    fig, ax = style.figure(7.6, 4.4, tall=4.8)
    colours, ink = style.palette(), style.ink()
    near = OFFSETS[: FAR + 2]
    ax.plot(near, predicted(near), color=ink, lw=0.8)
    ax.text(7e4, 1e3, "predicted", ha="right")
    ax.hlines(UNIT, OFFSETS[0], OFFSETS[-1], color=style.GRID, lw=0.8, alpha=0.6)
    ax.text(2e7, UNIT, "rounding of\na float32", va="center")
    labels, thin = [], {"ms": 5, "lw": 0.6, "elinewidth": 1}
    for name, errors, mark in zip(RECIPES, _errors(result), "^sDvo", strict=True):
        colour = colours["standardized" if name == OURS else "raw"]
        middle = np.maximum(np.median(errors, -1), FLOOR)
        low, high = np.maximum([median_interval(row) for row in errors], FLOOR).T
        seen = np.isfinite(high)
        bars = middle[seen] - low[seen], high[seen] - middle[seen]
        ax.errorbar(OFFSETS[seen], middle[seen], bars, fmt=f"{mark}-", color=colour, **thin)
        if seen[-1]:
            labels.append((np.log10(middle[-1]), re.sub(r"(?<=,) | (?=\()|(?<=d)(?=\()", "\n", name), colour))
    y = -np.inf
    for at, name, colour in sorted(labels):  # from below, none closer than two lines of text
        y = max(at, y + 2.4)
        ax.text(2e7, 10**y, name, color=colour, va="center")
    ax.text(900, 0.5, "E[x²] − E[x]²", color=colours["raw"], ha="right")
    ax.text(1.2, 1e6, "E[x²] − E[x]²\nis NaN in", color=colours["raw"], va="center")
    for k in (FAR, -1):
        share = percent((result["variance"][0, k] < 0).mean())
        ax.text(OFFSETS[k], 1e6, share, color=colours["raw"], ha="center", va="center")
    ax.set(xscale="log", yscale="log", xlabel="mean of the column, in its sd (log)")
    ax.set(ylabel="relative error of the sd (log)", ylim=(1e-17, 3e7), xlim=(0.6, 2e7))
    ax.set(xticks=OFFSETS[::2], yticks=(1e-16, 1e-12, 1e-8, 1e-4, 1))
    ax.minorticks_off()
    return fig


def table(result) -> dict:
    errors = _errors(result)
    return long_table(
        {"recipe": list(RECIPES), "offset": OFFSETS},
        share_nan=np.isinf(errors).mean(-1),
        share_wrong=(errors > WRONG).mean(-1),
        median_error=np.median(errors, -1),
    )


def caption(result) -> str:
    errors = _errors(result)
    nan = (result["variance"][0, FAR] < 0).mean()
    by_numpy, welford, two = np.median(errors[1:4, -2], -1)
    return (
        f"**Ten thousand standard deviations from 0, E[x²] − E[x]² in float32 is NaN for {percent(nan)} of "
        f"the columns, and NaN or more than {percent(WRONG)} wrong for "
        f"{percent((errors[0, FAR] > WRONG).mean())}.**\n\nAt a million, numpy's std is off by a factor of "
        f"{number(1 + by_numpy, 2)}, Welford's recipe by {percent(welford, 1)}, two passes with torch's sums "
        f"by {percent(two, 1)}, float64 sums by {number(np.median(errors[4, -2]), 1)} of the right value. "
        f"{errors.shape[-1]} normal columns of {result['rows']:,} float32 numbers; medians with 95 % "
        "intervals."
    )


def alt(result) -> str:
    ends = ", ".join(number(e, 1) for e in np.median(_errors(result)[1:, -2], -1))
    return (
        "Relative errors of the standard deviation over the distance of the column from 0, both logarithmic. "
        "The error of the mean of squares less the squared mean grows with the square of the distance, as "
        f"predicted, until it is NaN; at a million those of the four others are {ends}."
    )


def claims(result) -> Iterator[Claim]:
    errors = _errors(result)
    wrong = errors[0] > WRONG
    growth = np.median(errors[0, 1:FAR], -1) / predicted(OFFSETS[1:FAR])
    yield Claim.of_fraction(
        wrong[FAR],
        id="float32-offset",
        statement="Far from 0, the variance of float32 data by E[x²] − E[x]² is wrong",
        sources=("Unit Gain", "chan-1983"),
        verdict="depends",
        measure=f"fraction of columns whose standard deviation is NaN or more than {percent(WRONG)} wrong "
        "at a mean of 10⁴ standard deviations",
        units="columns of normal numbers, summed by torch",
        map=Map.of_fractions(
            _relative(*result["mapped"]) > WRONG,
            axes={"mean, in standard deviations": MEANS, "rows": LENGTHS},
            above=OFTEN,
            measure=f"fraction of columns whose standard deviation is NaN or more than {percent(WRONG)} "
            "wrong",
            units="columns, summed by torch",
        ),
        holds=wilson(wrong[FAR])[0] > 0.8
        and wilson(wrong[CLOSE])[1] < 0.2
        and (result["variance"][0, FAR] < 0).any()
        and 0.2 < growth.min() <= growth.max() < 5
        and errors[-1].max() < UNIT,
        finding=f"It turns with the mean: {percent(wrong[FAR - 2].mean())} of the columns are that wrong at "
        f"100 standard deviations, {percent(wrong[FAR - 1].mean())} at 1,000. Both terms are as large as the "
        "squared mean, and so is the rounding of their difference. "
        f"{percent((result['variance'][0, FAR] < 0).mean())} of the variances at 10⁴ are negative, and their "
        f"root is NaN. The library's statistics stay within {number(errors[-1].max(), 1)} up to 10⁷.",
    )
