"""Networks on the digits, side by side: one split of the images, first weights of their own."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from unitgain.datasets import Examples, digits, split
from unitgain.optimizers import SGD
from unitgain.training import accuracy, train
from unitgain.transforms import StandardScaler

EXAMPLES = 1797  # all digits
CLASSES = 10


def digit_parts(seed: int, device, *, standardized: bool = True) -> tuple[Examples, Examples]:
    """Training and held-out digits, standardized by the former, or else with pixels from 0 to 1."""
    x, y = (tensor[:EXAMPLES] for tensor in digits(device=device))
    training, held, _ = split(x, y, generator=torch.Generator().manual_seed(seed))
    if not standardized:
        return Examples(training.x / 16, training.y), Examples(held.x / 16, held.y)
    scaler = StandardScaler().fit(training.x)
    return Examples(scaler.transform(training.x), training.y), Examples(scaler.transform(held.x), held.y)


def drawn(count: int, examples: Examples, generator: torch.Generator) -> Examples:
    """So many of the examples, drawn with replacement."""
    rows = torch.randint(len(examples.x), (count,), generator=generator).to(examples.x.device)
    return Examples(examples.x[rows], examples.y[rows])


def descend(
    model: nn.Module,
    examples: Examples,
    rate: float | Tensor,
    *,
    steps: int,
    batch: int,
    seed: int,
    callback: Callable[[int], object] | None = None,
) -> Tensor:
    """So many steps of plain descent, the same batches for all networks: the loss before each, (steps, …)."""
    generator = torch.Generator().manual_seed(seed)
    return train(
        model,
        *drawn(steps * batch, examples, generator),
        loss="cross_entropy",
        optimizer=SGD(model.parameters(), lr=rate),
        epochs=1,
        batch_size=batch,
        generator=generator,
        callback=callback,
    )


@torch.no_grad()
def score(model: nn.Module, examples: Examples) -> Tensor:
    """Accuracy of every network in its present mode; guessing where its outputs are no longer numbers."""
    outputs = model(examples.x)
    finite = outputs.isfinite().flatten(-2).all(-1)
    return torch.where(finite, accuracy(outputs, examples.y), 1 / CLASSES)
