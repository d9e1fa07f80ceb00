"""theory.py: quadrature against scipy and closed forms, predictions against simulated networks."""

import math
from fractions import Fraction
from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import brentq, minimize_scalar
from torch import nn
from torch.nn import functional

from unitgain.devices import best_device
from unitgain.theory import (
    DepthScales,
    Descent,
    born_dead_probability,
    chi,
    condition_number,
    correlation_fixed_point,
    correlation_map,
    correlation_slope,
    critical_weight_var,
    depth_scales,
    gradient_factor,
    hessian_eigenvalues,
    inactive_probability,
    largest_stable_rate,
    optimal_descent,
    population_eigenvalues,
    sigmoid_window,
    signal_factor,
    variance_fixed_point,
    variance_map,
)
from unitgain.training import squared_error

DEVICES = sorted({"cpu", best_device().type} - {"mps"})  # which has no float64
CORRELATIONS = [-1.0, -0.9, -0.3, 0.0, 0.2, 0.7, 0.95, 0.999, 1 - 1e-6, 1 - 1e-12, 1.0]


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def close(a, b, tolerance):
    torch.testing.assert_close(
        torch.as_tensor(a, dtype=torch.float64),
        torch.as_tensor(b, dtype=torch.float64),
        rtol=tolerance,
        atol=tolerance,
    )


def within_five_standard_errors(samples, expected):
    """Of the mean of `samples` over their first dimension."""
    error = samples.std(0) / len(samples) ** 0.5
    assert (error > 0).all()
    assert ((samples.mean(0) - expected).abs() <= 5 * error).all(), (samples.mean(0), expected, error)


# Closed forms: ReLU by arc-cosine kernels, erf by arcsine


def relu_moment(q, c):
    return q / (2 * math.pi) * (math.sqrt(max(0.0, 1 - c * c)) + c * (math.pi - math.acos(c)))


def erf_moment(q, c):
    return 2 / math.pi * math.asin(2 * q * c / (1 + 2 * q))


def erf_slope_moment(q, c):
    """E f'(u) f'(v); (1 + 2q)² − (2qc)² written without cancellation."""
    return 4 / math.pi / math.sqrt((1 + 2 * q * (1 - c)) * (1 + 2 * q * (1 + c)))


FUNCTIONS = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "selu": torch.selu,
    "gelu": functional.gelu,
    "erf": torch.erf,
}
SLOPES = {
    "relu": lambda x: float(x > 0),
    "tanh": lambda x: 1 - math.tanh(x) ** 2,
    "sigmoid": lambda x: 1 / (2 + 2 * math.cosh(x)) if abs(x) < 700 else 0.0,
    "selu": lambda x: 1.0507009873554805 * (1 if x > 0 else 1.6732632423543772 * math.exp(x)),
    "gelu": lambda x: (1 + math.erf(x / 2**0.5)) / 2 + x * math.exp(-x * x / 2) / math.sqrt(2 * math.pi),
    "erf": lambda x: 2 / math.sqrt(math.pi) * math.exp(-x * x),
}


def gaussian_mean(f, q):
    """E f(√q z) by scipy's adaptive quadrature, in pieces around the steep part."""
    edge = min(8.0, 8 / math.sqrt(q))
    ends = [-12.0, -edge, 0.0, edge, 12.0]
    return sum(
        quad(
            lambda z: f(math.sqrt(q) * z) * math.exp(-z * z / 2) / math.sqrt(2 * math.pi),
            *piece,
            epsabs=1e-14,
            epsrel=1e-13,
            limit=200,
        )[0]
        for piece in pairwise(ends)
        if piece[0] < piece[1]
    )


# Quadrature


@pytest.mark.parametrize(("q", "tolerance"), [(0.01, 1e-11), (1.0, 1e-11), (9.0, 1e-11), (400.0, 1e-7)])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_gaussian_means_equal_scipys(name, q, tolerance):
    f = FUNCTIONS[name]
    square = gaussian_mean(lambda x: f(tensor(x)).item() ** 2, q)
    close(variance_map(f, q, weight_var=1.7, bias_var=0.3), 1.7 * square + 0.3, tolerance)
    slope = gaussian_mean(lambda x: SLOPES[name](x) ** 2, q)
    close(chi(f, 1.7, q=q), 1.7 * slope, tolerance)


