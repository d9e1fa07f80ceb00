"""Should one-hot columns be standardized, where a rare category becomes a huge number?  Chapter: pitfalls."""

import numpy as np
import torch
from matplotlib.figure import Figure
from torch.nn.functional import one_hot

from experiments import style
from experiments.intervals import mean_interval
from experiments.pitfalls._shared.intervals import means
from experiments.pitfalls._shared.tables import standardized
from experiments.trials import descend, generators
from experiments.words import between, long_table, number, percent
from unitgain.datasets import Examples
from unitgain.models import MLP
from unitgain.optimizers import SGD, Adam

CATEGORIES, NUMBERS = 100, 5  # kinds of the category, and numeric columns beside it
TEST = 1_500
GROUPS = ((1, 1), (2, 3), (4, 8), (9, 20), (21, 500))  # training rows of a category, from … to
WAYS = ("0 and 1", "standardized", "left out")
RULES = {
    "Adam, rate 0.01": (Adam, 0.01),
    "Plain SGD, rate 0.1": (SGD, 0.1),
    "Plain SGD, rate 1": (SGD, 1.0),
}
HIDDEN = 16
EPOCHS = 80


def _table(rows: int, weight, effect, draws):
    """Categories (tables, rows), of frequency ∝ 1/k, numbers (tables, rows, NUMBERS) and labels."""
    frequency = 1 / torch.arange(1, CATEGORIES + 1.0)
    category = torch.stack([frequency.multinomial(rows, replacement=True, generator=g) for g in draws])
    normal = torch.stack([torch.randn(rows, NUMBERS + 1, generator=g) for g in draws])
    numbers, noise = normal.split((NUMBERS, 1), dim=-1)
    z = (numbers @ weight + 0.5 * noise).squeeze(-1) + effect.gather(1, category)
    return category, numbers, (z > 0).long()


def compute(*, tables=24, rows=500, seed=0, device="cpu"):
    """Fraction of right answers by how often the category occurs in training: (rules, ways, groups, tables).

    And the `largest` standardized entry of each table's training part, (tables,).
    """
    draws = generators(seed, tables, "data")
    weight = torch.stack([torch.randn(NUMBERS, 1, generator=g) for g in draws]) / NUMBERS**0.5
    effect = torch.stack([torch.randn(CATEGORIES, generator=g) for g in draws])
    category, numbers, y = (part.to(device) for part in _table(rows, weight, effect, draws))
    draws = generators(seed, tables, "fresh")
    unseen, unseen_numbers, unseen_y = (part.to(device) for part in _table(TEST, weight, effect, draws))
    columns, unseen_columns = (one_hot(c, CATEGORIES).float() for c in (category, unseen))
    z = standardized(columns, columns)
    arms = (
        (columns, unseen_columns),
        (z, standardized(unseen_columns, columns)),
        (0 * columns, 0 * unseen_columns),
    )
    seen = columns.sum(1).gather(1, unseen)
    group = torch.stack([(low <= seen) & (seen <= high) for low, high in GROUPS]).double()
    found = []
    for known, unknown in arms:
        x, unseen_x = torch.cat([known, numbers], -1), torch.cat([unknown, unseen_numbers], -1)
        for rule, rate in RULES.values():
            sizes, weights = (CATEGORIES + NUMBERS, HIDDEN, 2), generators(seed, tables)
            model = MLP(sizes, "relu", replicas=(tables,), generator=weights, device=device)
            descend(model, Examples(x, y), rate, seed=seed, epochs=EPOCHS, optimizer=rule)
            with torch.no_grad():
                right = (model(unseen_x).argmax(-1) == unseen_y).double()
            found.append((right * group).sum(-1) / group.sum(-1).clamp(min=1))
    return {
        "accuracy": torch.stack(found).unflatten(0, (len(WAYS), len(RULES))).movedim(1, 0),
        "largest": z.amax((-1, -2)),
        "rows": torch.tensor(rows),
    }


def draw(result) -> Figure:
    fig, axes = style.figure(8.2, 3.5, ncols=len(RULES), sharey=True, tall=7.0)
    looks = {"0 and 1": ("raw", "^--"), "standardized": ("standardized", "o-"), "left out": (None, "s:")}
    at = np.arange(len(GROUPS))
    for ax, title, ways in zip(axes, RULES, 100 * result["accuracy"], strict=True):
        for side, (key, mark), rows in zip((-0.06, 0.06, 0), looks.values(), ways, strict=True):
            colour = style.palette()[key] if key else style.ink()
            middle, low, high = means(rows)
            bars = middle - low, high - middle
            ax.errorbar(at + side, middle, bars, fmt=mark, ms=5, lw=1.4, elinewidth=1, color=colour)
        ax.set(
            title=title.replace("rate", "learning rate"),
            xticks=at,
            xticklabels=[_name(group) for group in GROUPS],
            ylim=(55, 91),
        )
        ax.tick_params(axis="x", length=0)
    for x, y, text, key in ((1.15, 85, "0 and 1", "raw"), (1.6, 75.8, "standardized", "standardized")):
        axes[0].text(x, y, text, color=style.palette()[key], ha="right" if key == "raw" else "left")
    axes[0].text(1, 62.5, "column left out")
    axes[0].set_ylabel("accuracy (%)")
    fig.supxlabel("how often the category occurs in training", fontsize=10)
    return fig


def _name(group: tuple[int, int]) -> str:
    low, high = group
    return str(low) if low == high else f"{low}–{high}" if group != GROUPS[-1] else f"≥ {low}"


def table(result) -> dict:
    axes = {"rule": list(RULES), "category": WAYS, "training_rows": [_name(group) for group in GROUPS]}
    accuracy, low, high = means(result["accuracy"])
    return long_table(axes, accuracy=accuracy, low=low, high=high)


def caption(result) -> str:
    adam, slow, fast = result["accuracy"].mean(-1)
    once, some = 0, len(GROUPS) - 2
    costs = 100 * (result["accuracy"][0, 0, once] - result["accuracy"][0, 1, once])  # a table each
    return (
        f"**With Adam, categories seen once lose {costs.mean():.0f} points "
        f"{between(mean_interval(costs), 2)} if their columns are standardized: {percent(adam[1, once])} of "
        f"their unseen rows are right, {percent(adam[0, once])} with 0 and 1, {percent(adam[2, once])} "
        "without the column.**\n\n"
        f"Such a category is the number {number(result['largest'].mean(), 2)} in its column. Columns of 0 "
        f"and 1 lag far behind only with plain SGD at a small learning rate: seen {_name(GROUPS[some])} "
        f"times they reach {percent(slow[0, some])}, at the larger rate {percent(fast[0, some])}, "
        f"standardized {percent(slow[1, some])} and {percent(fast[1, some])}. {result['accuracy'].shape[-1]} "
        f"tables of {result['rows']:,} rows, {CATEGORIES} categories beside {NUMBERS} numbers, {EPOCHS} "
        "full-batch steps; 95 % intervals."
    )


def alt(result) -> str:
    once = "; ".join(
        f"{rule}: {', '.join(percent(share) for share in shares)}"
        for rule, shares in zip(RULES, result["accuracy"][:, :, 0].mean(-1), strict=True)
    )
    return (
        "Accuracy against how often a category occurs in training, a panel for each optimizer, with the "
        f"category as 0 and 1, standardized, and left out. Seen once, {once}. With more rows 0 and 1 and "
        "standardized meet, except with plain SGD at the smaller learning rate, where 0 and 1 stay behind."
    )
