"""When does a network with batch normalization predict worse than it has learned to?

Chapter: batch-normalization.
"""

import itertools
from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Generator, Tensor

from experiments import style
from experiments.batch_normalization._shared.training import CLASSES, digit_parts
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval
from experiments.trials import descend, generator, mlps, score, stacked
from experiments.words import between, long_table, number, percent
from unitgain.datasets import Examples
from unitgain.models import MLP

SIZES = (64, 32, 32, CLASSES)
RATE, BATCH = 0.3, 32
STEPS = 300
SERVED = (2, 4, 9, 20, 40, 128)  # images that are predicted together
SHOWN = (1, 2, 5, 10)  # different digits that they may show
ROUNDS = 1024  # images of each kind that are served to a network
WORSE = 0.06  # of accuracy
MOMENTUMS = (0.1, 0.01)
MOMENTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # batches seen
SHIFTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)  # added to the pixels, which go from 0 to 1


def _forget(model: MLP, momentum: float | None) -> None:
    for norm in model.normalizations:
        norm.reset_running_stats()
        norm.momentum = momentum


@torch.no_grad()
def _refit(model: MLP, x: Tensor) -> None:
    """Running statistics anew: exactly those of `x`."""
    _forget(model.train(), None)
    model(x)
    model.eval()


@torch.no_grad()
def _served(model: MLP, held: Examples, rows: Tensor) -> Tensor:
    """Mean accuracy in training mode on batches of images, (batches, networks, size) their row numbers."""
    many = MLP(SIZES, normalization="batch", replicas=rows.shape[:-1], weight="zeros")
    for copies, one in zip(many.to(held.x.device).parameters(), model.parameters(), strict=True):
        copies.copy_(one)
    return score(many, Examples(held.x[rows], held.y[rows])).mean(0)


