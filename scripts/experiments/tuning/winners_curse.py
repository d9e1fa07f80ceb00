"""How much too good is the validation score of the best of many trials?  Chapter: tuning."""

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.special import ndtr

from experiments import style
from experiments.intervals import mean_interval
from experiments.trials import descend, generator, generators
from experiments.tuning._shared.digits import COMPONENTS, right, split_digits
from experiments.words import long_table, number, percent
from unitgain.models import MLP
from unitgain.optimizers import Adam

EPOCHS, BATCH = 4, 32
TRIALS = 128
RATES = (-1.6, -1.0)  # log10; all of them train well
SIZES = (1 / 12, 1 / 3, 1.0)  # of the validation examples


def compute(*, tables=24, seed=0, device="cpu"):
    """Accuracies on `fresh` examples (splits, trials) and on parts of the `validation` ones (sizes, splits,
    trials), `counted` examples each; `disagree` is the fraction of pairs of trials of which one is right and
    one wrong, halved, over the fresh examples (splits,).

    A split's trials differ in their learning rate and initial weights.
    """
    sets = split_digits(generators(seed, tables, "split"), device=device)
    exponents = torch.empty(TRIALS, tables).uniform_(*RATES, generator=generator(seed, "search"))
    many = {"replicas": (TRIALS, tables), "weight": "he_normal", "generator": generator(seed, "weights")}
    model = MLP((COMPONENTS, 16, 10), **many, device=device)
    descend(model, sets.train, 10**exponents, seed=seed, epochs=EPOCHS, batch=BATCH, optimizer=Adam)
    known, fresh = (right(model, part).float() for part in (sets.validation, sets.test))
    counted = [max(round(share * known.shape[-1]), 1) for share in SIZES]
    agreed = fresh.mean(0)
    return {
        "validation": torch.stack([known[..., :n].mean(-1).T for n in counted]),
        "counted": torch.tensor(counted),
        "fresh": fresh.mean(-1).T,
        "disagree": (agreed * (1 - agreed)).mean(-1),
    }


def _numbers_of_trials() -> np.ndarray:
    return 2 ** np.arange(TRIALS.bit_length())


def gap(result, size: int, trials: int) -> np.ndarray:
    """Reported minus fresh score of the best validated of a group of trials: means a split, (splits,)."""
    validation = result["validation"][size].reshape(len(result["fresh"]), -1, trials)
    fresh = result["fresh"].reshape(validation.shape)
    best = validation.argmax(-1)[..., None]
    return np.take_along_axis(validation - fresh, best, -1)[..., 0].mean(-1)


def largest(trials) -> np.ndarray:
    """Mean of the largest of n standard normal numbers."""
    x = np.linspace(-9, 9, 4001)
    above = 1 - ndtr(x) ** np.atleast_1d(trials)[:, None]
    return np.trapezoid(above - (x < 0), x, axis=-1)


def predicted(result, size: int, trials) -> np.ndarray:
    """The same, from the fresh examples alone: scores are a normal truth and the noise of n examples."""
    noise = result["disagree"].mean() / result["counted"][size]
    truth = result["fresh"].var(1, ddof=1).mean()
    return largest(trials) * noise / np.sqrt(noise + truth)


def draw(result) -> Figure:
    fig, ax = style.figure(6.4, 3.7, tall=3.4)
    colours, trials = style.palette(), _numbers_of_trials()
    fine = np.geomspace(1, TRIALS, 60)
    for size, mark in zip(range(len(SIZES)), "^so", strict=True):
        ax.plot(fine, 100 * predicted(result, size, fine), color=style.ink(), lw=1)
        for n in trials:
            values = 100 * gap(result, size, n)
            ax.vlines(n, *mean_interval(values), color=colours["raw"], lw=1.2)
            ax.plot(n, values.mean(), mark, ms=5, mew=0, color=colours["raw"])
        end = 100 * predicted(result, size, TRIALS)[0]
        ax.text(TRIALS * 1.25, end, f"{result['counted'][size]} examples", color=colours["raw"], va="center")
    ax.text(1, 10.6, "lines: predicted", va="top")
    ax.axhline(0, color=style.ink(), lw=0.8, ls=(0, (4, 3)))
    ax.set(
        xscale="log",
        xlim=(0.75, 1.1 * TRIALS),
        xticks=trials[::-2],
        xticklabels=trials[::-2],
        xlabel="trials, the best of which is reported (log)",
        ylabel="validation score − fresh score\n(points)",
    )
    ax.minorticks_off()
    return fig


def table(result) -> dict:
    sizes, trials = range(len(SIZES)), _numbers_of_trials()
    gaps = np.array([[gap(result, size, n) for n in trials] for size in sizes])
    low, high = np.apply_along_axis(mean_interval, -1, gaps).T
    return long_table(
        {"validation_examples": result["counted"], "trials": trials},
        too_high=gaps.mean(-1),
        low=low.T,
        high=high.T,
        predicted=[predicted(result, size, trials) for size in sizes],
    )


def caption(result) -> str:
    ends = [100 * gap(result, size, TRIALS) for size in range(len(SIZES))]
    low, high = mean_interval(ends[1])
    counted = result["counted"]
    return (
        f"**The best of {TRIALS} trials reports {ends[1].mean():.1f} points [{low:.1f}, {high:.1f}] more "
        f"than it is worth if {counted[1]} validation examples choose it, {ends[0].mean():.1f} with "
        f"{counted[0]} and {ends[2].mean():.1f} with {counted[2]}.**\n\n"
        "A single trial is not overrated. Networks on the digits that differ in learning rate and initial "
        f"weights; {len(result['fresh'])} splits, 95 % intervals. Lines: the formula below, its variances "
        "taken from the fresh examples. Few validation examples end at 100 % right, which leaves the winner "
        "less room than a normal distribution does."
    )


def alt(result) -> str:
    ends = ", ".join(
        f"{number(100 * gap(result, size, TRIALS).mean(), 2)} with {counted}"
        for size, counted in enumerate(result["counted"])
    )
    return (
        "Reported minus fresh accuracy against the number of trials, log, for three sizes of the validation "
        f"set: from about 0 it rises along predicted curves to, in points, {ends} examples; the fresh "
        f"accuracy is {percent(result['fresh'].mean())} in the mean."
    )