@pytest.mark.parametrize("c", CORRELATIONS)
@pytest.mark.parametrize("q", [0.01, 1.0, 9.0, 40.0, 400.0])
def test_pairs_equal_closed_forms(q, c):
    close(correlation_map(torch.relu, c, 2.0, q=q), 2 * relu_moment(q, c) / q, 1e-9)
    close(correlation_slope(torch.relu, c, 2.0, q=q), (math.pi - math.acos(c)) / math.pi, 1e-9)
    variance, tolerance = 1.5 * erf_moment(q, 1) + 0.1, 1e-9 if q <= 9 else 1e-7
    close(correlation_map(torch.erf, c, 1.5, 0.1, q), (1.5 * erf_moment(q, c) + 0.1) / variance, tolerance)
    slope = 1.5 * q / variance * erf_slope_moment(q, c)
    close(correlation_slope(torch.erf, c, 1.5, 0.1, q), slope, tolerance * max(1, slope))


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "gelu"])
@pytest.mark.parametrize("c", [-0.6, 0.0, 0.5, 0.97])
def test_pairs_equal_gauss_hermite(name, c):
    """Smooth functions at small q, where a plain product rule is good enough to be the reference."""
    f, q = FUNCTIONS[name], 0.7
    x, weight = (torch.from_numpy(part) for part in np.polynomial.hermite_e.hermegauss(120))
    weight = weight / weight.sum()
    u = math.sqrt(q) * x[:, None]
    v = math.sqrt(q) * (c * x[:, None] + math.sqrt(1 - c * c) * x)
    moment = weight @ (f(u) * f(v)) @ weight
    close(
        correlation_map(f, c, 1.3, 0.2, q), (1.3 * moment + 0.2) / variance_map(f, q, 1.3, 0.2).item(), 1e-10
    )


@pytest.mark.parametrize("name", FUNCTIONS)
def test_correlation_slope_is_the_maps_derivative(name):
    c, h, f = tensor([-0.5, 0.1, 0.8]), 1e-4, FUNCTIONS[name]
    difference = correlation_map(f, c + h, 1.5, 0.1, 1.2) - correlation_map(f, c - h, 1.5, 0.1, 1.2)
    close(correlation_slope(f, c, 1.5, 0.1, 1.2), difference / (2 * h), 1e-7)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_maps_meet_at_c_1(name):
    """One- and two-dimensional quadrature; and χ is the correlation map's slope there, at the fixed point."""
    f, bias_var = FUNCTIONS[name], tensor([0.05, 0.5])
    close(correlation_map(f, 1.0, 0.9, bias_var), torch.ones(2), 1e-10)
    close(correlation_slope(f, 1.0, 0.9, bias_var), chi(f, 0.9, bias_var), 1e-9)


def test_a_kink_elsewhere_costs_digits():
    """hardtanh's at -1 and 1, as documented: 2e-3 is left for f, 5e-2 for f′."""
    q = torch.logspace(-1, 1.5, 100, dtype=torch.float64)
    edge = 1 / q.sqrt()
    inside, density = torch.erf(edge / 2**0.5), torch.exp(-edge.square() / 2) / math.sqrt(2 * math.pi)
    square = q * (inside - 2 * edge * density) + 1 - inside
    assert 1e-6 < (variance_map(functional.hardtanh, q, 1.0) - square).abs().max() < 2e-3
    assert 1e-6 < (chi(functional.hardtanh, 1.0, q=q) - inside).abs().max() < 5e-2


@settings(deadline=None, max_examples=20, derandomize=True)
@given(st.floats(0.1, 10), st.floats(0.1, 10), st.floats(0.01, 5))
def test_scale_of_the_function_moves_into_the_variances(a, s, q):
    def scaled(x):
        return a * torch.tanh(s * x)

    close(variance_map(scaled, q, 1.5 / a**2, 0.1), variance_map(torch.tanh, s * s * q, 1.5, 0.1), 1e-7)
    close(chi(scaled, 1.5 / (a * s) ** 2, q=q), chi(torch.tanh, 1.5, q=s * s * q), 1e-7)


# Fixed points


def test_variance_fixed_point_of_relu_and_of_a_linear_network():
    weight_var, bias_var = tensor([0.5, 1.0, 1.9]), 0.3
    close(variance_fixed_point(torch.relu, weight_var, bias_var), bias_var / (1 - weight_var / 2), 1e-11)
    close(variance_fixed_point(lambda x: x, weight_var / 2, bias_var), bias_var / (1 - weight_var / 2), 1e-11)
    assert variance_fixed_point(torch.relu, tensor([1.0, 2.0, 2.5])).tolist() == pytest.approx(
        [0, 1, math.inf]
    )
    assert variance_fixed_point(torch.relu, 2.0, 0.1).item() == math.inf
    assert variance_fixed_point(torch.relu, 2.0, start=7.0).item() == pytest.approx(7)


@pytest.mark.parametrize("name", ["tanh", "erf", "sigmoid"])
def test_layers_tend_to_the_fixed_point(name):
    weight_var, bias_var = torch.meshgrid(tensor([0.3, 0.9, 1.5, 4, 30]), tensor([0.01, 0.4]), indexing="ij")
    q = torch.full_like(weight_var, 1.0)
    for _ in range(400):
        q = variance_map(FUNCTIONS[name], q, weight_var, bias_var)
    close(variance_fixed_point(FUNCTIONS[name], weight_var, bias_var), q, 1e-9)


