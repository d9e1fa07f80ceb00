"""Which initializer goes with which activation in a deep network?  Chapter: initialization."""

from functools import partial

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from experiments import style
from experiments.evidence import long_table, percent
from experiments.initialization._shared.networks import BATCH, CLASSES, by_part, standardized_digits
from experiments.trials import descend, generator, generators, score
from unitgain.activations import activation, gain
from unitgain.datasets import Examples
from unitgain.diagnostics import observe
from unitgain.initializers import glorot_normal_, he_normal_, lecun_normal_, lsuv_, uniform_
from unitgain.models import MLP
from unitgain.optimizers import SGD
from unitgain.training import cross_entropy

NAMES = {
    "tanh": "tanh",
    "selu": "SELU",
    "relu": "ReLU",
    "mish": "Mish",
    "gelu": "GELU",
    "silu": "SiLU",
    "sigmoid": "sigmoid",
}
RULES = "torch", "Glorot", "He", "gain", "LSUV"
LAYERS, WIDTH = 20, 32
RATE, MOMENTUM = 0.006, 0.9
STEPS = 100
LIMIT = 20  # powers of ten
CLOSE = 0.05  # what counts as close to the best accuracy


def torch_default_(tensor: Tensor, generator=None) -> Tensor:
    """PyTorch's rule for a linear layer's weights: U(±1/√fan_in)."""
    bound = tensor.shape[-1] ** -0.5
    return uniform_(tensor, -bound, bound, generator=generator)


def compute(*, tables=7, networks=3, points=400, seed=0, device="cpu"):
    """For the first `tables` activations and all rules, on the digits: (activations, rules, networks).

    Over the hidden layers, how the size of the `signal` changes on its way forward and that of the `gradient`
    on its way back, as powers of ten, at most LIMIT; and the `accuracy` after training. LSUV, changes and
    accuracy are taken on `points` digits.
    """
    data = standardized_digits(device)
    some = Examples(data.x[:points], data.y[:points])
    model = _models(list(NAMES)[:tables], some.x, networks, seed)
    signal, gradient = _changes(model, *some)
    momentum = partial(SGD, momentum=MOMENTUM)
    descend(model, data, RATE, seed=seed, steps=STEPS, batch=BATCH, optimizer=momentum)
    return {"signal": signal, "gradient": gradient, "accuracy": score(model, some)}


def _models(names: list[str], x: Tensor, networks: int, seed: int) -> MLP:
    """Networks (activations, rules, networks), from the same random numbers; LSUV's are fitted to x."""
    activate, gains = by_part(*map(activation, names)), [gain(name) for name in names]
    sizes, options = (64, *[WIDTH] * LAYERS, CLASSES), {"weight": "zeros", "device": x.device}
    model = MLP(sizes, activate, replicas=(len(names), len(RULES), networks), **options)
    fitted = MLP(sizes, activate, replicas=(len(names), networks), **options)
    lsuv_(fitted, x, generator=generator(seed, "weights"))
    rules = torch_default_, glorot_normal_, he_normal_, *(partial(lecun_normal_, gain=g) for g in gains)
    draws = generators(seed, 1, times=len(rules))
    with torch.no_grad():
        for layer, last in zip(model.layers, fitted.layers, strict=True):
            drawn = [
                rule(torch.empty_like(layer.weight[0, 0]), generator=draw)
                for rule, draw in zip(rules, draws, strict=True)
            ]
            layer.weight[:, :3] = torch.stack(drawn[:3])
            layer.weight[:, 3] = torch.stack(drawn[3:])
            layer.weight[:, 4] = last.weight
    return model


