"""Does a network learn as well from a few principal components, and what does that save?

Chapter: preprocessing.
"""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, mean_interval, number, percent, signed
from experiments.trials import descend, drawn, generator, generators, score, splits
from unitgain.datasets import Examples, Split, mnist
from unitgain.models import MLP
from unitgain.transforms import PCA

COUNTS = (2, 4, 9, 16, 36, 144)  # components; after them come the pixels themselves
PIXELS, HIDDEN, CLASSES = 784, 64, 10
ENOUGH = COUNTS.index(36)
RATES = (0.4, 1.6)
TEST, VALIDATION = 0.5, 0.1  # of the digits
BATCH, EPOCHS = 50, 10


def _accuracies(sets: Split, seed: int) -> list[torch.Tensor]:
    """Accuracies on validation and test examples (RATES, networks)."""
    networks, _, features = sets.train.x.shape
    draws, device = generators(seed, networks, times=len(RATES)), sets.train.x.device
    sizes, replicas = (features, HIDDEN, CLASSES), (len(RATES), networks)
    model = MLP(sizes, weight="he_normal", replicas=replicas, generator=draws, device=device)
    descend(model, sets.train, torch.tensor(RATES)[:, None], seed=seed, epochs=EPOCHS, batch=BATCH)
    return [score(model, part) for part in sets[1:]]


def compute(*, networks=6, rows=5000, seed=0, device="cpu"):
    """Accuracies on `validation` and `test`: (COUNTS and all pixels, RATES, networks).

    Every network has its own split of the digits, and the principal components of its own training part.
    """
    x, y = drawn(rows, mnist(device=device), generator(seed, "data"))
    pixels = splits(x / 255, y, generators(seed, networks, "split"), validation=VALIDATION, test=TEST)
    kept = min(COUNTS[-1], *pixels.train.x.shape[1:])
    fitted = [PCA(kept).fit(seen) for seen in pixels.train.x]
    mean, axes = (
        torch.stack([getattr(pca, name) for pca in fitted]).float() for name in ("mean_", "components_")
    )
    pixels = Split(*(Examples(part.x - mean.unsqueeze(1), part.y) for part in pixels))
    scores = [part.x @ axes.mT for part in pixels]
    found = []
    for count in COUNTS:
        some = (Examples(x[..., :count], part.y) for x, part in zip(scores, pixels, strict=True))
        found.append(_accuracies(Split(*some), seed))
    validation, test = zip(*found, _accuracies(pixels, seed), strict=True)
    return {"validation": torch.stack(validation), "test": torch.stack(test), "rows": torch.tensor(rows)}


def _at_best(result) -> np.ndarray:
    """Test accuracies at the rate with the best mean on validation data: (counts, networks)."""
    best = result["validation"].mean(2).argmax(1)
    return result["test"][np.arange(len(best)), best]


def _costs() -> dict[str, np.ndarray]:
    """Multiply-adds of a forward pass for one example, for COUNTS and the pixels.

    `training` finds the components ready; `answering` projects first, or multiplies the projection and the
    first layer into one layer on the pixels, whichever is cheaper.
    """
    counts = np.array([*COUNTS, PIXELS])
    network = counts * HIDDEN + HIDDEN * CLASSES
    return {"training": network, "answering": np.minimum(network + counts * PIXELS, network[-1])}


def _lag(result) -> np.ndarray:
    """Accuracies minus those on all pixels, in points, network by network."""
    right = 100 * _at_best(result).astype(np.float64)
    return right - right[-1]


