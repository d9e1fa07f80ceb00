"""Which initializer goes with which activation in a deep network?  Chapter: initialization."""

from functools import partial

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments import style
from experiments.initialization._shared.networks import BATCH, CLASSES, standardized_digits
from experiments.trials import by_part, descend, generators, score
from experiments.words import long_table, number, percent
from unitgain.activations import activation, gain
from unitgain.datasets import Examples
from unitgain.diagnostics import observe
from unitgain.initializers import (
    glorot_normal_,
    he_normal_,
    lecun_normal_,
    lsuv_,
    orthogonal_,
    uniform_,
)
from unitgain.models import MLP
from unitgain.optimizers import SGD
from unitgain.training import cross_entropy

NAMES = {
    "tanh": "tanh",
    "selu": "SELU",
    "relu": "ReLU",
    "gelu": "GELU",
    "sigmoid": "sigmoid",
}
RULES = "torch", "Glorot", "He", "gain", "orthog.", "LSUV"
LABELS = "PyTorch", "Glorot", "He", "g²/n", "orthog-\nonal", "LSUV"
SPELLED = {"orthog.": "orthogonal", "gain": "g²/n", "torch": "PyTorch's default"}
LAYERS, WIDTH = 20, 32
RATES, MOMENTUM = (0.002, 0.006, 0.02), 0.9
STEPS = 100
LIMIT = 20  # powers of ten
LEARNS = 0.2  # accuracy of an activation's best rule, at least, where rules are compared


def torch_default_(tensor: Tensor, generator=None) -> Tensor:
    """PyTorch's rule for a linear layer's weights: U(±1/√fan_in)."""
    bound = tensor.shape[-1] ** -0.5
    return uniform_(tensor, -bound, bound, generator=generator)


def compute(*, tables=5, networks=2, points=400, seed=0, device="cpu"):
    """For the first `tables` activations and all rules, on the digits: (activations, rules, networks).

    Over the hidden layers, how the size of the `signal` changes on its way forward and that of the `gradient`
    on its way back, as powers of ten, at most LIMIT; and the `accuracy` after training. LSUV, changes and
    accuracy are taken on `points` digits. The learning `rate` (activations, rules) is the best of RATES for a
    network that is not counted.
    """
    data = standardized_digits(device)
    some, names = Examples(data.x[:points], data.y[:points]), list(NAMES)[:tables]
    momentum = partial(SGD, momentum=MOMENTUM)

    def trained(model: MLP, rate: Tensor) -> Tensor:
        descend(model, data, rate, seed=seed, steps=STEPS, batch=BATCH, optimizer=momentum)
        return score(model, some)

    weights = generators(seed, 1, times=3 + 2 * tables)
    chosen = trained(_models(names, some.x, len(RATES), weights), torch.tensor(RATES)).argmax(-1)
    rate = torch.tensor(RATES, device=chosen.device)[chosen]
    model = _models(names, some.x, networks, weights)
    signal, gradient = _changes(model, *some)
    accuracy = trained(model, rate[..., None])
    return {"signal": signal, "gradient": gradient, "accuracy": accuracy, "rate": rate}


def _models(names: list[str], x: Tensor, networks: int, weights: list[torch.Generator]) -> MLP:
    """Networks (activations, rules, networks), the rules from the same random numbers; LSUV's fitted to x."""
    activate, gains = by_part(*map(activation, names)), [gain(name) for name in names]
    sizes, options = (64, *[WIDTH] * LAYERS, CLASSES), {"weight": "zeros", "device": x.device}
    model = MLP(sizes, activate, replicas=(len(names), len(RULES), networks), **options)
    fitted = MLP(sizes, activate, replicas=(len(names), networks), **options)
    lsuv_(fitted, x, generator=weights[0])
    rules = torch_default_, glorot_normal_, he_normal_
    scaled = [partial(rule, gain=g) for rule in (lecun_normal_, orthogonal_) for g in gains]
    with torch.no_grad():
        for layer, last in zip(model.layers, fitted.layers, strict=True):
            drawn = [
                rule(torch.empty_like(layer.weight[0, 0]), generator=draw)
                for rule, draw in zip((*rules, *scaled), weights, strict=True)
            ]
            layer.weight[:, :3] = torch.stack(drawn[:3])
            layer.weight[:, 3:5] = torch.stack(drawn[3:]).unflatten(0, (2, -1)).transpose(0, 1)
            layer.weight[:, 5] = last.weight
    return model


