"""activations.py: the functions, their slopes, peaks and gains against formulas, autograd and scipy."""

import copy
import math
import pickle
import re
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from torch import nn
from torch.nn import functional

from unitgain.activations import (
    ACTIVATIONS,
    Activation,
    Maxout,
    Peak,
    PReLU,
    activation,
    derivative,
    gain,
    peak,
)
from unitgain.devices import best_device

DEVICES = sorted({"cpu", best_device().type})


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def softplus(x):
    return math.log1p(math.exp(x))


def normal_cdf(x):
    return (1 + math.erf(x / math.sqrt(2))) / 2


def normal_density(x):
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772

FORMULAS = {
    "identity": lambda x: x,
    "sigmoid": sigmoid,
    "tanh": math.tanh,
    "lecun_tanh": lambda x: 1.7159 * math.tanh(2 * x / 3),
    "relu": lambda x: max(x, 0.0),
    "leaky_relu": lambda x: x if x >= 0 else 0.01 * x,
    "elu": lambda x: x if x >= 0 else math.expm1(x),
    "selu": lambda x: SELU_SCALE * (x if x >= 0 else SELU_ALPHA * math.expm1(x)),
    "gelu": lambda x: x * normal_cdf(x),
    "silu": lambda x: x * sigmoid(x),
    "mish": lambda x: x * math.tanh(softplus(x)),
    "softplus": softplus,
}

SLOPES = {
    "identity": lambda x: 1.0,
    "sigmoid": lambda x: sigmoid(x) * sigmoid(-x),
    "tanh": lambda x: 1 - math.tanh(x) ** 2,
    "lecun_tanh": lambda x: 1.7159 * 2 / 3 * (1 - math.tanh(2 * x / 3) ** 2),
    "relu": lambda x: float(x > 0),
    "leaky_relu": lambda x: 1.0 if x > 0 else 0.01,
    "elu": lambda x: math.exp(min(x, 0.0)),
    "selu": lambda x: SELU_SCALE * (1.0 if x > 0 else SELU_ALPHA * math.exp(x)),
    "gelu": lambda x: normal_cdf(x) + x * normal_density(x),
    "silu": lambda x: sigmoid(x) * (1 + x * sigmoid(-x)),
    "mish": lambda x: math.tanh(softplus(x)) + x * sigmoid(x) / math.cosh(softplus(x)) ** 2,
    "softplus": sigmoid,
}

TORCH = {
    "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "relu": nn.ReLU(),
    "leaky_relu": nn.LeakyReLU(),
    "elu": nn.ELU(),
    "selu": nn.SELU(),
    "gelu": nn.GELU(),
    "silu": nn.SiLU(),
    "mish": nn.Mish(),
    "softplus": nn.Softplus(),
}


def normal(*shape, seed=0, dtype=torch.float64, device="cpu"):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype).to(device)


# The functions


