"""Pictures of networks and their data, drawn into axes that you bring.

Needs matplotlib. What draws in colour takes `palette`, a mapping from meaning to colour (`LIGHT` or `DARK`):
a dead unit is grey in every picture. Functions that return an object with `update` can be animated: they only
move artists that already exist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

try:
    from contourpy import FillType, contour_generator
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection, PatchCollection, PathCollection
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Circle, PathPatch
    from matplotlib.path import Path as MplPath
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("unitgain.plots needs matplotlib: pip install matplotlib") from error

if TYPE_CHECKING:
    from .diagnostics import LayerSignal, StepRecord

__all__ = [
    "DARK",
    "LIGHT",
    "Boundary",
    "Network",
    "boundary",
    "grid",
    "network",
    "scatter",
    "shares",
    "signal",
    "unit_states",
]

LIGHT: Mapping[str, str] = {
    "class0": "#2F6DB5",
    "class1": "#E07B39",
    "alive": "#1B8A6B",
    "dead": "#9AA0A6",
    "always_on": "#C99700",
    "saturated": "#A23B72",
    "raw": "#A3485A",
    "standardized": "#00766C",
}
"""Colours by meaning, on a light page."""

DARK: Mapping[str, str] = {
    "class0": "#6CA6E8",
    "class1": "#F2A36B",
    "alive": "#52C9A5",
    "dead": "#7D848B",
    "always_on": "#E8C04A",
    "saturated": "#D67AA8",
    "raw": "#E08A9A",
    "standardized": "#4DB6AC",
}
"""The same meanings on a dark page."""


def scatter(
    ax: Axes, x: ArrayLike, y: ArrayLike, *, palette: Mapping[str, str] = LIGHT, size: float = 14, **style
) -> PathCollection:
    """Points of two classes, coloured by class.

    Args:
        ax: Where to draw.
        x: `(n, 2)`.
        y: `(n,)`, 0 or 1.
        palette: Colours by meaning.
        size: Area of a point in points².
        style: Further keywords for `Axes.scatter`.

    Returns:
        The points.

    Examples:
        >>> import matplotlib.pyplot as plt
        >>> from unitgain.datasets import circles
        >>> from unitgain.plots import scatter
        >>> points = scatter(plt.figure().subplots(), *circles(100))

    Source: the concentric circles of Galletti's *Tuning neural networks, part I*.
    """
    x, y = np.asarray(x), np.asarray(y)
    colours = np.array([to_rgb(palette["class0"]), to_rgb(palette["class1"])])[y.astype(int)]
    return ax.scatter(x[:, 0], x[:, 1], s=size, c=colours, **{"linewidths": 0, "alpha": 0.9, **style})


def grid(low: Sequence[float], high: Sequence[float], steps: int = 100) -> NDArray[np.float32]:
    """The points of a regular grid over the rectangle from `low` to `high`.

    Args:
        low, high: Corners, two coordinates each.
        steps: Points along each side, at least 2.

    Returns:
        `(steps * steps, 2)`, row by row from the bottom: the order of the scores in `Boundary.update`.

    Examples:
        >>> from unitgain.plots import grid
        >>> grid((0, 0), (1, 2), steps=2).tolist()
        [[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [1.0, 2.0]]

    Source: numpy.meshgrid.
    """
    a, b = np.meshgrid(np.linspace(low[0], high[0], steps), np.linspace(low[1], high[1], steps))
    return np.stack([a.ravel(), b.ravel()], axis=1).astype(np.float32)


class Boundary:
    """Where a classifier changes its mind: the two regions as a tint, the line between them.

    Made by `boundary`, which has the example and the source.
    """

    def __init__(
        self,
        ax: Axes,
        low: Sequence[float],
        high: Sequence[float],
        palette: Mapping[str, str],
        line: str,
        animated: bool,
    ) -> None:
        self._ends = low, high
        tint = {"alpha": 0.22, "lw": 0, "animated": animated, "zorder": 0}
        self.regions = [PathPatch(_NOWHERE, fc=palette[key], **tint) for key in ("class0", "class1")]
        for region in self.regions:
            ax.add_patch(region)
        self.line = LineCollection([], colors=line, linewidths=2.2, animated=animated, zorder=3)
        ax.add_collection(self.line)
        ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))

    def update(self, score: ArrayLike) -> None:
        """Draw the boundary of `score`, `(steps * steps,)` on the points of `grid`: class 1 if positive."""
        score = np.asarray(score, dtype=np.float64)
        steps = round(score.size**0.5)
        score = score.reshape(steps, steps)
        (x0, y0), (x1, y1) = self._ends
        contours = contour_generator(
            np.linspace(x0, x1, steps), np.linspace(y0, y1, steps), score, fill_type=FillType.OuterOffset
        )
        for region, ends in zip(self.regions, ((-np.inf, 0.0), (0.0, np.inf)), strict=True):
            region.set_path(_area(*contours.filled(*ends)))
        self.line.set_segments(contours.lines(0.0))  # type: ignore[arg-type]  # a list, as the generator was made


_NOWHERE = MplPath(np.empty((0, 2)))


def _area(polygons: list[NDArray], offsets: list[NDArray]) -> MplPath:
    """Contourpy's polygons, holes included, as one path."""
    if not polygons:
        return _NOWHERE
    codes = [np.full(len(points), MplPath.LINETO) for points in polygons]
    for code, starts in zip(codes, offsets, strict=True):
        code[starts[:-1]] = MplPath.MOVETO
    return MplPath(np.concatenate(polygons), np.concatenate(codes))


def boundary(
    ax: Axes,
    predict: Callable[[Tensor], Tensor] | None,
    low: Sequence[float],
    high: Sequence[float],
    *,
    steps: int = 200,
    palette: Mapping[str, str] = LIGHT,
    line: str = "black",
    animated: bool = False,
) -> Boundary:
    """Draw the decision boundary of a classifier over a rectangle.

    Args:
        ax: Where to draw.
        predict: Maps points `(m, 2)`, float32 on the CPU, to scores `(m,)` or `(m, 1)`, positive for class 1.
            None: draw nothing yet.
        low, high: Corners of the rectangle, two coordinates each.
        steps: Points along each side of the grid on which `predict` is asked.
        palette: Colours by meaning.
        line: Colour of the line.
        animated: Leave the drawing to the caller (blitting).

    Returns:
        The drawing; `update(scores)` changes it.

    Examples:
        >>> import matplotlib.pyplot as plt
        >>> from unitgain.models import MLP
        >>> from unitgain.plots import boundary
        >>> drawing = boundary(plt.figure().subplots(), MLP((2, 4, 1)), (-2, -2), (2, 2))

    Source: the decision boundaries of Galletti's *Tuning neural networks, part I*.
    """
    drawing = Boundary(ax, low, high, palette, line, animated)
    if predict is not None:
        with torch.no_grad():
            drawing.update(predict(torch.from_numpy(grid(low, high, steps))).reshape(-1).cpu().numpy())
    return drawing


def unit_states(share: ArrayLike) -> list[str]:
    """Name the state of each unit from the fraction of the data that activates it.

    Args:
        share: `(units,)`, in [0, 1], as in `diagnostics.LayerActivity`.

    Returns:
        "dead" where 0, "always_on" where 1, "alive" between.

    Examples:
        >>> from unitgain.plots import unit_states
        >>> unit_states([0.0, 0.3, 1.0])
        ['dead', 'alive', 'always_on']

    Source: see `diagnostics.LayerActivity`.
    """
    return ["dead" if s == 0 else "always_on" if s == 1 else "alive" for s in np.asarray(share).ravel()]


class Network:
    """A network as circles and edges. Made by `network`, which has the example and the source."""

    RADIUS = 0.29
    PLAIN: ClassVar[Any] = (2.0, "-")  # width and dash of a ring: states differ by more than colour
    RINGS: ClassVar[dict[str, Any]] = {"dead": (2.0, (0, (1, 1.2))), "always_on": (4.0, "-")}

    def __init__(
        self,
        ax: Axes,
        sizes: Sequence[int],
        palette: Mapping[str, str],
        ink: str,
        animated: bool,
        labels: Sequence[str] | None,
    ) -> None:
        self._palette, self._ink = palette, ink
        tallest = max(sizes)
        layers = [
            np.stack([np.full(size, 1.6 * i), np.arange(size)[::-1] + (tallest - size) / 2], axis=1)
            for i, size in enumerate(sizes)
        ]
        # In the order of weight.ravel()
        segments = [self._between(a, b) for left, right in pairwise(layers) for b in right for a in left]
        self.edges = LineCollection(segments, animated=animated, zorder=1)
        points = np.concatenate(layers)
        self.units = PatchCollection(
            [Circle(point, self.RADIUS) for point in points], animated=animated, zorder=2
        )
        ax.add_collection(self.edges)
        ax.add_collection(self.units)
        for point, label in zip(points, labels or (), strict=bool(labels)):
            ax.text(point[0], point[1] - self.RADIUS - 0.06, label, ha="center", va="top")
        ax.set(xlim=(-0.5, 1.6 * (len(sizes) - 1) + 0.5), ylim=(-0.5 - 0.25 * bool(labels), tallest - 0.5))
        ax.set_aspect("equal")
        ax.axis("off")

    def _between(self, a: NDArray, b: NDArray) -> list[NDArray]:
        """The edge from the rim of the circle at a to the rim of the circle at b."""
        rim = self.RADIUS * 1.12 * (b - a) / np.linalg.norm(b - a)
        return [a + rim, b - rim]

    def update(
        self, activation: Sequence[ArrayLike], states: Sequence[Sequence[str]], weights: Sequence[ArrayLike]
    ) -> None:
        """Fill each unit by its activation, ring it by its state, draw each edge by its weight.

        Args:
            activation: One `(units,)` a layer, inputs included; values below 0 or above 1 are clipped.
            states: One name a unit, a list for each layer: "dead", "alive", "always_on", "saturated", or ""
                for none.
            weights: One `(out, in)` for each pair of neighbouring layers.
        """
        strength = np.concatenate([np.atleast_1d(layer) for layer in activation]).clip(0, 1)
        names = [state for layer in states for state in layer]
        rings = [to_rgb(self._palette.get(name, self._ink)) for name in names]
        self.units.set_facecolor([(*ring, 0.04 + 0.9 * s) for ring, s in zip(rings, strength, strict=True)])
        self.units.set_edgecolor(rings)
        widths, dashes = zip(*(self.RINGS.get(name, self.PLAIN) for name in names), strict=True)
        self.units.set(linewidth=widths, linestyle=dashes)
        w = np.concatenate([np.asarray(layer).ravel() for layer in weights])
        self.edges.set_color(self._ink)
        self.edges.set_linewidth(0.6 + 3.0 * np.abs(w) / max(np.abs(w).max(), 1e-12))
        self.edges.set_linestyle(["-" if value > 0 else (0, (4, 2)) for value in w])


def network(
    ax: Axes,
    sizes: Sequence[int],
    *,
    palette: Mapping[str, str] = LIGHT,
    ink: str = "black",
    labels: Sequence[str] | None = None,
    animated: bool = False,
) -> Network:
    """Draw a small network: circles filled by activation and ringed by state, edges by sign and size.

    Edges of positive weights are solid, of negative ones dashed.

    Args:
        ax: Where to draw.
        sizes: Units a layer, inputs first.
        palette: Colours by meaning.
        ink: Colour of rings without a state.
        labels: One text a unit, layer by layer from the top, or None.
        animated: Leave the drawing to the caller (blitting).

    Returns:
        The drawing; `update(activation, states, weights)` fills it.

    Examples:
        >>> import matplotlib.pyplot as plt
        >>> from unitgain.plots import network
        >>> drawing = network(plt.figure().subplots(), (2, 2, 1))
        >>> states = [["", ""], ["alive", "dead"], [""]]
        >>> drawing.update([[0, 1], [0.5, 0], [0.3]], states, [[[1, -1], [2, 0.5]], [[1, -2]]])

    Source: the network drawings of Galletti's *Tuning neural networks, part I*.
    """
    return Network(ax, sizes, palette, ink, animated, labels)


def signal(ax: Axes, record: StepRecord, *, palette: Mapping[str, str] = LIGHT, ink: str = "black") -> None:
    """How large the signal is at each layer of a network, on its way forward and on its way back.

    One column a layer, in the order in which they ran. Forward: the median over units (and replicas) of the
    outputs' standard deviation, with the range that holds the middle 80 % of them. Back: the root mean square
    of the loss's gradient with respect to the same outputs, with that range over replicas. The axis is
    logarithmic: with unit gain both lines are level. What is exactly 0 cannot be drawn on it: dead units are
    left out, and where nothing is left the line has a gap.

    Args:
        ax: Where to draw.
        record: One measured step: `diagnostics.observe`'s `seen.last`, or one of `seen.steps`.
        palette: Colours by meaning.
        ink: Colour of the gradient.

    Examples:
        >>> import matplotlib.pyplot as plt
        >>> import torch
        >>> from unitgain.diagnostics import observe
        >>> from unitgain.models import MLP
        >>> from unitgain.plots import signal
        >>> model = MLP((2, 8, 8, 1))
        >>> with observe(model) as seen:
        ...     model(torch.randn(50, 2)).square().mean().backward()
        >>> signal(plt.figure().subplots(), seen.last)

    Source: Glorot & Bengio, *Understanding the difficulty of training deep feedforward neural networks*
    (2010), figures 6 and 7.
    """
    columns = np.arange(1, len(record.layers) + 1)
    rows: list[
        tuple[str, str, str, Sequence[Tensor | None]]
    ] = [  # text, colour, marker, figure of each layer
        ("signal forward", palette["standardized"], "o", [layer.std for layer in record.layers]),
        ("gradient back", ink, "s", [layer.gradient for layer in record.layers]),
    ]
    ends: list[tuple[float, int, str, str]] = []
    for text, colour, marker, layers in rows:
        low, middle, high = np.array([_middle(figure) for figure in layers]).T
        if np.isnan(middle).all():
            continue  # no backward pass, or nothing but zeros
        ax.plot(columns, middle, color=colour, marker=marker, markersize=5, zorder=3)
        ax.vlines(columns, low, high, color=colour, alpha=0.35, linewidth=5)
        last = np.flatnonzero(~np.isnan(middle))[-1]
        ends.append((middle[last], columns[last], text, colour))
    for (y, x, text, colour), side in zip(
        sorted(ends), ("top", "bottom"), strict=False
    ):  # never on each other
        ax.annotate(text, (x, y), (8, 0), textcoords="offset points", color=colour, va=side)
    ax.set_yscale("log")
    _name_layers(ax, record.layers)
    ax.set_ylabel("size (log scale)")


def _middle(figure: Tensor | None) -> NDArray[np.float64]:
    """10 %, 50 % and 90 % of the positive, finite numbers; NaN where there are none."""
    numbers = np.array([]) if figure is None else figure.cpu().double().numpy().ravel()
    numbers = numbers[np.isfinite(numbers) & (numbers > 0)]
    return np.quantile(numbers, (0.1, 0.5, 0.9)) if len(numbers) else np.full(3, np.nan)


def _name_layers(ax: Axes, layers: Sequence[LayerSignal]) -> None:
    """Layers from left to right, upright where the names are short."""
    names = [layer.name or "model" for layer in layers]
    ax.set_xticks(range(1, len(names) + 1), names)
    if max(map(len, names)) * len(names) > 40:
        ax.tick_params(axis="x", labelrotation=40)
        for label in ax.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")


STATES = {  # what a stack is made of, from below: its name, its hatch
    "alive": ("alive", ""),
    "always_on": ("always on", ".."),
    "saturated": ("saturated", "xx"),
    "dead": ("dead", "//"),
}


def shares(
    ax: Axes,
    layers: Sequence[LayerSignal],
    *,
    palette: Mapping[str, str] = LIGHT,
    paper: str = "white",
) -> None:
    """What fraction of each layer's units is alive, always on, saturated or dead: one stack a layer.

    A unit is *saturated* when its activation's derivative is small on all data, unless it is *dead*: never
    active, and always exactly 0. It is *always on* when all data activates it. The others are *alive*: they
    tell examples apart.

    Args:
        ax: Where to draw.
        layers: Activations of one measured step, from `seen.last.layers`; what else is among them is left
            out.
        palette: Colours by meaning.
        paper: Colour of the hatches that tell the states apart without colour: the page's own.

    Raises:
        ValueError: If no activation is among `layers`.

    Examples:
        >>> import matplotlib.pyplot as plt
        >>> import torch
        >>> from unitgain.diagnostics import observe
        >>> from unitgain.models import MLP
        >>> from unitgain.plots import shares
        >>> model = MLP((2, 20, 20, 1))
        >>> with observe(model) as seen:
        ...     y = model(9 + torch.rand(50, 2))
        >>> shares(plt.figure().subplots(), seen.last.layers)

    Source: the dead and always-on units of Galletti's *Tuning neural networks, part I*.
    """
    activations = [layer for layer in layers if layer.saturated is not None]
    if not activations:
        raise ValueError(
            f"shares: layers must include activations, got {[layer.name for layer in layers]} without any"
        )
    columns = np.arange(1, len(activations) + 1)
    heights = np.array([_state_shares(layer) for layer in activations])  # (layers, states)
    below = np.zeros(len(activations))
    placed: list[float] = []
    for (key, (text, hatch)), height in zip(STATES.items(), heights.T, strict=True):
        ax.bar(
            columns, height, 0.7, below, color=palette[key], hatch=hatch, edgecolor=paper, lw=0, label=text
        )
        if height[-1] > 0:
            middle = float(below[-1] + height[-1] / 2)
            middle = max(middle, placed[-1] + 0.07) if placed else middle  # thin neighbours: one line each
            placed.append(middle)
            ax.text(columns[-1] + 0.42, middle, text, va="center")
        elif height.any():
            at = int(np.flatnonzero(height)[-1])
            ax.text(columns[at], 1.02, f"{text} ↓", ha="center")
        below += height
    _name_layers(ax, activations)
    ax.set(ylim=(0, 1), xlim=(0.5, columns[-1] + 0.5), ylabel="share of units")


def _state_shares(layer: LayerSignal) -> list[float]:
    """Fractions of the layer's units, over all replicas, in the order of STATES."""
    assert layer.saturated is not None
    silent = layer.dead & (layer.mean == 0) & (layer.std == 0)
    saturated = layer.saturated & ~silent
    always_on = layer.always_on & ~saturated
    alive = ~(silent | saturated | always_on)
    return [state.cpu().double().mean().item() for state in (alive, always_on, saturated, silent)]
