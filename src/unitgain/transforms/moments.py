"""Mergeable statistics of each feature: count, mean, and sum of the squared deviations from it.

A chunk of the data gives one `Moments`; two `Moments` merge into that of both chunks together. Streaming,
merging and synchronizing processes are all this one merge, so they agree with each other and with reading
everything at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

__all__ = ["Moments", "all_reduce", "measure", "merge"]

CHUNK = 2**19  # elements: the float64 copy, 4 MiB, stays in the cache; smaller ones cost more calls
CHUNK_ON_ACCELERATOR = 2**22  # 32 MiB: fewer, larger kernels
NO_FLOAT64 = ("mps",)  # devices that cannot hold the statistics


class Moments(NamedTuple):
    """What is kept of the data; `features` is `()` where all values share one statistic.

    The count n is an int where all features have the same, else int64 `(features,)`; mean and m2 are float64
    `(features,)`.
    """

    n: Tensor | int
    mean: Tensor
    m2: Tensor


def measure(x: Tensor, dim: int | None = -1, *, omit_nan: bool = False) -> Moments:
    r"""Moments of `x`, each entry of dimension `dim` apart.

    Reads `x` once, chunk by chunk through one reused float64 buffer, and corrects the rounding of the mean:

    $$ \bar x = m + \tfrac1n\sum_i (x_i - m), \qquad
       M_2 = \sum_i (x_i - m)^2, \qquad m \approx \tfrac1n \sum_i x_i $$

    with $n$ the count, $\bar x$ the mean and $M_2$ the m2 that are returned. The mean of a constant is that
    constant, to the bit.

    Args:
        x: Numbers of any real dtype, at least one; two or more dimensions unless `dim` is None.
        dim: The dimension whose entries (`features` of them) are measured apart; None measures all values as
            one.
        omit_nan: Leave NaN out of the statistics instead of letting it through.

    Returns:
        The moments, on the device of `x` (on the CPU where that device has no float64). A feature without
        values has count, mean and m2 0.

    Raises:
        IndexError: `x` has no dimension `dim`.

    Examples:
        >>> import torch
        >>> count, mean, m2 = measure(torch.tensor([[1.0, 10.0], [3.0, 10.0]]))
        >>> count, mean.tolist(), m2.tolist()
        (2, [2.0, 10.0], [2.0, 0.0])

    Source: Chan, Golub & LeVeque (1983), "Algorithms for computing the sample variance", The American
    Statistician 37(3), equation 1.7.
    """
    keep = None if dim is None else range(x.ndim)[dim]
    others = [d for d in range(x.ndim) if d != keep]
    device = torch.device("cpu") if x.device.type in NO_FLOAT64 else x.device
    width = 1 if keep is None else x.shape[keep]
    chunk = max(CHUNK if device.type == "cpu" else CHUNK_ON_ACCELERATOR, 8 * width)

    total: Moments | None = None
    buffer: Tensor | None = None
    for piece in pieces(x.detach(), keep, chunk):
        if buffer is None:  # the first piece is the largest
            values = piece.to(device, torch.float64, copy=True, memory_format=torch.contiguous_format)
            buffer = values.view(-1)
        else:
            values = buffer[: piece.numel()].view(piece.shape).copy_(piece)
        moments = _measure_and_destroy(values, others, omit_nan)
        total = moments if total is None else merge(total, moments)
    assert total is not None
    return total


def pieces(x: Tensor, keep: int | None, size: int) -> Iterator[Tensor]:
    """Views of at most about `size` elements that together are `x`, cut along any dimension but `keep`."""
    cut = next((d for d in range(x.ndim) if d != keep and x.shape[d] > 1), None)
    if x.numel() <= size or cut is None:
        yield x
        return
    step = max(1, size * x.shape[cut] // x.numel())
    for part in x.split(step, cut):
        yield from pieces(part, keep, size)


def _measure_and_destroy(values: Tensor, dims: list[int], omit_nan: bool) -> Moments:
    """Moments over `dims` of float64 `values`, which is overwritten."""
    count: Tensor | int
    n: Tensor | int
    if omit_nan:
        missing = values.isnan()
        values.masked_fill_(missing, 0.0)
        count = (~missing).sum(dims)
        n = count.clamp(min=1)
        mean = values.sum(dims, keepdim=True)
        mean.div_(n.view_as(mean))
        values.sub_(mean).masked_fill_(missing, 0.0)
    else:
        count = math.prod(values.shape[d] for d in dims)
        n = count
        mean = values.sum(dims, keepdim=True).div_(n)
        values.sub_(mean)
    error = values.sum(dims).div_(n)  # of the mean
    return Moments(count, error.add_(mean.view_as(error)), values.square_().sum(dims))


def merge(a: Moments, b: Moments) -> Moments:
    r"""Moments of the data of `a` and `b` together.

    $$ n = n_a + n_b, \qquad \delta = \bar x_b - \bar x_a, \qquad
       \bar x = \bar x_a + \delta\,\frac{n_b}{n}, \qquad
       M_2 = M_{2,a} + M_{2,b} + \delta^2\,\frac{n_a n_b}{n} $$

    with $n_a$, $\bar x_a$, $M_{2,a}$ the count, mean and m2 of `a`, and likewise for `b`.

    Args:
        a: Moments of `features` features.
        b: The same, on the same device.

    Returns:
        New moments; a side with count 0 changes nothing.

    Raises:
        RuntimeError: The numbers of features differ.

    Examples:
        >>> import torch
        >>> left, right = measure(torch.tensor([[1.0], [2.0]])), measure(torch.tensor([[6.0]]))
        >>> merge(left, right).mean.item()
        3.0

    Source: Chan, Golub & LeVeque (1983), equation 2.1.
    """
    count = a.n + b.n
    share = b.n / (count.clamp(min=1).double() if isinstance(count, Tensor) else max(count, 1))
    between = (b.mean - a.mean).square_().mul_(share * a.n)
    return Moments(count, a.mean.lerp(b.mean, share), between.add_(a.m2).add_(b.m2))


def all_reduce(moments: Moments, group: Any = None) -> Moments:
    r"""Moments of the data of all processes together; every process of the group must call it.

    $$ n = \sum_i n_i, \qquad
       \bar x = r + \tfrac1n\sum_i n_i(\bar x_i - r), \qquad
       M_2 = \sum_i M_{2,i} + n_i(\bar x_i - \bar x)^2 $$

    with $n_i$, $\bar x_i$, $M_{2,i}$ the `moments` of process $i$, and $r$ the largest of the means, which
    keeps the mean of a constant equal to that constant, to the bit.

    Args:
        moments: This process's moments, on the device that the group's backend communicates from; a mean of
            shape (0,) says that it has no data.
        group: A process group of torch.distributed; None is the default group.

    Returns:
        The same moments in every process, count `(features,)`; the argument where no process has data.

    Raises:
        ValueError: The processes have different numbers of features. It is raised in all of them.

    Source: Chan, Golub & LeVeque (1983), equation 2.1, for many parts at once.
    """
    import torch.distributed as dist

    def reduced(values: Tensor, op: dist.ReduceOp.RedOpType) -> Tensor:
        dist.all_reduce(values, op=op, group=group)
        return values

    device = moments.mean.device
    features = moments.mean.numel() if moments.mean.ndim else -1  # -1: one statistic for all, not one feature
    extent = torch.tensor([features, -features] if features else [-(2**62)] * 2, device=device)
    most, least = (reduced(extent, dist.ReduceOp.MAX) * torch.tensor([1, -1], device=device)).tolist()
    if most < -1:
        return moments
    if most != least:
        raise ValueError(f"processes must have equal numbers of features, but have from {least} to {most}")
    shape = () if most == -1 else (most,)
    if features:
        count, mean, m2 = (
            torch.as_tensor(part, dtype=torch.float64, device=device).expand(shape) for part in moments
        )
    else:
        count = mean = m2 = torch.zeros(shape, dtype=torch.float64, device=device)

    reference = reduced(mean.where(count > 0, -torch.inf), dist.ReduceOp.MAX)
    reference.masked_fill_(reference == -torch.inf, 0.0)
    n, shift = reduced(torch.stack([count, count * (mean - reference)]), dist.ReduceOp.SUM)
    together = reference + shift / n.clamp(min=1)
    m2 = reduced(m2 + count * (mean - together).square(), dist.ReduceOp.SUM)
    return Moments(n.long(), together, m2)