def test_every_activation_has_formulas_here():
    assert FORMULAS.keys() == SLOPES.keys() == ACTIVATIONS.keys()
    assert TORCH.keys() == ACTIVATIONS.keys() - {"identity", "lecun_tanh"}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_matches_its_formula(name):
    x = torch.linspace(-6, 6, 101, dtype=torch.float64)
    expected = torch.tensor([FORMULAS[name](value) for value in x.tolist()], dtype=torch.float64)
    torch.testing.assert_close(activation(name)(x), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", TORCH)
def test_equals_torch(name, device, dtype):
    x = 3 * normal(4, 50, dtype=torch.float32, device=device).to(dtype)
    assert torch.equal(activation(name)(x), TORCH[name](x))


def test_lecun_tanh_keeps_plus_and_minus_one():
    assert activation("lecun_tanh")(torch.tensor([-1.0, 1.0])).tolist() == pytest.approx([-1, 1], abs=1e-5)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_is_elementwise_and_leaves_its_input(name):
    x = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    before = x.clone()
    y = Activation(name)(x)
    assert y.shape == x.shape
    torch.testing.assert_close(y[1, 2, 3], activation(name)(x[1, 2, 3]))
    assert torch.equal(x, before)


@pytest.mark.parametrize(
    ("name", "closest"),
    [("RELU", "relu"), ("sigmod", "sigmoid"), ("leakyrelu", "leaky_relu"), ("", ""), (None, "")],
)
@pytest.mark.parametrize("use", [activation, Activation, derivative, peak, gain])
def test_unknown_name_is_refused(use, name, closest):
    with pytest.raises(
        ValueError,
        match=rf"function must be one of identity, .*got {re.escape(repr(name))}, did you mean '{closest}",
    ):
        use(name)


# Activation


def test_module_names_itself():
    module = Activation("tanh", examples_dim=-1)
    assert repr(module) == "Activation(tanh)"
    assert (module.name, module.examples_dim, Activation("tanh").examples_dim) == ("tanh", -1, -2)
    assert not list(module.parameters())
    assert isinstance(module, nn.Module)


@pytest.mark.parametrize(
    ("function", "name"),
    [(torch.sin, "sin"), (nn.Hardtanh(), "Hardtanh"), (partial(functional.elu, alpha=0.5), "partial")],
)
def test_module_takes_any_callable(function, name):
    module, x = Activation(function), normal(3, 2)
    assert (module.name, module.function) == (name, function)
    assert torch.equal(module(x), function(x))
    assert activation(function) is function


# PReLU


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("examples_dim", [-2, -1])
@pytest.mark.parametrize("units", [1, 5])
def test_prelu_equals_torch_forward_and_backward(units, examples_dim, device, dtype):
    peer = nn.PReLU(units, init=0.1, device=device, dtype=dtype)
    ours = PReLU(units, 0.1, examples_dim=examples_dim, device=device, dtype=dtype)
    x = normal(7, 5, dtype=dtype, device=device)
    x[2, 3] = 0.0  # the kink
    rows, mine = x.clone().requires_grad_(), x.clone().requires_grad_()
    expected = peer(rows)
    y = ours(mine) if examples_dim == -2 else ours(mine.mT).mT
    assert torch.equal(y, expected)
    weights = normal(7, 5, seed=1, dtype=dtype, device=device)
    (y * weights).sum().backward()
    (expected * weights).sum().backward()
    assert torch.equal(mine.grad, rows.grad)
    assert ours.weight.shape == (units, 1)
    torch.testing.assert_close(ours.weight.grad[:, 0], peer.weight.grad)


@pytest.mark.parametrize("examples_dim", [-2, -1])
@pytest.mark.parametrize("replicas", [(3,), (2, 3)])
def test_prelu_replicas_are_single_layers(replicas, examples_dim):
    layer = PReLU(5, replicas=replicas, examples_dim=examples_dim, dtype=torch.float64)
    assert layer.weight.shape == (*replicas, 5, 1)
    assert layer.weight.unique().tolist() == [0.25]
    with torch.no_grad():
        layer.weight.copy_(normal(*replicas, 5, 1, seed=2))
    x = normal(*replicas, 7, 5)
    y = layer(x) if examples_dim == -2 else layer(x.mT).mT
    y.square().sum().backward()
    slopes, grads = layer.weight.view(-1, 5, 1), layer.weight.grad.view(-1, 5, 1)
    for k, (one_x, one_y) in enumerate(zip(x.view(-1, 7, 5), y.view(-1, 7, 5), strict=True)):
        single = PReLU(5, dtype=torch.float64)
        with torch.no_grad():
            single.weight.copy_(slopes[k])
        its_y = single(one_x)
        its_y.square().sum().backward()
        assert torch.equal(one_y, its_y)
        torch.testing.assert_close(grads[k], single.weight.grad)


def test_prelu_describes_itself():
    layer = PReLU(4, replicas=(2,), dtype=torch.bfloat16)
    assert repr(layer) == "PReLU(4, replicas=(2,))"
    assert layer(normal(2, 3, 4, dtype=torch.bfloat16)).dtype == torch.bfloat16


# Maxout


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("pieces", [1, 2, 5])
@pytest.mark.parametrize("leading", [(), (3,), (2, 3)])
def test_maxout_is_the_largest_of_neighbouring_pieces(leading, pieces, device):
    units = 4
    x = normal(*leading, 7, units * pieces, device=device)
    expected = torch.stack([x[..., u * pieces : (u + 1) * pieces].max(-1).values for u in range(units)], -1)
    assert torch.equal(Maxout(pieces)(x), expected)
    assert torch.equal(Maxout(pieces, examples_dim=-1)(x.mT).mT, expected)


def test_maxout_sends_the_gradient_to_the_largest_piece():
    x = normal(7, 6).requires_grad_()
    weights = normal(7, 3, seed=1)
    (Maxout(2)(x) * weights).sum().backward()
    largest = functional.one_hot(x.view(7, 3, 2).argmax(-1), 2)
    assert torch.equal(x.grad, (largest * weights[..., None]).view(7, 6))
    tie = torch.zeros(1, 2, requires_grad=True)
    Maxout(2)(tie).sum().backward()
    assert tie.grad.tolist() == [[0.5, 0.5]]


def test_maxout_of_two_pieces_can_be_relu_or_absolute_value():
    z = normal(9, 1)
    assert torch.equal(Maxout()(torch.cat([z, torch.zeros_like(z)], -1)), z.relu())
    assert torch.equal(Maxout()(torch.cat([z, -z], -1)), z.abs())
    assert repr(Maxout(3)) == "Maxout(pieces=3)"


# Derivatives


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivative_matches_its_formula(name):
    x = torch.linspace(-6, 6, 100, dtype=torch.float64).view(4, 5, 5)  # without 0
    expected = torch.tensor([SLOPES[name](value) for value in x.flatten().tolist()], dtype=torch.float64)
    torch.testing.assert_close(derivative(name)(x), expected.view(x.shape), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivative_matches_finite_differences(name):
    f, x, h = activation(name), torch.linspace(-3, 3, 40, dtype=torch.float64), 1e-6
    torch.testing.assert_close(derivative(f)(x), (f(x + h) - f(x - h)) / (2 * h), rtol=1e-8, atol=1e-9)


def test_derivative_at_kinks_is_torchs():
    zero = torch.zeros(())
    assert {name: derivative(name)(zero).item() for name in ("relu", "leaky_relu", "elu")} == pytest.approx(
        {"relu": 0.0, "leaky_relu": 0.01, "elu": 1.0}
    )


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_derivative_keeps_dtype_device_and_shape(dtype, device):
    for shape in [(), (3,), (2, 0), (2, 3, 4)]:
        slope = derivative("tanh")(torch.zeros(shape, dtype=dtype, device=device))
        assert (slope.dtype, slope.device.type, slope.shape) == (dtype, device, shape)
        assert (slope == 1).all()


def test_derivative_is_in_a_graph_only_if_its_input_is():
    x = normal(5)
    with torch.no_grad():
        assert not derivative("tanh")(x).requires_grad
    assert not derivative("tanh")(x).requires_grad
    assert not x.requires_grad
    parameter = x.clone().requires_grad_()
    with torch.no_grad():
        assert not derivative("tanh")(parameter).requires_grad
    derivative("tanh")(2 * parameter).sum().backward()
    t = torch.tanh(2 * x)
    torch.testing.assert_close(parameter.grad, -4 * t * (1 - t.square()))


def test_second_derivatives():
    x = normal(20)
    t = torch.tanh(x)
    torch.testing.assert_close(derivative(derivative("tanh"))(x), -2 * t * (1 - t.square()))
    assert derivative(derivative("identity"))(x).tolist() == [0.0] * 20


def test_derivative_of_a_constant_is_zero():
    assert derivative(torch.ones_like)(torch.ones(3)).tolist() == [0, 0, 0]


# Peaks


@pytest.mark.parametrize(
    ("name", "x", "value"),
    [
        ("identity", 0.0, 1.0),
        ("sigmoid", 0.0, 0.25),
        ("tanh", 0.0, 1.0),
        ("lecun_tanh", 0.0, 1.7159 * 2 / 3),
        ("relu", 0.0, 1.0),
        ("leaky_relu", 0.0, 1.0),
        ("elu", 0.0, 1.0),
        ("selu", 0.0, SELU_SCALE * SELU_ALPHA),
        ("gelu", math.sqrt(2), None),
        ("silu", None, None),
        ("mish", None, None),
        ("softplus", 20.0, 1.0),
    ],
)
def test_peak(name, x, value):
    """Where no closed form is written here, scipy's minimizer between 1 and 3 is the reference."""
    best = minimize_scalar(lambda z: -SLOPES[name](z), bounds=(1, 3), options={"xatol": 1e-10})
    found = peak(name)
    assert found.x == pytest.approx(best.x if x is None else x, abs=1e-6)
    assert found.value == pytest.approx(-best.fun if value is None else value, abs=1e-6)


def test_peaks_that_the_sources_get_wrong():
    """Not every derivative peaks at f′(0) = 1."""
    found = {name: peak(name) for name in ("selu", "gelu", "silu", "mish")}
    assert {name: round(p.value, 3) for name, p in found.items()} == {
        "selu": 1.758,
        "gelu": 1.129,
        "silu": 1.100,
        "mish": 1.088,
    }
    assert round(found["gelu"].x, 2) == 1.41
    assert round(found["silu"].x, 2) == 2.40


@pytest.mark.parametrize(
    ("function", "x", "value"),
    [
        (torch.sin, 0.0, 1.0),  # of many peaks the one nearest 0
        (lambda z: torch.sin(z - 1), 1.0, 1.0),
        (lambda z: -torch.tanh(z - 3), 3.0, -1.0),  # with its sign
        (functional.relu6, 0.0, 1.0),
        (lambda z: (z - 2).relu(), 2.0, 1.0),  # the end of a plateau
        (lambda z: z.clamp(min=0) + 0.5 * z.clamp(max=0), 0.0, 1.0),  # autograd says 1.5 at 0 itself
        (lambda z: z**3, None, 3 * 32.0**2),  # the end of the range
        (torch.ones_like, 0.0, 0.0),
    ],
)
def test_peak_conventions(function, x, value):
    found = peak(function)
    assert found.value == pytest.approx(value, rel=1e-9)
    assert abs(found.x) == 32 if x is None else found.x == pytest.approx(x, abs=1e-6)
    assert math.copysign(1, peak("tanh").x) == 1


@settings(deadline=None, max_examples=25, derandomize=True)
@given(st.floats(0.2, 20), st.floats(-10, 10))
def test_peak_of_a_scaled_and_shifted_sigmoid(slope, shift):
    found = peak(lambda z: torch.sigmoid(slope * (z - shift)))
    assert isinstance(found, Peak)
    assert found.x == pytest.approx(shift, abs=1e-6)
    assert found.value == pytest.approx(slope / 4, rel=1e-9)


# Gains


def gaussian_mean_square(f):
    below, above = (
        quad(lambda z: f(z) ** 2 * normal_density(z), *ends, epsabs=1e-14, epsrel=1e-13, limit=200)[0]
        for ends in ((-30, 0), (0, 30))
    )
    return below + above


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gain_equals_scipys_quadrature(name):
    assert gain(name) == pytest.approx(gaussian_mean_square(FORMULAS[name]) ** -0.5, rel=1e-9)
    assert gain(name, "backward") == pytest.approx(gaussian_mean_square(SLOPES[name]) ** -0.5, rel=1e-9)


@pytest.mark.parametrize(
    ("function", "direction", "mean_square"),
    [
        ("identity", "forward", 1.0),
        ("relu", "forward", 1 / 2),
        ("relu", "backward", 1 / 2),
        ("leaky_relu", "forward", (1 + 0.01**2) / 2),
        (torch.abs, "forward", 1.0),
        (torch.square, "forward", 3.0),
        (torch.square, "backward", 4.0),
        (torch.sin, "forward", (1 - math.exp(-2)) / 2),
        (torch.cos, "backward", (1 - math.exp(-2)) / 2),
        (torch.exp, "forward", math.exp(2)),
        (functional.hardtanh, "backward", math.erf(1 / math.sqrt(2))),  # kinks at -1 and 1
    ],
)
def test_gain_has_twelve_digits(function, direction, mean_square):
    assert gain(function, direction) == pytest.approx(mean_square**-0.5, rel=1e-12)


@given(st.floats(1e-3, 1e3), st.sampled_from(["forward", "backward"]))
@settings(deadline=None, max_examples=20, derandomize=True)
def test_gain_undoes_a_factor(factor, direction):
    scaled = gain(lambda z: factor * torch.tanh(z), direction)
    assert scaled == pytest.approx(gain("tanh", direction) / factor, rel=1e-12)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "selu", "mish"])
