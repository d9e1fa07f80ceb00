"""How few principal components do digits need, and how few do natural images?  Chapter: preprocessing."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval
from experiments.preprocessing._shared.mosaic import mosaic, name_rows, shades, show, signed, span_below
from experiments.trials import generator
from experiments.words import number, percent
from unitgain.datasets import digits, image_patches, mnist
from unitgain.transforms import PCA

SETS = ("digits", "natural patches")
PATCH = 12  # pixels a side
COUNTS = (9, 36, 144)  # components to rebuild digits from
FEW = 0.05  # of the directions
SHOWN = (0, 2, 3, 5, 8, 9)
PICTURED = (1, 2, 3, 9, 36, 144)  # components
KEPT = (0.005, 0.01, 0.02, 0.05, 0.1)  # the map: of the directions
KINDS = ("MNIST digits", "digits 8 × 8", "photographs", "MNIST digits, each pixel shuffled")
MOST = 0.5
FREQUENCIES = {  # of the digits 0 to 9
    "equally often": (1,) * 10,
    "as in MNIST's training part": (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
    "as in its test part": (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
}
ABOUT = (32.0, 34.0)  # where the mean pixel is about 33


def _kept(seen: Tensor, fresh: Tensor, pca: PCA) -> dict[str, Tensor]:
    """Share of the variance of `fresh` images that the top directions of `seen` ones hold.

    `kept` and `alone`, cumulative: principal components, and single pixels, those that vary most first. Of
    each image the squared distance from the mean: `few`, what the first FEW of the directions hold of it
    (components, pixels; images), and `total`.
    """
    away = fresh.double() - pca.mean_
    order = seen.var(0).argsort(descending=True)
    squares = torch.stack([away @ pca.components_.T, away[:, order[: len(pca.components_)]]]).square()
    total = away.square().sum(1)
    first = round(FEW * away.shape[1])
    kept, alone = squares.sum(1).cumsum(1) / total.sum()
    return {"kept": kept, "alone": alone, "few": squares[..., :first].sum(-1), "total": total}


def _shares(images: Tensor, draws: torch.Generator, count: int) -> Tensor:
    """What components of one half hold of `count` images of the other, by KEPT: see `_each`."""
    x = images[torch.randperm(len(images), generator=draws).to(images.device)]
    seen, fresh = x[: len(x) // 2], x[-count:]
    pca = PCA().fit(seen)
    away = fresh.double() - pca.mean_
    held = (away @ pca.components_.T).square().cumsum(1)
    at = [min(max(round(share * x.shape[1]), 1), held.shape[1]) - 1 for share in KEPT]
    return _each(held[:, at].T, away.square().sum(1))


def _each(held, total):
    """One value an image, so that their mean is the share of all squares, and their spread its error's."""
    share = held.sum(-1, keepdims=True) / total.sum()
    return share + (held - share * total) / total.mean()


def _mapped(x: Tensor, patches: Tensor, count: int, draws: torch.Generator) -> Tensor:
    """See `_shares`, of KINDS: (KEPT, KINDS, count)."""
    order = torch.rand(x.shape, generator=draws).argsort(0).to(x.device)
    kinds = x, digits(device=x.device).x, patches, x.gather(0, order)
    return torch.stack([_shares(images, draws, count) for images in kinds], dim=1)


