"""How much of the gradient does batch normalization take away on the way back?

Chapter: batch-normalization.
"""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim
from experiments.intervals import mean_interval
from experiments.trials import descend, generator, mlps, standardized
from experiments.words import between, long_table, number, percent
from unitgain.datasets import Examples, digits
from unitgain.layers import BatchNorm
from unitgain.models import MLP
from unitgain.training import cross_entropy

SIZES = (64, 50, 50, 50, 10)
BATCHES = (2, 4, 8, 16, 32, 64, 128, 256, 512)
TRAINED = "before training", "after training"
DRAWS = 4  # batches of each size
EPOCHS = 10
WITHIN = 1e-12  # rounding


def compute(*, networks=8, pairs=300, seed=0, device="cpu"):
    """The identity on `pairs` random units of each batch size, and what its two terms amount to in networks.

    `off`: relative distance of both sides (batches, pairs). Shares of the squared gradient that the
    normalization of each layer removes, because it is the `mean` or because it points `along` the normalized
    values (before and after training, batches, layers, networks).
    """
    x, y = digits(device=device)
    images = Examples(standardized(x, x), y)
    kind = {"normalization": "batch", "weight": "he_normal"}
    model = mlps(SIZES, networks, seed=seed, device=device, **kind)
    before = _removed(model, images, seed)
    descend(model, images, 0.1, seed=seed, epochs=EPOCHS, batch=64)
    mean, along = torch.stack([before, _removed(model, images, seed)], 1)
    draws = generator(seed)
    off = torch.stack([_off(batch, pairs, draws, device) for batch in BATCHES[1:]])
    return {"off": off, "mean": mean, "along": along}


def _off(batch: int, pairs: int, draws: torch.Generator, device) -> torch.Tensor:
    """Relative distance of ‖∂L/∂y‖² by autograd from the identity, for random units (pairs,)."""

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=draws, dtype=torch.float64).to(device)

    norm = BatchNorm(pairs, eps=0.0, examples_dim=-1, device=device, dtype=torch.float64)
    y = (10 * draw(pairs, 1) + draw(pairs, 1).exp() * draw(pairs, batch)).requires_grad_()
    with torch.no_grad():
        norm.weight.copy_(draw(pairs, 1).exp())
    g = 1 + draw(pairs, batch)
    (by_autograd,) = torch.autograd.grad(norm(y), y, g)
    gamma, sigma = norm.weight[:, 0].detach(), y.detach().std(-1, correction=0)
    total, mean, along = _terms(y.detach(), g)
    identity = (gamma / sigma) ** 2 * (total - mean - along)
    return (by_autograd.square().sum(-1) - identity).abs() / ((gamma / sigma) ** 2 * total)


