"""What the experiments on leaks share: classifiers without a knob to turn, for many tables at once."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from scipy.special import betainc, betaincinv, ndtr
from torch import Tensor

AT_ONCE = 2**19  # distances: few enough to stay in a processor's cache


def picks(tables: int, count: int, n: int, draw: torch.Generator, device=None) -> Tensor:
    """`count` of n rows in random order for each of many tables, (tables, count)."""
    return torch.rand(tables, n, generator=draw).topk(count).indices.to(device)


def shares(right: Tensor, test: int) -> Tensor:
    """Shares of True in the first `test` answers and in the others: (…, tables, n) to (…, 2, tables)."""
    return torch.stack([part.float().mean(-1) for part in (right[..., :test], right[..., test:])], -2)


def _nearness(x: Tensor, queries: Tensor) -> Iterator[Tensor]:
    """|q|² − |x − q|², halved, for a few tables at a time: (some tables, queries, rows)."""
    few = max(1, AT_ONCE // (x.shape[1] * queries.shape[1]))
    for rows, asked in zip(x.split(few), queries.split(few), strict=True):
        yield torch.baddbmm(rows.square().sum(-1).unsqueeze(-2) / -2, asked, rows.mT)


def nearest(x: Tensor, queries: Tensor) -> Tensor:
    """Which row is each query's nearest: x (tables, n, d), queries (tables, m, d) to (tables, m)."""
    return torch.cat([near.argmax(-1) for near in _nearness(x, queries)])


def vote(x: Tensor, y: Tensor, queries: Tensor, neighbours: int) -> Tensor:
    """What most of the nearest rows say, an odd number of them, with labels 1 and -1; shapes as above."""
    said = torch.cat([near.topk(neighbours, sorted=False).indices for near in _nearness(x, queries)])
    return y.gather(-1, said.flatten(1)).view_as(said).sum(-1).sign()


def correlations(x: Tensor, y: Tensor) -> Tensor:
    """Of every column with the labels, up to a factor: x (tables, n, d), y (tables, n) to (tables, d)."""
    found = []
    for table, labels in zip(x, y - y.mean(1, keepdim=True), strict=True):  # one stays in the cache
        centred = table - table.mean(0)
        found.append(labels @ centred / centred.square().sum(0).sqrt())
    return torch.stack(found)


def chosen(x: Tensor, correlation: Tensor, keep: int) -> Tensor:
    """The columns that correlate most, those of `correlation` (tables, first columns): (tables, n, keep)."""
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
