"""Do Glorot's weights suit a sigmoid as well as tanh?  Chapter: initialization."""

from collections.abc import Iterator
from functools import cache

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments import style
from experiments.evidence import Claim, long_table, number, percent
from experiments.initialization._shared.rms import rms
from experiments.trials import generator
from unitgain.initializers import glorot_normal_, normal_
from unitgain.theory import chi, variance_map

WIDTH, DEPTH = 256, 10
NEAR = 1e-4  # how far apart two inputs lie
FROM = 5  # from this layer on, factors are read


def centred_sigmoid(z: Tensor) -> Tensor:
    """A sigmoid moved down by ½ and four times as steep: 4 (σ(z) − ½) = 2 tanh(z/2)."""
    return 4 * (torch.sigmoid(z) - 0.5)


FUNCTIONS = {"tanh": torch.tanh, "4 (sigmoid − ½)": centred_sigmoid, "sigmoid": torch.sigmoid}


def compute(*, networks=60, seed=0, device="cpu"):
    """Root mean squares over the units: `signal`, of the activations, and `difference`, between the weighted
    inputs of two nearly equal examples, over that in the first layer (functions, layers, networks).
    """
    draw = generator(seed)
    x, step = (normal_(torch.empty(networks, WIDTH, 1), generator=draw) for _ in range(2))
    h = torch.cat([x, x + NEAR * step] * len(FUNCTIONS), -1).to(device).double()
    signal, difference = [], []
    for _ in range(DEPTH):
        w = glorot_normal_(torch.empty(networks, WIDTH, WIDTH), generator=draw)
        z = w.to(device).double() @ h
        h = torch.cat([f(pair) for f, pair in zip(FUNCTIONS.values(), z.split(2, -1), strict=True)], -1)
        signal.append(h.unflatten(-1, (-1, 2)).square().mean((1, 3)).sqrt())
        difference.append((z[..., 1::2] - z[..., ::2]).square().mean(1).sqrt())
    signal, difference = (torch.stack(layers).permute(2, 0, 1) for layers in (signal, difference))
    return {"signal": signal, "difference": difference / difference[:, :1]}


@cache
def _predicted() -> tuple[np.ndarray, np.ndarray]:
    """Both (functions, layers), for layers without end: the first layer's variance is 1."""
    signal, difference = [], []
    for f in FUNCTIONS.values():
        q, gap = torch.tensor(1.0).double(), torch.tensor(1.0).double()
        for _ in range(DEPTH):
            signal.append(variance_map(f, q, 1.0).sqrt())
            difference.append(gap)
            gap, q = gap * chi(f, 1.0, q=q).sqrt(), variance_map(f, q, 1.0)
    return tuple(torch.stack(rows).view(len(FUNCTIONS), DEPTH).numpy() for rows in (signal, difference))


def draw(result) -> Figure:
    fig, axes = style.figure(8.4, 3.6, ncols=2, sharex=True)
    key, layers = style.palette()["standardized"], np.arange(1, DEPTH + 1)
    look = {"fmt": "o", "ms": 3.6, "mew": 0, "elinewidth": 1, "color": key}
    for ax, rows, lines in zip(axes, (result["signal"], result["difference"]), _predicted(), strict=True):
        for sizes, line, title in zip(rows, lines, FUNCTIONS, strict=True):
            middle, low, high = rms(sizes).T
            ax.plot(layers, line, color=style.ink(), lw=0.8)
            ax.errorbar(layers, middle, (middle - low, high - middle), **look)
            beside = {"tanh": "top", "sigmoid": "center"}.get(title, "bottom") if ax is axes[1] else "center"
            ax.text(DEPTH + 0.4, line[-1], title, color=key, va=beside)
        ax.set(xlabel="layer", xticks=(1, 5, 10), xlim=(0.5, DEPTH + 5))
    axes[0].set(title="Size of the activations", ylim=(0, 1.05), ylabel="root mean square")
    axes[1].set(title="What differs between two inputs", yscale="log", ylim=(1e-6, 5))
    axes[1].set(ylabel="size, 1 in the first layer (log scale)")
    axes[1].minorticks_off()
    return fig


def _factor(result, function: str) -> np.ndarray:
    """By how much a deeper layer multiplies what differs: root mean square and interval."""
    gaps = result["difference"][list(FUNCTIONS).index(function)]
    return rms(gaps[-1] / gaps[FROM - 1], DEPTH - FROM)


def table(result) -> dict:
    signal, difference = _predicted()
    return long_table(
        {"function": list(FUNCTIONS), "layer": range(1, DEPTH + 1)},
        signal_predicted=signal,
        signal=rms(result["signal"])[..., 0],
        difference_predicted=difference,
        difference=rms(result["difference"])[..., 0],
    )


def _off(result) -> float:
    """Largest relative distance of a factor a layer of what differs from its prediction."""
    measured = rms(result["difference"][:, -1], DEPTH - 1)[:, 0]
    return float(np.abs(measured / _predicted()[1][:, -1] ** (1 / (DEPTH - 1)) - 1).max())


def caption(result) -> str:
    sigmoid, tanh = _factor(result, "sigmoid")[0], _factor(result, "tanh")[0]
    return (
        "**With Glorot's weights a sigmoid's activations keep their size best, and yet a layer passes on "
        f"only {percent(sigmoid, 1)} of what differs between two inputs; tanh passes on {percent(tanh)}.** "
        "All outputs of a sigmoid lie around ½, whatever the input: that is the size. Centred and four "
        "times as steep, it does as tanh does. Lines: predicted; dots: measured, root mean squares over "
        f"{result['signal'].shape[-1]} networks of {WIDTH} units a layer with {percent(0.95)} intervals; "
        f"the factors agree within {percent(_off(result), 1)} a layer."
    )


def alt(result) -> str:
    last = rms(result["difference"][:, -1])[:, 0]
    ends = {title: number(end, 2) for title, end in zip(FUNCTIONS, last, strict=True)}
    return (
        "Left, the size of the activations over ten layers: that of the sigmoid stays at about one half, "
        "those of tanh and of the centred sigmoid fall slowly. Right, on a logarithmic axis, what differs "
        f"between two inputs: it falls steeply with the sigmoid, to {ends['sigmoid']} after {DEPTH} layers, "
        f"and slowly with tanh, to {ends['tanh']}, and with the centred sigmoid, to "
        f"{ends['4 (sigmoid − ½)']}."
    )


def claims(result) -> Iterator[Claim]:
    (estimate, low, high), tanh = _factor(result, "sigmoid"), _factor(result, "tanh")
    centred = _factor(result, "4 (sigmoid − ½)")
    yield Claim(
        id="glorot-tanh-sigmoid",
        statement="Glorot initialization is recommended for tanh- and sigmoid-based neurons",
        sources=("Ekman, Learning Deep Learning, chapter 5",),
        verdict="depends",
        measure="factor by which a sigmoid layer with Glorot's weights multiplies what differs between two "
        f"nearly equal inputs, layers {FROM} to {DEPTH}, root mean square over the networks",
        estimate=float(estimate),
        interval=(float(low), float(high)),
        n=result["difference"].shape[-1],
        holds=high < 0.3 and tanh[1] > 0.85 and centred[1] > 0.85,
        finding=f"Tanh yes: its layers keep {percent(tanh[0], 1)} of what differs, and ever more with "
        f"depth. Sigmoid no: {estimate:.3f} a layer, because its slope is ¼ at most and Glorot's rule "
        "supposes 1; by theory the gradient on its way back fares the same. A sigmoid that is centred and "
        f"four times as steep keeps {percent(centred[0], 1)}.",
    )
