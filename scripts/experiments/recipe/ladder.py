"""How good does a badly set-up network become, one repair at a time, and how fast?  Chapter: recipe."""

from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.intervals import median_interval
from experiments.recipe._shared.networks import (
    BATCH,
    DEPTHS,
    LOSSES,
    OPTIMIZERS,
    SMALL_WEIGHTS,
    SUITED,
    at_the_edge,
    digit_sets,
    error,
    interval,
    rates,
    side_by_side,
    standardized,
)
from experiments.trials import descend, raw, score
from experiments.words import long_table, percent
from unitgain.datasets import Examples, Split
from unitgain.initializers import glorot_normal_

EPOCHS = 10
FOUR = 4.0  # times the weights, for sigmoids, whose slope at 0 is a quarter of tanh's
EVERY = 10  # steps between two looks at the validation error
LOOK = 400  # validation examples looked at
CHANCE = 0.1
TARGET = 0.12  # half the squared error of the outputs


class Rung(NamedTuple):
    """One set-up and the name of what is new in it."""

    name: str
    standardize: bool = True
    suited: bool = True
    activation: str = "relu"
    loss: str = "cross-entropy"
    optimizer: str = "Adam"
    normalization: str | None = None


RUNGS = (
    Rung("badly set up", False, False, "sigmoid", "squared error", "SGD"),
    Rung("+ standardized pixels", True, False, "sigmoid", "squared error", "SGD"),
    Rung("+ recommended first weights", True, True, "sigmoid", "squared error", "SGD"),
    Rung("+ ReLU", True, True, "relu", "squared error", "SGD"),
    Rung("+ cross-entropy", True, True, "relu", "cross-entropy", "SGD"),
    Rung("+ Adam", True, True, "relu", "cross-entropy", "Adam"),
    Rung("+ batch normalization", True, True, "relu", "cross-entropy", "Adam", "batch"),
)
LABELS = (
    "badly set up",
    "+ standardized\npixels",
    "+ recommended\ninitial weights",
    "+ ReLU",
    "+ cross-entropy",
    "+ Adam",
    "+ batch\nnormalization",
)  # of RUNGS, as drawn


