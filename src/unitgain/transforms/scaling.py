"""Scaling: every feature to mean 0 and standard deviation 1."""

from __future__ import annotations

import math
from collections.abc import Callable
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

    with $x$ the argument of `transform`, $z$ its result, $\mu$ `mean_`, $\sigma^2$ `var_`, $\sigma$ `scale_`
    and $n$ `n_samples_seen_`. A constant feature gets $\sigma = 1$ and so becomes exactly 0.

    Fit it on the training part of the data only, and put it in front of the network: `nn.Sequential(scaler,
    model)` carries the statistics in its state_dict, moves them with `.to(device)` and exports them.
    Statistics are float64 and no `.half()` changes that; float32 results are within 1e-6 of the exact ones
    at means up to 1e6 standard deviations. `transform` is differentiable with respect to `x`; nothing is
    ever fitted in `forward`.

    Args:
        dim: The dimension whose entries have statistics of their own: -1 for the columns of a table
            `(…, n, features)`, 1 for the channels of images `(n, channels, height, width)`, None for one
            mean and one standard deviation over all values.
        with_mean: Subtract the mean.
        with_std: Divide by the standard deviation.
        nan: "raise" refuses NaN in `fit`; "omit" leaves it out of the statistics. `transform` passes it on
            either way.

    Attributes:
        mean_: Means, float64 `(features,)`, `()` where `dim` is None; None until fitted.
        var_: Variances, likewise (divided by n, not n - 1).
        scale_: What `transform` divides by: the root of `var_`, 1 for constant features; None if not
            `with_std`.
        n_samples_seen_: Number of values behind each mean, int64: `()`, or `(features,)` if `nan="omit"`; 0
            until fitted.

    Raises:
        TypeError: `dim` is neither an int nor None.
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
        """What `transform` divides by, `(features,)`: standard deviations, 1 for 0; None until fitted."""
        if not self.with_std or self.mean_ is None or self.var_ is None:
            return None
        return _scale(self.mean_, self.var_)

    def fit(self, x: Array) -> Self:
        """Take the statistics of `x` alone, forgetting any others.

        Args:
            x: Numbers of any real dtype, finite (but see `nan`), at least one; a tensor on any device or a
                NumPy array. `(…, n, features)` for `dim=-1`; at least two dimensions unless `dim` is None.

        Returns:
            The scaler itself, its statistics on the device of `x`.

        Raises:
            TypeError: `x` is no tensor or array, or its numbers are not real.
            ValueError: `x` has the wrong shape, is empty, or holds NaN or infinity. The statistics stay as
                they were.

        Examples:
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
            ValueError: As for `fit`, or another number of features, or another device. The statistics stay
                as they were.

        Examples:
            >>> scaler = StandardScaler()
            >>> for batch in torch.arange(12.0).view(6, 2).split(4):
            ...     scaler = scaler.partial_fit(batch)
            >>> scaler.mean_.tolist()
            [5.0, 6.0]
        """
        if self.mean_ is None:
            return self.fit(x)
        moments = self._measured(self._checked_to_fit(x, self._features))
        self._keep(merge(self._moments(), moments))
        return self

    def transform(self, x: Array, *, out: Tensor | None = None) -> Tensor:
        """Standardize `x`.

        Args:
            x: Numbers of any real dtype, shaped as for `fit`, with as many features, on the device of the
                statistics; zero rows are fine. NaN and infinity pass through.
            out: Where to put the result: shape of `x`, dtype of the result. It may be `x`, which is
                otherwise never changed. No gradient flows through it.

        Returns:
            A tensor in the shape of `x`, in its dtype if that is a floating one, else in torch's default
            dtype.

        Raises:
            RuntimeError: The scaler is not fitted.
            TypeError: As for `fit`, or `out` is no tensor.
            ValueError: Another number of features or another device, or an `out` that does not suit.

        Examples:
            >>> x = torch.tensor([[1.0], [3.0]])
            >>> scaler = StandardScaler().fit(x)
            >>> scaler.transform(x, out=x) is x, x.tolist()
            (True, [[-1.0], [1.0]])
        """
        x, mean, scale = self._ready(x, out)
        work = _working_dtype(x.dtype)
        rounded = mean.to(work)
        residual = ((rounded.double() - mean) / scale).to(work)  # what rounding the mean would lose
        rounded, residual, factor = (c.to(x.device) for c in (rounded, residual, scale.reciprocal().to(work)))
        room = _room(x, work, out)
        y = torch.sub(x.to(work), rounded, out=room)
        return _delivered(torch.addcmul(residual, y, factor, out=room), x.dtype, out)

    def inverse_transform(self, x: Array, *, out: Tensor | None = None) -> Tensor:
        r"""Undo `transform`: $x\sigma + \mu$.

        Args:
            x: Standardized numbers; all else as for `transform`.
            out: As for `transform`.

        Returns:
            As for `transform`.

        Raises:
            RuntimeError, TypeError, ValueError: As for `transform`.

        Examples:
            >>> scaler = StandardScaler().fit(torch.tensor([[10.0], [30.0]]))
            >>> scaler.inverse_transform(torch.tensor([[0.0], [1.0]])).tolist()
            [[20.0], [30.0]]
        """
        x, mean, scale = self._ready(x, out)
        work = _working_dtype(x.dtype)
        rounded = mean.to(work)
        residual = (mean - rounded.double()).to(work)
        rounded, residual, factor = (c.to(x.device) for c in (rounded, residual, scale.to(work)))
        room = _room(x, work, out)
        y = torch.addcmul(residual, x.to(work), factor, out=room)
        return _delivered(torch.add(y, rounded, out=room), x.dtype, out)

    def merge(self, other: Self) -> Self:
        """Add the data that `other` has seen to the statistics; its own stay as they are.

        Args:
            other: A scaler with the same `dim`, `nan` and number of features, on the same device. One that
                is not fitted adds nothing.

        Returns:
            The scaler itself.

        Raises:
            TypeError: `other` is no StandardScaler.
            ValueError: Another `dim`, `nan`, number of features or device. The statistics stay as they were.

        Examples:
            >>> left, right = StandardScaler().fit(torch.zeros(3, 2)), StandardScaler().fit(torch.ones(1, 2))
            >>> left.merge(right).mean_.tolist()
            [0.25, 0.25]
        """
        if not isinstance(other, StandardScaler):
            raise TypeError(f"other must be a StandardScaler, but is a {type(other).__name__}")
        for name in ("dim", "nan"):
            mine, its = getattr(self, name), getattr(other, name)
            if mine != its:
                raise ValueError(f"other must have the same {name}, {mine!r}, but has {its!r}")
        if not other._is_fitted:
            return self
        if not self._is_fitted:
            self._keep(other._moments())
            return self
        if other._features != self._features:
            raise ValueError(f"other must have {self._features} features, but has {other._features}")
        here, there = self.n_samples_seen_.device, other.n_samples_seen_.device
        if here != there:
            raise ValueError(f"other must be on {here}, but is on {there}")
        self._keep(merge(self._moments(), other._moments()))
        return self

    def synchronize(self, group: Any = None) -> Self:
        """Give every process of a torch.distributed group the statistics of the data of all of them.

        Every process calls it, once, after its last `partial_fit`: the statistics then count everybody's
        data, and a second call would count it again. A process that has seen no data takes the others'
        statistics.

        Args:
            group: A process group; None is the default one. Its backend must reach the device of the scaler:
                with NCCL, move the scaler to the GPU of its process first.

        Returns:
            The scaler itself.

        Raises:
            RuntimeError: There is no process group, or no process has seen data.
            ValueError: The numbers of features differ between processes. It is raised in all of them, and the
                statistics stay as they were.
        """
        from torch import distributed

        if not (distributed.is_available() and distributed.is_initialized()):
            raise RuntimeError(
                "synchronize needs a process group, but has none: call init_process_group first"
            )
        moments = all_reduce(self._moments(), group)
        if moments.mean.shape == (0,):
            raise RuntimeError("synchronize needs data in some process, but no process has fitted its scaler")
        self._keep(moments)
        return self

    def extra_repr(self) -> str:
        features = "" if self.mean_ is None or self.dim is None else f", features={self._features}"
        return f"dim={self.dim}{features}" + ("" if self._is_fitted else ", not fitted")

    @property
    def _features(self) -> int:
        return 0 if self.mean_ is None else self.mean_.numel()

    def _measured(self, x: Tensor) -> Moments:
        moments = measure(x, self.dim, omit_nan=self.nan == "omit")
        if not math.isfinite(moments.m2.sum().item()):
            self._refuse(x, moments)
        return moments

    def _refuse(self, x: Tensor, moments: Moments) -> None:
        """Say what in `x` is not finite, if anything is."""
        nan = _count(torch.isnan, x, self.dim)
        if self.nan == "raise" and nan.any():
            raise ValueError(f'x must not hold NaN with nan="raise", but holds {self._where(nan)}')
        infinite = _count(torch.isinf, x, self.dim)
        if infinite.any():
            raise ValueError(f"x must not hold infinity, but holds {self._where(infinite)}")
        overflown = ~(moments.mean + moments.m2).isfinite()
        if overflown.any():
            largest = x.abs().nan_to_num(0.0).max().item()
            raise ValueError(f"x must have squares that fit in float64, but reaches {largest:.3g}")

    def _where(self, counts: Tensor) -> str:
        if self.dim is None:
            return f"{counts.sum().item()}"
        place = "column {}" if self.dim == -1 else f"entry {{}} of dimension {self.dim}"
        return f"{counts.sum().item()}, the first in " + place.format(counts.nonzero()[0].item())

    def _moments(self) -> Moments:
        mean, var, seen = self.mean_, self.var_, self.n_samples_seen_
        if mean is None or var is None:
            nothing = torch.zeros(0, dtype=torch.float64, device=seen.device)
            return Moments(0, nothing, nothing)
        if seen.ndim == 0 and self.nan == "raise":
            count = int(seen)
            return Moments(count, mean, var * count)
        none = seen == 0
        return Moments(seen, mean.masked_fill(none, 0.0), (var * seen).masked_fill(none, 0.0))

    def _keep(self, moments: Moments) -> None:
        count, mean, m2 = moments
        var = m2 / count  # 0 / 0, that is NaN, where no value was seen
        if isinstance(count, Tensor):
            mean = mean.masked_fill(count == 0, torch.nan)
            if self.nan == "raise" and count.ndim:
                count = count[0]
        self._buffers.update(n_samples_seen_=torch.as_tensor(count, device=mean.device), mean_=mean, var_=var)

    def _ready(self, x: Array, out: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """`x` and `out` checked, and the mean and the scale shaped to meet `x`."""
        self._require_fitted()
        x = self._checked(x, self._features)
        _check_out(x, out)
        mean = self.mean_ if self.with_mean else torch.zeros_like(self.mean_)
        scale = _scale(self.mean_, self.var_) if self.with_std else torch.ones_like(self.mean_)
        if self.dim in (None, -1):
            return x, mean, scale
        shape = [1] * x.ndim
        shape[self.dim] = -1
        return x, mean.view(shape), scale.view(shape)

    def _faults(self) -> list[str]:
        mean, var = self.mean_, self.var_
        faults = []
        if mean.ndim != (self.dim is not None):
            shape = "()" if self.dim is None else "(features,)"
            faults.append(f"mean_ must have shape {shape} for dim={self.dim}, but has {tuple(mean.shape)}")
        if var.shape != mean.shape:
            faults.append(f"var_ must have shape {tuple(mean.shape)}, as mean_, but has {tuple(var.shape)}")
        if not var.is_meta and (var < 0).any():
            faults.append(f"var_ must not be negative, but reaches {var.min().item():.3g}")
        return faults


def _scale(mean: Tensor, var: Tensor) -> Tensor:
    """Standard deviations, 1 where they are 0 or no more than the rounding of the mean in float64."""
    std = var.sqrt()
    return std.masked_fill(std <= 8 * torch.finfo(torch.float64).eps * mean.abs(), 1.0)


def _count(test: Callable[[Tensor], Tensor], x: Tensor, dim: int | None) -> Tensor:
    """How many elements of `x` pass `test`, for each entry of dimension `dim`."""
    keep = None if dim is None else dim % x.ndim
    others = [d for d in range(x.ndim) if d != keep]
    return torch.stack([test(piece).sum(others) for piece in pieces(x, keep, FRESH)]).sum(0)


def _result_dtype(dtype: torch.dtype) -> torch.dtype:
    return dtype if dtype.is_floating_point else torch.get_default_dtype()


def _working_dtype(dtype: torch.dtype) -> torch.dtype:
    """float64 for float64 and for integers, which float32 would round; float32 for the shorter ones too."""
    return torch.float32 if dtype.is_floating_point and dtype != torch.float64 else torch.float64


def _check_out(x: Tensor, out: Tensor | None) -> None:
    if out is None:
        return
    if not isinstance(out, Tensor):
        raise TypeError(f"out must be a torch.Tensor, but is a {type(out).__name__}")
    expected = (tuple(x.shape), _result_dtype(x.dtype), x.device)
    if (tuple(out.shape), out.dtype, out.device) != expected:
        raise ValueError(
            "out must have shape {}, dtype {} and device {}, ".format(*expected)
            + f"but has {tuple(out.shape)}, {out.dtype} and {out.device}"
        )
    if torch.is_grad_enabled() and (x.requires_grad or out.requires_grad):
        raise ValueError("out must be None where x or out requires a gradient, but it was given")


def _room(x: Tensor, work: torch.dtype, out: Tensor | None) -> Tensor | None:
    """Memory to compute in; None leaves it to torch."""
    if out is not None and out.dtype == work:
        return out
    if out is not None or not _is_plain(x) or x.numel() < FRESH or not x.is_contiguous():
        return None
    # a fresh torch.empty costs more than the arithmetic, in page faults; NumPy asks the system for huge pages
    return torch.from_numpy(np.empty(x.shape, dtype=np.float64 if work == torch.float64 else np.float32))


def _is_plain(x: Tensor) -> bool:
    """Whether the result may be written into given memory: eager, on the CPU, no derivatives, no vmap."""
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return False
    if type(x) is not Tensor or x.device.type != "cpu":
        return False
    if (x.requires_grad and torch.is_grad_enabled()) or forward_ad.unpack_dual(x).tangent is not None:
        return False
    try:
        x.untyped_storage()
    except NotImplementedError:  # the wrappers of torch.func
        return False
    return True


def _delivered(y: Tensor, dtype: torch.dtype, out: Tensor | None) -> Tensor:
    return y.to(_result_dtype(dtype)) if out is None else y if y is out else out.copy_(y)
