"""The signal: variances and correlations from layer to layer, and where they settle."""

from __future__ import annotations

import torch
from torch import Tensor

from .arguments import LARGE, SMALL, Function, Number, as_numbers, check_function
from .gaussian import derivative_of, gaussian_mean, gaussian_pair_mean
from .roots import crossing, settle


def next_variance(f: Function, q: Tensor, weight_var: Tensor, bias_var: Tensor) -> Tensor:
    return weight_var * gaussian_mean(lambda u: f(u).square(), q) + bias_var


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
    values = as_numbers("variance_map", q=q, weight_var=weight_var, bias_var=bias_var)
    check_function("variance_map", function, values[0].device)
    return next_variance(function, *values)


def fixed_q(f: Function, weight_var: Tensor, bias_var: Tensor, start: Tensor | None = None) -> Tensor:
    def growth(t: Tensor, weight_var: Tensor, bias_var: Tensor) -> Tensor:
        return next_variance(f, t.exp(), weight_var, bias_var).log() - t

    return settle(growth, torch.ones_like(weight_var) if start is None else start, weight_var, bias_var)


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
    values = as_numbers("variance_fixed_point", weight_var=weight_var, bias_var=bias_var, start=start)
    check_function("variance_fixed_point", function, values[0].device)
    return fixed_q(function, *values)


def at_q(
    owner: str, f: Function, q: Number | None, weight_var: Number, bias_var: Number, **more: Number
) -> list[Tensor]:
    """q or the fixed point, weight_var, bias_var and the rest, checked, of one shape; q neither 0 nor inf."""
    given = {"weight_var": weight_var, "bias_var": bias_var, **more} | ({} if q is None else {"q": q})
    values = as_numbers(owner, **given)
    check_function(owner, f, values[0].device)
    last = fixed_q(f, *values[:2]) if q is None else values.pop()
    return [last.clamp(SMALL, LARGE), *values]


def next_correlation(f: Function, q: Tensor, weight_var: Tensor, bias_var: Tensor, c: Tensor) -> Tensor:
    covariance = weight_var * gaussian_pair_mean(f, q, c) + bias_var
    return (covariance / next_variance(f, q, weight_var, bias_var)).clamp(-1, 1)


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
    return next_correlation(function, *at_q("correlation_map", function, q, weight_var, bias_var, c=c))


def correlation_slope_at(f: Function, q: Tensor, weight_var: Tensor, bias_var: Tensor, c: Tensor) -> Tensor:
    return (
        weight_var
        * q
        / next_variance(f, q, weight_var, bias_var)
        * gaussian_pair_mean(derivative_of(f), q, c)
    )


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
    return correlation_slope_at(function, *at_q("correlation_slope", function, q, weight_var, bias_var, c=c))


def chi_at(f: Function, q: Tensor, weight_var: Tensor) -> Tensor:
    slope = derivative_of(f)
    return weight_var * gaussian_mean(lambda u: slope(u).square(), q)


def fixed_c(f: Function, q: Tensor, weight_var: Tensor, bias_var: Tensor) -> Tensor:
    slope = chi_at(f, q, weight_var) * q / next_variance(f, q, weight_var, bias_var)  # C′(1)
    chaotic = slope > 1 + 1e-9
    parameters = [t[chaotic] for t in (q, weight_var, bias_var)]

    def drift(c: Tensor, q: Tensor, weight_var: Tensor, bias_var: Tensor) -> Tensor:
        return (next_correlation(f, q, weight_var, bias_var, c) - c) / (1 - c)  # without the root at 1

    c, low = torch.ones_like(q), torch.zeros_like(q[chaotic])
    c[chaotic] = crossing(drift, low, low + 1, drift(low, *parameters), 1 - slope[chaotic], *parameters)
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
    q, *variances = at_q("correlation_fixed_point", function, None, weight_var, bias_var)
    return fixed_c(function, q, *variances)
