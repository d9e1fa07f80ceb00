"""Which hyper-parameters must be tuned together with the learning rate?  Chapter: tuning."""

from functools import partial

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.intervals import mean_interval
from experiments.trials import descend, generators, score
from experiments.tuning._shared.search import digit_parts
from experiments.words import SUPERSCRIPT, between, long_table, number
from unitgain.models import MLP
from unitgain.optimizers import SGD, Adam
from unitgain.training import cross_entropy

WIDTH, BATCH, EPOCHS = 32, 32, 5
RATES = {
    "batch": 2.0 ** np.arange(-5, 4),
    "momentum": 2.0 ** np.arange(-9, 2),
    "eps": 10 ** np.arange(-3, 1.6, 0.5),
}
AGAINST = {  # batch sizes, 1 − β and ε
    "batch": 2.0 ** np.arange(3, 9),
    "momentum": 2.0 ** np.arange(-5, 1)[::-1],
    "eps": 10.0 ** np.arange(-6, 0.1),
}
CLOSE = 0.01  # accuracies this close to a network's best are as good


def compute(*, networks=4, rows=1200, seed=0, device="cpu"):
    """Validation accuracies, by map (columns, rates, networks); `gradient`: its root mean square at birth."""
    train, validation = digit_parts(seed, rows, device)

    def fresh(*conditions):
        draws = generators(seed, networks, times=int(np.prod(conditions)))
        many = {"replicas": (*conditions, networks), "weight": "he_normal", "device": device}
        return MLP((64, WIDTH, 10), generator=draws, **many)

    def column(key):
        return torch.tensor(AGAINST[key], dtype=torch.float32, device=device).view(-1, 1, 1, 1, 1)

    def right(key, optimizer, *columns, batch=BATCH):
        model = fresh(*columns, len(RATES[key]))
        rates = torch.tensor(RATES[key], dtype=torch.float32)[:, None]
        descend(model, train, rates, seed=seed, epochs=EPOCHS, batch=batch, optimizer=optimizer)
        return score(model, validation)

    model = fresh()
    cross_entropy(model(train.x[:BATCH]), train.y[:BATCH]).sum().backward()
    gradients = [p.grad.flatten(1) for p in model.parameters()]
    momentum, eps = partial(SGD, momentum=1 - column("momentum")), partial(Adam, eps=column("eps"))
    return {
        "batch": torch.stack([right("batch", SGD, batch=int(batch)) for batch in AGAINST["batch"]]),
        "momentum": right("momentum", momentum, len(AGAINST["momentum"])),
        "gradient": torch.cat(gradients, 1).square().mean().sqrt(),
        "eps": right("eps", eps, len(AGAINST["eps"])),
    }


def _best(result, key: str) -> np.ndarray:
    """Logarithm of each network's best rate, the middle of those as good (columns, networks)."""
    right = result[key]
    good = right >= right.max(1, keepdims=True) - CLOSE
    return (good * np.log(RATES[key])[:, None]).sum(1) / good.sum(1)


def _exponent(result, key: str) -> np.ndarray:
    """Slope of the best rate's logarithm against that of what it is tuned with, one a network."""
    return np.polyfit(np.log(AGAINST[key]), _best(result, key), 1)[0]


def _predicted(result, key: str) -> dict[str, np.ndarray]:
    """Lines through the first column's best rate."""
    x, first = AGAINST[key], np.exp(_best(result, key)[0].mean())
    if key == "batch":
        return {"∝ batch": first * x / x[0], "∝ √batch": first * np.sqrt(x / x[0])}
    if key == "momentum":
        return {"∝ 1 − β": first * x}
    return {"∝ ε + |g|": first * (x + result["gradient"]) / (x[0] + result["gradient"])}


LOOKS = {
    "batch": ("SGD: batch size", lambda x: f"{x:.0f}"),
    "momentum": ("SGD: momentum β", lambda x: number(1 - x, 2) if x < 1 else "0"),
    "eps": ("Adam: ε", lambda x: f"10{str(round(np.log10(x))).translate(SUPERSCRIPT)}" if x < 1 else "1"),
}
LABELS = {  # of the lines: column, powers of e above it, side
    "∝ batch": (1.9, 1.1, "right"),
    "∝ √batch": (4.0, -0.75, "center"),
    "∝ 1 − β": (3.1, 1.1, "left"),
    "∝ ε + |g|": (1.0, 1.9, "center"),
}


