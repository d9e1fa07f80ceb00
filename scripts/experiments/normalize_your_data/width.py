"""Do more neurons or more layers make up for shifted data, and what can two ReLUs do at best?

Chapter: normalize-your-data.
"""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, Map, mean_interval, median_interval, percent, wilson
from experiments.normalize_your_data._shared.circles import STEPS, fresh_accuracy, many_circles
from unitgain.datasets import Examples

SHAPES = ((2, 2, 1), (2, 3, 1), (2, 8, 1), (2, 32, 1), (2, 8, 8, 1))
CENTERS = (0.0, 10.0)
LARGER = {"2-8-1": (2, 8, 1), "2-32-1": (2, 32, 1), "2-128-1": (2, 128, 1), "2-32-32-1": (2, 32, 32, 1)}
OFFSETS = (3.0, 10.0, 15.0, 20.0, 30.0, 100.0)  # the map: where does it help to be larger?
HELPS = 0.05  # of accuracy
POINTS, FRESH = 100, 200


def _accuracies(shapes, centers, networks: int, seed: int, device) -> torch.Tensor:
    """Accuracies on fresh points (centers, shapes, networks); each network has its own data and weights."""
    points = many_circles(seed, networks, POINTS, device=device)
    more = many_circles(seed, networks, FRESH, "fresh", device=device)
    data, fresh = (Examples(torch.stack([x + center for center in centers]), y) for x, y in (points, more))
    rows = [fresh_accuracy(sizes, "relu", data, fresh, steps=STEPS, seed=seed) for sizes in shapes]
    return torch.stack(rows, dim=1)


def compute(*, networks=100, mapped=40, seed=0, device="cpu"):
    """`accuracy` of SHAPES at CENTERS; `gain` of LARGER over 2-2-1 at OFFSETS (offsets, shapes, networks)."""
    smallest, *larger = _accuracies((SHAPES[0], *LARGER.values()), OFFSETS, mapped, seed, device).unbind(1)
    return {
        "accuracy": _accuracies(SHAPES, CENTERS, networks, seed, device),
        "gain": torch.stack(larger, dim=1) - smallest.unsqueeze(1),
    }


def _name(sizes) -> str:
    return "-".join(map(str, sizes))


def draw(result) -> Figure:
    fig, ax = style.figure(7.0, 3.8)
    colours = style.palette()
    jitter = np.random.default_rng(0)
    for values, key, side in zip(result["accuracy"], ("standardized", "raw"), (-0.17, 0.17), strict=True):
        for i, row in enumerate(values):
            x = i + side + jitter.uniform(-0.11, 0.11, len(row))
            mark = {"marker": "o" if key == "standardized" else "^", "ms": 3.2, "mew": 0, "alpha": 0.55}
            ax.plot(x, row, ls="", color=colours[key], **mark)
            ax.plot([i + side - 0.13, i + side + 0.13], [np.median(row)] * 2, color=style.ink(), lw=2)
    for key, text, x, y in (
        ("standardized", "centred", -0.17, 0.92),
        ("raw", "at [10, 10]", 0.5, 0.53),
        ("standardized", "centred", 2.83, 1.015),
        ("raw", "at [10, 10]", 3.2, 0.925),
    ):
        ax.text(x, y, text, color=colours[key], ha="center", va="bottom")
    ax.set(
        xticks=range(len(SHAPES)),
        xticklabels=[_name(s) for s in SHAPES],
        xlabel="units a layer, inputs first",
        ylabel="accuracy on fresh points",
        ylim=(0.45, 1.06),
    )
    return fig


def table(result) -> dict:
    columns = zip(CENTERS, result["accuracy"], strict=True)
    return {f"{_name(s)}_at_{c:g}": row for c, rows in columns for s, row in zip(SHAPES, rows, strict=True)}


def caption(result) -> str:
    centred, shifted = np.median(result["accuracy"], axis=-1)
    return (
        "**Width helps on shifted data, but buys less than moving the data does: 32 units reach a median of "
        f"{shifted[3]:.2f} at [10, 10], 3 units {centred[1]:.2f} when centred.** With two ReLUs none of the "
        f"networks got beyond {result['accuracy'][:, 0].max():.2f}, centred or not: they cannot enclose a "
        f"disc. Accuracy on fresh points; dots: {result['accuracy'].shape[-1]} networks each; bars: medians."
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
    lag = mean_interval(centred[3] - shifted[3])[0]
    yield Claim.of_difference(
        shifted[3],
        shifted[0],
        id="width-does-not-help",
        statement="On shifted data, adding more layers and neurons does not help",
        sources=("Galletti, Tuning neural networks, part I",),
        verdict="depends",
        measure="mean accuracy on fresh points of 2-32-1 minus that of 2-2-1, both on raw data at [10, 10]",
        units="networks, each with its own data and weights",
        map=Map.of_means(
            result["gain"],
            axes={"offset of both inputs": OFFSETS, "units": tuple(LARGER)},
            below=HELPS,
            measure="accuracy of the larger network minus that of 2-2-1",
            units="networks, each with its own data and weights",
        ),
        holds=lag > 0.05 and np.median(centred[2]) > np.median(shifted[3]),
        finding=f"32 units reach a median of {np.median(shifted[3]):.3f} where 2 reach "
        f"{np.median(shifted[0]):.3f}: among many units some happen to switch inside the data. A second "
        f"layer of 8 reaches {np.median(shifted[4]):.3f}. Centred, eight units are enough for "
        f"{np.median(centred[2]):.3f}: normalizing remains the better remedy.",
    )
    apart = centred[0] > 0.99
    yield Claim.of_fraction(
        apart,
        id="two-relus-cannot",
        statement="Two ReLUs cannot enclose a disc: the 2-2-1 network has a ceiling that no normalization "
        "lifts",
        sources=("Unit Gain",),
        verdict="confirmed",
        measure="share of 2-2-1 networks that tell the centred circles apart (accuracy above 0.99 on fresh "
        "points)",
        holds=wilson(apart)[1] < 0.05
        and centred[0].max() < 0.97
        and centred[1].max() > 0.99
        and median_interval(centred[2])[0] > 0.99,
        finding=f"The best of {len(centred[0])} networks reaches {centred[0].max():.3f}; with a third unit "
        f"the best reaches {centred[1].max():.3f} and {percent((centred[1] > 0.99).mean())} exceed 0.99, "
        f"with eight {percent((centred[2] > 0.99).mean())}.",
    )
