"""What do a few wild cells in a table do to three ways of scaling it, and to a network that follows?

Chapter: pitfalls.
"""

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments import style
from experiments.pitfalls._shared.intervals import means
from experiments.pitfalls._shared.tables import HIDDEN, fitted, table_sets
from experiments.trials import generators, score
from experiments.words import percent
from unitgain.datasets import Examples

TABLE = "breast_cancer"
SHARE, SIZE = 0.01, 1000.0  # the share of the cells that is spoiled, and what each is multiplied by
SIZES = (1.0, 10.0, 100.0, SIZE)
SHARES = (0.003, SHARE, 0.03, 0.1, 0.3)
SETTINGS = (*((SHARE, size) for size in SIZES), *((share, SIZE) for share in SHARES if share != SHARE))
CLIP = 3.0
MOST = 200
EPOCHS = 40


def standard(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each column."""
    sd, mean = torch.std_mean(x, dim=-2, correction=0, keepdim=True)
    return mean, sd


def min_max(x: Tensor) -> tuple[Tensor, Tensor]:
    """Middle and half of each column's range: the data lies in [−1, 1]."""
    low, high = x.amin(-2, keepdim=True), x.amax(-2, keepdim=True)
    return (low + high) / 2, (high - low) / 2


def robust(x: Tensor) -> tuple[Tensor, Tensor]:
    """Median and interquartile range of each column, the latter as wide as a normal's sd."""
    low, middle, high = x.quantile(x.new_tensor([0.25, 0.5, 0.75]), dim=-2, keepdim=True)
    return middle, (high - low) / 1.349


WAYS = {
    "min–max": (min_max, False),
    "mean, sd": (standard, False),
    "median, IQR": (robust, False),
    "the same, clipped": (robust, True),
}


def scaled(x: Tensor, centre: Tensor, scale: Tensor, clip: bool) -> Tensor:
    z = (x - centre) / scale
    return z.clamp(-CLIP, CLIP) if clip else z


def compute(*, networks=20, seed=0, device="cpu"):
    """`accuracy` on clean test data, and the `spread` of the cells left alone: (ways, settings, networks).

    The spread is their standard deviation after scaling, over that in the same table without outliers: its
    median over the columns.
    """
    train, test = table_sets(TABLE, networks, seed, most=MOST, device=device)
    noise = generators(seed, networks, "noise")
    draws = torch.stack([torch.rand(train.x.shape[1:], generator=draw) for draw in noise])
    hit = torch.stack([draws < share for share, _ in SETTINGS]).to(device)
    size = torch.tensor([size for _, size in SETTINGS], device=device)[:, None, None, None]
    x = torch.where(hit, size * train.x, train.x)
    accuracy, spread = [], []
    for measure, clip in WAYS.values():
        centre, scale = measure(x)
        z = scaled(x, centre, scale, clip)
        model = fitted(z, train.y, epochs=EPOCHS, seed=seed)
        accuracy.append(score(model, Examples(scaled(test.x, centre, scale, clip), test.y)))
        clean = scaled(train.x, *measure(train.x), clip)
        spread.append(_spread(z, hit) / _spread(clean, hit))
    return {"accuracy": torch.stack(accuracy), "spread": torch.stack(spread).nanmedian(-1).values}


def _spread(z: Tensor, hit: Tensor) -> Tensor:
    """Standard deviation of each column's cells but those `hit`, (settings, replicas, features)."""
    kept = (~hit).to(z.dtype)
    n = kept.sum(-2, keepdim=True)
    away = (z - (z * kept).sum(-2, keepdim=True) / n) * kept
    return (away.square().sum(-2, keepdim=True) / n).sqrt().squeeze(-2)


def _by_size(rows: np.ndarray) -> np.ndarray:
    """The settings of SHARE, one a size; `rows` (ways, settings, networks)."""
    return rows[:, : len(SIZES)]


def _by_share(rows: np.ndarray) -> np.ndarray:
    """The settings of SIZE, one a share."""
    more = rows[:, len(SIZES) :]
    return np.concatenate([more[:, :1], rows[:, [len(SIZES) - 1]], more[:, 1:]], axis=1)


def draw(result) -> Figure:
    fig, (left, right) = style.figure(7.4, 3.6, ncols=2, tall=6.0)
    for ax, at, rows in (
        (left, SIZES, _by_size(100 * result["spread"])),
        (right, SHARES, _by_share(100 * result["accuracy"])),
    ):
        for way, values in zip(WAYS, rows, strict=True):
            if ax is right or way != "the same, clipped":  # the spread is the same, too
                _line(ax, np.array(at), values, **_look(way))
    left.set(xscale="log", yscale="log", ylim=(0.05, 300), xlabel="wild cells: times the right value (log)")
    left.set(xticks=SIZES, yticks=(0.1, 1, 10, 100))
    left.set_title(f"Spread left to the others (%, log):\n{percent(SHARE)} of the cells are wild")
    right.set(xscale="log", xticks=SHARES, xticklabels=[f"{100 * share:g}" for share in SHARES])
    right.set(ylim=(58, 103), yticks=range(60, 101, 10), xlabel="wild cells (%, log)")
    right.set_title(f"Accuracy on clean data (%):\nwild cells are {SIZE:,.0f} times too large")
    for ax, x, y, text, key, side in (
        (left, 30, 125, "median, IQR", "standardized", "left"),
        (left, 13, 55, "mean, sd", "raw", "left"),
        (left, 8, 8, "min–max", "raw", "right"),
        (right, 0.024, 98, "median, IQR, clipped", "standardized", "left"),
        (right, 0.048, 85, "not\nclipped", "standardized", "left"),
        (right, 0.02, 76, "mean, sd", "raw", "left"),
        (right, 0.0105, 71, "min–max", "raw", "right"),
    ):
        ax.text(x, y, text, color=style.palette()[key], ha=side, va="bottom" if y > 90 else "center")
        ax.minorticks_off()
    return fig


def _look(way: str) -> dict:
    colours = style.palette()
    return {
        "min–max": {"color": colours["raw"], "fmt": "^--"},
        "mean, sd": {"color": colours["raw"], "fmt": "o-"},
        "median, IQR": {"color": colours["standardized"], "fmt": "s--", "mfc": "none"},
        "the same, clipped": {"color": colours["standardized"], "fmt": "s-"},
    }[way]


def _line(ax, at: np.ndarray, rows: np.ndarray, **look) -> None:
    """Means over the networks with their intervals."""
    middle, low, high = means(rows)
    low = np.maximum(low, 0.05)
    ax.errorbar(at, middle, (middle - low, high - middle), ms=5, lw=1.4, elinewidth=1, **look)


def table(result) -> dict:
    accuracy, low, high = means(result["accuracy"])
    share, times = np.tile(np.transpose(SETTINGS), len(WAYS))
    return {
        "scaled_by": np.repeat(list(WAYS), len(SETTINGS)),
        "share": share,
        "times": times,
        "spread_left": result["spread"].mean(-1).ravel(),
        "accuracy": accuracy.ravel(),
        "low": low.ravel(),
        "high": high.ravel(),
    }


def caption(result) -> str:
    clean, *_, worst = _by_size(result["accuracy"]).mean(-1).T
    left = _by_size(result["spread"]).mean(-1)[:, -1]
    tenth = _by_share(result["accuracy"]).mean(-1)[:, SHARES.index(0.1)]
    return (
        "**With one cell in a hundred a thousand times too large, standardization leaves the others "
        f"{percent(left[1], 1)} of their spread and min–max {percent(left[0], 1)}; the accuracy falls from "
        f"{percent(clean[1])} to {percent(worst[1])} and {percent(worst[0])}.**\n\nMedian and interquartile "
        f"range leave {percent(left[2])}, yet the outliers still harm the training: with one cell in ten "
        f"spoiled the accuracy is {percent(tenth[2])}, or {percent(tenth[3])} clipped at ±{CLIP:g}. Where "
        "more than a quarter is spoiled, the quartiles are too, and the networks always name the commoner "
        "class. "
        f"{result['accuracy'].shape[-1]} splits of the breast cancer table, {MOST} rows to train on, "
        f"one hidden layer of {HIDDEN}; means with 95 % intervals over "
        "the draw of splits, not of other tables."
    )


def alt(result) -> str:
    worst = ", ".join(percent(share) for share in _by_size(result["accuracy"]).mean(-1)[:, -1])
    return (
        "Left: the spread that scaling leaves to the cells that are right, against the size of the outliers. "
        "Right: the accuracy against the fraction of outliers. With min-max and with mean and sd both fall; "
        "with median, quartiles and clipping they stay, up to one cell in ten. Accuracy with one cell in a "
        f"hundred a thousand times too large: {worst}."
    )
