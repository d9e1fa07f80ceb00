"""Draw the initial weights, in place, for one network or for many.

Each function changes its tensor and returns it. A weight has the shape `(*replicas, fan_out, fan_in)`;
leading dimensions are replicas, networks that share nothing but their shape. With one generator a replica,
replica k gets the very numbers that a single network would get from its generator. A convolution's weight has
other dimensions: `initialize` and `lsuv_` hand it on as a matrix.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from difflib import get_close_matches
from functools import partial
from inspect import signature
from itertools import product
from typing import Any
from warnings import warn

import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call
from torch.nn.modules.conv import _ConvNd
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrizations import _is_orthogonal, _Orthogonal, _WeightNorm
from torch.nn.utils.parametrize import ParametrizationList, is_parametrized

__all__ = [
    "INITIALIZERS",
    "Generators",
    "constant_",
    "glorot_normal_",
    "glorot_uniform_",
    "he_normal_",
    "he_uniform_",
    "identity_",
    "initialize",
    "initializer",
    "lecun_normal_",
    "lecun_uniform_",
    "lsuv_",
    "normal_",
    "orthogonal_",
    "sparse_",
    "truncated_normal_",
    "uniform_",
    "variance_scaling_",
    "zeros_",
]

Fans = tuple[float, float] | None
Generators = Generator | Sequence[Generator] | None
"""One generator for everything, one a replica, or None for torch's global one."""


@torch.no_grad()
def _fill(owner: str, tensor: Tensor, draw: Callable[..., object], generator: Generators) -> Tensor:
    """Call `draw(slice, generator)` on the whole tensor, or on each replica's slice with its generator.

    It draws where the generator lives: a seed on the CPU then gives the same numbers on every device.
    """
    if any(step == 0 and size > 1 for step, size in zip(tensor.stride(), tensor.shape, strict=True)):
        rule = "tensor must have memory for each element"
        raise ValueError(f"{owner}: {rule}, got an expanded one, {tuple(tensor.shape)}")
    is_one = generator is None or isinstance(generator, Generator)
    parts = [tensor] if is_one else [tensor[replica] for replica in product(*map(range, tensor.shape[:-2]))]
    generators: Any = [generator] if is_one else generator
    if len(generators) != len(parts):
        rule = "generator must be one generator or one a replica"
        raise ValueError(f"{owner}: {rule}, got {len(generators)} for {len(parts)} replicas")
    for part, its in zip(parts, generators, strict=True):
        here = its is None or its.device.type == part.device.type
        drawn = part if here else torch.empty_like(part, device=its.device)
        draw(drawn, its)
        if not here:
            part.copy_(drawn)
    return tensor


def _fans(owner: str, tensor: Tensor) -> tuple[int, int]:
    if tensor.ndim < 2:
        rule = "tensor must have at least 2 dimensions (fan_out, fan_in)"
        raise ValueError(f"{owner}: {rule}, got shape {tuple(tensor.shape)}")
    return tensor.shape[-1], tensor.shape[-2]  # fan_in, fan_out


def _at_least_0(owner: str, **values: float) -> None:
    for name, value in values.items():
        if not 0 <= value < math.inf:  # also refuses NaN
            raise ValueError(f"{owner}: {name} must be at least 0 and finite, got {value}")


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
    return _fill("uniform_", tensor, lambda t, g: t.uniform_(low, high, generator=g), generator)


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
    return _fill("normal_", tensor, lambda t, g: t.normal_(mean, std, generator=g), generator)


def truncated_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    low: float = -2.0,
    high: float = 2.0,
    *,
    generator: Generators = None,
) -> Tensor:
    r"""Draw from the normal distribution N(mean, std²) without its tails: no weight starts out large.

    $$w = \text{mean} + \text{std} \cdot \Phi^{-1}(u), \qquad u \sim U(\Phi(\text{low}), \Phi(\text{high}))$$

    with Φ the distribution function of N(0, 1). What is left varies less than `std`: cut at ±2, its standard
    deviation is 0.8796 std.

    Args:
        tensor: Any shape, `(*replicas, out, in)` with one generator a replica; changed in place.
        mean: Mean of the normal distribution before it is cut.
        std: Its standard deviation, at least 0.
        low: Smallest weight, in standard deviations from the mean.
        high: Largest weight, in standard deviations from the mean, above `low`.
        generator: One generator, or one a replica.

    Returns:
        The same tensor.

    Raises:
        ValueError: Unless std ≥ 0 and low < high, both finite; for a complex or integer tensor.

    Examples:
        >>> import torch
        >>> from unitgain.initializers import truncated_normal_
        >>> w = truncated_normal_(torch.empty(1000, 10), std=0.05, generator=torch.Generator().manual_seed(0))
        >>> bool((w.abs() <= 0.1).all()), round(w.std().item(), 3)
        (True, 0.044)

    Differs from torch.nn.init.trunc_normal_, whose bounds are weights, not standard deviations: there
    std=0.05 with the default bounds -2 and 2 cuts nothing. Keras counts in standard deviations too, always 2;
    its std is 0.05.

    Source: Devroye, *Non-uniform random variate generation* (1986), section II.2, inversion.
    """
    _at_least_0("truncated_normal_", std=std)
    if not -math.inf < low < high < math.inf:
        raise ValueError(
            f"truncated_normal_: low must be below high, both finite, got low={low}, high={high}"
        )
    if not tensor.is_floating_point():
        raise ValueError(
            f"truncated_normal_: tensor must have a real dtype with fractions, got {tensor.dtype}"
        )
    upper = low > 0  # there Φ is close to 1, where numbers lie far apart: draw the mirror image
    bounds = (-high, -low) if upper else (low, high)
    below, above = (math.erfc(-bound / math.sqrt(2)) / 2 for bound in bounds)

    def draw(t: Tensor, g: Generator | None) -> None:
        wide = torch.float32 if t.device.type == "mps" else torch.float64
        u = torch.empty_like(t, dtype=wide).uniform_(below, above, generator=g)
        z = torch.special.ndtri(u).clamp_(*bounds)
        t.copy_(z.mul_(-std if upper else std).add_(mean))

    return _fill("truncated_normal_", tensor, draw, generator)


