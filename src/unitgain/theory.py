r"""What to expect of a network before training: signal, gradient, dead units, learning rate.

Mean-field theory follows layers of many units whose weights and biases are drawn independently, with mean 0,

$$z^{l+1} = W^l f(z^l) + b^l, \qquad \text{Var}(W_{ij}) = \sigma_w^2 / \text{fan\_in}, \qquad
  \text{Var}(b_i) = \sigma_b^2$$

so that pre-activations are normal with one variance q a layer. It is exact as the width grows. After L layers
of n units a network's variance scatters around it by a share of some √(L/n): networks of few units a layer go
their own ways.

Every argument that is a number may be a tensor, on any device that has float64; they broadcast, and
predictions are float64 tensors. A `function` is any elementwise callable that takes float64;
`unitgain.activations.activation` has them by name. Its Gaussian means are found by Gauss-Legendre
quadrature on both sides of 0. For smooth functions, with or without a kink at 0, they are right to 1e-11 in
one dimension and 1e-9 in two, with q up to 9, and to 1e-7 with q up to 400. A kink of f elsewhere
(hardtanh) costs digits: 2e-3 is left for f, and only 5e-2 for its derivative, which jumps there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "DepthScales",
    "Descent",
    "born_dead_probability",
    "chi",
    "condition_number",
    "correlation_fixed_point",
    "correlation_map",
    "correlation_slope",
    "critical_weight_var",
    "depth_scales",
    "gradient_factor",
    "hessian_eigenvalues",
    "inactive_probability",
    "largest_stable_rate",
    "optimal_descent",
    "population_eigenvalues",
    "sigmoid_window",
    "signal_factor",
    "variance_fixed_point",
    "variance_map",
]

Function = Callable[[Tensor], Tensor]
Number = float | Tensor
Rule = tuple[str, Callable[[Tensor], Tensor]]

SMALL, LARGE = 1e-30, 1e30  # variances that stand for the limits 0 and infinity
# Quadrature in the plane: panels of radii, nodes a panel, nodes of the angle, power that draws these to 0
COARSE = (0, 1.2, 3.8, 8.2), 14, 20, 2  # for q up to 9
FINE = (0, 0.25, 1, 2.5, 5, 9), 12, 28, 3
AT_LEAST_0: Rule = ("finite and at least 0", lambda x: (x >= 0) & x.isfinite())
ABOVE_0: Rule = ("finite and above 0", lambda x: (x > 0) & x.isfinite())
AT_LEAST_1: Rule = ("finite and at least 1", lambda x: (x >= 1) & x.isfinite())
ANY: Rule = ("finite", torch.isfinite)
RULES: dict[str, Rule] = {  # the others are variances and the like: AT_LEAST_0
    "q": ("at least 0", lambda x: x >= 0),
    "start": (f"from {SMALL} to {LARGE}", lambda x: (x >= SMALL) & (x <= LARGE)),
    "c": ("from -1 to 1", lambda x: x.abs() <= 1),
    "momentum": ("at least 0 and below 1", lambda x: (x >= 0) & (x < 1)),
    **dict.fromkeys(("fan_in", "fan_out", "width"), AT_LEAST_1),
    **dict.fromkeys(("smallest", "largest", "bias"), ABOVE_0),
    **dict.fromkeys(("low", "high", "mean", "weight", "x"), ANY),
}


def _numbers(owner: str, **values: Number) -> list[Tensor]:
    """The arguments as float64 tensors of one shape, each held to its rule, on the tensors' device."""
    device = next((x.device for x in values.values() if isinstance(x, Tensor)), None)
    tensors = [
        x.detach().double() if isinstance(x, Tensor) else torch.tensor(x, dtype=torch.float64, device=device)
        for x in values.values()
    ]
    for name, x in zip(values, tensors, strict=True):
        rule, holds = RULES.get(name, AT_LEAST_0)
        bad = x[~holds(x)]
        if bad.numel():
            raise ValueError(f"{owner}: {name} must be {rule}, got {bad[0].item():g}")
    try:
        return list(torch.broadcast_tensors(*tensors))
    except RuntimeError:
        shapes = ", ".join(str(tuple(x.shape)) for x in tensors)
        raise ValueError(f"{owner}: {', '.join(values)} must broadcast, got shapes {shapes}") from None


def _check_order(owner: str, **pair: Tensor) -> None:
    (first, low), (second, high) = pair.items()
    wrong = low > high
    if wrong.any():
        got = f"{low[wrong][0].item():g} and {high[wrong][0].item():g}"
        raise ValueError(f"{owner}: {first} must be at most {second}, got {got}")


def _check_function(owner: str, function: Function, device: torch.device) -> None:
    if not callable(function):
        raise ValueError(f"{owner}: function must be a callable, got {function!r}")
    x = torch.linspace(-3, 3, 4, dtype=torch.float64, device=device)
    with torch.no_grad():
        y = function(x)
    if y.shape != x.shape or not y.isfinite().all():
        got = f"shape {tuple(y.shape)}" if y.shape != x.shape else f"{y.tolist()}"
        raise ValueError(f"{owner}: function must map each of {x.tolist()} to a finite number, got {got}")


def _derivative(f: Function) -> Function:
    def slope(u: Tensor) -> Tensor:
        with torch.enable_grad():
            z = u.detach().requires_grad_()
            y = f(z)
            return torch.autograd.grad(y.sum(), z)[0] if y.requires_grad else torch.zeros_like(u)

    return slope


# Gaussian means


def _panels(edges: Sequence[float], nodes: int) -> tuple[Tensor, Tensor]:
    x, weight = np.polynomial.legendre.leggauss(nodes)
    half = np.diff(edges)[:, None] / 2
    z = np.array(edges)[:-1, None] + half * (x + 1)
    return torch.from_numpy(z.ravel()), torch.from_numpy((half * weight).ravel())


@cache
def _line() -> tuple[Tensor, Tensor]:
    """Nodes and weights of E g(z), z ~ N(0, 1): finer towards 0, where f(√q z) changes fast for large q."""
    z, weight = _panels([0, *(4.0**-k for k in range(8, -1, -1)), 2, 4, 6, 8, 10, 12], 12)
    weight = weight * torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
    return torch.cat([-z.flip(0), z]), torch.cat([weight.flip(0), weight])


