"""Is the gradient of a neuron's weights proportional to its activation?  Chapter: normalize-your-data."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval
from experiments.normalize_your_data._shared.circles import many_circles
from experiments.trials import descend, generator
from experiments.words import long_table, number
from unitgain.datasets import Examples, uniform_cloud
from unitgain.initializers import uniform_
from unitgain.models import MLP
from unitgain.training import binary_cross_entropy

WIDTH = 64
BATCHES = (1, 2, 4, 8, 16, 32)  # the map: examples that a gradient is the mean of
SMALL, STEPS, LEARNING_RATE = 0.1, 100, 1.0  # initial weights of those that are trained
ROWS = ("outgoing, fresh", "incoming, fresh", "outgoing, trained", "incoming, trained")
PROPORTIONAL = 0.9  # the correlation from which on it counts as that


def _sizes(model: MLP, x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
    """Mean activations `h` over the examples, gradient sizes `incoming` and `outgoing`: (networks, WIDTH)."""
    model.zero_grad()
    binary_cross_entropy(model(x), y).sum().backward()
    hidden, out = model.layers
    incoming = torch.cat([hidden.weight.grad, hidden.bias.grad], dim=-1).norm(dim=-1)
    h = model.hidden(x)[0].detach().mean(1)
    return {"h": h, "incoming": incoming, "outgoing": out.weight.grad.abs().squeeze(1)}


def _mapped(networks: int, seed: int, device) -> np.ndarray:
    """Correlations with the activation, (examples, rows, networks), on circles that take turns."""
    draws = generator(seed, "fresh")
    x, y = many_circles(seed, networks, max(BATCHES), device=device)
    cells = []
    for scale, steps in ((1, 0), (SMALL, STEPS)):
        rule = partial(uniform_, low=-scale, high=scale)
        model = MLP((2, WIDTH, 1), replicas=networks, weight=rule, bias=rule, generator=draws, device=device)
        if steps:
            descend(
                model, Examples(x, y), LEARNING_RATE, seed=seed, epochs=steps, loss="binary_cross_entropy"
            )
        batches = [_sizes(model, x[:, :n], y[:, :n]) for n in BATCHES]
        cells += [[_correlations(batch, key) for batch in batches] for key in ("outgoing", "incoming")]
    return np.array(cells).swapaxes(0, 1)


def compute(*, networks=400, mapped=100, seed=0, device="cpu"):
    """Activations `h`, gradient sizes `incoming` and `outgoing`, one example a network: (networks, WIDTH).

    The `map`, (examples, rows, mapped): their correlations over the active units.
    """
    draws = generator(seed)
    uniform = {"weight": "uniform", "bias": "uniform", "generator": draws, "device": device}
    model = MLP((2, WIDTH, 1), replicas=(networks,), **uniform)
    x = uniform_cloud(networks, -1, 1, generator=draws, device=device).unsqueeze(1)  # (networks, 1, 2)
    return {
        **_sizes(model, x, torch.ones(networks, 1, device=device)),
        "map": _mapped(mapped, seed, device),
    }


def _correlations(sizes, key: str) -> np.ndarray:
    """Correlation of `key` with the activation over the active units of each network."""
    pairs = zip(np.asarray(sizes["h"]), np.asarray(sizes[key]), strict=True)
    return np.array([np.corrcoef(h[h > 0], size[h > 0])[0, 1] for h, size in pairs])


def draw(result) -> Figure:
    fig, axes = style.figure(7.4, 3.1, ncols=2, sharey=True, tall=4.8)
    colours = style.palette()
    k = int(np.argsort(_correlations(result, "incoming"))[len(result["h"]) // 2])
    h = result["h"][k]
    for ax, key, title in zip(
        axes, ("outgoing", "incoming"), ("Outgoing weight", "Incoming weights"), strict=True
    ):
        for mask, state in ((h > 0, "alive"), (h == 0, "dead")):
            ax.plot(h[mask], result[key][k][mask], "o", ms=5, mew=0, alpha=0.85, color=colours[state])
        ax.set(title=title, xlabel="activation of the unit", xlim=(-0.06 * h.max(), None))
        ax.locator_params(nbins=5)
        ax.annotate("inactive: no gradient", (0, 0), (8, -11), textcoords="offset points", va="center")
    highest = max(result[key][k].max() for key in ("outgoing", "incoming"))
    axes[0].set(ylabel="size of the gradient", ylim=(-0.18 * highest, 1.05 * highest))
    return fig


def table(result) -> dict:
    networks, units = map(np.arange, result["h"].shape)
    sizes = {key: result[key] for key in ("h", "incoming", "outgoing")}
    return long_table({"network": networks, "unit": units}, **sizes)


def caption(result) -> str:
    incoming, outgoing = _correlations(result, "incoming"), _correlations(result, "outgoing")
    return (
        "**A unit's activation scales the gradient of its *outgoing* weight (correlation "
        f"{outgoing.mean():.3f}), not of its incoming ones (correlation {number(incoming.mean(), 2)}).**\n\n"
        f"For "
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
    mean = dict(zip(ROWS, result["map"].mean(-1).T, strict=True))
    yield Claim.of_mean(
        incoming,
        id="gradient-share",
        statement="The gradient that nudges a neuron's weights is proportional to its activation",
        sources=("galletti-part-1, part I",),
        verdict="depends",
        measure="correlation, over a fresh layer's active units, of activation and size of the incoming "
        "weights' gradient, one example (proportional: 1)",
        units="networks, each with its own weights and example",
        map=Map.of_means(
            result["map"],
            axes={"examples, of both classes in turn": BATCHES, "weights": ROWS},
            above=PROPORTIONAL,
            measure="correlation of mean activation and size of the mean gradient over the active units",
            units="networks, each with its own weights and circles",
        ),
        holds=low > -0.1
        and high < 0.1
        and outgoing.min() > 0.999
        and result["incoming"][result["h"] == 0].max() == 0
        and mean[ROWS[3]][0] > mean[ROWS[1]][0] + 0.1,
        finding=r"For the outgoing weight, and for one example: its gradient is $\delta\, h$ (smallest "
        f"correlation {outgoing.min():.4f}). Over one of each class the errors have opposite signs: "
        f"{number(mean[ROWS[0]][1], 2)}. The incoming weights' gradient is "
        r"$\delta\, v\, f'(z)\, x$: error, outgoing weight, slope and input. Training from small weights "
        "makes units with large outgoing weights large themselves, which lifts its correlation with the "
        f"activation to {number(mean[ROWS[3]][0], 2)}. For both: no activation, no gradient.",
    )
