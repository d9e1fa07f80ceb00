"""Pictures for the page, wide and narrow, light and dark: drawings and films, and the HTML that shows them.

A small drawing stands in the page itself, everything else in files that are fetched when they are near.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from tasks import drawings, films, legible
from tasks.discovery import SCHEMES, WIDTHS
from tasks.files import write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Result = Mapping[str, np.ndarray]

INLINE = 16_000  # bytes: a larger drawing is a file
NOTHING = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E"


def drawn(figure: Figure, name: str, *, outlined: bool) -> tuple[tuple[float, float], str]:
    """Width and height in points and the elements of `figure`'s SVG; `outlined` words need no font."""
    import matplotlib as mpl

    text = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "path" if outlined else "none"}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return drawings.flat(text.getvalue(), name)


def inline_svg(size: tuple[float, float], elements: str, colours: Mapping[str, str]) -> str:
    """The SVG for the page itself: its colours follow the scheme, its words are in the page's font."""
    root = (
        f'<svg viewBox="0 0 {size[0]:g} {size[1]:g}" aria-hidden="true" fill="currentColor" '
        'stroke-linejoin="round" stroke-linecap="butt">'
    )
    return f"{root}\n{recoloured(elements, colours)}\n</svg>\n"


def in_pixels(points: tuple[float, float]) -> tuple[int, int]:
    """A size as a page says it."""
    return round(points[0] * 4 / 3), round(points[1] * 4 / 3)


def svg_file(
    size: tuple[float, float], elements: str, colours: Mapping[str, str], ink: str, paper: str
) -> str:
    """The SVG as a file of its own, in the colours of one scheme."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {size[0]:g} {size[1]:g}" color="{ink}" fill="{ink}" stroke-linejoin="round" '
        f'stroke-linecap="butt">\n<rect width="100%" height="100%" fill="{paper}"/>\n'
        f"{recoloured(elements, colours)}\n</svg>\n"
    )


def recoloured(svg: str, colours: Mapping[str, str]) -> str:
    """`svg` with other colours in the places of those that are keys, in small letters, of `colours`."""

    def one(match: re.Match) -> str:
        return match[1] + colours.get(match[2].lower(), match[2])

    return re.sub(r"(\b(?:fill|stroke|stop-color)(?:: ?|=\"))(#[0-9a-fA-F]{6})\b", one, svg)


def image_html(address: str, css: str, size: tuple[int, int]) -> str:
    """A picture in a file, fetched when it is near. The frame around it says what it shows."""
    width, height = size
    return f'<img class="{css}" src="{address}" alt="" width="{width}" height="{height}" loading="lazy">'


def film_html(address: str, css: str, size: tuple[int, int], label: str) -> str:
    """A film over its poster, which is a picture like any other: a video's own would be fetched at once.

    A video without one of its own hides what lies below it in Chromium, so it has an empty one.
    """
    width, height = size
    return (
        f'<div class="ug-film {css}">{image_html(f"{address}.webp", "ug-poster", size)}'
        f'<video class="anim" controls loop muted playsinline preload="none" poster="{NOTHING}" '
        f'width="{width}" height="{height}" aria-label="{label}">'
        f'<source src="{address}.mp4" type="video/mp4"></video></div>'
    )


def words(elements: str) -> list[str]:
    """What stands in a drawing, without its numbers."""
    marked = re.findall(r"<text.*?</text>", elements, re.S)
    texts = (html.unescape(re.sub(r"<[^>]+>", "", text)).strip() for text in marked)
    return [text for text in texts if re.search(r"[^\W\d]{2}", text)]


def make(module: ModuleType, result: Result, folder: Path, uri: str, alt: str) -> str:
    """Make the picture of an experiment in `folder`, which the site serves at `uri`; returns its HTML."""
    return (_drawing if hasattr(module, "draw") else _films)(module, result, folder, f"{{root}}/{uri}", alt)


def _drawing(module: ModuleType, result: Result, folder: Path, uri: str, alt: str) -> str:
    """Files, wide and narrow, light and dark; a small one stands in the wide page itself.

    The words are there once more, for a search in the page: it does not look into files.
    """
    parts, sizes, said = [], [], []
    for width in WIDTHS:
        size, inline, outlined = _drawn_twice(module.draw, result, folder.name.replace("_", "-"), width)
        pixels, names = in_pixels(size), [f"{width}-{scheme}" for scheme in SCHEMES]
        for name, scheme in zip(names, SCHEMES, strict=True):
            write(folder / f"{name}.svg", _in_scheme(size, outlined, scheme))
        if width == "wide" and len(inline) <= INLINE and "<image" not in inline:
            svg = _in_page(size, inline)
            parts.append(f'<div class="ug-drawing ug-wide">\n{svg}</div>')
        else:
            css = (f"ug-{width} only-{scheme}" for scheme in SCHEMES)
            parts += [
                image_html(f"{uri}/{name}.svg", one, pixels) for name, one in zip(names, css, strict=True)
            ]
        sizes += [f"--{width}:{pixels[0]}px", f"--{width}-ratio:{size[1] / size[0]:.4f}"]
        said += words(inline)
    label, text = html.escape(alt), html.escape(" · ".join(dict.fromkeys(said)))
    return (
        f'<div class="ug-frame" role="img" aria-label="{label}" style="{";".join(sizes)}">\n'
        + "\n".join([*parts, f'<p class="ug-words" aria-hidden="true">{text}</p>'])
        + "\n</div>\n"
    )


def _drawn_twice(draw: Callable[[Result], Figure], result: Result, name: str, width: str):
    """Its size in points, and its elements: for the page, and for a file, which has no font."""
    import matplotlib.pyplot as plt
    from experiments import style

    with style.scheme(None, narrow=width == "narrow"):
        figure = draw(result)
        style.finish(figure)
        legible.check(figure, f"the {width} figure")
        figure.set_layout_engine("none")  # it is settled, and what is saved is the same each time
        (size, inline), (_, outlined) = (drawn(figure, name, outlined=outlined) for outlined in (False, True))
        plt.close(figure)
    return size, inline, outlined


def _in_page(size: tuple[float, float], elements: str) -> str:
    from experiments import style

    variables = {colour: f"var({variable})" for colour, variable in style.SVG_VARIABLES.items()}
    return inline_svg(size, elements, {**variables, style.INK: "currentColor"})


def _in_scheme(size: tuple[float, float], elements: str, scheme: str) -> str:
    from experiments import style

    colours = {**style.colours(scheme), style.INK: "currentColor"}
    return svg_file(size, elements, colours, style.VIDEO_INK[scheme], style.PAPER[scheme])


def _films(module: ModuleType, result: Result, folder: Path, uri: str, alt: str) -> str:
    from experiments import style

    fps, poster, parts = getattr(module, "FPS", films.FPS), getattr(module, "POSTER", -1), []
    for width in WIDTHS:
        for scheme in SCHEMES:
            name = f"{width}-{scheme}"
            with style.scheme(scheme, narrow=width == "narrow"):
                size = films.save_video(
                    module.animate(result), folder / f"{name}.mp4", fps=fps, poster=poster
                )
            parts.append(film_html(f"{uri}/{name}", f"ug-{width} only-{scheme}", size, html.escape(alt)))
    return "\n".join(parts) + "\n"
