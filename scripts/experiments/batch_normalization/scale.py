"""What does the size of the weights before a batch normalization decide, if not the output?

Chapter: batch-normalization.
"""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim
from experiments.intervals import mean_interval
from experiments.trials import descend, generators, mlps, standardized
from experiments.words import between, long_table, number, percent
from unitgain.datasets import Examples, digits
from unitgain.models import MLP
from unitgain.optimizers import SGD
from unitgain.training import cross_entropy

SIZES = (64, 32, 32, 10)
FACTORS = (1e-3, 1e-2, 0.1, 10.0, 100.0, 1e3)  # a, of BN((aW)x)
EPSILON = 1e-5
STARTS = (0.3, 1.0, 3.0)  # first weights, in He's
RATE, DECAY = 0.1, 0.05
BATCH, IMAGES = 64, 1792  # whole batches only: a small one has large gradients
ANGLE = (2 * RATE * DECAY) ** 0.5  # of a step, once the norm has settled
EPOCHS = 30
WITHIN = 1e-12  # rounding
SETTLED = 10  # epochs at the end over which the step's angle is averaged


def compute(*, networks=4, seed=0, device="cpu"):
    """How far scaling the weights is from leaving the outputs alone and dividing the gradients.

    Relative differences of the `output` and of a · `gradient`, and the `cosine` of weights and their gradient
    (with and without ε, factors, networks). In training: squared `norm` (steps + 1) and squared `gradient`
    norm (steps) of each normalized layer (…, layers, decay off and on, starts, networks).
    """
    x, y = digits(device=device)
    images = Examples(standardized(x, x)[:IMAGES], y[:IMAGES])
    exact = [_scaled(*images, eps, networks, seed, device) for eps in (EPSILON, 0.0)]
    found = {key: torch.stack([one[key] for one in exact]) for key in exact[0]}
    return found | _trained(images, networks, seed, device)


def _scaled(x, y, eps: float, networks: int, seed: int, device) -> dict[str, torch.Tensor]:
    draws, placed = generators(seed, networks), {"dtype": torch.float64, "device": device}
    model = MLP(SIZES, "relu", normalization="batch", replicas=networks, generator=draws, **placed)
    for norm in model.normalizations:
        norm.eps = eps
    first = [layer.weight.detach().clone() for layer in model.layers[:-1]]
    x = x.double()

    def run(factor: float):
        with torch.no_grad():
            for layer, weight in zip(model.layers, first, strict=False):
                layer.weight.copy_(factor * weight)
        output = model(x)
        weights = [layer.weight for layer in model.layers[:-1]]
        return output.detach(), torch.autograd.grad(cross_entropy(output, y).sum(), weights)

    def largest(rows) -> torch.Tensor:
        return torch.stack(list(rows)).amax(0)

    output, gradients = run(1.0)
    found = {"output": [], "gradient": [], "cosine": []}
    for factor in FACTORS:
        scaled, slopes = run(factor)
        found["output"].append((scaled - output).abs().amax((-2, -1)) / output.abs().amax((-2, -1)))
        pairs = list(zip(slopes, gradients, first, strict=True))
        found["gradient"].append(largest(_size(factor * g - one) / _size(one) for g, one, _ in pairs))
        found["cosine"].append(
            largest((g * w).sum((-2, -1)).abs() / (_size(g) * _size(w)) for g, _, w in pairs)
        )
    return {f"scaled_{key}": torch.stack(rows) for key, rows in found.items()}


def _size(matrix: torch.Tensor) -> torch.Tensor:
    return matrix.norm(dim=(-2, -1))