@cache
def _plane(edges: tuple[float, ...], radii: int, angles: int, power: int) -> tuple[Tensor, ...]:
    """Radii of both signs and angles in (0, 1), denser at 0, with their weights."""
    r, weight = _panels(edges, radii)
    weight = weight * r * torch.exp(-r.square() / 2) / math.pi
    t, angle_weight = _panels((0, 1), angles)
    nodes = torch.cat([-r, r]), torch.cat([weight, weight])
    return *nodes, t**power, angle_weight * power * t ** (power - 1)


@torch.no_grad()
def _mean(g: Function, q: Tensor) -> Tensor:
    """E g(√q z) for z ~ N(0, 1), of the shape of q; in blocks that stay in the processor's cache."""
    z, weight = (t.to(q.device) for t in _line())
    sd = q.clamp(max=LARGE).sqrt().flatten()
    return torch.cat([g(s[:, None] * z) @ weight for s in sd.split(256)]).view(q.shape)


@torch.no_grad()
def _pair_mean(g: Function, q: Tensor, c: Tensor) -> Tensor:
    """E g(u) g(v) for normal u, v of variance q and correlation c.

    In polar coordinates u = √q r sin φ and v = √q r sin(φ + θ), cos θ = c: what happens at u = 0 or v = 0
    happens along rays. Between them lie the sector of equal signs, of angle π − θ, and that of unequal signs,
    of angle θ; exchanging u and v mirrors each, so half of each will do, with r of both signs.
    """
    sd, angle = q.clamp(max=LARGE).sqrt().flatten(), c.acos().flatten()
    means = []
    for s, theta in zip(sd.split(16), angle.split(16), strict=True):
        rule = FINE if (s > 3).any() else COARSE
        r, weight, t, angle_weight = (x.to(q.device) for x in _plane(*rule))
        radius, total = s[:, None, None] * r, torch.zeros_like(s)
        for sign, half in ((1, (math.pi - theta) / 2), (-1, theta / 2)):
            phi = half[:, None] * t
            u = sign * phi.sin()[..., None] * radius
            v = (theta[:, None] + sign * phi).sin()[..., None] * radius
            total = total + half * (g(u) * g(v) @ weight @ angle_weight)
        means.append(total)
    return torch.cat(means).view(q.shape)


def _crossing(
    g: Callable[..., Tensor], low: Tensor, high: Tensor, g_low: Tensor, g_high: Tensor, *parameters: Tensor
) -> Tensor:
    """Where g(x, *parameters) falls through 0 between low, where it is ≥ 0, and high: Ridders' method.

    All one-dimensional, each element a problem of its own; those that are solved drop out.
    """
    x, active = (low + high) / 2, torch.arange(len(low), device=low.device)
    for _ in range(200):
        if not len(active):
            break
        middle = (low + high) / 2
        g_middle = g(middle, *parameters)
        root = (g_middle.square() - g_low * g_high).clamp(min=1e-300).sqrt()
        new = middle + (middle - low) * (g_middle / root).clamp(-1, 1)
        g_new = g(new, *parameters)
        going = ((new - x[active]).abs() > 1e-13) & (high - low > 1e-13) & (g_new.abs() > 1e-15)
        x[active] = new
        inner, order = torch.stack([middle, new]).sort(0)
        points = torch.stack([low, *inner, high])
        values = torch.stack([g_low, *torch.stack([g_middle, g_new]).gather(0, order), g_high])
        end = 1 + (values[1:3] > 0).long().cumprod(0).sum(0, keepdim=True)  # the first that is not above 0
        low, high = (points.gather(0, i)[0][going] for i in (end - 1, end))
        g_low, g_high = (values.gather(0, i)[0][going] for i in (end - 1, end))
        active, parameters = active[going], tuple(p[going] for p in parameters)
    return x


def _settle(growth: Callable[..., Tensor], start: Tensor, *parameters: Tensor) -> Tensor:
    """The first q from `start`, in the direction in which it grows or shrinks, where growth(ln q) is 0."""

    def g(t: Tensor, *p: Tensor) -> Tensor:
        return growth(t, *p).nan_to_num(nan=1e3, posinf=1e3, neginf=-1e3)

    far, parameters = start.log().flatten(), tuple(p.flatten() for p in parameters)
    t, g_far = far, g(far, *parameters)
    sign, at_rest = g_far.sign(), g_far.abs() <= 1e-13
    near, g_near, going = far, g_far, ~at_rest
    for reach in (1, 3, 7, 15, 31, 69):  # 69 = ln LARGE
        near, g_near = torch.where(going, far, near), torch.where(going, g_far, g_near)
        far = torch.where(going, t + sign * reach, far)
        g_far = torch.where(going, g(far, *parameters), g_far)
        going = going & (sign * g_far > -1e-13)
        if not going.any():
            break
    q = torch.where(at_rest, t.exp(), torch.where(sign > 0, math.inf, 0.0))
    inside = ~(going | at_rest)
    (low, high), order = torch.stack([near, far])[:, inside].sort(0)
    values = torch.stack([g_near, g_far])[:, inside].gather(0, order)
    q[inside] = _crossing(g, low, high, *values, *(p[inside] for p in parameters)).exp()
    return q.view(start.shape)


# Signal: variances and correlations


def _variance(f: Function, q: Tensor, weight_var: Tensor, bias_var: Tensor) -> Tensor:
    return weight_var * _mean(lambda u: f(u).square(), q) + bias_var


def variance_map(function: Function, q: Number, weight_var: Number, bias_var: Number = 0.0) -> Tensor:
    r"""The variance of the next layer's pre-activations.

    $$V(q) = \sigma_w^2\, \mathbb{E} f(\sqrt q\, z)^2 + \sigma_b^2, \qquad z \sim N(0, 1)$$

    with f the `function`, $\sigma_w^2$ `weight_var` and $\sigma_b^2$ `bias_var`. It supposes wide layers. In
    the first layer q is $\sigma_w^2$ times the mean square of the inputs, plus $\sigma_b^2$.

    Args:
        function: Elementwise callable.
        q: Variance of the pre-activations, at least 0; more than 1e30 counts as 1e30.
        weight_var: Variance of a weight times fan-in, at least 0: 2 is He's, 1 LeCun's, 1/3 torch's default.
        bias_var: Variance of a bias, at least 0.

    Returns:
        V(q), of the arguments' common shape.

    Raises:
        ValueError: For a number out of range, or a function that is not elementwise and finite.

    Examples:
        >>> import torch
        >>> from unitgain.theory import variance_map
        >>> variance_map(torch.tanh, torch.tensor([0.5, 2.0]), weight_var=1.5, bias_var=0.05)
        tensor([0.4605, 0.8300], dtype=torch.float64)

    Source: Poole, Lahiri, Raghu, Sohl-Dickstein & Ganguli, *Exponential expressivity in deep neural networks
    through transient chaos* (2016), eq. 3.
    """
    values = _numbers("variance_map", q=q, weight_var=weight_var, bias_var=bias_var)
    _check_function("variance_map", function, values[0].device)
    return _variance(function, *values)