def draw(result) -> Figure:
    fig, axes = style.figure(7.8, 4.0, ncols=3, tall=7.2)
    ink = style.ink()
    for ax, (key, (title, name)) in zip(axes, LOOKS.items(), strict=True):
        rates, right = RATES[key], result[key].mean(-1)
        colours = mpl.colormaps["cividis"](2 * right.T - 1)  # from a half on
        colours[..., 3] = 0.5  # the page shows through, so that its ink is legible
        n, half = len(right), np.log(rates[1] / rates[0]) / 2
        ends = np.log(rates[0]) - half, np.log(rates[-1]) + half
        box = {"extent": (-0.5, n - 0.5, *ends), "aspect": "auto", "origin": "lower"}
        ax.imshow(colours, interpolation="nearest", **box)
        for text, line in _predicted(result, key).items():
            ax.plot(np.log(line), color=ink, lw=1)
            x, up, side = LABELS[text]
            y = np.interp(x, np.arange(n), np.log(line)) + up
            ax.text(x, y, text, ha=side, va="center", clip_on=True).set_in_layout(False)
        best = _best(result, key)
        low, high = np.array([mean_interval(row) for row in best]).T
        bars = best.mean(-1) - low, high - best.mean(-1)
        ax.errorbar(range(n), best.mean(-1), bars, fmt="o", ms=5, color=ink, elinewidth=1.2)
        ax.set(title=title, xlim=(-0.5, n - 0.5), ylim=ends)
        named = range(0, n, 1 + n // 7)  # seven powers of ten are too wide side by side
        ax.set(xticks=named, xticklabels=[name(AGAINST[key][i]) for i in named])
        shown = 10.0 ** np.arange(-3, 2)
        shown = shown[(shown >= rates[0]) & (shown <= rates[-1])]
        ax.set(yticks=np.log(shown), yticklabels=[f"{rate:g}" for rate in shown])
        ax.spines[:].set_visible(False)
        ax.tick_params(length=0)
    for ax in axes if style.narrow() else axes[:1]:
        ax.set_ylabel("learning rate (log)")
    fig.supxlabel("dots: best learning rate; lines: predicted\nthe lighter, the more accurate", fontsize=9.5)
    return fig


def table(result) -> dict:
    maps = []
    for key in LOOKS:
        axes = {"map": [key], "against": AGAINST[key], "learning_rate": RATES[key]}
        maps.append(long_table(axes, accuracy=result[key].mean(-1)[None]))
    return {name: np.concatenate([one[name] for one in maps]) for name in maps[0]}


def _slope(result, key: str) -> tuple[str, str]:
    values = _exponent(result, key)
    return number(values.mean(), 2), between(mean_interval(values), 2)


def _rises(result) -> str:
    """How many times as high the best rate is at the largest ε as at the smallest, and as predicted."""
    best, (line,) = _best(result, "eps").mean(-1), _predicted(result, "eps").values()
    return f"{number(np.exp(best[-1] - best[0]), 2)}-fold, predicted {number(line[-1] / line[0], 2)}-fold"


def caption(result) -> str:
    batch, momentum = _slope(result, "batch"), _slope(result, "momentum")
    return (
        f"**The best learning rate grows as the batch size to the power of {batch[0]} {batch[1]} "
        f"(square-root rule 0.5, linear rule 1), and as 1 − β to the power of {momentum[0]} {momentum[1]} "
        "(predicted 1).**\n\n"
        f"From ε = 10⁻⁶ to 1 Adam's best rate rises {_rises(result)}; |g| is the gradients' root mean square "
        f"at first, {number(float(result['gradient']), 1)}. Colour: validation accuracy on the digits from "
        f"blue (50 % or less) to yellow after {EPOCHS} passes, {result['batch'].shape[-1]} networks "
        f"64-{WIDTH}-10 a cell, on one split. Dots: the middle of the rates within {100 * CLOSE:.0f} point "
        "of a network's best; 95 % intervals over the initial weights."
    )


def alt(result) -> str:
    batch, momentum = _slope(result, "batch")[0], _slope(result, "momentum")[0]
    return (
        "Three maps of accuracy, learning rate against batch size, momentum and Adam's epsilon, with the "
        f"best rate in each column. It rises with the batch size, to the power of {batch}, and falls with "
        f"momentum as one minus beta to the power of {momentum}. With epsilon it is level and rises at "
        f"the end, {_rises(result)}."
    )
