"""Means of repetitions, with their intervals."""

from __future__ import annotations

import numpy as np

from experiments.intervals import mean_interval


def means(values: np.ndarray) -> np.ndarray:
    """Means over the last dimension, and the low and high ends of their intervals: (3, …)."""
    ends = np.moveaxis(np.apply_along_axis(mean_interval, -1, values), -1, 0)
    return np.stack([values.mean(-1, dtype=np.float64), *ends])
