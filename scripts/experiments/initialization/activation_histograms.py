"""How large are the activations in every layer of a deep network, by its first weights?

Chapter: initialization.
"""

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments.initialization._shared import ladder
from experiments.trials import generator
from experiments.words import number, percent
from unitgain.initializers import normal_

AXES = (
    ladder.Axis(np.linspace(-1, 1, 61), lambda x: x, "activation tanh(z)", {-1.0: "−1", 0.0: "0", 1.0: "1"}),
    ladder.decades("activation ReLU(z) where it is not 0 (log scale)"),
)


def compute(*, networks=8, points=50, seed=0, device="cpu"):
    """Histograms of the activations, `tanh` and `relu` (titles, layers, bins), and the root mean square of
    each network's, `rms` (functions, titles, layers, networks); inputs N(0, 1).
    """
    x = normal_(torch.empty(networks, ladder.WIDTH, points), generator=generator(seed, "data")).to(device)

    @torch.no_grad()
    def activations(f, layers):
        return [f(z) for z in ladder.weighted_inputs(f, layers, x)]

    return ladder.measure(activations, AXES, networks, seed)


def _ends(result) -> np.ndarray:
    return np.sqrt(np.square(result["rms"][:, :, -1]).mean(-1))


def draw(result) -> Figure:
    lines = None, ladder.predicted_signal("relu")
    return ladder.draw(AXES, [result[name] for name in ladder.FUNCTIONS], lines, _ends(result), "ends at")


def table(result) -> dict:
    predicted = np.stack([ladder.predicted_signal(name) for name in ladder.FUNCTIONS])
    return ladder.table(result["rms"], predicted, "activation")


def caption(result) -> str:
    small, large, glorot, he, _ = (number(end, 2) for end in _ends(result)[1])
    return (
        f"**After {ladder.DEPTH} layers of ReLUs, activations are of size {small} with weights 0.01 · randn, "
        f"{large} with randn, {glorot} with Glorot's and {he} with He's.**\n\nEach curve is the histogram of "
        "one layer, the first on top, scaled to equal height; over the panels the root mean square in the "
        f"last layer, thin lines: predicted. With tanh, randn drives {percent(_saturated(result))} of the "
        f"last activations beyond ±{AXES[0].bins[-2]:.2f}. {result['rms'].shape[-1]} networks of "
        f"{ladder.WIDTH} units a layer, inputs N(0, 1). Only PyTorch's default has biases; they keep its "
        "activations from falling further."
    )


def _saturated(result) -> float:
    """The share of randn's last tanh activations in the outermost bins."""
    last = result["tanh"][1, -1]
    return float((last[0] + last[-1]) / last.sum())


def alt(result) -> str:
    ends = [", ".join(number(end, 2) for end in row) for row in _ends(result)]
    return (
        "Two rows of five panels, tanh above and ReLU below, each with ten histograms of activations, one a "
        "layer. With tanh they shrink to a needle at 0 for 0.01 randn, stick at minus and plus 1 for randn, "
        "narrow slowly for Glorot's weights, stay wide for He's and narrow fast for PyTorch's default. With "
        "ReLU they wander off to the left for 0.01 randn, to the right for randn, slowly to the left for "
        f"Glorot's, and stay for He's. Sizes in the last layer: tanh {ends[0]}; ReLU {ends[1]}."
    )
