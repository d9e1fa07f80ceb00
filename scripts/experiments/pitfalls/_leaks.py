"""What the experiments on leaks share: classifiers without a knob to turn, for many tables at once."""

from __future__ import annotations

import torch
from scipy.special import betainc, betaincinv, ndtr
from torch import Tensor


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def picks(tables: int, count: int, n: int, draw: torch.Generator, device=None) -> Tensor:
    """`count` of n rows in random order for each of many tables, (tables, count)."""
    return torch.rand(tables, n, generator=draw).topk(count).indices.to(device)


def nearest(x: Tensor, y: Tensor, queries: Tensor) -> Tensor:
    """The label of each query's nearest row: x (tables, n, d), y (tables, n), queries (tables, m, d)."""
    nearness = torch.baddbmm(x.square().sum(-1).unsqueeze(-2) / -2, queries, x.mT)  # |x - q|² up to |q|²
    return y.gather(-1, nearness.argmax(-1))


def vote(x: Tensor, y: Tensor, queries: Tensor, neighbours: int) -> Tensor:
    """What most of the nearest rows say, an odd number of them, with labels 1 and -1; shapes as above."""
    nearness = torch.baddbmm(x.square().sum(-1).unsqueeze(-2) / -2, queries, x.mT)
    said = nearness.topk(neighbours, sorted=False).indices
    return y.gather(-1, said.flatten(1)).view_as(said).sum(-1).sign()


def chosen(x: Tensor, y: Tensor, keep: int, *, rows: int) -> Tensor:
    """The columns that correlate most with the labels on the first `rows` rows: (tables, n, keep)."""
    centred, labels = (t[:, :rows] - t[:, :rows].mean(1, keepdim=True) for t in (x, y.unsqueeze(-1)))
    correlation = (labels.mT @ centred).squeeze(1) / centred.square().sum(1).sqrt()
    best = correlation.abs().topk(keep).indices
    return x.gather(2, best.unsqueeze(1).expand(-1, x.shape[1], -1))


def nearest_mean(x: Tensor, y: Tensor, queries: Tensor) -> Tensor:
    """Labels, 1 or -1, of the class whose mean row is nearer, for queries (tables, m, d): (tables, m)."""
    one, other = (y > 0).to(x), (y < 0).to(x)
    means = [(w.unsqueeze(1) @ x) / w.sum(1)[:, None, None].clamp(min=1) for w in (one, other)]
    normal, middle = means[0] - means[1], (means[0] + means[1]) / 2
    return ((queries - middle) @ normal.mT).squeeze(-1).sign()


def predicted_score(n: int, columns: int, keep: int, train: int) -> float:
    """Expected score of `nearest_mean` on the rest of n rows if all n chose the columns: pure noise.

    On labels that are coin flips the squared correlation of a column has the distribution B(½, n/2 - 1).
    Its mean over the best `keep` of many columns, c², is what the test rows were seen to have.
    """
    tail = n / 2 - 1
    cut = betaincinv(0.5, tail, 1 - keep / columns)
    c2 = (1 - betainc(1.5, tail, cut)) * columns / keep / (n - 1)
    rest = 1 - c2
    signal = c2 - rest / (n - 2)  # what test rows share with the weights that training rows give
    spread = ((c2 + (1 / train - 1 / n) * rest) * rest) ** 0.5
    return float(ndtr(keep**0.5 * signal / spread))