def compute(*, networks=8, seed=0, device="cpu"):
    """By (depths, rungs, rates, networks): accuracy on `validation` and `test`, and `steps` to the target.

    Where a network never gets there, `steps` is `limit`. `logistic_validation` and `logistic_test` (rates,
    networks): of the third rung with four hidden layers, with FOUR times Glorot's weights.
    """
    sets = [digit_sets(seed, networks, device, scale) for scale in (raw, standardized)]
    found = {"validation": [], "test": [], "steps": []}
    for sizes in DEPTHS.values():
        for rung in RUNGS:
            values = _climb(rung, sizes, sets[rung.standardize], seed, device)
            for rows, value in zip(found.values(), values, strict=True):
                rows.append(value.T)
    rule = partial(glorot_normal_, gain=FOUR)
    validation, test, _ = _climb(RUNGS[2], DEPTHS["four hidden layers"], sets[1], seed, device, rule)
    n = sets[0].train.y.shape[-1]
    total = EPOCHS * -(-n // min(BATCH, n))
    return {key: torch.stack(values).unflatten(0, (len(DEPTHS), -1)) for key, values in found.items()} | {
        "limit": torch.tensor(EVERY * (total // EVERY + 1)),
        "logistic_validation": validation.T,
        "logistic_test": test.T,
    }


def _climb(rung: Rung, sizes, sets: Split, seed: int, device, rule=None) -> tuple[torch.Tensor, ...]:
    rate = rates(rung.optimizer, raw=not rung.standardize)
    rule = rule or (SUITED[rung.activation] if rung.suited else SMALL_WEIGHTS)
    replicas, norm = (len(sets.train.y), len(rate)), rung.normalization
    model = side_by_side(sizes, rung.activation, (rule,), replicas, seed, device, normalization=norm)
    looked_at = Examples(sets.validation.x[..., :LOOK, :], sets.validation.y[..., :LOOK])
    errors = []

    def look(step: int) -> None:
        if step % EVERY == 0:
            errors.append(error(model, looked_at, rung.loss))

    how = {"optimizer": OPTIMIZERS[rung.optimizer], "loss": LOSSES[rung.loss], "callback": look}
    descend(model, sets.train, rate, seed=seed, epochs=EPOCHS, batch=BATCH, **how)
    model.eval()
    before = ~(torch.stack(errors) <= TARGET)  # a NaN is not there either
    steps = EVERY * before.long().cumprod(0).sum(0)
    return score(model, sets.validation), score(model, sets.test), steps


def _at_best(result, key: str) -> np.ndarray:
    """At the rate that is best by the mean validation accuracy: (depths, rungs, networks)."""
    best = result["validation"].mean(-1).argmax(-1)[..., None, None]
    return np.take_along_axis(result[key], best, axis=2)[:, :, 0]


def draw(result) -> Figure:
    fig, ax = style.figure(7.6, 4.8, tall=6.2)
    test, steps, limit = _at_best(result, "test"), _at_best(result, "steps"), int(result["limit"])
    looks = (style.ink(), "^", "▲", -0.19), (style.palette()["standardized"], "o", "●", 0.19)
    places, beside = np.arange(len(RUNGS)), {"transform": ax.get_yaxis_transform(), "va": "center"}
    for right, taken, name, (colour, mark, sign, aside) in zip(test, steps, DEPTHS, looks, strict=True):
        low, high = np.clip([interval(row) for row in right], 0, 1).T
        ax.hlines(places + aside, low, high, color=colour, lw=1.5)
        ax.plot(right.mean(-1), places + aside, mark, color=colour, ms=6.5, mew=0)
        for place, row in zip(places + aside, taken, strict=True):
            ax.text(1.04, place, _steps(row, limit), color=colour, **beside)
        ax.text(0.03, -1.0 + aside, f"{sign} {name}", color=colour, **beside)
    ax.text(1.04, -1.0, f"median steps to\nerror {TARGET:g} [95 %]", **beside)
    ax.hlines(places[1:] - 0.5, 0, 1, color=style.GRID, lw=0.6, alpha=0.3)
    ax.vlines((CHANCE, 0.5), -0.5, len(RUNGS) - 0.5, color=style.ink(), lw=0.8, ls=":")
    ax.set(xlim=(0, 1), xlabel="accuracy on new digits, mean [95 %]", ylim=(len(RUNGS) - 0.5, -1.5))
    ax.set_xticks([CHANCE, 0.5, 1], ["chance", "50 %", "100 %"])
    ax.set(yticks=places, yticklabels=LABELS)
    ax.tick_params(axis="y", length=0)
    return fig


def _steps(taken: np.ndarray, limit: int) -> str:
    ends = np.where(taken < limit, taken, np.inf)
    numbers = (np.median(ends), *median_interval(ends))
    middle, low, high = ("never" if end > limit else f"{end:.0f}" for end in numbers)
    return middle if low == "never" else f"{middle} [{low}, {high.replace('never', '∞')}]"


def table(result) -> dict:
    test, steps = _at_best(result, "test"), _at_best(result, "steps")
    low, high = np.moveaxis(np.apply_along_axis(interval, -1, test), -1, 0)
    first, last = np.moveaxis(np.apply_along_axis(median_interval, -1, steps), -1, 0)
    tried = np.array([rates(rung.optimizer, raw=not rung.standardize).numpy() for rung in RUNGS])
    best = result["validation"].mean(-1).argmax(-1)
    return long_table(
        {"network": list(DEPTHS), "set_up": [rung.name for rung in RUNGS]},
        learning_rate=tried[range(len(RUNGS)), best],
        accuracy=test.mean(-1),
        accuracy_low=low,
        accuracy_high=high,
        median_steps=np.median(steps, axis=-1),
        steps_low=first,
        steps_high=last,
        reached=(steps < result["limit"]).mean(-1),
    )


def caption(result) -> str:
    (shallow, deep), (_, steps) = _at_best(result, "test"), _at_best(result, "steps")
    jumps = np.diff(deep.mean(-1))
    largest = int(jumps.argmax()) + 1
    reached = (steps < result["limit"]).all(-1)
    first = _words(reached.argmax()) if reached.any() else ""
    fast = (
        f"From {first} on, all networks with four hidden layers reach the target error, at last in a median "
        f"of {np.median(steps[-1]):.0f} steps. "
        if first and reached[reached.argmax() :].all()
        else ""
    )
    rate = result["logistic_validation"].mean(-1).argmax()
    return (
        f"**One repair after the other lifts the network with four hidden layers from "
        f"{percent(deep[0].mean())} to {percent(deep[-1].mean())}. The largest step comes with "
        f"{_words(largest)}, repair number {largest}.**\n\n{fast}With one hidden layer the accuracy rises "
        f"from {percent(shallow[0].mean())} to {percent(shallow[-1].mean())}. "
        f"Weights must suit the unit: with {FOUR:g} times Glorot's weights, a rule for sigmoids, the third "
        f"row of the deep network has {percent(result['logistic_test'][rate].mean())} in place of "
        f"{percent(deep[2].mean())}.\n\nEvery row has the best of {result['test'].shape[2]} learning rates "
        f"by validation accuracy, and {EPOCHS} epochs. In {at_the_edge(result['validation']).sum()} of "
        f"{2 * len(RUNGS)} rows this is the lowest or the highest rate tried. There are {deep.shape[-1]} "
        "networks a row, each with its own split of the same digits into thirds; the intervals of accuracies "
        "are widened because the splits overlap. The error is half the squared error of the outputs on "
        f"validation digits, looked at every {EVERY} steps. Ten outputs of {CHANCE} have an error of "
        f"{(9 * CHANCE**2 + (1 - CHANCE) ** 2) / 2:.2f}."
    )


def _words(rung: int) -> str:
    return LABELS[rung].removeprefix("+ ").replace("\n", " ")


def alt(result) -> str:
    middle = np.median(_at_best(result, "steps")[1], axis=-1)
    taken = ", ".join("never" if m >= result["limit"] else f"{m:.0f}" for m in middle)
    shallow, deep = (", ".join(percent(value) for value in row.mean(-1)) for row in _at_best(result, "test"))
    return (
        "A dot plot of accuracy with seven rows, from badly set up to batch normalization: "
        f"one hidden layer {shallow}; four hidden layers {deep}. Beside it the median steps until the "
        f"target, with four hidden layers {taken}."
    )
