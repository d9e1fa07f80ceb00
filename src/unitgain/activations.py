"""Activation functions by name, and the module that applies one."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["ACTIVATIONS", "Activation", "activation"]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": functional.leaky_relu,  # slope 0.01 where x < 0
    "elu": functional.elu,
    "selu": torch.selu,
    "gelu": functional.gelu,  # exact: x Φ(x)
    "silu": functional.silu,
    "softplus": functional.softplus,
}
"""Elementwise functions of a tensor of any shape, by their usual name."""


def activation(name: str) -> Callable[[Tensor], Tensor]:
    """The activation function called `name`.

    Args:
        name: A key of `ACTIVATIONS`.

    Returns:
        A function that maps a tensor of any shape to one of the same shape, element by element.

    Raises:
        ValueError: If no activation has this name; the message names the closest one.

    Examples:
        >>> import torch
        >>> from unitgain.activations import activation
        >>> activation("relu")(torch.tensor([-1.0, 2.0]))
        tensor([0., 2.])

    Source: Names as in [torch.nn.functional](https://docs.pytorch.org/docs/stable/nn.functional.html).
    """
    if name not in ACTIVATIONS:
        close = get_close_matches(str(name).lower(), ACTIVATIONS, n=1, cutoff=0)
        raise ValueError(
            f"activation: name must be one of {', '.join(ACTIVATIONS)}; "
            f"got {name!r}, did you mean {close[0]!r}?"
        )
    return ACTIVATIONS[name]


class Activation(nn.Module):
    """An activation as a module, so that diagnostics can hook it.

    Args:
        name: A key of `ACTIVATIONS`.
        examples_dim: The dimension of the input that runs over examples: -2 for rows `(…, n, units)`, as
            everywhere in torch; -1 for the columns `(…, units, n)` that `MLP` computes with.

    Raises:
        ValueError: If no activation has this name.

    Examples:
        >>> import torch
        >>> from unitgain.activations import Activation
        >>> Activation("tanh")(torch.zeros(2, 3)).shape
        torch.Size([2, 3])

    Source: the functions' own; see `activation`.
    """

    def __init__(self, name: str, *, examples_dim: int = -2) -> None:
        super().__init__()
        self.function = activation(name)
        self.name = name
        self.examples_dim = examples_dim

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)

    def extra_repr(self) -> str:
        return self.name
