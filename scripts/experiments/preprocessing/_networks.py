"""Random numbers for networks, and for draws of the data, side by side."""

from __future__ import annotations

import torch


def generators(seed: int, networks: int, times: int = 1) -> list[torch.Generator]:
    """One generator a network, and the same again, fresh, `times` over."""
    return [torch.Generator().manual_seed(1000 * seed + k) for _ in range(times) for k in range(networks)]
