"""How large is the gradient in every layer of a deep network, by its first weights?

Chapter: initialization.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments.evidence import Claim, number
from experiments.initialization._shared import ladder
from experiments.initialization._shared.rms import rms
from experiments.trials import generator
from unitgain.initializers import normal_

AXES = (
    ladder.Axis(
        np.linspace(-4, 4, 81),
        lambda x: x,
        "gradient with tanh, over its size in the last layer",
        {-4.0: "−4", 0.0: "0", 4.0: "4"},
    ),
    ladder.decades("gradient with ReLU, over its size in the last layer where it is not 0 (log scale)"),
)


def compute(*, networks=40, points=20, seed=0, device="cpu"):
    """Histograms of the gradients of z over their size in the last layer, `tanh` and `relu` (titles, layers,
    bins); and that size for each network, `rms` (functions, titles, layers, networks).

    Inputs N(0, 1), and N(0, 1) is what comes back to the last layer.
    """
    draw, shape = generator(seed, "data"), (networks, ladder.WIDTH, points)
    x, back = (normal_(torch.empty(shape), generator=draw).to(device) for _ in range(2))

    def gradients(f, layers):
        z = ladder.weighted_inputs(f, layers, x)
        return [*torch.autograd.grad((z[-1] * back).sum(), z[:-1]), back]

    found = ladder.measure(gradients, AXES, networks, seed)
    return found | {"rms": found["rms"] / found["rms"][:, :, -1:]}


def _ends(result) -> np.ndarray:
    return np.sqrt(np.square(result["rms"][:, :, 0]).mean(-1))


def draw(result) -> Figure:
    lines = None, ladder.predicted_gradient("relu")
    return ladder.draw(AXES, [result[name] for name in ladder.FUNCTIONS], lines, _ends(result), "arrives as")


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
        f"PyTorch's default, {glorot} with Glorot's weights (Keras's default) and {he} with He's.** As the "
        "first picture, but read from below: the gradient comes in at the last layer. Upper row, third and "
        "last panel: the comparison of Glorot and Bengio's figures 6 and 7, who had five layers of 1,000 "
        "units, images of shapes and a classifier's loss; here are "
        f"{result['rms'].shape[-1]} networks of {ladder.WIDTH} units a layer, inputs N(0, 1) and a normal "
        "gradient at the end."
    )


def alt(result) -> str:
    ends = [", ".join(number(end, 2) for end in row) for row in _ends(result)]
    return (
        "Two rows of five panels, tanh above and ReLU below, each with ten histograms of gradients, one a "
        "layer, the last layer at the bottom. Going up, they shrink to needles for 0.01 randn and "
        "PyTorch's default, grow beyond the frame for randn, and keep nearly their width for Glorot's "
        f"weights with tanh and for He's with both. Sizes in the first layer: tanh {ends[0]}; ReLU "
        f"{ends[1]}."
    )


def claims(result) -> Iterator[Claim]:
    expected = 1 / math.sqrt(6)
    (keras, *_), (he, *_), (estimate, low, high) = (_factor(result, title).tolist() for title in (2, 3, 4))
    yield Claim(
        id="default-torch",
        statement="PyTorch's default weights shrink the gradient of a ReLU network by 1/√6 in every layer",
        sources=("Glorot & Bengio 2010, equation 1", "torch.nn.Linear"),
        verdict="confirmed",
        measure="factor by which one layer multiplies the gradient's root mean square over the networks, "
        f"through {ladder.DEPTH - 1} layers of nn.Linear({ladder.WIDTH}, {ladder.WIDTH}) and ReLU",
        estimate=estimate,
        interval=(low, high),
        n=result["rms"].shape[-1],
        holds=abs(estimate - expected) < 0.01
        and low - 0.01 < expected < high + 0.01
        and abs(keras - math.sqrt(0.5)) < 0.05,
        finding=f"Measured {estimate:.3f}, 1/√6 is {expected:.3f}. nn.Linear draws U(−1/√n, 1/√n), of "
        "variance 1/(3n), the rule that Glorot and Bengio found wanting. Keras's default, Glorot's uniform "
        f"weights and biases of 0, multiplies by {keras:.3f}, predicted {math.sqrt(0.5):.3f}; He's weights "
        f"by {he:.3f}.",
    )
