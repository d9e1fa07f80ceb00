"""How much does each technique add: alone, added last, and averaged over all orders?  Chapter: recipe."""

from itertools import combinations, product
from math import comb

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.recipe._shared.networks import (
    BATCH,
    DEPTHS,
    LOSSES,
    OPTIMIZERS,
    SMALL_WEIGHTS,
    SUITED,
    at_the_edge,
    digit_sets,
    interval,
    rates,
    side_by_side,
    standardized,
)
from experiments.trials import descend, raw, score
from experiments.words import long_table, percent
from unitgain.datasets import Examples

EPOCHS = 6
LITTLE = 0.03  # of accuracy
SWITCHES = (
    "standardized pixels",
    "recommended initial weights",
    "ReLU",
    "cross-entropy",
    "Adam",
    "batch normalization",
)


def compute(*, networks=4, seed=0, device="cpu"):
    """Accuracies on `validation` and `test`: (depths, off or on for each switch, rates, networks)."""
    both = (digit_sets(seed, networks, device, scale) for scale in (raw, standardized))
    training, validation, test = (
        Examples(torch.stack([one.x, other.x]), one.y) for one, other in zip(*both, strict=True)
    )
    found = {"validation": [], "test": []}
    for sizes in DEPTHS.values():
        for activation, loss, optimizer, norm in product(
            ("sigmoid", "relu"), LOSSES, OPTIMIZERS, (None, "batch")
        ):
            # after a batch normalization the scale of the pixels no longer reaches the gradients
            rate = torch.stack([rates(optimizer, pixels and norm is None) for pixels in (True, False)])
            rate = rate[:, None].tile(2)  # pixels, networks, rates with the first rule and with the second
            rules, replicas = (SMALL_WEIGHTS, SUITED[activation]), (2, networks, rate.shape[-1])
            model = side_by_side(sizes, activation, rules, replicas, seed, device, normalization=norm)
            how = {"optimizer": OPTIMIZERS[optimizer], "loss": LOSSES[loss]}
            descend(model, training, rate, seed=seed, epochs=EPOCHS, batch=BATCH, **how)
            model.eval()
            found["validation"].append(score(model, validation))
            found["test"].append(score(model, test))
    shape = (len(DEPTHS), 2, 2, 2, 2)
    order = (0, 5, 7, 1, 2, 3, 4, 8, 6)  # pixels and weights first, networks last
    return {
        key: torch.stack(values).unflatten(0, shape).unflatten(-1, (2, -1)).permute(order)
        for key, values in found.items()
    }


def _at_best(result) -> np.ndarray:
    """Test accuracies, each combination at its best rate by validation: (depths, *switches, networks)."""
    best = result["validation"].mean(-1).argmax(-1)[..., None, None]
    return np.take_along_axis(result["test"], best, axis=-2)[..., 0, :]


def shapley(value) -> np.ndarray:
    """Each switch's gain averaged over all orders of switching on, from `value` (2, …, 2, networks)."""
    k = value.ndim - 1
    shares = []
    for switch in range(k):
        gain = np.take(value, 1, switch) - np.take(value, 0, switch)
        shares.append(sum(gain[on] / (k * comb(k - 1, sum(on))) for on in product((0, 1), repeat=k - 1)))
    return np.array(shares)


def _alone_and_last(value) -> tuple[np.ndarray, np.ndarray]:
    """Each switch's gain with all others off, and with all others on: (switches, networks)."""
    k = value.ndim - 1
    one, nothing, everything = np.eye(k, dtype=int), (0,) * k, (1,) * k
    alone = [value[tuple(row)] - value[nothing] for row in one]
    last = [value[everything] - value[tuple(1 - row)] for row in one]
    return np.array(alone), np.array(last)