def _trained(images: Examples, networks: int, seed: int, device) -> dict[str, torch.Tensor]:
    replicas = (2, len(STARTS), networks)
    kind = {"normalization": "batch", "weight": "he_normal"}
    model = mlps(SIZES, replicas, seed=seed, device=device, **kind)
    weights = [layer.weight for layer in model.layers[:-1]]
    with torch.no_grad():
        for weight in weights:
            weight.mul_(torch.tensor(STARTS, device=device)[:, None, None, None])
    others = [p for p in model.parameters() if all(p is not weight for weight in weights)]
    decay = torch.tensor([0.0, DECAY], device=device).view(2, 1, 1, 1, 1)
    groups = [{"params": weights, "weight_decay": decay}, {"params": others}]
    norms, gradients = [], []

    def keep(step: int) -> None:
        norms.append(torch.stack([_size(weight.detach()).double().square() for weight in weights]))
        if step:
            gradients.append(torch.stack([_size(weight.grad).double().square() for weight in weights]))

    descend(
        model,
        images,
        RATE,
        seed=seed,
        epochs=EPOCHS,
        batch=BATCH,
        optimizer=lambda _, lr: SGD(groups, lr=lr),
        callback=keep,
    )
    return {"norm": torch.stack(norms), "gradient": torch.stack(gradients)}


