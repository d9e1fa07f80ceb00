"""The look of every picture: type, sizes, and colours that mean the same thing everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
from cycler import cycler
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unitgain.plots import DARK, LIGHT

INK = "#010203"  # in an SVG: a sentinel that the engine replaces by currentColor
VIDEO_INK = {"light": "#21262D", "dark": "#DFE2E7"}
PAPER = {"light": "#FFFFFF", "dark": "#15181B"}
GRID = "#8A9099"
SVG_VARIABLES = {LIGHT[key].lower(): f"--ug-{key.replace('_', '-')}" for key in LIGHT}

TEXT_WIDTH, WIDE = 7.0, 9.6  # inches at 96 px: the width of the text, and the widest a figure may be
# Made by the set-up from the page's own font
FONT = Path(__file__).resolve().parents[2] / "build/fonts/Inter.ttf"

_scheme: str | None = None  # None while an SVG is drawn; "light" or "dark" while a video is


def palette() -> Mapping[str, str]:
    """The colours of the scheme being drawn, by meaning."""
    return DARK if _scheme == "dark" else LIGHT


def ink() -> str:
    """The foreground colour of the scheme being drawn."""
    return INK if _scheme is None else VIDEO_INK[_scheme]


def paper() -> str:
    """The background colour of the scheme being drawn (SVG pictures are transparent)."""
    return "none" if _scheme is None else PAPER[_scheme]


@contextmanager
def scheme(name: str | None) -> Iterator[None]:
    """Draw in "light" or "dark" (videos), or in the sentinels that follow the page's scheme (None: SVG)."""
    global _scheme
    before, _scheme = _scheme, name
    try:
        with rc():
            yield
    finally:
        _scheme = before


@contextmanager
def rc() -> Iterator[None]:
    """matplotlib's settings for our pictures, for the duration of the block."""
    if not FONT.is_file():
        raise FileNotFoundError(f"{FONT}: the pictures' font is missing; remove build/npm and run make site")
    font_manager.fontManager.addfont(FONT)
    colour = ink()
    settings = {
        "font.family": ["Inter", "DejaVu Sans"],  # the second for signs that the first lacks
        "font.size": 10,
        "axes.titlesize": 10.5,
        "axes.titlelocation": "left",
        "axes.labelsize": 10,
        "xtick.labelsize": 9.5,
        "ytick.labelsize": 9.5,
        "legend.fontsize": 9.5,
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


def figure(width: float = TEXT_WIDTH, height: float = 3.6, **subplots) -> tuple[Figure, Axes]:
    """A figure of `width` × `height` inches; keywords go to `plt.subplots`."""
    return plt.subplots(figsize=(width, height), **subplots)


def progress(ax: Axes, total: int, label: str = "step"):
    """A progress tick along the top of `ax` and a counter in its corner; returns update(i, text)."""
    (tick,) = ax.plot([0, 0], [1, 1], transform=ax.transAxes, color=palette()["standardized"], animated=True)
    tick.set(lw=3, clip_on=False, solid_capstyle="butt")
    text = ax.text(1, 1.015, "", transform=ax.transAxes, ha="right", va="bottom", fontsize=9.5, animated=True)

    def update(i: int, value: str | int | None = None) -> None:
        tick.set_xdata([0, i / max(total - 1, 1)])
        text.set_text(f"{label} {i if value is None else value}")

    return update