def sparse_(
    tensor: Tensor, connections: int = 10, std: float | None = None, *, generator: Generators = None
) -> Tensor:
    """Connect each neuron to a few inputs, drawn at random, by weights from N(0, std²); the rest are 0.

    A neuron's signal then has the same size however many inputs there are, and neurons start out different.

    Args:
        tensor: Weight of shape `(*replicas, out, in)`; changed in place.
        connections: Inputs a neuron, at least 1: exactly that many weights of each row are drawn, all of them
            in a row that is shorter.
        std: Their standard deviation, at least 0; None for 1 / √connections, unit gain.
        generator: One generator, or one a replica.

    Returns:
        The same tensor.

    Raises:
        ValueError: For a tensor with fewer than 2 dimensions, connections < 1, or std < 0.

    Examples:
        >>> import torch
        >>> from unitgain.initializers import sparse_
        >>> (sparse_(torch.empty(3, 100), connections=4) != 0).sum(dim=1)
        tensor([4, 4, 4])

    Differs from torch.nn.init.sparse_, which fixes the count for each *input* (a column): its neurons get
    different numbers of inputs, some perhaps none.

    Source: Martens, *Deep learning via Hessian-free optimization* (2010), section 5.
    """
    fan_in, _ = _fans("sparse_", tensor)
    if not connections >= 1:
        raise ValueError(f"sparse_: connections must be at least 1, got {connections}")
    count = min(connections, fan_in)
    deviation = 1 / math.sqrt(max(count, 1)) if std is None else std  # 0 in a row without inputs
    _at_least_0("sparse_", std=deviation)

    def draw(t: Tensor, g: Generator | None) -> None:
        lots = torch.empty_like(t, dtype=torch.float32).uniform_(generator=g)
        chosen = lots.topk(count, dim=-1).indices
        weights = t.new_empty(chosen.shape).normal_(0.0, deviation, generator=g)
        t.zero_().scatter_(-1, chosen, weights)

    return _fill("sparse_", tensor, draw, generator)


def orthogonal_(tensor: Tensor, gain: float = 1.0, *, generator: Generators = None) -> Tensor:
    r"""Draw a random orthogonal matrix, times `gain`: a square one keeps the length of every vector.

    $$W^\top W = \text{gain}^2 I \ \text{(tall)}, \qquad W W^\top = \text{gain}^2 I \ \text{(wide)}$$

    A tall matrix has more rows than columns, a wide one fewer. The result is the Q of a Gaussian matrix's QR
    decomposition, its columns multiplied by the signs of R's diagonal, which makes all rotations equally
    likely.

    Args:
        tensor: Weight of shape `(*replicas, out, in)`; changed in place.
        gain: Every singular value of the result, at least 0.
        generator: One generator, or one a replica.

    Returns:
        The same tensor.

    Raises:
        ValueError: For a tensor with fewer than 2 dimensions, or gain < 0.

    Examples:
        >>> import torch
        >>> from unitgain.initializers import orthogonal_
        >>> w = orthogonal_(torch.empty(2, 3))
        >>> torch.allclose(w @ w.T, torch.eye(2), atol=1e-6)
        True

    Source: Saxe, McClelland & Ganguli, *Exact solutions to the nonlinear dynamics of learning in deep linear
    neural networks* (2014); the signs: Mezzadri, *How to generate random matrices from the classical compact
    groups* (2007), section 5.
    """
    _fans("orthogonal_", tensor)
    _at_least_0("orthogonal_", gain=gain)

    def draw(t: Tensor, g: Generator | None) -> None:
        full = torch.promote_types(t.dtype, torch.float32)
        gaussian = torch.empty_like(t, dtype=full).normal_(generator=g)
        wide = t.shape[-2] < t.shape[-1]
        q, r = torch.linalg.qr(gaussian.mT if wide else gaussian)
        q = q * r.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)
        t.copy_(q.mT if wide else q).mul_(gain)

    return _fill("orthogonal_", tensor, draw, generator)


def identity_(tensor: Tensor, gain: float = 1.0, *, generator: Generators = None) -> Tensor:
    """Fill with the identity matrix times `gain`: 0 but for the diagonal.

    Args:
        tensor: Weight of shape `(*replicas, out, in)`, square or not; changed in place.
        gain: The diagonal, at least 0.
        generator: Ignored; here so that every initializer is called alike.

    Returns:
        The same tensor.

    Raises:
        ValueError: For a tensor with fewer than 2 dimensions, or gain < 0.

    Examples:
        >>> import torch
        >>> from unitgain.initializers import identity_
        >>> identity_(torch.empty(2, 3))
        tensor([[1., 0., 0.],
                [0., 1., 0.]])

    Source: Le, Jaitly & Hinton, *A simple way to initialize recurrent networks of rectified linear units*
    (2015).
    """
    _fans("identity_", tensor)
    _at_least_0("identity_", gain=gain)
    return _fill("identity_", tensor, lambda t, _: t.zero_().diagonal(dim1=-2, dim2=-1).fill_(gain), None)


