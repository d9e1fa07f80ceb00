"""Which dimension of a tensor between two layers runs over what, and which rows are kept as a sample."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["NORMALIZES", "Layout", "layout_of", "sample_rows"]

CHANNELS_FIRST = (nn.modules.batchnorm._NormBase, nn.GroupNorm)  # right after the examples
SHAPED = (nn.LayerNorm, nn.RMSNorm)  # normalize over the last dimensions, however many
NORMALIZES = (*CHANNELS_FIRST, *SHAPED)
UNITS_LAST = (nn.Linear, nn.Bilinear, nn.Embedding, nn.RNNBase)


class Layout(NamedTuple):
    """Replicas in front, then units and data in any order."""

    units: int  # their dimension, counted from the end
    replicas: int  # leading dimensions that run over networks
    data: tuple[int, ...]  # the dimensions that run over examples and positions


def layout_of(module: nn.Module, z: Tensor, before: tuple[torch.Size, Layout] | None) -> Layout:
    """The layout of `z`, which `module` takes or gives: as its type says, else as in the layer before."""
    units, replicas, known = -1, 0, True
    if hasattr(module, "examples_dim"):  # ours: (*replicas, …) in front, then rows or columns
        units = -2 if module.examples_dim == -1 else -1
        known = hasattr(module, "replicas")
        replicas = len(module.replicas) if known else z.ndim - 2  # type: ignore[arg-type]
    elif isinstance(module, nn.modules.conv._ConvNd):
        units = -1 - len(module.kernel_size)
    elif isinstance(module, CHANNELS_FIRST):
        units = 1 - z.ndim
    elif isinstance(module, SHAPED):
        units = -len(module.normalized_shape)
    elif not isinstance(module, UNITS_LAST):
        units, known = 1 - z.ndim if z.ndim in (4, 5) else -1, False  # (n, channels, h, w), else (…, units)
    if not known and before is not None:
        shape, layout = before
        if len(shape) == z.ndim and shape[layout.units] == z.shape[layout.units]:  # pooled in between, say
            return layout
    return Layout(units, replicas, tuple(d for d in range(replicas - z.ndim, 0) if d != units))


def sample_rows(z: Tensor, layout: Layout, count: int) -> Tensor:
    """At most `count` rows `(*replicas, rows, units)` of the data in `z`; a view where that is all of it."""
    if z.ndim == 2 and layout.units == -1 and z.shape[0] <= count:
        return z
    z = z.movedim(layout.units, -1)
    shape = z.shape[layout.replicas : -1]
    total = math.prod(shape)
    if total <= count:
        return z.flatten(layout.replicas, -2)
    places = torch.unravel_index(_spread(total, count, z.device), shape)
    return z[(slice(None),) * layout.replicas + places]


def _spread(total: int, count: int, device: torch.device) -> Tensor:
    """`count` different numbers below `total`, evenly spread, without rhythm and without a random draw."""
    stride = max(1, round(total * 0.6180339887))
    while math.gcd(stride, total) > 1:
        stride += 1
    return torch.arange(count, device=device).mul_(stride).remainder_(total)
