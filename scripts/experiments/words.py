"""Numbers as readers see them, and tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from experiments.intervals import Interval

SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, digits: int = 3) -> str:
    """`value` as readers see it: `digits` significant digits and a true minus sign."""
    if not math.isfinite(value):
        raise ValueError(f"number: value must be finite, got {value}")
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")  # rounded first: 0.9996 is 1.00, not 1.000
    if value != 0 and not 1e-3 <= abs(value) < 1e5:
        return f"{mantissa} × 10{str(int(exponent)).translate(SUPERSCRIPT)}".replace("-", "−")
    places = max(digits - 1 - int(exponent), 0)
    return f"{value:,.{places}f}".replace("-", "−")


def shown(value: object) -> str:
    """A condition's value as readers see it: a word as it is, a number without needless digits."""
    if isinstance(value, str):
        return value
    if 1e-3 <= abs(value) < 1e6 or value == 0:
        return f"{value:,.10g}".replace("-", "−")
    return number(value, 1 if float(f"{value:.0e}") == value else 2)


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
