"""Does batch normalization help because it steadies the distributions of a layer's inputs?

Chapter: batch-normalization.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from experiments import style
from experiments.batch_normalization._shared.training import CLASSES, digit_parts, side_by_side
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval, ratio
from experiments.trials import descend, generator
from experiments.words import between, long_table, number

ARMS = "without", "without, noise", "batch norm", "batch norm, noise"
PLAIN, NOISY_PLAIN, NORM, NOISY_NORM = range(4)
LEVELS = (0.0, 1.0, 4.0, 9.0)  # the map: how much noise takes the benefit?
KINDS = None, None, *["batch"] * len(LEVELS)  # ARMS, and batch norm with more noise
NOISE = (0.0, 1.0, *LEVELS)
MEAN, SCALE, JITTER = 0.5, 1.25, 0.1
WIDTH, BATCH = 24, 32
STEPS = 240
SMOOTH = 20  # steps that the running mean takes in
GOAL = 0.5  # a loss
EVERY = 30  # steps from one measurement of the shift to the next
PROBE = 200  # images


class Network(NamedTuple):
    layers: int
    activation: str
    weight: str
    rates: tuple[float, ...]


NETWORKS = {
    "Three layers of sigmoids": Network(3, "sigmoid", "glorot_normal", (1.0, 3.0)),
    "Eight layers of ReLUs": Network(8, "relu", "he_normal", (0.1, 0.3)),
}


class Noisy(nn.Module):
    """`norm`, then noise whose mean and scale change at every pass, for each kind so many times as strong.

    They are a U(±MEAN) and a U(1, SCALE) a unit. Each example gets its own around them: a mean moved by
    U(±JITTER), a scale with standard deviation JITTER. From (kinds, …) to the same.
    """

    def __init__(self, norm: nn.Module, draws: torch.Generator, levels: Tensor) -> None:
        super().__init__()
        self.norm, self.draws, self.levels = norm, draws, levels

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)

        def uniform(low: float, high: float, examples: int) -> Tensor:
            return torch.empty(*y.shape[1:-1], examples).uniform_(low, high, generator=self.draws).to(y)

        n, spread = y.shape[-1], 3**0.5 * JITTER
        mean = uniform(-MEAN, MEAN, 1) + uniform(-JITTER, JITTER, n)
        more = uniform(0, SCALE - 1, 1) + uniform(-spread, spread, n)
        return torch.addcmul(y, self.levels.view(-1, *[1] * (y.ndim - 1)), torch.addcmul(mean, more, y))


def _shift(before: list[Tensor], after: list[Tensor]) -> Tensor:
    """How far one step moves the units' means over the images, beside their spread; a mean over layers."""
    moved = [(b.mean(-2) - a.mean(-2)).square().sum(-1) for a, b in zip(before, after, strict=True)]
    spread = [a.var(-2).sum(-1) for a in before]
    return torch.stack([(m / s).sqrt() for m, s in zip(moved, spread, strict=True)]).mean(0)


def compute(*, networks=8, seed=0, device="cpu"):
    """`loss` before every step (networks, kinds, rates, replicas, steps), at most 10 where one diverges.

    `shift`: of the inputs of the layers after the first, by one step, a median over the training, likewise at
    most 10.
    """
    images = digit_parts(seed, device, networks=networks).train
    found = {"loss": [], "shift": []}
    for one in NETWORKS.values():
        sizes, replicas = (64, *[WIDTH] * one.layers, CLASSES), (len(one.rates), networks)
        options = {"replicas": replicas, "weight": one.weight, "seed": seed, "device": device}
        model = side_by_side(KINDS, sizes, one.activation, **options)
        draws, levels = generator(seed, "noise"), torch.tensor(NOISE, device=device)
        model.normalizations = nn.ModuleList(Noisy(norm, draws, levels) for norm in model.normalizations)
        seen, shifts = [], []

        def look(step: int, model=model, seen=seen, shifts=shifts) -> None:
            if step % EVERY < 2:
                with torch.no_grad():
                    seen.append(model.hidden(images.x[:, :PROBE]))
                if step % EVERY == 1:
                    shifts.append(_shift(*seen[-2:]))

        rate = torch.tensor(one.rates)[:, None]
        loss = descend(model, images, rate, seed=seed, steps=STEPS, batch=BATCH, callback=look)
        found["loss"].append(loss.movedim(0, -1))
        found["shift"].append(torch.stack(shifts).quantile(0.5, dim=0))
    return {key: torch.stack(rows).nan_to_num(nan=10).clamp(max=10) for key, rows in found.items()}


