"""Which way of putting chunks together keeps the standard deviation?

Chapter: big-data.
"""

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.intervals import median_interval
from experiments.trials import generator
from experiments.words import number, percent
from unitgain.transforms import StandardScaler

CHUNKS = 32
OFFSETS = 10.0 ** np.arange(0, 6.5, 0.5)  # of the mean, in standard deviations
DRIFTS = np.array([0.0, 0.25, 0.5, 1.0, 2.0, 4.0])  # sd of the chunks' means, in that of a chunk
SUMS = (torch.float32, torch.float64)


def tree(parts: list[StandardScaler]) -> StandardScaler:
    """Neighbours merged, then their results, and so on."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    return tree(parts[:half]).merge(tree(parts[half:]))


def merged(chunks, draws) -> torch.Tensor:
    """Standard deviations from a stream in order, a random order, a tree: (3, features)."""
    stream, shuffled = StandardScaler(), StandardScaler()
    parts = [StandardScaler().fit(chunk) for chunk in chunks]
    for part in parts:
        stream.merge(part)  # as `partial_fit` of the chunk does
    for k in torch.randperm(len(chunks), generator=draws):
        shuffled.merge(parts[k])
    return torch.stack([one.var_.sqrt() for one in (stream, shuffled, tree(parts))])


def from_sums(chunks, dtype) -> torch.Tensor:
    """The standard deviation from the sums of x and x²; 0 where the difference is negative."""
    n, chunks = sum(map(len, chunks)), [chunk.to(dtype) for chunk in chunks]
    mean = sum(chunk.sum(0) for chunk in chunks) / n
    square = sum(chunk.square().sum(0) for chunk in chunks) / n
    return (square - mean.square()).clamp(min=0).sqrt().double()


def exact(x, offset=0.0) -> torch.Tensor:
    """Near 0, where float64 loses nothing: float32 numbers of that size minus `offset` are exact."""
    columns = (x.double() - offset).T.contiguous()  # summed pairwise along memory
    return (columns - columns.mean(-1, keepdim=True)).square().mean(-1).sqrt()


def by_sums(dtype) -> np.ndarray:
    """Predicted: the rounding of the mean square, 1 + offset², of which a variance of 1 is left."""
    return torch.finfo(dtype).eps / 2 * (1 + OFFSETS**2)


def by_merging(rows) -> np.ndarray:
    """Predicted: the rounding of the chunks' means, where it meets their differences."""
    return torch.finfo(torch.float64).eps / 2 * (1 + OFFSETS / np.sqrt(rows))


def missed(drift) -> np.ndarray:
    """What the average within chunks lacks of the standard deviation of all."""
    return 1 - 1 / np.sqrt(1 + drift**2)


