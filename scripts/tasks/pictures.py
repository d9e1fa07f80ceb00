"""Pictures for the page, wide and narrow: SVGs that follow its colours and type, or films and their posters.

A small drawing stands in the page itself, everything else in files that are fetched when they are near.
"""

from __future__ import annotations

import html
import io
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from tasks import drawings, legible
from tasks.files import replacing, write
from tasks.reporting import TaskFailed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Result = Mapping[str, np.ndarray]

INLINE = 16_000  # bytes: a larger drawing is a file
WIDTHS, SCHEMES = ("wide", "narrow"), ("light", "dark")
VIDEO_DPI = 144  # half as fine again as the 96 pixels of a CSS inch
FPS = 15
STILL_SECONDS = 1  # how long the first and the last frame stand


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


def save_video(figures: Iterator[Figure], path: Path, *, fps: int, poster: int) -> tuple[int, int]:
    """Write `figures` as `path` (mp4), frame `poster` beside it (webp); returns width, height in CSS px."""
    from PIL import Image

    frames = _frames(figures)
    still = first = next(frames)
    size = first.shape[1], first.shape[0]
    with replacing(path) as beside, _encoder(beside, size, fps) as encode:
        for _ in range(STILL_SECONDS * fps):
            encode(first)
        last = first
        for index, last in enumerate(frames, start=1):
            encode(last)
            still = last if index == poster else still
        for _ in range(STILL_SECONDS * fps):
            encode(last)
    with replacing(path.with_suffix(".webp")) as beside:
        image = Image.fromarray(last if poster == -1 else still).convert("RGB")
        image.save(beside, format="webp", quality=85, method=6)
    return round(size[0] * 96 / VIDEO_DPI), round(size[1] * 96 / VIDEO_DPI)


def _frames(figures: Iterator[Figure]) -> Iterator[np.ndarray]:
    """RGBA images, (height, width, 4). What is not animated is drawn once and kept: five times faster."""
    import matplotlib.pyplot as plt
    from experiments import style
    from matplotlib.artist import Artist

    figure = next(figures)
    style.finish(figure)
    figure.set_dpi(VIDEO_DPI)
    even = np.ceil(figure.get_size_inches() * VIDEO_DPI / 2 - 1e-6) * 2  # yuv420p halves both sides
    figure.set_size_inches(even / VIDEO_DPI)
    canvas = figure.canvas
    canvas.draw()
    background = canvas.copy_from_bbox(figure.bbox)
    animated = sorted(figure.findobj(Artist.get_animated), key=Artist.get_zorder)
    while figure is not None:
        if animated:
            canvas.restore_region(background)
            for artist in animated:
                figure.draw_artist(artist)
        else:
            canvas.draw()
        yield np.array(canvas.buffer_rgba())
        figure = next(figures, None)
    plt.close("all")


@contextmanager
def _encoder(path: Path, size: tuple[int, int], fps: int) -> Iterator[Callable[[np.ndarray], None]]:
    """A function that appends an image to the H.264 video `path`; the same images make the same bytes."""
    import imageio_ffmpeg

    reads = ["-f", "rawvideo", "-pix_fmt", "rgba", "-s", f"{size[0]}x{size[1]}", "-r", str(fps), "-i", "-"]
    # Named in full, or players guess a matrix by the size and the video's background differs from the page's.
    colours = ["-vf", "scale=out_color_matrix=bt709:out_range=tv", "-color_range", "tv"]
    colours += ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "iec61966-2-1"]
    codes = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "26", "-preset", "veryfast"]
    codes += ["-tune", "animation"]
    exact = ["-threads", "1", "-map_metadata", "-1", "-fflags", "+bitexact", "-flags", "+bitexact"]
    writes = ["-movflags", "+faststart", "-f", "mp4", "-y", str(path)]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *reads, *colours, *codes, *exact, *writes]
    ffmpeg = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield lambda image: ffmpeg.stdin.write(np.ascontiguousarray(image).data)
        _, errors = ffmpeg.communicate()
    except BrokenPipeError:
        errors = ffmpeg.stderr.read()
        ffmpeg.wait()
    except BaseException:
        ffmpeg.kill()
        ffmpeg.wait()
        raise
    if ffmpeg.returncode:
        said = errors.decode(errors="replace").strip()
        raise RuntimeError(f"{path.name}: ffmpeg ended with {ffmpeg.returncode}: {said}")


def image_html(address: str, css: str, size: tuple[int, int]) -> str:
    """A picture in a file, fetched when it is near. The frame around it says what it shows."""
    width, height = size
    return f'<img class="{css}" src="{address}" alt="" width="{width}" height="{height}" loading="lazy">'


def film_html(address: str, css: str, size: tuple[int, int], label: str) -> str:
    """A film over its poster, which is a picture like any other: a video's own would be fetched at once."""
    width, height = size
    return (
        f'<div class="ug-film {css}">{image_html(f"{address}.webp", "ug-poster", size)}'
        '<video class="anim" controls loop muted playsinline preload="none" '
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
        if found := list(legible.faults(figure)):
            raise TaskFailed("\n".join(f"the {width} figure: {fault}" for fault in found))
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

    fps, poster, parts = getattr(module, "FPS", FPS), getattr(module, "POSTER", -1), []
    for width in WIDTHS:
        for scheme in SCHEMES:
            name = f"{width}-{scheme}"
            with style.scheme(scheme, narrow=width == "narrow"):
                size = save_video(module.animate(result), folder / f"{name}.mp4", fps=fps, poster=poster)
            parts.append(film_html(f"{uri}/{name}", f"ug-{width} only-{scheme}", size, html.escape(alt)))
    return "\n".join(parts) + "\n"
