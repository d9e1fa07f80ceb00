"""Films for the page: one figure drawn again and again, as H.264, and one of its frames as the poster."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasks import legible
from tasks.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VIDEO_DPI = 144  # half as fine again as the 96 pixels of a CSS inch
FPS = 15
STILL_SECONDS = 1  # how long the first and the last frame stand


def save_video(figures: Iterator[Figure], path: Path, *, fps: int, poster: int) -> tuple[int, int]:
    """Write `figures` as `path` (mp4), frame `poster` beside it (webp); returns width, height in CSS px."""
    from PIL import Image

    frames = frames_of(figures)
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


def frames_of(figures: Iterator[Figure]) -> Iterator[np.ndarray]:
    """RGBA images, (height, width, 4). What is not animated is drawn once and kept: five times faster."""
    import matplotlib.pyplot as plt
    from experiments import style
    from matplotlib.artist import Artist

    figure = next(figures)
    style.finish(figure)
    legible.check(figure, "the film")
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
