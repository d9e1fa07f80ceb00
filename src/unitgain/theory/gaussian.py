"""Gaussian means of a function and of pairs, by Gauss-Legendre quadrature."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor

from .arguments import LARGE, Function

# Quadrature in the plane: panels of radii, nodes a panel, nodes of the angle, power that draws these to 0
COARSE = (0, 1.2, 3.8, 8.2), 14, 20, 2  # for q up to 9
FINE = (0, 0.25, 1, 2.5, 5, 9), 12, 28, 3


def derivative_of(f: Function) -> Function:
    def slope(u: Tensor) -> Tensor:
        with torch.inference_mode(False), torch.enable_grad():
            z = u.detach().clone().requires_grad_()
            y = f(z)
            return torch.autograd.grad(y.sum(), z)[0] if y.requires_grad else torch.zeros_like(u)

    return slope


def _panels(edges: Sequence[float], nodes: int) -> tuple[Tensor, Tensor]:
    x, weight = np.polynomial.legendre.leggauss(nodes)
    half = np.diff(edges)[:, None] / 2
    z = np.array(edges)[:-1, None] + half * (x + 1)
    return torch.from_numpy(z.ravel()), torch.from_numpy((half * weight).ravel())


@cache
def _line() -> tuple[Tensor, Tensor]:
    """Nodes and weights of E g(z), z ~ N(0, 1): finer towards 0, where f(√q z) changes fast for large q."""
    z, weight = _panels([0, *(4.0**-k for k in range(8, -1, -1)), 2, 4, 6, 8, 10, 12], 12)
    weight = weight * torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
    return torch.cat([-z.flip(0), z]), torch.cat([weight.flip(0), weight])


@cache
def _plane(edges: tuple[float, ...], radii: int, angles: int, power: int) -> tuple[Tensor, ...]:
    """Radii of both signs and angles in (0, 1), denser at 0, with their weights."""
    r, weight = _panels(edges, radii)
    weight = weight * r * torch.exp(-r.square() / 2) / math.pi
    t, angle_weight = _panels((0, 1), angles)
    nodes = torch.cat([-r, r]), torch.cat([weight, weight])
    return *nodes, t**power, angle_weight * power * t ** (power - 1)


@torch.no_grad()
def gaussian_mean(g: Function, q: Tensor) -> Tensor:
    """E g(√q z) for z ~ N(0, 1), of the shape of q; in blocks that stay in the processor's cache."""
    z, weight = (t.to(q.device) for t in _line())
    sd = q.clamp(max=LARGE).sqrt().flatten()
    return torch.cat([g(s[:, None] * z) @ weight for s in sd.split(256)]).view(q.shape)


@torch.no_grad()
def gaussian_pair_mean(g: Function, q: Tensor, c: Tensor) -> Tensor:
    """E g(u) g(v) for normal u, v of variance q and correlation c.

    In polar coordinates u = √q r sin φ and v = √q r sin(φ + θ), cos θ = c: what happens at u = 0 or v = 0
    happens along rays. Between them lie the sector of equal signs, of angle π − θ, and that of unequal signs,
    of angle θ; exchanging u and v mirrors each, so half of each will do, with r of both signs.
    """
    sd, angle = q.clamp(max=LARGE).sqrt().flatten(), c.acos().flatten()
    means = []
    for s, theta in zip(sd.split(16), angle.split(16), strict=True):
        rule = FINE if (s > 3).any() else COARSE
        r, weight, t, angle_weight = (x.to(q.device) for x in _plane(*rule))
        radius, total = s[:, None, None] * r, torch.zeros_like(s)
        for sign, half in ((1, (math.pi - theta) / 2), (-1, theta / 2)):
            phi = half[:, None] * t
            u = sign * phi.sin()[..., None] * radius
            v = (theta[:, None] + sign * phi).sin()[..., None] * radius
            total = total + half * (g(u) * g(v) @ weight @ angle_weight)
        means.append(total)
    return torch.cat(means).view(q.shape)
