"""datasets.py: each problem follows the rule its docstring states, under a seed and on every device."""

import math
import re
import sys

import numpy as np
import pytest
import torch

from unitgain.datasets import circles, classification_table, split, uniform_cloud, wild_scales
from unitgain.devices import best_device

DEVICES = sorted({"cpu", best_device().type})
N = 40_000


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


MADE = {
    "circles": lambda **options: circles(50, **options),
    "uniform_cloud": lambda **options: [uniform_cloud(50, 8.0, 10.0, **options)],
    "wild_scales": lambda **options: [wild_scales(torch.ones(50, 3), **options)],
    "split": lambda **options: [
        part.x for part in split(torch.arange(50.0).unsqueeze(-1), torch.arange(50), **options)
    ],
}


@pytest.mark.parametrize("name", MADE)
def test_seed_decides_everything(name):
    make = MADE[name]
    state = torch.get_rng_state()
    first, again, other = make(generator=seeded(1)), make(generator=seeded(1)), make(generator=seeded(2))
    assert torch.equal(torch.get_rng_state(), state)  # a generator leaves the global one alone
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    torch.manual_seed(1)
    assert all(
        torch.equal(a, b) for a, b in zip(first, make(), strict=True)
    )  # no generator: torch's global one


@pytest.mark.parametrize("name", ["circles", "uniform_cloud"])
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [None, torch.float16, torch.float32])
def test_device_and_dtype(name, device, dtype):
    """The same points wherever they are asked for."""
    x, *y = MADE[name](generator=seeded(), device=device, dtype=dtype)
    assert x.device.type == device
    assert x.dtype == (dtype or torch.float32)
    assert all(labels.device.type == device and labels.dtype == torch.int64 for labels in y)
    reference = MADE[name](generator=seeded())[0]
    if name == "circles" or dtype != torch.float16:  # torch draws half precision from other random bits
        torch.testing.assert_close(x.cpu(), reference.to(x.dtype))


@pytest.mark.parametrize("device", DEVICES)
def test_tables_keep_their_device(device):
    x, y = torch.rand(20, 3, device=device), torch.arange(20, device=device)
    assert wild_scales(x).device.type == device
    assert {t.device.type for part in split(x, y) for t in part} == {device}


# Circles


@pytest.mark.parametrize("center", [0.0, 10.0, -3.5])
def test_circles_follow_their_rule(center):
    x, y = circles(N, center=center, generator=seeded(), dtype=torch.float64)
    assert x.shape == (N, 2)
    assert y.shape == (N,)
    offset = x - center
    radius, angle = offset.norm(dim=-1), torch.atan2(offset[:, 1], offset[:, 0])
    clear = (radius - 1).abs() > 1e-9  # moving the centre rounds
    assert torch.equal(y[clear], (radius >= 1).long()[clear])
    for half, middle in ((radius[0::2], 0.5), (radius[1::2], 1.5)):
        assert abs(half.mean().item() - middle) < 5 * 0.15 / math.sqrt(N / 2)
        assert abs(half.std().item() - 0.15) < 5 * 0.15 / math.sqrt(N)
    for wave in (angle.cos(), angle.sin(), (2 * angle).cos(), (2 * angle).sin()):
        assert abs(wave.mean().item()) < 5 * math.sqrt(0.5 / N)  # every direction alike


def test_circles_are_balanced_and_not_separable_by_a_line():
    x, y = circles(N, generator=seeded())
    assert abs(y.double().mean().item() - 0.5) < 5 * 0.5 / math.sqrt(N)
    means = torch.stack([x[y == label].mean(dim=0) for label in (0, 1)])
    assert (means[0] - means[1]).norm() < 5 * 2 / math.sqrt(N)  # both classes lie around the same point


def test_default_dtype_is_respected():
    torch.set_default_dtype(torch.float64)
    try:
        assert (
            circles(4).x.dtype
            == uniform_cloud(4, 0, 1).dtype
            == classification_table(20).x.dtype
            == torch.float64
        )
    finally:
        torch.set_default_dtype(torch.float32)


# Clouds and tables


def test_uniform_cloud_fills_its_square():
    x = uniform_cloud(N, -1.0, 3.0, features=3, generator=seeded())
    assert x.shape == (N, 3)
    assert -1 <= x.min() < -0.999
    assert 2.999 < x.max() <= 3
    sd = 4 / math.sqrt(12)
    assert ((x.mean(dim=0) - 1).abs() < 5 * sd / math.sqrt(N)).all()
    assert ((x.std(dim=0) - sd).abs() < 5 * sd / math.sqrt(2 * N)).all()
    assert (torch.corrcoef(x.T).triu(1).abs() < 5 / math.sqrt(N)).all()


