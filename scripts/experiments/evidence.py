"""What an experiment may assert: claims, and the maps that decide them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from experiments.intervals import (
    LEVEL,
    Interval,
    mean,
    mean_interval,
    median_interval,
    ratio,
    resampled_interval,
    wilson,
)
from experiments.words import shown

VERDICTS = ("confirmed", "depends", "refuted", "open", "not reproduced")
SHARP = 1.5  # a turning point is known to this factor where its bracket's ends differ by the square of it


@dataclass(frozen=True)
class Map:
    """A claim's condition, tried again under other conditions: where does it hold, and where does it turn?

    A cell *holds* where its whole interval lies on the claim's `side`, *fails* where it lies off it, and is
    *open* where it has a part on each. The intervals are right together with 95 %: one of k cells has the
    level 1 - 0.05 / k (Bonferroni), so that a cell among many does not turn a verdict by chance.

    Write `Map.of_means(values, axes=…, above=…, measure=…)` and its like, with values `(*axes, n)`.

    Attributes:
        measure: What the number of a cell is.
        axes: One or two conditions, by the words that a reader sees, with three to six values each: numbers
            in order, or words.
        estimate, low, high: A number for each cell, shaped as the axes.
        n: Of one cell.
        side: Where the number must lie, from and to; one of both may be infinite.
        units: What was drawn again for each of the n.
    """

    measure: str
    axes: Mapping[str, Sequence]
    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: int
    side: Interval
    units: str = ""

    def __post_init__(self) -> None:
        shape = tuple(map(len, self.axes.values()))
        if len(shape) not in (1, 2):
            raise ValueError(f"Map: axes must be one or two, got {', '.join(self.axes) or 'none'}")
        for name, array in (("estimate", self.estimate), ("low", self.low), ("high", self.high)):
            if np.shape(array) != shape:
                raise ValueError(
                    f"Map: {name} must have the shape of the axes {shape}, got {np.shape(array)}"
                )
        if not (self.low <= self.estimate).all() or not (self.estimate <= self.high).all():
            raise ValueError("Map: every interval must hold its estimate")
        if not self.side[0] < self.side[1] or not np.isfinite(self.side).any():
            raise ValueError(f"Map: side must go from a lower to a higher number, got {self.side}")
        for name, values in self.axes.items():
            numbers = [value for value in values if not isinstance(value, str)]
            if len(numbers) not in (0, len(values)) or sorted(set(numbers)) != numbers:
                raise ValueError(f"Map: {name} must be all words, or numbers in order, got {list(values)}")

    @classmethod
    def of_means(cls, values: ArrayLike, **words) -> Map:
        """The mean of independent values, or of paired differences, in each cell: `(*axes, n)`."""
        return _map(values, mean, mean_interval, **words)

    @classmethod
    def of_resampled(cls, values: ArrayLike, *, test: float, training: float, **words) -> Map:
        """The mean over random splits of one data set: see `resampled_interval`."""
        interval = partial(resampled_interval, test=test, training=training)
        return _map(values, mean, interval, **words)

    @classmethod
    def of_ratios(cls, one: ArrayLike, other: ArrayLike, **words) -> Map:
        """The geometric mean of `one` / `other` in each cell, positive and paired: `(*axes, n)` each."""
        values = np.divide(one, other, dtype=np.float64)
        return _map(values, lambda v: ratio(v, 1)[0], lambda v, level: ratio(v, 1, level)[1], **words)

    @classmethod
    def of_medians(cls, values: ArrayLike, **words) -> Map:
        """The median in each cell: `(*axes, n)`, n large enough for the level, or no cell would be right."""
        return _map(values, lambda v: float(np.median(v)), partial(median_interval, strict=True), **words)

    @classmethod
    def of_fractions(cls, hits: ArrayLike, **words) -> Map:
        """The fraction of True in each cell: `(*axes, n)`."""
        return _map(hits, mean, wilson, **words)

    @classmethod
    def of_exact(cls, values: ArrayLike, **words) -> Map:
        """Numbers that were computed, not sampled, one a cell: `(*axes,)`."""
        return _map(np.asarray(values)[..., None], mean, lambda v, level: (mean(v), mean(v)), **words)

    @property
    def cells(self) -> np.ndarray:
        """ "holds", "fails" or "open" for each cell, shaped as the axes."""
        (least, most), low, high = self.side, self.low, self.high
        inside, outside = (least < low) & (high < most), (high < least) | (most < low)
        return np.where(inside, "holds", np.where(outside, "fails", "open"))

    @property
    def verdict(self) -> str:
        """What the cells say together. An open cell decides nothing where others already differ."""
        seen = set(self.cells.ravel().tolist())
        if seen >= {"holds", "fails"}:
            return "depends"
        return "open" if "open" in seen else "confirmed" if "holds" in seen else "refuted"

    def lines(self) -> Iterator[tuple[str, str, list[tuple]]]:
        """Along each axis: its name, the value held fixed ("" with one axis), and (value, cell) in order."""
        names, cells = list(self.axes), self.cells
        for i, name in enumerate(names):
            for j, line in enumerate(np.moveaxis(cells, i, -1).reshape(-1, len(self.axes[name]))):
                fixed = self.axes[names[1 - i]][j] if len(names) == 2 else ""
                yield name, shown(fixed), list(zip(self.axes[name], line.tolist(), strict=True))

    def turns(self) -> list[tuple[str, str, object, object]]:
        """Where it turns along an axis of numbers: (axis, what was held fixed, last before, first after)."""
        found = []
        for name, fixed, line in self.lines():
            known = [(value, cell) for value, cell in line if cell != "open"]
            for (before, one), (after, other) in pairwise(known):
                if one != other and not isinstance(before, str):
                    found.append((name, fixed, before, after))
        return found

    def vague(self) -> list[str]:
        """The axes of numbers along which it turns, but nowhere known to a factor of `SHARP`."""
        turns = self.turns()
        sharp = {name for name, _, before, after in turns if _sharp(before, after)}
        return [name for name in self.axes if name in {turn[0] for turn in turns} - sharp]


def _sharp(before: float, after: float) -> bool:
    low, high = sorted((abs(before), abs(after)))
    return before * after > 0 and high <= SHARP**2 * low * (1 + 1e-9)  # next to 0 no factor is known


def _map(
    values: ArrayLike,
    estimate: Callable[[np.ndarray], float],
    interval: Callable[..., Interval],
    *,
    axes: Mapping[str, Sequence],
    measure: str,
    above: float = -math.inf,
    below: float = math.inf,
    units: str = "",
) -> Map:
    values = np.asarray(values)
    rows = values.reshape(-1, values.shape[-1])
    level = 1 - (1 - LEVEL) / len(rows)
    estimates = np.reshape([estimate(row) for row in rows], values.shape[:-1])
    low, high = np.moveaxis(
        np.reshape([interval(row, level=level) for row in rows], (*values.shape[:-1], 2)), -1, 0
    )
    low, high = np.minimum(low, estimates), np.maximum(high, estimates)  # rounding may not part them
    axes = {name: tuple(values) for name, values in axes.items()}
    return Map(measure, axes, estimates, low, high, values.shape[-1], (above, below), units)


@dataclass(frozen=True)
class Claim:
    """One statement, the verdict written down for it, and the measurement that must go on supporting it.

    The verdict is derived, and the build stops where the written one differs: from the `map` (confirmed where
    all cells hold, refuted where all fail, depends where some do, open where it is not known), or, for an
    identity, from the largest error seen, which must be `within` rounding. An identity has neither an
    interval nor a map: it is exact. A statement that a source makes under conditions which were not repeated
    here is *not reproduced* where it would be refuted: `unrepeated` says what was not.

    `holds` is True while what the finding says besides holds too; the build stops where it is False.

    Write `Claim.of_mean(values, id=…, …)` and its like: they derive `estimate`, `interval` and `n`.

    Attributes:
        units: What was drawn again for each of the n, and what was the same for all: "networks, each with
            its own split of one table".
    """

    id: str
    statement: str
    sources: tuple[str, ...]
    verdict: str
    measure: str
    estimate: float
    interval: Interval | None
    n: int
    finding: str
    holds: bool = True
    map: Map | None = None
    within: float | None = None
    units: str = ""
    unrepeated: str = ""

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

    @property
    def derived(self) -> str:
        """The verdict that the measurement gives."""
        if self.map is not None:
            verdict = self.map.verdict
        elif self.within is not None:
            verdict = "confirmed" if self.estimate <= self.within else "refuted"
        else:
            return self.verdict
        return "not reproduced" if self.unrepeated and verdict == "refuted" else verdict

    @classmethod
    def of_mean(cls, values: ArrayLike, **words) -> Claim:
        """The mean of independent `values` (n,), or of paired differences, with Student's interval."""
        return cls(estimate=mean(values), interval=mean_interval(values), n=np.size(values), **words)

    @classmethod
    def of_resampled(cls, values: ArrayLike, *, test: float, training: float, **words) -> Claim:
        """The mean over random splits of one data set: see `resampled_interval`."""
        interval = resampled_interval(values, test=test, training=training)
        return cls(estimate=mean(values), interval=interval, n=np.size(values), **words)

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
        """An identity: the largest of the absolute `errors` (n,), `within` rounding. It has no interval."""
        return cls(estimate=float(np.abs(errors).max()), interval=None, n=np.size(errors), **words)
