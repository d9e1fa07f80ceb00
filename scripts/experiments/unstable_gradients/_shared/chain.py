"""Chains of one sigmoid neuron a layer, and the article's recipe that makes one explode."""

import numpy as np
import torch
from torch import Tensor

from unitgain.models import ScalarChain
from unitgain.theory import sigmoid_window

WEIGHT = 100.0  # the recipe's


def explosive(x: Tensor, depth: int, offset: Tensor | float = 0.0) -> ScalarChain:
    """A chain for each input of x (n,), with weights 100 and biases −100 a: every weighted input would be 0.

    `offset` is added to the first bias, which breaks the recipe in every layer.
    """
    chain = ScalarChain(depth, "sigmoid", replicas=len(x), weight="zeros", device=x.device, dtype=x.dtype)
    with torch.no_grad():
        chain.weight.fill_(WEIGHT)
        chain.bias.fill_(-WEIGHT / 2)  # a = σ(0) = ½ from the second layer on
        chain.bias[:, 0] = -WEIGHT * x + offset
    return chain


def reach(weight) -> np.ndarray:
    """Largest |z| at which |w| σ′(z) ≥ 1: half the window of inputs, in units of z."""
    w = np.abs(np.asarray(weight, dtype=np.float64))
    return sigmoid_window(torch.tensor(w)).numpy() * w / 2
