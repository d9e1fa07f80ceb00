"""One row a transform: how it is made, what it should give, who else gives that. The contract reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from unitgain.transforms import PCA, Center, Compose, MinMaxScaler, StandardScaler, Whitening

DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
    ),
    pytest.param("mps", marks=pytest.mark.skipif(not torch.backends.mps.is_available(), reason="needs MPS")),
]


class Subject(NamedTuple):
    """A transform under the contract.

    `make(**options)` gives a fresh one. `truth(x)` is the result of fitting float64 x and transforming it,
    over the last dimension. `peer()` is scikit-learn's, `shared` the fitted attributes that mean the same.
    `of_moved(z, factor)` is what z becomes where the data are (x + shift) · factor. `options` are the
    arguments beyond the defaults that the transform takes, of `dim` and `nan`. `error` is what the statistics
    of float32 data may miss, relative to the largest.
    """

    make: Callable[..., Any]
    truth: Callable[[Tensor], Tensor]
    peer: Callable[[], Any]
    shared: tuple[str, ...] = ("mean_", "n_samples_seen_")
    of_moved: Callable[[Tensor, float], Tensor] = lambda z, factor: z
    options: tuple[str, ...] = ("dim", "nan")
    error: float = 1e-11


class Nothing(nn.Identity):
    """A stage that learns nothing and can be undone."""

    def inverse_transform(self, z: Tensor) -> Tensor:
        return z


def spread(values: Tensor) -> Tensor:
    return values.where(values > 0, 1.0)


def standardized(x: Tensor) -> Tensor:
    return (x - x.mean(0)) / spread(x.std(0, correction=0))


def between(x: Tensor, low: float, high: float) -> Tensor:
    least = x.min(0).values
    return (x - least) * ((high - low) / spread(x.max(0).values - least)) + low


def scikit(name: str, **options: Any) -> Callable[[], Any]:
    def make() -> Any:
        from sklearn import preprocessing

        return getattr(preprocessing, name)(**options)

    return make


def axes(x: Tensor) -> tuple[Tensor, Tensor]:
    """Standard deviations along the principal axes, and the axes as rows, signs as scikit-learn's."""
    _, s, axes = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
    return s / max(len(x) - 1, 1) ** 0.5, axes * largest.sign()


def turned(x: Tensor) -> Tensor:
    return (x - x.mean(0)) @ axes(x)[1].mT


def whitened(x: Tensor, *, back: bool = False) -> Tensor:
    s, turn = axes(x)
    z = turned(x) / s.where(s > 1e-12 * s.amax(), 1.0)
    return z @ turn if back else z


def principal(*, back: bool = False, **options: Any) -> Callable[[], Any]:
    def make() -> Any:
        from sklearn.decomposition import PCA

        class TurnedBack(PCA):
            def transform(self, x: Any) -> Any:
                return super().transform(x) @ self.components_

        return (TurnedBack if back else PCA)(**options)

    return make


AXES = ("mean_", "components_", "explained_variance_")
RANGE = ("data_min_", "data_max_", "scale_", "min_")
TABLE = {
    "Center": Subject(
        Center,
        lambda x: x - x.mean(0),
        scikit("StandardScaler", with_std=False),
        of_moved=lambda z, factor: z * factor,
    ),
    "StandardScaler": Subject(
        StandardScaler, standardized, scikit("StandardScaler"), ("mean_", "var_", "scale_", "n_samples_seen_")
    ),
    "MinMaxScaler": Subject(
        MinMaxScaler, lambda x: between(x, 0, 1), scikit("MinMaxScaler"), (*RANGE, "n_samples_seen_")
    ),
    "MinMaxScaler(-1, 1)": Subject(
        lambda **options: MinMaxScaler((-1, 1), **options),
        lambda x: between(x, -1, 1),
        scikit("MinMaxScaler", feature_range=(-1, 1)),
        RANGE,
    ),
    "PCA": Subject(
        PCA,
        turned,
        principal(),
        (*AXES, "explained_variance_ratio_"),
        of_moved=lambda z, factor: z * factor,
        options=(),
        error=1e-6,
    ),
    "PCA(whiten)": Subject(
        lambda: PCA(whiten=True), whitened, principal(whiten=True), (*AXES, "n_components_"), options=()
    ),
    "Whitening": Subject(Whitening, whitened, principal(whiten=True), AXES, options=()),
    "Whitening(zca)": Subject(
        lambda: Whitening("zca"),
        lambda x: whitened(x, back=True),
        principal(back=True, whiten=True),
        AXES,
        options=(),
    ),
    "Compose": Subject(  # one stage that learns, so it streams
        lambda: Compose(Nothing(), StandardScaler()), standardized, scikit("StandardScaler"), (), options=()
    ),
}


def numbers(n=100, features=3, *, seed=0, dtype=torch.float32, offset=0.0):
    x = torch.randn(n, features, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (x * torch.logspace(-2, 3, features, dtype=torch.float64) + offset).to(dtype)


def statistics(transform):
    return {name: value.clone() for name, value in transform.state_dict().items()}


def assert_same(transform, before):
    after = statistics(transform)
    assert after.keys() == before.keys()
    for name, value in before.items():
        assert value.dtype == after[name].dtype, name
        assert torch.equal(value.nan_to_num(), after[name].nan_to_num()), name


def assert_close(a, b, tolerance=1e-10):
    """All statistics of two transforms agree, relative to the largest of the kind."""
    its = b.state_dict()
    assert a.state_dict().keys() == its.keys()
    for name, value in a.state_dict().items():
        torch.testing.assert_close(
            value, its[name], rtol=tolerance, atol=tolerance * its[name].abs().max().item(), msg=name
        )