def predicted(norm: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """The squared norm at every step by Pythagoras, from the first one and the gradients alone."""
    shrink = (1 - RATE * np.array([0.0, DECAY]))[:, None, None] ** 2
    rows = [norm[0]]
    for slope in gradient:
        rows.append(shrink * rows[-1] + RATE**2 * slope)
    return np.stack(rows)


def _angles(result) -> np.ndarray:
    """Root mean square angle of an epoch's steps (epochs, layers, 2, starts, networks)."""
    shrink = (1 - RATE * np.array([0.0, DECAY]))[:, None, None]
    angle = np.arctan(RATE * np.sqrt(result["gradient"] / result["norm"][:-1]) / shrink)
    epochs = len(angle) // (IMAGES // BATCH)
    return np.sqrt(np.stack([part.mean(0) for part in np.array_split(angle**2, epochs)]))


def draw(result) -> Figure:
    fig, (left, right) = style.figure(8.0, 3.9, ncols=2, tall=6.6)
    colours, ink = style.palette(), style.ink()
    norm, line = result["norm"][:, 0], predicted(result["norm"], result["gradient"])[:, 0]
    angles = _angles(result)[:, 0]
    step = np.arange(len(norm))
    some = step[:: max(1, len(step) // 9)]
    middle = (np.arange(len(angles)) + 0.5) * len(result["gradient"]) / len(angles)
    for decay, (key, mark, stroke) in enumerate((("raw", "^", "--"), ("standardized", "o", "-"))):
        for start in range(len(STARTS)):
            left.plot(step, line[:, decay, start].mean(-1), color=ink, lw=0.8)
            left.plot(some, norm[some, decay, start].mean(-1), mark, ms=5, mew=0, color=colours[key])
            runs = angles[:, decay, start]
            right.fill_between(middle, runs.min(-1), runs.max(-1), color=colours[key], alpha=0.3, lw=0)
            right.plot(middle, runs.mean(-1), stroke, lw=1.3, color=colours[key])
    end = step[-1]
    for factor, size in zip(STARTS, norm[-1, 0].mean(-1), strict=True):
        left.text(end, 1.2 * size, f"start: {factor:g} × He", color=colours["raw"], ha="right", va="bottom")
    left.text(end, 0.75 * norm[-1, 0, -1].mean(), "no decay", color=colours["raw"], ha="right", va="top")
    left.text(0.42 * end, 27, "decay", color=colours["standardized"], va="center")
    left.text(0, 1.25, "lines: predicted; marks: measured", va="bottom")
    left.set(title="Size of the weights", ylabel="‖w‖² (log scale)", ylim=(1, 2000))
    right.axhline(ANGLE, color=ink, lw=1)
    right.text(end, 0.17, f"line: predicted, {ANGLE:g}", ha="right", va="bottom")
    right.text(end, 0.0017, "no decay", color=colours["raw"], ha="right", va="center")
    right.text(0.58 * end, 0.033, "decay", color=colours["standardized"], va="center")
    right.set(title="How far a step turns them", ylabel="radian a step (log scale)", ylim=(5e-4, 0.5))
    for ax in (left, right):
        ax.set(xlabel="step", yscale="log")
        ax.minorticks_off()
    return fig


def table(result) -> dict:
    line = predicted(result["norm"], result["gradient"])
    steps, layers, _, _, networks = line.shape
    at = np.arange(0, steps, max(1, steps // 40))
    axes = {
        "step": at,
        "layer": range(1, layers + 1),
        "weight_decay": (0.0, DECAY),
        "first_weights": STARTS,
        "network": range(networks),
    }
    return long_table(axes, squared_norm=result["norm"][at], predicted=line[at])


def _off(result) -> float:
    """Largest relative distance of a squared norm from the prediction."""
    return float(np.abs(predicted(result["norm"], result["gradient"]) / result["norm"] - 1).max())


def _settled(result) -> np.ndarray:
    """Angle of a step over the last epochs: (layers, 2, starts, networks)."""
    return np.sqrt(np.square(_angles(result)[-SETTLED:]).mean(0))


def caption(result) -> str:
    without, with_decay = np.moveaxis(_settled(result), 1, 0)
    turned = with_decay.mean((0, 1))
    less = number((without[:, 0] / without[:, 2]).mean(), 2)
    return (
        f"**With weight decay, the weights end up turning by {number(turned.mean(), 2)} radian a step, "
        f"whatever their initial size; predicted is {number(ANGLE, 2)}.**\n\n95 % interval "
        f"{between(mean_interval(turned), 2)}. Without decay their size only grows, and weights that start "
        f"ten times as large still turn {less} times less at the end. The lines of the sizes follow from the "
        f"gradients' norms and are right to {percent(_off(result), 1)}. First hidden layer (the numbers: "
        f"both) of {'-'.join(map(str, SIZES))}, ReLU, digits, plain SGD at learning rate {RATE:g} in batches "
        f"of {BATCH}, weight decay {DECAY:g} or none; {with_decay.shape[-1]} networks from each of "
        f"{', '.join(f'{start:g}' for start in STARTS)} times He's weights: means, and bands that hold all."
    )


def alt(result) -> str:
    without = _settled(result)[:, 0]
    return (
        "Two plots against the step, log scales. Left, squared norms of the weights: without decay three "
        "curves that never fall, with decay all three meet. Right, the angle of a step: without decay from "
        f"{number(without.min(), 2)} to {number(without.max(), 2)} radian at the end, with decay all curves "
        f"end near the predicted {number(ANGLE, 2)}."
    )


def claims(result) -> Iterator[Claim]:
    errors = np.stack([result[f"scaled_{key}"][1] for key in ("output", "gradient", "cosine")])
    missed = result["scaled_gradient"][0].mean(-1)  # with ε
    turned, without = (_settled(result)[:, decay] for decay in (1, 0))
    small = ", ".join(
        f"{percent(miss, 1)} for a = {factor:g}"
        for factor, miss in zip(FACTORS, missed, strict=True)
        if factor <= 1
    )
    yield Claim.of_identity(
        errors,
        id="bn-scale-invariant",
        statement="Batch normalization makes a layer invariant to the scale of its weights, BN((aW)x) = "
        "BN(Wx), and larger weights lead to smaller gradients, by 1/a (for ε = 0)",
        sources=("ioffe-szegedy-2015, section 3.3",),
        verdict="confirmed",
        measure="largest of the relative distances of BN((aW)x) from BN(Wx) and of a · ∂L/∂(aW) from ∂L/∂W, "
        f"and of the cosines between W and ∂L/∂(aW), for a from {FACTORS[0]:g} to {FACTORS[-1]:g}, with "
        "ε = 0 in float64",
        within=WITHIN,
        units="pairs of a network, with its own weights, and a; the digits",
        holds=_off(result) < 0.01
        and np.abs(turned.mean(-1) / ANGLE - 1).max() < 0.25
        and (without[:, 0] > 3 * without[:, 2]).all(),
        finding="The gradient stands at right angles to the weights, so a step of plain SGD adds "
        "lr² ‖∂L/∂W‖² to ‖W‖², neither more nor less. Only ε breaks this, for small weights: with "
        f"ε = {number(EPSILON, 1)} the gradient misses 1/a by {small}.",
    )
