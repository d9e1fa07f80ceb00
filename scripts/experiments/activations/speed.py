"""Does ReLU learn six times faster than tanh?  Chapter: activations."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn

from experiments import style
from experiments.activations._shared.digits import BATCH, at_rates, digit_sets
from experiments.activations._shared.names import NAMES
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval, ratio
from experiments.trials import descend, generators, mlps, score, standardized
from experiments.words import between, long_table, number, percent
from unitgain.activations import activation
from unitgain.datasets import Examples
from unitgain.initializers import variance_scaling_
from unitgain.layers import Linear

FUNCTIONS = {"relu": "he_normal", "tanh": "glorot_normal", "sigmoid": "glorot_normal"}
HIDDEN = {"1 hidden layer": (64,), "3 hidden layers": (32, 32, 32)}
RATES = (0.1, 0.2, 0.4, 0.8, 1.6)
TARGETS = (0.75, 0.85, 0.9)
SHOWN = 2  # index of the target that the figure's left half and the claim are about
EPOCHS = 3
SIX = 6.0  # as claimed

# The map: inputs that are ever wider, which saturate tanh, to the source's training error of 25 %
SCALES = (1.0, 10.0, 100.0)  # standard deviation of the inputs
KINDS = {**HIDDEN, "convolution": None}
MAP_RATES = {"relu": (0.2, 0.4, 0.8), "tanh": (0.4, 0.8, 1.6)}  # ReLU's divided by the scale: it is linear
DEFAULT_RATES = {"relu": (0.4, 0.8, 1.6, 3.2), "tanh": (0.1, 0.2, 0.4, 0.8)}
GOAL = TARGETS[0]
SCORED = 100  # validation examples
PASSES = 1  # epochs


class Filters(nn.Module):
    """8 filters of 3 × 3 on images of 8 × 8, means over 2 × 2, and a linear layer; many side by side."""

    def __init__(self, name, **words):
        super().__init__()
        self.filters, self.outputs = Linear(9, 8, **words), Linear(72, 10, **words)
        self.function = activation(name)

    def forward(self, x):
        patches = x.unflatten(-1, (8, 8)).unfold(-2, 3, 1).unfold(-2, 3, 1)
        h = self.function(self.filters(patches.flatten(-2).flatten(-4, -2)))
        return self.outputs(h.unflatten(-2, (-1, 3, 2, 3, 2)).mean((-2, -4)).flatten(-3))


def _scored(examples: Examples) -> Examples:
    """The first of them."""
    return Examples(examples.x[..., :SCORED, :], examples.y[..., :SCORED])


def _mapped(networks: int, seed: int, device) -> np.ndarray:
    """Steps to GOAL (activations, scales, kinds, rates, networks); twice as many as were taken for never."""
    sets = digit_sets(seed, networks, standardized, device=device)
    scale = torch.tensor(SCALES, device=device)[:, None, None]
    wide = scale[..., None, None]
    train = sets.train._replace(x=wide * sets.train.x)
    validation = _scored(sets.validation._replace(x=wide * sets.validation.x))
    found = []
    for name, rates in MAP_RATES.items():
        replicas, rate = (len(SCALES), len(rates), networks), torch.tensor(rates, device=device)[:, None]
        rate = rate / scale if name == "relu" else rate.expand(len(SCALES), -1, 1)
        for hidden in KINDS.values():
            if hidden:
                words = {"weight": FUNCTIONS[name], "seed": seed, "device": device}
                model = mlps((64, *hidden, 10), replicas, activation=name, **words)
            else:
                draws = generators(seed, networks, times=len(SCALES) * len(rates))
                words = {"replicas": replicas, "weight": FUNCTIONS[name], "generator": draws}
                model = Filters(name, device=device, **words)
            found.append(_steps(model, train, validation, rate, seed))
    return np.stack(found).reshape(len(MAP_RATES), len(KINDS), *found[0].shape).swapaxes(1, 2)


def _default(networks: int, seed: int, device) -> np.ndarray:
    """The same with nn.Linear's weights at the widest inputs, three hidden layers: (2, rates, networks)."""
    sets = digit_sets(seed, networks, lambda *x: SCALES[-1] * standardized(*x), device=device)
    validation = _scored(sets.validation)
    weight = partial(variance_scaling_, scale=1 / 3, distribution="uniform")
    found = []
    for name, rates in DEFAULT_RATES.items():
        words = {"activation": name, "weight": weight, "seed": seed, "device": device}
        model = mlps((64, *HIDDEN["3 hidden layers"], 10), (len(rates), networks), **words)
        rate = torch.tensor(rates, device=device)[:, None] / (SCALES[-1] if name == "relu" else 1)
        found.append(_steps(model, sets.train, validation, rate, seed))
    return np.stack(found)


