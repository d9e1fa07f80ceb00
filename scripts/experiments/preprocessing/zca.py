"""What distinguishes ZCA whitening from PCA whitening?  Chapter: preprocessing."""

import numpy as np
import torch
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from torch import Tensor

from experiments import style
from experiments.preprocessing._shared.cloud import cloud, covariance, ring
from experiments.preprocessing._shared.mosaic import span_below
from experiments.words import number, percent
from unitgain.transforms import Center, Whitening

STD = (1.3, 1.0)  # of the features: the principal axes then lie between them
TURNS = np.linspace(-np.pi, np.pi, 25)
SHOWN = 20  # points in the picture


def compute(*, tables=20, points=300, seed=0, device="cpu"):
    """A cloud `centred`, `pca`- and `zca`-whitened (points, 2).

    Of many clouds: the mean squared `distance` (turns, tables) from the centred to the ZCA-whitened points
    turned on by each of TURNS; the angle `pca_turn` (tables,) by which PCA whitening turns them on, and its
    `pca_distance`; `off` (2, tables): by how much the covariances differ from the identity, at most.
    """
    clouds = []
    for x in cloud(points, seed, tables, std=STD, device=device):
        centred = Center().fit(x).transform(x)
        whiten = {method: Whitening(method).fit(centred) for method in ("pca", "zca")}
        clouds.append(
            (centred, *(one.transform(centred) for one in whiten.values()), whiten["pca"].components_)
        )
    centred, pca, zca, axes = (torch.stack(part) for part in zip(*clouds, strict=True))
    turned = torch.stack([zca @ _turn(angle).to(zca).mT for angle in TURNS])
    return {
        "centred": centred[0],
        "pca": pca[0],
        "zca": zca[0],
        "distance": _square(turned - centred),
        "pca_turn": torch.atan2(axes[:, 1, 0], axes[:, 0, 0]),
        "pca_distance": _square(pca - centred),
        "off": torch.stack([_from_identity(pca), _from_identity(zca)]),
    }


def _square(difference: Tensor) -> Tensor:
    return difference.square().sum(-1).mean(-1)


def _from_identity(z: Tensor) -> Tensor:
    covariances = z.mT @ z / (z.shape[1] - 1)
    return (covariances - torch.eye(2).to(z)).abs().amax((-2, -1))


def _turn(angle: float) -> Tensor:
    return torch.tensor([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def predicted(turn: np.ndarray) -> np.ndarray:
    """Mean squared distance of endless data: tr C + d − 2 cos(turn) tr C^½."""
    variances = torch.linalg.eigvalsh(covariance(STD)).numpy()
    return variances.sum() + 2 - 2 * np.cos(turn) * np.sqrt(variances).sum()


def draw(result) -> Figure:
    fig, axes = style.figure(8.2, 3.2, ncols=3, stacked=(2, 2), tall=5.0)
    span_below(axes[2])
    colours, ink = style.palette(), style.ink()
    start = result["centred"][:SHOWN]
    for ax, (key, name) in zip(axes, {"pca": "PCA-whitened", "zca": "ZCA-whitened"}.items(), strict=False):
        end = result[key][:SHOWN]
        ways = np.stack([start, end], axis=1)
        ax.add_collection(LineCollection(ways, colors=style.GRID, linewidths=0.8, alpha=0.8))
        ax.plot(*start.T, "o", ms=3, mfc="none", mew=0.8, color=colours["raw"])
        ax.plot(*end.T, "o", ms=4, mew=0, color=colours["standardized"])
        ax.plot(*ring(result["centred"]).T, color=colours["raw"], lw=1, ls=(0, (4, 3)))
        ax.plot(*ring(result[key]).T, color=colours["standardized"], lw=1.2)
        ax.set(
            title=name,
            xlim=(-4.2, 3.4),
            ylim=(-3.3, 3.9),
            aspect="equal",
            xticks=(-2, 0, 2),
            yticks=(-2, 0, 2),
        )
    axes[0].text(3.3, 2.8, "centred", color=colours["raw"], ha="right")
    axes[0].text(3.3, -2.9, "whitened", color=colours["standardized"], ha="right")
    ax = axes[2]
    degrees, fine = np.degrees(TURNS), np.linspace(-np.pi, np.pi, 181)
    ax.plot(np.degrees(fine), predicted(fine), color=ink, lw=1)
    ax.plot(degrees[::2], result["distance"].mean(-1)[::2], "o", ms=4.5, mew=0, color=colours["standardized"])
    pca = np.degrees(result["pca_turn"].mean()), result["pca_distance"].mean()
    ax.plot(*pca, "^", ms=9, mew=0, color=ink)
    ax.annotate("PCA", pca, (-12, 0), textcoords="offset points", ha="right", va="center")
    ax.annotate("ZCA", (0, predicted(0.0)), (0, -17), textcoords="offset points", ha="center")
    ax.set(title="Mean squared distance moved", xlabel="turn away from ZCA (degrees)", ylim=(-1.6, None))
    ax.set_xticks((-180, -90, 0, 90, 180))
    return fig


def table(result) -> dict:
    return {
        "turn": TURNS,
        "distance_predicted": predicted(TURNS),
        "distance_measured": result["distance"].mean(-1),
    }


def _off(result) -> float:
    return float(np.abs(result["distance"].mean(-1) / predicted(TURNS) - 1).max())


def caption(result) -> str:
    at_zca, at_pca = result["distance"][np.abs(TURNS).argmin()].mean(), result["pca_distance"].mean()
    return (
        "**PCA and ZCA whitening differ only by a rotation. ZCA moves the points least: their mean squared "
        f"distance is {number(at_zca, 2)}, with PCA {number(at_pca, 2)}.**\n\nPCA whitening leaves the cloud "
        f"on its principal axes, here turned by {abs(np.degrees(result['pca_turn'].mean())):.0f} "
        "degrees; ZCA turns it back. Both covariances are the identity to within "
        f"{number(result['off'].max(), 1)}. The line is predicted from the covariance; the dots are means of "
        f"{result['distance'].shape[1]} clouds, which the line predicts within {percent(_off(result))}."
    )


def alt(result) -> str:
    return (
        "Two round clouds with lines to where their points were in a tilted ellipse: after PCA whitening "
        "the lines swirl around the middle, after ZCA whitening they are short and straight towards the "
        "circle. A curve of the mean squared way against the turn has its lowest point, "
        f"{result['distance'].mean(-1).min():.2f}, at ZCA."
    )
