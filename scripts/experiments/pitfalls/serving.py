"""What does a trained classifier lose when it is served with other statistics than it was trained with?

Chapter: pitfalls.
"""

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments import style
from experiments.pitfalls._shared.intervals import means
from experiments.pitfalls._shared.tables import HIDDEN, NAMES, fitted, standardized, table_sets
from experiments.trials import score
from experiments.words import long_table, percent
from unitgain.datasets import Examples

BATCHES = (64, 8, 2, 1)
WAYS = (
    "statistics of training",
    *(f"of a batch of {size}" for size in BATCHES),
    "of a batch of one class",
    "of training, applied twice",
    "none: scaler forgotten",
)
EPOCHS = 50
DRAWN = ("digits", "wine")


def in_batches(x: Tensor, y: Tensor, size: int) -> Examples:
    """Each batch of `size` standardized by itself; what fills no batch is left out."""
    whole = x.shape[-2] // size * size
    batches = x[:, :whole].unflatten(1, (-1, size))
    return Examples(standardized(batches, batches).flatten(1, 2), y[:, :whole])


def by_class(x: Tensor, y: Tensor) -> Examples:
    """As if they arrived sorted: all of a class in one batch, standardized by itself."""
    z = x.clone()
    for inputs, labels in zip(z, y, strict=True):
        for label in labels.unique():
            rows = labels == label
            inputs[rows] = standardized(inputs[rows], inputs[rows])
    return Examples(z, y)


def compute(*, networks=16, seed=0, device="cpu"):
    """Accuracies on the test part (tables, ways, networks); fraction of the `commonest` class (tables,)."""
    accuracy, commonest = [], []
    for name in NAMES:
        train, test = table_sets(name, networks, seed, device=device)
        model = fitted(standardized(train.x, train.x), train.y, epochs=EPOCHS, seed=seed)
        right = standardized(test.x, train.x)
        arms = (
            Examples(right, test.y),
            *(in_batches(*test, size) for size in BATCHES),
            by_class(*test),
            Examples(standardized(right, train.x), test.y),
            test,
        )
        accuracy.append(torch.stack([score(model, arm) for arm in arms]))
        commonest.append(test.y.flatten().bincount().max() / test.y.numel())
    return {"accuracy": torch.stack(accuracy), "commonest": torch.stack(commonest)}


def draw(result) -> Figure:
    names = list(NAMES)
    shown = [names.index(name) for name in DRAWN]
    fig, axes = style.figure(7.4, 3.6, ncols=len(shown), stacked=(1, len(shown)), tall=4.0, sharey=True)
    rows, colours = np.arange(len(WAYS))[::-1], style.palette()
    for ax, k in zip(axes, shown, strict=True):
        ax.axvline(100 * result["commonest"][k], color=style.ink(), lw=1)
        for y, key, row in zip(
            rows, ("standardized", *["raw"] * len(WAYS)), result["accuracy"][k], strict=False
        ):
            colour, (middle, low, high) = colours[key], 100 * means(row)
            ax.plot(100 * row, np.full(len(row), y), "o", ms=4, mew=0, alpha=0.25, color=colour)
            ax.errorbar(middle, y, xerr=[[middle - low], [high - middle]], fmt="o", ms=6, color=colour)
        ax.set(title=NAMES[names[k]], xlim=(-4, 104), ylim=(-0.6, len(WAYS) - 0.4), xticks=(0, 50, 100))
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
    axes[0].set(yticks=rows, yticklabels=WAYS)
    axes[0].get_yticklabels()[0].set_color(colours["standardized"])
    fig.supxlabel("accuracy on unseen examples (%)\nline: always the commonest class", fontsize=9.5)
    return fig


def table(result) -> dict:
    accuracy, low, high = means(result["accuracy"])
    share = np.broadcast_to(result["commonest"][:, None], accuracy.shape)
    axes = {"table": list(NAMES), "statistics": WAYS}
    return long_table(axes, accuracy=accuracy, low=low, high=high, commonest_class=share)


def _range(values) -> str:
    return f"{100 * min(values):.0f} to {percent(max(values))}"


def caption(result) -> str:
    right, *batches, _, twice, none = result["accuracy"].mean(-1).T
    return (
        f"**The networks are right on {_range(right)} of the examples with the statistics they were trained "
        f"with, on {_range(none)} without, and on {_range(twice)} if they are applied twice.**\n\n"
        "The ranges are over four tables, two of which are drawn. Refitted on each batch, the damage grows "
        f"as the batch shrinks: {_range(batches[0])} with {BATCHES[0]} examples, {_range(batches[1])} with "
        f"{BATCHES[1]}. A batch of one is all zeros, and each network gives it one answer, whatever it "
        f"holds. Dots: {result['accuracy'].shape[-1]} networks a table, one hidden layer of {HIDDEN}, each "
        "with its own split; bars: means with 95 % intervals over the draw of splits."
    )


def alt(result) -> str:
    listed = ", ".join(
        f"{name} {percent(way[0])} and {percent(way[-1])}"
        for name, way in zip(NAMES.values(), result["accuracy"].mean(-1), strict=True)
    )
    return (
        f"Dots of accuracy for {len(WAYS)} ways to standardize in production, on two tables. Right "
        f"statistics and none, on four tables: {listed}. Between them the accuracy falls as the batch of the "
        "statistics shrinks."
    )
