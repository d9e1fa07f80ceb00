"""Can a maxout layer be any ReLU or leaky ReLU layer, and what does it cost?  Chapter: activations."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

from experiments.evidence import Claim
from experiments.trials import generator
from experiments.words import number
from unitgain.activations import Maxout

SLOPES = (0.0, 0.01, 0.25, 0.9)  # below 0; 0 is ReLU
SIZES = (2, 20, 200)  # inputs, and as many units
EXAMPLES = 50
ROUNDING = 1e-12


def _pieces(weight: Tensor, slope: float) -> Tensor:
    """Rows that a maxout unit takes the larger of: w itself, and w times the slope, side by side."""
    return torch.stack([weight, slope * weight], dim=-2).flatten(0, 1)


def compute(*, tables=20, seed=0, device="cpu"):
    """Largest relative `difference` between the outputs of a layer and of its maxout form, and of the
    gradients for the inputs, `gradient`: (SLOPES, SIZES, tables); and how many `weights` each of the two
    has, of the largest (2,).
    """
    draw, found = generator(seed), []
    for size in SIZES:
        for _ in range(tables):
            weight, bias, x = (
                torch.randn(*shape, generator=draw, dtype=torch.float64).to(device)
                for shape in ((size, size), (size, 1), (EXAMPLES, size))
            )
            affine = torch.cat([weight, bias], dim=1)
            rows = torch.cat([x, torch.ones_like(x[:, :1])], dim=1).requires_grad_()
            for slope in SLOPES:
                both = _pieces(affine, slope)
                plain, maxout = leaky_relu(rows @ affine.T, slope), Maxout(2)(rows @ both.T)
                one, other = (torch.autograd.grad(h.sum(), rows)[0] for h in (plain, maxout))
                pairs = (plain.detach(), maxout.detach()), (one, other)
                found.append([(a - b).abs().max() / a.abs().max() for a, b in pairs])
    shape = len(SIZES), tables, len(SLOPES), 2
    difference, gradient = torch.tensor(found, dtype=torch.float64).reshape(shape).permute(3, 2, 0, 1)
    weights = torch.tensor([affine.numel(), both.numel()])
    return {"difference": difference, "gradient": gradient, "weights": weights}


def claims(result) -> Iterator[Claim]:
    plain, maxout = result["weights"]
    yield Claim.of_identity(
        np.concatenate([result["difference"].ravel(), result["gradient"].ravel()]),
        id="maxout-special-cases",
        statement="Maxout generalizes ReLU and leaky ReLU: both are special cases of it, at twice the "
        "parameters",
        sources=("cs231n-1, activation functions", "goodfellow-2013, section 3"),
        verdict="confirmed",
        measure="largest relative difference between a layer of ReLUs or leaky ReLUs and of maxout units of "
        "two pieces, in outputs and in gradients for the inputs",
        units="layers, each with its own weights, biases and inputs",
        within=ROUNDING,
        holds=maxout == 2 * plain,
        finding=f"With one piece w·x + b and the other a times it, a maxout unit is the larger of z and az: "
        f"a ReLU for a = 0, a leaky ReLU for a between 0 and 1. Both pieces are weights of their own, so "
        f"that a layer has {number(maxout / plain, 1)} times the parameters, and training moves the pieces "
        "apart: what learns is no longer a ReLU.",
    )
