"""Scaling: every feature moved to 0, to mean 0 and standard deviation 1, or into a given range."""

from __future__ import annotations

import math
from typing import Any, Literal, Self

import numpy as np
import torch
from torch import Tensor

from .base import Transform
from .estimator import as_float64, checked_peer, names_of_peer, peer_with
from .moments import Extremes, Moments

__all__ = ["Center", "MinMaxScaler", "StandardScaler"]


class _Scaler(Transform):
    r"""A map of each feature by itself, in the form that float32 does not harm far from 0.

    $$ z = \frac{x - c}{s} + l $$

    with $c$, $s$ and $l$ the center, the scale and the low end that `_line` gives.
    """

    _options = ("dim", "nan")

    scale_: Any

    def _taken_from(self, fitted: Any) -> Self:
        """The scaler with the statistics of scikit-learn's, if it makes the same of them."""
        self._names_in = names_of_peer(fitted)
        ours, theirs = self.scale_, fitted.scale_
        if ours is not None and not (same := np.isclose(ours, theirs, 1e-6, 0, equal_nan=True)).all():
            k = int(np.argmin(same))
            rule = f"fitted must have the scale_ {ours[k].item():.3g} of its statistics in column {k}"
            raise ValueError(f"{self._name}: {rule}, got {theirs[k]:.3g}")
        return self

    def _line(self) -> tuple[Tensor, Tensor, float]:
        """Center and scale, float64 `(features,)`, and low end of the map."""
        raise NotImplementedError

    def _map(self, x: Tensor, out: Tensor | None) -> Tensor:
        center, scale, low = self._line()
        rounded = center.to(x.dtype)
        residual = (rounded.double() - center) / scale + low  # with what rounding the center would lose
        rounded, residual, factor = self._constants(x, rounded, residual, scale.reciprocal())
        return torch.addcmul(residual, torch.sub(x, rounded, out=out), factor, out=out)

    def _inverse_map(self, z: Tensor, out: Tensor | None) -> Tensor:
        center, scale, low = self._line()
        rounded = center.to(z.dtype)
        residual = center - rounded.double() - low * scale
        rounded, residual, factor = self._constants(z, rounded, residual, scale)
        return torch.add(torch.addcmul(residual, z, factor, out=out), rounded, out=out)

    def _constants(self, x: Tensor, *constants: Tensor) -> list[Tensor]:
        """The constants in the dtype, the shape and on the device of `x`."""
        return [self._along_dim(constant, x).to(x.dtype).to(x.device) for constant in constants]

    def _state_errors(self) -> list[str]:
        first, *others = self._names
        shape = getattr(self, first).shape
        if len(shape) != (self.dim is not None):
            rule = "()" if self.dim is None else "(features,)"
            return [f"{first} must have shape {rule} for dim={self.dim}, got {tuple(shape)}"]
        return [
            f"{name} must have shape {tuple(shape)}, as {first}, got {tuple(getattr(self, name).shape)}"
            for name in others
            if getattr(self, name).shape != shape
        ]


class Center(_Scaler):
    r"""Subtract the mean of each feature.

    $$ z = x - \mu, \qquad \mu = \frac1n \sum_{i=1}^{n} x_i $$

    with $x$ the argument of `transform`, $z$ its result, $\mu$ `mean_` and $n$ `n_samples_seen_`. A constant
    feature becomes exactly 0. `dim=1` subtracts from each image the mean color of all, `dim=None` one number
    from every value.

    Args:
        dim: The dimension whose entries have means of their own: -1 for the columns of a table
            `(…, n, features)`, 1 for the channels of images `(n, channels, height, width)`, None for one mean
            over all values.
        nan: "raise" refuses NaN in `fit`; "omit" leaves it out of the mean. `transform` passes it on either
            way.
        output_dtype: The floating dtype of the result; None keeps the input's.

    Attributes:
        mean_: Means, float64 `(features,)`, `()` where `dim` is None; None until fitted.
        n_samples_seen_: Number of values behind each mean, int64: `()`, or `(features,)` if `nan="omit"`; 0
            until fitted.

    Raises:
        TypeError: `dim` is neither an int nor None, or `output_dtype` no floating dtype.
        ValueError: `nan` is neither "raise" nor "omit".

    Examples:
        >>> import torch
        >>> from unitgain.transforms import Center
        >>> Center().fit(torch.tensor([[1.0, 100.0], [3.0, 500.0]]))(torch.tensor([[2.0, 100.0]]))
        tensor([[   0., -200.]])
        >>> Center(dim=None).fit(torch.tensor([1.0, 2.0, 6.0])).mean_.item()
        3.0

    Source: LeCun, Bottou, Orr & Müller (1998), "Efficient BackProp", section 4.3.

    Differs from scikit-learn: there it is `StandardScaler(with_std=False)`; else as `StandardScaler` says.
    """

    mean_: Any  # float64 Tensor, or None until fitted

    _Statistics = Moments
    _names = ("mean_",)
    _overflows = "sums"

    def _to_buffers(self, statistics: Moments) -> dict[str, Tensor]:
        return {"mean_": _fill_unseen(statistics.mean, statistics.n, torch.nan)}

    def _from_buffers(self, n: Tensor | int) -> Moments:
        return Moments(n, _fill_unseen(self.mean_, n, 0.0), torch.zeros_like(self.mean_))

    def _must_be_finite(self, statistics: Moments) -> Tensor:
        return statistics.mean

    def _line(self) -> tuple[Tensor, Tensor, float]:
        return self.mean_, torch.ones_like(self.mean_), 0.0


