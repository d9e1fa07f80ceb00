"""Does a network learn as well from a few principal components, and what does that save?

Chapter: preprocessing.
"""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval
from experiments.trials import descend, drawn, generator, generators, score
from experiments.words import long_table, number, percent, signed
from unitgain.datasets import Examples, mnist
from unitgain.models import MLP

COUNTS = (4, 10, 22, 48)  # components; after them come the pixels themselves
PIXELS, HIDDEN, CLASSES = 784, 32, 10
FEW, ENOUGH = COUNTS.index(10), COUNTS.index(22)
ROWS = (50, 100, 250)  # digits to learn from
TEST = 1000
RATES = (0.6, 1.6)
BATCH, EPOCHS = 50, 30
AS_WELL = -3.0  # points of accuracy


def _views(x: Tensor, known: Tensor) -> Iterator[Tensor]:
    """`x` (networks, n, pixels) by COUNTS of the components of `known`, then by all its pixels, centred.

    The components are scaled, all by one number, so that an input is as large as a pixel in the mean square:
    networks that start with the same rule start with the same outputs.
    """
    mean = known.mean(1, keepdim=True)
    axes = torch.linalg.svd(known - mean, full_matrices=False).Vh[:, : COUNTS[-1]]
    scores, own = ((rows - mean) @ axes.mT for rows in (x, known))
    size = (known - mean).square().mean((1, 2), keepdim=True)
    for count in COUNTS:
        yield scores[..., :count] * (size / own[..., :count].square().mean((1, 2), keepdim=True)).sqrt()
    yield x - mean


def _accuracies(known: Examples, others: Examples, test: Examples, seed: int) -> Tensor:
    """Accuracies on `test` (views, networks), each at the rate that is best on the `others` in the mean."""
    networks, parts = len(known.x), (known, others, test)
    x = torch.cat([part.x.expand(networks, -1, -1) for part in parts], 1)
    found = []
    for view in _views(x, known.x):
        cut = view.split([part.x.shape[-2] for part in parts], 1)
        seen, chosen_by, fresh = (Examples(x, part.y) for x, part in zip(cut, parts, strict=True))
        draws, replicas = generators(seed, networks, times=len(RATES)), (len(RATES), networks)
        sizes, options = (view.shape[-1], HIDDEN, CLASSES), {"weight": "he_normal", "device": view.device}
        model = MLP(sizes, replicas=replicas, generator=draws, **options)
        descend(model, seen, torch.tensor(RATES)[:, None], seed=seed, epochs=EPOCHS, batch=BATCH)
        found.append(score(model, fresh)[score(model, chosen_by).mean(1).argmax()])
    return torch.stack(found)


def compute(*, networks=16, seed=0, device="cpu"):
    """Test `accuracy` (ROWS, COUNTS and all pixels, networks).

    No two networks share a digit that they learn from. The rate is chosen by the next network's digits, and
    all are tested on the same digits, which none has seen.
    """
    x, y = drawn(TEST + networks * ROWS[-1], mnist(device=device), generator(seed, "data"))
    test = Examples(x[:TEST] / 255, y[:TEST].expand(networks, -1))
    own = [(part[TEST:].unflatten(0, (networks, -1))) for part in (x / 255, y)]
    found = []
    for rows in ROWS:
        known = Examples(*(part[:, :rows] for part in own))
        others = Examples(*(part.roll(-1, 0) for part in known))
        found.append(_accuracies(known, others, test, seed))
    return {"accuracy": torch.stack(found)}


def _costs() -> dict[str, np.ndarray]:
    """Multiply-adds of a forward pass for one example, for COUNTS and the pixels.

    `training` finds the components ready; `answering` projects first. Folded into the first layer, the
    projection costs what the pixels do.
    """
    counts = np.array([*COUNTS, PIXELS])
    network = counts * HIDDEN + HIDDEN * CLASSES
    return {"training": network, "answering": np.append((network + counts * PIXELS)[:-1], network[-1])}


def _said(name: str) -> str:
    return {"answering": "inference"}.get(name, name)


def _lag(result) -> np.ndarray:
    """Accuracies minus those on all pixels, in points, network by network: (ROWS, COUNTS, networks)."""
    right = 100 * result["accuracy"].astype(np.float64)
    return right[:, :-1] - right[:, -1:]


