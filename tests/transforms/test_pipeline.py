"""Compose: what a chain adds to its stages; the contract covers a chain with one stage that learns."""

import copy
import warnings

import pytest
import torch
from torch import nn

from tests.transforms.table import assert_close, assert_same, numbers, statistics
from unitgain.transforms import Center, Compose, MinMaxScaler, StandardScaler, pipeline


def chain(**options):
    return Compose(StandardScaler(**options), MinMaxScaler((-1, 1), **options))


def by_hand(x, *stages):
    for stage in stages:
        x = stage.fit(x)(x)
    return x


def test_each_stage_is_fitted_to_the_result_of_those_before():
    x = numbers(200, 3, offset=5)
    stages = StandardScaler(), MinMaxScaler((-1, 1))
    expected = by_hand(x, *stages)
    fitted = chain().fit(x)
    assert torch.equal(fitted(x), expected)
    for ours, theirs in zip(fitted.stages, stages, strict=True):
        assert_same(ours, statistics(theirs))
    torch.testing.assert_close(fitted.inverse_transform(expected), x, rtol=1e-5, atol=1e-5)
    assert torch.equal(chain().fit(x.numpy()).transform(x.numpy()), expected)


@pytest.mark.parametrize("shape", [(1000, 3), (40, 3, 5, 5)])
def test_data_pass_in_pieces(shape, monkeypatch):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 3 + 7
    dim = 1 if len(shape) == 4 else -1
    whole = chain(dim=dim).fit(x)
    monkeypatch.setattr(pipeline, "ROWS_OF", 300)
    sizes = []
    run = StandardScaler.transform
    monkeypatch.setattr(
        StandardScaler, "transform", lambda self, x, **out: [sizes.append(x.numel()), run(self, x, **out)][1]
    )
    pieces = chain(dim=dim).fit(x)
    assert sum(sizes) == x.numel()
    assert max(sizes) <= 300
    assert_close(pieces, whole)
    assert pieces.stages[1].n_samples_seen_ == x.numel() // 3


@pytest.mark.parametrize("dim", [0, -2])
def test_rows_that_are_features_stay_together(dim, monkeypatch):
    x = torch.randn(5, 400, generator=torch.Generator().manual_seed(0))
    whole = chain(dim=dim).fit(x)
    monkeypatch.setattr(pipeline, "ROWS_OF", 300)
    assert_same(chain(dim=dim).fit(x), statistics(whole))


def test_a_module_is_a_stage_that_learns_nothing():
    x = torch.rand(20, 2, 3, generator=torch.Generator().manual_seed(0))
    made = Compose(nn.Flatten(), StandardScaler()).fit(x)
    assert torch.equal(made(x), StandardScaler().fit(x.flatten(1))(x.flatten(1)))
    with pytest.raises(
        TypeError, match="must have an inverse_transform to be undone, got a Flatten, which has none"
    ):
        made.inverse_transform(made(x))
    halves = Compose(nn.Flatten(), StandardScaler()).partial_fit(x[:7]).partial_fit(x[7:].numpy())
    assert_close(halves, made)
    merged = (
        Compose(nn.Flatten(), StandardScaler())
        .fit(x[:7])
        .merge(Compose(nn.Flatten(), StandardScaler()).fit(x[7:]))
    )
    assert_close(merged, made)
    assert Compose(nn.Flatten()).fit(x)(x).shape == (20, 6)


def test_a_chain_in_a_chain_stands_for_its_stages():
    x = numbers()
    nested = Compose(Compose(Center(), StandardScaler()), MinMaxScaler()).fit(x)
    assert [type(stage) for stage in nested.stages] == [Center, StandardScaler, MinMaxScaler]
    assert torch.equal(nested(x), by_hand(x, Center(), StandardScaler(), MinMaxScaler()))


@pytest.mark.parametrize(
    "call", [lambda c: c.partial_fit(numbers()), lambda c: c.merge(chain()), lambda c: c.synchronize()]
)
@pytest.mark.parametrize("made", [chain(), Compose(nn.Flatten())])
def test_what_cannot_stream_says_why(made, call):
    fitted = made.fit(numbers())
    before = statistics(fitted)
    with pytest.raises(
        RuntimeError, match=r"must have exactly one stage that learns, .* got (2 \(Stan.*\)|0 \(none\)):"
    ):
        call(fitted)
    assert_same(fitted, before)


class Overflow(nn.Module):
    """Makes infinity of large values."""

    def forward(self, x):
        return torch.where(x.abs() > 1.5, torch.inf, x)


def test_a_failed_fit_changes_no_stage():
    x = numbers(100, 3)
    made = Compose(StandardScaler(), Overflow(), MinMaxScaler()).fit(torch.tensor([[1.0, 2, 3], [4, 6, 5]]))
    before = statistics(made)
    with pytest.raises(ValueError, match="x must not hold infinity"):
        made.fit(x)
    assert_same(made, before)
    fresh = Compose(StandardScaler(), Overflow(), MinMaxScaler())
    with pytest.raises(ValueError, match="x must not hold infinity"):
        fresh.fit(x)
    assert fresh.stages[0].mean_ is None


def test_saved_and_loaded_fitted_and_unfitted():
    fitted, unfitted = chain().fit(numbers()), chain()
    assert list(fitted.state_dict())[:2] == ["stages.0.n_samples_seen_", "stages.0.mean_"]
    target = chain()
    target.load_state_dict(fitted.state_dict())
    assert torch.equal(target(numbers(seed=1)), fitted(numbers(seed=1)))
    target.load_state_dict(unfitted.state_dict())
    with pytest.raises(RuntimeError, match="StandardScaler: it must be fitted before use"):
        target(numbers())
    twin = copy.deepcopy(fitted)
    assert_same(twin.to(torch.bfloat16), statistics(fitted))


def test_exports_and_passes_gradients():
    x = numbers(40, 3)
    model = nn.Sequential(chain().fit(x), nn.Linear(3, 2)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own deprecations
        program = torch.export.export(model, (x,), dynamic_shapes=({0: torch.export.Dim("rows", min=2)},))
    other = numbers(43, 3, seed=5)
    torch.testing.assert_close(program.module()(other), model(other))
    assert torch.autograd.gradcheck(model[0], (x.double()[:4].requires_grad_(),))


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: Compose(), ValueError, "transforms must hold at least one stage, got none"),
        (
            lambda: Compose(Center(), abs),
            TypeError,
            "transforms must be modules, got a builtin_function_or_method as stage 1",
        ),
        (
            lambda: Compose(*[Center()] * 2),
            ValueError,
            "transforms must differ, got the same Center twice",
        ),
        (
            lambda: Compose(nn.Flatten(), Center()).merge(Compose(Center())),
            TypeError,
            "other must be a Compose of Flatten, Center, got a Compose of Center",
        ),
    ],
)
def test_misuse_is_named(call, kind, message):
    with pytest.raises(kind) as error:
        call()
    assert message in str(error.value)
