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
from torch.nn.modules.batchnorm import _BatchNorm

from .initializers import Generators, Initializer, initialize

__all__ = ["NORMALIZATIONS", "BatchNorm", "LayerNorm", "Linear", "RMSNorm"]


def _sizes(owner: str, replicas: int | tuple[int, ...], examples_dim: int, **sizes: int) -> tuple[int, ...]:
    """The replicas as a tuple, after a check of all sizes."""
    replicas = (replicas,) if isinstance(replicas, int) else tuple(replicas)
    for name, size in (*sizes.items(), *(("replicas", r) for r in replicas)):
        if not size >= 1:
            raise ValueError(f"{owner}: {name} must be at least 1, got {size}")
    if examples_dim not in (-2, -1):
        raise ValueError(f"{owner}: examples_dim must be -2 (rows) or -1 (columns), got {examples_dim}")
    return replicas


class _Layer(nn.Module):
    """What all layers share: rows or columns, and torch's checkpoints."""

    replicas: tuple[int, ...]
    examples_dim: int

    @abstractmethod
    def columns(self, x: Tensor) -> Tensor:
        """Map columns `(…, units, n)` to columns."""

    def _forward(self, x: Tensor, features: int) -> Tensor:
        if x.ndim < 2 or x.shape[-3 - self.examples_dim] != features:
            shape = f"(…, n, {features})" if self.examples_dim == -2 else f"(…, {features}, n)"
            raise ValueError(f"{type(self).__name__}: x must have shape {shape}, got {tuple(x.shape)}")
        return self.columns(x) if self.examples_dim == -1 else self.columns(x.mT).mT

    def _column(self, numbers: Tensor) -> Tensor:
        """One number a unit, as `(*replicas, units, 1)`."""
        return numbers.view(*self.replicas, -1, 1)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        """Take `(units,)`, as torch's layers save it, for `(units, 1)`, as ours did before 0.2, and back."""
        for name, own in {**self._parameters, **self._buffers}.items():
            loaded = state_dict.get(prefix + name)
            if own is not None and loaded is not None:
                units = own.shape[:1]
                if {own.shape, loaded.shape} == {units, torch.Size([*units, 1])}:
                    state_dict[prefix + name] = loaded.reshape(own.shape)
        super()._load_from_state_dict(state_dict, prefix, *args)


