"""How deep may a network with batch normalization be?  Chapter: batch-normalization."""

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from experiments import style
from experiments.batch_normalization._shared.training import CLASSES, digit_parts
from experiments.intervals import mean_interval
from experiments.trials import descend, mlps, score
from experiments.words import between, long_table, percent
from unitgain.models import MLP

DEPTHS = (4, 8, 16, 32)
ARMS = "no normalization", "batch normalization", "batch norm, residual"
RATES = (0.03, 0.1, 0.3)
WIDTH, BATCH, STEPS = 32, 32, 120


class Stack(nn.Module):
    """MLPs (arms, …) whose hidden layers but the first are h ← f(z), h ← f(N(z)) or h ← h + f(N(z)).

    The normalization N has no γ and β and always uses the statistics of the batch.
    """

    def __init__(self, model: MLP) -> None:
        super().__init__()
        self.model = model
        self.residual = torch.tensor([0.0, 0.0, 1.0], device=model.layers[0].weight.device).view(
            3, 1, 1, 1, 1
        )

    def forward(self, x: Tensor) -> Tensor:
        first, *blocks, last = self.model.layers
        h = first(x.mT)
        for layer in blocks:
            plain, *others = layer(h)
            f = torch.stack([plain, *map(normalized, others)]).relu()
            h = torch.addcmul(f, self.residual, h)
        return last(h).mT


def normalized(z: Tensor) -> Tensor:
    """Every unit of every network over the examples, the last dimension."""
    return batch_norm(z.view(1, -1, z.shape[-1]), None, None, training=True).view(z.shape)


def compute(*, networks=3, moments=4, seed=0, device="cpu"):
    """Accuracies after training, on the `train`ing and on `held_out` images: (arms, depths, rates, networks).

    The first `moments` depths are tried.
    """
    parts = digit_parts(seed, device)
    found = {"train": [], "held_out": []}
    for depth in DEPTHS[:moments]:
        sizes, replicas = (64, *[WIDTH] * (depth + 1), CLASSES), (len(ARMS), len(RATES), networks)
        model = mlps(sizes, replicas, seed=seed, device=device, weight="he_normal", bias=None)
        stack = Stack(model)
        descend(stack, parts.train, torch.tensor(RATES)[:, None], seed=seed, steps=STEPS, batch=BATCH)
        found["train"].append(score(stack, parts.train))
        found["held_out"].append(score(stack, parts.validation))
    return {key: torch.stack(rows, 1) for key, rows in found.items()}


def _at_best(result) -> np.ndarray:
    """Held-out accuracies at the rate that is best on the training images: (arms, depths, networks)."""
    best = result["train"].mean(-1).argmax(-1)[..., None, None]
    return np.take_along_axis(result["held_out"], best, axis=2)[..., 0, :]


def draw(result) -> Figure:
    fig, ax = style.figure(7.0, 3.7, tall=3.5)
    colours, right = style.palette(), 100 * _at_best(result)
    depths = np.array(DEPTHS[: right.shape[1]])
    looks = (
        ("raw", "^", "--", {"mew": 0}, 0.97, (13, 34), "no normalization", "right"),
        ("standardized", "o", "-", {"mew": 0}, 1.0, (18, 67), "batch normalization", "left"),
        ("standardized", "o", ":", {"mfc": "none"}, 1.03, (32, 99), "with residual connections", "right"),
    )
    for rows, (key, mark, line, look, aside, (at, y), said, side) in zip(right, looks, strict=True):
        colour, x = colours[key], depths * aside
        ax.plot(x, rows.mean(-1), line, color=colour, lw=1.4)
        ax.plot(np.repeat(x, rows.shape[-1]), rows.ravel(), mark, ms=5, color=colour, alpha=0.8, **look)
        ax.text(at, y, said, color=colour, ha=side, va="center")
    ax.axhline(10, color=style.GRID, lw=0.8)
    ax.text(depths[0], 8, "guessing", va="top")
    ax.text(depths[0], 13, "marks: networks\nlines: their means", va="bottom")
    ax.set(xscale="log", xlabel="layers (log scale)", ylabel="held-out accuracy (%)", ylim=(0, 104))
    ax.set_xticks(depths, [str(depth) for depth in depths])
    ax.minorticks_off()
    ax.set_xlim(depths[0] * 0.88, depths[-1] * 1.3)
    return fig


def table(result) -> dict:
    right = _at_best(result)
    _, depths, networks = right.shape
    axes = {"network": list(ARMS), "layers": DEPTHS[:depths], "replica": range(networks)}
    return long_table(axes, accuracy=right)


def caption(result) -> str:
    plain, norm, residual = _at_best(result)
    deepest = DEPTHS[len(norm) - 1]
    low, high = mean_interval(100 * residual[-1])
    return (
        f"**After {STEPS} steps, {DEPTHS[0]} layers with batch normalization reach {percent(norm[0].mean())} "
        f"and {deepest} layers {percent(norm[-1].mean())}; with residual connections {deepest} layers reach "
        f"{percent(residual[-1].mean())} {between((low, high), 2)}.**\n\nWithout normalization it is "
        f"{percent(plain[0].mean())} and {percent(plain[-1].mean())}. So few steps tell how fast a network "
        f"learns, not how far it gets. Layers of {WIDTH} ReLUs, He's "
        f"weights, standardized digits, plain SGD in batches of {BATCH}, at the best of "
        f"the learning rates {', '.join(f'{rate:g}' for rate in RATES)} by training accuracy; the "
        f"normalization has no γ and β and always uses the batch at hand. {plain.shape[-1]} networks each; "
        f"{percent(0.95)} interval over them, one split of the images."
    )


def alt(result) -> str:
    said = "; ".join(
        f"{name}: {', '.join(percent(row.mean()) for row in rows)}"
        for name, rows in zip(ARMS, _at_best(result), strict=True)
    )
    return f"Accuracy against the number of layers, from {DEPTHS[0]} on, each twice the last; {said}."
