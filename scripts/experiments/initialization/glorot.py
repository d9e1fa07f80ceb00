"""Do Glorot's weights suit a sigmoid as well as tanh?  Chapter: initialization."""

from collections.abc import Iterator
from functools import cache, partial

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments import style
from experiments.evidence import Claim, Map
from experiments.initialization._shared.networks import Depths, digit_splits
from experiments.initialization._shared.rms import rms
from experiments.intervals import mean_interval
from experiments.trials import descend, generator, score
from experiments.words import long_table, number, percent
from unitgain.initializers import glorot_normal_, glorot_uniform_, normal_
from unitgain.optimizers import SGD
from unitgain.theory import chi, variance_map

WIDTH, DEPTH = 256, 10
NEAR = 1e-4  # how far apart two inputs lie
FROM = 5  # from this layer on, factors are read


def centred_sigmoid(z: Tensor) -> Tensor:
    """A sigmoid moved down by ½ and four times as steep: 4 (σ(z) − ½) = 2 tanh(z/2)."""
    return 4 * (torch.sigmoid(z) - 0.5)


FUNCTIONS = {"tanh": torch.tanh, "4 (sigmoid − ½)": centred_sigmoid, "sigmoid": torch.sigmoid}

UNITS, DEPTHS = 25, (1, 2, 3, 4, 9)  # of the networks that are trained
STEPS, EARLY = 300, 0.4  # the fraction of the steps after which they are looked at first
BATCH, MOMENTUM = 16, 0.9
RATES = {"tanh": (0.02, 0.06), "sigmoid": (0.1, 0.3)}
TIMES = {"tanh": 2, "sigmoid": 4}  # Glorot's weights from the second layer on, to compare with
ROWS = "tanh, {early} steps", "sigmoid, {early} steps", "sigmoid, {late} steps"
LOSS = 0.1  # of accuracy, that a recommended start may cost


def compute(*, networks=60, mapped=8, seed=0, device="cpu"):
    """Root mean squares over the units: `signal`, of the activations, and `difference`, between the weighted
    inputs of two nearly equal examples, over that in the first layer (functions, layers, networks).

    And the test `accuracy` from Glorot's weights and from TIMES of them (ROWS, starts, DEPTHS, mapped).
    """
    signal, difference = _passed_on(networks, seed, device)
    early, late = int(EARLY * STEPS), STEPS
    learned = _learned("tanh", (early,), mapped, seed, device)
    learned += _learned("sigmoid", (early, late), mapped, seed, device)
    return {
        "signal": signal,
        "difference": difference / difference[:, :1],
        "accuracy": torch.stack(learned),
    }


def _passed_on(networks: int, seed: int, device) -> tuple[Tensor, Tensor]:
    draw = generator(seed)
    x, step = (normal_(torch.empty(networks, WIDTH, 1), generator=draw) for _ in range(2))
    h = torch.cat([x, x + NEAR * step] * len(FUNCTIONS), -1).to(device).double()
    signal, difference = [], []
    for _ in range(DEPTH):
        w = glorot_normal_(torch.empty(networks, WIDTH, WIDTH), generator=draw)
        z = w.to(device).double() @ h
        h = torch.cat([f(pair) for f, pair in zip(FUNCTIONS.values(), z.split(2, -1), strict=True)], -1)
        signal.append(h.unflatten(-1, (-1, 2)).square().mean((1, 3)).sqrt())
        difference.append((z[..., 1::2] - z[..., ::2]).square().mean(1).sqrt())
    return tuple(torch.stack(layers).permute(2, 0, 1) for layers in (signal, difference))


def _learned(function: str, at: tuple[int, ...], networks: int, seed: int, device) -> list[Tensor]:
    """Accuracies (starts, depths, networks) after each of the numbers `at` of steps, on test digits.

    Each at the learning rate with the best mean on validation digits.
    """
    parts, rates = digit_splits(networks, seed, device), torch.tensor(RATES[function])
    model = Depths(DEPTHS, UNITS, function, (2, len(rates), networks), weight="zeros")
    _start(model, function, generator(seed, "weights"))
    found = []

    def look(step: int) -> None:
        if step in at:
            best = score(model, parts.validation).mean(-1).argmax(-1)[..., None, None]
            right = score(model, parts.test).take_along_dim(best, -2).squeeze(-2)
            found.append(right.transpose(0, 1))

    momentum = partial(SGD, momentum=MOMENTUM)
    how = {"steps": at[-1], "batch": BATCH, "optimizer": momentum, "callback": look}
    descend(model.to(device), parts.train, rates[:, None], seed=seed, **how)
    return found