def _fixed_q(f: Function, weight_var: Tensor, bias_var: Tensor, start: Tensor | None = None) -> Tensor:
    def growth(t: Tensor, weight_var: Tensor, bias_var: Tensor) -> Tensor:
        return _variance(f, t.exp(), weight_var, bias_var).log() - t

    return _settle(growth, torch.ones_like(weight_var) if start is None else start, weight_var, bias_var)


def variance_fixed_point(
    function: Function, weight_var: Number, bias_var: Number = 0.0, *, start: Number = 1.0
) -> Tensor:
    r"""The variance q* to which the pre-activations' variance tends with depth.

    $$q^* = V(q^*)$$

    with V the `variance_map`. It is the first fixed point that the layers meet from `start`; with tanh and
    $\sigma_b^2 > 0$ the only one. A ReLU at $\sigma_w^2 = 2$ without biases keeps every variance: q* is then
    `start`. Where V falls with q steeply enough (slope below −1), the layers circle q* and never reach it.

    Args:
        function: Elementwise callable.
        weight_var: Variance of a weight times fan-in, $\sigma_w^2$, at least 0.
        bias_var: Variance of a bias, $\sigma_b^2$, at least 0.
        start: Variance to start from, 1e-30 to 1e30.

    Returns:
        q*, of the arguments' common shape: 0 where the signal dies out, inf where it grows without bound.

    Raises:
        ValueError: For a number out of range, or a function that is not elementwise and finite.

    Examples:
        >>> import torch
        >>> from unitgain.theory import variance_fixed_point
        >>> variance_fixed_point(torch.tanh, weight_var=torch.tensor([0.5, 2.5]), bias_var=0.05)
        tensor([0.0876, 1.0640], dtype=torch.float64)
        >>> variance_fixed_point(torch.relu, weight_var=torch.tensor([1.0, 2.0, 3.0]))
        tensor([0., 1., inf], dtype=torch.float64)

    Source: Poole et al. (2016), section 2.1.
    """
    values = _numbers("variance_fixed_point", weight_var=weight_var, bias_var=bias_var, start=start)
    _check_function("variance_fixed_point", function, values[0].device)
    return _fixed_q(function, *values)


def _at_q(
    owner: str, f: Function, q: Number | None, weight_var: Number, bias_var: Number, **more: Number
) -> list[Tensor]:
    """q or the fixed point, weight_var, bias_var and the rest, checked, of one shape; q neither 0 nor inf."""
    given = {"weight_var": weight_var, "bias_var": bias_var, **more} | ({} if q is None else {"q": q})
    values = _numbers(owner, **given)
    _check_function(owner, f, values[0].device)
    last = _fixed_q(f, *values[:2]) if q is None else values.pop()
    return [last.clamp(SMALL, LARGE), *values]


def _correlation(f: Function, q: Tensor, weight_var: Tensor, bias_var: Tensor, c: Tensor) -> Tensor:
    covariance = weight_var * _pair_mean(f, q, c) + bias_var
    return (covariance / _variance(f, q, weight_var, bias_var)).clamp(-1, 1)


def correlation_map(
    function: Function, c: Number, weight_var: Number, bias_var: Number = 0.0, q: Number | None = None
) -> Tensor:
    r"""The correlation of two inputs' pre-activations in the next layer.

    $$C(c) = \frac{\sigma_w^2\, \mathbb{E} f(u) f(v) + \sigma_b^2}{V(q)}, \qquad
      (u, v) \sim N\left(0,\; q \begin{pmatrix} 1 & c \\ c & 1 \end{pmatrix}\right)$$

    with V the `variance_map`: both inputs' pre-activations have variance q. It supposes wide layers.

    Args:
        function: Elementwise callable, f.
        c: Correlation of the two inputs' pre-activations, −1 to 1.
        weight_var: Variance of a weight times fan-in, $\sigma_w^2$, at least 0.
        bias_var: Variance of a bias, $\sigma_b^2$, at least 0.
        q: Their variance, at least 0; None for the fixed point. At 0 and inf the limit is meant.

    Returns:
        C(c), of the arguments' common shape; nan where V(q) is 0.

    Raises:
        ValueError: For a number out of range, or a function that is not elementwise and finite.

    Examples:
        >>> import torch
        >>> from unitgain.theory import correlation_map
        >>> correlation_map(torch.relu, torch.tensor([0.0, 0.5, 1.0]), weight_var=2.0)
        tensor([0.3183, 0.6090, 1.0000], dtype=torch.float64)

    Source: Poole et al. (2016), eq. 5.
    """
    return _correlation(function, *_at_q("correlation_map", function, q, weight_var, bias_var, c=c))


def _slope(f: Function, q: Tensor, weight_var: Tensor, bias_var: Tensor, c: Tensor) -> Tensor:
    return weight_var * q / _variance(f, q, weight_var, bias_var) * _pair_mean(_derivative(f), q, c)


