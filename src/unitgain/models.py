"""The networks of the chapters."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from itertools import repeat
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from .activations import ACTIVATIONS, Activation, Function, Maxout, PReLU, derivative
from .initializers import Generators, Initializer
from .layers import NORMALIZATIONS, Linear

__all__ = ["MLP", "ScalarChain", "States"]


def _known(argument: str, name: object, names: Sequence[str], otherwise: str) -> None:
    """Refuse an unknown name, and name the closest known one."""
    if name not in names:
        close = get_close_matches(str(name).lower(), names, n=1, cutoff=0)
        raise ValueError(
            f"MLP: {argument} must be one of {', '.join(names)} or {otherwise}; "
            f"got {name!r}, did you mean {close[0]!r}?"
        )


class MLP(nn.Module):
    r"""A multilayer perceptron, or many of the same shape side by side.

    $$h_l = f(W_l h_{l-1} + b_l), \qquad h_0 = x, \qquad y = W_L h_{L-1} + b_L$$

    with f the `activation`. The last layer is not activated: its outputs are logits or regression values. A
    `normalization` N makes the hidden layers $h_l = f(N(W_l h_{l-1} + b_l))$ or, after the activation,
    $h_l = N(f(W_l h_{l-1} + b_l))$. To normalize the input too, put a layer or a scaler before the network:
    `nn.Sequential(BatchNorm(2), MLP((2, 2, 1)))`, with the same `replicas` for both.

    Args:
        sizes: Units a layer from input to output, at least two numbers: `(2, 2, 1)` is two inputs, two hidden
            units, one output.
        activation: What the hidden units do: a key of `ACTIVATIONS`, any elementwise callable, "prelu" (a
            slope for each unit, learned from 0.25 on) or "maxout".
        pieces: Linear pieces of a maxout unit, at least 1; each is a unit of the linear layer before it, so a
            layer has `pieces` times the weights. Otherwise ignored.
        normalization: "batch", "layer", "rms" or None; a layer of it for each hidden layer.
        position: Of the normalization: "before" the activation, as it was published, or "after" it.
        replicas: Leading dimensions: `()` is one network, `(1000,)` or `1000` a thousand of them.
        weight: Rule for the weights, by name or as a function.
        bias: Rule for the biases. True, as in torch, for the usual rule; False or None for a network without.
        generator: One generator, or one a replica: replica k then starts equal to the single network of
            generator k, to the bit.
        device, dtype: As everywhere in torch.

    Attributes:
        layers: The linear layers from input to output, `layers[-1]` the output's.
        activations: One a hidden layer.
        normalizations: One a hidden layer, or empty.

    Raises:
        ValueError: For fewer than two sizes, a size below 1, an unknown name, or, when called, an input of
            another shape.

    Examples:
        >>> import torch
        >>> from unitgain.models import MLP
        >>> MLP((2, 2, 1), replicas=(1000,))(torch.zeros(5, 2)).shape
        torch.Size([1000, 5, 1])

        A thousand of the 2-2-1 networks that the first chapter trains on circles. The network that Ekman
        recognizes digits with (784-25-10, Glorot's uniform weights, zero biases; the logits of his sigmoid
        outputs):

        >>> MLP((784, 25, 10), "tanh")(torch.zeros(5, 784)).shape
        torch.Size([5, 10])

        Batch normalization after the activation, as in his code snippet 5-7:

        >>> model = MLP((784, 25, 10), "tanh", normalization="batch", position="after")
        >>> h = model.hidden(torch.randn(100, 784))[0]
        >>> h.mean().abs().item() < 1e-6, round(h.std().item(), 2)
        (True, 1.0)

    Source: Rumelhart, Hinton & Williams, *Learning representations by back-propagating errors* (1986); the
    784-25-10 network is Ekman's, *Learning Deep Learning* (2021), chapter 5.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str | Function = "relu",
        *,
        pieces: int = 2,
        normalization: Literal["batch", "layer", "rms"] | None = None,
        position: Literal["before", "after"] = "before",
        replicas: int | tuple[int, ...] = (),
        weight: str | Initializer = "glorot_uniform",
        bias: str | Initializer | bool | None = "zeros",
        generator: Generators = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if len(sizes) < 2:
            raise ValueError(f"MLP: sizes needs at least an input and an output, got {tuple(sizes)}")
        if not callable(activation):
            _known("activation", activation, [*ACTIVATIONS, "prelu", "maxout"], "a callable")
        if normalization is not None:
            _known("normalization", normalization, [*NORMALIZATIONS], "None")
        if position not in ("before", "after"):
            raise ValueError(f"MLP: position must be 'before' or 'after' the activation, got {position!r}")
        if not pieces >= 1:
            raise ValueError(f"MLP: pieces must be at least 1, got {pieces}")
        pieces = pieces if activation == "maxout" else 1
        self.sizes, self.position = tuple(sizes), position
        self.replicas = (replicas,) if isinstance(replicas, int) else tuple(replicas)
        columns: dict[str, Any] = {
            "replicas": self.replicas,
            "examples_dim": -1,
            "device": device,
            "dtype": dtype,
        }

        def activate(units: int) -> nn.Module:
            if activation == "prelu":
                return PReLU(units, **columns)
            if activation == "maxout":
                return Maxout(pieces, examples_dim=-1)
            return Activation(activation, examples_dim=-1)

        *hidden, outputs = sizes[1:]
        self.layers = nn.ModuleList(
            Linear(m, n, weight=weight, bias=bias, generator=generator, **columns)
            for m, n in zip(sizes, [*(pieces * n for n in hidden), outputs], strict=False)
        )
        self.activations = nn.ModuleList(map(activate, hidden))
        self.normalizations = nn.ModuleList()
        if normalization is not None:
            per_unit = pieces if position == "before" else 1
            self.normalizations.extend(NORMALIZATIONS[normalization](per_unit * n, **columns) for n in hidden)

    def forward(self, x: Tensor) -> Tensor:
        """Map rows `(…, n, inputs)` to rows `(*replicas, n, outputs)`; `…` broadcasts with the replicas."""
        return self._columns(x)[-1].mT

    def hidden(self, x: Tensor) -> list[Tensor]:
        """What each hidden layer passes on for rows `(…, n, inputs)`: one `(*replicas, n, units)` a layer.

        In training it moves the running statistics of a batch normalization, as `forward` does.
        """
        return [h.mT for h in self._columns(x)[:-1]]

    def _columns(self, x: Tensor) -> list[Tensor]:
        """Every layer's output with examples as columns, one layout for one network and for thousands."""
        if x.ndim < 2 or x.shape[-1] != self.sizes[0]:
            raise ValueError(f"MLP: x must have shape (…, n, {self.sizes[0]}), got {tuple(x.shape)}")
        h, outputs = x.mT, []
        norms = self.normalizations or repeat(None)
        for layer, act, norm in zip(self.layers, self.activations, norms, strict=False):
            if norm is None:
                h = act(layer(h))
            elif self.position == "before":
                h = act(norm(layer(h)))
            else:
                h = norm(act(layer(h)))
            outputs.append(h)
        return [*outputs, self.layers[-1](h)]