def test_erf_fixed_point_equals_brentq():
    def drift(q):
        return 3.0 * erf_moment(q, 1) + 0.2 - q

    close(variance_fixed_point(torch.erf, 3.0, 0.2), brentq(drift, 1e-3, 10, xtol=1e-14), 1e-10)


def test_signal_dies_out_in_a_quiet_network():
    found = variance_fixed_point(torch.tanh, tensor([0.2, 0.99, 1.01]))
    assert found[:2].tolist() == [0, 0]
    assert 0 < found[2] < 0.02
    assert variance_fixed_point(torch.zeros_like, 1.0, tensor([0.0, 0.3])).tolist() == pytest.approx([0, 0.3])


def test_start_decides_between_fixed_points():
    """A function flat at 0 forgets small signals and keeps large ones."""

    def f(x):
        return x.square() / (1 + x.square())

    found = variance_fixed_point(f, 9.0, start=tensor([1e-4, 1.0, 100.0]))
    assert found[0] == 0
    assert found[1] > 1
    close(found[2], found[1], 1e-9)
    close(variance_map(f, found[1], 9.0), found[1], 1e-9)


def test_fixed_point_of_a_falling_map():
    def drift(q):
        return 2 * (1 + math.exp(-2 * q)) / 2 - q  # E cos² = (1 + e^{-2q}) / 2

    close(variance_fixed_point(torch.cos, 2.0), brentq(drift, 0, 5, xtol=1e-14), 1e-10)


def test_overflow_counts_as_growth():
    assert variance_fixed_point(torch.exp, 1.0).item() == math.inf
    assert variance_fixed_point(lambda x: torch.sin(torch.exp(x)), 1.0, start=1e20).item() == math.inf


def test_correlation_fixed_point_of_relu_is_1():
    weight_var, bias_var = tensor([[1.0], [2.0], [3.0]]), tensor([0.0, 0.5])
    assert (correlation_fixed_point(torch.relu, weight_var, bias_var) == 1).all()


def test_correlation_fixed_point_of_erf_equals_brentq():
    bias_var = 0.05
    for weight_var in (1.8, 2.5, 10.0):
        q = brentq(lambda q, w=weight_var: w * erf_moment(q, 1) + bias_var - q, 1e-3, 40, xtol=1e-14)

        def drift(c, q=q, w=weight_var):
            return (w * erf_moment(q, c) + bias_var) / q - c

        expected = brentq(drift, 0, 1 - 1e-3, xtol=1e-14)
        assert expected < 0.95
        close(correlation_fixed_point(torch.erf, weight_var, bias_var), expected, 1e-8)


def test_two_inputs_tend_to_the_correlation_fixed_point():
    weight_var, c = tensor([1.3, 2.5, 4.0]), tensor([0.2, 0.2, 0.9])
    for _ in range(200):
        c = correlation_map(torch.tanh, c, weight_var, 0.05)
    close(correlation_fixed_point(torch.tanh, weight_var, 0.05), c, 1e-6)
    assert correlation_fixed_point(torch.tanh, 2.0).item() == pytest.approx(0, abs=1e-12)


# The edge of chaos


def test_chi_of_schoenholz():
    """claims.md, mean-field: χ on either side of tanh's critical line."""
    found = chi(torch.tanh, tensor([1.3, 1.76, 2.5, 4.0]), 0.05)
    assert found.tolist() == pytest.approx([0.880, 1.000, 1.134, 1.342], abs=6e-4)
    assert critical_weight_var(torch.tanh, 0.05).item() == pytest.approx(1.7610, abs=5e-5)


@pytest.mark.parametrize("name", ["tanh", "erf", "sigmoid", "selu"])
def test_chi_is_1_on_the_critical_line(name):
    bias_var = tensor([0.0, 1e-6, 0.01, 0.3, 2.0])
    weight_var = critical_weight_var(FUNCTIONS[name], bias_var)
    close(chi(FUNCTIONS[name], weight_var, bias_var), torch.ones(5), 1e-7)
    if name != "sigmoid":
        beside = chi(FUNCTIONS[name], weight_var[2:] * tensor([[0.95], [1.05]]), bias_var[2:])
        assert ((beside - 1).sign() == tensor([[-1], [1]])).all()


def test_critical_line_of_erf_equals_brentq():
    def bias_var(q):
        return q - erf_moment(q, 1) / erf_slope_moment(q, 1)

    q = brentq(lambda q: bias_var(q) - 0.1, 1e-3, 10, xtol=1e-14)
    close(critical_weight_var(torch.erf, 0.1), 1 / erf_slope_moment(q, 1), 1e-9)


