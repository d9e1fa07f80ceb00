"""Small problems on which networks fail for a reason one can see."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Generator, Tensor

__all__ = ["Examples", "Split", "circles", "classification_table", "split", "uniform_cloud", "wild_scales"]


class Examples(NamedTuple):
    """Inputs `x`, shape `(n, features)`, and targets `y`, shape `(n,)`.

    Examples:
        >>> from unitgain.datasets import circles
        >>> circles(100).x.shape
        torch.Size([100, 2])

    Source: the field's usual layout, one example a row.
    """

    x: Tensor
    y: Tensor


class Split(NamedTuple):
    """Three disjoint parts of a data set; fit every statistic on `train` alone.

    Examples:
        >>> from unitgain.datasets import circles, split
        >>> split(*circles(100)).train.x.shape
        torch.Size([80, 2])

    Source: Hastie, Tibshirani & Friedman, *The Elements of Statistical Learning* (2009), section 7.2.
    """

    train: Examples
    validation: Examples
    test: Examples


def circles(
    n: int,
    *,
    center: float = 0.0,
    generator: Generator | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Examples:
    """Two noisy concentric circles of radius 0.5 and 1.5: class 1 at least 1 from the middle.

    No straight line separates them, so whoever does well has used the hidden layer.

    Args:
        n: Number of points, at least 2; half of them on each circle, up to noise (normal, standard deviation
            0.15).
        center: Where the middle lies, in both coordinates.
        generator: Draws the points (on the CPU).
        device, dtype: Where and as what they are returned.

    Returns:
        x of shape `(n, 2)` and y of shape `(n,)`, int64, 0 or 1.

    Raises:
        ValueError: For fewer than 2 points.

    Examples:
        >>> import torch
        >>> from unitgain.datasets import circles
        >>> x, y = circles(200, center=10.0, generator=torch.Generator().manual_seed(0))
        >>> bool(((x - 10).norm(dim=-1) >= 1).long().equal(y))
        True

    Source: the concentric circles of Galletti, *Tuning neural networks, part I: normalize your data*.
    """
    if not n >= 2:
        raise ValueError(f"circles: n must be at least 2, got {n}")
    angle = torch.empty(n, dtype=torch.float64).uniform_(0, 2 * math.pi, generator=generator)
    middle = torch.where(torch.arange(n) % 2 == 0, 0.5, 1.5)
    radius = middle + 0.15 * torch.randn(n, generator=generator, dtype=torch.float64)
    x = center + radius.unsqueeze(-1) * torch.stack([angle.cos(), angle.sin()], dim=-1)
    y = (radius.abs() >= 1).long()
    return Examples(x.to(device=device, dtype=dtype or torch.get_default_dtype()), y.to(device))


def uniform_cloud(
    n: int,
    low: float,
    high: float,
    *,
    features: int = 2,
    generator: Generator | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Points drawn from U(low, high) in every coordinate.

    Args:
        n: Number of points, at least 1.
        low, high: Ends of the interval, low < high.
        features: Coordinates a point, at least 1.
        generator: Draws the points (on the CPU).
        device, dtype: Where and as what they are returned.

    Returns:
        Shape `(n, features)`.

    Raises:
        ValueError: Unless n ≥ 1, features ≥ 1 and low < high.

    Examples:
        >>> import torch
        >>> from unitgain.datasets import uniform_cloud
        >>> x = uniform_cloud(500, 8.0, 10.0)
        >>> x.shape, bool((x >= 8).all() and (x <= 10).all())
        (torch.Size([500, 2]), True)

    Source: the shifting data of Galletti, *Tuning neural networks, part I: normalize your data*.
    """
    if not (n >= 1 and features >= 1):
        raise ValueError(f"uniform_cloud: n and features must be at least 1, got n={n}, features={features}")
    if not low < high:
        raise ValueError(f"uniform_cloud: low must be below high, got low={low}, high={high}")
    x = torch.empty(n, features, dtype=dtype or torch.get_default_dtype())
    return x.uniform_(low, high, generator=generator).to(device)


