"""What fraction of the data activates a fresh neuron as the data moves away from 0?

Chapter: normalize-your-data.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import wilson
from experiments.trials import generator
from experiments.words import percent
from unitgain.datasets import uniform_cloud
from unitgain.initializers import uniform_

SHIFTS = np.linspace(0, 9, 46)  # U(-1, 1) … U(8, 10)
BINS = np.linspace(0, 1, 26)
FPS = 12
OFFSETS = (1.0, 1.7, 3.0, 6.0, 12.0, 25.0)  # the map: in half-widths of the data
SHIFTED = {"2, both": (2, 2), "20, all": (20, 20), "20, one": (20, 1), "100, one": (100, 1)}


def _extreme(share: torch.Tensor) -> torch.Tensor:
    return (share < 0.01) | (share > 0.99)


def _mapped(points: int, mapped: int, seed: int, device) -> torch.Tensor:
    """Extreme neurons (offsets, rows, mapped), where some of the inputs are off centre by OFFSETS."""
    draws = generator(seed, "fresh")
    rows = []
    for inputs, shifted in SHIFTED.values():
        w, b = (uniform_(torch.empty(mapped, k), generator=draws).to(device) for k in (inputs, 1))
        z = w @ uniform_cloud(points, -1, 1, features=inputs, generator=draws, device=device).T + b
        move = w[:, :shifted].sum(1, keepdim=True)
        rows.append(torch.stack([_extreme((z > -offset * move).float().mean(1)) for offset in OFFSETS]))
    return torch.stack(rows, dim=1)


def compute(*, neurons=10_000, points=500, mapped=2_000, seed=0, device="cpu"):
    """Histograms `counts` (shifts, bins) of the fraction of the data that activates a neuron.

    Also the `extreme` neurons (shifts, neurons), active on < 1 % or > 99 % of the data, the `dead` ones at
    the last shift (neurons,), and the extreme ones of the `map` (offsets, rows, mapped).
    """
    draws = generator(seed)
    w, b = (uniform_(torch.empty(neurons, k), generator=draws).to(device) for k in (2, 1))
    x = uniform_cloud(points, -1, 1, generator=draws, device=device)
    z = w @ x.T
    # A shift of the data by s moves all of a neuron's z by s (w₀ + w₁)
    moves = (b + s * w.sum(1, keepdim=True) for s in SHIFTS)
    share = torch.stack([(z > -move).float().mean(1) for move in moves])
    return {
        "counts": np.stack([np.histogram(row, BINS)[0] for row in share.cpu().numpy()]),
        "extreme": _extreme(share),
        "dead": share[-1] == 0,
        "map": _mapped(points, mapped, seed, device),
        "points": torch.tensor(points),
    }


def animate(result) -> Iterator[Figure]:
    fig, (top, bottom) = style.figure(7.0, 3.9, nrows=2, height_ratios=(1, 4), tall=3.6)
    colours = style.palette()
    top.set(xlim=(-1.5, 10.5), ylim=(0, 1), yticks=[], title="Where the data lies")
    top.spines["left"].set_visible(False)
    top.axvline(0, color=style.ink(), lw=0.8)
    (span,) = top.fill([0, 0, 1, 1], [0, 0.7, 0.7, 0], color=colours["raw"], alpha=0.7, animated=True)
    share = 100 * result["counts"] / result["counts"].sum(1, keepdims=True)
    parts = {"dead": slice(0, 1), "alive": slice(1, -1), "always_on": slice(-1, None)}
    edges = BINS[:2], BINS[1:-1], BINS[-2:]
    bars = [
        bottom.stairs(share[0, part], ends, fill=True, color=colours[state], animated=True)
        for (state, part), ends in zip(parts.items(), edges, strict=True)
    ]
    bottom.set(
        xlim=(0, 1),
        ylim=(0, 52),
        xlabel="fraction of the data that activates the neuron",
        ylabel="neurons (%)",
    )
    bottom.xaxis.set_major_formatter("{x:.0%}")
    bottom.text(0.06, 30, "(almost)\nnone of it")
    bottom.text(0.94, 30, "(almost)\nall of it", ha="right")
    text = bottom.text(0, 1.03, "", transform=bottom.transAxes, va="bottom", fontsize=10.5, animated=True)
    for k, shift in enumerate(SHIFTS):
        span.set_xy([[shift - 1, 0], [shift - 1, 0.7], [shift + 1, 0.7], [shift + 1, 0]])
        for bar, part in zip(bars, parts.values(), strict=True):
            bar.set_data(share[k, part])
        where = f"U({shift - 1:.1f}, {shift + 1:.1f})".replace("-", "−")
        text.set_text(f"{where}: {percent(result['extreme'][k].mean())} see all or nothing")
        yield fig


def table(result) -> dict:
    bins = {f"share_{low:.2f}": result["counts"][:, i] for i, low in enumerate(BINS[:-1])}
    return {"shift": SHIFTS, "all_or_none": result["extreme"].mean(1), **bins}


def caption(result) -> str:
    extreme = result["extreme"].mean(1)
    return (
        "**As the data moves from U(−1, 1) to U(8, 10), the neurons that see (almost) all of it or none "
        f"rise from {percent(extreme[0])} to {percent(extreme[-1])}; {percent(result['dead'].mean())} are "
        f"dead at the end.**\n\n{result['extreme'].shape[1]:,} neurons, weights and biases U(−1, 1), "
        f"{result['points']} points; all or none: active on more than 99 % or fewer than 1 % of them."
    )


def alt(result) -> str:
    extreme = result["extreme"].mean(1)
    return (
        "Animation: a histogram of the fraction of the data that activates a neuron empties in the middle "
        "and piles up at 0 % and 100 % as the data moves away from 0; the all-or-none fraction rises from "
        f"{percent(extreme[0])} to {percent(extreme[-1])}."
    )


def claims(result) -> Iterator[Claim]:
    extreme = result["extreme"]
    stops = [extreme[np.abs(SHIFTS - shift).argmin()] for shift in (0, 1, 3, 6, 9)]  # U(-1, 1) … U(8, 10)
    rising = all(wilson(a)[1] < wilson(b)[0] for a, b in pairwise(stops))
    shares = [stop.mean() for stop in stops]
    listed = ", ".join(map(percent, shares))
    of_rise = [percent((share - shares[0]) / (shares[-1] - shares[0])) for share in shares]
    row = dict(zip(SHIFTED, result["map"].mean(-1).T, strict=True))
    yield Claim.of_fraction(
        extreme[-1],
        id="all-or-none",
        statement="As the data shifts away from 0, each neuron is active on nearly all or nearly none of it",
        sources=("galletti-part-1, part I",),
        verdict="depends",
        measure="fraction of neurons active on < 1 % or > 99 % of U(8, 10)², weights and biases U(−1, 1)",
        units="neurons, all on the same points",
        map=Map.of_fractions(
            result["map"],
            axes={
                "offset (of the half-width: 1)": OFFSETS,
                "inputs, and how many of them are off": tuple(SHIFTED),
            },
            above=0.5,
            measure="fraction of neurons active on < 1 % or > 99 % of the data",
            units="neurons, all of a row on the same points",
        ),
        holds=rising and wilson(extreme[-1])[0] > 0.8 and _wide_data_hides_an_offset(row),
        finding="Most are, once the offset outgrows the spread of all inputs together: at "
        f"{OFFSETS[-1]:g} half-widths {percent(row['100, one'][-1])} of the neurons see all or nothing if "
        f"one of 100 inputs is off centre, {percent(row['20, all'][-1])} if all of 20 are. With two inputs "
        f"on U(−1, 1), U(0, 2), U(2, 4), U(5, 7), U(8, 10) it is {listed}: a shift of one half-width brings "
        f"{of_rise[1]} of the rise, three bring {of_rise[2]}.",
    )


def _wide_data_hides_an_offset(row: dict[str, np.ndarray]) -> bool:
    return (row["100, one"] < row["20, one"] + 0.05).all() and (row["20, one"] < row["20, all"] + 0.05).all()