def _at_best(result) -> dict[str, np.ndarray]:
    """The loss and the shift at each kind's best rate, by the mean loss over the training.

    Running means of the loss (networks, kinds, replicas, steps); the shift (networks, kinds, replicas).
    """
    best = result["loss"].mean((-2, -1)).argmin(-1)
    at = {
        key: np.take_along_axis(result[key], best.reshape(*best.shape, *[1] * (result[key].ndim - 2)), 2)[
            :, :, 0
        ]
        for key in ("loss", "shift")
    }
    return at | {"loss": np.lib.stride_tricks.sliding_window_view(at["loss"], SMOOTH, axis=-1).mean(-1)}


def _steps(loss: np.ndarray) -> np.ndarray:
    """Steps until the running mean of the loss is below GOAL; all steps where it never is."""
    below = loss < GOAL
    return np.where(below.any(-1), below.argmax(-1) + SMOOTH, loss.shape[-1] + SMOOTH - 1)


def draw(result) -> Figure:
    fig, axes = style.figure(8.0, 3.9, ncols=2, sharex=True, sharey=True, tall=6.6)
    at = _at_best(result)
    steps, limit = _steps(at["loss"]), result["loss"].shape[-1]
    arms = (("raw", "without", PLAIN, NOISY_PLAIN), ("standardized", "batch norm", NORM, NOISY_NORM))
    for ax, title, rows, shifts in zip(axes, NETWORKS, steps, at["shift"], strict=True):
        for key, said, *pair in arms:
            colour = style.palette()[key]
            ends = [(shifts[arm].mean(), np.median(rows[arm])) for arm in pair]
            arrow = {"arrowstyle": "->", "color": colour, "lw": 1.5, "shrinkA": 7, "shrinkB": 7}
            ax.annotate("", ends[1], ends[0], arrowprops=arrow)
            for arm, end, fill in zip(pair, ends, (colour, "none"), strict=True):
                ax.plot(shifts[arm], rows[arm], "o", ms=3.5, mew=0, alpha=0.5, color=colour)
                ax.plot(*end, "o", ms=9, color=colour, mfc=fill, mew=1.8)
            left = 0.75 * min(ends[0][0], shifts[pair[0]].min())
            ax.text(left, ends[0][1], said, color=colour, ha="right", va="center")
        ax.axhline(limit, color=style.GRID, lw=0.8)
        ax.set(title=title, xscale="log", xlim=(0.0012, 0.6), ylim=(0, 1.14 * limit))
        ax.set_xticks([0.01, 0.1], ["0.01", "0.1"])
        ax.minorticks_off()
        ax.set_xlabel("how far a step shifts the inputs\n(in spreads, log scale)")
    axes[0].text(0.0014, 1.02 * limit, f"loss not reached in {limit} steps", va="bottom")
    axes[0].text(0.05, 70, "noise added", ha="center", va="bottom")
    axes[0].text(0.0014, 10, "small dots: networks", va="bottom")
    axes[0].set_ylabel(f"steps to a loss of {GOAL:g}")
    return fig


def table(result) -> dict:
    at = _at_best(result)
    steps = _steps(at["loss"])
    arms = [f"{kind or 'without'}, noise {level:g}" for kind, level in zip(KINDS, NOISE, strict=True)]
    axes = {"network": list(NETWORKS), "arm": arms, "replica": range(steps.shape[-1])}
    return long_table(axes, steps_to_goal=steps, shift=at["shift"])


def _said(steps: np.ndarray, limit: int) -> str:
    middle = np.median(steps)
    return f"more than {limit:.0f}" if middle >= limit else f"{middle:.0f}"


