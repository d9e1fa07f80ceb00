"""Networks on the digits that differ in their hyper-parameters, side by side, and what each explains."""

from __future__ import annotations

from itertools import product

import numpy as np
import torch
from numpy.polynomial.legendre import legvander

from experiments.trials import generator, standardized
from unitgain.datasets import Examples, digits

ALONE, TOGETHER, WITH_RATE = 5, 2, 4  # highest degree of a term in one, in two, in the rate and another
BLOCKS = 20  # that are left out in turn


def digit_parts(seed: int, rows: int, device) -> list[Examples]:
    """`rows` digits to train on, and half as many others, or all that are left, to validate on."""
    x, y = digits(device=device)
    order = torch.randperm(len(x), generator=generator(seed, "split")).to(x.device)
    parts = order[: rows * 3 // 2].tensor_split([rows])
    return [Examples(standardized(x[part], x[parts[0]]), y[part]) for part in parts]


# How much of the scores' variance each hyper-parameter explains


def _orthonormal(u: np.ndarray, degree: int) -> np.ndarray:
    """Polynomials of degree 0, 1, … of `u` in [-1, 1], columns: orthonormal for values as likely as they are.

    A few values, each as likely, have as many polynomials as values; more count as uniform (Legendre).
    """
    levels, which = np.unique(u, return_inverse=True)
    if len(levels) > degree:
        return legvander(u, degree) * np.sqrt(2 * np.arange(degree + 1) + 1)
    return np.linalg.qr(np.vander(levels, increasing=True))[0][which] * np.sqrt(len(levels))


def _terms(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Products (runs, terms) of one polynomial or two, and which hyper-parameters are in each (terms, k)."""
    powers = [_orthonormal(column, ALONE)[:, 1:] for column in u.T]
    columns, members = [], []
    for i, a in enumerate(powers):
        columns += [*a.T]
        members += [{i}] * a.shape[1]
        for j, b in enumerate(powers[:i]):
            most = WITH_RATE if j == 0 else TOGETHER
            for p, q in product(range(a.shape[1]), range(b.shape[1])):
                if p + q + 2 <= most:
                    columns.append(a[:, p] * b[:, q])
                    members.append({i, j})
    return np.stack(columns, 1), np.array([[k in m for k in range(u.shape[1])] for m in members])


def decompose(u: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Shares of the variance of `score` (runs,) that hyper-parameters `u` (runs, k) explain: (2, k + 1).

    Each is uniform on [-1, 1] or on a few values, independent of the others; the first is the rate. First
    row: what each explains alone; second: with all terms that it takes part in; last column: what nothing
    explains. By least squares on orthonormal polynomials, whose squared coefficients add up to the variance;
    what noise alone adds to a square, its squared standard error, is subtracted.
    """
    columns, members = _terms(u)
    x = np.column_stack([np.ones(len(u)), columns])
    inverse = np.linalg.inv(x.T @ x + 1e-6 * len(u) * np.eye(x.shape[1]))
    coefficients = inverse @ (x.T @ score)
    noise = np.square(score - x @ coefficients).sum() / max(len(u) - x.shape[1], 1)
    squares = (coefficients**2 - noise * inverse.diagonal())[1:]
    alone = members & (members.sum(1) == 1)[:, None]
    return np.stack([[*squares @ alone, noise], [*squares @ members, noise]]) / (squares.sum() + noise)


def jackknife(u: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Pseudo-values (BLOCKS, 2, k + 1) of `decompose`: their mean is the estimate."""
    whole, block = decompose(u, score), np.arange(len(u)) % BLOCKS
    without = np.stack([decompose(u[block != b], score[block != b]) for b in range(BLOCKS)])
    return BLOCKS * whole - (BLOCKS - 1) * without