def compute(*, rows=5000, mapped=400, seed=0, device="cpu"):
    """Components from one half of the images, all else from the other: what _kept says, of each of SETS.

    Of the digits also their mean `pixel` (rows,), by `label`, the `components`, and `rebuilt`
    (0, COUNTS and all components; SHOWN; 28, 28). `shares`: see `_mapped`.
    """
    draws = generator(seed)
    x, y = mnist(device=device)
    order = torch.randperm(len(x), generator=draws)[:rows].to(device)
    x, y = x[order], y[order]
    patches = image_patches(rows, PATCH, generator=draws, device=device).flatten(1)
    result = {"pixel": x.mean(1), "label": y}
    result["shares"] = _mapped(x, patches, min(mapped, rows // 2), generator(seed, "fresh"))
    for i, images in enumerate((x, patches)):
        seen, fresh = images.split([rows // 2, rows - rows // 2])
        pca = PCA().fit(seen)
        result |= {f"{key}_{i}": value for key, value in _kept(seen, fresh, pca).items()}
        if i == 0:
            first = [int((y[rows // 2 :] == digit).int().argmax()) for digit in SHOWN]
            result["components"] = pca.components_[: COUNTS[-1]].unflatten(1, (28, 28))
            result["rebuilt"] = _rebuilt(fresh[first].double(), pca).unflatten(-1, (28, 28))
    return result


def _rebuilt(x: Tensor, pca: PCA) -> Tensor:
    """x from no component, from COUNTS, and x itself: (2 + COUNTS, examples, features)."""
    parts = [pca.components_[:k].T @ pca.components_[:k] for k in (0, *COUNTS)]
    return torch.stack([*(pca.mean_ + (x - pca.mean_) @ part for part in parts), x])


def _few(result, i: int) -> np.ndarray:
    """One value an image, for components and for pixels; their means are the shares that FEW hold."""
    return _each(result[f"few_{i}"], result[f"total_{i}"])


def _needed(result, i: int, share: float) -> int:
    """Components that hold `share` of the variance."""
    return int((result[f"kept_{i}"] < share).sum()) + 1


def draw(result) -> Figure:
    fig, (components, rebuilt, curves) = style.figure(
        8.2, 3.0, ncols=3, stacked=(2, 2), tall=5.6, width_ratios=(1.9, 2.7, 3.6)
    )
    span_below(curves)
    found = result["components"]
    pictured = [k for k in PICTURED if k <= len(found)]
    show(components, mosaic(signed(found[np.array(pictured) - 1]), 2, gap=10))
    for place, k in enumerate(pictured):
        components.text(38 * (place % 2) + 13.5, 38 * (place // 2) - 1.5, f"{k}", ha="center", va="bottom")
    components.set_title("Components", pad=18)
    digits = result["rebuilt"][:, 1:5]  # four of those SHOWN
    show(rebuilt, mosaic(shades(digits.reshape(-1, 28, 28) / 255), digits.shape[1], gap=2))
    name_rows(rebuilt, ["mean", *(f"first {k}" for k in COUNTS), "all"], 28, gap=2)
    rebuilt.set_title("Digits rebuilt")
    _curves(curves, result)
    return fig


def _curves(ax, result) -> None:
    colours = style.palette()
    for i in range(len(SETS)):
        size = (784, 3 * PATCH**2)[i]
        kept = 100 * result[f"kept_{i}"]
        ax.plot(100 * np.arange(1, len(kept) + 1) / size, kept, color=colours["standardized"])
    alone = 100 * result["alone_0"]
    ax.plot(100 * np.arange(1, len(alone) + 1) / 784, alone, "--", color=colours["raw"])
    held = [k for k in COUNTS if k <= len(result["kept_0"])]
    places, shares = 100 * np.array(held) / 784, 100 * result["kept_0"][np.array(held) - 1]
    ax.plot(places, shares, "o", color=colours["standardized"])
    for k, x, y in zip(held, places, shares, strict=True):
        ax.annotate(f"{k}", (x, y), (5, -4), textcoords="offset points", va="top")
    for x, y, key, text in (
        (0.3, 101, "standardized", "photographs"),
        (0.2, 42, "standardized", "digits"),
        (22, 14, "raw", "single\npixels"),
    ):
        ax.text(x, y, text, color=colours[key], va="bottom")
    ax.set(xscale="log", xlim=(0.125, 100), ylim=(0, 112), title="Variance kept (%)")
    ax.set(xlabel="directions kept (% of all, log)", yticks=[0, 25, 50, 75, 100])
    ax.set_xticks([0.2, 1, 5, 20, 100], ["0.2", "1", "5", "20", "100"])
    ax.set_xticks([], minor=True)


def table(result) -> dict:
    k = min(len(result[f"kept_{i}"]) for i in range(len(SETS)))
    return {"directions": range(1, k + 1)} | {
        f"{name.replace(' ', '_')}_{what}": result[f"{key}_{i}"][:k]
        for i, name in enumerate(SETS)
        for key, what in (("kept", "components"), ("alone", "single_pixels"))
    }


def caption(result) -> str:
    (digits, pixels), (patches, _) = (_few(result, i).mean(1) for i in range(len(SETS)))
    return (
        f"**The first {percent(FEW)} of the components keep {percent(digits)} of the variance of digits and "
        f"{percent(patches)} of that of natural patches.**\n\n"
        f"The same number of single pixels of the digits, those that vary most, keeps {percent(pixels)}. "
        f"There are {len(result['pixel']):,} MNIST digits of 28 × 28 pixels and as many colour patches of "
        f"{PATCH} × {PATCH} pixels from two photographs. The components (orange: positive, blue: negative) "
        "come from one half of the images, the digits shown and the variances from the other."
    )


def alt(result) -> str:
    digits, patches = (_few(result, i).mean(1)[0] for i in range(len(SETS)))
    return (
        "Principal components of handwritten digits, from broad blobs to fine ripples; digits that get "
        "sharper as more components rebuild them; and the variance kept against the percentage of directions "
        f"kept, log: at {percent(FEW)} of them {percent(digits)} for digits, {percent(patches)} for natural "
        "patches."
    )


def _weights(label: np.ndarray, often: tuple[int, ...]) -> np.ndarray:
    """What makes the digits come so often: a weight an image, 1 in the mean."""
    weights = np.array(often)[label] / np.bincount(label, minlength=10)[label]
    return weights / weights.mean()


def claims(result) -> Iterator[Claim]:
    (digits, pixels), (patches, dots) = (_few(result, i) for i in range(len(SETS)))
    least = mean_interval(digits)[0]
    yield Claim.of_mean(
        digits,
        id="pca-keeps",
        statement="A few principal components keep most of the variance of a set of images",
        sources=("cs231n-2, data preprocessing",),
        verdict="depends",
        measure=f"fraction of the variance of new digits in the first {percent(FEW)} of the components",
        units="digits that the components have not seen; the components are the same for all",
        map=Map.of_means(
            result["shares"],
            axes={"components kept, as a fraction of all": KEPT, "images": KINDS},
            above=MOST,
            measure="fraction of the variance of new images",
            units="images; their components are those of other images, photographs are patches of the same "
            "two",
        ),
        holds=least > 0.5
        and mean_interval(patches)[0] > 0.5
        and all(mean_interval(single)[1] < least / 2 for single in (pixels, dots)),
        finding="It depends on how much neighbouring pixels agree: of natural patches they keep "
        f"{percent(patches.mean(), 1)}, of digits with each pixel shuffled "
        f"{percent(result['shares'][KEPT.index(FEW), -1].mean(), 1)}. So few are enough because pixels are "
        f"correlated: the {percent(FEW)} of single pixels that vary most keep {percent(pixels.mean(), 1)} of "
        f"the digits and {percent(dots.mean(), 1)} of the patches. Most is not all: the last percent of the "
        f"digits' variance takes another {_needed(result, 0, 1 - 1e-9) - _needed(result, 0, 0.99)} "
        "components.",
    )
    pixel, label = result["pixel"].astype(np.float64), result["label"]
    low, high = mean_interval(pixel)
    means = {int(one): pixel[label == one].mean() for one in np.unique(label)}
    palest, darkest = min(means, key=means.get), max(means, key=means.get)
    yield Claim.of_mean(
        pixel,
        id="mnist-mean",
        statement="The mean pixel of MNIST is about 33",
        sources=("ekman-2021, chapter 5",),
        verdict="confirmed",
        measure="mean over the images of an image's mean pixel, 0 to 255, every digit equally often",
        units="images of handwritten digits",
        map=Map.of_means(
            np.stack([pixel * _weights(label, often) for often in FREQUENCIES.values()]),
            axes={"how often the digits come": tuple(FREQUENCIES)},
            above=ABOUT[0],
            below=ABOUT[1],
            measure="mean pixel",
            units="images",
        ),
        holds=ABOUT[0] < low and high < ABOUT[1],
        finding=f"It holds for the set, not for each digit: from {number(means[palest])} for {palest} to "
        f"{number(means[darkest])} "
        f"for {darkest}. These {len(pixel):,} images hold every digit equally often, MNIST itself does not.",
    )
