"""Where a function of one variable falls through 0, for many problems side by side."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor


def crossing(
    g: Callable[..., Tensor], low: Tensor, high: Tensor, g_low: Tensor, g_high: Tensor, *parameters: Tensor
) -> Tensor:
    """Where g(x, *parameters) falls through 0 between low, where it is ≥ 0, and high: Ridders' method.

    All one-dimensional, each element a problem of its own; those that are solved drop out.
    """
    x, active = (low + high) / 2, torch.arange(len(low), device=low.device)
    for _ in range(200):
        if not len(active):
            break
        middle = (low + high) / 2
        g_middle = g(middle, *parameters)
        root = (g_middle.square() - g_low * g_high).clamp(min=1e-300).sqrt()
        new = middle + (middle - low) * (g_middle / root).clamp(-1, 1)
        g_new = g(new, *parameters)
        going = ((new - x[active]).abs() > 1e-13) & (high - low > 1e-13) & (g_new.abs() > 1e-15)
        x[active] = new
        inner, order = torch.stack([middle, new]).sort(0)
        points = torch.stack([low, *inner, high])
        values = torch.stack([g_low, *torch.stack([g_middle, g_new]).gather(0, order), g_high])
        end = 1 + (values[1:3] > 0).long().cumprod(0).sum(0, keepdim=True)  # the first that is not above 0
        low, high = (points.gather(0, i)[0][going] for i in (end - 1, end))
        g_low, g_high = (values.gather(0, i)[0][going] for i in (end - 1, end))
        active, parameters = active[going], tuple(p[going] for p in parameters)
    return x


def settle(growth: Callable[..., Tensor], start: Tensor, *parameters: Tensor) -> Tensor:
    """The first q from `start`, in the direction in which it grows or shrinks, where growth(ln q) is 0."""

    def g(t: Tensor, *p: Tensor) -> Tensor:
        return growth(t, *p).nan_to_num(nan=1e3, posinf=1e3, neginf=-1e3)

    far, parameters = start.log().flatten(), tuple(p.flatten() for p in parameters)
    t, g_far = far, g(far, *parameters)
    sign, at_rest = g_far.sign(), g_far.abs() <= 1e-13
    near, g_near, going = far, g_far, ~at_rest
    for reach in (1, 3, 7, 15, 31, 69):  # 69 = ln LARGE
        near, g_near = torch.where(going, far, near), torch.where(going, g_far, g_near)
        far = torch.where(going, t + sign * reach, far)
        g_far = torch.where(going, g(far, *parameters), g_far)
        going = going & (sign * g_far > -1e-13)
        if not going.any():
            break
    q = torch.where(at_rest, t.exp(), torch.where(sign > 0, math.inf, 0.0))
    inside = ~(going | at_rest)
    (low, high), order = torch.stack([near, far])[:, inside].sort(0)
    values = torch.stack([g_near, g_far])[:, inside].gather(0, order)
    q[inside] = crossing(g, low, high, *values, *(p[inside] for p in parameters)).exp()
    return q.view(start.shape)