def test_critical_line_where_there_is_a_point_or_none():
    close(critical_weight_var(torch.relu, tensor([0.0, 0.1])), tensor([2.0, 2.0]), 1e-12)
    close(critical_weight_var(torch.tanh), 1.0, 1e-12)
    assert critical_weight_var(functional.gelu, tensor([0.05, 1.0])).isnan().tolist() == [True, False]
    assert critical_weight_var(torch.sign).isnan()


def test_depth_scales_are_the_rates_of_the_maps():
    """Measured as the change of ln |distance| from one layer to the next, near the fixed point."""
    weight_var, bias_var = tensor([1.3, 2.5]), 0.05
    scales = depth_scales(torch.tanh, weight_var, bias_var)
    q = variance_fixed_point(torch.tanh, weight_var, bias_var)
    next_q = variance_map(torch.tanh, q * (1 + 1e-5), weight_var, bias_var)
    close(-1 / ((next_q / q - 1) / 1e-5).log(), scales.variance, 1e-4)
    c = correlation_fixed_point(torch.tanh, weight_var, bias_var)
    next_c = correlation_map(torch.tanh, c - 1e-5, weight_var, bias_var)
    close(-1 / ((c - next_c) / 1e-5).log(), scales.correlation, 1e-3)
    close(1 / chi(torch.tanh, weight_var, bias_var).log().abs(), scales.gradient, 1e-9)
    assert scales.correlation[0] == scales.gradient[0]  # order
    assert scales.correlation[1] != scales.gradient[1]  # chaos
    assert torch.equal(scales.trainable, 6 * scales.correlation)


def test_depth_scales_at_the_ends():
    scales = depth_scales(torch.relu, tensor([1.0, 2.0, 3.0]))
    expected = [1 / math.log(2), math.inf, 1 / math.log(1.5)]
    for scale in scales:
        assert scale.tolist() == pytest.approx(expected)
    assert isinstance(scales, DepthScales)
    assert [scale.item() for scale in depth_scales(torch.tanh, 0.0, 0.1)] == [0, 0, 0]
    quiet = depth_scales(torch.tanh, 0.5)
    assert [scale.item() for scale in quiet] == pytest.approx([1 / math.log(2)] * 3)


# Against networks


def test_one_layer_is_exact_on_average():
    """Variance and covariance after a layer of few units: no width is needed if the input is normal."""
    networks, n, q, c = 4000, 20, 1.3, 0.6
    u = normal(networks, n, 1)
    v = c * u + math.sqrt(1 - c * c) * normal(networks, n, 1, seed=1)
    weight = normal(networks, 30, n, seed=2) * math.sqrt(1.7 / n)
    bias = normal(networks, 30, 1, seed=3) * math.sqrt(0.2)
    a, b = (weight @ torch.tanh(math.sqrt(q) * x) + bias for x in (u, v))
    variance = variance_map(torch.tanh, q, 1.7, 0.2)
    within_five_standard_errors(a.square().mean((-2, -1)), variance)
    within_five_standard_errors(
        (a * b).mean((-2, -1)), variance * correlation_map(torch.tanh, c, 1.7, 0.2, q)
    )


def test_deep_networks_follow_the_maps():
    """Networks of 200 units and 6 layers; what finite width adds to the mean is some depth / width.

    All kinds take the same draws: they are what costs.
    """
    networks, n, depth, bias_var = 400, 200, 6, 0.05
    x, y = torch.randn(2, networks, n, 1, generator=seeded(0))
    start = torch.cat([2 * x, 2 * (0.3 * x + math.sqrt(1 - 0.09) * y)], -1)
    kinds = [("tanh", 1.3), ("tanh", 4.0), ("relu", 1.2), ("selu", 0.9)]
    states = [(start, tensor(4.0), tensor(0.3)) for _ in kinds]
    for layer in range(depth):
        drawn = torch.randn(networks, n, n + 1, generator=seeded(layer + 1))
        bias = drawn[..., :1] * math.sqrt(bias_var)
        for k, ((name, weight_var), (pair, q, c)) in enumerate(zip(kinds, states, strict=True)):
            f = FUNCTIONS[name]
            pair = drawn[..., 1:] @ (f(pair) * math.sqrt(weight_var / n)) + bias
            q, c = variance_map(f, q, weight_var, bias_var), correlation_map(f, c, weight_var, bias_var, q)
            states[k] = pair, q, c
    for kind, (pair, q, c) in zip(kinds, states, strict=True):
        variance = pair.square().mean((-2, -1))
        correlation = pair.prod(-1).mean(-1) / variance
        for measured, expected in ((variance / q, 1.0), (correlation, c)):
            tolerance = 5 * measured.std() / networks**0.5 + depth / n
            assert abs(measured.mean() - expected) < tolerance < 0.1, kind


