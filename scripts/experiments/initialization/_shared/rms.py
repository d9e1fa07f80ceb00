"""Root mean squares over networks: what the theory's factors predict."""

import numpy as np

from experiments.intervals import mean_interval


def rms(sizes: np.ndarray, layers: int = 1) -> np.ndarray:
    """The root mean square of `sizes` (…, networks) and its interval, each as a factor a layer: (…, 3)."""
    squares = np.square(sizes)
    ends = np.apply_along_axis(mean_interval, -1, squares)
    found = np.concatenate([squares.mean(-1, keepdims=True), ends], axis=-1)
    return np.maximum(found, 0) ** (0.5 / layers)