def draw(result) -> Figure:
    fig, axes = style.figure(7.4, 3.6, ncols=2, sharex=True)
    colours = style.palette()
    *rows, pixels = 100 * _at_best(result)
    left, right = axes
    left.axhspan(*mean_interval(pixels), color=colours["raw"], alpha=0.25, lw=0)
    left.axhline(pixels.mean(), color=colours["raw"], ls="--", lw=1.6)
    for count, row in zip(COUNTS, rows, strict=True):
        low, high = mean_interval(row)
        middle = row.mean()
        side = count * np.geomspace(0.84, 0.96, len(row))
        left.plot(side, row, "o", ms=3, mew=0, alpha=0.5, color=colours["standardized"])
        bars = [[middle - low], [high - middle]]
        left.errorbar(
            count * 1.08, middle, bars, fmt="s", ms=5, color=colours["standardized"], elinewidth=1.5
        )
    left.text(2, pixels.mean() + 1.5, f"all {PIXELS} pixels", color=colours["raw"], va="bottom")
    left.set(title="How well it learns", ylabel="test accuracy (%)", ylim=(35, 101))
    whole = _costs()["training"][-1] / 100
    right.axhline(100, color=colours["raw"], ls="--", lw=1.6)
    for name, line, x, y in (("training", "-", 12, 1.9), ("answering", ":", 8, 21)):
        right.plot(COUNTS, _costs()[name][:-1] / whole, line, marker="o", ms=4, color=colours["standardized"])
        right.text(x, y, name, color=colours["standardized"], ha="left" if line == "-" else "right")
    right.text(2, 112, f"all {PIXELS} pixels", color=colours["raw"], va="bottom")
    right.set(title="What it costs", yscale="log", ylabel="multiply-adds, by those on pixels (%, log)")
    right.set_yticks([1, 3, 10, 30, 100, 300], ["1", "3", "10", "30", "100", "300"])
    right.set_yticks([], minor=True)
    for ax in axes:
        ax.set(xscale="log", xlabel="components (log)", xlim=(1.6, 190))
        ax.set_xticks(COUNTS, [str(count) for count in COUNTS])
        ax.set_xticks([], minor=True)
    return fig


def table(result) -> dict:
    right = _at_best(result)
    low, high = np.array([mean_interval(row) for row in right]).T
    return {
        "inputs": [*COUNTS, PIXELS],
        "accuracy": right.mean(1),
        "low": low,
        "high": high,
        **{f"multiply_adds_{name}": cost for name, cost in _costs().items()},
    }


def _points(values: np.ndarray) -> str:
    low, high = mean_interval(values)
    return f"{signed(values.mean())} points [{signed(low)}, {signed(high)}]"


def caption(result) -> str:
    lag, right, costs = _lag(result), _at_best(result).mean(1), _costs()
    cheaper = costs["training"][-1] / costs["training"][ENOUGH]
    return (
        f"**With {COUNTS[ENOUGH]} components in place of {PIXELS} pixels the accuracy changes by "
        f"{_points(lag[ENOUGH])}, and a training step takes {number(cheaper, 2)} times fewer "
        "multiply-adds.** "
        f"{COUNTS[1]} are too few: {percent(right[1])} instead of {percent(right[-1])}. Answering saves "
        f"less: a new image is projected, or the projection folded into the first layer. {lag.shape[1]} "
        f"networks {PIXELS}-{HIDDEN}-{CLASSES} "
        f"with ReLU, each with its own split of {int(result['rows']):,} MNIST digits into halves for "
        f"training and testing, PCA on the training part alone; {EPOCHS} epochs of gradient descent at the "
        "better of two rates; squares: means with 95 % intervals."
    )


def alt(result) -> str:
    right, costs = _at_best(result).mean(1), _costs()
    whole = costs["training"][-1]
    return (
        "Left, test accuracy against the number of components, log: "
        + ", ".join(f"{percent(a)} with {k}" for k, a in zip(COUNTS, right, strict=False))
        + f"; with all pixels {percent(right[-1])}. Right, the multiply-adds by those on pixels, log: from "
        + ", ".join(
            f"{percent(cost[0] / whole)} to {percent(cost[-2] / whole)} in {name}"
            for name, cost in costs.items()
        )
        + "."
    )


def claims(result) -> Iterator[Claim]:
    lag, costs = _lag(result), _costs()
    training, answering = (cost / costs["training"][-1] for cost in costs.values())
    yield Claim.of_mean(
        lag[ENOUGH],
        id="pca-ok-for-nets",
        statement="Networks train about as well on data reduced by PCA, and it is cheaper",
        sources=("Stanford CS231n, course notes, setting up the data and the model",),
        verdict="confirmed",
        measure=f"test accuracy on {COUNTS[ENOUGH]} components minus that on {PIXELS} pixels, percentage "
        "points, paired",
        holds=mean_interval(lag[ENOUGH])[0] > -1
        and mean_interval(lag[-2])[0] > -1
        and mean_interval(lag[1])[1] < -10
        and training[ENOUGH] < 0.1,
        finding=f"A pass in training takes {percent(training[ENOUGH])} of the multiply-adds. With "
        f"{COUNTS[-1]} components it is {_points(lag[-2])}; {COUNTS[1]} are too few, {_points(lag[1])}. "
        f"Answering saves less, as a new image is projected too: {percent(answering[ENOUGH])} of the "
        f"multiply-adds with {COUNTS[ENOUGH]} components, {percent(answering[-2])} with {COUNTS[-1]}, where "
        "folding the projection into the first layer is cheaper.",
    )
