"""Does whitening divide by the eigenvalue or by its root?  Chapter: preprocessing."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments import style
from experiments.evidence import Claim
from experiments.intervals import mean_interval
from experiments.trials import generator
from experiments.words import number
from unitgain.datasets import image_patches
from unitgain.transforms import PCA, StandardScaler, Whitening

SIZE = 4  # pixels a side
WITHIN = 1e-14  # rounding: some 50 of float64's epsilon
WAYS = ("before", "eigenvalue", "root")


def compute(*, tables=20, points=1_000, seed=0, device="cpu"):
    """Variances along the principal axes (tables, SIZE²): `before`, after dividing by `eigenvalue` or `root`.

    And `off` (tables,): by how much the covariance after the root differs from the identity, over the
    condition number of the one before, which multiplies rounding; `mixed` (tables,) the same of 2 to 13
    normal columns, mixed at random and of sizes from 0.1 to 100.
    """
    draws = generator(seed)
    patches = image_patches(tables * points, SIZE, generator=draws, device=device, dtype=torch.float64)
    grey = StandardScaler(None).fit(patches).transform(patches).mean(1).flatten(1)
    found = {way: [] for way in (*WAYS, "off")}
    for x in grey.unflatten(0, (tables, points)):
        pca = PCA().fit(x)
        z = pca.transform(x)
        whitened = Whitening().fit(x).transform(x)
        for way, data in zip(WAYS, (z, z / pca.explained_variance_, whitened), strict=True):
            found[way].append(data.var(0))
        found["off"].append(_off(Whitening(), x))
    found["mixed"] = [_off(Whitening(), _mixed(2 + k % 12, points, draws).to(device)) for k in range(tables)]
    return {way: torch.stack(rows) for way, rows in found.items()}


def _off(whiten: Whitening, x: Tensor) -> Tensor:
    """How far the covariance after is from the identity, over the condition number of the one before."""
    off = (whiten.fit(x).transform(x).T.cov() - torch.eye(x.shape[1]).to(x)).abs().max()
    return off / torch.linalg.cond(x.T.cov())


def _mixed(features: int, points: int, draw: torch.Generator) -> Tensor:
    """Correlated columns in units of their own (points, features)."""
    normal, mix = (torch.randn(n, features, generator=draw, dtype=torch.float64) for n in (points, features))
    return normal @ mix * 10 ** (3 * torch.rand(features, generator=draw, dtype=torch.float64) - 1)


def draw(result) -> Figure:
    fig, (plane, ax) = style.figure(8.2, 3.4, ncols=2, tall=5.4, width_ratios=(1, 1.35))
    colours, ink = style.palette(), style.ink()
    angle = np.linspace(0, 2 * np.pi, 181)
    looks = {
        "before": (colours["raw"], "^", "--", "centred"),
        "eigenvalue": (colours["raw"], "s", (0, (1, 1.2)), "÷ eigenvalue"),
        "root": (colours["standardized"], "o", "-", "÷ its root"),
    }
    number_of = np.arange(1, SIZE**2 + 1)
    middle = result["before"].mean(0)
    for theory in (1 / middle, np.ones_like(middle)):
        ax.plot(number_of, theory, color=ink, lw=1)
    for way, (colour, mark, dash, _) in looks.items():
        wide, high = np.sqrt(result[way].mean(0)[:2])
        plane.plot(wide * np.cos(angle), high * np.sin(angle), color=colour, ls=dash, lw=1.8)
        ax.vlines(number_of, *np.array([mean_interval(row) for row in result[way].T]).T, color=colour, lw=1.5)
        fill = {"mfc": "none", "mew": 1.3} if mark == "s" else {"mew": 0}
        ax.plot(number_of, result[way].mean(0), mark, ms=5, color=colour, **fill)
    reach = 1.15 * np.sqrt(middle[0])
    plane.set(
        xlim=(-reach, reach),
        ylim=(-0.75 * reach, 0.75 * reach),
        aspect="equal",
        title="One standard deviation",
    )
    plane.set(xlabel="along the first principal axis", ylabel="along the second", xticks=(-4, -2, 0, 2, 4))
    plane.set(yticks=(-2, 0, 2))
    for way, x, y, place in (
        ("before", 0.95 * np.sqrt(middle[0]), -1.05, "right"),
        ("eigenvalue", 0.3, 1.0 / np.sqrt(middle[1]), "left"),
        ("root", 0.75, 0.95, "left"),
    ):
        plane.text(x, y, looks[way][3], color=looks[way][0], ha=place, va="bottom")
    for way, at, y, side in (
        ("before", 6, 0.09, "left"),
        ("eigenvalue", 7.5, 60, "right"),
        ("root", 16, 1.3, "right"),
    ):
        ax.text(at, y, looks[way][3], color=looks[way][0], ha=side)
    ax.set(yscale="log", title="Variance (log)", xlabel="principal axis", xticks=(1, 4, 8, 12, 16))
    ax.minorticks_off()
    return fig


def table(result) -> dict:
    return {"axis": np.arange(1, SIZE**2 + 1)} | {f"variance_{way}": result[way].mean(0) for way in WAYS}


def _ratio(variances: np.ndarray) -> np.ndarray:
    """Largest by smallest, of each table."""
    return variances.max(1) / variances.min(1)


def caption(result) -> str:
    wrong = result["eigenvalue"].mean(0)
    return (
        f"**Divided by the eigenvalue, the variances run from {number(wrong.min(), 2)} to "
        f"{number(wrong.max(), 2)}, in reverse order; divided by its root they are all "
        f"{result['root'].mean():.0f}.**\n\n"
        f"Left, the wrong division only turns the ellipse by a right angle. Right, the variance along each "
        f"principal axis; the lines are computed from the variances before. Grey patches of {SIZE} × "
        f"{SIZE} pixels out of two photographs, in standard deviations of all pixels; means of "
        f"{len(result['before'])} samples, with intervals narrower than the marks."
    )


def alt(result) -> str:
    before, wrong = result["before"].mean(0), result["eigenvalue"].mean(0)
    return (
        "Left: a flat ellipse, an upright one after dividing by the eigenvalue, a circle after dividing by "
        f"its root. Right: variances along {SIZE**2} principal axes fall from {number(before.max(), 2)} to "
        f"{number(before.min(), 2)}; divided by the eigenvalue they rise from {number(wrong.min(), 2)} to "
        f"{number(wrong.max(), 2)}; by the root all are 1."
    )


def claims(result) -> Iterator[Claim]:
    ratio = _ratio(result["eigenvalue"])
    off = np.concatenate([result["off"], result["mixed"]])
    yield Claim.of_identity(
        off,
        id="whiten-sqrt",
        statement="Whitening divides the data along each principal axis by the root of the covariance's "
        "eigenvalue",
        sources=("cs231n-2, data preprocessing",),
        verdict="confirmed",
        within=WITHIN,
        measure="largest distance of the covariance of whitened data from the identity, over the condition "
        "number of the covariance before",
        units=f"tables, {len(result['mixed'])} of them mixed at random, the others patches of two "
        "photographs",
        holds=mean_interval(ratio)[0] > 10 and np.allclose(ratio, _ratio(result["before"])),
        finding="The notes' code takes the root, and is right. Their words are a slip of naming: the text "
        'divides by "the eigenvalues", and a comment in the code gives their name to the roots. Divided by '
        f"the eigenvalues themselves, patches are no whiter than before: the largest variance is "
        f"{number(ratio.mean())} times the smallest, as it was, but in reverse order.",
    )
