"""What does a network learn whose weights start out equal, at zero or elsewhere?

Chapter: initialization.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments import style
from experiments.evidence import Claim, Map
from experiments.initialization._shared.networks import each
from experiments.intervals import wilson
from experiments.trials import by_part, descend, generator, generators, score, stacked
from experiments.words import percent
from unitgain.activations import activation
from unitgain.datasets import Examples, circles
from unitgain.initializers import constant_, glorot_uniform_, uniform_, zeros_
from unitgain.models import MLP
from unitgain.optimizers import Adam

UNITS = 8
STARTS = {  # drawn, in the order of TITLES; and ReLU, which stays where tanh stays
    "all 0, tanh": ("tanh", zeros_),
    "all 0, sigmoid": ("sigmoid", zeros_),
    "all 0.5, tanh": ("tanh", partial(constant_, value=0.5)),
    "random, tanh": ("tanh", glorot_uniform_),
    "all 0, ReLU": ("relu", zeros_),
}
TITLES = ("All 0, tanh or ReLU", "All 0, sigmoid", "All 0.5, tanh", "Random, tanh")
FROZEN, ALIKE, RANDOM, FROM_ZERO = [0, 4], [1, 2], 3, [0, 1, 4]
POINTS, BATCH, LEARNING_RATE = 100, 25, 0.05
EPOCHS = 80
FUNCTIONS = {"tanh": "tanh", "relu": "ReLU", "sigmoid": "sigmoid"}  # of the map, from weights of 0
KINDS = "biases 0", "nn.Linear's biases", "biases 0, dropout"
MOST = 0.8  # of the networks
SAME = 1e-4  # distance of two units over their length below which they are the same, but for rounding


def compute(*, networks=40, mapped=40, seed=0, device="cpu"):
    """The hidden weights of each start's first network while it learns, `path` (starts, steps + 1, units, 2).

    Of each network: how far its weights and hidden biases have `moved` (starts, networks), how far its
    hidden units have come `apart` at most, over the length of their weights, and its final `accuracy`.
    And how far they come apart with other KINDS, `other` (KINDS, FUNCTIONS, mapped).
    """
    draws = generators(seed, networks, "data")
    x, y = stacked(circles(POINTS, generator=draw, device=device) for draw in draws)
    data = Examples(x.double(), y)  # in float32 rounding tells the units apart before the end
    functions, rules = zip(*STARTS.values(), strict=True)
    model = MLP(
        (2, UNITS, 1),
        by_part(*map(activation, functions)),
        replicas=(len(STARTS), networks),
        weight=each(*rules),
        generator=[generator(seed, "weights")] * len(STARTS),
        device=device,
        dtype=torch.float64,
    )
    *learned, _ = (p.detach() for p in model.parameters())  # all but the last bias
    before, seen = [p.clone() for p in learned], []
    descend(
        model,
        data,
        LEARNING_RATE,
        seed=seed,
        epochs=EPOCHS,
        batch=BATCH,
        optimizer=Adam,
        loss="binary_cross_entropy",
        callback=lambda _: seen.append(learned[0].clone()),
    )
    hidden = torch.stack(seen)  # (steps + 1, starts, networks, units, 2)
    moves = [(p - old).abs().amax((-2, -1)) for p, old in zip(learned, before, strict=True)]
    return {
        "path": hidden[:, :, 0].transpose(0, 1),
        "moved": torch.stack(moves).amax(0),
        "apart": _apart(hidden).amax(0),
        "accuracy": score(model, data),
        "other": _other_kinds(mapped, seed, device),
    }


def _other_kinds(networks: int, seed: int, device) -> Tensor:
    """How far the hidden units are apart at last, from weights of 0: (kinds, functions, networks)."""
    draws, own = generators(seed, networks, "data"), generator(seed, "noise")
    x, y = stacked(circles(POINTS, generator=draw, device=device) for draw in draws)
    model = MLP(
        (2, UNITS, 1),
        by_part(*(_dropped(activation(name), own) for name in FUNCTIONS)),
        replicas=(len(FUNCTIONS), len(KINDS), networks),
        weight="zeros",
        device=device,
        dtype=torch.float64,
    )
    draw = generator(seed, "weights")
    with torch.no_grad():
        for layer in model.layers:
            bound, shape = layer.in_features**-0.5, layer.bias.shape[2:]
            layer.bias[:, 1] = uniform_(torch.empty(shape), -bound, bound, generator=draw)
    how = {"batch": BATCH, "optimizer": Adam, "loss": "binary_cross_entropy"}
    descend(model, Examples(x.double(), y), LEARNING_RATE, seed=seed, epochs=max(1, EPOCHS // 4), **how)
    return _apart(model.layers[0].weight.detach()).transpose(0, 1)


def _dropped(f, draw: torch.Generator):
    """The activation of networks (kinds, …), with dropout of ½ for the last kind."""

    def activate(z: Tensor) -> Tensor:
        h = f(z)
        kept = 2 * torch.randint(2, h[-1:].shape, generator=draw).to(h)
        return torch.cat([h[:-1], kept * h[-1:]])

    return activate


def _apart(weight: Tensor) -> Tensor:
    """Largest distance of a unit's weights from the first unit's, over the largest length."""
    distance = (weight - weight[..., :1, :]).norm(dim=-1).amax(-1)
    return distance / weight.norm(dim=-1).amax(-1).clamp(min=1e-30)


def _distinct(path: np.ndarray) -> int:
    """How many different units there are at the end."""
    distance = np.linalg.norm(path[-1][:, None] - path[-1], axis=-1)
    same = distance <= SAME * max(np.linalg.norm(path[-1], axis=-1).max(), 1e-30)
    return int((~np.tril(same, -1).any(1)).sum())


def draw(result) -> Figure:
    fig, axes = style.figure(8.2, 2.9, ncols=len(TITLES), sharex=True, sharey=True, tall=5.4)
    key, reach = style.palette()["standardized"], 1.1 * np.abs(result["path"][: len(TITLES)]).max()
    right = result["accuracy"].mean(-1)
    for i, (ax, title, path) in enumerate(zip(axes, TITLES, result["path"], strict=False)):
        ax.axhline(0, color=style.GRID, lw=0.8, alpha=0.5)
        ax.axvline(0, color=style.GRID, lw=0.8, alpha=0.5)
        ax.plot(path[..., 0], path[..., 1], color=key, lw=1)
        ax.plot(*path[-1].T, "o", color=key, ms=6, mew=0)
        ax.plot(*path[0].T, "o", mfc="none", mec=style.ink(), ms=5, mew=0.9)
        count = _distinct(path)
        says = f"{UNITS} units are one" if count == 1 else f"{count} of {UNITS} units differ"
        ax.set(title=f"{title}\n{says}\naccuracy {percent(right[i])}", xlabel="weight of input 1")
        ax.set(
            xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xticks=(-4, 0, 4), yticks=(-4, 0, 4)
        )
    axes[0].set_ylabel("weight of input 2")
    return fig


def table(result) -> dict:
    n = result["moved"].shape[1]
    columns = {key: result[key].ravel() for key in ("moved", "apart", "accuracy")}
    return {"start": np.repeat(list(STARTS), n), **columns}


def caption(result) -> str:
    right, n = result["accuracy"].mean(-1), result["moved"].shape[1]
    return (
        f"**Units that start equal stay equal: {UNITS} hidden units that start at one point remain one unit, "
        f"and the network gets {percent(right[2])} of the points right where random weights get "
        f"{percent(right[RANDOM])}.**\n\nEach line is the path of one hidden unit's two weights in training, "
        "from the ring to the dot. With tanh or ReLU, weights of 0 do not move at all; with a sigmoid they "
        f"move together. Networks 2-{UNITS}-1 on two circles, Adam, batches of {BATCH}; accuracies are means "
        f"over {n} networks, the paths those of the first."
    )


def alt(result) -> str:
    counts = [_distinct(path) for path in result["path"][: len(TITLES)]]
    return (
        "Four panels with the paths of eight hidden units in the plane of their weights. All 0 with tanh: "
        "one dot at the origin. All 0 with sigmoid, and all 0.5 with tanh: one line for all units. Random: "
        f"eight paths that fan out. Different units at the end: {', '.join(map(str, counts))}."
    )


def claims(result) -> Iterator[Claim]:
    apart, moved, right = result["apart"], result["moved"], result["accuracy"].mean(-1)
    same, other = (apart[FROM_ZERO] < SAME).ravel(), result["other"] < SAME
    where = Map.of_fractions(
        other,
        axes={"besides weights of 0": KINDS, "units": tuple(FUNCTIONS.values())},
        above=MOST,
        measure="fraction of networks whose hidden units are the same after training",
        units="networks, each with its own data and biases",
    )
    yield Claim.of_fraction(
        same,
        id="zeros",
        statement="A network whose weights all start at zero stays symmetric: its hidden units are all one",
        sources=("cs231n-2, weight initialization",),
        verdict="depends",
        measure="fraction of networks with tanh, ReLU or sigmoid whose hidden units are the same after "
        "training, from weights and biases of 0",
        units="networks, one of each activation on the same data; all start from 0",
        map=where,
        holds=wilson(same)[0] > 0.95
        and (where.cells[:2].T == ["holds", "fails"]).all()
        and (where.cells[2] == ["holds", "holds", "fails"]).all()
        and not moved[FROZEN].any()
        and np.median(moved[ALIKE], -1).min() > 0.1
        and wilson(apart[ALIKE] < SAME)[0] > 0.95
        and wilson(apart[RANDOM] > SAME)[0] > 0.9,
        finding=f"In {same.sum()} of {same.size}, if the biases start equal, too. Random biases, as "
        "nn.Linear's, break the symmetry for all three functions; dropout does for sigmoids only. From "
        "weights and biases of 0, tanh and ReLU have a gradient of exactly 0 for all but the last bias, "
        f"and nothing else has moved after {len(result['path'][0]) - 1} steps; a sigmoid's weights move, "
        f"all units alike. Accuracy from 0: {percent(right[0])} with tanh, {percent(right[1])} with a "
        f"sigmoid; from random weights {percent(right[RANDOM])}.",
    )
