"""The look of every picture: type, sizes, and colours that mean the same thing everywhere.

Every picture is drawn twice by the same `draw`: wide, and narrow for a phone, where `figure` stacks panels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterSciNotation

from unitgain.plots import DARK, LIGHT

INK = "#010203"  # in an SVG: a sentinel that the engine replaces by currentColor
VIDEO_INK = {"light": "#21262D", "dark": "#DFE2E7"}
PAPER = {"light": "#FFFFFF", "dark": "#15181B"}
GRID = "#8A9099"
SVG_VARIABLES = {LIGHT[key].lower(): f"--ug-{key.replace('_', '-')}" for key in LIGHT}

# Inches at 96 px: the width of the text; the widest that a figure may be if its smallest words are to be
# 11 px high on any screen that shows it; the width of a phone's column.
TEXT_WIDTH, WIDE, NARROW = 7.0, 8.2, 358 / 96
TALL = 7.6  # inches: what a phone shows at once
# Made by the set-up from the page's own font
FONT = Path(__file__).resolve().parents[2] / "build/fonts/Inter.ttf"

_scheme: str | None = None  # None while an SVG is drawn; "light" or "dark" while a video is
_narrow = False


def palette() -> Mapping[str, str]:
    """The colours of the scheme being drawn, by meaning."""
    return DARK if _scheme == "dark" else LIGHT


def colours(name: str) -> dict[str, str]:
    """What becomes of the colours of a drawing, in small letters, in a file for the scheme `name`."""
    return {LIGHT[key].lower(): {"light": LIGHT, "dark": DARK}[name][key] for key in LIGHT}


def ink() -> str:
    """The foreground colour of the scheme being drawn."""
    return INK if _scheme is None else VIDEO_INK[_scheme]


def paper() -> str:
    """The background colour of the scheme being drawn (SVG pictures are transparent)."""
    return "none" if _scheme is None else PAPER[_scheme]


def narrow() -> bool:
    """Whether the picture is being drawn for a phone."""
    return _narrow


@contextmanager
def scheme(name: str | None, *, narrow: bool = False) -> Iterator[None]:
    """Draw in "light" or "dark" (videos), or in the sentinels that follow the page's scheme (None: SVG)."""
    global _scheme, _narrow
    before, (_scheme, _narrow) = (_scheme, _narrow), (name, narrow)
    try:
        with rc():
            yield
    finally:
        _scheme, _narrow = before


@contextmanager
def rc() -> Iterator[None]:
    """matplotlib's settings for our pictures, for the duration of the block."""
    if not FONT.is_file():
        raise FileNotFoundError(f"{FONT}: the pictures' font is missing; remove build/npm and run make site")
    font_manager.fontManager.addfont(FONT)
    colour, small = ink(), 0.5 * _narrow
    settings = {
        "font.family": ["Inter", "DejaVu Sans"],  # the second for signs that the first lacks
        "font.size": 10 - small,
        "axes.titlesize": 10.5 - small,
        "axes.titlelocation": "left",
        "axes.labelsize": 10 - small,
        "xtick.labelsize": 9.5 - small,
        "ytick.labelsize": 9.5 - small,
        "legend.fontsize": 9.5 - small,
        "legend.frameon": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": False,
        "axes.axisbelow": True,
        "grid.color": GRID,
        "grid.alpha": 0.3,
        "grid.linewidth": 0.6,
        "lines.linewidth": 2,
        "hatch.linewidth": 0.8,
        "axes.linewidth": 0.8,
        "text.color": colour,
        "axes.labelcolor": colour,
        "axes.edgecolor": colour,
        "axes.titlecolor": colour,
        "xtick.color": colour,
        "ytick.color": colour,
        "axes.prop_cycle": cycler(color=[palette()["standardized"]]),
        "figure.facecolor": paper(),
        "axes.facecolor": "none",
        "savefig.facecolor": paper(),
        "svg.fonttype": "none",
        "svg.hashsalt": "unitgain",
        "figure.constrained_layout.use": True,
        "figure.dpi": 96,
        "axes.unicode_minus": True,
    }
    with mpl.rc_context(settings):
        yield


