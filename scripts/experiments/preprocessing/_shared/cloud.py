"""A cloud of correlated points, off centre and wider than high, on which each step of preprocessing shows."""

import numpy as np
import torch
from torch import Tensor

from experiments.trials import generator

MEAN, STD, CORRELATION = (3.2, 3.6), (1.5, 0.5), 0.7


def covariance(std: tuple[float, float] = STD) -> Tensor:
    """Of the points' distribution (2, 2)."""
    mixed = CORRELATION * std[0] * std[1]
    return torch.tensor([[std[0] ** 2, mixed], [mixed, std[1] ** 2]], dtype=torch.float64)


def cloud(points: int, seed: int, *replicas: int, std: tuple[float, float] = STD, device="cpu") -> Tensor:
    """Normal points (*replicas, points, 2)."""
    u = torch.randn(*replicas, points, 2, generator=generator(seed), dtype=torch.float64)
    x = u @ torch.linalg.cholesky(covariance(std)).mT + torch.tensor(MEAN, dtype=torch.float64)
    return x.to(device)


def ring(points: np.ndarray, deviations: float = 2.0) -> np.ndarray:
    """The ellipse (100, 2) that many standard deviations from the mean of `points` (n, 2)."""
    angle = np.linspace(0, 2 * np.pi, 100)
    root = np.linalg.cholesky(np.cov(points.T))
    return points.mean(0) + deviations * np.stack([np.cos(angle), np.sin(angle)], axis=1) @ root.T
