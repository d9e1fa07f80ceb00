"""What do pixels that never vary, or hardly ever, do to standardized images?  Chapter: pitfalls."""

from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval, wilson
from experiments.pitfalls._shared.intervals import means
from experiments.pitfalls._shared.tables import HIDDEN, fitted, real
from experiments.trials import generator, generators, splits
from experiments.words import between, number, percent

TRAINING = 100  # images; all others are for the test
WAYS = ("the sd", "the sd + 10⁻⁸", "the sd, 1 where it is 0", "16, the brightest")
NAIVE, EPS, GUARD, FIXED = range(len(WAYS))
EPOCHS = 50
KINDS = ("0", "a whole number to 255", "a fraction")  # the map: what a constant column holds
SUMS = ("torch, float32", "numpy, float32", "numpy, float64")  # and who takes its standard deviation
LEAST, LONGEST = 10, 3000  # rows of a column
MOST = 0.75


def _is_nan(column: np.ndarray, how: str) -> bool:
    """Whether the first value is NaN once it is standardized."""
    if how.startswith("torch"):
        x = torch.tensor(column, dtype=torch.float32)[:, None]
        return bool(((x - x.mean(0)) / x.std(0, correction=0)).isnan()[0])
    x = column.astype(how.split()[-1])[:, None]
    with np.errstate(invalid="ignore"):
        return bool(np.isnan((x - x.mean(axis=0)) / x.std(axis=0))[0, 0])


def _mapped(columns: int, seed: int) -> np.ndarray:
    """Whether constant columns become NaN: (KINDS, SUMS, columns)."""
    draws = generator(seed, "data")
    found = np.zeros((len(KINDS), len(SUMS), columns), dtype=bool)
    for k in range(columns):
        rows = int(torch.randint(LEAST, LONGEST, (), generator=draws))
        values = (
            0.0,
            float(torch.randint(1, 256, (), generator=draws)),
            float(torch.rand((), generator=draws, dtype=torch.float64)),
        )
        for i, value in enumerate(values):
            for j, how in enumerate(SUMS):
                found[i, j, k] = _is_nan(np.full(rows, value), how)
    return found


def compute(*, networks=24, mapped=100, seed=0, device="cpu"):
    """Accuracies (ways, networks) on all test images and on those `lit` where no training image is.

    `nan` (networks,): whether all outputs are NaN if the sd has no guard; `constants` (networks,): constant
    pixels in the training part, and `always` in all images; `hit` (networks,): fraction of the test images
    that are lit there; `largest` (pixels,): |z| that a test image of the first split reaches, 0 where its
    pixel is constant. `columns`: see `_mapped`.
    """
    x, y = (part.to(device) for part in real("digits"))
    draws = generators(seed, networks, "split")
    train, (unseen, digit), _ = splits(x, y, draws, validation=1 - TRAINING / len(x))
    sd, mean = torch.std_mean(train.x, dim=1, correction=0, keepdim=True)
    constant = sd == 0
    hit = ((unseen != mean) & constant).any(-1)
    guarded = sd.masked_fill(constant, 1)
    ways = (mean, sd), (mean, sd + 1e-8), (mean, guarded), (0, 16)
    accuracy, lit, nan = [], [], []
    for k, (shift, scale) in enumerate(ways):
        epochs = 1 if k == NAIVE else EPOCHS  # from the first step on, all is NaN
        model = fitted((train.x - shift) / scale, train.y, epochs=epochs, seed=seed)
        with torch.no_grad():
            output = model((unseen - shift) / scale)
        right = (output.argmax(-1) == digit).double()
        accuracy.append(right.mean(-1))
        lit.append((right * hit).sum(-1) / hit.sum(-1).clamp(min=1))
        nan.append(output.isnan().all(-1).all(-1))
    return {
        "accuracy": torch.stack(accuracy),
        "lit": torch.stack(lit),
        "nan": nan[NAIVE],
        "columns": _mapped(mapped, seed),
        "constants": constant.sum((-1, -2)),
        "always": (x == x[0]).all(0).sum(),
        "hit": hit.double().mean(-1),
        "largest": ((unseen[0] - mean[0]) / guarded[0]).abs().amax(0).masked_fill(constant[0, 0], 0),
    }


def draw(result) -> Figure:
    fig, (pixels, dots) = style.figure(7.8, 3.5, ncols=2, width_ratios=(1, 1.4), tall=5.8)
    _draw_pixels(pixels, result["largest"])
    colours, rows = style.palette(), np.arange(len(WAYS))[::-1]
    for name, mark, key in (("accuracy", "o", "standardized"), ("lit", "^", "raw")):
        middle, low, high = means(100 * result[name])
        dots.errorbar(middle, rows, xerr=(middle - low, high - middle), fmt=mark, ms=6, color=colours[key])
    for row, way in zip(rows, WAYS, strict=True):
        dots.text(0, row + 0.24, way, va="bottom")
    dots.text(16, rows[NAIVE], "NaN: one answer for all", va="center")
    dots.text(0, -0.75, "● all unseen images", color=colours["standardized"], va="center")
    dots.text(0, -1.15, "▲ those lit where no training image is", color=colours["raw"], va="center")
    dots.set(yticks=(), xlim=(-4, 104), ylim=(-1.4, 3.7), xticks=(0, 50, 100), xlabel="accuracy (%)")
    dots.set_title("Each pixel is divided by …")
    dots.spines["left"].set_visible(False)
    return fig


