"""observe: every measure against computing it by hand, and against the bits of the unobserved."""

import copy
import itertools
from functools import partial

import pytest
import torch
from torch import nn

from tests.diagnostics.nets import (
    DEVICES,
    assert_no_trace,
    assert_signal,
    data,
    pieces,
    small_net,
)
from unitgain.activations import Activation
from unitgain.diagnostics import (
    correlation,
    effective_rank,
    observe,
    saturation,
)
from unitgain.layers import Linear
from unitgain.models import MLP
from unitgain.optimizers import Adam


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
    assert names == ["layer", "act", "layer#2", "act#2"]
    assert [row["layer"] for row in seen.table()] == names
    assert [row["norm"] is None for row in seen.table()] == [False, True, True, True]
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
    assert [len(record.layers) for record in (*seen.evaluations, *seen.steps)] == [5, 5, 5]
    assert not seen.evaluations[0].layers[0].mean.is_inference()
    torch.testing.assert_close(seen.evaluations[0].layers[3].mean, seen.last.layers[3].mean)
    torch.testing.assert_close(seen.evaluations[1].layers[3].rank, seen.last.layers[3].rank)


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
        samples = list(seen._steps[-1].samples.values())
        assert [tuple(t.shape) for t in samples] == [(100, 8)] * 2  # what is passed on is kept once
        assert [record.step for record in seen.steps] == [5, 6, 7, 8]
        assert all(layer._pass.output is None for record in seen.steps[:-1] for layer in record.layers)
    assert not seen._memory
    assert not seen._before


def test_the_sample_is_spread_over_the_data():
    """Rows of a ramp: every tenth of the data gives a tenth of the sample, positions of images included."""
    x = torch.arange(20_000.0).view(50, 2, 10, 20)
    model = nn.Sequential(nn.Hardtanh(0, 1e9))
    with observe(model, sample=500) as seen:
        model(x)
    kept = seen.last.layers[0]._pass.output
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


def test_measures_do_not_follow_autocast():
    """Correlation and rank in the precision of the outputs, also when they are read within it."""
    model, x = small_net(), data()
    with observe(model) as seen, torch.autocast("cpu", torch.bfloat16):
        out = model[0](x)
        model(x)
        within = seen.last.layers[0]
        read = within.correlation, within.rank, within.mean
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(read, (correlation(out), effective_rank(out), out.float().mean(0)))


@pytest.mark.parametrize("n", [1000, 50_000])
@pytest.mark.parametrize("distance", [0.0, 1e3, 1e5])
def test_moments_near_and_far(distance, n):
    """Of few rows and of many, and of a constant unit; the quick way is left where it is too coarse."""
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(0)) + distance
    x[:, 3] = distance + 0.1
    with observe(nn.Sequential(nn.Identity(), nn.ReLU()), sample=n) as seen:
        seen._model(x)
    layer, exact = seen.last.layers[0], x.relu().double()
    torch.testing.assert_close(layer.mean, exact.mean(0).float(), rtol=3e-6, atol=1e-6)
    torch.testing.assert_close(layer.std[:3], exact.std(0, correction=0).float()[:3], rtol=2e-3, atol=0)
    assert layer.std[3] <= 1e-6 * max(distance, 1)
