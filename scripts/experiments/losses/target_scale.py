"""Does the scale of a regression target matter to the optimizer?  Chapter: losses."""

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.intervals import median_interval
from experiments.trials import descend, generators, standardized
from experiments.words import long_table, number
from unitgain.datasets import Examples, diabetes
from unitgain.models import MLP
from unitgain.optimizers import SGD, Adam
from unitgain.training import squared_error

SCALES = (1e-2, 1e-1, 1.0, 10.0, 100.0)  # standard deviation of the targets
STEPS = 200
WORST = 1e4  # shown at most: it diverged
OPTIMIZERS = {"gradient descent": (SGD, 0.05), "Adam": (Adam, 0.01)}


def compute(*, networks=10, seed=0, device="cpu"):
    """`unexplained` (optimizers, scales, networks): error on the training data by the targets' variance."""
    x, y = diabetes(device=device)
    x = standardized(x, x)
    targets = torch.tensor(SCALES, device=device)[:, None, None] * (y - y.mean()) / y.std(correction=0)
    replicas, errors = (len(SCALES), networks), []
    for optimizer, rate in OPTIMIZERS.values():
        draws = generators(seed, networks, times=len(SCALES))
        model = MLP((10, 32, 1), weight="he_normal", replicas=replicas, generator=draws, device=device)
        descend(
            model,
            Examples(x, targets),
            rate,
            seed=seed,
            epochs=STEPS,
            optimizer=optimizer,
            loss="squared_error",
        )
        error = 2 * squared_error(model(x).detach(), targets) / targets.square().mean(-1)
        errors.append(error.nan_to_num(nan=WORST, posinf=WORST).clamp(max=WORST))
    return {"unexplained": torch.stack(errors)}


def draw(result) -> Figure:
    fig, axes = style.figure(7.0, 3.4, ncols=2, sharey=True)
    colours = style.palette()
    for ax, (name, (_, rate)), rows in zip(axes, OPTIMIZERS.items(), result["unexplained"], strict=True):
        for scale, row in zip(SCALES, rows, strict=True):
            key = "standardized" if scale == 1 else "raw"
            spread = scale * np.geomspace(0.8, 1.25, len(row))
            ax.plot(spread, row, "o" if scale == 1 else "^", ms=3.5, mew=0, alpha=0.6, color=colours[key])
        ax.axhline(1, color=style.ink(), lw=0.8, ls=":")
        ax.set(
            xscale="log",
            yscale="log",
            title=f"{name[0].upper()}{name[1:]}, learning rate {rate:g}",
            ylim=(0.1, 2.5 * WORST),
        )
        ax.set(xlabel="standard deviation of the target (log)")
        ax.minorticks_off()
    axes[1].text(140, 1.15, "no better than the mean", va="bottom", ha="right")
    axes[0].text(50, WORST, "diverged", ha="right", va="center", color=colours["raw"])
    axes[0].text(1, 0.14, "standardized", ha="center", color=colours["standardized"])
    axes[0].set_ylabel("error / variance of the target (log)")
    return fig


def table(result) -> dict:
    ends = np.apply_along_axis(median_interval, -1, result["unexplained"])
    return long_table(
        {"optimizer": list(OPTIMIZERS), "target_sd": SCALES},
        unexplained=np.median(result["unexplained"], axis=-1),
        low=ends[..., 0],
        high=ends[..., 1],
    )


def caption(result) -> str:
    plain, adam = np.median(result["unexplained"], axis=-1)
    middle = SCALES.index(1.0)
    return (
        f"**At one learning rate, gradient descent leaves {plain[middle]:.2f} of the variance of "
        f"standardized targets unexplained. Targets of standard deviation {SCALES[-1]:g} make it diverge; at "
        f"{SCALES[0]:g} the error is {number(plain[0], 2)} times the variance.**\n\n"
        f"Adam does not diverge, but "
        f"also fails on small targets ({number(adam[0], 2)} times). Medians of "
        f"{result['unexplained'].shape[-1]} networks, all drawn; 10-32-1 with ReLU, scikit-learn's diabetes "
        f"data, inputs standardized, error on the training data after {STEPS} steps."
    )


def alt(result) -> str:
    middle = np.median(result["unexplained"], axis=-1)[:, SCALES.index(1.0)]
    return (
        "Error by variance of the target against the target's standard deviation, both log, for gradient "
        f"descent and Adam. Standardized targets leave {middle[0]:.2f} and {middle[1]:.2f}; smaller ones "
        "leave far more, and on the largest gradient descent diverges."
    )
