"""An output that is confidently wrong: how long does each loss take to change its mind?  Chapter: losses."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments import style
from experiments.trials import generator
from experiments.words import number
from unitgain.activations import derivative
from unitgain.optimizers import sgd_rule

RATE = 0.15  # of both losses, as in Nielsen's chapter
STARTS = ((0.6, 0.9), (2.0, 2.0))  # his two starts: weight and bias
STEPS, EVERY = 300, 3
JITTER = 0.01  # of the starts, so that a seed is more than a name


def train(w: Tensor, b: Tensor, loss: str, steps: int) -> Tensor:
    """Outputs (steps + 1, …) of a sigmoid neuron that is given 1 and should answer 0."""
    outputs = []
    for _ in range(steps + 1):
        z = w * 1.0 + b
        a = z.sigmoid()
        outputs.append(a)
        delta = a * derivative("sigmoid")(z) if loss == "squared_error" else a
        sgd_rule(w, delta, lr=RATE)
        sgd_rule(b, delta, lr=RATE)
    return torch.stack(outputs)


def compute(*, seed=0, device="cpu"):
    """Outputs `squared_error` and `cross_entropy`, (steps + 1, starts)."""
    start = torch.tensor(STARTS, dtype=torch.float64).T
    start = start + JITTER * torch.randn(start.shape, generator=generator(seed), dtype=torch.float64)
    losses = ("squared_error", "cross_entropy")
    return {loss: train(*start.clone().to(device), loss, STEPS) for loss in losses}


def animate(result) -> Iterator[Figure]:
    fig, axes = style.figure(7.0, 3.6, ncols=2, width_ratios=(2, 3))
    colours = style.palette()
    z = np.linspace(-5, 5, 201)
    curve, paths = axes
    curve.plot(z, 1 / (1 + np.exp(-z)), color=style.ink(), lw=1)
    curve.set(xlabel="logit z", ylabel="output a", title="The neuron", ylim=(-0.03, 1.03), xlim=(-5, 5))
    steps = len(result["cross_entropy"]) - 1
    paths.set(xlim=(0, steps), ylim=(-0.03, 1.03), xlabel="steps", title="The right answer is 0")
    parts = []
    for loss, key, name, x, y in (
        ("squared_error", "raw", "squared error", 0.2, 0.84),
        ("cross_entropy", "standardized", "cross-entropy", 0.24, 0.13),
    ):
        a = result[loss][:, 1]
        style_of = {"color": colours[key], "animated": True}
        (dot,) = curve.plot([], [], "o" if key == "standardized" else "^", ms=9, **style_of)
        (line,) = paths.plot([], [], ls="-" if key == "standardized" else "--", **style_of)
        paths.text(x, y, name, color=colours[key], transform=paths.transAxes, va="center")
        parts.append((a, np.log(a / (1 - a)), dot, line))
    update = style.progress(paths, len(range(0, steps + 1, EVERY)))
    for frame, step in enumerate(range(0, steps + 1, EVERY)):
        for a, place, dot, line in parts:
            dot.set_data(place[[step]], a[[step]])
            line.set_data(np.arange(step + 1), a[: step + 1])
        update(frame, step)
        yield fig


def table(result) -> dict:
    columns = {"step": np.arange(len(result["cross_entropy"]))}
    for loss in ("squared_error", "cross_entropy"):
        columns |= {f"{loss}_start_{k + 1}": result[loss][:, k] for k in range(len(STARTS))}
    return columns


def caption(result) -> str:
    first, last = result["squared_error"][[0, -1]], result["cross_entropy"][-1]
    return (
        f"**From an output of {first[0][1]:.2f} where 0 is right, {STEPS} steps on the squared error lead to "
        f"{first[1][1]:.2f}, on the cross-entropy to {last[1]:.2f}.**\n\nFrom {first[0][0]:.2f} (not shown) "
        f"they lead to {first[1][0]:.2f} and {last[0]:.2f}. One sigmoid neuron, input 1, learning rate "
        f"{number(RATE, 2)} for both losses."
    )


def alt(result) -> str:
    return (
        "Animation: two marks slide down a sigmoid from its flat upper end. The one on the cross-entropy "
        "starts at once and reaches the bottom; the one on the squared error hardly moves for most of the "
        f"{STEPS} steps and ends at {result['squared_error'][-1, 1]:.2f}."
    )