def _steps(model, train, validation, rate, seed) -> np.ndarray:
    total = PASSES * -(-train.x.shape[-2] // BATCH)
    moments = np.unique(np.geomspace(1, total, 18).round().astype(int))
    seen = []

    def look(step):
        if step in moments:
            seen.append(score(model, validation))

    descend(model, train, rate, seed=seed, epochs=PASSES, batch=BATCH, callback=look)
    there = torch.stack(seen).cpu().numpy() >= GOAL
    return np.where(there.any(0), moments[there.argmax(0)], 2 * total)


def compute(*, networks=12, mapped=12, default=48, seed=0, device="cpu"):
    """Number of `steps` until the validation accuracy first reaches a target, 0 for never.

    Axes: hidden layers, activations, rates, targets, networks. `total` is the number of steps taken. And for
    the map `mapped` (activations, scales, kinds, rates, networks); `default` (activations, rates, networks).
    """
    sets = digit_sets(seed, networks, standardized, device=device)
    total = EPOCHS * -(-sets.train.x.shape[1] // BATCH)
    moments = np.unique(np.geomspace(1, total, 34).round().astype(int))
    rows = []
    for hidden in HIDDEN.values():
        for name, weight in FUNCTIONS.items():
            model, rate = at_rates((64, *hidden, 10), name, weight, RATES, networks, seed, device)
            seen = []

            def look(step, model=model, seen=seen):
                if step in moments:
                    seen.append(score(model, sets.validation))

            descend(model, sets.train, rate, seed=seed, epochs=EPOCHS, batch=BATCH, callback=look)
            there = torch.stack(seen).cpu().numpy()[:, :, None] >= np.array(TARGETS)[:, None]
            rows.append(np.where(there.any(0), moments[there.argmax(0)], 0))
    steps = np.stack(rows).reshape(len(HIDDEN), len(FUNCTIONS), *rows[0].shape)
    return {
        "steps": steps,
        "total": np.array(total),
        "mapped": _mapped(mapped, seed, device),
        "default": _default(default, seed, device),
    }


def _best(result) -> np.ndarray:
    """Index of each activation's fastest rate (hidden layers, activations, targets), by every fourth network.

    The other three quarters are then an unbiased measurement at that rate.
    """
    steps = result["steps"][..., ::4]
    return np.where(steps == 0, 2 * result["total"], steps).mean(-1).argmin(2)


def _at_best(result) -> np.ndarray:
    """Steps at the best rate of the networks that had no part in choosing it; NaN for never.

    Axes: hidden layers, activations, targets, networks.
    """
    networks = result["steps"].shape[-1]
    measured = result["steps"][..., np.arange(networks) % 4 > 0]
    best = _best(result)[:, :, None, :, None]
    steps = np.take_along_axis(measured, best, axis=2)[:, :, 0].astype(float)
    return np.where(steps == 0, np.nan, steps)


def _ratios(result) -> list[list]:
    """Steps of tanh / steps of ReLU and the interval: rows of hidden layers, columns of targets.

    None if a network never got there.
    """
    at = _at_best(result)
    return [
        [
            None if np.isnan(fast + slow).any() else ratio(slow, fast)
            for fast, slow in zip(relu, tanh, strict=True)
        ]
        for relu, tanh, _ in at
    ]


LOOK = {"relu": ("alive", "o"), "tanh": ("saturated", "s"), "sigmoid": ("saturated", "v")}


def draw(result) -> Figure:
    fig, (deep, times) = style.figure(8.0, 3.7, ncols=2, tall=6.6)
    colours = style.palette()
    for (name, (key, mark)), row in zip(LOOK.items(), result["steps"][1, :, :, SHOWN], strict=True):
        known = (row > 0).all(-1)
        x, steps = np.array(RATES)[known], row[known]
        if len(x):
            deep.vlines(
                x, *np.transpose([mean_interval(values) for values in steps]), color=colours[key], lw=1.5
            )
            deep.plot(x, steps.mean(1), marker=mark, ms=5, lw=1.2, color=colours[key])
            deep.text(x[0] / 1.12, steps[0].mean(), NAMES[name], color=colours[key], ha="right", va="center")
        else:
            deep.text(0.042, 7.6, f"{NAMES[name]}: not within {result['total']} steps", color=colours[key])
    deep.set(
        title=f"Steps to {percent(TARGETS[SHOWN])} accuracy (log), 3 hidden layers",
        xlabel="learning rate (log)",
    )
    deep.set(xscale="log", yscale="log", xlim=(0.04, 2.1), ylim=(7, 150))
    deep.set_xticks((0.1, 0.2, 0.4, 0.8, 1.6), ("0.1", "0.2", "0.4", "0.8", "1.6"))
    deep.set_yticks((10, 30, 100), ("10", "30", "100"))
    for y, text in ((SIX, "6, as claimed"), (1, "as fast as ReLU")):
        times.axhline(y, color=style.ink(), lw=1)
        times.text(-0.35, y * 1.06, text, va="bottom")
    for found, offset, face in zip(
        _ratios(result), (-0.09, 0.09), ("none", colours["saturated"]), strict=True
    ):
        for t, (middle, ends) in ((t, one) for t, one in enumerate(found) if one):
            times.vlines(t + offset, *ends, color=colours["saturated"], lw=1.5)
            times.plot(t + offset, middle, "s", ms=6, mfc=face, mec=colours["saturated"])
    times.text(2.4, 0.2, "hollow: 1 hidden layer, filled: 3", ha="right", color=colours["saturated"])
    times.set(title="Steps of tanh / steps of ReLU (log)", xlabel="accuracy to reach")
    times.set(yscale="log", ylim=(0.18, 9), xlim=(-0.4, 2.45))
    times.set_yticks((0.5, 1, 2, 4, 6), ("½", "1", "2", "4", "6"))
    times.set_xticks(range(len(TARGETS)), [percent(t) for t in TARGETS])
    for ax in (deep, times):
        ax.minorticks_off()
    return fig


def table(result) -> dict:
    axes = {
        "network": list(HIDDEN),
        "activation": [NAMES[f] for f in FUNCTIONS],
        "learning_rate": RATES,
        "target": TARGETS,
        "replica": range(result["steps"].shape[-1]),
    }
    return long_table(axes, steps=result["steps"])


def _times(result, depth: int) -> str:
    """By how much tanh's steps differ from ReLU's, to the target shown, in words."""
    found = _ratios(result)[depth][SHOWN]
    return "an unknown number of times" if found is None else f"{number(found[0], 2)} times"


def caption(result) -> str:
    count = result["steps"].shape[-1]
    return (
        f"**To {percent(TARGETS[SHOWN])} accuracy, each at its best learning rate, tanh takes "
        f"{_times(result, 0)} the steps of ReLU with one hidden layer and {_times(result, 1)} with three; "
        f"the claim is {SIX:g} times.**\n\nValidation accuracy on the digits, pixels standardized, networks "
        f"64-64-10 and 64-32-32-32-10, plain SGD in batches of {BATCH}; He's weights for ReLU, Glorot's for "
        f"the others. Steps: means of {count} networks; no point where one of them did not get there within "
        f"{result['total']} steps. Quotients: geometric means over the "
        f"{(np.arange(count) % 4 > 0).sum()} that had no part in choosing the learning rate. {percent(0.95)} "
        "intervals."
    )


def alt(result) -> str:
    found = [one for row in _ratios(result) for one in row if one is not None]
    spread = (
        f"lies between {number(min(m for m, _ in found), 2)} and {number(max(m for m, _ in found), 2)}"
        if found
        else "is not known"
    )
    return (
        "Two plots. The steps to an accuracy against the learning rate for ReLU and tanh with three hidden "
        "layers: tanh's curve lies below ReLU's. And tanh's steps divided by ReLU's at three accuracies, "
        f"with one and three hidden layers: the ratio {spread}, far below the line at 6."
    )


def _fastest(steps: np.ndarray) -> np.ndarray:
    """Steps (…, networks) of (…, rates, networks), each at the rate that every fourth network likes best."""
    best = np.log(steps[..., ::4]).mean(-1).argmin(-1)[..., None, None]
    measured = steps[..., np.arange(steps.shape[-1]) % 4 > 0]
    return np.take_along_axis(measured, best, axis=-2)[..., 0, :].astype(float)


def claims(result) -> Iterator[Claim]:
    steps = np.nan_to_num(
        _at_best(result)[:, :, SHOWN], nan=float(result["total"])
    )  # never: at least so many
    shallow, ends = ratio(steps[0, 1], steps[0, 0])
    relu, tanh = _fastest(result["mapped"])
    slower, by = ratio(*_fastest(result["default"])[::-1])
    made = Map.of_ratios(
        tanh,
        relu,
        axes={"standard deviation of the inputs": SCALES, "network": tuple(KINDS)},
        above=SIX / 2,
        measure=f"steps of tanh / steps of ReLU to {percent(GOAL)} validation accuracy, each at the best of "
        "three learning rates; a network that never gets there counts with twice the steps of an epoch",
        units="networks, each with its own weights and split of the same digits",
    )
    yield Claim.of_ratio(
        steps[1, 1],
        steps[1, 0],
        id="relu-six-times",
        statement="ReLU greatly accelerates the convergence of stochastic gradient descent, e.g. by a factor "
        "of 6 over tanh in a convolutional network",
        sources=("cs231n-1, activation functions", "krizhevsky-2012, figure 1"),
        verdict="not reproduced",
        measure=f"steps of tanh / steps of ReLU to {percent(TARGETS[SHOWN])} validation accuracy on "
        "digits, three hidden layers, He's weights for ReLU and Glorot's for tanh, each at its best learning "
        "rate; geometric mean",
        units="networks, each with its own weights and split of the same digits",
        map=made,
        unrepeated="a convolutional network of four layers on CIFAR-10, until 25 % training error",
        finding=f"Small networks on digits show nothing like it, be they fully connected or convolutional: "
        f"tanh takes {number(made.estimate.min(), 2)} to {number(made.estimate.max(), 2)} times the steps of "
        f"ReLU to {percent(GOAL)}, with He's weights for ReLU and Glorot's for tanh, even where inputs of "
        f"standard deviation {SCALES[-1]:g} saturate tanh; with nn.Linear's weights such inputs cost it "
        f"{number(slower, 2)} times the steps {between(by, 2)}. To {percent(TARGETS[SHOWN])} and with one "
        f"hidden layer it is {number(shallow, 2)} times {between(ends, 2)}.",
    )
