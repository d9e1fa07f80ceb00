"""diagnostics: every figure against computing it by hand; observe against the bits of the unobserved."""

import copy
import itertools
import math
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from unitgain.activations import Activation
from unitgain.devices import best_device
from unitgain.diagnostics import (
    LayerActivity,
    LayerSignal,
    activity,
    correlation,
    effective_rank,
    observe,
    saturation,
)
from unitgain.layers import Linear
from unitgain.models import MLP
from unitgain.optimizers import Adam

DEVICES = sorted({"cpu", best_device().type})


def counted(z: torch.Tensor) -> tuple[list[float], list[int]]:
    """Share of the points that activate each unit, and active units on each point, of `z`, (n, units)."""
    n, units = z.shape
    active = [[z[i, j].item() > 0 for j in range(units)] for i in range(n)]
    return [sum(row[j] for row in active) / n for j in range(units)], [sum(row) for row in active]


def assert_counts(layer: LayerActivity, z: torch.Tensor) -> None:
    share, count = counted(z)
    torch.testing.assert_close(layer.share.cpu(), torch.tensor(share))
    assert layer.count.tolist() == count
    assert layer.dead.tolist() == [s == 0 for s in share]
    assert layer.always_on.tolist() == [s == 1 for s in share]


def far_away(n: int = 30, device: str = "cpu") -> torch.Tensor:
    """Points at which some units are dead and some always on."""
    return (2 + torch.rand(n, 2, generator=torch.Generator().manual_seed(0))).to(device)


@pytest.mark.parametrize("kind", [nn.ReLU, nn.Sigmoid, nn.Tanh, nn.GELU, nn.LeakyReLU, nn.Hardsigmoid])
def test_counts_on_sequential(kind):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 9), kind(), nn.Linear(9, 5), kind(), nn.Linear(5, 1))
    x = far_away()
    layers = activity(model, x)
    assert [layer.name for layer in layers] == ["1", "3"]
    for layer, position in zip(layers, (1, 3), strict=True):
        assert_counts(layer, model[:position](x).detach())


@pytest.mark.parametrize("name", ["relu", "sigmoid", "identity"])
@pytest.mark.parametrize("device", DEVICES)
def test_counts_on_mlp_and_its_replicas(name, device):
    generators = [torch.Generator().manual_seed(seed) for seed in range(6)]
    model = MLP(
        (2, 9, 5, 1), name, replicas=(2, 3), weight="uniform", bias="uniform", generator=generators
    ).to(device)
    x = far_away(device=device)
    layers = activity(model, x)
    assert [layer.name for layer in layers] == ["activations.0", "activations.1"]
    assert [tuple(layer.share.shape) for layer in layers] == [(2, 3, 9), (2, 3, 5)]
    assert [tuple(layer.count.shape) for layer in layers] == [(2, 3, 30), (2, 3, 30)]
    states = set()
    for k in range(6):
        single = MLP(
            (2, 9, 5, 1), name, weight="uniform", bias="uniform", generator=torch.Generator().manual_seed(k)
        )
        single.to(device)
        before = [single.layers[0](x.mT).mT, single.layers[1](single.hidden(x)[0].mT).mT]
        for layer, z in zip(layers, before, strict=True):
            i, j = divmod(k, 3)
            one = LayerActivity(layer.name, layer.share[i, j], layer.count[i, j])
            assert_counts(one, z.detach())
            states |= {"dead"} if one.dead.any() else set()
            states |= {"always on"} if one.always_on.any() else set()
    assert states == {"dead", "always on"}  # the data is such that both occur


def test_counts_what_arrives_even_where_it_is_overwritten():
    """Hardsigmoid lifts small negative numbers above 0; in place, nothing of them is left afterwards."""
    z = torch.tensor([[-1.0, 1.0], [-4.0, 2.0]])
    for inplace in (False, True):
        assert_counts(activity(nn.Sequential(nn.Identity(), nn.Hardsigmoid(inplace)), z.clone())[0], z)


class Pooled(nn.Module):
    """A convolution over time, and what functions do between it and its activation."""

    def __init__(self):
        super().__init__()
        self.conv, self.act = nn.Conv1d(2, 8, 3), nn.ReLU()

    def forward(self, x):
        return self.act(nn.functional.max_pool1d(self.conv(x), 2))


@pytest.mark.parametrize(
    ("model", "layer", "shape", "rows"),
    [
        (nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), "0", (4, 3, 6, 6), 4 * 16),
        (nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()), "1", (4, 3, 6, 6), 4 * 16),
        (nn.Sequential(nn.Conv3d(1, 8, 2), nn.ReLU()), "0", (2, 1, 3, 3, 3), 2 * 8),
        (nn.Sequential(nn.Conv1d(2, 8, 3), nn.ReLU()), "0", (4, 2, 9), 4 * 7),
        (nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), "0", (3, 6, 6), 16),
        (Pooled(), "conv", (4, 2, 10), 4 * 4),
        (nn.Sequential(nn.Linear(16, 8), nn.ReLU()), "0", (4, 5, 16), 20),
        (nn.Sequential(nn.Linear(16, 8), nn.Dropout(0.0), nn.GELU()), "0", (2, 3, 5, 16), 30),
    ],
)
def test_a_dead_unit_is_one_channel_or_one_place_in_a_sequence(model, layer, shape, rows):
    """One of eight is dead and one always on, whatever the examples look like."""
    torch.manual_seed(0)
    for module in model.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    parameters = dict(model.named_modules())[layer]
    with torch.no_grad():
        parameters.bias[:2] = torch.tensor([-100.0, 100.0])
    (found,) = activity(model, torch.randn(shape))
    assert found.dead.nonzero().flatten().tolist() == [0]
    assert found.always_on.nonzero().flatten().tolist() == [1]
    assert found.share.shape == (8,)
    assert found.count.shape == (rows,)
    with observe(model) as seen:
        model(torch.randn(shape))
    assert seen.last.layers[-1].dead.nonzero().flatten().tolist() == [0]