@torch.no_grad()
def _start(model: Depths, function: str, draw: torch.Generator) -> None:
    """Glorot's weights, and TIMES of them from the second layer on; then a sigmoid's ½ is taken out."""
    for k, layer in enumerate((*model.layers, model.last)):
        shape = model.replicas[-1], layer.out_features, layer.in_features
        layer.weight.copy_(glorot_uniform_(torch.empty(shape), generator=draw))
        if k:
            layer.weight[:, 1] *= TIMES[function]
        if k and function == "sigmoid":
            layer.bias[:, 1] = -layer.weight[:, 1].sum(-1, keepdim=True) / 2


@cache
def _predicted() -> tuple[np.ndarray, np.ndarray]:
    """Both (functions, layers), for layers without end: the first layer's variance is 1."""
    signal, difference = [], []
    for f in FUNCTIONS.values():
        q, gap = torch.tensor(1.0).double(), torch.tensor(1.0).double()
        for _ in range(DEPTH):
            signal.append(variance_map(f, q, 1.0).sqrt())
            difference.append(gap)
            gap, q = gap * chi(f, 1.0, q=q).sqrt(), variance_map(f, q, 1.0)
    return tuple(torch.stack(rows).view(len(FUNCTIONS), DEPTH).numpy() for rows in (signal, difference))


def draw(result) -> Figure:
    fig, (left, right) = style.figure(8.2, 3.6, ncols=2, tall=6.2)
    colours, layers = style.palette(), np.arange(1, DEPTH + 1)
    good, bad = colours["standardized"], colours["raw"]
    look = {"fmt": "o", "ms": 4, "mew": 0, "elinewidth": 1}
    for name, sizes, line in zip(FUNCTIONS, result["difference"], _predicted()[1], strict=True):
        middle, low, high = rms(sizes).T
        left.plot(layers, line, color=style.ink(), lw=0.8)
        colour = bad if name == "sigmoid" else good
        left.errorbar(layers, middle, (middle - low, high - middle), color=colour, **look)
    left.text(DEPTH, 1.6, "4 (sigmoid − ½)", color=good, ha="right")
    left.text(DEPTH, 0.12, "tanh", color=good, ha="right", va="top")
    left.text(6.2, 2e-4, "sigmoid\n(lines: predicted)", color=bad, ha="right", va="top")
    left.set(title="What differs between two inputs", yscale="log", ylim=(1e-6, 8), xlabel="layer")
    left.set(ylabel="size, 1 in the first layer (log)", yticks=(1e-6, 1e-4, 0.01, 1), xticks=(1, 5, 10))
    left.minorticks_off()
    (tanh, _), _, (glorot, other) = result["accuracy"]
    for rows, colour, line in (tanh, good, "--"), (glorot, bad, "-"), (other, good, "-"):
        middle, ends = rows.mean(-1), np.array([mean_interval(row) for row in rows]).T
        right.errorbar(DEPTHS, 100 * middle, 100 * np.abs(ends - middle), color=colour, ls=line, lw=1, **look)
    right.text(9, 99, f"sigmoid, {TIMES['sigmoid']} × Glorot and biases", color=good, ha="right", va="bottom")
    right.text(9, 76, "tanh, Glorot (dashed)", color=good, ha="right", va="top")
    right.text(9, 15, "sigmoid, Glorot", color=bad, ha="right", va="bottom")
    right.set(title="What it costs", ylabel="accuracy on test digits (%)", xlabel="hidden layers")
    right.set(ylim=(0, 112), xticks=DEPTHS, yticks=range(0, 101, 25))
    return fig


def _factor(result, function: str) -> np.ndarray:
    """By how much a deeper layer multiplies what differs: root mean square and interval."""
    gaps = result["difference"][list(FUNCTIONS).index(function)]
    return rms(gaps[-1] / gaps[FROM - 1], DEPTH - FROM)


def _rows() -> list[str]:
    return [row.format(early=int(EARLY * STEPS), late=STEPS) for row in ROWS]


def table(result) -> dict:
    layers, nothing = range(1, DEPTH + 1), np.full((len(ROWS), 2, len(DEPTHS)), np.nan)
    starts = [f"{row}, {start}" for row in _rows() for start in ("Glorot", "others")]
    parts = []
    for what, cases, at, line, middle in (
        ("signal", list(FUNCTIONS), layers, _predicted()[0], rms(result["signal"])[..., 0]),
        ("difference", list(FUNCTIONS), layers, _predicted()[1], rms(result["difference"])[..., 0]),
        ("accuracy", starts, DEPTHS, nothing, result["accuracy"].mean(-1)),
    ):
        axes = {"what": [what], "case": cases, "layers": at}
        shape = tuple(map(len, axes.values()))
        parts.append(long_table(axes, predicted=np.reshape(line, shape), measured=np.reshape(middle, shape)))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _off(result) -> float:
    """Largest relative distance of a factor a layer of what differs from its prediction."""
    measured = rms(result["difference"][:, -1], DEPTH - 1)[:, 0]
    return float(np.abs(measured / _predicted()[1][:, -1] ** (1 / (DEPTH - 1)) - 1).max())


