"""Before or after the activation: does it matter where batch normalization stands?

Chapter: batch-normalization.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn

from experiments import style
from experiments.batch_normalization._shared.training import Each, side_by_side
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval
from experiments.trials import descend, generators, score, stacked
from experiments.words import between, long_table, number, percent
from unitgain.datasets import Examples, circles, classification_table, digits, spirals, wild_scales
from unitgain.diagnostics import activity
from unitgain.optimizers import Adam

ARMS = ("none", "on the input", "before", "after")
BEFORE, AFTER = 2, 3
RATE = 0.02
STEPS = 300  # on all points of the circles
EPOCHS, BATCH = 30, 25  # of the other tasks
POINTS, EXAMPLES = 200, 400  # half of them to train on


class Task(NamedTuple):
    examples: Callable[[torch.Generator], Examples]
    sizes: tuple[int, ...]
    loss: str = "binary_cross_entropy"
    whole: bool = False  # every step on all points


read = cache(digits)


def _images(generator: torch.Generator) -> Examples:
    x, y = read()
    rows = torch.randperm(len(x), generator=generator)[:EXAMPLES]
    return Examples(x[rows], y[rows])


def _table(generator: torch.Generator) -> Examples:
    number = int(torch.randint(1_000_000, (), generator=generator))
    x, y = classification_table(EXAMPLES, seed=number)
    return Examples(wild_scales(x, generator=generator), y)


TASKS = {
    "circles\nat [0, 0]": Task(lambda draw: circles(POINTS, generator=draw), (2, 32, 1), whole=True),
    "circles\nat [10, 10]": Task(
        lambda draw: circles(POINTS, center=10.0, generator=draw), (2, 32, 1), whole=True
    ),
    "spirals\n": Task(lambda draw: spirals(EXAMPLES, generator=draw), (2, 32, 32, 1)),
    "digits,\nraw pixels": Task(_images, (64, 32, 32, 10), "cross_entropy"),
    "table in\nwild units": Task(_table, (20, 32, 32, 1)),
}
SHIFTED = 1
OFFSETS = (0.0, 2.0, 5.0, 10.0, 22.0)  # the map: how far off is after the activation too late?
ACTIVATIONS = {"ReLU": "relu", "tanh": "tanh", "sigmoid": "sigmoid"}
WORSE = 0.05  # of accuracy


def _networks(sizes, replicas: tuple[int, ...], seed: int, device, arms=ARMS, activation="relu") -> nn.Module:
    """Networks (arms, *replicas), which take inputs (arms, *replicas, n, features)."""

    def where(arm: str, units: int, **options) -> Each:
        kinds = ["batch" if one == arm else None for one in arms]
        return Each(kinds, units, replicas, device=device, **options)

    none, options = [None] * len(arms), {"replicas": replicas, "seed": seed, "device": device}
    model = side_by_side(none, sizes, activation, weight="glorot_uniform", **options)
    for layer, units in enumerate(sizes[1:-1]):
        model.normalizations[layer] = where("before", units)
        model.activations[layer] = nn.Sequential(model.activations[layer], where("after", units))
    return nn.Sequential(where("on the input", sizes[0], examples_dim=-2, affine=False), model)


def _halves(task: Task, networks: int, seed: int, device) -> tuple[Examples, Examples]:
    """Examples to train on and fresh ones, x (networks, n, features) each."""
    x, y = (tensor.to(device) for tensor in stacked(map(task.examples, generators(seed, networks, "data"))))
    n = x.shape[1] // 2
    return Examples(x[:, :n], y[:, :n]), Examples(x[:, n:], y[:, n:])


def _lost(networks: int, seed: int, device) -> torch.Tensor:
    """Accuracy on fresh circles before the activation minus after it: (offsets, activations, networks)."""
    offsets = torch.tensor(OFFSETS, device=device).view(-1, 1, 1, 1)
    training, fresh = (
        Examples((part.x + offsets).expand(2, *offsets.shape[:1], *part.x.shape), part.y)
        for part in _halves(next(iter(TASKS.values())), networks, seed, device)
    )
    rows = []
    for activation in ACTIVATIONS.values():
        replicas = len(OFFSETS), networks
        model = _networks((2, 32, 1), replicas, seed, device, ARMS[BEFORE:], activation)
        how = {"epochs": STEPS, "optimizer": Adam, "loss": "binary_cross_entropy"}
        descend(model, training, RATE, seed=seed, **how)
        before, after = score(model.eval(), fresh)
        rows.append(before - after)
    return torch.stack(rows, 1)


def compute(*, networks=10, mapped=10, seed=0, device="cpu"):
    """`accuracy` on fresh examples, in evaluation mode: (tasks, arms, networks), each with data of its own.

    `extreme` is the share of first-layer ReLUs, before training, that are on for more than 99 % or less than
    1 % of the training examples. `lost` by normalizing after the activation instead of before it, on circles
    at OFFSETS: (offsets, activations, mapped).
    """
    found = {"accuracy": [], "extreme": []}
    for task in TASKS.values():
        training, fresh = (
            Examples(part.x.expand(len(ARMS), *part.x.shape), part.y)
            for part in _halves(task, networks, seed, device)
        )
        model = _networks(task.sizes, (networks,), seed, device)
        share = activity(model, training.x)[0].share
        how = {"epochs": STEPS} if task.whole else {"epochs": EPOCHS, "batch": BATCH}
        descend(model, training, RATE, seed=seed, optimizer=Adam, loss=task.loss, **how)
        found["accuracy"].append(score(model.eval(), fresh))
        found["extreme"].append(((share < 0.01) | (share > 0.99)).float().mean(-1))
    return {key: torch.stack(rows) for key, rows in found.items()} | {"lost": _lost(mapped, seed, device)}


def draw(result) -> Figure:
    fig, (far, gaps) = style.figure(8.0, 3.6, ncols=2, tall=6.4)
    colours, arms = style.palette(), ["no batch norm", "on the input", "before ReLU", "after ReLU"]
    panels = (
        (far, 100 * result["accuracy"][SHIFTED], ["raw", *["standardized"] * 3], arms),
        (gaps, 100 * _gap(result), ["standardized"] * len(TASKS), _names()),
    )
    for ax, values, keys, names in panels:
        for i, (row, key) in enumerate(zip(values, keys, strict=True)):
            ax.plot(row, [-i + 0.22] * len(row), "o", ms=3.5, mew=0, alpha=0.5, color=colours[key])
            ax.plot(mean_interval(row), [-i] * 2, color=colours[key], lw=2)
            ax.plot(row.mean(), -i, "o", ms=7, color=colours[key])
            if ax is far:
                ax.text(row.mean(), -i - 0.16, f"{row.mean():.0f}", color=colours[key], ha="center", va="top")
        ax.set_yticks(range(0, -len(values), -1), names)
        ax.set_ylim(0.6 - len(values), 0.5)
        ax.tick_params(axis="y", length=0)
    far.set(title="Circles at [10, 10]", xlabel="accuracy on fresh points (%)", xlim=(48, 103))
    gaps.axvline(0, color=style.GRID, lw=0.8, zorder=0)
    gaps.set(title="Before the ReLU minus after it", xlabel="accuracy, in points")
    return fig


def _names() -> list[str]:
    return [" ".join(title.split()) for title in TASKS]


def table(result) -> dict:
    networks = range(result["accuracy"].shape[-1])
    axes = {"task": _names(), "batch_normalization": ARMS, "network": networks}
    return long_table(axes, accuracy=result["accuracy"], extreme=result["extreme"])


def _gap(result) -> np.ndarray:
    """Accuracy before minus after the activation: (tasks, networks)."""
    return result["accuracy"][:, BEFORE] - result["accuracy"][:, AFTER]


def _elsewhere(result) -> dict[str, np.ndarray]:
    """Points before minus after in the other tasks, (networks,) each."""
    gaps = zip(_names(), 100 * _gap(result), strict=True)
    return {name: gap for i, (name, gap) in enumerate(gaps) if i != SHIFTED}


def caption(result) -> str:
    right, extreme = result["accuracy"][SHIFTED].mean(-1), result["extreme"][SHIFTED].mean(-1)
    others = _elsewhere(result).values()
    widest = np.abs([mean_interval(gap) for gap in others]).max()
    wild = result["accuracy"][-1, list(ARMS).index("on the input")].mean()
    return (
        f"**On circles at [10, 10], batch normalization before the ReLU reaches {percent(right[BEFORE])} and "
        f"after it {percent(right[AFTER])}. On the other four tasks the two are at most "
        f"{max(abs(gap.mean()) for gap in others):.1f} points apart, by intervals that reach to "
        f"{widest:.1f}.**\n\nWhere the ReLUs come first, {percent(extreme[AFTER])} of those of the first "
        "layer are on for all points at [10, 10] or for none, and no later normalization brings back what "
        f"they cut off. Normalized before, {percent(extreme[BEFORE])} are. With it on the input the table in "
        f"wild units reaches {percent(wild)}. Adam, learning rate {RATE:g}; small dots: "
        f"{result['accuracy'].shape[-1]} networks with data of their own; large: means with {percent(0.95)} "
        "intervals."
    )


def alt(result) -> str:
    rows = (
        f"{name}: {', '.join(percent(v) for v in values)}"
        for name, values in zip(_names(), result["accuracy"].mean(-1), strict=True)
    )
    return (
        "Accuracies on five tasks, without batch normalization, with it on the input, before and after the "
        f"ReLU, in this order. {'; '.join(rows)}."
    )


def claims(result) -> Iterator[Claim]:
    listed = ", ".join(
        f"{name} {number(gap.mean(), 2)} {between(mean_interval(gap), 2)}"
        for name, gap in _elsewhere(result).items()
    )
    right, lost = result["accuracy"][SHIFTED].mean(-1), 100 * result["lost"].mean(-1)
    at = OFFSETS.index(10.0)
    by_activation = ", ".join(
        f"{name} {number(points, 2)}" for name, points in zip(ACTIVATIONS, lost[at], strict=True)
    )
    yield Claim.of_mean(
        _gap(result)[SHIFTED],
        id="bn-before-after",
        statement="Batch normalization works before the activation, and also works well after it",
        sources=("ekman-2021, chapter 5",),
        verdict="depends",
        measure="accuracy on circles at [10, 10] with batch normalization before the ReLU minus after it",
        units="networks, each with its own data and weights",
        map=Map.of_means(
            result["lost"],
            axes={"offset of both inputs": OFFSETS, "activation": tuple(ACTIVATIONS)},
            below=WORSE,
            measure="accuracy on circles, normalized before the activation minus after it",
            units="networks, each with its own data and weights",
        ),
        finding="After a ReLU is too late once the data lies where the units cannot tell it apart: at "
        f"[10, 10] the accuracy is {percent(right[BEFORE])} before and {percent(right[AFTER])} after it. "
        f"Before minus after at offset {OFFSETS[at]:g}, in points: {by_activation}; a ReLU bends at one "
        "pre-activation, tanh, which the source shows, and the sigmoid over a range of them. In the other "
        f"tasks, with ReLUs: {listed}.",
    )
