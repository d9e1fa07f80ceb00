"""Layers with a leading replicas dimension: the same code is one network or 8,192.

Each layer takes rows `(…, n, features)`, as everywhere in torch, or with `examples_dim=-1` the columns
`(…, features, n)` that `models.MLP` computes with.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from .initializers import Generators, Initializer, initialize

__all__ = ["NORMALIZATIONS", "BatchNorm", "LayerNorm", "Linear", "RMSNorm"]


def _sizes(owner: str, replicas: int | tuple[int, ...], **sizes: int) -> tuple[int, ...]:
    """The replicas as a tuple, after a check of all sizes."""
    replicas = (replicas,) if isinstance(replicas, int) else tuple(replicas)
    for name, size in (*sizes.items(), *(("replicas", r) for r in replicas)):
        if not size >= 1:
            raise ValueError(f"{owner}: {name} must be at least 1, got {size}")
    return replicas


def _units_dim(owner: str, examples_dim: int) -> int:
    if examples_dim not in (-2, -1):
        raise ValueError(f"{owner}: examples_dim must be -2 (rows) or -1 (columns), got {examples_dim}")
    return -3 - examples_dim


def _check(layer: Linear | _Norm, x: Tensor, features: int) -> None:
    if x.ndim < 2 or x.shape[layer.units_dim] != features:
        shape = f"(…, n, {features})" if layer.examples_dim == -2 else f"(…, {features}, n)"
        raise ValueError(f"{type(layer).__name__}: x must have shape {shape}, got {tuple(x.shape)}")


class Linear(nn.Module):
    r"""A fully connected layer, or many of the same shape side by side.

    $$y = W x + b$$

    with W `weight` and b `bias`; one pair for each replica.

    Args:
        in_features: Number of inputs, at least 1.
        out_features: Number of units, at least 1.
        replicas: Leading dimensions: `()` is one layer, `(1000,)` or `1000` a thousand of them.
        weight: Rule for the weight, by name or as a function.
        bias: Rule for the bias, or None for a layer without one.
        generator: One generator, or one a replica: replica k then starts equal to a single layer drawn from
            generator k.
        examples_dim: -2 for rows `(…, n, in_features)`; -1 for columns `(…, in_features, n)`.
        device, dtype: As everywhere in torch.

    Attributes:
        weight: `(*replicas, out_features, in_features)`, for one layer `torch.nn.Linear`'s own layout.
        bias: `(*replicas, out_features, 1)`, or None.

    Raises:
        ValueError: For a size below 1, another `examples_dim`, or, when called, an input of another shape.

    Examples:
        >>> import torch
        >>> from unitgain.layers import Linear
        >>> Linear(3, 2, replicas=(5,))(torch.zeros(7, 3)).shape
        torch.Size([5, 7, 2])

    Differs from torch.nn.Linear: starts with Glorot's weights and zero biases, as Keras's Dense does.

    Source: torch.nn.Linear, with a replicas dimension.
    """

    is_linear = True  # what initializers.initialize looks for

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        replicas: int | tuple[int, ...] = (),
        weight: str | Initializer = "glorot_uniform",
        bias: str | Initializer | None = "zeros",
        generator: Generators = None,
        examples_dim: int = -2,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.replicas = _sizes("Linear", replicas, in_features=in_features, out_features=out_features)
        self.in_features, self.out_features = in_features, out_features
        self.examples_dim, self.units_dim = examples_dim, _units_dim("Linear", examples_dim)
        self.weight = nn.Parameter(
            torch.empty(*self.replicas, out_features, in_features, device=device, dtype=dtype)
        )
        self.bias = None
        if bias is not None:
            self.bias = nn.Parameter(torch.empty(*self.replicas, out_features, 1, device=device, dtype=dtype))
        initialize(self, weight, bias or "zeros", generator=generator)

    def columns(self, x: Tensor) -> Tensor:
        """Map columns `(…, in_features, n)` to columns `(…, out_features, n)`: the formula itself."""
        z = self.weight @ x
        return z if self.bias is None else z + self.bias

    def forward(self, x: Tensor) -> Tensor:
        """Map rows `(…, n, in_features)` to rows `(…, n, out_features)`; `…` broadcasts with the replicas."""
        _check(self, x, self.in_features)
        return self.columns(x) if self.examples_dim == -1 else self.columns(x.mT).mT

    def extra_repr(self) -> str:
        return (
            f"{self.in_features}, {self.out_features}, replicas={self.replicas}, bias={self.bias is not None}"
        )


class _Norm(nn.Module):
    """What the normalizations share: sizes, γ and β, rows or columns."""

    is_normalization = True  # what tells it from an activation
    has_bias = True

    def __init__(
        self,
        features: int,
        *,
        eps: float = 1e-5,
        affine: bool = True,
        replicas: int | tuple[int, ...] = (),
        examples_dim: int = -2,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if not 0 <= eps < math.inf:
            raise ValueError(f"{name}: eps must be at least 0 and finite, got {eps}")
        self.replicas = _sizes(name, replicas, features=features)
        self.features, self.eps = features, eps
        self.examples_dim, self.units_dim = examples_dim, _units_dim(name, examples_dim)
        shape = (*self.replicas, features, 1)
        self.weight = self.bias = None
        if affine:
            self.weight = nn.Parameter(torch.ones(shape, device=device, dtype=dtype))
            if self.has_bias:
                self.bias = nn.Parameter(torch.zeros(shape, device=device, dtype=dtype))

    @abstractmethod
    def columns(self, x: Tensor) -> Tensor:
        """Map columns `(…, features, n)` to columns of the same shape: the formula itself."""

    def forward(self, x: Tensor) -> Tensor:
        """Map rows `(…, n, features)` to rows of the same shape; `…` broadcasts with the replicas."""
        _check(self, x, self.features)
        return self.columns(x) if self.examples_dim == -1 else self.columns(x.mT).mT

    def _affine(self, y: Tensor, scale: Tensor | None = None) -> Tensor:
        """γ y + β, or γ scale y + β for one `scale` a unit, which γ takes in while it is small."""
        if self.weight is None:
            return y if scale is None else y * scale
        y = y * (self.weight if scale is None else self.weight * scale)
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        affine = self.weight is not None
        return f"{self.features}, eps={self.eps}, affine={affine}, replicas={self.replicas}"


class BatchNorm(_Norm):
    r"""Batch normalization: each unit gets mean 0 and variance 1 over the batch, then a scale and a shift.

    $$y = \gamma \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta$$

    with γ `weight` and β `bias`, both learned, and ε `eps`. In training μ and σ² are the mean and the
    variance of each unit over the examples of this batch, and the gradient flows through both; the running
    statistics move towards them. In evaluation (`model.eval()`) the running statistics stand in for them.

    Three pitfalls. Without `eval()` a prediction depends on the examples beside it, and predicting changes
    the model. With it, the first few batches do badly: the running statistics start from 0 and 1 and need
    about 1 / `momentum` batches; so do they after the weights have moved fast. Small batches make both
    noisy: among m normal examples σ² is off by a factor of about 1 ± √(2/m). A remedy for the last two is
    to measure them anew on the data, with the weights held still: `momentum = None`, `reset_running_stats()`,
    then some batches in training mode under `torch.no_grad()`.

    A bias right before it is taken out by μ and gets no gradient.

    Args:
        features: Number of units, at least 1.
        momentum: Weight of the newest batch in the running statistics, in [0, 1]; None for the mean over all
            batches so far.
        eps: ε, at least 0: keeps a unit that is constant over the batch from dividing by 0.
        affine: Whether there are γ and β.
        replicas: Leading dimensions: `()` is one layer, `(1000,)` or `1000` a thousand of them, each with
            statistics of its own.
        examples_dim: -2 for rows `(…, n, features)`; -1 for columns `(…, features, n)`. In training `…` is
            nothing or the replicas.
        device, dtype: As everywhere in torch.

    Attributes:
        weight: γ, `(*replicas, features, 1)`, from 1; None without `affine`.
        bias: β, likewise, from 0.
        running_mean: `(*replicas, features, 1)`, from 0.
        running_var: Likewise, from 1; of the unbiased variances σ² n / (n - 1), as in torch.
        num_batches_tracked: Batches seen in training.

    Raises:
        ValueError: For a number out of its range, or, when called, an input of another shape or, in
            training, of fewer than 2 examples.

    Examples:
        >>> import torch
        >>> from unitgain.layers import BatchNorm
        >>> norm = BatchNorm(1)
        >>> norm(torch.tensor([[7.0], [9.0]])).detach()
        tensor([[-1.0000],
                [ 1.0000]])
        >>> norm.running_mean, norm.eval()(torch.tensor([[7.0]])).detach()
        (tensor([[0.8000]]), tensor([[5.9114]]))

    Differs from torch.nn.BatchNorm1d: has replicas; takes no `(n, channels, length)`. For the channels of a
    convolution use nn.BatchNorm2d; to share a batch's statistics among processes, nn.SyncBatchNorm. Written
    out to be read, it is slower than torch's fused layer; the benchmarks measure by how much. Keras's
    momentum is the weight of the *old* value, 0.99, its epsilon 1e-3, and its running variance the biased
    one. Cast to bfloat16, the running statistics are rounded too, as torch's are.

    Source: Ioffe & Szegedy, *Batch normalization: accelerating deep network training by reducing internal
    covariate shift* (2015), algorithms 1 and 2.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(
        self,
        features: int,
        *,
        momentum: float | None = 0.1,
        eps: float = 1e-5,
        affine: bool = True,
        replicas: int | tuple[int, ...] = (),
        examples_dim: int = -2,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            features,
            eps=eps,
            affine=affine,
            replicas=replicas,
            examples_dim=examples_dim,
            device=device,
            dtype=dtype,
        )
        if momentum is not None and not 0 <= momentum <= 1:
            raise ValueError(f"BatchNorm: momentum must be in [0, 1] or None, got {momentum}")
        self.momentum = momentum
        shape = (*self.replicas, features, 1)
        self.register_buffer("running_mean", torch.zeros(shape, device=device, dtype=dtype))
        self.register_buffer("running_var", torch.ones(shape, device=device, dtype=dtype))
        self.register_buffer("num_batches_tracked", torch.tensor(0, device=device))

    def columns(self, x: Tensor) -> Tensor:
        """Map columns `(…, features, n)` to columns of the same shape: the formula itself."""
        if not self.training:
            return self._affine(x - self.running_mean, (self.running_var + self.eps).rsqrt())
        n = x.shape[-1]
        self._check_batch(x, n)
        mean = x.sum(-1, keepdim=True) / n  # the gradient of x.mean would fill a matrix
        c = x - mean
        var = (c * c).sum(-1, keepdim=True) / n  # x.var is far slower where x is a table's transpose
        self._track(mean.detach(), var.detach() * (n / (n - 1)))
        return self._affine(c, (var + self.eps).rsqrt())

    def _check_batch(self, x: Tensor, n: int) -> None:
        if x.shape[:-2] not in ((), self.replicas):
            raise ValueError(
                f"BatchNorm: x must lead with the replicas {self.replicas} or with nothing in training, "
                f"got {tuple(x.shape[:-2])}"
            )
        if n < 2:
            raise ValueError(
                "BatchNorm: x must have at least 2 examples in training, because one alone has no variance "
                f"and every output would be the bias, got {n}"
            )

    def _track(self, mean: Tensor, var: Tensor) -> None:
        """Move the running statistics towards those of this batch."""
        self.num_batches_tracked.add_(1)
        newest: Any = self.momentum
        if (
            newest is None
        ):  # 1 / batches: the mean over all of them; a tensor, so that nothing waits for a GPU
            newest = self.num_batches_tracked.to(mean.dtype).reciprocal()
        self.running_mean.lerp_(mean, newest)
        self.running_var.lerp_(var, newest)

    def reset_running_stats(self) -> None:
        """Forget the running statistics: mean 0, variance 1, no batches."""
        self.running_mean.zero_()
        self.running_var.fill_(1)
        self.num_batches_tracked.zero_()

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, momentum={self.momentum}"