class Linear(_Layer):
    r"""A fully connected layer, or many of the same shape side by side.

    $$y = W x + b$$

    with W `weight` and b `bias`; one pair for each replica.

    Args:
        in_features: Number of inputs, at least 1.
        out_features: Number of units, at least 1.
        replicas: Leading dimensions: `()` is one layer, `(1000,)` or `1000` a thousand of them.
        weight: Rule for the weight, by name or as a function.
        bias: Rule for the bias. True, as in torch, for the usual rule; False or None for a layer without one.
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
        bias: str | Initializer | bool | None = "zeros",
        generator: Generators = None,
        examples_dim: int = -2,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.replicas = _sizes(
            "Linear", replicas, examples_dim, in_features=in_features, out_features=out_features
        )
        self.in_features, self.out_features = in_features, out_features
        self.examples_dim = examples_dim
        self.weight = nn.Parameter(
            torch.empty(*self.replicas, out_features, in_features, device=device, dtype=dtype)
        )
        self.bias = None
        if bias not in (None, False):
            self.bias = nn.Parameter(torch.empty(*self.replicas, out_features, 1, device=device, dtype=dtype))
        rule = bias if isinstance(bias, str) or callable(bias) else "zeros"
        initialize(self, weight, rule, generator=generator)

    def columns(self, x: Tensor) -> Tensor:
        """Map columns `(…, in_features, n)` to columns `(…, out_features, n)`: the formula itself."""
        z = self.weight @ x
        return z if self.bias is None else z + self._column(self.bias).to(z.dtype)  # autocast: not z's

    def forward(self, x: Tensor) -> Tensor:
        """Map rows `(…, n, in_features)` to rows `(…, n, out_features)`; `…` broadcasts with the replicas."""
        return self._forward(x, self.in_features)

    def extra_repr(self) -> str:
        return (
            f"{self.in_features}, {self.out_features}, replicas={self.replicas}, bias={self.bias is not None}"
        )


class _Norm(_Layer):
    """What the normalizations share: sizes, γ and β, and sums in at least float32."""

    is_normalization = True  # what tells it from an activation
    has_bias = True
    eps_may_be_none = False

    def __init__(
        self,
        features: int,
        *,
        eps: float | None = 1e-5,
        affine: bool = True,
        replicas: int | tuple[int, ...] = (),
        examples_dim: int = -2,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        nn.Module.__init__(self)  # not torch's BatchNorm's, which would make parameters of its own
        name = type(self).__name__
        if not (self.eps_may_be_none if eps is None else 0 <= eps < math.inf):
            raise ValueError(f"{name}: eps must be at least 0 and finite, got {eps}")
        self.replicas = _sizes(name, replicas, examples_dim, features=features)
        self.features, self.affine, self.examples_dim = features, affine, examples_dim
        self.eps: Any = eps
        torchs = not self.replicas and examples_dim == -2  # else the shape that broadcasts over columns
        self._shape = (features,) if torchs else (*self.replicas, features, 1)
        self.weight = self.bias = None
        if affine:
            self.weight = nn.Parameter(torch.ones(self._shape, device=device, dtype=dtype))
            if self.has_bias:
                self.bias = nn.Parameter(torch.zeros(self._shape, device=device, dtype=dtype))

    @abstractmethod
    def _normalized(self, x: Tensor) -> Tensor:
        """Columns in float32 or float64 to columns: the formula itself."""

    def columns(self, x: Tensor) -> Tensor:
        """Map columns `(…, features, n)` to columns of the same shape and dtype."""
        if not x.is_floating_point():
            raise TypeError(f"{type(self).__name__}: x must be of a real floating-point dtype, got {x.dtype}")
        return self._normalized(_wide(x)).to(x.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Map rows `(…, n, features)` to rows of the same shape; `…` broadcasts with the replicas."""
        return self._forward(x, self.features)

    def _affine(self, y: Tensor, scale: Tensor | None = None) -> Tensor:
        """γ y + β, or γ scale y + β for one `scale` a unit, which γ takes in while it is small."""
        if self.weight is None:
            return y if scale is None else y * scale
        weight = self._column(self.weight).to(y.dtype)
        weight = weight if scale is None else weight * scale
        return (
            y * weight if self.bias is None else torch.addcmul(self._column(self.bias).to(y.dtype), y, weight)
        )

    def extra_repr(self) -> str:
        return f"{self.features}, eps={self.eps}, affine={self.weight is not None}, replicas={self.replicas}"


