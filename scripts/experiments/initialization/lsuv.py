"""How often must LSUV rescale a layer, and what has it then put right?  Chapter: initialization."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments import style
from experiments.evidence import Claim, long_table, number, percent
from experiments.initialization._shared.networks import standardized_digits
from experiments.trials import generator
from unitgain.activations import ACTIVATIONS
from unitgain.initializers import glorot_normal_, initialize, lsuv_, normal_
from unitgain.models import MLP

FUNCTIONS = {
    "ReLU": ACTIVATIONS["relu"],
    "tanh": ACTIVATIONS["tanh"],
    "sigmoid": ACTIVATIONS["sigmoid"],
    "z sin z": lambda z: z * z.sin(),  # for which nobody has a rule
}
STARTS = {"sd 1": normal_, "Glorot": glorot_normal_, "sd 0.01": partial(normal_, std=0.01)}
WIDTH, DEPTH = 64, 20
TOLERANCE = 0.01  # LSUV's own
HANDFUL = 5  # rescalings
FLOOR, LOWEST = 1e-60, 1e-20  # of what is kept, and of the axis


def compute(*, networks=8, points=200, seed=0, device="cpu"):
    """`rescalings` of each layer by LSUV (functions, layers), and the variance of each layer's outputs.

    `start` (functions, starts, layers, networks) before; after LSUV on the same digits `fitted`, on as many
    others `fresh` and, of these, within units and between digits, `apart`: (functions, layers, networks).
    """
    x, _ = standardized_digits(device)
    order = torch.randperm(len(x), generator=generator(seed, "split")).to(x.device)
    x, other = x[order[: 2 * points]].double().split(points)
    found = {key: [] for key in ("rescalings", "start", "fitted", "fresh", "apart")}
    for f in FUNCTIONS.values():
        draw = generator(seed, "weights")
        sizes, options = (64, *[WIDTH] * DEPTH), {"replicas": networks, "dtype": x.dtype, "device": device}
        model, starts = MLP(sizes, f, weight="zeros", **options), []
        for start in STARTS.values():
            initialize(model, start, generator=draw)
            starts.append(_variances(model, x)[0])
        found["start"].append(torch.stack(starts))
        rescalings = lsuv_(model, x, tolerance=TOLERANCE, generator=draw)
        found["rescalings"].append(torch.tensor([*rescalings.values()]))
        found["fitted"].append(_variances(model, x)[0])
        fresh, apart = _variances(model, other)
        found["fresh"].append(fresh)
        found["apart"].append(apart)
    stacked = {key: torch.stack(rows) for key, rows in found.items()}
    return {key: t if key == "rescalings" else t.clamp(min=FLOOR) for key, t in stacked.items()}


@torch.no_grad()
def _variances(model: MLP, x: Tensor) -> tuple[Tensor, Tensor]:
    """Of each layer's outputs: of units and examples together, and over the examples only."""
    h, all_, apart = x.mT, [], []
    for layer, act in zip(model.layers, [*model.activations, None], strict=True):
        z = layer(h)
        of_units, means = torch.var_mean(z, -1, correction=0)
        apart.append(of_units.mean(-1))
        all_.append(apart[-1] + means.var(-1, correction=0))
        h = act(z) if act else z
    return torch.stack(all_), torch.stack(apart)


def _typical(variances: np.ndarray) -> np.ndarray:
    """Geometric mean over the networks."""
    return np.exp(np.log(variances).mean(-1))


def draw(result) -> Figure:
    fig, axes = style.figure(8.4, 3.7, ncols=len(FUNCTIONS), sharey=True)
    colours, layers = style.palette(), np.arange(1, DEPTH + 1)
    before, after = colours["raw"], colours["standardized"]
    for f, (ax, name) in enumerate(zip(axes, FUNCTIONS, strict=True)):
        for line in _typical(result["start"][f]):
            seen = (line > LOWEST) & (line < 1 / LOWEST)
            ax.plot(layers[seen], line[seen], color=before, lw=1.4, ls=(0, (4, 2)))
        for key, face in (("fresh", after), ("apart", "none")):
            line = _typical(result[key][f])
            ax.plot(layers[line > LOWEST], line[line > LOWEST], "o", ms=4, mec=after, mfc=face)
        ax.set(title=name, yscale="log", ylim=(LOWEST, 1 / LOWEST), xticks=(1, 10, 20), xlim=(0, 21))
        ax.set(yticks=(1e-16, 1e-8, 1, 1e8, 1e16))
        ax.minorticks_off()
    for text, x, y in (("sd 1", 5.2, 1e16), ("Glorot", 13, 1e-8), ("sd 0.01", 7.5, 1e-15)):
        axes[0].text(x, y, text, color=before)
    axes[0].text(13, 1e2, "LSUV", color=after)
    axes[2].text(1, 1e-19, "hollow: of it,\nbetween digits", color=after)
    axes[0].set_ylabel("variance of its outputs (log)")
    fig.supxlabel("layer", fontsize=10)
    return fig


