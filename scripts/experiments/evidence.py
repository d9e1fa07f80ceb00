"""What an experiment may assert, and the intervals it must assert it with (95 % throughout)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, stdtrit

VERDICTS = ("confirmed", "depends", "refuted")
Z95 = 1.959963984540054  # the 97.5 % point of the standard normal distribution

SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

Interval = tuple[float, float]


@dataclass(frozen=True)
class Claim:
    """One statement, the verdict written down for it, and the measurement that must go on supporting it.

    `holds` is computed: True when the measurement supports the written verdict. For "refuted" that means the
    statement fails; for "depends", that the named condition flips it. The build stops where `holds` is False.
    An identity has no `interval`: it is exact, and its estimate the largest error seen.

    Write `Claim.of_mean(values, id=…, …)` and its like: they derive `estimate`, `interval` and `n`.
    """

    id: str
    statement: str
    sources: tuple[str, ...]
    verdict: str
    measure: str
    estimate: float
    interval: Interval | None
    n: int
    holds: bool
    finding: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "holds", bool(self.holds))  # numpy's True is not JSON's
        if self.verdict not in VERDICTS:
            raise ValueError(f"Claim {self.id!r}: verdict must be one of {VERDICTS}, got {self.verdict!r}")
        low, high = self.interval or (self.estimate, self.estimate)
        if not (low <= self.estimate <= high):
            raise ValueError(
                f"Claim {self.id!r}: the interval must hold the estimate {self.estimate}, got {self.interval}"
            )
        if not self.n > 0:
            raise ValueError(f"Claim {self.id!r}: n must be positive, got {self.n}")

    @classmethod
    def of_mean(cls, values: ArrayLike, **words) -> Claim:
        """The mean of independent `values` (n,), or of paired differences, with Student's interval."""
        return cls(estimate=mean(values), interval=mean_interval(values), n=np.size(values), **words)

    @classmethod
    def of_difference(cls, one: ArrayLike, other: ArrayLike, **words) -> Claim:
        """The mean of `one` − `other`, (n,) each, paired."""
        return cls.of_mean(np.subtract(one, other, dtype=np.float64), **words)

    @classmethod
    def of_ratio(cls, one: ArrayLike, other: ArrayLike, **words) -> Claim:
        """The geometric mean of `one` / `other`, (n,) each, positive and paired."""
        estimate, interval = ratio(one, other)
        return cls(estimate=estimate, interval=interval, n=np.size(one), **words)

    @classmethod
    def of_median(cls, values: ArrayLike, **words) -> Claim:
        """The median of independent `values` (n,), with the order statistics around it."""
        interval = median_interval(values)
        return cls(estimate=float(np.median(values)), interval=interval, n=np.size(values), **words)

    @classmethod
    def of_fraction(cls, hits: ArrayLike, **words) -> Claim:
        """The fraction of True in independent `hits` (n,), with Wilson's interval."""
        return cls(estimate=mean(hits), interval=wilson(hits), n=np.size(hits), **words)

    @classmethod
    def of_identity(cls, errors: ArrayLike, **words) -> Claim:
        """An identity: the largest of the absolute `errors` (n,). It has no sampling interval."""
        return cls(estimate=float(np.abs(errors).max()), interval=None, n=np.size(errors), **words)


def wilson(hits: ArrayLike) -> Interval:
    """Wilson's score interval for the share of True in `hits`, shape (n,)."""
    hits = np.asarray(hits, dtype=bool).ravel()
    n, p = hits.size, float(hits.mean())
    middle = (p + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * math.sqrt(p * (1 - p) / n + Z95**2 / (4 * n**2))
    return min(p, middle - half), max(p, middle + half)  # rounding must not exclude p = 0 or 1


def mean_interval(values: ArrayLike) -> Interval:
    """Student's interval for the mean of independent `values`, shape (n,), n ≥ 2."""
    values = np.asarray(values, dtype=np.float64).ravel()
    half = stdtrit(values.size - 1, 0.975) * values.std(ddof=1) / math.sqrt(values.size)
    return float(values.mean() - half), float(values.mean() + half)


def median_interval(values: ArrayLike) -> Interval:
    """The order statistics around the median of independent `values`, shape (n,): 95 % or more if n ≥ 6."""
    values = np.sort(np.asarray(values, dtype=np.float64).ravel())
    n = values.size
    k = int(np.searchsorted(bdtr(np.arange(n), n, 0.5), 0.025))  # P(Binomial(n, ½) < k) ≤ 2.5 %
    k = min(max(k, 1), (n + 1) // 2)
    return float(values[k - 1]), float(values[n - k])


def ratio(one: ArrayLike, other: ArrayLike) -> tuple[float, Interval]:
    """The geometric mean of `one` / `other`, (n,) each, positive and paired, and Student's interval of it."""
    log = np.log(np.divide(one, other, dtype=np.float64))
    low, high = mean_interval(log)
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


def number(value: float, digits: int = 3) -> str:
    """`value` as readers see it: `digits` significant digits and a true minus sign."""
    if not math.isfinite(value):
        raise ValueError(f"number: value must be finite, got {value}")
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")  # rounded first: 0.9996 is 1.00, not 1.000
    if value != 0 and not 1e-3 <= abs(value) < 1e5:
        return f"{mantissa} × 10{str(int(exponent)).translate(SUPERSCRIPT)}".replace("-", "−")
    places = max(digits - 1 - int(exponent), 0)
    return f"{value:,.{places}f}".replace("-", "−")


def percent(share: float, places: int = 0) -> str:
    """A share in [0, 1] as a percentage."""
    return f"{100 * share:.{places}f}\u00a0%".replace("-", "−")  # never broken from its number


def between(interval: Interval, digits: int = 3) -> str:
    """An interval as "[low, high]"."""
    return f"[{number(interval[0], digits)}, {number(interval[1], digits)}]"


def signed(value: float, places: int = 1) -> str:
    """A change as readers see it: with its sign, and no minus before a zero."""
    return f"{round(value, places) + 0.0:+.{places}f}".replace("-", "−")


def long_table(axes: Mapping[str, Sequence], **arrays: ArrayLike) -> dict[str, np.ndarray]:
    """Columns of a table with a row for every combination of `axes`: names, their values, what was measured.

    Every array has the axes' shape, in their order.
    """
    shape = tuple(map(len, axes.values()))
    places = np.indices(shape).reshape(len(shape), -1)
    columns = {name: np.asarray(values)[at] for (name, values), at in zip(axes.items(), places, strict=True)}
    for name, array in arrays.items():
        if np.shape(array) != shape:
            raise ValueError(
                f"long_table: {name} must have the shape of the axes {shape}, got {np.shape(array)}"
            )
        columns[name] = np.ravel(array)
    return columns
