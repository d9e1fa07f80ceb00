"""Networks that learn side by side, each at a rate of its own."""

from __future__ import annotations

import torch
from torch import Tensor

from unitgain.models import MLP
from unitgain.optimizers import SGD
from unitgain.training import train


def descend(model: MLP, x: Tensor, y: Tensor, rates, *, epochs: int, batch: int, seed: int) -> None:
    """Plain descent of networks (rates, networks) on x (networks, n, d), y (networks, n)."""
    rate = torch.tensor(rates, device=x.device)[:, None, None, None]
    train(
        model,
        x,
        y[None],
        loss="cross_entropy",
        optimizer=SGD(model.parameters(), lr=rate),
        epochs=epochs,
        batch_size=min(batch, x.shape[-2]),
        generator=torch.Generator().manual_seed(seed),
    )
