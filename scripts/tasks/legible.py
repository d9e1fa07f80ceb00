"""What nobody could read in a figure: words that are too small, cut off at its edge, or over one another."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from matplotlib.backends.backend_agg import RendererAgg

from tasks.reporting import TaskFailed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEAST = 11  # px, as shown
COLUMN = 686  # px: the narrowest page that shows the wide figure
SLACK = 1  # px over the edge: the last bit of a letter's box holds no ink
TOUCH = 2, 4  # px across and down that two boxes may share: letters do not fill their boxes


class Line(NamedTuple):
    """A line of words, its size in points, and the corners of its box in px from the lower left."""

    said: str
    size: float
    left: float
    low: float
    right: float
    high: float


class Words(RendererAgg):
    """Draws nothing, and keeps the lines of words that would be drawn."""

    def __init__(self, figure: Figure):
        width, height = figure.get_size_inches() * figure.dpi
        super().__init__(width, height, figure.dpi)
        self.seen: list[Line] = []

    def draw_text(self, gc, x, y, s, prop, angle, ismath=False, mtext=None) -> None:
        if not s.strip():
            return
        width, height, descent = self.get_text_width_height_descent(s, prop, ismath)
        cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        corners = [(a, b) for a in (0, width) for b in (-descent, height - descent)]
        across = [x + a * cos - b * sin for a, b in corners]
        up = [self.height - y + a * sin + b * cos for a, b in corners]
        size = prop.get_size_in_points()
        self.seen.append(Line(" ".join(s.split()), size, min(across), min(up), max(across), max(up)))

    def _nothing(self, *args, **options) -> None:
        pass

    draw_path = draw_markers = draw_path_collection = draw_quad_mesh = draw_image = _nothing


def check(figure: Figure, name: str) -> None:
    """Stop where there are faults."""
    if found := list(faults(figure)):
        raise TaskFailed("\n".join(f"{name}: {fault}" for fault in found))


def faults(figure: Figure) -> Iterator[str]:
    """Each of them in words; drawing settles the layout."""
    words = Words(figure)
    figure.draw(words)
    shown = min(1.0, COLUMN / (96 * figure.get_figwidth())) * 96 / 72  # px of a point
    lines = list(dict.fromkeys(words.seen))
    for line in lines:
        if line.size * shown < LEAST - 0.05:
            yield f'"{line.said}" is {line.size * shown:.1f} px high as shown, {LEAST} are needed'
        beside = max(-line.left, line.right - words.width)
        if max(beside, -line.low, line.high - words.height) > SLACK:
            yield f'"{line.said}" is cut off at the edge'
    for one, other in combinations(lines, 2):
        across = min(one.right, other.right) - max(one.left, other.left)
        down = min(one.high, other.high) - max(one.low, other.low)
        if across > TOUCH[0] and down > TOUCH[1]:
            yield f'"{one.said}" and "{other.said}" lie over one another'
