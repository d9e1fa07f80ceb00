"""To whiten is to divide each principal component by the square root of its eigenvalue."""

import numpy as np

CASES = {
    "12 heavy-tailed columns, by the roots": ({"columns": 12, "power": 0.5}, "holds"),
    "60 heavy-tailed columns, by the roots": ({"columns": 60, "power": 0.5}, "holds"),
    "12 heavy-tailed columns, by the eigenvalues": ({"columns": 12, "power": 1.0}, "fails"),
}


def measured(seed, *, columns, power):
    """The largest distance of the new covariance from the identity, over the old condition number."""
    rng = np.random.default_rng(seed)
    x = rng.standard_t(5, (1000, columns)) @ rng.standard_normal((columns, columns))
    x = x - x.mean(axis=0)
    eigenvalues, axes = np.linalg.eigh(x.T @ x / len(x))
    white = x @ axes / eigenvalues**power
    error = np.abs(white.T @ white / len(x) - np.eye(columns)).max()
    return float(error / (eigenvalues[-1] / eigenvalues[0]))


def holds(number):
    return number < 1e-14
