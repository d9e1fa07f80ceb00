"""Activation functions by name, the modules that apply them, and what each does to signal and gradient."""

from __future__ import annotations

import math
from collections.abc import Callable
from difflib import get_close_matches
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Maxout",
    "PReLU",
    "Peak",
    "activation",
    "derivative",
    "gain",
    "peak",
]

Function = Callable[[Tensor], Tensor]


def _identity(x: Tensor) -> Tensor:
    return x


def _lecun_tanh(x: Tensor) -> Tensor:
    return 1.7159 * torch.tanh(x * (2 / 3))  # f(±1) = ±1


ACTIVATIONS: dict[str, Function] = {
    "identity": _identity,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "lecun_tanh": _lecun_tanh,
    "relu": torch.relu,
    "leaky_relu": functional.leaky_relu,  # slope 0.01 where x < 0
    "elu": functional.elu,
    "selu": torch.selu,
    "gelu": functional.gelu,  # exact: x Φ(x)
    "silu": functional.silu,
    "mish": functional.mish,  # x tanh(softplus(x))
    "softplus": functional.softplus,
}
"""Elementwise functions of a tensor of any shape, by their usual name."""


def activation(function: str | Function) -> Function:
    """The activation function called `function`; a callable is handed back as it is.

    Args:
        function: A key of `ACTIVATIONS`, or any callable that maps a tensor element by element.

    Returns:
        A function that maps a tensor of any shape to one of the same shape, element by element.

    Raises:
        ValueError: If no activation has this name; the message names the closest one.

    Examples:
        >>> import torch
        >>> from unitgain.activations import activation
        >>> activation("relu")(torch.tensor([-1.0, 2.0]))
        tensor([0., 2.])

    Source: Names as in [torch.nn.functional](https://docs.pytorch.org/docs/stable/nn.functional.html);
    "lecun_tanh" is from LeCun, Bottou, Orr & Müller, *Efficient BackProp* (1998), section 4.4.
    """
    if callable(function):
        return function
    if function not in ACTIVATIONS:
        close = get_close_matches(str(function).lower(), ACTIVATIONS, n=1, cutoff=0)
        raise ValueError(
            f"activation: function must be one of {', '.join(ACTIVATIONS)} or a callable; "
            f"got {function!r}, did you mean {close[0]!r}?"
        )
    return ACTIVATIONS[function]


# Modules


def _units_dim(owner: str, examples_dim: int) -> int:
    if examples_dim not in (-2, -1):
        raise ValueError(f"{owner}: examples_dim must be -2 (rows) or -1 (columns), got {examples_dim}")
    return -3 - examples_dim


class Activation(nn.Module):
    """An activation as a module, so that diagnostics can hook it.

    Args:
        function: A key of `ACTIVATIONS`, or any elementwise callable, such as `torch.sin`.
        examples_dim: The dimension of the input that runs over examples: -2 for rows `(…, n, units)`, as
            everywhere in torch; -1 for the columns `(…, units, n)` that `MLP` computes with.

    Attributes:
        function: What is applied.
        name: The name it was asked for by; of a callable its `__name__`, or its type's.

    Raises:
        ValueError: If no activation has this name, or for another `examples_dim`.

    Examples:
        >>> import torch
        >>> from unitgain.activations import Activation
        >>> Activation("tanh")(torch.zeros(2, 3)).shape
        torch.Size([2, 3])

    Source: the functions' own; see `activation`.
    """

    def __init__(self, function: str | Function, *, examples_dim: int = -2) -> None:
        super().__init__()
        _units_dim("Activation", examples_dim)
        self.function = activation(function)
        self.name = (
            function if isinstance(function, str) else getattr(function, "__name__", type(function).__name__)
        )
        self.examples_dim = examples_dim

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)

    def extra_repr(self) -> str:
        return self.name


