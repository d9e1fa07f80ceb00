"""Which way down a ravine do gradient descent, momentum, RMSprop and Adam take?  Chapter: optimizers."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.intervals import median_interval
from experiments.optimizers._shared.quadratics import walk
from experiments.trials import generator
from experiments.words import number
from unitgain.optimizers import SGD, Adam, RMSprop

CONDITION = 100.0
START = (-9.0, 1.4)
DONE = 1e-2  # of the first loss
STEPS = 200
FRAMES = 120
LOWEST = 1e-3  # of the axis
RATES = np.geomspace(0.01, 2, 47)
ANGLES = (0.0, 45.0)  # degrees between the ravine and the first weight
OPTIMIZERS = {
    "gradient descent": lambda w, rate: SGD(w, lr=rate),
    "momentum 0.9": lambda w, rate: SGD(w, lr=rate, momentum=0.9),
    "RMSprop": lambda w, rate: RMSprop(w, lr=rate, alpha=0.9),
    "Adam": lambda w, rate: Adam(w, lr=rate),
}


def compute(*, networks=50, seed=0, device="cpu"):
    """Each optimizer at the rate that is soonest at DONE in the mean, in a ravine along the axes or askew.

    `steps` (angles, optimizers, starts) to DONE, STEPS + 1 for later; `path` (optimizers, STEPS + 1, 2) from
    START, at an angle of 0; `rate` (angles, optimizers).
    """
    more = torch.randn(networks - 1, 2, generator=generator(seed), dtype=torch.float64)
    start = torch.cat([torch.tensor([START]).double(), more * torch.tensor([6.0, 1.2])]).to(device)
    curvature = torch.tensor([1 / CONDITION, 1.0], dtype=torch.float64, device=device)
    angle = torch.tensor(ANGLES, dtype=torch.float64, device=device).deg2rad()
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], -1).view(-1, 1, 2, 2)
    hessian = turn * curvature @ turn.mT
    first = (start @ turn.mT).expand(-1, len(RATES), -1, -1)
    rates = torch.tensor(RATES, device=device)[:, None, None]
    steps, best, paths = [], [], []
    for make in OPTIMIZERS.values():
        places = walk(lambda w, make=make: make(w, rates), lambda w: w @ hessian, first, STEPS)
        path = torch.stack([w.clone() for w in places])  # (steps + 1, angles, rates, starts, 2)
        loss = (path @ hessian * path).sum(-1) / 2
        above = (loss > DONE * loss[0]) | ~loss.isfinite()
        last = torch.arange(1, len(above) + 1, device=device)[:, None, None, None]
        count = (above * last).amax(0)  # and below from then on
        usual = (count + 1e-3 * loss[-1].log().nan_to_num(posinf=99, neginf=-99)).mean(-1)
        at, k = range(len(ANGLES)), usual.argmin(-1)
        steps.append(count[at, k])
        best.append(rates[k, 0, 0])
        paths.append(path[:, 0, k[0], 0])
    return {"steps": torch.stack(steps, 1), "rate": torch.stack(best, 1), "path": torch.stack(paths)}


def _loss(path: np.ndarray) -> np.ndarray:
    """Loss by the first one's."""
    loss = path[..., 0] ** 2 / CONDITION + path[..., 1] ** 2
    return loss / loss[..., :1]


