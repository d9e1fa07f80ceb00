"""Draw the first weights, in place, for one network or for many.

Each function changes its tensor and returns it. A weight has the shape `(*replicas, fan_out, fan_in)`;
leading dimensions are replicas, networks that share nothing but their shape. With one generator a replica,
replica k gets the very numbers that a single network would get from its generator.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from difflib import get_close_matches

import torch
from torch import Generator, Tensor, nn

__all__ = [
    "INITIALIZERS",
    "Generators",
    "constant_",
    "glorot_normal_",
    "glorot_uniform_",
    "he_normal_",
    "he_uniform_",
    "initialize",
    "initializer",
    "lecun_normal_",
    "lecun_uniform_",
    "normal_",
    "uniform_",
    "zeros_",
]

Generators = Generator | Sequence[Generator] | None
"""One generator for everything, one a replica, or None for torch's global one."""


def _fill(
    tensor: Tensor, draw: Callable[[Tensor, Generator | None], object], generator: Generators
) -> Tensor:
    """Call `draw(slice, generator)` on the whole tensor, or on each replica's slice with its generator."""
    with torch.no_grad():
        if generator is None or isinstance(generator, Generator):
            _draw(tensor, draw, generator)
            return tensor
        replicas = tensor.view(-1, *tensor.shape[-2:])
        if len(generator) != len(replicas):
            raise ValueError(
                "generator: needs one generator or one a replica; "
                f"got {len(generator)} for {len(replicas)} replicas"
            )
        for one, its_generator in zip(replicas, generator, strict=True):
            _draw(one, draw, its_generator)
    return tensor


def _draw(
    tensor: Tensor, draw: Callable[[Tensor, Generator | None], object], generator: Generator | None
) -> None:
    """Draw where the generator lives: a seed on the CPU then gives the same numbers on every device."""
    if generator is None or generator.device.type == tensor.device.type:
        draw(tensor, generator)
    else:
        there = torch.empty_like(tensor, device=generator.device)
        draw(there, generator)
        tensor.copy_(there)


def _fans(tensor: Tensor) -> tuple[int, int]:
    if tensor.ndim < 2:
        raise ValueError(
            f"tensor: a fan needs at least 2 dimensions (fan_out, fan_in), got shape {tuple(tensor.shape)}"
        )
    return tensor.shape[-1], tensor.shape[-2]  # fan_in, fan_out


def zeros_(tensor: Tensor, *, generator: Generators = None) -> Tensor:
    """Fill with 0: right for biases, wrong for weights, which then stay equal to each other.

    Args:
        tensor: Any shape; changed in place.
        generator: Ignored; here so that every initializer is called alike.

    Returns:
        The same tensor.

    Examples:
        >>> import torch
        >>> from unitgain.initializers import zeros_
        >>> zeros_(torch.ones(2))
        tensor([0., 0.])

    Source: Goodfellow, Bengio & Courville, *Deep Learning* (2016), section 8.4.
    """
    return constant_(tensor, 0.0)


def constant_(tensor: Tensor, value: float, *, generator: Generators = None) -> Tensor:
    """Fill with `value`.

    Args:
        tensor: Any shape; changed in place.
        value: Any finite number.
        generator: Ignored; here so that every initializer is called alike.

    Returns:
        The same tensor.

    Examples:
        >>> import torch
        >>> from unitgain.initializers import constant_
        >>> constant_(torch.empty(2), 0.5)
        tensor([0.5000, 0.5000])

    Source: torch.nn.init.constant_.
    """
    with torch.no_grad():
        return tensor.fill_(value)


def uniform_(tensor: Tensor, low: float = -1.0, high: float = 1.0, *, generator: Generators = None) -> Tensor:
    """Draw from U(low, high).

    Args:
        tensor: Any shape, `(*replicas, out, in)` with one generator a replica; changed in place.
        low: Lower end.
        high: Upper end, above `low`.
        generator: One generator, or one a replica.

    Returns:
        The same tensor.

    Raises:
        ValueError: Unless low < high, or if the number of generators is not the number of replicas.

    Examples:
        >>> import torch
        >>> from unitgain.initializers import uniform_
        >>> w = uniform_(torch.empty(3, 2), generator=torch.Generator().manual_seed(0))
        >>> bool((w.abs() < 1).all())
        True

    Source: torch.nn.init.uniform_; note that torch's default is U(0, 1).
    """
    if not low < high:
        raise ValueError(f"uniform_: low must be below high, got low={low}, high={high}")
    return _fill(tensor, lambda t, g: t.uniform_(low, high, generator=g), generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generators = None) -> Tensor:
    """Draw from the normal distribution N(mean, std²).

    Args:
        tensor: Any shape, `(*replicas, out, in)` with one generator a replica; changed in place.
        mean: Mean of the weights.
        std: Standard deviation, at least 0.
        generator: One generator, or one a replica.

    Returns:
        The same tensor.

    Raises:
        ValueError: Unless std ≥ 0.

    Examples:
        >>> import torch
        >>> from unitgain.initializers import normal_
        >>> w = normal_(torch.empty(1000, 10), std=0.01, generator=torch.Generator().manual_seed(0))
        >>> round(w.std().item(), 3)
        0.01

    Source: torch.nn.init.normal_.
    """
    if not std >= 0:
        raise ValueError(f"normal_: std must be at least 0, got {std}")
    return _fill(tensor, lambda t, g: t.normal_(mean, std, generator=g), generator)