def _scaled(owner: str, tensor: Tensor, scale: float, mode: str, gain: float, fans: Fans) -> float:
    """The variance of `variance_scaling_`; the six rules below are cases of it under their own names."""
    fan_in, fan_out = _fans(owner, tensor) if fans is None else fans
    if tensor.numel() == 0:
        return 0.0
    if not (0 < fan_in < math.inf and 0 < fan_out < math.inf):
        raise ValueError(f"{owner}: fans must be above 0 and finite, got ({fan_in}, {fan_out})")
    _at_least_0(owner, scale=scale, gain=gain)
    fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
    return gain**2 * (scale / fan[mode])


def _normal(owner: str, tensor: Tensor, variance: float, generator: Generators) -> Tensor:
    return _fill(owner, tensor, lambda t, g: t.normal_(0.0, math.sqrt(variance), generator=g), generator)


def _uniform(owner: str, tensor: Tensor, variance: float, generator: Generators) -> Tensor:
    """From U(-a, a), which has the variance a²/3; a complex number has two parts."""
    bound = math.sqrt(3 * variance / (2 if tensor.is_complex() else 1))
    return _fill(owner, tensor, lambda t, g: t.uniform_(-bound, bound, generator=g), generator)


def variance_scaling_(
    tensor: Tensor,
    scale: float = 1.0,
    mode: str = "fan_in",
    distribution: str = "normal",
    *,
    gain: float = 1.0,
    fans: Fans = None,
    generator: Generators = None,
) -> Tensor:
    r"""Draw from a distribution of mean 0 with a variance that suits the layer's size.

    $$\operatorname{Var}(w) = \text{gain}^2 \, \frac{\text{scale}}{\text{fan}}$$

    LeCun's, Glorot's and He's rules are this one at scale 1 with fan_in, 1 with fan_avg and 2 with fan_in.

    Args:
        tensor: Weight of shape `(*replicas, fan_out, fan_in)`; changed in place. One without elements stays
            as it is.
        scale: At least 0.
        mode: What the variance is divided by: "fan_in", the inputs of a unit; "fan_out", the units that an
            input reaches; "fan_avg", the mean of both.
        distribution: "normal", "uniform", or "truncated_normal", cut at two standard deviations and widened
            to the same variance.
        gain: Factor on the standard deviation, at least 0.
        fans: `(fan_in, fan_out)`, each above 0; None for the last two dimensions, which are not a
            convolution's fans.
        generator: One generator, or one a replica.

    Returns:
        The same tensor.

    Raises:
        ValueError: If the tensor has fewer than 2 dimensions and no `fans` are given, for a number out of
            range, or for an unknown mode or distribution.

    Examples:
        >>> import torch
        >>> from unitgain.initializers import variance_scaling_
        >>> generator = torch.Generator().manual_seed(0)
        >>> w = variance_scaling_(torch.empty(400, 100), 2.0, "fan_out", "uniform", generator=generator)
        >>> abs(w.var().item() / (2 / 400) - 1) < 0.05
        True

    Differs from Keras's VarianceScaling: the default distribution is normal, there truncated_normal.

    Source: the three rules' papers, under their names; the common form is Keras's.
    """
    owner = "variance_scaling_"
    if mode not in (modes := ("fan_in", "fan_out", "fan_avg")):
        raise ValueError(f"{owner}: mode must be one of {', '.join(modes)}, got {mode!r}")
    variance = _scaled(owner, tensor, scale, mode, gain, fans)
    if distribution == "normal":
        return _normal(owner, tensor, variance, generator)
    if distribution == "uniform":
        return _uniform(owner, tensor, variance, generator)
    if distribution == "truncated_normal":
        return truncated_normal_(tensor, 0.0, math.sqrt(variance) / 0.8796256610342398, generator=generator)
    raise ValueError(
        f"{owner}: distribution must be one of normal, uniform, truncated_normal, got {distribution!r}"
    )


def lecun_uniform_(
    tensor: Tensor, *, gain: float = 1.0, fans: Fans = None, generator: Generators = None
) -> Tensor:
    """Draw from a uniform distribution of mean 0 and variance 1 / fan_in.

    Args:
        tensor: Weight of shape `(*replicas, fan_out, fan_in)`; changed in place.
        gain: Factor on the standard deviation, at least 0.
        fans: `(fan_in, fan_out)`, each above 0: give them for a convolution. None: the last two dimensions.
        generator: One generator, or one a replica.

    Returns:
        The same tensor.

    Raises:
        ValueError: For a number out of range, or fewer than 2 dimensions without `fans`.

    Examples:
        >>> import torch
        >>> from unitgain.initializers import lecun_uniform_
        >>> w = lecun_uniform_(torch.empty(400, 100), generator=torch.Generator().manual_seed(0))
        >>> abs(w.var().item() / (1 / 100) - 1) < 0.05
        True

    Source: LeCun, Bottou, Orr & Müller, *Efficient BackProp* (1998), section 4.6.
    """
    variance = _scaled("lecun_uniform_", tensor, 1.0, "fan_in", gain, fans)
    return _uniform("lecun_uniform_", tensor, variance, generator)


