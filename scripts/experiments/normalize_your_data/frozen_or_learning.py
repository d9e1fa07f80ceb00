"""What does standardizing change for a network whose data lies around [10, 10]?

Chapter: normalize-your-data.
"""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.normalize_your_data._shared.circles import (
    GRID,
    POINTS,
    STEPS,
    dots,
    film_table,
    films,
    frame_of,
    hidden,
    output,
    panels,
    relu,
    shown,
)
from experiments.trials import generator, standardized
from experiments.words import percent
from unitgain.datasets import circles
from unitgain.plots import boundary, grid

CENTER, WIDTH = 10.0, 8
FPS = 12
KINDS = ("raw", "standardized")


def compute(*, networks=61, frames=60, seed=0, device="cpu"):
    """The same networks 2-8-1 on raw and on standardized data.

    The keys of `films` behind "raw_" and "standardized_".
    """
    raw, y = circles(POINTS, center=CENTER, generator=generator(seed, "data"), device=device)
    kinds = torch.stack([raw, standardized(raw, raw)])
    made = films(kinds, y, "relu", WIDTH, networks=networks, frames=frames, seed=seed)
    return {
        f"{kind}_{key}": value for kind, one in zip(KINDS, made, strict=True) for key, value in one.items()
    }


def _film(result, kind: str) -> dict:
    start = f"{kind}_"
    return {key.removeprefix(start): value for key, value in result.items() if key.startswith(start)}


def animate(result) -> Iterator[Figure]:
    colours, ink = style.palette(), style.ink()
    fig, axes = panels(7.0, 4.2)
    halves = []
    for ax, kind, title in zip(axes, KINDS, ("Raw: at [10, 10]", "Standardized"), strict=True):
        one = _film(result, kind)
        low, high = frame_of(one["x"], square=True)
        drawing = boundary(ax, None, low, high, palette=colours, line=ink, animated=True)
        dots(ax, one["x"], one["y"])
        ax.set(xlabel="$x_0$", ylabel="$x_1$")
        ax.set_title(title, color=colours[kind], fontsize=11.5, pad=22)
        score = ax.text(0, 1.015, "", transform=ax.transAxes, va="bottom", fontsize=11.5, animated=True)
        halves.append((one, drawing, grid(low, high, GRID).astype(np.float64), score))
    frames = len(result["raw_step"])
    tick = style.progress(axes[0], frames)
    for k in shown(frames):
        for one, drawing, points, score in halves:
            drawing.update(output(one, hidden(one, points, k, relu), k))
            score.set_text(f"{percent(one['accuracy'][k])} right")
        tick(k, int(result["raw_step"][k]))
        yield fig


def table(result) -> dict:
    tables = {kind: film_table(_film(result, kind)) for kind in KINDS}
    steps = [one.pop("step") for one in tables.values()]
    return {"step": steps[0]} | {f"{kind}_{key}": v for kind, one in tables.items() for key, v in one.items()}


def caption(result) -> str:
    raw, standardized = result["raw_final_accuracy"], result["standardized_final_accuracy"]
    return (
        f"**The same {len(raw)} networks, the same initial weights, the same optimizer: a median accuracy of "
        f"{percent(np.median(raw))} on the data as it came, {percent(np.median(standardized))} once it is "
        f"standardized.**\n\n"
        f"ReLU networks 2-{WIDTH}-1, {STEPS} steps of Adam; shown is the median network of "
        "each half."
    )


def alt(result) -> str:
    return (
        "Animation, two panels of a decision boundary during training: left, on data around [10, 10], the "
        f"accuracy ends at {result['raw_accuracy'][-1]:.2f}; right, on the same data standardized, at "
        f"{result['standardized_accuracy'][-1]:.2f}."
    )
