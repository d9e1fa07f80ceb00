"""What does each step of preprocessing do to a cloud of points?  Chapter: preprocessing."""

from collections.abc import Iterator

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from experiments import style
from experiments.preprocessing._shared.cloud import cloud, ring
from experiments.words import number
from unitgain.transforms import PCA, StandardScaler

REST, MOVE = 10, 20  # frames that a stage stands, and that the way to the next one takes
Map = tuple[np.ndarray, np.ndarray]  # shift and matrix: x → matrix (x − shift)


def compute(*, points=300, seed=0, device="cpu"):
    """The points `x` (points, 2), and what the two pipelines measure of them."""
    x = cloud(points, seed, device=device)
    scaler, pca = StandardScaler().fit(x), PCA().fit(x)
    return {
        "x": x,
        "mean": scaler.mean_,
        "std": scaler.scale_,
        "components": pca.components_,
        "deviations": pca.explained_variance_.sqrt(),
    }


def _standardize(result, stage: float) -> Map:
    """Stage 0: as it is; 1: centred; 2: each feature divided by its standard deviation; and between."""
    centred, scaled = np.clip([stage, stage - 1], 0, 1)
    return centred * result["mean"], np.diag(result["std"] ** -scaled)


def _whiten(result, stage: float) -> Map:
    """Stage 0: as it is; 1: centred; 2: turned onto its axes; 3: divided by their standard deviations."""
    centred, turned, scaled = np.clip([stage, stage - 1, stage - 2], 0, 1)
    return centred * result["mean"], np.diag(result["deviations"] ** -scaled) @ _turn(
        -turned * _angle(result)
    )


def _angle(result) -> float:
    """Of the first principal axis."""
    x, y = result["components"][0]
    return float(np.arctan2(y, x))


