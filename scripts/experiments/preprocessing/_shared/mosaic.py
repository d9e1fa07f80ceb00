"""Many small images in one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from experiments import style


def mosaic(images: np.ndarray, columns: int, gap: int = 1) -> np.ndarray:
    """RGBA `images` (n, height, width, 4) as one, row by row; the page shows through the gaps."""
    n, height, width, _ = images.shape
    rows = math.ceil(n / columns)
    whole = np.zeros((rows * (height + gap) - gap, columns * (width + gap) - gap, 4))
    for i, image in enumerate(images):
        top, left = (height + gap) * (i // columns), (width + gap) * (i % columns)
        whole[top : top + height, left : left + width] = image
    return whole


def coloured(patches: np.ndarray) -> np.ndarray:
    """RGBA of patches (n, 3, height, width) with red, green and blue in [0, 1], clipped."""
    rgb = np.moveaxis(patches, 1, -1).clip(0, 1)
    return np.concatenate([rgb, np.ones((*rgb.shape[:-1], 1))], axis=-1)


def shades(images: np.ndarray) -> np.ndarray:
    """RGBA of images (n, height, width) in [0, 1], clipped: dark is 0."""
    return mpl.colormaps["cividis"](images.clip(0, 1))


def signed(images: np.ndarray) -> np.ndarray:
    """RGBA of images (n, height, width), each by its peak: blue below 0, orange above, at 0 transparent."""
    images = images / np.abs(images).max(axis=(1, 2), keepdims=True)
    below, above = (to_rgb(style.palette()[key]) for key in ("class0", "class1"))
    rgb = np.where(images[..., None] < 0, below, above)
    return np.concatenate([rgb, np.sqrt(np.abs(images))[..., None]], axis=-1)


def show(ax: Axes, image: np.ndarray) -> None:
    """Draw a mosaic without axes; an SVG keeps its pixels as they are."""
    ax.imshow(image, interpolation="none")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def name_rows(ax: Axes, names: Sequence[str], height: int, gap: int = 1) -> None:
    """Write `names` beside the rows of a mosaic of images so high."""
    ax.set_yticks((height + gap) * np.arange(len(names)) + (height - 1) / 2, names)
    ax.tick_params(length=0)


def span_below(ax: Axes) -> None:
    """For a phone, the third of three panels takes the width of the two above it."""
    if style.narrow():
        ax.set_subplotspec(ax.get_gridspec()[1, :])