def _changes(model: MLP, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Powers of ten between the first hidden layer's size and the last's: of signal and gradient."""
    with observe(model, layers=[f"layers.{k}" for k in range(LAYERS)]) as seen:
        cross_entropy(model(x), y).sum().backward()
    first, last = seen.last.layers[0], seen.last.layers[-1]
    sizes = [(one.mean.square() + one.std.square()).mean(-1).sqrt() for one in (first, last)]
    changes = sizes[1] / sizes[0], first.gradient / last.gradient
    return tuple(change.clamp(10.0**-LIMIT, 10.0**LIMIT).log10() for change in changes)


def _ranked(result) -> list[tuple[str, float]]:
    """The rules, best first, and their mean accuracy over the activations that learn with any of them."""
    right = result["accuracy"].mean(-1)
    learns = right.max(-1) >= LEARNS
    means = right[learns].mean(0) if learns.any() else right.mean(0)
    return sorted(zip(RULES, means.tolist(), strict=True), key=lambda pair: -pair[1])


def draw(result) -> Figure:
    fig, ax = style.figure(7.4, 3.3, tall=3.3)
    right = result["accuracy"].mean(-1)
    colours = mpl.colormaps["cividis"](right)
    colours[..., 3] = 0.4  # the page shows through, so that its ink is legible on every cell
    ax.imshow(colours, aspect="auto", interpolation="nearest")
    for (f, r), value in np.ndenumerate(100 * right):
        ax.text(r, f, f"{value:.0f}", ha="center", va="center", fontsize=11)
    ax.set(xticks=range(len(RULES)), xticklabels=LABELS, yticks=range(len(right)))
    ax.set(title=f"Accuracy after {STEPS} steps (%)")
    ax.set_yticklabels([NAMES[name] for name in list(NAMES)[: len(right)]])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return fig


def table(result) -> dict:
    names, _, networks = result["accuracy"].shape
    return long_table(
        {"activation": list(NAMES)[:names], "first_weights": RULES, "replica": range(networks)},
        signal_powers_of_ten=result["signal"],
        gradient_powers_of_ten=result["gradient"],
        rate=np.broadcast_to(result["rate"][..., None], result["accuracy"].shape),
        accuracy=result["accuracy"],
    )


def caption(result) -> str:
    (best, first), *others = [(SPELLED.get(rule, rule), mean) for rule, mean in _ranked(result)]
    listed = ", ".join(f"{rule} {percent(mean)}" for rule, mean in others)
    spread = 100 * np.ptp(result["accuracy"], axis=-1).max()
    name, lost = _shrinks_most(result)
    return (
        f"**With {LAYERS} layers, {best} weights reach {percent(first)} accuracy on average, {listed}.**\n\n"
        f"The average is over the activations that some rule gets above {percent(LEARNS)}. PyTorch: its "
        "default weights; g²/n: normal weights of variance g²/inputs, g the activation's gain; orthogonal: "
        "orthogonal ones of the same size, which LSUV rescales to the data; biases are 0. Accuracy follows "
        f"the gradient: with {name}, even its best rule leaves {number(10**lost, 1)} of the last hidden "
        f"layer's gradient in the first. {LAYERS} hidden layers of {WIDTH} units, the digits, {STEPS} steps "
        f"of gradient descent (momentum {MOMENTUM:g}, batches of {BATCH}), each cell at the best of "
        f"{len(RATES)} learning rates ({', '.join(f'{rate:g}' for rate in RATES)}), chosen with another "
        f"network. Means over {result['accuracy'].shape[-1]} networks, whose accuracies lie up to "
        f"{spread:.0f} points apart: small differences mean little."
    )


def _shrinks_most(result) -> tuple[str, float]:
    """The activation whose gradient shrinks even with its best rule, and by how many powers of ten."""
    best = result["gradient"].mean(-1).max(-1)
    return list(NAMES.values())[int(best.argmin())], float(best.min())


def alt(result) -> str:
    rows = (
        f"{NAMES[name]} {', '.join(f'{rule} {percent(v)}' for rule, v in zip(RULES, values, strict=True))}"
        for name, values in zip(NAMES, result["accuracy"].mean(-1), strict=False)
    )
    return (
        "A heat map of accuracies, a row for each activation and a column for each rule for the initial "
        f"weights: {'; '.join(rows)}."
    )
