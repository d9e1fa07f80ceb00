"""layers.py: each layer against torch's own, alone and side by side; its rules are in tests/bad_input."""

import copy
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.optim import swa_utils

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
    assert Linear(3, 2, bias=False).bias is None
    assert torch.equal(Linear(3, 2, bias=True).bias, Linear(3, 2).bias)
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
            torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape", [(7, 4), (1, 4), (0, 4), (2, 7, 4)])
@pytest.mark.parametrize(
    ("norm", "twin"),
    [
        (partial(LayerNorm, eps=1e-3), lambda affine: nn.LayerNorm(4, 1e-3, affine, dtype=torch.float64)),
        (partial(RMSNorm, eps=1e-3), lambda affine: nn.RMSNorm(4, 1e-3, affine, dtype=torch.float64)),
        (partial(RMSNorm, eps=None), lambda affine: nn.RMSNorm(4, None, affine, dtype=torch.float64)),
    ],
)
def test_layer_and_rms_norm_equal_torch(norm, twin, shape, affine):
    layer = started(norm(4, affine=affine, dtype=torch.float64))
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
                theirs.copy_(mine.view(count, 4)[k])
        its_x = x.reshape(count, 5, 4)[k] if own_data else x
        torch.testing.assert_close(y.reshape(count, 5, 4)[k], single(its_x), rtol=1e-12, atol=1e-14)
        for key in {"running_mean", "running_var"}.intersection(single.state_dict()):
            mine = layer.state_dict()[key].view(count, 4)[k]
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


@pytest.mark.parametrize("far", [0.0, 1e4, -1e6])
@pytest.mark.parametrize("name", ["batch", "layer"])
def test_exact_far_from_0(name, far):
    """In float32 sums are taken of x - x[0]: no digit is lost but those that x itself has lost."""
    x = far + torch.randn(1000, 3, generator=seeded(0)[0])
    exact = (x.double() - x.double().mean(0)) / (x.double().var(0, correction=0) + 1e-5).sqrt()
    y = BatchNorm(3)(x) if name == "batch" else LayerNorm(1000)(x.mT).mT
    torch.testing.assert_close(y.double(), exact, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["batch", "layer"])
@pytest.mark.parametrize("value", [1234.567, -0.1, 1e30])
def test_exact_on_a_constant(name, value):
    """torch's gives 0.0094 for 7 times 1234.567."""
    assert not NORMALIZATIONS[name](7)(torch.full((7, 7), value)).any()


TWINS = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm, "rms": partial(nn.RMSNorm, eps=1e-5)}


