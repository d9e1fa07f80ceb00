"""What does it cost to normalize each example by itself instead of each feature, and when is it right?

Chapter: pitfalls.
"""

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments import style
from experiments.pitfalls._shared.intervals import means
from experiments.pitfalls._shared.tables import HIDDEN, NAMES, fitted, standardized, table_sets
from experiments.trials import generators, score
from experiments.words import long_table, percent
from unitgain.datasets import Examples

TABLES = ("circles", "wine", "breast_cancer", "digits", "digits")
TITLES = (*(NAMES[name] for name in TABLES[:-1]), "Digits, served in\nanother light")
WHITE = 16.0  # the brightest pixel
EPOCHS = 60


def by_example(x: Tensor, _: Tensor) -> Tensor:
    """dim=1 in the place of dim=0."""
    return standardized(x.mT, x.mT).mT


WAYS = (by_example, standardized)


def in_another_light(x: Tensor, seed: int) -> Tensor:
    """Images (replicas, n, pixels) with less contrast, U(0.2, 1), and a brighter ground."""
    noise = generators(seed, len(x), "noise")
    draws = torch.stack([torch.rand(x.shape[1], 2, 1, generator=draw) for draw in noise])
    contrast, ground = (0.2 + 0.8 * draws[..., 0, :]).to(x), draws[..., 1, :].to(x)
    return contrast * x + (1 - contrast) * WHITE * ground


def compute(*, networks=20, seed=0, device="cpu"):
    """Accuracies on the test part, (tables, ways, networks)."""
    found = []
    for name in dict.fromkeys(TABLES):
        train, test = table_sets(name, networks, seed, device=device)
        models = [fitted(scale(train.x, train.x), train.y, epochs=EPOCHS, seed=seed) for scale in WAYS]
        for x in (test.x, in_another_light(test.x, seed)) if name == "digits" else (test.x,):
            sets = (Examples(scale(x, train.x), test.y) for scale in WAYS)
            found.append(torch.stack(list(map(score, models, sets))))
    return {"accuracy": torch.stack(found)}


def draw(result) -> Figure:
    fig, ax = style.figure(7.0, 3.2, tall=3.5)
    looks = ((-0.13, "^", "raw", "example"), (0.13, "o", "standardized", "feature"))
    for k, (side, mark, key, what) in enumerate(looks):
        colour, rows = style.palette()[key], 100 * result["accuracy"][:, k]
        at = np.arange(len(rows)) + side
        middle, low, high = means(rows)
        ax.plot(rows, np.broadcast_to(at[:, None], rows.shape), mark, ms=4, mew=0, alpha=0.25, color=colour)
        ax.errorbar(middle, at, xerr=(middle - low, high - middle), fmt=mark, ms=6.5, color=colour)
        x, ha = (middle[0], "center") if key == "raw" else (103, "right")
        ax.text(x, -0.6, f"each {what}", color=colour, ha=ha, va="center")
    ax.set(yticks=range(len(TITLES)), yticklabels=TITLES, ylim=(len(TITLES) - 0.6, -0.9))
    ax.set(xlabel="accuracy (%)", xlim=(0, 103), xticks=(0, 25, 50, 75, 100))
    ax.tick_params(axis="y", length=0)
    return fig


def table(result) -> dict:
    titles = [title.replace("\n", " ") for title in TITLES]
    accuracy, low, high = means(result["accuracy"])
    axes = {"table": titles, "normalized": ("each example", "each feature")}
    return long_table(axes, accuracy=accuracy, low=low, high=high)


def caption(result) -> str:
    example, feature = result["accuracy"].mean(-1).T
    return (
        f"**If each example is normalized instead of each feature, networks fall from {percent(feature[0])} "
        f"to {percent(example[0])} on the circles; on digits served in another light they rise from "
        f"{percent(feature[-1])} to {percent(example[-1])}.**\n\n"
        "Where columns have units of their own, the column of the largest numbers decides an example's mean "
        "and spread. Pixels share one unit, and an image's mean and contrast are its light; the other light "
        f"has less contrast and a brighter ground. Dots: {result['accuracy'].shape[-1]} splits and networks "
        f"with one hidden layer of {HIDDEN}; larger marks: means with 95 % intervals over the draw of splits."
    )


def alt(result) -> str:
    listed = "; ".join(
        f"{title} {percent(feature)} and {percent(example)}".replace("\n", " ")
        for title, (example, feature) in zip(TITLES, result["accuracy"].mean(-1), strict=True)
    )
    return f"Dots of accuracy on five tests, normalized by feature and by example: {listed}."
