"""Is the gradient of a neuron's weights proportional to its activation?  Chapter: normalize-your-data."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, long_table, mean_interval, number
from experiments.trials import generator
from unitgain.datasets import uniform_cloud
from unitgain.models import MLP
from unitgain.training import binary_cross_entropy

WIDTH = 64


def compute(*, networks=400, seed=0, device="cpu"):
    """Activations `h`, gradient sizes `incoming` and `outgoing`, one example a network: (networks, WIDTH)."""
    draws = generator(seed)
    uniform = {"weight": "uniform", "bias": "uniform", "generator": draws, "device": device}
    model = MLP((2, WIDTH, 1), replicas=(networks,), **uniform)
    x = uniform_cloud(networks, -1, 1, generator=draws, device=device).unsqueeze(1)  # (networks, 1, 2)
    y = torch.ones(networks, 1, device=device)
    binary_cross_entropy(model(x), y).sum().backward()
    hidden, out = model.layers
    incoming = torch.cat([hidden.weight.grad, hidden.bias.grad], dim=-1).norm(dim=-1)
    return {
        "h": model.hidden(x)[0].detach().squeeze(1),
        "incoming": incoming,
        "outgoing": out.weight.grad.abs().squeeze(1),
    }


def _correlations(result, key: str) -> np.ndarray:
    """Correlation of `key` with the activation over the active units of each network."""
    return np.array(
        [np.corrcoef(h[h > 0], g[h > 0])[0, 1] for h, g in zip(result["h"], result[key], strict=True)]
    )


def draw(result) -> Figure:
    fig, axes = style.figure(7.0, 3.1, ncols=2)
    colours = style.palette()
    k = int(np.argsort(_correlations(result, "incoming"))[len(result["h"]) // 2])
    h = result["h"][k]
    for ax, key, title in zip(
        axes, ("outgoing", "incoming"), ("Outgoing weight", "Incoming weights"), strict=True
    ):
        for mask, state in ((h > 0, "alive"), (h == 0, "dead")):
            ax.plot(h[mask], result[key][k][mask], "o", ms=5, mew=0, alpha=0.85, color=colours[state])
        ax.set(title=title, xlabel="activation $h$ of the unit", xlim=(-0.06 * h.max(), None))
        ax.set_ylim(-0.06 * result[key][k].max(), None)
    axes[0].set_ylabel("size of the gradient")
    axes[1].annotate(
        "inactive units: no gradient",
        (0, 0),
        (10, -12),
        textcoords="offset points",
        va="center",
        fontsize=9.5,
    )
    axes[1].set_ylim(-0.16 * result["incoming"][k].max(), None)
    return fig


def table(result) -> dict:
    networks, units = map(np.arange, result["h"].shape)
    return long_table({"network": networks, "unit": units}, **result)


def caption(result) -> str:
    incoming, outgoing = _correlations(result, "incoming"), _correlations(result, "outgoing")
    return (
        "**A unit's activation scales the gradient of its *outgoing* weight (correlation "
        f"{outgoing.mean():.3f}), not of its incoming ones (correlation {number(incoming.mean(), 2)}).** For "
        "incoming weights being active is a switch: off, no gradient; on, a gradient proportional to the "
        f"outgoing weight. One example, the {WIDTH} units of one fresh ReLU layer; correlations over active "
        f"units, mean of {len(incoming)} networks."
    )


def alt(result) -> str:
    return (
        "Two scatter plots over the units of a layer. The outgoing weight's gradient lies on a straight "
        "line through 0 against the activation; the incoming weights' gradients form a cloud without a "
        "trend, and are 0 for inactive units."
    )


def claims(result) -> Iterator[Claim]:
    incoming, outgoing = _correlations(result, "incoming"), _correlations(result, "outgoing")
    low, high = mean_interval(incoming)
    yield Claim.of_mean(
        incoming,
        id="gradient-share",
        statement="The gradient that nudges a neuron's weights is proportional to its activation",
        sources=("Galletti, Tuning neural networks, part I",),
        verdict="depends",
        measure="correlation, over a layer's active units, of activation and size of the incoming weights' "
        "gradient",
        holds=low > -0.1
        and high < 0.1
        and outgoing.min() > 0.999
        and result["incoming"][result["h"] == 0].max() == 0,
        finding=r"On which weights. The incoming weights' gradient is $\delta\, v\, f'(z)\, x$: input, "
        r"error, outgoing weight "
        r"and slope. It is the outgoing weight whose gradient is $\delta\, h$ (smallest correlation "
        f"{outgoing.min():.4f}). What survives of the statement: no activation, no gradient, for both.",
    )