def lecun_normal_(
    tensor: Tensor, *, gain: float = 1.0, fans: Fans = None, generator: Generators = None
) -> Tensor:
    """Draw from a normal distribution of mean 0 and variance 1 / fan_in.

    Args:
        tensor: Weight of shape `(*replicas, fan_out, fan_in)`; changed in place.
        gain: Factor on the standard deviation, at least 0.
        fans: `(fan_in, fan_out)`, each above 0: give them for a convolution. None: the last two dimensions.
        generator: One generator, or one a replica.

    Returns:
        The same tensor.

    Raises:
        ValueError: For a number out of range, or fewer than 2 dimensions without `fans`.

    Examples:
        >>> import torch
        >>> from unitgain.initializers import lecun_normal_
        >>> w = lecun_normal_(torch.empty(400, 100), generator=torch.Generator().manual_seed(0))
        >>> abs(w.var().item() / (1 / 100) - 1) < 0.05
        True

    Source: LeCun, Bottou, Orr & Müller, *Efficient BackProp* (1998), section 4.6.
    """
    variance = _scaled("lecun_normal_", tensor, 1.0, "fan_in", gain, fans)
    return _normal("lecun_normal_", tensor, variance, generator)


def glorot_uniform_(
    tensor: Tensor, *, gain: float = 1.0, fans: Fans = None, generator: Generators = None
) -> Tensor:
    """Draw from a uniform distribution of mean 0 and variance 2 / (fan_in + fan_out).

    Args:
        tensor: Weight of shape `(*replicas, fan_out, fan_in)`; changed in place.
        gain: Factor on the standard deviation, at least 0.
        fans: `(fan_in, fan_out)`, each above 0: give them for a convolution. None: the last two dimensions.
        generator: One generator, or one a replica.

    Returns:
        The same tensor.

    Raises:
        ValueError: For a number out of range, or fewer than 2 dimensions without `fans`.

    Examples:
        >>> import torch
        >>> from unitgain.initializers import glorot_uniform_
        >>> w = glorot_uniform_(torch.empty(400, 100), generator=torch.Generator().manual_seed(0))
        >>> abs(w.var().item() / (2 / (100 + 400)) - 1) < 0.05
        True

    Source: Glorot & Bengio, *Understanding the difficulty of training deep feedforward neural networks*
    (2010), eq. 16.
    """
    variance = _scaled("glorot_uniform_", tensor, 1.0, "fan_avg", gain, fans)
    return _uniform("glorot_uniform_", tensor, variance, generator)


def glorot_normal_(
    tensor: Tensor, *, gain: float = 1.0, fans: Fans = None, generator: Generators = None
) -> Tensor:
    """Draw from a normal distribution of mean 0 and variance 2 / (fan_in + fan_out).

    Args:
        tensor: Weight of shape `(*replicas, fan_out, fan_in)`; changed in place.
        gain: Factor on the standard deviation, at least 0.
        fans: `(fan_in, fan_out)`, each above 0: give them for a convolution. None: the last two dimensions.
        generator: One generator, or one a replica.

    Returns:
        The same tensor.

    Raises:
        ValueError: For a number out of range, or fewer than 2 dimensions without `fans`.

    Examples:
        >>> import torch
        >>> from unitgain.initializers import glorot_normal_
        >>> w = glorot_normal_(torch.empty(400, 100), generator=torch.Generator().manual_seed(0))
        >>> abs(w.var().item() / (2 / (100 + 400)) - 1) < 0.05
        True

    Source: Glorot & Bengio, *Understanding the difficulty of training deep feedforward neural networks*
    (2010), eq. 16.
    """
    variance = _scaled("glorot_normal_", tensor, 1.0, "fan_avg", gain, fans)
    return _normal("glorot_normal_", tensor, variance, generator)


def he_uniform_(
    tensor: Tensor, *, gain: float = 1.0, fans: Fans = None, generator: Generators = None
) -> Tensor:
    """Draw from a uniform distribution of mean 0 and variance 2 / fan_in.

    Args:
        tensor: Weight of shape `(*replicas, fan_out, fan_in)`; changed in place.
        gain: Factor on the standard deviation, at least 0.
        fans: `(fan_in, fan_out)`, each above 0: give them for a convolution. None: the last two dimensions.
        generator: One generator, or one a replica.

    Returns:
        The same tensor.

    Raises:
        ValueError: For a number out of range, or fewer than 2 dimensions without `fans`.

    Examples:
        >>> import torch
        >>> from unitgain.initializers import he_uniform_
        >>> w = he_uniform_(torch.empty(400, 100), generator=torch.Generator().manual_seed(0))
        >>> abs(w.var().item() / (2 / 100) - 1) < 0.05
        True

    Source: He, Zhang, Ren & Sun, *Delving deep into rectifiers* (2015), eq. 10.
    """
    variance = _scaled("he_uniform_", tensor, 2.0, "fan_in", gain, fans)
    return _uniform("he_uniform_", tensor, variance, generator)


def he_normal_(
    tensor: Tensor, *, gain: float = 1.0, fans: Fans = None, generator: Generators = None
) -> Tensor:
    """Draw from a normal distribution of mean 0 and variance 2 / fan_in.

    Args:
        tensor: Weight of shape `(*replicas, fan_out, fan_in)`; changed in place.
        gain: Factor on the standard deviation, at least 0.
        fans: `(fan_in, fan_out)`, each above 0: give them for a convolution. None: the last two dimensions.
        generator: One generator, or one a replica.

    Returns:
        The same tensor.

    Raises:
        ValueError: For a number out of range, or fewer than 2 dimensions without `fans`.

    Examples:
        >>> import torch
        >>> from unitgain.initializers import he_normal_
        >>> w = he_normal_(torch.empty(400, 100), generator=torch.Generator().manual_seed(0))
        >>> abs(w.var().item() / (2 / 100) - 1) < 0.05
        True

    Source: He, Zhang, Ren & Sun, *Delving deep into rectifiers* (2015), eq. 10.
    """
    variance = _scaled("he_normal_", tensor, 2.0, "fan_in", gain, fans)
    return _normal("he_normal_", tensor, variance, generator)


