"""Pictures for the page: an SVG that follows the page's colours and type, or two videos and posters."""

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

from tasks.files import replacing, write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Result = Mapping[str, np.ndarray]

VIDEO_DPI = 144  # half as fine again as the 96 pixels of a CSS inch
FPS = 15
STILL_SECONDS = 1  # how long the first and the last frame stand


def save_svg(figure: Figure, path: Path, alt: str, name: str, variables: Mapping[str, str], ink: str) -> None:
    """Write `figure` as an SVG ready to be put in a page."""
    import matplotlib as mpl

    text = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    write(path, inline_svg(text.getvalue(), alt, name, variables, ink))


def inline_svg(svg: str, alt: str, name: str, variables: Mapping[str, str], ink: str) -> str:
    """matplotlib's `svg`, without what could act on the page around it or clash with another picture there.

    `variables` maps colours to CSS variables, `ink` becomes currentColor, ids become `name` and a number.
    """
    svg = re.sub(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<!--.*?-->|<metadata>.*?</metadata>", "", svg, flags=re.S)
    # The style sheet would reach the whole page; as attributes of the root the same settings are inherited.
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.S)
    colours = {colour: f"var({variable})" for colour, variable in variables.items()}
    svg = _adopt_page_colours(svg, {**colours, ink.lower(): "currentColor"})
    svg = re.sub(r"font-family:[^;\"]*(; ?|(?=\"))", "", svg)
    svg = re.sub(r"(font: [^;\"]*?[\d.]+px) [^;\"]*", r"\1 inherit", svg)
    # By number: matplotlib's own names change with the last bit of a layout, and that from run to run.
    used = dict.fromkeys(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    number = {old: f"{name}-{i}" for i, old in enumerate(used)}
    svg = re.sub(r' id="([^"]*)"', lambda m: f' id="{number[m[1]]}"' if m[1] in number else "", svg)
    svg = re.sub(r'(href="#|url\(#)([^")]+)', lambda m: m[1] + number[m[2]], svg)
    svg = re.sub(r' transform="rotate\(-?0 .*?\)"', "", svg)
    svg = re.sub(r' (d|x|y|points|transform)="([^"]*)"', lambda m: f' {m[1]}="{_short(m[2])}"', svg)
    svg = re.sub(r"\n\s*", "\n", svg).strip() + "\n"
    width, height = (
        float(re.search(rf'<svg [^>]*{side}="([\d.]+)pt"', svg)[1]) for side in ("width", "height")
    )
    root = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'role="img" aria-label="{html.escape(alt)}" viewBox="0 0 {width:g} {height:g}" '
        f'style="max-width:{width * 4 / 3:.0f}px" '
        'fill="currentColor" stroke-linejoin="round" stroke-linecap="butt">'
    )
    return re.sub(r"<svg .*?>", lambda m: root, svg, count=1, flags=re.S)


def _adopt_page_colours(svg: str, colours: Mapping[str, str]) -> str:
    def adopt(match: re.Match) -> str:
        return match[1] + colours.get(match[2].lower(), match[2])

    return re.sub(r"(\b(?:fill|stroke|stop-color)(?:: ?|=\"))(#[0-9a-fA-F]{6})\b", adopt, svg)


def _short(coordinates: str) -> str:
    """Coordinates in points, to a hundredth: the rest cannot be seen and is half of the file."""
    return " ".join(re.sub(r"-?\d+\.\d{3,}", lambda m: f"{round(float(m[0]), 2):g}", coordinates).split())


def svg_html(svg: str, name: str) -> str:
    """What the page shows for an SVG: a frame that scrolls sideways on a narrow screen, by keyboard too."""
    label = html.escape(f"Figure: {name.replace('_', ' ')}")
    frame = f'<div class="ug-frame" tabindex="0" role="group" aria-label="{label}">'
    return f'{frame}\n<div class="ug-drawing">\n{svg}</div>\n</div>\n'


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
    from matplotlib.artist import Artist

    figure = next(figures)
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


def video_html(folder: str, alt: str, width: int, height: int) -> str:
    """What the page shows for the pair of videos in `folder`: one of them, by the page's scheme."""
    label = html.escape(alt)
    return "".join(
        f'<video class="anim only-{scheme}" controls loop muted playsinline preload="none" width="{width}" '
        f'height="{height}" poster="{{root}}/{folder}/{scheme}.webp" aria-label="{label}">'
        f'<source src="{{root}}/{folder}/{scheme}.mp4" type="video/mp4"></video>\n'
        for scheme in ("light", "dark")
    )


def make(module: ModuleType, result: Result, folder: Path, uri: str, alt: str) -> str:
    """Make the picture of an experiment in `folder`, which the site serves at `uri`; returns its HTML."""
    import matplotlib.pyplot as plt
    from experiments import style

    if hasattr(module, "draw"):
        path, prefix = folder / "figure.svg", folder.name.replace("_", "-")
        with style.scheme(None):
            figure = module.draw(result)
            save_svg(figure, path, alt, prefix, style.SVG_VARIABLES, style.INK)
            plt.close(figure)
        return svg_html(path.read_text(encoding="utf-8"), folder.name)
    fps, poster = getattr(module, "FPS", FPS), getattr(module, "POSTER", -1)
    for scheme in ("light", "dark"):
        with style.scheme(scheme):
            size = save_video(module.animate(result), folder / f"{scheme}.mp4", fps=fps, poster=poster)
    return video_html(uri, alt, *size)
