"""What nobody could read in a figure: words that are too small, cut off at its edge, or over one another."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import RendererAgg

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

LEAST = 11  # px, as shown
COLUMN = 686  # px: the narrowest page that shows the wide figure
SLACK = 1  # px over the edge: the last bit of a letter's box holds no ink
TOUCH = 2, 4  # px across and down that two boxes may share: letters do not fill their boxes


class Words(RendererAgg):
    """Draws nothing, and keeps the texts that would be drawn."""

    def __init__(self, figure: Figure):
        width, height = figure.get_size_inches() * figure.dpi
        super().__init__(width, height, figure.dpi)
        self.seen: list[Text] = []

    def draw_text(self, gc, x, y, s, prop, angle, ismath=False, mtext=None) -> None:
        if mtext is not None and s.strip():
            self.seen.append(mtext)

    def _nothing(self, *args, **options) -> None:
        pass

    draw_path = draw_markers = draw_path_collection = draw_quad_mesh = draw_image = _nothing


def faults(figure: Figure) -> Iterator[str]:
    """Each of them in words; drawing settles the layout."""
    words = Words(figure)
    figure.draw(words)
    width, height = figure.get_size_inches() * figure.dpi
    shown = min(1.0, COLUMN / (96 * figure.get_figwidth())) * 96 / 72  # px of a point
    boxes = {}
    for text in dict.fromkeys(words.seen):
        said, size = " ".join(text.get_text().split()), text.get_fontsize() * shown
        if size < LEAST - 0.05:
            yield f'"{said}" is {size:.1f} px high as shown, {LEAST} are needed'
        box = text.get_window_extent(words)
        if box.x0 < -SLACK or box.y0 < -SLACK or box.x1 > width + SLACK or box.y1 > height + SLACK:
            yield f'"{said}" is cut off at the edge'
        boxes[text] = said, box
    for (one, a), (other, b) in combinations(boxes.values(), 2):
        across, down = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        if across > TOUCH[0] and down > TOUCH[1]:
            yield f'"{one}" and "{other}" lie over one another'
