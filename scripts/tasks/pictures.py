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

INLINE = 40_000  # bytes: a larger drawing is a file
VIDEO_DPI = 144  # half as fine again as the 96 pixels of a CSS inch
FPS = 15
STILL_SECONDS = 1  # how long the first and the last frame stand


def drawn(figure: Figure, *, outlined: bool) -> tuple[tuple[float, float], str]:
    """Width and height in points and the elements of `figure`'s SVG; `outlined` words need no font."""
    import matplotlib as mpl

    text = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "path" if outlined else "none"}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return drawings.flat(text.getvalue())


def inline_svg(size: tuple[float, float], elements: str, name: str, colours: Mapping[str, str]) -> str:
    """The SVG for the page itself: its colours follow the scheme, its words are in the page's font.

    Ids become `name` and a number: matplotlib's own change with the last bit of a layout, and that from run to run.
    """
    used = dict.fromkeys(re.findall(r"url\(#([^)]+)\)", elements))
    number = {old: f"{name}-{i}" for i, old in enumerate(used)}
    elements = re.sub(r' id="([^"]*)"', lambda m: f' id="{number[m[1]]}"' if m[1] in number else "", elements)
    elements = re.sub(r"url\(#([^)]+)\)", lambda m: f"url(#{number[m[1]]})", elements)
    root = (
        f'<svg viewBox="0 0 {size[0]:g} {size[1]:g}" aria-hidden="true" fill="currentColor" '
        'stroke-linejoin="round" stroke-linecap="butt">'
    )
    return f"{root}\n{recoloured(elements, colours)}\n</svg>\n"


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


def video_html(address: str, css: str, size: tuple[int, int], label: str) -> str:
    """A film over its poster, which is a picture like any other: the poster of a <video> is fetched at once."""
    width, height = size
    return (
        f'<div class="ug-film {css}" style="--ug-ratio:{height / width:.4f}">'
        f"{image_html(f'{address}.webp', 'ug-poster', size)}"
        f'<video class="anim" controls loop muted playsinline preload="none" width="{width}" height="{height}" '
        f'aria-label="{label}"><source src="{address}.mp4" type="video/mp4"></video></div>'
    )


def words(elements: str) -> str:
    """What stands in a drawing, without its numbers: for a search in the page."""
    found = (
        html.unescape(re.sub(r"<[^>]+>", "", text)) for text in re.findall(r"<text.*?</text>", elements, re.S)
    )
    return " · ".join(dict.fromkeys(text.strip() for text in found if re.search(r"[^\W\d]{2}", text)))


def make(module: ModuleType, result: Result, folder: Path, uri: str, alt: str) -> str:
    """Make the picture of an experiment in `folder`, which the site serves at `uri`; returns its HTML."""
    return (_drawing if hasattr(module, "draw") else _films)(module, result, folder, f"{{root}}/{uri}", alt)


def _drawing(module: ModuleType, result: Result, folder: Path, uri: str, alt: str) -> str:
    """Files, wide and narrow, light and dark; on a wide page, where it is small enough, an SVG in its place."""
    import matplotlib.pyplot as plt
    from experiments import style

    parts, style_of, texts, inline = [], {}, [], ""
    for width in ("wide", "narrow"):
        with style.scheme(None, narrow=width == "narrow"):
            figure = module.draw(result)
            style.finish(figure)
            if found := list(
                legible.faults(figure)
            ):  # it settles the layout too: what is saved is the same each time
                raise TaskFailed("\n".join(f"the {width} figure: {fault}" for fault in found))
            figure.set_layout_engine("none")
            size, elements = drawn(figure, outlined=True)
            _, page = drawn(figure, outlined=False)
            plt.close(figure)
        pixels = round(size[0] * 4 / 3), round(size[1] * 4 / 3)
        style_of |= {f"--ug-{width}": f"{pixels[0]}px", f"--ug-{width}-ratio": f"{size[1] / size[0]:.4f}"}
        texts.append(words(page))
        for scheme in ("light", "dark"):
            path = folder / f"{width}-{scheme}.svg"
            colours = {**style.colours(scheme), style.INK: "currentColor"}
            write(path, svg_file(size, elements, colours, style.VIDEO_INK[scheme], style.PAPER[scheme]))
        if width == "wide" and len(page) <= INLINE and "<image" not in page:
            colours = {
                **{key: f"var({name})" for key, name in style.SVG_VARIABLES.items()},
                style.INK: "currentColor",
            }
            inline = inline_svg(size, page, folder.name.replace("_", "-"), colours)
            parts.append(f'<div class="ug-drawing ug-wide">\n{inline}</div>')
        else:
            parts += [
                image_html(f"{uri}/{width}-{scheme}.svg", f"ug-{width} only-{scheme}", pixels)
                for scheme in ("light", "dark")
            ]
    said = html.escape(" · ".join(dict.fromkeys(" · ".join(texts).split(" · "))))
    sizes = ";".join(f"{key}:{value}" for key, value in style_of.items())
    frame = f'<div class="ug-frame" role="img" aria-label="{html.escape(alt)}" style="{sizes}">'
    return f'{frame}\n{chr(10).join(parts)}\n<p class="ug-words" aria-hidden="true">{said}</p>\n</div>\n'


def _films(module: ModuleType, result: Result, folder: Path, uri: str, alt: str) -> str:
    from experiments import style

    fps, poster, parts = getattr(module, "FPS", FPS), getattr(module, "POSTER", -1), []
    for width in ("wide", "narrow"):
        for scheme in ("light", "dark"):
            name = f"{width}-{scheme}"
            with style.scheme(scheme, narrow=width == "narrow"):
                size = save_video(module.animate(result), folder / f"{name}.mp4", fps=fps, poster=poster)
            parts.append(video_html(f"{uri}/{name}", f"ug-{width} only-{scheme}", size, html.escape(alt)))
    return "\n".join(parts) + "\n"