def test_one_example_is_a_batch_of_one():
    (layer,) = activity(nn.Sequential(nn.Linear(16, 8), nn.ReLU()), torch.randn(16))
    assert layer.share.shape == (8,)
    assert layer.count.tolist() == [int(layer.share.sum())]


def test_zero_is_not_active():
    layer = activity(nn.ReLU(), torch.zeros(3, 2))[0]
    assert layer.dead.all()
    assert layer.count.tolist() == [0, 0, 0]


def test_a_diverged_unit_is_not_called_dead():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    with torch.no_grad():
        model[0].weight[1] = torch.nan
        model[0].bias[2] = -1e6
    with observe(model) as seen:
        (layer,) = activity(model, torch.ones(4, 2))
    for one in (layer, *seen.last.layers):
        assert one.share.isnan().tolist() == [False, True, False]
        assert one.dead[1:].tolist() == [False, True]


def test_a_module_that_runs_twice_is_reported_twice():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = Activation("relu")

        def forward(self, x):
            return self.act(-self.act(x))

    first, second = activity(Twice(), torch.ones(4, 2))
    assert first.name == second.name == "act"
    assert first.always_on.all()
    assert second.dead.all()


def test_modules_that_mix_units_are_left_out():
    model = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3), nn.Softmax(dim=-1))
    assert [layer.name for layer in activity(model, far_away())] == ["1"]


@pytest.mark.parametrize("training", [True, False])
def test_leaves_the_model_as_it_was(training):
    model = nn.Sequential(
        nn.Linear(2, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 1)
    ).train(training)
    model(far_away()).sum().backward()
    before, gradient = copy.deepcopy(model.state_dict()), model[0].weight.grad.clone()
    x = far_away().requires_grad_()
    layers = activity(model, x)
    assert not layers[0].share.requires_grad
    assert x.grad is None
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    assert torch.equal(model[0].weight.grad, gradient)
    assert all(module.training is training for module in model.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_batch_norm_runs_in_the_mode_it_is_in():
    model = nn.Sequential(nn.BatchNorm1d(2, affine=False), nn.ReLU())
    x = 100 + far_away()
    assert not activity(model.train(), x)[0].always_on.any()
    assert activity(model.eval(), x)[0].always_on.all()  # with running statistics still 0 and 1


def test_hooks_go_after_an_exception():
    class Broken(nn.Module):
        def forward(self, x):
            raise RuntimeError("broken on purpose")

    model = nn.Sequential(nn.ReLU(), Broken())
    with pytest.raises(RuntimeError, match="on purpose"):
        activity(model, torch.ones(2, 2))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    "model", [nn.Linear(2, 1), nn.Sequential(nn.Linear(2, 1), nn.Softmax(dim=-1)), MLP((2, 1))]
)
def test_model_without_activations_is_refused(model):
    with pytest.raises(
        ValueError, match=rf"activity: model must hold .*nn\.ReLU\(\), {type(model).__name__} ran none"
    ):
        activity(model, far_away())


# observe: against computing by hand


