"""How many rows are enough for the statistics, and what if the file is sorted?

Chapter: big-data.
"""

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn

from experiments import style
from experiments.intervals import mean_interval
from experiments.trials import descend, generator, generators, score
from experiments.words import long_table, percent
from unitgain.datasets import Examples, mnist
from unitgain.models import MLP
from unitgain.optimizers import Adam
from unitgain.transforms import StandardScaler

COUNTS = (10, 40, 100, 400, 1000, 2000, 4000)
ONE_CLASS = 400  # rows of each class
HIDDEN, RATE, BATCH = 32, 0.003, 50
EPOCHS = 3


class Standardize(nn.Module):
    """One input for many networks, each with its own mean and scale (…, features)."""

    def __init__(self, mean, scale):
        super().__init__()
        self.shift, self.gain = (part.float().unsqueeze(-2) for part in (-mean / scale, 1 / scale))

    def forward(self, x):
        return torch.addcmul(self.shift, x, self.gain)


def of_first(x) -> torch.Tensor:
    """Mean and scale of the first COUNTS rows, (2, counts, features), in one pass."""
    scaler, found, seen = StandardScaler(), [], 0
    for count in COUNTS:
        scaler.partial_fit(x[seen:count])
        found.append(torch.stack([scaler.mean_, scaler.scale_]))
        seen = count
    return torch.stack(found, 1)


def some(rows, n, generator) -> torch.Tensor:
    """n of the rows that a mask marks."""
    places = rows.nonzero()[:, 0]
    return places[torch.randperm(len(places), generator=generator)[:n]]


def compute(*, networks=6, rows=1000, seed=0, device="cpu"):
    """By order of the file (sorted, shuffled), count and network.

    The root mean square `error` of the pixels' means, in standard deviations; how many of the pixels that
    `vary` are `unseen`, constant so far; the `accuracy` after training on `rows` examples.
    """
    x, y = mnist(device=device)
    held = torch.arange(len(x)) % 5 == 4
    file = x[~held]
    orders = [torch.randperm(len(file), generator=draw) for draw in generators(seed, networks, "data")]
    shuffled = torch.stack([of_first(file[order]) for order in orders], 2)
    as_it_lies = of_first(file).unsqueeze(2).expand_as(shuffled)
    mean, scale = torch.stack([as_it_lies, shuffled], 1)  # (orders, counts, networks, features)

    truth = StandardScaler().fit(file)
    vary = truth.var_ > 0
    error = ((mean - truth.mean_) / truth.scale_)[..., vary].square().mean(-1).sqrt()

    replicas, draws = mean.shape[:-1], generators(seed, networks, times=2 * len(COUNTS))
    network = MLP((784, HIDDEN, 10), weight="he_normal", replicas=replicas, generator=draws, device=device)
    model = nn.Sequential(Standardize(mean, scale), network)
    training, fresh = (
        some(which, rows, generator(seed, stream)) for which, stream in ((~held, "split"), (held, "fresh"))
    )
    examples = Examples(x[training], y[training])
    descend(model, examples, RATE, seed=seed, epochs=EPOCHS, batch=BATCH, optimizer=Adam)
    return {
        "error": error,
        "unseen": (scale[..., vary] == 1).sum(-1),
        "vary": vary.sum(),
        "accuracy": score(model, Examples(x[fresh], y[fresh])),
        "trained": torch.tensor(len(training)),
    }


def predicted(count) -> np.ndarray:
    """Error of the mean of `count` of n rows drawn without replacement, in standard deviations."""
    n = COUNTS[-1]
    return np.sqrt((n - count) / (count * (n - 1)))


def draw(result) -> Figure:
    fig, (left, right) = style.figure(7.8, 3.7, ncols=2, tall=6.2)
    colours, ink = style.palette(), style.ink()
    counts = np.geomspace(COUNTS[0], 0.97 * COUNTS[-1], 200)
    left.plot(counts, predicted(counts), color=ink, lw=0.8)
    for ax, found in (
        (left, result["error"][:, :-1]),
        (right, 100 * result["accuracy"]),
    ):  # the last error is 0
        for rows, key, mark in zip(found, ("raw", "standardized"), "^o", strict=True):
            middle = rows.mean(-1)
            bars = np.abs(np.array([mean_interval(row) for row in rows]).T - middle)
            dots = {"fmt": mark, "ms": 5, "mew": 0, "elinewidth": 1, "color": colours[key]}
            ax.errorbar(COUNTS[: len(rows)], middle, bars, **dots)
        ax.set(xscale="log", xlabel="rows measured (log)", xticks=(10, 100, 1000, 4000))
        ax.set_xticklabels(["10", "100", "1,000", "4,000"])
        ax.axvline(ONE_CLASS, color=style.GRID, lw=0.8, ls=":")
        ax.minorticks_off()
    left.set(yscale="log", ylim=(0.008, 1.4), yticks=(0.01, 0.1, 1), yticklabels=("0.01", "0.1", "1"))
    left.minorticks_off()
    left.set(ylabel="error of the means, in sd (log)")
    right.set(ylabel="accuracy on fresh digits (%)")
    left.text(11, 0.75, "in the file's order", color=colours["raw"])
    left.text(13, 0.06, "shuffled", color=colours["standardized"])
    left.text(340, 0.01, "only the digit 0 so far", color=ink, ha="right")
    right.text(0.62, 0.3, "in the file's\norder", color=colours["raw"], transform=right.transAxes)
    right.text(0.1, 0.9, "shuffled", color=colours["standardized"], transform=right.transAxes)
    return fig


def table(result) -> dict:
    found = {name: result[name] for name in ("error", "unseen", "accuracy")}
    networks = range(result["error"].shape[-1])
    return long_table({"shuffled": (0, 1), "rows": COUNTS, "network": networks}, **found)


def caption(result) -> str:
    at, networks = COUNTS.index(ONE_CLASS), result["error"].shape[-1]
    error, right = result["error"].mean(-1)[:, at], result["accuracy"].mean(-1)
    unseen = result["unseen"].mean(-1)[:, at]
    return (
        f"**With inputs standardized by the first {ONE_CLASS} rows of a sorted file a network gets "
        f"{percent(right[0, at])} right; by {ONE_CLASS} shuffled rows {percent(right[1, at])}, by all "
        f"{COUNTS[-1]:,} {percent(right[1, -1])}.**\n\nThe file: digits of MNIST, sorted by class; up to the "
        f"dotted line only the 0. There the means are {error[0]:.2f} standard deviations off (shuffled "
        f"{error[1]:.2f}), and {unseen[0]:.0f} (shuffled {unseen[1]:.0f}) of the {int(result['vary'])} "
        f"pixels that vary are still constant and divided by 1. Dots: means of {networks} networks "
        f"784-{HIDDEN}-10, each with a shuffle of its own, {EPOCHS} epochs on {int(result['trained']):,} "
        "images, with 95 % intervals. Line: predicted."
    )


def alt(result) -> str:
    error, right = result["error"].mean(-1), result["accuracy"].mean(-1)
    return (
        "Two panels against the number of rows that were measured. Shuffled, the error of the means falls "
        f"from {error[1, 0]:.2f} to {error[1, -2]:.2f} standard deviations along the prediction and the "
        f"accuracy rises from {percent(right[1, 0])} to {percent(right[1, -1])}; in the file's order the "
        f"error stays near {error[0, 3]:.2f} up to {ONE_CLASS} rows and the accuracy is "
        f"{percent(right[0, 3])} there."
    )