@pytest.mark.parametrize(("name", "variance"), [("tanh", 0.01), ("sigmoid", 0.02), ("relu", 0.004)])
def test_gradient_shrinks_by_its_factor(name, variance):
    """A layer with other fans than 1 : 1, by autograd; the size is that of one component."""
    networks, fan_in, fan_out, f = 300, 90, 160, FUNCTIONS[name]
    q = variance_fixed_point(f, fan_in * variance, 0.1).clamp(max=9)
    z = (q.sqrt() * normal(networks, fan_in, 1)).requires_grad_()
    weight = normal(networks, fan_out, fan_in, seed=1) * math.sqrt(variance)
    back = normal(networks, fan_out, 1, seed=2)
    ((weight @ f(z)) * back).sum().backward()
    ratio = z.grad.square().mean((-2, -1)) / back.square().mean((-2, -1))
    factor = gradient_factor(f, variance, fan_in, fan_out, bias_var=0.1, q=q)
    within_five_standard_errors(ratio, factor.square())
    norm = factor * math.sqrt(fan_in / fan_out)
    within_five_standard_errors(z.grad.norm(dim=-2) ** 2 / back.norm(dim=-2) ** 2, norm.square())


def test_torchs_default_with_relu():
    """claims.md, default-torch: nn.Linear and ReLU lose 1/√6 a layer, measured over ten layers."""
    n, depth = 300, 10
    close(gradient_factor(torch.relu, 1 / (3 * n), n, bias_var=1 / (3 * n)), 1 / math.sqrt(6), 1e-12)
    torch.manual_seed(0)
    factors = []
    for _ in range(20):
        layers = [nn.Linear(n, n) for _ in range(depth)]
        h, kept = torch.randn(1, n), []
        for layer in layers:
            h = layer(h)
            h.retain_grad()
            kept.append(h)
            h = h.relu()
        (h * torch.randn(1, n)).sum().backward()
        factors.append((kept[0].grad.norm() / kept[-1].grad.norm()) ** (2 / (depth - 1)))
    within_five_standard_errors(torch.stack(factors), 1 / 6)


def test_gradient_factors_of_the_articles():
    """claims.md: glorot-tanh-sigmoid, vanish-more-common at widths the theory is for, default-torch."""
    n = 256
    assert gradient_factor(torch.sigmoid, 1 / n, n).item() == pytest.approx(0.237, abs=2e-3)
    centred = gradient_factor(lambda x: 4 * (torch.sigmoid(x) - 0.5), 1 / n, n, q=0.05)
    assert centred.item() == pytest.approx(0.975, abs=2e-2)
    widths = tensor([100, 400])
    for f, measured in ((torch.sigmoid, [0.98, 1.38]), (torch.tanh, [2.3, 3.3]), (torch.relu, [7.1, 14])):
        assert gradient_factor(f, 1.0, widths).tolist() == pytest.approx(measured, rel=0.03)
    assert gradient_factor(torch.tanh, 0.01, 100, bias_var=0.3).item() == pytest.approx(
        chi(torch.tanh, 1.0, 0.3).sqrt().item()
    )


def test_he_example():
    """claims.md, he: ten convolutions with σ = .01 shrink the gradient 16,729-fold."""
    channels = tensor([64, 128, 128, 256, 256, 512, 512, 512, 512])
    back = gradient_factor(torch.relu, 0.01**2, 9 * channels, q=1.0).prod()
    assert 1 / back.item() == pytest.approx(16_729, rel=1e-3)
    assert 1 / signal_factor(torch.relu, 0.01**2, 9 * channels).prod().item() == pytest.approx(
        16_729, rel=1e-3
    )
    assert signal_factor(torch.tanh, 0.5, 4, bias_var=0.1, q=3.0).item() == pytest.approx(
        math.sqrt(variance_map(torch.tanh, 3.0, 2.0, 0.1).item() / 3)
    )


# The window


def test_window_is_the_measure_of_its_set():
    w, b = tensor([-60.0, 4.5, 6.894, 20.0]), 1.3
    a = torch.linspace(-2, 2, 400_001, dtype=torch.float64)
    s = torch.sigmoid(w[:, None] * a + b)
    share = ((w[:, None] * s * (1 - s)).abs() >= 1).double().mean(-1)
    close(sigmoid_window(w), 4 * share, 5e-5)


def test_window_is_widest_where_the_article_says():
    best = minimize_scalar(lambda w: -sigmoid_window(w).item(), bounds=(4, 20), options={"xatol": 1e-8})
    assert best.x == pytest.approx(6.894, abs=1e-3)
    assert -best.fun == pytest.approx(0.4477, abs=5e-5)
    assert sigmoid_window(tensor([-4.0, 0.0, 1.0, 3.999, 4.0])).tolist() == [0] * 5
    w = tensor([4.1, 10.0, 1e6])
    nielsen = 2 / w * (w * (1 + (1 - 4 / w).sqrt()) / 2 - 1).log()
    close(sigmoid_window(w), nielsen, 1e-9)


# Dead units