def figure(
    width: float = TEXT_WIDTH,
    height: float = 3.6,
    *,
    nrows: int = 1,
    ncols: int = 1,
    stacked: tuple[int, int] | None = None,
    tall: float | None = None,
    **subplots,
) -> tuple[Figure, Axes]:
    """A figure of `width` × `height` inches and its panels; further keywords go to `plt.subplots`.

    For a phone it is as wide as one, `tall` inches high, its panels in `stacked` (rows, columns): by default
    up to three of a row one below the other, more of them in two columns, and a grid of two rows on its side.
    The panels are returned in the shape that they have on a wide screen.
    """
    if not _narrow:
        return plt.subplots(nrows, ncols, figsize=(width, height), **subplots)
    rows, columns = stacked or _stacked(nrows, ncols)
    panel = height / nrows * ncols / width * NARROW / columns  # inches high, were its shape kept
    size = NARROW, tall or rows * min(max(panel, 2.3), 3.0, TALL / rows)
    moved = (rows, columns) != (nrows, ncols)
    turned = moved and nrows > 1 and (rows, columns) == (ncols, nrows)
    if moved:
        ratios = ("width_ratios", "height_ratios", "gridspec_kw")
        subplots = {key: value for key, value in subplots.items() if key not in ratios}
        # What a row shared, its panels still share: below one another, or in what is a column now.
        shared = {"row": "col", "col": "row"} if turned else {"row": True, "col": False}
        for key in {"sharex", "sharey"} & subplots.keys():
            subplots[key] = shared.get(subplots[key], subplots[key])
    fig, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, **subplots)
    for spare in axes.flat[nrows * ncols :]:
        spare.remove()
    axes = axes.T if turned else axes.flatten()[: nrows * ncols].reshape(nrows, ncols)
    return fig, axes.item() if axes.size == 1 else np.squeeze(axes)


def _stacked(nrows: int, ncols: int) -> tuple[int, int]:
    if nrows == 1:
        return (ncols, 1) if ncols <= 3 else (math.ceil(ncols / 2), 2)
    return (ncols, nrows) if nrows == 2 and ncols > 2 else (nrows, ncols)


class PlainLog(LogFormatterSciNotation):
    """Ticks of a logarithmic axis as they are typed, 0.01, 1e−6: a raised exponent is too small to read."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return plain(x) if super().__call__(x, pos) else ""


def plain(x: float) -> str:
    """A round number in few signs: 0.01, 20, 10,000, 1e−6."""
    text = f"{x:,.6g}" if x == 0 or 1e-4 <= abs(x) < 1e5 else f"{x:.6g}".replace("e+", "e")
    if abs(x) > 0 and not 1e-4 <= abs(x) < 1e5:
        mantissa, exponent = f"{x:e}".split("e")
        text = f"{float(mantissa):g}e{int(exponent)}"
    return text.replace("-", "\N{MINUS SIGN}")


def finish(fig: Figure) -> None:
    """What every figure gets when it is drawn: plain numbers on log axes, a label on each stacked panel."""
    for ax in fig.axes:
        for axis in (ax.xaxis, ax.yaxis):
            for which in ("major", "minor"):
                formatter = getattr(axis, f"get_{which}_formatter")()
                if type(formatter) is LogFormatterSciNotation:
                    getattr(axis, f"set_{which}_formatter")(PlainLog(labelOnlyBase=formatter.labelOnlyBase))
    if _narrow:
        _label_stacked(fig)


def _label_stacked(fig: Figure) -> None:
    """Panels of a stacked row: the label of their shared axis on each, of the other axis below the last."""
    panels = [ax for ax in fig.axes if ax.get_subplotspec() is not None]
    for above, below in pairwise(panels):
        if above.get_subplotspec().colspan != below.get_subplotspec().colspan:
            continue
        if above.get_shared_y_axes().joined(above, below) and not below.get_ylabel():
            below.set_ylabel(above.get_ylabel())
        if above.get_shared_x_axes().joined(above, below) and above.get_xlabel() == below.get_xlabel():
            above.set_xlabel("")


def progress(ax: Axes, total: int, label: str = "step"):
    """A progress tick along the top of `ax` and a counter in its corner; returns update(i, text)."""
    (tick,) = ax.plot([0, 0], [1, 1], transform=ax.transAxes, color=palette()["standardized"], animated=True)
    tick.set(lw=3, clip_on=False, solid_capstyle="butt")
    text = ax.text(1, 1.015, "", transform=ax.transAxes, ha="right", va="bottom", fontsize=9.5, animated=True)

    def update(i: int, value: str | int | None = None) -> None:
        tick.set_xdata([0, i / max(total - 1, 1)])
        text.set_text(f"{label} {i if value is None else value}")

    return update