def test_gain_preserves_signal_and_gradient(name):
    """A layer of weights N(0, g²/fan): second moments within five standard errors of 1."""
    n, fan_in, fan_out = 200, 3000, 400
    z = normal(n, fan_in)
    out = activation(name)(z) @ normal(fan_in, fan_out, seed=1) * (gain(name) / math.sqrt(fan_in))
    unit = out.square().mean(0)  # one a unit: independent
    assert abs(unit.mean() - 1) < 5 * unit.std() / math.sqrt(fan_out)
    back = derivative(name)(z) * (normal(n, fan_out, seed=2) @ normal(fan_out, fan_in, seed=3))
    unit = back.square().mean(0) * (gain(name, "backward") ** 2 / fan_out)
    assert abs(unit.mean() - 1) < 5 * unit.std() / math.sqrt(min(n, fan_out))


def test_gain_is_not_torchs_rule_of_thumb():
    theirs = nn.init.calculate_gain
    assert gain("relu") == pytest.approx(theirs("relu"))
    assert gain("leaky_relu") == pytest.approx(theirs("leaky_relu"))
    assert gain("selu") == pytest.approx(1)  # its fixed point; torch says 3/4
    assert theirs("tanh") == pytest.approx(5 / 3)
    assert round(gain("tanh"), 3) == 1.593
    assert (
        np.isclose([gain("selu"), gain("sigmoid")], [theirs("selu"), theirs("sigmoid")]).tolist()
        == [False] * 2
    )