def _wide(x: Tensor) -> Tensor:
    """In float32 at least: in half precision squares overflow and sums lose their digits."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class BatchNorm(_Norm, _BatchNorm):  # type: ignore[misc]  # no weight or bias: None, as in torch
    r"""Batch normalization: each unit gets mean 0 and variance 1 over the batch, then a scale and a shift.

    $$y = \gamma \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta$$

    with γ `weight` and β `bias`, both learned, and ε `eps`. In training μ and σ² are the mean and the
    variance of each unit over the examples of this batch, and the gradient flows through both; the running
    statistics move towards them. In evaluation (`model.eval()`) the running statistics stand in for them.

    Three pitfalls. Without `eval()` a prediction depends on the examples beside it, and predicting changes
    the model. With it, the first few batches do badly: the running statistics start from 0 and 1 and need
    about 1 / `momentum` batches; so they do after the weights have moved fast. Small batches make both
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
        weight: γ, from 1; `(features,)`, with replicas or in columns `(*replicas, features, 1)`; None without
            `affine`.
        bias: β, likewise, from 0.
        running_mean: Likewise, from 0.
        running_var: Likewise, from 1; of the unbiased variances σ² n / (n - 1), as in torch.
        num_batches_tracked: Batches seen in training.
        num_features: `features`, for torch's tools; see below.

    Raises:
        TypeError: When called, for an input that is not real and floating-point.
        ValueError: For a number out of its range, or, when called, an input of another shape or, in
            training, of fewer than 2 examples. For `num_features` of replicas or columns.

    Examples:
        >>> import torch
        >>> from unitgain.layers import BatchNorm
        >>> norm = BatchNorm(1)
        >>> norm(torch.tensor([[7.0], [9.0]])).detach()
        tensor([[-1.0000],
                [ 1.0000]])
        >>> norm.running_mean, norm.eval()(torch.tensor([[7.0]])).detach()
        (tensor([0.8000]), tensor([[5.9114]]))

    Differs from torch.nn.BatchNorm1d: has replicas; takes no `(n, channels, length)`; is exact on a constant,
    where torch's may return a few hundredths, and over many rows: torch's variance is off by up to 2e-5 at
    1e5 rows in float32. Written out to be read, it is slower than torch's fused layer; the benchmarks measure
    by how much. For the channels of a convolution use nn.BatchNorm2d. Torch's tools take it for theirs:
    checkpoints go both ways, `update_bn` measures it anew, `nn.SyncBatchNorm.convert_sync_batchnorm` shares
    its statistics among processes and `torch.nn.utils.fuse_linear_bn_eval` folds it; the last two refuse
    replicas and columns. Keras's momentum is the weight of the *old* value, 0.99, its epsilon 1e-3, and its
    running variance the biased one. Cast to bfloat16, the running statistics are rounded too, as torch's are.

    Source: Ioffe & Szegedy, *Batch normalization: accelerating deep network training by reducing internal
    covariate shift* (2015), algorithms 1 and 2.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    track_running_stats = True

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
        options: Any = {"affine": affine, "replicas": replicas, "device": device, "dtype": dtype}
        super().__init__(features, eps=eps, examples_dim=examples_dim, **options)
        if momentum is not None and not 0 <= momentum <= 1:
            raise ValueError(f"BatchNorm: momentum must be in [0, 1] or None, got {momentum}")
        self.momentum = momentum
        self.register_buffer("running_mean", torch.zeros(self._shape, device=device, dtype=dtype))
        self.register_buffer("running_var", torch.ones(self._shape, device=device, dtype=dtype))
        self.register_buffer("num_batches_tracked", torch.tensor(0, device=device))

    @property
    def num_features(self) -> int:  # type: ignore[override]
        """Read by what turns the layer into one of torch's, which have neither replicas nor columns."""
        if self.replicas or self.examples_dim != -2:
            rule = "replicas must be () and examples_dim -2 where torch converts or fuses the layer"
            raise ValueError(f"BatchNorm: {rule}, got {self.replicas} and {self.examples_dim}")
        return self.features

    def _normalized(self, x: Tensor) -> Tensor:
        if self.training or self.running_mean is None:  # None: torch.func has taken them away
            return self._by_batch(x)
        scale = (_wide(self._column(self.running_var)) + self.eps).rsqrt()
        return self._affine(x - self._column(self.running_mean), scale)

    def _by_batch(self, x: Tensor) -> Tensor:
        lead, n = x.shape[:-2], x.shape[-1]
        if lead not in ((), self.replicas):
            rule = f"x must lead with the replicas {self.replicas} or with nothing in training"
            raise ValueError(f"BatchNorm: {rule}, got {tuple(lead)}")
        if n < 2:  # one alone has no variance, and every output would be the bias
            raise ValueError(f"BatchNorm: x must have at least 2 examples in training, got {n}")
        first = x.detach()[..., :1]
        c = x - first  # numbers near 0: exact on constants and far from 0
        mean = c.sum(-1, keepdim=True) / n  # the gradient of c.mean would fill a matrix
        c = c - mean
        var = (c * c).sum(-1, keepdim=True) / n  # c.var is far slower where x is a table's transpose
        if self.running_mean is not None:
            self._track(mean.detach() + first, var.detach() * (n / (n - 1)))
        y = self._affine(c, (var + self.eps).rsqrt())
        return y if y.shape[:-2] == self.replicas else y.expand(*self.replicas, *x.shape[-2:])

    def _track(self, mean: Tensor, var: Tensor) -> None:
        """Move the running statistics towards those of this batch."""
        newest: Any = self.momentum
        if newest is None:  # the mean over all batches; a tensor, so that nothing waits for a GPU
            newest = (self.num_batches_tracked + 1).to(_wide(self.running_mean).dtype).reciprocal()
        for running, now in ((self.running_mean, mean), (self.running_var, var)):
            running = self._column(running)  # in place: the one batch of `x` moves every replica's
            if now.dtype == running.dtype:
                running.lerp_(now, newest)
            else:
                wide = _wide(running)
                running.copy_(wide.lerp(now.to(wide.dtype), newest))
        self.num_batches_tracked.add_(1)

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
        weight: γ, from 1; `(features,)`, with replicas or in columns `(*replicas, features, 1)`; None without
            `affine`.
        bias: β, likewise, from 0.

    Raises:
        TypeError: When called, for an input that is not real and floating-point.
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

    def _normalized(self, x: Tensor) -> Tensor:
        c = x - x[..., :1, :].detach()  # numbers near 0: exact on constants and far from 0
        c = c - c.mean(-2, keepdim=True)
        return self._affine(c * (c.square().mean(-2, keepdim=True) + self.eps).rsqrt())


