"""activity: shares and counts against counting by hand."""

import copy

import pytest
import torch
from torch import nn

from tests.diagnostics.nets import DEVICES
from unitgain.activations import Activation
from unitgain.diagnostics import (
    LayerActivity,
    activity,
    observe,
)
from unitgain.models import MLP


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
    assert [first.name, second.name] == ["act", "act#2"]
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