class LayerNorm(_Norm):
    r"""Layer normalization: each example gets mean 0 and variance 1 over its units, then a scale and a shift.

    $$y = \gamma \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta$$

    with μ and σ² the mean and the variance over the units of one example, γ `weight`, β `bias` (one of each
    a unit) and ε `eps`. No example sees another, so training and evaluation are the same and one example is
    enough; but units keep the means and spreads they have over the data.

    Args:
        features: Number of units, at least 1.
        eps: ε, at least 0.
        affine: Whether there are γ and β.
        replicas: Leading dimensions: `()` is one layer, `(1000,)` or `1000` a thousand of them.
        examples_dim: -2 for rows `(…, n, features)`; -1 for columns `(…, features, n)`.
        device, dtype: As everywhere in torch.

    Attributes:
        weight: γ, `(*replicas, features, 1)`, from 1; None without `affine`.
        bias: β, likewise, from 0.

    Raises:
        ValueError: For a number out of its range, or, when called, an input of another shape.

    Examples:
        >>> import torch
        >>> from unitgain.layers import LayerNorm
        >>> LayerNorm(2)(torch.tensor([[7.0, 9.0]])).detach()
        tensor([[-1.0000,  1.0000]])

    Differs from torch.nn.LayerNorm: has replicas, and always normalizes one dimension, the units. Keras's
    epsilon is 1e-3.

    Source: Ba, Kiros & Hinton, *Layer normalization* (2016), eq. 3.
    """

    def columns(self, x: Tensor) -> Tensor:
        """Map columns `(…, features, n)` to columns of the same shape: the formula itself."""
        c = x - x.mean(-2, keepdim=True)
        return self._affine(c * (c.square().mean(-2, keepdim=True) + self.eps).rsqrt())


