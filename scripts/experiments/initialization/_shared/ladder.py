"""Deep networks on each of five first weights, and how signal and gradient are spread in every layer."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from torch import Tensor, nn

from experiments import style
from experiments.trials import generators
from experiments.words import long_table, number
from unitgain.activations import activation
from unitgain.initializers import glorot_uniform_, he_normal_, normal_
from unitgain.theory import gradient_factor, variance_map

WIDTH, DEPTH = 200, 10
FUNCTIONS = {"tanh": "tanh", "relu": "ReLU"}
DRAWN = {  # columns of the pictures; the last is torch.nn.Linear as it comes
    "0.01 · randn": partial(normal_, std=0.01),
    "randn": normal_,
    "Glorot, 1/√n": glorot_uniform_,  # of one variance, as widths are equal; and Keras's default
    "He": he_normal_,
}
TITLES = (*DRAWN, "PyTorch's default")
VARIANCE = np.array([1e-4, 1, 1 / WIDTH, 2 / WIDTH, 1 / (3 * WIDTH)])  # of a weight
BIAS_VARIANCE = np.array([0, 0, 0, 0, 1 / (3 * WIDTH)])


class Layer(NamedTuple):
    """Weights `(networks, out, in)` and biases `(networks, out, 1)`."""

    weight: Tensor
    bias: Tensor


def first_weights(networks: int, seed: int) -> Iterator[list[Layer]]:
    """The layers of the networks of each title."""
    ours, torchs = generators(seed, 2)
    shape = networks, WIDTH, WIDTH
    for rule in DRAWN.values():
        weights = (rule(torch.empty(shape), generator=ours) for _ in range(DEPTH))
        yield [Layer(weight, torch.zeros(networks, WIDTH, 1)) for weight in weights]
    with torch.random.fork_rng(devices=[]):  # nn.Linear draws from the global generator
        torch.manual_seed(torchs.initial_seed())
        layers = [nn.Linear(WIDTH, networks * WIDTH) for _ in range(DEPTH)]  # its range knows the inputs only
    yield [
        Layer(one.weight.detach().view(shape), one.bias.detach().view(networks, WIDTH, 1)) for one in layers
    ]


def weighted_inputs(function, layers: Sequence[Layer], x: Tensor) -> list[Tensor]:
    """z of each layer, `(networks, units, points)`, for inputs `(networks, units, points)`."""
    h, found = x, []
    for weight, bias in layers:
        found.append(torch.baddbmm(bias.to(x.device), weight.to(x.device), h).requires_grad_())
        h = function(found[-1])
    return found


def predicted_variances(name: str) -> np.ndarray:
    """Variances of the weighted inputs (titles, layers) for inputs of mean square 1."""
    weight_var = torch.from_numpy(WIDTH * VARIANCE)
    q = [weight_var + torch.from_numpy(BIAS_VARIANCE)]
    for _ in range(DEPTH - 1):
        q.append(variance_map(activation(name), q[-1], weight_var, torch.from_numpy(BIAS_VARIANCE)))
    return torch.stack(q, -1).numpy()


def predicted_signal(name: str) -> np.ndarray:
    """Root mean square of the activations (titles, layers)."""
    q = torch.from_numpy(predicted_variances(name))
    return variance_map(activation(name), q, 1.0).sqrt().numpy()


def predicted_gradient(name: str) -> np.ndarray:
    """Size of the gradient in each layer over that in the last (titles, layers)."""
    q, variance = torch.from_numpy(predicted_variances(name)), torch.from_numpy(VARIANCE)
    factors = gradient_factor(activation(name), variance[:, None], WIDTH, q=q[:, :-1])
    back = factors.flip(-1).cumprod(-1).flip(-1)
    return torch.cat([back, torch.ones_like(q[:, :1])], -1).numpy()


class Axis(NamedTuple):
    """Edges of a histogram's bins, where a value goes on them, and what is said below them."""

    bins: np.ndarray
    place: Callable[[Tensor], Tensor]
    label: str
    ticks: dict[float, str]

    def counts(self, values: Tensor) -> np.ndarray:
        """How many of `values` fall into each bin, those beyond in the first and the last; zeros nowhere."""
        low, high = self.bins[[0, -1]].tolist()
        there = self.place(values[values != 0]).clamp(low, high)
        return torch.histc(there, len(self.bins) - 1, low, high).numpy(force=True)