Initializer = Callable[..., Tensor]
Rule = str | Initializer | tuple[str | Initializer, str | Initializer]

INITIALIZERS: dict[str, Initializer] = {
    "zeros": zeros_,
    "ones": partial(constant_, value=1.0),
    "uniform": uniform_,  # U(-1, 1)
    "normal": normal_,  # N(0, 1)
    "truncated_normal": truncated_normal_,  # N(0, 1), cut at ±2
    "lecun_uniform": lecun_uniform_,
    "lecun_normal": lecun_normal_,
    "glorot_uniform": glorot_uniform_,
    "glorot_normal": glorot_normal_,
    "he_uniform": he_uniform_,
    "he_normal": he_normal_,
    "sparse": sparse_,  # 10 inputs a neuron
    "orthogonal": orthogonal_,
    "identity": identity_,
    # torch's names for the same
    "xavier_uniform": glorot_uniform_,
    "xavier_normal": glorot_normal_,
    "kaiming_uniform": he_uniform_,
    "kaiming_normal": he_normal_,
    "trunc_normal": truncated_normal_,
    "eye": identity_,
    # Keras's small random numbers
    "random_uniform": partial(uniform_, low=-0.05, high=0.05),
    "random_normal": partial(normal_, std=0.05),
}
"""Initializers by name: Keras's names, and torch's for the same rules. Keras cuts LeCun's, Glorot's and He's
normal numbers at two standard deviations, torch and this module do not; the variance is the same. For other
numbers hand in a function: `partial(normal_, std=0.01)`, `partial(variance_scaling_, mode="fan_out")`."""


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
    if not isinstance(rule, str) or rule not in INITIALIZERS:
        given = str(rule).lower()
        longer = [name for name in INITIALIZERS if name.startswith(given)]  # "he" is nearer to "eye"
        close = get_close_matches(given, longer or INITIALIZERS, n=1, cutoff=0)[0]
        raise ValueError(
            f"initializer: rule must be one of {', '.join(INITIALIZERS)}, or a function, "
            f"got {rule!r}, did you mean {close!r}?"
        )
    return INITIALIZERS[rule]


def _is_linear(layer: nn.Module) -> bool:
    """Also our Linear, by its mark: layers imports this module, not the reverse."""
    return isinstance(layer, nn.Linear | _ConvNd) or getattr(layer, "is_linear", False)


def _names(layer: nn.Module) -> list[str]:
    """The tensors of a layer that a rule can draw; what has "bias" in its name is a bias."""
    names: Sequence[str] = ("weight", "bias")
    if isinstance(layer, nn.RNNBase):
        names = layer._flat_weights_names
    elif isinstance(layer, nn.RNNCellBase):
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    elif isinstance(layer, nn.MultiheadAttention):
        names = [f"{part}_proj_weight" for part in ("in", "q", "k", "v")]
        names += ["in_proj_bias", "bias_k", "bias_v"]
    return [n for n in names if is_parametrized(layer, n) or isinstance(getattr(layer, n, None), Tensor)]


def _stored(owner: str, where: str, layer: nn.Module, name: str) -> list[Tensor]:
    """The parameters that `layer.name` is, or is computed from."""
    if is_parametrized(layer, name):
        chain: Any = layer.parametrizations[name]  # type: ignore[index]
        originals = ["original"] if chain.is_tensor else [f"original{i}" for i in range(chain.ntensors)]
        stored = [getattr(chain, original) for original in originals]
    else:  # itself; of torch's older weight norm; of its older spectral norm or a pruned layer
        kept = {**layer._parameters, **layer._buffers}
        ways = [name], [f"{name}_g", f"{name}_v"], [f"{name}_orig"]
        stored = next(([kept[n] for n in way] for way in ways if kept.keys() >= set(way)), [None])
    for tensor in stored:
        if tensor is None or is_lazy(tensor) or not (tensor.is_floating_point() or tensor.is_complex()):
            got = "one computed elsewhere" if tensor is None else tensor.dtype
            got = f"a {type(layer).__name__} that has not seen a batch" if is_lazy(tensor) else got
            raise ValueError(
                f"{owner}: layer {where!r} must hold its {name} in parameters of floats, got {got}"
            )
    return stored


def _memory(stored: list[Tensor]) -> int:
    """The same for tied weights, which lie in one place."""
    return stored[-1].data_ptr() or id(stored[-1])


def _apply(rule: Initializer, matrix: Tensor, generator: Generators, **fans: tuple[int, int]) -> None:
    made = rule(matrix, generator=generator, **fans)
    if isinstance(made, Tensor) and made.untyped_storage().data_ptr() != matrix.untyped_storage().data_ptr():
        raise ValueError(f"initialize: rule must change its tensor in place, got a new one from {rule}")