class PReLU(nn.Module):
    r"""A ReLU whose slope below 0 is learned, one for each unit or one for all.

    $$f(x) = \max(0, x) + a \min(0, x)$$

    with a the parameter `weight`. At 0 the derivative is a, as in torch.

    Args:
        units: Units of the layer before, each with its own slope; 1 for one slope shared by any number of
            units.
        initial: Slope to start from, any number: 0 is ReLU, 1 is linear.
        replicas: Leading dimensions: `()` is one layer, `(1000,)` a thousand of them.
        examples_dim: -2 for rows `(…, n, units)`; -1 for columns `(…, units, n)`.
        device, dtype: As everywhere in torch.

    Attributes:
        weight: The slopes a, `(*replicas, units, 1)`.

    Raises:
        ValueError: For a size below 1, a slope that is not finite, another `examples_dim`, or, when called,
            an input with another number of units.

    Examples:
        >>> import torch
        >>> from unitgain.activations import PReLU
        >>> PReLU(2)(torch.tensor([[-4.0, 4.0]])).detach()
        tensor([[-1.,  4.]])

    Differs from torch.nn.PReLU: has replicas; the units are the last dimension of rows, not dimension 1 of
    whatever arrives. Keras starts from 0. Keep weight decay away from the slopes: it would pull them to ReLU.

    Source: He, Zhang, Ren & Sun, *Delving deep into rectifiers* (2015), section 2.1.
    """

    def __init__(
        self,
        units: int = 1,
        initial: float = 0.25,
        *,
        replicas: tuple[int, ...] = (),
        examples_dim: int = -2,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        for name, size in (("units", units), *(("replicas", r) for r in replicas)):
            if not size >= 1:
                raise ValueError(f"PReLU: {name} must be at least 1, got {size}")
        if not math.isfinite(initial):
            raise ValueError(f"PReLU: initial must be finite, got {initial}")
        self.units, self.replicas, self.examples_dim = units, tuple(replicas), examples_dim
        self.units_dim = _units_dim("PReLU", examples_dim)
        self.weight = nn.Parameter(torch.full((*replicas, units, 1), initial, device=device, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim < 2 or self.units not in (1, x.shape[self.units_dim]):
            shape = "(…, n, {})" if self.examples_dim == -2 else "(…, {}, n)"
            units = "units" if self.units == 1 else self.units
            raise ValueError(f"PReLU: x must have shape {shape.format(units)}, got {tuple(x.shape)}")
        slope = self.weight.mT if self.examples_dim == -2 else self.weight
        return x.relu() + slope.to(x.dtype) * x.clamp(max=0)

    def extra_repr(self) -> str:
        return f"{self.units}, replicas={self.replicas}"


class Maxout(nn.Module):
    r"""Each unit is the largest of several linear pieces, so that the shape of its activation is learned.

    $$h_u = \max_{j = 1 \dots k} z_{uk + j}$$

    with k the `pieces` and z the outputs of a linear layer of k × units outputs, each unit's pieces side by
    side. With two pieces it can be ReLU or the absolute value; with enough of them, any convex function.
    The price is a layer before it that is k times as large: k times its parameters, memory and arithmetic.

    Args:
        pieces: Linear pieces a unit, at least 1.
        examples_dim: -2 for rows `(…, n, pieces * units)`; -1 for columns `(…, pieces * units, n)`.

    Raises:
        ValueError: For fewer than 1 piece, another `examples_dim`, or, when called, an input whose units are
            not a multiple of `pieces`.

    Examples:
        >>> import torch
        >>> from unitgain.activations import Maxout
        >>> Maxout(pieces=2)(torch.tensor([[1.0, -1.0, 3.0, 5.0]]))
        tensor([[1., 5.]])

    Differs from torch and Keras: neither has it. Pieces that tie share the gradient.

    Source: Goodfellow, Warde-Farley, Mirza, Courville & Bengio, *Maxout networks* (2013), section 3.
    """

    name = "maxout"

    def __init__(self, pieces: int = 2, *, examples_dim: int = -2) -> None:
        super().__init__()
        if not pieces >= 1:
            raise ValueError(f"Maxout: pieces must be at least 1, got {pieces}")
        self.pieces, self.examples_dim = pieces, examples_dim
        self.units_dim = _units_dim("Maxout", examples_dim)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim < 2 or x.shape[self.units_dim] % self.pieces:
            shape = "(…, n, {} * units)" if self.examples_dim == -2 else "(…, {} * units, n)"
            raise ValueError(f"Maxout: x must have shape {shape.format(self.pieces)}, got {tuple(x.shape)}")
        # Columns: (…, units, pieces, n), the largest over -2; rows: (…, n, units, pieces), over -1
        return x.unflatten(self.units_dim, (-1, self.pieces)).amax(self.units_dim)

    def extra_repr(self) -> str:
        return f"pieces={self.pieces}"


# What a function does to signal and gradient


def derivative(function: str | Function) -> Function:
    r"""The derivative f′ of an activation, as a function of a tensor.

    By automatic differentiation, so it is exact wherever f is smooth, and can itself be differentiated. At a
    kink it is what torch's backward pass uses there, one of the two slopes or a number between: 0 for ReLU
    at 0, 0.01 for leaky ReLU, 1 for ELU.

    Args:
        function: A key of `ACTIVATIONS`, or any elementwise callable.

    Returns:
        A function that maps a floating-point tensor of any shape to f′ of each element. Its result is part of
        a graph only if its input is.

    Raises:
        ValueError: If no activation has this name.

    Examples:
        >>> import torch
        >>> from unitgain.activations import derivative
        >>> derivative("sigmoid")(torch.tensor([0.0, 2.0]))
        tensor([0.2500, 0.1050])

    Source: Rumelhart, Hinton & Williams, *Learning representations by back-propagating errors* (1986): the
    factor f′(z) of each unit's gradient.
    """
    f = activation(function)

    def slope(x: Tensor) -> Tensor:
        inside = x.requires_grad and torch.is_grad_enabled()
        with torch.inference_mode(False), torch.enable_grad():
            if torch._C._are_functorch_transforms_active():  # vmap, jvp: they know no requires_grad_
                pull_back = torch.func.vjp(f, x)[1]
                return pull_back(torch.ones_like(x))[0]
            z = x if inside else x.detach().clone().requires_grad_()
            y = f(z)
            if not y.requires_grad:  # a constant function
                return torch.zeros_like(x)
            (dy,) = torch.autograd.grad(y.sum(), z, create_graph=inside)
        return dy

    return slope


class Peak(NamedTuple):
    """Where an activation is steepest, and how steep.

    Attributes:
        x: The argument.
        value: The derivative there, with its sign.

    Examples:
        >>> from unitgain.activations import Peak
        >>> Peak(x=0.0, value=0.25).value
        0.25

    Source: see `peak`.
    """

    x: float
    value: float


def peak(function: str | Function) -> Peak:
    r"""The largest derivative of an activation in absolute value, and where it is.

    A gradient that passes a layer is multiplied by f′(z) ≤ f′(x*): with a peak of 1/4 a sigmoid can only
    shrink it, while SELU, GELU, SiLU and Mish can also enlarge it.

    Conventions: a one-sided limit counts (SELU approaches 1.758 from below 0). Of many points that are
    equally steep, x is the one nearest 0: 0 for ReLU, whose slope is 1 on all of x > 0. A function that is
    steepest at infinity gives the point from where on float64 sees no difference, or the end of the range
    searched: softplus 20, where torch's goes over to a straight line.

    Args:
        function: A key of `ACTIVATIONS`, or any elementwise callable.

    Returns:
        `Peak(x, value)`, both right to 1e-6, found in [-32, 32] on a grid of step 1/256 that is refined
        around its best point, in float64.

    Raises:
        ValueError: If no activation has this name, or if the derivative is not finite somewhere in the range.

    Examples:
        >>> from unitgain.activations import peak
        >>> peak("tanh")
        Peak(x=0.0, value=1.0)
        >>> x, value = peak("gelu")
        >>> round(x, 4), round(value, 4)
        (1.4142, 1.1289)

    Source: Hochreiter, *The vanishing gradient problem during learning recurrent neural nets and problem
    solutions* (1998), which bounds the gradient's factor by the largest derivative.
    """
    slope = derivative(function)
    low, high, points = -32.0, 32.0, 2**17  # even: the grid leaves out the centre, where a kink may be
    for _ in range(2):
        x = torch.linspace(low, high, points, dtype=torch.float64)
        steepness = slope(x).abs()
        if not steepness.isfinite().all():
            where = x[~steepness.isfinite()][0].item()
            raise ValueError(
                f"peak: function must have a finite derivative on [-32, 32], got none at {where:.4g}"
            )
        step = (high - low) / (points - 1)
        # A point beside a summit lies lower by about step² f‴ / 8: two summits closer than that are equal
        top = steepness >= steepness.max() * (1 - max(step**2, 1e-15))
        summits = top & (steepness == functional.max_pool1d(steepness[None], 3, 1, 1)[0])
        best = x.abs().where(summits, math.inf).argmin()
        centre = x[best].item()
        low, high = max(centre - 2 * step, -32.0), min(centre + 2 * step, 32.0)
    return Peak(round(centre, 7) + 0.0, slope(x)[best].item())  # + 0.0: no negative zero


def _gaussian_mean(f: Function) -> float:
    """E f(z) for z ~ N(0, 1): Gauss-Legendre on panels of length 1, so exact with a kink at any integer."""
    nodes, weights = np.polynomial.legendre.leggauss(32)
    z = torch.from_numpy(np.add.outer(np.arange(-12, 12), (nodes + 1) / 2))  # φ(12) is 2e-32
    density = torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
    return (f(z) * density * torch.from_numpy(weights / 2)).sum().item()


def gain(function: str | Function, direction: Literal["forward", "backward"] = "forward") -> float:
    r"""The factor g that makes weights of variance g²/fan preserve the signal or the gradient.

    $$g_\text{forward} = \frac{1}{\sqrt{\mathbb{E} f(z)^2}}, \qquad
      g_\text{backward} = \frac{1}{\sqrt{\mathbb{E} f'(z)^2}}, \qquad z \sim N(0, 1)$$

    with f the `function`. Weights of mean 0 and variance g²/fan_in turn f(z) into pre-activations of variance
    1 again; of variance g²/fan_out, they return a gradient of the size it came with. For ReLU both are √2,
    He's rule. Where f is not positively homogeneous this holds for pre-activations of variance 1 only, and a
    network need not stay there: biases are 0 and layers are taken to be wide.

    Args:
        function: A key of `ACTIVATIONS`, or any elementwise callable.
        direction: "forward" for the second moment of the signal, "backward" for the gradient's.

    Returns:
        g, by Gauss-Legendre quadrature in float64, to 12 digits if f is smooth but for kinks at integers.

    Raises:
        ValueError: For an unknown name or direction, or if the mean square is 0 or not finite.

    Examples:
        >>> from unitgain.activations import gain
        >>> round(gain("relu"), 4), round(gain("relu", "backward"), 4)
        (1.4142, 1.4142)
        >>> round(gain("tanh"), 3), round(gain("tanh", "backward"), 3)
        (1.593, 1.467)

    Differs from torch.nn.init.calculate_gain, which knows some names only and gives rules of thumb: 5/3 for
    tanh, 3/4 for SELU (here 1 forward: its fixed point), 1 for sigmoid.

    Source: He, Zhang, Ren & Sun, *Delving deep into rectifiers* (2015), eqs. 10 and 14, for any activation as
    in Poole et al., *Exponential expressivity in deep neural networks through transient chaos* (2016), eq. 3.
    """
    if direction not in ("forward", "backward"):
        raise ValueError(f"gain: direction must be 'forward' or 'backward', got {direction!r}")
    f = activation(function) if direction == "forward" else derivative(function)
    square = _gaussian_mean(lambda z: f(z).square())
    if not 0 < square < math.inf:
        what = "function" if direction == "forward" else "the derivative of function"
        raise ValueError(f"gain: {what} must have a finite mean square above 0, got {square}")
    return 1 / math.sqrt(square)
