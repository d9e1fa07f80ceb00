"""The gradient, where order meets chaos, and how deep signal and gradient reach."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .arguments import LARGE, SMALL, Function, Number, as_numbers, check_function
from .gaussian import derivative_of, gaussian_mean
from .maps import at_q, chi_at, correlation_slope_at, fixed_c, fixed_q, next_variance
from .roots import settle


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
    q, weight_var, _ = at_q("chi", function, q, weight_var, bias_var)
    return chi_at(function, q, weight_var)


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
    (bias_var,) = as_numbers("critical_weight_var", bias_var=bias_var)
    check_function("critical_weight_var", function, bias_var.device)
    one = torch.ones_like(bias_var)

    def growth(t: Tensor, bias_var: Tensor) -> Tensor:
        q = t.exp()
        weight_var = 1 / chi_at(function, q, torch.ones_like(q))
        return next_variance(function, q, weight_var, bias_var).log() - t

    weight_var = 1 / chi_at(function, settle(growth, one, bias_var).clamp(SMALL, LARGE), one)
    reached = fixed_q(function, weight_var, bias_var).clamp(SMALL, LARGE)
    return weight_var.where((chi_at(function, reached, weight_var) - 1).abs() < 1e-3, math.nan)


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
    q, weight_var, bias_var = at_q("depth_scales", function, None, weight_var, bias_var)
    slope, chi = derivative_of(function), chi_at(function, q, weight_var)
    variance_slope = weight_var * gaussian_mean(lambda u: u * function(u) * slope(u), q) / q
    c = fixed_c(function, q, weight_var, bias_var)
    apart = c < 1
    parting = chi.clone()
    parting[apart] = correlation_slope_at(function, *(t[apart] for t in (q, weight_var, bias_var, c)))
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
    values = as_numbers("signal_factor", variance=variance, fan_in=fan_in, bias_var=bias_var, q=q)
    check_function("signal_factor", function, values[0].device)
    variance, fan_in, bias_var, q = values
    q = q.clamp(SMALL, LARGE)
    return (next_variance(function, q, fan_in * variance, bias_var) / q).sqrt()


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
    variance, fan_in, fan_out = as_numbers(
        "gradient_factor", variance=variance, fan_in=fan_in, fan_out=fan_in if fan_out is None else fan_out
    )
    q, _, _, fan_out, variance = at_q(
        "gradient_factor", function, q, fan_in * variance, bias_var, fan_out=fan_out, variance=variance
    )
    return chi_at(function, q, fan_out * variance).sqrt()


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
    (weight,) = as_numbers("sigmoid_window", weight=weight)
    w = weight.abs().clamp(min=4)  # at 4 the width is 0
    return 4 / w * (w.sqrt() / 2).acosh()
