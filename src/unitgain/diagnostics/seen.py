"""Tensors on their way from one layer to the next, and how to know one again."""

from __future__ import annotations

import weakref
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .layout import Layout
from .records import Kept

__all__ = ["Seen", "batched", "is_signal"]


class Seen(NamedTuple):
    """What was last seen of a tensor between two layers."""

    tensor: weakref.ref[Tensor]
    version: int  # counted up by in-place operations
    shape: torch.Size
    layout: Layout
    kept: Kept

    @classmethod
    def of(cls, z: Tensor, layout: Layout, kept: Kept) -> Seen:
        """What is to be remembered of `z`."""
        return cls(weakref.ref(z), _version(z), batched(z).shape, layout, kept)

    def is_still(self, z: Tensor) -> bool:
        """Whether `z` is that tensor, unchanged since."""
        return self.tensor() is z and self.version == _version(z) != -1


def _version(z: Tensor) -> int:
    return -1 if z.is_inference() else z._version


def is_signal(z: Any) -> bool:
    """Whether there is anything to measure."""
    return isinstance(z, Tensor) and z.is_floating_point() and z.ndim > 0 and z.numel() > 0


def batched(z: Tensor) -> Tensor:
    """`z` without its graph; a single example becomes a batch of one."""
    return z.detach().unsqueeze(0) if z.ndim == 1 else z.detach()