def _terms(y: torch.Tensor, g: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """‖g‖², (1ᵀg)² / m and (gᵀŷ)² / m over the last dimension, of size m."""
    c = y - y.mean(-1, keepdim=True)
    normalized = c / c.square().mean(-1, keepdim=True).sqrt().clamp(min=1e-12)
    m = y.shape[-1]
    return g.square().sum(-1), g.sum(-1).square() / m, (g * normalized).sum(-1).square() / m


def _removed(model: MLP, images: Examples, seed: int) -> torch.Tensor:
    """Shares that each layer's two terms have of the squared gradient, over its units and a few batches.

    Shape: (mean and along, batches, layers, networks).
    """
    draws, rows = generator(seed, "data"), []
    for batch in BATCHES:
        sums = 0
        for _ in range(DRAWS):
            some = torch.randperm(len(images.x), generator=draws)[:batch].to(images.x.device)
            sums = sums + _layer_terms(model, images.x[some], images.y[some])
        rows.append(sums[1:] / sums[0])
    return torch.stack(rows, 1)


def _layer_terms(model: MLP, x, y) -> torch.Tensor:
    """The three terms of each normalization, summed over its units: (terms, layers, networks)."""
    arriving, leaving = [], []

    def keep(_, inputs, output):
        arriving.append(inputs[0].detach())
        leaving.append(output)

    hooks = [norm.register_forward_hook(keep) for norm in model.normalizations]
    loss = cross_entropy(model(x), y).sum()
    for hook in hooks:
        hook.remove()
    gradients = torch.autograd.grad(loss, leaving)
    terms = _terms(torch.stack(arriving).double(), torch.stack(gradients).double())
    return torch.stack(terms).sum(-1)


def draw(result) -> Figure:
    fig, axes = style.figure(6.9, 3.7, ncols=2, sharey=True, tall=6.4)
    colours, ink = style.palette(), style.ink()
    rows = np.arange(len(BATCHES))
    for ax, layer, title in zip(axes, (0, -1), ("First hidden layer", "Last hidden layer"), strict=True):
        mean, along = (100 * result[key][1, :, layer] for key in ("mean", "along"))
        passed = 100 - mean - along
        left = np.zeros(len(rows))
        for width, key, alpha in (
            (passed, "standardized", 0.5),
            (along, "saturated", 0.75),
            (mean, "raw", 0.4),
        ):
            ax.barh(rows, width.mean(-1), 0.72, left, color=colours[key], alpha=alpha, lw=0)
            left = left + width.mean(-1)
        ax.vlines(100 - 200 / np.array(BATCHES), rows - 0.42, rows + 0.42, color=ink, lw=1.2)
        ax.hlines(rows, *np.transpose([mean_interval(row) for row in passed]), color=ink, lw=1.2)
        ax.plot(passed.mean(-1), rows, "o", ms=4, mew=0, color=ink, clip_on=False)
        ax.set(title=title, xlim=(0, 100), xlabel="% of the squared gradient")
        ax.set(yticks=rows, yticklabels=BATCHES, ylim=(len(rows) - 0.5, -0.5))
    axes[0].set_ylabel("batch size")
    axes[0].text(4, len(rows) - 1, "passes", va="center")
    axes[0].text(4, 2, "upright line: predicted", va="center")
    for x, text in ((25, "removed: along ŷ"), (75, "removed: mean")):
        axes[0].text(x, 0, text, ha="center", va="center", fontsize=9)
    return fig


def table(result) -> dict:
    _, batches, layers, networks = result["mean"].shape
    axes = {
        "when": TRAINED,
        "batch": BATCHES[:batches],
        "layer": range(1, layers + 1),
        "network": range(networks),
    }
    return long_table(axes, mean=result["mean"], along=result["along"])


def _share(result, batch: int, layer: int, after: int = 1) -> np.ndarray:
    """What is removed, for each network."""
    at = after, BATCHES.index(batch), layer
    return result["mean"][at] + result["along"][at]


def caption(result) -> str:
    first, last = (100 * _share(result, 64, layer) for layer in (0, -1))
    small = 100 * _share(result, 4, -1)
    return (
        f"**In a batch of 64, the normalization removes {number(first.mean(), 2)} % of the squared gradient "
        f"in the first hidden layer and {number(last.mean(), 2)} % in the last; in a batch of two, "
        f"{percent(_share(result, 2, 0).mean())}.**\n\nWith 4 examples it removes {number(small.mean(), 2)} "
        f"% {between(mean_interval(small), 2)} in the last. What passes is then multiplied by (γ/σ)². "
        "Predicted for a random gradient: 2 of its m dimensions are removed. Dots: where the removed part "
        f"begins, with 95 % intervals. {len(first)} networks {'-'.join(map(str, SIZES))}, ReLU, digits, "
        f"after {EPOCHS} epochs of plain SGD; {DRAWS} batches each."
    )


def alt(result) -> str:
    said = ", ".join(f"{percent(_share(result, m, -1).mean())} at {m}" for m in BATCHES[::2])
    return (
        "Stacked bars, one a batch size, for two layers: what passes of the squared gradient, and the two "
        f"parts that batch normalization removes. In the last hidden layer it removes {said}."
    )


def claims(result) -> Iterator[Claim]:
    lost = _share(result, 2, 0)
    yield Claim.of_identity(
        result["off"],
        id="bn-gradient-identity",
        statement="‖∂L/∂y‖² = γ²/σ² (‖g‖² − (1ᵀg)²/m − (gᵀŷ)²/m), where g = ∂L/∂z arrives at the output "
        "z = γŷ + β of a batch normalization of the m values y, for ε = 0",
        sources=("santurkar-2018, theorem 4.1",),
        verdict="confirmed",
        measure="largest distance of the two sides, relative to γ²/σ² ‖g‖², in float64; random units in "
        f"batches of {BATCHES[1]} to {BATCHES[-1]}",
        within=WITHIN,
        units="units, each with its own y, γ and g",
        holds=lost.min() > 0.9,
        finding="The two terms are projections: the part that would only shift the batch, or only stretch "
        "it, is removed, since the normalization would undo it. In a batch of two there is no other part: it "
        f"loses {percent(lost.mean(), 1)} of its gradient. A batch of 64 loses "
        f"{percent(_share(result, 64, 0).mean(), 1)} in the first layer of a trained network and "
        f"{percent(_share(result, 64, -1).mean(), 1)} in its last.",
    )
