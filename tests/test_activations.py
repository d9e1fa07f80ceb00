"""activations.py: the functions by name against their formulas and their slopes at the origin."""

import math
import re

import pytest
import torch
from torch import nn

from unitgain.activations import ACTIVATIONS, Activation, activation

FORMULAS = {
    "identity": lambda x: x,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "tanh": math.tanh,
    "relu": lambda x: max(x, 0.0),
    "leaky_relu": lambda x: x if x >= 0 else 0.01 * x,
    "elu": lambda x: x if x >= 0 else math.expm1(x),
    "selu": lambda x: 1.0507009873554805 * (x if x >= 0 else 1.6732632423543772 * math.expm1(x)),
    "gelu": lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
    "silu": lambda x: x / (1 + math.exp(-x)),
    "softplus": lambda x: math.log1p(math.exp(x)),
}


def test_every_activation_has_a_formula_here():
    assert FORMULAS.keys() == ACTIVATIONS.keys()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_matches_its_formula(name):
    x = torch.linspace(-6, 6, 101, dtype=torch.float64)
    expected = torch.tensor([FORMULAS[name](value) for value in x.tolist()], dtype=torch.float64)
    torch.testing.assert_close(activation(name)(x), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_is_elementwise_and_leaves_its_input(name):
    x = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    before = x.clone()
    y = Activation(name)(x)
    assert y.shape == x.shape
    torch.testing.assert_close(y[1, 2, 3], activation(name)(x[1, 2, 3]))
    assert torch.equal(x, before)


def test_module_names_itself():
    module = Activation("tanh", examples_dim=-1)
    assert repr(module) == "Activation(tanh)"
    assert (module.name, module.examples_dim, Activation("tanh").examples_dim) == ("tanh", -1, -2)
    assert not list(module.parameters())
    assert isinstance(module, nn.Module)


@pytest.mark.parametrize(
    ("name", "closest"),
    [("RELU", "relu"), ("sigmod", "sigmoid"), ("leakyrelu", "leaky_relu"), ("", ""), (None, "")],
)
@pytest.mark.parametrize("make", [activation, Activation])
def test_unknown_name_is_refused(make, name, closest):
    with pytest.raises(
        ValueError,
        match=rf"name must be one of identity, .*got {re.escape(repr(name))}, did you mean '{closest}",
    ):
        make(name)
