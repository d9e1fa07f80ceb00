"""Does a ReLU network of 22 or 30 layers start to learn from Glorot's weights, and from He's?

Chapter: initialization.
"""

import math
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from experiments import style
from experiments.initialization._shared.networks import BATCH, CLASSES, Depths, each, standardized_digits
from experiments.trials import descend, generators
from experiments.words import long_table, number
from unitgain.initializers import glorot_normal_, he_normal_
from unitgain.optimizers import SGD

RULES = {"He": he_normal_, "Glorot": glorot_normal_}
DEPTHS = (22, 30)  # layers with weights
WIDTH = 40
RATE, MOMENTUM = 0.008, 0.9
STEPS = 500
SMOOTH = 20  # steps that the running mean takes in
STARTED = 2.0  # a loss that is clearly below guessing's, 2.30


def compute(*, networks=4, seed=0, device="cpu"):
    """`loss` before every step: (depths, rules, networks, steps), at most 10 where a network diverges.

    Both rules scale the same numbers.
    """
    model = Depths(
        [depth - 1 for depth in DEPTHS],
        WIDTH,
        "relu",
        (len(RULES), networks),
        weight=each(*RULES.values()),
        generator=generators(seed, 1, times=len(RULES)),
    )
    loss = descend(
        model.to(device),
        standardized_digits(device),
        RATE,
        seed=seed,
        steps=STEPS,
        batch=BATCH,
        optimizer=partial(SGD, momentum=MOMENTUM),
    )
    return {"loss": loss.permute(1, 2, 3, 0).nan_to_num(nan=10).clamp(max=10)}


def _smooth(loss: np.ndarray) -> np.ndarray:
    """Running means over the steps."""
    return np.lib.stride_tricks.sliding_window_view(loss, SMOOTH, axis=-1).mean(-1)


def _started(result) -> np.ndarray:
    """Steps until the running mean falls below STARTED, 0 for never: (depths, rules, networks)."""
    below = _smooth(result["loss"]) < STARTED
    return np.where(below.any(-1), below.argmax(-1) + SMOOTH, 0)


def draw(result) -> Figure:
    fig, axes = style.figure(7.6, 3.5, ncols=len(DEPTHS), sharey=True, tall=6.0)
    colours, smooth, end = style.palette(), _smooth(result["loss"])[..., ::4], result["loss"].shape[-1]
    steps = 4 * np.arange(smooth.shape[-1]) + SMOOTH / 2
    for ax, depth, (he, glorot), started in zip(axes, DEPTHS, smooth, _started(result), strict=True):
        ax.plot(steps, he.T, color=colours["standardized"], lw=1.3)
        ax.plot(steps, glorot.T, color=colours["raw"], lw=1.3, ls=(0, (4, 2)))
        text = [f"{rule}'s weights: {_count(row)} start" for rule, row in zip(RULES, started, strict=True)]
        ax.text(6, 0.12, text[0], color=colours["standardized"])
        ax.text(end, 2.42, text[1], color=colours["raw"], ha="right")
        ax.set(title=f"{depth} layers", xlabel="step", xlim=(0, end), ylim=(0, 2.7), yticks=(0, 1, 2))
    axes[0].set_ylabel("loss")
    return fig


def table(result) -> dict:
    loss = result["loss"][..., ::10]
    axes = {"layers": DEPTHS, "weights": list(RULES), "replica": range(loss.shape[2])}
    return long_table({**axes, "step": range(0, result["loss"].shape[3], 10)}, loss=loss)


def _count(started: np.ndarray) -> str:
    return f"{(started > 0).sum()} of {started.size}"


def _when(started: np.ndarray) -> str:
    """How many steps those that start take to it, in the mean."""
    steps = started[started > 0]
    return f"after {steps.mean():.0f} steps in the mean" if steps.size else "never"


def caption(result) -> str:
    started = _started(result)
    (he_22, glorot_22), (he_30, glorot_30) = started
    return (
        f"**With {DEPTHS[1]} layers, {_count(he_30)} networks start to learn from He's weights and "
        f"{_count(glorot_30)} from Glorot's.**\n\nWith {DEPTHS[0]} layers {_count(he_22)} start from He's, "
        f"{_when(he_22)}, and {_count(glorot_22)} from Glorot's, {_when(glorot_22)}. Started: a loss below "
        f"{number(STARTED, 2)}, where guessing has {number(math.log(CLASSES))}; all runs are drawn, as "
        f"running means of {SMOOTH} steps. With "
        "Glorot's weights every ReLU halves the square of the signal, which leaves "
        f"{number(2.0 ** (1 - DEPTHS[1]), 1)} of it behind {DEPTHS[1] - 1}. He and others (2015) trained "
        f"convolutional networks on ImageNet; these are fully connected, {WIDTH} units a layer, on the "
        f"digits: {result['loss'].shape[-1]} steps in batches of {BATCH}, learning rate {RATE:g}, momentum "
        f"{MOMENTUM:g}."
    )


def alt(result) -> str:
    last = _smooth(result["loss"])[..., -1].mean(-1)
    rows = (
        f"{depth} layers: {', '.join(f'{rule} {number(v)}' for rule, v in zip(RULES, values, strict=True))}"
        for depth, values in zip(DEPTHS, last, strict=True)
    )
    return (
        f"Loss curves in two panels, {DEPTHS[0]} and {DEPTHS[1]} layers. He's networks fall at once; "
        "Glorot's leave the line of guessing late or never. Mean loss at the end, "
        f"{'; '.join(rows)}."
    )
