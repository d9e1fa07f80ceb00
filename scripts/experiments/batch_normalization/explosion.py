"""By how much does a layer with batch normalization enlarge the gradient, before training?

Chapter: batch-normalization.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval
from experiments.trials import generator
from experiments.words import between, long_table, number, percent
from unitgain.layers import BatchNorm

STEPS, WIDTH = 50, 128  # a step: one layer on the way back
LIMIT = math.pi / (math.pi - 1)  # of a ReLU layer's factor for the squared gradient: large batches
KINDS = "batch norm", "none, He's weights", "batch norm, residual"
LARGE = 128
BATCHES = (4, 6, 8, 16, 32, 64, LARGE)
SMALLER = (4, 8, 16, 36, LARGE)  # the map: of how many examples is the limit?
WIDTHS = (16, 32, WIDTH)
NEAR = 0.05  # of LIMIT


def compute(*, networks=12, mapped=12, seed=0, device="cpu"):
    """Squared gradients over that at the top, after each layer on the way back.

    `deep` (kinds, layers, networks) in the large batch; `factor` a layer of the networks with batch norm
    (batches, networks), `narrower` likewise, over LIMIT, for SMALLER batches and WIDTHS (batches, widths,
    mapped).
    """
    draws = generator(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draws).to(device)

    def weights(count: int, width: int) -> list[Tensor]:
        return [normal(count, width, width) / math.sqrt(width) for _ in range(STEPS)]

    def grown(step: Callable, layers: list[Tensor], batch: int) -> Tensor:
        count, width, _ = layers[0].shape
        return sizes(step, layers, *(normal(count, width, batch) for _ in range(2)))

    def factor(ratio: Tensor) -> Tensor:
        return ratio[-1] ** (1 / STEPS)

    wide = weights(networks, WIDTH)
    deep = torch.stack([grown(step, wide, LARGE) for step in (normalized, plain, residual)])
    smaller = [factor(grown(normalized, wide, batch)) for batch in BATCHES[:-1]]
    narrower = []
    for width in WIDTHS:
        layers = weights(mapped, width)
        narrower.append(torch.stack([factor(grown(normalized, layers, batch)) for batch in SMALLER]))
    return {
        "deep": deep,
        "factor": torch.stack([*smaller, factor(deep[0])]),
        "narrower": torch.stack(narrower, 1) / LIMIT,
    }


def plain(h: Tensor, weight: Tensor, norm: BatchNorm) -> Tensor:
    return (math.sqrt(2) * weight @ h).relu()


def normalized(h: Tensor, weight: Tensor, norm: BatchNorm) -> Tensor:
    return norm(weight @ h).relu()


def residual(h: Tensor, weight: Tensor, norm: BatchNorm) -> Tensor:
    return h + normalized(h, weight, norm)


def sizes(step: Callable, weights: list[Tensor], first: Tensor, top: Tensor) -> Tensor:
    """‖∂L/∂h‖² over ‖∂L/∂h_top‖², after 1, 2, … layers on the way back: (layers, networks).

    h are a layer's outputs; those of the first are the ReLUs of `first`. ∂L/∂h_top is `top`.
    """
    networks, width, _ = first.shape
    norm = BatchNorm(width, affine=False, replicas=networks, examples_dim=-1, device=first.device)
    h = [first.relu().requires_grad_()]
    for weight in weights:
        h.append(step(h[-1], weight, norm))
    gradients = torch.autograd.grad(h[-1], h[:-1], top)
    return torch.stack([_squared(g) for g in reversed(gradients)]) / _squared(top)


def _squared(g: Tensor) -> Tensor:
    return g.square().sum((-2, -1), dtype=torch.float64)


def predicted(batch: np.ndarray) -> np.ndarray:
    """The factor of a ReLU layer for the squared gradient in wide networks, from a batch of B examples.

    The normalized values of a unit are a random direction without its mean, so that two of them have the
    correlation −1/(B − 1): both are positive with probability p, and c is the mean product of their ReLUs.
    The ReLU halves the squared gradient, whose examples are correlated alike; the normalization removes the
    mean and the part along the values, and divides by the variance of the ReLUs, whose inverse is
    (B − 1)/(B − 3) times as large on average.
    """
    b = np.asarray(batch, dtype=np.float64)
    angle = np.arccos(-1 / (b - 1))
    p = (math.pi - angle) / (2 * math.pi)
    c = (np.sin(angle) + (math.pi - angle) * np.cos(angle)) / (2 * math.pi)
    return (b / 2 - (1 - p - c)) / ((b - 3) * (0.5 - c))


def _lines(layers: int) -> np.ndarray:
    """What theory says of `deep`: (kinds, layers)."""
    passed = np.arange(1, layers + 1)
    variance = (math.pi - 1) / (2 * math.pi)  # of a ReLU of N(0, 1)
    grown = 1 + 0.5 / (variance * passed[::-1])  # layer l finds the variance of l ReLUs
    return np.stack([predicted(LARGE) ** passed, np.ones(layers), np.cumprod(grown)])


def draw(result) -> Figure:
    fig, (left, right) = style.figure(8.0, 3.7, ncols=2, width_ratios=(1.15, 1), tall=6.4)
    colours, ink = style.palette(), style.ink()
    layers = result["deep"].shape[1]
    passed = np.arange(1, layers + 1)
    looks = (
        ("standardized", "o", {"mew": 0}),
        ("raw", "^", {"mew": 0}),
        ("standardized", "o", {"mfc": "none"}),
    )
    for runs, line, (key, mark, look) in zip(result["deep"], _lines(layers), looks, strict=True):
        left.fill_between(passed, runs.min(-1), runs.max(-1), color=colours[key], alpha=0.25, lw=0)
        left.plot(passed, line, color=ink, lw=1)
        left.plot(passed[4::5], np.median(runs[4::5], -1), mark, ms=5, color=colours[key], **look)
    factor = f"batch norm:\n× {number(result['factor'][-1].mean())} a layer"
    left.text(23, 3e4, factor, color=colours["standardized"], ha="right", va="bottom")
    left.text(40, 150, "with residual\nconnections", color=colours["standardized"], ha="right", va="center")
    left.text(50, 0.05, "no normalization, He's weights", color=colours["raw"], ha="right", va="center")
    left.set(yscale="log", ylim=(0.01, 1e9), xlabel="layers passed on the way back")
    left.set_yticks([0.01, 1, 100, 1e4, 1e6, 1e8])
    left.set(title="How large the gradient gets", ylabel="squared gradient, 1 at the top")
    fine = np.linspace(3.9, 150, 500)
    right.plot(fine, predicted(fine), color=ink, lw=1)
    right.axhline(LIMIT, color=style.GRID, lw=0.8)
    right.text(4, LIMIT - 0.07, f"π/(π − 1) = {LIMIT:.3f}", va="top")
    right.text(16, 2.6, "lines: predicted\nmarks: measured", va="center")
    for batch, runs in zip(BATCHES, result["factor"], strict=True):
        low, high = mean_interval(runs)
        right.plot([batch] * 2, [low, high], color=colours["standardized"], lw=1.5)
        right.plot(batch, runs.mean(), "o", ms=5.5, mew=0, color=colours["standardized"])
    right.set(xscale="log", xlabel="examples in a batch (log scale)", ylim=(1, 3.4), title="Factor a layer")
    right.set_xticks([4, 8, 16, 32, 64, 128], ["4", "8", "16", "32", "64", "128"])
    right.minorticks_off()
    left.minorticks_off()
    return fig


def table(result) -> dict:
    _, layers, networks = result["deep"].shape
    line = np.broadcast_to(_lines(layers)[..., None], result["deep"].shape)
    axes = {"kind": KINDS, "layers_passed": range(1, layers + 1), "network": range(networks)}
    return long_table(axes, squared_gradient=result["deep"], predicted=line)


def caption(result) -> str:
    factor = result["factor"][-1]
    end = np.median(result["deep"][:, -1], -1)
    return (
        f"**Every layer with batch normalization and ReLU multiplies the squared gradient by "
        f"{number(factor.mean())} {between(mean_interval(factor))}; predicted is {number(predicted(LARGE))}, "
        f"and π/(π − 1) for large batches.**\n\n"
        f"After {STEPS} layers it is {number(end[0], 1)} times as large; "
        f"without normalization {number(end[1], 2)} times, with residual connections {number(end[2], 2)} "
        "times (medians; the bands hold all networks). By batch size: small batches are worse, but the "
        f"smallest less than predicted for wide layers. {len(factor)} networks of width {WIDTH} before "
        f"training, normal inputs, γ = 1, β = 0. Gradients in batches of {LARGE}; factors are means with "
        "95 % intervals."
    )


def alt(result) -> str:
    end = np.median(result["deep"][:, -1], -1)
    return (
        "Two plots. Left, squared gradient against layers passed, log scale: a straight line up to "
        f"{number(end[0], 1)} with batch normalization, level without it, and a bend to {number(end[2], 2)} "
        "with residual connections. Right, the factor a layer against the batch size: "
        + ", ".join(f"{number(row.mean())} at {b}" for b, row in zip(BATCHES, result["factor"], strict=True))
        + "; the measured marks lie on the predicted line."
    )


def claims(result) -> Iterator[Claim]:
    factor = result["factor"]
    flat = result["deep"][1, -1] ** (1 / result["deep"].shape[1])
    off = np.abs(factor.mean(-1) / predicted(BATCHES) - 1)
    made = Map.of_means(
        result["narrower"],
        axes={"examples in a batch": SMALLER, "units a layer": WIDTHS},
        above=1 - NEAR,
        below=1 + NEAR,
        measure="factor a layer for the squared gradient, divided by π/(π − 1)",
        units="networks, each with its own weights; new inputs in each cell",
    )
    yield Claim.of_mean(
        factor[-1],
        id="bn-explodes",
        statement="Batch normalization makes gradients explode at initialization in very deep ReLU networks: "
        "each layer multiplies the squared gradient by π/(π − 1)",
        sources=("yang-2019",),
        verdict="depends",
        measure="factor a layer for the squared gradient of the loss with respect to a layer's outputs, "
        f"geometric mean over {STEPS} layers of width "
        f"{WIDTH} in batches of {LARGE}; mean over networks",
        units="networks, each with its own weights and inputs",
        map=made,
        holds=off[2:].max() < 0.02
        and mean_interval(flat)[0] > 0.95
        and mean_interval(flat)[1] < 1.05
        and made.low.min() > 1 / LIMIT,
        finding=f"They explode in every batch, by π/(π − 1) = {number(LIMIT, 4)} a layer in large ones. "
        f"In batches of {BATCHES[2]} the factor is {number(factor[2].mean())}. For every size theory has a "
        f"factor of its own, in batches of {LARGE} {number(predicted(LARGE), 4)}; from {BATCHES[2]} on the "
        f"measured one differs from it by {percent(off[2:].max(), 1)} at most, in layers of {WIDTH}. With "
        f"He's weights and no normalization it is {number(flat.mean())}.",
    )