def caption(result) -> str:
    sigmoid, tanh = _factor(result, "sigmoid")[0], _factor(result, "tanh")[0]
    size = rms(result["signal"][list(FUNCTIONS).index("sigmoid")])[[0, -1], 0]
    return (
        f"**With Glorot's weights a sigmoid layer passes on only {percent(sigmoid, 1)} of what differs "
        f"between two inputs, a tanh layer {percent(tanh)}: with {DEPTHS[-1]} hidden layers, sigmoids reach "
        f"{percent(result['accuracy'][-1, 0, -1].mean())}, tanh "
        f"{percent(result['accuracy'][0, 0, -1].mean())}.**\n\nThe size of the activations hides it: a "
        f"sigmoid's is {number(size[0], 2)} in the first layer and {number(size[1], 2)} in layer {DEPTH}, "
        "because all its outputs lie around ½, whatever the input. Centred and four times as steep, a "
        f"sigmoid does as tanh does. Left: root mean squares over {result['signal'].shape[-1]} networks of "
        f"{WIDTH} units a layer with {percent(0.95)} intervals; the factors agree with the predictions "
        f"within {percent(_off(result), 1)} a layer. Right: means over {result['accuracy'].shape[-1]} "
        f"trained networks of {UNITS} units a layer at the best of {len(RATES['tanh'])} learning rates, "
        f"after {int(EARLY * STEPS)} steps (tanh) or {STEPS} (sigmoids); the biases are those that take out "
        "the ½."
    )


def alt(result) -> str:
    last = rms(result["difference"][:, -1])[:, 0]
    ends = {title: number(end, 2) for title, end in zip(FUNCTIONS, last, strict=True)}
    learned = np.moveaxis(result["accuracy"].mean(-1), 0, 1)
    shown = {"tanh": learned[0, 0], "sigmoid": learned[0, -1], "sigmoid with the remedy": learned[1, -1]}
    costs = "; ".join(f"{name} {', '.join(map(percent, row))}" for name, row in shown.items())
    return (
        "Left, on a logarithmic axis, what differs between two inputs over ten layers: it falls steeply with "
        f"the sigmoid, to {ends['sigmoid']} after {DEPTH} layers, and slowly with tanh, to {ends['tanh']}, "
        f"and with the centred sigmoid, to {ends['4 (sigmoid − ½)']}. Right, the accuracy of trained "
        f"networks by hidden layers, {', '.join(map(str, DEPTHS))}: {costs}."
    )


def claims(result) -> Iterator[Claim]:
    factors = {name: _factor(result, name) for name in FUNCTIONS}
    glorot, other = np.moveaxis(result["accuracy"], 1, 0)  # (rows, depths, networks)
    deep, deepest = DEPTHS.index(4), DEPTHS[-1]
    units = "networks, each with its own weights and split of the digits"
    where = Map.of_means(
        np.swapaxes(glorot - other, 0, 1),
        axes={"hidden layers": DEPTHS, "units and training": _rows()},
        above=-LOSS,
        measure="accuracy from Glorot's weights minus that from others, each at its best learning rate; "
        f"others: from the second layer on {TIMES['tanh']} times them for tanh, {TIMES['sigmoid']} times for "
        "sigmoids, whose biases take out the ½",
        units=units,
    )
    yield Claim.of_difference(
        glorot[1, deep],
        other[1, deep],
        id="glorot-tanh-sigmoid",
        statement="Glorot initialization is recommended for tanh- and sigmoid-based neurons",
        sources=("ekman-2021, chapter 5",),
        verdict="depends",
        measure=f"accuracy on test digits of {DEPTHS[deep]} hidden layers of {UNITS} sigmoids after "
        f"{int(EARLY * STEPS)} steps, from Glorot's weights minus from four times them with biases that "
        f"centre, each at its best of {len(RATES['sigmoid'])} rates",
        units=units,
        map=where,
        holds=(where.cells[:2] == "holds").all()
        and factors["sigmoid"][2] < 0.3
        and min(factors["tanh"][1], factors["4 (sigmoid − ½)"][1]) > 0.85
        and mean_interval(other[1, deep])[0] > 0.8
        and mean_interval(other[-1, -1])[0] > 0.5,
        finding=f"For tanh, yes: its layers keep {percent(factors['tanh'][0], 1)} of what differs between "
        f"two inputs. A sigmoid layer keeps {percent(factors['sigmoid'][0], 1)}, because its slope is ¼ "
        "at most and Glorot's rule supposes 1. Networks of one or two hidden layers can afford that. With "
        f"four, after {int(EARLY * STEPS)} steps, Glorot's weights reach {percent(glorot[1, deep].mean())}; "
        "weights four times as large, with biases that take out the ½ of the layer before, reach "
        f"{percent(other[1, deep].mean())}. After {STEPS} steps and with {deepest} layers it is "
        f"{percent(glorot[-1, -1].mean())} against {percent(other[-1, -1].mean())}.",
    )