@pytest.mark.parametrize(("width", "depth", "expected"), [(2, 10, 0.9437), (3, 4, None), (5, 20, None)])
def test_born_dead_networks(width, depth, expected):
    """claims.md, born-dead; weights normal in the first case and uniform in the others."""
    networks, h = 20_000, torch.ones(20_000, 3, 1)
    fan_in = 3
    for layer in range(depth):
        shape = networks, width, fan_in
        if expected:
            weight = torch.randn(shape, generator=seeded(layer))
        else:
            weight = torch.rand(shape, generator=seeded(layer)) * 2 - 1
        h, fan_in = (weight @ h).relu(), width
    dead = (h == 0).all(-2).squeeze(-1)
    found = born_dead_probability(width, depth)
    within_five_standard_errors(dead.double(), found)
    assert expected is None or found.item() == pytest.approx(expected, abs=5e-5)


def test_born_dead_at_the_ends():
    assert born_dead_probability(1, tensor([0, 1, 2])).tolist() == [0, 0.5, 0.75]
    assert born_dead_probability(100, 10).item() == pytest.approx(10 * 2.0**-100, rel=1e-12)


BOXES = [
    (-1, 1, 2, 1),
    (0, 2, 2, 1),
    (8, 10, 2, 1),
    (-3, -1, 2, 0.5),
    (-2, 1, 1, 1),
    (0, 0, 3, 1),
    (1, 2, 5, 3),
    (0, 1, 12, 1),
]


@pytest.mark.parametrize("box", BOXES)
def test_inactive_units_are_counted_right(box):
    """Against units drawn at random, at all corners at once by the largest value of w · x on the box."""
    low, high, features, bias = box
    weight = torch.rand(400_000, features, generator=seeded(0)) * 2 - 1
    b = bias * (torch.rand(400_000, generator=seeded(1)) * 2 - 1)
    dead = (torch.maximum(weight * low, weight * high).sum(-1) + b <= 0).double()
    found = inactive_probability(low, high, features, bias=bias)
    within_five_standard_errors(dead, found)
    assert inactive_probability(-high, -low, features, bias=bias).item() == pytest.approx(
        found.item(), abs=1e-9
    )


@pytest.mark.parametrize("box", BOXES)
def test_inactive_probability_equals_exact_arithmetic(box):
    low, high, features, bias = (Fraction(x) for x in box)
    total = Fraction(0)
    for k in range(int(features) + 1):
        scales = [high] * k + [-low] * (int(features) - k) + [2 * bias]
        t = bias - sum(min(a, Fraction(0)) for a in scales)
        sizes = [abs(a) for a in scales if a]
        m = len(sizes)
        volume = sum(
            (-1) ** r * max(t - sum(chosen), Fraction(0)) ** m
            for r in range(m + 1)
            for chosen in combinations(sizes, r)
        )
        total += math.comb(int(features), k) * volume / math.factorial(m) / math.prod(sizes)
    exact = float(total / 2 ** int(features))
    assert inactive_probability(*map(float, box[:2]), box[2], bias=box[3]).item() == pytest.approx(
        exact, abs=1e-6
    )


def test_dead_units_of_the_first_chapter():
    """claims.md, all-or-none: .45 dead at U(8, 10); 1/12 at U(-1, 1), by hand."""
    found = inactive_probability(tensor([-1.0, 8.0]), tensor([1.0, 10.0]), 2)
    assert found.tolist() == pytest.approx([1 / 12, 0.45], abs=1e-3)
    assert found[0].item() == pytest.approx(1 / 12)


# The input's Hessian


def uniform_eigenvalues(low, high, d, bias=False):
    std = torch.full((d,), (high - low) / math.sqrt(12), dtype=torch.float64)
    return population_eigenvalues((low + high) / 2, std, bias=bias)


@pytest.mark.parametrize("bias", [False, True])
def test_hessian_is_squared_errors(bias):
    x = normal(50, 3) * tensor([1.0, 0.1, 7.0]) + 2
    inputs = torch.cat([x, torch.ones(50, 1)], -1) if bias else x
    y = normal(50, seed=1)
    weight = normal(inputs.shape[-1], seed=2)
    hessian = torch.autograd.functional.hessian(lambda w: squared_error(inputs @ w[:, None], y), weight)
    close(hessian_eigenvalues(x, bias=bias), torch.linalg.eigvalsh(hessian), 1e-10)


