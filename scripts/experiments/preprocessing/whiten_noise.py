"""How much louder does whitening make noise, and what does epsilon do about it?  Chapter: preprocessing."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval
from experiments.preprocessing._shared.mosaic import coloured, mosaic, name_rows, show
from experiments.trials import generators
from experiments.words import number, percent
from unitgain.datasets import digits, image_patches
from unitgain.transforms import Whitening

SIZE = 8  # pixels a side
NOISE = 4.0  # standard deviation of the noise added to a pixel, of 0 to 255
EPSILONS = (0.0, 1.0, 10.0, 100.0)  # times the variance of the noise
COLUMNS = 4
LEVELS = (0.01, 0.1, 0.3, 0.55, 1.2)  # the map: of the noise, by the data's standard deviation
DATA = ("photographs", "digits", "independent columns")
TWICE = 2.0
REACH = 2.5  # standard deviations that a colour shows, whitened


def _drawn(name: str, rows: int, draw: torch.Generator) -> torch.Tensor:
    """Up to `rows` of the data, (n, features)."""
    if name == "photographs":
        return image_patches(rows, SIZE, generator=draw, dtype=torch.float64).flatten(1)
    if name == "digits":
        x = digits(dtype=torch.float64).x
        return x[torch.randperm(len(x), generator=draw)[:rows]]
    return torch.rand(rows, SIZE**2, generator=draw, dtype=torch.float64)


def _noise_in(clean: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Share of the noise in the variance of fresh rows, raw and whitened (2,); fitted on the other half."""
    (seen, fresh), (_, truth) = (x.tensor_split(2) for x in (clean + noise, clean))
    whiten = Whitening().fit(seen)
    pairs = (fresh, truth), (whiten(fresh), whiten(truth))
    return torch.stack([(all_ - right).var(0).sum() / all_.var(0).sum() for all_, right in pairs])


def _mapped(tables: int, rows: int, seed: int, device) -> torch.Tensor:
    """What _noise_in says of each of LEVELS and DATA: (2, LEVELS, DATA, tables)."""
    found = []
    draws = generators(seed, tables, "fresh"), generators(seed, tables, "draws")
    for of_data, of_noise in zip(*draws, strict=True):
        for name in DATA:
            clean = _drawn(name, rows, of_data)
            noise = (
                torch.randn(clean.shape, generator=of_noise, dtype=torch.float64) * clean.var(0).mean().sqrt()
            )
            found.append(torch.stack([_noise_in(clean.to(device), (k * noise).to(device)) for k in LEVELS]))
    return torch.stack(found).unflatten(0, (tables, len(DATA))).permute(3, 2, 1, 0)


def compute(*, tables=10, mapped=6, rows=2000, seed=0, device="cpu"):
    """Whitening fitted on noisy patches, applied to as many fresh ones with fresh noise, `tables` times.

    `gain` and `predicted` (epsilons, directions, tables): the noise's standard deviation along each principal
    axis by what it was, and 1/√(λ + ε). `share` (raw and epsilons, tables): of the noise in all variance.
    `noise`: see `_mapped`. `shown`: (raw and epsilons, images, 3, SIZE, SIZE) of the first table.
    """
    gain, predicted, share, shown = [], [], [], []
    draws = generators(seed, tables, "data"), generators(seed, tables, "noise")
    for of_patches, of_noise in zip(*draws, strict=True):
        clean = image_patches(2 * rows, SIZE, generator=of_patches, dtype=torch.float64).flatten(1)
        noisy = clean + NOISE * torch.randn(clean.shape, generator=of_noise, dtype=torch.float64)
        (seen, fresh), (_, truth) = (x.to(device).split(rows) for x in (noisy, clean))
        contrast = fresh.unflatten(1, (3, -1)).mean(1).std(1)
        chosen = fresh[contrast > contrast.median()][: COLUMNS**2]
        views, parts = [chosen], [((fresh - truth).var(0).sum() / fresh.var(0).sum())]
        whiten = Whitening().fit(seen)
        for epsilon in EPSILONS:
            whiten.epsilon = epsilon * NOISE**2  # the fit does not depend on it
            z = whiten(fresh)
            noise = z - whiten(truth)
            spread = noise.std(0)
            gain.append(spread / NOISE)
            predicted.append((whiten.explained_variance_ + whiten.epsilon).rsqrt())
            parts.append(spread.square().sum() / z.var(0).sum())
            views.append(whiten(chosen) @ whiten.components_)  # turned back: ZCA
        share.append(torch.stack(parts))
        shown.append(torch.stack(views).unflatten(-1, (3, SIZE, SIZE)))
    by_epsilon = [torch.stack(one).unflatten(0, (tables, -1)).permute(1, 2, 0) for one in (gain, predicted)]
    return {
        "gain": by_epsilon[0],
        "predicted": by_epsilon[1],
        "share": torch.stack(share, dim=1),
        "noise": _mapped(mapped, rows, seed, device),
        "shown": shown[0],
        "rows": torch.tensor(rows),
    }