def _drawn(layer: nn.Module, name: str, rule: Initializer, generator: Generators) -> Tensor:
    """`layer.name` with new values: in place where it is a parameter, a new tensor where it is computed."""
    value = getattr(layer, name).detach()
    if name not in layer._parameters:
        value = value.clone(memory_format=torch.contiguous_format)
    if isinstance(layer, _ConvNd) and name == "weight":
        value = value.contiguous()
        _draw_convolution(layer, value, rule, generator)
        return value
    matrices: Sequence[Tensor] = [value]
    if value.ndim == 1 or name in ("bias_k", "bias_v"):
        matrices = [value.view(-1, 1)]
    elif isinstance(layer, nn.Bilinear):
        value = value.contiguous()
        matrices = [value.flatten(1)]  # a column for each pair of inputs
    elif isinstance(layer, nn.RNNBase | nn.RNNCellBase | nn.MultiheadAttention):
        matrices = value.split(layer.embed_dim if hasattr(layer, "embed_dim") else layer.hidden_size)
    for matrix in matrices:
        _apply(rule, matrix, generator)
    return value


def _draw_convolution(layer: _ConvNd, value: Tensor, rule: Initializer, generator: Generators) -> None:
    window, groups = math.prod(layer.kernel_size), layer.groups
    ins, outs = layer.in_channels // groups, layer.out_channels // groups
    if layer.transposed:  # (in_channels, out_channels / groups, …), the groups one after the other
        channels = value.view(groups, ins, outs, window).transpose(1, 2)
    else:
        channels = value.view(groups, outs, ins, window)
    if getattr(rule, "func", rule) is identity_:  # the middle of the window, in every group
        middle = 0
        for size in layer.kernel_size:
            middle = middle * size + size // 2
        value.zero_()
        rule(channels[..., middle])
        return
    matrix = channels.reshape(layer.out_channels, ins * window)
    fans = {"fans": (ins * window, outs * window)} if "fans" in signature(rule).parameters else {}
    _apply(rule, matrix, generator, **fans)
    channels.copy_(matrix.view(channels.shape))


def _write(owner: str, where: str, layer: nn.Module, name: str, value: Tensor) -> None:
    """Make `layer.name` equal `value`, through what it is computed from; refuse if it comes out different."""
    stored = _stored(owner, where, layer, name)
    if name in layer._parameters or name in layer._buffers:
        if stored[0].data_ptr() != value.data_ptr():
            stored[0].copy_(value)
        return
    chain: Any = layer.parametrizations[name] if is_parametrized(layer, name) else ()  # type: ignore[index]
    its = ("name", "_tensor_name")  # where torch's older norms and pruning say which tensor they compute
    hooks: list[Any] = [h for h in layer._forward_pre_hooks.values() if name in [vars(h).get(n) for n in its]]
    target = value * getattr(layer, f"{name}_mask", 1)
    new: Any = value
    fits = True
    try:
        for step in reversed(chain):
            if isinstance(step, _Orthogonal):  # it would take 0, and be 0 for ever
                fits = _is_orthogonal(max(new, new.mT, key=lambda matrix: matrix.shape[-2]))
            new = step.right_inverse(new)
        if not chain and len(stored) == 2:
            new = torch.norm_except_dim(value, 2, hooks[0].dim), value
        if len(stored) == 2 and (not chain or isinstance(chain[0], _WeightNorm)):
            new = new[0], new[1].where(new[0] != 0, stored[1])  # 0 has no direction: the old one stays
        for tensor, values in zip(stored, [new] if isinstance(new, Tensor) else new, strict=True):
            tensor.copy_(values)
        for hook in hooks:
            hook(layer, ())
        off = (getattr(layer, name) - target).abs().max()
        if fits and off <= torch.finfo(value.dtype).eps ** 0.5 * target.abs().max():  # NaN is off, too
            return
        got = f"another one back from its {type((chain or hooks or [layer])[0]).__name__}"
    except Exception as error:  # a parametrization's own, such as that it has no right_inverse
        got = str(error).partition("\n")[0]
    raise ValueError(f"{owner}: layer {where!r} must be able to hold the {name} that is drawn, got {got}")


@contextmanager
def _all_or_nothing(layers: Iterable[nn.Module]) -> Iterator[None]:
    """Without gradients; after an error the layers are what they were."""
    modules = [module for layer in layers for module in layer.modules()]
    tensors = [t for m in modules for t in (*m._parameters.values(), *m._buffers.values())]
    before = [(t, t.detach().clone()) for t in tensors if t is not None and not is_lazy(t)]
    names = [(d, dict(d)) for m in modules for d in (vars(m), m._buffers)]  # vars: a pruned layer's weight
    with torch.no_grad():
        try:
            yield
        except BaseException:
            for its, old in names:
                its.update(old)
            for tensor, values in before:
                with suppress(RuntimeError):  # what cannot be written has not been
                    tensor.copy_(values)
            raise


Plan = list[tuple[str, nn.Module, tuple[Initializer, Initializer], bool]]  # the last: named by its type


def _draw_layers(owner: str, model: nn.Module, plan: Plan, generator: Generators) -> None:
    places = [
        (where, layer, name, pair["bias" in name], named, _memory(_stored(owner, where, layer, name)))
        for where, layer, pair, named in plan
        for name in _names(layer)
    ]
    ruled: dict[int, tuple[str, Initializer]] = {}
    for where, _, name, rule, named, memory in places:
        if named and ruled.setdefault(memory, (where, rule))[1] != rule:
            both = f"{ruled[memory][0]!r} and {where!r}"
            raise ValueError(
                f"{owner}: rules must agree on tensors that layers share, got two for {name} of {both}"
            )
    padding = {
        _memory(_stored(owner, where, layer, "weight")): layer.padding_idx
        for where, layer in model.named_modules()
        if isinstance(layer, nn.Embedding | nn.EmbeddingBag) and layer.padding_idx is not None
    }
    for where, layer, name, rule, named, memory in places:
        if memory in ruled and not named:  # tied to one with a rule of its own
            continue
        value = _drawn(layer, name, rule, generator)
        if memory in padding:
            value[padding[memory]] = 0
        _write(owner, where, layer, name, value)


