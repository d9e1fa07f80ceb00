"""Scaling: every feature to mean 0 and standard deviation 1."""

from __future__ import annotations

import math
from typing import Any, Literal, Self

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from .base import Array, Transform
from .moments import Moments, all_reduce, measure, merge, pieces

__all__ = ["StandardScaler"]

FRESH = 2**15  # elements from which the memory of a new result matters


class StandardScaler(Transform):
    r"""Standardize features: subtract the mean, divide by the standard deviation.

    $$ z = \frac{x - \mu}{\sigma}, \qquad \mu = \frac1n \sum_{i=1}^{n} x_i, \qquad
       \sigma^2 = \frac1n \sum_{i=1}^{n} (x_i - \mu)^2 $$

    with $x$ the argument of `transform`, $z$ its result, $\mu$ `mean_`, $\sigma^2$ `var_`, $\sigma$ `scale_` and $n$
    `n_samples_seen_`. A constant feature gets $\sigma = 1$ and so becomes exactly 0.

    Fit it on the training part of the data only, and put it in front of the network: `nn.Sequential(scaler, model)`
    carries the statistics in its state_dict, moves them with `.to(device)` and exports them. Statistics are float64
    and no `.half()` changes that; float32 results are within 1e-6 of the exact ones at means up to 1e6 standard
    deviations. `transform` is differentiable with respect to `x`; nothing is ever fitted in `forward`.

    Args:
        dim: The dimension whose entries have statistics of their own: -1 for the columns of a table
            `(…, n, features)`, 1 for the channels of images `(n, channels, height, width)`, None for one mean and one
            standard deviation over all values.
        with_mean: Subtract the mean.
        with_std: Divide by the standard deviation.
        nan: "raise" refuses NaN in `fit`; "omit" leaves it out of the statistics. `transform` passes it on either way.

    Attributes:
        mean_: Means, float64 `(features,)`, `()` where `dim` is None; None until fitted.
        var_: Variances, likewise (divided by n, not n - 1).
        scale_: What `transform` divides by: the root of `var_`, 1 for constant features; None if not `with_std`.
        n_samples_seen_: Number of values behind each mean, int64: `()`, or `(features,)` if `nan="omit"`; 0 until
            fitted.

    Raises:
        TypeError: `dim` is neither an int nor None.
        ValueError: `nan` is neither "raise" nor "omit".

    Example:
        >>> import torch
        >>> from unitgain.transforms import StandardScaler
        >>> x = torch.tensor([[1.0, 1000.0], [2.0, 3000.0], [3.0, 5000.0]])
        >>> scaler = StandardScaler().fit(x)
        >>> scaler(x)
        tensor([[-1.2247, -1.2247],
                [ 0.0000,  0.0000],
                [ 1.2247,  1.2247]])
        >>> scaler.mean_.tolist(), scaler.n_samples_seen_.item()
        ([2.0, 3000.0], 3)

    Reference: Chan, Golub & LeVeque (1983), "Algorithms for computing the sample variance", The American Statistician
    37(3); LeCun, Bottou, Orr & Müller (1998), "Efficient BackProp", section 4.3.

    Differs from scikit-learn: integers give the default dtype (float32), not float64; `dim`, `merge` and `synchronize`
    are new; NaN is refused unless asked for; `mean_` and `var_` are kept whatever `with_mean` and `with_std` are, and
    `n_samples_seen_` under "omit" has one count a feature always; `transform` takes zero rows and returns zero rows,
    takes inf, and never works in place unless `out` is `x`.
    """

    mean_: Tensor | None
    var_: Tensor | None

    def __init__(
        self,
        dim: int | None = -1,
        *,
        with_mean: bool = True,
        with_std: bool = True,
        nan: Literal["raise", "omit"] = "raise",
    ) -> None:
        super().__init__(dim)
        if nan not in ("raise", "omit"):
            raise ValueError(f'nan must be "raise" or "omit", but got {nan!r}')
        self.with_mean = with_mean
        self.with_std = with_std
        self.nan = nan
        self.register_buffer("mean_", None)
        self.register_buffer("var_", None)

    @property
    def scale_(self) -> Tensor | None:
        if not self.with_std or self.mean_ is None or self.var_ is None:
            return None
        return _scale(self.mean_, self.var_)

    def fit(self, x: Array) -> Self:
        """Take the statistics of `x` alone, forgetting any others.

        Args:
            x: Numbers of any real dtype, finite (but see `nan`), at least one; a tensor on any device or a NumPy array.
                `(…, n, features)` for `dim=-1`; at least two dimensions unless `dim` is None.

        Returns:
            The scaler itself, its statistics on the device of `x`.

        Raises:
            TypeError: `x` is no tensor or array, or its numbers are not real.
            ValueError: `x` has the wrong shape, is empty, or holds NaN or infinity. The statistics stay as they were.

        Example:
            >>> StandardScaler(dim=1).fit(torch.rand(8, 3, 4, 4)).n_samples_seen_.item()
            128
        """
        self._keep(self._measured(self._checked_to_fit(x, None)))
        return self

    def partial_fit(self, x: Array) -> Self:
        """Add the data in `x` to the statistics: batch after batch gives what `fit` gives on all of it.

        Args:
            x: As for `fit`, with as many features as before and on the device of the statistics.

        Returns:
            The scaler itself.

        Raises:
            TypeError: As for `fit`.
            ValueError: As for `fit`, or another number of features, or another device. The statistics stay as they were.

        Example:
            >>> scaler = StandardScaler()
            >>> for batch in torch.arange(12.0).view(6, 2).split(4):
            ...     scaler = scaler.partial_fit(batch)
            >>> scaler.mean_.tolist()
            [5.0, 6.0]
        """
        if not self._is_fitted:
            return self.fit(x)
        moments = self._measured(self._checked_to_fit(x, self._features))
        self._keep(merge(self._moments(), moments))
        return self

    def transform(self, x: Array, *, out: Tensor | None = None) -> Tensor:
        """Standardize `x`.

        Args:
            x: Numbers of any real dtype, shaped as for `fit`, with as many features, on the device of the statistics;
                zero rows are fine. NaN and infinity pass through.
            out: Where to put the result: shape of `x`, dtype of the result. It may be `x`, which is otherwise never
                changed. No gradient flows through it.

        Returns:
            A tensor in the shape of `x`, in its dtype if that is a floating one, else in torch's default dtype.

        Raises:
            RuntimeError: The scaler is not fitted.
            TypeError: As for `fit`, or `out` is no tensor.
            ValueError: Another number of features or another device, or an `out` that does not suit.

        Example:
            >>> x = torch.tensor([[1.0], [3.0]])
            >>> scaler = StandardScaler().fit(x)
            >>> scaler.transform(x, out=x) is x, x.tolist()
            (True, [[-1.0], [1.0]])
        """
        x, mean, scale = self._ready(x)
        work = _working_dtype(x.dtype)
        rounded = mean.to(work)
        residual = ((rounded.double() - mean) / scale).to(work)  # what rounding the mean would lose
        rounded, residual, factor = (c.to(x.device) for c in (rounded, residual, scale.reciprocal().to(work)))

        x, room = _room(x, work, out)
        y = torch.sub(x, rounded, out=room)
        return _delivered(torch.addcmul(residual, y, factor, out=room), x, out)

    def inverse_transform(self, x: Array, *, out: Tensor | None = None) -> Tensor:
        """Undo `transform`: $x\\sigma + \\mu$.

        Args:
            x: Standardized numbers; all else as for `transform`.
            out: As for `transform`.

        Returns:
            As for `transform`.

        Raises:
            RuntimeError, TypeError, ValueError: As for `transform`.

        Example:
            >>> scaler = StandardScaler().fit(torch.tensor([[10.0], [30.0]]))
            >>> scaler.inverse_transform(torch.tensor([[0.0], [1.0]])).tolist()
            [[20.0], [30.0]]
        """