# In every mode of torch


def test_derivative_in_inference_mode():
    """Where autograd is off for good: of tensors made inside and outside."""
    outside = torch.zeros(3)
    with torch.inference_mode():
        for x in outside, torch.zeros(3):
            assert derivative("sigmoid")(x).tolist() == [0.25] * 3
        assert peak("tanh") == (0.0, 1.0)
        assert gain("relu", "backward") == pytest.approx(2**0.5)


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # inside torch's forward mode
def test_derivative_under_transforms():
    """f'' of the sigmoid at 1 is s (1 - s) (1 - 2 s)."""
    slope, x = derivative("sigmoid"), torch.ones(2, 3, dtype=torch.float64)
    s = torch.sigmoid(x)
    first, second = s * (1 - s), s * (1 - s) * (1 - 2 * s)
    torch.testing.assert_close(torch.vmap(slope)(x), first)
    torch.testing.assert_close(torch.func.grad(lambda x: slope(x).sum())(x), second)
    torch.testing.assert_close(torch.func.jvp(slope, (x,), (torch.ones_like(x),))[1], second)
    torch.testing.assert_close(torch.func.jacfwd(slope)(x[0]), second[0].diag())
    torch.testing.assert_close(torch.func.jacrev(slope)(x[0]), second[0].diag())


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_pickles_and_copies(name):
    module, x = Activation(name), torch.tensor([-2.0, 0.0, 1.0])
    for twin in (pickle.loads(pickle.dumps(module)), copy.deepcopy(module)):
        assert torch.equal(twin(x), module(x))


def test_prelu_at_infinity_is_torch_s():
    x = torch.tensor([[math.inf, -math.inf, 0.0, -1.0, 2.0]], requires_grad=True)
    ours, theirs = PReLU(5), torch.nn.PReLU(5)
    grads = []
    for module in (ours, theirs):
        x.grad = None
        y = module(x)
        y.sum().backward()
        grads.append((y, x.grad, module.weight.grad.flatten()))
    for mine, other in zip(*grads, strict=True):
        assert torch.equal(mine, other)


def test_prelu_under_autocast_gives_torch_s_dtype():
    x = torch.randn(4, 3).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        y, target = PReLU(3)(x), torch.nn.PReLU(3)(x)
    assert y.dtype == target.dtype
    assert torch.equal(y, target)
