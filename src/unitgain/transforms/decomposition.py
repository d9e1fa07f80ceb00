"""Decomposition: the data turned onto the axes along which it varies most, and scaled along them."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any, Literal

import torch
from torch import Tensor

from .base import Transform
from .comoments import CoMoments, PreciseCoMoments

__all__ = ["PCA", "Whitening"]

TIE = 1e-9  # entries of an axis this close count as equally large: rounding must not choose its sign


class _Decomposition(Transform):
    r"""A turn onto the principal axes and a scale along each, exact in float32 far from 0 too.

    $$ z = D^{-1} U (x - \mu) $$

    with $\mu$ `mean_`, $U$ `components_`, and $D$ the diagonal matrix of `_spread`.
    """

    mean_: Any  # float64 Tensor, or None until fitted
    covariance_: Any
    components_: Any
    explained_variance_: Any

    _names = ("mean_", "covariance_", "components_", "explained_variance_")

    def _count(self, variances: Tensor, n: int) -> int:
        """How many of the axes to keep; `variances` fall."""
        raise NotImplementedError

    def _spread(self) -> Tensor:
        """What to divide by along each axis, float64 `(components,)`."""
        raise NotImplementedError

    def _to_buffers(self, statistics: CoMoments) -> dict[str, Tensor]:
        n, mean, scatter = statistics
        covariance = scatter / max(n - 1, 1)
        variances, axes = _principal_axes(covariance)
        k = self._count(variances, n)
        return {
            "mean_": mean,
            "covariance_": covariance,
            "components_": axes[:k].clone(),
            "explained_variance_": variances[:k].clone(),
        }

    def _from_buffers(self, n: Any) -> CoMoments:
        return self._Statistics(n, self.mean_, self.covariance_ * max(n - 1, 1))  # type: ignore[call-arg,return-value]

    def _evidence(self, statistics: CoMoments) -> Tensor:
        return statistics.scatter.diagonal()

    @property
    def _features_out(self) -> int:
        return len(self.components_)

    def _map(self, x: Tensor, room: Tensor | None) -> Tensor:
        rounded = self.mean_.to(x.dtype)
        turn = self.components_ / self._spread().unsqueeze(-1)
        residual = turn @ (rounded.double() - self.mean_)  # with what rounding the mean would lose
        rounded, turn, residual = (part.to(x.dtype).to(x.device) for part in (rounded, turn, residual))
        z = torch.matmul(x - rounded, turn.mT, out=room)
        return torch.add(z, residual, out=room)

    def _inverse_map(self, z: Tensor, room: Tensor | None) -> Tensor:
        rounded = self.mean_.to(z.dtype)
        residual = self.mean_ - rounded.double()
        turn = self.components_ * self._spread().unsqueeze(-1)
        rounded, turn, residual = (part.to(z.dtype).to(z.device) for part in (rounded, turn, residual))
        if room is z:
            room = None  # a product cannot be written over its factor
        x = torch.matmul(z, turn, out=room)
        return torch.add(torch.add(x, residual, out=room), rounded, out=room)

    def _safe_root(self, variances: Tensor) -> Tensor:
        """The roots of `variances`; 1 where one is no more than rounding makes of a direction without any.

        The covariance is known to the rounding in float64 of the largest variance, the data to that of its
        mean.
        """
        eps = torch.finfo(torch.float64).eps
        largest = self.explained_variance_.amax()
        noise = self._features * eps * largest + (8 * eps * self.mean_.abs().amax()).square()
        return variances.masked_fill(variances <= noise, 1.0).sqrt()

    def _faults(self) -> list[str]:
        mean, covariance, components, variances = (getattr(self, name) for name in self._names)
        if mean.ndim != 1:
            return [f"mean_ must have shape (features,), but has {tuple(mean.shape)}"]
        d = len(mean)
        if components.ndim != 2 or components.shape[1] != d or not 1 <= len(components) <= d:
            rule = f"(k, {d}) with k from 1 to {d}, as mean_ has {d} features"
            return [f"components_ must have shape {rule}, but has {tuple(components.shape)}"]
        k = len(components)
        faults = [
            f"{name} must have shape {shape}, but has {tuple(value.shape)}"
            for name, value, shape in (
                ("covariance_", covariance, (d, d)),
                ("explained_variance_", variances, (k,)),
            )
            if value.shape != shape
        ]
        if not faults and not variances.is_meta and (variances < 0).any():
            faults.append(
                f"explained_variance_ must not be negative, but reaches {variances.min().item():.3g}"
            )
        return faults


class PCA(_Decomposition):
    r"""Principal component analysis: the directions in which the data varies most, and no others.

    $$ z = U (x - \mu), \qquad
       C = \frac{1}{n-1} \sum_{i=1}^{n} (x_i - \mu)(x_i - \mu)^\top = U^\top \Lambda U, \qquad
       \lambda_1 \ge \lambda_2 \ge \dots \ge 0 $$

    with $x$ a row of the argument of `transform`, $z$ of its result, $\mu$ `mean_`, $C$ `covariance_`, the
    rows of $U$ the `components_` (unit vectors at right angles), $\lambda_i$ `explained_variance_` and $n$
    `n_samples_seen_`. With $k$ `n_components_` only the first $k$ rows of $U$ are kept: of all projections
    onto $k$ axes this one loses the least squared distance. `whiten` divides each $z_i$ by
    $\sqrt{\lambda_i}$, 1 where nothing varies.

    The sign of a component is free; here its largest entry is positive (the first of them, if several are
    equal within 1e-9), so that every chunking of the data gives the same one. What is kept of the data is
    $C$, `(features, features)`: memory does not grow with n, and a stream gives what all rows at once give.
    Every `partial_fit` decomposes $C$ anew, at the cost of a product of some ten times `features` rows: feed
    it batches of thousands.

    Args:
        n_components: How many components to keep: an int from 1 to the lesser of rows and features; a share
            of the variance, above 0 and below 1, for the fewest components that hold more than that, chosen
            anew with each fit; None for the lesser of rows and features.
        whiten: Scale the components to variance 1.

    Attributes:
        mean_: Means, float64 `(features,)`; None until fitted.
        covariance_: Covariances (divided by n - 1), `(features, features)`; None until fitted.
        components_: The principal axes, `(n_components_, features)`, the first with the largest variance;
            None until fitted.
        explained_variance_: Variances along them (divided by n - 1; 0 for one row), `(n_components_,)`; None
            until fitted.
        explained_variance_ratio_: Their shares of the variance of all features, 0 where nothing varies.
        n_components_: Number of components kept.
        n_samples_seen_: Number of rows, int64 `()`; 0 until fitted.

    Raises:
        TypeError: `n_components` is neither None nor a number.
        ValueError: `n_components` is no int of at least 1 and no share above 0 and below 1. From `fit` and
            `partial_fit` too: there are fewer rows or features than `n_components`.

    Examples:
        >>> import torch
        >>> from unitgain.transforms import PCA
        >>> x = torch.tensor([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0], [6.0, 12.0]])
        >>> pca = PCA(n_components=1).fit(x)
        >>> pca(x).T
        tensor([[-4.4721, -2.2361,  0.0000,  6.7082]])
        >>> pca.inverse_transform(pca(x))[0]
        tensor([1., 2.])
        >>> PCA(n_components=0.95).fit(x).n_components_
        1

    Source: Pearson (1901), "On lines and planes of closest fit to systems of points in space", Philosophical
    Magazine 2(11); Hotelling (1933), "Analysis of a complex of statistical variables into principal
    components", Journal of Educational Psychology 24; scikit-learn's `PCA`, whose names these are.

    Differs from scikit-learn: there are no other solvers, and no "mle"; the statistics are float64 whatever
    the data, and come from centered rows, so that float32 data far from 0 keeps its variances; `partial_fit`
    keeps all that a fit needs, where `IncrementalPCA` forgets the components beyond `n_components`; equally
    large entries of a component do not leave its sign to rounding; `whiten` leaves directions without
    variance as they are. Variances are exact to about 1e-7 of the largest one for float32 data (a few 1e-6
    where it takes few values), to 1e-15 for float64 data, `whiten=True` and accelerators; a smaller one is
    noise.
    """

    _Statistics = CoMoments

    def __init__(self, n_components: int | float | None = None, *, whiten: bool = False) -> None:
        super().__init__()
        if n_components is not None:
            if isinstance(n_components, bool) or not isinstance(n_components, Real):
                raise TypeError(f"n_components must be None, an int or a float, but got {n_components!r}")
            if not (n_components >= 1 if isinstance(n_components, Integral) else 0 < n_components < 1):
                rule = "an int of at least 1 or a share above 0 and below 1"
                raise ValueError(f"n_components must be {rule}, but got {n_components!r}")
        self.n_components = n_components
        self.whiten = whiten
        if whiten:  # divides by the least variances too
            self._Statistics = PreciseCoMoments  # type: ignore[misc]

    @property
    def n_components_(self) -> int | None:
        """Number of components kept; None until fitted."""
        return len(self.components_) if self._is_fitted else None

    @property
    def explained_variance_ratio_(self) -> Tensor | None:
        """Shares of the variance of all features, `(n_components_,)`; None until fitted."""
        if not self._is_fitted:
            return None
        total = self.covariance_.trace()
        return self.explained_variance_ / total.masked_fill(total == 0, 1.0)

    def _count(self, variances: Tensor, n: int) -> int:
        most, wanted = min(n, len(variances)), self.n_components
        if wanted is None:
            return most
        if isinstance(wanted, Integral):
            if wanted > most:
                raise ValueError(
                    f"n_components must be at most the lesser of rows and features, {most}, but is {wanted}"
                )
            return int(wanted)
        shares = variances.cumsum(0) / variances.sum()
        return min(int((shares <= wanted).sum()) + 1, most)

    def _spread(self) -> Tensor:
        variances = self.explained_variance_
        return self._safe_root(variances) if self.whiten else torch.ones_like(variances)

    def extra_repr(self) -> str:
        options = f"n_components={self.n_components}, whiten={self.whiten}"
        return f"{options}, " + super().extra_repr().removeprefix(f"dim={self.dim}, ")


class Whitening(_Decomposition):
    r"""Make the features uncorrelated, each with variance 1: their covariance becomes the identity.

    $$ z_\text{pca} = (\Lambda + \varepsilon I)^{-1/2}\, U (x - \mu), \qquad
       z_\text{zca} = U^\top z_\text{pca}, \qquad
       \frac{1}{n-1} \sum_{i=1}^{n} (x_i - \mu)(x_i - \mu)^\top = U^\top \Lambda U $$

    with $x$ a row of the argument of `transform`, $z$ of its result, $\varepsilon$ `epsilon`, $\mu$ `mean_`,
    the rows of $U$ the `components_`, the diagonal of $\Lambda$ `explained_variance_`, and $n$
    `n_samples_seen_`. It is the root of the eigenvalue that divides. Lecture notes can be found that divide
    by the eigenvalue itself; their result has variances $1/\lambda_i$, and is no whiter than before.

    "pca" leaves the data turned onto its principal axes. "zca" turns it back: of all transforms that whiten,
    it is the one whose result stays closest to the centered input, so that whitened images still look like
    images. Directions that hardly vary are mostly noise, and whitening makes them as loud as all others;
    along a direction of variance $\lambda$ the result has variance $\lambda / (\lambda + \varepsilon)$, so
    an $\varepsilon$ above the noise mutes it. A direction with no variance at all is divided by
    $\sqrt\varepsilon$, by 1 if that is 0 too.

    A direction counts as without variance below `features` · 2e-16 of the largest one. Where the scales of
    the features differ that much, put a `StandardScaler` in front.

    Args:
        method: "pca" or "zca".
        epsilon: What to add to each variance, in the squared unit of the data, at least 0 and finite.

    Attributes:
        mean_: Means, float64 `(features,)`; None until fitted.
        covariance_: Covariances (divided by n - 1), `(features, features)`; None until fitted.
        components_: The principal axes, `(features, features)`, the first with the largest variance; signs as
            in `PCA`; None until fitted.
        explained_variance_: Variances along them (divided by n - 1; 0 for one row), `(features,)`; None until
            fitted.
        n_samples_seen_: Number of rows, int64 `()`; 0 until fitted.

    Raises:
        ValueError: `method` is neither "pca" nor "zca", or `epsilon` is negative, infinite or NaN.

    Examples:
        >>> import torch
        >>> from unitgain.transforms import Whitening
        >>> x = torch.tensor([[0.0, 0.0], [2.0, 1.0], [4.0, 5.0], [6.0, 6.0]])
        >>> Whitening().fit(x)(x).T.cov().round(decimals=3).abs()
        tensor([[1., 0.],
                [0., 1.]])
        >>> zca = Whitening("zca", epsilon=0.1).fit(x)
        >>> torch.allclose(zca.inverse_transform(zca(x)), x, atol=1e-5)
        True

    Source: Bell & Sejnowski (1997), "The 'independent components' of natural scenes are edge filters", Vision
    Research 37(23); Kessy, Lewin & Strimmer (2018), "Optimal whitening and decorrelation", The American
    Statistician 72(4).

    Differs from scikit-learn: there "pca" is `PCA(whiten=True)`, without `epsilon`, and blows up the rounding
    errors in directions without variance; "zca" is not offered. As there, variances are divided by n - 1.
    """

    _Statistics = PreciseCoMoments

    def __init__(self, method: Literal["pca", "zca"] = "pca", *, epsilon: float = 0.0) -> None:
        super().__init__()
        if method not in ("pca", "zca"):
            raise ValueError(f'method must be "pca" or "zca", but got {method!r}')
        if not 0 <= epsilon < math.inf:
            raise ValueError(f"epsilon must be at least 0 and finite, but got {epsilon!r}")
        self.method = method
        self.epsilon = epsilon

    def _count(self, variances: Tensor, n: int) -> int:
        return len(variances)

    def _spread(self) -> Tensor:
        return self._safe_root(self.explained_variance_ + self.epsilon)

    def _map(self, x: Tensor, room: Tensor | None) -> Tensor:
        if self.method == "pca":
            return super()._map(x, room)
        return torch.matmul(super()._map(x, None), self._axes(x), out=room)

    def _inverse_map(self, z: Tensor, room: Tensor | None) -> Tensor:
        return super()._inverse_map(z if self.method == "pca" else z @ self._axes(z).mT, room)

    def _axes(self, x: Tensor) -> Tensor:
        return self.components_.to(x.dtype).to(x.device)

    def extra_repr(self) -> str:
        options = f"method={self.method!r}, epsilon={self.epsilon:g}"
        return f"{options}, " + super().extra_repr().removeprefix(f"dim={self.dim}, ")


def _principal_axes(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues, falling, at least 0, and eigenvectors as rows, the largest entry of each positive."""
    variances, vectors = torch.linalg.eigh(covariance)
    axes = vectors.mT.flip(0)
    size = axes.abs()
    first = (size >= (1 - TIE) * size.amax(-1, keepdim=True)).byte().argmax(-1, keepdim=True)
    return variances.flip(0).clamp(min=0.0), axes * axes.gather(-1, first).sign()
