"""Before or after the activation: does it matter where batch normalization stands?

Chapter: batch-normalization.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn

from experiments import style
from experiments.evidence import Claim, between, mean_interval, number, percent
from experiments.replicas import generators
from unitgain.datasets import Examples, circles, classification_table, digits, spirals, wild_scales
from unitgain.diagnostics import activity
from unitgain.layers import BatchNorm
from unitgain.models import MLP
from unitgain.optimizers import Adam
from unitgain.training import accuracy, train

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


def _images(generator: torch.Generator) -> Examples:
    x, y = digits()
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
CENTRED, SHIFTED = 0, 1


def _network(arm: str, sizes, networks: int, seed: int, device) -> nn.Module:
    inside = arm if arm in ("before", "after") else None
    model = MLP(
        sizes,
        normalization="batch" if inside else None,
        position=inside or "before",
        replicas=networks,
        generator=generators(seed + 1, networks),
        device=device,
    )
    if arm != "on the input":
        return model
    return nn.Sequential(BatchNorm(sizes[0], replicas=networks, affine=False, device=device), model)


def compute(*, networks=10, seed=0, device="cpu"):
    """`accuracy` on fresh examples, in evaluation mode: (tasks, arms, networks), each with data of its own.

    `extreme` is the share of first-layer ReLUs, before training, that are on for more than 99 % or less than
    1 % of the training examples.
    """
    found = {"accuracy": [], "extreme": []}
    for task in TASKS.values():
        sets = [task.examples(draw) for draw in generators(seed, networks)]
        x, y = (torch.stack(tensors).to(device) for tensors in zip(*sets, strict=True))
        n = x.shape[1] // 2
        for arm in ARMS:
            model = _network(arm, task.sizes, networks, seed, device)
            share = activity(model, x[:, :n])[0].share
            train(
                model,
                x[:, :n],
                y[:, :n],
                loss=task.loss,
                optimizer=Adam(model.parameters(), lr=RATE),
                epochs=STEPS if task.whole else EPOCHS,
                batch_size=None if task.whole else BATCH,
                generator=torch.Generator().manual_seed(seed),
            )
            with torch.no_grad():
                found["accuracy"].append(accuracy(model.eval()(x[:, n:]), y[:, n:]))
            found["extreme"].append(((share < 0.01) | (share > 0.99)).float().mean(-1))
    return {key: torch.stack(rows).unflatten(0, (len(TASKS), len(ARMS))) for key, rows in found.items()}


def draw(result) -> Figure:
    fig, axes = style.figure(8.4, 2.9, ncols=len(TASKS), sharey=True, sharex=True)
    colours = [style.palette()[key] for key in ("raw", *["standardized"] * 3)]
    jitter = np.random.default_rng(0)
    for ax, title, rows in zip(axes, TASKS, 100 * result["accuracy"], strict=True):
        for i, (row, colour) in enumerate(zip(rows, colours, strict=True)):
            y = -i + 0.13 + jitter.uniform(0, 0.2, len(row))
            ax.plot(row, y, "o", ms=3, mew=0, alpha=0.5, color=colour)
            ax.plot(mean_interval(row), [-i - 0.08] * 2, color=colour, lw=2)
            ax.plot(row.mean(), -i - 0.08, "o", ms=6, color=colour)
            ax.text(row.mean(), -i - 0.2, f"{row.mean():.0f}", ha="center", va="top", fontsize=9.5)
        ax.set_title(title, fontsize=10)
        ax.set(xlim=(44, 104), xticks=(50, 75, 100), ylim=(-3.6, 0.5))
    axes[0].set_yticks(range(0, -4, -1), ["no batch norm", "on the input", "before ReLU", "after ReLU"])
    axes[0].tick_params(axis="y", length=0)
    fig.supxlabel("accuracy on fresh examples (%)", fontsize=10)
    return fig


def _names() -> list[str]:
    return [" ".join(title.split()) for title in TASKS]


def table(result) -> dict:
    task, arm, network = np.meshgrid(_names(), ARMS, range(result["accuracy"].shape[-1]), indexing="ij")
    columns = {"task": task.ravel(), "batch_normalization": arm.ravel(), "network": network.ravel()}
    return columns | {key: result[key].ravel() for key in ("accuracy", "extreme")}


def _gap(result) -> np.ndarray:
    """Accuracy before minus after the activation: (tasks, networks)."""
    return result["accuracy"][:, BEFORE] - result["accuracy"][:, AFTER]


def _elsewhere(result) -> list[int]:
    return [task for task in range(len(TASKS)) if task != SHIFTED]


def caption(result) -> str:
    right, extreme = result["accuracy"][SHIFTED].mean(-1), result["extreme"][SHIFTED].mean(-1)
    gaps = _gap(result).mean(-1)[_elsewhere(result)]
    wild = result["accuracy"][-1, list(ARMS).index("on the input")].mean()
    return (
        f"**On circles at [10, 10] batch normalization before the ReLU reaches {percent(right[BEFORE])}, "
        f"after it {percent(right[AFTER])}; on the other four tasks the two are at most "
        f"{100 * np.abs(gaps).max():.1f} points apart.** The ReLUs come first, and at [10, 10] "
        f"{percent(extreme[AFTER])} of the first layer's are on for all of the points or for none: what they "
        "cut off, no later normalization brings back. Normalized before, "
        f"{percent(extreme[BEFORE])} are. The table in wild units does best with it on the input, "
        f"{percent(wild)}. Adam, rate {RATE:g}; small dots: {result['accuracy'].shape[-1]} "
        f"networks with data of their own; large: means with {percent(0.95)} intervals."
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
    gaps = _gap(result)
    gap, interval = gaps[SHIFTED], mean_interval(gaps[SHIFTED])
    others = [mean_interval(gaps[task]) for task in _elsewhere(result)]
    listed = ", ".join(
        f"{name} {number(100 * gaps[task].mean(), 2)} {between(mean_interval(100 * gaps[task]), 2)}"
        for task, name in enumerate(_names())
        if task != SHIFTED
    )
    yield Claim(
        id="bn-before-after",
        statement="Batch normalization works before the activation, and also works well after it",
        sources=("Ekman, Learning Deep Learning, chapter 5",),
        verdict="depends",
        measure="accuracy on circles at [10, 10] with batch normalization before the ReLU minus after it",
        estimate=float(gap.mean(dtype=np.float64)),
        interval=interval,
        n=len(gap),
        holds=interval[0] > 0.05
        and others[CENTRED][0] < 0.01
        and max(np.abs(gaps[task].mean()) for task in _elsewhere(result)) < 0.06,
        finding="Far from 0, after the ReLU is too late: "
        f"{percent(result['accuracy'][SHIFTED, BEFORE].mean())} before it, "
        f"{percent(result['accuracy'][SHIFTED, AFTER].mean())} after it. Elsewhere before minus after is, in "
        f"points: {listed}.",
    )