def _turn(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _send(points: np.ndarray, by: Map) -> np.ndarray:
    shift, matrix = by
    return (points - shift) @ matrix.T


class _Panel:
    """One pipeline: the cloud, an arrow for each standard deviation, outlines of the stages gone by."""

    def __init__(self, ax, result, title, names, stages, arrows) -> None:
        self.result, self.names, self.stages, self.arrows = result, names, stages, arrows
        colours, ink = style.palette(), style.ink()
        self.ends = np.array([to_rgb(colours["raw"]), to_rgb(colours["standardized"])])
        ax.axhline(0, color=style.GRID, lw=0.7, alpha=0.6)
        ax.axvline(0, color=style.GRID, lw=0.7, alpha=0.6)
        ax.set_title(title)
        ax.set(xlim=(-4.4, 7.4), ylim=(-3.6, 5.8), xticks=range(-4, 8, 2), yticks=range(-2, 6, 2))
        ax.set(aspect="equal", xlabel="first feature")
        self.edge = ring(result["x"])
        self.past = []
        for stage in range(len(names) - 1):
            edge = _send(self.edge, stages(result, stage))
            (line,) = ax.plot(*edge.T, color=colours["raw"], lw=1, ls=(0, (4, 3)), alpha=0.7, animated=True)
            top = edge[edge[:, 1].argmax()] if stage == 0 else edge[edge[:, 0].argmax()]
            place = {"ha": "center", "va": "bottom"} if stage == 0 else {"ha": "left", "va": "center"}
            shift = (0, 0.15) if stage == 0 else (0.15, 0)
            text = ax.text(
                *top + shift, names[stage], color=colours["raw"], fontsize=9.5, animated=True, **place
            )
            self.past.append((line, text))
        (self.dots,) = ax.plot([], [], "o", ms=3, mew=0, alpha=0.7, animated=True)
        at = {"angles": "xy", "scale_units": "xy", "scale": 1}
        head = {"width": 0.01, "headwidth": 3.2, "headlength": 3.4, "headaxislength": 3.2}
        self.quiver = ax.quiver([0, 0], [0, 0], [1, 0], [0, 1], color=ink, zorder=4, **at, **head)
        self.quiver.set_animated(True)
        place = {"transform": ax.transAxes, "ha": "right", "va": "bottom", "animated": True}
        self.name = ax.text(1, 1.025, "", fontsize=12, **place)
        self.numbers = ax.text(0.99, 0.02, "", fontsize=9.5, **place)

    def update(self, stage: float) -> None:
        stage = min(stage, len(self.names) - 1)
        by = self.stages(self.result, stage)
        x = _send(self.result["x"], by)
        for gone, artists in enumerate(self.past):
            for artist in artists:
                artist.set_visible(stage >= gone + 1)
        mix = np.clip(stage - len(self.names) + 2, 0, 1)
        self.dots.set_data(*x.T)
        self.dots.set_color((1 - mix) * self.ends[0] + mix * self.ends[1])
        self.quiver.set_offsets(np.tile(x.mean(0), (2, 1)))
        self.quiver.set_UVC(*(by[1] @ self.arrows))
        self.name.set_text(self.names[int(np.ceil(stage - 0.5))])
        (a, b), (_, c) = np.cov(x.T)
        self.numbers.set_text(f"variances {_plain(a)}, {_plain(c)}\ncovariance {_plain(b)}")


def _plain(value: float) -> str:
    return f"{value + 0.0:.2f}".replace("-0.00", "0.00").replace("-", "−")


def animate(result) -> Iterator[Figure]:
    fig, axes = style.figure(7.8, 3.8, ncols=2, tall=6.4, sharey=True)
    left = _Panel(
        axes[0],
        result,
        "Feature by feature",
        ("original", "centred", "standardized"),
        _standardize,
        np.diag(result["std"]),
    )
    right = _Panel(
        axes[1],
        result,
        "Along the principal axes",
        ("original", "centred", "decorrelated", "whitened"),
        _whiten,
        result["components"].T * result["deviations"],
    )
    axes[0].set_ylabel("second feature")
    ease = np.linspace(0, 1, MOVE + 1)[1:]
    ease = ease**2 * (3 - 2 * ease)
    stages = np.concatenate([[*[k] * REST, *(k + ease)] for k in range(3)])
    axes[1].set_xlabel("first feature, then first principal axis")
    update = style.progress(axes[1], len(stages), "")
    for k, stage in enumerate(stages):
        for panel in (left, right):
            panel.update(stage)
        update(k, "")
        yield fig


def table(result) -> dict:
    columns = {"original_0": result["x"][:, 0], "original_1": result["x"][:, 1]}
    for name, stages, stage in (
        ("centred", _standardize, 1),
        ("standardized", _standardize, 2),
        ("decorrelated", _whiten, 2),
        ("whitened", _whiten, 3),
    ):
        z = _send(result["x"], stages(result, stage))
        columns |= {f"{name}_0": z[:, 0], f"{name}_1": z[:, 1]}
    return columns


def _covariance(result, stages, stage: float) -> np.ndarray:
    return np.cov(_send(result["x"], stages(result, stage)).T)


def caption(result) -> str:
    raw, scaled, white = (
        _covariance(result, stages, stage)
        for stages, stage in ((_standardize, 0), (_standardize, 2), (_whiten, 3))
    )
    return (
        f"**Centring moves the cloud. Standardizing turns variances of {number(raw[0, 0], 2)} and "
        f"{number(raw[1, 1], 2)} into {scaled[0, 0]:.0f} and {scaled[1, 1]:.0f}. Only whitening "
        f"brings the covariance, {number(raw[0, 1], 2)}, to {abs(white[0, 1]):.0f}.**\n\n"
        f"Left, each feature "
        f"is divided by its own standard deviation: a covariance of {number(scaled[0, 1], 2)} is left, and "
        "the cloud stays an ellipse. Right, the cloud is first turned onto its principal axes. Each arrow is "
        "one standard deviation: of a feature on the left, along a principal axis on the right. There are "
        f"{len(result['x'])} normally distributed points. The outlines lie two standard deviations from the "
        "mean."
    )


def alt(result) -> str:
    raw, scaled = (_covariance(result, _standardize, stage) for stage in (0, 2))
    return (
        "Animation in two panels. A tilted, elongated cloud away from the origin moves to the origin. On the "
        "left its two arrows, standard deviations of "
        f"{raw[0, 0] ** 0.5:.1f} and {raw[1, 1] ** 0.5:.1f}, become equally long, yet the cloud stays tilted "
        f"with a covariance of {scaled[0, 1]:.1f}. On the right it turns until its axes are level, then both "
        "become equally long and the cloud is round."
    )