def _draw_pixels(ax: Axes, largest) -> None:
    """The 8 × 8 pixels by their largest |z|; constant ones hatched."""
    grid = largest.reshape(8, 8)
    colours = mpl.colormaps["cividis"](np.log10(np.maximum(grid, 1)) / 2)
    colours[..., 3] = np.where(grid > 0, 0.4, 0)  # the page shows through: its ink is legible everywhere
    ax.imshow(colours, interpolation="nearest")
    for row, column in np.argwhere(grid >= 5):
        ax.text(column, row, f"{grid[row, column]:.0f}", ha="center", va="center")
    for row, column in np.argwhere(grid == 0):
        box = {"fc": "none", "ec": style.palette()["dead"], "hatch": "////", "lw": 0}
        ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, **box))
    ax.set(title="Furthest unseen value, in sd", xlabel="hatched: constant in training")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def table(result) -> dict:
    columns = {
        f"{name}_{what}": column
        for name in ("accuracy", "lit")
        for what, column in zip(("mean", "low", "high"), means(result[name]), strict=True)
    }
    return {"divided_by": np.array(WAYS), **columns}


def caption(result) -> str:
    every, lit = result["accuracy"].mean(-1), result["lit"].mean(-1)
    return (
        "**A tiny number added to the standard deviation hides a constant pixel until it lights up: "
        f"then {percent(lit[EPS])} of the images are recognized, against {percent(lit[GUARD])} if the pixel "
        f"is divided by 1.**\n\nSuch images are {percent(result['hit'].mean(), 1)} of the unseen images; "
        f"{TRAINING} were for training. In the map, one split: nearly constant pixels, divided by their own "
        f"standard deviation (sd), lie up to {result['largest'].max():.0f} of them out. Dividing all by 16 "
        f"avoids that, and {percent(every[FIXED])} of all images are recognized, against "
        f"{percent(every[GUARD])}. {result['accuracy'].shape[-1]} splits and networks, 64-{HIDDEN}-10; "
        "95 % intervals."
    )


def alt(result) -> str:
    lit = result["lit"].mean(-1)
    return (
        "Left: the 64 pixels of the digits with the largest standardized value of an unseen image, near 2 in "
        f"the middle, up to {result['largest'].max():.0f} at the edges, some constant. Right: accuracy for "
        "four divisors; on images lit where no training image is, "
        f"{', '.join(percent(share) for share in lit[1:])} for all but the first, which gives NaN."
    )


def claims(result) -> Iterator[Claim]:
    nan, accuracy, lit = result["nan"], result["accuracy"], result["lit"]
    yield Claim.of_fraction(
        nan,
        id="constant-feature",
        statement="Naively standardized, a constant feature becomes NaN",
        sources=("Unit Gain",),
        verdict="depends",
        measure="fraction of networks all of whose outputs are NaN after dividing by a standard deviation "
        "of 0",
        units="networks, each with its own weights and its own split of the digits",
        map=Map.of_fractions(
            result["columns"],
            axes={"what it holds": KINDS, "computed by": SUMS},
            above=MOST,
            measure="fraction of constant columns that become NaN",
            units=f"columns of {LEAST} to {LONGEST:,} rows, each with its own constant",
        ),
        holds=wilson(nan)[0] > 0.8
        and result["always"] > 0
        and result["constants"].min() > 0
        and mean_interval(accuracy[NAIVE])[1] < 0.2
        and mean_interval(accuracy[GUARD])[0] > 0.7
        and mean_interval(lit[GUARD] - lit[EPS])[0] > 0.2,
        finding="If it holds a whole number. Of columns of equal fractions "
        f"{percent(result['columns'][-1].mean(-1).min())} to {percent(result['columns'][-1].mean(-1).max())} "
        "become NaN: rounding leaves the others a tiny standard deviation. In "
        f"{TRAINING} of the digits {number(result['constants'].mean(), 2)} of 64 pixels are constant on "
        f"average, {result['always']} in all; one is enough, since every unit adds it up. Divided by 1 "
        f"there, the accuracy is {percent(accuracy[GUARD].mean(), 1)}; adding 10⁻⁸ instead costs "
        f"{100 * (lit[GUARD] - lit[EPS]).mean():.0f} points "
        f"{between(mean_interval(100 * (lit[GUARD] - lit[EPS])), 2)} where such a pixel lights up.",
    )