def initialize(
    model: nn.Module,
    weight: str | Initializer = "glorot_uniform",
    bias: str | Initializer = "zeros",
    *,
    rules: Mapping[type[nn.Module], Rule] | None = None,
    generator: Generators = None,
) -> nn.Module:
    r"""Draw the weights and biases of every linear layer of `model` anew, in place.

    Layer by layer, the weight before the bias. A layer is linear when it is a `torch.nn.Linear`, a
    `unitgain.layers.Linear` or one of torch's convolutions, transposed or not; other layers, such as
    normalization and embeddings, keep what they have unless `rules` names their type. Then a rule draws, each
    as a matrix with fans of its own: of an LSTM, a GRU, an RNN or their cells each gate of each layer and
    direction, for the inputs, for the hidden state and for the projection; of MultiheadAttention queries,
    keys and values (its out_proj is a Linear); of an Embedding the table, but a padding row is 0.

    A parametrized layer (weight_norm, spectral_norm, orthogonal, your own with a right_inverse) gets the
    parameters that give the weight drawn, or is refused where there are none; a pruned one keeps its mask.
    Frozen parameters are drawn too. Tied tensors take the rule of the layer that `rules` names.

    A convolution's weight is drawn as a matrix with a row for each output channel and a column for each input
    of its window, with the fans of one group of channels:

    $$\text{fan}_\text{in} = \frac{\text{in\_channels}}{\text{groups}} k, \qquad
      \text{fan}_\text{out} = \frac{\text{out\_channels}}{\text{groups}} k$$

    with k the number of positions in the kernel. "identity" hands each channel on, from the middle of the
    window, in every group (torch's dirac_). Strides are not counted: with a stride of s an input reaches
    (a transposed convolution's output receives) 1/s of the positions along each dimension.

    Args:
        model: Any module.
        weight: Rule for weights, by name or as a function.
        bias: Rule for biases; it sees them as `(*replicas, out, 1)`, those of all gates as one.
        rules: Rules by type of layer: for the weight, or a pair (weight, bias). The most specific type
            counts, so that `nn.Module` means every other layer that has a weight.
        generator: One generator, or one a replica.

    Returns:
        The same model.

    Raises:
        ValueError: For an unknown name, a number of generators that is not the number of replicas, a type in
            `rules` that no layer has, two rules for one tied tensor, a model without a layer to draw, a lazy
            or quantized layer, or a weight that a parametrization cannot hold. All is then what it was.

    Examples:
        >>> import torch
        >>> from torch import nn
        >>> from unitgain.initializers import initialize
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
        >>> model = initialize(model, weight="he_normal", rules={nn.Linear: "orthogonal"})
        >>> model[3].bias.detach()
        tensor([0., 0.])

    Differs from torch.nn.init, which takes the fans from the weight's shape: fan_out of a grouped convolution
    is larger there by the factor groups, and the two fans of a transposed convolution are exchanged.

    Source: defaults as Keras's Dense layer; a convolution's fans: He, Zhang, Ren & Sun, *Delving deep into
    rectifiers* (2015), section 2.2.
    """
    default = initializer(weight), initializer(bias)
    by_type: dict[type, tuple[Initializer, Initializer]] = {}
    for kind, rule in (rules or {}).items():
        if not isinstance(kind, type):
            raise ValueError(f"initialize: rules must have types such as nn.Linear as keys, got {kind!r}")
        pair = rule if isinstance(rule, tuple) else (rule, bias)
        if len(pair) != 2:
            raise ValueError(f"initialize: rules must hold a rule or a pair (weight, bias), got {rule}")
        by_type[kind] = initializer(pair[0]), initializer(pair[1])
    plan: Plan = []
    for where, layer in model.named_modules():
        kinds = [kind for kind in type(layer).__mro__ if kind in by_type]
        if (kinds or _is_linear(layer)) and _names(layer):
            plan.append((where, layer, by_type[kinds[0]] if kinds else default, bool(kinds)))
    for kind in by_type:
        if not any(isinstance(layer, kind) for _, layer, _, _ in plan):
            there = {type(layer).__name__ for layer in model.modules() if _names(layer)}
            raise ValueError(
                "initialize: rules must name types of layers that hold weights in the model, "
                f"{', '.join(sorted(there)) or 'none'}, got {kind.__name__}"
            )
    if not plan and model.state_dict():
        raise ValueError(
            f"initialize: model must have a linear layer or one named by rules, got {type(model).__name__}"
        )
    with _all_or_nothing(layer for _, layer, _, _ in plan):
        _draw_layers("initialize", model, plan, generator)
    return model


