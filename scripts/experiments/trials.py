"""The ground of every experiment: random streams that never meet, independent splits, networks side by side.

A replica is one of many networks that are trained together: weights `(*replicas, out, in)`, examples
`(*replicas, n, features)`. Whatever an experiment repeats, it repeats over replicas.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from unitgain.datasets import Examples, Split, split
from unitgain.models import MLP
from unitgain.optimizers import SGD
from unitgain.training import accuracy, train
from unitgain.transforms import StandardScaler

STREAMS = ("draws", "weights", "data", "split", "order", "noise", "fresh", "search")
REPLICAS = 2**17  # of one stream
SEEDS = 2**32 // (REPLICAS * len(STREAMS))  # torch's CPU generator knows the low 32 bits of a seed only

Scale = Callable[[Tensor, Tensor], Tensor]  # (x, training rows) -> x


# Random streams


def generators(
    seed: int, count: int, stream: str = "weights", *, first: int = 0, times: int = 1
) -> list[Generator]:
    """One generator for each of `count` replicas from `first` on, and the same again, fresh, `times` over.

    No two of (seed, stream, replica) share their draws. Streams are named after what is drawn from them,
    "draws" where an experiment needs one only.
    """
    if stream not in STREAMS:
        raise ValueError(f"generators: stream must be one of {', '.join(STREAMS)}, got {stream!r}")
    if not (0 <= seed < SEEDS and 0 <= first <= first + count <= REPLICAS):
        raise ValueError(
            f"generators: seed must be from 0 to {SEEDS - 1} and replicas from 0 to {REPLICAS - 1}, "
            f"got seed {seed}, replicas {first} to {first + count - 1}"
        )
    start = (seed * len(STREAMS) + STREAMS.index(stream)) * REPLICAS + first
    return [torch.Generator().manual_seed(start + k) for _ in range(times) for k in range(count)]


def generator(seed: int, stream: str = "draws") -> Generator:
    """The generator of an experiment that draws for all its replicas at once."""
    return generators(seed, 1, stream)[0]


# Data


def raw(x: Tensor, _: Tensor) -> Tensor:
    """As it is."""
    return x


def standardized(x: Tensor, training: Tensor) -> Tensor:
    """`x` by the means and standard deviations of `training`, rows (n, features) each."""
    return StandardScaler().fit(training).transform(x)


def stacked(parts: Iterable[Sequence[Tensor]]) -> tuple[Tensor, ...]:
    """The tensors of all replicas in one each: from one (x, y, …) a replica to (all x, all y, …)."""
    return tuple(torch.stack(column) for column in zip(*parts, strict=True))


def splits(
    x: Tensor,
    y: Tensor,
    draws: Iterable[Generator],
    *,
    validation: float = 0.2,
    test: float = 0.0,
    scale: Scale = raw,
) -> Split:
    """An independent split of the examples a generator: in each part x (replicas, n, d), y (replicas, n).

    `scale(x, training)` knows a replica's own training part only.
    """
    made = (split(x, y, validation=validation, test=test, generator=draw) for draw in draws)
    return Split(
        *(Examples(*stacked(part)) for part in zip(*(scaled(one, scale) for one in made), strict=True))
    )


def scaled(parts: Split, scale: Scale) -> Split:
    """The parts with their inputs scaled by what `scale` learns from the training part."""
    rows = scale(torch.cat([part.x for part in parts]), parts.train.x)
    inputs = rows.split([len(part.x) for part in parts])
    return Split(*(Examples(x, part.y) for x, part in zip(inputs, parts, strict=True)))


# Training and scoring


def mlps(
    sizes: Sequence[int], replicas: int | tuple[int, ...], *, seed: int, device: Any, **options: Any
) -> MLP:
    """Networks of one shape. Along the last dimension of `replicas` they start differently, else alike."""
    *times, networks = (replicas,) if isinstance(replicas, int) else replicas
    draws = generators(seed, networks, times=prod(times))
    return MLP(sizes, replicas=replicas, generator=draws, device=device, **options)


def by_part(*functions: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """An activation for networks (functions, …), of which each part has its own."""
    return lambda z: torch.stack([f(part) for f, part in zip(functions, z, strict=True)])


def descend(
    model: nn.Module,
    examples: Examples,
    rate: float | Tensor,
    *,
    seed: int,
    epochs: int = 1,
    steps: int | None = None,
    batch: int | None = None,
    optimizer: Callable[..., Optimizer] = SGD,
    loss: str | Callable[[Tensor, Tensor], Tensor] = "cross_entropy",
    callback: Callable[[int], object] | None = None,
) -> Tensor:
    """Train `model` and return the loss before each step, (steps, *replicas).

    All networks take their batches by the same positions; where each has examples of its own, they have been
    shuffled before. With `steps` there are so many, and each example comes as often as any other, to within
    one.

    Args:
        rate: For all, or a tensor that broadcasts with the networks `(*replicas,)`.
        batch: Examples a step, or as many as there are; None for all.
        optimizer: Called with the parameters and `lr`.
    """
    x, y = examples
    order = generator(seed, "order")
    if steps is not None:
        x, y = drawn(steps * batch, examples, order)
    if isinstance(rate, Tensor):
        rate = rate.to(x.device)[..., None, None]
    return train(
        model,
        x,
        y,
        loss=loss,
        optimizer=optimizer(model.parameters(), lr=rate),
        epochs=epochs,
        batch_size=batch and min(batch, x.shape[-2]),
        generator=order,
        callback=callback,
    )


def drawn(count: int, examples: Examples, draw: Generator) -> Examples:
    """So many of the examples in random order, over again, in another order, when all have been drawn."""
    n = examples.x.shape[-2]
    passes = [torch.randperm(n, generator=draw) for _ in range(-(-count // n))]
    rows = torch.cat(passes)[:count].to(examples.x.device)
    return Examples(examples.x[..., rows, :], examples.y[..., rows])


@torch.no_grad()
def score(model: nn.Module, examples: Examples) -> Tensor:
    """Accuracy of every network in its present mode; guessing where an output is no longer a number."""
    outputs = model(examples.x)
    classes = max(outputs.shape[-1], 2)
    finite = outputs.isfinite().flatten(-2).all(-1)
    return torch.where(finite, accuracy(outputs, examples.y), 1 / classes)
