"""Many small networks on the digits, each with its own numbers; a split of the data serves many of them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Generator, Tensor, nn

from experiments.trials import Scale, splits
from unitgain.datasets import Examples, Split, digits
from unitgain.transforms import PCA, Compose, StandardScaler

EXAMPLES = 1797  # all digits
COMPONENTS = 16
VALIDATION, FRESH = 1 / 6, 0.666  # of the examples; another sixth trains


def reduced(x: Tensor, training: Tensor) -> Tensor:
    """Standardized principal components, statistics of the training part alone."""
    return Compose(PCA(COMPONENTS), StandardScaler()).fit(training).transform(x)


def split_digits(draws: Iterable[Generator], scale: Scale = reduced, *, device="cpu") -> Split:
    """One split a generator, whose test part is fresh: in each part x (splits, n, inputs), y (splits, n)."""
    x, y = (tensor[:EXAMPLES] for tensor in digits(device=device))
    return splits(x, y, draws, validation=VALIDATION, test=FRESH, scale=scale)


@torch.no_grad()
def right(model: nn.Module, examples: Examples) -> Tensor:
    """Whether each network is right on each example, (*replicas, n); a hundred a time to save memory."""
    parts = zip(*(t.split(100, dim) for t, dim in zip(examples, (-2, -1), strict=True)), strict=True)
    return torch.cat([model(x).max(-1).indices == y for x, y in parts], -1)