def _batches(held: Examples, size: int, shown: int, networks: int, draw: Generator) -> Tensor:
    """Row numbers of batches that show so many different digits at most: (batches, networks, size)."""
    batches = []
    for _ in range(max(ROUNDS // size, 8) * networks):
        digits = torch.randperm(CLASSES, generator=draw)[:shown].to(held.y.device)
        rows = torch.isin(held.y, digits).nonzero().squeeze(-1)
        batches.append(rows[torch.randint(len(rows), (size,), generator=draw).to(rows.device)])
    return torch.stack(batches).unflatten(0, (-1, networks))


@torch.no_grad()
def _arrive(model: MLP, training: Examples, momentum: float, moments, draw) -> tuple[Tensor, Tensor]:
    """Running means of the first normalization after so many batches, the weights held still.

    Its distance from the mean over all training images beside the mean's size, (moments, networks), and what
    is predicted of it.
    """
    first = model.normalizations[0]
    _refit(model, training.x)
    goal, noise = first.running_mean.clone(), first.running_var.sum((-2, -1)) / BATCH
    size = goal.square().sum((-2, -1))
    _forget(model.train(), momentum)
    gaps = []
    for step in range(1, max(moments) + 1):  # each image drawn from all, as the prediction has it
        rows = torch.randint(len(training.x), (BATCH,), generator=draw).to(training.x.device)
        first(model.layers[0](training.x[rows].mT))
        if step in moments:
            gaps.append(((first.running_mean - goal).square().sum((-2, -1)) / size).sqrt())
    left = torch.tensor([(1 - momentum) ** (2 * step) for step in moments]).to(size)[:, None]
    return torch.stack(gaps), (left + momentum / (2 - momentum) * (1 - left) * noise / size).sqrt()


def compute(*, networks=12, moments=9, seed=0, device="cpu"):
    """Accuracies on held-out images of networks that were trained once.

    `served` in training mode: (sizes, digits shown, networks); `evaluation`: (networks,). `gap` and
    `expected` of the running means: (momentums, moments, networks). `drifted` with the statistics of the
    training, with those refitted, and on the images as they were with the refitted ones: (3, shifts,
    networks).
    """
    training, held, _ = digit_parts(seed, device, scale=lambda pixels, _: pixels / 16)
    kind = {"normalization": "batch", "weight": "he_normal"}
    model = mlps(SIZES, networks, seed=seed, device=device, **kind)
    descend(model, training, RATE, seed=seed, steps=STEPS, batch=BATCH)
    trained = {key: value.clone() for key, value in model.state_dict().items()}
    draw, found = generator(seed), {"evaluation": score(model.eval(), held)}
    served = [
        _served(model.train(), held, _batches(held, size, shown, networks, draw))
        for size, shown in itertools.product(SERVED, SHOWN)
    ]
    found["served"] = torch.stack(served).unflatten(0, (len(SERVED), len(SHOWN)))
    arrived = [_arrive(model, training, momentum, MOMENTS[:moments], draw) for momentum in MOMENTUMS]
    found["gap"], found["expected"] = stacked(arrived)
    drifted = []
    for shift in SHIFTS:
        moved = Examples(held.x + shift, held.y)
        model.load_state_dict(trained)
        before = score(model.eval(), moved)
        _refit(model, training.x + shift)
        drifted.append(torch.stack([before, score(model, moved), score(model, held)]))
    return found | {"drifted": torch.stack(drifted, 1)}


def _line(ax, x, rows, colour, mark="o", **look) -> None:
    """Means with their intervals, in percent."""
    low, high = np.array([mean_interval(100 * row) for row in rows]).T
    ax.plot(x, 100 * rows.mean(-1), marker=mark, ms=4.5, lw=1.5, color=colour, **look)
    ax.vlines(x, low.clip(0), high.clip(max=100), color=colour, lw=1.3)


def draw(result) -> Figure:
    fig, (served, gap, drift) = style.figure(8.2, 3.4, ncols=3, tall=7.2)
    colours, ink = style.palette(), style.ink()
    good, bad = colours["standardized"], colours["raw"]
    low, high = mean_interval(100 * result["evaluation"])
    served.axhspan(low, high, color=good, alpha=0.25, lw=0)
    served.axhline(100 * result["evaluation"].mean(), color=good, lw=1.5)
    one, *_, mixed = np.moveaxis(result["served"], 1, 0)
    _line(served, SERVED, mixed, bad)
    _line(served, SERVED, one, bad, "^", ls="--")
    served.text(SERVED[0], 99, "with eval()", color=good, va="bottom")
    served.text(8, 70, "without,\nmixed images", color=bad, va="center")
    served.text(8, 28, "without, images\nof one digit", color=bad, va="center")
    served.set(title="eval() forgotten", xlabel="images at a time (log scale)", ylabel="accuracy (%)")
    served.set_xscale("log")
    served.set_xticks([2, 9, 40, 128], ["2", "9", "40", "128"])
    seen = np.array(MOMENTS[: result["gap"].shape[1]])
    for rows, expected in zip(result["gap"], result["expected"], strict=True):
        gap.plot(seen, 100 * expected.mean(-1), color=ink, lw=1)
        _line(gap, seen, rows, bad, ls="")
    gap.text(3, 56, "0.1", ha="center", va="center")
    gap.text(28, 92, "momentum\n0.01", va="center")
    gap.text(0.8, 3, "line: predicted\ndots: measured", va="bottom")
    gap.set(title="Statistics not there yet", xlabel="batches seen (log scale)", ylabel="way still to go (%)")
    gap.set_xscale("log")
    gap.set_xlim(0.7, 330)
    gap.set_xticks(seen[::2], [str(step) for step in seen[::2]])
    kept, refitted, _ = result["drifted"]
    _line(drift, SHIFTS, refitted, good)
    _line(drift, SHIFTS, kept, bad)
    drift.text(0, 99, "statistics measured anew", color=good, va="bottom")
    drift.text(0, 68, "statistics\nas trained", color=bad, va="center")
    drift.set(title="Images that drift", xlabel="added to each pixel (0 to 1)", ylabel="accuracy (%)")
    for ax in (served, gap, drift):
        ax.minorticks_off()
        ax.set(ylim=(0, 112), yticks=range(0, 101, 20))
    return fig


def table(result) -> dict:
    seen = MOMENTS[: result["gap"].shape[1]]
    parts = []
    for panel, arms, at, values in (
        (
            "eval() forgotten",
            [f"{shown} digits" for shown in SHOWN],
            SERVED,
            np.moveaxis(result["served"], 1, 0),
        ),
        ("eval()", ("10 digits",), (1,), result["evaluation"][None, None]),
        ("way to go, measured", map(str, MOMENTUMS), seen, result["gap"]),
        ("way to go, predicted", map(str, MOMENTUMS), seen, result["expected"]),
        ("drift", ("as trained", "refitted", "refitted, original images"), SHIFTS, result["drifted"]),
    ):
        networks = range(values.shape[-1])
        parts.append(
            long_table({"panel": [panel], "arm": [*arms], "at": at, "network": networks}, value=values[None])
        )
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _way(result) -> int:
    """Where the slower running means still have about half of their way to go."""
    return int(np.abs(result["gap"][1].mean(-1) - 0.5).argmin())


def caption(result) -> str:
    one, *_, mixed = result["served"].mean(-1).T
    kept, refitted, original = result["drifted"].mean(-1)
    at = _way(result)
    return (
        f"**Without eval(), the accuracy is {percent(mixed[0])} when two images are predicted at a time, and "
        f"{percent(one[-1])} on {SERVED[-1]} images of one digit. With eval() it is "
        f"{percent(result['evaluation'].mean())}.**\n\nSecond: the distance of the running means from "
        "the mean over all images. Of it (1 − momentum)ᵗ is left after t batches, plus the scatter of the "
        f"last ones: with momentum {MOMENTUMS[1]:g} still {percent(result['gap'][1, at].mean())} after "
        f"{MOMENTS[at]}. Third: with {SHIFTS[-1]:g} added to each pixel the accuracy is {percent(kept[-1])}. "
        f"With running statistics of such images it is {percent(refitted[-1])}, but on the original images "
        f"then {percent(original[-1])}. 64-32-32-10, "
        f"{STEPS} steps of SGD in batches of {BATCH}; means over {result['evaluation'].size} networks with "
        f"{percent(0.95)} intervals."
    )


def alt(result) -> str:
    one, *_, mixed = result["served"].mean(-1).T
    kept, refitted, _ = result["drifted"].mean(-1)
    return (
        f"Three plots. Accuracy without eval rises from {percent(mixed[0])} for two images at a time to "
        f"{percent(mixed[-1])} for {SERVED[-1]} mixed ones, and stays at {percent(one[-1])} for images of "
        f"one digit; with eval it is {percent(result['evaluation'].mean())}. Running means approach the goal "
        f"on the predicted curves. As images drift, the accuracy falls to {percent(kept[-1])} with the "
        f"statistics as trained and is {percent(refitted[-1])} with those measured anew."
    )


def claims(result) -> Iterator[Claim]:
    lost = result["evaluation"] - result["served"]
    most = 100 * lost[-1]
    kept, refitted, _ = result["drifted"]
    few, one = (f"{number(row.mean(), 2)} {between(mean_interval(row), 2)}" for row in (most[-1], most[0]))
    yield Claim.of_mean(
        lost[0, -1],
        id="bn-eval",
        statement="A network with batch normalization predicts worse when it is left in training mode",
        sources=("Unit Gain",),
        verdict="depends",
        measure="accuracy in evaluation mode minus in training mode, two held-out images predicted at a time",
        units="networks, each with its own weights and images served; one split, the same batches",
        map=Map.of_means(
            lost,
            axes={"images predicted together": SERVED, "different digits among them": SHOWN},
            above=WORSE,
            measure="accuracy in evaluation mode minus in training mode",
            units="networks, each with its own weights and images served; one split, the same batches",
        ),
        holds=np.abs(result["gap"] / result["expected"] - 1)[:, :4].max() < 0.15
        and mean_interval(refitted[-1] - kept[-1])[0] > 0.1,
        finding="It depends on which images are predicted together. "
        f"{SERVED[-1]} images of all digits at a time lose {few} points; {SERVED[-1]} images of one digit "
        f"lose {one}, down to "
        f"{percent(result['served'][-1, 0].mean())}. Evaluation mode has its own conditions: the running "
        "statistics must have arrived, and the data must be as in training: after a drift the accuracy is "
        f"{percent(kept[-1].mean())}, refitted {percent(refitted[-1].mean())}.",
    )