class States(NamedTuple):
    """What passes along a `ScalarChain`, layer by layer in the last dimension.

    Attributes:
        a: Activations a_0, the input, to a_L, the output, `(*replicas, n, depth + 1)`: `a[..., l]` is a_l.
        z: Pre-activations z_1 to z_L, `(*replicas, n, depth)`: `z[..., l - 1]` is z_l.

    Examples:
        >>> import torch
        >>> from unitgain.models import ScalarChain
        >>> a, z = ScalarChain(3, "tanh", weight="zeros").states(torch.ones(1))
        >>> a.shape, z.shape
        (torch.Size([1, 4]), torch.Size([1, 3]))

    Source: see `ScalarChain`.
    """

    a: Tensor
    z: Tensor


class ScalarChain(nn.Module):
    r"""The smallest deep network, one neuron a layer: its gradient is a product that can be read off.

    $$z_l = w_l a_{l-1} + b_l, \qquad a_l = f(z_l), \qquad a_0 = x$$

    with w `weight`, b `bias`, f the `activation`, for l from 1 to L, the `depth`. The change of a weight
    reaches the output through every later layer, and each multiplies it by one of the `factors`:

    $$\frac{\partial a_L}{\partial w_l} = a_{l-1} f'(z_l) \prod_{j=l+1}^{L} w_j f'(z_j)$$

    where factors below 1 in absolute value make the gradient vanish, and factors above 1 make it explode.
    Times ∂J/∂a_L this is the gradient of a cost J.

    Args:
        depth: Number of layers L, at least 1.
        activation: A key of `ACTIVATIONS`, or any elementwise callable.
        replicas: Leading dimensions: `()` is one chain, `(1000,)` or `1000` a thousand of them.
        weight: Rule for the weights, by name or as a function; it sees one layer's at a time, as
            `(*replicas, 1, 1)`. N(0, 1) by default.
        bias: Rule for the biases, likewise. True for the usual rule; False or None for a chain without them.
        generator: One generator, or one a replica: replica k then starts equal to the single chain of
            generator k, which has the numbers of the `MLP` with sizes `(1, 1, …, 1)`.
        device, dtype: As everywhere in torch.

    Attributes:
        weight: w_1 to w_L, `(*replicas, depth)`.
        bias: b_1 to b_L, `(*replicas, depth)`, or None.

    Raises:
        ValueError: For a size below 1, an unknown name, or, when called, an input without dimensions.

    Examples:
        >>> import torch
        >>> from unitgain.models import ScalarChain
        >>> chain = ScalarChain(4, "sigmoid")
        >>> with torch.no_grad():
        ...     _ = chain.weight.fill_(100), chain.bias.fill_(-50)
        >>> x = torch.tensor([0.5, 0.6])
        >>> chain.factors(x).detach()[0]
        tensor([25., 25., 25., 25.])
        >>> chain.factors(x).detach()[1, 0] < 0.01
        tensor(True)

        Large weights alone do not explode: a bias must also hold each neuron where it is steep, at z = 0, as
        for the first input. A little beside it the first factor vanishes.

    Source: Nielsen, *Neural Networks and Deep Learning* (2015), chapter 5.
    """

    def __init__(
        self,
        depth: int = 4,
        activation: str | Function = "sigmoid",
        *,
        replicas: int | tuple[int, ...] = (),
        weight: str | Initializer = "normal",
        bias: str | Initializer | bool | None = "zeros",
        generator: Generators = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if not depth >= 1:
            raise ValueError(f"ScalarChain: depth must be at least 1, got {depth}")
        options: dict[str, Any] = {"replicas": replicas, "device": device, "dtype": dtype}
        layers = [
            Linear(1, 1, weight=weight, bias=bias, generator=generator, **options) for _ in range(depth)
        ]
        self.depth, self.replicas = depth, layers[0].replicas
        self.weight = nn.Parameter(torch.cat([layer.weight.detach() for layer in layers], -1).squeeze(-2))
        self.bias = None
        if layers[0].bias is not None:
            biases = [layer.bias.detach() for layer in layers]  # type: ignore[union-attr]
            self.bias = nn.Parameter(torch.cat(biases, -1).squeeze(-2))
        self.activation = Activation(activation)

    def forward(self, x: Tensor) -> Tensor:
        """The output a_L for inputs `(…, n)`, one number an example: `(*replicas, n)`."""
        return self.states(x).a[..., -1]

    def states(self, x: Tensor) -> States:
        """All activations and pre-activations along the chain for inputs `(n,)` or `(*replicas, n)`."""
        if x.ndim < 1:
            raise ValueError(f"ScalarChain: x must have shape (…, n), got {tuple(x.shape)}")
        a, z = [x], []
        bias = torch.zeros_like(self.weight) if self.bias is None else self.bias
        for w, b in zip(self.weight.unsqueeze(-2).unbind(-1), bias.unsqueeze(-2).unbind(-1), strict=True):
            z.append(w * a[-1] + b)
            a.append(self.activation(z[-1]))
        a[0] = x.expand_as(a[1])
        return States(torch.stack(a, -1), torch.stack(z, -1))

    def factors(self, x: Tensor) -> Tensor:
        """w_l f′(z_l), by which layer l multiplies the gradient that passes it: `(*replicas, n, depth)`."""
        return self.weight.unsqueeze(-2) * derivative(self.activation.function)(self.states(x).z)

    def gradients(self, x: Tensor) -> Tensor:
        """∂a_L/∂w_l, the product written out, for each input: `(*replicas, n, depth)`."""
        a, z = self.states(x)
        slope = derivative(self.activation.function)(z)
        factors = self.weight.unsqueeze(-2) * slope
        later = [torch.ones_like(a[..., 0])]  # for l = L: the empty product
        for factor in factors[..., 1:].flip(-1).unbind(-1):
            later.append(later[-1] * factor)
        return a[..., :-1] * slope * torch.stack(later[::-1], -1)
