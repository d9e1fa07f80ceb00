"""What score do columns of pure noise report if all rows choose the best of them before the split?

Chapter: pitfalls.
"""

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.pitfalls._shared.intervals import means
from experiments.pitfalls._shared.leaks import chosen, correlations, nearest_mean, predicted_score, shares
from experiments.trials import generator
from experiments.words import long_table, percent

ROWS = (50, 200, 800)
MORE = (8, 3, 1)  # times `tables`, by rows
COLUMNS = (10, 30, 100, 300, 1000, 3000)
KEEP = 10
TRAIN = 0.75
FRESH = 400


def compute(*, tables=24, seed=0, device="cpu"):
    """Scores `before_<rows>`, (test or fresh rows, columns, tables), and `inside_<rows>`, (columns, tables).

    The columns are normal noise and the labels come from a coin. All rows choose the columns, or those of the
    training part inside the split.
    """
    draw, found = generator(seed), {}
    for n, more in zip(ROWS, MORE, strict=True):
        train, count = round(TRAIN * n), more * tables
        x = torch.randn(count, n, COLUMNS[-1], generator=draw).to(device)
        y = torch.randint(2, (count, n + FRESH), generator=draw).to(x) * 2 - 1
        fresh = torch.randn(count, FRESH, KEEP, generator=draw).to(device)
        scores = []
        for rows in (n, train):
            correlation = correlations(x[:, :rows], y[:, :rows])
            for columns in COLUMNS:
                kept = chosen(x, correlation[:, :columns], KEEP)
                queries = torch.cat([kept[:, train:], fresh], 1)
                guess = nearest_mean(kept[:, :train], y[:, :train], queries)
                scores.append(shares(guess == y[:, train:], n - train))
        before, inside = torch.stack(scores, 1).chunk(2, 1)
        found |= {f"before_{n}": before, f"inside_{n}": inside[0]}
    return found


def _predicted(n: int, columns: int) -> float:
    return predicted_score(n, columns, KEEP, round(TRAIN * n))


def draw(result) -> Figure:
    fig, ax = style.figure(7.0, 3.9, tall=3.4)
    colours, ink = style.palette(), style.ink()
    x, many = np.array(COLUMNS), np.geomspace(COLUMNS[0], COLUMNS[-1], 60)
    for n, mark, move in zip(ROWS, "osv", (0.95, 1.0, 1.05), strict=True):
        ax.plot(many, [100 * _predicted(n, columns) for columns in many], color=ink, lw=0.9)
        for scores, key in ((result[f"before_{n}"][0], "raw"), (result[f"inside_{n}"], "standardized")):
            middle, *ends = 100 * means(scores)
            ax.vlines(move * x, *ends, color=colours[key], lw=1.2)
            ax.plot(move * x, middle, mark, ms=4.5, mew=0, color=colours[key])
        ax.text(3900, 100 * _predicted(n, COLUMNS[-1]), f"{n} rows", color=colours["raw"], va="center")
    ax.plot([9, 3300], [50, 50], color=ink, lw=0.8, ls=(0, (4, 3)))
    ax.text(11, 85, "chosen by all rows,\nbefore the split", color=colours["raw"], va="center")
    ax.text(11, 44.5, "chosen by the training rows", color=colours["standardized"], va="center")
    ax.text(3900, 50, "truth", va="center")
    ax.text(11, 97, "thin lines: predicted", va="center")
    ax.set(xscale="log", xlim=(9, 3900), ylim=(40, 100), ylabel="reported score (%)")
    ax.set(xticks=(10, 100, 1000), xticklabels=("10", "100", "1,000"))
    ax.set_xlabel(f"columns of noise, of which {KEEP} are kept (log)")
    ax.minorticks_off()
    return fig


def table(result) -> dict:
    before, low, high = np.stack([means(result[f"before_{n}"][0]) for n in ROWS], 1)
    return long_table(
        {"rows": ROWS, "columns": COLUMNS},
        predicted=_all_predicted(),
        chosen_before=before,
        low=low,
        high=high,
        fresh_rows=[result[f"before_{n}"][1].mean(-1) for n in ROWS],
        chosen_inside=[result[f"inside_{n}"].mean(-1) for n in ROWS],
    )


def _all_predicted() -> list[list[float]]:
    return [[_predicted(n, columns) for columns in COLUMNS] for n in ROWS]


def _off(result) -> float:
    """Largest distance of a mean from its prediction."""
    found = [result[f"before_{n}"][0].mean(-1) for n in ROWS]
    return float(np.abs(np.subtract(found, _all_predicted())).max())


def caption(result) -> str:
    reported, fresh = result[f"before_{ROWS[1]}"][:, -1].mean(-1)
    counts = [result[f"inside_{n}"].shape[-1] for n in ROWS]
    return (
        f"**Columns of pure noise score {percent(reported)} in the test: with {ROWS[1]} rows, the labels of "
        f"all rows chose the {KEEP} best of {COLUMNS[-1]:,} columns before the split.**\n\n"
        f"On fresh rows the same classifiers score {percent(fresh)}. Nearest class mean, a quarter of the "
        f"rows for the test; {counts[0]}, {counts[1]} and {counts[2]} tables of {ROWS[0]}, {ROWS[1]} and "
        f"{ROWS[2]} rows, 95 % intervals. The lines follow from how well the best of many columns agree with "
        f"the labels by chance; no mean is further than {100 * _off(result):.1f} points from them."
    )


def alt(result) -> str:
    ends = ", ".join(f"{percent(result[f'before_{n}'][0, -1].mean())} with {n} rows" for n in ROWS)
    inside = np.concatenate([result[f"inside_{n}"].mean(-1) for n in ROWS])
    return (
        f"Reported score against the number of columns, {COLUMNS[0]} to {COLUMNS[-1]:,}, on predicted lines: "
        f"chosen before the split, three curves rise from 50 % to {ends}; chosen inside the split, the means "
        f"stay between {percent(inside.min())} and {percent(inside.max())}."
    )