def correlation_slope(
    function: Function, c: Number, weight_var: Number, bias_var: Number = 0.0, q: Number | None = None
) -> Tensor:
    r"""The slope of the correlation map: what a layer does to a small change of correlation.

    $$C'(c) = \frac{q}{V(q)}\, \sigma_w^2\, \mathbb{E} f'(u) f'(v)$$

    with u, v as in `correlation_map`. At the fixed point q = V(q), and C′(1) is `chi`.

    Args:
        function: Elementwise callable without jumps, f; f′ by automatic differentiation.
        c: Correlation of the two inputs' pre-activations, −1 to 1.
        weight_var: Variance of a weight times fan-in, $\sigma_w^2$, at least 0.
        bias_var: Variance of a bias, $\sigma_b^2$, at least 0.
        q: Their variance, at least 0; None for the fixed point. At 0 and inf the limit is meant.

    Returns:
        C′(c), of the arguments' common shape; nan where V(q) is 0.

    Raises:
        ValueError: For a number out of range, or a function that is not elementwise and finite.

    Examples:
        >>> import torch
        >>> from unitgain.theory import correlation_slope
        >>> correlation_slope(torch.relu, torch.tensor([0.0, 1.0]), weight_var=2.0)
        tensor([0.5000, 1.0000], dtype=torch.float64)

    Source: Poole et al. (2016), eq. 6, for any c; Schoenholz, Gilmer, Ganguli & Sohl-Dickstein, *Deep
    information propagation* (2017), eq. 10.
    """
    return _slope(function, *_at_q("correlation_slope", function, q, weight_var, bias_var, c=c))


def _chi(f: Function, q: Tensor, weight_var: Tensor) -> Tensor:
    slope = _derivative(f)
    return weight_var * _mean(lambda u: slope(u).square(), q)


def _fixed_c(f: Function, q: Tensor, weight_var: Tensor, bias_var: Tensor) -> Tensor:
    slope = _chi(f, q, weight_var) * q / _variance(f, q, weight_var, bias_var)  # C′(1)
    chaotic = slope > 1 + 1e-9
    parameters = [t[chaotic] for t in (q, weight_var, bias_var)]

    def drift(c: Tensor, q: Tensor, weight_var: Tensor, bias_var: Tensor) -> Tensor:
        return (_correlation(f, q, weight_var, bias_var, c) - c) / (1 - c)  # without the root at 1

    c, low = torch.ones_like(q), torch.zeros_like(q[chaotic])
    c[chaotic] = _crossing(drift, low, low + 1, drift(low, *parameters), 1 - slope[chaotic], *parameters)
    return c


def correlation_fixed_point(function: Function, weight_var: Number, bias_var: Number = 0.0) -> Tensor:
    r"""The correlation c* to which any two inputs' pre-activations tend with depth.

    $$c^* = C(c^*)$$

    with C the `correlation_map` at q*. Where its slope C′(1) is at most 1, all inputs end up equal, c* = 1:
    the ordered phase. Where it is more, even near twins part until their correlation is c* < 1: chaos.

    Args:
        function: Elementwise callable without jumps.
        weight_var: Variance of a weight times fan-in, $\sigma_w^2$, at least 0.
        bias_var: Variance of a bias, $\sigma_b^2$, at least 0.

    Returns:
        c*, 0 to 1, of the arguments' common shape.

    Raises:
        ValueError: For a number out of range, or a function that is not elementwise and finite.

    Examples:
        >>> import torch
        >>> from unitgain.theory import correlation_fixed_point
        >>> correlation_fixed_point(torch.tanh, torch.tensor([1.3, 2.5, 4.0]), bias_var=0.05)
        tensor([1.0000, 0.4468, 0.1651], dtype=torch.float64)

    Source: Poole et al. (2016), section 2.2.
    """
    q, *variances = _at_q("correlation_fixed_point", function, None, weight_var, bias_var)
    return _fixed_c(function, q, *variances)


# Gradient, and where order meets chaos


def chi(function: Function, weight_var: Number, bias_var: Number = 0.0, q: Number | None = None) -> Tensor:
    r"""χ, by which a layer multiplies the squared norm of the gradient, and the distance of near twins.

    $$\chi = \sigma_w^2\, \mathbb{E} f'(\sqrt q\, z)^2$$

    Below 1 gradients vanish and inputs become alike (order), above 1 gradients explode and inputs part
    (chaos); at 1 both travel far. It is the slope of the `correlation_map` at c = 1, if q is its fixed point.
    It supposes wide layers of equal width, and weights on the way back independent of those on the way there.

    Args:
        function: Elementwise callable without jumps, f; f′ by automatic differentiation.
        weight_var: Variance of a weight times fan-in, $\sigma_w^2$, at least 0.
        bias_var: Variance of a bias, $\sigma_b^2$, at least 0; matters for the fixed point only.
        q: Variance of the pre-activations, at least 0; None for the fixed point. At 0 and inf the limit is
            meant.

    Returns:
        χ, of the arguments' common shape.

    Raises:
        ValueError: For a number out of range, or a function that is not elementwise and finite.

    Examples:
        >>> import torch
        >>> from unitgain.theory import chi
        >>> chi(torch.tanh, torch.tensor([1.3, 1.76, 2.5, 4.0]), bias_var=0.05)
        tensor([0.8802, 0.9998, 1.1335, 1.3424], dtype=torch.float64)

    Source: Schoenholz et al. (2017), eq. 5; Poole et al. (2016), eq. 6.
    """
    q, weight_var, _ = _at_q("chi", function, q, weight_var, bias_var)
    return _chi(function, q, weight_var)


def critical_weight_var(function: Function, bias_var: Number = 0.0) -> Tensor:
    r"""The weights' variance on the critical line, between order and chaos.

    The line is a curve over q, since χ = 1 and q = V(q) can both be solved for a variance:

    $$\sigma_w^2 = \frac{1}{\mathbb{E} f'(\sqrt q\, z)^2}, \qquad
      \sigma_b^2 = q - \sigma_w^2\, \mathbb{E} f(\sqrt q\, z)^2$$

    and q is sought that gives the `bias_var` asked for. ReLU has χ = 1 at $\sigma_w^2 = 2$ with any bias, but
    a critical *point* only: with biases its variance grows without bound there. Some functions that grow like
    ReLU have no critical line for small $\sigma_b^2$ (GELU, SiLU): before χ is 1, the variance runs away.

    Args:
        function: Elementwise callable without jumps, f.
        bias_var: Variance of a bias, $\sigma_b^2$, at least 0.

    Returns:
        $\sigma_w^2$, of the shape of `bias_var`; nan where layers that start from q = 1 never have χ = 1.

    Raises:
        ValueError: For a number out of range, or a function that is not elementwise and finite.

    Examples:
        >>> import torch
        >>> from unitgain.theory import critical_weight_var
        >>> critical_weight_var(torch.tanh, torch.tensor([0.0, 0.05]))
        tensor([1.0000, 1.7610], dtype=torch.float64)

    Source: Schoenholz et al. (2017), section 3 and figure 1.
    """
    (bias_var,) = _numbers("critical_weight_var", bias_var=bias_var)
    _check_function("critical_weight_var", function, bias_var.device)
    one = torch.ones_like(bias_var)

    def growth(t: Tensor, bias_var: Tensor) -> Tensor:
        q = t.exp()
        weight_var = 1 / _chi(function, q, torch.ones_like(q))
        return _variance(function, q, weight_var, bias_var).log() - t

    weight_var = 1 / _chi(function, _settle(growth, one, bias_var).clamp(SMALL, LARGE), one)
    reached = _fixed_q(function, weight_var, bias_var).clamp(SMALL, LARGE)
    return weight_var.where((_chi(function, reached, weight_var) - 1).abs() < 1e-3, math.nan)