def compute(*, tables=24, rows=65_536, seed=0, device="cpu"):
    """Relative errors of the standard deviation of `tables` columns.

    `sums` (dtypes, offsets, tables), `merge` (orders, offsets, tables); `average` (drifts, tables) where the
    chunks' own standard deviations are averaged, and `merge_drift` (orders, drifts, tables).
    """
    draws = generator(seed)
    z = torch.randn(rows, tables, generator=draws).to(device)
    found = {"sums": [], "merge": [], "average": [], "merge_drift": []}
    for offset in OFFSETS:
        x = z + offset
        truth, chunks = exact(x, offset), x.chunk(CHUNKS)
        sums = torch.stack([from_sums(chunks, dtype) for dtype in SUMS])
        found["sums"].append((sums / truth - 1).abs())
        found["merge"].append((merged(chunks, draws) / truth - 1).abs())
    place = torch.arange(CHUNKS).repeat_interleave(-(-rows // CHUNKS))[:rows].double()
    place = ((place - place.mean()) / place.std(correction=0)).float()
    for drift in DRIFTS:
        x = z + drift * place[:, None].to(device)
        truth, chunks = exact(x), x.chunk(CHUNKS)
        average = torch.stack([exact(chunk) for chunk in chunks]).mean(0)
        found["average"].append((average / truth - 1).abs())
        found["merge_drift"].append((merged(chunks, draws) / truth - 1).abs())
    return {
        "sums": torch.stack(found["sums"], 1),
        "merge": torch.stack(found["merge"], 1),
        "average": torch.stack(found["average"]),
        "merge_drift": torch.stack(found["merge_drift"], 1),
        "rows": torch.tensor(rows),
    }


def _dots(ax, x, rows, mark, colour, where=slice(None)) -> None:
    """Medians over the tables, with intervals."""
    middle = np.median(rows, -1)
    ends = np.array([median_interval(row) for row in rows]).T
    bars = np.abs((np.maximum(ends, 1e-17) if ax.get_yscale() == "log" else ends) - middle)
    dots = {"fmt": mark, "ms": 4, "mew": 0, "elinewidth": 1, "color": colour}
    ax.errorbar(x[where], middle[where], bars[:, where], **dots)


def draw(result) -> Figure:
    fig, (left, right) = style.figure(7.8, 3.9, ncols=2, tall=6.4, width_ratios=(3, 2))
    ink, naive, good = style.ink(), style.palette()["raw"], style.palette()["standardized"]
    left.set(xscale="log", yscale="log", ylim=(2e-18, 30), yticks=10.0 ** np.arange(-16, 1, 4))
    for rows, dtype, mark in zip(result["sums"], SUMS, "o^", strict=True):
        left.plot(OFFSETS, np.minimum(by_sums(dtype), 1), color=ink, lw=0.8)
        _dots(left, OFFSETS, rows, mark, naive, by_sums(dtype) < 0.3)
    left.plot(OFFSETS, by_merging(result["rows"]), color=ink, lw=0.8)
    _dots(left, OFFSETS, result["merge"].max(0), "s", good)
    left.set(xlabel="mean / standard deviation (log)", ylabel="relative error (log)")
    left.minorticks_off()
    left.set_title("Far from 0")
    left.text(1, 0.02, "sums of x and x²\nin float32", color=naive)
    left.text(1e6, 3e-11, "sums in float64", color=naive, ha="right")
    left.text(2.5, 6e-18, "chunks merged in float64, in any order", color=good)
    left.text(2e4, 1.6, "no digit left", color=ink, va="bottom")
    drifts = np.linspace(0, DRIFTS[-1], 100)
    right.plot(drifts, 100 * missed(drifts), color=ink, lw=0.8)
    _dots(right, DRIFTS, 100 * result["average"], "o", naive)
    _dots(right, DRIFTS, 100 * result["merge_drift"].max(0), "s", good)
    right.set(xlabel="spread of the chunks' means\n(standard deviations of a chunk)", ylim=(-4, 100))
    right.set(ylabel="relative error (%)", xticks=range(5))
    right.set_title("Sorted, or drifting")
    right.text(1.5, 37, "average of the chunks'\nstandard deviations", color=naive, va="top")
    right.text(2.5, 4, "merged", color=good)
    return fig


def table(result) -> dict:
    found = {
        "sums_float32": result["sums"][0],
        "sums_float64": result["sums"][1],
        "merged": result["merge"].max(0),
        "averaged": result["average"],
        "merged_drifting": result["merge_drift"].max(0),
    }
    columns = {"recipe": [], "offset": [], "drift": [], "median": [], "largest": []}
    for name, rows in found.items():
        drifts = len(rows) == len(DRIFTS)
        columns["recipe"] += [name] * len(rows)
        columns["offset"] += ([0.0] * len(rows)) if drifts else OFFSETS.tolist()
        columns["drift"] += DRIFTS.tolist() if drifts else [0.0] * len(rows)
        columns["median"] += np.median(rows, -1).tolist()
        columns["largest"] += rows.max(-1).tolist()
    return columns


def _at(values, place) -> int:
    return int(np.abs(values - place).argmin())


def caption(result) -> str:
    sums, far = np.median(result["sums"], -1), _at(OFFSETS, 1e3)
    average = np.median(result["average"], -1)[_at(DRIFTS, 1)]
    merge = result["merge"].max(0)
    return (
        "**At a mean of 1,000 standard deviations, sums of x and x² in float32 are "
        f"{percent(sums[0][far])} off and in float64 {number(sums[1][far], 2)}; merged chunks are off by "
        f"{number(merge[far].max(), 2)} at most.**\n\n"
        f"Averaging the standard deviations of chunks misses {percent(average)} when the chunks' means are "
        "spread by one standard deviation; merging misses nothing. Marks: medians of "
        f"{merge.shape[-1]} columns of {int(result['rows']):,} rows in {CHUNKS} chunks, with 95 % intervals; "
        "of float32 where a digit is left, of merging the worst of three orders. Lines: predicted."
    )


def alt(result) -> str:
    merge, average = result["merge"].max(), np.median(result["average"], -1)
    return (
        "Left: relative error of the standard deviation against the offset of the data, both axes "
        "logarithmic. Sums of squares rise with the square of the offset, in float32 up to 1, in float64 to "
        f"{number(np.median(result['sums'][1, -1]), 2)}; merged chunks stay below {number(merge, 2)}. Right: "
        f"the average of the chunks' standard deviations misses up to {percent(average.max())} as the "
        "chunks' means spread apart; merged chunks miss nothing."
    )