def animate(result) -> Iterator[Figure]:
    fig, axes = style.figure(
        7.6, 5.4, nrows=4, ncols=2, tall=6.6, sharex="col", sharey="col", width_ratios=(2, 1)
    )
    ink, last = style.ink(), min(FRAMES, result["path"].shape[1] - 1)
    colours = [style.palette()["raw"], *[style.palette()["standardized"]] * 3]
    x, y = np.meshgrid(np.linspace(-10.2, 2, 120), np.linspace(-1.9, 1.9, 60))
    levels = 1.4 * np.array([0.02, 0.1, 0.25, 0.5, 0.9])
    rows = []
    for (left, right), name, rate, colour in zip(axes, OPTIMIZERS, result["rate"][0], colours, strict=True):
        left.contour(x, y, x**2 / CONDITION + y**2, levels, colors=style.GRID, linewidths=0.7, alpha=0.7)
        left.plot(0, 0, "x", color=ink, ms=7, mew=1.5)
        left.plot(*START, "o", mfc="none", mec=ink, ms=7)
        left.set_title(f"{name}, rate {number(rate, 2)}", color=colour)
        left.set(ylim=(-1.9, 1.9), yticks=(-1, 0, 1))
        right.axhline(DONE, color=style.GRID, lw=0.8)
        artists = []
        for ax in (left, right):
            artists += ax.plot([], [], color=colour, lw=1.4, animated=True)
            artists += ax.plot([], [], "o", color=colour, ms=6, animated=True)
        corner = {"transform": left.transAxes, "ha": "right", "va": "bottom"}
        rows.append((*artists, left.text(0.985, 0.04, "", color=colour, animated=True, **corner)))
    axes[-1, 0].set(xlim=(-10.2, 2), xticks=(-10, -5, 0), xlabel="first weight: the flat direction")
    axes[1, 0].set_ylabel("second weight: the steep one", y=-0.1)
    axes[0, 1].set_title("loss (log)", pad=18)
    axes[-1, 1].set(
        xlim=(0, 1.06 * last),
        ylim=(LOWEST, 1.5),
        yscale="log",
        yticks=(1e-3, 1e-2, 1e-1, 1),
        xticks=(0, 50, 100),
    )
    axes[-1, 1].set(xlabel="step", yticklabels=("0.001", "0.01", "0.1", "1"))
    axes[-1, 1].minorticks_off()
    update = style.progress(axes[0, 1], last + 1)
    losses = np.maximum(_loss(result["path"]), LOWEST)
    for step in range(last + 1):
        for (line, dot, curve, end, note), path, loss, done in zip(
            rows, result["path"], losses, result["steps"][0, :, 0], strict=True
        ):
            line.set_data(*path[: step + 1].T)
            dot.set_data(*path[step : step + 1].T)
            curve.set_data(np.arange(step + 1), loss[: step + 1])
            end.set_data([step], loss[step : step + 1])
            note.set_text(f"loss 0.01 after {done} steps" if step >= done else "")
        update(step)
        yield fig


def table(result) -> dict:
    columns = {"step": np.arange(result["path"].shape[1])}
    for name, path in zip(OPTIMIZERS, result["path"], strict=True):
        key = name.replace(" ", "_")
        columns |= {f"{key}_w1": path[:, 0], f"{key}_w2": path[:, 1], f"{key}_loss": _loss(path)}
    return columns


def _usual(steps: np.ndarray) -> str:
    if np.median(steps) >= STEPS:
        return f"more than {STEPS}"
    return f"{np.median(steps):.0f} [{', '.join(f'{bound:.0f}' for bound in median_interval(steps))}]"


def caption(result) -> str:
    along, askew = result["steps"]
    plain, momentum, rms, adam = along[:, 0]
    return (
        "**Same start, same ravine, each optimizer at its best learning rate: to a hundredth of the first "
        f"loss, gradient descent takes {plain} steps, momentum {momentum}, RMSprop {rms} and Adam {adam}."
        f"**\n\nThe ravine is {CONDITION:.0f} times as steep across as along. The picture shows one start; "
        f"each rate is the best in the mean over {along.shape[1]} starts. The medians over these starts, in "
        f"the same order: {', '.join(map(_usual, along))}, with 95 % intervals. RMSprop and Adam measure "
        f"each weight on its own: in a ravine at 45° to the weights they take {_usual(askew[2])} and "
        f"{_usual(askew[3])} steps. For the other two the angle makes no difference."
    )


def alt(result) -> str:
    steps = result["steps"][0, :, 0]
    return (
        "Animation of four paths down a long ravine, and their losses. Gradient descent goes back and forth "
        "across it and then creeps, momentum swings wide but runs, RMSprop turns along the floor and creeps, "
        "Adam takes a wide bend. Steps to a hundredth of the loss: "
        + ", ".join(f"{name} {n}" for name, n in zip(OPTIMIZERS, steps, strict=True))
        + "."
    )