class DepthScales(NamedTuple):
    """Over how many layers a network forgets; see `depth_scales`.

    Attributes:
        variance: ξ_q, layers in which the distance of the variance from q* changes e-fold.
        correlation: ξ_c, layers in which the distance of two inputs' correlation from c* does.
        gradient: ξ_∇, layers in which the squared norm of the gradient does.

    Examples:
        >>> import torch
        >>> from unitgain.theory import DepthScales
        >>> DepthScales(torch.tensor(1.0), torch.tensor(4.0), torch.tensor(4.0)).trainable
        tensor(24.)

    Source: see `depth_scales`.
    """

    variance: Tensor
    correlation: Tensor
    gradient: Tensor

    @property
    def trainable(self) -> Tensor:
        """Depth up to which networks were seen to train, 6 ξ_c: an observation on MNIST, not a theorem."""
        return 6 * self.correlation


def depth_scales(function: Function, weight_var: Number, bias_var: Number = 0.0) -> DepthScales:
    r"""How deep a signal, a difference between inputs and a gradient reach.

    $$\xi_q = \frac{1}{|\ln V'(q^*)|}, \qquad \xi_c = \frac{1}{|\ln C'(c^*)|}, \qquad
      \xi_\nabla = \frac{1}{|\ln \chi|}, \qquad
      V'(q) = \frac{\sigma_w^2}{q}\, \mathbb{E}\, u f(u) f'(u), \; u = \sqrt q\, z$$

    In the ordered phase ξ_c = ξ_∇. On the critical line both are infinite: what is left then changes not
    exponentially but as a power of depth. The rates hold near the fixed points, for wide layers.

    Args:
        function: Elementwise callable without jumps, f.
        weight_var: Variance of a weight times fan-in, $\sigma_w^2$, at least 0.
        bias_var: Variance of a bias, $\sigma_b^2$, at least 0.

    Returns:
        `DepthScales(variance, correlation, gradient)` in layers, each of the arguments' common shape: 0 where
        one layer is enough to forget, inf where nothing is forgotten. Where c* = 1, χ serves as C′, which
        makes a difference only if q* is 0 or inf: there it is the scale of the signal itself.

    Raises:
        ValueError: For a number out of range, or a function that is not elementwise and finite.

    Examples:
        >>> import torch
        >>> from unitgain.theory import depth_scales
        >>> scales = depth_scales(torch.tanh, torch.tensor([1.3, 2.5]), bias_var=0.05)
        >>> scales.correlation, scales.trainable
        (tensor([ 7.8341, 11.7956], dtype=torch.float64), tensor([47.0044, 70.7736], dtype=torch.float64))

    Source: Schoenholz et al. (2017), eqs. 7, 9 and section 4; 6 ξ_c from their section 5.
    """
    q, weight_var, bias_var = _at_q("depth_scales", function, None, weight_var, bias_var)
    slope, chi = _derivative(function), _chi(function, q, weight_var)
    variance_slope = weight_var * _mean(lambda u: u * function(u) * slope(u), q) / q
    c = _fixed_c(function, q, weight_var, bias_var)
    apart = c < 1
    parting = chi.clone()
    parting[apart] = _slope(function, *(t[apart] for t in (q, weight_var, bias_var, c)))
    logs = (rate.abs().log().abs() for rate in (variance_slope, parting, chi))
    return DepthScales(*(1 / torch.where(log > 1e-12, log, 0) for log in logs))


def signal_factor(
    function: Function, variance: Number, fan_in: Number, *, bias_var: Number = 0.0, q: Number = 1.0
) -> Tensor:
    r"""By how much a layer multiplies the standard deviation of the pre-activations, forward.

    $$\sqrt{V(q) / q}, \qquad \sigma_w^2 = \text{fan\_in}\, \text{Var}(W_{ij})$$

    For ReLU without biases it is the same at every q, $\sqrt{\text{fan\_in}\, \text{Var}(W_{ij}) / 2}$, and a
    network's factor is the product over its layers; for others follow q with `variance_map`.

    Args:
        function: Elementwise callable.
        variance: Variance of one weight, Var(W_ij), at least 0: 2/(fan_in + fan_out) for Glorot, 2/fan_in
            for He, 1/fan_in for LeCun, 1/(3 fan_in) for torch's default.
        fan_in: Inputs of a unit, at least 1; of a convolution, channels times kernel size.
        bias_var: Variance of a bias, at least 0.
        q: Variance of the pre-activations before, at least 0.

    Returns:
        The factor, of the arguments' common shape.

    Raises:
        ValueError: For a number out of range, or a function that is not elementwise and finite.

    Examples:
        >>> import torch
        >>> from unitgain.theory import signal_factor
        >>> signal_factor(torch.relu, variance=0.01**2, fan_in=512 * 3 * 3)
        tensor(0.4800, dtype=torch.float64)

    Source: He, Zhang, Ren & Sun, *Delving deep into rectifiers* (2015), eq. 9, for any activation.
    """
    values = _numbers("signal_factor", variance=variance, fan_in=fan_in, bias_var=bias_var, q=q)
    _check_function("signal_factor", function, values[0].device)
    variance, fan_in, bias_var, q = values
    q = q.clamp(SMALL, LARGE)
    return (_variance(function, q, fan_in * variance, bias_var) / q).sqrt()


