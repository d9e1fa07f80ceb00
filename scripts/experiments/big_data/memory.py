"""How much memory do the statistics of n rows need?

Chapter: big-data.
"""

import weakref
from functools import partial

import numpy as np
import torch
from matplotlib.figure import Figure
from torch.utils._python_dispatch import TorchDispatchMode

from experiments import style
from experiments.trials import generator
from experiments.words import long_table, number
from unitgain.transforms import PCA, StandardScaler

FEATURES, CHUNK = 100, 4096
STEPS_OF_4 = 6  # numbers of rows
MOST = 10**9  # rows of the axis
MIB, LAPTOP = 2**20, 2**34  # bytes
BUFFER = 2**19  # numbers that the scaler takes to float64 at a time


class Peak(TorchDispatchMode):
    """The most bytes that tensors made inside have held at a time; the `file` is not in memory."""

    def __init__(self, file):
        super().__init__()
        self.held, self.bytes = {id(file.untyped_storage()): 0}, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                if id(storage) not in self.held:
                    self.held[id(storage)] = storage.nbytes()
                    weakref.finalize(storage, self.held.pop, id(storage))
        self.bytes = max(self.bytes, sum(self.held.values()))
        return result


def read(rows, device):
    return rows.to(device, copy=True)


def formula(file, device):
    x = read(file, device)
    return (x - x.mean(0)).square().mean(0)


def at_once(file, device):
    return StandardScaler().fit(read(file, device)).var_


def streamed(file, device, kind=StandardScaler):
    transform = kind()
    for start in range(0, len(file), CHUNK):
        transform.partial_fit(read(file[start : start + CHUNK], device))
    return transform.covariance_ if kind is PCA else transform.var_


WAYS = {"formula": formula, "at_once": at_once, "streamed": streamed, "pca": partial(streamed, kind=PCA)}


def predicted(n) -> dict[str, np.ndarray]:
    """Bytes: the rows and two copies, the rows and a buffer in float64, a chunk and its buffer."""
    numbers = n * FEATURES
    chunk = np.minimum(n, CHUNK) * FEATURES
    return {
        "formula": 12 * numbers,
        "at_once": 4 * numbers + 8 * np.minimum(numbers, BUFFER),
        "streamed": 4 * chunk + 8 * np.minimum(chunk, BUFFER),
    }


def compute(*, rows=262_144, seed=0, device="cpu"):
    """Peak `bytes` (ways, numbers of rows), and the standard deviations `sd` (ways but PCA, features)."""
    counts = [max(rows // 4**k, 2) for k in reversed(range(STEPS_OF_4))]
    file = torch.randn(counts[-1], FEATURES, generator=generator(seed))
    peaks, variances = [], []
    for way in WAYS.values():
        for n in counts:
            with Peak(file) as peak:
                found = way(file[:n], device)
            peaks.append(peak.bytes)
        variances.append(found)
    return {
        "rows": torch.tensor(counts),
        "bytes": torch.tensor(peaks).view(len(WAYS), len(counts)),
        "sd": torch.stack([found.double().sqrt() for found in variances[:-1]]),
    }


def draw(result) -> Figure:
    fig, ax = style.figure(7.4, 3.9, tall=3.8)
    colours, ink, first = style.palette(), style.ink(), result["rows"][0]
    n = np.geomspace(first, MOST, 200)
    keys, marks = ("raw", "raw", "standardized"), "o^s"
    for line, seen, key, mark in zip(predicted(n).values(), result["bytes"], keys, marks, strict=False):
        ax.plot(n, line, color=ink, lw=0.8)
        ax.plot(result["rows"], seen, mark, color=colours[key], ms=5)
    ax.axhline(LAPTOP, color=style.GRID, lw=0.8, ls=":")
    ax.text(first, LAPTOP * 1.2, "a laptop, 16 GiB", color=ink)
    ax.text(3e4, 300 * MIB, "loaded:\n(x − mean)²,\naveraged", color=colours["raw"], ha="right")
    ax.text(1.5e6, 200 * MIB, "loaded: fit", color=colours["raw"])
    ax.text(1e6, 7 * MIB, "chunk by chunk:\npartial_fit", color=colours["standardized"])
    ax.text(MOST, 1.5 * MIB, "lines: predicted", color=ink, ha="right", va="top")
    ax.set(
        xscale="log",
        yscale="log",
        xlabel=f"rows of {FEATURES} float32 numbers (log)",
        xticks=(1e3, 1e5, 1e7, 1e9),
    )
    ax.set(ylabel="peak memory (log)", yticks=[MIB * 32**k for k in range(5)])
    ax.set_yticklabels(["1 MiB", "32 MiB", "1 GiB", "32 GiB", "1 TiB"])
    ax.minorticks_off()
    return fig


def table(result) -> dict:
    lines = predicted(result["rows"])
    return long_table(
        {"way": list(lines), "rows": result["rows"]},
        bytes=result["bytes"][: len(lines)],
        predicted_bytes=np.stack(list(lines.values())),
    )


def _differ(result) -> float:
    """Largest relative difference between the standard deviations of the stream and of all rows at once."""
    _, once, stream = result["sd"]
    return float(np.abs(stream / once - 1).max())


def caption(result) -> str:
    most, pca = result["bytes"][2:].max(1) / MIB
    formula, once, _ = (float(line) / 2**30 for line in predicted(np.array(MOST)).values())
    return (
        f"**Chunk by chunk, the statistics of any number of rows need {most:.1f} MiB; a billion rows loaded "
        f"at once would need {once:,.0f} GiB, and {formula:,.0f} GiB with the usual formula.**\n\nMarks: the "
        f"most that all tensors held together, counted to {result['rows'][-1]:,} rows in chunks of "
        f"{CHUNK:,}. Lines: predicted. The stream's standard deviations are those of all rows at once, to "
        f"{number(_differ(result), 1)} of their size. A PCA of the same stream needs {pca:.1f} MiB."
    )


def alt(result) -> str:
    seen = result["bytes"][:3, -1] / MIB
    return (
        "Peak memory against the number of rows, both axes logarithmic. The formula and fit on all rows rise "
        f"in proportion, to {seen[0]:.0f} and {seen[1]:.0f} MiB at {result['rows'][-1]:,} rows; partial_fit "
        f"is level at {seen[2]:.1f} MiB."
    )
