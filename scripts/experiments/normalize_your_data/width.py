"""Do more neurons or more layers make up for shifted data, and what can two ReLUs do at best?

Chapter: normalize-your-data.
"""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval, median_interval, wilson
from experiments.normalize_your_data._shared.circles import STEPS, fresh_accuracy, learn, many_circles
from experiments.trials import mlps, score
from experiments.words import percent
from unitgain.datasets import Examples

SHAPES = ((2, 2, 1), (2, 3, 1), (2, 8, 1), (2, 32, 1), (2, 8, 8, 1))
CENTERS = (0.0, 10.0)
POINTS, FRESH = 100, 200
# The maps, with fewer points: where does it help to be larger, and where do a few ReLUs suffice?
LARGER = {"8 units": (2, 8, 1), "32 units": (2, 32, 1), "two layers of 8": (2, 8, 8, 1)}
OFFSETS = (3.0, 10.0, 16.0, 36.0, 100.0)
HELPS = 0.1  # of accuracy
UNITS = (2, 3, 8)
RADII = (2.0, 3.0, 6.5, 15.0, 40.0)  # of the outer circle, in those of the inner; 3 everywhere else
STARTS = 10  # networks on the same data, of which the best counts
ENCLOSED = 0.9  # of accuracy
FEWER = 50


def _accuracies(shapes, centers, networks: int, seed: int, device, count: int = POINTS) -> torch.Tensor:
    """Accuracies on fresh points (centers, shapes, networks); each network has its own data and weights."""
    points = many_circles(seed, networks, count, device=device)
    more = many_circles(seed, networks, FRESH, "fresh", device=device)
    data, fresh = (Examples(torch.stack([x + center for center in centers]), y) for x, y in (points, more))
    rows = [fresh_accuracy(sizes, "relu", data, fresh, steps=STEPS, seed=seed) for sizes in shapes]
    return torch.stack(rows, dim=1)


def _best(units: int, sets: int, seed: int, device) -> torch.Tensor:
    """The best accuracy on fresh points of STARTS networks 2-units-1, centred (RADII, sets)."""

    def moved(count: int, stream: str) -> Examples:
        """The outer circle at each of RADII: x (RADII, networks, points, 2)."""
        x, y = many_circles(seed, sets, count, stream, device=device)
        outer = y[..., None] == 1
        x = torch.stack([torch.where(outer, x * radius / 3, x) for radius in RADII])
        return Examples(x.repeat_interleave(STARTS, 1), y.repeat_interleave(STARTS, 0))

    model = mlps((2, units, 1), (len(RADII), sets * STARTS), seed=seed, device=device, activation="relu")
    learn(model, moved(FEWER, "data"), steps=STEPS, seed=seed)
    return score(model, moved(FRESH, "fresh")).unflatten(-1, (sets, STARTS)).amax(-1)