def _changes(model: MLP, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Powers of ten between the first hidden layer's size and the last's: of signal and gradient."""
    with observe(model, layers=[f"layers.{k}" for k in range(LAYERS)]) as seen:
        cross_entropy(model(x), y).sum().backward()
    first, last = seen.last.layers[0], seen.last.layers[-1]
    sizes = [(one.mean.square() + one.std.square()).mean(-1).sqrt() for one in (first, last)]
    changes = sizes[1] / sizes[0], first.gradient / last.gradient
    return tuple(change.clamp(10.0**-LIMIT, 10.0**LIMIT).log10() for change in changes)


def _best(result) -> np.ndarray:
    """Whether a rule's mean accuracy is CLOSE to its activation's best, and above guessing."""
    right = result["accuracy"].mean(-1)
    best = right.max(-1, keepdims=True)
    return (right >= best - CLOSE) & (best > 2 / CLASSES)


def draw(result) -> Figure:
    fig, axes = style.figure(8.2, 3.9, ncols=2, sharey=True)
    gradient, right = result["gradient"].mean(-1), result["accuracy"].mean(-1)
    names = [NAMES[name] for name in list(NAMES)[: len(right)]]
    panels = (
        ("Gradient, first layer over last, powers of ten", gradient, 1 - np.abs(gradient) / 10, "{:+.1f}"),
        (f"Accuracy after {STEPS} steps (%)", 100 * right, right, "{:.0f}"),
    )
    for ax, (title, values, shade, text) in zip(axes, panels, strict=True):
        colours = mpl.colormaps["cividis"](shade.clip(0, 1))
        colours[..., 3] = 0.4  # the page shows through, so that its ink is legible on every cell
        ax.imshow(colours, aspect="auto", interpolation="nearest")
        for (f, r), value in np.ndenumerate(values):
            ax.text(r, f, text.format(value).replace("-", "−"), ha="center", va="center", fontsize=10.5)
        ax.set(
            title=title,
            xticks=range(len(RULES)),
            xticklabels=RULES,
            yticks=range(len(names)),
            yticklabels=names,
        )
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    for f, r in np.argwhere(_best(result)):
        axes[1].add_patch(Rectangle((r - 0.42, f - 0.4), 0.84, 0.8, fill=False, ec=style.ink(), lw=1.6))
    return fig


def table(result) -> dict:
    names, _, networks = result["accuracy"].shape
    return long_table(
        {"activation": list(NAMES)[:names], "first_weights": RULES, "replica": range(networks)},
        signal_powers_of_ten=result["signal"],
        gradient_powers_of_ten=result["gradient"],
        accuracy=result["accuracy"],
    )


def _in_words(names: list[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def caption(result) -> str:
    best = _best(result)
    count = best.sum(0)
    r = int(count.argmax())
    others = [NAMES[name] for name, one in zip(NAMES, best[:, r], strict=False) if not one]
    left_out = f" (all but {_in_words(others)})" if 0 < len(others) < len(best) else ""
    spread = 100 * np.ptp(result["accuracy"], axis=-1).max()
    return (
        f"**Recommended: {RULES[r]}; {count[r]} of {len(best)} activations{left_out} then come within "
        f"{100 * CLOSE:.0f} points of their best (framed).** torch: PyTorch's default weights; gain: normal "
        f"weights of variance g²/inputs; biases are 0. {LAYERS} hidden layers of {WIDTH} units, the digits, "
        f"{STEPS} steps of descent (rate {RATE:g}, momentum {MOMENTUM:g}, batches of {BATCH}). Means over "
        f"{result['accuracy'].shape[-1]} networks, whose accuracies lie up to {spread:.0f} points apart: "
        "small differences mean little."
    )


def alt(result) -> str:
    rows = (
        f"{NAMES[name]} {', '.join(f'{rule} {percent(v)}' for rule, v in zip(RULES, values, strict=True))}"
        for name, values in zip(NAMES, result["accuracy"].mean(-1), strict=False)
    )
    return (
        "Two heat maps, a row for each activation and a column for each rule for the first weights: by how "
        f"many powers of ten the gradient changes, and the accuracy. Accuracies: {'; '.join(rows)}."
    )
