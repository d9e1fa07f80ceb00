"""Are tanh and sigmoid the same function up to scales, and do they then learn alike?

Chapter: activations.
"""

from collections.abc import Iterator
from math import prod

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim
from experiments.intervals import ratio
from experiments.trials import descend, generator, generators, standardized
from experiments.words import between, long_table, number, percent
from unitgain.datasets import Examples, digits
from unitgain.models import MLP

SIZES = (64, 32, 32, 10)
ARMS = ("tanh", "the same function in sigmoids", "sigmoid, its own start")
RATES = ((1.5, 3.0, 6.0), (4.0, 8.0, 16.0), (3.0, 6.0, 12.0))
EXAMPLES = 400
EPOCHS = 80
GOAL = 0.1  # training loss, which starts at about ln 10
ROUNDING = 4 * np.finfo(np.float64).eps


def compute(*, networks=8, points=100_000, seed=0, device="cpu"):
    """Differences of tanh(x) and 2σ(2x) − 1 (points,), of the `logits` of networks rewritten so (networks,).

    And how both learn: `loss` (arms, rates, epochs, networks) of full batches.
    """
    x = 20 * (2 * torch.rand(points, generator=generator(seed, "data"), dtype=torch.float64) - 1)
    x = x.to(device)
    difference = (torch.tanh(x) - (2 * torch.sigmoid(2 * x) - 1)).abs()

    pixels, labels = digits(device=device)
    keep = torch.randperm(len(labels), generator=generator(seed, "split"))[:EXAMPLES].to(device)
    examples = Examples(standardized(pixels, pixels)[keep], labels[keep])
    exact = network("tanh", (networks,), seed, device, torch.float64)
    with torch.no_grad():
        ours, theirs = (one(examples.x.double()) for one in (exact, in_sigmoids(exact)))
    losses = []
    for arm, rates in zip(ARMS, RATES, strict=True):
        model = network("sigmoid" if arm == ARMS[2] else "tanh", (len(rates), networks), seed, device)
        model = in_sigmoids(model) if arm == ARMS[1] else model
        history = descend(model, examples, torch.tensor(rates)[:, None], seed=seed, epochs=EPOCHS)
        losses.append(history.movedim(0, 1))
    return {
        "difference": difference,
        "logits": (ours - theirs).abs().amax((-2, -1)),
        "loss": torch.stack(losses).nan_to_num(1e3).clamp(max=1e3),
    }


def network(activation: str, replicas: tuple[int, ...], seed: int, device, dtype=torch.float32) -> MLP:
    """Networks (…, networks), which differ in the last dimension only."""
    *times, networks = replicas
    draws = generators(seed, networks, times=prod(times))
    return MLP(SIZES, activation, replicas=replicas, generator=draws, dtype=dtype, device=device)


@torch.no_grad()
def in_sigmoids(model: MLP) -> MLP:
    """The same functions of x, written with sigmoids: tanh(z) = 2σ(2z) − 1 in every hidden layer."""
    first = model.layers[0].weight
    placed = {"dtype": first.dtype, "device": first.device}
    other = MLP(SIZES, "sigmoid", replicas=model.replicas, weight="zeros", **placed)
    for i, (layer, new) in enumerate(zip(model.layers, other.layers, strict=True)):
        inside = 2 if i < len(SIZES) - 2 else 1  # σ(2z); the output layer has none
        before = 2 if i > 0 else 1  # h = 2s − 1
        shift = layer.weight.sum(-1, keepdim=True) if i > 0 else 0
        new.weight.copy_(inside * before * layer.weight)
        new.bias.copy_(inside * (layer.bias - shift))
    return other


def _taken(result) -> np.ndarray:
    """Steps to GOAL (arms, rates, networks); one more than there were where it was not reached."""
    below = result["loss"] < GOAL
    return np.where(below.any(2), below.argmax(2), below.shape[2])


def _of_best(result) -> np.ndarray:
    """Steps at the rate that every fourth network likes best, of the others (arms, networks)."""
    steps = _taken(result).clip(min=1)
    return np.stack([rows[best] for rows, best in zip(steps, _best(result), strict=True)])[
        :, _measured(steps)
    ]