def draw(result) -> Figure:
    fig, axes = style.figure(7.4, 3.6, ncols=2, sharex=True)
    colours = style.palette()
    left, right = axes
    for rows, found, mark in zip(ROWS, 100 * result["accuracy"], "vso", strict=True):
        *reduced, pixels = found
        left.axhline(pixels.mean(), color=colours["raw"], ls="--", lw=1.4)
        low, high = np.array([mean_interval(row) for row in reduced]).T
        middle = np.mean(reduced, -1)
        bars = middle - low, high - middle
        left.errorbar(
            COUNTS, middle, bars, fmt=f"{mark}-", ms=5, color=colours["standardized"], lw=1.2, elinewidth=1.5
        )
        left.text(54, pixels.mean() + 1, f"{rows} digits", color=colours["raw"], ha="right", va="bottom")
    left.text(54, 42, f"dashed: all {PIXELS} pixels", color=colours["raw"], ha="right")
    left.set(title="Test accuracy (%)", ylim=(38, 92))
    whole = _costs()["training"][-1] / 100
    right.axhline(100, color=colours["raw"], ls="--", lw=1.6)
    for name, line, x, y in (("training", "-", 14, 1.8), ("answering", ":", 8.5, 42)):
        right.plot(COUNTS, _costs()[name][:-1] / whole, line, marker="o", ms=4, color=colours["standardized"])
        right.text(x, y, _said(name), color=colours["standardized"], ha="left" if line == "-" else "right")
    right.text(3.8, 112, f"all {PIXELS} pixels", color=colours["raw"], va="bottom")
    right.set(title="Multiply-adds (% of those on pixels, log)", yscale="log")
    right.set(ylim=(0.6, 250))
    right.set_yticks([1, 3, 10, 30, 100], ["1", "3", "10", "30", "100"])
    right.set_yticks([], minor=True)
    for ax in axes:
        ax.set(xscale="log", xlabel="components (log)", xlim=(3.5, 56))
        ax.set_xticks(COUNTS, [str(count) for count in COUNTS])
        ax.set_xticks([], minor=True)
    return fig


def table(result) -> dict:
    ends = np.apply_along_axis(mean_interval, -1, result["accuracy"])
    return long_table(
        {"digits": ROWS, "inputs": [*COUNTS, PIXELS]},
        accuracy=result["accuracy"].mean(-1),
        low=ends[..., 0],
        high=ends[..., 1],
        **{f"multiply_adds_{name}": np.tile(cost, (len(ROWS), 1)) for name, cost in _costs().items()},
    )


def _points(values: np.ndarray) -> str:
    low, high = mean_interval(values)
    return f"{signed(values.mean())} points [{signed(low)}, {signed(high)}]"


def caption(result) -> str:
    lag, right, costs = _lag(result)[-1], result["accuracy"].mean(-1), _costs()
    cheaper = costs["training"][-1] / costs["training"][ENOUGH]
    return (
        f"**With {COUNTS[ENOUGH]} components in place of {PIXELS} pixels, networks that learn from "
        f"{ROWS[-1]} digits change their accuracy by {_points(lag[ENOUGH])}; with {COUNTS[FEW]}, by "
        f"{_points(lag[FEW])}.**\n\nOn all pixels they reach {percent(right[-1, -1])}, and with {ROWS[0]} "
        f"digits {percent(right[0, -1])}. A training step takes {number(cheaper, 2)} times fewer "
        f"multiply-adds with {COUNTS[ENOUGH]}. Inference saves nothing if the projection is folded into the "
        "first layer: the result is a layer on all pixels. "
        f"Each of {lag.shape[1]} networks {PIXELS}-{HIDDEN}-{CLASSES} with ReLU has MNIST digits and "
        f"principal components of its own; all are tested on the same {TEST:,} digits. Inputs have the same "
        f"mean square. {EPOCHS} epochs of gradient descent at the better of two learning rates; means with "
        "95 % intervals."
    )


def alt(result) -> str:
    costs, right = _costs(), result["accuracy"].mean(-1)
    whole = costs["training"][-1]
    return (
        "Left, test accuracy against the number of components, log: "
        + "; ".join(
            f"from {rows} digits "
            + ", ".join(f"{percent(a)} with {k}" for k, a in zip(COUNTS, row, strict=False))
            + f", {percent(row[-1])} with all pixels"
            for rows, row in zip(ROWS, right, strict=True)
        )
        + ". Right, the multiply-adds by those on pixels, log: from "
        + ", ".join(
            f"{percent(cost[0] / whole)} to {percent(cost[-2] / whole)} in {_said(name)}"
            for name, cost in costs.items()
        )
        + "."
    )


def claims(result) -> Iterator[Claim]:
    lag, costs = _lag(result), _costs()
    training, answering = (cost / costs["training"][-1] for cost in costs.values())
    units = "networks, each with digits to learn from and weights of its own; the test digits are the same"
    yield Claim.of_mean(
        lag[-1, ENOUGH],
        id="pca-ok-for-nets",
        statement="Networks trained on data reduced by PCA do about as well, and are cheaper to train",
        sources=("cs231n-2, data preprocessing",),
        verdict="depends",
        measure=f"test accuracy on {COUNTS[ENOUGH]} components minus that on {PIXELS} pixels of {ROWS[-1]} "
        "MNIST digits, percentage points, paired",
        units=units,
        map=Map.of_means(
            np.moveaxis(lag, 0, 1),
            axes={"components": COUNTS, "digits to learn from": ROWS},
            above=AS_WELL,
            measure=f"accuracy on components minus that on {PIXELS} pixels, points",
            units=units,
        ),
        holds=mean_interval(lag[-1, 0])[1] < -10 and training[ENOUGH] < 0.1,
        finding=f"It depends on the number of components; about as well means within {number(-AS_WELL, 1)} "
        f"points. With {ROWS[-1]} digits {COUNTS[-1]} give {_points(lag[-1, -1])}, and {COUNTS[FEW]} are too "
        f"few, {_points(lag[-1, FEW])}. A pass in training takes {percent(training[ENOUGH])} of the "
        f"multiply-adds with {COUNTS[ENOUGH]}. Inference takes {percent(answering[ENOUGH])} if a new image "
        "is projected first, and no fewer than on pixels if the projection is folded into the first layer.",
    )
