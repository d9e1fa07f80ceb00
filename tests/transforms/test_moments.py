"""The statistics themselves: any chunk, any layout, small memory."""

import pytest
import torch

from unitgain.transforms import MinMaxScaler, StandardScaler, moments
from unitgain.transforms.comoments import CoMoments
from unitgain.transforms.moments import Extremes, Moments


@pytest.mark.parametrize(
    ("shape", "dim"), [((50_000, 5), -1), ((3, 40_000), 0), ((2, 3, 300, 200), 1), ((400_001,), None)]
)
def test_many_chunks(shape, dim, monkeypatch):
    monkeypatch.setattr(moments, "CHUNK", 2**15)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)) + 5
    keep = None if dim is None else dim % x.ndim
    assert len(list(moments.pieces(x, keep, moments.CHUNK))) > 1
    others = [d for d in range(x.ndim) if d != keep]
    scaler = StandardScaler(dim).fit(x)
    torch.testing.assert_close(scaler.mean_, x.double().mean(others), rtol=1e-12, atol=0)
    torch.testing.assert_close(scaler.var_, x.double().var(others, correction=0), rtol=1e-12, atol=0)


def test_the_float64_copy_is_small_and_shared(monkeypatch):
    seen = []
    run = Moments._measure_and_destroy
    monkeypatch.setattr(moments, "CHUNK", 1000)
    monkeypatch.setattr(
        Moments, "_measure_and_destroy", lambda values, *rest: [seen.append(values), run(values, *rest)][1]
    )
    StandardScaler(1).fit(torch.randn(9, 5, 30, 30))
    assert sum(values.numel() for values in seen) == 9 * 5 * 30 * 30
    assert max(values.numel() for values in seen) <= 1000
    assert len({values.data_ptr() for values in seen}) == 1


def test_a_piece_is_never_larger_than_asked():
    x = torch.empty(7, 3, 50, 60)
    parts = list(moments.pieces(x, 1, 1000))
    assert max(part.numel() for part in parts) <= 1000
    assert sum(part.numel() for part in parts) == x.numel()
    assert {part.shape[1] for part in parts} == {3}


@pytest.mark.parametrize("omit_nan", [False, True])
@pytest.mark.parametrize(
    ("shape", "dim"), [((5000, 5), -1), ((3, 4000), 0), ((2, 3, 30, 20), 1), ((4001,), None)]
)
def test_extremes_of_many_pieces(shape, dim, omit_nan, monkeypatch):
    monkeypatch.setattr(moments, "CHUNK", 100)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    if omit_nan:
        x[torch.rand(shape, generator=torch.Generator().manual_seed(1)) < 0.2] = torch.nan
    count, low, high = Extremes.measure(x, dim, omit_nan=omit_nan)
    rows = x.reshape(-1, 1) if dim is None else x.movedim(dim, -1).reshape(-1, x.shape[dim])
    assert torch.equal(low.view(-1), rows.nan_to_num(9e9).min(0).values.double())
    assert torch.equal(high.view(-1), rows.nan_to_num(-9e9).max(0).values.double())
    assert torch.as_tensor(count).expand(rows.shape[1]).tolist() == (~rows.isnan()).sum(0).tolist()
    assert MinMaxScaler(dim=dim, nan="omit").fit(x).data_min_.equal(low)


@pytest.mark.parametrize("kind", [Moments, Extremes])
def test_nothing_changes_nothing(kind):
    some = kind.measure(torch.tensor([[1.0, -2.0], [3.0, 5.0]]))
    nothing = kind.nothing((2,), torch.device("cpu"))
    for merged in (some.merge(nothing), nothing.merge(some)):
        assert merged.n == some.n
        assert all(torch.equal(a, b) for a, b in zip(merged[1:], some[1:], strict=True))
    assert nothing.merge(nothing).n == 0


@pytest.mark.parametrize("kind", [Moments, Extremes, CoMoments])
def test_a_merge_leaves_both_as_they_were(kind):
    one, other = (
        kind.measure(torch.tensor([[1.0, 2.0], [3.0, 5.0]])),
        kind.measure(torch.tensor([[9.0, 4.0]])),
    )
    parts = [part for part in (*one, *other) if isinstance(part, torch.Tensor)]
    before = [part.clone() for part in parts]
    one.merge(other)
    assert all(map(torch.equal, parts, before))


@pytest.mark.parametrize("omit_nan", [False, True])
@pytest.mark.parametrize("n", [10, 100, 10_001])
def test_a_constant_has_no_moment_at_all(n, omit_nan):
    """Nor has the next number a moment of 0: the rounding of the mean is no part of it."""
    values = torch.tensor([1e-10, 0.1, -1e6 / 3, 1e150, 7e-320], dtype=torch.float64)
    _, mean, m2 = Moments.measure(values.expand(n, 5).clone(), omit_nan=omit_nan)
    assert torch.equal(mean, values)
    assert m2.eq(0).all()
    rows = values.expand(n, 5).clone()
    rows[0] = torch.nextafter(values, torch.tensor(torch.inf, dtype=torch.float64))
    assert Moments.measure(rows[:, :3], omit_nan=omit_nan).m2.gt(0).all()
