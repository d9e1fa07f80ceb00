"""Does the article's general formula give the gradient?  Chapter: unstable-gradients."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim
from experiments.trials import generator
from experiments.words import number, percent
from unitgain.activations import ACTIVATIONS
from unitgain.models import ScalarChain

DEPTHS = (1, 2, 4, 8, 16)
SHOWN = 250
ROUNDING = 1e-10
NAMES = tuple(name for name in ACTIVATIONS if name != "identity")


def compute(*, networks=40, seed=0, device="cpu"):
    """Two formulas for ∂J/∂w_l beside autograd, for each weight of chains of all depths and activations.

    `weight` w_l, `article` and `ours` the formulas over autograd's gradient (weights,), where that is not 0.
    """
    draw = generator(seed)
    x, y = torch.randn(2, networks, 1, generator=draw, dtype=torch.float64).to(device)
    rows = []
    for name in NAMES:
        for depth in DEPTHS:
            chain = ScalarChain(
                depth, name, replicas=networks, bias="normal", generator=draw, dtype=torch.float64
            ).to(device)
            a, _ = chain.states(x)
            cost = (a[..., -1] - y).square().sum() / 2
            (exact,) = torch.autograd.grad(cost, chain.weight)
            with torch.no_grad():
                error = a[:, 0, -1:] - y  # ∂J/∂ŷ
                factors = chain.factors(x)[:, 0]
                article = a[:, 0, :-1] * factors.flip(-1).cumprod(-1).flip(-1) * error
                ours = chain.gradients(x)[:, 0] * error
                there = exact != 0  # a ReLU that is off
                kept = [chain.weight, article / exact, ours / exact]
                rows.append(torch.stack([one.detach()[there] for one in kept]))
    weight, article, ours = torch.cat(rows, 1)
    return {"weight": weight, "article": article, "ours": ours}


def draw(result) -> Figure:
    fig, ax = style.figure(5.6, 3.8)
    colours = style.palette()
    step = max(1, len(result["weight"]) // SHOWN)
    weight = result["weight"][::step]
    ax.plot([-3, 3], [-3, 3], color=style.ink(), lw=1)
    ax.plot([-3, 3], [1, 1], color=style.ink(), lw=1)
    ax.plot(weight, result["article"][::step], "^", ms=4.5, mew=0, color=colours["raw"])
    ax.plot(weight, result["ours"][::step], "o", ms=4, mew=0, color=colours["standardized"])
    ax.text(-2.9, 1.2, "corrected: without w", color=colours["standardized"])
    ax.text(-0.95, -1.75, "the article's formula,\nwith w", color=colours["raw"], va="center")
    ax.set(
        xlabel="the weight w of the layer",
        ylabel="formula / automatic derivative",
        xlim=(-3, 3),
        ylim=(-3, 3),
        xticks=range(-3, 4),
        yticks=range(-3, 4),
    )
    return fig


def table(result) -> dict:
    return {
        "weight": result["weight"],
        "article_over_autograd": result["article"],
        "ours_over_autograd": result["ours"],
    }


def _off(result) -> tuple[float, float]:
    """Largest relative distance of the article's ratio from w_l, and of ours from 1."""
    article = np.abs(result["article"] / result["weight"] - 1).max()
    return float(article), float(np.abs(result["ours"] - 1).max())


def caption(result) -> str:
    article, ours = _off(result)
    return (
        "**The article's general formula gives $w_l$ times the gradient; without that $w_l$ it is right, to "
        f"{number(ours, 1)} of the automatic derivative.**\n\nThe article's ratio is $w_l$, to "
        f"{number(article, 1)}. {len(result['weight']):,} weights N(0, 1) in chains of {DEPTHS[0]} to "
        f"{DEPTHS[-1]} layers with {len(NAMES)} activations; gradients that are exactly 0 left out; every "
        f"{max(1, len(result['weight']) // SHOWN)}th weight shown."
    )


def alt(result) -> str:
    return (
        "Scatter plot of formula over automatic derivative against the weight: the article's points lie "
        "on the diagonal, those of the corrected formula on the horizontal line at 1."
    )


def claims(result) -> Iterator[Claim]:
    article, ours = _off(result)
    wrong = result["article"] - 1
    yield Claim.of_identity(
        wrong,
        within=ROUNDING,
        id="chain-formula",
        statement="The gradient of a weight in a chain is the activation before it, times w g′(z) of its "
        "own and of every later layer, times ∂J/∂ŷ",
        sources=("tuning-lesson, vanishing gradient problem",),
        verdict="refuted",
        measure="largest relative error of the formula",
        units="random weights in chains of several depths and activations",
        holds=article < ROUNDING and ours < ROUNDING,
        finding="One $w_l$ too many: the formula over the gradient is $w_l$ itself, to "
        f"{number(article, 1)}. With "
        r"$a_{l-1}\, g'_l \cdot w_{l+1}\, g'_{l+1} \cdots w_L\, g'_L \cdot \partial J/\partial \hat y$ "
        f"it agrees to {number(ours, 1)}. The article's own result for $w_1$, step k, is right; its "
        f"general formula is right to 1 % for {percent((np.abs(wrong) < 0.01).mean(), 1)} of the weights, "
        "those that happen to be near 1.",
    )