class RMSNorm(_Norm):
    r"""Root-mean-square normalization: each example gets mean square 1 over its units, then a scale.

    $$y = \gamma \frac{x}{\sqrt{\overline{x^2} + \varepsilon}}$$

    with the mean of x² over the units of one example, γ `weight` (one a unit) and ε `eps`. It is layer
    normalization without the mean, and so without a shift.

    Args:
        features: Number of units, at least 1.
        eps: ε, at least 0; None, as in torch, for the machine epsilon of the dtype that sums are taken in.
        affine: Whether there is γ.
        replicas: Leading dimensions: `()` is one layer, `(1000,)` or `1000` a thousand of them.
        examples_dim: -2 for rows `(…, n, features)`; -1 for columns `(…, features, n)`.
        device, dtype: As everywhere in torch.

    Attributes:
        weight: γ, from 1; `(features,)`, with replicas or in columns `(*replicas, features, 1)`; None without
            `affine`.

    Raises:
        TypeError: When called, for an input that is not real and floating-point.
        ValueError: For a number out of its range, or, when called, an input of another shape.

    Examples:
        >>> import torch
        >>> from unitgain.layers import RMSNorm
        >>> RMSNorm(2)(torch.tensor([[3.0, 3.0]])).detach()
        tensor([[1.0000, 1.0000]])

    Differs from torch.nn.RMSNorm: has replicas; `eps` is 1e-5 like the other layers'; in torch None is
    the default, in Keras 1e-6.

    Source: Zhang & Sennrich, *Root mean square layer normalization* (2019), eq. 4.
    """

    has_bias = False
    eps_may_be_none = True

    def _normalized(self, x: Tensor) -> Tensor:
        eps = torch.finfo(x.dtype).eps if self.eps is None else self.eps
        return self._affine(x * (x.square().mean(-2, keepdim=True) + eps).rsqrt())


NORMALIZATIONS: dict[str, type[BatchNorm | LayerNorm | RMSNorm]] = {
    "batch": BatchNorm,
    "layer": LayerNorm,
    "rms": RMSNorm,
}
"""Normalization layers by the name that `models.MLP` knows them by."""
