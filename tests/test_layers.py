"""layers.py: Linear against torch.nn.Linear, alone and side by side."""

import re

import pytest
import torch
from torch import nn

from unitgain.devices import best_device
from unitgain.initializers import he_normal_
from unitgain.layers import Linear

DEVICES = sorted({"cpu", best_device().type})


def seeded(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def like_torch(layer: Linear) -> nn.Linear:
    """torch's layer with the weights of `layer`, a single one."""
    twin = nn.Linear(
        layer.in_features, layer.out_features, bias=layer.bias is not None, dtype=layer.weight.dtype
    )
    with torch.no_grad():
        twin.weight.copy_(layer.weight)
        if layer.bias is not None:
            twin.bias.copy_(layer.bias.squeeze(-1))
    return twin


@pytest.mark.parametrize("bias", ["uniform", None])
@pytest.mark.parametrize("shape", [(7, 3), (1, 3), (0, 3), (2, 7, 3)])
def test_equals_torch(shape, bias):
    (generator,) = seeded(0)
    layer = Linear(3, 2, bias=bias, generator=generator, dtype=torch.float64)
    x = torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
    twin, y = like_torch(layer), torch.randn(*shape[:-1], 2, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(layer(x), twin(x), rtol=1e-12, atol=1e-14)
    ((layer(x) - y) ** 2).sum().backward()
    ours = [x.grad.clone(), *(p.grad.squeeze(-1) if p.shape[-1] == 1 else p.grad for p in layer.parameters())]
    x.grad = None
    ((twin(x) - y) ** 2).sum().backward()
    for mine, theirs in zip(ours, [x.grad, *(p.grad for p in twin.parameters())], strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("replicas", [(3,), (2, 3)])
@pytest.mark.parametrize("own_data", [False, True])
def test_replicas_are_layers_side_by_side(replicas, own_data):
    count = torch.Size(replicas).numel()
    layer = Linear(
        4, 2, replicas=replicas, bias="normal", generator=seeded(*range(count)), dtype=torch.float64
    )
    x = torch.randn(*(replicas if own_data else ()), 5, 4, generator=seeded(9)[0], dtype=torch.float64)
    y = layer(x)
    assert y.shape == (*replicas, 5, 2)
    for k, index in enumerate(torch.cartesian_prod(*map(torch.arange, replicas)).view(count, -1).tolist()):
        single = Linear(4, 2, bias="normal", generator=seeded(k)[0], dtype=torch.float64)
        assert torch.equal(layer.weight[tuple(index)], single.weight)
        assert torch.equal(layer.bias[tuple(index)], single.bias)
        torch.testing.assert_close(
            y[tuple(index)], single(x[tuple(index)] if own_data else x), rtol=1e-12, atol=1e-14
        )


def test_columns_is_forward_transposed():
    layer, x = Linear(3, 2, replicas=(4,), bias="normal"), torch.randn(5, 3)
    assert torch.equal(layer.columns(x.mT), layer(x).mT)


def test_starts_as_it_is_told():
    layer = Linear(30, 20, weight=he_normal_, generator=seeded(1)[0])
    assert torch.equal(layer.weight, he_normal_(torch.empty(20, 30), generator=seeded(1)[0]))
    assert layer.bias.shape == (20, 1)
    assert not layer.bias.any()
    assert Linear(3, 2, bias=None).bias is None
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_device_and_dtype(device, dtype):
    layer = Linear(3, 2, replicas=(2,), device=device, dtype=dtype)
    y = layer(torch.ones(4, 3, device=device, dtype=dtype))
    assert (y.device.type, y.dtype, y.shape) == (device, dtype, (2, 4, 2))


def test_repr():
    assert repr(Linear(3, 2, replicas=(5,), bias=None)) == "Linear(3, 2, replicas=(5,), bias=False)"


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: Linear(0, 2), "Linear: in_features must be at least 1, got 0"),
        (lambda: Linear(3, -1), "Linear: out_features must be at least 1, got -1"),
        (lambda: Linear(3, 2, replicas=(4, 0)), "Linear: replicas must be at least 1, got 0"),
        (lambda: Linear(float("nan"), 2), "Linear: in_features must be at least 1, got nan"),
        (lambda: Linear(3, 2)(torch.zeros(3)), "Linear: x must have shape (…, n, 3), got (3,)"),
        (lambda: Linear(3, 2)(torch.zeros(5, 4)), "Linear: x must have shape (…, n, 3), got (5, 4)"),
        (lambda: Linear(3, 2, weight="he"), "initializer: must be one of zeros, "),
        (lambda: Linear(3, 2, bias="zero"), "got 'zero', did you mean 'zeros'?"),
        (
            lambda: Linear(3, 2, replicas=(3,), generator=seeded(0, 1)),
            "generator: needs one generator or one a replica; got 2 for 3 replicas",
        ),
    ],
)
def test_bad_input_is_named(call, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        call()
