"""Deep networks with each of five initial weights, and how signal and gradient are spread in every layer."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from experiments import style
from experiments.trials import generators
from experiments.words import long_table
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


def initial_weights(networks: int, seed: int) -> Iterator[list[Layer]]:
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
    """Variances of the pre-activations (titles, layers) for inputs of mean square 1."""
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
    """Edges of a histogram's bins, and where a value goes on them."""

    bins: np.ndarray
    place: Callable[[Tensor], Tensor]

    def counts(self, values: Tensor) -> np.ndarray:
        """How many of `values` fall into each bin, those beyond in the first and the last; zeros nowhere."""
        low, high = self.bins[[0, -1]].tolist()
        there = self.place(values[values != 0]).clamp(low, high)
        return torch.histc(there, len(self.bins) - 1, low, high).numpy(force=True)


DECADES = Axis(np.arange(-12, 12.01, 0.2), lambda x: x.abs().log10())


def measure(
    seen: Callable[[Callable, list[Layer]], list[Tensor]], axes: Sequence[Axis], networks: int, seed: int
) -> dict:
    """What `seen(function, layers)` finds in every layer: histograms, a key for each function (titles,
    layers, bins), and each network's root mean square, `rms` (functions, titles, layers, networks).
    """
    counts, sizes = {name: [] for name in FUNCTIONS}, {name: [] for name in FUNCTIONS}
    for layers in initial_weights(networks, seed):
        for name, axis in zip(FUNCTIONS, axes, strict=True):
            found = seen(activation(name), layers)
            counts[name].append([axis.counts(values) for values in found])
            sizes[name].append(torch.stack([_rms(values) for values in found]))
    size = torch.stack([torch.stack(titles) for titles in sizes.values()])
    return {name: np.array(titles) for name, titles in counts.items()} | {"rms": size}


def _rms(values: Tensor) -> Tensor:
    norm = torch.linalg.vector_norm(values, dim=(-2, -1), dtype=torch.float64)
    return norm / values[0].numel() ** 0.5


def draw(result, axis: Axis, predicted: np.ndarray, *, way: tuple[int, int], labels: dict) -> Figure:
    """Left, sizes in ReLU networks along the `way` through the layers, lines `predicted` (titles, layers);
    right, histograms on the `axis` in tanh networks where the way starts (outlined) and ends (filled).

    `labels` of the left lines and the powers of ten where they stand.
    """
    fig, (left, right) = style.figure(8.2, 3.9, ncols=2, width_ratios=(1.1, 1), tall=6.6)
    ink, key, (start, end) = style.ink(), style.palette()["standardized"], way
    layers, names = np.arange(1, DEPTH + 1), ("randn", "He", "Glorot", "PyTorch", "0.01 · randn")
    left.plot(layers, predicted.T, color=ink, lw=0.8)
    left.plot(layers, np.sqrt(np.square(result["rms"][1]).mean(-1)).T, "o", color=key, ms=4, mew=0)
    for label, power in labels.items():
        left.text(end + 0.4 * np.sign(end - start), 10.0**power, label, color=key, va="center")
    left.set(yscale="log", ylim=(1e-12, 1e12), yticks=(1e-10, 1e-5, 1, 1e5, 1e10), xticks=(1, 5, 10))
    left.set(xlim=(start - 0.05 * (end - start), end + 0.45 * (end - start)), xlabel="layer")
    left.minorticks_off()
    middle, order = (axis.bins[1:] + axis.bins[:-1]) / 2, [1, 3, 2, 4, 0]
    for y, layers in enumerate(result["tanh"][order]):
        before, after = (layers[at - 1] / layers[at - 1].max() for at in way)
        right.fill_between(middle, y, y - 0.75 * after, color=key, alpha=0.45, lw=0)
        right.plot(middle, y - 0.75 * before, color=ink, lw=1)
    right.set(
        yticks=np.arange(len(order)) - 0.2, yticklabels=names, xlim=axis.bins[[0, -1]], ylim=(4.1, -0.9)
    )
    right.set_title(f"tanh: layer {start} outlined, layer {end} filled")
    right.tick_params(axis="y", length=0)
    right.spines["left"].set_visible(False)
    return fig


def table(sizes: np.ndarray, predicted: np.ndarray, of: str) -> dict:
    """Columns for `sizes` (functions, titles, layers, networks)."""
    axes = {"activation": list(FUNCTIONS.values()), "first_weights": TITLES, "layer": range(1, DEPTH + 1)}
    found = {
        "predicted": predicted,
        "median": np.median(sizes, -1),
        "rms": np.sqrt(np.square(sizes).mean(-1)),
    }
    return long_table(axes, **{f"{of}_{what}": values for what, values in found.items()})
