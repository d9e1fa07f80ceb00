"""How often must LSUV rescale a layer, and what has it then put right?  Chapter: initialization."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments import style
from experiments.evidence import Claim, Map
from experiments.initialization._shared.networks import standardized_digits
from experiments.trials import generator
from experiments.words import long_table, number, percent, shown
from unitgain.activations import ACTIVATIONS
from unitgain.initializers import glorot_normal_, initialize, lsuv_, normal_, orthogonal_
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
TOLERANCES = (0.02, 0.045, 0.1, 0.225, 0.5)  # the map: how often, if every step sees another batch?
BATCHES = {"relu": (32, 160, 512), "tanh": (32, 512)}
LABELS = {"relu": "ReLU", "tanh": "tanh"}
CELL = TOLERANCES.index(0.1), 1  # the headline: ReLU, batches of 160
MOST = 20  # rescalings that are counted
FLOOR, LOWEST = 1e-60, 1e-20  # of what is kept, and of the axis


def compute(*, networks=8, points=200, mapped=32, seed=0, device="cpu"):
    """`rescalings` of each layer by LSUV (functions, layers), and the variance of each layer's outputs.

    `start` (functions, starts, layers, networks) before; after LSUV on the same digits `fitted`, on as many
    others `fresh` and, of these, within units and between digits, `apart`: (functions, layers, networks).
    And `most` rescalings of any layer where every step sees a new batch: (tolerances, batches, networks).
    """
    digits, _ = standardized_digits(device)
    order = torch.randperm(len(digits), generator=generator(seed, "split")).to(digits.device)
    x, other = digits[order[: 2 * points]].double().split(points)
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
    most = torch.cat([_most(name, digits, mapped, seed) for name in BATCHES], 1)
    return {"most": most} | {
        key: t if key == "rescalings" else t.clamp(min=FLOOR) for key, t in stacked.items()
    }


@torch.no_grad()
def _most(name: str, x: Tensor, networks: int, seed: int) -> Tensor:
    """Rescalings of the layer that needs most, up to MOST: (tolerances, batches, networks).

    A layer's inputs come from layers of variance 1. Its outputs are proportional to its weights, so a batch
    finds the variance of the last batch's units.
    """
    draw, order = generator(seed, "weights"), generator(seed, "order")
    h, limits = x.mT.expand(networks, -1, -1), torch.tensor(TOLERANCES)[:, None, None].to(x.device)
    most = torch.zeros(len(TOLERANCES), len(BATCHES[name]), networks, dtype=torch.int64, device=x.device)
    for _ in range(DEPTH):
        w = orthogonal_(torch.empty(networks, WIDTH, h.shape[-2]), generator=draw)
        z = w.to(x.device) @ h
        moments = torch.stack([z.mean(-2), z.square().mean(-2)])  # of each example
        for b, size in enumerate(BATCHES[name]):
            rows = torch.randint(len(x), (networks, (MOST + 1) * size), generator=order).to(x.device)
            seen = moments.gather(-1, rows.expand(2, -1, -1)).unflatten(-1, (-1, size)).mean(-1)
            variance = seen[1] - seen[0].square()
            found = torch.cat([variance[:, :1], variance[:, 1:] / variance[:, :-1]], -1)
            right = (found - 1).abs() <= limits
            count = torch.where(right.any(-1), right.int().argmax(-1), MOST)
            most[:, b] = most[:, b].maximum(count)
        h = ACTIVATIONS[name](z / z.var((-2, -1), keepdim=True).sqrt())
    return most


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
    fig, axes = style.figure(8.2, 3.7, ncols=len(FUNCTIONS), sharey=True)
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
    axes[0].text(20, 1e2, "after LSUV", color=after, ha="right")
    axes[2].text(1, 1e-19, "hollow: what tells\ndigits apart", color=after)
    axes[0].set_ylabel("variance of the outputs (log)")
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
        f"**On one batch LSUV rescales no layer more than {_in_words(result)}, and every layer has variance "
        f"1, with each of four activations; but of a sigmoid's last layer only "
        f"{number(_left(result, 'sigmoid'), 1)} of it tells digits apart.**\n\nFilled: variance of a layer's "
        f"outputs, units and digits together, on digits that LSUV has not seen; on its own it is 1 to within "
        f"{number(_off(result, 'fitted'), 1)}. Hollow: the part between digits; the rest only sets units "
        f"apart. Dashed: normal weights of deviation 1, by Glorot's rule and of 0.01. {DEPTH} layers of "
        f"{WIDTH} units; geometric means over {ends.shape[-1]} networks, which after LSUV differ by factors "
        f"of up to {number(np.exp(np.ptp(ends, axis=-1)).max(), 2)}."
    )


def _in_words(result) -> str:
    most = int(result["rescalings"].max())
    return "once" if most == 1 else f"{most} times"


def alt(result) -> str:
    listed = (f"{name} {number(_left(result, name), 2)}" for name in FUNCTIONS)
    return (
        "Four panels, one an activation: variance against layer on a logarithmic axis. From normal weights "
        "of deviation 1, by Glorot's rule and of deviation 0.01 it explodes, drifts or vanishes; after LSUV "
        "it stays near 1 in every layer. Fraction of the last layer's variance that lies between digits: "
        f"{', '.join(listed)}."
    )


def claims(result) -> Iterator[Claim]:
    most, count = result["most"], result["rescalings"].max()
    rows = [f"{LABELS[name]}, batches of {size}" for name, sizes in BATCHES.items() for size in sizes]
    tolerance, row = CELL
    tight = most[0].mean(-1)
    words = "digits drawn at random for each batch, networks of their own weights"
    yield Claim.of_mean(
        most[CELL],
        id="lsuv",
        statement="One to five rescalings a layer bring the variance of its outputs to 1, if each is "
        "measured on a batch of its own",
        sources=("mishkin-matas-2016, section 3",),
        verdict="depends",
        measure=f"rescalings of the layer that needs most, of {DEPTH} layers of {WIDTH} units; {rows[row]} "
        f"digits, variance within {TOLERANCES[tolerance]:g} of 1",
        units=words,
        map=Map.of_means(
            most,
            axes={"distance from 1 that is accepted": TOLERANCES, "network": rows},
            below=HANDFUL,
            measure=f"rescalings of the layer that needs most, up to {MOST}",
            units=words,
        ),
        holds=count == 1
        and _off(result, "fitted") <= TOLERANCE
        and _off(result, "fresh") > TOLERANCE
        and tight[0] > tight[3]
        and tight[2] > tight[4],
        finding=f"It depends on how closely a batch can know the variance. Within {shown(TOLERANCES[0])}, "
        f"ReLU networks take {number(tight[0], 2)} with batches of {BATCHES['relu'][0]} and "
        f"{number(tight[2], 2)} with {BATCHES['relu'][2]}, counted up to {MOST}; tanh, whose outputs are "
        f"bounded, takes {number(tight[3], 2)} and {number(tight[4], 2)}. If one batch serves all layers, "
        "one rescaling is enough, exactly; on new digits the variances then lie within "
        f"{percent(_off(result, 'fresh'))} of 1. Variance 1 is not all: in a sigmoid's last layer "
        f"{number(_left(result, 'sigmoid'), 1)} of it tells digits apart, in tanh's "
        f"{number(_left(result, 'tanh'), 2)}.",
    )