@pytest.mark.parametrize("name", TWINS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("parameters", [torch.float32, "as x"])
@pytest.mark.parametrize(("mean", "sd"), [(0, 300), (100, 1), (0, 1)])
def test_half_precision_is_float32_rounded(name, dtype, parameters, mean, sd):
    """Also where the parameters and statistics are float32, as under autocast."""
    norm, twin = NORMALIZATIONS[name](8), TWINS[name](8)
    norm = norm.to(dtype if parameters == "as x" else parameters)
    x = (mean + sd * torch.randn(64, 8, generator=seeded(0)[0])).to(dtype)
    close = {"rtol": torch.finfo(dtype).eps, "atol": 1e-4}
    for training in (True, False) if name == "batch" else (True,):
        y = norm.train(training)(x)
        assert y.dtype == dtype
        if training or parameters == torch.float32:  # statistics in half precision are rounded themselves
            torch.testing.assert_close(y.float(), twin.train(training)(x.float()), **close)
    for mine, theirs in zip(norm.buffers(), twin.buffers(), strict=True):
        torch.testing.assert_close(mine.float(), theirs.float(), **close)


@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")  # torch's own RMSNorm
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", LAYERS)
def test_autocast_gives_torch_s_dtypes(name, dtype):
    layer = LAYERS[name]()
    twin = nn.Linear(4, 3) if name == "linear" else TWINS[name](4)
    twin = with_parameters_of(twin, layer)
    x = 100 + torch.randn(16, 4, generator=seeded(0)[0])
    with torch.autocast("cpu", dtype):
        for given in (x, x.to(dtype)):
            y, target = layer(given), twin(given)
            assert y.dtype == target.dtype
            torch.testing.assert_close(y, target, rtol=2 * torch.finfo(y.dtype).eps, atol=1e-4)


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
    torch.testing.assert_close(layer.running_mean, batches.mean((0, 1)))
    torch.testing.assert_close(layer.running_var, batches.var(1).mean(0))


@pytest.mark.parametrize("name", NORMALIZATIONS)
@pytest.mark.parametrize("momentum", [0.1, None])
def test_nothing_waits_for_the_device(name, momentum):
    """A tensor on the meta device has no numbers: reading one raises."""
    layer = NORMALIZATIONS[name](3, device="meta", **({"momentum": momentum} if name == "batch" else {}))
    assert layer(torch.empty(5, 3, device="meta")).shape == (5, 3)


# To torch's tools


def moved(model: nn.Module) -> nn.Module:
    """The model after some batches, in evaluation."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(generator=seeded(0)[0])
        for seed in range(3):
            model(5 + torch.randn(16, 4, generator=seeded(seed)[0]))
    return model.eval()


@pytest.mark.parametrize("name", NORMALIZATIONS)
@pytest.mark.parametrize("examples_dim", [-2, -1])
def test_checkpoints_of_torch_go_both_ways(name, examples_dim):
    ours, theirs = NORMALIZATIONS[name](4, examples_dim=examples_dim), TWINS[name](4)
    x = torch.randn(7, 4, generator=seeded(1)[0])
    columns = x.mT if examples_dim == -1 else x
    giver = moved(TWINS[name](4))
    ours.load_state_dict(giver.state_dict())
    y = ours.eval()(columns)
    torch.testing.assert_close(y.mT if examples_dim == -1 else y, giver(x))
    if examples_dim == -2:
        giver = moved(NORMALIZATIONS[name](4))
        theirs.load_state_dict(giver.state_dict())
        torch.testing.assert_close(theirs.eval()(x), giver(x))


def test_a_checkpoint_of_torch_s_linear():
    theirs, ours = nn.Linear(4, 3), Linear(4, 3)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(7, 4)
    torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_a_checkpoint_from_before_torch_s_shapes(name):
    """`(features, 1)` in 0.1."""
    layer = moved(NORMALIZATIONS[name](4))
    old = {key: value.unsqueeze(-1) if value.ndim else value for key, value in layer.state_dict().items()}
    again = NORMALIZATIONS[name](4).eval()
    again.load_state_dict(old)
    assert old["weight"].shape == (4, 1)
    x = torch.randn(7, 4)
    assert torch.equal(again(x), layer(x))


@pytest.mark.parametrize("options", [{}, {"replicas": 2}, {"examples_dim": -1}])
def test_update_bn_measures_anew(options):
    norm = BatchNorm(3, **options)
    batches = 9 + torch.randn(10, 8, 3, generator=seeded(0)[0])
    norm(torch.zeros(3, 3)), swa_utils.update_bn(batches.mT if norm.examples_dim == -1 else batches, norm)
    expected = batches.mean((0, 1)), batches.var(1).mean(0)
    for mine, theirs in zip((norm.running_mean, norm.running_var), expected, strict=True):
        torch.testing.assert_close(mine.view(-1, 3), theirs.expand(mine.numel() // 3, 3))
    assert norm.momentum == 0.1


def test_torch_converts_and_fuses_a_layer_of_rows():
    model, x = moved(nn.Sequential(nn.Linear(4, 3), BatchNorm(3))), torch.randn(7, 4)
    y = model(x)
    torch.testing.assert_close(nn.utils.fuse_linear_bn_eval(*model)(x), y)
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    assert isinstance(converted[1], nn.SyncBatchNorm)
    torch.testing.assert_close(converted(x), y)


def test_torch_func_takes_the_statistics_away():
    model = nn.Sequential(BatchNorm(3))
    assert isinstance(model[0], nn.modules.batchnorm._BatchNorm)
    torch.func.replace_all_batch_norm_modules_(model)
    x = torch.randn(2, 7, 3)
    expected = torch.stack([BatchNorm(3)(one) for one in x])
    torch.testing.assert_close(torch.func.vmap(model)(x), expected)
    torch.testing.assert_close(model.eval()(x[0]), expected[0])


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # inside torch's forward mode
@pytest.mark.parametrize("name", NORMALIZATIONS)
@pytest.mark.parametrize("replicas", [(), (2,)])
def test_derivatives_of_every_kind(name, replicas):
    layer = started(NORMALIZATIONS[name](3, replicas=replicas, dtype=torch.float64))
    x = torch.randn(4, 3, generator=seeded(1)[0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, x, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(layer, x)


def test_refused_input_changes_nothing():
    layer = BatchNorm(3, replicas=(2,))
    before = copy.deepcopy(layer.state_dict())
    for shape in [(1, 3), (0, 3), (5, 2), (3,), (3, 5, 3)]:
        with pytest.raises(ValueError, match="BatchNorm: x must"):
            layer(torch.ones(shape))
    with pytest.raises(TypeError, match="BatchNorm: x must"):
        layer(torch.ones(5, 3, dtype=torch.int64))
    assert all(torch.equal(before[key], value) for key, value in layer.state_dict().items())


def test_the_variance_of_many_rows_keeps_its_digits():
    """Torch's own, row after row in float32, is off by some 1e-5 here."""
    x = torch.randn(100_000, 4, generator=torch.Generator().manual_seed(0))
    norm = BatchNorm(4, momentum=1.0)
    norm(x)
    torch.testing.assert_close(norm.running_var.double(), x.double().var(0), rtol=1e-6, atol=0.0)
