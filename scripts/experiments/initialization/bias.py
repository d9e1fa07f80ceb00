"""Does a small positive bias make all ReLUs fire?  Chapter: initialization."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments import style
from experiments.evidence import Claim, Map
from experiments.intervals import mean_interval
from experiments.trials import generator, standardized
from experiments.words import long_table, percent
from unitgain.datasets import digits
from unitgain.initializers import he_normal_, normal_

BIASES = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
SMALL = BIASES.index(0.01)
WIDTH, LAYERS = 64, 3
COUNTS = (1, 2, 4, 8, 16, 32)  # examples, of the map
RULES = {"He": he_normal_, "0.01 · randn": partial(normal_, std=0.01)}
ROWS = [f"{rule}, layer {layer}" for rule in RULES for layer in (1, LAYERS)]
ALL = 0.98  # the fraction that counts as all units
ZERO = 0.003  # where a bias of 0 lies on the logarithmic axis


def compute(*, networks=20, points=500, mapped=40, seed=0, device="cpu"):
    """The fraction of pairs of unit and example that are active, `active` (biases, layers, networks), and the
    fraction of units that no example activates, `dead`, likewise; on standardized digits with He's weights.

    And what the normal distribution says of the first layer's pairs, `predicted` (biases,). And the fraction
    of units that at least one of COUNTS examples activates, without and with biases of 0.01, `some` (2, ROWS,
    counts, mapped).
    """
    draw = generator(seed)
    pixels = digits(device=device).x
    chosen = torch.randperm(len(pixels), generator=draw)[:points]
    rows = standardized(pixels, pixels)
    x = rows[chosen].T
    shape = networks, WIDTH, WIDTH
    first, *later = (he_normal_(torch.empty(shape), generator=draw).to(device) for _ in range(LAYERS))
    z, firing = first @ x, []
    for bias in BIASES:
        layers = [(z + bias).relu_()]
        for w in later:
            layers.append((w @ layers[-1] + bias).relu_())
        firing.append(torch.stack([(h > 0).float().mean(-1) for h in layers]))
    share = torch.stack(firing)  # (biases, layers, networks, units)
    spread = (2 * x.double().square().mean(0)).sqrt()  # of a unit's pre-activation over the weights
    predicted = torch.stack([torch.special.ndtr(bias / spread).mean() for bias in BIASES])
    return {
        "active": share.mean(-1),
        "dead": (share == 0).float().mean(-1),
        "predicted": predicted,
        "some": _on_some(rows, mapped, draw),
    }


def _on_some(rows: Tensor, networks: int, draw: torch.Generator) -> Tensor:
    """The fraction of units that some of the first COUNTS examples activate: (2, ROWS, counts, networks)."""
    own = torch.stack([torch.randperm(len(rows), generator=draw)[: COUNTS[-1]] for _ in range(networks)])
    x, shape, found = rows[own.to(rows.device)].mT, (networks, WIDTH, WIDTH), []
    for rule in RULES.values():
        weights = [rule(torch.empty(shape), generator=draw).to(rows.device) for _ in range(LAYERS)]
        for bias in (0, BIASES[SMALL]):
            h, layers = x, []
            for w in weights:
                h = (w @ h + bias).relu_()
                layers.append((h > 0).cummax(-1).values.float().mean(1))
            found.append(torch.stack([layers[0], layers[-1]])[..., [count - 1 for count in COUNTS]].mT)
    return torch.stack(found).unflatten(0, (-1, 2)).transpose(0, 1).flatten(1, 2)


def draw(result) -> Figure:
    fig, ax = style.figure(7.0, 3.7, tall=3.6)
    colours, x = style.palette(), np.array([ZERO, *BIASES[1:]])
    ax.plot(x, result["predicted"], color=style.ink(), lw=0.8)
    for rows, key, mark in (
        (result["active"][:, 0], "alive", "o"),
        (result["active"][:, -1], "alive", "s"),
        (result["dead"][:, -1], "dead", "D"),
    ):
        ends = np.array([mean_interval(row) for row in rows]).T
        middle = rows.mean(-1)
        ax.errorbar(
            x, middle, np.abs(ends - middle), fmt=mark, ms=5, mew=0, elinewidth=1.2, color=colours[key]
        )
    ax.text(0.9, 0.84, "firing, layer 1 (line: predicted)", color=colours["alive"], ha="right")
    ax.text(11, 0.5, f"firing, layer {LAYERS}", color=colours["alive"], ha="right")
    ax.text(1.5, 0.14, f"dead units, layer {LAYERS}", ha="right")
    named = [0, 1, 3, 5, 7]
    ax.set(xscale="log", xlim=(0.0022, 14), xticks=x[named], xticklabels=[f"{BIASES[i]:g}" for i in named])
    ax.set(ylim=(-0.03, 1.05), xlabel="bias of every unit (log; 0 at the left end)", ylabel="percentage")
    ax.minorticks_off()
    ax.set(yticks=np.linspace(0, 1, 6), yticklabels=range(0, 101, 20))
    return fig


def table(result) -> dict:
    columns = {key: result[key].mean(-1) for key in ("active", "dead")}
    return long_table({"bias": BIASES, "layer": range(1, LAYERS + 1)}, **columns)


def _shares(result, bias: float) -> tuple[float, float, float]:
    """Firing in the first layer, firing in the last, dead units in the last."""
    active, dead = (result[key][BIASES.index(bias)].mean(-1) for key in ("active", "dead"))
    return active[0], active[-1], dead[-1]


def caption(result) -> str:
    none, small, (all_on, later, dead) = (_shares(result, bias) for bias in (0.0, 0.01, 3.0))
    return (
        "**With He's weights a bias of 0.01 raises the fraction of pairs of unit and example that fire from "
        f"{percent(none[0], 1)} to {percent(small[0], 1)}.**\n\n"
        f"It takes a bias of 3 for {percent(all_on)}, in "
        f"the first layer only: in the third it is {percent(later)}, and {percent(dead)} of the units there "
        "are dead, because they receive nearly the same numbers for every example. Firing: fraction of "
        "the pairs; line: predicted for layer 1. Standardized digits, "
        f"{result['active'].shape[-1]} networks of {WIDTH} units a layer with He's weights, {percent(0.95)} "
        "intervals."
    )


def alt(result) -> str:
    none, small, large = (_shares(result, bias) for bias in (0.0, 0.01, 10.0))
    return (
        "Three rows of dots over the bias from 0 to 10. The fraction of firing units in the first layer is "
        f"{percent(none[0])} at 0, {percent(small[0])} at 0.01 and rises to {percent(large[0])} at 10; in "
        f"the third layer it rises to {percent(large[1])}; the fraction of dead units there rises from "
        f"{percent(none[2])} to {percent(large[2])}."
    )


def claims(result) -> Iterator[Claim]:
    share = result["active"][SMALL, 0]
    none, small, _ = (_shares(result, bias) for bias in (0.0, 0.01, 3.0))
    gain = mean_interval(share - result["active"][0, 0])
    without, some = result["some"]  # (rows, counts, networks)
    adds = np.abs(some - without).mean(-1)
    where = Map.of_means(
        np.swapaxes(some, 0, 1),
        axes={"examples": COUNTS, "weights and layer": ROWS},
        above=ALL,
        measure="fraction of units that fire on at least one of so many examples, with biases of 0.01",
        units="networks, each with its own weights and digits",
    )
    yield Claim.of_mean(
        share,
        id="bias-01",
        statement="A bias of 0.01 ensures that all ReLU units fire in the beginning",
        sources=("cs231n-2, weight initialization",),
        verdict="depends",
        measure="fraction of pairs of unit and example that are active in the first layer with biases of "
        "0.01 and He's weights",
        units="networks, each with its own weights; the same digits",
        map=where,
        holds=gain[1] < 0.01
        and none[0] > 0.45
        and adds[0].max() < 0.01
        and adds[1].max() < 0.02
        and without[-1, 0].mean() < 0.6
        and (where.cells[0, -1], where.cells[-1, 0]) == ("holds", "holds"),
        finding=f"With He's weights it changes next to nothing: on at least one of {COUNTS[-1]} examples "
        f"{percent(some[0, -1].mean())} of the first layer's units fire with it, "
        f"{percent(without[0, -1].mean())} without, and the fraction of active pairs rises from "
        f"{percent(none[0], 1)} to {percent(small[0], 1)}. It matters where the signal is smaller than "
        f"the bias: with weights 0.01 · randn, {percent(some[-1, 0].mean())} of the units of layer "
        f"{LAYERS} fire on any one example, {percent(without[-1, 0].mean())} without.",
    )