@torch.no_grad()
def lsuv_(
    model: nn.Module,
    x: Tensor,
    *,
    tolerance: float = 0.01,
    max_iterations: int = 10,
    generator: Generators = None,
) -> dict[str, int]:
    r"""Layer-sequential unit variance: orthogonal weights, each layer rescaled by what it makes of data.

    $$W_l \leftarrow W_l / \sqrt{\operatorname{Var}(z_l)} \quad
      \text{until} \quad |\operatorname{Var}(z_l) - 1| \le \text{tolerance}$$

    with z_l the outputs of layer l on the batch `x`, all units and examples together. Biases become 0, so z_l
    is proportional to W_l and one rescaling is enough but for rounding. No theory of the activation is
    needed: whatever stands between the layers is measured with them. A warning names the layers that end
    elsewhere: `max_iterations` were too few, the output does not follow the weight, or the weight is tied.

    Args:
        model: Any module; its linear layers, as `initialize` knows them, change in place. It runs once, in
            the mode it is in; its buffers, such as running statistics, are left as they were. A layer that is
            used twice is fitted to its first use, and so is a weight that layers share (one shared with
            another kind of layer, as an embedding, is not rescaled); one that is never called, such as
            MultiheadAttention's out_proj, stays orthogonal.
        x: A batch of examples as the model takes them; some hundreds are enough.
        tolerance: Largest accepted distance of a variance from 1, above 0.
        max_iterations: Most rescalings of a layer, at least 1.
        generator: One generator, or one a replica. Each replica is rescaled apart.

    Returns:
        The number of rescalings of each layer, by its name in the model, in the order in which they ran; with
        replicas, of the one that needed most.

    Raises:
        ValueError: For a number out of range, if no linear layer ran, if a layer's outputs are all equal or
            not finite, or for a layer that cannot hold its weight, as in `initialize`. The weights are then
            what they were.

    Examples:
        >>> import torch
        >>> from torch import nn
        >>> from unitgain.initializers import lsuv_
        >>> model = nn.Sequential(nn.Linear(20, 50), nn.Tanh(), nn.Linear(50, 50))
        >>> x = torch.randn(500, 20, generator=torch.Generator().manual_seed(0))
        >>> lsuv_(model, 9 * x)
        {'0': 1, '2': 1}
        >>> round(model(9 * x).var().item(), 2)
        1.0

    Source: Mishkin & Matas, *All you need is a good init* (2016), algorithm 1.
    """
    if not 0 < tolerance < math.inf:
        raise ValueError(f"lsuv_: tolerance must be above 0 and finite, got {tolerance}")
    if not max_iterations >= 1:
        raise ValueError(f"lsuv_: max_iterations must be at least 1, got {max_iterations}")
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if is_lazy(tensor) or tensor.is_meta:
            raise ValueError(f"lsuv_: model must have its numbers, got {name} without: call or load it first")
    layers = {n: layer for n, layer in model.named_modules() if _is_linear(layer) and _names(layer)}
    taken = {  # memory of weights that rescaling would spoil: other layers' parameters, then the fitted ones
        _memory([parameter])
        for module in model.modules()
        if not (_is_linear(module) or isinstance(module, ParametrizationList))
        for parameter in module.parameters(recurse=False)
    }
    iterations: dict[str, int] = {}
    missed: dict[str, str] = {}

    def fit(name: str) -> Callable[..., Tensor]:
        def hook(layer: nn.Module, args: tuple, kwargs: dict, z: Tensor) -> Tensor:
            if name in iterations:
                return z
            iterations[name] = 0
            memory = _memory(_stored("lsuv_", name, layer, "weight"))
            most, why = (0, ", a shared weight") if memory in taken else (max_iterations, "")
            taken.add(memory)
            variance = _variance(name, layer, z)
            while (off := ~((variance - 1).abs() <= tolerance)).any() and iterations[name] < most:
                scale = variance.sqrt().where(off, 1.0)[..., None, None]
                weight = getattr(layer, "weight_orig" if hasattr(layer, "weight_orig") else "weight").detach()
                _write("lsuv_", name, layer, "weight", (weight / scale).to(weight.dtype))  # masked ones, too
                z = layer.forward(*args, **kwargs)
                variance = _variance(name, layer, z)
                iterations[name] += 1
            if off.any():
                worst = variance.flatten()[(variance - 1).abs().argmax()]
                missed[name] = f"{worst.item():.9g} in layer {name!r}{why}"
            return z

        return hook

    kind = x.device.type  # where autocast is on it rounds, and keeps rounded weights of before the rescaling
    exact = torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()
    with exact, _all_or_nothing(layers.values()):
        plan: Plan = [(name, layer, (orthogonal_, zeros_), False) for name, layer in layers.items()]
        _draw_layers("lsuv_", model, plan, generator)
        # What BatchNorm updates; not what a parametrization keeps, which belongs to the weight
        buffers = {n: b.clone() for n, b in model.named_buffers() if "parametrizations." not in n}
        handles = [layer.register_forward_hook(fit(name), with_kwargs=True) for name, layer in layers.items()]
        try:
            functional_call(model, buffers, (x,))
        finally:
            for handle in handles:
                handle.remove()
        if not iterations:
            raise ValueError(f"lsuv_: model must call a linear layer, {type(model).__name__} called none")
        if missed:
            warn(
                f"lsuv_: variances must come within {tolerance:g} of 1 in {max_iterations} rescalings, "
                f"got {'; '.join(missed.values())}",
                stacklevel=3,
            )
    return iterations


def _variance(name: str, layer: nn.Module, z: Tensor) -> Tensor:
    """The variance of a layer's outputs, one a replica; units may lie along rows or columns."""
    ours = len(getattr(layer, "replicas", ()))  # (…, *replicas, n, units); none: anything, (n, channels, …)
    dims = [d for d in range(z.ndim) if not ours or d not in range(z.ndim - 2 - ours, z.ndim - 2)]
    variance = z.to(torch.promote_types(z.dtype, torch.float32)).var(dim=dims, correction=0)
    if not ((variance > 0) & variance.isfinite()).all():
        value = f"{variance.min().item():g}"
        raise ValueError(f"lsuv_: x must give layer {name!r} outputs of finite variance above 0, got {value}")
    return variance