def decades(label: str) -> Axis:
    powers = {float(d): "1" if d == 0 else f"$10^{{{d}}}$" for d in (-10, 0, 10)}
    return Axis(np.arange(-12, 12.01, 0.2), lambda x: x.abs().log10(), label, powers)


def measure(
    seen: Callable[[Callable, list[Layer]], list[Tensor]], axes: Sequence[Axis], networks: int, seed: int
) -> dict:
    """What `seen(function, layers)` finds in every layer: histograms, a key for each function (titles,
    layers, bins), and each network's root mean square, `rms` (functions, titles, layers, networks).
    """
    counts, sizes = {name: [] for name in FUNCTIONS}, {name: [] for name in FUNCTIONS}
    for layers in first_weights(networks, seed):
        for name, axis in zip(FUNCTIONS, axes, strict=True):
            found = seen(activation(name), layers)
            counts[name].append([axis.counts(values) for values in found])
            sizes[name].append(torch.stack([_rms(values) for values in found]))
    size = torch.stack([torch.stack(titles) for titles in sizes.values()])
    return {name: np.array(titles) for name, titles in counts.items()} | {"rms": size}


def _rms(values: Tensor) -> Tensor:
    norm = torch.linalg.vector_norm(values, dim=(-2, -1), dtype=torch.float64)
    return norm / values[0].numel() ** 0.5


def draw(
    axes_of_rows: Sequence[Axis], counts: Sequence[np.ndarray], lines: Sequence, ends: np.ndarray, says: str
) -> Figure:
    """A row of panels for each function, a panel for each title, a ridge for each layer.

    For each row its axis, its counts (titles, layers, bins), a predicted size (titles, layers) or None; and
    the sizes (functions, titles) that are written over the panels, after what `says` they are.
    """
    fig, axes = style.figure(9.2, 5.4, nrows=len(FUNCTIONS), ncols=len(TITLES), sharex="row", sharey=True)
    rows = zip(axes, FUNCTIONS.values(), axes_of_rows, counts, lines, ends, strict=True)
    for f, (row, name, axis, count, line, end) in enumerate(rows):
        for t, (ax, title) in enumerate(zip(row, TITLES, strict=True)):
            _ridges(ax, axis.bins, count[t])
            if line is not None:
                ax.plot(
                    axis.place(torch.from_numpy(line[t])), np.arange(1, DEPTH + 1), color=style.ink(), lw=1
                )
            ax.set_title("\n".join([title] * (f == 0) + [f"{says} {number(end[t], 2)}"]))
        row[0].set(
            ylabel=f"{name}: layer",
            xlim=axis.bins[[0, -1]],
            xticks=list(axis.ticks),
            xticklabels=axis.ticks.values(),
        )
        row[len(row) // 2].set_xlabel(axis.label)
    axes[0, 0].set(ylim=(DEPTH + 0.3, -0.4), yticks=(1, 5, 10))
    return fig


def _ridges(ax: Axes, bins: np.ndarray, layers: np.ndarray) -> None:
    """One histogram above the other; bins at the ends of the axis hold what lies beyond and stay empty."""
    ax.axvline(0, color=style.GRID, lw=0.8, alpha=0.6)
    middle = (bins[1:] + bins[:-1]) / 2
    ridges = []
    for layer, count in enumerate(layers, start=1):
        line = np.column_stack([middle, layer - 1.25 * count / count.max()])
        ridges.append([[middle[0], layer], *line, [middle[-1], layer]])
    key = style.palette()["standardized"]
    ax.add_collection(PolyCollection(ridges, fc=key, ec="none", alpha=0.35))
    ax.add_collection(PolyCollection(ridges, fc="none", ec=key, lw=0.8))


def table(sizes: np.ndarray, predicted: np.ndarray, of: str) -> dict:
    """Columns for `sizes` (functions, titles, layers, networks)."""
    axes = {"activation": list(FUNCTIONS.values()), "first_weights": TITLES, "layer": range(1, DEPTH + 1)}
    found = {
        "predicted": predicted,
        "median": np.median(sizes, -1),
        "rms": np.sqrt(np.square(sizes).mean(-1)),
    }
    return long_table(axes, **{f"{of}_{what}": values for what, values in found.items()})