def pieces(model: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    """The output of every module of an nn.Sequential, detached copies."""
    outputs = []
    for module in model:
        x = module(x)
        outputs.append(x.detach().clone())
    return outputs


def assert_signal(layer: LayerSignal, out: torch.Tensor, z: torch.Tensor) -> None:
    """Against `out` and the pre-activations `z`, (…, n, units)."""
    out, z = out.double(), z.double()
    n = out.shape[-2]
    mean = out.sum(-2) / n
    std = ((out - mean.unsqueeze(-2)) ** 2).sum(-2).div(n).sqrt()
    torch.testing.assert_close(layer.mean.double(), mean, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(layer.std.double(), std, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        layer.share.double(), (z > 0).sum(-2) / n, rtol=0, atol=1e-6, check_dtype=False
    )
    assert torch.equal(layer.dead, (z <= 0).all(-2))
    assert torch.equal(layer.always_on, (z > 0).all(-2))
    torch.testing.assert_close(layer.rank, effective_rank(out))
    torch.testing.assert_close(layer.correlation, correlation(out), equal_nan=True)


def small_net(kind=nn.ReLU, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 7), kind(), nn.Linear(7, 5), kind(), nn.Linear(5, 2))


def data(n: int = 20, features: int = 3, seed: int = 1) -> torch.Tensor:
    return torch.randn(n, features, generator=torch.Generator().manual_seed(seed)) + 0.5


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", [nn.ReLU, partial(nn.ReLU, inplace=True), nn.Tanh, nn.PReLU, nn.Sigmoid])
def test_signals_of_a_sequential(kind, device):
    model, x = small_net(kind).to(device), data().to(device)
    with observe(model) as seen:
        model(x)
    outs = pieces(model, x)
    assert [layer.name for layer in seen.last.layers] == ["0", "1", "2", "3", "4"]
    assert seen.last.gradients == []
    for i, layer in enumerate(seen.last.layers):
        assert_signal(layer, outs[i], outs[i - 1] if i in (1, 3) else outs[i])
        assert layer.mean.device.type == device
        assert layer.gradient is None
        if i in (1, 3):
            torch.testing.assert_close(layer.saturation, saturation(model[i], outs[i - 1]))
            assert torch.equal(layer.saturated, layer.saturation == 1)
        else:
            assert layer.saturation is layer.saturated is None


@pytest.mark.parametrize("activation_name", ["relu", "tanh"])
def test_replicas_stay_apart(activation_name):
    """Each of six networks in MLP's columns, against that network alone."""
    model = MLP((3, 7, 5, 2), activation_name, replicas=(2, 3), generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x = data(9)
    with observe(model, optimizer=optimizer) as seen:
        model(x).square().mean((-2, -1)).sum().backward()
        optimizer.step()
    record = seen.last
    assert [g.name for g in record.gradients] == ["layers.0", "layers.1", "layers.2"]
    assert record.ratios.shape == (2, 2, 3)
    model.load_state_dict(
        MLP(
            (3, 7, 5, 2), activation_name, replicas=(2, 3), generator=torch.Generator().manual_seed(0)
        ).state_dict()
    )
    for i, j in itertools.product(range(2), range(3)):
        single = MLP((3, 7, 5, 2), activation_name)
        single.load_state_dict({key: value[i, j] for key, value in model.state_dict().items()})
        alone = torch.optim.SGD(single.parameters(), lr=0.1)
        hidden, z = single.hidden(x)[0].detach(), single.layers[0](x.mT).mT.detach()
        with observe(single, optimizer=alone) as one:
            single(x).square().mean().backward()
            alone.step()
        assert [layer.name for layer in one.last.layers] == [layer.name for layer in record.layers]
        for ours, peer in zip(record.layers, one.last.layers, strict=True):
            for figure in ("mean", "std", "share", "gradient", "correlation", "rank"):
                torch.testing.assert_close(
                    getattr(ours, figure)[i, j], getattr(peer, figure), equal_nan=True, msg=figure
                )
            if peer.saturation is not None:
                torch.testing.assert_close(ours.saturation[i, j], peer.saturation)
        for ours, peer in zip(record.gradients, one.last.gradients, strict=True):
            for figure in ("norm", "zeros", "non_finite", "update"):
                torch.testing.assert_close(getattr(ours, figure)[i, j], getattr(peer, figure), msg=figure)
        assert_signal(one.last.layers[1], hidden, z)


def test_units_of_images_are_channels():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 5, 3), nn.BatchNorm2d(5), nn.ReLU(inplace=True), nn.Conv2d(5, 4, 2), nn.Tanh(),
        nn.Flatten(), nn.Linear(36, 3),
    )  # fmt: skip
    x = torch.randn(6, 2, 6, 6)
    reference = copy.deepcopy(model)
    with observe(model) as seen:
        model(x)
    outs = pieces(reference, x)
    flat = [out.movedim(1, -1).flatten(0, -2) if out.ndim == 4 else out for out in outs]
    flat[0] = flat[0].clone()
    layers = seen.last.layers
    assert [layer.name for layer in layers] == ["0", "1", "2", "3", "4", "6"]
    for layer, (i, j) in zip(layers, [(0, 0), (1, 1), (2, 1), (3, 3), (4, 3), (6, 6)], strict=True):
        assert_signal(layer, flat[i], flat[j])
    torch.testing.assert_close(layers[4].saturation, saturation(torch.tanh, flat[3]))


@pytest.mark.parametrize(
    ("module", "shape", "units", "mean_over"),
    [
        (nn.Conv1d(2, 5, 3), (4, 2, 9), 5, (0, 2)),
        (nn.Conv1d(2, 5, 3), (2, 9), 5, (1,)),  # not batched
        (nn.Linear(6, 5), (4, 3, 6), 5, (0, 1)),
        (nn.Linear(6, 5), (6,), 5, ()),
        (nn.Embedding(9, 5), (4, 3), 5, (0, 1)),
        (nn.LSTM(6, 5, batch_first=True), (4, 3, 6), 5, (0, 1)),
        (nn.LayerNorm(6), (4, 3, 6), 6, (0, 1)),
        (nn.LayerNorm((3, 6)), (4, 3, 6), 3, (0, 2)),
        (nn.GroupNorm(1, 3), (4, 3, 6), 3, (0, 2)),
        (nn.ReLU(), (4, 3, 5, 6), 3, (0, 2, 3)),
        (nn.ReLU(), (4, 3, 6), 6, (0, 1)),
        (Activation("relu", examples_dim=-1), (4, 3, 6), (4, 3), (2,)),
        (Linear(6, 5), (4, 3, 6), 5, (0, 1)),
    ],
)
def test_which_dimension_are_units(module, shape, units, mean_over):
    x = torch.randint(9, shape) if isinstance(module, nn.Embedding) else torch.randn(shape)
    with observe(module) as seen, torch.no_grad():
        out = module(x)
    out = out[0] if isinstance(out, tuple) else out
    mean = seen.last.layers[0].mean
    assert mean.shape == (torch.Size(units) if isinstance(units, tuple) else (units,))
    torch.testing.assert_close(mean, out.mean(mean_over) if mean_over else out)