class RMSNorm(_Norm):
    r"""Root-mean-square normalization: each example gets mean square 1 over its units, then a scale.

    $$y = \gamma \frac{x}{\sqrt{\overline{x^2} + \varepsilon}}$$

    with the mean of x² over the units of one example, γ `weight` (one a unit) and ε `eps`. It is layer
    normalization without the mean, and so without a shift.

    Args:
        features: Number of units, at least 1.
        eps: ε, at least 0.
        affine: Whether there is γ.
        replicas: Leading dimensions: `()` is one layer, `(1000,)` or `1000` a thousand of them.
        examples_dim: -2 for rows `(…, n, features)`; -1 for columns `(…, features, n)`.
        device, dtype: As everywhere in torch.

    Attributes:
        weight: γ, `(*replicas, features, 1)`, from 1; None without `affine`.

    Raises:
        ValueError: For a number out of its range, or, when called, an input of another shape.

    Examples:
        >>> import torch
        >>> from unitgain.layers import RMSNorm
        >>> RMSNorm(2)(torch.tensor([[3.0, 3.0]])).detach()
        tensor([[1.0000, 1.0000]])

    Differs from torch.nn.RMSNorm: has replicas; `eps` is 1e-5 like the other layers', where torch takes the
    dtype's machine epsilon and Keras 1e-6.

    Source: Zhang & Sennrich, *Root mean square layer normalization* (2019), eq. 4.
    """

    has_bias = False

    def columns(self, x: Tensor) -> Tensor:
        """Map columns `(…, features, n)` to columns of the same shape: the formula itself."""
        return self._affine(x * (x.square().mean(-2, keepdim=True) + self.eps).rsqrt())


NORMALIZATIONS: dict[str, type[BatchNorm | LayerNorm | RMSNorm]] = {
    "batch": BatchNorm,
    "layer": LayerNorm,
    "rms": RMSNorm,
}
"""Normalization layers by the name that `models.MLP` knows them by."""