def classification_table(
    n: int = 1000,
    features: int = 20,
    *,
    seed: int = 0,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Examples:
    """scikit-learn's make_classification with its defaults.

    Two classes; 2 informative features, 2 redundant ones, the rest noise.

    Args:
        n: Number of rows, at least 1.
        features: Number of columns, at least 4.
        seed: scikit-learn's random_state.
        device, dtype: Where and as what they are returned.

    Returns:
        x of shape `(n, features)` and y of shape `(n,)`, int64, 0 or 1.

    Raises:
        ValueError: Unless n ≥ 1 and features ≥ 4.
        ModuleNotFoundError: Without scikit-learn; the message names the extra to install.

    Examples:
        >>> from unitgain.datasets import classification_table
        >>> classification_table(100).x.shape
        torch.Size([100, 20])

    Source: Guyon, *Design of experiments of the NIPS 2003 variable selection benchmark* (2003).
    """
    if not (n >= 1 and features >= 4):
        raise ValueError(
            "classification_table: n must be at least 1 and features at least 4, "
            f"got n={n}, features={features}"
        )
    try:
        from sklearn.datasets import make_classification
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "classification_table needs scikit-learn: pip install 'unitgain[data]'"
        ) from error
    x, y = make_classification(n_samples=n, n_features=features, random_state=seed)
    return Examples(
        torch.as_tensor(x, dtype=dtype or torch.get_default_dtype(), device=device),
        torch.as_tensor(y, device=device).long(),
    )


def wild_scales(
    x: Tensor,
    *,
    decades: tuple[float, float] = (-2.0, 3.0),
    offset: float = 100.0,
    generator: Generator | None = None,
) -> Tensor:
    """The same table in unlucky units: each column times 10^U(decades), plus U(-offset, offset).

    Args:
        x: `(n, features)`; not changed.
        decades: Ends of the exponents' interval.
        offset: Largest shift of a column, at least 0.
        generator: Draws one scale and one offset a column (on the CPU).

    Returns:
        A new tensor of the same shape, dtype and device.

    Raises:
        ValueError: Unless the decades are in order and offset ≥ 0.

    Examples:
        >>> import torch
        >>> from unitgain.datasets import wild_scales
        >>> wild_scales(torch.ones(3, 2), decades=(1.0, 1.0 + 1e-9), offset=0.0)
        tensor([[10., 10.],
                [10., 10.],
                [10., 10.]])

    Source: stands for tables whose columns are metres, euros and ages at once.
    """
    if not decades[0] < decades[1]:
        raise ValueError(f"wild_scales: decades must be (low, high) with low < high, got {decades}")
    if not offset >= 0:
        raise ValueError(f"wild_scales: offset must be at least 0, got {offset}")
    features = x.shape[-1]
    scale = 10 ** torch.empty(features, dtype=torch.float64).uniform_(*decades, generator=generator)
    shift = offset * torch.empty(features, dtype=torch.float64).uniform_(-1, 1, generator=generator)
    return (x.double().cpu() * scale + shift).to(x)


def split(
    x: Tensor, y: Tensor, *, validation: float = 0.2, test: float = 0.0, generator: Generator | None = None
) -> Split:
    """Shuffle the examples and cut them into three disjoint parts.

    Args:
        x: `(n, features)`.
        y: `(n,)`.
        validation, test: Shares of the examples, each in [0, 1), together below 1.
        generator: Draws the order (on the CPU).

    Returns:
        The three parts; the training part is what the other two leave.

    Raises:
        ValueError: For shares out of range or that round to an empty training part; for x and y of different
            lengths.

    Examples:
        >>> import torch
        >>> from unitgain.datasets import split
        >>> parts = split(torch.zeros(10, 2), torch.zeros(10), validation=0.2, test=0.3)
        >>> [len(part.x) for part in parts]
        [5, 2, 3]

    Source: scikit-learn's train_test_split.
    """
    if not (0 <= validation < 1 and 0 <= test < 1 and validation + test < 1):
        raise ValueError(
            "split: shares must be in [0, 1) and leave a training part, "
            f"got validation={validation}, test={test}"
        )
    if len(x) != len(y):
        raise ValueError(f"split: x and y must have the same number of examples, got {len(x)} and {len(y)}")
    n = len(x)
    sizes = [round(n * validation), round(n * test)]
    if not sum(sizes) < n:
        raise ValueError(
            "split: shares must leave a training part, "
            f"got validation={validation}, test={test} of {n} examples"
        )
    order = torch.randperm(n, generator=generator).to(x.device)
    parts = order.split([n - sum(sizes), *sizes])
    return Split(*(Examples(x[rows], y[rows]) for rows in parts))
