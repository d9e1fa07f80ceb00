"""Do raw pixels from 0 to 255 saturate units, and what does that cost?  Chapter: preprocessing."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval
from experiments.trials import descend, drawn, generator, generators, raw, score, splits, standardized
from experiments.words import long_table, percent
from unitgain.activations import ACTIVATIONS
from unitgain.datasets import Examples, Split, image_patches, mnist
from unitgain.diagnostics import saturation
from unitgain.models import MLP
from unitgain.transforms import StandardScaler

FUNCTIONS = {"tanh": "tanh", "sigmoid": "sigmoid", "relu": "ReLU"}
SCALES = {  # of pixels, by those that train, and learning rates to choose from
    "raw, 0 to 255": (raw, (3e-5, 0.005, 0.025)),
    "divided by 255": (lambda x, _: x / 255, (0.3, 1.0, 3.0)),
    "one mean, one sd": (lambda x, seen: StandardScaler(None).fit(seen)(x), (0.1, 0.3, 1.0)),
    "each pixel its own": (standardized, (0.1, 0.3, 1.0)),
}
RAW, DIVIDED, WHOLE, EACH = range(len(SCALES))
HIDDEN = 25
BATCH, EPOCHS = 40, 6
TIMES = (0.01, 0.02, 0.045, 0.1, 0.3, 1.0)  # the map: first weights, by those of Glorot's rule
IMAGES, PATCH = 100, 16  # of a network; pixels a side of a photograph's
WHERE = tuple(
    f"{function} on {what}" for what in ("MNIST", "photographs") for function in ("tanh", "sigmoid")
)
MOSTLY = 0.5


def _learned(function: str, sets: Split, rates: Sequence[float], seed: int) -> tuple[Tensor, Tensor]:
    """Share saturated at birth, and test accuracy at the rate best on validation data (networks,)."""
    x = sets.train.x
    shape, draws = (len(rates), len(x)), generators(seed, len(x), times=len(rates))
    model = MLP((784, HIDDEN, 10), function, replicas=shape, generator=draws, device=x.device)
    z = x @ model.layers[0].weight[0].detach().mT  # the same at every rate; biases start at 0
    saturated = saturation(ACTIVATIONS[function], z).mean(-1)
    rate = torch.tensor(rates)[:, None]
    descend(model, sets.train, rate, seed=seed, epochs=EPOCHS, batch=BATCH)
    best = score(model, sets.validation).mean(-1).argmax()
    return saturated, score(model, sets.test)[best]


def _mapped(networks: int, seed: int, device) -> Tensor:
    """Share saturated at birth on raw pixels (TIMES, WHERE, networks)."""
    digits = drawn(networks * IMAGES, mnist(device=device), generator(seed, "data")).x
    draws = generator(seed, "fresh")
    patches = image_patches(networks * IMAGES, PATCH, generator=draws, device=device).flatten(1)
    found = []
    for images in (digits, patches):
        x = images.unflatten(0, (networks, IMAGES))
        options = {"replicas": networks, "device": x.device}
        model = MLP((x.shape[-1], HIDDEN, 10), "tanh", generator=generators(seed, networks), **options)
        z = x @ model.layers[0].weight.detach().mT
        for function in ("tanh", "sigmoid"):
            found.append(torch.stack([saturation(ACTIVATIONS[function], k * z).mean(-1) for k in TIMES]))
    return torch.stack(found, dim=1)


def compute(*, networks=6, mapped=12, rows=2000, seed=0, device="cpu"):
    """`saturated` at birth and `accuracy` on test digits: (FUNCTIONS, SCALES, networks).

    Every network has its own split of digits of its own and its own first weights, the same in all cases.
    `by_size`: see `_mapped`.
    """
    digits, found = mnist(device=device), []
    for scale, rates in SCALES.values():
        own = [
            splits(*drawn(rows, digits, draw), [draw], validation=0.2, test=0.4, scale=scale)
            for draw in generators(seed, networks, "split")
        ]
        parts = zip(*own, strict=True)
        sets = Split(*(Examples(*map(torch.cat, zip(*part, strict=True))) for part in parts))
        found.append([_learned(function, sets, rates, seed) for function in FUNCTIONS])
    saturated, right = (
        torch.stack([torch.stack([case[i] for case in row]) for row in found], dim=1) for i in range(2)
    )
    return {"saturated": saturated, "accuracy": right, "by_size": _mapped(mapped, seed, device)}


def draw(result) -> Figure:
    fig, axes = style.figure(7.8, 3.7, ncols=2, stacked=(1, 2), tall=4.8, sharey=True)
    colours, kinds = style.palette(), len(FUNCTIONS) * len(SCALES)
    share, right = (100 * result[key].reshape(kinds, -1) for key in ("saturated", "accuracy"))
    rows = np.arange(kinds) + 0.6 * (np.arange(kinds) // len(SCALES))  # a gap between the functions
    raw = np.arange(kinds) % len(SCALES) == RAW
    bars = [style.GRID if k >= kinds - len(SCALES) else colours["saturated"] for k in range(kinds)]
    axes[0].barh(rows, share.mean(1), 0.7, color=bars)
    ends = np.array([mean_interval(row) for row in share]).T
    axes[0].hlines(rows, *ends, color=style.ink(), lw=1)
    for y, middle, end in zip(rows, share.mean(1), ends[1], strict=True):
        axes[0].text(max(end, middle) + 3, y, f"{middle:.0f}", va="center")
    for which, key, mark in ((raw, "raw", "^"), (~raw, "standardized", "o")):
        side = rows[which, None] + np.linspace(-0.18, 0.18, right.shape[1])
        look = {"color": colours[key], "ls": "", "mew": 0}
        axes[1].plot(right[which].ravel(), side.ravel(), mark, ms=3.5, alpha=0.5, **look)
        ends = np.array([mean_interval(row) for row in right[which]]).T
        axes[1].hlines(rows[which], *ends, color=colours[key], lw=1.5)
        axes[1].plot(right[which].mean(1), rows[which], "s", ms=5, **look)
    others = list(SCALES)[1:]
    names = [name for function in FUNCTIONS.values() for name in (f"{function}: raw pixels", *others)]
    axes[0].set(title="Saturated (%)\nReLU: off (%)", xlim=(0, 122))
    axes[0].set(yticks=rows, yticklabels=names, ylim=(rows[-1] + 0.6, -0.6))
    axes[1].set(title="Test accuracy\n(%)", xlim=(0, 100))
    for ax in axes:
        ax.set_xticks([0, 50, 100])
        ax.tick_params(axis="y", length=0)
    axes[1].grid(axis="x")
    return fig


def table(result) -> dict:
    ends = np.apply_along_axis(mean_interval, -1, result["accuracy"])
    return long_table(
        {"activation": list(FUNCTIONS.values()), "pixels": list(SCALES)},
        saturated=result["saturated"].mean(-1),
        accuracy=result["accuracy"].mean(-1),
        low=ends[..., 0],
        high=ends[..., 1],
    )


def _points(values: np.ndarray) -> str:
    low, high = mean_interval(100 * values.astype(np.float64))
    return f"{100 * values.mean():.0f} points [{low:.0f}, {high:.0f}]".replace("-", "−")


def caption(result) -> str:
    tanh, sigmoid, relu = result["saturated"].mean(-1)
    right = result["accuracy"].mean(-1)
    return (
        f"**Raw pixels saturate a tanh unit on {percent(tanh[RAW])} of the images on average, a sigmoid on "
        f"{percent(sigmoid[RAW])}; pixels divided by 255, on "
        f"{percent(max(tanh[DIVIDED], sigmoid[DIVIDED]))}. On raw pixels no activation reaches "
        f"more than {percent(right[:, RAW].max())} accuracy.**\n\n"
        f"On raw pixels ReLU networks reach {percent(right[-1, RAW])}, although their units are off on "
        f"{percent(relu[RAW])} of the images, as on divided pixels. Saturation is counted before training. "
        f"Each of {result['accuracy'].shape[-1]} networks 784-{HIDDEN}-10 has its own split of MNIST digits; "
        f"weights by Glorot's rule, {EPOCHS} epochs of gradient descent at the best of three learning rates. "
        "Squares are means with 95 % intervals over the draw from 5,000 digits."
    )


def alt(result) -> str:
    share, right = (100 * result[key].mean(-1) for key in ("saturated", "accuracy"))
    return (
        "For tanh, sigmoid and ReLU and four scalings of the pixels, bars of the saturated percentage before "
        "training and dots of the test accuracy. "
        + "; ".join(
            f"{function}: saturated "
            + ", ".join(f"{a:.0f}" for a in share[f])
            + " percent, right "
            + ", ".join(f"{a:.0f}" for a in right[f])
            + " percent"
            for f, function in enumerate(FUNCTIONS.values())
        )
        + ", each for raw, divided by 255, standardized as a whole and pixel by pixel."
    )


def claims(result) -> Iterator[Claim]:
    share, right = result["saturated"].astype(np.float64), result["accuracy"]
    cost = right[:, DIVIDED] - right[:, RAW]
    sizes = result["by_size"].mean(-1) > MOSTLY
    least = [TIMES[int(np.argmax(sizes[:, i]))] for i in range(len(WHERE))]
    yield Claim.of_mean(
        share[0, RAW],
        id="raw-pixels-saturate",
        statement="Raw pixels from 0 to 255 saturate tanh and sigmoid units",
        sources=("ekman-2021, chapter 5",),
        verdict="depends",
        measure="fraction of tanh units × training images, before training, at which the derivative is "
        "below 5 % of its peak, MNIST, weights by Glorot's rule",
        units="networks, each with its own initial weights and its own random 2,000 of 5,000 digits",
        map=Map.of_means(
            result["by_size"],
            axes={"initial weights, by those of Glorot's rule": TIMES, "units": WHERE},
            above=MOSTLY,
            measure="fraction of units × images at which the derivative is below 5 % of its peak",
            units=f"networks, each with its own initial weights and {IMAGES} images; the photographs are two",
        ),
        holds=min(mean_interval(row)[0] for row in share[:2, RAW]) > 0.9
        and max(mean_interval(row)[1] for row in share[:2, DIVIDED:].reshape(-1, share.shape[-1])) < 0.2
        and min(mean_interval(row)[0] for row in cost[:2]) > 0.1,
        finding="Unless the initial weights are small: more than half are saturated from "
        f"{least[0]:g} times those of Glorot's rule on with tanh, from {least[1]:g} with sigmoids. At "
        f"Glorot's own, sigmoids have {percent(share[1, RAW].mean())}. Division by 255 leaves "
        f"{percent(share[0, DIVIDED].mean())} and {percent(share[1, DIVIDED].mean())}, standardizing by one "
        f"mean and deviation, as in the book, {percent(share[0, WHOLE].mean())} and "
        f"{percent(share[1, WHOLE].mean())}. Raw pixels cost tanh {_points(cost[0])} of accuracy, sigmoids "
        f"{_points(cost[1])}, and ReLU, off no more often than before, {_points(cost[2])}.",
    )
