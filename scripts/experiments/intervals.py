"""The intervals that experiments assert with: 95 % unless told."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, ndtri, stdtrit

LEVEL = 0.95
Z95 = float(ndtri((1 + LEVEL) / 2))

Interval = tuple[float, float]


def wilson(hits: ArrayLike, level: float = LEVEL) -> Interval:
    """Wilson's score interval for the share of True in `hits`, shape (n,)."""
    hits = np.asarray(hits, dtype=bool).ravel()
    n, p, z = hits.size, float(hits.mean()), float(ndtri((1 + level) / 2))
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return min(p, middle - half), max(p, middle + half)  # rounding must not exclude p = 0 or 1


def mean_interval(values: ArrayLike, level: float = LEVEL) -> Interval:
    """Student's interval for the mean of independent `values`, shape (n,), n ≥ 2."""
    return _students(values, 1, level)


def resampled_interval(values: ArrayLike, *, test: float, training: float, level: float = LEVEL) -> Interval:
    """The interval for the mean of `values`, shape (n,), each from a random split of the same data.

    Such splits share most of their rows, so that more of them do not narrow the mean as independent ones
    would: its variance is s² (1/n + test / training), where `test` and `training` are the rows, or shares, of
    a split. (Nadeau & Bengio, *Inference for the generalization error*, 2003, section 3.)
    """
    return _students(values, 1 + np.size(values) * test / training, level)


def _students(values: ArrayLike, inflation: float, level: float) -> Interval:
    values = np.asarray(values, dtype=np.float64).ravel()
    error = values.std(ddof=1) * math.sqrt(inflation / values.size)
    half = stdtrit(values.size - 1, (1 + level) / 2) * error
    return float(values.mean() - half), float(values.mean() + half)


def median_interval(values: ArrayLike, level: float = LEVEL, *, strict: bool = False) -> Interval:
    """The order statistics around the median of independent `values`, shape (n,): `level` or more.

    Too few for the level (n < 6 for 95 %) give their whole range, or are refused if `strict`.
    """
    values = np.sort(np.asarray(values, dtype=np.float64).ravel())
    n = values.size
    k = int(np.searchsorted(bdtr(np.arange(n), n, 0.5), (1 - level) / 2))  # P(Binomial(n, ½) < k) ≤ that
    if strict and k < 1:
        raise ValueError(f"median_interval: values must be more for the level {level:.4g}, got {n}")
    k = min(max(k, 1), (n + 1) // 2)
    return float(values[k - 1]), float(values[n - k])


def ratio(one: ArrayLike, other: ArrayLike, level: float = LEVEL) -> tuple[float, Interval]:
    """The geometric mean of `one` / `other`, (n,) each, positive and paired, and Student's interval of it."""
    log = np.log(np.divide(one, other, dtype=np.float64))
    low, high = mean_interval(log, level)
    return math.exp(mean(log)), (math.exp(low), math.exp(high))


def mean(values: ArrayLike) -> float:
    """The mean as a plain float, NaN refused."""
    result = float(np.mean(np.asarray(values, dtype=np.float64)))
    if math.isnan(result):
        raise ValueError("mean: values must not contain NaN")
    return result


def apart(low_side: Interval, high_side: Interval) -> bool:
    """Whether the whole of `low_side` lies below the whole of `high_side`."""
    return low_side[1] < high_side[0]
