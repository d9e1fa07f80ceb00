"""Statistics of a file that is mapped, not loaded: rate, memory, and speed beside NumPy's.

Memory is anonymous memory (RssAnon of /proc/self/status), the highest of samples two milliseconds apart.
Mapped pages of the file are resident too, but the system takes those back whenever it needs them.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import DTypeLike

from benchmarks.measure import Row, ratio, seconds
from unitgain.transforms import PCA, StandardScaler, Transform

ROWS, FEATURES, CHUNK = 10_000_000, 64, 65_536
COMPARED = 1_000_000  # rows of the comparison


def rows(n: int = ROWS) -> Iterator[Row]:
    """The rows, on one thread; the file is in the system's cache as far as that reaches."""
    size = 4 * n * FEATURES
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            if (free := shutil.disk_usage(folder).free) < 2 * size:
                raise OSError(f"{folder} must have {2 * size / 1e9:.3g} GB free, but has {free / 1e9:.3g}")
            path = Path(folder, "rows.npy")
            write(path, n)
            for dtype, target in ((np.float64, 0.5), (np.float32, 1.2)):
                ours, peer = (
                    partial(by_transform, StandardScaler, path, COMPARED),
                    partial(by_numpy, dtype, path),
                )
                seen, work = ratio(ours, peer, rounds=3), f"statistics, mapped chunks of {CHUNK}×{FEATURES}"
                yield Row(work, f"NumPy in {np.dtype(dtype)}", seen, target)
            time, memory = streamed("scaler", path)
            work = f"{n:g}×{FEATURES} float32 ({size / 1e9:.3g} GB)"
            yield Row(f"statistics of {work}, GB/s", "-", size / time / 1e9, 0.5, True)
            yield Row(f"statistics of {work}, 1e6 rows/s", "-", n / time / 1e6, 2, True)
            yield Row("the same, anonymous memory beyond the start, MiB", "-", memory, 64)
            yield Row("PCA of the same, anonymous memory, MiB", "-", streamed("pca", path)[1], 64)
    finally:
        torch.set_num_threads(threads)


def write(path: Path, n: int) -> None:
    """n rows, each chunk the same normal numbers around another mean."""
    file = np.lib.format.open_memmap(path, "w+", np.float32, (n, FEATURES))
    draws = np.random.default_rng(0).standard_normal((CHUNK, FEATURES), np.float32)
    for start in range(0, n, CHUNK):
        chunk = file[start : start + CHUNK]
        np.add(draws[: len(chunk)], start // CHUNK % 7, out=chunk)


def chunks(path: Path, end: int | None = None) -> Iterator[np.ndarray]:
    """The first `end` rows of the file, some at a time."""
    mapped = np.load(path, mmap_mode="r")[:end]
    for start in range(0, len(mapped), CHUNK):
        yield mapped[start : start + CHUNK]


def by_transform(kind: type[Transform], path: Path, end: int | None = None) -> None:
    transform = kind()
    for chunk in chunks(path, end):
        transform.partial_fit(chunk)


def by_numpy(dtype: DTypeLike, path: Path) -> None:
    """Mean and standard deviation of each chunk, not yet merged."""
    for chunk in chunks(path, COMPARED):
        chunk.mean(0, dtype=dtype), chunk.std(0, dtype=dtype)


STREAMED: dict[str, Callable[[Path], None]] = {
    "scaler": partial(by_transform, StandardScaler),
    "pca": partial(by_transform, PCA),
}


def streamed(work: str, path: Path) -> tuple[float, float]:
    """Seconds, and MiB of anonymous memory beyond the start, of a fresh process over the whole file."""
    command = [sys.executable, "-m", "benchmarks.streaming", work, str(path)]
    time, memory = subprocess.check_output(command, text=True).split()
    return float(time), float(memory)


def anonymous() -> float:
    """MiB of anonymous memory of this process."""
    return int(Path("/proc/self/status").read_text().split("RssAnon:")[1].split()[0]) / 1024


if __name__ == "__main__":  # the fresh process of streamed
    torch.set_num_threads(1)
    work, path = STREAMED[sys.argv[1]], Path(sys.argv[2])
    seen, done = [anonymous()], threading.Event()

    def watch() -> None:
        while not done.wait(0.002):
            seen.append(anonymous())

    watcher = threading.Thread(target=watch)
    watcher.start()
    time = seconds(partial(work, path))
    done.set()
    watcher.join()
    print(time, max(seen) - seen[0])