def _epsilon(times: float) -> str:
    """An epsilon as readers see it, by σ², the variance of the noise."""
    return {0: "0", 1: "σ²"}.get(times, f"{times:,g} σ²")


def draw(result) -> Figure:
    fig, (patches, gains) = style.figure(8.2, 3.4, ncols=2, tall=6.4, width_ratios=(1, 1.3))
    shown, shares = result["shown"][:, 2::COLUMNS], result["share"].mean(1)
    raw, *whitened = shown
    views = [raw / 255, *(0.5 + 0.5 * z / (REACH * z.std()) for z in whitened)]
    show(patches, mosaic(coloured(np.concatenate(views)), COLUMNS))
    names = ["raw", *(f"ε = {_epsilon(e)}" for e in EPSILONS)]
    rows = [f"{name}\n{percent(share, 1)} noise" for name, share in zip(names, shares, strict=True)]
    name_rows(patches, rows, SIZE)
    patches.set_title("Patches, raw and whitened with ε")
    _gains(gains, result)
    return fig


def _gains(ax, result) -> None:
    directions = np.arange(1, result["gain"].shape[1] + 1)
    some = np.unique(np.geomspace(1, directions[-1], 14).round().astype(int)) - 1
    for epsilon, gain, line in zip(EPSILONS, result["gain"], result["predicted"].mean(-1), strict=True):
        ax.plot(directions, line, color=style.ink(), lw=1)
        ax.vlines(
            directions[some],
            *np.array([mean_interval(row) for row in gain[some]]).T,
            color=style.palette()["standardized"],
            lw=1,
        )
        ax.plot(directions[some], gain[some].mean(-1), "o", ms=4, mew=0)
        end = directions[-1], line[-1]
        label = f"ε = {_epsilon(epsilon)}"
        ax.annotate(label, end, xytext=(6, 0), textcoords="offset points", va="center", annotation_clip=False)
    ax.text(0.03, 0.95, "line: 1/√(λ + ε)\ndots: measured", transform=ax.transAxes, va="top")
    ax.set(xscale="log", yscale="log", xlabel="principal direction, largest variance first (log)")
    ax.set(title="Noise is multiplied by (log)", xlim=(0.93, directions[-1] * 4))
    ax.set_xticks([1, 3, 10, 30, 100], ["1", "3", "10", "30", "100"])
    ax.minorticks_off()


def _even(result) -> np.ndarray:
    """Share of the directions that keep at least half of the variance 1, one an epsilon."""
    variances = result["predicted"][0] ** -2  # at ε = 0
    return (variances >= np.array(EPSILONS)[:, None, None] * NOISE**2).mean((1, 2))


def _off(result) -> float:
    """Largest relative distance of a mean gain from its prediction."""
    return float(np.abs(result["gain"].mean(-1) / result["predicted"].mean(-1) - 1).max())


