"""Decomposition: the data turned onto the axes along which it varies most, and scaled along them."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
import torch
from torch import Tensor

from .arrays import Array, as_without_autocast
from .base import Transform
from .comoments import CoMoments
from .estimator import as_float64, checked_peer, names_of_peer, peer_with

__all__ = ["PCA", "Whitening"]

TIE = 1e-9  # entries of an axis this close count as equally large: rounding must not choose its sign
SHARE_TIE = 1e-7  # shares this close count as equal: the data may be rounded to float32


class _Decomposition(Transform):
    r"""A turn onto the principal axes and a scale along each, exact in float32 far from 0 too.

    $$ z = D^{-1} U (x - \mu) $$

    with $\mu$ `mean_`, $U$ `components_`, and $D$ the diagonal matrix of `_spread`.
    """

    mean_: Any  # float64 Tensor, or None until fitted
    covariance_: Any
    components_: Any
    explained_variance_: Any

    _Statistics = CoMoments
    _names = ("mean_", "covariance_", "components_", "explained_variance_")
    _precise = True
    """Whether to measure in float64 what is float32."""

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
        if self.covariance_.isnan().any():
            rule = "covariances must all be known before data are added"
            raise ValueError(
                f"{self._name}: {rule}, got those of {self._features_out} components alone: call fit"
            )
        return CoMoments(n, self.mean_, self.covariance_ * max(n - 1, 1))

    def _measure(self, x: Tensor) -> CoMoments:
        return CoMoments.measure(x, precise=self._precise)

    def _must_be_finite(self, statistics: CoMoments) -> Tensor:
        return statistics.scatter.diagonal()

    @property
    def _features_out(self) -> int:
        return len(self.components_)

    def _map(self, x: Tensor, out: Tensor | None) -> Tensor:
        rounded = self.mean_.to(x.dtype)
        turn = self.components_ / self._spread().unsqueeze(-1)
        residual = turn @ (rounded.double() - self.mean_)  # with what rounding the mean would lose
        rounded, turn, residual = (part.to(x.dtype).to(x.device) for part in (rounded, turn, residual))
        z = torch.matmul(x - rounded, turn.mT, out=out)
        return torch.add(z, residual, out=out)

    def _inverse_map(self, z: Tensor, out: Tensor | None) -> Tensor:
        rounded = self.mean_.to(z.dtype)
        residual = self.mean_ - rounded.double()
        turn = self.components_ * self._spread().unsqueeze(-1)
        rounded, turn, residual = (part.to(z.dtype).to(z.device) for part in (rounded, turn, residual))
        if out is z:
            out = None  # a product cannot be written over its factor
        x = torch.matmul(z, turn, out=out)
        return torch.add(torch.add(x, residual, out=out), rounded, out=out)

    def _run(self, rule: Callable[..., Tensor], x: Array, *arguments: Any) -> Tensor:
        device = x.device if isinstance(x, Tensor) else self.mean_.device
        with as_without_autocast(device):
            return super()._run(rule, x, *arguments)

    def _safe_root(self, variances: Tensor) -> Tensor:
        """The roots of `variances`; 1 where one is no more than `_rounding`."""
        return variances.masked_fill(variances <= self._rounding(), 1.0).sqrt()

    def _rounding(self) -> Tensor:
        """What rounding in float64 makes of a direction without variance, `(components,)`.

        The covariance is known to the rounding of the largest variance, the data to that of its mean, which
        is as large as in `StandardScaler`.
        """
        eps = torch.finfo(torch.float64).eps
        along = torch.mv(self.components_.abs(), self.mean_.abs())
        return (
            self._features * eps * self.explained_variance_[0]
            + (self.n_samples_seen_ * (eps * along)).square()
        )

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Names for the features of the result: the class's, counted from 0.

        Args:
            input_features: Ignored, but that it must name each feature of `x`.

        Returns:
            A NumPy array of words.

        Raises:
            RuntimeError: The transform is not fitted.
            ValueError: There are not as many names as features.

        Examples:
            >>> import torch
            >>> from unitgain.transforms import PCA
            >>> PCA(1).fit(torch.tensor([[1.0, 2.0], [3.0, 5.0]])).get_feature_names_out().tolist()
            ['pca0']
        """
        super().get_feature_names_out(input_features)
        return np.array([f"{self._name.lower()}{k}" for k in range(self._features_out)], dtype=object)

    def _state_errors(self) -> list[str]:
        mean, covariance, components, variances = (getattr(self, name) for name in self._names)
        if mean.ndim != 1:
            return [f"mean_ must have shape (features,), got {tuple(mean.shape)}"]
        d = len(mean)
        if components.ndim != 2 or components.shape[1] != d or not 1 <= len(components) <= d:
            rule = f"(k, {d}) with k from 1 to {d}, as mean_ has {d} features"
            return [f"components_ must have shape {rule}, got {tuple(components.shape)}"]
        k = len(components)
        faults = [
            f"{name} must have shape {shape}, got {tuple(value.shape)}"
            for name, value, shape in (
                ("covariance_", covariance, (d, d)),
                ("explained_variance_", variances, (k,)),
            )
            if value.shape != shape
        ]
        if not faults and not variances.is_meta and (variances < 0).any():
            faults.append(f"explained_variance_ must not be negative, got {variances.min().item():.3g}")
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
        n_components: How many components to keep: an int from 1 to the lesser of rows and features; a
            fraction of the variance, above 0 and below 1, for the fewest components that hold more than that
            (by more than 1e-7, which is rounding), chosen anew with each fit; None for the lesser of rows and
            features.
        whiten: Scale the components to variance 1.
        output_dtype: The floating dtype of the result; None keeps the input's.

    Attributes:
        mean_: Means, float64 `(features,)`; None until fitted.
        covariance_: Covariances (divided by n - 1), `(features, features)`; None until fitted.
        components_: The principal axes, `(n_components_, features)`, the first with the largest variance;
            None until fitted.
        explained_variance_: Variances along them (divided by n - 1; 0 for one row), `(n_components_,)`; None
            until fitted.
        explained_variance_ratio_: Their fractions of the variance of all features, 0 where nothing varies.
        singular_values_: Singular values of the centered data, the roots of n - 1 times the variances.
        noise_variance_: Mean of the variances along the axes that are not kept, 0 if all are.
        n_components_: Number of components kept.
        n_samples_seen_: Number of rows, int64 `()`; 0 until fitted.
        n_features_in_, feature_names_in_: Number of features, and their names if it was fitted to a table.

    Raises:
        TypeError: `n_components` is neither None nor a number, or `output_dtype` no floating dtype.
        ValueError: `n_components` is no int of at least 1 and no fraction above 0 and below 1. From `fit` and
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
    where it takes few values), to 1e-15 for float64 data, `whiten=True`, a fraction and accelerators; a
    smaller one is noise. `get_covariance` gives the same with `whiten=True`; there it does not.
    """

    def __init__(
        self,
        n_components: int | float | None = None,
        *,
        whiten: bool = False,
        output_dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(output_dtype=output_dtype)
        if n_components is not None:
            if isinstance(n_components, bool) or not isinstance(n_components, Real):
                rule = "n_components must be None, an int or a float"
                raise TypeError(f"{self._name}: {rule}, got {n_components!r}")
            if not (n_components >= 1 if isinstance(n_components, Integral) else 0 < n_components < 1):
                rule = "n_components must be an int of at least 1 or a share above 0 and below 1"
                raise ValueError(f"{self._name}: {rule}, got {n_components!r}")
        self.n_components = n_components
        self.whiten = whiten

    @property
    def _precise(self) -> bool:  # type: ignore[override]
        """To divide by the least variances, and to say which side of a fraction they are on."""
        return self.whiten or not (self.n_components is None or isinstance(self.n_components, Integral))

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

    @property
    def singular_values_(self) -> Tensor | None:
        """Singular values of the centered data, `(n_components_,)`; None until fitted."""
        return (self.explained_variance_ * (self.n_samples_seen_ - 1)).sqrt() if self._is_fitted else None

    @property
    def noise_variance_(self) -> Any:
        """Mean of the variances along the axes not kept, if there can be any, `()`; None until fitted."""
        if not self._is_fitted:
            return None
        lost = min(self._features, int(self.n_samples_seen_)) - self._features_out
        rest = self.covariance_.trace() - self.explained_variance_.sum()
        return rest.clamp(min=0.0) / lost if lost > 0 else torch.zeros_like(rest)

    def get_covariance(self) -> Tensor:
        r"""The covariances that the components stand for, with noise of the same variance along all others.

        $$ C = U^\top (\Lambda - s I)\, U + s I $$

        with $s$ `noise_variance_`, and no entry of $\Lambda - s I$ less than 0.

        Returns:
            The covariances, float64 `(features, features)`; equal to `covariance_` if all axes are kept.

        Raises:
            RuntimeError: The transform is not fitted.

        Source: Tipping & Bishop (1999), "Probabilistic principal component analysis", Journal of the Royal
        Statistical Society B 61(3).
        """
        self._require_fitted()
        noise = self.noise_variance_
        above = (self.explained_variance_ - noise).clamp(min=0.0).unsqueeze(-1)
        return (
            self.components_.mT @ (above * self.components_)
            + torch.eye(self._features).to(self.mean_) * noise
        )

    def score_samples(self, x: Array) -> Any:
        r"""Log-likelihood of each row under a normal distribution with `mean_` and `get_covariance()`.

        Args:
            x: As for `transform`.

        Returns:
            Natural logarithms, float64 `(…, n)`: a tensor, or an array where `transform` would give one.

        Raises:
            RuntimeError, TypeError: As for `transform`.
            ValueError: As for `transform`, or there is a direction without variance.

        Examples:
            >>> import torch
            >>> from unitgain.transforms import PCA
            >>> pca = PCA().fit(torch.tensor([[-1.0], [0.0], [1.0]]))
            >>> pca.score_samples(torch.zeros(1, 1)).exp()  # 1 / √(2π)
            tensor([0.3989], dtype=torch.float64)
        """
        self._require_fitted()
        self._check_names(x)
        rows = self._checked(x, self._features).to(self.mean_) - self.mean_
        noise, rounding = self.noise_variance_, self._rounding().amax(-1)
        least = self.explained_variance_[-1] if self._features_out == self._features else noise
        if least <= rounding:
            rule = "data must vary in every direction to have a likelihood"
            raise ValueError(f"{self._name}: {rule}, got variance {least.item():.3g} in one")
        root = torch.linalg.cholesky(self.get_covariance())
        z = torch.linalg.solve_triangular(root, rows.reshape(-1, self._features).mT, upper=False)
        size = root.diagonal().log().sum() + self._features / 2 * math.log(2 * math.pi)
        z = (-z.square().sum(0) / 2 - size).view(rows.shape[:-1])
        z = self._answer(z, x)
        return z  # noqa: RET504

    def score(self, x: Array, y: Any = None) -> float:
        """Mean of `score_samples(x)`.

        Args:
            x: As for `transform`, at least one row.
            y: Ignored.

        Returns:
            The mean log-likelihood of a row.

        Raises:
            RuntimeError, TypeError, ValueError: As for `score_samples`.
        """
        return float(self.score_samples(x).mean())

    @classmethod
    def from_sklearn(cls, fitted: Any) -> Self:
        """The same components as scikit-learn's PCA has, to the last bit.

        Args:
            fitted: A fitted `sklearn.decomposition.PCA`. If it has not kept all components, it has not kept
                the covariances: `covariance_` then holds NaN but for its trace, and only `fit` takes data.

        Returns:
            A fitted PCA; `n_components` is the number of components where ours has no such option ("mle").

        Raises:
            TypeError: `fitted` is of another class.
            ValueError: It is not fitted, has no components, or whitens directions without variance.

        Examples:
            >>> from sklearn import decomposition
            >>> from unitgain.transforms import PCA
            >>> theirs = decomposition.PCA(1).fit([[1.0, 2.0], [3.0, 6.0], [5.0, 10.0]])
            >>> PCA.from_sklearn(theirs).mean_.tolist()
            [3.0, 6.0]
        """
        from sklearn.decomposition import PCA as Theirs

        checked_peer(fitted, Theirs, cls.__name__)
        axes, mean, variances = (
            as_float64(part) for part in (fitted.components_, fitted.mean_, fitted.explained_variance_)
        )
        k, d = axes.shape
        if k == 0:
            raise ValueError(f"{cls.__name__}: fitted must have components, got none")
        pca = cls(k if fitted.n_components == "mle" else fitted.n_components, whiten=bool(fitted.whiten))
        covariance = axes.mT @ (variances.unsqueeze(-1) * axes)
        most = min(fitted.n_samples_, d)
        if k < most:  # what is left is known by its sum
            diagonal = covariance.diagonal() + float(fitted.noise_variance_) * (most - k) / d
            covariance = torch.full_like(covariance, torch.nan).diagonal_scatter(diagonal)
        pca._buffers.update(
            mean_=mean,
            covariance_=covariance,
            components_=axes,
            explained_variance_=variances,
            n_samples_seen_=torch.tensor(fitted.n_samples_),
        )
        pca._names_in = names_of_peer(fitted)
        pca._require_variance()
        return pca

    def to_sklearn(self) -> Any:
        """scikit-learn's PCA with the same components, to the last bit.

        Returns:
            A fitted `sklearn.decomposition.PCA`.

        Raises:
            RuntimeError: The transform is not fitted.
            ValueError: `output_dtype` is not None, which scikit-learn has not, or it whitens directions
                without variance, which scikit-learn divides by their rounding errors.

        Examples:
            >>> import torch
            >>> from unitgain.transforms import PCA
            >>> PCA(1).fit(torch.tensor([[1.0, 2.0], [3.0, 6.0], [5.0, 10.0]])).to_sklearn().mean_
            array([3., 6.])
        """
        from sklearn.decomposition import PCA as Theirs

        self._require_plain()
        self._require_variance()
        names = (
            "mean_",
            "components_",
            "explained_variance_",
            "explained_variance_ratio_",
            "singular_values_",
        )
        return peer_with(
            Theirs(self.n_components, whiten=self.whiten, svd_solver="covariance_eigh"),
            self,
            **{name: getattr(self, name) for name in names},
            noise_variance_=self.noise_variance_.item(),
            n_components_=self._features_out,
            n_samples_=int(self.n_samples_seen_),
            _fit_svd_solver="covariance_eigh",
        )

    def _require_variance(self) -> None:
        if self.whiten and (flat := self.explained_variance_ <= self._rounding()).any():
            rule = "components must all have variance to be whitened by scikit-learn's rule"
            raise ValueError(f"{self._name}: {rule}, got {int(flat.sum())} without")

    def _count(self, variances: Tensor, n: int) -> int:
        most, wanted = min(n, len(variances)), self.n_components
        if wanted is None:
            return most
        if isinstance(wanted, Integral):
            if wanted > most:
                rule = f"n_components must be at most the lesser of rows and features, {most}"
                raise ValueError(f"{self._name}: {rule}, got {wanted}")
            return int(wanted)
        shares = variances.cumsum(0) / variances.sum()
        tie = min(SHARE_TIE, (1 - wanted) / 1000)  # less where little is to be left out
        return min(int((shares - wanted <= tie).sum()) + 1, most)

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
        output_dtype: The floating dtype of the result; None keeps the input's.

    Attributes:
        mean_: Means, float64 `(features,)`; None until fitted.
        covariance_: Covariances (divided by n - 1), `(features, features)`; None until fitted.
        components_: The principal axes, `(features, features)`, the first with the largest variance; signs as
            in `PCA`; None until fitted.
        explained_variance_: Variances along them (divided by n - 1; 0 for one row), `(features,)`; None until
            fitted.
        n_samples_seen_: Number of rows, int64 `()`; 0 until fitted.

    Raises:
        TypeError: `output_dtype` is no floating dtype.
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

    def __init__(
        self,
        method: Literal["pca", "zca"] = "pca",
        *,
        epsilon: float = 0.0,
        output_dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(output_dtype=output_dtype)
        if method not in ("pca", "zca"):
            raise ValueError(f'{self._name}: method must be "pca" or "zca", got {method!r}')
        if not 0 <= epsilon < math.inf:
            raise ValueError(f"{self._name}: epsilon must be at least 0 and finite, got {epsilon!r}")
        self.method = method
        self.epsilon = epsilon

    def _count(self, variances: Tensor, n: int) -> int:
        return len(variances)

    def _spread(self) -> Tensor:
        return self._safe_root(self.explained_variance_ + self.epsilon)

    def _map(self, x: Tensor, out: Tensor | None) -> Tensor:
        if self.method == "pca":
            return super()._map(x, out)
        return torch.matmul(super()._map(x, out=None), self._axes(x), out=out)

    def _inverse_map(self, z: Tensor, out: Tensor | None) -> Tensor:
        return super()._inverse_map(z if self.method == "pca" else z @ self._axes(z).mT, out)

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
