"""What leaks more from a time series: one scaling for all of it, or a shuffled split?

Chapter: pitfalls.
"""

from itertools import product
from textwrap import fill

import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments import style
from experiments.pitfalls._shared.intervals import means
from experiments.pitfalls._shared.leaks import picks, shares, vote
from experiments.trials import generator
from experiments.words import long_table, percent

PROCESSES = {"walk": "Random walk", "drift": "With a drift", "level": "A level that jumps"}
SERIES, LENGTH, USE = 4, 200, 60  # series a panel, known values of each, windows after them
WINDOW, AHEAD, START = 10, 10, 20
NEIGHBOURS, TRAIN = 5, 0.7
SPLITS, STATISTICS = ("in time order", "shuffled"), ("past", "whole")
ARMS = tuple(product(SPLITS, STATISTICS))


def _series(process: str, panels: int, draw: torch.Generator) -> Tensor:
    """Panels of series, (panels, SERIES, values): a drift has a direction of its own for each series."""
    shape = panels, SERIES, LENGTH + USE + AHEAD
    noise = torch.randn(shape, generator=draw)
    if process == "walk":
        return noise.cumsum(-1)
    if process == "drift":
        up = torch.randint(2, (*shape[:2], 1), generator=draw) * 2 - 1
        return (noise + 0.1 * up).cumsum(-1)
    jumps = 4 * torch.randn(shape, generator=draw) * (torch.rand(shape, generator=draw) < 0.02)
    around, values = torch.zeros(shape[:2]), []
    for shock in noise.unbind(-1):
        around = 0.7 * around + shock
        values.append(around)
    return torch.stack(values, -1) + jumps.cumsum(-1)


def _windows(x: Tensor, statistics: str) -> tuple[Tensor, Tensor, Tensor]:
    """The last values at each moment, in statistics of the past or of the whole known series.

    Windows (panels, series, moments, WINDOW); 1 where the value AHEAD is higher, else -1; the moments.
    """
    moment = torch.arange(START, x.shape[-1] - AHEAD, device=x.device)
    if statistics == "whole":
        known = x[..., :LENGTH]
        mean, sd = known.mean(-1)[..., None, None], known.std(-1)[..., None, None]
    else:
        count, wide = moment + 1, x.double()  # sums of squares lose too much in float32
        mean = wide.cumsum(-1)[..., moment, None] / count[:, None]
        sd = (wide.square().cumsum(-1)[..., moment, None] / count[:, None] - mean.square()).sqrt()
        mean, sd = mean.float(), sd.float()
    windows = x.unfold(-1, WINDOW, 1)[..., moment - WINDOW + 1, :]
    higher = (x[..., moment + AHEAD] > x[..., moment]) * 2.0 - 1
    return (windows - mean) / sd, higher, moment


def compute(*, tables=120, seed=0, device="cpu"):
    """Fraction of right directions, `reported` and in `use`: (processes, ARMS, panels); and `examples`.

    One panel of each process, (processes, SERIES, LENGTH), is for the eye.
    """
    draw, scores, examples = generator(seed), [], []
    for process in PROCESSES:
        x = _series(process, tables, draw).to(device)
        examples.append(x[0, :, :LENGTH])
        past, higher, moment = _windows(x, "past")
        inputs = {"past": past, "whole": _windows(x, "whole")[0]}
        known = int((moment + AHEAD < LENGTH).sum())
        later = moment >= LENGTH
        use_x, use_y = past[:, :, later].flatten(1, 2), higher[:, :, later].flatten(1)
        order = picks(tables, SERIES * known, SERIES * known, draw, device)
        for split, statistics in ARMS:
            # Moments first, so that the first rows are the earliest of every series
            rows = inputs[statistics][:, :, :known].transpose(1, 2).flatten(1, 2)
            labels = higher[:, :, :known].transpose(1, 2).flatten(1)
            cut, gap = round(TRAIN * known) * SERIES, AHEAD * SERIES
            if split == "shuffled":
                rows, labels = rows.gather(1, order[..., None].expand_as(rows)), labels.gather(1, order)
                gap = 0
            queries = torch.cat([rows[:, cut:], use_x], 1)
            guess = vote(rows[:, : cut - gap], labels[:, : cut - gap], queries, NEIGHBOURS)
            right = guess == torch.cat([labels[:, cut:], use_y], 1)
            scores.append(shares(right, labels.shape[1] - cut))
    reported, used = torch.stack(scores).unflatten(0, (len(PROCESSES), len(ARMS))).unbind(2)
    return {"reported": reported, "use": used, "examples": torch.stack(examples)}


