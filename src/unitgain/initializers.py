"""Draw the first weights, in place, for one network or for many.

Each function changes its tensor and returns it. A weight has the shape `(*replicas, fan_out, fan_in)`;
leading dimensions are replicas, networks that share nothing but their shape. With one generator a replica,
replica k gets the very numbers that a single network would get from its generator. A convolution's weight has
other dimensions: `initialize` and `lsuv_` hand it on as a matrix.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from inspect import signature

import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call
from torch.nn.modules.conv import _ConvNd

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


def _fans(owner: str, tensor: Tensor) -> tuple[int, int]:
    if tensor.ndim < 2:
        raise ValueError(
            f"{owner}: tensor must have at least 2 dimensions (fan_out, fan_in), "
            f"got shape {tuple(tensor.shape)}"
        )
    return tensor.shape[-1], tensor.shape[-2]  # fan_in, fan_out


def _at_least_0(owner: str, name: str, value: float) -> None:
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
        ValueError: Unless std ≥ 0 and low < high, both finite.

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
    _at_least_0("truncated_normal_", "std", std)
    if not -math.inf < low < high < math.inf:
        raise ValueError(
            f"truncated_normal_: low must be below high, both finite, got low={low}, high={high}"
        )
    upper = low > 0  # there Φ is close to 1, where numbers lie far apart: draw the mirror image
    bounds = (-high, -low) if upper else (low, high)
    below, above = (math.erfc(-bound / math.sqrt(2)) / 2 for bound in bounds)

    def draw(t: Tensor, g: Generator | None) -> None:
        wide = torch.float32 if t.device.type == "mps" else torch.float64
        u = torch.empty_like(t, dtype=wide).uniform_(below, above, generator=g)
        z = torch.special.ndtri(u).clamp_(*bounds)
        t.copy_(z.mul_(-std if upper else std).add_(mean))

    return _fill(tensor, draw, generator)


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
    deviation = 1 / math.sqrt(count) if std is None else std
    _at_least_0("sparse_", "std", deviation)

    def draw(t: Tensor, g: Generator | None) -> None:
        lots = torch.empty_like(t, dtype=torch.float32).uniform_(generator=g)
        chosen = lots.topk(count, dim=-1).indices
        weights = t.new_empty(chosen.shape).normal_(0.0, deviation, generator=g)
        t.zero_().scatter_(-1, chosen, weights)

    return _fill(tensor, draw, generator)


def orthogonal_(tensor: Tensor, gain: float = 1.0, *, generator: Generators = None) -> Tensor:
    r"""Draw a random orthogonal matrix, times `gain`: a square one keeps the length of every vector.

    $$W^\top W = \text{gain}^2 I \ \text{(tall)}, \qquad W W^\top = \text{gain}^2 I \ \text{(wide)}$$

    Tall is a matrix of more rows than columns, wide the opposite. It is the Q of a Gaussian matrix's QR
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
    _at_least_0("orthogonal_", "gain", gain)

    def draw(t: Tensor, g: Generator | None) -> None:
        full = torch.promote_types(t.dtype, torch.float32)
        gaussian = torch.empty_like(t, dtype=full).normal_(generator=g)
        wide = t.shape[-2] < t.shape[-1]
        q, r = torch.linalg.qr(gaussian.mT if wide else gaussian)
        q = q * r.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)
        t.copy_(q.mT if wide else q).mul_(gain)

    return _fill(tensor, draw, generator)


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
    _at_least_0("identity_", "gain", gain)
    with torch.no_grad():
        tensor.zero_().diagonal(dim1=-2, dim2=-1).fill_(gain)
    return tensor


