"""What unitgain.plots refuses."""

import torch
from matplotlib.figure import Figure
from torch import nn

from tests.bad_input import Case
from unitgain.diagnostics import LayerSignal, observe
from unitgain.plots import shares


def layers_without_activations() -> list[LayerSignal]:
    model = nn.Linear(2, 3)
    with observe(model) as seen:
        model(torch.ones(4, 2))
    return list(seen.last.layers)


CASES = [
    Case(
        "plots.shares",
        lambda: shares(Figure().subplots(), layers_without_activations()),
        ValueError,
        "shares: layers must include activations, got [''] without any",
    ),
]
