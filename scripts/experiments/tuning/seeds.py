"""How many seeds does it take to see which of two settings is better?  Chapter: tuning."""

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.special import ndtr, ndtri

from experiments import style
from experiments.intervals import wilson
from experiments.trials import generator, generators, score
from experiments.tuning._shared.digits import COMPONENTS, split_digits
from experiments.words import number, percent
from unitgain.datasets import Examples
from unitgain.models import MLP
from unitgain.optimizers import Adam
from unitgain.training import train

EPOCHS, BATCH = 5, 32
RATES = (0.02, 0.022, 0.024, 0.03)  # the first against each of the others
MARKS = "^so"
SHOWN = (1, 2, 4, 8, 16, 32)
SURE = 0.95


def compute(*, networks=768, seed=0, device="cpu"):
    """Accuracy on `fresh` examples (rates, networks): one split; a seed draws initial weights and batches."""
    sets = split_digits(generators(seed, 1, "split"), device=device)
    (x, y), _, fresh = (Examples(part.x[0], part.y[0]) for part in sets)
    weights, batches = generator(seed, "weights"), generator(seed, "order")
    many = {"replicas": networks, "weight": "he_normal", "generator": weights, "device": device}
    scores = []
    for rate in RATES:
        order = torch.rand(networks, len(x), generator=batches).argsort(-1).to(device)
        model = MLP((COMPONENTS, 16, 10), **many)
        train(
            model,
            x[order],
            y[order],
            loss="cross_entropy",
            optimizer=Adam(model.parameters(), lr=rate),
            epochs=EPOCHS,
            batch_size=BATCH,
            generator=batches,
        )
        scores.append(score(model, fresh))
    return {"fresh": torch.stack(scores)}


def _effect(result, k: int) -> float:
    """Difference of the means of rate k and the first, in standard deviations over the seeds."""
    first, other = result["fresh"][0], result["fresh"][k]
    return float(abs(other.mean() - first.mean()) / np.sqrt((first.var(ddof=1) + other.var(ddof=1)) / 2))


def _found(result, k: int, seeds: int) -> np.ndarray:
    """Whether the mean of `seeds` networks puts the better rate first; a tie counts as not found."""
    usable = result["fresh"].shape[1] // seeds * seeds
    groups = result["fresh"][:, :usable].reshape(len(RATES), -1, seeds).mean(-1)
    better = np.sign(result["fresh"][k].mean() - result["fresh"][0].mean())
    return better * (groups[k] - groups[0]) > 0


def _needed(result, k: int) -> int:
    """Seeds of each setting for the better one to be found with probability SURE, as predicted."""
    return int(np.ceil(2 * (ndtri(SURE) / max(_effect(result, k), 0.05)) ** 2))


def _counts(result) -> list[int]:
    return [seeds for seeds in SHOWN if 2 * seeds <= result["fresh"].shape[1]]


def draw(result) -> Figure:
    fig, ax = style.figure(6.6, 3.7, tall=3.6)
    colours, many = style.palette(), np.geomspace(1, SHOWN[-1], 60)
    for k, mark in enumerate(MARKS, 1):
        effect = _effect(result, k)
        line = 100 * ndtr(effect * np.sqrt(many / 2))
        ax.plot(many, line, color=style.ink(), lw=1)
        for seeds in _counts(result):
            found = _found(result, k, seeds)
            at = seeds * (0.96, 1.0, 1.04)[k - 1]
            ax.vlines(at, *(100 * np.array(wilson(found))), color=colours["standardized"], lw=1.2)
            ax.plot(at, 100 * found.mean(), mark, ms=5.5, mew=0, color=colours["standardized"])
        ax.text(
            0.92, line[0], f"{number(effect, 2)} sd", color=colours["standardized"], ha="right", va="center"
        )
    ax.text(
        0.44, 109, "true difference, in\nstandard deviations (sd)", color=colours["standardized"], va="top"
    )
    ax.axhline(50, color=style.ink(), lw=0.8, ls=(0, (4, 3)))
    ax.text(33, 50.8, "a coin", ha="right", va="bottom")
    ax.set(
        xscale="log",
        xlim=(0.42, 36),
        ylim=(46, 110),
        yticks=range(50, 101, 10),
        xticks=SHOWN,
        xticklabels=SHOWN,
        xlabel="seeds of each setting (log)",
        ylabel="the better setting is found (%)",
    )
    ax.minorticks_off()
    return fig


def table(result) -> dict:
    columns = {key: [] for key in ("rate", "effect", "seeds", "found", "low", "high", "predicted")}
    for k in range(1, len(RATES)):
        for seeds in _counts(result):
            found, effect = _found(result, k, seeds), _effect(result, k)
            row = RATES[k], effect, seeds, found.mean(), *wilson(found), ndtr(effect * np.sqrt(seeds / 2))
            for key, value in zip(columns, row, strict=True):
                columns[key].append(value)
    return columns


def caption(result) -> str:
    once = _found(result, 1, 1)
    low, high = wilson(once)
    return (
        f"**With one seed each, the better of two learning rates, {number(_effect(result, 1), 2)} standard "
        f"deviations apart, is found in {percent(once.mean())} [{percent(low)}, {percent(high)}] of the "
        f"comparisons; to be right in {percent(SURE)} takes {_needed(result, 1)} seeds each.**\n\n"
        f"At {number(_effect(result, 3), 2)} standard deviations {_needed(result, 3)} will do. Adam's rate "
        f"{RATES[0]:g} against {RATES[1]:g}, {RATES[2]:g} and {RATES[3]:g} on one split of the digits, "
        f"{result['fresh'].shape[1]} networks each, scored on fresh examples. Lines: the formula; 95 % "
        "intervals."
    )


def alt(result) -> str:
    said = ", ".join(
        f"{percent(_found(result, k, 1).mean())} at {number(_effect(result, k), 2)}"
        for k in range(1, len(RATES))
    )
    return (
        "Fraction of comparisons that find the better of two settings against the number of seeds, log; "
        "three curves rise along their predictions. With one seed, by the difference in standard "
        f"deviations: {said}."
    )
