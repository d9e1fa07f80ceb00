"""models.py: MLP against torch.nn.Sequential, alone and side by side."""

import re

import pytest
import torch
from torch import nn

from unitgain.activations import ACTIVATIONS
from unitgain.devices import best_device
from unitgain.models import MLP

DEVICES = sorted({"cpu", best_device().type})
TWINS = {
    "identity": nn.Identity,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
}


def seeded(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def like_torch(model: MLP, activation: str) -> nn.Sequential:
    """torch's network with the weights of `model`, a single one."""
    modules: list[nn.Module] = []
    for layer in model.layers:
        twin = nn.Linear(
            layer.in_features, layer.out_features, bias=layer.bias is not None, dtype=layer.weight.dtype
        )
        with torch.no_grad():
            twin.weight.copy_(layer.weight)
            if layer.bias is not None:
                twin.bias.copy_(layer.bias.squeeze(-1))
        modules += [twin, TWINS[activation]()]
    return nn.Sequential(*modules[:-1])


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("sizes", [(3, 1), (2, 2, 1), (4, 7, 5, 3)])
@pytest.mark.parametrize("bias", ["uniform", None])
def test_equals_torch(activation, sizes, bias):
    (generator,) = seeded(0)
    model = MLP(sizes, activation, bias=bias, generator=generator, dtype=torch.float64)
    twin, x = (
        like_torch(model, activation),
        torch.randn(6, sizes[0], generator=generator, dtype=torch.float64),
    )
    torch.testing.assert_close(model(x), twin(x), rtol=1e-12, atol=1e-14)
    model(x).square().sum().backward()
    twin(x).square().sum().backward()
    for mine, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine.grad.reshape(theirs.shape), theirs.grad, rtol=1e-11, atol=1e-13)


def test_hidden_is_what_the_activations_give():
    model = MLP((2, 5, 3, 1), "tanh", bias="normal", dtype=torch.float64)
    twin, x = like_torch(model, "tanh"), torch.randn(4, 2, dtype=torch.float64)
    hidden = model.hidden(x)
    assert [tuple(h.shape) for h in hidden] == [(4, 5), (4, 3)]
    for h, after in zip(hidden, (2, 4), strict=True):
        torch.testing.assert_close(h, twin[:after](x), rtol=1e-12, atol=1e-14)
    assert MLP((2, 1)).hidden(torch.zeros(4, 2)) == []


@pytest.mark.parametrize("replicas", [(4,), (2, 2)])
@pytest.mark.parametrize("own_data", [False, True])
def test_replica_equals_the_single_network(replicas, own_data):
    """The weights to the bit, whatever the rules; the outputs to float64's rounding."""
    for weight, bias in [("glorot_uniform", "zeros"), ("uniform", "uniform"), ("he_normal", "normal")]:
        options = {"weight": weight, "bias": bias, "dtype": torch.float64}
        model = MLP((3, 20, 6, 2), replicas=replicas, generator=seeded(5, 6, 7, 8), **options)
        x = torch.randn(*(replicas if own_data else ()), 9, 3, dtype=torch.float64)
        y, hidden = model(x).reshape(4, 9, 2), model.hidden(x)
        assert model(x).shape == (*replicas, 9, 2)
        for k in range(4):
            single = MLP((3, 20, 6, 2), generator=seeded(5 + k)[0], **options)
            its_x = x.reshape(4, 9, 3)[k] if own_data else x
            for mine, theirs in zip(model.parameters(), single.parameters(), strict=True):
                assert torch.equal(mine.view(4, *theirs.shape)[k], theirs)
            torch.testing.assert_close(y[k], single(its_x), rtol=1e-12, atol=1e-13)
            for mine, theirs in zip(hidden, single.hidden(its_x), strict=True):
                torch.testing.assert_close(mine.reshape(4, 9, -1)[k], theirs, rtol=1e-12, atol=1e-13)


def test_state_dict_round_trip():
    model, other = MLP((2, 3, 1), replicas=(2,)), MLP((2, 3, 1), replicas=(2,))
    other.load_state_dict(model.state_dict())
    x = torch.randn(5, 2)
    assert torch.equal(model(x), other(x))
    assert list(model.state_dict()) == [
        "layers.0.weight",
        "layers.0.bias",
        "layers.1.weight",
        "layers.1.bias",
    ]


def test_exports():
    """No data-dependent branch: torch.export takes it, for any number of rows."""
    model = MLP((3, 4, 2), replicas=(2,)).eval()
    rows = torch.export.Dim("rows", min=2)
    program = torch.export.export(model, (torch.zeros(5, 3),), dynamic_shapes=({0: rows},))
    x = torch.randn(8, 3)
    torch.testing.assert_close(program.module()(x), model(x))


@pytest.mark.parametrize("device", DEVICES)
def test_device(device):
    model = MLP((3, 4, 2), replicas=(2,), device=device)
    assert {p.device.type for p in model.parameters()} == {device}
    assert model(torch.zeros(5, 3, device=device)).device.type == device


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: MLP((2,)), "MLP: sizes needs at least an input and an output, got (2,)"),
        (lambda: MLP(()), "MLP: sizes needs at least an input and an output, got ()"),
        (lambda: MLP((2, 0, 1)), "out_features must be at least 1, got 0"),
        (lambda: MLP((2, 2, 1), replicas=(-1,)), "replicas must be at least 1, got -1"),
        (lambda: MLP((2, 2, 1), "rely"), "got 'rely', did you mean 'relu'?"),
        (lambda: MLP((2, 2, 1), weight="he_norm"), "got 'he_norm', did you mean 'he_normal'?"),
        (
            lambda: MLP((2, 2, 1), generator=seeded(0, 1)),
            "one generator or one a replica; got 2 for 1 replicas",
        ),
        (lambda: MLP((2, 2, 1))(torch.zeros(2)), "MLP: x must have shape (…, n, 2), got (2,)"),
        (lambda: MLP((2, 2, 1))(torch.zeros(5, 3)), "MLP: x must have shape (…, n, 2), got (5, 3)"),
        (lambda: MLP((2, 2, 1)).hidden(torch.zeros(5, 3)), "MLP: x must have shape (…, n, 2), got (5, 3)"),
    ],
)
def test_bad_input_is_named(call, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        call()