def _variance_scaling(
    name: str, rule: str, scale: float, fan: Callable[[float, float], float], source: str
) -> Initializer:
    """The six rules of one formula, Var(w) = gain² scale / fan: their function, its docstring written out."""
    shape = "uniform" if "uniform" in name else "normal"

    def initialize_(
        tensor: Tensor,
        *,
        gain: float = 1.0,
        fans: tuple[float, float] | None = None,
        generator: Generators = None,
    ) -> Tensor:
        fan_in, fan_out = _fans(name, tensor) if fans is None else fans
        if not (0 < fan_in < math.inf and 0 < fan_out < math.inf):
            raise ValueError(f"{name}: fans must be above 0 and finite, got ({fan_in}, {fan_out})")
        _at_least_0(name, "gain", gain)
        variance = gain**2 * (scale / fan(fan_in, fan_out))
        if shape == "uniform":  # U(-a, a) has the variance a²/3
            bound = math.sqrt(3 * variance)
            return uniform_(tensor, -bound, bound, generator=generator)
        return normal_(tensor, 0.0, math.sqrt(variance), generator=generator)

    initialize_.__name__ = initialize_.__qualname__ = name
    initialize_.__doc__ = f"""Draw from a {shape} distribution of mean 0 and variance {rule}.

    Args:
        tensor: Weight of shape `(*replicas, fan_out, fan_in)`; changed in place.
        gain: Factor on the standard deviation, at least 0: the variance is gain² times the rule's.
        fans: `(fan_in, fan_out)`, each above 0; None for the last two dimensions, which are not a
            convolution's fans.
        generator: One generator, or one a replica.

    Returns:
        The same tensor.

    Raises:
        ValueError: If the tensor has fewer than 2 dimensions and no `fans` are given, or for a number out of
            range.

    Examples:
        >>> import torch
        >>> from unitgain.initializers import {name}
        >>> w = {name}(torch.empty(400, 100), generator=torch.Generator().manual_seed(0))
        >>> abs(w.var().item() / ({scale} / {fan(100, 400)}) - 1) < 0.05
        True

    Source: {source}
    """
    return initialize_


_BACKPROP = "LeCun, Bottou, Orr & Müller, *Efficient BackProp* (1998), section 4.6."
_DIFFICULTY = (
    "Glorot & Bengio, *Understanding the difficulty of training deep feedforward neural networks* (2010), "
    "eq. 16."
)
_RECTIFIERS = "He, Zhang, Ren & Sun, *Delving deep into rectifiers* (2015), eq. 10."
_LECUN = "1 / fan_in", 1.0, lambda fan_in, fan_out: fan_in, _BACKPROP
_GLOROT = "2 / (fan_in + fan_out)", 1.0, lambda fan_in, fan_out: (fan_in + fan_out) / 2, _DIFFICULTY
_HE = "2 / fan_in", 2.0, lambda fan_in, fan_out: fan_in, _RECTIFIERS