def compute(*, networks=100, mapped=60, seed=0, device="cpu"):
    """`accuracy` of SHAPES at CENTERS (centers, shapes, networks).

    For the maps: `gain` of LARGER over 2-2-1 at OFFSETS (offsets, shapes, networks), `best` of STARTS
    networks by RADII and UNITS (radii, units, sets).
    """
    shapes = (SHAPES[0], *LARGER.values())
    smallest, *larger = _accuracies(shapes, OFFSETS, mapped, seed, device, FEWER).unbind(1)
    return {
        "accuracy": _accuracies(SHAPES, CENTERS, networks, seed, device),
        "gain": torch.stack(larger, dim=1) - smallest.unsqueeze(1),
        "best": torch.stack([_best(units, mapped // 4, seed, device) for units in UNITS], dim=1),
    }


def _name(sizes) -> str:
    return "-".join(map(str, sizes))


def draw(result) -> Figure:
    fig, ax = style.figure(7.4, 3.6, tall=3.4)
    colours = style.palette()
    jitter = np.random.default_rng(0)
    for values, key, side in zip(result["accuracy"], ("standardized", "raw"), (-0.19, 0.19), strict=True):
        mark = {"marker": "o" if key == "standardized" else "^", "ms": 3, "mew": 0, "alpha": 0.55, "ls": ""}
        x = np.arange(len(SHAPES))[:, None] + side + jitter.uniform(-0.12, 0.12, values.shape)
        ax.plot(x.ravel(), values.ravel(), color=colours[key], **mark)
        middle = np.arange(len(SHAPES)) + side
        ax.hlines(np.median(values, -1), middle - 0.15, middle + 0.15, color=style.ink(), lw=2)
    for x, key, text in (
        (0, "standardized", "● centred"),
        (0.3, "raw", "▲ at [10, 10]"),
        (0.66, "", "— median"),
    ):
        colour = colours.get(key, style.ink())
        ax.text(x, 1.03, text, color=colour, transform=ax.transAxes, va="bottom")
    ax.set(
        xticks=range(len(SHAPES)),
        xticklabels=[_name(s) for s in SHAPES],
        xlabel="units a layer, inputs first",
        ylabel="accuracy on fresh points",
        ylim=(0.45, 1.03),
    )
    return fig


def table(result) -> dict:
    columns = zip(CENTERS, result["accuracy"], strict=True)
    return {f"{_name(s)}_at_{c:g}": row for c, rows in columns for s, row in zip(SHAPES, rows, strict=True)}


def caption(result) -> str:
    centred, shifted = np.median(result["accuracy"], axis=-1)
    return (
        f"**At [10, 10] 32 units reach a median accuracy of {shifted[3]:.2f} where 2 reach {shifted[0]:.2f}; "
        f"centred, 8 units reach {centred[2]:.2f}.**\n\nTwo ReLUs cannot enclose a disc: the best of these "
        f"networks reaches {result['accuracy'][:, 0].max():.2f}, centred or not. Accuracy on fresh points; "
        f"dots: {result['accuracy'].shape[-1]} networks each; bars: medians."
    )


def alt(result) -> str:
    centred, shifted = np.median(result["accuracy"], axis=-1)
    return (
        "Clouds of final accuracies for five network shapes, centred and at 10, 10. Medians centred: "
        + ", ".join(f"{_name(s)} {m:.2f}" for s, m in zip(SHAPES, centred, strict=True))
        + "; shifted: "
        + ", ".join(f"{m:.2f}" for m in shifted)
        + "."
    )


def claims(result) -> Iterator[Claim]:
    centred, shifted = result["accuracy"]
    units = "networks, each with its own data and weights"
    gain = result["gain"].mean(-1)
    near, far = OFFSETS.index(10.0), OFFSETS.index(36.0)
    yield Claim.of_difference(
        shifted[3],
        shifted[0],
        id="width-does-not-help",
        statement="On shifted data, adding more layers and neurons does not help",
        sources=("galletti-part-1, part I",),
        verdict="depends",
        measure="mean accuracy on fresh points of 2-32-1 minus that of 2-2-1, both on raw data at [10, 10] "
        f"and after {STEPS:,} steps",
        units=units,
        map=Map.of_means(
            result["gain"],
            axes={"offset of both inputs": OFFSETS, "network": tuple(LARGER)},
            below=HELPS,
            measure="accuracy of the larger network minus that of 2-2-1",
            units=units,
        ),
        holds=mean_interval(centred[3] - shifted[3])[0] > HELPS / 2
        and np.median(centred[2]) > np.median(shifted[3]),
        finding=f"It turns with the offset: 32 units in one layer gain {gain[near, 1]:.2f} at [10, 10] and "
        f"{gain[far, 1]:.2f} at [{OFFSETS[far]:g}, {OFFSETS[far]:g}]. Among many units some happen to switch "
        f"inside the data, and the farther out, the fewer. Two layers of 8 gain {gain[near, 2]:.2f} at "
        f"[10, 10]. Normalizing helps more: centred, 8 units reach a median of {np.median(centred[2]):.3f}, "
        f"32 units at [10, 10] {np.median(shifted[3]):.3f}.",
    )
    enclosed = centred[0] > ENCLOSED
    best = result["best"].mean(-1)
    here, there = RADII.index(3.0), RADII.index(15.0)
    yield Claim.of_fraction(
        enclosed,
        id="two-relus-cannot",
        statement="Two ReLUs cannot tell two circles apart: the 2-2-1 network has a ceiling that no "
        "normalization lifts",
        sources=("Unit Gain",),
        verdict="depends",
        measure=f"fraction of 2-2-1 networks on centred circles with more than {percent(ENCLOSED)} of the "
        "fresh points right",
        units=units,
        map=Map.of_means(
            result["best"],
            axes={"outer radius / inner radius": RADII, "ReLUs": UNITS},
            below=ENCLOSED,
            measure=f"accuracy of the best of {STARTS} networks 2-n-1 on the same centred circles",
            units=f"data sets, each with {STARTS} networks of its own",
        ),
        holds=wilson(enclosed)[1] < 0.05
        and best[:, 0].max() < 0.99
        and centred[1].max() > 0.99
        and median_interval(centred[2])[0] > 0.99,
        finding="It turns with the distance of the ring, and with a third ReLU. What two ReLUs mark off has "
        f"an open side, which the ring crosses: the best of {STARTS} networks gets "
        f"{percent(best[here, 0])} right where the outer radius is {RADII[here]:g} times the inner, as in "
        f"this chapter, {percent(best[there, 0])} at {RADII[there]:g} times, {percent(best[-1, 0])} at "
        f"{RADII[-1]:g} times. Three ReLUs can close it: at {RADII[here]:g} times their best get "
        f"{percent(best[here, 1])}, those of eight {percent(best[here, 2])}.",
    )
