"""The chance that a fresh ReLU unit or network is dead."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from .arguments import Number, as_numbers, check_order


def born_dead_probability(width: Number, depth: Number) -> Tensor:
    r"""Chance that a fresh ReLU network is dead on an input: one of its hidden layers passes on only zeros.

    $$1 - (1 - 2^{-n})^L$$

    with n the `width` and L the `depth`. It is exact for one input (not 0), zero biases and weights whose
    distribution is symmetric around 0. On all inputs together a network is dead less often, except with a
    single input feature.

    Args:
        width: Units in each hidden layer, at least 1.
        depth: Hidden layers, at least 0.

    Returns:
        The probability, of the arguments' common shape.

    Raises:
        ValueError: For a number out of range.

    Examples:
        >>> from unitgain.theory import born_dead_probability
        >>> born_dead_probability(width=2, depth=10)
        tensor(0.9437, dtype=torch.float64)

    Source: Lu, Shin, Su & Karniadakis, *Dying ReLU and initialization* (2019), theorem 3.3.
    """
    width, depth = as_numbers("born_dead_probability", width=width, depth=depth)
    return -torch.expm1(depth * torch.log1p(-torch.exp2(-width)))


def _uniform_sum_cdf(scales: list[float], t: float) -> float:
    """P(Σ aᵢ Uᵢ ≤ t) for Uᵢ ~ U(0, 1): the volume of a cube's corner, by inclusion and exclusion."""
    t += sum(abs(a) for a in scales if a < 0)  # a U is distributed as |a| U − |a|
    sizes = [abs(a) for a in scales if a]
    corners, signs = np.zeros(1), np.ones(1)
    for a in sizes:
        corners, signs = np.append(corners, corners + a), np.append(signs, -signs)
    m = len(sizes)
    volume = signs @ np.maximum(t - corners, 0) ** m / (math.factorial(m) * math.prod(sizes))
    return min(max(float(volume), 0.0), 1.0)


def inactive_probability(low: Number, high: Number, features: int, *, bias: Number = 1.0) -> Tensor:
    r"""Chance that a fresh ReLU unit is dead on every point of the box [low, high]^d.

    A linear function is negative on a box if it is so at its worst corner, for weights and bias U(−1, 1)

    $$P\Big(\sum_{i=1}^d \max(w_i\, \text{low}, w_i\, \text{high}) + b \le 0\Big)$$

    with d the `features`. Given the weights' signs this is a sum of uniform variables, whose distribution is
    a piecewise polynomial. By symmetry the unit is active on the *whole* box as often. On finitely many
    points of the box it is dead a little more often.

    Args:
        low: Lower end of every feature, finite.
        high: Upper end, at least `low`.
        features: d, 1 to 12: the sum has some 2^d terms that cancel.
        bias: b is U(−bias, bias), above 0; only its size beside the weights matters.

    Returns:
        The probability, of the shape of `low`, `high` and `bias`, right to 1e-6 or better.

    Raises:
        ValueError: For a number out of range.

    Examples:
        >>> from unitgain.theory import inactive_probability
        >>> inactive_probability(low=8.0, high=10.0, features=2)
        tensor(0.4504, dtype=torch.float64)

    Source: The worst corner as in interval bounds (Gowal et al., *On the effectiveness of interval bound
    propagation*, 2018); sums of uniform variables in Feller, *An Introduction to Probability Theory and Its
    Applications*, volume 2 (1971), section I.9.
    """
    low, high, bias = as_numbers("inactive_probability", low=low, high=high, bias=bias)
    if not 1 <= features <= 12:
        raise ValueError(f"inactive_probability: features must be from 1 to 12, got {features}")
    check_order("inactive_probability", low=low, high=high)
    boxes = zip(low.flatten().tolist(), high.flatten().tolist(), bias.flatten().tolist(), strict=True)
    positive = range(features + 1)  # weights
    shares = [math.comb(features, k) / 2**features for k in positive]
    chances = [
        sum(shares[k] * _uniform_sum_cdf([h] * k + [-l] * (features - k) + [2 * b], b) for k in positive)
        for l, h, b in boxes
    ]
    return low.new_tensor(chances).view(low.shape)
