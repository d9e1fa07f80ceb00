"""Gradients on their way back through networks of equal layers, measured and predicted."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from unitgain.initializers import normal_
from unitgain.theory import chi, variance_map

Function = Callable[[Tensor], Tensor]


def side_by_side(functions: Sequence[Function], columns: int = 1) -> Function:
    """One function of (…, len(functions) * columns): each of `functions` for so many columns."""

    def apply(z: Tensor) -> Tensor:
        parts = z.split(columns, -1)
        return torch.cat([f(part) for f, part in zip(functions, parts, strict=True)], -1)

    return apply


def sizes(
    *, networks: int, width: int, depth: int, functions: Sequence[Function], scales: Tensor, generator
) -> Tensor:
    """Gradient sizes in networks without biases: (functions, scales, depth, networks).

    A weight has the standard deviation scale / √width. At index l is the root mean square over the units of
    the gradient that has passed l + 1 layers, over that at the output layer, where it is normal. All
    functions and scales share the draws of input N(0, 1), weights and gradient: each is a column.
    """
    columns = len(functions) * len(scales)
    function, scale = side_by_side(functions, len(scales)), scales.repeat(len(functions))

    def draw(*shape: int) -> Tensor:
        empty = torch.empty(networks, *shape, dtype=scales.dtype, device=scales.device)
        return normal_(empty, generator=generator)

    h, arriving = draw(width, 1).expand(-1, -1, columns), draw(width, 1)
    z = []
    for _ in range(depth + 1):
        z.append((draw(width, width) @ h * (scale / width**0.5)).requires_grad_())
        h = function(z[-1])
    gradients = torch.autograd.grad(z[-1], z[:-1], arriving.expand_as(z[-1]))
    norms = torch.stack([g.double().norm(dim=-2) for g in reversed(gradients)])  # float32 squares overflow
    relative = norms / arriving.double().norm(dim=-2)
    return relative.unflatten(-1, (len(functions), len(scales))).permute(2, 3, 0, 1)


def predicted(function: Function, depth: int, scales: Tensor) -> np.ndarray:
    """What mean-field theory makes of `sizes`, as a root mean square over networks: (scales, depth)."""
    weight_var = scales.double().square()
    q, factors = weight_var.clone(), []  # the inputs' mean square is 1
    for _ in range(depth):
        factors.append(chi(function, weight_var, q=q).sqrt())
        q = variance_map(function, q, weight_var)
    return torch.stack(factors[::-1], -1).cumprod(-1).numpy()
