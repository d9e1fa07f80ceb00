"""layers.py: each layer against torch's own, alone and side by side; its rules are in tests/bad_input."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from unitgain.devices import best_device
from unitgain.initializers import he_normal_
from unitgain.layers import NORMALIZATIONS, BatchNorm, LayerNorm, Linear, RMSNorm

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
    assert repr(RMSNorm(3, affine=False)) == "RMSNorm(3, eps=1e-05, affine=False, replicas=())"
    assert repr(BatchNorm(3)) == "BatchNorm(3, eps=1e-05, affine=True, replicas=(), momentum=0.1)"


# Every layer

LAYERS = {
    "linear": lambda **options: Linear(4, 3, bias="normal", **options),
    **{name: lambda norm=norm, **options: norm(4, **options) for name, norm in NORMALIZATIONS.items()},
}


def started(layer: nn.Module, seed: int = 0) -> nn.Module:
    """The layer with random parameters and, in columns as in rows, the same ones."""
    (generator,) = seeded(seed)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))
    return layer


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(7, 4), (2, 7, 4)])
def test_columns_are_rows_transposed(name, training, shape):
    rows, columns = (
        started(LAYERS[name](replicas=(2,), examples_dim=dim, dtype=torch.float64)).train(training)
        for dim in (-2, -1)
    )
    x = torch.randn(shape, generator=seeded(1)[0], dtype=torch.float64)
    torch.testing.assert_close(columns(x.mT).mT, rows(x), rtol=1e-12, atol=1e-14)
    for mine, theirs in zip(columns.buffers(), rows.buffers(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", LAYERS)
def test_replicas_may_be_a_number(name):
    assert LAYERS[name](replicas=5).replicas == LAYERS[name](replicas=(5,)).replicas == (5,)
    assert LAYERS[name](replicas=5)(torch.randn(2, 4)).shape[0] == 5


@pytest.mark.parametrize("name", LAYERS)
def test_copies_and_loads(name):
    layer = started(LAYERS[name](replicas=(2,)))
    x, other = torch.randn(2, 7, 4), LAYERS[name](replicas=(2,))
    layer(x)
    other.load_state_dict(layer.state_dict())
    for twin in (other, copy.deepcopy(layer)):
        assert torch.equal(twin.eval()(x), layer.eval()(x))


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("training", [True, False])
def test_exports(name, training):
    layer, other = (started(LAYERS[name](replicas=(2,))).train(training) for _ in range(2))
    rows = torch.export.Dim("rows", min=2)
    program = torch.export.export(layer, (torch.zeros(5, 4),), dynamic_shapes=({0: rows},))
    x = torch.randn(8, 4)
    torch.testing.assert_close(program.module()(x), other(x))


@pytest.mark.parametrize("name", NORMALIZATIONS)
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_norms_on_device_and_in_dtype(name, device, dtype):
    norm = NORMALIZATIONS[name](3, replicas=(2,), device=device).to(dtype)
    x = torch.randn(64, 3, generator=seeded(0)[0]).to(device, dtype)
    twin, close = (
        NORMALIZATIONS[name](3, replicas=(2,), device=device),
        0.02 if dtype == torch.bfloat16 else 1e-6,
    )
    for training in (True, False):
        y = norm.train(training)(x)
        assert (y.device.type, y.dtype, y.shape) == (device, dtype, (2, 64, 3))
        torch.testing.assert_close(y.float(), twin.train(training)(x.float()), rtol=close, atol=close)


# Normalizations against torch's


def compare(layer: nn.Module, twin: nn.Module, x: torch.Tensor) -> None:
    """Outputs, and gradients with respect to the input and the parameters, of one layer without replicas."""
    theirs = x.clone().requires_grad_()
    x = x.clone().requires_grad_()
    y, target = layer(x), twin(theirs)
    torch.testing.assert_close(y, target, rtol=1e-10, atol=1e-12)
    direction = torch.randn(y.shape, generator=seeded(3)[0], dtype=y.dtype)
    layer.zero_grad(), twin.zero_grad()
    (y * direction).sum().backward()
    (target * direction).sum().backward()
    torch.testing.assert_close(x.grad, theirs.grad, rtol=1e-10, atol=1e-12)
    for mine, other in zip(layer.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine.grad.squeeze(-1), other.grad, rtol=1e-10, atol=1e-12)


def with_parameters_of(twin: nn.Module, layer: nn.Module) -> nn.Module:
    with torch.no_grad():
        for mine, other in zip(layer.parameters(), twin.parameters(), strict=True):
            other.copy_(mine.squeeze(-1))
    return twin


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("momentum", [0.1, 0.0, 1.0, None])
@pytest.mark.parametrize("n", [2, 9])
def test_batch_norm_equals_torch_at_every_step(affine, momentum, n):
    options = {"momentum": momentum, "eps": 1e-3, "affine": affine}
    layer = started(BatchNorm(3, **options, dtype=torch.float64))
    twin = with_parameters_of(nn.BatchNorm1d(3, **options, dtype=torch.float64), layer)
    assert list(layer.state_dict()) == list(twin.state_dict())
    (generator,) = seeded(1)
    for step in range(12):
        training = step % 4 != 3
        layer.train(training), twin.train(training)
        x = torch.randn(n, 3, generator=generator, dtype=torch.float64) * torch.tensor([0.1, 1, 30]) + 5
        compare(layer, twin, x)
        for mine, theirs in zip(layer.buffers(), twin.buffers(), strict=True):
            mine = mine.squeeze(-1) if mine.ndim else mine
            torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape", [(7, 4), (1, 4), (0, 4), (2, 7, 4)])
@pytest.mark.parametrize(
    ("norm", "twin"),
    [
        (LayerNorm, lambda affine: nn.LayerNorm(4, 1e-3, affine, dtype=torch.float64)),
        (RMSNorm, lambda affine: nn.RMSNorm(4, 1e-3, affine, dtype=torch.float64)),
    ],
)
def test_layer_and_rms_norm_equal_torch(norm, twin, shape, affine):
    layer = started(norm(4, eps=1e-3, affine=affine, dtype=torch.float64))
    x = 3 + torch.randn(shape, generator=seeded(1)[0], dtype=torch.float64)
    compare(layer, with_parameters_of(twin(affine), layer), x)


@pytest.mark.parametrize("name", NORMALIZATIONS)
@pytest.mark.parametrize("replicas", [(3,), (3, 2)])
@pytest.mark.parametrize("own_data", [False, True])
def test_norm_replicas_are_norms_side_by_side(name, replicas, own_data):
    layer = started(NORMALIZATIONS[name](4, replicas=replicas, dtype=torch.float64))
    x = torch.randn(*(replicas if own_data else ()), 5, 4, generator=seeded(9)[0], dtype=torch.float64)
    y, count = layer(x), torch.Size(replicas).numel()
    assert y.shape == (*replicas, 5, 4)
    evaluated = layer.eval()(x)
    for k in range(count):
        single = NORMALIZATIONS[name](4, dtype=torch.float64)
        with torch.no_grad():
            for mine, theirs in zip(layer.parameters(), single.parameters(), strict=True):
                theirs.copy_(mine.view(count, 4, 1)[k])
        its_x = x.reshape(count, 5, 4)[k] if own_data else x
        torch.testing.assert_close(y.reshape(count, 5, 4)[k], single(its_x), rtol=1e-12, atol=1e-14)
        for key in {"running_mean", "running_var"}.intersection(single.state_dict()):
            mine = layer.state_dict()[key].view(count, 4, 1)[k]
            torch.testing.assert_close(mine, single.state_dict()[key], rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(
            evaluated.reshape(count, 5, 4)[k], single.eval()(its_x), rtol=1e-12, atol=1e-14
        )


def test_batch_norm_evaluates_any_leading_dimensions():
    """Batches of batches, as Linear takes them; and one example alone."""
    layer, x = BatchNorm(4, replicas=(3,)).eval(), torch.randn(2, 3, 1, 4)
    torch.testing.assert_close(layer(x), x / (1 + 1e-5) ** 0.5)


@given(
    scale=st.floats(1e-3, 1e3),
    shift=st.floats(-1e3, 1e3),
    seed=st.integers(0, 2**32),
    sign=st.sampled_from([1, -1]),
)
def test_batch_norm_sees_neither_scale_nor_shift(scale, shift, seed, sign):
    """BatchNorm(a x + b) = ± BatchNorm(x) without ε; the weights before it have no size, only a direction."""
    x = torch.randn(6, 3, generator=seeded(seed)[0], dtype=torch.float64)
    layer = BatchNorm(3, eps=0.0, dtype=torch.float64)
    torch.testing.assert_close(layer(sign * scale * x + shift), sign * layer(x), rtol=0, atol=1e-7)


def test_batch_norm_far_from_0():
    """In float32 the variance is that of x - mean, not a difference of large squares."""
    x = 1e4 + torch.randn(1000, 3, generator=seeded(0)[0])
    exact = (x.double() - x.double().mean(0)) / x.double().std(0, correction=0)
    torch.testing.assert_close(BatchNorm(3)(x).double(), exact, rtol=0, atol=2e-3)


def test_constant_unit_becomes_the_bias_with_a_finite_gradient():
    x = torch.full((5, 2), 7.0, requires_grad=True)
    layer = BatchNorm(2)
    with torch.no_grad():
        layer.bias.fill_(3)
    y = layer(x)
    assert torch.equal(y, torch.full((5, 2), 3.0))
    (y * torch.randn(5, 2)).sum().backward()
    assert x.grad.isfinite().all()


def test_statistics_measured_anew():
    """The remedy of the docstring: the mean over the batches, whatever was there before."""
    batches = torch.randn(10, 8, 3, generator=seeded(0)[0], dtype=torch.float64)
    layer = BatchNorm(3, dtype=torch.float64)
    layer(100 + batches[0])
    layer.momentum = None
    layer.reset_running_stats()
    assert not layer.running_mean.any()
    assert layer.running_var.eq(1).all()
    assert layer.num_batches_tracked == 0
    with torch.no_grad():
        for batch in batches:
            layer(batch)
    torch.testing.assert_close(layer.running_mean.squeeze(-1), batches.mean((0, 1)))
    torch.testing.assert_close(layer.running_var.squeeze(-1), batches.var(1).mean(0))


@pytest.mark.parametrize("name", NORMALIZATIONS)
@pytest.mark.parametrize("momentum", [0.1, None])
def test_nothing_waits_for_the_device(name, momentum):
    """A tensor on the meta device has no numbers: reading one raises."""
    layer = NORMALIZATIONS[name](3, device="meta", **({"momentum": momentum} if name == "batch" else {}))
    assert layer(torch.empty(5, 3, device="meta")).shape == (5, 3)


def test_refused_input_changes_nothing():
    layer = BatchNorm(3, replicas=(2,))
    before = copy.deepcopy(layer.state_dict())
    for shape in [(1, 3), (0, 3), (5, 2), (3,), (3, 5, 3)]:
        with pytest.raises(ValueError, match="BatchNorm: x must"):
            layer(torch.ones(shape))
    assert all(torch.equal(before[key], value) for key, value in layer.state_dict().items())
