"""One short training loop: full batch, mini-batch or stochastic; one network or K replicas."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

__all__ = ["LOSSES", "accuracy", "binary_cross_entropy", "cross_entropy", "squared_error", "train"]


def binary_cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Mean binary cross-entropy over the examples, from logits.

    Args:
        logits: `(*replicas, n, 1)`.
        y: Labels 0 or 1, `(n,)` or `(*replicas, n)`.

    Returns:
        `(*replicas,)`, in nats.

    Raises:
        ValueError: For logits or labels of another shape.

    Examples:
        >>> import torch
        >>> from unitgain.training import binary_cross_entropy
        >>> binary_cross_entropy(torch.zeros(4, 1), torch.tensor([0, 1, 0, 1]))
        tensor(0.6931)

    Differs from torch.nn.functional.binary_cross_entropy, which takes probabilities; this is its
    binary_cross_entropy_with_logits.

    Source: Goodfellow, Bengio & Courville, *Deep Learning* (2016), section 6.2.2.2.
    """
    _check_shapes("binary_cross_entropy", "logits", logits, y, outputs=1)
    z = logits.squeeze(-1)
    return (z - y * z - functional.logsigmoid(z)).mean(-1)  # softplus(z) would be linear from 20 on


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Mean cross-entropy over the examples, from logits.

    Args:
        logits: `(*replicas, n, classes)`.
        y: Class numbers from 0 to classes − 1, `(n,)` or `(*replicas, n)`.

    Returns:
        `(*replicas,)`, in nats.

    Raises:
        ValueError: For logits or labels of another shape.
        TypeError: For labels of a floating dtype, as targets of a regression have it.

    Examples:
        >>> import torch
        >>> from unitgain.training import cross_entropy
        >>> cross_entropy(torch.zeros(4, 10), torch.arange(4))
        tensor(2.3026)

    Source: Goodfellow, Bengio & Courville, *Deep Learning* (2016), section 6.2.2.3.
    """
    _check_shapes("cross_entropy", "logits", logits, y)
    if y.is_floating_point():
        raise TypeError(f"cross_entropy: y must hold class numbers, whole ones, got dtype {y.dtype}")
    picked = y.long().expand(logits.shape[:-1]).unsqueeze(-1)
    return -logits.log_softmax(-1).gather(-1, picked).squeeze(-1).mean(-1)


def squared_error(output: Tensor, y: Tensor) -> Tensor:
    """Half the mean squared error over the examples.

    Args:
        output: `(*replicas, n, 1)`.
        y: Targets, `(n,)` or `(*replicas, n)`.

    Returns:
        `(*replicas,)`, in half the square of the targets' unit.

    Raises:
        ValueError: For outputs or targets of another shape.

    Examples:
        >>> import torch
        >>> from unitgain.training import squared_error
        >>> squared_error(torch.zeros(2, 1), torch.tensor([1.0, 3.0]))
        tensor(2.5000)

    Source: Nielsen, *Neural Networks and Deep Learning* (2015), eq. 6.
    """
    _check_shapes("squared_error", "output", output, y, outputs=1)
    return (output.squeeze(-1) - y).square().mean(-1) / 2


def accuracy(logits: Tensor, y: Tensor) -> Tensor:
    """Fraction of examples whose predicted class is right.

    Args:
        logits: `(*replicas, n, 1)` for two classes, class 1 where positive, or `(*replicas, n, classes)`.
        y: Labels, `(n,)` or `(*replicas, n)`.

    Returns:
        `(*replicas,)`, in [0, 1].

    Raises:
        ValueError: For logits or labels of another shape.

    Examples:
        >>> import torch
        >>> from unitgain.training import accuracy
        >>> accuracy(torch.tensor([[2.0], [-1.0]]), torch.tensor([1, 1]))
        tensor(0.5000)

    Source: scikit-learn's accuracy_score.
    """
    _check_shapes("accuracy", "logits", logits, y)
    predicted = logits.squeeze(-1) > 0 if logits.shape[-1] == 1 else logits.max(-1).indices
    return (predicted == y).float().mean(-1)


def _check_shapes(owner: str, name: str, output: Tensor, y: Tensor, outputs: int | None = None) -> None:
    """Refuse what would broadcast into something else, as `(n, 1)` minus `(n,)` does into `(n, n)`."""
    shape, last = tuple(output.shape[:-1]), "classes" if outputs is None else outputs
    if not shape or outputs not in (None, output.shape[-1]):
        raise ValueError(f"{owner}: {name} must have shape (*replicas, n, {last}), got {tuple(output.shape)}")
    fits = all(a in (1, b) for a, b in zip(reversed(y.shape), reversed(shape), strict=False))
    if not (1 <= y.ndim <= len(shape) and y.shape[-1] == shape[-1] and fits):
        raise ValueError(
            f"{owner}: y must have shape (n,) or (*replicas, n), here "
            f"{' or '.join(map(str, dict.fromkeys([shape[-1:], shape])))}, got {tuple(y.shape)}"
        )


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
    micro_batch: int | None = None,
    generator: Generator | Sequence[Generator] | None = None,
    scheduler: LRScheduler | None = None,
    callback: Callable[[int], object] | None = None,
) -> Tensor:
    r"""Train `model` in place and return the loss before every step.

    One epoch passes over all examples: in one step with `batch_size=None` (batch descent), in steps of one
    example with `batch_size=1` (stochastic descent), in mini-batches otherwise, in a new random order each
    epoch. With replicas the losses are summed, never averaged: each network then trains as it would alone.

    With `micro_batch` each batch passes through in pieces, and their gradients add up to the batch's own:

    $$\nabla L = \sum_k \frac{n_k}{n}\, \nabla L_k$$

    with L the mean loss of the batch's n examples and $L_k$ that of the $n_k$ in piece k. Only one piece's
    activations are in memory at a time. (Batch normalization is the exception: it would see the pieces.)

    Args:
        model: Maps `(…, n, features)` to outputs that `loss` takes.
        x: Examples, `(n, features)` for all replicas or `(*replicas, n, features)`.
        y: Targets, `(n,)` or `(*replicas, n)`.
        loss: A key of `LOSSES`, or a function `(output, y) -> (*replicas,)`, a mean over the examples.
        optimizer: Any torch optimizer over the model's parameters.
        epochs: Number of passes, at least 1.
        batch_size: Examples a step, 1 to n; None for all. A last, smaller batch is used too.
        micro_batch: Examples that pass through the model at a time (gradient accumulation), 1 to the batch's
            size; None for the whole batch.
        generator: Draws the order (on the CPU). One for all replicas (None: torch's global one), or one a
            replica, whose batches are then those of the single network.
        scheduler: A torch scheduler of `optimizer`, stepped after every epoch, as most of them count;
            `ReduceLROnPlateau` is given the epoch's mean loss. For one that counts steps (`OneCycleLR`),
            leave this out and pass `callback=lambda steps: steps and scheduler.step()`.
        callback: Called with the number of steps taken so far, before each step and after the last.

    Returns:
        The loss before each step, `(steps, *replicas)`, detached, on the model's device. A loss that becomes
        infinite or NaN stands there as it is.

    Raises:
        ValueError: For an unknown loss (the message names the closest one), numbers out of range, x and y of
            different lengths, generators that do not match the replicas, another optimizer's scheduler, or a
            loss that averages over replicas.

    Examples:
        >>> import torch
        >>> from unitgain.training import train
        >>> model, x = torch.nn.Linear(1, 1), torch.tensor([[-1.0], [1.0]])
        >>> history = train(model, x, torch.tensor([0, 1]), loss="binary_cross_entropy",
        ...                 optimizer=torch.optim.SGD(model.parameters(), lr=1.0), epochs=50)
        >>> history.shape, bool(history[-1] < history[0])
        (torch.Size([50]), True)

    Source: Robbins & Monro, *A stochastic approximation method* (1951); mini-batches as in Goodfellow,
    Bengio & Courville, *Deep Learning* (2016), section 8.1.3.
    """
    if x.ndim < 2 or x.shape[-2] == 0:
        raise ValueError(f"train: x must have shape (…, n, features), n at least 1, got {tuple(x.shape)}")
    n = x.shape[-2]
    if y.shape[-1:] != (n,):
        got = y.shape[-1] if y.ndim else "a single target"
        raise ValueError(f"train: x and y must have the same number of examples, got {n} and {got}")
    if not epochs >= 1:
        raise ValueError(f"train: epochs must be at least 1, got {epochs}")
    if batch_size is not None and not 1 <= batch_size <= n:
        raise ValueError(f"train: batch_size must be from 1 to the number of examples {n}, got {batch_size}")
    if micro_batch is not None and not 1 <= micro_batch <= (batch_size or n):
        raise ValueError(
            f"train: micro_batch must be from 1 to the batch's size {batch_size or n}, got {micro_batch}"
        )
    if not callable(loss):
        if loss not in LOSSES:
            close = get_close_matches(str(loss).lower(), LOSSES, n=1, cutoff=0)
            raise ValueError(
                f"train: loss must be one of {', '.join(LOSSES)} or a function; "
                f"got {loss!r}, did you mean {close[0]!r}?"
            )
        loss = LOSSES[loss]
    if batch_size is not None and isinstance(generator, Sequence):
        _check_generators(generator, x, y)
    if scheduler is not None and scheduler.optimizer is not optimizer:
        raise ValueError(
            f"train: scheduler must belong to the optimizer given, got {type(scheduler).__name__} of another"
        )

    history: list[Tensor] = []
    for _ in range(epochs):
        first = len(history)
        for batch_x, batch_y in _batches(x, y, batch_size, generator):
            if callback is not None:
                callback(len(history))
            optimizer.zero_grad()
            history.append(_backward(model, loss, batch_x, batch_y, micro_batch))
            optimizer.step()
        if isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step(torch.stack(history[first:]).mean())
        elif scheduler is not None:
            scheduler.step()
    if callback is not None:
        callback(len(history))
    return torch.stack(history)


def _backward(model: nn.Module, loss: Loss, x: Tensor, y: Tensor, micro_batch: int | None) -> Tensor:
    """Add the gradients of the batch's loss, all at once or piece by piece, and return that loss."""
    if micro_batch is None:
        losses = _losses(model, loss, x, y)
        losses.sum().backward()
        return losses.detach()
    pieces, n = [], x.shape[-2]
    for piece_x, piece_y in zip(x.split(micro_batch, -2), y.split(micro_batch, -1), strict=True):
        losses = _losses(model, loss, piece_x, piece_y) * (piece_x.shape[-2] / n)
        losses.sum().backward()
        pieces.append(losses.detach())
    return torch.stack(pieces).sum(0)


def _losses(model: nn.Module, loss: Loss, x: Tensor, y: Tensor) -> Tensor:
    output = model(x)
    losses = loss(output, y)
    if losses.shape != output.shape[:-2]:  # a mean over replicas would divide every network's gradient
        raise ValueError(
            f"train: loss must return one value a network, shape {tuple(output.shape[:-2])}, "
            f"got {tuple(losses.shape)}"
        )
    return losses


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
            yield x.index_select(-2, rows), y.index_select(-1, rows)
        return
    order = torch.stack([torch.randperm(n, generator=g) for g in generator]).to(x.device)
    replica = torch.arange(len(order), device=x.device).unsqueeze(-1)
    for rows in order.split(batch_size, dim=-1):
        yield (x[rows] if x.ndim == 2 else x[replica, rows]), (y[rows] if y.ndim == 1 else y[replica, rows])


def _check_generators(generators: Sequence[Generator], x: Tensor, y: Tensor) -> None:
    for name, data, rows in (("x", x, 2), ("y", y, 1)):
        if data.ndim > rows + 1:
            raise ValueError(
                "train: one generator a replica needs a single replicas dimension, "
                f"got {name} of shape {tuple(data.shape)}"
            )
        if data.ndim > rows and len(data) != len(generators):
            raise ValueError(
                f"train: generator must hold one generator a replica, "
                f"got {len(generators)} for {name} of shape {tuple(data.shape)}"
            )
