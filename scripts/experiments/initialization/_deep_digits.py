"""Deep networks on the digits, side by side, trained for a fixed number of steps."""

import torch
from torch import Tensor

from unitgain.datasets import Examples, digits
from unitgain.models import MLP
from unitgain.optimizers import SGD
from unitgain.training import accuracy, train
from unitgain.transforms import StandardScaler

BATCH = 32
CLASSES = 10


def standardized_digits(device) -> Examples:
    """All 1,797 of them: whether a network learns at all is what these experiments ask."""
    x, y = digits(device=device)
    return Examples(StandardScaler().fit(x).transform(x), y)


def descend(
    model: MLP, data: Examples, rate: float, *, steps: int, seed: int, momentum: float = 0.0
) -> Tensor:
    """So many steps of plain descent, the same batches for all replicas: the loss before each, (steps, …)."""
    x, y = data
    generator = torch.Generator().manual_seed(seed)
    passes = -(-steps * BATCH // len(x))
    rows = torch.cat([torch.randperm(len(x), generator=generator) for _ in range(passes)])
    rows = rows[: steps * BATCH].to(x.device)
    return train(
        model,
        x[rows],
        y[rows],
        loss="cross_entropy",
        optimizer=SGD(model.parameters(), lr=rate, momentum=momentum),
        epochs=1,
        batch_size=BATCH,
        generator=generator,
    )


@torch.no_grad()
def score(model: MLP, data: Examples, points: int) -> Tensor:
    """Accuracy of every replica on so many digits; guessing where its outputs are no longer numbers."""
    outputs = model(data.x[:points])
    broken = ~outputs.isfinite().all(-1).all(-1)
    return torch.where(broken, 1 / CLASSES, accuracy(outputs, data.y[:points]))
