"""Layers with a leading replicas dimension: the same code is one network or 8,192."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .initializers import Generators, Initializer, initialize

__all__ = ["Linear"]


class Linear(nn.Module):
    r"""A fully connected layer, or many of the same shape side by side.

    $$y = W x + b$$

    with W `weight` and b `bias`; one pair for each replica.

    Args:
        in_features: Number of inputs, at least 1.
        out_features: Number of units, at least 1.
        replicas: Leading dimensions: `()` is one layer, `(1000,)` a thousand of them.
        weight: Rule for the weight, by name or as a function.
        bias: Rule for the bias, or None for a layer without one.
        generator: One generator, or one a replica: replica k then starts equal to a single layer drawn from
            generator k.
        device, dtype: As everywhere in torch.

    Attributes:
        weight: `(*replicas, out_features, in_features)`, for one layer `torch.nn.Linear`'s own layout.
        bias: `(*replicas, out_features, 1)`, or None.

    Raises:
        ValueError: For a size below 1.

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
        replicas: tuple[int, ...] = (),
        weight: str | Initializer = "glorot_uniform",
        bias: str | Initializer | None = "zeros",
        generator: Generators = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        for name, size in (
            ("in_features", in_features),
            ("out_features", out_features),
            *(("replicas", r) for r in replicas),
        ):
            if not size >= 1:
                raise ValueError(f"Linear: {name} must be at least 1, got {size}")
        self.in_features, self.out_features, self.replicas = in_features, out_features, tuple(replicas)
        self.weight = nn.Parameter(
            torch.empty(*replicas, out_features, in_features, device=device, dtype=dtype)
        )
        self.bias = None
        if bias is not None:
            self.bias = nn.Parameter(torch.empty(*replicas, out_features, 1, device=device, dtype=dtype))
        initialize(self, weight, bias or "zeros", generator=generator)

    def columns(self, x: Tensor) -> Tensor:
        """Map columns `(…, in_features, n)` to columns `(…, out_features, n)`: what `MLP` computes with."""
        z = self.weight @ x
        return z if self.bias is None else z + self.bias

    def forward(self, x: Tensor) -> Tensor:
        """Map rows `(…, n, in_features)` to rows `(…, n, out_features)`; `…` broadcasts with the replicas."""
        if x.ndim < 2 or x.shape[-1] != self.in_features:
            raise ValueError(f"Linear: x must have shape (…, n, {self.in_features}), got {tuple(x.shape)}")
        return self.columns(x.mT).mT

    def extra_repr(self) -> str:
        return (
            f"{self.in_features}, {self.out_features}, replicas={self.replicas}, bias={self.bias is not None}"
        )
