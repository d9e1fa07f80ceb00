"""What is computed at each measured step: written for speed, and none of it waits for an accelerator."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["Counts", "active", "gradient_counts", "joint_norm", "moments", "norm", "wide", "workspace"]

Counts = tuple[Tensor, Tensor, Tensor | int, int]  # of a gradient: norm, zeros, non-finite entries, entries


def wide(dtype: torch.dtype) -> torch.dtype:
    """The dtype of sums: half precision counts to 256 only."""
    return dtype if dtype == torch.float64 else torch.float32


def workspace(memory: dict[torch.dtype, Tensor], like: Tensor) -> Tensor:
    """A tensor to work in: for large ones on the CPU always the same, as fresh pages cost most."""
    dtype = wide(like.dtype)
    if like.numel() < 2**12 or like.device.type != "cpu":
        return torch.empty_like(like, dtype=dtype)
    if dtype not in memory:
        memory[dtype] = torch.empty(0, dtype=dtype)
    return memory[dtype].resize_(like.shape)  # its storage grows and never shrinks


def active(z: Tensor, data: tuple[int, ...], work: Tensor) -> Tensor:
    """Number of positive entries; floats are summed four times faster than booleans."""
    return torch.gt(z, 0, out=work).sum(data)


def moments(z: Tensor, data: tuple[int, ...], work: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance, from the mean itself: exact far from 0."""
    mean = z.mean(data, keepdim=True, dtype=work.dtype)
    variance = torch.sub(z, mean, out=work).square_().mean(data)
    return mean.view(variance.shape), variance


def norm(t: Tensor, dims: tuple[int, ...] | None) -> Tensor:
    """Euclidean norm over `dims`, over all if None."""
    return torch.linalg.vector_norm(t, dim=dims, dtype=wide(t.dtype))


def joint_norm(norms: Sequence[Tensor]) -> Tensor:
    """The norm of several vectors' concatenation."""
    return torch.linalg.vector_norm(torch.stack(tuple(norms)), dim=0)


def gradient_counts(g: Tensor, dims: tuple[int, ...] | None, work: Tensor) -> Counts:
    """Norm, number of zeros, number of non-finite entries over `dims`, and of how many entries."""
    length, over = norm(g, dims), tuple(range(g.ndim)) if dims is None else dims
    zeros = torch.eq(g, 0, out=work).sum(over)
    non_finite: Tensor | int = 0
    if g.device.type != "cpu" or not math.isfinite(length.sum() if dims else length):  # asking would wait
        non_finite = torch.mul(g, 0, out=work).ne_(0).sum(over)  # 0 · inf is NaN
    return length, zeros, non_finite, g.numel() // max(zeros.numel(), 1)