def _steeper(result) -> np.ndarray:
    """Gain along the last direction by that along the first: (epsilons, tables)."""
    return result["gain"][:, -1] / result["gain"][:, 0]


def table(result) -> dict:
    columns = {"direction": range(1, result["gain"].shape[1] + 1)}
    for i, epsilon in enumerate(EPSILONS):
        columns[f"gain_{epsilon:g}"] = result["gain"][i].mean(-1)
        columns[f"predicted_{epsilon:g}"] = result["predicted"][i].mean(-1)
    return columns


def caption(result) -> str:
    share, directions = result["share"].mean(1), result["gain"].shape[1]
    return (
        f"**Noise that is {percent(share[0], 1)} of the variance of natural patches is {percent(share[1])} "
        f"of it once they are whitened; ε = {_epsilon(EPSILONS[-1])} brings that down to "
        f"{percent(share[-1])}.**\n\nWithin a direction, signal and noise are multiplied by the "
        "same number. But directions of little variance, where the noise is, are made as large as all "
        "others. The price of that ε: only "
        f"{percent(_even(result)[-1])} of the {directions} directions still reach a variance of ½. σ is the "
        f"standard deviation of the noise, {NOISE:g} grey values; λ is the variance along a direction. "
        f"{int(result['rows']):,} new patches in each of {result['share'].shape[1]} draws; means with 95 % "
        "intervals, most smaller than the dots. Photographs by danielbuechele and vultilion (CC BY 2.0, cut)."
    )


def alt(result) -> str:
    share = result["share"].mean(1)
    return (
        "Five rows of image patches: raw ones, and whitened ones, which are speckled with colour at "
        "epsilon 0 and smoother at larger ones. Beside them, what noise is multiplied by along each "
        "principal direction, both log: it rises with the direction's number, less so the larger epsilon is, "
        f"on the predicted lines. The noise has {percent(share[1])} of the variance at epsilon 0 and "
        f"{percent(share[-1])} at the largest."
    )


def claims(result) -> Iterator[Claim]:
    share, steeper = result["share"], _steeper(result)
    least = mean_interval(share[1])[0]
    falls = [mean_interval(a - b)[0] > 0 for a, b in pairwise(share[1:])]
    yield Claim.of_mean(
        share[1],
        id="whiten-noise",
        statement="Whitening exaggerates noise in directions of little variance; a larger epsilon tames it",
        sources=("cs231n-2, data preprocessing",),
        verdict="depends",
        measure="fraction of the variance of whitened patches that is noise, epsilon 0",
        units="draws of patches and of noise; the two photographs are the same",
        map=Map.of_ratios(
            *result["noise"][::-1],
            axes={"noise, by the data's standard deviation": LEVELS, "data": DATA},
            above=TWICE,
            measure="fraction of the variance that is noise, whitened by raw, epsilon 0",
            units="draws of rows and of noise; photographs and digits are the same",
        ),
        holds=least > 10 * mean_interval(share[0])[1]
        and all(falls)
        and mean_interval(share[-1])[1] < least / 4
        and mean_interval(steeper[0])[0] > 30
        and mean_interval(steeper[-1])[1] < mean_interval(steeper[0])[0] / 4
        and _off(result) < 0.05,
        finding="It holds where directions differ in variance and the noise is weaker than the data. Raw, "
        f"noise is {percent(share[0].mean(), 2)} of the variance. On independent columns of equal variance "
        f"that fraction grows {number(np.divide(*result['noise'][::-1])[:, -1].max(), 3)}-fold at most. "
        f"In the last direction noise is multiplied by {number(steeper[0].mean())} times as much as in the "
        f"first, by {number(steeper[-1].mean())} times with the largest epsilon; 1/√(λ + ε) predicts "
        f"each to within {percent(_off(result), 1)}. An epsilon has the data's squared unit: beside the "
        f"smallest variance, {number((result['predicted'][0, -1] ** -2).mean())}, the $10^{{-5}}$ of the "
        "notes is nothing.",
    )
