"""Mergeable statistics of all features together: their mean and their scatter matrix.

What `moments` is for the variance of each feature by itself, this is for the covariances between them.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from .moments import NO_FLOAT64, Moments, all_reduced, pieces

__all__ = ["CoMoments"]

CHUNK = 2**19  # elements: with its centered copy, 4 MiB, it stays in the cache
ROWS = 2**14  # more of them add more rounding errors in float32
CHUNK_ON_ACCELERATOR = 2**22
SAFE_SQUARES = (1e-20, 1e30)  # sums of squares between which float32 neither loses nor overflows


class CoMoments(NamedTuple):
    """Count n, mean, and scatter matrix of the features: the sum of the outer products of the deviations.

    The count is an int, mean is float64 `(features,)`, scatter float64 `(features, features)`, symmetric.
    """

    n: int
    mean: Tensor
    scatter: Tensor

    @classmethod
    def measure(
        cls, x: Tensor, dim: int | None = -1, *, omit_nan: bool = False, precise: bool = False
    ) -> Self:
        r"""Co-moments of the rows of `x`.

        $$ \bar x = \tfrac1n\sum_i x_i, \qquad S = \sum_i (x_i - \bar x)(x_i - \bar x)^\top $$

        with $n$ the number of rows $x_i$, $\bar x$ the mean and $S$ the scatter that are returned. Reads `x`
        once, in chunks of about 2^19 elements (or of twice as many rows as features), each centered by itself
        and merged with those before. On the CPU a chunk of float32 or shorter is multiplied in float32: $S$
        is then exact to some 1e-7 of the largest variance (a few 1e-6 where the data take few values, whose
        rounding errors do not average out), wherever the mean lies. Integers, float64 and accelerators are
        multiplied in float64, and everything is if `precise`.

        Args:
            x: Numbers of any real dtype, `(…, n, features)`, at least one row.
            dim: -1; the argument is there to suit `Statistics`.
            omit_nan: False, likewise: NaN goes through.
            precise: Multiply in float64 whatever the data, at two to three times the cost. For those who
                divide by the smallest variances: an error of 1e-7 of the largest is a tenth of one that is a
                million times smaller.

        Returns:
            The co-moments, on the device of `x` (on the CPU where that device has no float64).

        Examples:
            >>> import torch
            >>> n, mean, scatter = CoMoments.measure(torch.tensor([[1.0, 10.0], [3.0, 14.0]]))
            >>> n, mean.tolist(), scatter.tolist()
            (2, [2.0, 12.0], [[2.0, 4.0], [4.0, 8.0]])

        Source: Chan, Golub & LeVeque (1983), "Algorithms for computing the sample variance", The American
        Statistician 37(3), equation 1.7, with products of two features in place of squares of one.
        """
        device = torch.device("cpu") if x.device.type in NO_FLOAT64 else x.device
        short = x.is_floating_point() and x.dtype != torch.float64 and device.type == "cpu"
        dtype = torch.float32 if short and not precise else torch.float64
        features = x.shape[-1]
        size = min(CHUNK, ROWS * features) if device.type == "cpu" else CHUNK_ON_ACCELERATOR
        size = max(size, 2 * features**2)
        whole, memory = cls.nothing((features,), device), None
        for piece in pieces(x.detach(), x.ndim - 1, size):
            rows = piece.to(device, dtype).reshape(-1, features)
            memory = (
                torch.empty_like(rows) if memory is None else memory[: len(rows)]
            )  # the first is the largest
            whole = whole._add_(cls._measure_chunk(rows, memory))
        return whole

    @classmethod
    def _measure_chunk(cls, rows: Tensor, memory: Tensor | None = None) -> Self:
        """Co-moments of `(n, features)` rows, centered in `memory`; the scatter in their dtype if it can."""
        rough = rows[::8].mean(0)  # at most 7^½ standard deviations from the mean, whatever the order
        centered = torch.sub(rows, rough, out=memory)
        error = centered.mean(0)
        product = _gram(centered.sub_(error))
        if rows.dtype == torch.float32:
            squares, (least, most) = product.diagonal(), SAFE_SQUARES
            if centered[:, ~((least < squares) & (squares < most))].any():  # constants are 0, and sound
                return cls._measure_chunk(rows.double())
        return cls(len(rows), rough.double() + error.double(), product)

    @classmethod
    def nothing(cls, features: tuple[int, ...], device: torch.device) -> Self:
        """Co-moments of no data: all are 0."""
        mean = torch.zeros(features, dtype=torch.float64, device=device)
        return cls(0, mean, torch.outer(mean, mean))

    def merge(self, other: Self) -> Self:
        r"""Co-moments of the data of `self` and `other` together.

        $$ n = n_a + n_b, \qquad \delta = \bar x_b - \bar x_a, \qquad
           \bar x = \bar x_a + \delta\,\frac{n_b}{n}, \qquad
           S = S_a + S_b + \delta\delta^\top\,\frac{n_a n_b}{n} $$

        with $n_a$, $\bar x_a$, $S_a$ the count, mean and scatter of `self`, and $n_b$, … those of `other`.

        Args:
            other: Co-moments of as many features, on the same device.

        Returns:
            New co-moments; a side with count 0 changes nothing.

        Raises:
            RuntimeError: The numbers of features differ.

        Examples:
            >>> import torch
            >>> left = CoMoments.measure(torch.zeros(2, 2))
            >>> left.merge(CoMoments.measure(torch.tensor([[2.0, 4.0], [2.0, 4.0]]))).scatter.tolist()
            [[4.0, 8.0], [8.0, 16.0]]

        Source: Chan, Golub & LeVeque (1983), equation 2.1, with products in place of squares.
        """
        return self._replace(scatter=self.scatter.clone())._add_(other)

    def _add_(self, other: Self) -> Self:
        """`merge` in the memory of the scatter: at 784 features a new one costs more than the arithmetic."""
        n = self.n + other.n
        share = other.n / max(n, 1)
        delta = (other.mean - self.mean).mul_(math.sqrt(share * self.n))
        scatter = self.scatter.add_(other.scatter).addr_(delta, delta)
        return type(self)(n, self.mean.lerp(other.mean, share), scatter)

    def all_reduce(self, group: Any = None) -> Self:
        r"""Co-moments of the data of all processes together; every process of the group must call it.

        $$ S = \sum_i S_i + n_i(\bar x_i - \bar x)(\bar x_i - \bar x)^\top $$

        with $n_i$, $\bar x_i$, $S_i$ the count, mean and scatter of process $i$; $\bar x$ is the mean that
        `Moments.all_reduce` gives.

        Args:
            group: A process group of torch.distributed, whose backend communicates from the device of the
                co-moments; None is the default group.

        Returns:
            The same co-moments in every process.

        Source: Chan, Golub & LeVeque (1983), equation 2.1, for many parts at once.
        """
        n, mean, _ = Moments(self.n, self.mean, torch.zeros_like(self.mean)).all_reduce(group)
        delta = self.mean - mean
        scatter = self.scatter + self.n * torch.outer(delta, delta)
        return type(self)(int(torch.as_tensor(n).amax()), mean, all_reduced(scatter, "SUM", group))


def _gram(rows: Tensor) -> Tensor:
    """The transpose of `rows` times `rows`."""
    if rows.device.type != "cpu":
        return rows.mT @ rows
    array = rows.numpy()  # NumPy sees the symmetry and does half the work; torch may be set to round more
    with np.errstate(all="ignore"):  # what overflows is found by who looks at the result
        return torch.from_numpy(array.T @ array)