def gradient_factor(
    function: Function,
    variance: Number,
    fan_in: Number,
    fan_out: Number | None = None,
    *,
    bias_var: Number = 0.0,
    q: Number | None = None,
) -> Tensor:
    r"""By how much a layer multiplies the gradient on its way back (its size, not its square).

    $$\sqrt{\text{fan\_out}\, \text{Var}(W_{ij})\, \mathbb{E} f'(\sqrt q\, z)^2}$$

    for the gradients with respect to the pre-activations of two layers, as a root mean square over units and
    networks: for equal fans the square root of `chi`, and the factor of the norm too. (The norm adds up the
    units of a layer: its factor is $\sqrt{\text{fan\_in} / \text{fan\_out}}$ times this one.) With few units
    the typical network has a smaller factor than this mean: one linear unit a layer with N(0, 1) weights has
    mean square 1, but exp E ln|w| = .53.

    Args:
        function: Elementwise callable without jumps, f.
        variance: Variance of one weight, Var(W_ij), at least 0; see `signal_factor` for the usual ones.
        fan_in: Inputs of a unit, at least 1; decides q if that is None.
        fan_out: Units that each unit of the layer before feeds, at least 1; None for as many as `fan_in`.
        bias_var: Variance of a bias, at least 0; decides q too.
        q: Variance of the pre-activations where f′ is taken, at least 0; None for the fixed point. For ReLU
            any will do.

    Returns:
        The factor, of the arguments' common shape.

    Raises:
        ValueError: For a number out of range, or a function that is not elementwise and finite.

    Examples:
        >>> import torch
        >>> from unitgain.theory import gradient_factor
        >>> n = 256
        >>> gradient_factor(torch.relu, torch.tensor([1 / (3 * n), 1 / n, 2 / n]), n)  # torch, Glorot, He
        tensor([0.4082, 0.7071, 1.0000], dtype=torch.float64)
        >>> gradient_factor(torch.sigmoid, variance=1 / n, fan_in=n)
        tensor(0.2361, dtype=torch.float64)

    Source: He et al. (2015), eqs. 13–14, for any activation as in Schoenholz et al. (2017), eq. 15.
    """
    variance, fan_in, fan_out = _numbers(
        "gradient_factor", variance=variance, fan_in=fan_in, fan_out=fan_in if fan_out is None else fan_out
    )
    q, _, _, fan_out, variance = _at_q(
        "gradient_factor", function, q, fan_in * variance, bias_var, fan_out=fan_out, variance=variance
    )
    return _chi(function, q, fan_out * variance).sqrt()


def sigmoid_window(weight: Number) -> Tensor:
    r"""How wide the range of inputs is for which one sigmoid unit does not shrink the gradient.

    $$\left|\{a : |w\, \sigma'(w a + b)| \ge 1\}\right|
      = \frac{4}{|w|} \operatorname{arcosh} \frac{\sqrt{|w|}}{2}$$

    for any b, which only moves it. There is none for |w| < 4; the widest is .4477, at |w| = 6.894.

    Args:
        weight: w, any finite number.

    Returns:
        The width, of the shape of `weight`, in units of the input a; 0 where there is no such range.

    Raises:
        ValueError: For a weight that is not finite.

    Examples:
        >>> import torch
        >>> from unitgain.theory import sigmoid_window
        >>> sigmoid_window(torch.tensor([1.0, 6.894, 100.0]))
        tensor([0.0000, 0.4477, 0.0917], dtype=torch.float64)

    Source: Nielsen, *Neural Networks and Deep Learning* (2015), chapter 5, problem on |w σ′(wa + b)|.
    """
    (weight,) = _numbers("sigmoid_window", weight=weight)
    w = weight.abs().clamp(min=4)  # at 4 the width is 0
    return 4 / w * (w.sqrt() / 2).acosh()


# Dead units


def born_dead_probability(width: Number, depth: Number) -> Tensor:
    r"""Chance that a fresh ReLU network is dead on an input: one of its hidden layers passes on only zeros.

    $$1 - (1 - 2^{-n})^L$$

    with n the `width` and L the `depth`. It is exact for one input (not 0), zero biases and weights whose
    distribution is symmetric around 0. On all inputs together a network is dead less often, except with a
    single input feature.

    Args:
        width: Units in each hidden layer, at least 1.
        depth: Hidden layers, at least 0.

    Returns:
        The probability, of the arguments' common shape.

    Raises:
        ValueError: For a number out of range.

    Examples:
        >>> from unitgain.theory import born_dead_probability
        >>> born_dead_probability(width=2, depth=10)
        tensor(0.9437, dtype=torch.float64)

    Source: Lu, Shin, Su & Karniadakis, *Dying ReLU and initialization* (2019), theorem 3.3.
    """
    width, depth = _numbers("born_dead_probability", width=width, depth=depth)
    return -torch.expm1(depth * torch.log1p(-torch.exp2(-width)))


def _uniform_sum_cdf(scales: list[float], t: float) -> float:
    """P(Σ aᵢ Uᵢ ≤ t) for Uᵢ ~ U(0, 1): the volume of a cube's corner, by inclusion and exclusion."""
    t += sum(abs(a) for a in scales if a < 0)  # a U is distributed as |a| U − |a|
    sizes = [abs(a) for a in scales if a]
    corners, signs = np.zeros(1), np.ones(1)
    for a in sizes:
        corners, signs = np.append(corners, corners + a), np.append(signs, -signs)
    m = len(sizes)
    volume = signs @ np.maximum(t - corners, 0) ** m / (math.factorial(m) * math.prod(sizes))
    return min(max(float(volume), 0.0), 1.0)