def _best(result) -> np.ndarray:
    """Which of an arm's rates every fourth network needs the fewest steps with, (arms,)."""
    return np.log(_taken(result)[..., ::4].clip(min=1)).mean(-1).argmin(1)


def _measured(steps) -> np.ndarray:
    """The networks that had no part in choosing a rate."""
    return np.arange(steps.shape[-1]) % 4 > 0


def _slower(result, arm: int) -> tuple[float, tuple[float, float]]:
    """How many times the steps of tanh: the geometric mean over networks, and its interval."""
    steps = _of_best(result)
    return ratio(steps[arm], steps[0])


def draw(result) -> Figure:
    fig, ax = style.figure(7.0, 3.9, tall=4.0)
    colours = style.palette()
    keys = ("standardized", "raw", "raw")
    for loss, best, key, dash in zip(result["loss"], _best(result), keys, ("-", "-.", "--"), strict=True):
        for row in loss[best].T:
            ax.plot(row, color=colours[key], lw=1, ls=dash, alpha=0.8)
    ax.axhline(GOAL, color=style.GRID, lw=0.8)
    for x, y, key, text in (
        (14, 8, keys[0], "solid: tanh"),
        (14, 5, keys[1], "dash-dotted: the same in sigmoids"),
        (14, 3.1, keys[2], "dashed: sigmoid, own initial weights"),
    ):
        ax.text(x, y, text, color=colours[key])
    ax.text(0.5, 0.9 * GOAL, "goal", va="top")
    ax.set(
        yscale="log",
        xlim=(0, 60),
        ylim=(0.01, 12),
        yticks=(0.01, 0.1, 1, 10),
        yticklabels=("0.01", "0.1", "1", "10"),
        xlabel="step",
        ylabel="training loss (log)",
    )
    ax.minorticks_off()
    return fig


def table(result) -> dict:
    steps = _taken(result)
    axes = {"arm": ARMS, "rate": range(len(RATES[0])), "network": range(steps.shape[-1])}
    rates = np.array(RATES)[:, :, None]  # an arm's own
    return long_table(axes, rate=np.broadcast_to(rates, steps.shape), steps=steps)


def caption(result) -> str:
    (same, low_high), (own, of_own) = _slower(result, 1), _slower(result, 2)
    return (
        f"**Rewritten in sigmoids, the very same network needs {number(same, 2)} times the steps of tanh, "
        f"and from the sigmoid's own initial weights {number(own, 2)} times.**\n\nSteps until the "
        f"training loss falls below {GOAL:g}, each at the best of {len(RATES[0])} learning rates, by "
        f"{_of_best(result).shape[-1]} networks that had no part in choosing it; "
        f"{percent(0.95)} intervals {between(low_high, 2)} and {between(of_own, 2)}. Lines: all "
        f"{result['loss'].shape[-1]} networks of each kind, {'-'.join(map(str, SIZES))}, on {EXAMPLES} "
        "digits in full batches."
    )


def alt(result) -> str:
    median = np.median(_of_best(result), axis=-1)
    return (
        "Training loss against steps, log scale, for three ways to set up a network, each at its best "
        "learning rate. The loss falls below 0.1 after a median of "
        + ", ".join(f"{m:.0f} steps ({arm})" for m, arm in zip(median, ARMS, strict=True))
        + "."
    )


def claims(result) -> Iterator[Claim]:
    slower, interval = _slower(result, 1)
    yield Claim.of_identity(
        result["difference"],
        within=ROUNDING,
        id="tanh-is-sigmoid",
        statement="The tanh neuron is a scaled sigmoid neuron: tanh(x) = 2σ(2x) − 1",
        sources=("cs231n-1, activation functions",),
        verdict="confirmed",
        measure="largest difference of both sides in float64",
        units="random x on [−20, 20]",
        holds=result["logits"].max() < 1e-12 and interval[0] > 1,
        finding=(
            f"The outputs of whole networks rewritten so differ by {number(result['logits'].max(), 2)} at "
            "most: rounding. But the same function is not the same to train: on the digits and at its best "
            f"learning rate, the network in sigmoids needs {number(slower, 2)} times as many steps "
            f"{between(interval, 2)}."
        ),
    )
