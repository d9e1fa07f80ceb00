r"""What to expect of a network before training: signal, gradient, dead units, learning rate.

Mean-field theory follows layers of many units whose weights and biases are drawn independently, with mean 0,

$$z^{l+1} = W^l f(z^l) + b^l, \qquad \text{Var}(W_{ij}) = \sigma_w^2 / \text{fan\_in}, \qquad
  \text{Var}(b_i) = \sigma_b^2$$

so that pre-activations are normal with one variance q a layer. It is exact as the width grows. After L layers
of n units a network's variance scatters around it by a fraction of some √(L/n): networks of few units a layer
differ widely.

Every argument that is a number may be a tensor, on any device that has float64; they broadcast, and
predictions are float64 tensors. A `function` is any elementwise callable that takes float64;
`unitgain.activations.activation` has them by name. Its Gaussian means are found by Gauss-Legendre
quadrature on both sides of 0. For smooth functions, with or without a kink at 0, they are right to 1e-11 in
one dimension and 1e-9 in two, with q up to 9, and to 1e-7 with q up to 400. A kink of f elsewhere
(hardtanh) costs digits: 2e-3 is left for f, and only 5e-2 for its derivative, which jumps there.
"""

from .curvature import (
    Descent,
    condition_number,
    hessian_eigenvalues,
    largest_stable_rate,
    optimal_descent,
    population_eigenvalues,
)
from .dead_units import born_dead_probability, inactive_probability
from .gradients import (
    DepthScales,
    chi,
    critical_weight_var,
    depth_scales,
    gradient_factor,
    sigmoid_window,
    signal_factor,
)
from .maps import (
    correlation_fixed_point,
    correlation_map,
    correlation_slope,
    variance_fixed_point,
    variance_map,
)

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