@pytest.mark.parametrize("bias", [False, True])
def test_population_eigenvalues_are_those_of_the_second_moments(bias):
    mean, std = normal(2, 4), normal(4, seed=1).abs()
    moments = torch.diag_embed(std.square().expand(2, 4)) + mean[:, :, None] * mean[:, None, :]
    if bias:
        moments = torch.cat([moments, mean[:, None, :]], -2)
        moments = torch.cat([moments, torch.cat([mean, torch.ones(2, 1)], -1)[..., None]], -1)
    close(population_eigenvalues(mean, std, bias=bias), torch.linalg.eigvalsh(moments), 1e-12)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_condition_numbers_of_uniform_features(d):
    """claims.md, range-01 and offset-condition: without a bias; with one the numbers are larger."""
    assert condition_number(uniform_eigenvalues(-1, 1, d)).item() == pytest.approx(1)
    assert condition_number(uniform_eigenvalues(-1, 1, d, bias=True)).item() == pytest.approx(3)
    for low, high in ((0, 1), (8, 10)):
        mean, var = (low + high) / 2, (high - low) ** 2 / 12
        expected = 1 + d * mean**2 / var if d > 1 else 1
        assert condition_number(uniform_eigenvalues(low, high, d)).item() == pytest.approx(expected)
        t = 1 + var + d * mean**2
        closed = (t + math.sqrt(t * t - 4 * var)) ** 2 / (4 * var)
        assert condition_number(uniform_eigenvalues(low, high, d, bias=True)).item() == pytest.approx(closed)


def test_condition_numbers_of_the_claims():
    assert condition_number(uniform_eigenvalues(8, 10, 2)).item() == pytest.approx(487)
    assert condition_number(uniform_eigenvalues(0, 1, 2)).item() == pytest.approx(7)
    with_bias = [
        condition_number(uniform_eigenvalues(*ends, 2, bias=True)).item() for ends in ((0, 1), (8, 10))
    ]
    assert with_bias == pytest.approx([28.05, 80_032], rel=1e-3)


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (0, 1), (8, 10)])
def test_data_agree_with_the_population(low, high):
    x = low + (high - low) * torch.rand(30, 20_000, 2, generator=seeded(0), dtype=torch.float64)
    measured = condition_number(hessian_eigenvalues(x))
    expected = condition_number(uniform_eigenvalues(low, high, 2)).item()
    assert abs(measured.log().mean().item() - math.log(expected)) < 0.03
    replica = condition_number(hessian_eigenvalues(x[3]))
    close(replica, measured[3], 1e-9)


def test_what_rounding_leaves_is_0():
    x = normal(40, 2)
    doubled = torch.cat([x, x.sum(-1, keepdim=True)], -1)
    eigenvalues = hessian_eigenvalues(doubled)
    assert eigenvalues[0] == 0
    assert eigenvalues[1] > 0
    assert condition_number(eigenvalues) == math.inf
    few = hessian_eigenvalues(normal(2, 5))
    assert (few == 0).tolist() == [True, True, True, False, False]
    assert condition_number(tensor([3.0, 1e-3])) == 3000


# Learning rate


def descend(eigenvalues, lr, momentum, steps, form="torch"):
    w, v = torch.ones_like(eigenvalues), torch.zeros_like(eigenvalues)
    for _ in range(steps):
        v = momentum * v + (1 if form == "torch" else 1 - momentum) * eigenvalues * w
        w = w - lr * v
    return w.abs().max().item()


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_descent_is_stable_up_to_the_largest_rate(momentum):
    """claims.md, gd-edge."""
    eigenvalues = tensor([0.4, 1.0, 8.0])
    edge = largest_stable_rate(8.0, momentum).item()
    assert descend(eigenvalues, 0.99 * edge, momentum, 3000) < 1e-3
    assert descend(eigenvalues, 1.01 * edge, momentum, 3000) > 1e3
    assert descend(eigenvalues, 0.99 * edge / (1 - momentum), momentum, 3000, "averaging") < 1e-3
    assert descend(eigenvalues, 1.01 * edge / (1 - momentum), momentum, 3000, "averaging") > 1e3
    assert (edge == 0.25) == (momentum == 0)


def spectral_radius(eigenvalues, lr, momentum):
    """Of w_{t+1} = (1 + β − αλ) w_t − β w_{t−1}, over all directions."""
    step = [np.array([[1 + momentum - lr * x, -momentum], [1.0, 0.0]]) for x in eigenvalues]
    return max(abs(np.linalg.eigvals(matrix)).max() for matrix in step)


@pytest.mark.parametrize("heavy_ball", [False, True])
def test_optimal_descent_is_optimal(heavy_ball):
    smallest, largest = 0.3, 12.0
    best = optimal_descent(smallest, largest, heavy_ball=heavy_ball)
    lr, momentum, factor = (x.item() for x in best)
    assert isinstance(best, Descent)
    ends = (smallest, largest)
    assert spectral_radius(ends, lr, momentum) == pytest.approx(factor, abs=1e-6)
    for other_lr in (0.97 * lr, 1.03 * lr):
        assert spectral_radius(ends, other_lr, momentum) > factor + 1e-4
    if heavy_ball:
        for other in (0.97 * momentum, 1.03 * momentum):
            assert spectral_radius(ends, lr, other) > factor + 1e-4
    else:
        assert momentum == 0