lecun_uniform_ = _variance_scaling("lecun_uniform_", *_LECUN)
lecun_normal_ = _variance_scaling("lecun_normal_", *_LECUN)
glorot_uniform_ = _variance_scaling("glorot_uniform_", *_GLOROT)
glorot_normal_ = _variance_scaling("glorot_normal_", *_GLOROT)
he_uniform_ = _variance_scaling("he_uniform_", *_HE)
he_normal_ = _variance_scaling("he_normal_", *_HE)

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
numbers hand in a function: `partial(normal_, std=0.01)`, `partial(constant_, value=0.1)`."""


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
        given = str(rule).lower()
        longer = [name for name in INITIALIZERS if name.startswith(given)]  # "he" is nearer to "eye"
        close = get_close_matches(given, longer or INITIALIZERS, n=1, cutoff=0)[0]
        raise ValueError(
            f"initializer: must be one of {', '.join(INITIALIZERS)}; got {rule!r}, did you mean {close!r}?"
        )
    return INITIALIZERS[rule]


def _is_linear(layer: nn.Module) -> bool:
    """Also our Linear, by its mark: layers imports this module, not the reverse."""
    return isinstance(layer, nn.Linear | _ConvNd) or getattr(layer, "is_linear", False)


def _column(vector: Tensor) -> Tensor:
    return vector.detach() if vector.ndim > 1 else vector.detach().unsqueeze(-1)


def _draw_weight(layer: nn.Module, rule: Initializer, generator: Generators) -> None:
    if not isinstance(layer, _ConvNd):
        rule(_column(layer.weight), generator=generator)  # type: ignore[arg-type]
        return
    window = math.prod(layer.kernel_size)
    in_channels, out_channels = layer.in_channels // layer.groups, layer.out_channels // layer.groups
    fans = (in_channels * window, out_channels * window)
    matrix = layer.weight.new_empty(layer.out_channels, in_channels * window)  # a row for each output channel
    rule(matrix, generator=generator, **({"fans": fans} if "fans" in signature(rule).parameters else {}))
    if layer.transposed:  # (in_channels, out_channels / groups, …), the groups one after the other
        matrix = matrix.view(layer.groups, out_channels, in_channels, window).transpose(1, 2)
    with torch.no_grad():
        layer.weight.copy_(matrix.reshape(layer.weight.shape))


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
    normalization and embeddings, keep what they have unless `rules` names their type.

    A convolution's weight is drawn as a matrix with a row for each output channel and a column for each input
    of its window, with the fans of one group of channels:

    $$\text{fan}_\text{in} = \frac{\text{in\_channels}}{\text{groups}} k, \qquad
      \text{fan}_\text{out} = \frac{\text{out\_channels}}{\text{groups}} k$$

    with k the number of positions in the kernel. Strides are not counted: with a stride of s an input reaches
    (a transposed convolution's output receives) 1/s of the positions along each dimension.

    Args:
        model: Any module.
        weight: Rule for weights, by name or as a function.
        bias: Rule for biases; it sees them as `(*replicas, out, 1)`.
        rules: Rules by type of layer: for the weight, or a pair (weight, bias). The most specific type
            counts, so that `nn.Module` means every other layer that has a weight.
        generator: One generator, or one a replica.

    Returns:
        The same model.

    Raises:
        ValueError: For an unknown name, or a number of generators that is not the number of replicas.

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
    pairs = {kind: rule if isinstance(rule, tuple) else (rule, bias) for kind, rule in (rules or {}).items()}
    by_type = {kind: (initializer(one), initializer(other)) for kind, (one, other) in pairs.items()}
    for layer in model.modules():
        kinds = [kind for kind in type(layer).__mro__ if kind in by_type]
        if not (kinds or _is_linear(layer)) or getattr(layer, "weight", None) is None:
            continue
        draw, draw_bias = by_type[kinds[0]] if kinds else default
        _draw_weight(layer, draw, generator)
        if getattr(layer, "bias", None) is not None:
            draw_bias(_column(layer.bias), generator=generator)  # type: ignore[arg-type]
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
    needed: whatever stands between the layers is measured with them.

    Args:
        model: Any module; its linear layers, as `initialize` knows them, change in place. It runs once, in
            the mode it is in; its buffers, such as running statistics, are left as they were. A layer that is
            used twice is fitted to its first use; one that is never called stays orthogonal.
        x: A batch of examples as the model takes them; some hundreds are enough.
        tolerance: Largest accepted distance of a variance from 1, above 0.
        max_iterations: Most rescalings of a layer, at least 1.
        generator: One generator, or one a replica. Each replica is rescaled apart.

    Returns:
        The number of rescalings of each layer, by its name in the model, in the order in which they ran; with
        replicas, of the one that needed most.

    Raises:
        ValueError: For a number out of range, if no linear layer ran, or if a layer's outputs are all equal
            or not finite. The weights are then what they were.

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
    iterations: dict[str, int] = {}

    def fit(name: str) -> Callable[..., Tensor]:
        def hook(layer: nn.Module, args: tuple, kwargs: dict, z: Tensor) -> Tensor:
            if name in iterations:
                return z
            iterations[name] = 0
            variance = _variance(name, layer, z)
            while (off := (variance - 1).abs() > tolerance).any() and iterations[name] < max_iterations:
                scale = variance.sqrt().where(off, 1.0)[..., None, None]
                layer.weight.div_(scale)  # type: ignore[operator]
                z = layer.forward(*args, **kwargs)
                variance = _variance(name, layer, z)
                iterations[name] += 1
            return z

        return hook

    layers = {name: layer for name, layer in model.named_modules() if _is_linear(layer)}
    before = [(p, p.clone()) for layer in layers.values() for p in layer.parameters()]
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}  # what BatchNorm updates
    handles = [layer.register_forward_hook(fit(name), with_kwargs=True) for name, layer in layers.items()]
    try:
        initialize(model, orthogonal_, zeros_, generator=generator)
        functional_call(model, buffers, (x,))
        if not iterations:
            raise ValueError(f"lsuv_: model must call a linear layer, {type(model).__name__} called none")
    except BaseException:
        for parameter, values in before:
            parameter.copy_(values)
        raise
    finally:
        for handle in handles:
            handle.remove()
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