def draw(result) -> Figure:
    fig, axes = style.figure(8.2, 4.2, ncols=2, tall=7.2, sharex=True, sharey=True)
    colour = style.palette()["standardized"]
    places = np.arange(len(SWITCHES))
    for ax, value, name in zip(axes, _at_best(result), DEPTHS, strict=True):
        average, (alone, last) = shapley(value), _alone_and_last(value)
        ax.barh(places, 100 * average.mean(-1), height=0.62, color=colour, alpha=0.3, lw=0)
        for rows, mark, shade, aside, fill in (
            (alone, "^", style.palette()["raw"], -0.2, True),
            (average, "o", colour, 0.0, True),
            (last, "s", style.ink(), 0.2, False),
        ):
            low, high = np.array([interval(row) for row in 100 * rows]).T
            ax.hlines(places + aside, low, high, color=shade, lw=1.4)
            dots = {"color": shade, "ms": 6, "mfc": shade if fill else "none", "mew": 1.2}
            ax.plot(100 * rows.mean(-1), places + aside, mark, **dots)
        ax.axvline(0, color=style.ink(), lw=0.8)
        off, on = (value[(i,) * len(SWITCHES)].mean() for i in (0, 1))
        ax.set(title=f"{name}: {percent(off)} to {percent(on)}", xlabel="points of accuracy")
        ax.grid(axis="x")
    axes[0].set(
        yticks=places,
        yticklabels=[switch.replace(" ", "\n", 1) for switch in SWITCHES],
        ylim=(len(SWITCHES) - 0.5, -0.6),
    )
    for ax in axes:
        ax.tick_params(axis="y", length=0)
    at = max(ax.get_xlim()[1] for ax in axes)
    for y, mark, text, shade in (
        (1.0, "▲", "alone", style.palette()["raw"]),
        (1.7, "●", "average over\nall orders", colour),
        (2.4, "□", "added last", style.ink()),
    ):
        axes[1].text(at, y, f"{mark} {text}", color=shade, ha="right", va="center")
    return fig


def table(result) -> dict:
    values, columns = _at_best(result), {}
    alone, last = np.stack([_alone_and_last(value) for value in values], 1)
    average = np.stack([shapley(value) for value in values])
    for key, gains in (("alone", alone), ("average", average), ("last", last)):
        low, high = np.moveaxis(np.apply_along_axis(interval, -1, gains), -1, 0)
        columns |= {key: gains.mean(-1), f"{key}_low": low, f"{key}_high": high}
    return long_table({"network": list(DEPTHS), "technique": SWITCHES}, **columns)


def _points(share: float) -> str:
    return f"{100 * share:.0f}".replace("-", "−")


def _best_of(values: np.ndarray) -> tuple[str, str]:
    """The switch that gains most, and its mean gain in points."""
    means = values.mean(-1)
    return SWITCHES[int(means.argmax())], _points(means.max())


def _pairs(value: np.ndarray) -> dict[str, float]:
    """What it costs to leave out two of the switches."""
    k = value.ndim - 1
    return {
        f"{SWITCHES[i]} and {SWITCHES[j]}": value[(1,) * k].mean()
        - value[tuple(0 if s in (i, j) else 1 for s in range(k))].mean()
        for i, j in combinations(range(k), 2)
    }


def caption(result) -> str:
    shallow, deep = _at_best(result)
    off, on = deep[(0,) * len(SWITCHES)], deep[(1,) * len(SWITCHES)]
    alone, last = _alone_and_last(deep)
    best, points = _best_of(shapley(deep))
    averages = shapley(shallow).mean(-1)
    second, top = np.argsort(averages)[-2:]
    first, most = _best_of(alone)
    pairs = _pairs(deep)
    worst, few = max(pairs, key=pairs.get), sum(cost < LITTLE for cost in pairs.values())
    return (
        f"**With four hidden layers the six techniques together add {_points((on - off).mean())} points of "
        f"accuracy. Alone, {first} adds the most, {most}; added last, no technique adds more than about "
        f"{_best_of(last)[1]}.**\n\n"
        f"Averaged over all orders, {best} adds the most, {points} points. With one hidden layer these are "
        f"{SWITCHES[top]}, {_points(averages[top])}, and {SWITCHES[second]}, {_points(averages[second])}. "
        "The bars of a panel add up to its whole gain. To leave out two techniques costs the deep network "
        f"less than {_points(LITTLE)} points for {few} of {len(pairs)} pairs, and {_points(pairs[worst])} "
        f"for the worst, {worst}.\n\nAll {2 ** len(SWITCHES)} combinations are trained for {EPOCHS} epochs, "
        f"each at the best of {result['test'].shape[-2]} learning rates by validation accuracy. For "
        f"{percent(at_the_edge(result['validation']).mean())} of both networks' combinations that is the "
        f"lowest or highest rate tried. There are {deep.shape[-1]} networks a combination, each with its own "
        "split of the same digits. The gains are paired; their 95 % intervals are widened because the splits "
        "overlap."
    )


def alt(result) -> str:
    parts = []
    for name, value in zip(DEPTHS, _at_best(result), strict=True):
        shares = shapley(value).mean(-1)
        each = ", ".join(f"{switch} {_points(share)}" for switch, share in zip(SWITCHES, shares, strict=True))
        parts.append(f"{name}: {each}")
    return (
        f"Two panels of bars with markers, six techniques each. Points of accuracy averaged over all orders, "
        f"{'; '.join(parts)}."
    )