def test_momentum_rate_of_the_claims():
    """claims.md, momentum-rate: κ = 100."""
    assert optimal_descent(1.0, 100.0, heavy_ball=False).factor.item() == pytest.approx(0.98020, abs=5e-6)
    assert optimal_descent(1.0, 100.0).factor.item() == pytest.approx(0.81818, abs=5e-6)
    assert [x.item() for x in optimal_descent(2.0, 2.0)] == pytest.approx([0.5, 0, 0])


# What all functions share

W, B, Q = tensor([0.5, 1.5, 3.0]), tensor([[0.0], [0.2]]), tensor([[0.3], [7.0]])
BROADCAST = {
    "variance_map": lambda w, b, q: variance_map(torch.tanh, q, w, b),
    "variance_fixed_point": lambda w, b, q: variance_fixed_point(torch.tanh, w, b, start=q),
    "correlation_map": lambda w, b, q: correlation_map(torch.tanh, q / 10, w, b, q),
    "correlation_map at q*": lambda w, b, q: correlation_map(torch.tanh, q / 10, w, b),
    "correlation_slope": lambda w, b, q: correlation_slope(torch.selu, q / 10, w, b, q),
    "correlation_fixed_point": lambda w, b, q: correlation_fixed_point(torch.tanh, w, b),
    "chi": lambda w, b, q: chi(torch.selu, w, b, q),
    "chi at q*": lambda w, b, q: chi(torch.tanh, w, b),
    "critical_weight_var": lambda w, b, q: critical_weight_var(torch.tanh, b + q),
    "depth_scales": lambda w, b, q: torch.stack(list(depth_scales(torch.tanh, w, b))),
    "signal_factor": lambda w, b, q: signal_factor(torch.tanh, w, q + 1, bias_var=b, q=q),
    "gradient_factor": lambda w, b, q: gradient_factor(torch.tanh, w, q + 1, w + 1, bias_var=b),
    "sigmoid_window": lambda w, b, q: sigmoid_window(w * q),
    "born_dead_probability": lambda w, b, q: born_dead_probability(w + 1, q),
    "inactive_probability": lambda w, b, q: inactive_probability(-w, q, 2, bias=b + 1),
    "largest_stable_rate": lambda w, b, q: largest_stable_rate(w, b),
    "optimal_descent": lambda w, b, q: torch.stack(list(optimal_descent(w, w + q))),
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", BROADCAST)
def test_tensors_are_scalars_at_once(name, device):
    """float64 of the common shape, on the arguments' device, element by element what numbers give."""
    grid = torch.broadcast_tensors(W, B, Q)
    together = BROADCAST[name](*(x.to(device) for x in (W, B, Q)))
    assert (together.dtype, together.device.type) == (torch.float64, device)
    alone = torch.stack([BROADCAST[name](*(x[i].item() for x in grid)) for i in np.ndindex(2, 3)], -1)
    shape = torch.broadcast_shapes(together.shape, (2, 3)) if together.ndim > 1 else (2, 3)
    close(together.cpu().expand(shape), alone.view(shape), 1e-9)
    empty = BROADCAST[name](torch.zeros(0), torch.zeros(0), torch.zeros(0))
    assert empty.numel() == 0


def test_predictions_are_no_part_of_a_graph():
    slopes = nn.PReLU().double()
    weight_var = torch.tensor(1.5, requires_grad=True)
    for prediction in (
        variance_map(slopes, 1.0, weight_var),
        chi(slopes, weight_var, 0.1),
        correlation_map(slopes, 0.3, weight_var, 0.1),
        gradient_factor(slopes, weight_var, 1),
        sigmoid_window(weight_var),
    ):
        assert not prediction.requires_grad
    with torch.no_grad():
        assert chi(torch.tanh, 1.0, q=1e-12).item() == pytest.approx(1)


def test_correlations_stay_correlations():
    """Rounding takes none beyond ±1, where the next call would refuse it."""
    weight_var = torch.linspace(0.1, 4, 200)
    for name in FUNCTIONS:
        c = correlation_map(FUNCTIONS[name], tensor([[1.0], [1 - 1e-15], [-1.0]]), weight_var, q=2.0)
        assert c.abs().max() <= 1


def test_a_constant_has_no_slope():
    assert chi(torch.ones_like, 2.0, 0.1).item() == 0


def test_limits_of_q():
    """At 0 and infinity what is meant is the limit, ReLU's kink included."""
    for q in (0.0, math.inf):
        assert chi(torch.relu, 2.0, q=q).item() == pytest.approx(1)
        close(correlation_map(torch.relu, 0.0, 2.0, q=q), 1 / math.pi, 1e-9)
        assert correlation_slope(torch.relu, 1.0, 1.0, q=q).item() == pytest.approx(1)
    assert variance_map(torch.sigmoid, 0.0, 4.0, 0.5).item() == pytest.approx(1.5)
    assert correlation_map(torch.relu, 0.5, 0.0).isnan()
