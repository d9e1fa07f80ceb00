"""One short training loop: full batch, mini-batch or stochastic; one network or K replicas."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

__all__ = ["LOSSES", "accuracy", "binary_cross_entropy", "cross_entropy", "squared_error", "train"]


def binary_cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Mean binary cross-entropy over the examples, from logits.

    Args:
        logits: `(*replicas, n, 1)`.
        y: Labels 0 or 1, `(n,)` or `(*replicas, n)`.

    Returns:
        `(*replicas,)`, in nats.

    Examples:
        >>> import torch
        >>> from unitgain.training import binary_cross_entropy
        >>> binary_cross_entropy(torch.zeros(4, 1), torch.tensor([0, 1, 0, 1]))
        tensor(0.6931)

    Source: Goodfellow, Bengio & Courville, *Deep Learning* (2016), section 6.2.2.2.
    """
    z = logits.squeeze(-1)
    return (z - y * z - functional.logsigmoid(z)).mean(-1)  # softplus(z) would be linear from 20 on


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Mean cross-entropy over the examples, from logits.

    Args:
        logits: `(*replicas, n, classes)`.
        y: Class numbers, `(n,)` or `(*replicas, n)`.

    Returns:
        `(*replicas,)`, in nats.

    Examples:
        >>> import torch
        >>> from unitgain.training import cross_entropy
        >>> cross_entropy(torch.zeros(4, 10), torch.arange(4))
        tensor(2.3026)

    Source: Goodfellow, Bengio & Courville, *Deep Learning* (2016), section 6.2.2.3.
    """
    picked = y.long().expand(logits.shape[:-1]).unsqueeze(-1)
    return -logits.log_softmax(-1).gather(-1, picked).squeeze(-1).mean(-1)


def squared_error(output: Tensor, y: Tensor) -> Tensor:
    """Half the mean squared error over the examples.

    Args:
        output: `(*replicas, n, 1)`.
        y: Targets, `(n,)` or `(*replicas, n)`.

    Returns:
        `(*replicas,)`, in half the square of the targets' unit.

    Examples:
        >>> import torch
        >>> from unitgain.training import squared_error
        >>> squared_error(torch.zeros(2, 1), torch.tensor([1.0, 3.0]))
        tensor(2.5000)

    Source: Nielsen, *Neural Networks and Deep Learning* (2015), eq. 6.
    """
    return (output.squeeze(-1) - y).square().mean(-1) / 2


def accuracy(logits: Tensor, y: Tensor) -> Tensor:
    """Share of examples whose predicted class is right.

    Args:
        logits: `(*replicas, n, 1)` for two classes, class 1 where positive, or `(*replicas, n, classes)`.
        y: Labels, `(n,)` or `(*replicas, n)`.

    Returns:
        `(*replicas,)`, in [0, 1].

    Examples:
        >>> import torch
        >>> from unitgain.training import accuracy
        >>> accuracy(torch.tensor([[2.0], [-1.0]]), torch.tensor([1, 1]))
        tensor(0.5000)

    Source: scikit-learn's accuracy_score.
    """
    predicted = logits.squeeze(-1) > 0 if logits.shape[-1] == 1 else logits.argmax(-1)
    return (predicted == y).float().mean(-1)


Loss = Callable[[Tensor, Tensor], Tensor]

LOSSES: dict[str, Loss] = {
    "binary_cross_entropy": binary_cross_entropy,
    "cross_entropy": cross_entropy,
    "squared_error": squared_error,
}
"""Losses by name: functions `(output, y) -> (*replicas,)`, means over the examples."""


def train(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    loss: str | Loss,
    optimizer: Optimizer,
    epochs: int,
    batch_size: int | None = None,
    generator: Generator | Sequence[Generator] | None = None,
    callback: Callable[[int], object] | None = None,
) -> Tensor:
    """Train `model` in place and return the loss before every step.

    One epoch passes over all examples: in one step with `batch_size=None` (batch descent), in steps of one
    example with `batch_size=1` (stochastic descent), in mini-batches otherwise, in a new random order each
    epoch. With replicas the losses are summed, never averaged: each network then trains as it would alone.

    Args:
        model: Maps `(…, n, features)` to outputs that `loss` takes.
        x: Examples, `(n, features)` for all replicas or `(*replicas, n, features)`.
        y: Targets, `(n,)` or `(*replicas, n)`.
        loss: A key of `LOSSES`, or a function `(output, y) -> (*replicas,)`.
        optimizer: Any torch optimizer over the model's parameters.
        epochs: Number of passes, at least 1.
        batch_size: Examples a step, 1 to n; None for all. A last, smaller batch is used too.
        generator: Draws the order (on the CPU). One for all replicas (None: torch's global one), or one a
            replica, whose batches are then those of the single network.
        callback: Called with the number of steps taken so far, before each step and after the last.

    Returns:
        The loss before each step, `(steps, *replicas)`, detached, on the model's device.

    Raises:
        ValueError: For an unknown loss, numbers out of range, or x and y of different lengths.

    Examples:
        >>> import torch
        >>> from unitgain.models import MLP
        >>> from unitgain.optimizers import SGD
        >>> from unitgain.training import train
        >>> model, x = MLP((1, 1)), torch.tensor([[-1.0], [1.0]])
        >>> history = train(model, x, torch.tensor([0, 1]), loss="binary_cross_entropy",
        ...                 optimizer=SGD(model.parameters(), lr=1.0), epochs=50)
        >>> history.shape, bool(history[-1] < history[0])
        (torch.Size([50]), True)

    Source: Robbins & Monro, *A stochastic approximation method* (1951); mini-batches as in Goodfellow,
    Bengio & Courville, *Deep Learning* (2016), section 8.1.3.
    """
    n = x.shape[-2]
    if y.shape[-1] != n:
        raise ValueError(f"train: x and y must have the same number of examples, got {n} and {y.shape[-1]}")
    if not epochs >= 1:
        raise ValueError(f"train: epochs must be at least 1, got {epochs}")
    if batch_size is not None and not 1 <= batch_size <= n:
        raise ValueError(f"train: batch_size must be from 1 to the number of examples {n}, got {batch_size}")
    if isinstance(loss, str):
        if loss not in LOSSES:
            raise ValueError(f"train: loss must be one of {', '.join(LOSSES)} or a function, got {loss!r}")
        loss = LOSSES[loss]

    history: list[Tensor] = []
    for _ in range(epochs):
        for batch_x, batch_y in _batches(x, y, batch_size, generator):
            if callback is not None:
                callback(len(history))
            optimizer.zero_grad()
            losses = loss(model(batch_x), batch_y)
            losses.sum().backward()
            optimizer.step()
            history.append(losses.detach())
    if callback is not None:
        callback(len(history))
    return torch.stack(history)


def _batches(
    x: Tensor, y: Tensor, batch_size: int | None, generator: Generator | Sequence[Generator] | None
) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of one epoch; with one generator a replica, each replica has an order of its own."""
    n = x.shape[-2]
    if batch_size is None:
        yield x, y
        return
    if generator is None or isinstance(generator, Generator):
        for rows in torch.randperm(n, generator=generator).to(x.device).split(batch_size):
            yield x[..., rows, :], y[..., rows]
        return
    if x.ndim > 3:
        raise ValueError(
            "train: one generator a replica needs a single replicas dimension, "
            f"got x of shape {tuple(x.shape)}"
        )
    order = torch.stack([torch.randperm(n, generator=g) for g in generator]).to(x.device)
    replica = torch.arange(len(order), device=x.device).unsqueeze(-1)
    for rows in order.split(batch_size, dim=-1):
        yield (x[rows] if x.ndim == 2 else x[replica, rows]), (y[rows] if y.ndim == 1 else y[replica, rows])