def draw(result) -> Figure:
    fig, axes = style.figure(7.4, 3.6, ncols=3, stacked=(1, 3), tall=4.0, sharex=True, sharey=True)
    colours, rows = style.palette(), range(len(ARMS))
    honest = [split == "in time order" and statistics == "past" for split, statistics in ARMS]
    for p, (ax, title) in enumerate(zip(axes, PROCESSES.values(), strict=True)):
        ax.axvline(50, color=style.ink(), lw=0.8)
        for a in rows:
            colour = colours["standardized" if honest[a] else "raw"]
            found = [100 * means(result[key][p, a]) for key in ("reported", "use")]
            ax.plot([middle for middle, *_ in found], [a, a], color=colour, lw=1, alpha=0.5)
            for (middle, *ends), face in zip(found, (colour, "none"), strict=True):
                ax.hlines(a, *ends, color=colour, lw=2)
                ax.plot(middle, a, "o", ms=6.5, mfc=face, mec=colour)
        ax.set(title=fill(title, 10), ylim=(3.5, -0.5), xlim=(40, 71), xticks=(50, 70))
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="y", length=0)
    labels = [f"{split},\nstatistics of\nthe {statistics}" for split, statistics in ARMS]
    axes[0].set(yticks=rows, yticklabels=labels)
    fig.supxlabel("directions predicted rightly (%)\nfilled: reported; hollow: in use", fontsize=9.5)
    return fig


def table(result) -> dict:
    axes = {"process": list(PROCESSES), "split": SPLITS, "statistics": STATISTICS}
    found = (*means(result["reported"]), *means(result["use"]))
    names = ("reported", "low", "high", "in_use", "in_use_low", "in_use_high")
    shape = tuple(map(len, axes.values()))
    return long_table(axes, **{name: one.reshape(shape) for name, one in zip(names, found, strict=True)})


def caption(result) -> str:
    walk, drift = 100 * result["reported"][:2].mean(-1)
    use, low, high = 100 * means(result["use"][1, 1])
    against = "worse than" if high < 50 else "better than" if low > 50 else "like"
    return (
        f"**Nobody can predict a random walk, but a shuffled split reports {walk[2]:.0f} % of its "
        f"directions right, statistics of the whole series {walk[1]:.0f} %, both together "
        f"{walk[3]:.0f} %.**\n\n"
        f"Where the series drift, statistics of the whole report {drift[1]:.0f} % and reach {use:.0f} % "
        f"in use, {against} a coin. {result['use'].shape[-1]} panels of {SERIES} series with {LENGTH} "
        f"values, each series standardized. Will it be higher {AHEAD} steps on? The {NEIGHBOURS} nearest "
        f"windows of {WINDOW} values vote. In use: the next {USE} moments, statistics of the past. 95 % "
        "intervals."
    )


def alt(result) -> str:
    rows = [
        f"{split} with statistics of the {statistics}: {percent(found.mean())} reported, "
        f"{percent(used.mean())} in use"
        for (split, statistics), found, used in zip(
            ARMS, result["reported"][0], result["use"][0], strict=True
        )
    ]
    return (
        "Three dot plots of the fraction of directions predicted rightly, reported and in use, one for each "
        f"kind of series. Random walk, {'; '.join(rows)}. With a drift and with a jumping level a shuffled "
        "split leaks most, too."
    )
