"""How exactly must the biases be chosen for a gradient to explode?  Chapter: unstable-gradients."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim
from experiments.intervals import wilson
from experiments.trials import generator
from experiments.unstable_gradients._shared.chain import WEIGHT, explosive, reach
from experiments.words import number, percent
from unitgain.models import ScalarChain

DEPTHS = (2, 4, 8)
OFFSETS = np.geomspace(1e-12, 100, 57)
LAYERS = np.arange(1, 5)  # of the chains with random biases


def compute(*, networks=200, pairs=400_000, seed=0, device="cpu"):
    """What the recipe w = 100, b = −100a does, and what is left when its first bias is off.

    `factor` by which each of 8 layers multiplies the gradient (8, networks), and the `product` of all factors
    with the first bias off by `OFFSETS` (depths, offsets), by autograd; whether chains of weights 100 with
    biases U(−100, 0) enlarge the gradient, `grows`, and do so in `every` layer (layers, pairs).
    """
    draw = generator(seed)

    def uniform(*shape):
        return torch.rand(*shape, generator=draw, dtype=torch.float64).to(device)

    def gradient(x, depth, offset=0.0):
        x = x.clone().requires_grad_()
        return torch.autograd.grad(explosive(x.detach(), depth, offset)(x[:, None]).sum(), x)[0]

    x, offsets = uniform(networks), torch.from_numpy(OFFSETS).to(device)
    grown = torch.stack([gradient(x, depth) for depth in range(1, max(DEPTHS) + 1)])
    chain = ScalarChain(max(LAYERS), "sigmoid", replicas=pairs, weight="zeros", dtype=torch.float64).to(
        device
    )
    with torch.no_grad():
        chain.weight.fill_(WEIGHT)
        chain.bias.copy_(-WEIGHT * uniform(pairs, chain.depth))
        factors = chain.factors(uniform(pairs, 1))[:, 0].T
    return {
        "factor": torch.cat([grown[:1], grown[1:] / grown[:-1]]),
        "product": torch.stack([gradient(uniform(len(offsets)), depth, offsets) for depth in DEPTHS]),
        "grows": factors.cumprod(0) >= 1,
        "every": factors.cummin(0).values >= 1,
    }


def predicted(offset: np.ndarray, depth: int) -> np.ndarray:
    """The product of the factors: z₁ = δ, z_(l+1) = 100 (σ(z_l) − ½), which is about 25 z_l."""
    z, product = np.asarray(offset, dtype=np.float64), 1.0
    for _ in range(depth):
        product = product * WEIGHT / (2 * np.cosh(z / 2)) ** 2
        z = WEIGHT / 2 * np.tanh(z / 2)
    return product


def chance(layers: np.ndarray) -> np.ndarray:
    """Probability that every layer enlarges the gradient, for biases U(−100, 0) and inputs U(0, 1).

    A bias must put z within ± reach(100), which leaves it a range of 9.2 out of 100, or what of that lies in
    [-100, 0]. The next layer's input is then a = σ(z).
    """
    half, middle = float(reach(WEIGHT)), (np.arange(2000) + 0.5) / 2000

    def hit(a):
        low, high = (WEIGHT * a - half).clip(0), (WEIGHT * a + half).clip(max=WEIGHT)
        return (high - low).mean() / WEIGHT

    z = half * (2 * middle - 1)
    return hit(middle) * hit(1 / (1 + np.exp(-z))) ** (layers - 1.0)


def draw(result) -> Figure:
    fig, (left, right) = style.figure(7.4, 3.7, ncols=2)
    colours, ink = style.palette(), style.ink()
    fine = np.geomspace(OFFSETS[0], OFFSETS[-1], 800)
    for depth, product in zip(DEPTHS, result["product"], strict=True):
        line, seen = predicted(fine, depth), product > 1e-6
        left.plot(fine[line > 1e-6], line[line > 1e-6], color=ink, lw=1)
        left.plot(OFFSETS[seen], product[seen], "o", ms=4, mew=0, color=colours["standardized"])
        left.text(1e-12, 0.12 * (WEIGHT / 4) ** depth, f"{depth} layers", va="top")
    left.axhline(1, color=ink, lw=0.6, ls=":")
    left.set(
        title="The recipe, with an error in the first bias",
        xscale="log",
        yscale="log",
        xlabel="error of the first bias (log scale)",
        ylabel="product of all factors (log scale)",
        ylim=(1e-6, 1e13),
        xticks=10.0 ** np.arange(-12, 3, 3),
        yticks=10.0 ** np.arange(-6, 13, 3),
    )
    left.minorticks_off()
    for hits, key, mark in ((result["grows"], "raw", "^"), (result["every"], "standardized", "o")):
        part = hits.mean(1)
        edges = np.array([wilson(row) for row in hits]).T
        right.errorbar(
            LAYERS,
            100 * part,
            100 * np.abs(edges - part),
            fmt=mark,
            ms=5,
            color=colours[key],
            elinewidth=1.2,
        )
    right.plot(LAYERS, 100 * chance(LAYERS), color=ink, lw=1)
    right.set(
        title="w = 100, random biases",
        yscale="log",
        xlabel="layers",
        ylabel="chains (%, log scale)",
        xticks=LAYERS,
        ylim=(1e-3, 30),
        xlim=(0.7, 4.3),
    )
    right.text(2.3, 1.6, "gradient has grown", color=colours["raw"])
    right.text(0.85, 0.004, "lines: predicted\ndots: measured", va="center")
    right.text(0.85, 0.06, "every layer\nenlarged it", color=colours["standardized"], va="center")
    return fig


def table(result) -> dict:
    product = {f"product_{depth}_layers": row for depth, row in zip(DEPTHS, result["product"], strict=True)}
    return {"bias_error": OFFSETS, **product}


def _fatal(result) -> float:
    """Smallest error of the first bias, of those tried, with which the deepest chain shrinks the gradient."""
    shrinks = result["product"][-1] < 1
    return float(OFFSETS[shrinks].min(initial=OFFSETS[-1]))


def caption(result) -> str:
    grows = result["grows"].mean(1)
    deep = max(DEPTHS)
    return (
        f"**The recipe multiplies the gradient by {number(np.median(result['factor']))} a layer, but an "
        f"error of {number(_fatal(result), 1)} in the first bias undoes {deep} layers of it.**\n\nThe error "
        "grows by as much a layer on its way forward, until a neuron saturates. Right: of "
        f"{result['grows'].shape[1]:,} chains with w = {WEIGHT:g} and biases spread evenly over −100 to 0, "
        f"the gradient has grown after {LAYERS[-1]} layers in {percent(grows[-1], 2)}; inputs spread evenly "
        "over 0 to 1, bars: 95 % intervals. Lines: predicted; left by following the error from layer to "
        "layer, right for chains that enlarge the gradient in every layer."
    )


def alt(result) -> str:
    return (
        "Left, on logarithmic axes: the product of the factors stays at 25 to the power of the depth "
        "while the first bias is nearly exact, then falls off a cliff, the earlier the deeper the chain. "
        "Right: the fraction of random chains whose gradient grows falls with every layer, to "
        f"{percent(result['grows'][-1].mean(), 3)} at {LAYERS[-1]}."
    )


def claims(result) -> Iterator[Claim]:
    random = result["grows"][-1]
    deep = max(DEPTHS)
    yield Claim.of_identity(
        result["factor"] / (WEIGHT / 4) - 1,
        within=1e-9,
        id="explode-100",
        statement="With w = 100 and biases b = −100a, which hold every weighted input at 0, the gradient "
        "explodes",
        sources=(
            "tuning-lesson, exploding gradient problem",
            "nielsen-2015-5, chapter 5",
        ),
        verdict="confirmed",
        measure=f"largest relative distance of a layer's factor from {WEIGHT / 4:g}",
        units=f"layers of the recipe, {deep} for each random input",
        holds=wilson(random)[1] < 0.05 and _fatal(result) < 1e-6,
        finding=f"Each layer multiplies it by 100 σ′(0) = {WEIGHT / 4:g}. It takes a bias fitted to the "
        f"input: with biases U(−100, 0) the gradient has grown after {LAYERS[-1]} layers in "
        f"{percent(random.mean(), 2)} of {len(random):,} chains, and an error of "
        f"{number(_fatal(result), 1)} in the first bias undoes {deep} layers of it. Where the article "
        "writes that |g′| exceeds 1, it means |w g′|: g′ is at most ¼.",
    )
