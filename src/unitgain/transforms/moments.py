"""Mergeable statistics of each feature: its moments, its extremes.

A chunk of the data gives one set of statistics; two sets merge into that of both chunks together. Streaming,
merging and synchronizing processes are all this one merge, so they agree with each other and with reading
everything at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Any, NamedTuple, Protocol, Self

import torch
from torch import Tensor

__all__ = ["Extremes", "Moments", "Statistics", "all_reduced", "dimensions", "float64_chunks", "pieces"]

CHUNK = 2**19  # elements: the float64 copy, 4 MiB, stays in the cache; smaller ones cost more calls
CHUNK_ON_ACCELERATOR = 2**22  # 32 MiB: fewer, larger kernels
TINY = 1e-9  # of the rounding of a mean: far below any difference of two float64 numbers
WITHOUT_ORDER = (torch.uint16, torch.uint32, torch.uint64)  # torch finds no extremes of these and of float8
NO_FLOAT64 = ("mps",)  # devices that cannot hold the statistics


class Statistics(Protocol):
    """What a `Transform` keeps of its data: a NamedTuple of the count n and of tensors on one device.

    The count is an int where all features have the same, else int64 `(features,)`. No method changes a
    tensor that it is given.
    """

    @property
    def n(self) -> Tensor | int:
        """How many values stand behind the statistics of a feature."""

    @classmethod
    def measure(cls, x: Tensor, dim: int | None, *, omit_nan: bool) -> Self:
        """Statistics of `x`, each entry of dimension `dim` apart, on the device of `x` if it has float64."""

    @classmethod
    def nothing(cls, features: tuple[int, ...], device: torch.device) -> Self:
        """Statistics of no data, which change nothing where they are merged."""

    def merge(self, other: Self) -> Self:
        """Statistics of the data of both together."""

    def all_reduce(self, group: Any) -> Self:
        """Statistics of the data of all processes of `group`, the same in each; n is `(features,)`."""


class Moments(NamedTuple):
    """Count n, mean, and sum of the squared deviations from the mean m2 of each feature.

    `features` is `()` where all values share one statistic. The count is an int where all features have the
    same, else int64 `(features,)`; mean and m2 are float64 `(features,)`.
    """

    n: Tensor | int
    mean: Tensor
    m2: Tensor

    @classmethod
    def measure(cls, x: Tensor, dim: int | None = -1, *, omit_nan: bool = False) -> Self:
        r"""Moments of `x`, each entry of dimension `dim` apart.

        Reads `x` once, chunk by chunk through one reused float64 buffer, and corrects the rounding of the
        mean:

        $$ \bar x = m + \tfrac1n\sum_i (x_i - m), \qquad
           M_2 = \sum_i (x_i - m)^2 - n(\bar x - m)^2, \qquad m \approx \tfrac1n \sum_i x_i $$

        with $n$ the count, $\bar x$ the mean and $M_2$ the m2 that are returned. The mean of a constant is
        that constant, to the bit, and its $M_2$ is 0.

        Args:
            x: Numbers of any real dtype, at least one; two or more dimensions unless `dim` is None.
            dim: The dimension whose entries (`features` of them) are measured apart; None measures all values
                as one.
            omit_nan: Leave NaN out of the statistics instead of letting it through.

        Returns:
            The moments, on the device of `x` (on the CPU where that device has no float64). A feature without
            values has count, mean and m2 0.

        Raises:
            IndexError: `x` has no dimension `dim`.

        Examples:
            >>> import torch
            >>> count, mean, m2 = Moments.measure(torch.tensor([[1.0, 10.0], [3.0, 10.0]]))
            >>> count, mean.tolist(), m2.tolist()
            (2, [2.0, 10.0], [2.0, 0.0])

        Source: Chan, Golub & LeVeque (1983), "Algorithms for computing the sample variance", The American
        Statistician 37(3), equation 1.7.
        """
        keep, others = dimensions(x, dim)
        chunks = float64_chunks(x, keep)
        return reduce(cls.merge, (cls._measure_and_destroy(chunk, others, omit_nan) for chunk in chunks))

    @classmethod
    def _measure_and_destroy(cls, values: Tensor, dims: list[int], omit_nan: bool) -> Self:
        """Moments over `dims` of float64 `values`, which is overwritten."""
        count: Tensor | int
        if omit_nan:
            missing = values.isnan()
            count = (~missing).sum(dims)
            n = count.clamp(min=1)
            mean = values.masked_fill_(missing, 0.0).sum(dims, keepdim=True)
            mean.div_(n.view_as(mean))
            off = values.sub_(mean).masked_fill_(missing, 0.0).sum(dims)
            error = off / n
        else:
            mean = values.sum(dims, keepdim=True)
            count = values.numel() // mean.numel()
            off = values.sub_(mean.div_(count)).sum(dims)
            error = off / count
        m2 = values.square_().sum(dims)  # less what the rounding of the mean adds: a constant has none
        m2.addcmul_(off, error, value=-1 - TINY).clamp_(min=0.0)
        return cls(count, error.add_(mean.view_as(error)), m2)

    @classmethod
    def nothing(cls, features: tuple[int, ...], device: torch.device) -> Self:
        """Moments of no data: all are 0."""
        zeros = torch.zeros(features, dtype=torch.float64, device=device)
        return cls(0, zeros, zeros)

    def merge(self, other: Self) -> Self:
        r"""Moments of the data of `self` and `other` together.

        $$ n = n_a + n_b, \qquad \delta = \bar x_b - \bar x_a, \qquad
           \bar x = \bar x_a + \delta\,\frac{n_b}{n}, \qquad
           M_2 = M_{2,a} + M_{2,b} + \delta^2\,\frac{n_a n_b}{n} $$

        with $n_a$, $\bar x_a$, $M_{2,a}$ the count, mean and m2 of `self`, and $n_b$, … those of `other`.

        Args:
            other: Moments of as many features, on the same device.

        Returns:
            New moments; a side with count 0 changes nothing.

        Raises:
            RuntimeError: The numbers of features differ.

        Examples:
            >>> import torch
            >>> left = Moments.measure(torch.tensor([[1.0], [2.0]]))
            >>> left.merge(Moments.measure(torch.tensor([[6.0]]))).mean.item()
            3.0

        Source: Chan, Golub & LeVeque (1983), equation 2.1.
        """
        count = self.n + other.n
        share = other.n / (count.clamp(min=1).double() if isinstance(count, Tensor) else max(count, 1))
        between = (other.mean - self.mean).square_().mul_(share * self.n)
        return self.__class__(count, self.mean.lerp(other.mean, share), between.add_(self.m2).add_(other.m2))

    def all_reduce(self, group: Any = None) -> Self:
        r"""Moments of the data of all processes together; every process of the group must call it.

        $$ n = \sum_i n_i, \qquad
           \bar x = r + \tfrac1n\sum_i n_i(\bar x_i - r), \qquad
           M_2 = \sum_i M_{2,i} + n_i(\bar x_i - \bar x)^2 $$

        with $n_i$, $\bar x_i$, $M_{2,i}$ the moments of process $i$, and $r$ the largest of the means, which
        keeps the mean of a constant equal to that constant, to the bit.

        Args:
            group: A process group of torch.distributed, whose backend communicates from the device of the
                moments; None is the default group.

        Returns:
            The same moments in every process, count `(features,)`.

        Source: Chan, Golub & LeVeque (1983), equation 2.1, for many parts at once.
        """
        count, mean, m2 = (torch.as_tensor(part, device=self.mean.device).double() for part in self)
        reference = all_reduced(mean.where(count > 0, -torch.inf), "MAX", group)
        reference.masked_fill_(reference == -torch.inf, 0.0)
        n, shift = all_reduced(torch.stack([count.expand_as(mean), count * (mean - reference)]), "SUM", group)
        together = reference + shift / n.clamp(min=1)
        return type(self)(
            n.long(), together, all_reduced(m2 + count * (mean - together).square(), "SUM", group)
        )


class Extremes(NamedTuple):
    """Count n, lowest and highest value of each feature.

    Shapes as in `Moments`; low and high are float64, infinity and minus infinity where there is no value.
    """

    n: Tensor | int
    low: Tensor
    high: Tensor

    @classmethod
    def measure(cls, x: Tensor, dim: int | None = -1, *, omit_nan: bool = False) -> Self:
        """Extremes of `x`, each entry of dimension `dim` apart.

        Args:
            x: Numbers of any real dtype, at least one; two or more dimensions unless `dim` is None.
            dim: The dimension whose entries (`features` of them) are measured apart; None measures all values
                as one.
            omit_nan: Leave NaN out instead of letting it through.

        Returns:
            The extremes, on the device of `x` (on the CPU where that device has no float64).

        Raises:
            IndexError: `x` has no dimension `dim`.

        Examples:
            >>> import torch
            >>> count, low, high = Extremes.measure(torch.tensor([[1.0, 10.0], [3.0, -10.0]]))
            >>> count, low.tolist(), high.tolist()
            (2, [1.0, -10.0], [3.0, 10.0])
        """
        keep, others = dimensions(x, dim)
        device = torch.device("cpu") if x.device.type in NO_FLOAT64 else x.device
        size = CHUNK if x.device.type == "cpu" else CHUNK_ON_ACCELERATOR
        parts = (cls._measure_piece(piece, others, omit_nan) for piece in pieces(x.detach(), keep, size))
        n, low, high = reduce(cls.merge, parts)
        return cls(
            n.to(device) if isinstance(n, Tensor) else n,
            low.to(device).double(),
            high.to(device).double(),
        )

    @classmethod
    def _measure_piece(cls, values: Tensor, dims: list[int], omit_nan: bool) -> Self:
        """Extremes over `dims`, in the dtype of `values`; torch.aminmax is 5 times slower than its halves."""
        if values.dtype in WITHOUT_ORDER or (values.is_floating_point() and values.itemsize == 1):
            values = values.double()
        if omit_nan and values.is_floating_point():
            missing = values.isnan()
            return cls(
                (~missing).sum(dims),
                values.masked_fill(missing, torch.inf).amin(dims),
                values.masked_fill(missing, -torch.inf).amax(dims),
            )
        low = values.amin(dims)
        n = values.numel() // low.numel()
        return cls(torch.full_like(low, n, dtype=torch.int64) if omit_nan else n, low, values.amax(dims))

    @classmethod
    def nothing(cls, features: tuple[int, ...], device: torch.device) -> Self:
        """Extremes of no data."""
        infinity = torch.full(features, torch.inf, dtype=torch.float64, device=device)
        return cls(0, infinity, -infinity)

    def merge(self, other: Self) -> Self:
        """Extremes of the data of `self` and `other` together."""
        return type(self)(
            self.n + other.n, torch.minimum(self.low, other.low), torch.maximum(self.high, other.high)
        )

    def all_reduce(self, group: Any = None) -> Self:
        """Extremes of the data of all processes together; every process of the group must call it."""
        n = torch.as_tensor(self.n, device=self.low.device).expand(self.low.shape).clone()
        low, high = self.low.clone(), self.high.clone()
        return type(self)(
            all_reduced(n, "SUM", group), all_reduced(low, "MIN", group), all_reduced(high, "MAX", group)
        )


def pieces(x: Tensor, keep: int | None, size: int) -> Iterator[Tensor]:
    """Views of at most about `size` elements that together are `x`, cut along any dimension but `keep`."""
    cut = next((d for d in range(x.ndim) if d != keep and x.shape[d] > 1), None)
    if x.numel() <= size or cut is None:
        yield x
        return
    step = max(1, size * x.shape[cut] // x.numel())
    for part in x.split(step, cut):
        yield from pieces(part, keep, size)


def float64_chunks(x: Tensor, keep: int | None) -> Iterator[Tensor]:
    """The pieces of `x` in float64, each in the memory of the one before: the reader may overwrite it."""
    device = torch.device("cpu") if x.device.type in NO_FLOAT64 else x.device
    size = CHUNK if device.type == "cpu" else CHUNK_ON_ACCELERATOR
    buffer: Tensor | None = None
    for piece in pieces(x.detach(), keep, max(size, 8 * (1 if keep is None else x.shape[keep]))):
        if buffer is None:  # the first piece is the largest
            buffer = piece.to(device, torch.float64, copy=True, memory_format=torch.contiguous_format)
            yield buffer
        else:
            yield buffer.view(-1)[: piece.numel()].view(piece.shape).copy_(piece)


def all_reduced(values: Tensor, operation: str, group: Any) -> Tensor:
    """`values`, overwritten by their SUM, MIN or MAX over the processes of a torch.distributed `group`."""
    from torch import distributed

    distributed.all_reduce(values, getattr(distributed.ReduceOp, operation), group)
    return values


def dimensions(x: Tensor, dim: int | None) -> tuple[int | None, list[int]]:
    """`dim` counted from the front, and the dimensions to reduce over."""
    keep = None if dim is None else range(x.ndim)[dim]
    return keep, [d for d in range(x.ndim) if d != keep]