@pytest.mark.parametrize("between", [nn.Identity(), nn.Dropout(0.1)])
def test_an_activation_takes_the_layout_of_the_layer_before(between):
    model = nn.Sequential(nn.Conv1d(2, 5, 3), between, nn.ReLU())
    with observe(model) as seen:
        model(torch.randn(4, 2, 9))
    assert seen.last.layers[1].mean.shape == (5,)


def test_what_happens_between_a_layer_and_its_activation_is_seen():
    class Shifted(nn.Module):
        def __init__(self, in_place):
            super().__init__()
            self.in_place, self.layer, self.act = in_place, nn.Linear(3, 4), nn.ReLU()

        def forward(self, x):
            z = self.layer(x)
            return self.act(z.add_(9) if self.in_place else z + 9)

    for in_place in (True, False):
        model, x = Shifted(in_place), data()
        with observe(model) as seen:
            model(x)
        z = model.layer(x).detach()
        assert_signal(seen.last.layers[0], z, z)
        assert_signal(seen.last.layers[1], z + 9, z + 9)


def test_an_activation_of_an_activation():
    x = data()
    with observe(model := nn.Sequential(nn.Softplus(), nn.ReLU())) as seen:
        model(x)
    h = nn.functional.softplus(x)
    assert_signal(seen.last.layers[0], h, x)
    assert_signal(seen.last.layers[1], h, h)


def test_more_data_than_the_sample_holds():
    """Means, deviations and shares are of all data even so; in images, in rows and in columns."""
    x, conv = torch.randn(8, 2, 9, 9) + 100, nn.Conv2d(2, 3, 2)
    model = nn.Sequential(conv, nn.BatchNorm2d(3), nn.ReLU(inplace=True))
    with observe(model, sample=50) as seen:
        model(x)
    outs = [out.movedim(1, -1).flatten(0, -2) for out in pieces(copy.deepcopy(model), x)]
    assert seen.last.layers[0].rank > 0
    for layer, (i, j) in zip(seen.last.layers, [(0, 0), (1, 1), (2, 1)], strict=True):
        layer.__dict__.update(rank=effective_rank(outs[i]), correlation=correlation(outs[i]))  # not of all
        assert_signal(layer, outs[i], outs[j])
    model, x = MLP((3, 7, 2), replicas=(2,)), data(60)
    with observe(model, sample=50) as seen:
        model(x)
    h, z = model.hidden(x)[0].detach(), model.layers[0](x.mT).mT.detach()
    seen.last.layers[1].__dict__.update(rank=effective_rank(h), correlation=correlation(h))
    assert_signal(seen.last.layers[1], h, z)


def test_a_functional_model_and_kinds_without_figures():
    class Winner(nn.PReLU):
        def forward(self, x):
            return x.argmax(-1)  # whole numbers have no figures

    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.eye(2))
            self.norm = nn.LayerNorm(2, elementwise_affine=False)
            self.act, self.winner = nn.ReLU(), Winner()

        def forward(self, x):
            self.act(input=x)  # by keyword: no pre-activation is seen
            self.winner(x)
            return self.norm(x @ self.weight), "not a tensor first, but a tuple"

    model = Functional()
    with observe(model) as seen:
        model(data(5, 2))[0].sum().backward()
    assert [layer.name for layer in seen.last.layers] == ["act", "norm", ""]
    assert [gradient.name for gradient in seen.last.gradients] == [""]


def test_parametrized_layers():
    model = nn.Sequential(torch.nn.utils.parametrizations.weight_norm(nn.Linear(3, 2, bias=False)))
    with observe(model) as seen:
        model(data()).sum().backward()
    assert [layer.name for layer in seen.last.layers] == ["0"]
    assert [gradient.name for gradient in seen.last.gradients] == ["0.parametrizations.weight"]


def test_a_shared_module_has_a_row_for_each_call():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.act = nn.Linear(4, 4), nn.ReLU()

        def forward(self, x):
            return self.act(self.layer(self.act(self.layer(x))))

    model, x = Twice(), data(8, 4)
    with observe(model) as seen:
        model(x).sum().backward()
    names = [layer.name for layer in seen.last.layers]
    assert names == ["layer", "act", "layer", "act"]
    h = model.act(model.layer(x)).detach()
    assert_signal(seen.last.layers[2], model.layer(h).detach(), model.layer(h).detach())
    (gradient,) = seen.last.gradients
    expected = torch.cat([p.grad.flatten() for p in model.parameters()]).norm()
    torch.testing.assert_close(gradient.norm, expected)


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_in_both_modes(training):
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU()).train(training)
    x = 5 + data(30)
    reference = copy.deepcopy(model)
    with observe(model) as seen:
        model(x)
    outs = pieces(reference, x)
    for i, layer in enumerate(seen.last.layers):
        assert_signal(layer, outs[i], outs[1 if i == 2 else i])
    torch.testing.assert_close(model.state_dict(), reference.state_dict(), rtol=0, atol=0)
    centred = seen.last.layers[1].mean.abs().max() < 1e-5
    assert bool(centred) is training