def caption(result) -> str:
    at = _at_best(result)
    steps, limit = _steps(at["loss"]), result["loss"].shape[-1]
    said = [[_said(row, limit) for row in rows] for rows in steps]
    shift = at["shift"][0].mean(-1)
    return (
        "**Noise after the batch normalization makes the layers' inputs shift "
        f"{number(shift[NOISY_NORM] / shift[PLAIN], 2)} times as much as without normalization, and the "
        f"network of sigmoids still learns in {said[0][NOISY_NORM]} steps instead of "
        f"{said[0][PLAIN]}.**\n\nEight layers of ReLUs "
        f"take {said[1][NORM]} steps with batch normalization, {said[1][NOISY_NORM]} with the noise after it "
        f"and {said[1][PLAIN]} with neither; with the noise alone {said[1][NOISY_PLAIN]}. "
        f"Steps to a loss of {GOAL:g}, medians of {steps.shape[-1]} networks (small dots), each arm at the "
        "better of two learning rates. The shift: how far the median step moves the units' means, relative "
        f"to their spread over {PROBE} images (means). Digits, fully connected, {WIDTH} "
        "units a layer; Santurkar and others (2018) used a convolutional network on CIFAR-10."
    )


def alt(result) -> str:
    at = _at_best(result)
    steps, limit = _steps(at["loss"]), result["loss"].shape[-1]
    said = "; ".join(
        f"{title}: "
        + ", ".join(
            f"{arm} {_said(row, limit)} steps and shift {number(shift.mean(), 2)}"
            for arm, row, shift in zip(ARMS, rows, shifts, strict=False)
        )
        for title, rows, shifts in zip(NETWORKS, steps, at["shift"], strict=True)
    )
    return f"Steps to learn against the shift of the layers' inputs, for two networks. {said}."


def claims(result) -> Iterator[Claim]:
    at = _at_best(result)
    steps, shift, limit = _steps(at["loss"]), at["shift"], result["loss"].shape[-1]
    slower, relus = ratio(steps[1, PLAIN], steps[1, NOISY_NORM])
    more = [ratio(rows[NOISY_NORM], rows[PLAIN]) for rows in shift]
    steadied = [ratio(rows[PLAIN], rows[NORM]) for rows in shift]
    equal = [mean_interval(rows[NOISY_PLAIN] - rows[NOISY_NORM]) for rows in steps]
    with_noise = np.moveaxis(steps[:, NORM:], 1, 0)
    units = "networks, each with its own weights, noise and split of the images"
    yield Claim.of_ratio(
        steps[0, PLAIN],
        steps[0, NOISY_NORM],
        id="bn-not-covariate-shift",
        statement="Batch normalization does not help by reducing covariate shift: with noise that brings the "
        "shift back, a network still learns faster than without normalization",
        sources=("santurkar-2018", "ekman-2021, chapter 5"),
        verdict="depends",
        measure="steps to the same loss without normalization over those with batch normalization and noise "
        "after it; three layers of sigmoids, geometric mean",
        units=units,
        map=Map.of_ratios(
            steps[:, PLAIN],
            with_noise,
            axes={"noise, in that of the figure": LEVELS, "network": tuple(NETWORKS)},
            above=1,
            measure="steps without normalization over those with batch normalization and noise after it",
            units=units,
        ),
        holds=min(low for _, (low, _) in more + steadied) > 1 and min(low for low, _ in equal) > 0,
        finding="It depends on the network and on how strong the noise is. In the figure it shifts the "
        f"inputs {number(more[0][0], 2)} (sigmoids) and {number(more[1][0], 2)} times (ReLUs) as much as "
        f"without normalization. With the ReLUs the factor is then {number(slower, 2)} "
        f"{between(relus, 2)}: there the noise itself does harm, and under it the network takes "
        f"{_said(steps[1, NOISY_PLAIN], limit)} steps without normalization, "
        f"{_said(steps[1, NOISY_NORM], limit)} with it. At equal noise batch normalization wins in both "
        "networks.",
    )
