"""How deep may a network with batch normalization be?  Chapter: batch-normalization."""

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from experiments import style
from experiments.evidence import between, mean_interval, percent
from experiments.replicas import generators
from unitgain.datasets import digits, split
from unitgain.models import MLP
from unitgain.optimizers import SGD
from unitgain.training import accuracy, train
from unitgain.transforms import StandardScaler

DEPTHS = (4, 8, 16, 32)
ARMS = {  # normalized, residual
    "no normalization": (False, False),
    "batch normalization": (True, False),
    "batch norm, residual": (True, True),
}
RATES = (0.1, 0.3)
WIDTH, BATCH, STEPS = 32, 32, 120


class Stack(nn.Module):
    """An `MLP` whose hidden layers but the first are h ← f(z) or h ← h + f(z), z normalized or not.

    The normalization has no γ and β and always uses the statistics of the batch.
    """

    def __init__(self, model: MLP, normalized: bool, residual: bool) -> None:
        super().__init__()
        self.model, self.normalized, self.residual = model, normalized, residual

    def forward(self, x: Tensor) -> Tensor:
        first, *blocks, last = self.model.layers
        h = first(x.mT)
        for layer in blocks:
            z = layer(h)
            if self.normalized:  # a channel for every unit of every network
                z = batch_norm(z.reshape(1, -1, z.shape[-1]), None, None, training=True).view(z.shape)
            h = h + z.relu() if self.residual else z.relu()
        return last(h).mT


def compute(*, networks=3, moments=4, seed=0, device="cpu"):
    """Accuracies after training, on the `train`ing and on `held_out` images: (arms, depths, rates, networks).

    The first `moments` depths are tried.
    """
    parts = split(*digits(device=device), generator=torch.Generator().manual_seed(seed))
    scaler = StandardScaler().fit(parts.train.x)
    x, check = scaler.transform(parts.train.x), scaler.transform(parts.validation.x)
    rate = torch.tensor(RATES, device=device)[:, None, None, None]
    found = {"train": [], "held_out": []}
    for normalized, residual in ARMS.values():
        for depth in DEPTHS[:moments]:
            draws = generators(seed, networks, times=len(RATES))
            model = MLP(
                (64, *[WIDTH] * (depth + 1), 10),
                weight="he_normal",
                bias=None,
                replicas=(len(RATES), networks),
                generator=draws,
                device=device,
            )
            stack = Stack(model, normalized, residual)
            optimizer = SGD(stack.parameters(), lr=rate)
            order = torch.Generator().manual_seed(seed)
            for _ in range(STEPS):
                rows = torch.randint(len(x), (BATCH,), generator=order).to(x.device)
                train(
                    stack, x[rows], parts.train.y[rows], loss="cross_entropy", optimizer=optimizer, epochs=1
                )
            with torch.no_grad():
                found["train"].append(accuracy(stack(x), parts.train.y))
                found["held_out"].append(accuracy(stack(check), parts.validation.y))
    return {key: torch.stack(rows).unflatten(0, (len(ARMS), -1)) for key, rows in found.items()}


def _at_best(result) -> np.ndarray:
    """Held-out accuracies at the rate that is best on the training images: (arms, depths, networks)."""
    best = result["train"].mean(-1).argmax(-1)[..., None, None]
    return np.take_along_axis(result["held_out"], best, axis=2)[..., 0, :]


def draw(result) -> Figure:
    fig, ax = style.figure(7.0, 3.7)
    colours, right = style.palette(), 100 * _at_best(result)
    depths = np.array(DEPTHS[: right.shape[1]])
    looks = (
        ("raw", "^", "--", {"mew": 0}, 0.96),
        ("standardized", "o", "-", {"mew": 0}, 1.0),
        ("standardized", "o", ":", {"mfc": "none"}, 1.04),
    )
    for name, rows, (key, mark, line, look, aside) in zip(ARMS, right, looks, strict=True):
        colour, x = colours[key], depths * aside
        ax.plot(x, rows.mean(-1), line, color=colour, lw=1.4)
        ax.plot(np.repeat(x, rows.shape[-1]), rows.ravel(), mark, ms=5, color=colour, alpha=0.8, **look)
        ax.text(depths[-1] * 1.12, max(rows[-1].mean(), 15), name, color=colour, va="center")
    ax.axhline(10, color=style.GRID, lw=0.8)
    ax.text(depths[0], 8.5, "guessing", va="top")
    ax.set(xscale="log", xlabel="layers (log scale)", ylabel="accuracy on held-out images (%)", ylim=(0, 103))
    ax.set_xticks(depths, [str(depth) for depth in depths])
    ax.minorticks_off()
    ax.set_xlim(depths[0] * 0.88, depths[-1] * 2.7)
    return fig


def table(result) -> dict:
    right = _at_best(result)
    arm, depth, network = np.meshgrid(
        list(ARMS), DEPTHS[: right.shape[1]], range(right.shape[2]), indexing="ij"
    )
    return {
        "network": arm.ravel(),
        "layers": depth.ravel(),
        "replica": network.ravel(),
        "accuracy": right.ravel(),
    }


def caption(result) -> str:
    plain, norm, residual = _at_best(result)
    deepest = DEPTHS[len(norm) - 1]
    low, high = mean_interval(100 * residual[-1])
    return (
        f"**With batch normalization {DEPTHS[0]} layers reach {percent(norm[0].mean())} and {deepest} layers "
        f"{percent(norm[-1].mean())}; with residual connections {deepest} layers reach "
        f"{percent(residual[-1].mean())} {between((low, high), 2)}.** Without normalization it is "
        f"{percent(plain[0].mean())} and {percent(plain[-1].mean())}. Layers of {WIDTH} ReLUs, He's "
        f"weights, standardized digits, {STEPS} steps of plain SGD in batches of {BATCH}, at the better of "
        f"the rates {RATES[0]:g} and {RATES[1]:g} by training accuracy; the normalization has no γ and β and "
        f"always uses the batch at hand. Every mark is one of {plain.shape[-1]} networks."
    )


def alt(result) -> str:
    said = "; ".join(
        f"{name}: {', '.join(percent(row.mean()) for row in rows)}"
        for name, rows in zip(ARMS, _at_best(result), strict=True)
    )
    return f"Accuracy against the number of layers, from {DEPTHS[0]} on, each twice the last; {said}."
