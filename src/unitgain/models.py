"""The networks of the chapters."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from .activations import Activation
from .initializers import Generators, Initializer
from .layers import Linear

__all__ = ["MLP"]


class MLP(nn.Module):
    r"""A multilayer perceptron, or many of the same shape side by side.

    $$h_l = f(W_l h_{l-1} + b_l), \qquad h_0 = x, \qquad y = W_L h_{L-1} + b_L$$

    with f the `activation`. The last layer is not activated: its outputs are logits or regression values.

    Args:
        sizes: Units a layer from input to output, at least two numbers: `(2, 2, 1)` is two inputs, two hidden
            units, one output.
        activation: Name of the hidden units' activation.
        replicas: Leading dimensions: `()` is one network, `(1000,)` a thousand of them.
        weight: Rule for the weights, by name or as a function.
        bias: Rule for the biases, or None for a network without them.
        generator: One generator, or one a replica: replica k then starts equal to the single network of
            generator k, to the bit.
        device, dtype: As everywhere in torch.

    Raises:
        ValueError: For fewer than two sizes, a size below 1, or an unknown name.

    Examples:
        >>> import torch
        >>> from unitgain.models import MLP
        >>> MLP((2, 2, 1), replicas=(1000,))(torch.zeros(5, 2)).shape
        torch.Size([1000, 5, 1])

    Source: Rumelhart, Hinton & Williams, *Learning representations by back-propagating errors* (1986).
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str = "relu",
        *,
        replicas: tuple[int, ...] = (),
        weight: str | Initializer = "glorot_uniform",
        bias: str | Initializer | None = "zeros",
        generator: Generators = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if len(sizes) < 2:
            raise ValueError(f"MLP: sizes needs at least an input and an output, got {tuple(sizes)}")
        self.sizes, self.replicas = tuple(sizes), tuple(replicas)
        self.layers = nn.ModuleList(
            Linear(
                m,
                n,
                replicas=replicas,
                weight=weight,
                bias=bias,
                generator=generator,
                device=device,
                dtype=dtype,
            )
            for m, n in pairwise(sizes)
        )
        self.activations = nn.ModuleList(Activation(activation, examples_dim=-1) for _ in sizes[1:-1])

    def forward(self, x: Tensor) -> Tensor:
        """Map rows `(…, n, inputs)` to rows `(*replicas, n, outputs)`; `…` broadcasts with the replicas."""
        return self._columns(x)[-1].mT

    def hidden(self, x: Tensor) -> list[Tensor]:
        """What each hidden layer passes on for rows `(…, n, inputs)`: one `(*replicas, n, units)` a layer."""
        return [h.mT for h in self._columns(x)[:-1]]

    def _columns(self, x: Tensor) -> list[Tensor]:
        """Every layer's output with examples as columns, one layout for one network and for thousands."""
        if x.ndim < 2 or x.shape[-1] != self.sizes[0]:
            raise ValueError(f"MLP: x must have shape (…, n, {self.sizes[0]}), got {tuple(x.shape)}")
        h, outputs = x.mT, []
        for layer, act in zip(self.layers, self.activations, strict=False):
            h = act(layer.columns(h))  # type: ignore[operator]
            outputs.append(h)
        return [*outputs, self.layers[-1].columns(h)]  # type: ignore[operator]