def _variance_scaling(
    name: str, rule: str, source: str, fan: Callable[[int, int], float], gain: float, shape: str
) -> Initializer:
    """The six rules of one formula, Var(w) = gain / fan: their function, with its docstring written out."""

    def initialize_(tensor: Tensor, *, generator: Generators = None) -> Tensor:
        variance = gain / fan(*_fans(tensor))
        if shape == "uniform":  # U(-a, a) has the variance a²/3
            return uniform_(tensor, -math.sqrt(3 * variance), math.sqrt(3 * variance), generator=generator)
        return normal_(tensor, 0.0, math.sqrt(variance), generator=generator)

    initialize_.__name__ = initialize_.__qualname__ = name
    initialize_.__doc__ = f"""Draw from a {shape} distribution of mean 0 and variance {rule}.

    Args:
        tensor: Weight of shape `(*replicas, fan_out, fan_in)`; changed in place.
        generator: One generator, or one a replica.

    Returns:
        The same tensor.

    Raises:
        ValueError: If the tensor has fewer than 2 dimensions.

    Examples:
        >>> import torch
        >>> from unitgain.initializers import {name}
        >>> w = {name}(torch.empty(400, 100), generator=torch.Generator().manual_seed(0))
        >>> abs(w.var().item() / ({gain} / {fan(100, 400)}) - 1) < 0.05
        True

    Source: {source}
    """
    return initialize_


_LECUN = "LeCun, Bottou, Orr & Müller, *Efficient BackProp* (1998), section 4.6."
_GLOROT = (
    "Glorot & Bengio, *Understanding the difficulty of training deep feedforward neural networks* (2010), "
    "eq. 16."
)
_HE = "He, Zhang, Ren & Sun, *Delving deep into rectifiers* (2015), eq. 10."


def _fan_in(fan_in: int, fan_out: int) -> float:
    return fan_in


def _fan_mean(fan_in: int, fan_out: int) -> float:
    return (fan_in + fan_out) / 2


lecun_uniform_ = _variance_scaling("lecun_uniform_", "1 / fan_in", _LECUN, _fan_in, 1.0, "uniform")
lecun_normal_ = _variance_scaling("lecun_normal_", "1 / fan_in", _LECUN, _fan_in, 1.0, "normal")
glorot_uniform_ = _variance_scaling(
    "glorot_uniform_", "2 / (fan_in + fan_out)", _GLOROT, _fan_mean, 1.0, "uniform"
)
glorot_normal_ = _variance_scaling(
    "glorot_normal_", "2 / (fan_in + fan_out)", _GLOROT, _fan_mean, 1.0, "normal"
)
he_uniform_ = _variance_scaling("he_uniform_", "2 / fan_in", _HE, _fan_in, 2.0, "uniform")
he_normal_ = _variance_scaling("he_normal_", "2 / fan_in", _HE, _fan_in, 2.0, "normal")

Initializer = Callable[..., Tensor]

INITIALIZERS: dict[str, Initializer] = {
    "zeros": zeros_,
    "uniform": uniform_,  # U(-1, 1)
    "normal": normal_,  # N(0, 1)
    "lecun_uniform": lecun_uniform_,
    "lecun_normal": lecun_normal_,
    "glorot_uniform": glorot_uniform_,
    "glorot_normal": glorot_normal_,
    "he_uniform": he_uniform_,
    "he_normal": he_normal_,
    "xavier_uniform": glorot_uniform_,
    "xavier_normal": glorot_normal_,
    "kaiming_uniform": he_uniform_,
    "kaiming_normal": he_normal_,
}
"""Initializers by name: Keras's names, and torch's for the same rules."""


def initializer(rule: str | Initializer) -> Initializer:
    """The initializer called `rule`; a function is handed back as it is.

    Args:
        rule: A key of `INITIALIZERS`, or a function `f(tensor, generator=…)` that works in place.

    Returns:
        The function.

    Raises:
        ValueError: If no initializer has this name; the message names the closest one.

    Examples:
        >>> from unitgain.initializers import initializer
        >>> initializer("kaiming_normal").__name__
        'he_normal_'

    Source: names as in Keras's initializers and torch.nn.init.
    """
    if callable(rule):
        return rule
    if rule not in INITIALIZERS:
        close = get_close_matches(str(rule).lower(), INITIALIZERS, n=1, cutoff=0)
        raise ValueError(
            f"initializer: must be one of {', '.join(INITIALIZERS)}; got {rule!r}, did you mean {close[0]!r}?"
        )
    return INITIALIZERS[rule]


def initialize(
    model: nn.Module,
    weight: str | Initializer = "glorot_uniform",
    bias: str | Initializer = "zeros",
    *,
    generator: Generators = None,
) -> nn.Module:
    """Draw the weights and biases of every linear layer of `model` anew, in place.

    Layer by layer, the weight before the bias. A layer is linear when it is a `torch.nn.Linear` or a
    `unitgain.layers.Linear`; other layers keep what they have.

    Args:
        model: Any module.
        weight: Rule for weights, by name or as a function.
        bias: Rule for biases; it sees them as `(*replicas, out, 1)`.
        generator: One generator, or one a replica.

    Returns:
        The same model.

    Raises:
        ValueError: For an unknown name, or a number of generators that is not the number of replicas.

    Examples:
        >>> import torch
        >>> from unitgain.initializers import initialize
        >>> model = initialize(torch.nn.Linear(3, 2), weight="he_normal", bias="zeros")
        >>> model.bias.detach()
        tensor([0., 0.])

    Source: defaults as Keras's Dense layer.
    """
    weight, bias = initializer(weight), initializer(bias)
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            weight(layer.weight, generator=generator)
            if layer.bias is not None:
                bias(layer.bias.unsqueeze(-1), generator=generator)
        elif getattr(
            layer, "is_linear", False
        ):  # our Linear, by its mark: layers imports this module, not the reverse
            weight(layer.weight, generator=generator)
            if layer.bias is not None:
                bias(layer.bias, generator=generator)
    return model