def inactive_probability(low: Number, high: Number, features: int, *, bias: Number = 1.0) -> Tensor:
    r"""Chance that a fresh ReLU unit is dead on every point of the box [low, high]^d.

    A linear function is negative on a box if it is so at its worst corner, for weights and bias U(−1, 1)

    $$P\Big(\sum_{i=1}^d \max(w_i\, \text{low}, w_i\, \text{high}) + b \le 0\Big)$$

    with d the `features`. Given the weights' signs this is a sum of uniform variables, whose distribution is
    a piecewise polynomial. By symmetry the unit is active on the *whole* box as often. On finitely many
    points of the box it is dead a little more often.

    Args:
        low: Lower end of every feature, finite.
        high: Upper end, at least `low`.
        features: d, 1 to 12: the sum has some 2^d terms that cancel.
        bias: b is U(−bias, bias), above 0; only its size beside the weights matters.

    Returns:
        The probability, of the shape of `low`, `high` and `bias`, right to 1e-6 or better.

    Raises:
        ValueError: For a number out of range.

    Examples:
        >>> from unitgain.theory import inactive_probability
        >>> inactive_probability(low=8.0, high=10.0, features=2)
        tensor(0.4504, dtype=torch.float64)

    Source: The worst corner as in interval bounds (Gowal et al., *On the effectiveness of interval bound
    propagation*, 2018); sums of uniform variables in Feller, *An Introduction to Probability Theory and Its
    Applications*, volume 2 (1971), section I.9.
    """
    low, high, bias = _numbers("inactive_probability", low=low, high=high, bias=bias)
    if not 1 <= features <= 12:
        raise ValueError(f"inactive_probability: features must be from 1 to 12, got {features}")
    _check_order("inactive_probability", low=low, high=high)
    boxes = zip(low.flatten().tolist(), high.flatten().tolist(), bias.flatten().tolist(), strict=True)
    positive = range(features + 1)  # weights
    shares = [math.comb(features, k) / 2**features for k in positive]
    chances = [
        sum(shares[k] * _uniform_sum_cdf([h] * k + [-l] * (features - k) + [2 * b], b) for k in positive)
        for l, h, b in boxes
    ]
    return low.new_tensor(chances).view(low.shape)


# Learning rate


def _squared_singular_values(x: Tensor, count: int) -> Tensor:
    """Those of x, ascending and divided by count; what rounding alone would leave is 0."""
    s = torch.linalg.svdvals(x)
    s = s.where(s > s[..., :1] * max(x.shape[-2:]) * torch.finfo(s.dtype).eps, 0)
    missing = torch.zeros_like(x[..., 0, :])[..., s.shape[-1] :]
    return torch.cat([missing, s.square().flip(-1) / count], dim=-1)


def hessian_eigenvalues(x: Tensor, *, bias: bool = False) -> Tensor:
    r"""The curvature that inputs give the squared error of one linear unit: eigenvalues of its Hessian.

    $$H = \frac{1}{n} \sum_{k=1}^n x_k x_k^\top$$

    is the Hessian of $\frac{1}{2n} \sum_k (w^\top x_k - y_k)^2$, `unitgain.training.squared_error`, at any w
    and for any targets. For a first layer of a deeper network it is one factor of the Hessian, not all of it.

    Args:
        x: Inputs, `(…, n, d)`, finite. They are not centred: offset is what this is about.
        bias: Whether the unit has a bias: a further input that is always 1.

    Returns:
        The eigenvalues, `(…, d)` or, with a bias, `(…, d + 1)`, float64, ascending. An eigenvalue below
        rounding is 0.

    Raises:
        ValueError: For inputs of another shape or not finite.

    Examples:
        >>> import torch
        >>> from unitgain.theory import condition_number, hessian_eigenvalues
        >>> x = 8 + 2 * torch.rand(100_000, 2, generator=torch.Generator().manual_seed(0))
        >>> curvature = hessian_eigenvalues(x)
        >>> round(condition_number(curvature).item(), -1)
        490.0

    Differs from numpy.linalg.cond, which is of x: the Hessian's condition number is its square.

    Source: LeCun, Bottou, Orr & Müller, *Efficient BackProp* (1998), section 5.3.
    """
    if x.ndim < 2 or 0 in x.shape:
        raise ValueError(f"hessian_eigenvalues: x must have shape (…, n, d), not empty, got {tuple(x.shape)}")
    (x,) = _numbers("hessian_eigenvalues", x=x)
    if bias:
        x = torch.cat([x, torch.ones_like(x[..., :1])], dim=-1)
    return _squared_singular_values(x, x.shape[-2])


def population_eigenvalues(mean: Number, std: Number, *, bias: bool = False) -> Tensor:
    r"""`hessian_eigenvalues` of endless data whose features are uncorrelated.

    $$H = \operatorname{diag}(\sigma_1^2, \dots, \sigma_d^2) + \mu \mu^\top$$

    with μ the `mean` and σ the `std`. With equal means and deviations its condition number is

    $$\kappa = 1 + d \mu^2 / \sigma^2$$

    without a bias: 1 for U(−1, 1), 1 + 3d for U(0, 1), 487 for two features U(8, 10), since
    $\sigma^2 = (\text{high} - \text{low})^2 / 12$. A bias adds a row and column, (μ, 1): κ is then

    $$\kappa = \frac{\big(t + \sqrt{t^2 - 4 \sigma^2}\big)^2}{4 \sigma^2}, \qquad t = 1 + \sigma^2 + d \mu^2$$

    where μ ≠ 0, which is 28 for two features U(0, 1) and 80,032 for U(8, 10); and max(σ², 1/σ²) where μ = 0,
    so 3 for U(−1, 1), 1 for standardized features only.

    Args:
        mean: Mean of each feature, `(…, d)`, finite.
        std: Standard deviation of each, at least 0, of a shape that broadcasts with `mean`.
        bias: Whether the unit has a bias: a further input that is always 1.

    Returns:
        The eigenvalues, `(…, d)` or, with a bias, `(…, d + 1)`, float64, ascending.

    Raises:
        ValueError: For a number out of range, or without any feature.

    Examples:
        >>> import torch
        >>> from unitgain.theory import condition_number, population_eigenvalues
        >>> mean = torch.tensor([[0.0, 0.0], [0.5, 0.5], [9.0, 9.0]])  # of U(-1, 1), U(0, 1), U(8, 10)
        >>> std = torch.tensor([[2.0], [1.0], [2.0]]) / 12**0.5
        >>> condition_number(population_eigenvalues(mean, std)).round(decimals=3)
        tensor([  1.,   7., 487.], dtype=torch.float64)

    Source: LeCun et al. (1998), section 5.3; the closed forms are ours, from the 2 × 2 block of the
    direction (1, …, 1) and the bias.
    """
    mean, std = _numbers("population_eigenvalues", mean=mean, std=std)
    if not mean.ndim or not mean.shape[-1]:
        raise ValueError(f"population_eigenvalues: mean must have shape (…, d), got {tuple(mean.shape)}")
    # A factor A of H = AᵀA: eigenvalues as squared singular values of A keep their small digits
    factor = torch.cat([torch.diag_embed(std), mean.unsqueeze(-2)], dim=-2)
    if bias:
        column = torch.zeros_like(factor[..., :1])
        column[..., -1, :] = 1
        factor = torch.cat([factor, column], dim=-1)
    return _squared_singular_values(factor, 1)