def table(result) -> dict:
    rows = (
        *(f"start, {start}" for start in STARTS),
        "LSUV, its digits",
        "LSUV, others",
        "LSUV, between digits",
    )
    after = [result[key][:, None] for key in ("fitted", "fresh", "apart")]
    variance = _typical(np.concatenate([result["start"], *after], axis=1))
    rescalings = np.broadcast_to(result["rescalings"][:, None], variance.shape)
    axes = {"activation": list(FUNCTIONS), "weights": rows, "layer": range(1, DEPTH + 1)}
    return long_table(axes, variance=variance, rescalings_by_lsuv=rescalings)


def _off(result, key: str) -> float:
    """Largest distance of a variance from 1."""
    return float(np.abs(result[key] - 1).max())


def _left(result, name: str) -> float:
    """How much of the last layer's variance lies between digits."""
    f = list(FUNCTIONS).index(name)
    return float(_typical(result["apart"][f, -1] / result["fresh"][f, -1]))


def caption(result) -> str:
    ends = np.log(np.stack([result["fresh"], result["apart"]]))
    return (
        f"**LSUV rescales no layer more than {_in_words(result)}, and every layer has variance 1, whatever "
        f"the activation; but of a sigmoid's last layer only {number(_left(result, 'sigmoid'), 1)} of it "
        "tells digits apart.** Filled: variance of a layer's outputs, units and digits together, on digits "
        f"that LSUV has not seen; on its own it is 1 to within {number(_off(result, 'fitted'), 1)}. Hollow: "
        "the part between digits; the rest only sets units apart. Dashed: normal weights of deviation 1, by "
        f"Glorot's rule and of 0.01. {DEPTH} layers of {WIDTH} units; geometric means over "
        f"{ends.shape[-1]} networks, which after LSUV differ by factors of up to "
        f"{number(np.exp(np.ptp(ends, axis=-1)).max(), 2)}."
    )


def _in_words(result) -> str:
    most = int(result["rescalings"].max())
    return "once" if most == 1 else f"{most} times"


def alt(result) -> str:
    listed = (f"{name} {number(_left(result, name), 2)}" for name in FUNCTIONS)
    return (
        "Four panels, one an activation: variance against layer on a logarithmic axis. From normal weights "
        "of deviation 1, by Glorot's rule and of deviation 0.01 it explodes, drifts or vanishes; after LSUV "
        "it is 1 in every layer. Share of the last layer's variance that lies between digits: "
        f"{', '.join(listed)}."
    )


def claims(result) -> Iterator[Claim]:
    most = result["rescalings"].max(-1, keepdims=True)  # of a layer, for each kind of network
    right = (np.abs(result["fitted"] - 1).max(1) <= TOLERANCE) & (most <= HANDFUL)
    yield Claim.of_fraction(
        right,
        id="lsuv",
        statement="LSUV needs a handful of rescalings a layer to bring the variance of its outputs to 1",
        sources=("Mishkin & Matas 2016, section 3",),
        verdict="confirmed",
        measure=f"share of networks of {len(FUNCTIONS)} kinds with every layer's variance within "
        f"{TOLERANCE:g} of 1 after at most {HANDFUL} rescalings a layer",
        holds=right.all(),
        finding=f"{_in_words(result).capitalize()} at most. Biases are 0, so a "
        "layer's outputs are proportional to its weights and one division by their standard deviation is "
        "exact; more are needed only where every step sees another batch. On digits it has not seen, "
        f"variances lie within {percent(_off(result, 'fresh'))} of 1. Variance 1 is not all: of a sigmoid's "
        f"last layer {number(_left(result, 'sigmoid'), 1)} of it tells digits apart, of tanh's "
        f"{number(_left(result, 'tanh'), 2)}.",
    )