@pytest.mark.parametrize("device", DEVICES)
def test_classification_table_is_that_of_scikit_learn(device):
    from sklearn.datasets import make_classification

    state = np.random.get_state()[1].copy()  # noqa: NPY002 (the global state is what must not move)
    x, y = classification_table(200, 7, seed=3, device=device)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002
    expected_x, expected_y = make_classification(n_samples=200, n_features=7, random_state=3)
    np.testing.assert_allclose(x.cpu(), expected_x, rtol=1e-6)
    np.testing.assert_array_equal(y.cpu(), expected_y)
    assert x.device.type == y.device.type == device
    assert x.dtype == torch.float32
    assert y.dtype == torch.int64
    assert not torch.equal(x, classification_table(200, 7, seed=4, device=device).x)


def test_classification_table_without_scikit_learn_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(
        ModuleNotFoundError, match=r"classification_table needs scikit-learn: pip install 'unitgain\[data\]'"
    ):
        classification_table()


def test_wild_scales_changes_units_only():
    """Each column is an affine map of its own; its factor and shift come from the intervals asked for."""
    columns = 20_000
    x = torch.tensor([[0.0], [1.0], [2.0]], dtype=torch.float64).expand(3, columns)
    z = wild_scales(x, decades=(-2.0, 3.0), offset=100.0, generator=seeded())
    shift, scale = z[0], z[1] - z[0]
    torch.testing.assert_close(z[2], shift + 2 * scale, rtol=1e-9, atol=1e-9)
    exponent = scale.log10()
    for values, low, high in ((exponent, -2, 3), (shift, -100, 100)):
        sd = (high - low) / math.sqrt(12)
        assert low - 1e-6 <= values.min()
        assert values.max() <= high + 1e-6
        assert abs(values.mean().item() - (low + high) / 2) < 5 * sd / math.sqrt(columns)
        assert abs(values.std().item() - sd) < 5 * sd / math.sqrt(2 * columns)


def test_wild_scales_leaves_its_input():
    x = torch.rand(5, 3, generator=seeded())
    before = x.clone()
    z = wild_scales(x)
    assert torch.equal(x, before)
    assert z.shape == x.shape
    assert z.dtype == x.dtype
    assert torch.equal(wild_scales(x, offset=0.0, decades=(0.0, 1e-9)), x)


# Splitting


@pytest.mark.parametrize(
    ("shares", "sizes"),
    [
        ({}, [80, 20, 0]),
        ({"validation": 0.0}, [100, 0, 0]),
        ({"validation": 0.25, "test": 0.15}, [60, 25, 15]),
        ({"validation": 0.0, "test": 0.333}, [67, 0, 33]),
    ],
)
def test_split_parts_are_disjoint_and_whole(shares, sizes):
    y = torch.arange(100)
    parts = split(torch.stack([y, -y], dim=-1), y, **shares, generator=seeded())
    assert [len(part.y) for part in parts] == sizes
    assert torch.equal(torch.cat([part.y for part in parts]).sort().values, y)
    for part in parts:
        assert torch.equal(part.x, torch.stack([part.y, -part.y], dim=-1))  # rows and labels stay together
    assert not torch.equal(parts.train.y, parts.train.y.sort().values)


X, Y = torch.zeros(10, 2), torch.zeros(10)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: circles(1), "circles: n must be at least 2, got 1"),
        (
            lambda: uniform_cloud(0, 0, 1),
            "uniform_cloud: n and features must be at least 1, got n=0, features=2",
        ),
        (
            lambda: uniform_cloud(5, 0, 1, features=0),
            "n and features must be at least 1, got n=5, features=0",
        ),
        (lambda: uniform_cloud(5, 2, 2), "uniform_cloud: low must be below high, got low=2, high=2"),
        (lambda: uniform_cloud(5, math.nan, 2), "uniform_cloud: low must be below high, got low=nan, high=2"),
        (
            lambda: classification_table(50, 3),
            "n must be at least 1 and features at least 4, got n=50, features=3",
        ),
        (
            lambda: classification_table(0),
            "n must be at least 1 and features at least 4, got n=0, features=20",
        ),
        (
            lambda: wild_scales(X, decades=(3.0, -2.0)),
            "decades must be (low, high) with low < high, got (3.0, -2.0)",
        ),
        (lambda: wild_scales(X, decades=(0.0, math.nan)), "with low < high, got (0.0, nan)"),
        (lambda: wild_scales(X, offset=-1.0), "wild_scales: offset must be at least 0, got -1.0"),
        (
            lambda: split(X, Y, validation=1.0),
            "shares must be in [0, 1) and leave a training part, got validation=1.0, test=0.0",
        ),
        (lambda: split(X, Y, validation=-0.1), "got validation=-0.1, test=0.0"),
        (lambda: split(X, Y, test=math.nan), "got validation=0.2, test=nan"),
        (lambda: split(X, Y, validation=0.5, test=0.5), "got validation=0.5, test=0.5"),
        (
            lambda: split(X[:2], Y[:2], validation=0.6, test=0.3),
            "must leave a training part, got validation=0.6, test=0.3 of 2",
        ),
        (
            lambda: split(X[:0], Y[:0]),
            "must leave a training part, got validation=0.2, test=0.0 of 0 examples",
        ),
        (lambda: split(X, Y[:9]), "split: x and y must have the same number of examples, got 10 and 9"),
    ],
)
def test_bad_input_is_named(call, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        call()
