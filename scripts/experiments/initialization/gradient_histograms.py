"""How large is the gradient in every layer of a deep network, by its initial weights?

Chapter: initialization.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from experiments.evidence import Claim, Map
from experiments.initialization._shared import ladder
from experiments.initialization._shared.rms import rms
from experiments.trials import generator
from experiments.words import number
from unitgain.initializers import normal_

AXES = ladder.Axis(np.linspace(-4, 4, 81), lambda x: x), ladder.DECADES  # of tanh's and of ReLU's

SHAPES = (0.5, 1, 2, 4, 8)  # outputs over inputs
FEATURES, CHANNELS, SIDE = 64, 8, 12  # into a layer; of an image
KINDS = {
    "nn.Linear": lambda shape: nn.Linear(FEATURES, int(FEATURES * shape)),
    "nn.Conv2d, 3 × 3": lambda shape: nn.Conv2d(CHANNELS, int(CHANNELS * shape), 3, padding=1),
    "the same, stride 2": lambda shape: nn.Conv2d(CHANNELS, int(CHANNELS * shape), 3, padding=1, stride=2),
}
SIXTH = 1 / math.sqrt(6)
CLOSE = 0.8, 1.25


def compute(*, networks=40, points=20, mapped=8, seed=0, device="cpu"):
    """Histograms of the gradients of z over their size in the last layer, `tanh` and `relu` (titles, layers,
    bins); and that size for each network, `rms` (functions, titles, layers, networks).

    Inputs N(0, 1), and N(0, 1) is what comes back to the last layer. And by what one of torch's layers
    multiplies such a gradient, `factor` (SHAPES, KINDS, mapped).
    """
    draw, shape = generator(seed, "data"), (networks, ladder.WIDTH, points)
    x, back = (normal_(torch.empty(shape), generator=draw).to(device) for _ in range(2))

    def gradients(f, layers):
        z = ladder.weighted_inputs(f, layers, x)
        return [*torch.autograd.grad((z[-1] * back).sum(), z[:-1]), back]

    found = ladder.measure(gradients, AXES, networks, seed)
    factor = _factors(mapped, points, seed, device)
    return found | {"rms": found["rms"] / found["rms"][:, :, -1:], "factor": factor}


def _factors(networks: int, points: int, seed: int, device) -> Tensor:
    """By what torch's layers with a ReLU multiply the gradient's size: (SHAPES, KINDS, networks)."""
    draw, found = generator(seed, "fresh"), []
    sizes = (FEATURES,), (CHANNELS, SIDE, SIDE), (CHANNELS, SIDE, SIDE)
    kinds = [one for one in zip(KINDS.values(), sizes, strict=True) for _ in range(networks)]
    with torch.random.fork_rng(devices=[]):  # torch's layers draw from the global generator
        torch.manual_seed(draw.initial_seed())
        layers = [(make(shape), size) for shape in SHAPES for make, size in kinds]
    for layer, size in layers:
        x = normal_(torch.empty(points, *size), generator=draw).to(device).requires_grad_()
        out = layer.to(device)(x).relu()
        (gradient,) = torch.autograd.grad(out, x, normal_(torch.empty(out.shape), generator=draw).to(out))
        found.append(gradient.square().mean().sqrt())
    return torch.stack(found).view(len(SHAPES), len(KINDS), networks)


def _ends(result) -> np.ndarray:
    return np.sqrt(np.square(result["rms"][:, :, 0]).mean(-1))


def draw(result) -> Figure:
    labels = {"randn": 9, "He": 0.5, "Glorot": -1.5, "PyTorch": -3.6, "0.01 · randn": -9}
    lines = ladder.predicted_gradient("relu")
    fig = ladder.draw(result, AXES[0], lines, way=(ladder.DEPTH, 1), labels=labels)
    left, right = fig.axes
    left.set(title="ReLU: gradient in each layer", xlabel="layer, from the last to the first")
    left.set_ylabel(f"size, 1 in layer {ladder.DEPTH} (log)")
    right.set(xlabel="gradient (beyond ±4: at the edges)", xticks=(-4, 0, 4))
    return fig


def table(result) -> dict:
    predicted = np.stack([ladder.predicted_gradient(name) for name in ladder.FUNCTIONS])
    return ladder.table(result["rms"], predicted, "gradient")


def _factor(result, title: int) -> np.ndarray:
    """By how much a ReLU layer multiplies the gradient, as a root mean square over the networks; interval."""
    return rms(result["rms"][1, title, 0], ladder.DEPTH - 1)


def caption(result) -> str:
    _, _, glorot, he, default = (number(end, 2) for end in _ends(result)[1])
    return (
        f"**Of a gradient of 1 in the last of {ladder.DEPTH} ReLU layers, {default} reaches the first with "
        f"PyTorch's default, {glorot} with Glorot's weights (Keras's default) and {he} with He's.**\n\n"
        "As in the first picture: root mean squares and their predictions on the left, histograms scaled to "
        "equal height on the right. Glorot and PyTorch's default with tanh: the comparison of Glorot and "
        "Bengio's figures 6 and 7, who had five layers of 1,000 units, images of shapes and a classifier's "
        f"loss; here are {result['rms'].shape[-1]} networks of {ladder.WIDTH} units a layer, inputs N(0, 1) "
        "and a normal gradient at the end."
    )


def alt(result) -> str:
    ends = [", ".join(number(end, 2) for end in row) for row in _ends(result)]
    return (
        "Left, the size of the gradient in ReLU networks from the last layer to the first, on a logarithmic "
        "axis: it falls steeply for 0.01 randn, rises steeply for randn, stays at 1 for He's weights, and "
        "falls slowly for Glorot's, faster for PyTorch's default. Right, histograms with tanh in the last "
        "and the first layer: in the first a needle for 0.01 randn and PyTorch's default, beyond the frame "
        "for randn, almost as wide as in the last for Glorot's and He's. Sizes in the first layer, in the "
        f"order {', '.join(ladder.TITLES)}: tanh {ends[0]}; ReLU {ends[1]}."
    )


def claims(result) -> Iterator[Claim]:
    (keras, *_), (he, *_), (estimate, low, high) = (_factor(result, title).tolist() for title in (2, 3, 4))
    units = "networks, each with its own weights, inputs and gradients"
    wide = (result["factor"].mean(-1) / SIXTH)[SHAPES.index(4)]
    yield Claim(
        id="default-torch",
        statement="PyTorch's default weights shrink the gradient of a ReLU network by 1/√6 in every layer",
        sources=("glorot-bengio-2010, equation 1", "torch-linear, torch.nn.Linear"),
        verdict="depends",
        measure="factor by which one layer multiplies the gradient's root mean square over the networks, "
        f"through {ladder.DEPTH - 1} layers of nn.Linear({ladder.WIDTH}, {ladder.WIDTH}) and ReLU",
        estimate=estimate,
        interval=(low, high),
        n=result["rms"].shape[-1],
        units=units,
        map=Map.of_means(
            result["factor"] / SIXTH,
            axes={"outputs over inputs": SHAPES, "layer": tuple(KINDS)},
            above=CLOSE[0],
            below=CLOSE[1],
            measure="factor by which a layer and a ReLU multiply the gradient's root mean square, over 1/√6",
            units=units,
        ),
        holds=abs(estimate - SIXTH) < 0.01
        and low - 0.01 < SIXTH < high + 0.01
        and abs(keras - math.sqrt(0.5)) < 0.05
        and abs(wide[0] - 2) < 0.2
        and abs(2 * wide[2] / wide[1] - 1) < 0.1,
        finding=f"Between layers of equal width they do: measured {estimate:.3f}; 1/√6 is {SIXTH:.3f}. "
        "Otherwise it is 1/√6 times the root of outputs over inputs, and half of that for a convolution "
        f"with stride 2. With four times as many outputs it is {wide[0]:.2f} times 1/√6 for nn.Linear, "
        f"{wide[1]:.2f} for nn.Conv2d, {wide[2]:.2f} with stride 2. Keras's default, Glorot's uniform "
        f"weights and biases of 0, multiplies by {keras:.3f}, predicted {math.sqrt(0.5):.3f}; He's "
        f"weights by {he:.3f}.",
    )