class StandardScaler(_Scaler):
    r"""Standardize features: subtract the mean, divide by the standard deviation.

    $$ z = \frac{x - \mu}{\sigma}, \qquad \mu = \frac1n \sum_{i=1}^{n} x_i, \qquad
       \sigma^2 = \frac1n \sum_{i=1}^{n} (x_i - \mu)^2 $$

    with $x$ the argument of `transform`, $z$ its result, $\mu$ `mean_`, $\sigma^2$ `var_`, $\sigma$ `scale_`
    and $n$ `n_samples_seen_`. A constant feature gets $\sigma = 1$ and so becomes exactly 0.

    Fit it on the training part of the data only, and put it in front of the network: `nn.Sequential(scaler,
    model)` carries the statistics in its state_dict, moves them with `.to(device)` and exports them.
    Statistics are float64 and no `.half()` changes that. A float32 result differs from the exact one
    by some 1.5e-7 of its size (of 1, where it is smaller) at most, at means up to 1e6 standard deviations.
    `transform` is differentiable with respect to `x`; nothing is ever fitted in `forward`.

    A feature that hardly varies counts as constant, by scikit-learn's rule: if $\sigma$ is no more than
    $n \cdot 2.2 \cdot 10^{-16}\, |\mu|$, which is what rounding may make of a constant.

    Args:
        dim: The dimension whose entries have statistics of their own: -1 for the columns of a table
            `(…, n, features)`, 1 for the channels of images `(n, channels, height, width)`, None for one
            mean and one standard deviation over all values.
        with_mean: Subtract the mean.
        with_std: Divide by the standard deviation.
        nan: "raise" refuses NaN in `fit`; "omit" leaves it out of the statistics. `transform` passes it on
            either way.
        output_dtype: The floating dtype of the result; None keeps the input's.

    Attributes:
        mean_: Means, float64 `(features,)`, `()` where `dim` is None; None until fitted.
        var_: Variances, likewise (divided by n, not n - 1).
        scale_: What `transform` divides by: the root of `var_`, 1 for constant features; None if not
            `with_std`.
        n_features_in_, feature_names_in_: Number of features, and their names if it was fitted to a table.
        n_samples_seen_: Number of values behind each mean, int64: `()`, or `(features,)` if `nan="omit"`; 0
            until fitted.

    Raises:
        TypeError: `dim` is neither an int nor None, or `output_dtype` no floating dtype.
        ValueError: `nan` is neither "raise" nor "omit".

    Examples:
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

    Source: Chan, Golub & LeVeque (1983), "Algorithms for computing the sample variance", The American
    Statistician 37(3); LeCun, Bottou, Orr & Müller (1998), "Efficient BackProp", section 4.3.

    Differs from scikit-learn: integers give the default dtype (float32), not float64; `dim`, `merge` and
    `synchronize` are new; NaN is refused unless asked for; `mean_` and `var_` are kept whatever `with_mean`
    and `with_std` are, and `n_samples_seen_` under "omit" has one count a feature always; `transform` takes
    zero rows and returns zero rows, takes inf, and never works in place unless `out` is `x`.
    """

    mean_: Any  # float64 Tensor, or None until fitted
    var_: Any

    _Statistics = Moments
    _names = ("mean_", "var_")

    def __init__(
        self,
        dim: int | None = -1,
        *,
        with_mean: bool = True,
        with_std: bool = True,
        nan: Literal["raise", "omit"] = "raise",
        output_dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(dim, nan=nan, output_dtype=output_dtype)
        self.with_mean, self.with_std = with_mean, with_std

    @property
    def scale_(self) -> Tensor | None:
        """What `transform` divides by, `(features,)`: standard deviations, 1 for 0; None until fitted."""
        if not self.with_std or not self._is_fitted:
            return None
        n, eps = self.n_samples_seen_.double(), torch.finfo(torch.float64).eps
        rounding = n * eps * self.var_ + (n * self.mean_ * eps).square()
        return self.var_.sqrt().masked_fill(self.var_ <= rounding, 1.0)

    @classmethod
    def from_sklearn(cls, fitted: Any) -> Self:
        """The same statistics as scikit-learn's scaler has, to the last bit.

        Args:
            fitted: A fitted `sklearn.preprocessing.StandardScaler`. What it does not keep is NaN here: the
                variances without `with_std`, the means too without `with_mean`.

        Returns:
            A fitted scaler; with `nan="omit"` if the features have different counts.

        Raises:
            TypeError: `fitted` is of another class.
            ValueError: It is not fitted, was fitted with fractional weights, or its `scale_` does not follow
                from its `var_`.

        Examples:
            >>> from sklearn import preprocessing
            >>> from unitgain.transforms import StandardScaler
            >>> theirs = preprocessing.StandardScaler().fit([[1.0], [3.0]])
            >>> StandardScaler.from_sklearn(theirs).mean_.item()
            2.0
        """
        from sklearn.preprocessing import StandardScaler as Theirs

        checked_peer(fitted, Theirs, cls.__name__)
        n = np.asarray(fitted.n_samples_seen_)
        if (n != n.round()).any():
            raise ValueError(f"{cls.__name__}: fitted must count rows, got a sum of weights, {n.max():g}")
        n = n.astype(np.int64)
        omit = n.ndim > 0 or n == 0
        scaler = cls(with_mean=fitted.with_mean, with_std=fitted.with_std, nan="omit" if omit else "raise")
        features = fitted.n_features_in_
        scaler._buffers.update(
            mean_=as_float64(fitted.mean_, features),
            var_=as_float64(fitted.var_, features),
            n_samples_seen_=torch.from_numpy(np.array(np.broadcast_to(n, features) if omit else n)),
        )
        return scaler._taken_from(fitted)

    def to_sklearn(self) -> Any:
        """scikit-learn's scaler with the same statistics, to the last bit.

        Returns:
            A fitted `sklearn.preprocessing.StandardScaler`.

        Raises:
            RuntimeError: The scaler is not fitted.
            ValueError: `dim` is not -1, or `output_dtype` not None: scikit-learn has neither.

        Examples:
            >>> import torch
            >>> from unitgain.transforms import StandardScaler
            >>> StandardScaler().fit(torch.tensor([[1.0], [3.0]])).to_sklearn().transform([[5.0]])
            array([[3.]])
        """
        from sklearn.preprocessing import StandardScaler as Theirs

        self._require_plain()
        n = self.n_samples_seen_.cpu().numpy()
        return peer_with(
            Theirs(with_mean=self.with_mean, with_std=self.with_std),
            self,
            mean_=self.mean_ if self.with_mean or self.with_std else None,
            var_=self.var_ if self.with_std else None,
            scale_=self.scale_,
            n_samples_seen_=n.max() if n.min() == n.max() else n.copy(),
        )

    def _to_buffers(self, statistics: Moments) -> dict[str, Tensor]:
        n, mean, m2 = statistics
        return {"mean_": _fill_unseen(mean, n, torch.nan), "var_": m2 / n}

    def _from_buffers(self, n: Tensor | int) -> Moments:
        return Moments(n, _fill_unseen(self.mean_, n, 0.0), _fill_unseen(self.var_ * n, n, 0.0))

    def _must_be_finite(self, statistics: Moments) -> Tensor:
        return statistics.m2

    def _line(self) -> tuple[Tensor, Tensor, float]:
        mean, scale = self.mean_, self.scale_
        center = mean if self.with_mean else torch.zeros_like(mean)
        return center, torch.ones_like(mean) if scale is None else scale, 0.0

    def _state_errors(self) -> list[str]:
        faults = super()._state_errors()
        if not self.var_.is_meta and (self.var_ < 0).any():
            faults.append(f"var_ must not be negative, got {self.var_.min().item():.3g}")
        return faults


class MinMaxScaler(_Scaler):
    r"""Map the range of each feature onto a given one, such as $[0, 1]$ or $[-1, 1]$.

    $$ z = \frac{x - x_{\min}}{s} + l, \qquad s = \frac{x_{\max} - x_{\min}}{h - l} $$

    with $x$ the argument of `transform`, $z$ its result, $x_{\min}$ `data_min_`, $x_{\max}$ `data_max_`,
    $(l, h)$ `feature_range` and $1/s$ `scale_`. A constant feature gets $s = 1 / (h - l)$ and so becomes $l$.

    $[-1, 1]$ puts the middle of the data at 0, where $[0, 1]$ leaves it at ½ and the network's first layer
    badly conditioned. Both follow the two most extreme values: one outlier moves all others together. Data
    beyond the range of the fit leaves the target range, unless `clip`.

    Args:
        feature_range: Where the least and the greatest value go, `(low, high)`, low < high, both finite.
        dim: The dimension whose entries have ranges of their own: -1 for the columns of a table
            `(…, n, features)`, 1 for the channels of images `(n, channels, height, width)`, None for one
            range over all values.
        clip: Let `transform` return nothing beyond `feature_range`.
        nan: "raise" refuses NaN in `fit`; "omit" leaves it out of the range. `transform` passes it on either
            way.
        output_dtype: The floating dtype of the result; None keeps the input's.

    Attributes:
        data_min_: Least values, float64 `(features,)`, `()` where `dim` is None; None until fitted.
        data_max_: Greatest values, likewise.
        data_range_: Their differences, likewise.
        scale_: What `transform` multiplies by, likewise.
        min_: As in scikit-learn not the minimum of the data, but where the map puts x = 0: it is
            `data_min_` that goes to the low end, and z = x · `scale_` + `min_`.
        n_features_in_, feature_names_in_: Number of features, and their names if it was fitted to a table.
        n_samples_seen_: Number of values behind each range, int64: `()`, or `(features,)` if `nan="omit"`; 0
            until fitted.

    Raises:
        TypeError: `dim` is neither an int nor None, or `output_dtype` no floating dtype.
        ValueError: `feature_range` is not two finite numbers in rising order, or `nan` is neither "raise" nor
            "omit".

    Examples:
        >>> import torch
        >>> from unitgain.transforms import MinMaxScaler
        >>> x = torch.tensor([[1.0, 1000.0], [2.0, 1256.0], [5.0, 1512.0]])
        >>> MinMaxScaler().fit(x)(x)
        tensor([[0.0000, 0.0000],
                [0.2500, 0.5000],
                [1.0000, 1.0000]])
        >>> MinMaxScaler((-1, 1)).fit(x)(x)
        tensor([[-1.0000, -1.0000],
                [-0.5000,  0.0000],
                [ 1.0000,  1.0000]])

    Source: scikit-learn's `MinMaxScaler`, whose names these are; LeCun, Bottou, Orr & Müller (1998),
    "Efficient BackProp", section 4.3, for what an input that is not centered costs.

    Differs from scikit-learn: z is computed from x - `data_min_`, not from x · `scale_` + `min_`, which in
    float32 loses the digits of data far from 0; a feature counts as constant when its range is no more than
    the rounding of its values in float64, not when it is below 2e-15; the rest as in `StandardScaler`.
    """

    data_min_: Any  # float64 Tensor, or None until fitted
    data_max_: Any

    _Statistics = Extremes
    _names = ("data_min_", "data_max_")
    _overflows = "ranges"

    def __init__(
        self,
        feature_range: tuple[float, float] = (0.0, 1.0),
        dim: int | None = -1,
        *,
        clip: bool = False,
        nan: Literal["raise", "omit"] = "raise",
        output_dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(dim, nan=nan, output_dtype=output_dtype)
        try:
            low, high = map(float, feature_range)
        except (TypeError, ValueError):  # not two, or no numbers
            low = high = math.nan
        if not -math.inf < low < high < math.inf:
            rule = "two finite numbers, low < high"
            raise ValueError(f"{self._name}: feature_range must be {rule}, got {feature_range!r}")
        self.feature_range = (low, high)
        self.clip = clip

    @property
    def scale_(self) -> Tensor | None:
        """What `transform` multiplies by, `(features,)`; None until fitted."""
        if not self._is_fitted:
            return None
        spread, (low, high) = self._range_or_one(), self.feature_range
        return torch.full_like(spread, high - low).div_(spread)  # torch takes a number by the reciprocal

    @property
    def min_(self) -> Tensor | None:
        """Where the map puts x = 0, `(features,)`; None until fitted."""
        return self.feature_range[0] - self.data_min_ * self.scale_ if self._is_fitted else None

    @property
    def data_range_(self) -> Tensor | None:
        """From the least to the greatest value, `(features,)`; None until fitted."""
        return self.data_max_ - self.data_min_ if self._is_fitted else None

    @classmethod
    def from_sklearn(cls, fitted: Any) -> Self:
        """The same ranges as scikit-learn's scaler has, to the last bit.

        Args:
            fitted: A fitted `sklearn.preprocessing.MinMaxScaler`.

        Returns:
            A fitted scaler; with `nan="omit"` if a feature has no values.

        Raises:
            TypeError: `fitted` is of another class.
            ValueError: It is not fitted, or its `scale_` is not that of its range here: what counts as
                constant differs (see above).

        Examples:
            >>> from sklearn import preprocessing
            >>> from unitgain.transforms import MinMaxScaler
            >>> theirs = preprocessing.MinMaxScaler().fit([[1.0], [3.0]])
            >>> MinMaxScaler.from_sklearn(theirs).data_max_.item()
            3.0
        """
        from sklearn.preprocessing import MinMaxScaler as Theirs

        checked_peer(fitted, Theirs, cls.__name__)
        low, high = (as_float64(part) for part in (fitted.data_min_, fitted.data_max_))
        omit = bool(low.isnan().any())
        scaler = cls(tuple(fitted.feature_range), clip=fitted.clip, nan="omit" if omit else "raise")
        n = torch.tensor(int(fitted.n_samples_seen_))
        scaler._buffers.update(
            data_min_=low, data_max_=high, n_samples_seen_=n * low.isfinite() if omit else n
        )
        return scaler._taken_from(fitted)

    def to_sklearn(self) -> Any:
        """scikit-learn's scaler with the same ranges, to the last bit.

        Returns:
            A fitted `sklearn.preprocessing.MinMaxScaler`.

        Raises:
            RuntimeError: The scaler is not fitted.
            ValueError: `dim` is not -1, or `output_dtype` not None: scikit-learn has neither.

        Examples:
            >>> import torch
            >>> from unitgain.transforms import MinMaxScaler
            >>> MinMaxScaler().fit(torch.tensor([[1.0], [3.0]])).to_sklearn().transform([[2.0]])
            array([[0.5]])
        """
        from sklearn.preprocessing import MinMaxScaler as Theirs

        self._require_plain()
        names = ("data_min_", "data_max_", "data_range_", "scale_", "min_")
        return peer_with(
            Theirs(self.feature_range, clip=self.clip),
            self,
            **{name: getattr(self, name) for name in names},
            n_samples_seen_=int(self.n_samples_seen_.max()),
        )

    def _to_buffers(self, statistics: Extremes) -> dict[str, Tensor]:
        n, low, high = statistics
        return {"data_min_": _fill_unseen(low, n, torch.nan), "data_max_": _fill_unseen(high, n, torch.nan)}

    def _from_buffers(self, n: Tensor | int) -> Extremes:
        return Extremes(
            n, _fill_unseen(self.data_min_, n, torch.inf), _fill_unseen(self.data_max_, n, -torch.inf)
        )

    def _must_be_finite(self, statistics: Extremes) -> Tensor:
        n, low, high = statistics
        return _fill_unseen(high - low, n, 0.0)

    def _line(self) -> tuple[Tensor, Tensor, float]:
        low, high = self.feature_range
        return self.data_min_, self._range_or_one() / (high - low), low

    def _range_or_one(self) -> Tensor:
        """The range, 1 where it is 0 or no more than the rounding of its ends in float64."""
        spread = self.data_max_ - self.data_min_
        rounding = (
            8 * torch.finfo(torch.float64).eps * torch.maximum(self.data_min_.abs(), self.data_max_.abs())
        )
        return spread.masked_fill(spread <= rounding, 1.0)

    def _map(self, x: Tensor, out: Tensor | None) -> Tensor:
        z = super()._map(x, out)
        return torch.clamp(z, *self.feature_range, out=out) if self.clip else z

    def _state_errors(self) -> list[str]:
        faults = super()._state_errors()
        if not faults and not self.data_min_.is_meta and (self.data_max_ < self.data_min_).any():
            faults.append("data_max_ must be at least data_min_, got less")
        return faults


def _fill_unseen(values: Tensor, n: Tensor | int, fill: float) -> Tensor:
    """`values`, replaced by `fill` in features without data."""
    return values.masked_fill(n == 0, fill) if isinstance(n, Tensor) else values
