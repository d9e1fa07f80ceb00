"""How large are the activations in every layer of a deep network, by its initial weights?

Chapter: initialization.
"""

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments.initialization._shared import ladder
from experiments.trials import generator
from experiments.words import number, percent
from unitgain.initializers import normal_

AXES = ladder.Axis(np.linspace(-1, 1, 61), lambda x: x), ladder.DECADES  # of tanh's and of ReLU's


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
    labels = {"randn": 10, "He": 0.2, "Glorot,\nPyTorch": -2.4, "0.01 · randn": -10}
    lines = ladder.predicted_signal("relu")
    fig = ladder.draw(result, AXES[0], lines, way=(1, ladder.DEPTH), labels=labels)
    left, right = fig.axes
    left.set(title="ReLU: size in each layer", ylabel="size of the activations (log)")
    right.set(xlabel="activation", xticks=(-1, 0, 1))
    return fig


def table(result) -> dict:
    predicted = np.stack([ladder.predicted_signal(name) for name in ladder.FUNCTIONS])
    return ladder.table(result["rms"], predicted, "activation")


def caption(result) -> str:
    small, large, glorot, he, _ = (number(end, 2) for end in _ends(result)[1])
    return (
        f"**After {ladder.DEPTH} layers of ReLUs, activations are of size {small} with weights 0.01 · randn, "
        f"{large} with randn, {glorot} with Glorot's and {he} with He's.**\n\nLeft: dots are root mean "
        "squares over all units, inputs and networks, lines predictions. Right: histograms scaled to equal "
        f"height; with tanh, randn drives {percent(_saturated(result))} of the last activations beyond "
        f"±{AXES[0].bins[-2]:.2f}. {result['rms'].shape[-1]} networks of {ladder.WIDTH} units a layer, "
        "inputs N(0, 1). PyTorch: the default of `nn.Linear`, the only one with biases; they keep its "
        "activations from falling further."
    )


def _saturated(result) -> float:
    """The fraction of randn's last tanh activations in the outermost bins."""
    last = result["tanh"][1, -1]
    return float((last[0] + last[-1]) / last.sum())


def alt(result) -> str:
    ends = [", ".join(number(end, 2) for end in row) for row in _ends(result)]
    return (
        "Left, the size of ReLU activations over ten layers on a logarithmic axis: it falls steeply for 0.01 "
        "randn, rises steeply for randn, stays at 1 for He's weights, and falls slowly for Glorot's and for "
        "PyTorch's default. Right, histograms of tanh activations in the first and the last layer: in the "
        "last a needle at 0 for 0.01 randn, needles at minus and plus 1 for randn, wide for He's, narrower "
        "for Glorot's and narrow for PyTorch's default. Sizes in the last layer, in the order "
        f"{', '.join(ladder.TITLES)}: tanh {ends[0]}; ReLU {ends[1]}."
    )