def condition_number(eigenvalues: Tensor) -> Tensor:
    r"""How much steeper the steepest direction is than the flattest.

    $$\kappa = \lambda_\text{max} / \lambda_\text{min}$$

    Args:
        eigenvalues: Of a Hessian, `(…, d)`, in any order, at least 0: from `hessian_eigenvalues` or
            `population_eigenvalues`.

    Returns:
        κ, `(…)`, at least 1; inf if the smallest eigenvalue is 0.

    Raises:
        ValueError: Without eigenvalues, or for one below 0.

    Examples:
        >>> import torch
        >>> from unitgain.theory import condition_number
        >>> condition_number(torch.tensor([[0.5, 50.0], [2.0, 2.0]]))
        tensor([100.,   1.], dtype=torch.float64)

    Source: LeCun et al. (1998), section 5.
    """
    (eigenvalues,) = _numbers("condition_number", eigenvalues=eigenvalues)
    if not eigenvalues.ndim or not eigenvalues.shape[-1]:
        got = tuple(eigenvalues.shape)
        raise ValueError(f"condition_number: eigenvalues must have shape (…, d), d at least 1, got {got}")
    if not (eigenvalues.amax(-1) > 0).all():
        raise ValueError("condition_number: eigenvalues must hold one above 0, got none")
    return eigenvalues.amax(-1) / eigenvalues.amin(-1)


def largest_stable_rate(largest: Number, momentum: Number = 0.0) -> Tensor:
    r"""The learning rate above which gradient descent on a quadratic diverges.

    $$\alpha_\text{max} = \frac{2 (1 + \beta)}{\lambda_\text{max}}$$

    for $v \leftarrow \beta v + g$, $w \leftarrow w - \alpha v$, torch's form of momentum, with β the
    `momentum`; 0 is plain descent. In the averaging form, $v \leftarrow \beta v + (1 - \beta) g$, the limit
    is $1 / (1 - \beta)$ times as high. It is exact for full batches and a constant Hessian, as a linear
    unit's with squared error; elsewhere it holds near a minimum.

    Args:
        largest: Largest eigenvalue of the Hessian, λ_max, above 0: `hessian_eigenvalues(x)[..., -1]`.
        momentum: β, at least 0 and below 1.

    Returns:
        The rate, of the arguments' common shape.

    Raises:
        ValueError: For a number out of range.

    Examples:
        >>> from unitgain.theory import largest_stable_rate
        >>> largest_stable_rate(4.0), largest_stable_rate(4.0, momentum=0.9)
        (tensor(0.5000, dtype=torch.float64), tensor(0.9500, dtype=torch.float64))

    Source: LeCun et al. (1998), eq. 21; with momentum Goh, *Why momentum really works* (2017).
    """
    largest, momentum = _numbers("largest_stable_rate", largest=largest, momentum=momentum)
    return 2 * (1 + momentum) / largest


class Descent(NamedTuple):
    """How to descend a quadratic, and how fast it goes; see `optimal_descent`.

    Attributes:
        lr: Learning rate α.
        momentum: β; 0 is plain gradient descent.
        factor: By which the distance to the minimum shrinks a step, in the long run.

    Examples:
        >>> from unitgain.theory import Descent
        >>> Descent(lr=0.02, momentum=0.0, factor=0.98).factor
        0.98

    Source: see `optimal_descent`.
    """

    lr: Tensor
    momentum: Tensor
    factor: Tensor


def optimal_descent(smallest: Number, largest: Number, *, heavy_ball: bool = True) -> Descent:
    r"""The learning rate and momentum that descend a quadratic fastest, and the factor a step.

    $$\alpha = \Big(\frac{2}{\sqrt{\lambda_1} + \sqrt{\lambda_d}}\Big)^2, \qquad
      \beta = \Big(\frac{\sqrt\kappa - 1}{\sqrt\kappa + 1}\Big)^2, \qquad
      \text{factor} = \sqrt\beta = \frac{\sqrt\kappa - 1}{\sqrt\kappa + 1}$$

    with $\lambda_1$ and $\lambda_d$ the smallest and the largest eigenvalue of the Hessian, κ their ratio.
    Without momentum

    $$\alpha = \frac{2}{\lambda_1 + \lambda_d}, \qquad \beta = 0, \qquad
      \text{factor} = \frac{\kappa - 1}{\kappa + 1}$$

    It supposes full batches and a constant Hessian; momentum's form is torch's. With momentum the distance
    may grow at first, and shrinks like $t \cdot \text{factor}^t$ along the first and last direction.

    Args:
        smallest: λ₁, above 0.
        largest: λ_d, at least `smallest`.
        heavy_ball: Whether to use momentum; without it, plain gradient descent.

    Returns:
        `Descent(lr, momentum, factor)`, each of the arguments' common shape.

    Raises:
        ValueError: For a number out of range.

    Examples:
        >>> from unitgain.theory import optimal_descent
        >>> for heavy_ball in (False, True):
        ...     print(*(f"{x:.5f}" for x in optimal_descent(1.0, 100.0, heavy_ball=heavy_ball)))
        0.01980 0.00000 0.98020
        0.03306 0.66942 0.81818

    Source: Polyak, *Some methods of speeding up the convergence of iteration methods* (1964); Goh (2017).
    """
    smallest, largest = _numbers("optimal_descent", smallest=smallest, largest=largest)
    _check_order("optimal_descent", smallest=smallest, largest=largest)
    if not heavy_ball:
        factor = (largest - smallest) / (largest + smallest)
        return Descent(2 / (largest + smallest), torch.zeros_like(factor), factor)
    sqrt_1, sqrt_d = smallest.sqrt(), largest.sqrt()
    factor = (sqrt_d - sqrt_1) / (sqrt_d + sqrt_1)
    return Descent((2 / (sqrt_1 + sqrt_d)).square(), factor.square(), factor)