def test_deviation_far_from_zero():
    x = 1e4 + data(500, 3)
    with observe(nn.Sequential(nn.Identity(), nn.ReLU())) as seen:
        seen._model(x)
    torch.testing.assert_close(
        seen.last.layers[0].std, x.double().std(0, correction=0).float(), rtol=1e-3, atol=0
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_dtypes(dtype):
    model, x = small_net().to(dtype), data(300).to(dtype)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with observe(model, optimizer=optimizer) as seen:
        model(x).square().mean().backward()
        optimizer.step()
    outs = pieces(small_net().to(dtype), x)
    for i in (1, 3):
        share = (outs[i - 1] > 0).double().mean(0)
        torch.testing.assert_close(
            seen.last.layers[i].share.double(), share
        )  # of 300: bfloat16 counts to 256
        assert seen.last.layers[i].saturation is not None
    assert seen.last.gradients[0].norm.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


def test_known_dead_units_and_their_zero_gradients():
    model, x = small_net(), data()
    with torch.no_grad():
        model[0].bias[:3] = -100.0
        model[0].bias[3] = 100.0
    with observe(model) as seen:
        model(x).sum().backward()
    first, gradients = seen.last.layers[1], seen.last.gradients
    assert first.dead.tolist()[:4] == [True, True, True, False]
    assert first.always_on.tolist()[3] is True
    assert torch.equal(first.saturated, first.dead)
    for gradient, module in zip(gradients, (model[0], model[2], model[4]), strict=True):
        entries = torch.cat([module.weight.grad.flatten(), module.bias.grad])
        torch.testing.assert_close(gradient.zeros, (entries == 0).float().mean())
    assert gradients[0].zeros >= 3 / 7


def test_signal_on_its_way_back():
    """Root mean square of the loss's gradient with respect to each output, against autograd by hand."""
    model, x = small_net(nn.Tanh), data()
    with observe(model) as seen:
        model(x).square().mean().backward()
    h, outs = x, []
    for module in model:
        h = module(h)
        h.retain_grad()
        outs.append(h)
    model.zero_grad()
    h.square().mean().backward()
    for layer, out in zip(seen.last.layers, outs, strict=True):
        torch.testing.assert_close(layer.gradient, out.grad.square().mean().sqrt())


# Gradients and updates


def train_step(model, optimizer, x, *, zero=True):
    if zero:
        optimizer.zero_grad()
    model(x).square().mean().backward()


@pytest.mark.parametrize("make", [partial(torch.optim.SGD, momentum=0.9), torch.optim.Adam, Adam])
@pytest.mark.parametrize("width", [7, 99])  # 7 · 99 entries wait for their figures, 99 · 99 do not
def test_norms_ratios_and_updates_by_hand(make, width):
    model, x = (
        nn.Sequential(nn.Linear(3, width), nn.Tanh(), nn.Linear(width, 99), nn.ReLU(), nn.Linear(99, 2)),
        data(),
    )
    optimizer = make(model.parameters(), lr=0.05)
    expected = []
    with observe(model, optimizer=optimizer) as seen:
        for _ in range(4):
            train_step(model, optimizer, x)
            before = [
                torch.cat([p.detach().flatten().clone() for p in model[i].parameters()]) for i in (0, 2, 4)
            ]
            norms = torch.stack(
                [torch.cat([p.grad.flatten() for p in model[i].parameters()]).norm() for i in (0, 2, 4)]
            )
            optimizer.step()
            after = [torch.cat([p.detach().flatten() for p in model[i].parameters()]) for i in (0, 2, 4)]
            update = torch.stack([(b - a).norm() / b.norm() for b, a in zip(before, after, strict=True)])
            expected.append((norms, update))
    assert [record.step for record in seen.steps] == [0, 1, 2, 3]
    for record, (norms, update) in zip(seen.steps, expected, strict=True):
        torch.testing.assert_close(torch.stack([g.norm for g in record.gradients]), norms)
        assert not any(g.non_finite for g in record.gradients)
        torch.testing.assert_close(
            torch.stack([g.update for g in record.gradients]), update, rtol=1e-4, atol=0
        )
        torch.testing.assert_close(record.ratios, norms[:-1] / norms[1:])


def test_counts_in_large_parameters():
    model = nn.Linear(99, 50, bias=False)
    x = torch.ones(1, 99)
    x[0, :9], x[0, 9] = 0, torch.inf
    with observe(model) as seen:
        model(x).sum().backward()
    (gradient,) = seen.last.gradients
    assert gradient.zeros.item() == pytest.approx(9 / 99)
    assert int(gradient.non_finite) == 50


@pytest.mark.parametrize("device", DEVICES)
def test_non_finite_values_of_one_replica_in_large_parameters(device):
    """One replica's norm is finite, one's not, one overflows float32 although every entry is finite."""
    layer = Linear(99, 50, replicas=(3,)).to(device)
    factors = torch.tensor([1.0, torch.nan, 3e38], device=device).view(3, 1, 1)
    with observe(layer) as seen:
        (layer(torch.ones(1, 99, device=device)) * factors).sum().backward()
    (gradient,) = seen.last.gradients
    assert gradient.non_finite.tolist() == [0, 5000, 0]
    assert gradient.norm.isfinite().tolist() == [True, False, False]


def test_a_tied_weight_belongs_to_the_first_layer():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    with observe(model) as seen:
        model(data()).sum().backward()
    first, second = seen.last.gradients
    both = torch.cat([p.grad.flatten() for p in model[0].parameters()])
    torch.testing.assert_close(first.norm, both.norm())
    torch.testing.assert_close(second.norm, model[1].bias.grad.norm())


def test_without_an_optimizer_there_is_no_update():
    model = small_net()
    with observe(model) as seen:
        model(data()).sum().backward()
    assert [gradient.update for gradient in seen.last.gradients] == [None] * 3


def test_non_finite_values_are_counted():
    model = nn.Linear(3, 2)
    with observe(model) as seen:
        model(torch.tensor([[1.0, torch.inf, 0.0]])).sum().backward()
    (gradient,) = seen.last.gradients
    assert int(gradient.non_finite) == 2  # the column of ∞ in both units' weights
    assert gradient.zeros == 2 / 8
    assert not gradient.norm.isfinite()
    layer = seen.last.layers[0]
    assert not layer.mean.isfinite().any()
    assert layer.rank.isnan()
    with observe(model) as seen:
        (model(torch.ones(1, 3)) * torch.nan).sum().backward()
    assert int(seen.last.gradients[0].non_finite) == 8


def test_frozen_layers_have_no_gradient_row_until_they_thaw():
    model, x = small_net(), data()
    model[2].requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with observe(model, optimizer=optimizer) as seen:
        for step in range(4):
            model[2].requires_grad_(step >= 2)
            train_step(model, optimizer, x)
            optimizer.step()
    names = [[gradient.name for gradient in record.gradients] for record in seen.steps]
    assert names == [["0", "4"]] * 2 + [["0", "2", "4"]] * 2
    assert seen.steps[1].gradients[0].update > 0


def test_accumulated_gradients_are_one_step():
    model, batches = small_net(), [data(seed=i) for i in range(3)]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with observe(model, optimizer=optimizer) as seen:
        for _ in range(2):
            optimizer.zero_grad()
            for batch in batches:
                train_step(model, optimizer, batch, zero=False)
            norm = torch.cat([p.grad.flatten() for p in model[0].parameters()]).norm()
            before = [out.detach().clone() for out in pieces(copy.deepcopy(model), batches[-1])]
            optimizer.step()
    assert [record.step for record in seen.steps] == [0, 1]
    assert len(seen.last.layers) == 5
    torch.testing.assert_close(seen.last.gradients[0].norm, norm)
    assert_signal(seen.last.layers[0], before[0], before[0])


def test_closures_and_sparse_gradients():
    model = nn.Sequential(nn.Embedding(9, 3, sparse=True), nn.Linear(3, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = model(torch.tensor([1, 1, 4])).square().mean()
        loss.backward()
        return loss

    before = model[0].weight.detach().clone()
    with observe(model, optimizer=optimizer) as seen:
        optimizer.step(closure)
    gradient = seen.last.gradients[0]
    torch.testing.assert_close(gradient.norm, model[0].weight.grad.to_dense().norm())
    torch.testing.assert_close(gradient.zeros, torch.tensor(7 / 9))
    torch.testing.assert_close(gradient.update, (model[0].weight.detach() - before).norm() / before.norm())


# Which steps


@pytest.mark.parametrize("with_optimizer", [True, False])
@pytest.mark.parametrize("every", [1, 3, 7])
def test_every_kth_step(every, with_optimizer):
    model, batches = small_net(), [data(seed=i) for i in range(10)]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    first = []
    with observe(model, every=every, optimizer=optimizer if with_optimizer else None) as seen:
        for batch in batches:
            first.append(model[0].weight.detach() @ batch.mT + model[0].bias.detach()[:, None])
            train_step(model, optimizer, batch)
            optimizer.step()
    assert [record.step for record in seen.steps] == list(range(0, 10, every))
    for record in seen.steps:
        torch.testing.assert_close(record.layers[0].mean, first[record.step].mean(-1))
        assert len(record.layers) == 5
        assert len(record.gradients) == 3


def test_only_the_layers_named():
    model = small_net()
    with observe(model, layers=["2", "1"]) as seen:
        model(data()).sum().backward()
    assert [layer.name for layer in seen.last.layers] == ["1", "2"]
    assert [gradient.name for gradient in seen.last.gradients] == ["2"]


def test_a_model_that_is_one_layer():
    model = nn.Hardsigmoid(inplace=True)
    for every in (1, 2):
        with observe(model, every=every) as seen:
            for _ in range(3):
                model(torch.tensor([[-1.0, 1.0]]))
        assert seen.last.layers[0].saturation is not None
        assert [record.step for record in seen.steps] == list(range(0, 3, every))
        assert [record.layers[0].share.tolist() for record in seen.steps] == [[0, 1]] * len(seen.steps)
        assert [len(record.layers) for record in seen.steps] == [1] * len(seen.steps)


def test_inference_mode_gives_ordinary_tensors():
    model, x = small_net(), data()
    with observe(model) as seen:
        for _ in range(2):
            with torch.inference_mode():
                model(x)
        model(x).sum().backward()
    assert [len(record.layers) for record in seen.steps] == [5, 5, 5]
    assert not seen.steps[0].layers[0].mean.is_inference()
    torch.testing.assert_close(seen.steps[0].layers[3].mean, seen.last.layers[3].mean)


# What is kept


def test_heavy_figures_are_of_the_last_measured_step():
    model = small_net()
    with observe(model) as seen:
        model(data())
        read = seen.last.layers[1]
        rank = read.rank
        model(data(seed=5))
        assert read.rank is rank  # once read, it stays
        with pytest.raises(RuntimeError, match="LayerSignal: correlation must be read before"):
            _ = read.correlation
    assert seen.last.layers[1].correlation.isfinite()


def test_memory_is_bounded():
    model, x = nn.Sequential(nn.Linear(3, 8), nn.ReLU()), data(5000)
    with observe(model, sample=100, keep=4) as seen:
        for _ in range(9):
            model(x)
        samples = list(seen._samples.values())
        assert [tuple(t.shape) for t in samples] == [(100, 8)] * 2  # what is passed on is kept once
        assert [record.step for record in seen.steps] == [5, 6, 7, 8]
        assert all(layer._pass.left is None for record in seen.steps[:-1] for layer in record.layers)
    assert not seen._samples
    assert not seen._buffers
    assert not seen._before


def test_the_sample_is_spread_over_the_data():
    """Rows of a ramp: every tenth of the data gives a tenth of the sample, positions of images included."""
    x = torch.arange(20_000.0).view(50, 2, 10, 20)
    model = nn.Sequential(nn.Hardtanh(0, 1e9))
    with observe(model, sample=500) as seen:
        model(x)
    kept = seen.last.layers[0]._pass.left
    assert kept.shape == (500, 2)
    places = (kept[:, 0] % 200) + 200 * (kept[:, 0] // 400)  # of channel 0, 0 … 9,999
    assert len(set(places.tolist())) == 500
    for part in (places // 1000, places % 20 // 2, places % 200 // 20):
        counts = torch.bincount(part.long(), minlength=10)
        assert ((counts > 40) & (counts < 60)).all()


def test_table():
    model, x = small_net(), data()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with observe(model, optimizer=optimizer, every=2) as seen:
        for _ in range(3):
            train_step(model, optimizer, x)
            optimizer.step()
    rows = seen.table()
    assert [(row["step"], row["layer"]) for row in rows] == [(s, str(i)) for s in (0, 2) for i in range(5)]
    last, record = rows[5], seen.last
    assert last["mean"] == pytest.approx(record.layers[0].mean.mean().item())
    assert last["share"] == pytest.approx(record.layers[0].share.mean().item())
    assert last["norm"] == pytest.approx(record.gradients[0].norm.item())
    assert last["update"] == pytest.approx(record.gradients[0].update.item())
    assert rows[6]["norm"] is None
    assert all(value is None or type(value) in (int, float, str) for row in rows for value in row.values())


def test_table_of_parameters_whose_module_does_not_run():
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.scales = nn.ParameterList([torch.ones(2)])
            self.act = nn.ReLU()

        def forward(self, x):
            return self.act(x * self.scales[0])

    with observe(model := Plain()) as seen:
        model(data(4, 2)).sum().backward()
    assert [(row["layer"], row["mean"] is None, row["norm"] is None) for row in seen.table()] == [
        ("act", False, True),
        ("scales", True, False),
    ]


# Without a trace


def training_run(watch: dict | None) -> list[torch.Tensor]:
    """Losses, weights, gradients, buffers and the next random numbers after nine steps."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout(0.3), nn.Flatten(),
        nn.Linear(64, 6), nn.RReLU(), nn.Linear(6, 2),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []

    def loop(seen=None):
        for step in range(9):
            optimizer.zero_grad()
            for _ in range(1 + step % 2):
                loss = model(torch.randn(5, 1, 6, 6)).square().mean()
                loss.backward()
            optimizer.step()
            losses.append(loss.detach())
            if seen is not None:
                assert all(layer.rank.isfinite() for layer in seen.last.layers)
                assert all(
                    layer.saturation is None or layer.saturation.isfinite().all()
                    for layer in seen.last.layers
                )
            with torch.no_grad():
                losses.append(model.eval()(torch.ones(2, 1, 6, 6)))
                model.train()

    if watch is None:
        loop()
    else:
        with observe(model, optimizer=optimizer if watch.pop("optimizer") else None, **watch) as seen:
            loop(seen)
        assert_no_trace(model, optimizer)
        loop()
    if watch is None:
        loop()
    state = [v for key in optimizer.state_dict()["state"].values() for v in key.values()]
    return [
        *losses,
        *model.state_dict().values(),
        *(p.grad for p in model.parameters()),
        *state,
        torch.rand(3),
    ]


def assert_no_trace(model: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> None:
    hooks = [value for module in model.modules() for key, value in vars(module).items() if "_hooks" in key]
    for parameter in model.parameters():
        hooks += [parameter._post_accumulate_grad_hooks, parameter._backward_hooks]
    if optimizer is not None:
        hooks += [optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks]
    assert len(hooks) > 8
    assert not any(hooks)


@pytest.mark.parametrize("every", [1, 4])
@pytest.mark.parametrize("with_optimizer", [True, False])
def test_no_trace_in_the_bits_of_a_training_run(every, with_optimizer):
    plain, watched = training_run(None), training_run({"every": every, "optimizer": with_optimizer})
    assert len(plain) == len(watched)
    assert all(torch.equal(a, b) for a, b in zip(plain, watched, strict=True))


@pytest.mark.parametrize("where", ["forward", "backward", "loop"])
def test_no_trace_after_an_exception(where):
    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            if where == "forward":
                raise ArithmeticError("on purpose")
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            raise ArithmeticError("on purpose")

    class Middle(nn.Module):
        def forward(self, x):
            return x if where == "loop" else Broken.apply(x)

    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), Middle(), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def loop():
        with observe(model, optimizer=optimizer) as seen:
            watched.append(seen)
            out = model(data())
            out.sum().backward()
            raise ArithmeticError("on purpose")

    watched: list = []
    with pytest.raises(ArithmeticError, match="on purpose"):
        loop()
    assert_no_trace(model, optimizer)
    assert watched[0].last.layers[0].name == "0"


def test_an_output_that_outlives_the_block_carries_no_hook():
    model, x = small_net(), data()
    with observe(model) as seen:
        out = model(x)
    out.sum().backward()
    assert not out._backward_hooks
    assert [layer.gradient for layer in seen.last.layers] == [None] * 5
    assert seen.last.gradients == []


# The figures themselves


def test_saturation_goes_by_the_derivative():
    z = torch.tensor([[-3.0], [-2.0], [0.0], [2.1], [2.3], [9.0]])
    expected = [1 - math.tanh(v) ** 2 < 0.05 for v in z.flatten().tolist()]
    assert saturation(torch.tanh, z).item() == pytest.approx(sum(expected) / 6)
    assert 0 < sum(expected) < 6
    assert saturation(nn.ReLU(inplace=True), z.clone()).item() == pytest.approx(3 / 6)
    assert saturation(nn.LeakyReLU(0.1), z).item() == 0
    assert saturation(nn.LeakyReLU(0.01), z).item() == pytest.approx(3 / 6)  # a slope of 1 % of the peak's
    assert saturation(nn.Tanh(), z, fraction=0.999).item() == pytest.approx(5 / 6)
    s = torch.tensor([[math.log(0.0126 / (1 - 0.0126))], [math.log(0.0128 / (1 - 0.0128))]])
    assert saturation(torch.sigmoid, s).item() == 0.5  # s (1 - s) = 0.05 / 4 at s = 0.01266


def test_saturation_leaves_the_module_alone():
    module, z = nn.RReLU(), torch.randn(50, 4)
    calls = []
    module.register_forward_hook(lambda *a: calls.append(a))
    before = torch.random.get_rng_state()
    saturation(module, z)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert module.training
    assert not calls


def test_saturation_of_units_with_slopes_of_their_own():
    module = nn.PReLU(3)
    with torch.no_grad():
        module.weight.copy_(
            torch.tensor([0.01, 0.5, 100.0])
        )  # the third is flat on the right, seen from its peak
    assert saturation(module, torch.tensor([[-1.0] * 3, [1.0] * 3])).tolist() == [0.5, 0, 0.5]


@given(st.integers(1, 6), st.integers(0, 2**31))
def test_effective_rank_of_equal_singular_values_is_the_rank(r, seed):
    generator = torch.Generator().manual_seed(seed)
    u = torch.linalg.qr(torch.randn(2, 9, r, dtype=torch.float64, generator=generator))[0]
    v = torch.linalg.qr(torch.randn(2, 7, r, dtype=torch.float64, generator=generator))[0]
    torch.testing.assert_close(effective_rank(3 * u @ v.mT), torch.full((2,), float(r), dtype=torch.float64))


def test_effective_rank_by_hand():
    assert effective_rank(torch.zeros(4, 3)) == 0
    assert effective_rank(torch.full((4, 3), torch.inf)).isnan()
    p = torch.tensor([0.75, 0.25])
    assert effective_rank(torch.diag(torch.tensor([3.0, 1.0]))).item() == pytest.approx(
        math.exp(-sum(v * math.log(v) for v in p.tolist()))
    )
    batch = torch.stack([torch.eye(3), torch.full((3, 3), torch.nan)])
    torch.testing.assert_close(effective_rank(batch), torch.tensor([3.0, torch.nan]).double(), equal_nan=True)


@given(st.integers(2, 6), st.integers(0, 2**31))
def test_correlation_is_that_of_numpy(units, seed):
    h = torch.randn(3, 12, units, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) + 100
    for one, value in zip(h, correlation(h), strict=True):
        rho = np.abs(np.corrcoef(one.numpy().T))
        expected = (rho.sum() - units) / (units * (units - 1))
        assert value.item() == pytest.approx(expected, abs=1e-9)
    torch.testing.assert_close(correlation(-3 * h + 7), correlation(h))


def test_correlation_leaves_constant_units_out():
    h = torch.randn(20, 3, dtype=torch.float64)
    for n in range(3, 21):  # for most of them 0.1 is not the rounded mean of n times 0.1
        with_dead = torch.cat([h[:n], torch.full((n, 2), 0.1, dtype=torch.float64)], -1)
        torch.testing.assert_close(correlation(with_dead), correlation(h[:n]))
        assert correlation(with_dead[:, 2:]).isnan()
